// How soon a proxy answers when it is started, and how much memory it has when its cache is full.

import Glibc
import Lab
import QureCore

extension Bench {
    /// From the call that starts a server to its first answer, about a name that it knows itself.
    mutating func measureProxyStart() throws {
        let kinds = [ProxySite.Kind.own, .dnsmasq, .knotd, .unbound]
        var times = kinds.map { _ in [Duration]() }
        for _ in 0..<max(fewRounds, 5) {
            for index in kinds.indices.shuffled() { times[index].append(try Self.timeToAnswer(kinds[index])) }
        }
        let own = times[0].sorted()
        for (kind, times) in zip(kinds, times).dropFirst() {
            try add(
                "from its start to its first answer", own, beside: (kind.rawValue, times.sorted()),
                target: "at most 15 ms", isMet: { own, _ in own <= .milliseconds(15) })
        }
    }

    private static func timeToAnswer(_ kind: ProxySite.Kind) throws -> Duration {
        let client = try ProxyClient(port: kind.port)
        let name = DomainName("first.test") ?? .root
        let start = Clock.now
        let process = try LabProcess(ProxySite.command(kind, port: kind.port))
        defer { process.stop() }
        // A port that nobody listens on says so at once.
        let isThere = eventually { client.addresses(of: name, within: .milliseconds(1))?.isEmpty == false }
        let time = Clock.now - start
        guard isThere else { throw LabError("\(kind.rawValue) does not answer: \(process.errors)") }
        return time
    }

    /// A proxy of its own, which has been asked for as many names as it has room for, and has done nothing else.
    mutating func measureProxyMemory() throws {
        let kind = ProxySite.Kind.own
        let process = try LabProcess(ProxySite.command(kind, port: kind.port))
        defer { process.stop() }
        try ProxySite.await(kind.port, kind.rawValue)
        let before = ProcessCost(of: process.pid)
        _ = try ProxyLoad("known", "-n 1 -q 50 -c 4").run(
            on: ProxyServer(name: kind.rawValue, port: kind.port, process: process))
        let status = run("qure-dnsproxy status --state-dir \(ProxySite.folder)/own\(kind.port)").output
        let words = status.split { $0 == " " || $0 == "\n" }
        let known = words.first { $0.hasPrefix("cache_entries=") }?.split(separator: "=").last.flatMap { Int($0) }
        guard let cost = ProcessCost(of: process.pid), let before, let known else {
            throw LabError("status: \(status)")
        }
        guard known >= ProxySite.names * 99 / 100 else { throw LabError("only \(known) names are known") }
        try add(
            BenchRow(
                what: "resident at its peak, with \(known) names", median: "\(cost.peakMemory / 1024) kB",
                beside: "at its start \(before.peakMemory / 1024) kB", target: "at most 16384 kB",
                isMet: cost.peakMemory <= 16_384 * 1024,
                fields: [("names", .integer(Int64(known))), ("peak_bytes", .integer(Int64(cost.peakMemory)))]))
    }
}
