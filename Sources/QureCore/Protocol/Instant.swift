// Instant: a point in time as the protocol machines know it: nanoseconds of CLOCK_BOOTTIME, which goes on while the
// machine sleeps and never jumps. One integer, because the event stream carries it as one (`at=`); made up freely in
// tests. Only System asks the kernel for the present one.

/// A point in time, in nanoseconds since the machine was started.
package struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since the machine was started, time asleep included.
    package var nanoseconds: Int64

    /// The instant that many nanoseconds after the start.
    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static func < (one: Instant, other: Instant) -> Bool { one.nanoseconds < other.nanoseconds }
    package static func + (instant: Instant, duration: Duration) -> Instant {
        Instant(nanoseconds: instant.nanoseconds &+ duration.nanoseconds)
    }
    package static func - (instant: Instant, duration: Duration) -> Instant {
        Instant(nanoseconds: instant.nanoseconds &- duration.nanoseconds)
    }
    package static func - (later: Instant, earlier: Instant) -> Duration {
        .nanoseconds(later.nanoseconds &- earlier.nanoseconds)
    }
    package static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }
}

/// The earlier of two deadlines, either of which may not be set.
package func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
    guard let one, let other else { return one ?? other }
    return min(one, other)
}
