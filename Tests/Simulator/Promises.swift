// What each act of a member must keep to, judged from what has reached its host and not from what the member believes:
// a claim, the renewal of a lease, the address at the heir, a recording.

import QureCore

extension Simulation {
    /// A heartbeat has reached the kernel of a host, read or not. One that was there before, or is older than what was,
    /// says nothing.
    mutating func noteHeartbeat(_ message: ElectionMessage, at index: Int) {
        if let member = hosts[index].election.members[message.node], member.session == message.session,
            member.sequence >= message.sequence
        {
            return
        }
        if let known = hosts[index].heartbeats[message.node], known.session == message.session,
            known.sequence >= message.sequence
        {
            return
        }
        hosts[index].heartbeats[message.node] = .init(
            session: message.session, sequence: message.sequence, term: message.term,
            at: hosts[index].clock.local(now))
    }

    /// I8: a master that was silent for less than the tolerance loses nothing; nor does one that serves, and is heard,
    /// to somebody who takes it for gone, because a copy of its machine says that it has just started. I13: who has no
    /// sign of the gateway does not claim, unless the master had none either. I14: nor does who knows that a stranger
    /// has the address.
    mutating func judgeClaim(_ index: Int) {
        let election = hosts[index].election
        let time = hosts[index].clock.local(now)
        if election.takeOver?.reason == "silent", let known = election.master,
            let heard = hosts[index].heartbeats[known.standing.node], heard.term == known.standing.term,
            heard.session == election.members[known.standing.node]?.session,
            time - heard.at < max(known.tolerance, settings.tolerance).nanoseconds
        {
            violate("I8", "\(name(index)) claims \((time - heard.at) / 1000) us after it could hear the master")
        }
        if election.takeOver?.reason == "gone", network.isCalm, isHeardServing(election.master, index) {
            violate("I8", "\(name(index)) claims after a master that it hears, as if that were gone")
        }
        let hasEvidence = hosts[index].gatewayHeard.map { time - $0 <= 2 * Self.second } ?? false
        if settings.requiresGateway, !hasEvidence, election.master.map(\.hasGateway) ?? true {
            violate("I13", "\(name(index)) claims without a sign of the gateway")
        }
        if election.master == nil, hosts[index].hasSeenStranger, now < strangerUntil {
            violate("I14", "\(name(index)) claims what a stranger has")
        }
    }

    /// Whether the last heartbeat of a master is fresh, and that master still is one.
    private func isHeardServing(_ master: Election.Master?, _ index: Int) -> Bool {
        guard let master, let heard = hosts[index].heartbeats[master.standing.node] else { return false }
        return hosts[index].clock.local(now) - heard.at <= master.interval.nanoseconds
            && hosts.contains {
                $0.state == .running && $0.election.role == .master
                    && $0.election.configuration.session == heard.session && $0.election.term == master.standing.term
            }
    }

    /// I15: a claim takes a term that is higher than any that its member has heard of or has claimed, also before it
    /// was started anew.
    mutating func judgeTerm(_ term: UInt64, _ index: Int) {
        let election = hosts[index].election
        let kept = hosts[index].rememberedTerm
        if term <= kept { violate("I15", "\(name(index)) keeps term \(term), and has kept \(kept)") }
        hosts[index].rememberedTerm = term
        let heard = election.members.values.map(\.term).max() ?? 0
        guard election.role == .claiming, election.term == term, term <= heard else { return }
        violate("I15", "\(name(index)) claims term \(term), and knows of \(heard)")
    }

    /// I16: who is unhealthy or in maintenance neither serves nor stands by.
    mutating func judgeFitness(_ index: Int) {
        let role = hosts[index].election.role
        guard !hosts[index].isFit, [.standby, .suspecting, .claiming, .master].contains(role) else { return }
        violate("I16", "\(name(index)) is unhealthy or in maintenance, and \(role.rawValue)")
    }

    /// I4: nobody goes on while a higher term lies unread in its queue. I10: a gap in which the lease was over, and
    /// more, is noticed.
    mutating func judgeRenewal(_ event: Election.Event, _ at: Int64, _ index: Int) {
        let election = hosts[index].election
        let unread = hosts[index].waiting.first { one in
            let message = one.datagram.message
            let isMaster = message.kind == .heartbeat || message.kind == .claim
            return isMaster && !one.isReplay && message.term > event.term
                && election.members[message.node]?.session == message.session
        }
        if let unread {
            violate("I4", "\(name(index)) goes on with term \(event.term); unread: \(unread.datagram.message)")
        }
        guard event.state != .master, let last = hosts[index].renewedAt else { return }
        let limit = election.lease + election.configuration.interval + .milliseconds(1)
        if at - last > limit.nanoseconds {
            violate("I10", "\(name(index)) renews its lease \((at - last) / 1000) us after the last time")
        }
    }

    /// What a member does on the short way when its heartbeat is due.
    struct Repetition {
        var said: Election.Repetition
        /// What followers are told of it.
        var renewal: Election.Output
        /// What else was due.
        var others: [Election.Output]
        /// Whether the member is woken then when its timers want it to be, or at once for more.
        var isWokenRight: Bool
        /// Where it leads.
        var election: Election
    }

    /// The short way; nil: it takes the long one.
    func repetition(_ index: Int, at time: Instant, _ random: SplitMix64) -> Repetition? {
        var random = random
        var election = hosts[index].election
        guard let said = election.repeatHeartbeat(at: time) else { return nil }
        let isWokenRight = said.nextDeadline == election.nextDeadline || said.nextDeadline == time
        let renewal = Election.Output.event(election.renewal(at: time))
        var others: [Election.Output] = []
        if let next = said.nextDeadline, next <= time {
            others = election.step(.deadlinePassed, at: time, using: &random)
        }
        return Repetition(
            said: said, renewal: renewal, others: others, isWokenRight: isWokenRight, election: election)
    }

    /// I18: a heartbeat that only repeats the last one says what it would say that was put together anew. From then on
    /// the member goes on as the short way has left it.
    mutating func judge(_ repetition: Repetition, _ index: Int, _ outputs: [Election.Output]) {
        statistics.repetitions += 1
        let election = repetition.election
        var expected: [Election.Output] = []
        if var message = hosts[index].lastHeartbeat {
            message.sequence = repetition.said.sequence
            message.gatewayAge = repetition.said.gatewayAge
            expected = [.send(message, to: .group), repetition.renewal] + repetition.others
        }
        if outputs != expected { violate("I18", "\(name(index)) repeats \(expected) instead of \(outputs)") }
        if !repetition.isWokenRight || election.nextDeadline != hosts[index].election.nextDeadline {
            violate("I18", "\(name(index)) is woken at another time after a repeated heartbeat")
        }
        hosts[index].election = election
    }

    /// I9: on a link where nothing has happened but that the master froze, its lease is over before its successor has
    /// the address.
    mutating func judgeSuccession(_ index: Int) {
        guard hosts[index].election.lastTakeOver?.reason == "silent", network.isCalm, isUndisturbed else { return }
        for other in hosts.indices where other != index && hosts[other].state == .frozen && hosts[other].answers(now) {
            violate("I9", "\(name(index)) has the address, and so does \(name(other)), frozen")
        }
    }

    mutating func noteHandOver(_ event: Election.Event, _ index: Int) {
        guard event.state == .transferring else { return hosts[index].handsOver = nil }
        guard hosts[index].handsOver == nil else { return }
        let usual = Duration.milliseconds(50)
        let farewell = max(usual, min(settings.tolerance, .milliseconds(300)))
        let isFarewell = ["stopped", "maintenance", "sleep", "power-button"].contains(event.reason)
        hosts[index].handsOver = (now, (isFarewell ? farewell : usual).nanoseconds)
    }

    /// I17: make before break: on a link where nothing else happens, a master that hands over has the address until its
    /// heir has it, or for as long as an heir may take.
    mutating func judgeHandOver(_ index: Int) {
        guard let (since, patience) = hosts[index].handsOver else { return }
        hosts[index].handsOver = nil
        guard network.isCalm, isUndisturbed, touchedAt <= since, now - since < patience - Self.millisecond,
            hosts[index].answers(now), !hosts.contains(where: { $0.index != index && $0.answers(now) })
        else { return }
        violate("I17", "\(name(index)) lets go after \((now - since) / 1000) us, and nobody has the address")
    }

    /// Nothing that the members could not know of has happened for so long that they have forgotten it.
    var isUndisturbed: Bool { now - disturbedAt > 2 * settings.tolerance.nanoseconds + Self.second }

    mutating func noteBelieved(_ message: ElectionMessage, by index: Int) {
        guard let member = hosts[index].election.members[message.node], member.session == message.session,
            member.sequence == message.sequence
        else { return }
        hosts[index].believed[message.session] = max(hosts[index].believed[message.session] ?? 0, message.sequence)
    }

    /// Whether nothing of a recording can be news: it is of a session that is not the one known and answers no question
    /// of this host, or does so too late, or was heard already, be it before that session was given up.
    func isStale(_ message: ElectionMessage, for index: Int, at arrival: Int64) -> Bool {
        if let last = hosts[index].believed[message.session], message.sequence <= last { return true }
        if let member = hosts[index].election.members[message.node], member.session == message.session {
            return message.sequence <= member.sequence
        }
        guard message.kind == .response, let echo = message.echo else { return true }
        return hosts[index].nonces[echo].map { arrival - $0 > Self.second } ?? true
    }

    /// I3: where nothing has happened for long enough, somebody has the address.
    mutating func judgeService(isHeld: Bool) {
        guard !isHeld, network.isCalm, hosts.contains(where: { $0.canServe(now) }) else {
            nobodySince = nil
            return
        }
        let since = max(nobodySince ?? now, touchedAt)
        nobodySince = since
        statistics.longestNobody = max(statistics.longestNobody, now - since)
        if now - since > settings.serviceLimit {
            violate("I3", "nobody has had the address for \((now - since) / Self.millisecond) ms of calm")
        }
    }
}

extension Simulation.Settings {
    /// The longest that nobody may have the address while all is calm: to listen, to miss a master, to claim by rank.
    var serviceLimit: Int64 {
        max(tolerance * 2, .milliseconds(300)).nanoseconds + (tolerance * 2).nanoseconds + Simulation.second
    }
}
