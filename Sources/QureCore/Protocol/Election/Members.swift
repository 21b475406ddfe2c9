// The members that an Election knows, and whom it believes. A session is believed once it has answered a nonce of ours:
// until then it may be a recording of one that is long over. After that its sequence must rise, so that nothing of it
// can be played again; that holds as well where it was given up meanwhile. No clock is compared with another's.

extension Election {
    /// Another member.
    package struct Member: Equatable, Sendable {
        /// The session that is believed.
        package var session: UInt64
        /// The highest sequence that was heard.
        package var sequence: UInt64
        /// When it was last heard.
        package var heardAt: Instant
        /// Since when it is known without a break.
        package var knownSince: Instant
        /// Its name for people; empty until it has said it.
        package var name: String
        /// Its own hardware address on the link.
        package var mac: MACAddress?
        /// The higher, the sooner it succeeds.
        package var priority: UInt8
        /// Where it said that it stands.
        package var role: ElectionMessage.Role
        /// What else it said of itself.
        package var flags: ElectionMessage.Flags
        /// The term that it follows or leads.
        package var term: UInt64
        /// Its heartbeat interval.
        package var interval: Duration
        /// How long a silence it forgives.
        package var tolerance: Duration
        /// Of the settings that must agree.
        package var configuration: UInt32
        /// When the gateway last answered it, as far as it said.
        package var gatewayHeard: Instant?

        /// Whether it could take the address.
        package var isEligible: Bool {
            flags.contains(.healthy) && !flags.contains(.maintenance) && !flags.contains(.justResumed)
                && [.standby, .suspecting, .joining].contains(role)
        }

        /// Takes over what a believed message says of its sender.
        mutating func take(_ message: ElectionMessage, received arrival: Instant, at now: Instant) {
            sequence = message.sequence
            heardAt = arrival
            name = message.name ?? ""
            mac = message.mac
            priority = message.priority
            role = message.role
            flags = message.flags
            term = message.term
            interval = message.interval
            tolerance = message.tolerance
            configuration = message.configuration
            gatewayHeard = message.gatewayAge.map { now - $0 }
        }
    }

    /// How far a session was heard whose member has gone, or goes by another one now.
    struct LastWord: Sendable {
        var session: UInt64
        var sequence: UInt64
    }

    /// Members at most; more are not believed.
    package static let maximumMembers = 64
    /// Last words of sessions at most; those that were given up first are forgotten.
    static let maximumLastWords = maximumMembers * 2
    /// A term may jump so far at once, and no farther.
    static let maximumTermJump: UInt64 = 1 << 16

    // MARK: Hearing

    mutating func heard(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard message.cluster == configuration.cluster else { return disbelieve("other-cluster") }
        if message.node == configuration.node {
            guard message.session != configuration.session else { return [] }
            return heardMyself(message, at: now, using: &random)
        }
        if message.kind == .challenge, let nonce = message.nonce {
            var answer = self.message(.response, at: now)
            answer.echo = nonce
            return [.send(answer, to: .sender)] + challengeIfUnknown(message, at: now, using: &random)
        }
        noteAnswer(message)
        if let member = members[message.node], member.session == message.session {
            guard message.sequence > member.sequence else { return disbelieve("old-sequence") }
        } else {
            guard message.kind == .response, hasProven(message) else {
                // Be it a recording: the claim then waits for the tolerance, as it does for every silence.
                if message.session == master?.replacedSession { master?.isGone = false }
                postponeClaim(for: message, at: now)
                return challengeIfUnknown(message, at: now, using: &random)
            }
            guard members.count < Self.maximumMembers || members[message.node] != nil else {
                return disbelieve("too-many-members")
            }
            let outputs = admit(message, at: now, using: &random)
            // If it is one that was saved or cut off while it was master, it has answered for the address until now.
            remind(at: now)
            return outputs
        }
        return believe(message, at: now, using: &random)
    }

    mutating func disbelieve(_ why: String) -> [Output] {
        disbelieved[why, default: 0] += 1
        return []
    }

    /// A session has proven that it lives. Hello at once: it has not heard of us yet.
    private mutating func admit(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        challenges[message.session] = nil
        forgetNonces(of: message.node, besides: message.session)
        let before = members[message.node]
        giveUp(message.node)
        let last = lastWords.last { $0.session == message.session }?.sequence ?? 0
        lastWords.removeAll { $0.session == message.session }
        members[message.node] = Member(
            session: message.session, sequence: max(message.sequence, last), heardAt: now, knownSince: now, name: "",
            mac: nil, priority: 0, role: message.role, flags: [], term: 0, interval: message.interval,
            tolerance: message.tolerance,
            configuration: message.configuration, gatewayHeard: nil)
        // A session that has said more than this is a restored copy: what it has said since it was saved could be
        // played to whoever believes it. It hears how far it was heard, and takes another one.
        guard message.sequence > last else { return disbelieve("old-sequence") + hello(at: now) }
        replaceMaster(by: message, before: before?.session)
        return believe(message, at: now, using: &random) + hello(at: now)
    }

    /// Who is not counted on any more, nor what it says believed. If the same session comes back, its sequence has to
    /// rise all the same.
    mutating func giveUp(_ node: NodeID) {
        guard let member = members.removeValue(forKey: node) else { return }
        preferredSince[node] = nil
        repeatableUntil = nil
        lastWords.append(LastWord(session: member.session, sequence: member.sequence))
        if lastWords.count > Self.maximumLastWords { lastWords.removeFirst() }
    }

    private mutating func replaceMaster(by message: ElectionMessage, before: UInt64?) {
        // A master that has restarted is not the master that was known, unless that one is heard again: then the other
        // session was a copy of its machine, and nobody is gone.
        if let known = master, known.standing.node == message.node {
            if [.master, .transferring].contains(message.role) {
                // What it said meanwhile was not believed.
                master?.livedAt = max(known.livedAt, arrival)
                master?.isGone = false
            } else if known.replacedSession == nil {
                master?.isGone = true
                master?.replacedSession = before
            }
        }
    }

    /// Another machine has this member's number: the lower session of two that live takes another one.
    private mutating func heardMyself(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if message.kind == .challenge, let nonce = message.nonce {
            var answer = self.message(.response, at: now)
            answer.echo = nonce
            return [.send(answer, to: .sender)]
        }
        guard message.kind == .response, hasProven(message) else {
            return challenge(message, at: now, using: &random)
        }
        // One answer is proof once: played again it is a recording.
        challenges[message.session] = nil
        guard configuration.session < message.session else { return [] }
        configuration.node = NodeID(rawValue: random.next())
        configuration.session = random.next()
        sequence = 0
        return [.renamed(configuration.node)] + quarantine("cloned", at: now)
    }

    // MARK: Believing

    private mutating func believe(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        members[message.node]?.take(message, received: arrival, at: now)
        if names.count >= Self.maximumMembers * 2 { names = names.filter { members[$0.key] != nil } }
        names[message.node] = message.name
        if let mine = message.digests.first(where: { $0.node == configuration.node }),
            mine.session == configuration.session, mine.sequence > sequence
        {
            // Somebody has heard more of me than I have said: I am an old copy of myself.
            return goOnAsAnother(at: now, using: &random)
        }
        noteDigests(of: message, at: now)
        guard message.term <= highestTerm &+ Self.maximumTermJump || highestTerm == 0 else {
            return disbelieve("term-jump")
        }
        highestTerm = max(highestTerm, message.term)
        let outputs = heardOldMaster(message, at: now) + yieldIfOutdone(message, at: now)
        return outputs + consider(message, at: now, using: &random)
    }

    private mutating func consider(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        switch message.kind {
        case .heartbeat, .claim: heardMaster(message, at: now, using: &random)
        case .suspect: heardSuspicion(message, at: now)
        case .alive: heardAlive(message, at: now)
        case .transfer: heardTransfer(message, at: now)
        case .acknowledgement: heardAcknowledgement(message, at: now)
        case .released: heardReleased(at: now)
        case .goodbye: heardGoodbye(message, at: now, using: &random)
        case .down: heardDown(message, at: now, using: &random)
        default: []
        }
    }

    private mutating func heardReleased(at now: Instant) -> [Output] {
        remind(at: now)
        return []
    }

    private mutating func heardGoodbye(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        forgetLeaver(message.node)
        guard let known = master, known.standing.node == message.node else { return [] }
        return masterIsGone("goodbye", at: now, using: &random)
    }

    /// Tells the others of a member's death, and believes it.
    mutating func reportDeath(
        of node: NodeID, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard node != configuration.node else { return [] }
        var message = message(.down, at: now)
        message.subject = node
        return [.send(message, to: .group)] + heardDown(message, at: now, using: &random)
    }

    private mutating func heardDown(
        _ message: ElectionMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let subject = message.subject, subject != configuration.node else { return [] }
        forgetLeaver(subject)
        guard let known = master, known.standing.node == subject else { return [] }
        return masterIsGone("down", at: now, using: &random)
    }

    // MARK: Digests

    /// What was last heard of up to eight members, in turn.
    mutating func nextDigests() -> [ElectionMessage.Digest] {
        let nodes = members.keys.sorted()
        guard !nodes.isEmpty else { return [] }
        let count = min(nodes.count, ElectionMessage.maximumEntries)
        let start = lastDigest % nodes.count
        lastDigest = (start + count) % nodes.count
        return (0..<count).compactMap { offset in
            let node = nodes[(start + offset) % nodes.count]
            return members[node].map { .init(node: node, session: $0.session, sequence: $0.sequence) }
        }
    }

    // MARK: Review

    /// Looks over what time alone changes: who is gone, whether somebody else should have the address.
    mutating func review(at now: Instant) -> [Output] {
        timers[.review] = now + Self.reviewInterval
        ownLateness = ownLateness > .milliseconds(1) ? ownLateness / 2 : .zero
        for (node, member) in members where now - member.heardAt > helloInterval * 5 {
            if node != master?.standing.node { giveUp(node) }
        }
        return reviewHearing(at: now) + (isMaster ? reviewMastery(at: now) : [])
    }

    /// That others heard it a moment ago makes nobody deaf who has not since.
    private mutating func forgetLeaver(_ node: NodeID) {
        giveUp(node)
        for hearer in hearing.keys { hearing[hearer]?[node] = nil }
    }

    /// Whether it was heard lately enough to count on.
    func isPresent(_ member: Member, at now: Instant) -> Bool { now - member.heardAt < presence }

    /// For how long a member counts as there that is not heard again.
    var presence: Duration { helloInterval * 5 / 2 }
}
