// ProcessState: whether another process of this host runs at all, as /proc tells (proc(5)): one that is stopped, or in
// a control group that is frozen, holds its files and locks and says nothing any more.

/// What the kernel tells of a process.
package enum ProcessState {
    /// Whether it is stopped, by a signal or a debugger, or frozen with its control group. Of a process that is not
    /// seen here nothing is known: then it is not.
    package static func isFrozen(_ pid: Int32) -> Bool {
        guard pid > 0, let line = text("/proc/\(pid)/stat") else { return false }
        // PID (NAME) STATE ...; the name may have anything in it.
        let state = line[(line.lastIndex(of: ")") ?? line.startIndex)...].dropFirst(2).first
        return state == "T" || state == "t" || isGroupFrozen(pid)
    }

    /// In the one hierarchy of version 2 its line begins with `0::`.
    private static func isGroupFrozen(_ pid: Int32) -> Bool {
        let groups = text("/proc/\(pid)/cgroup")?.split(separator: "\n") ?? []
        guard let group = groups.first(where: { $0.hasPrefix("0::/") })?.dropFirst(3) else { return false }
        let events = text("/sys/fs/cgroup\(group)/cgroup.events")?.split(separator: "\n") ?? []
        return events.contains("frozen 1")
    }

    private static func text(_ path: String) -> String? {
        (try? TextFile.read(path)).map { String(decoding: $0, as: UTF8.self) }
    }
}
