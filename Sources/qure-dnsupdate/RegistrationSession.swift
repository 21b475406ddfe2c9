// RegistrationSession: joins the Registration machine with the world: it observes the site's addresses, finds the
// authority, exchanges messages with it, and tells what came of it. It runs once to its end (register, deregister), or
// stays and is turned by whoever has more to wait for (RegistrationLoop.swift).

import Glibc
import QureCore

/// A registration under way.
final class RegistrationSession {
    /// Where the site's addresses come from.
    typealias Observation = () throws -> Registration.Input

    private(set) var machine: Registration
    let configuration: Registration.Configuration
    var diagnostics: Diagnostics
    private let output: RecordWriter
    private let key: TSIGKey?
    private let search: AuthoritySearch
    private let observation: Observation
    /// Updates are shown, not sent.
    private let isDry: Bool
    private let describe: RegistrationDescription
    private var random = SystemRandomNumberGenerator()
    private var talk: ServerTalk
    private var authority: Authority?
    private var exchange: DNSExchange?
    private var failures: [String] = []
    private(set) var end: RegistrationTrouble??
    /// What was told last, so that what stays the same is told once.
    private(set) var status = ""

    init(
        _ configuration: Registration.Configuration, _ options: SiteOptions, isDry: Bool,
        diagnostics: Diagnostics,
        observation: @escaping Observation
    ) throws {
        var diagnostics = diagnostics
        key = try options.key(&diagnostics)
        search = try AuthoritySearch(options, key: key)
        talk = try ServerTalk()
        machine = Registration(configuration)
        output = RecordWriter(json: options.common.json)
        describe = RegistrationDescription(configuration)
        self.configuration = configuration
        self.diagnostics = diagnostics
        self.isDry = isDry
        self.observation = observation
    }

    private var name: String { configuration.names.name.relativeDescription }

    /// Readable when `turn` has something to do.
    var descriptor: CInt { talk.descriptor }
    /// When `turn` has something to do even so.
    var nextDeadline: Instant? { earlier(machine.nextDeadline, exchange?.nextDeadline) }

    /// Runs to the end, by `deadline`; the trouble that it ended with.
    func run(_ input: Registration.Input, by deadline: Instant) throws -> RegistrationTrouble? {
        talk.deadline = deadline
        var poller = try Poller()
        try poller.add(descriptor, token: 0)
        try take(input)
        while true {
            if let end { return end }
            guard Clock.now < deadline else { return .unreachable(Self.late(failures)) }
            _ = try poller.wait(until: earlier(nextDeadline, deadline))
            try turn()
        }
    }

    private static func late(_ failures: [String]) -> String {
        "not done in the time that there is (-w)" + (failures.isEmpty ? "" : ": \(failures.joined(separator: "; "))")
    }

    /// From now on nobody is waited for beyond `limit`.
    func hurry(by limit: Instant) { talk.deadline = limit }

    /// Goes on, where something has come or a deadline is over.
    func turn() throws {
        if var exchange {
            var isReady = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let isDue = exchange.nextDeadline.map { $0 <= Clock.now } ?? false
            if isDue || poll(&isReady, 1, 0) > 0 {
                let end = try talk.goOn(&exchange, watch)
                self.exchange = exchange
                try finish(end)
            }
        }
        if let due = machine.nextDeadline, due <= Clock.now { try take(.deadlinePassed) }
    }

    /// Gives an input to the machine and does what it says.
    func take(_ input: Registration.Input) throws {
        var outputs = machine.step(input, at: Clock.now, using: &random)[...]
        while let output = outputs.popFirst() {
            switch output {
            case .observe: outputs += machine.step(try observation(), at: Clock.now, using: &random)
            case .find: outputs += machine.step(try find(), at: Clock.now, using: &random)
            case .exchange(let message): try begin(message)
            case .setClock(let offset): talk.clockOffset = offset
            case .report(let report): try tell(report)
            case .ended(let trouble): end = .some(trouble)
            }
        }
    }

    private func find() throws -> Registration.Input {
        switch try search.run(by: &talk) {
        case .success(let found):
            authority = found
            return .found(zone: found.zone)
        case .failure(let trouble): return .trouble(trouble)
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
        failures = []
        // What was under way before is not waited for: another thing is wanted now.
        try talk.abandon()
        var exchange = DNSExchange(
            message, key: key, servers: authority?.servers ?? [], timing: AuthoritySearch.timing,
            passesOver: [.serverFailure, .notImplemented])
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
        switch end {
        case nil: return
        case .exhausted:
            let isUpdate = exchange?.query?.opcode == .update
            exchange = nil
            try talk.abandon()
            try take(.trouble(RegistrationTrouble(failures: failures, isUpdate: isUpdate)))
        case .answered(let answer):
            exchange = nil
            try talk.abandon()
            prefer(answer.server)
            diagnostics.say(.debug, "< \(answer.server) \(describe.short(answer.message))")
            try take(answer.registrationInput(at: talk.time))
        }
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
            let line = describe.record(report, server: server, zone: authority?.zone)
            let isNew = status != line.text || !added.isEmpty || !removed.isEmpty
            status = line.text
            if isNew { try write(line) }
        case .withdrawn, .takenOver, .swept:
            let line = describe.record(report, server: server, zone: authority?.zone)
            if case .swept = report {} else { status = line.text }
            try write(line)
        }
    }

    /// Who stays does not wait for whoever reads it.
    private func write(_ record: Record) throws {
        if configuration.stays { try output.writeNow(record) } else { try output.write(record) }
    }
}
