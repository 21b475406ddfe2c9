// `qure-lab bench`: speed and size beside the tools that people use for the same thing, measured in one run, their
// turns interleaved, in private namespaces. A table for people; `--json` for those who keep figures.
// The figures are those of this machine as it is at this moment. What can be compared between machines is the ratio to
// the peer in the same row.

import ArgumentParser
import Lab
import QureCore

/// `qure-lab bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure speed and size beside ip, arping, ping, fping and keepalived. 1: a target was missed.")

    @Flag(name: .long, help: "Print records as JSON Lines, one object each.")
    var json = false

    @Option(
        help: """
            Rounds of what takes milliseconds; a twentieth of it for what takes seconds, and at most a third of it for \
            the latency of dnsproxy, until it is decided.
            """)
    var rounds = 200

    @Option(
        name: .customLong("row"),
        help: """
            Of dnsproxy: measure this alone; may be repeated. A number of queries a second takes five to nine minutes. \
             [default: all]
            """)
    var rows: [ProxyRow] = []

    @Option(help: "How long dnsproxy-long takes.")
    var minutes = 10

    @Argument(help: "What to measure.  [default: everything but loss and dnsproxy-long, which take ten minutes each]")
    var sections: [BenchSection] = BenchSection.allCases.filter { ![.loss, .dnsproxyLong].contains($0) }

    mutating func validate() throws {
        guard (10...100_000).contains(rounds) else {
            throw ValidationError("--rounds takes 10 to 100000, not \(rounds)")
        }
        guard (1...10_000).contains(minutes) else {
            throw ValidationError("--minutes takes 1 to 10000, not \(minutes)")
        }
    }

    func run() throws {
        try Namespaces.work {
            var bench = Bench(rounds: rounds, json: json)
            bench.proxyRows = Set(rows.isEmpty ? ProxyRow.allCases : rows)
            bench.minutes = minutes
            for section in BenchSection.allCases where sections.contains(section) {
                try bench.begin(section.title)
                try section.measure(&bench)
            }
            if bench.missed > 0 { throw Failure(.no, "\(bench.missed) of \(bench.judged) targets missed") }
        }
    }
}

/// What can be measured.
enum BenchSection: String, CaseIterable, ExpressibleByArgument {
    case start, probe, scan, claim, idle, takeover, failover, lease, steady, loss, messages, update, dnsproxy
    case dnsproxyLong = "dnsproxy-long"

    var title: String {
        switch self {
        case .start: "Start-up and size"
        case .probe: "One question to a live neighbour"
        case .scan: "Who is on a /24"
        case .claim: "Taking an address and telling the link"
        case .idle: "Doing nothing"
        case .failover: "The election: the holder dies, or leaves (three hosts, a client at 1 kHz)"
        case .lease: "The election: who should not answer any more"
        case .steady: "The election: while nothing happens"
        case .loss: "The election: cables that lose 30 % both ways"
        case .messages: "Reading and writing messages of the DNS"
        case .update: "Updates of the DNS, signed, with named as the server"
        case .dnsproxy: "The DNS proxy: its start, its memory, what a query costs, how long its answer takes"
        case .dnsproxyLong: "The DNS proxy: for long at 20 000 queries a second, while everything changes"
        case .takeover: "From the death of one host to the answer of the next (--fall 3 --interval 100ms)"
        }
    }

    func measure(_ bench: inout Bench) throws {
        switch self {
        case .start: try bench.measureStart()
        case .probe: try bench.measureProbe()
        case .scan: try bench.measureScan()
        case .claim: try bench.measureClaim()
        case .idle: try bench.measureIdle()
        case .takeover: try bench.measureTakeover()
        case .failover: try bench.measureFailover()
        case .lease: try bench.measureLease()
        case .steady: try bench.measureSteady()
        case .loss: try bench.measureLoss()
        case .messages: try bench.measureMessages()
        case .update: try bench.measureUpdate()
        case .dnsproxy: try bench.measureProxy()
        case .dnsproxyLong: try bench.measureProxyLong()
        }
    }
}

/// A figure: what was measured, what of it counts, and what it should be.
struct BenchRow {
    var what: String
    /// For people: `1.812 ms`.
    var median: String
    var worst = ""
    /// The peer's figure and the ratio to it.
    var beside = ""
    var target = ""
    /// Whether the target was met; nil: there is none.
    var isMet: Bool?
    /// The same for programs.
    var fields: [(name: String, value: JSONValue)] = []
}

/// The measuring and the table.
struct Bench {
    let rounds: Int
    private let json: Bool
    /// What is measured of the proxy, and for how many minutes it is watched.
    var proxyRows = Set(ProxyRow.allCases), minutes = 10
    private(set) var judged = 0
    private(set) var missed = 0

    init(rounds: Int, json: Bool) {
        self.rounds = rounds
        self.json = json
    }

    /// Rounds of what takes seconds.
    var fewRounds: Int { max(rounds / 20, 3) }
    /// Rounds of what takes seconds and is so noisy that it takes many: at most.
    var mostTurns: Int { max(rounds / 3, 6) }

    private static func line(_ row: BenchRow) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(width - text.count, 1))
        }
        let verdict = row.isMet.map { $0 ? "pass" : "MISS" } ?? ""
        let line =
            "  " + padded(row.what, 46) + padded(row.median, 13) + padded(row.worst, 13) + padded(row.beside, 38)
            + padded(row.target, 26) + verdict
        return String(line.reversed().drop { $0 == " " }.reversed())
    }

    /// The heading of a section.
    func begin(_ title: String) throws {
        guard !json else { return }
        let heading = BenchRow(what: "", median: "median", worst: "worst", beside: "beside", target: "target")
        try RecordWriter(json: false).write(Record("\n\(title)\n\(Self.line(heading))", []))
    }

    /// Prints a figure, and counts whether its target was met.
    mutating func add(_ row: BenchRow) throws {
        if let isMet = row.isMet {
            judged += 1
            missed += isMet ? 0 : 1
        }
        let common: [(name: String, value: JSONValue)] = [
            ("what", .string(row.what)), ("met", row.isMet.map { .boolean($0) } ?? .null),
        ]
        try RecordWriter(json: json).write(Record(Self.line(row), common + row.fields))
    }

    /// Runs all command lines so many rounds, in another order each time, because what runs before fills the caches,
    /// and returns their times, sorted.
    func race(_ lines: [String], rounds: Int, endingWith statuses: Set<Int> = [0]) throws -> [[Duration]] {
        let contestants = try lines.map { try Stopwatch($0) }
        // Once without counting: files are read, neighbours become known.
        for contestant in contestants { _ = try contestant.run(endingWith: statuses) }
        var times = lines.map { _ in [Duration]() }
        for _ in 0..<rounds {
            for index in contestants.indices.shuffled() {
                times[index].append(try contestants[index].run(endingWith: statuses))
            }
        }
        return times.map { $0.sorted() }
    }

    /// Adds the row of a command line's times (sorted) beside those of a peer. `target` says what is wanted, `isMet`
    /// judges the two medians.
    mutating func add(
        _ what: String, _ times: [Duration], beside peer: (what: String, times: [Duration])? = nil, target: String = "",
        isMet: ((_ own: Duration, _ peer: Duration) -> Bool)? = nil
    ) throws {
        let own = times.median
        var row = BenchRow(what: what, median: own.figure, worst: (times.last ?? .zero).figure, target: target)
        row.fields = [
            ("median_us", .integer(own.microseconds)), ("worst_us", .integer((times.last ?? .zero).microseconds)),
            ("rounds", .integer(Int64(times.count))),
        ]
        if let peer {
            let other = peer.times.median
            row.beside = "\(peer.what) \(other.figure) (\((own / other).figure)x)"
            row.fields += [("peer", .string(peer.what)), ("peer_median_us", .integer(other.microseconds))]
        }
        row.isMet = isMet.map { $0(own, peer?.times.median ?? .zero) }
        try add(row)
    }
}

extension [Duration] {
    /// The middle one of sorted times.
    var median: Duration { isEmpty ? .zero : self[count / 2] }
}

extension Duration {
    /// `1.812 ms`
    var figure: String { (Double(nanoseconds) / 1e6).figure + " ms" }
}

extension Double {
    /// Three digits behind the point for small numbers, fewer for large ones.
    var figure: String {
        let digits = self < 10 ? 3 : self < 100 ? 2 : 1
        let scale: Int64 = digits == 3 ? 1000 : digits == 2 ? 100 : 10
        let number = Int64((self * Double(scale)).rounded())
        let fraction = String(number % scale)
        return "\(number / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
