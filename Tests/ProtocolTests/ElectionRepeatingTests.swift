// When a master repeats its last heartbeat, and when it must put together another one. That what is repeated is what
// would be said otherwise, the simulator looks after with every seed (I18).

import QureCore
import Simulator
import Testing

@Suite struct ElectionRepeatingTests {
    /// The master of some members who have known each other for a while, at the moment at which a heartbeat is due.
    private func steadyMaster(of count: Int, milliseconds: Int = 6030) throws -> (machine: Election, due: Instant) {
        var cluster = SmallCluster(count)
        for number in 1...count { cluster.step(number, .start) }
        cluster.run(milliseconds)
        let machine = cluster[try #require(cluster.master)]
        return (machine, try #require(machine.nextDeadline))
    }

    /// What a machine would repeat.
    private func repetition(of machine: Election, at now: Instant) -> Election.Repetition? {
        var machine = machine
        return machine.repeatHeartbeat(at: now)
    }

    @Test func `a master of whom nothing is new only repeats its heartbeat`() throws {
        var (machine, due) = try steadyMaster(of: 3)
        #expect(repetition(of: machine, at: due - .milliseconds(1)) == nil, "it is not due yet")
        let first = machine.repeatHeartbeat(at: due)
        var last = try #require(first)
        #expect(repetition(of: machine, at: due) == nil, "it has been said")
        var random = SplitMix64(seed: 3)
        var repeated = 1
        while let next = machine.nextDeadline, next - due <= .milliseconds(900) {
            guard let repetition = machine.repeatHeartbeat(at: next) else { break }
            #expect(repetition.sequence == last.sequence + 1 && repetition.gatewayAge == nil)
            last = repetition
            repeated += 1
            guard let now = repetition.nextDeadline, now <= next else { continue }
            let others = machine.step(.deadlinePassed, at: next, using: &random)
            #expect(others.isEmpty, "a review that finds nothing")
        }
        #expect(repeated >= 8)
    }

    @Test func `what others said, did or did not say makes another heartbeat`() throws {
        let (machine, due) = try steadyMaster(of: 2)
        let inputs: [Election.Input] = [
            .maintenance(true), .healthy(false, reason: "x"), .addressPresent(true), .resign,
        ]
        var random = SplitMix64(seed: 3)
        for input in inputs {
            var machine = machine
            _ = machine.step(input, at: due - .milliseconds(1), using: &random)
            #expect(repetition(of: machine, at: due) == nil, "\(input)")
        }
        var heard = machine
        let other = try #require(machine.members.first)
        let hello = ElectionMessage(
            .hello, role: .standby, cluster: machine.configuration.cluster, node: other.key,
            session: other.value.session, sequence: other.value.sequence + 1, term: machine.term,
            interval: .milliseconds(100), tolerance: .milliseconds(200))
        _ = heard.step(.heard(hello, received: due - .milliseconds(1)), at: due - .milliseconds(1), using: &random)
        #expect(repetition(of: heard, at: due) == nil, "a hello")

        // Nobody is heard from now on: the successor must be gone from the list as soon as it counts as gone.
        var alone = machine
        var now = due
        while now - due < .seconds(10), alone.repeatHeartbeat(at: now) != nil {
            now = now + machine.configuration.interval
            _ = alone.step(.gatewayAnswered, at: now, using: &random)
        }
        let silence = now - other.value.heardAt
        #expect(silence > .seconds(2) && silence < .milliseconds(2700), "\(silence) after it was last heard")
    }

    @Test func `a late machine and a crowd take the long way`() throws {
        var (machine, due) = try steadyMaster(of: 2)
        #expect(repetition(of: machine, at: due + .milliseconds(26)) == nil, "late by more than a quarter")
        // Nine others do not fit into one heartbeat: the next one has others of them.
        (machine, due) = try steadyMaster(of: 10)
        #expect(machine.members.count == 9 && repetition(of: machine, at: due) == nil)
    }
}
