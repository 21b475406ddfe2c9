// What an heir does whose followers need long to put the address there: the old master serves until it is there, or for
// as long as an heir may take.

import QureCore
import Simulator
import Testing

@Suite struct ElectionHeirTests {
    /// A master and an heir whose followers need so long.
    private static func slow(_ time: Duration, interval: Int = 100, tolerance: Int = 200) throws -> SmallCluster {
        var cluster = try ElectionTests.settled(2) { _, configuration in
            configuration.interval = .milliseconds(interval)
            configuration.tolerance = .milliseconds(tolerance)
        }
        cluster.slowFollowers = [2: time]
        return cluster
    }

    /// A hand-over to a member that has not heard of it yet, and the time at which it was said.
    private static func handOver() throws -> (Election, ElectionMessage, now: Instant, SplitMix64) {
        var cluster = try ElectionTests.settled(2)
        cluster.step(1, .resign)
        let transfers = cluster.outputs[0].compactMap { output -> ElectionMessage? in
            guard case .send(let message, _) = output, message.kind == .transfer else { return nil }
            return message
        }
        return (cluster[2], try #require(transfers.last), cluster.now, SplitMix64(seed: 1))
    }

    @Test(arguments: [Election.Input.leave(reason: "stopped"), .maintenance(true), .sleep, .powerButton])
    func `a master that has time serves until its slow heir has the address`(_ input: Election.Input) throws {
        for time in [30, 90, 110, 180] {
            var cluster = try Self.slow(.milliseconds(time))
            cluster.step(1, input)
            // In no millisecond does nobody have it.
            for _ in 0..<300 {
                cluster.run(1)
                #expect(cluster.has(1) || cluster.has(2), "after \(time) ms, \(input)")
            }
            #expect(cluster.has(2) && !cluster.has(1) && cluster[2].role == .master && cluster[1].role != .master)
        }
    }

    /// It takes over from nobody yet, whatever its priority.
    @Test func `a member that is still joining is no heir while another one follows`() throws {
        var cluster = SmallCluster(3) { number, configuration in if number == 3 { configuration.priority = 200 } }
        cluster.step(1, .start)
        cluster.run(1000)
        cluster.step(2, .start)
        cluster.run(9500)
        try #require(cluster.master == 1 && cluster[2].role == .standby)
        cluster.step(3, .start)
        func known() -> Election.Member? { cluster[1].members[SmallCluster.node(3)] }
        for _ in 0..<1000 where known()?.isEligible != true { cluster.run(1) }
        try #require(known()?.role == .joining)
        cluster.cuts = [[1, 3], [3, 1]]
        cluster.step(1, .leave(reason: "stopped"))
        for _ in 0..<200 {
            cluster.run(1)
            #expect(cluster.has(1) || cluster.has(2))
        }
        #expect(cluster.has(2) && !cluster.has(1) && cluster[2].role == .master)
    }

    @Test func `a quick pace: the heir says nothing for several intervals`() throws {
        var cluster = try Self.slow(.milliseconds(45), interval: 20, tolerance: 60)
        cluster.step(1, .resign)
        let heartbeats = cluster.said(2, .heartbeat)
        cluster.run(44)
        #expect(cluster[1].role == .transferring && cluster.said(2, .heartbeat) == heartbeats && cluster.has(1))
        cluster.run(4)
        #expect(cluster.said(2, .acknowledgement) == 2 && cluster.has(2))
        cluster.run(50)
        #expect(cluster.master == 2 && !cluster.has(1))
    }

    @Test func `a master that resigns stays where its heir is too slow, and the heir stands by again`() throws {
        var cluster = try Self.slow(.milliseconds(190))
        cluster.step(1, .resign)
        cluster.run(300)
        #expect(cluster.has(1) && !cluster.has(2) && cluster.master == 1 && cluster[1].term == 1)
        #expect(cluster[2].role == .standby && cluster[2].master?.standing.node == SmallCluster.node(1))
        let last = try #require(cluster.events(2).last)
        #expect(last.state == .standby && last.term == 1 && last.reason == "not-acknowledged")
        // Nothing has come of it; and it is asked again.
        cluster.run(3000)
        #expect(cluster.master == 1)
        cluster.slowFollowers = [:]
        cluster.step(1, .resign)
        cluster.run(200)
        #expect(cluster.master == 2)
    }

    @Test func `an heir without the address deposes nobody: a master that was asked to resign stays`() throws {
        var cluster = try ElectionTests.settled(2)
        cluster.deadFollowers = [2]
        cluster.step(1, .resign)
        cluster.run(1000)
        #expect(cluster.has(1) && cluster.master == 1 && cluster[1].term == 1)
    }

    @Test func `a master that must go goes, and the heir speaks up before it has the address`() throws {
        var cluster = try Self.slow(.milliseconds(150))
        cluster.step(1, .healthy(false, reason: "check"))
        cluster.run(49)
        #expect(cluster[1].role == .transferring && cluster.said(2, .heartbeat) == 0)
        cluster.run(3)
        #expect(cluster[1].role == .fault && cluster[2].role == .master && cluster.said(2, .heartbeat) > 0)
        cluster.run(120)
        #expect(cluster.has(2) && cluster.said(2, .claim) == 0)
    }

    @Test func `a master that dies while it hands over is followed by its heir, once the address is there`() throws {
        var cluster = try ElectionTests.settled(3)
        cluster.slowFollowers = [2: .milliseconds(150)]
        cluster.step(1, .resign)
        cluster.cuts = [[1, 2], [2, 1], [1, 3], [3, 1]]
        cluster.cuts.remove([1, 2])
        cluster.run(1)
        cluster.cuts.insert([1, 2])
        cluster.run(200)
        #expect(cluster[2].role == .master && cluster.has(2))
        #expect(cluster[3].master?.standing.node == SmallCluster.node(2))
    }

    @Test(arguments: [Election.Input.healthy(false, reason: "check"), .maintenance(true), .leave(reason: "stopped")])
    func `an heir that something keeps from it before it is there lets the old master stay`(
        _ input: Election.Input
    ) throws {
        var cluster = try Self.slow(.milliseconds(190))
        cluster.step(1, .resign)
        cluster.run(5)
        #expect(cluster[2].role == .master)
        cluster.step(2, input)
        cluster.run(1000)
        #expect(cluster.has(1) && !cluster.has(2) && cluster.master == 1 && cluster[1].term == 1)
        #expect([.fault, .maintenance, .goodbye].contains(cluster[2].role))
    }

    @Test(arguments: [true, false])
    func `an heir that yielded a moment ago acknowledges what stays, not what is being taken away`(
        _ stays: Bool
    ) throws {
        let (standby, transfer, now, chance) = try Self.handOver()
        var (heir, random) = (standby, chance)
        // The kernel has not told yet that the followers have withdrawn.
        _ = heir.step(.addressPresent(true), at: now, using: &random)
        func acknowledgements(_ input: Election.Input, after time: Int) -> Int {
            heir.step(input, at: now + .milliseconds(time), using: &random).count {
                if case .send(let message, _) = $0 { message.kind == .acknowledgement } else { false }
            }
        }
        #expect(acknowledgements(.heard(transfer, received: now), after: 0) == 0)
        if !stays { #expect(acknowledgements(.addressPresent(false), after: 5) == 0) }
        #expect(acknowledgements(.deadlinePassed, after: 21) == (stays ? 2 : 0))
        #expect(acknowledgements(.addressPresent(true), after: 30) == (stays ? 0 : 2))
    }

    @Test(arguments: [(0, true), (150, true), (200, false), (1800, false)])
    func `a hand-over that waited too long in the queue of a process that was stopped is over`(
        _ late: Int, isTaken: Bool
    ) throws {
        let (standby, transfer, now, chance) = try Self.handOver()
        var (heir, random) = (standby, chance)
        _ = heir.step(.heard(transfer, received: now), at: now + .milliseconds(late), using: &random)
        #expect((heir.role == .master) == isTaken)
    }

    // MARK: What is said when the address goes to another one

    @Test func `who hands over, and who yields, names the term and the master that it follows then`() throws {
        var cluster = try ElectionTests.settled(2)
        cluster.step(1, .resign)
        cluster.run(200)
        let resigned = try #require(cluster.events(1).last)
        #expect(resigned.state == .standby && resigned.reason == "resigned")
        #expect(resigned.term == 2 && resigned.master == SmallCluster.node(2))
        // Cut off, the other one claims; healed, the lower term yields.
        cluster.cuts = [[1, 2], [2, 1]]
        cluster.run(1000)
        cluster.cuts = []
        cluster.run(200)
        let yielded = try #require(cluster.events(2).last)
        #expect(yielded.state == .standby && yielded.reason == "higher-term")
        #expect(yielded.term == 3 && yielded.master == SmallCluster.node(1))
    }
}
