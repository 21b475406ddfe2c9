// RelayConfiguration: everything that a relay is told, as one value: it is checked whole, and swapped whole when the
// configuration is read anew. The readers of its single lines are here, too (`alias`, `forward`); each says what is
// wrong in a sentence.

/// What a relay does.
package struct RelayConfiguration: Equatable, Sendable {
    /// Where the names of a domain are known.
    package struct Forward: Equatable, Sendable {
        /// The domain.
        package var domain: DomainName
        /// Who knows it, the first one first.
        package var servers: [DNSEndpoint]
        /// Whether we serve it to everybody: the servers have the authority for it, and the world asks them through us.
        package var isPublic = false

        /// A domain and its servers.
        package init(_ domain: DomainName, _ servers: [DNSEndpoint], isPublic: Bool = false) {
            self.domain = domain
            self.servers = servers
            self.isPublic = isPublic
        }
    }

    /// Names that have the addresses of others.
    package var aliases: [Alias] = []
    /// Who finds everything else; none: it is refused.
    package var upstreams: [DNSEndpoint] = []
    /// Domains that others know.
    package var forwards: [Forward] = []
    /// What is known here, whoever asks.
    package var local = LocalData()
    /// The same with the names of hosts files, which are for clients of our networks alone; nil: there are no such
    /// files.
    package var inner: LocalData?
    /// Who may ask for what.
    package var audiences = Audiences(recursion: [])
    /// Whose word counts that a zone has changed.
    package var notify = NotifyGate.Rule()
    /// Where updates go.
    package var updates: [UpdateRule] = []
    /// Answers that are kept.
    package var cacheSize = 10_000
    /// Seconds that a record is kept at least, and at most.
    package var minimumTTL: UInt32 = 0
    /// As `minimumTTL`.
    package var maximumTTL: UInt32 = 86_400
    /// Seconds that a "no" is kept at most (RFC 2308 section 5 advises one to three hours at most).
    package var maximumNegativeTTL: UInt32 = 900
    /// How long answers that are over are given when nobody can be asked (RFC 8767); nothing: not at all.
    package var staleLimit = Duration.zero
    /// Whether the letters of questions are sent in a random case, which a forger would have to guess.
    package var randomizesCase = false
    /// Answers a second for the network of a stranger who may not be where he says to be; 0: without a limit.
    package var strangerRate = 20
    /// Makes the cookies; nil: there are none.
    package var cookie: ServerCookie?
    /// Whether addresses of private networks in answers of upstreams are refused.
    package var refusesPrivateAddresses = false

    /// Nothing is known and nothing allowed.
    package init() {}

    /// All that are asked about anything.
    package var servers: Set<DNSEndpoint> {
        Set(upstreams + forwards.flatMap(\.servers) + aliases.flatMap(\.servers) + updates.flatMap(\.primaries))
    }

    /// What an audience is told of what is known here.
    package func known(to audience: UInt8) -> LocalData { Audiences.isLocal(audience) ? inner ?? local : local }

    /// Whom to ask about a name: those of the closest domain, else the upstreams.
    package func servers(for name: DomainName) -> [DNSEndpoint] { forward(for: name)?.servers ?? upstreams }

    /// The closest domain that others know; nil: the name is in none.
    package func forward(for name: DomainName) -> Forward? {
        forwards.filter { name.isWithin($0.domain) }.max { $0.domain.labelCount < $1.domain.labelCount }
    }

    /// The closest domain that others know, if we serve it to everybody.
    package func publicDomain(of name: DomainName) -> DomainName? {
        guard forwards.contains(where: \.isPublic), let closest = forward(for: name) else { return nil }
        return closest.isPublic ? closest.domain : nil
    }
}

/// What is wrong with a line of the configuration.
package struct SettingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A sentence without an end.
    package let description: String

    /// An error.
    package init(_ description: String) { self.description = description }
}

extension DNSEndpoint {
    /// `ADDR`, `ADDR:PORT`, `ADDR#PORT`, `[ADDR]:PORT`.
    package init(setting text: String) throws(SettingError) {
        var address = text[...]
        var port: Substring?
        if let mark = text.lastIndex(of: "#") {
            (address, port) = (text[..<mark], text[text.index(after: mark)...])
        } else if text.hasPrefix("["), let bracket = text.lastIndex(of: "]") {
            address = text[text.index(after: text.startIndex)..<bracket]
            let rest = text[text.index(after: bracket)...]
            if !rest.isEmpty { port = rest.hasPrefix(":") ? rest.dropFirst() : "" }
        } else if let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon {
            (address, port) = (text[..<colon], text[text.index(after: colon)...])
        }
        let number = port.map { UInt16($0) } ?? Self.port
        guard let number, number > 0 else { throw SettingError("'\(text)': a port is a number from 1 to 65535") }
        guard let endpoint = DNSEndpoint(String(address), port: number) else {
            throw SettingError(
                "'\(text)' is not an address; write it like 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53")
        }
        // Sockets of the proxy have no interface, without which the kernel takes no such address.
        guard endpoint.interface == nil, !endpoint.address.isLinkLocalV6 else {
            throw SettingError("'\(text)' is good on one link alone; write an address that is good on all of them")
        }
        // Of an IPv4 address there is one form that others can be compared with.
        self = DNSEndpoint(endpoint.address.unmapped, port: number)
    }

    /// Several of them with commas between.
    package static func list(setting text: some StringProtocol) throws(SettingError) -> [DNSEndpoint] {
        var endpoints: [DNSEndpoint] = []
        guard text.last != ",", text.first != ",", !text.contains(",,") else {
            throw SettingError("'\(text)': a comma has an address on either side")
        }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            endpoints.append(try DNSEndpoint(setting: String(part)))
        }
        return endpoints
    }
}

extension DomainName {
    /// A name in a setting.
    package init(setting text: some StringProtocol) throws(SettingError) {
        guard !text.isEmpty, let name = DomainName(String(text)) else {
            throw SettingError("'\(text)' is not a domain name")
        }
        if let refusal = Self.refusal(String(text)) { throw SettingError(refusal) }
        self = name
    }

    /// Why this text, which can be a name, is not meant as one that anybody asks for; nil: it may be.
    static func refusal(_ text: String) -> String? {
        if let address = IPAddress(text) {
            return "'\(text)' is an address, where a domain name is wanted; in reverse that is "
                + "'\(address.reverseName.relativeDescription)'"
        }
        if Prefix(text) != nil {
            return "'\(text)' is a network, where a domain name is wanted; in reverse its names are below "
                + "in-addr.arpa or ip6.arpa"
        }
        guard text.utf8.contains(where: { $0 >= 0x80 }) else { return nil }
        return "'\(text)': who asks for a name with other letters than those of ASCII asks for its other form "
            + "(RFC 5891): write that, which has 'xn--' in it"
    }
}

/// The words of a setting: `NAME=VALUE` ones behind what it is about.
package struct SettingWords: Sendable {
    /// The first word.
    package let subject: String
    private var values: [(name: String, value: String)] = []
    private var taken: Set<String> = []
    private let text: String

    /// Divides a setting; every word but the first must be of the form `NAME=VALUE`.
    package init(_ text: String) throws(SettingError) {
        self.text = text
        let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
        guard let first = words.first else { throw SettingError("a value is missing") }
        subject = first
        for (before, word) in zip(words, words.dropFirst()) {
            guard before.last != "," else {
                throw SettingError("'\(before) \(word)': between values there is a comma, and no blank")
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[1].isEmpty else {
                throw SettingError("'\(word)' is not of the form name=value")
            }
            values.append((String(parts[0]), String(parts[1])))
        }
    }

    /// The value of a word, which is taken out.
    package mutating func take(_ name: String) -> String? {
        taken.insert(name)
        guard let index = values.firstIndex(where: { $0.name == name }) else { return nil }
        return values.remove(at: index).value
    }

    /// As `take`, for a duration.
    package mutating func takeDuration(_ name: String) throws(SettingError) -> Duration? {
        guard let text = take(name) else { return nil }
        guard let duration = Duration(text: text) else {
            throw SettingError("'\(name)=\(text)' is not a duration; write it like 250ms, 2s or 1m")
        }
        return duration
    }

    /// As `take`, for `yes` or `no`; without the word: no.
    package mutating func takeAnswer(_ name: String) throws(SettingError) -> Bool {
        switch take(name) {
        case nil, "no": return false
        case "yes": return true
        case let other?: throw SettingError("'\(name)=\(other)' is neither \(name)=yes nor \(name)=no")
        }
    }

    /// Complains about a word that nobody took.
    package func expectEnd(known: String) throws(SettingError) {
        guard let word = values.first else { return }
        guard !taken.contains(word.name) else {
            throw SettingError("'\(word.name)' stands twice in '\(text)': leave one out")
        }
        throw SettingError("'\(word.name)' is not understood in '\(text)'; known are \(known)")
    }

    /// The two sides of a setting's first word, `LEFT=RIGHT`. It is to be looked at before the others: who forgot the
    /// sign has written two words.
    package static func sides(of text: String, _ form: String) throws(SettingError) -> (left: String, right: String) {
        let first = text.split(maxSplits: 1) { $0 == " " || $0 == "\t" }.first ?? ""
        let parts = first.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw SettingError("'\(text)' is not of the form \(form)")
        }
        return (String(parts[0]), String(parts[1]))
    }
}

extension Alias {
    /// `NAME=TARGET [ask=ADDR,…] [ttl-max=DURATION] [stale=DURATION] [other=nodata|pass]`
    package init(setting text: String) throws(SettingError) {
        let sides = try SettingWords.sides(of: text, "NAME=TARGET, as in 'cloud.example.com=cloudns.example.com'")
        var words = try SettingWords(text)
        self.init(try DomainName(setting: sides.left), target: try DomainName(setting: sides.right))
        // The target may well be below the name: a zone's own name often has the addresses of one in the zone.
        guard target != name else { throw SettingError("'\(sides.left)' would be an alias of itself") }
        guard !name.isRoot else { throw SettingError("'\(sides.left)' is the root, which cannot be an alias") }
        if let ask = words.take("ask") { servers = try DNSEndpoint.list(setting: ask) }
        if let limit = try words.takeDuration("ttl-max") {
            let seconds = limit.nanoseconds / 1_000_000_000
            guard (1...86_400).contains(seconds) else {
                throw SettingError("ttl-max is 1s to 1d, not '\(limit.text)'")
            }
            maximumTTL = UInt32(seconds)
        }
        if let limit = try words.takeDuration("stale") { staleLimit = limit }
        switch words.take("other") {
        case nil, "nodata": break
        case "pass": passesOthers = true
        case let other?: throw SettingError("'other=\(other)' is neither other=nodata nor other=pass")
        }
        try words.expectEnd(known: "ask, ttl-max, stale and other")
    }
}

extension RelayConfiguration.Forward {
    /// `DOMAIN=ADDR[,ADDR…] [public=yes]`
    package init(setting text: String) throws(SettingError) {
        let sides = try SettingWords.sides(of: text, "DOMAIN=ADDR, as in 'example.com=192.0.2.1'")
        var words = try SettingWords(text)
        self.init(try DomainName(setting: sides.left), try DNSEndpoint.list(setting: sides.right))
        guard !domain.isWildcard else {
            throw SettingError("'\(sides.left)': a domain has all names below it, write it without '*.'")
        }
        isPublic = try words.takeAnswer("public")
        guard !isPublic || !domain.isRoot else {
            throw SettingError("'\(text)': what is public is a domain that is delegated to here, not the root")
        }
        try words.expectEnd(known: "public")
    }
}

extension DNSRecord {
    /// `NAME [TTL] TYPE DATA`: a record that stands alone.
    package init(setting text: String) throws(SettingError) {
        let owner = text.prefix { $0 != " " && $0 != "\t" }
        if let refusal = DomainName.refusal(String(owner)) { throw SettingError(refusal) }
        do { self = try ZoneFile.record(text, ttl: 60) } catch {
            throw SettingError(
                "'\(text)': \(error.reason); a record is NAME TTL TYPE DATA, as in "
                    + "'printer.lan 300 A 192.168.1.9'")
        }
    }
}

/// A zone that is delegated to us and has nothing but its aliases.
package struct DelegatedZone: Equatable, Sendable {
    /// Its SOA and its name servers.
    package let records: [DNSRecord]
    /// Its name.
    package var name: DomainName { records[0].name }

    /// `ZONE ns=NAME[,NAME…] [mailbox=NAME] [ttl=DURATION]`
    package init(setting text: String) throws(SettingError) {
        var words = try SettingWords(text)
        let zone = try DomainName(setting: words.subject)
        guard let list = words.take("ns") else {
            throw SettingError("'\(text)': ns=NAME names the zone's name servers")
        }
        var servers: [DomainName] = []
        for word in list.split(separator: ",", omittingEmptySubsequences: false) {
            servers.append(try DomainName(setting: word))
        }
        var mailbox = zone.prepending(Array("hostmaster".utf8)) ?? zone
        if let name = words.take("mailbox") { mailbox = try DomainName(setting: name) }
        let seconds = (try words.takeDuration("ttl") ?? .seconds(300)).nanoseconds / 1_000_000_000
        guard let ttl = UInt32(exactly: seconds), (1...86_400).contains(ttl) else {
            throw SettingError("'\(text)': ttl is 1s to 1d")
        }
        try words.expectEnd(known: "ns, mailbox and ttl")
        let soa = StartOfAuthority(
            primary: servers[0], mailbox: mailbox, serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: 60)
        records =
            [DNSRecord(zone, ttl: ttl, RecordData(soa))]
            + servers.compactMap { RecordData.name(.ns, $0) }.map { DNSRecord(zone, ttl: ttl, $0) }
    }
}

extension Audiences.View {
    /// `NETWORK NAME TYPE DATA`: one record of a view.
    package init(setting text: String) throws(SettingError) {
        let form = "a view is NETWORK NAME TYPE DATA, as in '192.168.1.0/24 cloud.example.com A 192.168.1.10'"
        let parts = text.split(maxSplits: 1) { $0 == " " || $0 == "\t" }
        guard parts.count == 2, let given = Prefix(String(parts[0])) else { throw SettingError("'\(text)': \(form)") }
        guard parts[0].contains("/") else {
            let single = given.length
            throw SettingError(
                "'\(parts[0])' is no network without its length; write it like \(parts[0])/\(single == 32 ? 24 : 64), "
                    + "or \(parts[0])/\(single) for this client alone")
        }
        let network = try Prefix(setting: parts[0])
        let owner = parts[1].drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
        if let refusal = DomainName.refusal(String(owner)) { throw SettingError(refusal) }
        let record: DNSRecord
        do { record = try ZoneFile.record(String(parts[1]), ttl: 60) } catch {
            throw SettingError("'\(text)': \(error.reason); \(form)")
        }
        guard ![.ns, .soa, .ds, .dname].contains(record.type) else {
            throw SettingError("'\(text)': a view has names and no zones, for which \(record.type) is")
        }
        var records = LocalData()
        records.add(record)
        self.init(network, records)
    }
}
