// GatewaySockets: the ways to a gateway on the link: datagrams to a port of its, the search for devices, and a stream.
// Each is bound to our address on that link, so that an answer for another network never comes in.

import CLinux
import Glibc

/// Datagrams from our address on a link.
package struct DatagramSocket: ~Copyable {
    private let socket: FileDescriptor
    private let isConnected: Bool
    /// Datagrams that are taken in one go.
    private static let batch = 64

    /// To `peer` alone, from `source`: nobody else is heard, and a port that nobody listens on is an error.
    package init(from source: IPAddress, to peer: SocketAddress) throws(SystemError) {
        let socket = try FileDescriptor(socket: CInt(source.family), type: .datagram)
        try socket.bind(to: SocketAddress(source))
        try socket.connect(to: peer)
        self.socket = socket
        isConnected = true
    }

    /// To anybody, groups on the link of `source` among them.
    package init(from source: IPAddress) throws(SystemError) {
        let socket = try FileDescriptor(socket: CInt(source.family), type: .datagram)
        try socket.bind(to: SocketAddress(source))
        self.socket = socket
        isConnected = false
    }

    /// What is said to all hosts of any link (224.0.0.1) on `port`. Every host is a member of that group on each of its
    /// links, and other programs of this one may listen, too.
    package init(listeningToAllHosts port: UInt16) throws(SystemError) {
        let socket = try FileDescriptor(socket: AF_INET, type: .datagram)
        try socket.setOption(SOL_SOCKET, SO_REUSEADDR, CInt(1), called: "SO_REUSEADDR")
        try socket.bind(to: SocketAddress(GatewayAnnouncement.group, port: port))
        self.socket = socket
        isConnected = false
    }

    /// The descriptor, for the poller.
    package var descriptor: CInt { socket.number }

    /// Sends one datagram, to `destination` unless the socket has a peer.
    package func send(_ bytes: [UInt8], to destination: SocketAddress) throws(SystemError) {
        let number = socket.number
        _ = try checkReady("send", destination.address.description) {
            unsafe bytes.withUnsafeBytes { bytes in
                guard !isConnected else {
                    return unsafe Glibc.send(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
                }
                return unsafe destination.withSockaddr {
                    unsafe sendto(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL), $0, $1)
                }
            }
        }
    }

    /// The datagrams that have come, and from where. Errors: ECONNREFUSED where the peer has no such port.
    package func receive() throws(SystemError) -> [(bytes: [UInt8], from: IPAddress)] {
        var received: [(bytes: [UInt8], from: IPAddress)] = []
        for _ in 0..<Self.batch {
            var source = sockaddr_storage()
            let message = try ReceivedMessage(from: socket.number, source: &source, object: "gateway")
            guard let message else { break }
            guard let from = SocketAddress(source) else { continue }
            received.append((message.bytes, from.address))
        }
        return received
    }
}

/// A stream of bytes that is being connected when it begins.
package struct StreamSocket: ~Copyable {
    private let socket: FileDescriptor
    private let peer: SocketAddress
    /// What is still to be written; waits for the connection, too.
    private var rest: ArraySlice<UInt8>

    /// To `peer`, from `source`; `request` is sent as soon as that is possible.
    package init(from source: IPAddress, to peer: SocketAddress, sending request: [UInt8]) throws(SystemError) {
        let socket = try FileDescriptor(socket: CInt(source.family), type: .stream)
        try socket.bind(to: SocketAddress(source))
        do {
            try socket.connect(to: peer)
        } catch where error.errno == .inProgress {}
        self.socket = socket
        self.peer = peer
        rest = request[...]
    }

    /// The descriptor, for the poller.
    package var descriptor: CInt { socket.number }

    /// Whether something is left to be written: the descriptor is to be watched for that.
    package var hasMore: Bool { !rest.isEmpty }

    /// Goes on writing, when the descriptor can be written; fails if the connection could not be made.
    package mutating func goOn() throws(SystemError) { try socket.send(&rest, to: peer.address.description) }

    /// What has come, up to a few kilobytes; nil: the stream has ended.
    package func receive() throws(SystemError) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let number = socket.number
        let count = try checkReady("recv", peer.address.description) {
            unsafe buffer.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, 0) }
        }
        guard let count else { return [] }
        return count == 0 ? nil : Array(buffer.prefix(count))
    }
}
