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

        /// Another sequence, another age, and what is due then.
        package init(sequence: UInt64, gatewayAge: Duration?, nextDeadline: Instant?) {
            self.sequence = sequence
            self.gatewayAge = gatewayAge
            self.nextDeadline = nextDeadline
        }

        /// What the one says that comes next, if nothing happens: `interval` later. What is due then is not foreseen.
        package func next(after interval: Duration) -> Repetition {
            Repetition(sequence: sequence + 1, gatewayAge: gatewayAge.map { $0 + interval }, nextDeadline: nil)
        }

        /// Whether a heartbeat that was made ahead for `other` can be said for this one: nobody decides anything by a
        /// few milliseconds of the gateway's silence.
        package func isSaid(by other: Repetition) -> Bool {
            guard sequence == other.sequence else { return false }
            guard let age = gatewayAge, let otherAge = other.gatewayAge else { return gatewayAge == other.gatewayAge }
            return age - otherAge <= Self.grain && otherAge - age <= Self.grain
        }

        private static let grain = Duration.milliseconds(10)
    }

    /// What is to be done besides heartbeats, found out with the first of some that repeat each other.
    struct Calm: Sendable {
        /// From then on a heartbeat may have something else to say.
        var end: Instant
        /// When there is something to do that leaves it as it is; nil: there is not.
        var look: Instant?
        /// When a turn is due for what cannot wait for a heartbeat, or has waited for one long enough.
        var turn: Instant?
        /// How late a heartbeat may be that is repeated.
        var latestOnTime: Duration
    }

    /// The heartbeat that is due, if it only repeats the last one; nil: `deadlinePassed` is to say it, or none is due.
    package mutating func repeatHeartbeat(at now: Instant) -> Repetition? {
        if calm == nil { calm = findCalm() }
        guard let calm, now < calm.end, let due = timers[.heartbeat], now >= due, now - due <= calm.latestOnTime
        else { return nil }
        let next = now + configuration.interval
        timers[.heartbeat] = next
        sequence += 1
        let isMoreDue = calm.look.map { now >= $0 } ?? false
        return Repetition(
            sequence: sequence, gatewayAge: gatewayAge(at: now),
            nextDeadline: isMoreDue ? now : earlier(next, calm.turn))
    }

    private func findCalm() -> Calm? {
        guard role == .master, let end = repeatableUntil else { return nil }
        let change = timers.first { !$0.leavesHeartbeat }
        let look = timers.first { $0.leavesHeartbeat && $0 != .heartbeat }
        return Calm(
            end: earlier(end, change) ?? end, look: look,
            turn: earlier(change, look.map { $0 + (awaitedInterval ?? .zero) }), latestOnTime: latestOnTime)
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
