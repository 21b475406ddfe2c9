// How an Election follows a master and succeeds it: suspicion, the question to everybody, the claim, the duel.

extension Election {
    /// From one question to the next while the master is suspected. However quick the pace, several are asked, so that
    /// no few losses are taken for a silence.
    var questionInterval: Duration {
        let window = configuration.tolerance - configuration.interval * 11 / 10 - .milliseconds(2)
        return min(max(confirmation / 4, .milliseconds(3)), max(window / 12, .milliseconds(1)))
    }
    /// Sign of life of the gateway that lets a member claim.
    static let freshEvidence = Duration.seconds(2)
    /// How old that may be of which others say that they heard it: all that they do each second waits for a heartbeat,
    /// and what one heard just before a hello is as good until the next one.
    var freshWord: Duration {
        max(Self.freshEvidence, Self.gatewayInterval + helloInterval + configuration.interval * 2)
    }
    /// From the gateway's answer to the next question.
    static let gatewayInterval = Duration.seconds(1)
    /// From a question that it has not answered to the next one.
    static let gatewayPatience = Duration.milliseconds(150)
    /// From one claim to the next of the three.
    var claimSpacing: Duration { min(max(configuration.interval / 10, .microseconds(500)), .milliseconds(2)) }
    static let claims = 3
    static let maximumQuestions = 64

    // MARK: A master is heard

    /// A member by its believed message says, or shows, that it has a better right than this one.
    mutating func yieldIfOutdone(_ message: ElectionMessage, at now: Instant) -> [Output] {
        guard let mine = standing else { return [] }
        let isRival = message.kind == .heartbeat || message.kind == .claim || message.kind == .acknowledgement
        let theirs = Standing(term: message.term, rank: message.rank, node: message.node)
        guard message.term > mine.term || (isRival && theirs < mine) else { return [] }
        if role == .transferring, message.kind == .acknowledgement, message.node == transfer?.heir { return [] }
        // It is letting go already, in a moment, and for the heir.
        if let heir = transfer?.acknowledgement?.standing, theirs.term <= heir.term { return [] }
        let reason = message.term > mine.term ? "higher-term" : "lost-duel"
        let why = transfer?.why
        let hasAnswered = isMaster
        transfer = nil
        // Whoever it is has had its say a moment ago: wait for it as for a master.
        let outputs = become(restingRole, reason: reason)
        adopt(message, theirs, at: now)
        if case .leaving(let reason)? = why { return updated(outputs) + sayGoodbye(reason, at: now) }
        return updated(outputs) + (hasAnswered ? sayReleased(at: now) : []) + hello(at: now)
    }

    mutating func heardMaster(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let theirs = Standing(term: message.term, rank: message.rank, node: message.node)
        if let mine = standing {
            guard mine < theirs, isMaster else { return [] }
            if let old = inheritance?.old.standing, isQuietHeir {
                // The old master serves still, as its heir must; who goes beyond its term takes it for gone.
                return message.term > old.term ? endQuiet(at: now) : []
            }
            // It cannot have heard of this one: tell it at once, and the link as well.
            guard now - lastReply >= configuration.interval / 4, !isBeatDue(at: now) else { return [] }
            lastReply = now
            isReminderDue = role == .master
            return beat(at: now)
        }
        if let known = master, known.standing < theirs {
            // A lower one than was known. It will hear of the better one; if there is none any more, a claim will outdo
            // both.
            return []
        }
        adopt(message, theirs, at: now)
        switch role {
        case .suspecting: return become(.standby, reason: nil) + hello(at: now)
        case .fault where isHealthy && now >= barredUntil:
            // A stranger's address was a member's after all.
            return (wantsMaintenance ? become(.maintenance, reason: nil) : become(.standby, reason: nil))
                + hello(at: now)
        default: return []
        }
    }

    private mutating func adopt(_ message: ElectionMessage, _ theirs: Standing, at now: Instant) {
        let isMaster = message.kind == .heartbeat || message.kind == .claim || message.kind == .acknowledgement
        guard isMaster else {
            // Somebody has heard of a better master: give that one its time to be heard.
            master = Master(
                standing: Standing(term: message.term, rank: .max, node: message.node), livedAt: now, heardAt: now,
                sequence: 0,
                interval: message.interval, tolerance: message.tolerance, successors: [], hasGateway: false)
            timers[.suspicion] = now + message.tolerance
            return
        }
        let successors = message.kind == .claim ? master?.successors ?? [] : message.successors
        master = Master(
            standing: theirs, livedAt: arrival, heardAt: arrival, sequence: message.sequence,
            interval: message.interval,
            tolerance: message.tolerance, successors: successors,
            hasGateway: message.gatewayAge.map { $0 <= Self.freshEvidence } ?? false)
        isAsked = false
        stranger = nil
        // In the past where this machine reads late: then it shows that it did not run.
        timers[.suspicion] = arrival + message.interval + message.interval / 10 + jitterMargin
        if ranksForGateway, timers[.gateway] == nil { timers[.gateway] = now + Self.gatewayInterval }
    }

    /// How much later than due a heartbeat may be before it is asked about.
    private var jitterMargin: Duration { .milliseconds(2) + ownLateness / 4 }

    /// The master and the first two successors keep their evidence fresh.
    var ranksForGateway: Bool {
        configuration.requiresGateway
            && (isMaster || (master?.successors.prefix(2).contains(configuration.node) ?? false))
    }

    /// Whether the gateway is asked again and again, so that its last answer tells how it is now.
    package var isGatewayAsked: Bool { ranksForGateway || configuration.requiresGateway && role == .suspecting }

    // MARK: Rank

    /// This member's place in the succession: as the master named it, or behind those that it named; without a master,
    /// the place among the members that are known.
    var rank: UInt16 {
        let named = master?.successors ?? []
        if let place = named.firstIndex(of: configuration.node) { return UInt16(place) }
        let before = members.filter { node, member in
            !named.contains(node) && node != master?.standing.node && member.isEligible
                && precedes(node, member.priority)
        }
        return UInt16(clamping: named.count + before.count)
    }

    private func precedes(_ node: NodeID, _ priority: UInt8) -> Bool {
        priority != configuration.priority ? priority > configuration.priority : node < configuration.node
    }

    // MARK: Suspicion

    /// A heartbeat is late: ask everybody, and the link.
    mutating func suspect(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        guard role == .standby, master != nil else { return [] }
        suspectedSince = now
        let outputs = become(.suspecting, reason: nil)
        timers[.claim] = claimTime
        return outputs + askGateway() + ask(at: now, using: &random)
    }

    /// When this member may claim.
    private var claimTime: Instant {
        guard let master else { return Instant(nanoseconds: 0) }
        let wait = confirmation * Int(rank)
        if master.isGone { return (suspectedSince ?? master.livedAt) + wait }
        return master.livedAt + max(master.tolerance, configuration.tolerance) + ownLateness + wait
    }

    mutating func ask(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        guard role == .suspecting, let master, !master.isGone else { return [] }
        timers[.question] = now + questionInterval
        let nonce: UInt64 = random.next()
        questions.append(nonce)
        if questions.count > Self.maximumQuestions { questions.removeFirst() }
        var question = message(.suspect, at: now)
        question.nonce = nonce
        question.subject = master.standing.node
        return [
            .send(question, to: .group),
            .send(
                self.message(.suspect, subject: master.standing.node, nonce, at: now), to: .member(master.standing.node)
            ),
            .probeAddress,
        ]
    }

    private mutating func message(
        _ kind: ElectionMessage.Kind, subject: NodeID, _ nonce: UInt64, at now: Instant
    ) -> ElectionMessage {
        var message = message(kind, at: now)
        message.subject = subject
        message.nonce = nonce
        return message
    }

    mutating func heardSuspicion(_ message: ElectionMessage, at now: Instant) -> [Output] {
        guard let subject = message.subject else { return [] }
        if subject == configuration.node && isMaster {
            guard now - lastReply >= min(questionInterval, .milliseconds(2)), !isBeatDue(at: now) else { return [] }
            lastReply = now
            // To all, and once more to the one who asks: on a link that loses packets one of the two arrives.
            return beat(at: now).flatMap { output in
                guard case .send(let heartbeat, _) = output else { return [output] }
                return [output, .send(heartbeat, to: .sender)]
            }
        }
        // Only what this member itself has heard: hearsay about hearsay would keep a dead master alive.
        guard let known = master, known.standing.node == subject, !known.isGone, !isMaster,
            now - known.heardAt <= known.interval, let nonce = message.nonce
        else { return [] }
        var answer = self.message(.alive, at: now)
        answer.subject = subject
        answer.echo = nonce
        answer.heard = .init(sequence: known.sequence, age: now - known.heardAt)
        return [.send(answer, to: .sender)]
    }

    mutating func heardAlive(_ message: ElectionMessage, at now: Instant) -> [Output] {
        guard role == .suspecting, let known = master, !known.isGone, message.subject == known.standing.node,
            let echo = message.echo, questions.contains(echo), let heard = message.heard
        else { return [] }
        master?.livedAt = max(known.livedAt, arrival - heard.age)
        timers[.claim] = max(claimTime, now + .microseconds(1))
        return []
    }

    /// Messages of a session that has not proven itself may be the master's, restarted: wait a little, but not for
    /// ever.
    mutating func postponeClaim(for message: ElectionMessage, at now: Instant) {
        guard role == .suspecting || role == .joining, message.kind == .heartbeat || message.kind == .claim,
            let due = timers[.claim]
        else { return }
        if now - postponed.since > .seconds(60) { postponed = (.zero, now) }
        let wanted = now + confirmation
        guard wanted > due, postponed.used + (wanted - due) <= configuration.tolerance * 2 else { return }
        postponed.used += wanted - due
        timers[.claim] = wanted
    }

    /// The master has said goodbye, or is known to be dead: nothing to confirm.
    mutating func masterIsGone(
        _ reason: String, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        master?.isGone = true
        guard role == .standby || role == .suspecting else { return [] }
        suspectedSince = now
        let outputs = role == .standby ? become(.suspecting, reason: reason) : []
        timers[.question] = nil
        timers[.claim] = max(claimTime, now + .microseconds(1))
        return outputs
    }

    // MARK: The claim

    mutating func claimIfAllowed(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        guard role == .suspecting, isHealthy, !wantsMaintenance else { return [] }
        if stranger != nil, master == nil {
            timers[.claim] = now + Self.strangerInterval
            return [.probeAddress]
        }
        if master != nil, claimTime > now {
            timers[.claim] = claimTime
            return []
        }
        guard hasEvidence(at: now) else {
            lacksEvidenceSince = lacksEvidenceSince ?? now
            timers[.claim] = now + confirmation
            return askGateway()
        }
        return lookAround(at: now) ?? claim(rank: rank, at: now)
    }

    /// Where the gateway was missed and is there now, this member may have been cut off, and the gateway's answer may
    /// be the first to come of many: the master, if there is one, has its time to be heard first.
    private mutating func lookAround(at now: Instant) -> [Output]? {
        guard let since = lacksEvidenceSince else { return nil }
        lacksEvidenceSince = nil
        if now - since > configuration.tolerance { return listen(as: .joining, reason: "gateway-back", at: now) }
        timers[.claim] = now + confirmation
        return []
    }

    /// Whether this member may believe that it is on the side where the gateway is. Of a master that has fallen silent
    /// without a word that is not shown by what the gateway said before: the way to both may have been cut since.
    private func hasEvidence(at now: Instant) -> Bool {
        guard configuration.requiresGateway else { return true }
        let silence = master.flatMap { $0.isGone ? nil : max($0.livedAt, suspectedSince ?? $0.livedAt) }
        if let heard = gatewayHeard, now - heard <= Self.freshEvidence, silence.map({ heard > $0 }) ?? true {
            return true
        }
        if let master, !master.hasGateway { return true }
        guard let blind = configuration.claimBlind, let since = suspectedSince else { return false }
        return now - since >= blind
    }

    mutating func claim(rank: UInt16, at now: Instant) -> [Output] {
        let new = max(highestTerm, configuration.rememberedTerm, term) + 1
        highestTerm = new
        configuration.rememberedTerm = new
        let lived = master?.livedAt ?? suspectedSince ?? now
        takeOver = TakeOver(
            since: lived, detected: (suspectedSince ?? now) - lived, confirmed: now - lived,
            reason: master == nil ? "no-master" : master?.isGone == true ? "gone" : "silent")
        // Before the event, which names the term that is claimed.
        standing = Standing(term: new, rank: rank, node: configuration.node)
        let outputs = become(.claiming, reason: nil)
        claimsSent = 0
        return outputs + [.remember(term: new)] + claimAgain(at: now)
    }

    mutating func claimAgain(at now: Instant) -> [Output] {
        guard role == .claiming, standing != nil else { return [] }
        guard claimsSent < Self.claims else { return takeOffice(at: now) }
        claimsSent += 1
        timers[.claimRepeat] = now + claimSpacing
        return [.send(message(.claim, at: now), to: .group)]
    }

    // MARK: The address and the gateway

    mutating func addressAnswered(by mac: MACAddress) -> [Output] {
        let isMember = members.values.contains { $0.mac == mac } || mac == configuration.mac
        guard !isMember, master == nil, !isMaster else { return [] }
        strangerSilences = 0
        if [.joining, .quarantined, .suspecting].contains(role) { stranger = mac }
        return []
    }

    mutating func addressDue(at now: Instant) -> [Output] {
        guard stranger != nil, role == .fault || role == .suspecting else {
            if role == .fault, isHealthy { return listen(as: .joining, reason: "again", at: now) }
            guard role == .joining || role == .quarantined else { return [] }
            timers[.address] = now + joinTime / 4
            return [.probeAddress]
        }
        strangerSilences += 1
        if strangerSilences > 3 {
            stranger = nil
            strangerSilences = 0
            return isHealthy ? listen(as: .joining, reason: "address-free", at: now) : []
        }
        timers[.address] = now + Self.strangerInterval
        return [.probeAddress]
    }

    /// A master that has lost the gateway hands over to whoever has heard it last, and must hear of that while it is
    /// fresh: a hello each second that happens to come long after each answer would never show it.
    mutating func gatewayAnswered(at now: Instant) -> [Output] {
        let isNews = gatewayHeard.map { now - $0 >= Self.freshEvidence / 4 } ?? true
        gatewayHeard = now
        if timers[.gateway] != nil { timers[.gateway] = now + Self.gatewayInterval }
        if lacksEvidenceSince != nil { timers[.claim] = now + .microseconds(1) }
        guard isNews, role == .standby, let master, !master.hasGateway else { return [] }
        return hello(at: now)
    }

    /// It has as long to answer as after the start. What the one before it said is of no use: where this one is silent,
    /// another member shall hold the address.
    mutating func gatewayNamed(at now: Instant) -> [Output] {
        configuration.requiresGateway = true
        gatewayHeard = nil
        gatewayNamedAt = now
        timers[.gateway] = ranksForGateway ? now + Self.gatewayPatience : nil
        return askGateway()
    }

    /// Whether nothing was heard of the gateway in that time, in which it could have been.
    func lacksGateway(for time: Duration, at now: Instant) -> Bool {
        now - (gatewayHeard ?? max(listensSince, gatewayNamedAt ?? listensSince)) >= time
    }

    func askGateway() -> [Output] { configuration.requiresGateway ? [.probeGateway] : [] }

    mutating func gatewayDue(at now: Instant) -> [Output] {
        guard ranksForGateway else { return [] }
        // A question or an answer may be lost, and the address must not move for that.
        let isMissing = lacksGateway(for: Self.evidenceLoss, at: now)
        timers[.gateway] = now + (isMissing ? Self.gatewayInterval : Self.gatewayPatience)
        return [.probeGateway]
    }
}
