// How an Election takes over from a master that hands over and serves still: quietly. It has a new term, and its
// followers put the address there; but the link hears of neither before the address is here, because the old master
// would let go for a higher term. It acknowledges then. Where that takes too long, the old master has gone, and this
// one speaks as what it is; or the old one stays, and this one stands by again, as if nothing had been asked.

extension Election {
    /// A hand-over to this member.
    struct Inheritance: Sendable {
        /// Who serves still.
        var old: Master
        /// Whether nothing has been said of the new term.
        var isQuiet = true
    }

    /// Whether this member is master for its followers alone.
    var isQuietHeir: Bool { inheritance?.isQuiet == true }

    /// The term that this member says.
    var saidTerm: UInt64 { isQuietHeir ? inheritance?.old.standing.term ?? term : term }

    mutating func heardTransfer(_ message: ElectionMessage, at now: Instant) -> [Output] {
        guard message.subject == configuration.node, let known = master, known.standing.node == message.node,
            known.standing.term == message.term
        else { return [] }
        guard role == .standby || role == .suspecting, isHealthy, !wantsMaintenance else { return [] }
        // One that waited while this process was stopped is over: the old master has gone, or has stayed.
        guard now - arrival < max(Self.transferTime, configuration.tolerance) else { return [] }
        // No claims are said: the old master still serves, and would let go too soon.
        let quiet = claim(rank: 0, at: now).filter { if case .send = $0 { false } else { true } }
        timers[.claimRepeat] = nil
        takeOver?.reason = "transfer"
        inheritance = Inheritance(old: known)
        // By then the old one has gone, or has spoken as master again.
        timers[.quietEnd] = now + max(Self.transferTime, configuration.tolerance) + configuration.interval
        let outputs = quiet + takeOffice(at: now)
        // Where it has been here all along, the kernel has nothing new to tell. But the followers of a master that has
        // just yielded may be about to take it away.
        if isAddressPresent { timers[.lasting] = now + Self.lastingTime }
        return outputs
    }

    /// An address that is still here after this time is not being taken away.
    private static let lastingTime = Duration.milliseconds(20)

    /// The address was here when it came to this member, and the kernel has told of no change.
    mutating func noteLasting(at now: Instant) -> [Output] { isAddressPresent ? acknowledgeIfDue(at: now) : [] }

    /// The address is here: the old master may let go.
    mutating func acknowledgeIfDue(at now: Instant) -> [Output] {
        guard let old = inheritance?.old.standing.node else { return [] }
        inheritance = nil
        timers[.quietEnd] = nil
        timers[.lasting] = nil
        var word = message(.acknowledgement, at: now)
        word.subject = old
        var again = message(.acknowledgement, at: now)
        again.subject = old
        return [.send(word, to: .group), .send(again, to: .member(old))] + beat(at: now)
    }

    /// Anything that the old master says tells whether it hands over still.
    mutating func heardOldMaster(_ message: ElectionMessage, at now: Instant) -> [Output] {
        guard isQuietHeir, message.node == inheritance?.old.standing.node else { return [] }
        switch message.role {
        case .transferring: return []
        case .master: return stepBack("not-acknowledged", at: now)
        default: return endQuiet(at: now)
        }
    }

    /// The old master is gone, and others may already look for a new one: here it is.
    mutating func endQuiet(at now: Instant) -> [Output] {
        guard isQuietHeir else { return [] }
        inheritance?.isQuiet = false
        timers[.quietEnd] = nil
        return beat(at: now)
    }

    /// The old master has the address, and goes on. Nobody has heard of anything else.
    private mutating func stepBack(_ reason: String, at now: Instant) -> [Output] {
        guard var old = inheritance?.old else { return [] }
        let outputs = become(restingRole, reason: reason)
        old.livedAt = max(old.livedAt, now - old.interval)
        master = old
        timers[.suspicion] = now + old.interval
        return updated(outputs) + hello(at: now)
    }

    /// Something keeps this member from the address before it is here.
    mutating func decline(_ why: Why, at now: Instant) -> [Output] {
        let outputs = stepBack(why.reason, at: now)
        switch why {
        case .leaving(let reason): return outputs + sayGoodbye(reason, at: now)
        case .sleep: return outputs + fallAsleep(at: now)
        default: return outputs
        }
    }
}
