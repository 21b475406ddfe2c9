// Repeating: the heartbeats of a master of whom there is nothing new. They differ from the last one in little, and
// nothing else is due: who has kept that one need not put together another, ten times a second, of which nearly
// everything is the same. It is a shorter way to the same words: the simulator holds each against the long way.

extension Election {
    /// How a heartbeat differs from the last one; it renews the lease as that did (`ClusterEvent.State.alive`).
    package struct Repetition: Equatable, Sendable {
        /// Its sequence.
        package var sequence: UInt64
        /// How long ago the gateway last answered; nil: never.
        package var gatewayAge: Duration?
        /// When `deadlinePassed` is due; it may be so by now.
        package var nextDeadline: Instant?
    }

    /// The heartbeat that is due, if it only repeats the last one; nil: `deadlinePassed` is to say it, or none is due.
    package mutating func repeatHeartbeat(at now: Instant) -> Repetition? {
        guard role == .master, let end = repeatableUntil, now < end, let due = timers[.heartbeat], now >= due,
            !isLate(now - due), !timers.isAnyDue(at: now, where: { !$0.leavesHeartbeat })
        else { return nil }
        timers[.heartbeat] = now + configuration.interval
        sequence += 1
        let isMoreDue = timers.isAnyDue(at: now) { _ in true }
        return Repetition(
            sequence: sequence, gatewayAge: gatewayAge(at: now), nextDeadline: isMoreDue ? now : nextDeadline)
    }

    /// Until when a heartbeat says the same again if nothing is heard and nothing happens: time alone makes members
    /// absent, and the gateway's signs of life stale, and so changes who succeeds. All members fit into one heartbeat,
    /// or the next one has others.
    func repetitionEnd(at now: Instant) -> Instant? {
        guard members.count <= ElectionMessage.maximumEntries else { return nil }
        return members.values.reduce(Instant(nanoseconds: .max)) { end, member in
            // Those that are over already change nothing any more.
            let ends = [member.heardAt + presence, member.gatewayHeard.map { $0 + freshWord }]
            return ends.reduce(end) { $1.map { $0 >= now } == true ? earlier($0, $1) ?? $0 : $0 }
        }
    }
}

extension Election.Input {
    /// Whether a heartbeat is as before after it, for all that it says of others and of how things stand.
    var leavesHeartbeat: Bool {
        switch self {
        case .deadlinePassed, .gatewayAnswered: true
        default: false
        }
    }
}

extension Election.Timer {
    /// The same of what is due.
    var leavesHeartbeat: Bool { self == .heartbeat || self == .gateway || self == .review }
}
