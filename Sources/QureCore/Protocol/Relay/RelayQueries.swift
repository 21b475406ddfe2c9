// What a relay says at once: of aliases, of what is known here, and to whom it says nothing.

extension Relay {
    mutating func take(
        _ octets: [UInt8], _ client: RelayClient, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        counters.requests += 1
        switch RequestTriage(octets, isStream: client.stream != nil) {
        case .drop:
            counters.dropped += 1
            return ignore(client)
        case .reject(let response):
            if response.responseCode == .formatError { counters.malformed += 1 } else { counters.refused += 1 }
            return [.answer(response.encoded(), client)]
        case .query(let request, let question):
            let waiter = Waiter(
                octets: octets, request: request, question: question, client: client,
                audience: configuration.audiences.audience(of: client.address), since: now)
            return resolve(waiter, at: now, time: time, using: &random)
        case .signedQuery(let request, let question):
            return passOnSigned(octets, request, question, client, at: now, using: &random)
        case .notify(let request, _): return hearNotify(octets, request, client, at: now, time: time)
        case .update(let request, let zone):
            return passOn(octets, request, zone.name, client, at: now, using: &random)
        }
    }

    /// Forgets the answers about a name and those below it, how many that were, and that nobody answered.
    package mutating func forget(_ name: DomainName) -> Int {
        failures.remove(name)
        return cache.remove(name, andBelow: true)
    }

    /// No answer is a fact that a connection is told of, which may end when nobody waits.
    func ignore(_ client: RelayClient?) -> [Output] {
        client.flatMap { $0.stream == nil ? nil : [.ignore($0)] } ?? []
    }

    /// Answers, or begins to ask.
    mutating func resolve(
        _ waiter: Waiter, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let question = waiter.question
        if let view = configuration.audiences.view(of: waiter.audience), let local = view.records.answer(question) {
            return giveOrFollow(local, waiter, at: now, time: time, using: &random)
        }
        if let index = aliases.alias(of: question.name), question.isForAddress || !passesOthers(index, question.name) {
            return resolveAlias(index, waiter, at: now, time: time, using: &random)
        }
        if let local = configuration.known(to: waiter.audience).answer(question) {
            let local = upToPreferred(local, question, for: waiter.audience)
            return giveOrFollow(local, waiter, at: now, time: time, using: &random)
        }
        if !waiter.wantsRecursion {
            guard configuration.publicDomain(of: question.name) != nil else { return refuse(waiter) }
            if let short = askToComeByStream(waiter) { return short }
        }
        return forward(waiter, at: now, time: time, using: &random)
    }

    private mutating func refuse(_ waiter: Waiter) -> [Output] {
        counters.refused += 1
        let isRecursive = waiter.request.flags.contains(.recursionDesired)
        var response = waiter.request.response(.refused)
        explain(&response, waiter.request, isRecursive ? .prohibited : .notAuthoritative)
        return answer(response, to: waiter, ttl: 0)
    }

    // MARK: Aliases

    mutating func resolveAlias(
        _ index: Int, _ waiter: Waiter, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard waiter.question.isForAddress else { return giveOther(index, waiter, at: now) }
        let key = AliasTable.Key(alias: index, type: waiter.question.type)
        switch aliases.find(key, at: now) {
        case .addresses(let addresses, let ttl, let isStale):
            let reason: ExtendedError? = isStale ? .staleAnswer : aliases[key].isMissing ? .missingTarget : nil
            return give(addresses, ttl: ttl, reason, to: waiter, at: now)
        case .lost:
            let reason = ExtendedError.unreachable(isAuthority: !aliases.aliases[index].servers.isEmpty)
            guard aliases.hasOther(than: key, at: now) else { return fail(waiter, reason) }
            // Most clients ask for both types at once, and musl's give up when either fails. They can have the other.
            var response = start(waiter)
            response.authorities = [negativeSOA(of: waiter.question.name, ttl: AliasTable.unknownTTL)]
            explain(&response, waiter.request, reason)
            return answer(response, to: waiter, ttl: 0)
        case .wait:
            if let overdraft = overdraft(waiter) { return fail(waiter, overdraft, at: now) }
            aliases.want(key, at: now)
            let due = aliases.takeDue(at: now)
            if due.contains(key) {
                return askDue(due, waiting: (key, waiter), at: now, time: time, using: &random)
            }
            let outputs = askDue(due, at: now, time: time, using: &random)
            if let joined = joinRound(key, waiter) { return outputs + joined }
            guard let number = numbers[.alias(key)] else { return outputs + fail(waiter, .notReady) }
            return outputs + join(number, waiter, at: now, time: time, using: &random)
        }
    }

    private mutating func give(
        _ addresses: [IPAddress], ttl: UInt32, _ reason: ExtendedError?, to waiter: Waiter, at now: Instant
    ) -> [Output] {
        var response = start(waiter)
        response.answers = addresses.map { DNSRecord(waiter.question.name, ttl: ttl, .address($0)) }
        if addresses.isEmpty { response.authorities = [negativeSOA(of: waiter.question.name, ttl: ttl)] }
        if let reason { explain(&response, waiter.request, reason) }
        let isStale = reason == .staleAnswer
        if isStale { counters.stale += 1 }
        // The way to an alias is kept by nobody: where it is forgotten when the alias changes, is by the alias's name.
        return answer(response, to: waiter, ttl: isStale || !waiter.path.isEmpty ? 0 : ttl, at: now)
    }

    /// What an alias says of types that are no addresses: it has none of them, but what a zone of ours has at its apex.
    private mutating func giveOther(_ index: Int, _ waiter: Waiter, at now: Instant) -> [Output] {
        let question = waiter.question
        let known = configuration.known(to: waiter.audience)
        if question.type != .any, let local = known.answer(question), !local.answers.isEmpty {
            return give(local, to: waiter, at: now)
        }
        let ttl = aliases.aliases[index].maximumTTL
        var response = start(waiter)
        if question.type == .any, let data = RecordData(.hinfo, octets: [7] + Array("RFC8482".utf8) + [0]) {
            response.answers = [DNSRecord(question.name, ttl: ttl, data)]
        } else {
            response.authorities = [negativeSOA(of: question.name, ttl: ttl)]
        }
        return answer(response, to: waiter, ttl: ttl, at: now)
    }

    /// The SOA that goes with a "no" about an alias: that of our zone, or one of its own that says nothing but how long
    /// the "no" is good for.
    private func negativeSOA(of name: DomainName, ttl: UInt32) -> DNSRecord {
        if let soa = configuration.local.zone(of: name) ?? publicZone(of: name) {
            var record = LocalData.negative(soa)
            record.ttl = min(record.ttl, ttl)
            return record
        }
        let seconds = min(ttl, 60)
        let mailbox = name.prepending(Array("hostmaster".utf8)) ?? name
        let soa = StartOfAuthority(
            primary: name, mailbox: mailbox, serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: seconds)
        return DNSRecord(name, ttl: seconds, RecordData(soa))
    }

    // MARK: Answers

    /// The beginning of an answer of our own.
    func start(_ waiter: Waiter, _ code: DNSResponseCode = .noError) -> DNSMessage {
        var response = waiter.request.response(code)
        if Audiences.isLocal(waiter.audience) { response.flags.insert(.recursionAvailable) }
        let name = waiter.askedName
        if configuration.local.zone(of: name) != nil || configuration.publicDomain(of: name) != nil {
            response.flags.insert(.authoritative)
        }
        return response
    }

    /// What is known here may lead to a name that others know.
    private mutating func giveOrFollow(
        _ local: LocalData.Answer, _ waiter: Waiter, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let target = local.unresolved,
            waiter.wantsRecursion || isPreferred(DNSQuestion(target, waiter.question.type), for: waiter.audience)
        else { return give(local, to: waiter, at: now) }
        guard local.answers.isEmpty else {
            return follow(local.answers, to: target, waiter, at: now, time: time, using: &random)
        }
        // In a zone that is delegated to others. Who wants it found has no use for the names of their servers.
        guard !configuration.servers(for: target).isEmpty else { return give(local, to: waiter, at: now) }
        return forward(waiter, at: now, time: time, using: &random)
    }

    private mutating func give(_ local: LocalData.Answer, to waiter: Waiter, at now: Instant) -> [Output] {
        var response = start(waiter, local.responseCode)
        // Within a zone of ours, what is delegated to others; a single record of a public domain is ours.
        if !local.isAuthoritative, configuration.local.zone(of: waiter.question.name) != nil {
            response.flags.remove(.authoritative)
        }
        response.answers = local.answers
        response.authorities = local.authorities
        response.additionals = local.additionals
        if response.answers.isEmpty, response.authorities.isEmpty {
            response.authorities = [negativeSOA(of: waiter.question.name, ttl: 60)]
        }
        let ttl = (response.answers + response.authorities + response.additionals).map(\.ttl).min() ?? 0
        return answer(response, to: waiter, ttl: ttl, at: now)
    }

    /// SERVFAIL, with the reason for who understands it.
    mutating func fail(_ waiter: Waiter, _ reason: ExtendedError) -> [Output] {
        counters.failed += 1
        var response = start(waiter, .serverFailure)
        response.flags.remove(.authoritative)
        explain(&response, waiter.request, reason)
        return answer(response, to: waiter, ttl: 0)
    }

    /// Says why (RFC 8914), if the client understands that.
    func explain(_ response: inout DNSMessage, _ request: DNSMessage, _ reason: ExtendedError) {
        guard request.edns != nil else { return }
        response.edns = response.edns ?? EDNS()
        response.edns?.extendedError = reason
    }

    /// The cookie that goes with an answer (RFC 7873 section 5.2); nil: the client has none.
    private func cookie(for request: DNSMessage, _ client: RelayClient) -> DNSCookie? {
        guard let own = configuration.cookie, let theirs = request.edns?.cookie else { return nil }
        let octets = own.octets(for: theirs.client, client.address, at: UInt32(truncatingIfNeeded: unixTime))
        return DNSCookie(client: theirs.client, server: octets)
    }

    /// Whether a client has shown that its address is its own.
    private func isKnown(_ waiter: Waiter, _ client: RelayClient) -> Bool {
        guard let own = configuration.cookie, let plain = PlainQuery(waiter.octets.span) else { return false }
        let time = UInt32(truncatingIfNeeded: unixTime)
        return own.isValid(waiter.octets.span, plain, client.address, at: time)
    }

    /// Sends an answer and keeps it for `ttl` seconds; 0: not.
    mutating func answer(
        _ response: DNSMessage, to waiter: Waiter, ttl: UInt32, at now: Instant = Instant(nanoseconds: 0)
    ) -> [Output] {
        if waiter.isLedByUpstream, configuration.refusesPrivateAddresses,
            response.answers.contains(where: { $0.data.address?.isPrivate == true })
        {
            return fail(waiter, .filtered)
        }
        var response = waiter.withPath(response)
        let ttl = waiter.path.reduce(min(ttl, waiter.memory)) { min($0, $1.ttl) }
        if let edns = waiter.request.edns {
            response.edns = response.edns ?? EDNS()
            response.edns?.wantsSecurity = edns.wantsSecurity
        }
        var whole = response.encoded()
        if ttl > 0 { cache.store(waiter.octets, whole, audience: waiter.audience, ttl: ttl, at: now) }
        if let client = waiter.client, let cookie = cookie(for: waiter.request, client) {
            response.edns?.cookie = cookie
            whole = response.encoded()
        }
        guard let client = waiter.client else { return [] }
        guard client.stream == nil else { return [.answer(whole, client)] }
        guard response.answers.isEmpty || present - waiter.since < Self.datagramPatience || isKnown(waiter, client)
        else {
            counters.late += 1
            return []
        }
        let limit = min(waiter.request.edns?.acceptedSize ?? 512, Int(EDNS.defaultPayloadSize))
        guard whole.count > limit else { return [.answer(whole, client)] }
        if response.isReferral { response.flags.insert(.truncated) }
        return [.answer(response.encoded(limit: limit), client)]
    }
}

extension DNSMessage {
    /// Whether it sends the client to the name servers of a zone below, whose addresses it needs then: without them the
    /// answer is not whole (RFC 9471 section 3).
    fileprivate var isReferral: Bool {
        answers.isEmpty && !additionals.isEmpty && authorities.contains { $0.type == .ns }
    }
}

extension ExtendedError {
    /// Too much is under way for one more.
    static let overdrawn = ExtendedError(0, "too much is under way")
    /// A name without addresses, as far as clients are concerned; to whoever set it up, a slip of the pen perhaps.
    static let missingTarget = ExtendedError(0, "the target of this alias does not exist")
    /// What is asked comes back to us.
    static let loop = ExtendedError(0, "a loop of servers that ask each other")

    /// Nobody answers of those who have the authority, or of those who find everything.
    static func unreachable(isAuthority: Bool) -> ExtendedError { isAuthority ? .noReachableAuthority : .networkError }
}

extension DNSQuestion {
    /// Whether it is for addresses.
    var isForAddress: Bool { type == .a || type == .aaaa }
}
