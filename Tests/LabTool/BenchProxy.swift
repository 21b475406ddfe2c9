// What a query costs qure-dnsproxy, beside unbound, dnsdist and dnsmasq, which ask the same server, beside knotd and
// nsd, which have the zone itself, and beside an echo that does nothing with a datagram but send it back. dnsperf asks;
// it has one processor, the servers the other one, and each is measured by its own accounting, in turns. Names are
// asked for once before it counts. How long answers take at a given rate is BenchProxyLatency.

import ArgumentParser
import Glibc
import Lab
import QureCore

/// What can be measured of the proxy.
enum ProxyRow: String, CaseIterable, ExpressibleByArgument {
    case start, memory, saturated, alias
    /// So many queries a second.
    case rate5000 = "5000", rate20000 = "20000", rate50000 = "50000"
    case misses, streams, workers
}

extension Bench {
    /// Somebody under a load.
    struct Contestant {
        var name: String
        var server: ProxyServer
        /// The load of each turn.
        var load: (Int) throws -> ProxyLoad
    }

    static let turns = 5

    mutating func measureProxy() throws {
        let site = try ProxySite()
        defer { site.stop() }
        for row in ProxyRow.allCases where proxyRows.contains(row) {
            switch row {
            case .start: try measureProxyStart()
            case .memory: try measureProxyMemory()
            case .saturated: try measureProxySaturated(site)
            case .alias: try measureProxyAlias(site)
            case .rate5000: try measureProxyRate(site, 5000)
            case .rate20000: try measureProxyRate(site, 20_000)
            case .rate50000: try measureProxyRate(site, 50_000)
            case .misses: try measureProxyMisses(site)
            case .streams: try measureProxyStreams(site)
            case .workers: try measureProxyWorkers(site)
            }
        }
    }

    // MARK: Loads

    /// As many answers as there can be.
    private mutating func measureProxySaturated(_ site: ProxySite) throws {
        let load = ProxyLoad("known", "-l 2 -q 400 -c 4")
        let figures = try race([.own, .echo, .unbound, .dnsdist, .dnsmasq, .nsd].map { try contestant($0, site, load) })
        try report("as fast as it answers", figures, limits: ["echo": 1.15, "unbound": 0.85, "dnsdist": 0.8])
        let user = figures[0].figure.user
        try add(
            BenchRow(
                what: "  of that in its own code", median: "\(user.figure) us", target: "at most 0.700 us",
                isMet: user <= 0.7, fields: [("user_ns", .integer(Int64(user * 1000)))]))
    }

    /// The name that has another one's addresses, beside names that are known.
    private mutating func measureProxyAlias(_ site: ProxySite) throws {
        let options = "-l 2 -q 400 -c 4"
        let figures = try race([
            contestant(.own, site, ProxyLoad("alias", options)), contestant(.own, site, ProxyLoad("known", options)),
        ])
        let known = (name: "a known name", figure: figures[1].figure)
        // It is the same way through the code: what is between them is the noise of the measurement.
        try report("the name of an alias", [figures[0], known], limits: [known.name: 1.05])
    }

    /// Names that nobody has asked for: each turn has others.
    private mutating func measureProxyMisses(_ site: ProxySite) throws {
        let count = 15_000
        for turn in 0...Self.turns {
            try ProxySite.write("new\(turn)", (0..<count).map { "t\(turn)n\($0).w.test A\n" }.joined())
        }
        let contestants = try [ProxySite.Kind.own, .unbound].map { kind in
            let server = try site.server(kind)
            _ = try ProxyLoad("new\(Self.turns)", "-n 1 -q 50 -c 4").run(on: server)
            return Contestant(name: kind.rawValue, server: server) { ProxyLoad("new\($0)", "-n 1 -q 50 -c 4") }
        }
        try report("names that are not known", try race(contestants), limits: ["unbound": 1])
    }

    /// A hundred connections, on each of which questions follow each other without waiting.
    private mutating func measureProxyStreams(_ site: ProxySite) throws {
        let load = ProxyLoad("known", "-m tcp -l 1 -q 1000 -c 100")
        let contestants = try [ProxySite.Kind.own, .unbound, .dnsdist].map { kind in
            // Known once more: names that were not may have taken their place, and nobody may wait for a thousand.
            _ = try ProxyLoad("known", "-n 1 -q 50 -c 4").run(on: site.server(kind))
            return try contestant(kind, site, load)
        }
        let figures = try race(contestants)
        try report("a hundred connections", figures, limits: ["unbound": 1])
    }

    /// With two workers, twice the work should be done. Where the asker has no processor left to follow, what counts is
    /// what a query costs: as many queries fit into two processors.
    private mutating func measureProxyWorkers(_ site: ProxySite) throws {
        let load = ProxyLoad("known", "-l 1 -q 400 -c 64")
        let figures = try race([.own, .pair].map { try contestant($0, site, load) })
        let one = figures[0].figure, two = figures[1].figure
        let rates = two.rate / one.rate, capacity = 2 * one.cost / two.cost
        let processors = sysconf(CInt(_SC_NPROCESSORS_ONLN))
        try add(
            BenchRow(
                what: "two workers: what two processors can do", median: "\(capacity.figure)x",
                beside: "rate \(rates.figure)x, \(two.rate.figure) q/s, on \(processors) processors",
                target: "at least 1.700x", isMet: capacity >= 1.7,
                fields: [
                    ("load", .string("workers")), ("capacity", .string(capacity.figure)),
                    ("rate", .string(rates.figure)), ("processors", .integer(Int64(processors))),
                    ("lost", .integer(Int64(two.lost))),
                ]))
    }

    func contestant(_ kind: ProxySite.Kind, _ site: ProxySite, _ load: ProxyLoad) throws -> Contestant {
        Contestant(name: kind.rawValue, server: try site.server(kind)) { _ in load }
    }

    /// The medians of several turns of each.
    func race(_ contestants: [Contestant]) throws -> [(name: String, figure: ProxyFigure)] {
        zip(contestants, try take(Self.turns, contestants)).map { ($0.name, ProxyFigure(medianOf: $1)) }
    }

    /// The figures of so many turns of each; in each turn they come in another order.
    func take(_ turns: Int, _ contestants: [Contestant]) throws -> [[ProxyFigure]] {
        var figures = contestants.map { _ in [ProxyFigure]() }
        for turn in 0..<turns {
            for index in contestants.indices.shuffled() {
                figures[index].append(try contestants[index].load(turn).run(on: contestants[index].server))
            }
        }
        return figures
    }

    /// A row for each peer of the first one, and one for what went wrong.
    mutating func report(
        _ what: String, _ figures: [(name: String, figure: ProxyFigure)], limits: [String: Double]
    ) throws {
        guard let own = figures.first?.figure else { return }
        for (name, peer) in figures.dropFirst() {
            let ratio = own.cost / peer.cost
            let limit = limits[name]
            var row = BenchRow(
                what: what, median: "\(own.cost.figure) us", worst: "\(own.rate.figure) q/s",
                beside: "\(name) \(peer.cost.figure) us (\(ratio.figure)x), \(peer.rate.figure) q/s",
                target: limit.map { "at most \($0.figure)x" } ?? "", isMet: limit.map { ratio <= $0 })
            row.fields = [
                ("load", .string(what)), ("peer", .string(name)), ("cpu_ns", .integer(Int64(own.cost * 1000))),
                ("peer_cpu_ns", .integer(Int64(peer.cost * 1000))), ("user_ns", .integer(Int64(own.user * 1000))),
                ("rate", .integer(Int64(own.rate))), ("peer_rate", .integer(Int64(peer.rate))),
            ]
            try add(row)
        }
        try add(
            BenchRow(
                what: "  lost; not NOERROR", median: "\(own.lost); \(own.wrong)", target: "0",
                isMet: own.lost + own.wrong == 0,
                fields: [
                    ("load", .string(what)), ("lost", .integer(Int64(own.lost))), ("wrong", .integer(Int64(own.wrong))),
                ]))
    }
}
