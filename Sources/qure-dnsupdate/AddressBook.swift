// AddressBook: the addresses of a server that is given by name: an address itself, a line of /etc/hosts, or what the
// servers of resolv.conf say of it.

import QureCore

/// Finds addresses of names.
struct AddressBook {
    let configuration: ResolverConfiguration
    let families: NsupdateOptions.Families

    /// Addresses of one name that are tried.
    static let maximumAddresses = 4
    init(resolverFile: String, port: UInt16, families: NsupdateOptions.Families) {
        configuration = ResolverConfiguration((try? TextFile.read(resolverFile)) ?? [], port: port)
        self.families = families
    }

    /// The resolvers that are asked where the script names no server.
    var resolvers: [DNSEndpoint] { configuration.servers.filter { families.allow($0.address) } }

    /// The search for the addresses of `host`, which servers will be asked at from `local`.
    func lookup(_ host: String, port: UInt16, from local: DNSEndpoint? = nil) -> AddressLookup {
        var lookup = AddressLookup(resolvers: resolvers, port: port, local: local, allows: families.allow)
        if let endpoint = DNSEndpoint(host, port: port) {
            lookup.given = families.allow(endpoint.address) ? [endpoint] : []
            return lookup
        }
        lookup.addresses = HostsFile.addresses(of: host, in: (try? TextFile.read("/etc/hosts")) ?? [])
        guard lookup.addresses.isEmpty else { return lookup }
        let types: [RecordType] = (families.v6 ? [.aaaa] : []) + (families.v4 ? [.a] : [])
        for name in configuration.candidates(host) { lookup.questions += types.map { DNSQuestion(name, $0) } }
        return lookup
    }

    /// The endpoints of `host`, those that can be reached first; empty: it has none. Waits for the resolvers.
    func endpoints(of host: String, port: UInt16, by talk: inout ServerTalk) throws -> [DNSEndpoint] {
        var lookup = lookup(host, port: port, from: talk.local)
        while var exchange = lookup.exchange { lookup.take(try talk.run(&exchange) { _, _ in }?.message) }
        return lookup.endpoints
    }
}

/// The addresses of one name, question by question: whoever asks brings the answers back.
struct AddressLookup {
    fileprivate let resolvers: [DNSEndpoint]
    fileprivate let port: UInt16
    fileprivate let local: DNSEndpoint?
    fileprivate let allows: (IPAddress) -> Bool
    /// Where no name had to be looked up.
    fileprivate var given: [DNSEndpoint]?
    fileprivate var addresses: [IPAddress] = []
    fileprivate var questions: [DNSQuestion] = []

    /// A question to a resolver, as long as the C library asks.
    private static let timing: DNSExchange.Timing = {
        var timing = DNSExchange.Timing()
        timing.total = .seconds(10)
        timing.perTry = .seconds(5)
        timing.tries = 2
        return timing
    }()

    fileprivate init(
        resolvers: [DNSEndpoint], port: UInt16, local: DNSEndpoint?, allows: @escaping (IPAddress) -> Bool
    ) {
        self.resolvers = resolvers
        self.port = port
        self.local = local
        self.allows = allows
    }

    /// The next question; nil: all is known.
    var exchange: DNSExchange? {
        questions.first.map { question in
            DNSExchange(
                DNSMessage(id: 0, flags: .recursionDesired, questions: [question]), key: nil, servers: resolvers,
                timing: Self.timing, passesOver: [.serverFailure, .notImplemented, .refused, .formatError])
        }
    }

    /// Takes the answer to the question; nil: there was none.
    mutating func take(_ answer: DNSMessage?) {
        let question = questions.removeFirst()
        addresses += answer?.answeredAddresses ?? []
        // The first name that has addresses is the one that was meant.
        if !addresses.isEmpty, questions.first?.name != question.name { questions = [] }
    }

    /// What is known: those that can be reached first.
    var endpoints: [DNSEndpoint] {
        if let given { return given }
        let all = addresses.filter(allows).map { DNSEndpoint($0, port: port) }
        let reached = all.filter { ServerTalk.reaches($0, from: local) }
        return Array((reached + all.filter { !reached.contains($0) }).prefix(AddressBook.maximumAddresses))
    }
}
