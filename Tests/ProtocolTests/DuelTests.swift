// Duels: two to five hosts that run the shell loop on one simulated link. Together they must find a holder and not
// defeat each other for ever; whatever was lost, stopped, asleep, unplugged, split or crashed, exactly one holds the
// address once things are quiet; and two holders on a quiet link find out within seconds. A failure names the command
// that replays its seed.

import Glibc
import QureCore
import Simulator
import Testing

/// One run from its seed.
struct Duel {
    enum Fault: String, CaseIterable { case stop, sleep, crash, unplug, split, loss, reordering }

    let seed: UInt64
    let traces: Bool
    private var random: SplitMix64
    private var link: SimulatedLink<DuelFrame>
    private var hosts: [ShellLoop]
    private var now = ms(0)
    /// What ends a fault, and when.
    private var repairs: [(at: Instant, kind: Fault, host: Int)] = []
    private(set) var counts: [String: Int] = [:]
    private var turnsAtOnce = 0
    /// Since when two hosts have answered at once while nothing was wrong, and for how long at the longest.
    private var twoSince: Instant?
    private(set) var longestDouble = Duration.zero

    init(seed: UInt64, hosts count: Int? = nil, traces: Bool = false) {
        self.seed = seed
        self.traces = traces
        random = SplitMix64(seed: seed)
        let count = count ?? Int.random(in: 2...5, using: &random)
        link = SimulatedLink(hosts: count)
        // Most start within a few milliseconds of each other: the hard case.
        let spread = [Int64(1), 5, 50, 1000].randomElement(using: &random)! * 1_000_000
        hosts = []
        for number in 0..<count {
            let start = ms(0) + .nanoseconds(Int64.random(in: 0...spread, using: &random))
            hosts.append(ShellLoop(number, startsAt: start, seed: random.next()))
        }
    }

    /// The hosts that answer for the address now.
    var holders: [Int] { hosts.indices.filter { hosts[$0].answers(at: now) } }
    /// The hosts whose processes believe that they hold it.
    var believers: [Int] { hosts.indices.filter { hosts[$0].believes } }
    var brokeDeadlineLaw: Bool { turnsAtOnce >= 10_000 || hosts.contains { $0.brokeDeadlineLaw } }
    /// How often a fault of this kind came, or a claim reported this.
    func count(_ event: String) -> Int {
        hosts.reduce(counts[event, default: 0]) { $0 + $1.events.count { $0 == event } }
    }

    /// Lets time go by until `end`; a fault now and then, if they are `wanted`.
    mutating func run(until end: Instant, faults wanted: Bool = false) {
        var nextFault = wanted ? now + .milliseconds(Int.random(in: 0...4000, using: &random)) : nil
        while true {
            let wake = hosts.compactMap(\.nextDeadline).min()
            let nextRepair = repairs.map(\.at).min()
            let next = [wake, link.nextArrival, nextRepair, nextFault].compactMap { $0 }.min() ?? end
            guard next < end else { break }
            // A host that wants a turn again and again without time going by would keep this loop for ever.
            turnsAtOnce = next > now ? 0 : turnsAtOnce + 1
            guard turnsAtOnce < 10_000 else { break }
            now = max(now, next)
            if let due = nextFault, now >= due {
                fault()
                nextFault = now + .milliseconds(Int.random(in: 100...4000, using: &random))
            }
            for due in repairs where due.at <= now { repair(due.kind, due.host) }
            repairs.removeAll { $0.at <= now }
            while let (receiver, frame) = link.arrival(until: now) {
                let sends = hosts[receiver].receive(frame, at: now)
                send(sends, from: receiver)
            }
            for index in hosts.indices where hosts[index].nextDeadline.map({ $0 <= now }) == true {
                let before = hosts[index].events.count
                let sends = hosts[index].turn(at: now)
                for event in hosts[index].events[before...] { trace("host \(index + 1): \(event)") }
                send(sends, from: index)
            }
            measure()
        }
        now = max(now, end)
    }

    private mutating func send(_ sends: [DuelSend], from sender: Int) {
        for send in sends {
            link.send(
                DuelFrame(sender: sender, kind: send.kind), from: sender, to: send.receiver, at: now, using: &random)
        }
    }

    private mutating func measure() {
        let isQuiet = repairs.isEmpty && hosts.allSatisfy { now >= $0.stoppedUntil && now >= $0.asleepUntil }
        guard isQuiet, holders.count > 1 else {
            twoSince = nil
            return
        }
        let since = twoSince ?? now
        twoSince = since
        longestDouble = max(longestDouble, now - since)
    }

    // MARK: Faults

    private mutating func fault() {
        let kind = Fault.allCases.randomElement(using: &random)!
        let host = hosts.indices.randomElement(using: &random)!
        let scale = [20, 100, 500, 2000, 10_000].randomElement(using: &random)!
        let time = Duration.milliseconds(scale * Int.random(in: 1...10, using: &random) / 10 + 1)
        let end = now + time
        counts[kind.rawValue, default: 0] += 1
        trace("fault: \(kind.rawValue) of host \(host + 1) for \(time.text)")
        switch kind {
        case .stop: hosts[host].stop(until: end)
        case .sleep: hosts[host].sleep(until: end)
        case .crash: hosts[host].crash(until: end)
        case .unplug:
            hosts[host].setLink(false)
            repairs.append((end, kind, host))
        case .split:
            link.groups[host] = 1
            repairs.append((end, kind, host))
        case .loss:
            link.conduct.loss = [0.1, 0.3, 0.9].randomElement(using: &random)!
            repairs.append((end, kind, host))
        case .reordering:
            link.conduct.delay = 50_000...30_000_000
            link.conduct.copies = 0.2
            repairs.append((end, kind, host))
        }
    }

    private mutating func repair(_ kind: Fault, _ host: Int) {
        switch kind {
        case .unplug: hosts[host].setLink(true)
        case .split: link.groups[host] = 0
        case .loss: link.conduct.loss = 0
        case .reordering:
            link.conduct.delay = SimulatedLink<DuelFrame>.Conduct().delay
            link.conduct.copies = 0
        case .stop, .sleep, .crash: break
        }
        trace("over: \(kind.rawValue) of host \(host + 1)")
    }

    private func trace(_ text: String) {
        guard traces else { return }
        print("\((now - ms(0)).text) \(text); answering: \(holders.map { $0 + 1 })")
    }
}

@Suite struct DuelTests {
    /// One seed to replay with a trace, or how many to run.
    private static let replayed = number("QURE_SEED").map { UInt64($0) }
    private static let seeds = replayed.map { $0..<$0 + 1 } ?? 0..<UInt64(number("QURE_SEEDS") ?? 50)

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }

    private func fail(_ seed: UInt64, _ why: String) {
        Issue.record("\(why); replay with a trace: QURE_SEED=\(seed) swift test --filter DuelTests")
    }

    @Test func `hosts that start together have one holder within a second and never two`() {
        for seed in Self.seeds {
            var duel = Duel(seed: seed, traces: Self.replayed != nil)
            func fail(_ why: String) { self.fail(seed, why) }
            duel.run(until: ms(2000))
            if duel.holders.count != 1 { fail("after two seconds \(duel.holders.count) holders") }
            let holder = duel.holders
            duel.run(until: ms(10_000))
            if duel.holders != holder { fail("the address moved from \(holder) to \(duel.holders) without a reason") }
            if duel.longestDouble > .zero { fail("two holders for \(duel.longestDouble.text)") }
            if duel.count("taken") != 1 { fail("taken \(duel.count("taken")) times") }
            if duel.brokeDeadlineLaw { fail("a machine broke the law of deadlines") }
        }
    }

    @Test func `after any faults there is one holder, and two find out within seconds`() {
        var counts: [String: Int] = [:]
        let kinds = Duel.Fault.allCases.map(\.rawValue) + [
            "taken", "held by another", "rival", "conflict", "lost", "asleep", "unplugged", "reinstated",
        ]
        for seed in Self.seeds {
            var duel = Duel(seed: seed, traces: Self.replayed != nil)
            func fail(_ why: String) { self.fail(seed, why) }
            duel.run(until: ms(25_000), faults: true)
            // The last fault is over after ten seconds.
            duel.run(until: ms(40_000))
            if duel.holders.count != 1 || duel.believers != duel.holders {
                fail("at the end \(duel.holders) answer and \(duel.believers) believe that they hold the address")
            }
            let holder = duel.holders
            duel.run(until: ms(45_000))
            if duel.holders != holder { fail("the address moved from \(holder) to \(duel.holders) without a reason") }
            if duel.longestDouble > .milliseconds(2500) { fail("two holders for \(duel.longestDouble.text)") }
            if duel.brokeDeadlineLaw { fail("a machine broke the law of deadlines") }
            for kind in kinds { counts[kind, default: 0] += duel.count(kind) }
        }
        print("duels:", kinds.map { "\($0) \(counts[$0, default: 0])" }.joined(separator: ", "))
        guard Self.replayed == nil else { return }
        for kind in kinds { #expect(counts[kind, default: 0] > 0, "never reached: \(kind)") }
    }
}
