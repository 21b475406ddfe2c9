// How a relay would answer a question, in words: every step and the verdict, for who wonders why. Nothing is asked and
// nothing is changed for it: what would be said at once is said by the relay itself, in a copy that is thrown away.

extension Relay {
    /// The steps, each a line.
    package func explain(
        _ question: DNSQuestion, for client: IPAddress, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [String] {
        let query = Self.query(question).encoded()
        if case .reject(let response) = RequestTriage(query, isStream: false) {
            let (datagram, stream) = (response.responseCode, RequestTriage(query, isStream: true))
            guard case .reject(let other) = stream, other.responseCode != datagram else {
                return ["verdict: \(datagram), for \(question.type) is no type of records"]
            }
            return ["verdict: \(datagram) by UDP, \(other.responseCode) by TCP: there are no transfers from here"]
        }
        return explain(question, after: 0, for: client, at: now, using: &random)
    }

    /// `count`: how many aliases have led to the question.
    private func explain(
        _ question: DNSQuestion, after count: Int, for client: IPAddress, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [String] {
        let audience = configuration.audiences.audience(of: client)
        let isLocal = Audiences.isLocal(audience)
        let rights =
            isLocal ? "may ask for everything" : "is a stranger, who is told of our own names and public domains"
        var steps = ["client \(client): \(rights)"]
        if let view = configuration.audiences.view(of: audience) {
            if let local = view.records.answer(question) {
                steps.append("view of \(view.network): has the name")
                return steps + explain(local, of: question, after: count, client, at: now, using: &random)
            }
            steps.append("view of \(view.network): does not have the name")
        }
        if let index = aliases.alias(of: question.name) {
            let alias = aliases.aliases[index]
            steps.append("alias \(alias.name): has the addresses of \(alias.target)")
            if question.isForAddress {
                return steps + explain(AliasTable.Key(alias: index, type: question.type), at: now)
            }
            if !passesOthers(index, question.name) {
                steps.append("type \(question.type): an alias has addresses, and what its own zone has at its name")
                return steps + answerAtOnce(question, client, audience, at: now, using: &random)
            }
        }
        let known = configuration.known(to: audience).answer(question)
        if !isLocal, let inner = configuration.inner?.answer(question), inner != known {
            steps.append("hosts: a file has the name, for clients of our networks alone")
        }
        if let local = known {
            let zone = configuration.local.zone(of: question.name)
            let local = upToPreferred(local, question, for: audience)
            steps.append(zone.map { "zone \($0.name): is ours" } ?? "name: is among the local records")
            return steps + explain(local, of: question, after: count, client, at: now, using: &random)
        }
        guard isLocal || configuration.publicDomain(of: question.name) != nil else {
            return steps + ["verdict: REFUSED, for it is neither one of our names nor in a public domain"]
        }
        return steps + explainForward(question, client, audience, at: now, using: &random)
    }

    /// Whom others are that are asked, and what is known of their answer.
    private func explainForward(
        _ question: DNSQuestion, _ client: IPAddress, _ audience: UInt8, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [String] {
        let isPublic = configuration.publicDomain(of: question.name) != nil
        var steps: [String] = []
        let servers = configuration.servers(for: question.name)
        guard !servers.isEmpty else {
            return steps + ["verdict: SERVFAIL, for there is no --upstream that could be asked"]
        }
        let list = servers.map(\.description).joined(separator: " ")
        if let forward = configuration.forward(for: question.name) {
            steps.append("forward \(forward.domain): \(isPublic ? "is public; asks" : "asks") \(list)")
        } else {
            steps.append("upstreams: asks \(list)")
        }
        steps += silences(of: servers, at: now)
        if isPublic, !Audiences.isLocal(audience) {
            steps.append("recursion: not for a stranger; the answer is the primary's, with its authority")
            if question.type == .any { steps.append("type ANY: by UDP it is told to come by TCP") }
        } else if isPublic, !configuration.upstreams.isEmpty {
            steps.append("recursion: where they name others, or an alias leads away from them, the upstreams find it")
            if failures.isFailing(question, isDelegated: true, at: now) {
                steps.append("failure: the upstreams did not, a moment ago; they are asked again soon")
            }
        }
        let queries = Self.commonQueries(question)
        if let age = queries.compactMap({ cache.age($0, audience: audience, at: now) }).min() {
            return steps + ["verdict: what they answered \(age.text) ago"]
        }
        let limit = configuration.staleLimit
        let query = Self.query(question)
        let asker = Waiter(
            octets: query.encoded(), request: query, question: question, client: nil, audience: audience, since: now)
        let isOld = limit > .zero && known(before: asker, at: now) != nil
        guard failures.isFailing(question, at: now) else {
            let rest = !isOld ? "" : ", or what they answered before, if they do not"
            return steps + ["verdict: what they answer\(rest)"]
        }
        steps.append("failure: nobody answered a moment ago; they are asked again soon")
        return steps + answerAtOnce(question, client, audience, cache, at: now, using: &random)
    }

    /// What is known here, and what others know of the name that it leads to.
    private func explain(
        _ local: LocalData.Answer, of question: DNSQuestion, after count: Int, _ client: IPAddress, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [String] {
        let audience = configuration.audiences.audience(of: client)
        guard let target = local.unresolved,
            Audiences.isLocal(audience) || isPreferred(DNSQuestion(target, question.type), for: audience)
        else {
            return answerAtOnce(question, client, audience, at: now, using: &random)
        }
        guard !local.answers.isEmpty else {
            guard !configuration.servers(for: target).isEmpty else {
                return answerAtOnce(question, client, audience, at: now, using: &random)
            }
            let servers = local.authorities.map { "delegated: \($0)" }
            return servers + explainForward(question, client, audience, at: now, using: &random)
        }
        let count = count + local.answers.count
        let steps = local.answers.map { "record: \($0)" }
        guard count <= LocalData.maximumAliases else {
            return steps + ["verdict: SERVFAIL, for aliases lead in a circle, or too far"]
        }
        let question = DNSQuestion(target, question.type, question.recordClass)
        // Who asks has been told.
        return steps + explain(question, after: count, for: client, at: now, using: &random).dropFirst()
    }

    private func explain(_ key: AliasTable.Key, at now: Instant) -> [String] {
        let alias = aliases.aliases[key.alias]
        let set = aliases[key]
        let servers = alias.servers.isEmpty ? configuration.servers(for: alias.target) : alias.servers
        let who = alias.servers.isEmpty ? "upstreams" : "authorities"
        var steps = ["\(who): " + (servers.isEmpty ? "none" : servers.map(\.description).joined(separator: " "))]
        steps += silences(of: servers, at: now)
        for (server, authority) in (aliases.authorities[key.alias] ?? [:]).sorted(by: { "\($0.key)" < "\($1.key)" }) {
            let serial = authority.serial.map { "serial \($0)" } ?? "no serial"
            let heard = authority.heard.map { "answered \(($0.distance(to: now)).text) ago" } ?? "does not answer"
            steps.append("authority \(server): \(serial), \(heard)")
        }
        if let learnt = set.learnt {
            let list = set.addresses.isEmpty ? "no addresses" : set.addresses.map(\.description).joined(separator: " ")
            let from = set.server.map { " from \($0)" } ?? ""
            let serial = set.serial.map { " of serial \($0)" } ?? ""
            steps.append("known: \(list)\(from)\(serial), \(learnt.distance(to: now).text) ago, good for \(set.ttl)s")
        }
        if set.failures > 0 { steps.append("failures: \(set.failures) in a row") }
        switch aliases.find(key, at: now) {
        case .addresses(let addresses, let ttl, let isStale):
            let age = isStale ? ", old: nobody can be asked" : ""
            steps.append("verdict: NOERROR \(Self.with(addresses.count)), for \(ttl)s\(age)")
        case .wait: steps.append("verdict: asks first")
        case .lost: steps.append("verdict: SERVFAIL, for nobody can be asked")
        }
        return steps
    }

    /// Who of them does not answer.
    private func silences(of servers: [DNSEndpoint], at now: Instant) -> [String] {
        servers.filter(silence.isSilent).compactMap { server in
            silence[server].map { row in
                "server \(server): leaves questions unanswered, \(row.questions) in a row, for "
                    + row.since.distance(to: now).text
            }
        }
    }

    /// The question as libraries put it, and dig: for each the answer is kept by itself.
    private static func commonQueries(_ question: DNSQuestion) -> [[UInt8]] {
        [nil, EDNS()].flatMap { edns in
            [DNSMessage.Flags.recursionDesired, [.recursionDesired, .authenticated]].map { flags in
                DNSMessage(id: 0, flags: flags, questions: [question], edns: edns).encoded()
            }
        }
    }

    private static func query(_ question: DNSQuestion) -> DNSMessage {
        DNSMessage(id: 0, flags: .recursionDesired, questions: [question], edns: EDNS())
    }

    /// `cache`: what the copy knows. An answer of our own is kept in it, for which the whole large one would be copied.
    private func answerAtOnce(
        _ question: DNSQuestion, _ client: IPAddress, _ audience: UInt8,
        _ cache: AnswerCache = AnswerCache(capacity: 1, key: (0, 0)), at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [String] {
        var copy = self
        copy.cache = cache
        let query = Self.query(question)
        let waiter = Waiter(
            octets: query.encoded(), request: query, question: question,
            client: RelayClient(client, port: 0, stream: 0), audience: audience, since: now)
        let outputs = copy.resolve(waiter, at: now, time: unixTime, using: &random)
        return outputs.flatMap { output -> [String] in
            guard case .answer(let octets, _) = output, let message = try? DNSMessage(octets) else { return [] }
            return Self.words(message)
        }
    }

    private static func words(_ message: DNSMessage) -> [String] {
        let code = message.responseCode
        let delegation = message.answers.isEmpty ? message.authorities.first { $0.type == .ns } : nil
        let referral = delegation.map { ", to ask the name servers of \($0.name)" }
        let records = code == .noError ? referral ?? " " + with(message.answers.count) : ""
        let authority = message.flags.contains(.authoritative) ? ", with authority" : ""
        let isOld = message.edns?.extendedError == .staleAnswer || message.edns?.extendedError == .staleNameError
        let age = isOld ? ", old: nobody can be asked" : ""
        return message.answers.map { "record: \($0)" }
            + message.authorities.filter { $0.type == .ns }.map { "name server: \($0)" }
            + ["verdict: \(code)\(records)\(authority)\(age)"]
    }

    private static func with(_ count: Int) -> String {
        switch count {
        case 0: "without records"
        case 1: "with 1 record"
        default: "with \(count) records"
        }
    }
}

extension Instant {
    /// How much later `other` is, in whole seconds.
    fileprivate func distance(to other: Instant) -> Duration { .seconds((other - self).nanoseconds / 1_000_000_000) }
}
