// Namespaces: how a command gets into namespaces of its own. qure-lab starts itself anew through unshare(1), as the
// first process of a process namespace: when that ends, however it ends, the kernel ends everything else in there and
// removes the namespaces. The first process for its part ends when the one outside does: it reads from a pipe whose
// other end only that one has. No root is needed where user namespaces are allowed.

import Glibc
import Lab
import QureCore

/// Getting into private namespaces, and staying only as long as there is somebody outside.
enum Namespaces {
    private static let mark = "QURE_LAB_LIFELINE"

    /// Runs `body` in private namespaces. Outside of them this starts the whole command again inside, passes signals
    /// on, and ends the process with the status of that. `body` ends when it can read from the lifeline; Ctrl-C is its
    /// own affair.
    static func run(_ body: (_ lifeline: CInt) throws -> Void) throws { try run([SIGTERM, SIGHUP], body) }

    /// The same for a `body` that works for long and looks at nothing else: a signal, or the end of the process
    /// outside, ends it wherever it is, and everything in the namespaces.
    static func work(_ body: () throws -> Void) throws {
        try run([SIGTERM, SIGHUP, SIGINT]) { lifeline in
            try Thread.start {
                var number: UInt8 = 0
                var count: Int
                repeat { count = read(lifeline, &number, 1) } while count < 0 && errno == EINTR
                _exit(128 + (count == 1 ? CInt(number) : SIGTERM))
            }
            try body()
        }
    }

    private static func run(_ passedOn: Set<CInt>, _ body: (_ lifeline: CInt) throws -> Void) throws {
        guard let value = getenv(mark), let lifeline = CInt(String(cString: value)), getpid() == 1 else {
            try enter(passedOn)
        }
        _ = fcntl(lifeline, F_SETFD, FD_CLOEXEC)
        unsetenv(mark)
        try body(lifeline)
    }

    private static func enter(_ passedOn: Set<CInt>) throws -> Never {
        let entrance = try entrance()
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError("pipe", errno: .current) }
        _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
        var poller = try Poller(signals: [SIGTERM, SIGHUP, SIGINT, SIGCHLD])
        let own = CommandLine.arguments.dropFirst()
        let child = try LabChild(
            entrance + [Toolbox.executable] + own,
            environment: [mark: "\(ends[0])", "QURE_PRIVATE_NETNS": "1", "QURE_BIN": Toolbox.directories[0]])
        close(ends[0])
        while true {
            for event in try poller.wait(until: nil) {
                guard case .signal(let number) = event else { continue }
                if number == SIGCHLD, let status = child.status { exit(CInt(status)) }
                // The first process of a process namespace ignores signals that it does not expect; a byte it reads.
                if passedOn.contains(number) { _ = OutputStream.writeNow([UInt8(number)], to: ends[1]) }
            }
        }
    }

    /// The command that enters: root needs no user namespace (and in one, programs that give up root, such as tcpdump,
    /// do not work); everybody else does.
    private static func entrance() throws -> [String] {
        guard Toolbox.isInstalled("unshare") else {
            throw Failure(.system, "unshare: not found (Debian package util-linux)")
        }
        let common = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        let asRoot = ["unshare"] + common
        let asUser = ["unshare", "--user", "--map-root-user"] + common
        var reason = ""
        for way in geteuid() == 0 ? [asRoot, asUser] : [asUser] {
            let trial = try LabProcess(way + ["true"])
            if trial.wait() == 0 { return way }
            reason = trial.errors.split(separator: "\n").joined(separator: "; ")
        }
        throw Failure(
            .permission,
            "private namespaces are not to be had here: \(reason) (run it as root, or allow user namespaces: "
                + "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
                + "kernel.apparmor_restrict_unprivileged_userns)")
    }
}

/// A child that has the terminal in common with this process.
struct LabChild {
    let pid: CInt

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        pid = try startOnTerminal(arguments, environment: environment)
    }

    /// How it ended; nil while it runs.
    var status: Int? {
        var raw: CInt = 0
        guard waitpid(pid, &raw, WNOHANG) == pid else { return nil }
        return Self.status(raw)
    }

    /// The exit status, or 128 and the signal's number, of what waitpid tells.
    static func status(_ raw: CInt) -> Int {
        let signal = Int(raw & 0x7f)
        return signal == 0 ? Int(raw >> 8 & 0xff) : 128 + signal
    }
}
