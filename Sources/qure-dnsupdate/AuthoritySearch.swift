// AuthoritySearch: the zone that a name is in, and the servers that take its updates: those that were given, or else
// the primary that the zone's SOA names. The question for the zone is not signed, for it goes to resolvers that know no
// key; a server that was given and refuses it is asked again with the key. It goes question by question, so that who
// has more to wait for (RegistrationSession) is not held up by servers that are silent.

import QureCore

/// Where updates go.
struct Authority {
    var zone: DomainName
    var servers: [DNSEndpoint]
}

/// The way to it.
struct AuthoritySearch {
    /// What comes next.
    enum Step {
        /// Run this, then `take`.
        case ask(DNSExchange)
        case ended(Result<Authority, RegistrationTrouble>)
    }

    private enum Stage {
        /// The addresses of a server that was given.
        case server(AddressLookup)
        case zone
        /// The addresses of the primary of a zone.
        case primary(AddressLookup, DomainName, of: DomainName)
    }

    let name: DomainName
    let zone: DomainName?
    let servers: [(host: String, port: UInt16)]
    let key: TSIGKey?
    let port: UInt16
    let book: AddressBook

    private var stage = Stage.zone
    /// Servers that were given and whose addresses are not known yet.
    private var remaining: ArraySlice<(host: String, port: UInt16)> = []
    private var chosen: [DNSEndpoint] = []
    private var search: ZoneSearch
    /// Whether the question for the zone has been signed, and what was answered to it that is no help.
    private var isSigned = false
    private var refusal: DNSExchange.Answer?

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
        search = ZoneSearch(zone ?? name, .internet, isNamed: zone != nil)
    }

    /// Finds it, and waits for whoever is asked. Troubles are told, other errors are ours.
    mutating func run(by talk: inout ServerTalk) throws -> Result<Authority, RegistrationTrouble> {
        var step = begin()
        while true {
            switch step {
            case .ended(let result): return result
            case .ask(var exchange):
                var failures: [String] = []
                let answer = try talk.run(&exchange, failures: &failures)
                step = take(answer, failures)
            }
        }
    }

    /// Begins.
    mutating func begin() -> Step {
        remaining = servers[...]
        return nextServer()
    }

    /// Takes what came of the exchange; nil: nobody answered, for these reasons.
    mutating func take(_ answer: DNSExchange.Answer?, _ failures: [String]) -> Step {
        switch stage {
        case .server(var lookup):
            lookup.take(answer?.message)
            if let question = lookup.exchange { return ask(question, .server(lookup)) }
            chosen += lookup.endpoints
            return nextServer()
        case .zone: return takeZone(answer, failures)
        case .primary(var lookup, let primary, of: let zone):
            lookup.take(answer?.message)
            return goOn(lookup, primary, of: zone)
        }
    }

    private mutating func ask(_ exchange: DNSExchange, _ stage: Stage) -> Step {
        self.stage = stage
        return .ask(exchange)
    }

    private mutating func nextServer() -> Step {
        while let server = remaining.popFirst() {
            let lookup = book.lookup(server.host, port: server.port)
            if let question = lookup.exchange { return ask(question, .server(lookup)) }
            chosen += lookup.endpoints
        }
        guard servers.isEmpty || !chosen.isEmpty else {
            let hosts = servers.map(\.host).joined(separator: ", ")
            return .ended(.failure(.unreachable("no address was found for the server \(hosts)")))
        }
        if let zone, !chosen.isEmpty { return .ended(.success(Authority(zone: zone, servers: chosen))) }
        return askForZone()
    }

    private mutating func askForZone() -> Step {
        isSigned = false
        refusal = nil
        return ask(zoneExchange, .zone)
    }

    private var zoneExchange: DNSExchange {
        DNSExchange(
            search.question(isRecursive: chosen.isEmpty), key: isSigned ? key : nil,
            servers: chosen.isEmpty ? book.resolvers : chosen, timing: Self.timing,
            passesOver: chosen.isEmpty ? [.serverFailure, .refused] : [.serverFailure])
    }

    private mutating func takeZone(_ answer: DNSExchange.Answer?, _ failures: [String]) -> Step {
        if let answer {
            let isRefused = answer.message.responseCode == .refused || answer.rejection != nil
            guard isRefused else { return judge(answer.message) }
            refusal = answer
        }
        if !isSigned, key != nil, !chosen.isEmpty {
            isSigned = true
            return ask(zoneExchange, .zone)
        }
        if let refusal {
            // The server may know the zone; the key it does not, or it has another time.
            switch refusal.rejection {
            case .refused(let code)?: return .ended(.failure(.rejected(.refused(code))))
            case .wrongTime(let time)?: return .ended(.failure(.rejected(.wrongTime(time))))
            default: return judge(refusal.message)
            }
        }
        let why = failures.isEmpty ? "there is no server to ask" : failures.joined(separator: "; ")
        return .ended(.failure(.unreachable("nobody could say which zone the name is in: \(why)")))
    }

    private mutating func judge(_ answer: DNSMessage) -> Step {
        switch search.take(answer) {
        case .ask: return askForZone()
        case .unsuccessful(let code):
            let remedy =
                chosen.isEmpty
                ? "name it with --zone and --server"
                : "name it with --zone, or its primary with --server; a proxy that passes no updates on is of no use "
                    + "here (qure-dnsproxy: forward-updates-to)"
            return .ended(.failure(.noZone("\(code) to the question for the zone: \(remedy)")))
        case .nowhere:
            return .ended(
                .failure(.noZone("no zone that \(name.relativeDescription) is in: name it with --zone")))
        case .noSuchZone(let zone):
            return .ended(.failure(.noZone("there is no zone \(zone.relativeDescription)")))
        case .found(let zone, let primary):
            guard chosen.isEmpty else { return .ended(.success(Authority(zone: zone, servers: chosen))) }
            guard !primary.isRoot else {
                return .ended(
                    .failure(
                        .noZone(
                            "\(zone.relativeDescription) says that it has no primary: name the server with --server")))
            }
            return goOn(book.lookup(primary.description, port: port), primary, of: zone)
        }
    }

    private mutating func goOn(_ lookup: AddressLookup, _ primary: DomainName, of zone: DomainName) -> Step {
        if let question = lookup.exchange { return ask(question, .primary(lookup, primary, of: zone)) }
        return .ended(Self.authority(zone, primary, at: lookup.endpoints))
    }

    private static func authority(
        _ zone: DomainName, _ primary: DomainName, at found: [DNSEndpoint]
    ) -> Result<Authority, RegistrationTrouble> {
        guard !found.isEmpty else {
            return .failure(
                .unreachable(
                    "no address was found for \(primary.relativeDescription), the primary of "
                        + zone.relativeDescription))
        }
        // Elsewhere such an address is another host's, which would get to see the update.
        let reachable = found.filter { !isInside($0.address) }
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
