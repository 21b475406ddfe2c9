// SystemError: the one way in which a failed system call leaves the System layer.
// It carries the call, what it was done to, and errno, and prints as one line: `bind 192.0.2.7%eth0: Cannot assign
// requested address`. The tool that catches it prints it and picks the exit status from `errno`.

import Glibc

/// An errno value.
package struct Errno: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    /// The value that the last failed call of this thread left behind.
    package static var current: Errno { Errno(rawValue: Glibc.errno) }

    package static let permissionDenied = Errno(rawValue: EACCES)
    package static let notPermitted = Errno(rawValue: EPERM)
    package static let interrupted = Errno(rawValue: EINTR)
    package static let wouldBlock = Errno(rawValue: EAGAIN)
    package static let noDevice = Errno(rawValue: ENODEV)
    package static let noSuchDeviceOrAddress = Errno(rawValue: ENXIO)
    package static let networkDown = Errno(rawValue: ENETDOWN)
    package static let networkUnreachable = Errno(rawValue: ENETUNREACH)
    package static let hostUnreachable = Errno(rawValue: EHOSTUNREACH)
    package static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    package static let exists = Errno(rawValue: EEXIST)
    package static let noEntry = Errno(rawValue: ENOENT)
    package static let noBuffers = Errno(rawValue: ENOBUFS)
    package static let invalid = Errno(rawValue: EINVAL)
    package static let connectionRefused = Errno(rawValue: ECONNREFUSED)
    package static let inProgress = Errno(rawValue: EINPROGRESS)
    package static let notSupported = Errno(rawValue: EOPNOTSUPP)
    package static let addressInUse = Errno(rawValue: EADDRINUSE)
    package static let readOnlyFileSystem = Errno(rawValue: EROFS)

    package var description: String { unsafe String(cString: strerror(rawValue)) }
}

/// A system call that failed.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The call's name, as in its manual page's title.
    package var call: String
    /// What it was done to, as a person would name it; may be empty.
    package var object: String
    /// Why it failed.
    package var errno: Errno

    /// A failure of `call` on `object`.
    package init(_ call: String, _ object: String = "", errno: Errno) {
        self.call = call
        self.object = object
        self.errno = errno
    }

    /// Whether the process lacks a capability for it.
    package var isPermission: Bool { errno == .notPermitted || errno == .permissionDenied }

    package var description: String { "\(call)\(object.isEmpty ? "" : " ")\(object): \(errno)" }
}

/// The errno funnel: runs a call that returns -1 on failure, again if a signal interrupted it.
@discardableResult
package func check<Result: SignedInteger>(
    _ call: String, _ object: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let errno = Errno.current
        if errno != .interrupted { throw SystemError(call, object(), errno: errno) }
    }
}

/// As `check`, but nil when a non-blocking descriptor has nothing (to give or to take) now.
package func checkReady<Result: SignedInteger>(
    _ call: String, _ object: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result? {
    do {
        return try check(call, object(), body)
    } catch where error.errno == .wouldBlock {
        return nil
    }
}
