// qure-simulate: plays many seeds of the simulated cluster, tells the story of one, looks for the first that breaks a
// promise, plays all small cases, or counts how often losses alone move the address.

import Glibc
import Simulator
import QureCore

@main enum SimulatorTool {
    private static let usage = """
        usage: qure-simulate seeds COUNT [FIRST]    play so many seeds; tell what was reached, and which failed
               qure-simulate seed NUMBER            tell the story of one
               qure-simulate first COUNT [FIRST]    play until one fails
               qure-simulate exhaustive [N OF]      play all small cases, or the N-th of OF parts of them
               qure-simulate loss HOSTS PERCENT [HOURS [INTERVAL TOLERANCE]]
                                                    how often the address moves for losses alone (milliseconds)
        Exits with 1 if a seed failed.
        """

    static func main() {
        let arguments = CommandLine.arguments.dropFirst(2).compactMap { UInt64($0) }
        guard arguments.count == CommandLine.arguments.count - 2 else { misused() }
        if CommandLine.arguments[1] == "exhaustive" {
            guard arguments.isEmpty || (arguments.count == 2 && 1...arguments[1] ~= arguments[0]) else { misused() }
            exit(playAll(part: Int(arguments.first ?? 1), of: Int(arguments.last ?? 1)))
        }
        guard let number = arguments.first else { misused() }
        let first = arguments.count > 1 ? arguments[1] : 1
        switch CommandLine.arguments[1] {
        case "seed": exit(tell(number))
        case "seeds": exit(play(count: number, from: first))
        case "first": exit(search(count: number, from: first))
        case "loss": exit(lose(Array(arguments)))
        default: misused()
        }
    }

    private static func misused() -> Never {
        print(usage)
        exit(64)
    }

    static func tell(_ seed: UInt64) -> Int32 {
        var simulation = Simulation(seed: seed, traces: true)
        simulation.run()
        for line in simulation.trace ?? [] { print(line) }
        return simulation.violations.isEmpty ? 0 : 1
    }

    static func search(count: UInt64, from first: UInt64) -> Int32 {
        for seed in first..<(first + count) {
            var simulation = Simulation(seed: seed)
            simulation.run()
            guard let violation = simulation.violations.first else { continue }
            print("seed \(seed): \(violation)")
            return 1
        }
        print("\(count) seeds, 0 failed")
        return 0
    }

    /// On every way from host to host, and then on every cable, which each such way has two of.
    static func lose(_ arguments: [UInt64]) -> Int32 {
        guard [2, 3, 5].contains(arguments.count), 2...32 ~= arguments[0], arguments[1] < 100 else { misused() }
        var setup = LossRun.Setup()
        setup.hosts = Int(arguments[0])
        if arguments.count == 5 {
            guard arguments[3] > 0, arguments[4] >= arguments[3] * 2, arguments[4] < 100_000 else { misused() }
            (setup.interval, setup.tolerance) = (.milliseconds(Int(arguments[3])), .milliseconds(Int(arguments[4])))
        }
        let hours = arguments.count > 2 ? arguments[2] : 1
        var status: Int32 = 0
        for name in ["ways", "cables"] {
            setup.lostOnWays = name == "ways" ? Int(arguments[1]) : 0
            setup.lostOnCables = name == "cables" ? Int(arguments[1]) : 0
            var run = LossRun(setup)
            for part in 0..<(hours * 6) { run.play(minutes: 10, seed: part + 1) }
            print(
                "\(setup.hosts) hosts, \(setup.interval)/\(setup.tolerance), \(arguments[1]) % lost on all \(name): "
                    + "\(run.takeOvers) take-overs in \(hours) hours, \(Int64(run.sent) / run.seconds) packets a second"
            )
            for violation in run.violations.prefix(5) { print(violation) }
            if !run.violations.isEmpty { status = 1 }
        }
        return status
    }

    static func playAll(part: Int, of parts: Int) -> Int32 {
        var exhaustive = Exhaustive(stride: parts, first: part - 1)
        exhaustive.run()
        for failure in exhaustive.failures.prefix(20) { print("case \(failure)") }
        let cases = exhaustive.cases.sorted { $0.key < $1.key }
        print(
            "\(cases.reduce(0) { $0 + $1.value }) cases, \(exhaustive.failures.count) failed; "
                + cases.map { "\($0.key): \($0.value)" }.joined(separator: ", "))
        return exhaustive.failures.isEmpty ? 0 : 1
    }

    static func play(count: UInt64, from first: UInt64) -> Int32 {
        var statistics = Simulation.Statistics()
        var failures = 0
        for seed in first..<(first + count) {
            var simulation = Simulation(seed: seed)
            simulation.run()
            statistics.add(simulation.statistics)
            for violation in simulation.violations.prefix(1) {
                failures += 1
                if failures <= 20 { print("seed \(seed): \(violation)") }
            }
        }
        print(
            "\(count) seeds, \(failures) failed; \(statistics.steps) steps, \(statistics.messages) messages,"
                + " \(statistics.sent) sent, \(statistics.repetitions) of them repeated heartbeats,"
                + " longest two holders \(statistics.longestTwoHolders / 1_000_000) ms,"
                + " longest nobody \(statistics.longestNobody / 1_000_000) ms"
        )
        print(
            "faults",
            statistics.faults.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
        print(
            "transitions",
            statistics.transitions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", "))
        print(
            "events",
            statistics.events.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
        return failures == 0 ? 0 : 1
    }
}
