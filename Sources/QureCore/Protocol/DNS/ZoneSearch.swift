// ZoneSearch: which zone a name is in, and which server is its primary: asked by SOA, the name itself first, then what
// is above it (RFC 2136 section 4.3 leaves the way open; this is nsupdate's). An answer that does not hold the SOA of
// the zone has it in its authority section (RFC 2308 section 2). A name behind an alias says nothing about its zone.

/// The search for a zone.
package struct ZoneSearch: Sendable {
    /// What an answer means.
    package enum Step: Equatable, Sendable {
        /// Ask about the name above.
        case ask
        /// The zone, and the server that its SOA names.
        case found(zone: DomainName, primary: DomainName)
        /// There is no such zone: the one that was named.
        case noSuchZone(DomainName)
        /// The answer cannot be used.
        case unsuccessful(DNSResponseCode)
        /// The root has been asked about, too.
        case nowhere
    }

    /// The name that is to be asked about.
    package private(set) var name: DomainName
    private let recordClass: RecordClass
    private let isNamed: Bool

    /// A search that begins with `name`. `isNamed`: it is said to be the zone.
    package init(_ name: DomainName, _ recordClass: RecordClass, isNamed: Bool) {
        self.name = name
        self.recordClass = recordClass
        self.isNamed = isNamed
    }

    /// The question; a server that is not the zone's own is to look further.
    package func question(isRecursive: Bool) -> DNSMessage {
        DNSMessage(
            id: 0, flags: isRecursive ? .recursionDesired : [], questions: [DNSQuestion(name, .soa, recordClass)])
    }

    /// Takes the answer to the question.
    package mutating func take(_ answer: DNSMessage) -> Step {
        switch answer.responseCode {
        case .noError: break
        case .nameError where isNamed: return .noSuchZone(name)
        case .nameError: break
        default: return .unsuccessful(answer.responseCode)
        }
        let isAlias = answer.answers.contains { $0.type == .cname || $0.type == .dname }
        let soa = isAlias ? nil : (answer.answers + answer.authorities).first { $0.data.startOfAuthority != nil }
        // A zone that the name is not in is none of ours, whoever says it.
        if let soa, name.isWithin(soa.name), let primary = soa.data.startOfAuthority?.primary {
            return .found(zone: isNamed ? name : soa.name, primary: primary)
        }
        guard let parent = name.parent else { return .nowhere }
        name = parent
        return .ask
    }
}

extension DNSMessage {
    /// The addresses of one type that an answer has for its question's name, through the aliases in it.
    package var answeredAddresses: [IPAddress] {
        guard let question else { return [] }
        var name = question.name
        // Each alias is a record of the answer, so there are no more steps than records.
        for _ in 0...answers.count {
            let found = answers.filter { $0.name == name && $0.type == question.type }.compactMap(\.data.address)
            if !found.isEmpty { return found }
            guard let alias = answers.first(where: { $0.name == name && $0.type == .cname })?.data.target else {
                return []
            }
            name = alias
        }
        return []
    }
}
