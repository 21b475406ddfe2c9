// What a master's socket is handed for heartbeats that repeat each other: sealed ahead, and yet what each were alone.

import QureCore
import Testing

@Suite struct RepeatedHeartbeatsTests {
    private let keys: KeyRing
    private var message = ElectionMessage(
        .heartbeat, role: .master, cluster: 1, node: NodeID(rawValue: 2), session: 3, sequence: 40, term: 5,
        interval: .milliseconds(100), tolerance: .milliseconds(200))

    init() throws {
        keys = try KeyRing(Array("7 \(String(repeating: "5a", count: 32))\n".utf8))
        message.key = keys.sendingKey
        message.name = "h1"
        message.successors = [NodeID(rawValue: 9)]
    }

    /// The heartbeat, put together anew.
    private func datagram(_ sequence: UInt64, _ age: Duration?) -> [UInt8] {
        var message = message
        message.sequence = sequence
        message.gatewayAge = age
        var output = WireWriter()
        message.write(to: &output)
        return keys.seal(output.bytes)
    }

    private func heartbeats(each interval: Duration = .milliseconds(100)) -> RepeatedHeartbeats {
        RepeatedHeartbeats(of: datagram(40, nil), sealedWith: keys, each: interval)
    }

    private func repetition(_ sequence: UInt64, _ age: Duration?) -> Election.Repetition {
        Election.Repetition(sequence: sequence, gatewayAge: age, nextDeadline: nil)
    }

    @Test(arguments: [1, 10, 100, 400, 3000])
    func `each is what it would be alone, for longer than is sealed at a time`(milliseconds: Int64) {
        let interval = Duration.milliseconds(milliseconds)
        var heartbeats = heartbeats(each: interval)
        for number in 1...UInt64(40) {
            let age = Duration.milliseconds(300) + interval * Int(number)
            let said = heartbeats.datagram(of: repetition(40 + number, age))
            #expect(Array(said) == datagram(40 + number, age), "\(number)")
        }
    }

    @Test func `the gateway's silence may be off by a few milliseconds, and not by more`() {
        var heartbeats = heartbeats()
        _ = heartbeats.datagram(of: repetition(41, .milliseconds(300)))
        #expect(Array(heartbeats.datagram(of: repetition(42, .milliseconds(410)))) == datagram(42, .milliseconds(400)))
        #expect(Array(heartbeats.datagram(of: repetition(43, .milliseconds(490)))) == datagram(43, .milliseconds(500)))
        // Longer, shorter, unknown by now: the truth is said, and what follows goes on from it.
        #expect(Array(heartbeats.datagram(of: repetition(44, .milliseconds(611)))) == datagram(44, .milliseconds(611)))
        #expect(Array(heartbeats.datagram(of: repetition(45, .milliseconds(700)))) == datagram(45, .milliseconds(700)))
        #expect(Array(heartbeats.datagram(of: repetition(46, .milliseconds(801)))) == datagram(46, .milliseconds(800)))
        #expect(Array(heartbeats.datagram(of: repetition(47, nil))) == datagram(47, nil))
        #expect(Array(heartbeats.datagram(of: repetition(48, nil))) == datagram(48, nil))
        #expect(Array(heartbeats.datagram(of: repetition(49, .zero))) == datagram(49, .zero))
    }

    @Test func `another sequence than the one that was foreseen is sealed when it is due`() {
        var heartbeats = heartbeats()
        for sequence: UInt64 in [41, 42, 44, 45, 43, 9, 10, 10] {
            let said = heartbeats.datagram(of: repetition(sequence, nil))
            #expect(Array(said) == datagram(sequence, nil), "\(sequence)")
        }
    }
}
