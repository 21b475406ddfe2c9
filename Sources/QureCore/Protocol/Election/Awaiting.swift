// Awaiting: what is in no hurry waits for the next heartbeat, of this member or of the master that it follows. The
// machine wakes for that one anyway; and so does the master's, which hears a hello just after it has spoken, with
// everything at hand, and not in its sleep.

extension Election {
    /// When `deadlinePassed` is due. Where heartbeats are frequent, what can wait for the next one does.
    package var nextDeadline: Instant? {
        guard role != .goodbye else { return nil }
        // Not for longer: whoever answers questions with heartbeats has the next one always before it, and the one
        // that does not come ends the patience.
        return timers.first(patience: awaitedInterval ?? .zero)
    }

    /// The interval of the heartbeats that this member says, or hears of the one it follows; nil: they are rare.
    var awaitedInterval: Duration? {
        let interval = timers[.heartbeat] != nil ? configuration.interval : role == .standby ? master?.interval : nil
        return interval.flatMap { $0 <= Self.reviewInterval / 2 ? $0 : nil }
    }

    /// How late timers may be on machines that run.
    var latestOnTime: Duration { configuration.interval / 4 }
    /// Whether one is later than that.
    func isLate(_ late: Duration) -> Bool { late > latestOnTime }

    /// How late this machine is. What has waited for a heartbeat is not late because none is awaited any more.
    func lateness(at now: Instant) -> Duration {
        let patience = max(configuration.interval, master?.interval ?? .zero)
        return timers.first(patience: patience).map { max(now - $0, .zero) } ?? .zero
    }

    /// Does what has waited for this heartbeat.
    mutating func doWhatAwaited(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard message.kind == .heartbeat, role == .standby, message.node == master?.standing.node,
            awaitedInterval != nil
        else { return [] }
        // What is overdue by more shows that this machine did not run. Then it judges nothing before it has read what
        // came in meanwhile, this heartbeat being the first of it.
        noteLateness(lateness(at: now))
        guard !isLate(now - arrival) else { return [] }
        return fire(Timer.patient, at: now, using: &random)
    }
}
