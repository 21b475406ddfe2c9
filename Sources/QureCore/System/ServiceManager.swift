// ServiceManager: tells systemd how the service is (sd_notify(3)), without libsystemd: one datagram to the socket that
// NOTIFY_SOCKET names. Where it is not set, nothing happens.

import CLinux
import Glibc

/// The service manager that started this process, if one did.
package struct ServiceManager: Sendable {
    private let path: String?

    /// The one named by the environment.
    package init() { path = unsafe getenv("NOTIFY_SOCKET").map { unsafe String(cString: $0) } }

    /// Whether anybody listens.
    package var isPresent: Bool { path != nil }

    /// Half of the watchdog's period (WATCHDOG_USEC), the interval at which `WATCHDOG=1` is due; nil without a
    /// watchdog.
    fileprivate var watchdogInterval: Duration? {
        guard isPresent, let text = unsafe getenv("WATCHDOG_USEC").map({ unsafe String(cString: $0) }),
            let microseconds = Int64(text), microseconds > 0
        else { return nil }
        return .microseconds(microseconds / 2)
    }

    /// Sends assignments such as `READY=1` and `STATUS=…`. Failures are ignored: the service works without its manager.
    package func notify(_ assignments: String...) {
        guard let path, let socket = try? FileDescriptor(socket: AF_UNIX, type: .datagram) else { return }
        let text = assignments.joined(separator: "\n")
        let number = socket.number
        _ = unsafe withUnixAddress(path) {
            unsafe sendto(number, text, text.utf8.count, CInt(MSG_NOSIGNAL), $0, $1)
        }
    }
}

/// The service manager's watchdog: kills a service that does not say often enough that it is well. A tool's loop calls
/// it once each turn.
package struct Watchdog: Sendable {
    private let service: ServiceManager
    private let interval: Duration?
    /// When the next word is due; nil without a watchdog.
    package private(set) var nextDeadline: Instant?

    /// The watchdog that `service` has set on this process, if any; the first word is due at half of its period.
    package init(_ service: ServiceManager, at now: Instant) {
        self.service = service
        interval = service.watchdogInterval
        nextDeadline = interval.map { now + $0 }
    }

    /// Says that the service is well, if it is due and so. If it is not so, that is looked at again soon.
    package mutating func turn(at now: Instant, isWell: Bool = true) {
        guard let interval, let due = nextDeadline, now >= due else { return }
        if isWell { service.notify("WATCHDOG=1") }
        nextDeadline = now + (isWell ? interval : interval / 4)
    }
}
