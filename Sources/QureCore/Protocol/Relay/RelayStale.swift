// What a relay gives when nobody can be asked, or nobody has answered for long: what was known before (RFC 8767).

extension Relay {
    /// When those who wait since then get what is old: at once where all who are asked are known to be silent. The
    /// question goes on, so that it is noticed when they speak again. Nil: not at all.
    func staleDue(since: Instant, _ servers: [DNSEndpoint]) -> Instant? {
        guard configuration.staleLimit > .zero else { return nil }
        return servers.allSatisfy(silence.isSilent) ? since : since + AliasTable.stalePatience
    }

    /// What was known before, if that is allowed, else SERVFAIL.
    mutating func failOrStale(_ waiter: Waiter, _ reason: ExtendedError, at now: Instant) -> [Output] {
        stale(waiter, at: now) ?? fail(waiter, reason)
    }

    /// What was known before; nil: nothing, or that is not allowed.
    mutating func stale(_ waiter: Waiter, at now: Instant) -> [Output]? {
        guard configuration.staleLimit > .zero else { return nil }
        guard var response = known(before: waiter, at: now) else { return nil }
        let isName = response.responseCode != .nameError
        explain(&response, waiter.request, isName ? .staleAnswer : .staleNameError)
        let outputs = answer(response, to: waiter, ttl: 0)
        // Who has been given it before, and is only there for the cache, is not counted again.
        if !outputs.isEmpty { counters.stale += 1 }
        return outputs
    }

    /// Those who have waited for long get what was known before. The question goes on, for the cache.
    mutating func giveStale(_ number: Int, at now: Instant) -> [Output] {
        guard let work = works[number], let due = work.staleDue, now >= due else { return [] }
        works[number]?.staleDue = nil
        var outputs: [Output] = []
        for (index, waiter) in work.waiters.enumerated() {
            guard let given = stale(waiter, at: now) else { continue }
            outputs += given
            count(waiter, -1)
            works[number]?.waiters[index].client = nil
        }
        return outputs
    }

    /// What was known before, as the waiter has asked it, or as somebody else has: what is kept of each way to ask is
    /// old by itself, and who asks in another way than the one before him would have nothing.
    func known(before waiter: Waiter, at now: Instant) -> DNSMessage? {
        if let own = old(waiter.octets, waiter.audience, at: now) { return own }
        guard let asked = waiter.request.question else { return nil }
        for request in Self.otherWays(waiter.request) {
            let query = DNSMessage(id: waiter.request.id, flags: request.flags, questions: [asked], edns: request.edns)
            if let found = old(query.encoded(), waiter.audience, at: now) { return found.told(to: waiter.request) }
        }
        return nil
    }

    private func old(_ query: [UInt8], _ audience: UInt8, at now: Instant) -> DNSMessage? {
        cache.stale(query, audience: audience, within: configuration.staleLimit, ttl: AliasTable.staleTTL, at: now)
            .flatMap { try? DNSMessage($0) }
    }

    /// The ways to ask the same whose answer does for this one, the closest first. Signatures can be left out, but not
    /// made up; and what nobody has checked (CD) is for those who want that.
    private static func otherWays(_ request: DNSMessage) -> [DNSMessage] {
        let isUnchecked = request.flags.contains(.checkingDisabled)
        let wantsSecurity = request.edns?.wantsSecurity ?? false
        let options: [EDNS?] = wantsSecurity ? [EDNS(wantsSecurity: true)] : [EDNS(), nil, EDNS(wantsSecurity: true)]
        var ways: [DNSMessage] = []
        for isUncheckedWay in isUnchecked ? [true, false] : [false] {
            for edns in options {
                for isAuthenticated in [false, true] {
                    var flags = request.flags.intersection(.recursionDesired)
                    if isUncheckedWay { flags.insert(.checkingDisabled) }
                    if isAuthenticated { flags.insert(.authenticated) }
                    ways.append(DNSMessage(id: request.id, flags: flags, questions: request.questions, edns: edns))
                }
            }
        }
        return ways
    }
}

extension DNSMessage {
    /// What another one was answered, for who has put the same question in this way.
    fileprivate func told(to request: DNSMessage) -> DNSMessage {
        let wantsSecurity = request.edns?.wantsSecurity ?? false
        var response = request.response(responseCode)
        response.flags.formUnion(flags.intersection([.authoritative, .recursionAvailable]))
        if wantsSecurity || request.flags.contains(.authenticated) {
            response.flags.formUnion(flags.intersection(.authenticated))
        }
        let proofs: Set<RecordType> = wantsSecurity ? [] : [.rrsig, .nsec, .nsec3]
        let isLeft = { (record: DNSRecord) in
            !proofs.contains(record.type) || record.type == request.question?.type
        }
        response.answers = answers.filter(isLeft)
        response.authorities = authorities.filter(isLeft)
        response.additionals = additionals.filter(isLeft)
        return response
    }
}
