// UnixSocket: the control socket of a daemon: one line asks, lines answer. Who may ask is a matter of the file's owner
// and mode.

import CLinux
import Glibc

/// A listening socket at a path, which is removed at the end.
package struct UnixListener: ~Copyable {
    private let socket: FileDescriptor
    private let path: String

    /// Listens at `path`. A socket that nobody listens at any more is replaced; EADDRINUSE where somebody does.
    package init(_ path: String, mode: UInt32) throws(SystemError) {
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try TextFile.makeDirectory(String(path[..<slash]))
        }
        let socket = try FileDescriptor(socket: AF_UNIX, type: .stream)
        let number = socket.number
        if UnixConnection.isAnswered(path) { throw SystemError("bind", path, errno: Errno(rawValue: EADDRINUSE)) }
        try TextFile.remove(path)
        // The mode must be right from the first moment on.
        let old = umask(~mode & 0o777)
        defer { umask(old) }
        try check("bind", path) { unsafe withUnixAddress(path) { unsafe bind(number, $0, $1) } }
        try check("listen", path) { listen(number, 16) }
        self.socket = socket
        self.path = path
    }

    /// For the poller: readable when somebody wants to connect.
    package var descriptor: CInt { socket.number }

    /// The next one who wants to connect; nil: nobody now.
    package func accept() throws(SystemError) -> UnixConnection? {
        let listening = socket.number
        let number = try checkReady("accept", path) { () -> CInt in Glibc.accept(listening, nil, nil) }
        guard let number else { return nil }
        let connection = FileDescriptor(owning: number)
        try connection.setNonBlocking()
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        return UnixConnection(connection)
    }

    deinit { _ = unsafe unlink(path) }
}

/// One end of a connection.
package struct UnixConnection: ~Copyable {
    private let socket: FileDescriptor

    init(_ socket: consuming FileDescriptor) { self.socket = socket }

    /// Connects to whoever listens at `path`. Errors: ENOENT or ECONNREFUSED where nobody does, EACCES.
    package init(_ path: String) throws(SystemError) {
        let socket = FileDescriptor(
            owning: try check("socket") { Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
        )
        let number = socket.number
        try check("connect", path) { unsafe withUnixAddress(path) { unsafe connect(number, $0, $1) } }
        self.socket = socket
    }

    /// Whether anybody listens at `path`.
    static func isAnswered(_ path: String) -> Bool { (try? UnixConnection(path)) != nil }

    /// For the poller.
    package var descriptor: CInt { socket.number }

    /// What one read brings: nil at the end, empty when there is nothing now.
    package func read() throws(SystemError) -> [UInt8]? {
        let number = socket.number
        var buffer = [UInt8](repeating: 0, count: 4096)
        let size = buffer.count
        let count = try checkReady("read", "control socket") { () -> Int in unsafe Glibc.read(number, &buffer, size) }
        guard let count else { return [] }
        return count == 0 ? nil : Array(buffer.prefix(count))
    }

    /// Waits until something can be read, or the other side has closed; false: not within the limit (nil: there is
    /// none).
    package func awaitInput(within limit: Duration?) -> Bool {
        var request = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&request, 1, limit.map { CInt(clamping: $0.milliseconds) } ?? -1) > 0
    }

    /// Writes what fits at once; false if not all did.
    package func writeNow(_ bytes: [UInt8]) -> Bool {
        unsafe send(socket.number, bytes, bytes.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)) == bytes.count
    }

    /// Writes everything, waiting for the other side.
    package func write(_ bytes: [UInt8]) throws(SystemError) { try OutputStream.writeAll(bytes, to: socket.number) }
}

/// Calls `body` with the kernel's form of a path. A path that is too long is cut, and then not found. One with @ in
/// front is an abstract name: the @ stands for its NUL, and no NUL ends it.
func withUnixAddress<Result>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8.prefix(MemoryLayout.size(ofValue: address.sun_path) - 1))
    let isAbstract = bytes.first == UInt8(ascii: "@")
    if isAbstract { bytes[0] = 0 }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1))
    return unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
    }
}
