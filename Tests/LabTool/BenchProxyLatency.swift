// What a query costs, and how long its answer takes, when a given number of them comes each second.
//
// How long it takes is told from the kernel's stamps of the query and of its answer (ProxyCapture): who asks has only
// one processor for asking and listening, and half of the time that it sees passes there. The wait begins when the
// query is sent and ends when its answer is: what the kernel takes to wake the server up belongs to it, and what the
// asker takes to wake up does not. What a query costs is measured in other turns, in which nobody looks on.
//
// From turn to turn one and the same server differs by a tenth, and by more on a busy machine; two servers differ by
// less. So the turns are short and many, the ratios are those of turns side by side, with how sure they are
// (PairedRatios), and the proxy stands beside itself: what that ratio says is the noise. All servers have their turn in
// one capture, for tcpdump takes a while to start.
//
// A server that is started anew is another one, by where its memory lies and by what it shares the processor's caches
// with: what is said of servers that go on running holds for them alone. So all are started anew for each turn, which
// takes a third of it, and no turn knows of another. Turns of the same servers would have to count as one, and in the
// same time all would be less sure. There are turns until it is decided whether the target is met, or as many as were
// asked for.
//
// The target is met where it is not sure that the proxy takes longer than the best of its peers, and sure that it does
// not take a tenth longer: on a machine that is too noisy to tell it is missed. So it is on one that does something
// else: where all wait for a processor, even the echo, all are alike and nothing is told. Nor may it be sure that it
// takes longer as dnsperf sees it.

import Lab
import QureCore

/// The turns of somebody under a load, and what they come to.
private struct ProxyTurns {
    var name: String
    var turns: [ProxyFigure]

    var middle: ProxyFigure { ProxyFigure(medianOf: turns) }
}

extension Bench {
    /// What an echo's 99 of 100 stay below, in microseconds, on a machine that does nothing else.
    private static let busy = 1000.0
    /// The ratio to the best peer that is surely not reached.
    private static let longest = 1.1

    /// As many as are asked.
    mutating func measureProxyRate(_ site: ProxySite, _ rate: Int) throws {
        // Where a turn has no time for all the names, the next one has the others: a server that is asked for a few of
        // them only has these at hand.
        let count = rate / 2, parts = max(ProxySite.names / count, 1)
        for part in 0..<parts {
            let names = (0..<count).map { "n\((part * count + $0) % ProxySite.names).b.test A\n" }
            try ProxySite.write("rate\(rate)-\(part)", names.joined())
        }
        let options = "-q 1000 -c 4 -t \(ProxyLatency.patience) -Q \(rate)"
        let kinds = [ProxySite.Kind.own, .twin, .echo, .knotd, .nsd, .unbound, .dnsdist]
        var watched = kinds.map { ProxyTurns(name: $0.rawValue, turns: []) }
        var costs = kinds.map { _ in [ProxyFigure]() }
        for turn in 0..<mostTurns {
            site.endServers()
            // In any order: what those before it have left is the memory that a server gets.
            for kind in kinds.shuffled() { _ = try site.server(kind) }
            let load = ProxyLoad("rate\(rate)-\(turn % parts)", "-n 1 \(options)", hasLatency: true)
            let figures = try watch(kinds.map { try contestant($0, site, load) })
            for (index, figure) in figures.enumerated() { watched[index].turns.append(figure) }
            // The turns in which nobody looks on.
            if turn < Self.turns {
                let load = ProxyLoad("known", "-l 2 \(options)")
                let figures = try take(1, kinds.map { try contestant($0, site, load) })
                for index in kinds.indices { costs[index] += figures[index] }
            }
            if PairedRatios.looks(of: mostTurns).contains(turn + 1), Self.isDecided(watched) { break }
        }
        var figures = zip(kinds, costs).map { (name: $0.rawValue, figure: ProxyFigure(medianOf: $1)) }
        // What is lost or wrong counts in either.
        for (index, turns) in watched.enumerated() {
            figures[index].figure.lost += turns.middle.lost
            figures[index].figure.wrong += turns.middle.wrong
        }
        try report("\(rate) a second", figures, limits: ["knotd": 1])
        try reportLatency(rate, watched)
    }

    /// A turn of each, in any order, in one capture.
    private func watch(_ contestants: [Contestant]) throws -> [ProxyFigure] {
        var figures: [Int: ProxyFigure] = [:]
        let capture = try ProxyCapture()
        for index in contestants.indices.shuffled() {
            figures[index] = try contestants[index].load(0).run(on: contestants[index].server)
        }
        let tally = try capture.finish()
        return try contestants.indices.compactMap { index in
            let server = contestants[index].server, queries = tally.queries(to: UInt16(server.port))
            guard var figure = figures[index], figure.sent == queries.count else {
                throw LabError("of \(figures[index]?.sent ?? 0) queries to \(server.name), \(queries.count) were seen")
            }
            figure.latency = try ProxyLatency(queries)
            return figure
        }
    }

    /// Whether more turns would change nothing: not where all wait for the same.
    private static func isDecided(_ watched: [ProxyTurns]) -> Bool {
        !isBusy(watched) && ratios(watched[0], watched.dropFirst(3), by: \.latency).decides(longest)
    }

    /// The ratios to the best of some peers.
    private static func ratios(
        _ own: ProxyTurns, _ peers: some Sequence<ProxyTurns>, by latency: (ProxyFigure) -> ProxyLatency
    ) -> PairedRatios {
        func times(_ who: ProxyTurns) -> [Double] { who.turns.map { latency($0).inTenths } }
        return PairedRatios(times(own), toBestOf: peers.map(times))
    }

    /// Whether even the echo waits for a processor that others have.
    private static func isBusy(_ watched: [ProxyTurns]) -> Bool { watched[2].middle.latency.inTenths >= busy }

    /// The first three are the proxy, itself once more, and the echo; the others are its peers.
    private mutating func reportLatency(_ rate: Int, _ watched: [ProxyTurns]) throws {
        let own = watched[0], peers = Array(watched.dropFirst(3))
        let ratios = Self.ratios(own, peers, by: \.latency)
        let isMet =
            !Self.isBusy(watched) && ratios.low <= 1 && ratios.high <= Self.longest
            && Self.ratios(own, peers, by: \.seen).low <= 1
        try addLatency("  99 of 100 take at most", rate, own, beside: peers, by: \.latency, isMet)
        for peer in peers { try addLatency("    beside \(peer.name)", rate, own, beside: [peer], by: \.latency) }
        try addLatency("  the same as dnsperf sees it", rate, own, beside: peers, by: \.seen)
        let twin = watched[1].middle.latency, echo = watched[2].middle.latency
        let noise = Self.ratios(own, [watched[1]], by: \.latency)
        try add(
            BenchRow(
                what: "  the noise, of \(own.turns.count) turns: beside itself", median: "\(twin.inTenths.figure) us",
                worst: "\(noise.middle.figure)x", beside: "sure: \(noise.range); an echo \(echo.inTenths.figure) us",
                fields: [
                    ("load", .string("\(rate)")), ("turns", .integer(Int64(own.turns.count))),
                    ("itself_p99_us", .integer(Int64(twin.inTenths))), ("echo_p99_us", .integer(Int64(echo.inTenths))),
                    ("noise", .string(noise.middle.figure)), ("noise_low", .string(noise.low.figure)),
                    ("noise_high", .string(noise.high.figure)),
                ]))
        let all = own.middle.latency.ofAll, best = Self.best(of: peers, by: \.latency.ofAll)
        try add(
            BenchRow(
                what: "  99 of 100, with the machine's stalls", median: "\(all.figure) us",
                beside: "\(best.name) \(best.figure.figure) us, an echo \(echo.ofAll.figure) us",
                fields: [
                    ("load", .string("\(rate)")), ("all_p99_us", .integer(Int64(all))), ("best", .string(best.name)),
                    ("best_all_p99_us", .integer(Int64(best.figure))), ("echo_all_p99_us", .integer(Int64(echo.ofAll))),
                ]))
    }

    /// Who has the least figure in the middle of his turns, and which.
    private static func best(
        of peers: [ProxyTurns], by figure: (ProxyFigure) -> Double
    ) -> (name: String, figure: Double) {
        let figures = peers.map { (name: $0.name, figure: figure($0.middle)) }
        return figures.min { $0.figure < $1.figure } ?? ("nobody", 0)
    }

    /// A row of the proxy's latency beside that of the best of some peers.
    private mutating func addLatency(
        _ what: String, _ rate: Int, _ own: ProxyTurns, beside peers: [ProxyTurns],
        by latency: (ProxyFigure) -> ProxyLatency, _ isMet: Bool? = nil
    ) throws {
        let ratios = Self.ratios(own, peers, by: latency)
        let figure = latency(own.middle).inTenths, best = Self.best(of: peers) { latency($0).inTenths }
        try add(
            BenchRow(
                what: what, median: "\(figure.figure) us", worst: "\(ratios.middle.figure)x",
                beside: "\(best.name) \(best.figure.figure) us; sure: \(ratios.range)",
                target: isMet == nil ? "" : "no longer, sure to \(Self.longest.figure)x", isMet: isMet,
                fields: [
                    ("load", .string("\(rate)")), ("p99_us", .integer(Int64(figure))), ("best", .string(best.name)),
                    ("best_p99_us", .integer(Int64(best.figure))), ("ratio", .string(ratios.middle.figure)),
                    ("ratio_low", .string(ratios.low.figure)), ("ratio_high", .string(ratios.high.figure)),
                ]))
    }
}

extension PairedRatios {
    /// `0.962x to 1.081x`
    fileprivate var range: String { "\(low.figure)x to \(high.figure)x" }
}
