// How an Election meets what its machine does: it hands over before the machine sleeps, and listens anew after; it goes
// on under a new session where the machine is a copy of what it was.

extension Election {
    /// The machine is about to sleep: whoever is master hands over, and nobody counts on this member until it is awake.
    mutating func fallAsleep(at now: Instant) -> [Output] {
        switch role {
        case .master: return beginTransfer(.sleep, at: now)
        case .transferring:
            insist(.sleep)
            return []
        default:
            standing = nil
            inheritance = nil
            let outputs = become(.quarantined, reason: Why.sleep.reason)
            timers = [.review: now + Self.reviewInterval]
            return outputs + hello(at: now)
        }
    }

    /// The machine is awake, or does not sleep after all. Where the clocks have shown the sleep already, it listens.
    mutating func awake(at now: Instant) -> [Output] {
        if role == .transferring, transfer?.why == .sleep {
            // It is out of the machine's hands by now; what follows the hand-over is not sleep.
            transfer?.why = .resigned
            return []
        }
        return role == .quarantined && timers[.join] == nil ? quarantine("awake", at: now) : []
    }

    /// This machine is an earlier self, or a copy: what it says would be taken for a recording of what that has said.
    mutating func goOnAsAnother(
        at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        configuration.session = random.next()
        sequence = 0
        // What was asked before may have been answered since, to another self.
        challenges = [:]
        return quarantine("restored-snapshot", at: now)
    }
}
