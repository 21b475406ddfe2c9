// What an Election does while it is master: the heartbeat with the order of succession, the lease for the followers,
// and the ways to hand over, make before break: the heir has the address before the old master lets go.

extension Election {
    /// A hand-over under way.
    struct Transfer: Sendable {
        var why: Why
        var heir: NodeID
        var sent = 0
        /// Where the heir stands, and its word that it has the address; nil: not yet.
        var acknowledgement: (standing: Standing, message: ElectionMessage)?
    }

    /// Who is asked to take over; nil: nobody is.
    package var heir: NodeID? { transfer?.heir }

    /// Why a master hands over.
    enum Why: Equatable, Sendable {
        case leaving(String)
        case resigned
        case powerButton
        case sleep
        case maintenance
        case unhealthy(String)
        /// A member of higher priority is there.
        case preempted
        /// Another one hears the gateway, this one does not.
        case evidence

        var reason: String {
            switch self {
            case .leaving(let reason): reason
            case .resigned: "resigned"
            case .powerButton: "power-button"
            case .sleep: "sleep"
            case .maintenance: "maintenance"
            case .unhealthy(let reason): reason
            case .preempted: "preempted"
            case .evidence: "gateway-lost"
            }
        }

        /// Whether it goes on without an heir's word.
        var isFinal: Bool {
            switch self {
            case .leaving, .unhealthy, .maintenance, .sleep: true
            case .resigned, .powerButton, .preempted, .evidence: false
            }
        }
    }

    /// How long an heir may take to acknowledge.
    static let transferTime = Duration.milliseconds(50)
    /// The same where the master is asked to leave, and in no hurry: at most this, or the tolerance.
    static let farewellTime = Duration.milliseconds(300)
    /// From the heir's acknowledgement to letting go. The heir's kernel shows the address a moment before the link has
    /// heard the announcement, and services need a moment for the requests that they have: those are served still,
    /// while nobody is told any more that the address is here.
    private var handOverGrace: Duration {
        min(max(configuration.interval / 2, .milliseconds(5)), .milliseconds(50))
    }
    static let transferSpacing = Duration.milliseconds(8)
    /// A master without the gateway's sign of life for that long looks for one who has it.
    static let evidenceLoss = Duration.seconds(3)
    static let evidenceOfHeir = Duration.seconds(1)
    static let evidenceInterval = Duration.seconds(10)
    /// How long a master whose followers could not take the address stands aside.
    static let barTime = Duration.seconds(5)

    // MARK: Office

    /// The claims are said: the followers may take the address.
    mutating func takeOffice(at now: Instant) -> [Output] {
        let outputs = become(.master, reason: nil)
        lastTakeOver = takeOver
        master = nil
        stranger = nil
        timers[.suspicion] = nil
        timers[.hello] = nil
        // Where the address has been here all along, the kernel has nothing new to tell.
        if isAddressPresent, let last = takeOver { lastTakeOver?.claimed = now - last.since }
        timers[.presence] = now + max(configuration.tolerance, .milliseconds(100))
        isPresenceExtended = false
        if configuration.requiresGateway { timers[.gateway] = now + Self.gatewayInterval }
        return outputs.map { withLease($0, at: now) } + beat(at: now)
    }

    private func withLease(_ output: Output, at now: Instant) -> Output {
        guard case .event(let event) = output else { return output }
        return .event(withLease(event, at: now))
    }

    private func withLease(_ event: Event, at now: Instant) -> Event {
        var event = event
        event.at = now
        event.lease = lease
        event.term = term
        event.master = configuration.node
        return event
    }

    /// What followers are told of a heartbeat that leaves now, if they must be.
    package func renewal(at now: Instant) -> Event { withLease(event(.alive), at: now) }

    /// One heartbeat, and with it a new lease for the followers.
    mutating func beat(at now: Instant) -> [Output] {
        guard isMaster else { return [] }
        repeatableUntil = nil
        timers[.heartbeat] = now + configuration.interval
        if isQuietHeir { return [withLease(.event(event(.alive)), at: now)] }
        var message = message(.heartbeat, at: now)
        message.successors = successors(at: now)
        if message.successors != lastSuccessors {
            lastSuccessors = message.successors
            tableVersion &+= 1
        }
        message.tableVersion = tableVersion
        guard role == .master else {
            return [.send(message, to: .group), withLease(.event(event(.transferring)), at: now)]
        }
        let word = isReminderDue ? event(.master, reason: "again") : event(.alive)
        isReminderDue = false
        repeatableUntil = repetitionEnd(at: now)
        return [.send(message, to: .group), withLease(.event(word), at: now)]
    }

    /// Whether a heartbeat comes by itself as soon as the queue is read. Where this machine did not run for a while, a
    /// better claim may stand further behind in the queue, and the gap must show: so no question is answered before.
    func isBeatDue(at now: Instant) -> Bool { timers[.heartbeat].map { now >= $0 } ?? false }

    /// The followers are to tell the link once more, because somebody else may have answered for the address until a
    /// moment ago. With a heartbeat, as soon as the queue is read: a better claim may stand further behind in it.
    mutating func remind(at now: Instant) {
        guard role == .master else { return }
        isReminderDue = true
        repeatableUntil = nil
        timers[.heartbeat] = min(timers[.heartbeat] ?? now, now)
    }

    /// Tells whoever is master now that this host has answered for the address until a moment ago, although it had lost
    /// it: a guest that was paused answers all that has waited for it. Twice: nobody will repeat it.
    mutating func sayReleased(at now: Instant) -> [Output] {
        [.send(message(.released, at: now), to: .group), .send(message(.released, at: now), to: .group)]
    }

    /// Who succeeds, in order: eligible members that were heard lately; first those that follow already, for one that
    /// is still joining takes nothing over from a master that leaves; then by priority, the gateway's sign of life,
    /// how long they have been there, number.
    func successors(at now: Instant) -> [NodeID] {
        typealias Order = (isJoining: Int, priority: Int, lacksGateway: Int, since: Int64, node: NodeID)
        var ranking: [Order] = []
        for (node, member) in members where member.isEligible && isPresent(member, at: now) {
            let evidence = member.gatewayHeard.map { now - $0 <= freshWord } ?? false
            ranking.append(
                (
                    member.role == .joining ? 1 : 0, -Int(member.priority),
                    configuration.requiresGateway && !evidence ? 1 : 0, member.knownSince.nanoseconds, node
                ))
        }
        return ranking.sorted(by: <).prefix(ElectionMessage.maximumEntries).map(\.node)
    }

    // MARK: The address

    mutating func addressPresent(_ isPresent: Bool, at now: Instant) -> [Output] {
        isAddressPresent = isPresent
        guard isMaster else { return [] }
        if isPresent {
            timers[.presence] = nil
            isPresenceExtended = false
            if let last = lastTakeOver, last.claimed == nil { lastTakeOver?.claimed = now - last.since }
            return acknowledgeIfDue(at: now)
        }
        if timers[.presence] == nil { timers[.presence] = now + max(configuration.tolerance, .milliseconds(100)) }
        return []
    }

    /// The followers cannot, or will not, put the address there: somebody else must.
    mutating func missAddress(at now: Instant) -> [Output] {
        guard isMaster, !isAddressPresent else { return [] }
        if let outputs = leaveIfLeaving(at: now) { return outputs }
        if ownLateness > configuration.interval / 4, !isPresenceExtended {
            // This machine did not run, and so could not hear of the address; nor could its followers.
            isPresenceExtended = true
            timers[.presence] = now + max(configuration.tolerance, .milliseconds(100))
            return []
        }
        transfer = nil
        var message = message(.goodbye, at: now)
        message.reason = "no-address"
        let outputs = become(.fault, reason: "no-address")
        barredUntil = now + Self.barTime
        timers[.address] = barredUntil
        return outputs + [.send(message, to: .group)]
    }

    // MARK: Handing over

    /// To `heir`; unless given, to the first successor.
    mutating func beginTransfer(_ why: Why, to heir: NodeID? = nil, at now: Instant) -> [Output] {
        guard role == .master else { return [] }
        if isQuietHeir { return decline(why, at: now) }
        guard let heir = heir ?? successors(at: now).first else {
            return why.isFinal ? depart(why, at: now) : []
        }
        transfer = Transfer(why: why, heir: heir)
        lastTransfer = now
        timers[.transferEnd] = now + patience(why)
        let outputs = become(.transferring, reason: why.reason)
        return outputs.map { withLease($0, at: now) } + transferAgain(at: now)
    }

    /// A hand-over under way has another reason now, one for which this member does not stay without an heir's word.
    mutating func insist(_ why: Why) {
        if case .leaving? = transfer?.why { return }
        transfer?.why = why
    }

    private func patience(_ why: Why) -> Duration {
        switch why {
        case .leaving, .maintenance, .sleep, .powerButton:
            max(Self.transferTime, min(configuration.tolerance, Self.farewellTime))
        case .unhealthy, .resigned, .preempted, .evidence: Self.transferTime
        }
    }

    mutating func transferAgain(at now: Instant) -> [Output] {
        guard role == .transferring, var current = transfer else { return [] }
        current.sent += 1
        transfer = current
        if current.sent < 4 { timers[.transferRepeat] = now + Self.transferSpacing }
        var message = message(.transfer, at: now)
        message.subject = current.heir
        return [.send(message, to: .group)]
    }

    /// The heir has had the address for a moment, or has not answered in time.
    mutating func endTransfer(at now: Instant) -> [Output] {
        guard role == .transferring, let current = transfer else { return [] }
        transfer = nil
        if let (heir, message) = current.acknowledgement { return depart(current.why, to: heir, message, at: now) }
        if current.why.isFinal { return depart(current.why, at: now) }
        let outputs = become(.master, reason: "not-acknowledged")
        return outputs.map { withLease($0, at: now) }
    }

    /// The heir has the address.
    mutating func heardAcknowledgement(_ message: ElectionMessage, at now: Instant) -> [Output] {
        guard role == .transferring, message.node == transfer?.heir, message.subject == configuration.node else {
            return heardMasterlike(message, at: now)
        }
        // It says so twice.
        guard transfer?.acknowledgement == nil else { return [] }
        transfer?.acknowledgement = (Standing(term: message.term, rank: message.rank, node: message.node), message)
        timers[.transferRepeat] = nil
        timers[.transferEnd] = now + handOverGrace
        return []
    }

    /// An acknowledgement for somebody else is a master's word all the same.
    private mutating func heardMasterlike(_ message: ElectionMessage, at now: Instant) -> [Output] {
        guard !isMaster, role != .claiming, message.role == .master else { return [] }
        follow(message, at: now)
        return []
    }

    private mutating func follow(_ message: ElectionMessage, at now: Instant) {
        master = Master(
            standing: Standing(term: message.term, rank: message.rank, node: message.node), livedAt: arrival,
            heardAt: arrival,
            sequence: message.sequence, interval: message.interval, tolerance: message.tolerance,
            successors: message.successors, hasGateway: message.gatewayAge.map { $0 <= Self.freshEvidence } ?? false)
        timers[.suspicion] = now + message.interval * 2
    }

    /// Lets go, and says so; followers hear of it before anybody else does.
    private mutating func depart(
        _ why: Why, to heir: Standing? = nil, _ message: ElectionMessage? = nil, at now: Instant
    ) -> [Output] {
        var outputs: [Output] = []
        func released(_ machine: inout Election) -> [Output] {
            guard let heir else { return [] }
            var word = machine.message(.released, at: now)
            word.subject = heir.node
            return [.send(word, to: .group)]
        }
        switch why {
        case .leaving(let reason):
            outputs += become(.goodbye, reason: reason)
            if let message {
                follow(message, at: now)
                outputs = updated(outputs)
            }
            role = .standby
            outputs += released(&self)
            var word = self.message(.goodbye, at: now)
            word.reason = reason
            outputs += [.send(word, to: .group), .send(self.message(.goodbye, at: now), to: .group), .ended]
            role = .goodbye
            return outputs
        case .maintenance where !wantsMaintenance, .unhealthy where isHealthy:
            // It is over already.
            outputs += listen(as: .joining, reason: why.reason, at: now)
        case .maintenance: outputs += become(.maintenance, reason: nil)
        case .unhealthy(let reason): outputs += become(.fault, reason: reason)
        case .sleep: outputs += become(.quarantined, reason: why.reason)
        case .resigned, .powerButton, .preempted, .evidence: outputs += become(restingRole, reason: why.reason)
        }
        if let message {
            follow(message, at: now)
            outputs = updated(outputs)
        }
        outputs += released(&self)
        if heir == nil {
            var word = self.message(.goodbye, at: now)
            word.reason = why.reason
            outputs.append(.send(word, to: .group))
        }
        return outputs + hello(at: now)
    }

    // MARK: Review

    /// Whether another member should have the address.
    mutating func reviewMastery(at now: Instant) -> [Output] {
        guard role == .master, !isQuietHeir else { return [] }
        if let outputs = reviewEvidence(at: now) { return outputs }
        guard case .after(let delay) = configuration.preemption else { return [] }
        let better = members.filter {
            $0.value.isEligible && isPresent($0.value, at: now) && $0.value.priority > configuration.priority
        }
        preferredSince = preferredSince.filter { better[$0.key] != nil }
        for node in better.keys where preferredSince[node] == nil { preferredSince[node] = now }
        guard let first = successors(at: now).first, let since = preferredSince[first], now - since >= delay,
            lastTransfer.map({ now - $0 >= Self.evidenceInterval }) ?? true
        else { return [] }
        return beginTransfer(.preempted, at: now)
    }

    private mutating func reviewEvidence(at now: Instant) -> [Output]? {
        guard configuration.requiresGateway, lacksGateway(for: Self.evidenceLoss, at: now) else { return nil }
        // Neither priority nor order count here: only who surely is on the gateway's side.
        let fresh = members.compactMap { node, member -> (heard: Instant, node: NodeID)? in
            guard member.isEligible, isPresent(member, at: now), let heard = member.gatewayHeard,
                now - heard <= Self.evidenceOfHeir
            else { return nil }
            return (heard, node)
        }
        guard let freshest = fresh.max(by: { ($0.heard, $1.node) < ($1.heard, $0.node) }) else {
            return hearsNobody(at: now) ? abdicate(at: now) : nil
        }
        // A gateway that answers now this one and now that one is no reason to move all the time.
        guard lastTransfer.map({ now - $0 >= Self.evidenceInterval }) ?? true else { return nil }
        return beginTransfer(.evidence, to: freshest.node, at: now)
    }

    /// Neither the gateway nor any of the members that were there. They may hear this one all the same, where packets
    /// pass in one direction only, and would then leave the address with a host that no request reaches.
    private func hearsNobody(at now: Instant) -> Bool {
        !members.isEmpty && members.values.allSatisfy { now - $0.heardAt >= Self.evidenceLoss }
    }

    /// Lets go without an heir, and claims again only once it hears the gateway.
    private mutating func abdicate(at now: Instant) -> [Output] {
        var word = message(.goodbye, at: now)
        word.reason = "hears-nobody"
        return listen(as: .joining, reason: "hears-nobody", at: now) + [.send(word, to: .group)]
    }
}
