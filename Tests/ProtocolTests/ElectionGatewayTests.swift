// A gateway that members come to know of while they run, or that takes the place of another: it counts from then on.
// And what its signs of life are for: whoever is cut off from the others is cut off from it, too.

import QureCore
import Simulator
import Testing

@Suite struct ElectionGatewayTests {
    @Test func `a gateway that is known later has three seconds to answer, and then is needed`() throws {
        var cluster = try ElectionTests.settled(2)
        cluster.run(10_000)
        #expect(cluster[1].gatewayHeard == nil && !cluster[1].isGatewayAsked)
        cluster.gateways = [2]
        for number in 1...2 { cluster.step(number, .gatewayNamed) }
        #expect(cluster[1].isGatewayAsked && cluster[2].isGatewayAsked)
        cluster.run(2900)
        #expect(cluster.master == 1 && cluster[2].gatewayHeard != nil)
        cluster.run(1500)
        #expect(cluster.master == 2 && cluster[2].lastTakeOver?.reason == "transfer")
    }

    @Test(arguments: [3, 10], [70, 100, 250])
    func `the order of succession stays as it is while all hear the gateway`(_ count: Int, _ interval: Int) throws {
        var cluster = SmallCluster(count) { number, configuration in
            ElectionTests.gatewayIsRequired(number, &configuration)
            configuration.interval = .milliseconds(interval)
            configuration.tolerance = .milliseconds(interval * 2)
        }
        cluster.gateways = Set(1...count)
        for number in 1...count {
            cluster.step(number, .start)
            // So that they say hello at different times.
            cluster.run(1000 + number * 370)
        }
        cluster.run(10_000)
        try #require(cluster.master == 1)
        let before = cluster.outputs[0].count
        cluster.run(30_000)
        let orders = cluster.outputs[0][before...].compactMap { output in
            if case .send(let message, .group) = output { message.successors } else { nil }
        }
        #expect(orders.count > 100 && Set(orders).count == 1)
    }

    @Test func `what a gateway said that is none any more is of no use`() throws {
        var cluster = try ElectionTests.settled(2, ElectionTests.gatewayIsRequired)
        cluster.gateways = [1, 2]
        cluster.run(3000)
        #expect(cluster[1].gatewayHeard != nil && cluster[2].gatewayHeard != nil)
        cluster.gateways = []
        for number in 1...2 {
            cluster.step(number, .gatewayNamed)
            #expect(cluster[number].gatewayHeard == nil)
        }
        // Nobody hears it, and everybody keeps what he has; then one does.
        cluster.run(5000)
        #expect(cluster.master == 1)
        cluster.gateways = [2]
        cluster.run(2000)
        #expect(cluster.master == 2)
    }

    @Test func `a member that waits to claim asks a gateway that it has just heard of at once, and claims`() throws {
        var cluster = try ElectionTests.settled(2, ElectionTests.gatewayIsRequired)
        cluster.gateways = [1]
        cluster.run(3000)
        cluster.cuts = [[1, 2], [2, 1]]
        cluster.run(1000)
        #expect(cluster[2].role == .suspecting && cluster.master == 1)
        cluster.gateways = [2]
        cluster.step(1, .leave(reason: "stopped"))
        let questions = cluster.outputs[1].count { $0 == .probeGateway }
        cluster.step(2, .gatewayNamed)
        #expect(cluster.outputs[1].count { $0 == .probeGateway } == questions + 1)
        cluster.run(1000)
        #expect(cluster[2].role == .master)
    }

    // MARK: Cut off

    /// Both ways between a member and the rest of three, and its way to the gateway.
    private static func cut(_ number: Int, _ cluster: inout SmallCluster) {
        for other in 1...3 where other != number { cluster.cuts.formUnion([[number, other], [other, number]]) }
        cluster.gateways.remove(number)
    }

    /// Three members that hear each other and the gateway, h1 being master.
    private static func connected() throws -> SmallCluster {
        var cluster = try ElectionTests.settled(3, ElectionTests.gatewayIsRequired)
        cluster.gateways = [1, 2, 3]
        cluster.run(5000)
        try #require(cluster.master == 1)
        return cluster
    }

    /// For so long, and the gateway's answer is the first to come when it is over.
    @Test(arguments: [250, 400, 700, 5000, 60_000])
    func `a standby that was cut off claims nothing while it is, and nothing when it is back`(time: Int) throws {
        var cluster = try Self.connected()
        Self.cut(2, &cluster)
        cluster.run(time)
        #expect(cluster.events(2).allSatisfy { $0.state != .claiming } && cluster.master == 1)
        cluster.cuts = []
        cluster.gateways.insert(2)
        cluster.step(2, .gatewayAnswered)
        cluster.run(2000)
        #expect(cluster.master == 1 && cluster[1].term == 1 && cluster[2].role == .standby)
    }

    /// The gateway may have answered between the last heartbeat and the cut.
    @Test func `a standby claims nothing, whenever it is cut off`() throws {
        for moment in stride(from: 0, to: 1100, by: 9) {
            var cluster = try Self.connected()
            cluster.run(moment)
            Self.cut(2, &cluster)
            cluster.run(1500)
            #expect(cluster[2].role == .suspecting, "cut off after \(moment) ms")
        }
    }

    @Test(arguments: [700, 5000, 60_000])
    func `a master that was cut off leaves the one that came after it in peace`(time: Int) throws {
        var cluster = try Self.connected()
        Self.cut(1, &cluster)
        cluster.run(time)
        let heir = try #require([2, 3].first { cluster[$0].role == .master })
        #expect(time < 4500 || cluster[1].role != .master)
        cluster.cuts = []
        cluster.gateways.insert(1)
        cluster.step(1, .gatewayAnswered)
        cluster.run(2000)
        #expect(cluster.master == heir && cluster[heir].term == 2 && cluster[1].role == .standby)
    }

    @Test func `of two parts the one without the gateway has no master`() throws {
        var cluster = try Self.connected()
        cluster.cuts = [[1, 2], [2, 1], [1, 3], [3, 1]]
        cluster.gateways = [1]
        cluster.run(6000)
        #expect(cluster[2].role == .suspecting && cluster[3].role == .suspecting && cluster.master == 1)
        cluster.cuts = []
        cluster.gateways = [1, 2, 3]
        cluster.run(2000)
        #expect(cluster.master == 1 && cluster[1].term == 1)
    }

    @Test func `where the gateway was away with the master, the next one claims soon after it is back`() throws {
        var cluster = try Self.connected()
        Self.cut(1, &cluster)
        cluster.gateways = []
        cluster.run(10_000)
        #expect(cluster[2].role == .suspecting && cluster[3].role == .suspecting)
        cluster.gateways = [2, 3]
        cluster.run(1000)
        #expect([2, 3].count { cluster[$0].role == .master } == 1)
    }

    @Test func `a master alone gives up also where it has handed over, and back, a moment ago`() throws {
        var cluster = try ElectionTests.settled(2, ElectionTests.gatewayIsRequired)
        cluster.gateways = [1, 2]
        cluster.run(3000)
        for number in 1...2 {
            cluster.step(number, .resign)
            cluster.run(500)
        }
        try #require(cluster.master == 1)
        cluster.cuts = [[1, 2], [2, 1]]
        cluster.gateways = [2]
        cluster.run(4500)
        #expect(cluster.master == 2 && cluster[1].role != .master)
    }

    @Test func `a term that was heard is kept like one's own`() throws {
        let cluster = try Self.connected()
        for number in 2...3 { #expect(cluster.outputs[number - 1].contains(.remember(term: 1))) }
    }
}
