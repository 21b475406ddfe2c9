// RegistrationSession: joins the Registration machine with the world: it observes the site's addresses, finds the
// authority, exchanges messages with it, and tells what came of it. One of these is under way at a time, and nothing of
// it blocks. It runs once to its end (register, deregister), or stays and is turned by whoever has more to wait for
// (RegistrationLoop.swift).

import Glibc
import QureCore

/// A registration under way.
final class RegistrationSession {
    private enum Token { static let talk = 0, sources = 1 }
    /// What is under way.
    private enum Waiting { case nothing, sources, zone, answer }

    private(set) var machine: Registration
    let configuration: Registration.Configuration
    var diagnostics: Diagnostics
    private let output: RecordWriter
    private let options: SiteOptions
    /// Where the site's addresses come from; nil: they are not wanted.
    private let sources: SiteAddresses?
    private var key: TSIGKey?
    private var search: AuthoritySearch
    /// Updates are shown, not sent.
    private let isDry: Bool
    private let describe: RegistrationDescription
    private var random = SystemRandomNumberGenerator()
    private var poller: Poller
    private var talk: ServerTalk
    private var waiting = Waiting.nothing
    private var authority: Authority?
    private var exchange: DNSExchange?
    private var failures: [String] = []
    private(set) var end: RegistrationTrouble??
    /// What the server has said of leases; nil: nothing yet.
    private var serverLease: Duration??
    /// What was told last, so that what stays the same is told once.
    private(set) var status = ""

    init(
        _ configuration: Registration.Configuration, _ options: SiteOptions, isDry: Bool,
        diagnostics: Diagnostics, sources: SiteAddresses?
    ) throws {
        var diagnostics = diagnostics
        key = try options.key(&diagnostics)
        search = try AuthoritySearch(options, key: key)
        let poller = try Poller(), talk = try ServerTalk()
        try poller.add(talk.descriptor, token: Token.talk)
        self.poller = poller
        self.talk = talk
        self.options = options
        self.sources = sources
        machine = Registration(configuration)
        output = RecordWriter(json: options.common.json)
        describe = RegistrationDescription(configuration)
        self.configuration = configuration
        self.diagnostics = diagnostics
        self.isDry = isDry
    }

    private var name: String { configuration.names.name.relativeDescription }

    /// Readable when `turn` has something to do.
    var descriptor: CInt { poller.descriptor }
    /// When `turn` has something to do even so.
    var nextDeadline: Instant? {
        earlier(earlier(machine.nextDeadline, exchange?.nextDeadline), sources?.nextDeadline)
    }

    /// Runs to the end, by `deadline`; the trouble that it ended with.
    func run(_ input: Registration.Input, by deadline: Instant) throws -> RegistrationTrouble? {
        try take(input)
        while true {
            if let end { return end }
            guard Clock.now < deadline else { return .unreachable(late) }
            _ = try poller.wait(until: earlier(nextDeadline, deadline))
            try turn()
        }
    }

    /// What has been tried, and who is waited for.
    private var late: String {
        var tried = failures
        let step: String
        switch waiting {
        case .nothing: step = "it was to be tried again"
        case .sources: step = "the sources of the address have not all answered"
        case .zone: step = "looking for the zone's SOA"
        case .answer: step = "asking for the records, or changing them"
        }
        if let server = talk.current, [.zone, .answer].contains(waiting) { tried.append("\(server): no answer yet") }
        let whole = tried.isEmpty ? "" : ": \(tried.joined(separator: "; "))"
        return "not done in \(options.timeout.duration.text) (-w), \(step)\(whole)"
    }

    /// Goes on, where something has come or a deadline is over.
    func turn() throws {
        switch waiting {
        case .nothing: break
        case .sources:
            guard let sources, Self.isDue(sources.descriptor, sources.nextDeadline) else { break }
            if let input = try sources.goOn() { try take(input) }
        case .zone, .answer:
            guard var exchange, Self.isDue(talk.descriptor, exchange.nextDeadline) else { break }
            let end = try talk.goOn(&exchange, watch)
            self.exchange = exchange
            try finish(end)
        }
        if let due = machine.nextDeadline, due <= Clock.now { try take(.deadlinePassed) }
    }

    private static func isDue(_ descriptor: CInt?, _ deadline: Instant?) -> Bool {
        if let deadline, deadline <= Clock.now { return true }
        var isReady = pollfd(fd: descriptor ?? -1, events: Int16(POLLIN), revents: 0)
        return poll(&isReady, 1, 0) > 0
    }

    /// Everything is looked at again, also the key's file.
    func lookAgain() throws {
        do { key = try options.key(&diagnostics) } catch {
            diagnostics.say(.error, "\(error); the key stays as it was")
        }
        try take(.lookAgain)
    }

    /// Gives an input to the machine and does what it says.
    func take(_ input: Registration.Input) throws {
        for output in machine.step(input, at: Clock.now, using: &random) {
            switch output {
            case .observe: try observe()
            case .find: try find()
            case .exchange(let message): try begin(message)
            case .setClock(let offset): talk.clockOffset = offset
            case .report(let report): try tell(report)
            case .ended(let trouble): end = .some(trouble)
            }
        }
    }

    /// What was under way is not waited for any longer: another thing is wanted now.
    private func abandon(for next: Waiting) throws {
        try talk.abandon()
        exchange = nil
        sources?.abandon()
        failures = []
        waiting = next
    }

    private func observe() throws {
        try abandon(for: .sources)
        if let input = try sources?.begin() { return try take(input) }
        if let descriptor = sources?.descriptor { try poller.add(descriptor, token: Token.sources) }
    }

    private func find() throws {
        try abandon(for: .zone)
        search = try AuthoritySearch(options, key: key)
        try find(search.begin())
    }

    private func find(_ step: AuthoritySearch.Step) throws {
        switch step {
        case .ask(let exchange): try begin(exchange)
        case .ended(.success(let found)):
            authority = found
            try take(.found(zone: found.zone))
        case .ended(.failure(let trouble)): try take(.trouble(trouble))
        }
    }

    private func begin(_ message: DNSMessage) throws {
        if isDry, message.opcode == .update {
            var shown = message
            shown.id = 0
            try OutputStream.writeAll(Array(shown.updateText(isSent: false).utf8), to: 1)
            end = .some(nil)
            return
        }
        diagnostics.say(.debug, "> \(describe.short(message))")
        try abandon(for: .answer)
        try begin(
            DNSExchange(
                message, key: key, servers: authority?.servers ?? [], timing: AuthoritySearch.timing,
                passesOver: [.serverFailure, .notImplemented]))
    }

    private func begin(_ next: DNSExchange) throws {
        var exchange = next
        failures = []
        let end = try talk.begin(&exchange, watch)
        self.exchange = exchange
        try finish(end)
    }

    private func watch(_ event: ServerTalk.Event, _ exchange: DNSExchange) {
        switch event {
        case .failed(let server, let reason): failures.append("\(server): \(reason)")
        case .trace(let line): diagnostics.say(.debug, line)
        case .sending: break
        }
    }

    private func finish(_ end: ServerTalk.End?) throws {
        guard let end else { return }
        var answer: DNSExchange.Answer?
        if case .answered(let found) = end { answer = found }
        let isUpdate = exchange?.query?.opcode == .update
        let isSearch = waiting == .zone, failures = failures
        exchange = nil
        try talk.abandon()
        guard !isSearch else { return try find(search.take(answer, failures)) }
        waiting = .nothing
        guard let answer else {
            return try take(.trouble(RegistrationTrouble(failures: failures, isUpdate: isUpdate)))
        }
        prefer(answer.server)
        diagnostics.say(.debug, "< \(answer.server) \(describe.short(answer.message))")
        try take(answer.registrationInput(at: talk.time))
    }

    /// Whoever answers is asked first from now on: what is written is to be read where it was written.
    private func prefer(_ server: DNSEndpoint) {
        guard var servers = authority?.servers, let index = servers.firstIndex(of: server), index > 0
        else { return }
        servers.insert(servers.remove(at: index), at: 0)
        authority?.servers = servers
    }

    private func tell(_ report: Registration.Report) throws {
        let server = authority?.servers.first
        switch report {
        case .trouble(let trouble, let retry):
            status = "\(name): \(trouble)"
            guard let retry else { return }
            diagnostics.say(
                .warning,
                "\(status); trying again in \(Duration.seconds((retry.milliseconds + 999) / 1000).text)")
        case .serverLease(let lease):
            serverLease = .some(lease)
            diagnostics.say(
                .notice,
                lease.map { "\(name): the server forgets the records after \($0.text) unless they are renewed" }
                    ?? "\(name): the server does not expire the records by itself (RFC 9664); when this site dies, "
                    + "other sites with --lease remove them")
        case .otherTTL(let ttl):
            diagnostics.say(
                .warning,
                "\(name): other sites' records have a time to live of \(ttl) s, which all must share; keeping it")
        case .clockOffset(let offset):
            diagnostics.say(
                .notice,
                "the server's clock is \(offset) s ahead of this one's, proved by its signature; signing by it"
            )
        case .held(let addresses):
            let list = addresses.map(\.description).joined(separator: ", ")
            diagnostics.say(.notice, "\(name): the site is alive, and its lease for \(list) is renewed")
        case .current(_, let added, let removed):
            let line = describe.record(report, server: server, zone: authority?.zone, lease: serverLease)
            let isNew = status != line.text || !added.isEmpty || !removed.isEmpty
            status = line.text
            if isNew { try write(line) }
        case .withdrawn, .takenOver, .swept:
            let line = describe.record(report, server: server, zone: authority?.zone, lease: serverLease)
            if case .swept = report {} else { status = line.text }
            try write(line)
        }
    }

    /// Who stays does not wait for whoever reads it.
    private func write(_ record: Record) throws {
        if configuration.stays { try output.writeNow(record) } else { try output.write(record) }
    }
}
