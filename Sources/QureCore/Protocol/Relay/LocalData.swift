// LocalData: what is known here without asking anybody: records from the configuration, hosts files, zone files, and
// zones that are delegated to us. Within a zone everything is known, and what is not there does not exist (RFC 1034
// section 4.3.2); outside of one only the names that are listed are ours, and those that a wildcard stands for.

/// Names and their records.
package struct LocalData: Equatable, Sendable {
    /// What is said of a question.
    package struct Answer: Equatable, Sendable {
        /// NOERROR or NXDOMAIN.
        package var responseCode = DNSResponseCode.noError
        /// The records asked for, with the aliases that lead to them.
        package var answers: [DNSRecord] = []
        /// The SOA behind a "no", the name servers of a delegation.
        package var authorities: [DNSRecord] = []
        /// Addresses of the name servers of a delegation.
        package var additionals: [DNSRecord] = []
        /// Whether we have the authority for it.
        package var isAuthoritative = false
        /// The name that others know: that the aliases lead to, further than they are followed here perhaps, or that is
        /// in a zone which is delegated to others.
        package var unresolved: DomainName?
    }

    /// Aliases within local data that are followed.
    package static let maximumAliases = 8

    /// What a record of a name says. The name is the key: names that say the same share the memory of it, and of a
    /// list of names to be refused all do.
    private struct Saying: Equatable {
        var recordClass: RecordClass
        var ttl: UInt32
        var data: RecordData

        init(_ record: DNSRecord) { (recordClass, ttl, data) = (record.recordClass, record.ttl, record.data) }

        func record(of name: DomainName) -> DNSRecord { DNSRecord(name, recordClass, ttl: ttl, data) }
    }

    private var nodes: [DomainName: [Saying]] = [:]
    private var zones: [DomainName: DNSRecord] = [:]
    private var hasWildcards = false

    /// Nothing is known.
    package init() {}

    /// Whether nothing is known.
    package var isEmpty: Bool { nodes.isEmpty }

    /// The zones that we have the authority for.
    package var zoneNames: [DomainName] { zones.keys.sorted() }

    /// Adds a record; one that is there already is not there twice.
    package mutating func add(_ record: DNSRecord) {
        add([Saying(record)], to: record.name)
    }

    private mutating func add(_ sayings: [Saying], to name: DomainName) {
        if nodes[name]?.isEmpty ?? true {
            nodes[name] = sayings
        } else {
            for saying in sayings { Self.add(saying, to: &nodes[name, default: []]) }
        }
        hasWildcards = hasWildcards || name.isWildcard
        addNamesAbove(name)
    }

    /// What is said of one type lives as long as the shortest of it (RFC 2181 section 5.2); a signature as long as what
    /// it signs (RFC 4034 section 3).
    private static func add(_ saying: Saying, to known: inout [Saying]) {
        guard !known.contains(where: { $0.data == saying.data }) else { return }
        known.append(saying)
        let type = saying.data.type
        guard type != .rrsig, let first = known.first(where: { $0.data.type == type }), first.ttl != saying.ttl
        else { return }
        for index in known.indices where known[index].data.type == type {
            known[index].ttl = min(first.ttl, saying.ttl)
        }
    }

    /// In a zone of ours, names that have nothing but names below them exist, too (RFC 8020).
    package mutating func addNamesAbove(_ name: DomainName) {
        if let apex = zone(of: name)?.name { addNamesAbove(name, upTo: apex) }
    }

    private mutating func addNamesAbove(_ name: DomainName, upTo apex: DomainName) {
        var above = name
        while above != apex, let parent = above.parent {
            above = parent
            nodes[above] = nodes[above] ?? []
        }
    }

    /// Adds the records of another one.
    package mutating func add(_ other: LocalData) {
        for (name, sayings) in other.nodes where !sayings.isEmpty { add(sayings, to: name) }
    }

    /// Adds the records of another one for names that nothing is known of here.
    package mutating func addMissingNames(of other: LocalData) {
        nodes.merge(other.nodes) { known, _ in known }
        hasWildcards = hasWildcards || other.hasWildcards
    }

    /// Adds a zone that we have the authority for; its SOA is among the records. What stands outside of it is left out;
    /// nil: there is no SOA.
    package mutating func addZone(_ records: [DNSRecord]) -> DomainName? {
        guard let soa = records.first(where: { $0.type == .soa }) else { return nil }
        zones[soa.name] = soa
        for record in records where record.name.isWithin(soa.name) { add(record) }
        // Of what was known before as well.
        for name in nodes.keys where name.isWithin(soa.name) { addNamesAbove(name, upTo: soa.name) }
        return soa.name
    }

    /// The closest zone of ours that a name is in.
    package func zone(of name: DomainName) -> DNSRecord? {
        guard !zones.isEmpty else { return nil }
        var name: DomainName? = name
        while let candidate = name {
            if let soa = zones[candidate] { return soa }
            name = candidate.parent
        }
        return nil
    }

    /// The SOA for a "no": its own time to live is at most what it says of a "no" (RFC 2308 section 3).
    package static func negative(_ soa: DNSRecord) -> DNSRecord {
        var soa = soa
        soa.ttl = min(soa.ttl, soa.data.startOfAuthority?.minimum ?? 0)
        return soa
    }

    /// What is known of a question; nil: nothing, and others are to be asked. The name of the question is given back
    /// with its own letters.
    package func answer(_ question: DNSQuestion) -> Answer? {
        var result = Answer()
        var name = question.name
        for _ in 0...Self.maximumAliases {
            guard let step = lookUp(name, question.type) else {
                guard !result.answers.isEmpty else { return nil }
                result.unresolved = name
                return result
            }
            result.answers += step.answers
            result.responseCode = step.responseCode
            result.authorities = step.authorities
            result.additionals = step.additionals
            if result.answers.count == step.answers.count { result.isAuthoritative = step.isAuthoritative }
            if step.isDelegated { result.unresolved = name }
            // Who asks for aliases, or for anything, has been told (RFC 1034 section 3.6.2).
            guard let alias = step.answers.last, alias.type == .cname, ![.cname, .any].contains(question.type),
                let target = alias.data.target, !result.answers.contains(where: { $0.name == target })
            else { return result }
            name = target
        }
        result.unresolved = name
        return result
    }

    private func lookUp(_ name: DomainName, _ type: RecordType) -> Answer? {
        let soa = zone(of: name)
        var answer = Answer()
        answer.isAuthoritative = soa != nil
        // Whether a zone below is signed is for the zone above to say (RFC 4035 section 3.1.4.1).
        let below = type == .ds ? name.parent ?? name : name
        if let soa, below.isWithin(soa.name), let cut = delegation(of: below, in: soa.name) {
            answer.isAuthoritative = false
            answer.authorities = cut
            answer.additionals = cut.compactMap(\.data.target).flatMap(records).filter { $0.data.address != nil }
            return answer
        }
        guard let sayings = nodes[name] ?? wildcard(of: name) else {
            guard let soa else { return nil }
            answer.responseCode = .nameError
            answer.authorities = [Self.negative(soa)]
            return answer
        }
        // Of ANY one set of records is enough (RFC 8482 section 4.1).
        let type = type == .any ? sayings.first?.data.type ?? type : type
        answer.answers = sayings.map { $0.record(of: name) }.filter { $0.type == type || $0.type == .cname }
        if answer.answers.contains(where: { $0.type == type }) { answer.answers.removeAll { $0.type != type } }
        if answer.answers.isEmpty, let soa { answer.authorities = [Self.negative(soa)] }
        return answer
    }

    private func records(_ name: DomainName) -> [DNSRecord] { (nodes[name] ?? []).map { $0.record(of: name) } }

    /// The part of a zone of ours that a name is in and that is delegated to others; nil: there is none, or the name is
    /// that of a server of this or another part, whose addresses are told with the way there.
    package func delegatedPart(of name: DomainName) -> DomainName? {
        guard let apex = zone(of: name)?.name, let cut = delegation(of: name, in: apex),
            !nodes.values.joined().contains(where: { $0.data.type == .ns && $0.data.target == name })
        else { return nil }
        return cut.first?.name
    }

    /// The name servers of a zone that is cut off between `name` and the zone's apex.
    private func delegation(of name: DomainName, in apex: DomainName) -> [DNSRecord]? {
        var cut: [DNSRecord]?
        var name = name
        while name != apex, let parent = name.parent {
            let servers = records(name).filter { $0.type == .ns }
            if !servers.isEmpty { cut = servers }
            name = parent
        }
        return cut
    }

    /// The records of the wildcard next above (RFC 4592 section 3.3.1): of the closest name that exists.
    /// A zone ends with its own name, which does.
    private func wildcard(of name: DomainName) -> [Saying]? {
        guard hasWildcards else { return nil }
        var above = name
        while let parent = above.parent {
            if let sayings = parent.prepending([UInt8(ascii: "*")]).flatMap({ nodes[$0] }) { return sayings }
            if nodes[parent] != nil { return nil }
            above = parent
        }
        return nil
    }
}

extension LocalData.Answer {
    /// Whether it names the servers of a zone that is delegated to others, and nothing else.
    var isDelegated: Bool { !isAuthoritative && answers.isEmpty && authorities.first?.type == .ns }
}

extension LocalData {
    /// Adds what a hosts file says; what is no name is left out (`HostsFile.Line.oddity`), and so is what has a CNAME:
    /// in a zone of addresses, that of each may lead to another zone (RFC 2317). The first name is what the address is
    /// called in turn, that of the first line with the address. Of a list of names to be refused all lines have the
    /// same one: as many names for it would be more than an answer has room for.
    package mutating func addHosts(_ text: [UInt8], ttl: UInt32) {
        func addUnlessAlias(_ sayings: [Saying], to name: DomainName) { if !isAlias(name) { add(sayings, to: name) } }
        var seen: [IPAddress: [Saying]] = [:]
        for line in HostsFile.lines(text) {
            guard let address = line.address else { continue }
            let names = line.names.compactMap { HostsFile.name($0) }
            guard let first = names.first, let called = RecordData.name(.ptr, first) else { continue }
            let isNew = seen[address] == nil
            let sayings = seen[address] ?? [Saying(DNSRecord(first, ttl: ttl, .address(address)))]
            seen[address] = sayings
            for name in names { addUnlessAlias(sayings, to: name) }
            guard isNew, !address.isUnspecified else { continue }
            addUnlessAlias([Saying(DNSRecord(first, ttl: ttl, called))], to: address.reverseName)
        }
    }

    /// Whether a name has a CNAME.
    package func isAlias(_ name: DomainName) -> Bool { nodes[name]?.contains { $0.data.type == .cname } == true }

    /// A name from which CNAMEs lead into a circle, so that it has no addresses; nil: there is none. They end at names
    /// that are known otherwise, `isEnd`.
    package func circle(endingAt isEnd: (DomainName) -> Bool) -> DomainName? {
        func next(_ name: DomainName) -> DomainName? {
            lookUp(name, .a)?.answers.last.flatMap { $0.type == .cname ? $0.data.target : nil }
        }
        return nodes.filter { name, sayings in
            guard sayings.contains(where: { $0.data.type == .cname }) else { return false }
            var seen: Set<DomainName> = [], target: DomainName? = name
            while let current = target, !isEnd(current) {
                guard seen.insert(current).inserted else { return true }
                target = next(current)
            }
            return false
        }.keys.min()
    }

    /// A name that has a CNAME and other records, or several CNAMEs, which no name may have (RFC 1034 section 3.6.2).
    package var overloadedAlias: DomainName? {
        nodes.filter { _, sayings in
            sayings.count { !$0.data.type.mayStandBesideAlias } > 1 && sayings.contains { $0.data.type == .cname }
        }.keys.min()
    }
}

extension IPAddress {
    /// The name below which the DNS says what an address is called (RFC 1035 section 3.5, RFC 3596 section 2.5).
    package var reverseName: DomainName {
        let labels: [String]
        switch self {
        case .v4: labels = octets.reversed().map { "\($0)" } + ["in-addr", "arpa"]
        case .v6:
            labels =
                octets.reversed().flatMap { octet in
                    [String(octet & 0xf, radix: 16), String(octet >> 4, radix: 16)]
                } + ["ip6", "arpa"]
        }
        return DomainName(labels: labels.map { Array($0.utf8) }) ?? .root
    }
}
