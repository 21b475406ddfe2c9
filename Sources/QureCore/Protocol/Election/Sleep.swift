// How an Election meets the end of its machine's day: it hands over before the machine sleeps, and listens anew after.

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
            inherits = false
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
}
