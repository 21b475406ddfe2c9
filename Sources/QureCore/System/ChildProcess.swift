// ChildProcess: a command of a user's that a daemon has started and must not wait for: a hook, a health check. It runs
// in a process group of its own, so that all of it can be ended, and its end wakes the poller. Used by qure-elect.

import CLinux
import Glibc

/// A shell command that runs beside this process.
package struct ChildProcess: ~Copyable {
    /// How a process ended.
    package enum Ending: Equatable, Sendable {
        /// With this exit status.
        case status(Int)
        /// By this signal.
        case signal(Int)
    }

    private let pid: Int32
    private let process: FileDescriptor

    /// Starts `command` by `sh -c`, with this process's environment less what is the service manager's, and
    /// `variables`. Its standard output goes to the descriptor `output`; by default what it says is for people, for the
    /// standard output of a daemon is its event stream.
    package init(
        _ command: String, variables: [(name: String, value: String)] = [], output: CInt = 2
    ) throws(SystemError) {
        // Where it was ignored by who started this process, children would leave nothing to wait for.
        signal(SIGCHLD, SIG_DFL)
        let entries = unsafe Self.environment(variables).map { unsafe strdup($0) } + [nil]
        defer { for unsafe entry in unsafe entries { unsafe free(entry) } }
        let pid = try check("fork", command) { unsafe qure_fork_command(command, entries, output) }
        let number = qure_pidfd_open(pid)
        guard number >= 0 else {
            let errno = Errno.current
            _ = kill(-pid, SIGKILL)
            var status: CInt = 0
            while unsafe waitpid(pid, &status, 0) == -1 && Glibc.errno == EINTR {}
            throw SystemError("pidfd_open", command, errno: errno)
        }
        self.pid = pid
        process = FileDescriptor(owning: number)
    }

    private static func environment(_ variables: [(name: String, value: String)]) -> [String] {
        // The child is not the service: what it would say to the manager would be taken for our own word.
        let dropped = Set(variables.map(\.name) + ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"])
        var entries: [String] = []
        var place = unsafe environ
        while let entry = unsafe place.pointee {
            let text = unsafe String(cString: entry)
            if !dropped.contains(String(text.prefix { $0 != "=" })) { entries.append(text) }
            unsafe place += 1
        }
        return entries + variables.map { "\($0.name)=\($0.value)" }
    }

    /// Readable once the command has ended; for the poller.
    package var descriptor: CInt { process.number }

    /// Kills it and all that it has started, as far as that is still in its process group.
    package func end() { _ = kill(-pid, SIGKILL) }

    /// Kills it as above, and waits until it is dead.
    package func endAtOnce() {
        end()
        var status: CInt = 0
        while unsafe waitpid(pid, &status, 0) == -1 && Glibc.errno == EINTR {}
    }

    /// How it ended; nil: it has not yet. Nothing may be asked of it after that.
    package func ending() -> Ending? {
        var status: CInt = 0
        guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return nil }
        let signal = Int(status & 0x7f)
        return signal == 0 ? .status(Int(status >> 8 & 0xff)) : .signal(signal)
    }
}
