// What a query costs, and how long its answer takes, when a given number of them comes each second.
//
// How long it takes is told from the kernel's stamps of the query and of its answer (ProxyCapture): who asks has only
// one processor for asking and listening, and half of the time that it sees passes there. The wait begins when the
// query is sent and ends when its answer is: what the kernel takes to wake the server up belongs to it, and what the
// asker takes to wake up does not. What a query costs is measured in other turns, in which nobody looks on.
//
// From turn to turn one and the same server differs by a tenth, and by more on a busy machine; two servers differ by
// less. So the turns are short and many, the ratios are those of turns side by side, with how sure they are
// (PairedRatios), and the proxy stands beside itself: what that ratio says is the noise. There are more turns until the
// noise is small, whatever the ratio to the peers is by then. All servers have their turn in one capture, for tcpdump
// takes a while to start. How sure a ratio is holds for the servers that were started for it: from one run of the bench
// to the next it has been seen to differ by more than that.
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

    /// By the stamps, and as dnsperf sees it, turn by turn.
    var latencies: [Double] { turns.map(\.latency.inTenths) }
    var seen: [Double] { turns.map(\.seen.inTenths) }

    var middle: ProxyFigure { ProxyFigure(medianOf: turns) }
}

extension Bench {
    /// Turns of half a second: how many are added at a time, and how many there are at most.
    private static let someTurns = 12, mostTurns = 72
    /// How far the proxy beside itself may seem to differ, from the least ratio to the greatest.
    private static let noise = 1.15
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
        let contestants = try kinds.map { kind in
            Contestant(name: kind.rawValue, server: try site.server(kind)) { turn in
                ProxyLoad("rate\(rate)-\(turn % parts)", "-n 1 \(options)", hasLatency: true)
            }
        }
        var watched = kinds.map { ProxyTurns(name: $0.rawValue, turns: []) }
        repeat {
            for turn in 0..<Self.someTurns {
                for (index, figure) in try watch(turn, contestants).enumerated() { watched[index].turns.append(figure) }
            }
        } while !Self.isQuiet(watched) && watched[0].turns.count < Self.mostTurns
        var figures = try race(kinds.map { try contestant($0, site, ProxyLoad("known", "-l 2 \(options)")) })
        // What is lost or wrong counts in either.
        for (index, turns) in watched.enumerated() {
            figures[index].figure.lost += turns.middle.lost
            figures[index].figure.wrong += turns.middle.wrong
        }
        try report("\(rate) a second", figures, limits: ["knotd": 1])
        try reportLatency(rate, watched)
    }

    /// A turn of each, in any order, in one capture.
    private func watch(_ turn: Int, _ contestants: [Contestant]) throws -> [ProxyFigure] {
        var figures: [Int: ProxyFigure] = [:]
        let capture = try ProxyCapture()
        for index in contestants.indices.shuffled() {
            figures[index] = try contestants[index].load(turn).run(on: contestants[index].server)
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

    /// Whether what is the same hardly seems to differ, and that not because all wait for the same.
    private static func isQuiet(_ watched: [ProxyTurns]) -> Bool {
        let ratios = PairedRatios(watched[0].latencies, to: watched[1].latencies)
        return ratios.high <= ratios.low * noise && !isBusy(watched)
    }

    /// Whether even the echo waits for a processor that others have.
    private static func isBusy(_ watched: [ProxyTurns]) -> Bool { watched[2].middle.latency.inTenths >= busy }

    /// The first three are the proxy, itself once more, and the echo; the others are its peers.
    private mutating func reportLatency(_ rate: Int, _ watched: [ProxyTurns]) throws {
        let own = watched[0], peers = Array(watched.dropFirst(3))
        let ratios = PairedRatios(own.latencies, toBestOf: peers.map(\.latencies))
        let isMet =
            !Self.isBusy(watched) && ratios.low <= 1 && ratios.high <= Self.longest
            && PairedRatios(own.seen, toBestOf: peers.map(\.seen)).low <= 1
        try addLatency("  99 of 100 take at most", rate, own, beside: peers, by: \.latency, isMet)
        for peer in peers { try addLatency("    beside \(peer.name)", rate, own, beside: [peer], by: \.latency) }
        try addLatency("  the same as dnsperf sees it", rate, own, beside: peers, by: \.seen)
        let twin = watched[1].middle.latency, echo = watched[2].middle.latency
        let noise = PairedRatios(own.latencies, to: watched[1].latencies)
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
        func times(_ peer: ProxyTurns) -> [Double] { peer.turns.map { latency($0).inTenths } }
        let ratios = PairedRatios(times(own), toBestOf: peers.map(times))
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
