// Ten thousand seeds, each a story of faults in virtual time, and all small cases without chance, played by the release
// build of the simulator; the failure of a seed names the command that tells its story. A run that never reached some
// kind of fault, change or event proves nothing about it and fails as well.

import Glibc
import Lab
import Testing

@Suite(.serialized) struct SimulationTests {
    private static let seeds = getenv("QURE_SEEDS").flatMap { Int(String(cString: $0)) } ?? 10_000
    private static let program = "build/bin/qure-simulate"

    @Test func `every seed keeps every promise, and together they reach everything`() throws {
        try #require(access(Self.program, X_OK) == 0, "\(Self.program) is missing: make build")
        // One for each processor.
        let half = Self.seeds / 2
        let runs = [
            start([Self.program, "seeds", "\(half)", "1"]),
            start([Self.program, "seeds", "\(Self.seeds - half)", "\(half + 1)"]),
        ].map { $0.finish() }
        for run in runs {
            for line in run.output.split(separator: "\n") where line.hasPrefix("seed ") {
                let seed = line.dropFirst(5).prefix { $0.isNumber }
                Issue.record("\(line) (make simulate SEED=\(seed))")
            }
            #expect(run.status == 0, "\(run.output.suffix(300))")
        }
        let reached = runs.map(\.output).joined(separator: " ")
        for name in Self.mustBeReached {
            #expect(reached.contains("\(name)="), "'\(name)' was never reached")
        }
    }

    @Test func `all small cases keep every promise`() throws {
        try #require(access(Self.program, X_OK) == 0, "\(Self.program) is missing: make build")
        let runs = ["1", "2"].map { start([Self.program, "exhaustive", $0, "2"]) }.map { $0.finish() }
        var cases = 0
        for run in runs {
            for line in run.output.split(separator: "\n") where line.hasPrefix("case ") { Issue.record("\(line)") }
            #expect(run.status == 0, "\(run.output.suffix(300))")
            cases += run.output.split(separator: "\n").last?.split(separator: " ").first.flatMap { Int($0) } ?? 0
        }
        // Two and three hosts: pairs of faults on a grid, and every fate of seven datagrams after four faults.
        let faults = 39
        #expect(cases == 2 * (2 * 4 * faults * faults + 4 * 2187))
    }

    private static let mustBeReached = [
        "awake", "clone", "copies", "crash", "cutHost", "delays", "down", "flood", "freeze", "gatewayCut",
        "gatewayDown", "leave", "linkDown", "loss", "maintenance", "noAddress", "oldSnapshot", "oneWay",
        "oneWayLoss", "partition", "pause", "powerButton", "replay", "resign", "restart", "restore", "slowFollower",
        "snapshot", "suspend", "suspicion", "unhealthy",
        "claiming -> standby", "claiming -> master", "standby -> master", "transferring -> standby",
        "transferring -> goodbye", "transferring -> quarantined", "transferring -> master", "master -> standby",
        "master -> quarantined",
        "suspecting -> standby", "renamed", "unheard",
    ]
}
