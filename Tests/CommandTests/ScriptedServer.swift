// ScriptedServer: a server of the DNS that does what a test says, by datagrams and by streams on one port of the
// loopback address: for answers that no good server gives, and for silence.

import Glibc
import Lab
import QureCore
import Testing

/// A server that the test plays.
final class ScriptedServer {
    let port: Int
    private let datagrams: CInt
    private var listener: CInt = -1
    /// Where the latest datagram came from.
    private var client = sockaddr_in()

    private let address: IPAddress

    /// A server for datagrams.
    init(at address: String = "127.0.0.1") throws {
        try PrivateNamespace.prepare()
        self.address = try #require(IPAddress(address))
        port = NameServer.nextPort()
        datagrams = socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        bindTo(datagrams)
    }

    deinit {
        close(datagrams)
        if listener >= 0 { close(listener) }
    }

    private func bindTo(_ descriptor: CInt) {
        let bound = SocketAddress(address, port: UInt16(port)).withSockaddr { bind(descriptor, $0, $1) }
        precondition(bound == 0, "port \(port) is taken")
    }

    /// Takes connections, too.
    func listen() {
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var on: CInt = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        bindTo(listener)
        precondition(Glibc.listen(listener, 5) == 0)
    }

    private static func awaitInput(_ descriptor: CInt) throws {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        try #require(poll(&request, 1, 20_000) == 1, "nothing came")
    }

    /// The next datagram.
    func receive() throws -> [UInt8] {
        try Self.awaitInput(datagrams)
        var buffer = [UInt8](repeating: 0, count: 65535)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &client) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(datagrams, &buffer, buffer.count, 0, $0, &length)
            }
        }
        return Array(buffer.prefix(max(0, count)))
    }

    /// Whether a datagram is waiting.
    var hasDatagram: Bool {
        var request = pollfd(fd: datagrams, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) == 1
    }

    /// The port that the latest datagram came from.
    var clientPort: UInt16 { UInt16(bigEndian: client.sin_port) }

    /// Whether whoever sent the latest datagram has read all that has come for it: a socket has room for some hundreds.
    var hasBeenRead: Bool {
        let digits = String(clientPort, radix: 16, uppercase: true)
        let port = ":" + String(repeating: "0", count: 4 - digits.count) + digits
        let lines = String(decoding: (try? TextFile.read("/proc/net/udp")) ?? [], as: UTF8.self).split(separator: "\n")
        return lines.map { $0.split(separator: " ") }.allSatisfy { words in
            words.count < 5 || !words[1].hasSuffix(port) || words[4].hasSuffix(":00000000")
        }
    }

    /// Sends a datagram to a port of this host.
    func send(_ octets: [UInt8], toPort port: UInt16) {
        let there = SocketAddress(IPAddress("127.0.0.1")!, port: port)
        let count = there.withSockaddr { sendto(datagrams, octets, octets.count, 0, $0, $1) }
        #expect(count == octets.count)
    }

    /// Answers the latest datagram. `isLate`: whoever sent that may have closed its socket.
    func send(_ octets: [UInt8], isLate: Bool = false) {
        let count = withUnsafePointer(to: client) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(datagrams, octets, octets.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(count == octets.count || isLate)
    }

    /// The next connection.
    func accept() throws -> Connection {
        try Self.awaitInput(listener)
        return Connection(Glibc.accept(listener, nil, nil))
    }

    /// A connection that the server has taken.
    final class Connection {
        private let descriptor: CInt

        fileprivate init(_ descriptor: CInt) { self.descriptor = descriptor }
        deinit { close(descriptor) }

        /// The next message.
        func receive() throws -> [UInt8] {
            var stream = StreamMessages()
            while true {
                try ScriptedServer.awaitInput(descriptor)
                var buffer = [UInt8](repeating: 0, count: 65535)
                let count = read(descriptor, &buffer, buffer.count)
                try #require(count > 0, "the connection ended")
                if let message = stream.take(buffer.prefix(count)).first { return message }
            }
        }

        /// Sends octets as they are.
        func send(_ octets: some Collection<UInt8>) {
            let octets = Array(octets)
            #expect(write(descriptor, octets, octets.count) == octets.count)
        }

        /// Ends it with a reset.
        func reset() { resetAtEnd(of: descriptor) }
    }
}

/// Lets a connection end with a reset, whatever is still on its way.
func resetAtEnd(of descriptor: CInt) {
    var none = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, socklen_t(MemoryLayout<linger>.size))
}
