// What a relay does for the domains that it serves to everybody (--forward with public=yes): their primary stands
// behind it, and the world's resolvers, which are told by the zone above to ask here, are to hear what they would hear
// of the primary itself: the whole answer with its authority, name servers and their addresses of what is delegated
// further, signatures, proofs. The primary is asked without RD, whoever asks, so that nobody has it find anything for
// him; only those who may ask for everything and say RD are passed on as such.
//
// Names of our own lie over the primary's zone, which does not know them: where it says that a name of ours, or one
// above, does not exist, it is mistaken (a resolver would believe that nothing is below, RFC 8020), and where its own
// alias (CNAME) leads to one of ours, the chain goes on here.

extension Relay {
    /// Seconds that an answer of a public domain is kept: what a primary that tells us of no changes says is true soon,
    /// and what everybody asks at once is asked of it once.
    static let publicMemory: UInt32 = 5
    /// Zones whose SOA is kept.
    static let maximumPublicZones = 256

    /// Whether types of an alias that are no addresses are asked of others: its own wish, or it is a public domain's
    /// own name, which has the SOA and the name servers that the primary knows.
    func passesOthers(_ index: Int, _ name: DomainName) -> Bool {
        aliases.aliases[index].passesOthers || configuration.publicDomain(of: name) == name
    }

    /// Strangers who ask for all that is known of a name by datagram are told to come by TCP: the answer is large, and
    /// an address may be forged. Nil: it is another question.
    mutating func askToComeByStream(_ waiter: Waiter) -> [Output]? {
        guard waiter.question.type == .any, let client = waiter.client, client.stream == nil,
            !Audiences.isLocal(waiter.audience)
        else { return nil }
        var response = start(waiter)
        response.flags.insert(.truncated)
        return answer(response, to: waiter, ttl: 0)
    }

    /// The primary's answer, as a whole.
    mutating func giveWhole(_ found: DNSMessage, to waiter: Waiter, at now: Instant) -> [Output] {
        var response = start(waiter, found.responseCode)
        let isAuthoritative = found.flags.contains(.authoritative)
        if !isAuthoritative { response.flags.remove(.authoritative) }
        response.answers = found.answers
        response.authorities = found.authorities
        response.additionals = found.additionals
        if isAuthoritative {
            for soa in (found.answers + found.authorities) where soa.type == .soa { learnPublicZone(soa) }
        }
        layOwnNames(over: &response, waiter.question, at: now)
        response.useLetters(of: waiter.question.name)
        if response.responseCode.rawValue > 15, waiter.request.edns == nil { response.responseCode = .serverFailure }
        let isKept = response.responseCode == .noError || response.responseCode == .nameError
        let shortest = (response.answers + response.authorities + response.additionals).map(\.ttl).min() ?? 0
        // By a name that leads here from elsewhere it would not be forgotten when the zone changes.
        let memory = waiter.path.isEmpty ? Self.publicMemory : 0
        return answer(response, to: waiter, ttl: isKept ? min(shortest, memory) : 0, at: now)
    }

    /// Corrects what the primary says of names that it does not know and we do.
    private func layOwnNames(over response: inout DNSMessage, _ question: DNSQuestion, at now: Instant) {
        let chain = response.chain(of: question)
        let end = chain.last?.data.target ?? question.name
        if !chain.isEmpty, isOwn(DNSQuestion(end, question.type), for: Audiences.stranger) {
            // The proofs and signatures of the rest are those of another answer.
            let owners = Set(chain.map(\.name))
            response.answers.removeAll { record in
                !owners.contains(record.name)
                    && !(record.type == .dname && owners.contains { $0.isWithin(record.name) })
            }
            response.answers += ownRecords(DNSQuestion(end, question.type), at: now)
            response.authorities = []
            response.additionals = []
            response.responseCode = .noError
        } else if response.responseCode == .nameError, isOwnOrAboveOwn(end) {
            response.responseCode = .noError
        }
    }

    /// Whether a name, or one below it, is an alias or a zone of ours.
    private func isOwnOrAboveOwn(_ name: DomainName) -> Bool {
        aliases.alias(of: name) != nil || aliases.aliases.contains { $0.name.isWithin(name) }
            || configuration.local.zoneNames.contains { $0.isWithin(name) }
    }

    /// What we can say of it at once.
    private func ownRecords(_ question: DNSQuestion, at now: Instant) -> [DNSRecord] {
        guard let index = aliases.alias(of: question.name) else {
            return configuration.local.answer(question)?.answers ?? []
        }
        let key = AliasTable.Key(alias: index, type: question.type)
        guard question.isForAddress, case .addresses(let addresses, let ttl, _) = aliases.find(key, at: now) else {
            return []
        }
        return addresses.map { DNSRecord(question.name, ttl: ttl, .address($0)) }
    }

    // MARK: Zones

    /// Whether any of a zone is in a domain that others are asked about.
    func isForwarded(_ zone: DomainName) -> Bool {
        configuration.forwards.contains { $0.domain.isWithin(zone) || zone.isWithin($0.domain) }
    }

    /// A zone has changed: what others said of it is asked anew, and is old until then. What they are being asked may
    /// have been said before the change: it is for those who wait, and nobody else.
    mutating func forgetZone(_ zone: DomainName, at now: Instant) {
        cache.remove(zone, andBelow: true, oldAt: configuration.staleLimit > .zero ? now : nil)
        for (number, work) in works {
            guard case .forward(let key) = work.purpose, key.question.name.isWithin(zone) else { continue }
            if numbers[work.purpose] == number { numbers[work.purpose] = nil }
            for index in work.waiters.indices { works[number]?.waiters[index].memory = 0 }
        }
    }

    /// A primary has told its SOA.
    mutating func learnPublicZone(_ soa: DNSRecord) {
        guard configuration.publicDomain(of: soa.name) != nil else { return }
        if publicZones.count >= Self.maximumPublicZones { publicZones = [:] }
        publicZones[soa.name] = soa
    }

    /// The SOA of the public zone that a name is in, if it has been heard.
    func publicZone(of name: DomainName) -> DNSRecord? {
        guard let domain = configuration.publicDomain(of: name) else { return nil }
        var name: DomainName? = name
        while let candidate = name, candidate.isWithin(domain) {
            if let soa = publicZones[candidate] { return soa }
            name = candidate.parent
        }
        return nil
    }
}

extension Relay.Waiter {
    /// Whether others are to find the answer for it: it may ask for everything, and does.
    var wantsRecursion: Bool { Audiences.isLocal(audience) && request.flags.contains(.recursionDesired) }
}

extension DNSMessage {
    /// The aliases that lead away from a question's name, one after the other.
    func chain(of question: DNSQuestion) -> [DNSRecord] {
        guard question.type != .cname, question.type != .any else { return [] }
        var chain: [DNSRecord] = []
        var name = question.name
        while chain.count < Self.maximumChain,
            let alias = answers.first(where: { $0.type == .cname && $0.name == name }), let target = alias.data.target
        {
            chain.append(alias)
            name = target
        }
        return chain
    }

    /// Writes names that are the question's, or above it, in its own letters: we may have asked in others.
    fileprivate mutating func useLetters(of name: DomainName) {
        var above = [name.labelCount: name]
        var next = name.parent
        while let parent = next {
            above[parent.labelCount] = parent
            next = parent.parent
        }
        func rewrite(_ records: inout [DNSRecord]) {
            for index in records.indices {
                let known = records[index].name
                if let own = above[known.labelCount], own == known { records[index].name = own }
            }
        }
        rewrite(&answers)
        rewrite(&authorities)
        rewrite(&additionals)
    }
}
