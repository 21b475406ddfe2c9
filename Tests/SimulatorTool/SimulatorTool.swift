// qure-simulate: plays many seeds of the simulated cluster on all processors, or tells the story of one.

import Glibc
import Simulator
import QureCore

@main enum SimulatorTool {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
        switch CommandLine.arguments.dropFirst().first {
        case "seed": exit(tell(arguments[0]))
        case "seeds": exit(play(count: arguments[0], from: arguments.count > 1 ? arguments[1] : 1))
        default:
            print("usage: qure-simulate seeds COUNT [FIRST] | seed NUMBER")
            exit(64)
        }
    }

    static func tell(_ seed: UInt64) -> Int32 {
        var simulation = Simulation(seed: seed, traces: true)
        simulation.run()
        for line in simulation.trace ?? [] { print(line) }
        return simulation.violations.isEmpty ? 0 : 1
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
                + " longest two holders \(statistics.longestTwoHolders / 1_000_000) ms"
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
