// A gateway that members come to know of while they run, or that takes the place of another: it counts from then on.

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
        cluster.run(100)
        #expect(cluster[2].role == .master)
    }
}
