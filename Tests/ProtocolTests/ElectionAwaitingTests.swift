// What waits for the next heartbeat: a standby wakes for those of its master, and does all that is in no hurry then.

import QureCore
import Simulator
import Testing

@Suite struct ElectionAwaitingTests {
    /// Two members of whom the second stands by, who ask for the gateway. A second is no multiple of the interval.
    private func pair() throws -> SmallCluster {
        try ElectionTests.settled(2) { number, configuration in
            ElectionTests.gatewayIsRequired(number, &configuration)
            configuration.interval = .milliseconds(70)
            configuration.tolerance = .milliseconds(140)
        }
    }

    private func questions(_ cluster: SmallCluster) -> Int {
        cluster.outputs[1].count { if case .probeGateway = $0 { true } else { false } }
    }

    @Test func `a standby says hello and asks for the gateway when it hears a heartbeat`() throws {
        var cluster = try pair()
        var beat = cluster.now
        let before = (hellos: cluster.said(2, .hello), questions: questions(cluster))
        for _ in 0..<10_000 {
            let last = (cluster.said(1, .heartbeat), cluster.said(2, .hello), questions(cluster))
            cluster.run(1)
            if cluster.said(1, .heartbeat) > last.0 { beat = cluster.now }
            let hasSpoken = cluster.said(2, .hello) > last.1 || questions(cluster) > last.2
            if hasSpoken { #expect(cluster.now - beat <= .milliseconds(1), "at \(cluster.now)") }
        }
        // Each waits for 70 ms at most.
        #expect((9...10).contains(cluster.said(2, .hello) - before.hellos))
        #expect((9...10).contains(questions(cluster) - before.questions))
    }

    @Test func `a standby that did not run for a while judges nobody before it has read all that came in`() throws {
        let cluster = try ElectionTests.settled(3)
        let heartbeats = cluster.outputs[0].compactMap { output in
            if case .send(let message, _) = output, message.kind == .heartbeat { message } else { nil }
        }
        var message = try #require(heartbeats.last), machine = cluster[2], random = SplitMix64(seed: 1)
        message.sequence += 1
        let outputs = machine.step(
            .heard(message, received: cluster.now + .milliseconds(100)), at: cluster.now + .seconds(6), using: &random)
        #expect(machine.members[SmallCluster.node(3)] != nil && outputs.isEmpty)
        // One that comes in time is waited for.
        machine = cluster[2]
        let next = cluster.now + .milliseconds(1100)
        #expect(!machine.step(.heard(message, received: next), at: next, using: &random).isEmpty)
    }

    @Test func `a heartbeat that does not come makes nothing wait for longer, and nobody late`() throws {
        var cluster = try pair()
        for _ in 0..<500 {
            cluster.run(2)
            var silent = cluster
            silent.cuts = [[1, 2], [2, 1]]
            let hellos = silent.said(2, .hello)
            // What has waited, when somebody else suspects the master, is none of this machine's lateness.
            silent.run(60)
            silent.step(2, .suspect)
            silent.run(140 - 60 + 30)
            #expect(silent.said(2, .claim) > 0, "silent from \(cluster.now) on")
            #expect(!silent.events(2).contains { $0.state == .quarantined })
            silent = cluster
            silent.cuts = [[1, 2], [2, 1]]
            silent.gateways = []
            silent.run(1070)
            #expect(silent.said(2, .hello) > hellos, "silent from \(cluster.now) on, without the gateway")
        }
    }

    /// How long after its last heartbeat a machine suspects its master.
    private func patience(of machine: Election, since heard: Instant) -> Duration {
        var machine = machine
        var random = SplitMix64(seed: 3)
        while machine.role == .standby, let due = machine.nextDeadline {
            _ = machine.step(.deadlinePassed, at: due, using: &random)
            if machine.role != .standby { return due - heard }
        }
        return .zero
    }

    @Test func `a standby that did not run for a while knows it, though heartbeats were there when it woke`() throws {
        let cluster = try pair()
        var later = cluster
        later.run(700)
        let beats = later.outputs[0].dropFirst(cluster.outputs[0].count).compactMap { output in
            if case .send(let message, .group) = output, message.kind == .heartbeat { message } else { nil }
        }
        try #require(beats.count >= 9)
        var machine = cluster[2]
        var random = SplitMix64(seed: 3)
        for beat in beats { _ = machine.step(.heard(beat, received: later.now), at: later.now, using: &random) }
        #expect(patience(of: machine, since: later.now) > .milliseconds(100), "a late machine doubts itself first")
        #expect(patience(of: later[2], since: later.now) < .milliseconds(80))
    }
}
