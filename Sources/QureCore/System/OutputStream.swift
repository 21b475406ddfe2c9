// OutputStream: writing to the standard streams in the two ways there are: all of it, waiting for the reader if need be
// (results), or now or never (diagnostics, and everything a holder says while it must not stop).

import CLinux
import Glibc

/// Writing to the standard streams, in the two ways there are: all of it, or now.
package enum OutputStream {
    /// Writes everything, waiting for the reader if need be.
    package static func writeAll(_ bytes: [UInt8], to descriptor: CInt) throws(SystemError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = Array(rest)
            let written = try checkReady("write", name(descriptor)) { () -> Int in
                unsafe part.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            }
            if let written { rest = rest.dropFirst(written) } else { waitUntilWritable(descriptor) }
        }
    }

    /// Writes one line if that is possible without waiting. False: it was not written, or not whole.
    package static func writeNow(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
        (try? writeUnlessBlocked(bytes, to: descriptor)) ?? false
    }

    /// As `writeNow`, but a broken stream is an error. A pipe that says it can be written has room for 4096 bytes
    /// (pipe(7), PIPE_BUF), and a longer line is cut to that.
    @discardableResult
    package static func writeUnlessBlocked(_ bytes: [UInt8], to descriptor: CInt) throws(SystemError) -> Bool {
        guard isWritable(descriptor, within: 0) else { return false }
        let line = bytes.count <= 4096 ? bytes : Array(bytes.prefix(4095)) + [UInt8(ascii: "\n")]
        let written = try checkReady("write", name(descriptor)) { () -> Int in
            unsafe line.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        }
        return written == line.count
    }

    /// Whether there is something in this pipe that its reader has not read; false where it is no pipe.
    package static func isUnread(_ descriptor: CInt) -> Bool { qure_unread_in_pipe(descriptor) > 0 }

    private static func name(_ descriptor: CInt) -> String {
        descriptor == 1 ? "standard output" : descriptor == 2 ? "standard error" : "descriptor \(descriptor)"
    }

    private static func waitUntilWritable(_ descriptor: CInt) { _ = isWritable(descriptor, within: -1) }

    private static func isWritable(_ descriptor: CInt, within milliseconds: CInt) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&request, 1, milliseconds) == 1 && request.revents & Int16(POLLOUT | POLLERR | POLLNVAL) != 0
    }

    /// Ends standard output for its reader, while this process goes on; what is written to it from then on is lost.
    package static func endStandardOutput() {
        let nothing = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        guard nothing >= 0 else { return }
        _ = dup2(nothing, 1)
        _ = close(nothing)
    }
}
