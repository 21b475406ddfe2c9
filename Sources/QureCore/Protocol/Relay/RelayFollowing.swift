// What a relay does where an alias (CNAME) leads from a name of ours to one that others know, or from one that others
// know to one of ours: a view, an alias of the configuration, a local record. Who may ask for everything is told where
// the chain ends, whoever knows of its parts; the last part is a question like any other, and the way to it stands
// before its answer. Strangers are told of a public domain what its authority would say (RelayAuthority.swift). What a
// view or an alias of the configuration says of a name counts for everybody who is led to it by a local record.

extension Relay {
    /// Goes on with the name that a chain of aliases leads to.
    mutating func follow(
        _ chain: [DNSRecord], to target: DomainName, _ waiter: Waiter, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var next = waiter
        next.path += chain
        let count = next.path.count { $0.type == .cname }
        guard count <= LocalData.maximumAliases else { return fail(waiter, .longChain) }
        next.question.name = target
        next.isDelegated = false
        return resolve(next, at: now, time: time, using: &random)
    }

    /// What others have said of a question as far as it leads to a name of ours, with signatures for who wants them;
    /// nil: it does not.
    func chainToOwnName(in found: DNSMessage, for waiter: Waiter) -> (records: [DNSRecord], target: DomainName)? {
        let question = waiter.question
        let alias = found.chain(of: question).first { alias in
            alias.data.target.map { isOwn(DNSQuestion($0, question.type), for: waiter.audience) } ?? false
        }
        return alias.flatMap { part(of: found, upTo: $0, for: waiter) }
    }

    /// The same as far as the primary of a public domain leads to a name beyond its zone and says nothing of that, for
    /// who wants it found; nil: it does not, or nobody can be asked.
    func chainBeyondPrimary(in found: DNSMessage, for waiter: Waiter) -> (records: [DNSRecord], target: DomainName)? {
        guard waiter.wantsRecursion, !found.flags.contains(.recursionAvailable), found.responseCode == .noError,
            let alias = found.chain(of: waiter.question).last, let target = alias.data.target,
            !found.answers.contains(where: { $0.name == target }),
            !found.authorities.contains(where: { $0.type == .soa && target.isWithin($0.name) }),
            !configuration.servers(for: target).isEmpty
        else { return nil }
        return part(of: found, upTo: alias, for: waiter)
    }

    /// Whether the primary of a public domain only names those who have the authority, where others can find what they
    /// say for who wants it found.
    func isDelegatedFurther(_ found: DNSMessage, _ waiter: Waiter) -> Bool {
        waiter.wantsRecursion && !configuration.upstreams.isEmpty && found.responseCode == .noError
            && found.answers.isEmpty && !found.flags.contains(.authoritative)
            && found.authorities.contains { $0.type == .ns && waiter.question.name.isWithin($0.name) }
    }

    private func part(
        of found: DNSMessage, upTo alias: DNSRecord, for waiter: Waiter
    ) -> (records: [DNSRecord], target: DomainName)? {
        guard let target = alias.data.target else { return nil }
        let wantsSecurity = waiter.request.edns?.wantsSecurity ?? false
        var records = found.onlyAbout(waiter.question, wantsSecurity: wantsSecurity).answers
        guard let index = records.firstIndex(where: { $0.type == .cname && $0.name == alias.name }) else { return nil }
        // Its signatures stand behind it.
        let rest = records[(index + 1)...].firstIndex { $0.type != .rrsig || $0.name != alias.name }
        records.removeSubrange((rest ?? records.endIndex)...)
        let isPrimarys = !waiter.isDelegated && configuration.publicDomain(of: waiter.question.name) != nil
        if !isPrimarys { boundTTL(of: &records) }
        return (records, target)
    }

    /// What is known here of a question, as far as no alias in it leads to a name that a view has, or an alias of the
    /// configuration: these come before it.
    func upToPreferred(_ local: LocalData.Answer, _ question: DNSQuestion, for audience: UInt8) -> LocalData.Answer {
        guard ![.cname, .any].contains(question.type) else { return local }
        for (index, record) in local.answers.enumerated() where record.type == .cname {
            guard let target = record.data.target, isPreferred(DNSQuestion(target, question.type), for: audience) else {
                continue
            }
            return LocalData.Answer(
                answers: Array(local.answers[...index]), isAuthoritative: local.isAuthoritative, unresolved: target)
        }
        return local
    }

    /// Whether a view, or an alias of the configuration, has a name.
    func isPreferred(_ question: DNSQuestion, for audience: UInt8) -> Bool {
        question.isForAddress && aliases.alias(of: question.name) != nil || hasInView(question, audience)
    }

    /// Whether a client's view has a name: what it says stands in place of all else, however the client asks.
    func hasInView(_ question: DNSQuestion, _ audience: UInt8) -> Bool {
        configuration.audiences.view(of: audience)?.records.answer(question) != nil
    }

    /// Whether we answer this ourselves.
    func isOwn(_ question: DNSQuestion, for audience: UInt8) -> Bool {
        aliases.alias(of: question.name) != nil || configuration.known(to: audience).answer(question) != nil
            || configuration.audiences.view(of: audience)?.records.answer(question) != nil
    }
}

extension Relay.Waiter {
    /// The name that the client asked for.
    var askedName: DomainName { request.question?.name ?? question.name }

    /// The same, led on by the primary of a public domain. By a name that leads there from elsewhere it would not be
    /// forgotten when the zone changes.
    var ledByPrimary: Self {
        var next = self
        next.memory = path.isEmpty ? Relay.publicMemory : 0
        return next
    }

    /// The same, to be put to the upstreams, because the primary of its domain names others.
    var ledByDelegation: Self {
        var next = self
        next.isDelegated = true
        return next
    }

    /// The same, led on by an upstream.
    var ledByUpstream: Self {
        var next = self
        next.isLedByUpstream = true
        return next
    }

    /// The same under another configuration, from the beginning; nil: nobody waits.
    func anew(_ audiences: Audiences) -> Self? {
        guard let client, let question = request.question else { return nil }
        return Self(
            octets: octets, request: request, question: question, client: client,
            audience: audiences.audience(of: client.address), since: since)
    }

    /// An answer with the way to it before it. What was kept of an earlier one has it already.
    func withPath(_ response: DNSMessage) -> DNSMessage {
        guard let first = path.first, response.answers.first?.name != first.name,
            response.responseCode == .noError || response.responseCode == .nameError
        else { return response }
        var response = response
        response.answers = path + response.answers
        return response
    }
}

extension ExtendedError {
    /// Aliases that lead in a circle, or too far.
    static let longChain = ExtendedError(0, "aliases that lead in a circle, or too far")
}
