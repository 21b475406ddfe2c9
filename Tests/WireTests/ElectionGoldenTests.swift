// The election's datagrams as version 1 of the protocol has them, one of each kind, from an encoder that shares nothing
// with ours (Fixtures/election/encode.py). The files of a released version are never changed: every later version must
// read them, and a member that runs it stands in one cluster with members that do not.

import QureCore
import Testing

@Suite struct ElectionGoldenTests {
    /// A datagram's file and what it means.
    struct Golden: Sendable, CustomTestStringConvertible {
        let file: String
        let message: ElectionMessage
        var testDescription: String { file }

        init(
            _ file: String, _ kind: ElectionMessage.Kind, _ role: ElectionMessage.Role, _ sequence: UInt64,
            _ change: (inout ElectionMessage) -> Void = { _ in }
        ) {
            self.file = file
            var message = ElectionMessage(
                kind, role: role, cluster: 0x1112_1314_1516_1718, node: NodeID(rawValue: 0x2122_2324_2526_2728),
                session: 0x3132_3334_3536_3738, sequence: sequence, term: 7, interval: .milliseconds(100),
                tolerance: .milliseconds(200))
            message.rank = 2
            message.key = 1
            message.configuration = 0xcafe_babe
            message.gatewayAge = .milliseconds(40)
            message.tableVersion = 3
            message.mac = MACAddress("52:54:00:12:34:56")
            message.name = "h1"
            change(&message)
            self.message = message
        }
    }

    private static let other = NodeID(rawValue: 0x4142_4344_4546_4748)
    private static let nonce: UInt64 = 0xa1a2_a3a4_a5a6_a7a8
    private static let digest = ElectionMessage.Digest(node: other, session: 0x6162_6364_6566_6768, sequence: 9)

    private static let version1 = [
        Golden("v1/heartbeat", .heartbeat, .master, 256) {
            $0.successors = [other, NodeID(rawValue: 0x5152_5354_5556_5758)]
            $0.digests = [digest]
        },
        Golden("v1/hello", .hello, .standby, 257) {
            $0.rank = .max
            $0.gatewayAge = nil
            $0.digests = [digest]
        },
        Golden("v1/suspect", .suspect, .suspecting, 258) {
            $0.nonce = nonce
            $0.subject = other
        },
        Golden("v1/alive", .alive, .standby, 259) {
            $0.echo = nonce
            $0.subject = other
            $0.heard = .init(sequence: 11, age: .microseconds(12_345))
        },
        Golden("v1/claim", .claim, .claiming, 260),
        Golden("v1/transfer", .transfer, .transferring, 261) { $0.subject = other },
        Golden("v1/acknowledgement", .acknowledgement, .master, 262) { $0.subject = other },
        Golden("v1/released", .released, .standby, 263) { $0.subject = other },
        Golden("v1/goodbye", .goodbye, .leaving, 264) {
            $0.flags = [.healthy, .maintenance]
            $0.reason = "stopped"
        },
        Golden("v1/challenge", .challenge, .joining, 265) {
            $0.flags = [.healthy, .justResumed]
            $0.nonce = nonce
        },
        Golden("v1/response", .response, .standby, 266) { $0.echo = nonce },
        Golden("v1/down", .down, .standby, 267) { $0.subject = other },
    ]

    private static let keys: KeyRing = {
        let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        guard let ring = try? KeyRing(Array("1 \(digits)\n".utf8)) else { preconditionFailure() }
        return ring
    }()

    /// Reads a datagram as qure-elect does; nil: not authentic.
    private func open(_ datagram: [UInt8]) throws -> ElectionMessage? {
        let key = try #require(ElectionMessage.key(of: datagram))
        guard let bytes = Self.keys.open(datagram, key: key) else { return nil }
        var input = WireReader(bytes)
        return try ElectionMessage(parsing: &input)
    }

    @Test(arguments: version1)
    func `a datagram of version 1 is authentic, means what it meant, and is written so`(_ golden: Golden) throws {
        let datagram = try Fixture.bytes("election/\(golden.file)")
        #expect(try open(datagram) == golden.message)
        #expect(ElectionMessage.cluster(of: datagram) == golden.message.cluster)
        var output = WireWriter()
        golden.message.write(to: &output)
        #expect(Self.keys.seal(output.bytes) == datagram)
    }

    @Test func `there is one of each kind, and no other file`() throws {
        #expect(Set(Self.version1.map(\.message.kind.rawValue)) == Set(1...12))
        #expect(Set(Self.version1.map { "\($0.file).hex" }) == Set(Fixture.names("election/v1").map { "v1/\($0)" }))
    }

    @Test func `a later version says the same to this one, and its options are passed over`() throws {
        let datagram = try Fixture.bytes("election/later/heartbeat")
        #expect(datagram[4] == ElectionMessage.version + 1)
        #expect(try open(datagram) == Self.version1[0].message)
    }

    @Test(arguments: version1)
    func `one flipped bit anywhere, and it is not authentic`(_ golden: Golden) throws {
        let datagram = try Fixture.bytes("election/\(golden.file)")
        for index in datagram.indices where index >= 4 && index != 51 {
            var damaged = datagram
            damaged[index] ^= 1 << UInt8(index % 8)
            #expect(try open(damaged) == nil, "byte \(index)")
        }
        for count in datagram.indices.dropFirst(ElectionMessage.headerLength + ElectionMessage.codeLength) {
            #expect(try open(Array(datagram.prefix(count))) == nil, "\(count) bytes")
        }
    }
}
