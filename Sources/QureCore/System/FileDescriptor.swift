// FileDescriptor: an open descriptor with exactly one owner. It closes when its owner goes; there is no second copy
// that could close it again, or somebody else's descriptor of the same number.

import CLinux
import Glibc

/// The kinds of socket in use here; glibc imports them with a type of their own that no call takes.
package struct SocketType: Sendable {
    let rawValue: CInt
    /// Whole messages, with the link-layer or network header.
    package static let raw = SocketType(rawValue: CInt(SOCK_RAW.rawValue))
    /// Whole messages, without the header.
    package static let datagram = SocketType(rawValue: CInt(SOCK_DGRAM.rawValue))
    /// A stream of bytes.
    package static let stream = SocketType(rawValue: CInt(SOCK_STREAM.rawValue))
}

/// An owned file descriptor, closed at the end of its life.
package struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for system calls; it does not outlive this value.
    package let number: CInt
    private let isSlowToClose: Bool

    /// Takes ownership of `number`.
    package init(owning number: CInt) {
        self.number = number
        isSlowToClose = false
    }

    /// A new socket, not inherited by programs and not blocking.
    package init(socket family: CInt, type: SocketType, protocol number: CInt = 0) throws(SystemError) {
        let flags = CInt(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        self.number = try check("socket") { Glibc.socket(family, type.rawValue | flags, number) }
        isSlowToClose = family == AF_PACKET
    }

    /// Lets this process have as many descriptors as it may have at all.
    package static func raiseLimit() { qure_raise_descriptor_limit() }

    deinit { if isSlowToClose { qure_close_in_background(number) } else { _ = Glibc.close(number) } }

    /// Sets a socket option of a trivial type.
    package func setOption<Value: BitwiseCopyable>(
        _ level: CInt, _ name: CInt, _ value: Value, called label: StaticString
    ) throws(SystemError) {
        try check("setsockopt", "\(label)") {
            unsafe withUnsafeBytes(of: value) {
                unsafe setsockopt(number, level, name, $0.baseAddress, socklen_t($0.count))
            }
        }
    }

    /// Sets a socket option from its bytes, for types that Swift does not know to be trivial.
    package func setOption(_ level: CInt, _ name: CInt, bytes: [UInt8], called label: StaticString) throws(SystemError)
    {
        try check("setsockopt", "\(label)") {
            unsafe setsockopt(number, level, name, bytes, socklen_t(bytes.count))
        }
    }

    /// Gives the ownership up without closing it.
    package consuming func leaveOpen() { discard self }

    /// Another descriptor of the same file, which is not inherited by programs.
    package func duplicate() throws(SystemError) -> FileDescriptor {
        let number = number
        return FileDescriptor(owning: try check("fcntl") { fcntl(number, F_DUPFD_CLOEXEC, 3) })
    }

    /// Whether it is a socket of that type.
    package func isSocket(of type: SocketType) -> Bool {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard unsafe getsockopt(number, SOL_SOCKET, SO_TYPE, &value, &length) == 0 else { return false }
        return value == type.rawValue
    }

    /// Makes reads and writes return at once. Descriptors that came from outside (standard input) keep the change
    /// after this process, so it is for those whose reading end is ours alone.
    package func setNonBlocking() throws(SystemError) {
        let flags = try check("fcntl") { fcntl(number, F_GETFL) }
        try check("fcntl") { fcntl(number, F_SETFL, flags | O_NONBLOCK) }
    }
}
