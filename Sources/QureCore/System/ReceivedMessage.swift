// ReceivedMessage: one datagram with where it came from and when the kernel received it. The kernel's stamp, not the
// moment of reading, is what round trips and silences are judged by: a busy machine reads late.

import CLinux
import Glibc

/// One datagram, received without blocking.
package struct ReceivedMessage {
    /// What it carries.
    package var bytes: [UInt8]
    /// The kernel's receive stamp (SO_TIMESTAMPNS), or now where the socket has none.
    package var received: Instant
    /// The hop limit that it arrived with, where the socket asks for it (IP_RECVTTL, IPV6_RECVHOPLIMIT).
    package var hopLimit: CInt?

    /// The longest datagram that is taken whole; more than any link here carries in one frame.
    private static let capacity = 9216
    /// Room for what the kernel says beside it.
    private static let controlCapacity = 256

    /// Takes the next datagram from the socket, filling in `source`; nil when there is none. A pending error of
    /// the socket (an interface that went down) is thrown.
    package init?<Address: BitwiseCopyable>(
        from socket: CInt, source: inout Address, object: String
    ) throws(SystemError) {
        var stamp: Int64?
        var hopLimit: CInt?
        var bytes: [UInt8] = []
        let count = try checkReady("recvmsg", object) {
            Self.receive(socket, &bytes, &source, &stamp, &hopLimit)
        }
        guard count != nil else { return nil }
        self.bytes = bytes
        self.hopLimit = hopLimit
        received = stamp.map(Clock.instant(ofRealtime:)) ?? Clock.now
    }

    private static func receive<Address: BitwiseCopyable>(
        _ socket: CInt, _ bytes: inout [UInt8], _ source: inout Address, _ stamp: inout Int64?,
        _ hopLimit: inout CInt?
    ) -> Int {
        // Not an array: most calls find nothing, and filling one with zeros would be most of their cost.
        unsafe withUnsafeTemporaryAllocation(byteCount: Self.capacity + Self.controlCapacity, alignment: 16) { space in
            unsafe withUnsafeMutableBytes(of: &source) { source in
                var header = unsafe msghdr()
                var vector = unsafe iovec(iov_base: space.baseAddress, iov_len: Self.capacity)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    unsafe header.msg_name = source.baseAddress
                    unsafe header.msg_namelen = socklen_t(source.count)
                    unsafe header.msg_iov = vector
                    unsafe header.msg_iovlen = 1
                    unsafe header.msg_control = space.baseAddress.map { unsafe $0 + Self.capacity }
                    unsafe header.msg_controllen = Self.controlCapacity
                    let count = unsafe recvmsg(socket, &header, CInt(MSG_DONTWAIT))
                    guard count >= 0 else { return count }
                    unsafe bytes = Array(space[..<count])
                    unsafe read(&header, &stamp, &hopLimit)
                    return count
                }
            }
        }
    }

    private static func read(_ header: inout msghdr, _ stamp: inout Int64?, _ hopLimit: inout CInt?) {
        var length = 0
        if let data = unsafe qure_control_message(&header, SOL_SOCKET, SO_TIMESTAMPNS, &length) {
            stamp = unsafe qure_stamp_nanoseconds(data)
        }
        for (level, type) in [(IPPROTO_IP, IP_TTL), (IPPROTO_IPV6, IPV6_HOPLIMIT)] {
            guard let data = unsafe qure_control_message(&header, CInt(level), CInt(type), &length),
                length >= MemoryLayout<CInt>.size
            else { continue }
            hopLimit = unsafe data.loadUnaligned(as: CInt.self)
        }
    }
}
