// ProcessWatch: tells when a process of this host has ended, whoever has started it (pidfd_open(2)). Its descriptors
// are closed by then.

import CLinux
import Glibc

/// Another process, until it has ended.
package struct ProcessWatch: ~Copyable {
    private let process: FileDescriptor

    /// Watches the process of this number. One that is not there, or cannot be seen from here, has ended.
    package init(_ pid: Int32) {
        // The kernel knows no process 0, and says so.
        process = FileDescriptor(owning: qure_pidfd_open(pid))
    }

    /// Readable once the process has ended, for the poller; nil: it had ended before.
    package var descriptor: CInt? { process.number < 0 ? nil : process.number }

    /// Whether it has not ended yet.
    package var isRunning: Bool {
        guard process.number >= 0 else { return false }
        var question = pollfd(fd: process.number, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&question, 1, 0) <= 0
    }
}
