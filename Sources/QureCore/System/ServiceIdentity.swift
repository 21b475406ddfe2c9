// What a service gets from whoever starts it, and what it gives away: sockets that the service manager has opened
// (sd_listen_fds(3)), and the privileges of root, which are needed for a port below 1024 and for nothing else.

import Glibc

extension ServiceManager {
    /// The first of the descriptors that are passed on (SD_LISTEN_FDS_START).
    private static let firstDescriptor: CInt = 3

    /// The sockets that the service manager has opened for this process, in its order; none if it was started plainly.
    package func takeListeners() throws(SystemError) -> [CInt] {
        guard let owner = Self.variable("LISTEN_PID"), owner == "\(getpid())",
            let count = Self.variable("LISTEN_FDS").flatMap({ CInt($0) }), count > 0
        else { return [] }
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsafe unsetenv(name) }
        let descriptors = (0..<count).map { Self.firstDescriptor + $0 }
        for number in descriptors {
            try check("fcntl", "socket \(number) of the service manager") { fcntl(number, F_SETFD, FD_CLOEXEC) }
        }
        return descriptors
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
}

/// A user of this host.
package struct HostUser: Equatable, Sendable {
    /// The numbers of the user and of its group.
    package let user, group: UInt32

    /// The user of this name or number in the text of passwd(5). The libraries that know users from elsewhere are not
    /// there in a program that needs no libraries.
    package init?(_ name: String, in passwd: [UInt8]) {
        for line in passwd.split(separator: 10) {
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 4, let user = UInt32(String(decoding: fields[2], as: UTF8.self)),
                let group = UInt32(String(decoding: fields[3], as: UTF8.self))
            else { continue }
            guard String(decoding: fields[0], as: UTF8.self) == name || "\(user)" == name else { continue }
            (self.user, self.group) = (user, group)
            return
        }
        return nil
    }

    /// Makes this process one of the user's, for good: before it has threads.
    package func become() throws(SystemError) {
        let group = group, user = user
        try check("setgroups") { setgroups(0, nil) }
        try check("setgid", "\(group)") { setgid(group) }
        try check("setuid", "\(user)") { setuid(user) }
    }
}
