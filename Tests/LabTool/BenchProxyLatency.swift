// What a query costs, and how long its answer takes, when a given number of them comes each second.
//
// Who asks has only one processor for asking and listening, and half of the time that it sees passes there: an echo's
// answers take nearly as long. From turn to turn one and the same server differs by a tenth, and by more on a busy
// machine; two servers differ by less. So the turns are short and many, the ratios are those of turns side by side,
// with how sure they are (PairedRatios), and the proxy stands beside itself: what that ratio says is the noise. There
// are more turns until the noise is small, whatever the ratio to the peers is by then.
//
// The target is met where it is not sure that the proxy takes longer than the best of its peers, and sure that it does
// not take a tenth longer: on a machine that is too noisy to tell it is missed.

import Lab
import QureCore

extension Bench {
    /// Turns of half a second: how many are added at a time, and how many there are at most.
    private static let someTurns = 12, mostTurns = 60
    /// How far the proxy beside itself may seem to differ, from the least ratio to the greatest.
    private static let noise = 1.15
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
        let kinds = [ProxySite.Kind.own, .twin, .echo, .knotd, .nsd, .unbound, .dnsdist]
        let contestants = try kinds.map { kind in
            Contestant(name: kind.rawValue, server: try site.server(kind)) { turn in
                ProxyLoad("rate\(rate)-\(turn % parts)", "-n 1 -q 1000 -c 4 -Q \(rate)", hasLatency: true)
            }
        }
        var turns = kinds.map { _ in [ProxyFigure]() }
        repeat {
            for (index, figures) in try take(Self.someTurns, contestants).enumerated() { turns[index] += figures }
        } while !Self.isQuiet(turns[0], turns[1]) && turns[0].count < Self.mostTurns
        let figures = zip(kinds, turns).map { (name: $0.rawValue, figure: ProxyFigure(medianOf: $1)) }
        try report("\(rate) a second", figures, limits: ["knotd": 1])
        try reportLatency(rate, figures, turns.map { $0.map(\.latency) })
    }

    /// Whether what is the same hardly seems to differ.
    private static func isQuiet(_ own: [ProxyFigure], _ twin: [ProxyFigure]) -> Bool {
        let ratios = PairedRatios(own.map(\.latency), to: twin.map(\.latency))
        return ratios.high <= ratios.low * noise
    }

    /// The first three are the proxy, itself once more, and the echo; the others are its peers.
    private mutating func reportLatency(
        _ rate: Int, _ figures: [(name: String, figure: ProxyFigure)], _ latencies: [[Double]]
    ) throws {
        let own = figures[0].figure, twin = figures[1].figure, echo = figures[2].figure
        guard let best = figures.dropFirst(3).min(by: { $0.figure.latency < $1.figure.latency }) else { return }
        let ratios = PairedRatios(latencies[0], toBestOf: Array(latencies.dropFirst(3)))
        let noise = PairedRatios(latencies[0], to: latencies[1])
        try add(
            BenchRow(
                what: "  99 of 100 take at most", median: "\(own.latency.figure) us",
                worst: "\(ratios.middle.figure)x",
                beside: "\(best.name) \(best.figure.latency.figure) us; sure: \(ratios.range)",
                target: "no longer, sure to \(Self.longest.figure)x",
                isMet: ratios.low <= 1 && ratios.high <= Self.longest,
                fields: [
                    ("load", .string("\(rate)")), ("p99_us", .integer(Int64(own.latency))),
                    ("best", .string(best.name)), ("best_p99_us", .integer(Int64(best.figure.latency))),
                    ("ratio", .string(ratios.middle.figure)), ("ratio_low", .string(ratios.low.figure)),
                    ("ratio_high", .string(ratios.high.figure)),
                ]))
        try add(
            BenchRow(
                what: "  the noise, of \(latencies[0].count) turns: beside itself", median: "\(twin.latency.figure) us",
                worst: "\(noise.middle.figure)x", beside: "sure: \(noise.range); an echo \(echo.latency.figure) us",
                fields: [
                    ("load", .string("\(rate)")), ("turns", .integer(Int64(latencies[0].count))),
                    ("itself_p99_us", .integer(Int64(twin.latency))),
                    ("echo_p99_us", .integer(Int64(echo.latency))), ("noise", .string(noise.middle.figure)),
                    ("noise_low", .string(noise.low.figure)), ("noise_high", .string(noise.high.figure)),
                ]))
        try add(
            BenchRow(
                what: "  99 of 100, with the machine's stalls", median: "\(own.latencyOfAll.figure) us",
                beside: "\(best.name) \(best.figure.latencyOfAll.figure) us, an echo \(echo.latencyOfAll.figure) us",
                fields: [
                    ("load", .string("\(rate)")), ("all_p99_us", .integer(Int64(own.latencyOfAll))),
                    ("best", .string(best.name)), ("best_all_p99_us", .integer(Int64(best.figure.latencyOfAll))),
                    ("echo_all_p99_us", .integer(Int64(echo.latencyOfAll))),
                ]))
    }
}

extension PairedRatios {
    /// `0.962x to 1.081x`
    fileprivate var range: String { "\(low.figure)x to \(high.figure)x" }
}
