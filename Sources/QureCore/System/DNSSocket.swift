// DNSSocket: one socket to one server of the DNS, for datagrams or as a stream. It is connected, so that the kernel
// lets in what comes from that server's address and port and nothing else, and tells of a port that nobody listens on.
// The kernel chooses our port, at random each time that a socket is connected.

import CLinux
import Glibc

/// A socket to a server.
package struct DNSSocket: ~Copyable {
    private let socket: FileDescriptor
    /// Whom it is connected to, or was.
    package private(set) var server: DNSEndpoint
    /// What is still to be written of a stream; waits for the connection, too.
    private var rest: ArraySlice<UInt8> = []
    private var messages = StreamMessages()
    /// Whether it is a stream.
    package let isStream: Bool

    /// A socket to `server`, from `local` if that is given. A stream is being connected when this returns.
    package init(to server: DNSEndpoint, from local: DNSEndpoint?, isStream: Bool) throws(SystemError) {
        let family = CInt(server.address.family)
        if let local, local.address.bitWidth != server.address.bitWidth {
            throw SystemError("bind", local.address.description, errno: Errno(rawValue: EAFNOSUPPORT))
        }
        let socket = try FileDescriptor(socket: family, type: isStream ? .stream : .datagram)
        if let local {
            if local.port != 0 { try socket.setOption(SOL_SOCKET, SO_REUSEADDR, CInt(1), called: "SO_REUSEADDR") }
            try socket.bind(to: SocketAddress(local))
        }
        do {
            try socket.connect(to: SocketAddress(server), called: server.description)
        } catch where error.errno == .inProgress {}
        self.socket = socket
        self.server = server
        self.isStream = isStream
    }

    /// Ends what was between a socket for datagrams and its server: its port is free, and nothing comes in any more.
    /// The descriptor stays, and so does its place in a poller.
    package func disconnect() throws(SystemError) {
        let number = socket.number
        // AF_UNSPEC, which is zero, for an address (connect(2)).
        var none = sockaddr()
        try check("connect", server.description) {
            unsafe Glibc.connect(number, &none, socklen_t(MemoryLayout<sockaddr>.size))
        }
    }

    /// Connects a socket that has been disconnected to a server of the same family, from another port, which the kernel
    /// chooses at random as for a new one. False: something of before is still waiting in it, or an error; it is of no
    /// use then.
    package mutating func connect(to server: DNSEndpoint) throws(SystemError) -> Bool {
        let number = socket.number
        var octet: UInt8 = 0
        guard unsafe recv(number, &octet, 1, CInt(MSG_PEEK)) < 0, Errno.current == .wouldBlock else { return false }
        try socket.connect(to: SocketAddress(server), called: server.description)
        self.server = server
        return true
    }

    /// The descriptor, for the poller.
    package var descriptor: CInt { socket.number }

    /// Whether something is left to be written: the descriptor is to be watched for that.
    package var hasMore: Bool { !rest.isEmpty }

    /// Sends a datagram, or begins to send a message of the stream.
    package mutating func send(_ message: [UInt8]) throws(SystemError) {
        guard isStream else {
            let number = socket.number
            _ = try checkReady("send", server.description) {
                unsafe message.withUnsafeBytes {
                    unsafe Glibc.send(number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                }
            }
            return
        }
        rest = StreamMessages.frame(message)[...]
    }

    /// Goes on writing, when the descriptor can be written; fails if the connection could not be made.
    package mutating func goOn() throws(SystemError) { try socket.send(&rest, to: server.description) }

    /// The messages that have come; nil: the stream has ended.
    package mutating func receive() throws(SystemError) -> [[UInt8]]? {
        var room = Self.room
        return try receive(by: &room)
    }

    /// The same for those who have many sockets: `room` is theirs and is used again, because to make it costs more than
    /// a short message does. One datagram is taken at a time: it is nearly always the only one.
    package mutating func receive(by room: inout [UInt8]) throws(SystemError) -> [[UInt8]]? {
        var received: [[UInt8]] = []
        for _ in 0..<Self.batch {
            let number = socket.number
            let count = try checkReady("recv", server.description) {
                unsafe room.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, 0) }
            }
            guard let count else { break }
            guard isStream else { return [Array(room.prefix(count))] }
            if count == 0 { return received.isEmpty ? nil : received }
            received += messages.take(room.prefix(count))
        }
        return received
    }

    /// Room for the longest message.
    package static var room: [UInt8] { [UInt8](repeating: 0, count: 65535) }

    /// Parts of a stream that are taken in one go, so that a flood does not keep the loop from its clock.
    private static let batch = 64
}

extension SocketAddress {
    /// The kernel's form of an endpoint; an interface that does not exist is none.
    package init(_ endpoint: DNSEndpoint) {
        let scope = endpoint.interface.map { unsafe if_nametoindex($0) } ?? 0
        self.init(endpoint.address, port: endpoint.port, scope: scope)
    }
}
