// DHCP messages: a question as every server expects it, byte for byte, an offer as a server sent it, and what a hostile
// server may send: cut, flipped, with options that say more or less than they are.

import QureCore
import Simulator
import Testing

@Suite struct DHCPTests {
    /// The header of a question or an answer, up to the magic cookie: 240 bytes.
    private static func header(_ operation: UInt8, offered: [UInt8] = [0, 0, 0, 0]) -> [UInt8] {
        [operation, 1, 6, 0]  // Ethernet, six octets, no relay
            + [0x12, 0x34, 0x56, 0x78]  // xid
            + [0, 0, 0x80, 0]  // secs, the broadcast flag
            + [0, 0, 0, 0] + offered + [0, 0, 0, 0, 0, 0, 0, 0]  // ciaddr, yiaddr, siaddr, giaddr
            + [0x52, 0x54, 0, 0x12, 0x34, 0x56] + [UInt8](repeating: 0, count: 10)  // chaddr
            + [UInt8](repeating: 0, count: 192)  // sname, file
            + [0x63, 0x82, 0x53, 0x63]
    }

    /// An offer of 192.0.2.11 by 192.0.2.1, with options that are none of ours: lease time, mask, router.
    private static let offerOptions: [UInt8] = [
        53, 1, 2, 54, 4, 192, 0, 2, 1, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 0, 3, 4, 192, 0, 2,
        1, 255,
    ]

    private static func packet(_ message: [UInt8], ports: [UInt8] = [0, 67, 0, 68]) -> IPv4Packet {
        let length = UInt16(8 + message.count)
        let datagram = ports + [UInt8(length >> 8), UInt8(length & 255), 0, 0] + message
        return IPv4Packet(
            source: v4("192.0.2.1"), destination: .broadcast, timeToLive: 64, protocolNumber: 17,
            payload: datagram)
    }

    private static let offer = header(2, offered: [192, 0, 2, 11]) + offerOptions

    @Test func `a question asks for one address, for an answer to all`() throws {
        let question = DHCPMessage.discover(v4("192.0.2.11"), for: host, transaction: 0x1234_5678)
        let packet = question.packet
        #expect(
            packet.source == .unspecified && packet.destination == .broadcast
                && packet.protocolNumber == 17)
        let options: [UInt8] = [53, 1, 1, 50, 4, 192, 0, 2, 11, 255]
        let expected = Self.header(1) + options + [UInt8](repeating: 0, count: 50)
        #expect(packet.payload.prefix(6) == [0, 68, 0, 67, 1, 52] && expected.count == 300)
        #expect(Array(packet.payload.dropFirst(8)) == expected)
        // The checksum: with the pseudo-header (0.0.0.0, 255.255.255.255, UDP, length) all adds up to zero.
        var checksum = InternetChecksum()
        checksum.add([0, 0, 0, 0, 255, 255, 255, 255, 0, 17, 1, 52] + packet.payload)
        #expect(checksum.value == 0)
        #expect(try DHCPMessage(packet) == question)
        #expect("\(question)" == "dhcp discover 192.0.2.11 for 52:54:00:12:34:56")
    }

    @Test func `an offer is read, whatever else it says`() throws {
        let message = try DHCPMessage(Self.packet(Self.offer))
        #expect(
            message
                == DHCPMessage(
                    kind: .offer, isReply: true, transaction: 0x1234_5678, client: host,
                    offered: v4("192.0.2.11"),
                    server: v4("192.0.2.1")))
        #expect("\(message)" == "dhcp offer 192.0.2.11 for 52:54:00:12:34:56 by 192.0.2.1")
        #expect(try DHCPMessage(message.packet) == message)
    }

    @Test func `every option that is cut is refused, and an answer without a kind`() {
        // Behind the kind a message may end: some servers leave the end mark out.
        for count in 0..<(Self.offer.count - Self.offerOptions.count) {
            #expect(throws: WireError.self, "\(count)") {
                try DHCPMessage(Self.packet(Array(Self.offer.prefix(count))))
            }
        }
        let base = Self.header(2)
        for options in [
            [], [255], [53], [53, 1], [53, 0], [53, 2, 2, 2], [53, 1, 2, 54], [53, 1, 2, 54, 3, 1, 2, 3],
            [53, 1, 2, 54, 5, 1, 2, 3, 4, 5], [53, 1, 2, 50, 0], [53, 1, 2, 99, 255, 1],
        ] as [[UInt8]] {
            #expect(throws: WireError.self, "\(options)") { try DHCPMessage(Self.packet(base + options)) }
        }
        #expect(throws: Never.self) { try DHCPMessage(Self.packet(base + [53, 1, 2])) }
        #expect(throws: Never.self) {
            try DHCPMessage(Self.packet(base + [0, 0, 53, 1, 2, 255, 54, 9]))
        }
    }

    @Test func `what is no answer of a server to a client is refused`() {
        for ports in [[0, 68, 0, 67], [0, 67, 0, 67], [0, 53, 0, 68], [0, 67, 0, 69]] as [[UInt8]] {
            #expect(throws: WireError.self, "\(ports)") {
                try DHCPMessage(Self.packet(Self.offer, ports: ports))
            }
        }
        var packet = Self.packet(Self.offer)
        packet.protocolNumber = 6
        #expect(throws: WireError(.unexpected, field: "ipv4.protocol", offset: 9)) {
            try DHCPMessage(packet)
        }
        for length in [7, 0, 65535] {
            packet = Self.packet(Self.offer)
            packet.payload[4] = UInt8(length >> 8)
            packet.payload[5] = UInt8(length & 255)
            #expect(throws: WireError.self, "\(length)") { try DHCPMessage(packet) }
        }
        packet.payload = []
        #expect(throws: WireError.self) { try DHCPMessage(packet) }
    }

    @Test func `no flipped bits and no noise make it trap`() throws {
        var random = SplitMix64(seed: 67)
        for index in Self.offer.indices {
            for bit in 0..<8 {
                var damaged = Self.offer
                damaged[index] ^= 1 << bit
                if let message = try? DHCPMessage(Self.packet(damaged)) {
                    #expect(try DHCPMessage(message.packet) == message)
                }
            }
        }
        for _ in 0..<2000 {
            let noise = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if let message = try? DHCPMessage(Self.packet(Self.header(2) + noise)) {
                #expect(try DHCPMessage(message.packet) == message)
            }
        }
    }
}
