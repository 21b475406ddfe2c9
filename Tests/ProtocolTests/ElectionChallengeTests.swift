// Who is believed: a session that answers a nonce of ours, once, and within a second.

import QureCore
import Testing

@Suite struct ElectionChallengeTests {
    private static let node = NodeID(rawValue: 9), session: UInt64 = 900, next: UInt64 = 901

    /// A member that is alone, and what others say to it.
    private struct Listener {
        var cluster: SmallCluster
        private var sequence: UInt64 = 0

        init() throws { cluster = try ElectionTests.settled(1) }

        /// The session that is believed.
        var believed: UInt64? { cluster[1].members[node]?.session }

        mutating func hear(_ kind: ElectionMessage.Kind, of session: UInt64, echo: UInt64? = nil) {
            sequence += 1
            var message = ElectionMessage(
                kind, role: .standby, cluster: 7, node: node, session: session, sequence: sequence, term: 0,
                interval: .milliseconds(100), tolerance: .milliseconds(200))
            message.echo = echo
            cluster.step(1, .heard(message, received: cluster.now))
        }

        /// What it asks when it hears that session.
        mutating func question(to session: UInt64) throws -> UInt64 {
            let before = cluster.outputs[0].count
            hear(.hello, of: session)
            let nonces = cluster.outputs[0][before...].compactMap { output in
                if case .send(let message, .sender) = output { message.nonce } else { nil }
            }
            return try #require(nonces.first)
        }
    }

    @Test func `an answer is believed for a second`() throws {
        var listener = try Listener()
        let nonce = try listener.question(to: Self.session)
        listener.cluster.run(490)
        // Who asks once more repeats the question, and does not prolong it.
        #expect(try listener.question(to: Self.session) == nonce)
        var other = listener
        other.hear(.response, of: Self.session, echo: nonce &+ 1)
        #expect(other.believed == nil)
        other.hear(.response, of: Self.session, echo: nonce)
        #expect(other.believed == Self.session)
        listener.cluster.run(520)
        listener.hear(.response, of: Self.session, echo: nonce)
        #expect(listener.believed == nil)
        listener.cluster.run(20)
        let second = try listener.question(to: Self.session)
        #expect(second != nonce)
        listener.hear(.response, of: Self.session, echo: second)
        #expect(listener.believed == Self.session)
    }

    @Test func `who was put back to an earlier state takes no answer to what it asked then`() throws {
        var listener = try Listener()
        let nonce = try listener.question(to: Self.session)
        listener.cluster.step(1, .restored)
        listener.hear(.response, of: Self.session, echo: nonce)
        #expect(listener.believed == nil)
    }

    @Test func `an answer that was lost is none any more once the machine has answered as another session`() throws {
        var listener = try Listener()
        let lost = try listener.question(to: Self.session)
        let nonce = try listener.question(to: Self.next)
        listener.hear(.response, of: Self.next, echo: nonce)
        #expect(listener.believed == Self.next)
        listener.hear(.response, of: Self.session, echo: lost)
        #expect(listener.believed == Self.next)
        // Nor is one that the other session has answered.
        listener.cluster.run(20)
        let second = try listener.question(to: Self.session)
        listener.hear(.response, of: Self.next, echo: second)
        listener.hear(.response, of: Self.session, echo: second)
        #expect(listener.believed == Self.next)
    }
}
