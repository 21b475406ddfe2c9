// LabSocket: the few socket calls that the responder and the meter share, on an owned descriptor that can be kept in
// collections.

import Glibc
import QureCore

/// A socket that lives for as long as somebody refers to it.
final class LabSocket {
    private let descriptor: FileDescriptor
    var number: CInt { descriptor.number }

    init(_ sample: IPAddress, _ type: SocketType) throws {
        descriptor = try FileDescriptor(socket: sample.bitWidth == 32 ? AF_INET : AF_INET6, type: type)
    }

    private init(owning number: CInt) { descriptor = FileDescriptor(owning: number) }

    /// Binds to an address that this host may have now, later, or never.
    func bindFreely(to address: SocketAddress) throws {
        try descriptor.setOption(SOL_SOCKET, SO_REUSEADDR, CInt(1), called: "SO_REUSEADDR")
        // The IPv4 option holds for IPv6 sockets too.
        try descriptor.setOption(CInt(IPPROTO_IP), IP_FREEBIND, CInt(1), called: "IP_FREEBIND")
        try descriptor.bind(to: address)
    }

    /// Has the kernel note when each datagram came.
    func stampDatagrams() throws {
        try descriptor.setOption(SOL_SOCKET, SO_TIMESTAMPNS, CInt(1), called: "SO_TIMESTAMPNS")
    }

    /// The next datagram and where it came from; nil when there is none.
    func receive() throws -> (message: ReceivedMessage, source: SocketAddress)? {
        var storage = sockaddr_storage()
        guard let message = try ReceivedMessage(from: number, source: &storage, object: "datagram"),
            let source = SocketAddress(storage)
        else { return nil }
        return (message, source)
    }

    /// Sends a datagram. What the network refuses is lost, as it would be further on.
    func send(_ bytes: [UInt8], to address: SocketAddress) {
        let number = number
        _ = bytes.withUnsafeBytes { bytes in
            address.withSockaddr { sendto(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL), $0, $1) }
        }
    }

    /// Begins to connect; false: it failed at once.
    func connect(to address: SocketAddress) -> Bool {
        let number = number
        return address.withSockaddr { Glibc.connect(number, $0, $1) } == 0 || errno == EINPROGRESS
    }

    /// The next caller of a listening socket; nil when there is none.
    func accept() -> LabSocket? {
        let caller = Glibc.accept(number, nil, nil)
        guard caller >= 0 else { return nil }
        _ = fcntl(caller, F_SETFD, FD_CLOEXEC)
        _ = fcntl(caller, F_SETFL, O_NONBLOCK)
        return LabSocket(owning: caller)
    }

    /// Writes what is short enough to go at once.
    func write(_ text: String) -> Bool {
        Glibc.send(number, text, text.utf8.count, CInt(MSG_NOSIGNAL)) == text.utf8.count
    }

    /// What a read found.
    enum Reading { case bytes([UInt8]), nothing, end }

    /// Reads what there is.
    func read() -> Reading {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(number, &buffer, buffer.count)
        if count > 0 { return .bytes(Array(buffer.prefix(count))) }
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? .nothing : .end
    }
}
