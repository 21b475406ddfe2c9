// Ten thousand seeds, each a story of faults in virtual time, and all small cases without chance, played by the release
// build of the simulator; the failure of a seed names the command that tells its story. A run that never reached some
// kind of fault, change or event proves nothing about it and fails as well.

import Glibc
import Lab
import Testing

@Suite(.serialized) struct SimulationTests {
    private static let seeds = getenv("QURE_SEEDS").flatMap { Int(String(cString: $0)) } ?? 10_000
    private static let sources = [
        "Sources/QureCore/Wire", "Sources/QureCore/Protocol", "Tests/Simulator", "Tests/SimulatorTool",
    ]
    private let program: String

    init() throws { program = try Toolbox.released("qure-simulate", builtFrom: Self.sources) }

    @Test func `every seed keeps every promise, and together they reach everything`() throws {
        // One for each processor.
        let half = Self.seeds / 2
        let runs = [
            start([program, "seeds", "\(half)", "1"]),
            start([program, "seeds", "\(Self.seeds - half)", "\(half + 1)"]),
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
        let runs = ["1", "2"].map { start([program, "exhaustive", $0, "2"]) }.map { $0.finish() }
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

    /// Nobody is ever gone: an hour of losses on every way, and on every cable, which each way has two of.
    @Test(arguments: [
        (hosts: "3", pace: ["100", "200"], percent: "30", ways: 0, cables: 0),
        // One in ten minutes.
        (hosts: "2", pace: ["100", "200"], percent: "30", ways: 6, cables: 6),
        // The quickest pace has time for a few questions only.
        (hosts: "3", pace: ["10", "20"], percent: "20", ways: 3, cables: 10),
    ])
    func `losses alone hardly ever move the address`(
        _ row: (hosts: String, pace: [String], percent: String, ways: Int, cables: Int)
    ) throws {
        let run = start([program, "loss", row.hosts, row.percent, "1"] + row.pace).finish()
        let counts = run.output.split(separator: "\n").compactMap { line in
            line.split(separator: ":").last?.split(separator: " ").first.flatMap { Int($0) }
        }
        try #require(run.status == 0 && counts.count == 2, "\(run.output)")
        #expect(counts[0] <= row.ways && counts[1] <= row.cables, "\(run.output)")
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
