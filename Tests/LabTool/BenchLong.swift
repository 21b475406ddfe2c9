// The figures of what runs for long: what waiting and holding cost, and how long an address is without a host when its
// holder dies.

import Glibc
import Lab
import QureCore

extension Bench {
    /// What `wait`, `hold` and `follow` cost while nothing happens, and `wait` while the link is full of others'
    /// traffic.
    mutating func measureIdle() throws {
        let lab = try Lab(hosts: 3, responders: false)
        let address = Lab.Plan.address, shared = Lab.Plan.shared
        let hold = try lab.host(1).start("qure-claim", "hold", "-i", "eth0", "--state-dir", "/run/bench1", shared)
        let wait = try lab.host(2).start("qure-probe", "wait", "--for", "silent", address.description)
        let events = "master term=1 lease=600s"
        let follow = try lab.host(3).start(
            "sh", "-c",
            "{ echo \(events); sleep 600; } | exec qure-claim follow -i eth0 --state-dir /run/bench3 192.168.1.12/24")
        let isThere = try eventually(within: .seconds(10)) {
            try lab.host(1).has(address) && lab.host(3).has(IPAddress("192.168.1.12") ?? address)
        }
        guard isThere else { throw LabError("the holders do not take their addresses: \(hold.errors)\(follow.errors)") }
        // Past the announcements that follow a take-over.
        sleep(4)
        guard let follower = lab.host(3).processes(named: "qure-claim").first else {
            throw LabError("qure-claim follow does not run")
        }
        let schedules = [
            (wait.pid, "qure-probe wait, 5 questions a second", 10.5, "2 for each question"),
            (hold.pid, "qure-claim hold", 10, "its own schedule"),
            (follower, "qure-claim follow", 10, "its own schedule"),
        ]
        let before = schedules.map { ProcessCost(of: $0.0) }
        let start = Clock.now
        sleep(UInt32(max(fewRounds, 5)))
        for (schedule, before) in zip(schedules, before) {
            try addCost(of: schedule.0, since: before, Clock.now - start, schedule.1, limit: schedule.2, schedule.3)
        }
        try measureFlood(lab, wait.pid)
        for process in [wait, hold] { process.stop() }
    }

    private mutating func addCost(
        of process: pid_t, since before: ProcessCost?, _ time: Duration, _ what: String, limit: Double, _ target: String
    ) throws {
        guard let before, let cost = ProcessCost(of: process) else { throw LabError("\(what): has ended") }
        let perSecond = Double(cost.wakeUps - before.wakeUps) / (time / .seconds(1))
        let share = (cost.processorTime - before.processorTime) / time
        try add(
            BenchRow(
                what: what, median: "\(perSecond.figure) /s", beside: "processor \((share * 100).figure) %",
                target: target,
                isMet: perSecond <= limit,
                fields: [
                    ("wake_ups_per_second", .string(perSecond.figure)), ("processor_share", .string(share.figure)),
                ]))
        try add(
            BenchRow(
                what: "  resident at its peak", median: "\(cost.peakMemory / 1024) kB",
                beside: "its own \(cost.ownMemory / 1024) kB, the executable the rest", target: "at most 8192 kB",
                isMet: cost.peakMemory <= 8192 * 1024,
                fields: [
                    ("peak_bytes", .integer(Int64(cost.peakMemory))), ("own_bytes", .integer(Int64(cost.ownMemory))),
                ]))
    }

    /// Fifty thousand frames of others a second on the link.
    private mutating func measureFlood(_ lab: Lab, _ wait: pid_t) throws {
        let link = try lab.stranger.inside { try RawLink(interface: "eth0") }
        let frames = (0..<64).map { number -> [UInt8] in
            let mac = MACAddress(rawValue: 0x02bb_0000_0000 + UInt64(number))
            let ip = IPv4Address(rawValue: 0xc0a8_0180 + UInt32(number))
            var question = WireWriter()
            ARPPacket(
                operation: .request, sender: .init(mac, ip),
                target: .init(.zero, IPv4Address(rawValue: ip.rawValue + 1))
            )
            .write(to: &question)
            return RawLink.frame(from: mac, type: PacketSocket.EtherType.arp.rawValue, question.bytes)
        }
        let before = ProcessCost(of: wait)
        let flood = Flood(link, frames, perSecond: 50_000)
        sleep(3)
        let (count, time) = flood.stop()
        let rate = Int(Double(count) / (time / .seconds(1)))
        try addCost(
            of: wait, since: before, time, "the same beside \(rate) foreign broadcasts a second", limit: 10.5,
            "as without them")
    }

    /// Two hosts with qure-standby; the holder's cable is pulled, or it is suspended.
    mutating func measureTakeover() throws {
        let count = max(rounds / 20, 3)
        for (what, byCable) in [("its cable is cut", true), ("it is suspended", false)] {
            var outages: [Duration] = []
            for _ in 0..<count { outages.append(try takeover(byCable: byCable)) }
            try add(
                "outage of the client, \(what)", outages.sorted(), target: "at most 450 ms",
                isMet: { median, _ in median <= .milliseconds(450) })
        }
    }

    private func takeover(byCable: Bool) throws -> Duration {
        let lab = try Lab(hosts: 2)
        let standby = try Toolbox.path(of: "qure-standby")
        func start(_ host: Int) throws -> LabProcess {
            try lab.host(host).start(
                standby, "--interval", "100ms", "--fall", "3", "-i", "eth0", "--state-dir", "/run/bench\(host)",
                Lab.Plan.shared)
        }
        let first = try start(1)
        let meter = try lab.startMeter()
        guard meter.waitForAnswer(by: 1, within: .seconds(15)) else {
            throw LabError("h1 does not answer: \(first.errors)")
        }
        let second = try start(2)
        // Long enough that the second has seen the first, and at another point of its schedule each time.
        usleep(1_000_000 + UInt32.random(in: 0..<100_000))
        if byCable { try lab.cut(1) } else { try lab.suspend(.host(1)) }
        guard meter.waitForAnswer(by: 2, within: .seconds(15)) else {
            throw LabError("h2 does not answer: \(second.errors)")
        }
        return try meter.stop().longestOutage
    }
}
