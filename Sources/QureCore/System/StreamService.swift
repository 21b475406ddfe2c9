// StreamListener and StreamConnection: messages of the DNS over TCP, from the side that is asked (RFC 7766). Nothing
// here waits: what does not fit into the kernel's buffer is kept and goes on when the poller says so.

import CLinux
import Glibc

/// A socket that connections come to.
package struct StreamListener: ~Copyable {
    private let socket: FileDescriptor
    private let name: String

    /// Connections that wait to be taken.
    private static let backlog: CInt = 256

    /// Listens at `address`; `isShared` as for datagrams.
    package init(_ address: DNSEndpoint, isShared: Bool) throws(SystemError) {
        let socket = try FileDescriptor(socket: CInt(address.address.family), type: .stream)
        try socket.setOption(SOL_SOCKET, SO_REUSEADDR, CInt(1), called: "SO_REUSEADDR")
        if isShared { try socket.setOption(SOL_SOCKET, SO_REUSEPORT, CInt(1), called: "SO_REUSEPORT") }
        if case .v6 = address.address {
            try socket.setOption(CInt(IPPROTO_IPV6), IPV6_V6ONLY, CInt(1), called: "IPV6_V6ONLY")
        }
        try socket.bindForService(address)
        let number = socket.number
        try check("listen", address.description) { listen(number, Self.backlog) }
        self.socket = socket
        name = address.description
    }

    /// A socket that somebody else has opened, and that listens.
    package init(adopting socket: consuming FileDescriptor, name: String) throws(SystemError) {
        try socket.setNonBlocking()
        self.socket = socket
        self.name = name
    }

    /// For the poller.
    package var descriptor: CInt { socket.number }

    /// The next connection; nil: there is none now, or it went away before it was taken. Fails where there is no room
    /// for one more.
    package func accept() throws(SystemError) -> StreamConnection? {
        var storage = sockaddr_storage()
        let listening = socket.number
        do {
            guard let number = try checkReady("accept", name, { unsafe qure_accept(listening, &storage) }) else {
                return nil
            }
            let connection = FileDescriptor(owning: number)
            guard let source = SocketAddress(storage) else { return nil }
            // Without it answers are merely slower.
            try? connection.setOption(CInt(IPPROTO_TCP), TCP_NODELAY, CInt(1), called: "TCP_NODELAY")
            return StreamConnection(connection, source)
        } catch {
            guard [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.errno.rawValue) else {
                // What became of that connection, or what the network had to say of it (accept(2)).
                return nil
            }
            throw error
        }
    }
}

/// A client's connection.
package struct StreamConnection: ~Copyable {
    private let socket: FileDescriptor
    private var messages = StreamMessages()
    private var rest: [UInt8] = []
    /// Whom it is from.
    package let source: SocketAddress

    /// Octets of answers that are kept for a client that does not read; beyond, it is hung up on.
    package static let maximumRest = 1 << 18

    init(_ socket: consuming FileDescriptor, _ source: SocketAddress) {
        self.socket = socket
        self.source = source
    }

    /// For the poller.
    package var descriptor: CInt { socket.number }

    /// Whether answers wait for the client to read.
    package var hasMore: Bool { !rest.isEmpty }

    /// Octets that are read at once: some dozens of questions, so that who sends many keeps nobody else waiting.
    private static let readLength = 2048

    /// The messages that have come with one read; nil: the client sends no more.
    package mutating func receive() throws(SystemError) -> [[UInt8]]? {
        let number = socket.number
        var buffer = [UInt8](repeating: 0, count: Self.readLength)
        let count = try checkReady("recv", "TCP") {
            unsafe buffer.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, 0) }
        }
        guard let count else { return [] }
        return count == 0 ? nil : messages.take(buffer.prefix(count))
    }

    /// Puts a message behind what is to be sent; false: the client is too far behind. Many answers to questions that
    /// came at once do not wait for each other.
    package mutating func enqueue(_ message: some Collection<UInt8>) -> Bool {
        if rest.count > Self.maximumRest / 4 { try? flush() }
        rest.append(UInt8(truncatingIfNeeded: message.count >> 8))
        rest.append(UInt8(truncatingIfNeeded: message.count))
        rest += message
        return rest.count <= Self.maximumRest
    }

    /// Sends what fits now.
    package mutating func flush() throws(SystemError) {
        let number = socket.number
        var start = 0
        while start < rest.count {
            let count = try checkReady("send", "TCP") {
                unsafe rest.withUnsafeBytes {
                    unsafe Glibc.send(
                        number, $0.baseAddress.map { unsafe $0 + start }, $0.count - start, CInt(MSG_NOSIGNAL))
                }
            }
            guard let count else { break }
            start += count
        }
        rest.removeFirst(start)
    }
}
