// How often the address moves where nothing is wrong but that packets are lost: a cluster that has settled, and then
// the same loss all the time, without any other fault. Nobody is ever gone, so each take-over is a needless one.

import QureCore

/// Some hours of loss, and what came of it.
package struct LossRun {
    /// What the cluster and its link are like.
    package struct Setup {
        package var hosts = 3
        package var interval = Duration.milliseconds(100)
        package var tolerance = Duration.milliseconds(200)
        /// Percent lost on every way from one host to another, each by itself.
        package var lostOnWays = 0
        /// Percent lost in each direction of every host's cable: what is sent to all is lost for all.
        package var lostOnCables = 0
        package init() {}
    }

    /// Who became master though somebody was.
    package private(set) var takeOvers = 0
    /// Datagrams sent, one to all counted once.
    package private(set) var sent = 0
    /// The time that was played, in seconds.
    package private(set) var seconds: Int64 = 0
    package private(set) var violations: [Violation] = []

    private let setup: Setup

    package init(_ setup: Setup) { self.setup = setup }

    /// Plays some minutes more, with the numbers that follow from `seed`.
    package mutating func play(minutes: Int, seed: UInt64) {
        var simulation = Simulation(
            seed: seed,
            settings: .init(
                hosts: setup.hosts, interval: setup.interval, tolerance: setup.tolerance, requiresGateway: false,
                preempts: false, duration: 0, faults: 0))
        for index in simulation.hosts.indices { simulation.start(index, after: Int64(index) * Simulation.second) }
        simulation.run(until: Int64(setup.hosts + 10) * Simulation.second)
        let before = simulation.statistics
        simulation.network.loss = setup.lostOnWays
        simulation.network.cableLoss = setup.lostOnCables
        // By minutes: a simulation that runs long has a limit of steps.
        for _ in 0..<minutes {
            simulation.run(until: simulation.now + 60 * Simulation.second)
            sent += simulation.statistics.sent - before.sent
            takeOvers += simulation.statistics.takeOvers - before.takeOvers
            simulation.statistics = before
        }
        seconds += Int64(minutes) * 60
        violations += simulation.violations
    }
}
