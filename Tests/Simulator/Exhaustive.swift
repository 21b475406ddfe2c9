// All small cases, without chance: clusters of two and three that have settled, and then, from that very state, every
// fault at every moment of a grid with every other fault at every later moment; and after the master has died every
// fate of the next datagrams: each arrives, or is lost, or comes late. Each case is a copy of the settled simulation
// that goes on by itself, is healed and must be calm in the end, as a seed's must.

import QureCore

package struct Exhaustive {
    /// How many cases were played, by their family.
    package private(set) var cases: [String: Int] = [:]
    /// The cases that broke a promise, and how.
    package private(set) var failures: [String] = []
    package private(set) var statistics = Simulation.Statistics()

    /// Every `stride`-th case, from `first` on: so several processes share the work.
    private let stride: Int
    private let first: Int
    private var counted = 0

    package init(stride: Int = 1, first: Int = 0) {
        self.stride = stride
        self.first = first
    }

    private static let millisecond = Simulation.millisecond

    package mutating func run() {
        for count in 2...3 {
            let settled = Simulation(settled: count)
            pairsOfFaults(settled)
            for fault in [Fault.crash(0), .freeze(0, time: 900 * Self.millisecond), .leave(0), .resign(0)] {
                fates(settled, after: fault, datagrams: 7)
            }
        }
    }

    // MARK: Two faults

    /// Each fault at each moment of a heartbeat's interval, alone and with each other fault at moments from the same
    /// instant to after the take-over.
    private mutating func pairsOfFaults(_ settled: Simulation) {
        let faults = Self.faults(settled.hosts.count)
        for offset: Int64 in [0, 53] {
            for one in faults {
                for gap: Int64 in [0, 90, 203, 420] {
                    for other in faults {
                        play("two faults") {
                            var simulation = settled
                            let time = simulation.now + offset * Self.millisecond
                            simulation.queue.insert(.fault(one), at: time)
                            simulation.queue.insert(.fault(other), at: time + gap * Self.millisecond)
                            let name = "\(one) at \(offset) ms, \(other) \(gap) ms later"
                            return (simulation, "\(settled.hosts.count) hosts, \(name)")
                        }
                    }
                }
            }
        }
    }

    /// What can happen to the master (the first host) and to its first successor, and to the link.
    private static func faults(_ count: Int) -> [Fault] {
        let short = 150 * millisecond, long = 700 * millisecond
        var faults: [Fault] = [.replay, .copies, .loss(30), .delays(60 * millisecond), .gatewayDown]
        for host in 0..<min(count, 2) {
            faults += [
                .crash(host), .freeze(host, time: short), .freeze(host, time: long),
                .pause(host, time: short, clockRunsOn: false), .pause(host, time: long, clockRunsOn: false),
                .pause(host, time: long, clockRunsOn: true), .cutHost(host), .oneWay(host, 1 - host), .leave(host),
                .maintenance(host, true), .unhealthy(host, true), .suspicion(host), .snapshot(host), .down(host),
                .clone(1 - host, from: host), .noAddress(host, true),
            ]
        }
        return faults + [.resign(0), .slowFollower(1, 150 * millisecond)]
    }

    // MARK: Every fate of what is said

    /// Each of the next datagrams arrives, is lost, or comes 120 ms late.
    private mutating func fates(_ settled: Simulation, after fault: Fault, datagrams: Int) {
        var combinations = 1
        for _ in 0..<datagrams { combinations *= 3 }
        for combination in 0..<combinations {
            play("fates after \(fault.name)") {
                var simulation = settled
                var rest = combination
                simulation.fates = (0..<datagrams).map { _ in
                    defer { rest /= 3 }
                    return [.arrives, .isLost, .isLate][rest % 3]
                }
                let fates = simulation.fates.map(\.rawValue).joined(separator: " ")
                simulation.apply(fault)
                return (simulation, "\(settled.hosts.count) hosts, \(fault), then \(fates)")
            }
        }
    }

    // MARK: Playing

    private mutating func play(_ family: String, _ make: () -> (Simulation, String)) {
        counted += 1
        guard counted % stride == first else { return }
        var (simulation, name) = make()
        simulation.play(for: 2 * Simulation.second)
        cases[family, default: 0] += 1
        statistics.add(simulation.statistics)
        if let violation = simulation.violations.first { failures.append("\(name): \(violation)") }
    }
}

extension Simulation {
    /// What becomes of a datagram on its way to one receiver, where it is not left to chance.
    enum Fate: String { case arrives, isLost, isLate }

    /// A cluster of so many hosts that has settled: the first one is master, the others stand by.
    init(settled count: Int) {
        self.init(
            seed: 1,
            settings: Settings(
                hosts: count, interval: .milliseconds(100), tolerance: .milliseconds(200), requiresGateway: true,
                preempts: false, duration: 0, faults: 0))
        start(0, after: 0)
        for index in 1..<count { start(index, after: Self.second) }
        run(until: 5 * Self.second)
        statistics = Statistics()
    }

    /// Goes on for `time` with what is planned, then heals everything, and must be calm in the end.
    mutating func play(for time: Int64) {
        run(until: now + time)
        heal()
        healedAt = now
        run(until: now + 7 * Self.second)
        judgeCalm()
    }
}
