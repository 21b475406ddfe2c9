// Election: which member of a cluster holds the address: the machine of one member, as qure-election(7) describes the
// protocol. The master speaks each interval and names its successors in order. Silence raises suspicion early, a
// question to everybody confirms or refutes it, and only a silence longer than the tolerance lets the first successor
// claim, with a higher term. One order settles every duel: term, then the rank stated in the claim, then the node's
// number. Nothing here knows a clock, a socket or chance; the simulator drives the very same code. Members.swift has
// who is there and who is believed, Challenging.swift how one proves that it lives, Succession.swift how a silent
// master is followed, Mastery.swift what a master does and how it hands over, Inheriting.swift how its heir takes over,
// Awaiting.swift what waits for a heartbeat.
//
//   role          input                         → role          said
//   joining       a master is heard             → standby       hello
//   joining       time over, nobody             → suspecting    (waits its rank)
//   joining       a stranger has the address    → fault         (until it is silent)
//   standby       heartbeat late                → suspecting    suspect, again and again
//   suspecting    heartbeat, or alive by others → standby       hello / keeps asking
//   suspecting    tolerance + rank over         → claiming      claim, three times
//   claiming      a better claim                → standby       hello
//   claiming      claims said                   → master        heartbeat
//   master        a better claim, a higher term → standby       (withdraws first)
//   master        leave, resign, worse evidence → transferring  transfer
//   transferring  acknowledged                  → standby       released; goodbye
//   transferring  not acknowledged              → master, or leaves
//   standby       transfer to me                → master        nothing, until the address is here: acknowledgement
//   master        … and the old one stays       → standby       hello
//   any           this machine slept            → quarantined   (listens as if it had just joined)
//   any           the machine goes to sleep     → quarantined   (hands over first; listens once it is awake)
//   any           unhealthy / maintenance       → fault / maintenance, handing over first
//   any           leave                         → goodbye

/// One member's part in the election.
package struct Election: Sendable {
    /// What this member knows of itself; its number and session change where it must take others.
    package internal(set) var configuration: Configuration
    /// Where this member stands.
    package internal(set) var role = Role.joining
    /// The master that this member follows; nil: none is known, or it is itself.
    package internal(set) var master: Master?
    /// The others that are believed.
    package internal(set) var members: [NodeID: Member] = [:]
    /// The highest term that a believed message has named.
    package internal(set) var highestTerm: UInt64 = 0
    /// How this member last became master.
    package internal(set) var lastTakeOver: TakeOver?
    /// How the claim under way came about, or the last one.
    package internal(set) var takeOver: TakeOver?
    /// When the gateway last answered.
    package internal(set) var gatewayHeard: Instant?
    /// The ways on which nothing passes, as far as what the others say shows it.
    package internal(set) var unheard: [Way] = []
    /// The names that nodes have said, also of some that are gone.
    package internal(set) var names: [NodeID: String] = [:]
    /// Messages that were not believed, by why.
    package internal(set) var disbelieved: [String: Int] = [:]

    var timers: Timers = [:]
    var sequence: UInt64 = 0
    var standing: Standing?
    var claimsSent = 0
    var suspectedSince: Instant?
    var questions: [UInt64] = []
    var isAsked = false
    var transfer: Transfer?
    /// The address comes by transfer, and the acknowledgement is still due.
    var inheritance: Inheritance?
    /// Until when a heartbeat only repeats the last one; nil: it does not.
    var repeatableUntil: Instant?
    /// What was found out for the heartbeats since the last step; nil: nothing yet.
    var calm: Calm?
    var isAddressPresent = false
    /// Whether the link is to be told again who has the address.
    var isReminderDue = false
    /// Whether the address has had a second time to appear.
    var isPresenceExtended = false
    var isHealthy = true
    /// Why not, if it is not; one word.
    var illness = ""
    var wantsMaintenance = false
    var stranger: MACAddress?
    var strangerSilences = 0
    var barredUntil = Instant(nanoseconds: 0)
    var lastTransfer: Instant?
    var preferredSince: [NodeID: Instant] = [:]
    var tableVersion: UInt32 = 0
    var lastSuccessors: [NodeID] = []
    var postponed: (used: Duration, since: Instant) = (.zero, Instant(nanoseconds: 0))
    /// How late this machine's own timers have been: what it forgives others for that (Lifeguard's local health).
    var ownLateness = Duration.zero
    var lastDigest = 0
    /// Of sessions that were believed, and are not now; the last one that was given up last.
    var lastWords: [LastWord] = []
    /// By whom, of whom.
    var hearing: [NodeID: [NodeID: Hearing]] = [:]
    /// When this member last began to listen.
    var listensSince = Instant(nanoseconds: 0)
    /// Since when there is the gateway that is asked; nil: it is that of the start.
    var gatewayNamedAt: Instant?
    /// Since when it would claim, if the gateway answered.
    var lacksEvidenceSince: Instant?
    var lastReply = Instant(nanoseconds: 0)
    /// When the message that is being considered was received.
    var arrival = Instant(nanoseconds: 0)
    var challenges: [UInt64: Challenge] = [:]

    /// A member that has not started.
    package init(_ configuration: Configuration) {
        precondition(
            configuration.interval > .zero && configuration.tolerance >= configuration.interval * 2,
            "a tolerance of less than two intervals would forgive not a single lost packet")
        self.configuration = configuration
    }

    /// The term that this member follows, or leads.
    package var term: UInt64 { standing?.term ?? master?.standing.term ?? 0 }

    /// Takes one input and says what to do.
    package mutating func step(
        _ input: Input, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard role != .goodbye else { return [] }
        calm = nil
        if !input.leavesHeartbeat { repeatableUntil = nil }
        switch input {
        case .start: return start(at: now, using: &random)
        case .heard(let message, let received):
            arrival = min(received, now)
            return heard(message, at: now, using: &random) + rememberTerm()
                + doWhatAwaited(message, at: now, using: &random)
        case .deadlinePassed: return deadlinePassed(at: now, using: &random)
        case .addressAnswered(let mac): return addressAnswered(by: mac)
        case .gatewayAnswered: return gatewayAnswered(at: now)
        case .gatewayNamed: return gatewayNamed(at: now)
        case .addressPresent(let isPresent): return addressPresent(isPresent, at: now)
        case .healthy(let value, let reason): return healthChanged(value, reason, at: now, using: &random)
        case .maintenance(let value): return maintenanceChanged(value, at: now, using: &random)
        case .resign: return isMaster ? beginTransfer(.resigned, at: now) : []
        case .powerButton: return isMaster ? beginTransfer(.powerButton, at: now) : []
        case .sleep: return fallAsleep(at: now)
        case .awake: return awake(at: now)
        case .leave(let reason): return leave(reason, at: now)
        case .suspect:
            isAsked = true
            return role == .standby ? suspect(at: now, using: &random) : []
        case .died(let node): return reportDeath(of: node, at: now, using: &random)
        case .restored: return goOnAsAnother(at: now, using: &random)
        case .slept(let time): return quarantine("slept-\(time.milliseconds)ms", at: now)
        }
    }

    /// A term that others have reached is kept, as one's own is: all may be started anew at once.
    private mutating func rememberTerm() -> [Output] {
        guard highestTerm > configuration.rememberedTerm else { return [] }
        configuration.rememberedTerm = highestTerm
        return [.remember(term: highestTerm)]
    }

    /// Whether this member is master, or still is until its heir is there.
    package var isMasterNow: Bool { isMaster }
    var isMaster: Bool { role == .master || role == .transferring }

    // MARK: Beginning

    private mutating func start(
        at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard timers.isEmpty else { return [] }
        timers[.review] = now + Self.reviewInterval
        return listen(as: .joining, reason: nil, at: now)
    }

    /// Listens for a master and for whoever has the address, without any right to it.
    mutating func listen(as role: Role, reason: String?, at now: Instant) -> [Output] {
        let outputs = become(role, reason: reason)
        master = nil
        // It will answer again, if it still is there.
        stranger = nil
        strangerSilences = 0
        listensSince = now
        timers[.join] = now + joinTime
        timers[.address] = now + joinTime / 4
        return outputs + [.probeAddress] + askGateway() + hello(at: now)
    }

    /// Long enough to hear a master twice over, and to be heard by the others.
    var joinTime: Duration { max(configuration.tolerance * 2, .milliseconds(300)) }

    /// Listening is over.
    mutating func joined(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        timers[.address] = nil
        if let stranger, master == nil {
            timers[.address] = now + Self.strangerInterval
            return become(.fault, reason: "address-held-by-\(stranger)")
        }
        if wantsMaintenance { return become(.maintenance, reason: nil) }
        guard isHealthy else { return become(.fault, reason: illness) + hello(at: now) }
        if master != nil {
            // It may have fallen silent, or gone, while this member listened and could not suspect it.
            timers[.suspicion] = timers[.suspicion] ?? now + .microseconds(1)
            return become(.standby, reason: nil) + hello(at: now)
        }
        // Nobody is master: each waits its rank among those that it has heard, then claims.
        let outputs = become(.suspecting, reason: "no-master")
        suspectedSince = now
        timers[.claim] = now + confirmation * Int(rank) + confirmation
        return outputs
    }

    /// This machine cannot trust what it knows any more.
    mutating func quarantine(_ reason: String, at now: Instant) -> [Output] {
        if let outputs = leaveIfLeaving(at: now) { return outputs }
        let hasAnswered = isMaster
        standing = nil
        transfer = nil
        inheritance = nil
        timers = [.review: now + Self.reviewInterval]
        for node in members.keys { members[node]?.heardAt = now }
        return listen(as: .quarantined, reason: reason, at: now) + (hasAnswered ? sayReleased(at: now) : [])
    }

    // MARK: Changes of role

    /// Changes the role and says so, if it is another one.
    mutating func become(_ new: Role, reason: String?) -> [Output] {
        guard new != role || reason != nil || new == .joining else { return [] }
        let wasActing = isMaster || role == .claiming
        role = new
        if ![.claiming, .master, .transferring].contains(new) {
            standing = nil
            inheritance = nil
            isReminderDue = false
            let acting: [Timer] = [
                .heartbeat, .claimRepeat, .presence, .lasting, .quietEnd, .transferRepeat, .transferEnd,
            ]
            for timer in acting { timers[timer] = nil }
        }
        if new != .suspecting {
            for timer in [Timer.claim, .question] { timers[timer] = nil }
            questions = []
            lacksEvidenceSince = nil
            if new == .standby { suspectedSince = nil }
        }
        if wasActing && !isMaster { isAsked = false }
        return [.event(event(.init(rawValue: new.rawValue), reason: reason))]
    }

    /// The same events, with the term and the master that are followed by now.
    func updated(_ outputs: [Output]) -> [Output] {
        outputs.map { output in
            guard case .event(var event) = output else { return output }
            (event.term, event.master) = (term, isMaster ? configuration.node : master?.standing.node)
            return .event(event)
        }
    }

    /// Where a member stands that is not master any more, and knows of another one.
    var restingRole: Role { wantsMaintenance ? .maintenance : isHealthy ? .standby : .fault }

    func event(_ state: ClusterEvent.State, reason: String? = nil) -> Event {
        Event(
            state: state, term: term, master: isMaster ? configuration.node : master?.standing.node, at: nil,
            lease: nil,
            reason: reason)
    }

    private mutating func healthChanged(
        _ value: Bool, _ reason: String, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if !value { illness = reason }
        guard value != isHealthy else { return [] }
        isHealthy = value
        switch role {
        case .master where !value: return beginTransfer(.unhealthy(reason), at: now)
        // What made it hand over may be over before the heir is there, but not this.
        case .transferring where !value: insist(.unhealthy(reason))
        case .standby where !value, .suspecting where !value, .claiming where !value:
            return become(.fault, reason: reason) + hello(at: now)
        case .fault where value && stranger == nil && now >= barredUntil:
            return listen(as: .joining, reason: "healthy", at: now)
        // The others count on those only that say that they are healthy.
        case .joining where !timers.isEmpty, .quarantined: return hello(at: now)
        default: break
        }
        return []
    }

    private mutating func maintenanceChanged(
        _ value: Bool, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard value != wantsMaintenance else { return [] }
        wantsMaintenance = value
        switch role {
        case .master where value: return beginTransfer(.maintenance, at: now)
        case .transferring where value: insist(.maintenance)
        case .standby where value, .suspecting where value, .claiming where value:
            return become(.maintenance, reason: nil) + hello(at: now)
        case .maintenance where !value: return listen(as: .joining, reason: nil, at: now)
        default: break
        }
        return []
    }

    private mutating func leave(_ reason: String, at now: Instant) -> [Output] {
        if role == .master { return beginTransfer(.leaving(reason), at: now) }
        if role == .transferring {
            transfer?.why = .leaving(reason)
            return []
        }
        return sayGoodbye(reason, at: now)
    }

    /// Whoever was asked to go while it is still handing over goes, whatever comes between.
    mutating func leaveIfLeaving(at now: Instant) -> [Output]? {
        guard role == .transferring, case .leaving(let reason)? = transfer?.why else { return nil }
        transfer = nil
        return sayGoodbye(reason, at: now)
    }

    /// The last words.
    mutating func sayGoodbye(_ reason: String?, at now: Instant) -> [Output] {
        let outputs = become(.goodbye, reason: reason ?? "leaving")
        var message = message(.goodbye, at: now)
        message.reason = reason
        // Sent twice: nobody will repeat it.
        return outputs + [.send(message, to: .group), .send(self.message(.goodbye, at: now), to: .group), .ended]
    }

    // MARK: Time

    private mutating func deadlinePassed(
        at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let late = lateness(at: now)
        noteLateness(late)
        if let outputs = bridgeGap(of: late, at: now) { return outputs }
        return fire(Timer.all, at: now, using: &random)
    }

    /// Does what is due of these.
    mutating func fire(
        _ wanted: [Timer], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var outputs: [Output] = []
        for timer in wanted {
            guard let due = timers[timer], now >= due else { continue }
            timers[timer] = nil
            outputs += fire(timer, at: now, using: &random)
            if role == .goodbye { break }
        }
        return outputs
    }

    /// This machine did not run for a while. What it could not hear in that time is nobody's silence.
    private mutating func bridgeGap(of late: Duration, at now: Instant) -> [Output]? {
        var gap = late
        switch role {
        case .claiming, .master, .transferring:
            // The followers have withdrawn by now, and a successor may speak.
            gap = (timers[.heartbeat] ?? timers[.claimRepeat]).map { now - $0 } ?? .zero
            guard gap > lease else { return nil }
        case .standby, .suspecting:
            guard gap > configuration.tolerance / 2 else { return nil }
            if let known = master {
                // The master has its time to be heard again; it is asked for meanwhile.
                master?.livedAt = max(known.livedAt, now - known.interval)
                return nil
            }
        case .joining, .quarantined: guard gap > configuration.tolerance / 2 else { return nil }
        case .maintenance, .fault, .goodbye: return nil
        }
        return quarantine("late-\(gap.milliseconds)ms", at: now)
    }

    private mutating func fire(
        _ timer: Timer, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if !timer.leavesHeartbeat { repeatableUntil = nil }
        return switch timer {
        case .join: joined(at: now, using: &random)
        case .heartbeat: beat(at: now)
        case .hello: hello(at: now)
        case .suspicion: suspect(at: now, using: &random)
        case .question: ask(at: now, using: &random)
        case .claim: claimIfAllowed(at: now, using: &random)
        case .claimRepeat: claimAgain(at: now)
        case .transferRepeat: transferAgain(at: now)
        case .transferEnd: endTransfer(at: now)
        case .presence: missAddress(at: now)
        case .lasting: noteLasting(at: now)
        case .quietEnd: endQuiet(at: now)
        case .gateway: gatewayDue(at: now)
        case .address: addressDue(at: now)
        case .review: review(at: now)
        }
    }

    /// Timers that come late make this member patient for a while; the memory halves with each review.
    mutating func noteLateness(_ late: Duration) {
        guard isLate(late) else { return }
        ownLateness = min(max(ownLateness, late), configuration.tolerance * 2)
    }
}
