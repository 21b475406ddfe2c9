// Guard: the twin of a process that holds an address: when the process is gone, however it went, the guard takes the
// address off the interface within milliseconds. It is a fork that sleeps on a pipe and shares its parent's memory
// pages; everything it will send was prepared before (CLinux.c). If the guard itself is killed, its owner hears that
// from the poller and makes another. When both go at once the fence is still there, and behind it the address's own
// lifetime.

import CLinux
import Glibc

/// A forked twin that sends prepared netlink requests when its parent has died.
package struct Guard: ~Copyable {
    private let pipe: FileDescriptor
    private let process: FileDescriptor
    /// The process number of the guard.
    package let pid: Int32

    /// Forks the guard. `route` are whole route netlink requests, one behind the other; `filter` is a batch of
    /// nf_tables messages, to be sent after them; either may be empty. Must be called from a process with one thread.
    package init(route: [UInt8], filter: [UInt8] = []) throws(SystemError) {
        var ends: (reading: CInt, writing: CInt) = (-1, -1)
        try check("pipe") {
            unsafe withUnsafeMutablePointer(to: &ends) {
                unsafe $0.withMemoryRebound(to: CInt.self, capacity: 2) { unsafe qure_pipe_cloexec($0) }
            }
        }
        let reading = FileDescriptor(owning: ends.reading)
        let writing = FileDescriptor(owning: ends.writing)
        let number = reading.number
        let pid = try check("fork", "guard") {
            unsafe route.withUnsafeBufferPointer { route in
                unsafe filter.withUnsafeBufferPointer { filter in
                    var orders = unsafe qure_guard_orders(
                        route: route.baseAddress, route_length: route.count, filter: filter.baseAddress,
                        filter_length: filter.count)
                    return unsafe qure_fork_guard(number, &orders)
                }
            }
        }
        let descriptor = qure_pidfd_open(pid)
        guard descriptor >= 0 else {
            let errno = Errno.current
            // Before the pipe closes, which would be the guard's order to act.
            Self.end(pid)
            throw SystemError("pidfd_open", "guard", errno: errno)
        }
        self.pid = pid
        pipe = writing
        process = FileDescriptor(owning: descriptor)
    }

    /// Readable once the guard is dead; for the poller.
    package var descriptor: CInt { process.number }

    /// Sends the guard away without its doing anything, and waits the moment until it is gone. Not by an order on the
    /// pipe: a guard that somebody has stopped would not read it, and never be gone.
    package consuming func dismiss() { Self.end(pid) }

    /// Forgets a guard that is dead already.
    package consuming func bury() { Self.reap(pid) }

    private static func end(_ pid: Int32) {
        _ = kill(pid, SIGKILL)
        reap(pid)
    }

    private static func reap(_ pid: Int32) {
        var status: CInt = 0
        while unsafe waitpid(pid, &status, 0) == -1 && Glibc.errno == EINTR {}
    }
}
