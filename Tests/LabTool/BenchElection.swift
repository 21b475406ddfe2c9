// The election's figures beside keepalived's: how long a client is without an answer when the holder dies or leaves,
// what it costs while nothing happens, and how often the address moves needlessly on a link that loses packets.

import Glibc
import Lab
import QureCore

/// Who competes in a row, each in a lab of its own, one after the other.
struct Setting: Sendable {
    var interval: Duration
    /// qure's tolerance; nil: keepalived.
    var tolerance: Duration?
    /// Whether keepalived asks whether the gateway is there, as qure does.
    var watchesGateway = false

    static let `default` = Setting(interval: .milliseconds(100), tolerance: .milliseconds(200))
    static let fast = Setting(interval: .milliseconds(10), tolerance: .milliseconds(20))
    static func keepalived(_ milliseconds: Int, watchesGateway: Bool = false) -> Setting {
        Setting(interval: .milliseconds(milliseconds), watchesGateway: watchesGateway)
    }

    func contestant(_ lab: Lab) throws -> any Contestant {
        guard let tolerance else { return Keepalived(lab, interval: interval, watchesGateway: watchesGateway) }
        return try Cluster(lab, interval: interval, tolerance: tolerance)
    }
}

/// A contestant at work in a lab.
final class ElectionBench {
    let lab: Lab
    let contestant: any Contestant
    let hosts: Int

    /// Starts it on all hosts and waits until one answers and all others are ready.
    init(_ setting: Setting, hosts: Int) throws {
        lab = try Lab(hosts: hosts)
        self.hosts = hosts
        contestant = try setting.contestant(lab)
        for host in 1...hosts { try contestant.start(host) }
        try settle()
    }

    /// Waits until one host has the address and all are ready; names the one.
    @discardableResult
    func settle() throws -> Int {
        var holder: Int?
        let isSettled = eventually(within: .seconds(20)) {
            guard let holders = try? lab.holders(), holders.count == 1 else { return false }
            holder = holders[0]
            return (1...hosts).allSatisfy(contestant.isReady)
        }
        guard isSettled, let holder else { throw LabError("\(contestant.name) does not settle: \(contestant.said)") }
        return holder
    }

    /// Does something to the holder while a client asks a thousand times a second, and tells what that one saw once
    /// another host answers.
    func measure(_ incident: (Int) throws -> Void) throws -> Meter.Report {
        let holder = try settle()
        let meter = try lab.startMeter()
        guard meter.waitForAnswer(by: holder) else { throw LabError("h\(holder) does not answer") }
        // At another point of the schedule each time, and after what there is to do for who has just come back.
        usleep(1_000_000 + UInt32.random(in: 0..<300_000))
        try incident(holder)
        guard meter.waitForAnswer(byOtherThan: holder) != nil else {
            throw LabError("\(contestant.name): no other host answers: \(contestant.said)")
        }
        usleep(100_000)
        return try meter.stop()
    }

    /// What all hosts together send in a second while nothing happens.
    func packets() throws -> Double {
        let counters = (1...hosts).map { "/sys/class/net/h\($0)/statistics/rx_packets" }.joined(separator: " ")
        func sent() throws -> Int {
            try lab.lan.must("cat \(counters)").split(separator: "\n").reduce(0) { $0 + (Int($1) ?? 0) }
        }
        // Past the announcements of the take-over, the greetings of all to all, and the kernels' own multicast reports
        // and solicitations.
        sleep(15)
        let before = try sent(), start = Clock.now
        sleep(10)
        return Double(try sent() - before) / ((Clock.now - start) / .seconds(1))
    }

    /// The processes of the contestant on a host.
    func processes(_ host: Int) -> [pid_t] {
        contestant.processNames.flatMap { lab.host(host).processes(named: $0) }
    }
}

extension Bench {
    // MARK: The holder dies, or leaves

    /// Host death at two paces, and a goodbye.
    mutating func measureFailover() throws {
        let deaths: [(Setting, Setting, Double, String)] = [
            (.default, .keepalived(100), 0.65, "at most 0.65x"), (.fast, .keepalived(10), 0.8, "at most 0.8x"),
        ]
        for (own, peer, ratio, target) in deaths {
            let bench = try ElectionBench(own, hosts: 3), other = try ElectionBench(peer, hosts: 3)
            let reports = try race([bench, other]) { bench, holder in try bench.lab.crash(.host(holder)) }
            let times = reports.map { $0.map(\.longestOutage).sorted() }
            try add(
                "host death, \(bench.contestant.name)", times[0], beside: (other.contestant.name, times[1]),
                target: target) { own, peer in own <= peer * ratio }
            if own.interval == Setting.default.interval {
                let calm = reports[0].filter { $0.ownDelay < .milliseconds(10) }.map(\.longestOutage).max() ?? .zero
                try add(
                    BenchRow(
                        what: "  the worst while the machine did not stall", median: "", worst: calm.figure,
                        target: "at most 250 ms", isMet: calm <= .milliseconds(250),
                        fields: [("worst_us", .integer(calm.microseconds))]))
            }
        }
        let bench = try ElectionBench(.default, hosts: 3), other = try ElectionBench(.keepalived(100), hosts: 3)
        let reports = try race([bench, other]) { bench, holder in bench.contestant.stop(holder) }
        let lost = reports.map { $0.map(\.lost).sorted() }
        try add(
            BenchRow(
                what: "goodbye: requests lost at 1 kHz", median: "\(lost[0].middle)", worst: "\(lost[0].last ?? 0)",
                beside: "\(other.contestant.name) \(lost[1].middle), at worst \(lost[1].last ?? 0)", target: "none",
                isMet: lost[0].last == 0,
                fields: [
                    ("median", .integer(Int64(lost[0].middle))), ("worst", .integer(Int64(lost[0].last ?? 0))),
                    ("peer_median", .integer(Int64(lost[1].middle))),
                ]))
    }

    /// The same incident for all, in turns. What has fallen is put up again.
    private func race(
        _ benches: [ElectionBench], _ incident: (ElectionBench, Int) throws -> Void
    ) throws -> [[Meter.Report]] {
        var reports = benches.map { _ in [Meter.Report]() }
        for _ in 0..<fewRounds {
            for (index, bench) in benches.enumerated() {
                var victim = 0
                reports[index].append(
                    try bench.measure { holder in
                        victim = holder
                        try incident(bench, holder)
                    })
                try bench.lab.boot(victim)
                try bench.contestant.start(victim)
                // Who was there before the fall has the address, and the one that has come back is ready.
                try bench.settle()
            }
        }
        return reports
    }

    // MARK: Two holders

    /// What the fence and the lease promise, seen from the link.
    mutating func measureLease() throws {
        try measureSuspension()
        try measureStalls()
        let once = { (setting: Setting, incident: (ElectionBench, Int) throws -> Void) throws -> Duration in
            let bench = try ElectionBench(setting, hosts: 3)
            let holder = try bench.settle()
            let witness = try bench.lab.startWitness()
            guard eventually(within: .seconds(5), { witness.holders == [.host(holder)] }) else {
                throw LabError("the witness does not see h\(holder)")
            }
            try incident(bench, holder)
            guard eventually(within: .seconds(10), { witness.holders.contains { $0 != .host(holder) } }) else {
                throw LabError("nobody takes over: \(bench.contestant.said)")
            }
            sleep(1)
            return try witness.stop().together
        }
        let cases: [(String, (ElectionBench, Int) throws -> Void)] = [
            ("elector and follower killed, link up", { bench, holder in bench.lab.kill(.host(holder)) }),
            ("all frozen, link up", { bench, holder in bench.lab.freeze(.host(holder)) }),
        ]
        for (what, incident) in cases {
            let own = try (0..<max(fewRounds / 3, 2)).map { _ in try once(.default, incident) }.sorted()
            let peer = try once(.keepalived(100), incident)
            try add(
                "two answer: \(what)", own, beside: ("keepalived", [peer]), target: "less than 100 ms and a trip",
                isMet: { _, _ in (own.last ?? .zero) <= .milliseconds(110) })
        }
    }

    /// The holder is suspended for ten seconds and goes on.
    private mutating func measureSuspension() throws {
        func run(_ setting: Setting) throws -> (together: Duration, outage: Duration) {
            let bench = try ElectionBench(setting, hosts: 3)
            let holder = try bench.settle()
            try bench.lab.suspend(.host(holder))
            sleep(10)
            let witness = try bench.lab.startWitness(), meter = try bench.lab.startMeter()
            guard meter.waitForAnswer(byOtherThan: holder) != nil else { throw LabError("nobody answers") }
            usleep(300_000)
            try bench.lab.resume(.host(holder))
            sleep(2)
            return (try witness.stop().together, try meter.stop().longestOutage)
        }
        let own = try (0..<max(fewRounds / 3, 2)).map { _ in try run(.default) }, peer = try run(.keepalived(100))
        try add(
            "two answer: suspended for 10 s, resumed", own.map(\.together).sorted(),
            beside: ("keepalived", [peer.together]), target: "less than 100 ms and a trip",
            isMet: { _, _ in own.allSatisfy { $0.together <= .milliseconds(110) } })
        try add(
            "  outage of the client on the resume", own.map(\.outage).sorted(), beside: ("keepalived", [peer.outage]),
            target: "less than 20 ms", isMet: { _, _ in own.allSatisfy { $0.outage < .milliseconds(20) } })
    }

    /// The holder's processes stall: shortly, and for longer than the tolerance.
    private mutating func measureStalls() throws {
        for (time, wanted) in [(90, 0), (240, 1)] {
            let bench = try ElectionBench(.default, hosts: 3)
            var moves: [Int] = []
            for _ in 0..<fewRounds {
                let holder = try bench.settle()
                let meter = try bench.lab.startMeter()
                _ = meter.waitForAnswer(by: holder)
                usleep(500_000 + UInt32.random(in: 0..<100_000))
                for process in bench.processes(holder) { kill(process, SIGSTOP) }
                usleep(UInt32(time) * 1000)
                for process in bench.processes(holder) { kill(process, SIGCONT) }
                sleep(1)
                moves.append(try meter.stop().answerers.count - 1)
            }
            try add(
                BenchRow(
                    what: "moves: the holder's processes stall for \(time) ms", median: "\(moves.sorted().middle)",
                    worst: "\(moves.min() ?? 0) to \(moves.max() ?? 0)", target: wanted == 0 ? "none" : "one",
                    isMet: moves.allSatisfy { $0 == wanted }))
        }
    }

    // MARK: While nothing happens

    /// Packets, processor time, memory and the evenness of the heartbeat.
    mutating func measureSteady() throws {
        for hosts in [2, 8, 32] {
            let rate = try ElectionBench(.default, hosts: hosts).packets()
            var row = BenchRow(
                what: "packets a second, \(hosts) hosts", median: rate.figure, target: "at most 22", isMet: rate <= 22,
                fields: [("per_second", .string(rate.figure))])
            if hosts == 2 {
                row.beside = "keepalived 100 ms \(try ElectionBench(.keepalived(100), hosts: 2).packets().figure)"
            }
            try add(row)
        }
        try measureCost()
        try measureJitter()
    }

    /// How much of a processor each group of processes takes for twenty seconds, with the programs that they run:
    /// percent.
    private static func shares(of groups: [[pid_t]]) -> [Double] {
        func times() -> [Duration] {
            groups.map { group in
                group.compactMap { ProcessCost(of: $0) }.map { $0.processorTime + $0.childrensTime }.reduce(.zero, +)
            }
        }
        let before = times(), start = Clock.now
        sleep(20)
        let passed = Clock.now - start
        return zip(times(), before).map { ($0 - $1) / passed * 100 }
    }

    /// Programs that do less than a member: what they do, and how `qure-lab beat` is asked for it.
    private static let beats: [(what: String, options: [String])] = [
        ("only sends as often", []), ("only seals and sends", ["--sealed"]),
        ("hears and asks as well, and decides nothing", ["--sealed", "--gateway", "192.168.1.1"]),
    ]

    /// In turns, each of another start: what a pair costs differs from one to the next.
    private mutating func measureCost() throws {
        // Where members hear them, programs that only send as much are measured as well.
        var beats = Self.beats.map { _ in [Double]() }
        func cost(_ setting: Setting) throws -> (share: Double, standby: Double, peak: Int) {
            let bench = try ElectionBench(setting, hosts: 2)
            let holder = try bench.settle()
            let processes = bench.processes(holder)
            sleep(4)
            let shares = Self.shares(of: [processes, bench.processes(3 - holder)])
            let peak = processes.compactMap { ProcessCost(of: $0)?.peakMemory }.reduce(0, +)
            if setting.tolerance != nil {
                for (index, (_, words)) in Self.beats.enumerated() {
                    let beat = try bench.lab.host(holder).start(["qure-lab", "beat", "eth0"] + words)
                    sleep(1)
                    beats[index].append(Self.shares(of: [[beat.pid]])[0])
                    beat.stop()
                }
            }
            return (shares[0], shares[1], peak)
        }
        let settings = [Setting.default, .keepalived(100), .keepalived(100, watchesGateway: true)]
        let turns = try (0..<max(fewRounds / 2, 3)).map { _ in try settings.map(cost) }
        func shares(_ setting: Int) -> [Double] { turns.map { $0[setting].share }.sorted() }
        func peak(_ setting: Int) -> Int { turns.map { $0[setting].peak }.max() ?? 0 }
        let medians = settings.indices.map { shares($0)[turns.count / 2] }
        func beside(_ peer: Int) -> String {
            "keepalived \(medians[peer].figure) % (\((medians[0] / medians[peer]).figure)x)"
        }
        try add(
            BenchRow(
                what: "processor of the holder's processes", median: "\(medians[0].figure) %",
                worst: "\((shares(0).last ?? 0).figure) %", beside: beside(1), target: "at most 1x",
                isMet: medians[0] <= medians[1],
                fields: [("percent", .string(medians[0].figure)), ("peer_percent", .string(medians[1].figure))]))
        try add(
            BenchRow(
                what: "  beside one that asks for the gateway, too", median: "\(medians[0].figure) %",
                beside: beside(2), fields: [("peer_percent", .string(medians[2].figure))]))
        let standby = [0, 1].map { setting in turns.map { $0[setting].standby }.sorted()[turns.count / 2] }
        try add(
            BenchRow(
                what: "  a standby's processes", median: "\(standby[0].figure) %",
                beside: "keepalived \(standby[1].figure) % (\((standby[0] / standby[1]).figure)x)",
                fields: [("percent", .string(standby[0].figure)), ("peer_percent", .string(standby[1].figure))]))
        for ((what, _), shares) in zip(Self.beats, beats) {
            let least = shares.sorted()[shares.count / 2]
            try add(
                BenchRow(
                    what: "  a C program that \(what)", median: "\(least.figure) %",
                    beside: "\((least / medians[1]).figure)x of keepalived",
                    fields: [("percent", .string(least.figure))]))
        }
        try add(
            BenchRow(
                what: "  resident at their peaks, together", median: "\(peak(0) / 1024) kB",
                beside: "keepalived \(peak(1) / 1024) kB", target: "less than 20480 kB",
                isMet: peak(0) < 20480 * 1024, fields: [("peak_bytes", .integer(Int64(peak(0))))]))
    }

    /// How even the heartbeat is while other programs want both processors.
    private mutating func measureJitter() throws {
        let bench = try ElectionBench(.default, hosts: 2)
        let holder = try bench.settle()
        let hogs = try (0..<2).map { _ in try LabProcess(["sh", "-c", "while :; do :; done"]) }
        let seconds = max(fewRounds * 2, 20)
        let dump = try bench.lab.observer.start(
            "timeout", "\(seconds)", "tcpdump", "-Z", "root", "-i", "eth0", "-tt", "-n", "-l", "--immediate-mode",
            "src host 192.168.1.\(20 + holder) and dst host 224.0.0.123 and udp[13] = 1")
        _ = dump.wait(within: .seconds(Int64(seconds + 10)))
        for hog in hogs { hog.send(SIGKILL) }
        let stamps = dump.lines.compactMap { Double($0.split(separator: " ").first ?? "") }
        guard stamps.count > seconds * 8 else { throw LabError("the observer hears \(stamps.count) heartbeats") }
        let late = zip(stamps, stamps.dropFirst()).map { abs($1 - $0 - 0.1) }.sorted()
        let worst = late[late.count * 999 / 1000]
        try add(
            BenchRow(
                what: "heartbeat's jitter beside two busy programs",
                median: (late[late.count / 2] * 1000).figure + " ms", worst: (worst * 1000).figure + " ms",
                beside: "worst: p99.9 of \(late.count)", target: "p99.9 below 25 ms", isMet: worst < 0.025,
                fields: [("p999_us", .integer(Int64(worst * 1e6)))]))
    }

    // MARK: A link that loses packets

    /// Every host's cable loses three frames of ten, both ways.
    mutating func measureLoss() throws {
        let minutes = 10
        let benches = try [
            (ElectionBench(.default, hosts: 3), 0), (ElectionBench(.default, hosts: 2), 1),
            (ElectionBench(.keepalived(100), hosts: 3), nil),
        ] as [(ElectionBench, Int?)]
        let witnesses = try benches.map { bench, _ in
            for host in 1...bench.hosts { try bench.lab.lose(30, .host(host)) }
            return try bench.lab.startWitness()
        }
        sleep(UInt32(minutes * 60))
        for (witness, (bench, limit)) in zip(witnesses, benches) {
            let moves = try witness.stop().moves
            let target = limit.map { $0 == 0 ? "none" : "at most \($0)" }
            try add(
                BenchRow(
                    what: "needless moves at 30 % loss, \(bench.hosts) hosts, \(bench.contestant.name)",
                    median: "\(moves) in \(minutes) min", target: target ?? "",
                    isMet: limit.map { moves <= $0 }))
        }
    }
}

extension [Int] {
    /// The middle one of sorted numbers.
    var middle: Int { isEmpty ? 0 : self[count / 2] }
}
