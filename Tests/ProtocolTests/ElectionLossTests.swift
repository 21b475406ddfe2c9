// What a member of a cluster does where packets are lost, or its own time: the address must not move for it.

import QureCore
import Simulator
import Testing

@Suite struct ElectionLossTests {
    @Test func `a gateway that loses most questions is asked again in time`() throws {
        var cluster = try ElectionTests.settled(2, ElectionTests.gatewayIsRequired)
        for _ in 0..<20 {
            // The standby hears it all the while, and would be the heir.
            cluster.gateways = [2]
            cluster.run(2500)
            cluster.gateways = [1, 2]
            cluster.run(350)
        }
        #expect(cluster.master == 1 && cluster.said(1, .transfer) == 0)
    }

    @Test func `a gateway that is gone for good is asked once a second`() throws {
        var cluster = try ElectionTests.settled(2, ElectionTests.gatewayIsRequired)
        cluster.gateways = []
        cluster.run(4000)
        let before = cluster.outputs[0].count { $0 == .probeGateway }
        cluster.run(10000)
        #expect(9...11 ~= cluster.outputs[0].count { $0 == .probeGateway } - before)
    }

    @Test func `a master that hears nobody any more, though it is heard, lets go`() throws {
        var cluster = try ElectionTests.settled(2, ElectionTests.gatewayIsRequired)
        cluster.cuts = [[2, 1]]
        cluster.gateways = [2]
        cluster.run(6000)
        #expect(cluster.master == 2 && cluster[1].role != .master)
    }

    @Test func `a master alone that loses the gateway stays: there is nobody who might hear it`() throws {
        var cluster = try ElectionTests.settled(1, ElectionTests.gatewayIsRequired)
        cluster.gateways = []
        cluster.run(20000)
        #expect(cluster.master == 1)
    }

    @Test func `a suspected master answers all, and the one who asks once more`() throws {
        var cluster = try ElectionTests.settled(3)
        let before = cluster.outputs[0].count
        cluster.step(2, .suspect)
        cluster.run(1)
        let destinations = cluster.outputs[0].dropFirst(before).compactMap { output -> Election.Destination? in
            guard case .send(let message, let destination) = output, message.kind == .heartbeat else { return nil }
            return destination
        }
        #expect(destinations.contains(.group) && destinations.contains(.sender))
    }

    /// A member that has been master for a moment; nobody has told it yet that the address is here.
    private static func newMaster(_ random: inout SplitMix64) -> (machine: Election, now: Instant) {
        var machine = Election(
            Election.Configuration(cluster: 7, node: NodeID(rawValue: 1), session: 101, name: "h1", mac: mac(1)))
        var now = ms(0)
        _ = machine.step(.start, at: now, using: &random)
        while machine.role != .master, let due = machine.nextDeadline {
            now = due
            _ = machine.step(.deadlinePassed, at: now, using: &random)
        }
        return (machine, now)
    }

    @Test func `a machine that did not run while the address came gives it a second time to appear, and no third`() {
        var random = SplitMix64(seed: 1)
        var (machine, now) = Self.newMaster(&random)
        // Longer than the address may take, not longer than the lease is late.
        now = now + .milliseconds(228)
        _ = machine.step(.deadlinePassed, at: now, using: &random)
        #expect(machine.role == .master)
        var lucky = machine
        _ = lucky.step(.addressPresent(true), at: now, using: &random)
        for _ in 0..<20 {
            now = machine.nextDeadline ?? now
            _ = machine.step(.deadlinePassed, at: now, using: &random)
            if let due = lucky.nextDeadline { _ = lucky.step(.deadlinePassed, at: due, using: &random) }
            if machine.role != .master { break }
        }
        #expect(machine.role == .fault && lucky.role == .master)
    }
}
