// AuthoritySearch: the zone that a name is in, and the servers that take its updates: those that were given, or else
// the primary that the zone's SOA names. The question for the zone is not signed, for it goes to resolvers that know no
// key; a server that was given and refuses it is asked again with the key.

import QureCore

/// Where updates go.
struct Authority {
    var zone: DomainName
    var servers: [DNSEndpoint]
}

/// The way to it.
struct AuthoritySearch {
    let name: DomainName
    let zone: DomainName?
    let servers: [(host: String, port: UInt16)]
    let key: TSIGKey?
    let port: UInt16
    let book: AddressBook

    /// Each question.
    static let timing: DNSExchange.Timing = {
        var timing = DNSExchange.Timing()
        timing.total = .seconds(6)
        timing.perTry = .seconds(2)
        timing.tries = 2
        return timing
    }()

    /// A question to resolvers.
    static func recursiveExchange(_ question: DNSQuestion, _ resolvers: [DNSEndpoint]) -> DNSExchange {
        let message = DNSMessage(id: 0, flags: .recursionDesired, questions: [question])
        return DNSExchange(message, key: nil, servers: resolvers, timing: timing)
    }

    init(_ options: SiteOptions, key: TSIGKey?) throws {
        guard let name = DomainName(options.name) else {
            throw Failure(.usage, "'\(options.name)' is no name")
        }
        self.name = name
        zone = options.zone.flatMap { DomainName($0) }
        servers = try options.server.map { try SiteOptions.server($0, port: options.port) }
        self.key = key
        port = options.port
        book = AddressBook(resolverFile: options.resolvConf, port: options.port, families: .init())
    }

    /// Finds it. Troubles are told, other errors are ours.
    func run(by talk: inout ServerTalk) throws -> Result<Authority, RegistrationTrouble> {
        var chosen: [DNSEndpoint] = []
        for server in servers {
            let endpoints = try book.endpoints(of: server.host, port: server.port, by: &talk)
            if endpoints.isEmpty, servers.count == 1 {
                return .failure(.unreachable("no address was found for the server \(server.host)"))
            }
            chosen += endpoints
        }
        if let zone, !chosen.isEmpty { return .success(Authority(zone: zone, servers: chosen)) }
        var search = ZoneSearch(zone ?? name, .internet, isNamed: zone != nil)
        while true {
            let question = search.question(isRecursive: chosen.isEmpty)
            let answer: DNSMessage
            switch try ask(question, chosen, by: &talk) {
            case .success(let message): answer = message
            case .failure(let trouble): return .failure(trouble)
            }
            switch search.take(answer) {
            case .ask: continue
            case .unsuccessful(let code):
                return .failure(
                    .noZone("\(code) to the question for the zone: name it with --zone and --server"))
            case .nowhere:
                return .failure(.noZone("no zone that \(name.relativeDescription) is in: name it with --zone"))
            case .noSuchZone(let zone): return .failure(.noZone("there is no zone \(zone.relativeDescription)"))
            case .found(let zone, let primary):
                guard chosen.isEmpty else { return .success(Authority(zone: zone, servers: chosen)) }
                return try endpoints(of: primary, of: zone, by: &talk)
            }
        }
    }

    private func endpoints(
        of primary: DomainName, of zone: DomainName, by talk: inout ServerTalk
    ) throws -> Result<Authority, RegistrationTrouble> {
        guard !primary.isRoot else {
            return .failure(
                .noZone("\(zone.relativeDescription) says that it has no primary: name the server with --server"))
        }
        let found = try book.endpoints(of: primary.description, port: port, by: &talk)
        guard !found.isEmpty else {
            return .failure(.unreachable("no address was found for \(primary.relativeDescription), the primary of "
                        + zone.relativeDescription))
        }
        // Elsewhere such an address is another host's, which would get to see the update.
        let reachable = found.filter { !Self.isInside($0.address) }
        if reachable.isEmpty, let first = found.first?.address {
            return .failure(
                .noZone(
                    "the primary of \(zone.relativeDescription), \(primary.relativeDescription), has the address "
                        + "\(first), which is \(AddressClass(first).explanation): name the server with --server"))
        }
        return .success(Authority(zone: zone, servers: reachable))
    }

    /// Whether an address means different hosts in different networks.
    private static func isInside(_ address: IPAddress) -> Bool {
        switch AddressClass(address) {
        case .private, .shared, .uniqueLocal, .linkLocal: true
        default: false
        }
    }

    private func ask(
        _ question: DNSMessage, _ chosen: [DNSEndpoint], by talk: inout ServerTalk
    ) throws -> Result<DNSMessage, RegistrationTrouble> {
        let asked = chosen.isEmpty ? book.resolvers : chosen
        guard !asked.isEmpty else {
            return .failure(
                .unreachable("no server to ask for the zone: none is given, and resolv.conf names none"))
        }
        var failures: [String] = []
        var refusal: DNSMessage?
        for key in chosen.isEmpty || key == nil ? [nil] : [nil, key] {
            var exchange = DNSExchange(
                question, key: key, servers: asked, timing: Self.timing,
                passesOver: chosen.isEmpty ? [.serverFailure, .refused] : [.serverFailure])
            failures = []
            let answer = try talk.run(&exchange) { event, _ in
                if case .failed(let server, let reason) = event { failures.append("\(server): \(reason)") }
            }
            guard let answer else { continue }
            guard answer.message.responseCode == .refused || answer.rejection != nil else {
                return .success(answer.message)
            }
            refusal = answer.message
        }
        if let refusal { return .success(refusal) }
        return .failure(.unreachable("the zone was not found: \(failures.joined(separator: "; "))"))
    }
}

extension RegistrationTrouble {
    /// What it means that no server has answered, of which so much is known.
    init(failures: [String], isUpdate: Bool = false) {
        var text = failures.isEmpty ? "there is no server to ask" : failures.joined(separator: "; ")
        if isUpdate, failures.contains(where: { $0.hasSuffix(": SERVFAIL") }) {
            text += " to an update (the server's log says why; BIND must be able to write its journal beside the "
                + "zone's file)"
        }
        let isAnswered = failures.contains { $0.hasSuffix(": SERVFAIL") || $0.hasSuffix(": NOTIMP") }
        self = isAnswered ? .temporary(text) : .unreachable(text)
    }
}

extension DNSExchange.Answer {
    /// The beginning of 2026, in seconds since 1970: a clock that says an earlier time is wrong.
    private static let madeAfter: UInt64 = 1_767_225_600

    /// What the answer of an authority means; `time` is what was signed with.
    func registrationInput(at time: UInt64) -> Registration.Input {
        switch rejection {
        case nil: .answer(message)
        case .wrongTime(let server): .clock(server: server, own: time)
        case .unsigned where message.responseCode != .noError:
            .trouble(
                time < Self.madeAfter
                    ? .unprovedClock(message.responseCode) : .refused(message.responseCode, isSigned: false))
        case let rejection?: .trouble(.rejected(rejection))
        }
    }
}
