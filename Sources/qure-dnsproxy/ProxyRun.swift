// ProxyRun: the main thread of the proxy: opens the sockets, starts the workers, and then does all that is not
// answering queries: signals, the service manager.

import Glibc
import QureCore

final class ProxyRun {
    private let options: ProxyOptions
    private var configuration: RelayConfiguration
    private var poller: Poller
    private let workers: [Mailbox<WorkerOrder>]
    private let notices: Mailbox<WorkerNotice>
    private let control: ControlDoor
    private var diagnostics: Diagnostics
    private let service = ServiceManager()
    /// Whether the service manager has passed none on.
    private let hasOwnSockets: Bool
    private var watchdog: Watchdog

    private enum Token { static let notices = 0, control = 1 }
    /// How long a worker may take to answer an order; one that lives answers at once.
    private static let patience = Duration.seconds(2)

    init(_ options: ProxyOptions, _ relay: RelayConfiguration) throws {
        self.options = options
        configuration = relay
        diagnostics = options.common.diagnostics("qure-dnsproxy")
        // Before there are threads: they are to inherit that these signals are for this poller.
        poller = try Poller(signals: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
        notices = try Mailbox()
        try poller.add(notices.descriptor, token: Token.notices)
        // A socket for each question that is under way, one for each connection.
        FileDescriptor.raiseLimit()
        // Before the addresses, which another proxy would have, too: it is that one that is to be told of.
        control = try ControlDoor(options.place.path)
        try poller.add(control.descriptor, token: Token.control)
        let count = options.workers
        var entrances: [Entrances] = []
        let adopted = try service.takeListeners()
        hasOwnSockets = adopted.isEmpty
        if hasOwnSockets { try options.refuseOwnAddresses(at: options.addresses) }
        for _ in 0..<count {
            entrances.append(
                try adopted.isEmpty
                    ? Self.open(options, isShared: count > 1) : Entrances(adopting: adopted))
        }
        workers = try entrances.map { _ in try Mailbox() }
        // What needs privileges is done.
        try options.user?.become()
        watchdog = Watchdog(service, at: Clock.now)
        for (number, entrances) in entrances.enumerated() {
            let log = options.queryLog ? QueryLog(json: options.common.json) : nil
            let diagnostics = diagnostics, notices = notices, orders = workers[number]
            // Not by the thread's closure, which would keep it for ever.
            orders.post(.configure(relay))
            try Thread.start {
                do { try Worker(number, entrances, orders, notices, diagnostics, log: log).run() } catch {
                    notices.post(.died(error as? SystemError ?? SystemError("worker", errno: .invalid)))
                }
            }
        }
    }

    private static func open(_ options: ProxyOptions, isShared: Bool) throws -> Entrances {
        do { return try Entrances(options.addresses, isShared: isShared) } catch let error as SystemError {
            guard error.call == "bind" else { throw error }
            switch error.errno.rawValue {
            case EADDRINUSE:
                throw Failure(
                    .system,
                    "\(error) (something else answers there: ss -lnup 'sport = :53' names it; --listen another one)")
            case EACCES, EPERM:
                throw Failure(
                    .permission, "\(error) (needs CAP_NET_BIND_SERVICE: run it as root, or listen on a port above 1023)"
                )
            case EADDRNOTAVAIL:
                throw Failure(
                    .system,
                    "\(error) (this host has no such address now; --listen one that it always has, or 0.0.0.0 or ::; "
                        + "for one that moves between hosts set net.ipv4.ip_nonlocal_bind=1, or net.ipv6's)")
            default: throw error
            }
        }
    }

    /// Goes on until it is told to stop.
    func run() throws {
        service.notify("READY=1", "STATUS=listening on \(options.addresses.map(\.description).joined(separator: " "))")
        while true {
            for event in try poller.wait(until: watchdog.nextDeadline) {
                switch event {
                case .signal(SIGTERM), .signal(SIGINT):
                    service.notify("STOPPING=1")
                    return
                case .signal(SIGHUP):
                    reload()
                    Memory.giveBack()
                case .signal(SIGUSR1): diagnostics.say(.notice, WorkerReport.sum(reports()).numbersLine)
                case .ready(Token.notices): for notice in notices.take() { try take(notice) }
                case .ready(Token.control): control.serve { answer($0) }
                default: break
                }
            }
            // The workers are asked only when there is somebody to tell.
            guard let due = watchdog.nextDeadline, Clock.now >= due else { continue }
            watchdog.turn(at: Clock.now, isWell: reports().count == workers.count)
        }
    }

    private func take(_ notice: WorkerNotice) throws {
        switch notice {
        case .died(let error): throw error
        case .changed(let zone, let number):
            for (index, worker) in workers.enumerated() where index != number { worker.post(.changed(zone)) }
        }
    }

    /// Reads the configuration anew. What is wrong with it is said, and the old one stays; sockets stay in any case.
    private func reload() {
        service.notify("RELOADING=1", "MONOTONIC_USEC=\(Clock.monotonicMicroseconds)")
        defer { service.notify("READY=1") }
        do {
            guard let new = try ProxyCommand.reread() as? Run else { return }
            let (relay, warnings) = try new.options.read()
            if hasOwnSockets { try new.options.refuseOwnAddresses(at: options.addresses) }
            let kept = keptOptions(new.options)
            if !kept.isEmpty {
                let (names, isOne) = (kept.joined(separator: " and "), kept.count == 1)
                let rest = isOne ? "is as it was; it changes" : "are as they were; they change"
                diagnostics.say(.warning, "\(names) \(rest) with a restart")
            }
            for warning in warnings { diagnostics.say(.warning, warning) }
            goOn(with: relay)
            diagnostics.say(.notice, "read the configuration anew")
        } catch {
            diagnostics.say(.error, "\(error): the configuration stays as it was")
        }
    }

    /// Where hosts files are long it takes tens of milliseconds to compare what they say, and to let go what they said:
    /// that is done here, where no client waits for it, once the workers have let go.
    private func goOn(with new: RelayConfiguration) {
        guard new != configuration else { return }
        let old = configuration
        configuration = new
        for worker in workers { worker.post(.configure(new)) }
        _ = reports()
        withExtendedLifetime(old) {}
    }

    /// The options that are others now and cannot be obeyed by a process that runs.
    private func keptOptions(_ new: ProxyOptions) -> [String] {
        [
            ("listen", new.addresses != options.addresses), ("workers", new.workers != options.workers),
            ("user", new.user != options.user), ("query-log", new.queryLog != options.queryLog),
        ].filter(\.1).map(\.0)
    }

    // MARK: Who asks over the control socket

    private func answer(_ words: [String]) -> [String] {
        switch words.first {
        case "status":
            let writer = RecordWriter(json: words.count > 1)
            return WorkerReport.sum(reports()).records(at: Clock.now).map { record in
                String(decoding: writer.line(record).dropLast(), as: UTF8.self)
            }
        case "metrics": return WorkerReport.sum(reports()).metrics
        case "explain" where words.count >= 3:
            guard let name = DomainName(words[1]), let type = RecordType(words[2]),
                let client = IPAddress(words.count > 3 ? words[3] : "127.0.0.1")
            else { return ["error not a question"] }
            return collect { .explain(DNSQuestion(name, type), client: client, $0) }.first ?? []
        case "flush" where words.count >= 2:
            guard let name = DomainName(words[1]) else { return ["error not a name"] }
            let count = collect { .flush(name, $0) }.reduce(0, +)
            let fields: [(name: String, value: JSONValue)] = [
                ("record", .string("flushed")), ("name", .string("\(name)")), ("answers", .integer(Int64(count))),
            ]
            let line = RecordWriter(json: words.count > 2).line(Record("flushed \(name) \(count)", fields))
            return [String(decoding: line.dropLast(), as: UTF8.self)]
        default: return ["error not a request"]
        }
    }

    private func reports() -> [WorkerReport] { collect { .report($0) } }

    /// What each worker answers to an order.
    private func collect<Answer: Sendable>(_ order: (Mailbox<Answer>) -> WorkerOrder) -> [Answer] {
        guard let box = try? Mailbox<Answer>() else { return [] }
        for worker in workers { worker.post(order(box)) }
        var answers: [Answer] = []
        let end = Clock.now + Self.patience
        while answers.count < workers.count, Clock.now < end { answers += box.take(within: end - Clock.now) }
        return answers
    }
}
