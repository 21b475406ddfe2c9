// `qure-dnsupdate check`: what the authorities hold under the name now, what the public sees, whether the site's own
// record is there and is where the site is. It changes nothing. What the primary holds decides; the other authorities
// are shown beside it.

import ArgumentParser
import QureCore

/// `qure-dnsupdate check`
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "check", of: "qure-dnsupdate",
        abstract: "Show what the authority and the public see now. 0: it is this site; 1: it is not.")

    @OptionGroup var site: SiteOptions
    @OptionGroup var address: AddressOptions

    func run() throws {
        if try site.isChecked() { return }
        let deadline = Clock.now + site.timeout.duration
        var diagnostics = site.common.diagnostics("qure-dnsupdate")
        let key = try site.key(&diagnostics)
        var run = try CheckRun(site, key, by: deadline)
        let source = SiteAddresses(address, interface: site.common.interface, hold: .zero)
        source.deadline = deadline
        try run.run(try source.observe())
    }
}

/// One look at everything.
private struct CheckRun: ~Copyable {
    private let names: SiteNames
    private let machine: NodeID
    private let isSole: Bool
    private let key: TSIGKey?
    private var search: AuthoritySearch
    private let output: RecordWriter
    private var talk: ServerTalk

    init(_ site: SiteOptions, _ key: TSIGKey?, by deadline: Instant) throws {
        let names = try site.siteNames()
        let search = try AuthoritySearch(site, key: key)
        talk = try ServerTalk()
        talk.deadline = deadline
        self.names = names
        self.search = search
        self.key = key
        machine = site.machine
        isSole = site.sole
        output = RecordWriter(json: site.common.json)
    }

    /// Asks everybody and judges; ends with a status by throwing where that is not 0.
    mutating func run(_ here: Registration.Input) throws {
        let authority = try search.run(by: &talk).get(names)
        let (view, server) = try view(authority)
        let site = isSole ? Array(view.addresses.keys) : view.marker?.addresses ?? []
        let check = AuthorityCheck(names: names, key: key, book: search.book, port: search.port)
        let looks = try check.looks(authority, view, from: server, by: talk)
        for (place, look) in looks { try output.write(place.record(look, beside: looks[0].look, site: site)) }
        if !isSole {
            let owner = view.marker.map { $0.machine == machine ? "" : " machine=\($0.machine)" } ?? ""
            try tell("site", names.site + owner, Self.addresses(view.marker?.addresses ?? [], in: view))
        }
        try tellPublic(search.book.resolvers)
        guard case .observed(let own, let keeping) = here else {
            guard case .trouble(let trouble) = here else { return }
            throw trouble.failure(names)
        }
        try tell("here", "-", Self.addresses(own, in: view))
        let isMine = isSole || view.marker?.machine == machine
        let wanted = Set(own), present = Set(site.filter { !keeping.contains(AddressFamily($0)) })
        let isThere = wanted.allSatisfy { view.addresses[$0] != nil }
        if isMine, isThere, wanted == present { return try conclude("current") }
        // A site that has left leaves a marker without addresses.
        try conclude(site.isEmpty ? "absent" : isMine ? "different" : "elsewhere")
        throw Failure(.no, "")
    }

    private func conclude(_ state: String) throws {
        try output.write(
            Record(
                "\(state) \(names.name.relativeDescription)",
                [("record", .string("verdict")), ("state", .string(state)), ("name", .string("\(names.name)"))]))
    }

    /// The addresses with the time to live that they have at the authority.
    private static func addresses(_ addresses: [IPAddress], in view: AuthorityView) -> [IPAddress: UInt32?] {
        Dictionary(uniqueKeysWithValues: addresses.map { ($0, view.addresses[$0]) })
    }

    /// A line of the report; without addresses there was no answer.
    private func tell(_ subject: String, _ who: String, _ addresses: [IPAddress: UInt32?]?) throws {
        let shown = ShownAddresses(addresses)
        try output.write(
            Record(
                "\(subject) \(who) \(shown.text)",
                [("record", .string(subject)), ("who", who == "-" ? .null : .string(who))] + shown.fields))
    }

    /// What the authority holds, and which of its servers said so.
    private mutating func view(_ authority: Authority) throws -> (AuthorityView, DNSEndpoint) {
        var view = AuthorityView(names, isSole ? .addresses : .everything)
        var server = authority.servers[0]
        var hasSetClock = false
        while let query = view.query {
            var failures: [String] = []
            var exchange = DNSExchange(
                query, key: key, servers: authority.servers, timing: AuthoritySearch.timing,
                passesOver: [.serverFailure, .notImplemented])
            guard let answer = try talk.run(&exchange, failures: &failures) else {
                throw RegistrationTrouble(failures: failures).failure(names)
            }
            server = answer.server
            switch answer.registrationInput(at: talk.time) {
            case .answer(let message):
                do throws(RegistrationTrouble) { try view.take(message) } catch { throw error.failure(names) }
            case .clock(let there, let here) where !hasSetClock:
                hasSetClock = true
                talk.clockOffset += Int64(clamping: there) - Int64(clamping: here)
            case .trouble(let trouble): throw trouble.failure(names)
            default: throw RegistrationTrouble.temporary("the server's clock is not to be believed").failure(names)
            }
        }
        return (view, server)
    }

    /// What each resolver says, and for how long it will.
    private func tellPublic(_ resolvers: [DNSEndpoint]) throws {
        let questions = [DNSQuestion(names.name, .a), DNSQuestion(names.name, .aaaa)]
        let exchanges = resolvers.flatMap { resolver in
            questions.map { AuthoritySearch.recursiveExchange($0, [resolver]) }
        }
        var answers = try talk.runAll(exchanges)[...]
        for resolver in resolvers {
            let own = answers.prefix(questions.count).compactMap { $0?.message }
            answers = answers.dropFirst(questions.count)
            var found: [IPAddress: UInt32?] = [:]
            for message in own {
                let ttl = message.answers.map(\.ttl).min()
                for address in message.answeredAddresses { found[address] = .some(ttl) }
            }
            try tell("public", resolver.description, own.count == questions.count ? found : nil)
        }
    }
}

extension Result<Authority, RegistrationTrouble> {
    /// The authority, or the end.
    fileprivate func get(_ names: SiteNames) throws -> Authority {
        switch self {
        case .success(let authority): return authority
        case .failure(let trouble): throw trouble.failure(names)
        }
    }
}

extension RegistrationTrouble {
    /// What a command ends with.
    func failure(_ names: SiteNames) -> Failure { Failure(status, "\(names.name.relativeDescription): \(self)") }
}
