// What a relay asks others: questions of clients, which are put to the upstreams, and the addresses of aliases.

extension Relay {
    // MARK: Questions of clients

    mutating func forward(
        _ waiter: Waiter, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let question = waiter.question
        let servers = waiter.isDelegated ? configuration.upstreams : configuration.servers(for: question.name)
        guard !servers.isEmpty else { return fail(waiter, .notReady) }
        if let probe = numbers[.probe(question.name)] {
            return hearProbe(probe, waiter, at: now, time: time, using: &random)
        }
        guard !failures.isFailing(question, isDelegated: waiter.isDelegated, at: now) else {
            return failOrStale(waiter, .cachedError, at: now)
        }
        let key = ForwardKey(waiter)
        if let number = numbers[.forward(key)] { return join(number, waiter, at: now, time: time, using: &random) }
        if let overdraft = overdraft(waiter) { return fail(waiter, overdraft, at: now) }
        return begin(
            .forward(key), message(key, using: &random), servers, waiters: [waiter], at: now, time: time, using: &random
        )
    }

    /// Asks anew for what is still known, with nobody waiting.
    mutating func refresh(
        _ octets: [UInt8], _ client: RelayClient, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard case .query(let request, let question) = RequestTriage(octets, isStream: true),
            works.count < Self.maximumWork / 2
        else { return [] }
        let waiter = Waiter(
            octets: octets, request: request, question: question, client: nil,
            audience: configuration.audiences.audience(of: client.address), since: now)
        guard Audiences.isLocal(waiter.audience), !isOwn(question, for: waiter.audience) else { return [] }
        return forward(waiter, at: now, time: time, using: &random)
    }

    /// Waits for what is being asked already. A datagram that was sent again is answered once. Our own question that
    /// comes back to us, because an upstream is this very proxy, is refused.
    mutating func join(
        _ number: Int, _ waiter: Waiter, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let index = works.index(forKey: number) else { return ignore(waiter.client) }
        if let own = works.values[index].exchange.query, own == waiter.request {
            return endLoop(of: waiter, through: [number], at: now, time: time, using: &random)
        }
        guard !works.values[index].waiters.contains(where: { $0.isSame(as: waiter) }) else {
            return ignore(waiter.client)
        }
        if let overdraft = overdraft(waiter) { return fail(waiter, overdraft, at: now) }
        // Who waited has been given what is old by then, or nothing old is there.
        let hasBeenLong = works.values[index].staleDue.map { now >= $0 } ?? true
        if hasBeenLong, case .forward = works.values[index].purpose, let old = stale(waiter, at: now) { return old }
        counters.joined += 1
        count(waiter, 1)
        // Where it lies: many may wait for the same.
        works.values[index].waiters.append(waiter)
        if waiter.client != nil { suspect(index, at: now) }
        return []
    }

    /// Our own question: nothing of the client's message but what the answer depends on.
    private func message(_ key: ForwardKey, using random: inout some RandomNumberGenerator) -> DNSMessage {
        var question = key.question
        if configuration.randomizesCase { question.name = question.name.withRandomCase(using: &random) }
        var flags: DNSMessage.Flags = key.wantsRecursion ? [.recursionDesired] : []
        if key.checkingDisabled { flags.insert(.checkingDisabled) }
        if key.authenticated { flags.insert(.authenticated) }
        return DNSMessage(
            id: 0, flags: flags, questions: [question], edns: EDNS(wantsSecurity: key.wantsSecurity))
    }

    mutating func finishForward(
        _ work: Work, _ key: ForwardKey, _ answer: DNSExchange.Answer?, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if key.isAbandoned { return answerAgain(work.waiters, at: now, time: time, using: &random) }
        guard let answer else {
            failures.fail(key.question, isDelegated: key.isDelegated, at: now)
            let isElsewhere = configuration.forward(for: key.question.name) != nil
            let reason = work.isLoop ? ExtendedError.loop : .unreachable(isAuthority: isElsewhere)
            return work.waiters.flatMap { failOrStale($0, reason, at: now) }
        }
        failures.succeed(key.question, isDelegated: key.isDelegated)
        let isPublic = !key.isDelegated && configuration.publicDomain(of: key.question.name) != nil
        var outputs: [Output] = []
        for waiter in work.waiters {
            if let chain = chainToOwnName(in: answer.message, for: waiter),
                waiter.wantsRecursion || hasInView(DNSQuestion(chain.target, waiter.question.type), waiter.audience)
            {
                let next = isPublic ? waiter.ledByPrimary : waiter.ledByUpstream
                outputs += follow(chain.records, to: chain.target, next, at: now, time: time, using: &random)
            } else if isPublic, let chain = chainBeyondPrimary(in: answer.message, for: waiter) {
                outputs += follow(
                    chain.records, to: chain.target, waiter.ledByPrimary, at: now, time: time, using: &random)
            } else if isPublic, isDelegatedFurther(answer.message, waiter) {
                outputs += forward(waiter.ledByDelegation, at: now, time: time, using: &random)
            } else if isPublic {
                outputs += giveWhole(answer.message, to: waiter, at: now)
            } else {
                outputs += give(answer.message, to: waiter, at: now)
            }
        }
        return outputs
    }

    /// An upstream's answer, made ours.
    private mutating func give(_ found: DNSMessage, to waiter: Waiter, at now: Instant) -> [Output] {
        let wantsSecurity = waiter.request.edns?.wantsSecurity ?? false
        var kept = found.onlyAbout(waiter.question, wantsSecurity: wantsSecurity)
        if configuration.refusesPrivateAddresses, kept.answers.contains(where: { $0.data.address?.isPrivate == true }) {
            return fail(waiter, .filtered)
        }
        boundTTL(of: &kept.answers)
        let lifetime = kept.lifetime(maximumNegative: configuration.maximumNegativeTTL)
        for index in kept.authorities.indices {
            kept.authorities[index].ttl = min(kept.authorities[index].ttl, max(lifetime, 1))
        }
        var response = start(waiter, found.responseCode)
        // Authority goes with the name that was asked for (RFC 1035 section 4.1.1), proofs with the whole way.
        if waiter.path.isEmpty { response.flags.remove(.authoritative) }
        if found.flags.contains(.authenticated), waiter.path.isEmpty,
            wantsSecurity || waiter.request.flags.contains(.authenticated)
        {
            response.flags.insert(.authenticated)
        }
        response.answers = kept.answers
        response.authorities = kept.authorities
        // Codes above 15 are for who sent an OPT.
        if response.responseCode.rawValue > 15, waiter.request.edns == nil { response.responseCode = .serverFailure }
        let isKept = response.responseCode == .noError || response.responseCode == .nameError
        return self.answer(response, to: waiter, ttl: isKept ? lifetime : 0, at: now)
    }

    /// Keeps times to live within what is configured.
    func boundTTL(of records: inout [DNSRecord]) {
        let bounds = min(configuration.minimumTTL, configuration.maximumTTL)...configuration.maximumTTL
        for index in records.indices {
            records[index].ttl = min(max(records[index].ttl, bounds.lowerBound), bounds.upperBound)
        }
    }

    // MARK: Addresses of aliases

    /// Asks upstreams for a set of addresses.
    mutating func ask(
        _ key: AliasTable.Key, waiters: [Waiter] = [], at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        ask(key, aliases.aliases[key.alias].target, [], waiters, at: now, time: time, using: &random)
    }

    /// Authorities are asked for what they know, upstreams to find it.
    mutating func ask(
        _ key: AliasTable.Key, _ name: DomainName, _ authorities: [DNSEndpoint], _ waiters: [Waiter], at now: Instant,
        time: UInt64, using random: inout some RandomNumberGenerator, hops: Int = 0, ttl: UInt32 = .max,
        serial: UInt32? = nil
    ) -> [Output] {
        let message = DNSMessage(
            id: 0, flags: authorities.isEmpty ? .recursionDesired : [], questions: [DNSQuestion(name, key.type)],
            edns: EDNS())
        let servers = authorities.isEmpty ? configuration.servers(for: name) : authorities
        return begin(
            .alias(key), message, servers, waiters: waiters, at: now, time: time, using: &random, hops: hops, ttl: ttl,
            serial: serial)
    }

    mutating func finishAlias(
        _ work: Work, _ key: AliasTable.Key, _ answer: DNSExchange.Answer?, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var outputs: [Output] = []
        let alias = aliases.aliases[key.alias]
        if let answer, let question = answer.message.question,
            answer.message.responseCode == .noError || answer.message.responseCode == .nameError
        {
            let kept = answer.message.onlyAbout(question, wantsSecurity: false)
            let addresses = kept.answers.compactMap(\.data.address)
            let ttl = min(work.ttl, kept.answers.map(\.ttl).min() ?? .max)
            if addresses.isEmpty, let last = kept.answers.last, let target = last.data.target {
                guard work.hops < LocalData.maximumAliases, aliases.alias(of: target) != key.alias else {
                    outputs.append(.report(.loop(question, nil)))
                    return outputs + failAlias(key, work.waiters, at: now, time: time, using: &random)
                }
                // The authority knows nothing of the name that its alias leads to.
                return ask(
                    key, target, [], work.waiters, at: now, time: time, using: &random, hops: work.hops + 1, ttl: ttl,
                    serial: work.serial)
            }
            let lifetime = addresses.isEmpty ? kept.lifetime(maximumNegative: alias.maximumTTL) : ttl
            // Of two answers that were under way, the one of the newer zone counts, whichever comes last.
            guard aliases.accepts(key, serial: work.serial, at: now) else {
                return outputs + answerAgain(work.waiters, at: now, time: time, using: &random)
            }
            let isMissing = answer.message.responseCode == .nameError
            if isMissing, key.type == .a, !aliases[key].isMissing {
                outputs.append(.report(.targetMissing(alias.name, alias.target)))
            }
            let isChanged = aliases.learn(
                key, addresses, isMissing: isMissing, ttl: lifetime, serial: work.serial, from: answer.server, at: now)
            if isChanged { outputs.append(.report(.aliasChanged(alias.name, key.type, addresses))) }
            forget(alias)
            return outputs + answerAgain(work.waiters, at: now, time: time, using: &random)
        }
        return failAlias(key, work.waiters, at: now, time: time, using: &random)
    }

    mutating func failAlias(
        _ key: AliasTable.Key, _ waiters: [Waiter], at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        aliases.fail(key, at: now)
        let report = Output.report(.aliasFailed(aliases.aliases[key.alias].name, key.type))
        return (aliases[key].failures == 1 ? [report] : [])
            + answerAgain(waiters, at: now, time: time, using: &random)
    }

    private mutating func answerAgain(
        _ waiters: [Waiter], at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var outputs: [Output] = []
        for waiter in waiters { outputs += resolve(waiter, at: now, time: time, using: &random) }
        return outputs
    }

    /// Answers about an alias are put together anew.
    private mutating func forget(_ alias: Alias) {
        if alias.isWildcard, let parent = alias.name.parent {
            cache.remove(parent, andBelow: true)
        } else {
            cache.remove(alias.name)
        }
    }
}

extension Relay.ForwardKey {
    init(_ waiter: Relay.Waiter) {
        let request = waiter.request
        self.init(
            question: waiter.question, wantsRecursion: waiter.wantsRecursion,
            wantsSecurity: request.edns?.wantsSecurity ?? false,
            checkingDisabled: request.flags.contains(.checkingDisabled),
            authenticated: request.flags.contains(.authenticated), isDelegated: waiter.isDelegated)
    }
}

extension DomainName {
    /// The same name with each letter in either case (draft-vixie-dnsext-dns0x20): the answer repeats it.
    func withRandomCase(using random: inout some RandomNumberGenerator) -> DomainName {
        var bits: UInt64 = 0
        let octets = octets.enumerated().map { index, octet -> UInt8 in
            if index % 64 == 0 { bits = random.next() }
            let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet | 0x20)
            return isLetter && bits >> UInt64(index % 64) & 1 == 1 ? octet ^ 0x20 : octet
        }
        return DomainName(octets: octets) ?? self
    }
}

extension IPAddress {
    /// Whether no public name should have it: private networks, the host itself, the link.
    var isPrivate: Bool {
        let networks = [
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10",
        ]
        return networks.contains { Prefix($0)?.contains(unmapped) == true }
    }
}
