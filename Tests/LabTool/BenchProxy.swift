// What a query costs qure-dnsproxy, beside unbound and dnsmasq, which forward to the same named, and beside an echo
// that does nothing with a datagram but send it back. dnsperf asks; it has one processor, the servers the other one,
// and each is measured by its own accounting, in turns. Names are asked for once before it counts.

import Glibc
import Lab
import QureCore

extension Bench {
    /// A server under load.
    private struct Contestant {
        var name: String
        var port: Int
        var process: LabProcess
        var figures: [(cost: Double, user: Double, rate: Double, lost: Int)] = []

        var cost: Double { Self.median(figures.map(\.cost)) }
        var user: Double { Self.median(figures.map(\.user)) }
        var rate: Double { Self.median(figures.map(\.rate)) }

        private static func median(_ values: [Double]) -> Double {
            values.isEmpty ? 0 : values.sorted()[values.count / 2]
        }
    }

    private static let folder = "/run/qure-bench-proxy"
    private static let names = 10_000

    mutating func measureProxy() throws {
        for program in ["named", "unbound", "dnsmasq", "dnsperf", "taskset", "dig"] where !Toolbox.isInstalled(program)
        {
            throw LabError("\(program): not found: make deps")
        }
        // The loopback interface, and a /run of our own.
        try PrivateNamespace.prepare()
        try Self.writeFiles()
        let primary = try LabProcess(["named", "-f", "-n", "1", "-c", "\(Self.folder)/named.conf"])
        try Self.await(5300, "named")
        var contestants = try Self.start()
        for contestant in contestants where contestant.name != "echo" {
            try Self.await(contestant.port, contestant.name)
        }
        for index in contestants.indices { _ = try Self.load(&contestants[index], "-n 1 -q 50") }
        for (what, options, field) in [
            ("as fast as it answers", "-l 2 -q 400", "saturated"), ("20 000 a second", "-l 2 -Q 20000", "20000"),
            ("5 000 a second", "-l 2 -Q 5000", "5000"),
        ] {
            for index in contestants.indices { contestants[index].figures = [] }
            for _ in 0..<5 {
                for index in contestants.indices.shuffled() {
                    let figure = try Self.load(&contestants[index], options)
                    contestants[index].figures.append(figure)
                }
            }
            try report(what, field, contestants)
        }
        primary.stop()
        for contestant in contestants { contestant.process.stop() }
    }

    private mutating func report(_ what: String, _ field: String, _ contestants: [Contestant]) throws {
        guard let own = contestants.first else { return }
        for peer in contestants.dropFirst() {
            let ratio = own.cost / peer.cost
            let limit = field == "saturated" ? ["echo": 1.15, "unbound": 0.85][peer.name] : nil
            var row = BenchRow(
                what: what, median: "\(own.cost.figure) us", worst: "\(own.rate.figure) q/s",
                beside: "\(peer.name) \(peer.cost.figure) us (\(ratio.figure)x)",
                target: limit.map { "at most \($0.figure)x" } ?? "", isMet: limit.map { ratio <= $0 })
            row.fields = [
                ("load", .string(field)), ("peer", .string(peer.name)), ("cpu_ns", .integer(Int64(own.cost * 1000))),
                ("peer_cpu_ns", .integer(Int64(peer.cost * 1000))), ("user_ns", .integer(Int64(own.user * 1000))),
                ("rate", .integer(Int64(own.rate))), ("peer_rate", .integer(Int64(peer.rate))),
            ]
            try add(row)
        }
        let lost = own.figures.map(\.lost).reduce(0, +)
        var row = BenchRow(what: "  lost; user time", median: "\(lost)", worst: "\(own.user.figure) us", target: "0")
        row.isMet = lost == 0
        row.fields = [("load", .string(field)), ("lost", .integer(Int64(lost)))]
        try add(row)
    }

    private static func writeFiles() throws {
        try TextFile.makeDirectory(folder)
        func write(_ name: String, _ text: String) throws {
            try TextFile.replace("\(folder)/\(name)", with: Array(text.utf8))
        }
        let records = (0..<names).map { "n\($0) A 10.0.\($0 / 256).\($0 % 256)\n" }.joined()
        try write("b.db", "$TTL 3600\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n" + records)
        try write("queries", (0..<names).map { "n\($0).b.test A\n" }.joined())
        try write(
            "named.conf",
            """
            options {
                directory "\(folder)"; pid-file none; session-keyfile none; listen-on port 5300 { 127.0.0.1; };
                listen-on-v6 { none; }; recursion no; notify no;
            };
            controls { };
            logging { category default { null; }; };
            zone "b.test" { type primary; file "b.db"; };

            """)
        try write(
            "unbound.conf",
            """
            server:
                interface: 127.0.0.1@5302
                username: ""
                chroot: ""
                pidfile: ""
                directory: "\(folder)"
                num-threads: 1
                module-config: "iterator"
                do-daemonize: no
                do-not-query-localhost: no
                local-zone: "test." nodefault
            remote-control:
                control-enable: no
            forward-zone:
                name: "."
                forward-addr: 127.0.0.1@5300

            """)
    }

    /// All on the first processor.
    private static func start() throws -> [Contestant] {
        let own = [
            Executables.path("qure-dnsproxy"), "run", "--listen", "127.0.0.1:5301", "--upstream", "127.0.0.1:5300",
        ]
        let lines: [(String, [String])] = [
            ("qure-dnsproxy", own), ("unbound", ["unbound", "-c", "\(folder)/unbound.conf"]),
            (
                "dnsmasq",
                [
                    "dnsmasq", "-k", "-C", "/dev/null", "-p", "5303", "-a", "127.0.0.1", "-z", "-R", "-h", "-c",
                    "10000", "-0", "1000", "-S", "127.0.0.1#5300", "-u", "root", "--pid-file",
                ]
            ),
            ("echo", [Executables.path("qure-lab"), "echo", "5304"]),
        ]
        return try lines.enumerated().map { index, line in
            Contestant(name: line.0, port: 5301 + index, process: try LabProcess(["taskset", "1"] + line.1))
        }
    }

    private static func await(_ port: Int, _ name: String) throws {
        let isThere = eventually {
            run("dig @127.0.0.1 -p \(port) +short +time=1 +tries=1 n1.b.test A").output.contains("10.0.0.1")
        }
        guard isThere else { throw LabError("\(name) does not answer") }
    }

    /// What a process has used, in microseconds: in all, and in its own code.
    private static func used(_ pid: CInt) -> (all: Double, user: Double) {
        let threads = TextFile.names(in: "/proc/\(pid)/task")
        func words(_ file: String) -> [Double] {
            let text = (try? TextFile.read(file)) ?? []
            return text.split(separator: 32).map { Double(String(decoding: $0, as: UTF8.self)) ?? 0 }
        }
        let all = threads.map { words("/proc/\(pid)/task/\($0)/schedstat").first ?? 0 }.reduce(0, +)
        // Behind the name, which has a blank in none of these: hundredths of a second.
        let user = words("/proc/\(pid)/stat").dropFirst(13).first ?? 0
        return (all / 1000, user * 10_000)
    }

    /// Asks a server from the second processor.
    private static func load(
        _ contestant: inout Contestant, _ options: String
    ) throws -> (cost: Double, user: Double, rate: Double, lost: Int) {
        let before = used(contestant.process.pid)
        let target = "-s 127.0.0.1 -p \(contestant.port) -d \(folder)/queries"
        let output = run("taskset 2 dnsperf \(target) -c 4 \(options)").output
        let after = used(contestant.process.pid)
        func number(_ mark: String) -> Double? {
            output.split(separator: "\n").first { $0.contains(mark) }?.split(separator: ":").last?
                .split(separator: " ").first.flatMap { Double($0) }
        }
        guard let count = number("Queries completed"), count > 0, let rate = number("Queries per second") else {
            throw LabError("dnsperf: \(output)")
        }
        return (
            (after.all - before.all) / count, (after.user - before.user) / count, rate, Int(number("Queries lost") ?? 0)
        )
    }
}
