// The messages of the election: a golden one of version 1, which every later version must go on reading, and the laws
// of all packets: written as read, refused when cut, never a trap. Each option may be absent; unknown ones are passed
// over.

import QureCore
import Simulator
import Testing

@Suite struct ElectionMessageTests {
    /// A heartbeat of version 1, field by field.
    private static let golden: [UInt8] = [
        0x51, 0x55, 0x52, 0x45,  // QURE
        1, 1, 4, 2,  // version, heartbeat, master, healthy
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,  // cluster
        0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,  // node
        0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,  // session
        0, 0, 0, 0, 0, 0, 1, 0,  // sequence 256
        0, 0, 0, 0, 0, 0, 0, 7,  // term 7
        0, 2, 100, 1,  // rank 2, priority 100, key 1
        0, 1, 0x86, 0xa0,  // interval 100 000 us
        0, 3, 0x0d, 0x40,  // tolerance 200 000 us
        0xca, 0xfe, 0xba, 0xbe,  // configuration
        0, 0, 0, 40,  // the gateway was heard 40 ms ago
        0, 0, 0, 3,  // version of the table
        1, 8, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,  // one successor
        7, 6, 0x52, 0x54, 0, 0x12, 0x34, 0x56,  // hardware address
        8, 2, 0x68, 0x31,  // name h1
    ]

    @Test func `what all heartbeats of a master have in common stands in each of them`() throws {
        let renewal = Self.meaning.renewal(of: .milliseconds(180), from: 0, to: 7784)
        #expect(
            renewal.description
                == "0@7784/180ms/0:51555245010104/8:1112131415161718/24:3132333435363738")
        #expect(LeaseRenewal(renewal.description) == renewal)
        for part in renewal.parts {
            #expect(Array(Self.golden[part.offset..<(part.offset + part.octets.count)]) == part.octets)
        }
        // Not while it hands over: whoever follows is told then, line by line.
        var handingOver = Self.meaning
        handingOver.role = .transferring
        #expect(handingOver.renewal(of: .milliseconds(180), from: 0, to: 7784) != renewal)
    }

    private static var meaning: ElectionMessage {
        var message = ElectionMessage(
            .heartbeat, role: .master, cluster: 0x1112_1314_1516_1718, node: NodeID(rawValue: 0x2122_2324_2526_2728),
            session: 0x3132_3334_3536_3738, sequence: 256, term: 7, interval: .milliseconds(100),
            tolerance: .milliseconds(200))
        message.rank = 2
        message.key = 1
        message.configuration = 0xcafe_babe
        message.gatewayAge = .milliseconds(40)
        message.tableVersion = 3
        message.successors = [NodeID(rawValue: 0x4142_4344_4546_4748)]
        message.mac = MACAddress("52:54:00:12:34:56")
        message.name = "h1"
        return message
    }

    private func parse(_ bytes: [UInt8]) throws -> ElectionMessage {
        var input = WireReader(bytes)
        return try ElectionMessage(parsing: &input)
    }

    private func write(_ message: ElectionMessage) -> [UInt8] {
        var output = WireWriter()
        message.write(to: &output)
        return output.bytes
    }

    @Test func `a message of version 1 means what it meant`() throws {
        #expect(try parse(Self.golden) == Self.meaning)
        #expect(write(Self.meaning) == Self.golden)
        let datagram = Self.golden + [UInt8](repeating: 0, count: ElectionMessage.codeLength)
        #expect(ElectionMessage.key(of: datagram) == 1)
        #expect(ElectionMessage.cluster(of: datagram) == 0x1112_1314_1516_1718)
    }

    @Test func `later versions and their options are taken`() throws {
        var bytes = Self.golden
        bytes[4] = 9
        #expect(try parse(bytes + [200, 3, 1, 2, 3]) == Self.meaning)
        bytes[4] = 0
        #expect(throws: WireError.self) { try parse(bytes) }
    }

    @Test func `cut anywhere but between options it is refused`() {
        let ends: Set = [72, 82, 90]
        for count in Self.golden.indices where !ends.contains(count) {
            #expect(throws: WireError.self, "\(count) bytes") { try parse(Array(Self.golden.prefix(count))) }
        }
        for count in 0..<88 {
            #expect(ElectionMessage.key(of: Array(Self.golden.prefix(count))) == nil)
        }
    }

    @Test func `no byte makes the decoder trap, and what it takes it writes again`() throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<20000 {
            var bytes =
                Self.golden
                + (0..<Int.random(in: 0...60, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for _ in 0...Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let message = try? parse(bytes) else { continue }
            #expect(try parse(write(message)) == message)
        }
    }

    @Test func `a full message stays within its limit`() throws {
        var message = Self.meaning
        let many = (0..<20).map { NodeID(rawValue: UInt64($0)) }
        message.successors = many
        message.digests = many.map { .init(node: $0, session: 1, sequence: 2) }
        message.nonce = 1
        message.echo = 2
        message.subject = many[3]
        message.heard = .init(sequence: 5, age: .seconds(100_000))
        message.name = String(repeating: "ü", count: 100)
        message.reason = "a reason\nof\u{7f}two lines" + String(repeating: "x", count: 100)
        let bytes = write(message)
        #expect(bytes.count + ElectionMessage.codeLength <= ElectionMessage.maximumLength)
        let read = try parse(bytes)
        #expect(read.successors == Array(many.prefix(8)) && read.digests.count == 8)
        #expect(
            read.reason?.hasPrefix("a.reason.of.two.lines") == true && read.name == String(repeating: "ü", count: 24))
        #expect(read.heard?.age == .microseconds(Int64(UInt32.max)))
    }
}
