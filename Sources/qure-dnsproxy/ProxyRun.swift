// ProxyRun: the main thread of the proxy: opens the sockets, starts the workers, and then does all that is not
// answering queries: signals, the service manager.

import Glibc
import QureCore

final class ProxyRun {
    private let options: ProxyOptions
    private var poller: Poller
    private let workers: [Mailbox<WorkerOrder>]
    private let deaths: Mailbox<SystemError>
    private var diagnostics: Diagnostics
    private let service = ServiceManager()
    private var watchdog: Watchdog

    private enum Token { static let deaths = 0 }

    init(_ options: ProxyOptions, _ relay: RelayConfiguration) throws {
        self.options = options
        diagnostics = options.common.diagnostics("qure-dnsproxy")
        // Before there are threads: they are to inherit that these signals are for this poller.
        poller = try Poller(signals: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
        deaths = try Mailbox()
        try poller.add(deaths.descriptor, token: Token.deaths)
        let count = options.workers
        var entrances: [Entrances] = []
        for _ in 0..<count { entrances.append(try Self.open(options, isShared: count > 1)) }
        workers = try entrances.map { _ in try Mailbox() }
        watchdog = Watchdog(service, at: Clock.now)
        for (entrances, orders) in zip(entrances, workers) {
            let diagnostics = diagnostics, deaths = deaths
            try Thread.start {
                do { try Worker(relay, entrances, orders, diagnostics).run() } catch {
                    deaths.post(error as? SystemError ?? SystemError("worker", errno: .invalid))
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
                throw Failure(.system, "\(error) (this host has no such address; --listen one that it has)")
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
                case .ready(Token.deaths): if let error = deaths.take().first { throw error }
                default: break
                }
            }
            watchdog.turn(at: Clock.now)
        }
    }
}
