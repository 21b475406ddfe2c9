// Sysctl: kernel settings behind /proc/sys, for those that netlink cannot set: IPv6's accept_dad, dad_transmits,
// ndisc_notify. qure-claim reads what it must know about, and writes where it may; in many containers it may not
// (EROFS), which is for the tool to report.

import Glibc

/// Kernel settings by path.
package enum Sysctl {
    /// The value at `path` below /proc/sys (`net/ipv6/conf/eth0/accept_dad`), without its line end; nil where the
    /// kernel has no such setting. A dot in an interface's name stays a dot.
    package static func read(_ path: String) throws(SystemError) -> String? {
        do {
            return try readExisting(path)
        } catch where error.errno == .noEntry {
            return nil
        }
    }

    private static func readExisting(_ path: String) throws(SystemError) -> String {
        let file = try open(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let size = bytes.count
        let count = try check("read", "/proc/sys/" + path) { unsafe Glibc.read(file.number, &bytes, size) }
        return String(decoding: bytes.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// Sets the value at `path`. Errors: EROFS, EACCES or EPERM where this process may not, ENOENT where the
    /// kernel does not have it, EINVAL for a value it does not take.
    package static func write(_ path: String, _ value: String) throws(SystemError) {
        let file = try open(path, O_WRONLY)
        let bytes = Array((value + "\n").utf8)
        try check("write", "/proc/sys/" + path) { unsafe Glibc.write(file.number, bytes, bytes.count) }
    }

    private static func open(_ path: String, _ mode: CInt) throws(SystemError) -> FileDescriptor {
        let full = "/proc/sys/" + path
        // The paths are made from interface names, which may contain almost anything but must not lead elsewhere.
        guard !path.split(separator: "/").contains("..") else { throw SystemError("open", full, errno: .invalid) }
        let number = try check("open", full) { unsafe Glibc.open(full, mode | O_CLOEXEC) }
        return FileDescriptor(owning: number)
    }
}
