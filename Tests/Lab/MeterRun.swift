// MeterRun: the meter's loop. It asks at its own pace whatever comes back (open loop): a site that answers slowly is
// not asked less often, and requests that fell due while this process did not run are sent at once, in a bunch. How
// late it ever was is part of the report, for those who judge its figures.

import Glibc
package import QureCore

/// Asks a site at a steady pace.
package final class MeterRun {
    /// What to ask and for how long.
    package struct Configuration: Sendable {
        package var site: SocketAddress
        /// Pages over connections rather than datagrams.
        package var asksForPages: Bool
        package var interval: Duration
        /// nil: until SIGTERM or SIGINT.
        package var length: Duration?
        package var judgement: MeterTally.Configuration

        /// A meter of `site`.
        package init(
            site: SocketAddress, asksForPages: Bool, interval: Duration, length: Duration?,
            judgement: MeterTally.Configuration
        ) {
            self.site = site
            self.asksForPages = asksForPages
            self.interval = interval
            self.length = length
            self.judgement = judgement
        }
    }

    private let configuration: Configuration
    private var poller: Poller
    private let asker: any Asker
    package private(set) var tally: MeterTally
    /// When the first request was due.
    package let start: Instant
    private var due: Instant
    private var end: Instant?
    /// The most that a request was sent after it was due.
    package private(set) var worstDelay = Duration.zero

    /// A meter that begins to ask when it is run.
    package init(_ configuration: Configuration) throws {
        self.configuration = configuration
        var poller = try Poller(signals: [SIGTERM, SIGINT])
        asker =
            configuration.asksForPages
            ? PageAsker(configuration.site) : try DatagramAsker(configuration.site, &poller)
        self.poller = poller
        tally = MeterTally(configuration.judgement)
        start = Clock.now
        due = start
        end = configuration.length.map { [start] in start + $0 }
    }

    /// Asks until the time is over, or until it is told to stop; then waits a little for answers that are under way.
    package func run(_ tell: ([MeterTally.Event]) throws -> Void) throws {
        var isAsking = true
        while true {
            let limit = earlier(isAsking ? due : nil, end)
            let events = try poller.wait(until: limit)
            let ready = events.compactMap { if case .ready(let token) = $0 { token } else { nil } }
            var news: [MeterTally.Event] = []
            for answer in try asker.collect(ready, &poller) {
                news += tally.answer(to: answer.sequence, by: answer.name, at: answer.received)
            }
            let now = Clock.now
            let isStopped = events.contains { if case .signal = $0 { true } else { false } }
            if isAsking && (isStopped || end.map { now >= $0 } ?? false) {
                isAsking = false
                end = now + min(configuration.judgement.timeout, .milliseconds(200))
            }
            if isAsking { try ask(until: now) }
            news += tally.advance(to: now)
            let isOver = !isAsking && end.map { now >= $0 } ?? true
            if isOver { news += tally.finish(at: now) }
            if !news.isEmpty { try tell(news) }
            if isOver { return }
        }
    }

    private func ask(until now: Instant) throws {
        while due <= now {
            let sent = Clock.now
            worstDelay = max(worstDelay, sent - due)
            tally.ask(at: sent)
            try asker.ask(tally.requests - 1, &poller)
            due += configuration.interval
        }
        asker.forget(before: tally.firstWaiting)
    }
}
