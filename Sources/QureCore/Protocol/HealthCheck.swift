// HealthCheck: when a health check is due, and what its results mean: one that passes or fails now and then changes
// nothing, several in a row do. The first result of all decides at once, for until then nobody knows. It runs nothing
// and kills nothing; qure-elect does, and tells it what came of it.
//
//   verdict    result                 → verdict    said
//   none       passes                 → healthy    verdict
//   none       fails                  → unhealthy  verdict
//   healthy    fails, `fall` in a row → unhealthy  verdict
//   unhealthy  passes, `rise` in a row → healthy   verdict
//   any        due, none under way    → the same   run

/// The schedule and the verdict of one health check.
package struct HealthCheck: Sendable {
    /// What happened.
    package enum Input: Equatable, Sendable {
        case start
        case deadlinePassed
        /// What came of `run`: within its time or not, or it could not even be started.
        case ended(passed: Bool)
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        /// Make the check, and say how it ended.
        case run
        /// From now on this is so.
        case verdict(healthy: Bool)
    }

    private let interval: Duration
    private let fall: Int
    private let rise: Int
    private var isUnderWay = false
    /// Results in a row that speak against the verdict.
    private var against = 0
    /// Whether it is healthy; nil: not known yet.
    package private(set) var isHealthy: Bool?
    /// When `deadlinePassed` is due.
    package private(set) var nextDeadline: Instant?

    /// A check that is made each `interval`; `fall` failures in a row mean ill, `rise` successes well.
    package init(interval: Duration, fall: Int, rise: Int) {
        precondition(interval > .zero && fall > 0 && rise > 0, "a check without an interval or a number is none")
        self.interval = interval
        self.fall = fall
        self.rise = rise
    }

    /// Takes one input and says what to do.
    package mutating func step(_ input: Input, at now: Instant) -> [Output] {
        switch input {
        case .start: return nextDeadline == nil ? run(at: now) : []
        case .deadlinePassed:
            guard let due = nextDeadline, now >= due else { return [] }
            return run(at: now)
        case .ended(let passed):
            guard isUnderWay else { return [] }
            isUnderWay = false
            return judge(passed)
        }
    }

    private mutating func run(at now: Instant) -> [Output] {
        nextDeadline = now + interval
        // One that takes longer than the interval skips the next.
        guard !isUnderWay else { return [] }
        isUnderWay = true
        return [.run]
    }

    private mutating func judge(_ passed: Bool) -> [Output] {
        guard passed != isHealthy else {
            against = 0
            return []
        }
        against += 1
        guard isHealthy == nil || against >= (passed ? rise : fall) else { return [] }
        isHealthy = passed
        against = 0
        return [.verdict(healthy: passed)]
    }
}
