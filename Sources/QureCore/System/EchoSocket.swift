// EchoSocket: asks by ICMP echo. A ping socket (icmp(7)) needs no privilege where net.ipv4.ping_group_range allows it;
// elsewhere a raw socket does, with CAP_NET_RAW.

import CLinux
import Glibc

/// Sends echo requests and receives the replies to them, for one address family.
package struct EchoSocket: ~Copyable {
    /// A reply to one of this socket's requests.
    package struct Reply: Sendable {
        /// Who replied.
        package var from: IPAddress
        /// The sequence number of the request.
        package var sequence: UInt16
        /// When the kernel received it.
        package var received: Instant
    }

    private let socket: FileDescriptor
    private let isRaw: Bool
    private let family: ICMPEcho.Family
    /// What tells our requests from others' on a raw socket; a ping socket's kernel side puts in its own.
    private let identifier: UInt16
    private static let batch = 64

    /// A socket for addresses of `sample`'s family; requests leave from `source` and by `interface` if given.
    package init(
        for sample: IPAddress, source: IPAddress? = nil, interface: String? = nil
    ) throws(SystemError) {
        let isV6 = sample.bitWidth == 128
        let number = CInt(isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)
        var isRaw = false
        let socket: FileDescriptor
        do {
            socket = try FileDescriptor(socket: CInt(sample.family), type: .datagram, protocol: number)
        } catch where error.isPermission {
            socket = try FileDescriptor(socket: CInt(sample.family), type: .raw, protocol: number)
            isRaw = true
        }
        try socket.setOption(SOL_SOCKET, SO_TIMESTAMPNS, CInt(1), called: "SO_TIMESTAMPNS")
        if let source { try socket.bind(to: SocketAddress(source)) }
        if let interface { try socket.bind(toInterface: interface) }
        if isRaw && isV6 {
            // icmp6_filter: a set bit blocks the type; only echo replies (129) pass.
            var blocked = icmp6_filter()
            blocked.icmp6_filt = (.max, .max, .max, .max, ~(1 << (129 & 31)), .max, .max, .max)
            try socket.setOption(CInt(IPPROTO_ICMPV6), 1, blocked, called: "ICMP6_FILTER")
        }
        self.socket = socket
        self.isRaw = isRaw
        family = isV6 ? .v6 : .v4
        identifier = UInt16(truncatingIfNeeded: getpid())
    }

    /// The descriptor, for the poller.
    package var descriptor: CInt { socket.number }

    /// Sends one request. Throws when there is no way to the address (`networkUnreachable`, `hostUnreachable`).
    package func send(to address: SocketAddress, sequence: UInt16) throws(SystemError) {
        var message = WireWriter()
        ICMPEcho(request: identifier, sequence: sequence, payload: Array("qure-probe".utf8))
            .write(to: &message, family: family)
        let bytes = message.bytes
        let number = socket.number
        _ = try check("send", address.address.description) {
            unsafe address.withSockaddr { address, length in
                unsafe bytes.withUnsafeBytes {
                    unsafe sendto(number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL), address, length)
                }
            }
        }
    }

    /// The replies that have arrived, oldest first; empty when there is nothing more.
    package func receive() throws(SystemError) -> [Reply] {
        var replies: [Reply] = []
        var source = sockaddr_storage()
        for _ in 0..<Self.batch {
            guard let message = try ReceivedMessage(from: socket.number, source: &source, object: "icmp") else { break }
            guard let from = SocketAddress(source), let echo = decode(message.bytes), echo.isReply else { continue }
            replies.append(Reply(from: from.address, sequence: echo.sequence, received: message.received))
        }
        return replies
    }

    private func decode(_ bytes: [UInt8]) -> ICMPEcho? {
        var input = WireReader(bytes)
        if isRaw && family == .v4 {
            // A raw IPv4 socket delivers the IP header too.
            guard let packet = try? IPv4Packet(parsing: &input) else { return nil }
            input = WireReader(packet.payload)
        }
        guard let echo = try? ICMPEcho(parsing: &input, family: family) else { return nil }
        return isRaw && echo.identifier != identifier ? nil : echo
    }
}
