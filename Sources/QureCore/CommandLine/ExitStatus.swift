// ExitStatus: the one table of exit statuses that all tools share, as qure(7) documents it.
// 0 licenses the next, dangerous step of a script; "could not find out" has numbers of its own, so that it never looks
// like "free" or like "done".

/// How a tool ends.
package enum ExitStatus: Int32, Sendable {
    /// Yes; done; it was already so.
    case yes = 0
    /// Asked, and the answer is no.
    case no = 1
    /// Wrong usage or configuration.
    case usage = 64
    /// The other side cannot be reached: no such interface, link down, no daemon.
    case unreachable = 69
    /// A system call failed.
    case system = 71
    /// Try again later.
    case temporary = 75
    /// Not permitted.
    case permission = 77
}

/// Why a tool ends early: one sentence for standard error and the status that goes with it.
package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The status to end with.
    package var status: ExitStatus
    /// `what: why`, without the tool's name.
    package var description: String

    /// A failure with a sentence that says what to do about it.
    package init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }

    /// What a failed system call means to the user: a missing privilege names the capability, a link that is gone is
    /// "unreachable", the rest is a system error.
    package init(_ error: SystemError) {
        switch error.errno {
        case .notPermitted, .permissionDenied:
            self.init(.permission, "\(error) (\(Failure.remedy(for: error)))")
        case .noDevice, .noSuchDeviceOrAddress, .networkDown, .networkUnreachable, .hostUnreachable:
            self.init(.unreachable, error.description)
        // A link that is being lost takes nothing any more, a moment before it says that it is down.
        case .noBuffers where error.call == "send": self.init(.unreachable, error.description)
        default:
            self.init(.system, error.description)
        }
    }

    private static func remedy(for error: SystemError) -> String {
        guard let tool = CommandLine.arguments.first else { return "needs privileges" }
        let path = tool.contains("/") ? tool : "$(command -v \(tool))"
        switch error.call {
        case "socket", "recvmsg", "send":
            return "needs CAP_NET_RAW: run it as root, or once: setcap cap_net_raw+ep \(path)"
        case "open", "mkdir", "rename", "unlink", "write", "bind", "connect":
            return "check the owner and mode"
        case "setgroups", "setgid", "setuid":
            return "needs CAP_SETGID and CAP_SETUID: start it as root, or without 'user' as the user it is to be"
        default:
            return "needs CAP_NET_ADMIN: run it as root, or once: setcap cap_net_admin,cap_net_raw+ep \(path)"
        }
    }
}
