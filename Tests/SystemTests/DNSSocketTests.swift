// Sockets to servers that are used for one question after the other: for each they have another port, and nothing of
// the question before reaches the next one.

import Glibc
import Lab
import QureCore
import Testing

struct DNSSocketTests {
    private static let available = PrivateNamespace.missing == nil

    /// A server at a port of a loopback address that the kernel chooses.
    private final class Server {
        let number: CInt
        let endpoint: DNSEndpoint

        init(_ address: String) throws {
            let address = try #require(IPAddress(address))
            let family = address.bitWidth == 32 ? AF_INET : AF_INET6
            let number = socket(family, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            let free = SocketAddress(address)
            let bound = free.withSockaddr { bind(number, $0, $1) }
            try #require(bound == 0)
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let status = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
            }
            try #require(status == 0)
            self.number = number
            endpoint = DNSEndpoint(address, port: try #require(SocketAddress(storage)).port)
        }

        deinit { close(number) }

        /// Whom the next datagram is from.
        func receive() throws -> SocketAddress {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            var octet: UInt8 = 0
            let count = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(number, &octet, 1, 0, $0, &length) }
            }
            try #require(count == 1)
            return try #require(SocketAddress(storage))
        }

        func send(_ octet: UInt8, to client: SocketAddress) {
            #expect(client.withSockaddr { sendto(number, [octet], 1, 0, $0, $1) } == 1)
        }
    }

    @Test(.enabled(if: available), arguments: ["127.0.0.1", "::1"])
    func `a socket that is connected anew has another port, and is deaf until then`(_ address: String) throws {
        try PrivateNamespace.prepare()
        let servers = [try Server(address), try Server(address)]
        var socket = try DNSSocket(to: servers[0].endpoint, from: nil, isStream: false)
        var ports: Set<UInt16> = []
        let count = 400
        for round in 0..<count {
            let server = servers[round % 2], other = servers[1 - round % 2]
            try socket.send([1])
            let client = try server.receive()
            ports.insert(client.port)
            other.send(9, to: client)
            server.send(2, to: client)
            #expect(try socket.receive() == [[2]])
            try socket.disconnect()
            // Nobody has that port now, and what comes to it comes to nobody.
            server.send(3, to: client)
            #expect(try socket.connect(to: other.endpoint))
            #expect(socket.server == other.endpoint)
            server.send(4, to: client)
            #expect(try socket.receive()?.isEmpty == true)
        }
        #expect(ports.count > count * 9 / 10, "\(ports.count) ports")
    }

    @Test(.enabled(if: available))
    func `a socket in which something is left is not used again`() throws {
        try PrivateNamespace.prepare()
        let server = try Server("127.0.0.1")
        var socket = try DNSSocket(to: server.endpoint, from: nil, isStream: false)
        try socket.send([1])
        let client = try server.receive()
        server.send(2, to: client)
        server.send(3, to: client)
        #expect(try socket.receive() == [[2]])
        try socket.disconnect()
        #expect(try !socket.connect(to: server.endpoint))
    }

    /// The kernel tells of a port that nobody listens on by an error, which waits in the socket.
    @Test(.enabled(if: available))
    func `a socket whose server was not there is not used again`() throws {
        try PrivateNamespace.prepare()
        let server = try Server("127.0.0.1")
        // A port that the kernel gives to nobody, as it may to another test one that was somebody's.
        let nobody = DNSEndpoint(server.endpoint.address, port: 1)
        var socket = try DNSSocket(to: nobody, from: nil, isStream: false)
        try socket.send([1])
        try socket.disconnect()
        #expect(try !socket.connect(to: server.endpoint))
    }
}
