// AuthorityCheck: the servers of a zone, and what each of them says about a name: the primary, those that were given
// beside it, and those that the zone itself names. Each address of a server is asked on its own, for behind one name
// there can be several servers, and without a key, as everybody asks; only those that were given may want one.

import QureCore

/// Looks at all servers of a zone.
struct AuthorityCheck {
    /// A server, or one that has a name and no address.
    struct Place {
        var server: DNSEndpoint?
        /// As the zone calls it.
        var name: DomainName?
        var key: TSIGKey?
        /// Whether it is the one that takes the updates.
        var isPrimary = false

        /// Whether this host has a way there; one without IPv6 has none to such addresses.
        var isReachable: Bool { server.map { ServerTalk.reaches($0, from: nil) } ?? true }
    }

    /// Names of servers that are looked at; the root has thirteen.
    private static let maximumNames = 16

    let names: SiteNames
    let key: TSIGKey?
    /// Where the others' addresses are looked for, and their port.
    let book: AddressBook
    let port: UInt16

    /// What the others say. The primary, which has been asked, comes first.
    func looks(
        _ authority: Authority, _ view: AuthorityView, from primary: DNSEndpoint, by talk: borrowing ServerTalk
    ) throws -> [(place: Place, look: AuthorityLook?)] {
        // First, so that a change that comes in between makes nobody seem to lag.
        let soa = DNSQuestion(authority.zone, .soa)
        let answer = try talk.runAll([exchange(soa, primary, key)])[0]
        let own = AuthorityLook(primary: view, answer?.rejection == nil ? answer?.message : nil)
        let places = try places(authority, from: primary, by: talk)
        let questions = [soa, DNSQuestion(names.name, .a), DNSQuestion(names.name, .aaaa)]
        let asked = places.dropFirst().flatMap { place in
            questions.compactMap { question in place.server.map { exchange(question, $0, place.key) } }
        }
        var answers = try talk.runAll(asked)[...]
        return places.map { place in
            guard place.server != nil else { return (place, nil) }
            guard !place.isPrimary else { return (place, own) }
            defer { answers = answers.dropFirst(questions.count) }
            return (place, AuthorityLook(answers.prefix(questions.count).map { $0?.message }))
        }
    }

    private func exchange(_ question: DNSQuestion, _ server: DNSEndpoint, _ key: TSIGKey?) -> DNSExchange {
        DNSExchange(
            DNSMessage(id: 0, questions: [question]), key: key, servers: [server], timing: AuthoritySearch.timing)
    }

    /// The primary, those that were given, and those that the zone names.
    private func places(
        _ authority: Authority, from primary: DNSEndpoint, by talk: borrowing ServerTalk
    ) throws -> [Place] {
        var places = [Place(server: primary, key: key, isPrimary: true)]
        for server in authority.servers where server != primary { places.append(Place(server: server, key: key)) }
        let answer = try talk.runAll([exchange(DNSQuestion(authority.zone, .ns), primary, key)])[0]?.message
        guard let answer else { return places }
        let names = answer.answers.compactMap { $0.type == .ns ? $0.data.target?.detached : nil }
        for (name, addresses) in try addresses(of: names, answer, authority, primary, by: talk) {
            if addresses.isEmpty { places.append(Place(name: name)) }
            for address in addresses {
                let server = DNSEndpoint(address, port: port)
                if let index = places.firstIndex(where: { $0.server == server }) {
                    places[index].name = name
                } else {
                    places.append(Place(server: server, name: name))
                }
            }
        }
        return places
    }

    /// The addresses of servers: those in the zone by the primary, others by the resolvers, and by what came along with
    /// their names where neither knows them.
    private func addresses(
        of servers: [DomainName], _ answer: DNSMessage, _ authority: Authority, _ primary: DNSEndpoint,
        by talk: borrowing ServerTalk
    ) throws -> [(DomainName, [IPAddress])] {
        let servers = Array(servers.sorted().prefix(Self.maximumNames))
        let exchanges = servers.flatMap { name in
            [RecordType.a, .aaaa].map { type in
                let question = DNSQuestion(name, type)
                guard !name.isWithin(authority.zone) else { return exchange(question, primary, key) }
                return AuthoritySearch.recursiveExchange(question, book.resolvers)
            }
        }
        let answers = try talk.runAll(exchanges)
        return servers.enumerated().map { index, name in
            let found = answers[(2 * index)...(2 * index + 1)].flatMap { $0?.message.answeredAddresses ?? [] }
            let glue = answer.additionals.filter { $0.name == name }.compactMap(\.data.address)
            return (name, found.isEmpty ? glue : found)
        }
    }
}
