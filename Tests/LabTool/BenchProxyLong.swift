// qure-dnsproxy for long: 20 000 queries a second for many minutes, for names that are good for five seconds and some
// that there is no room for, while its configuration changes every few seconds and a notification comes every second.
// Nothing may be lost, no answer may be another name's, and the memory may not grow.

import Glibc
import Lab
import QureCore

extension Bench {
    /// Names that are asked for all the time; every tenth query is for one of all the others.
    private static let popular = 5000
    /// Seconds between two configurations.
    private static let pause = 3

    mutating func measureProxyLong() throws {
        let site = try ProxySite()
        defer { site.stop() }
        try ProxySite.write("brief", Self.queries())
        let port = ProxySite.Kind.own.port
        func configure(_ turn: Int) throws { try ProxySite.write("conf", Self.configuration(turn, port: port)) }
        try configure(0)
        let words = [Executables.path("qure-dnsproxy"), "run", "--config", "\(ProxySite.folder)/conf"]
        let process = try LabProcess(ProxySite.on(ProxySite.serving) + words)
        defer { process.stop() }
        try ProxySite.await(port, "qure-dnsproxy")
        let seconds = minutes * 60
        let load = ProxyLoad("brief", "-l \(seconds) -q 60 -c 4 -Q 20000")
        let run = load.begin(on: ProxyServer(name: "qure-dnsproxy", port: port, process: process))
        var examiner = try ProxyExaminer(port: port)
        var memory: [Int] = [], files: [Int] = []
        for second in 0..<(seconds - 1) {
            try examiner.examine(until: Clock.now + .seconds(1))
            examiner.notify()
            guard let cost = ProcessCost(of: process.pid) else { throw LabError("it has ended: \(process.errors)") }
            memory.append(cost.ownMemory)
            files.append(TextFile.names(in: "/proc/\(process.pid)/fd").count)
            guard second % Self.pause == Self.pause - 1 else { continue }
            try configure(second / Self.pause + 1)
            process.send(SIGHUP)
        }
        let figure = try run.finish()
        try report(figure, examiner, reloads: process.errors.split(separator: "\n").count { $0.contains("anew") })
        try report(memory, files, peak: ProcessCost(of: process.pid)?.peakMemory ?? 0)
    }

    /// Lines for ten seconds; then they come again.
    private static func queries() -> String {
        var lines: [String] = []
        for number in 0..<200_000 {
            let isRare = number % 10 == 9
            let name = Int.random(in: isRare ? popular..<ProxySite.briefNames : 0..<popular)
            lines.append("n\(name).c.test A\n")
        }
        return lines.joined()
    }

    /// Each differs from the one before, or nothing would be done.
    private static func configuration(_ turn: Int, port: Int) -> String {
        """
        listen 127.0.0.1:\(port)
        upstream 127.0.0.1:\(ProxySite.upstreamPort)
        alias \(ProxyExaminer.alias)=n1.c.test ask=127.0.0.1:\(ProxySite.upstreamPort)
        record turn.test 60 A 192.0.2.\(turn % 250)
        allow-notify 127.0.0.0/8
        state-dir \(ProxySite.folder)/own\(port)

        """
    }

    private mutating func report(_ figure: ProxyFigure, _ examiner: ProxyExaminer, reloads: Int) throws {
        let bad = figure.lost + figure.wrong + examiner.wrong
        try add(
            BenchRow(
                what: "lost; not NOERROR; another's", median: "\(figure.lost); \(figure.wrong); \(examiner.wrong)",
                worst: "\(figure.rate.figure) q/s", beside: "\(examiner.examined) answers were read", target: "0",
                isMet: bad == 0,
                fields: [
                    ("lost", .integer(Int64(figure.lost))), ("failed", .integer(Int64(figure.wrong))),
                    ("wrong", .integer(Int64(examiner.wrong))), ("examined", .integer(Int64(examiner.examined))),
                ]))
        try add(
            BenchRow(
                what: "configurations; notifications believed", median: "\(reloads); \(examiner.believed)",
                beside: "\(figure.cost.figure) us of processor for a query", target: "all",
                isMet: reloads >= (minutes * 60 - 1) / Self.pause && examiner.believed == examiner.notified,
                fields: [
                    ("reloads", .integer(Int64(reloads))), ("notifications", .integer(Int64(examiner.believed))),
                    ("cpu_ns", .integer(Int64(figure.cost * 1000))),
                ]))
    }

    /// The first tenth is for the memory to come to what it needs.
    private mutating func report(_ memory: [Int], _ files: [Int], peak: Int) throws {
        let part = max(memory.count / 10, 1)
        func middle(_ values: ArraySlice<Int>) -> Int { values.sorted()[values.count / 2] }
        let early = middle(memory.dropFirst(part).prefix(part)), late = middle(memory.suffix(part))
        let growth = Double(late) / Double(early)
        try add(
            BenchRow(
                what: "its own memory behind a tenth, at the end", median: "\(early / 1024) kB",
                worst: "\(late / 1024) kB", beside: "resident at its peak \(peak / 1024) kB",
                target: "at most 1.050x", isMet: growth <= 1.05,
                fields: [
                    ("early_bytes", .integer(Int64(early))), ("late_bytes", .integer(Int64(late))),
                    ("peak_bytes", .integer(Int64(peak))),
                ]))
        let early2 = files.prefix(part).max() ?? 0, late2 = files.suffix(part).max() ?? 0
        try add(
            BenchRow(
                what: "open files at first, at the end", median: "\(early2)", worst: "\(late2)", target: "no more",
                isMet: late2 <= early2 + 64, fields: [("files", .integer(Int64(late2)))]))
    }
}
