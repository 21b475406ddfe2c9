// What a relay does when something changes: notifications, updates (and signed questions) that it passes on, rounds
// in which the authorities of an alias are asked for the serial of their zone before they are asked for addresses.
// Of several authorities one may lag behind: whoever has a serial that is older than what is known is not asked.

extension Relay {
    /// A round of questions to the authorities of an alias.
    struct Round: Sendable {
        var number: Int
        /// The sets that are wanted, and who waits for them.
        var waiters: [AliasTable.Key: [Waiter]]
        /// Authorities that have not answered yet.
        var pending: Int
        /// The newest serial by which addresses have been asked for.
        var serial: UInt32?
        /// The sets that have been asked for: nobody waits for the round any more who wants one of these.
        var asked: Set<AliasTable.Key> = []
    }

    // MARK: Notifications

    mutating func hearNotify(
        _ octets: [UInt8], _ request: DNSMessage, _ client: RelayClient, at now: Instant, time: UInt64
    ) -> [Output] {
        guard let zone = request.question?.name else { return ignore(client) }
        let isKnown = isForwarded(zone) || aliases.aliases.contains { $0.target.isWithin(zone) }
        let verdict = notifyGate.judge(
            octets, request, from: client.address.unmapped, configuration.notify, isKnown: isKnown, at: now, time: time)
        switch verdict {
        case .answer(let answer, nil): return [.answer(answer, client)]
        case .answer(let answer, let look?):
            counters.notified += 1
            aliases.expire(below: zone, at: look)
            forgetZone(zone, at: now)
            return [.answer(answer, client), .report(.changed(zone, by: client.address))]
        case .refuse(let answer, let why):
            counters.refused += 1
            guard now >= nextComplaint ?? now else { return [.answer(answer, client)] }
            nextComplaint = now + NotifyGate.complaintInterval
            return [.answer(answer, client), .report(.disbelieved(zone, by: client.address, why))]
        }
    }

    /// A zone has changed: whoever says so, it is looked at now.
    mutating func hearChange(of zone: DomainName, at now: Instant) {
        aliases.expire(below: zone, at: now)
        forgetZone(zone, at: now)
    }

    // MARK: Updates

    mutating func passOn(
        _ octets: [UInt8], _ request: DNSMessage, _ zone: DomainName, _ client: RelayClient, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let rule: UpdateRule
        do throws(UpdateRule.Refusal) {
            rule = try updateRule(for: zone, client)
            guard rule.takesUnsigned || request.signature != nil else { throw .unsigned }
        } catch {
            return refuse(request, .refused, about: zone, client, error, at: now)
        }
        // A datagram that was sent again: its answer is under way, or was given a moment ago.
        if let known = recentUpdates.first(where: { $0.client == client && $0.octets == octets }), now < known.until {
            return [.answer(known.answer, client)]
        }
        return passOn(octets, request, zone, client, to: rule.primaries, at: now, using: &random)
    }

    /// The rule of the closest domain, if it lets this client through.
    private func updateRule(
        for name: DomainName, _ client: RelayClient
    ) throws(UpdateRule.Refusal) -> UpdateRule {
        let rules = configuration.updates.filter { name.isWithin($0.domain) }
        guard let rule = rules.max(by: { $0.domain.labelCount < $1.domain.labelCount }) else { throw .rule }
        let source = client.address.unmapped
        let isAllowed =
            rule.sources?.contains { $0.contains(source) }
            ?? Audiences.isLocal(configuration.audiences.audience(of: client.address))
        guard isAllowed else { throw .source }
        return rule
    }

    /// Tells who sent it why it is not passed on, and the log, once a minute at most: whoever forgot a line of the
    /// configuration is to learn of it. What strangers send about domains that are none of ours is nobody's mistake.
    private mutating func refuse(
        _ request: DNSMessage, _ code: DNSResponseCode, about name: DomainName, _ client: RelayClient,
        _ why: UpdateRule.Refusal, at now: Instant
    ) -> [Output] {
        counters.refused += 1
        var response = request.response(code)
        explain(&response, request, ExtendedError(ExtendedError.prohibited.code, why.rawValue))
        let answer = Output.answer(response.encoded(), client)
        let isOurs =
            why != .rule || configuration.forward(for: name) != nil
            || aliases.aliases.contains { $0.target.isWithin(name) || name.isWithin($0.name) }
        guard isOurs, now >= nextUpdateComplaint ?? now else { return [answer] }
        nextUpdateComplaint = now + NotifyGate.complaintInterval
        return [answer, .report(.notPassedOn(name, by: client.address, why))]
    }

    /// A signed question goes to whoever may have the key: the servers of its domain, else the primary of its zone.
    /// Where there are none, nobody here knows the key (RFC 8945 section 5.2.1).
    mutating func passOnSigned(
        _ octets: [UInt8], _ request: DNSMessage, _ question: DNSQuestion, _ client: RelayClient, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let isLocal = Audiences.isLocal(configuration.audiences.audience(of: client.address))
        let forward = isLocal ? configuration.forward(for: question.name) : nil
        let servers: [DNSEndpoint]
        do {
            servers = if let forward { forward.servers } else { try updateRule(for: question.name, client).primaries }
        } catch {
            return refuse(request, .notAuthorized, about: question.name, client, error, at: now)
        }
        return passOn(octets, request, question.name, client, to: servers, at: now, using: &random)
    }

    private mutating func passOn(
        _ octets: [UInt8], _ request: DNSMessage, _ name: DomainName, _ client: RelayClient,
        to servers: [DNSEndpoint], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard !updates.values.contains(where: { $0.client == client && $0.octets == octets }) else {
            return ignore(client)
        }
        // Our own message that comes back to us.
        if updates.values.contains(where: { $0.message == octets }) {
            counters.refused += 1
            let loop = request.question.map { [Output.report(.loop($0, nil))] } ?? []
            return loop + [.answer(request.response(.refused).encoded(), client)]
        }
        let update = UpdateForwarding(
            octets, name, client, servers, id: .random(in: .min ... .max, using: &random))
        // Questions take nothing from the room of updates.
        guard updates.values.count(where: { $0.isQuery == update.isQuery }) < Self.maximumUpdates else {
            return [.answer(request.response(.serverFailure).encoded(), client)]
        }
        if update.isQuery { counters.asked += 1 } else { counters.updates += 1 }
        let number = takeNumber()
        updates[number] = update
        return advanceUpdate(number, .start, at: now)
    }

    mutating func advanceUpdate(_ number: Int, _ input: DNSExchange.Input, at now: Instant) -> [Output] {
        guard var update = updates[number] else { return [] }
        var outputs: [Output] = []
        for output in update.step(input, at: now) {
            switch output {
            case .sendDatagram(let octets, let server):
                outputs.append(.sendDatagram(octets, to: server, exchange: number))
            case .openStream(let octets, let server):
                outputs.append(.openStream(octets, to: server, exchange: number))
            case .close: outputs.append(.close(exchange: number))
            case .over(let server, let why): outputs += note(server, silence: why, at: now)
            case .finished(let answer):
                updates[number] = nil
                guard !update.isQuery else { return outputs + [.answer(answer, update.client)] }
                if answer[3] & 0xf == 0 {
                    hearChange(of: update.zone, at: now)
                    outputs.append(.report(.changed(update.zone, by: update.client.address)))
                }
                recentUpdates.removeAll { now >= $0.until }
                recentUpdates.append((update.client, update.octets, answer, now + Self.updateMemory))
                if recentUpdates.count > Self.maximumUpdates { recentUpdates.removeFirst() }
                return outputs + [.answer(answer, update.client)]
            case .exhausted:
                updates[number] = nil
                counters.failed += 1
                var input = WireReader(update.octets)
                guard let header = try? DNSHeader(parsing: &input) else { return outputs }
                return outputs + [.answer(header.response(.serverFailure).encoded(), update.client)]
            }
        }
        updates[number] = update
        noteDeadline(update.nextDeadline)
        return outputs
    }

    // MARK: Rounds

    /// Asks for what is due: upstreams at once, authorities for their serial first.
    mutating func askDue(
        _ keys: [AliasTable.Key], waiting: (AliasTable.Key, Waiter)? = nil, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        // Nearly always, at each step of any question.
        guard !keys.isEmpty else { return [] }
        var outputs: [Output] = []
        for (index, keys) in Dictionary(grouping: keys, by: \.alias).sorted(by: { $0.key < $1.key }) {
            let waiters = Dictionary(
                uniqueKeysWithValues: keys.map { key in (key, waiting.map { $0.0 == key ? [$0.1] : [] } ?? []) })
            guard !aliases.aliases[index].servers.isEmpty else {
                for key in keys {
                    outputs += ask(key, waiters: waiters[key] ?? [], at: now, time: time, using: &random)
                }
                continue
            }
            outputs += beginRound(index, waiters, at: now, time: time, using: &random)
        }
        return outputs
    }

    private mutating func beginRound(
        _ index: Int, _ waiters: [AliasTable.Key: [Waiter]], at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let alias = aliases.aliases[index]
        let number = takeNumber()
        // Who waited for a round that has not come to anything waits for this one.
        let earlier = rounds[index].map { round in round.waiters.filter { !round.asked.contains($0.key) } }
        let all = (earlier ?? [:]).merging(waiters) { $0 + $1 }
        rounds[index] = Round(number: number, waiters: all, pending: alias.servers.count)
        for waiter in waiters.values.joined() { count(waiter, 1) }
        let message = DNSMessage(id: 0, questions: [DNSQuestion(alias.target, .soa)], edns: EDNS())
        var outputs: [Output] = []
        for server in alias.servers {
            outputs += begin(
                .serial(alias: index, round: number, server), message, [server], tries: 2, waiters: [], at: now,
                time: time, using: &random)
        }
        return outputs
    }

    /// Waits for the round of an alias; nil: there is none that would bring this set.
    mutating func joinRound(_ key: AliasTable.Key, _ waiter: Waiter) -> [Output]? {
        guard let round = rounds[key.alias], !round.asked.contains(key), let known = round.waiters[key] else {
            return nil
        }
        guard !known.contains(where: { $0.isSame(as: waiter) }) else { return ignore(waiter.client) }
        counters.joined += 1
        count(waiter, 1)
        rounds[key.alias]?.waiters[key]?.append(waiter)
        return []
    }

    mutating func finishSerial(
        _ index: Int, _ number: Int, _ server: DNSEndpoint, _ answer: DNSExchange.Answer?, at now: Instant,
        time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard var round = rounds[index], round.number == number else { return [] }
        let target = aliases.aliases[index].target
        round.pending -= 1
        var outputs: [Output] = []
        if let message = answer?.message, message.responseCode == .noError || message.responseCode == .nameError {
            let soa = (message.answers + message.authorities).first { $0.type == .soa && target.isWithin($0.name) }
            let serial = soa?.data.startOfAuthority?.serial
            if let soa { learnPublicZone(soa) }
            aliases.noteAuthority(index, server, serial: serial, at: now)
            let isNewer = round.serial.map { known in serial.map { StartOfAuthority.isNewer($0, than: known) } ?? false
            }
            let accepted = round.waiters.keys.filter { aliases.accepts($0, serial: serial, at: now) }
            if isNewer ?? round.asked.isEmpty, !accepted.isEmpty {
                round.serial = serial
                for key in accepted.sorted(by: { $0.type.rawValue < $1.type.rawValue }) {
                    let waiters = round.waiters[key] ?? []
                    round.waiters[key] = []
                    round.asked.insert(key)
                    for waiter in waiters { count(waiter, -1) }
                    outputs += ask(
                        key, target, [server], waiters, at: now, time: time, using: &random, serial: serial)
                }
            }
        } else {
            aliases.noteAuthority(index, server, serial: nil, at: nil)
        }
        rounds[index] = round.pending > 0 ? round : nil
        guard round.pending == 0 else { return outputs }
        // Nobody who could be asked knows anything new of these.
        for (key, waiters) in round.waiters where !round.asked.contains(key) {
            for waiter in waiters { count(waiter, -1) }
            outputs += failAlias(key, waiters, at: now, time: time, using: &random)
        }
        return outputs
    }
}
