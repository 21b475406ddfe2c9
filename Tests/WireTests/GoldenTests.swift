// The laws that every golden packet obeys: it means what its row says, is written as it was read, is refused when
// anything of it is missing or damaged, and nothing that a link can do to it makes a decoder trap.

import QureCore
import Testing

@Suite struct GoldenTests {
    @Test func `every file has a row and every row a file`() {
        #expect(goldens.map(\.name).sorted() == Fixture.goldens)
    }

    @Test(arguments: goldens)
    func `it means what its row says and is written as it was read`(_ golden: Golden) throws {
        let bytes = try golden.bytes
        let decoded = try Decoded(golden.door, bytes)
        #expect(decoded.meaning == golden.meaning)
        #expect(decoded.bytes == bytes)
        if let made = golden.made { #expect(made == bytes) }
    }

    @Test(arguments: goldens)
    func `every strict prefix is refused`(_ golden: Golden) throws {
        let bytes = try golden.bytes
        for count in bytes.indices {
            // The offset is somewhere in the packet; inner messages count from their own start.
            let error = #expect(throws: WireError.self) { try Decoded(golden.door, Array(bytes.prefix(count))) }
            #expect(error.map { (0...count).contains($0.offset) } == true, "\(count) bytes")
        }
    }

    @Test(arguments: goldens)
    func `padding behind it is ignored`(_ golden: Golden) throws {
        let bytes = try golden.bytes
        let decoded = try Decoded(golden.door, bytes)
        for padding in [[0], [UInt8](repeating: 0, count: 18), [UInt8](repeating: 0xff, count: 47)] {
            #expect(try Decoded(golden.door, bytes + padding) == decoded)
        }
    }

    @Test(arguments: goldens)
    func `a flipped bit is refused where something guards it and harmless elsewhere`(_ golden: Golden) throws {
        let bytes = try golden.bytes
        let guarded = Set(golden.guarded(bytes))
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                let decoded = survive(golden.door, damaged)
                #expect(decoded == nil || !guarded.contains(index), "byte \(index), bit \(bit)")
            }
        }
    }

    @Test(arguments: goldens)
    func `no byte value makes a decoder trap`(_ golden: Golden) throws {
        let bytes = try golden.bytes
        for index in bytes.indices {
            for value in [0, 1, 0x7f, 0x80, 0xfe, 0xff, bytes[index] &+ 1, bytes[index] &- 1] as [UInt8] {
                var damaged = bytes
                damaged[index] = value
                _ = survive(golden.door, damaged)
                _ = survive(golden.door, repaired(damaged, golden.door))
            }
        }
    }

    @Test(arguments: goldens)
    func `nor does any one of them read as another kind of packet`(_ golden: Golden) throws {
        let bytes = try golden.bytes
        for door in [Door.arp, .icmp, .igmp, .icmpv6, .neighbor, .mld] where door != golden.door {
            #expect(throws: WireError.self) { try Decoded(door, bytes) }
        }
    }

    /// Reads damaged bytes. What is read all the same must be a value like any other: written and read again it is
    /// the same.
    private func survive(_ door: Door, _ bytes: [UInt8]) -> Decoded? {
        guard let decoded = try? Decoded(door, bytes) else { return nil }
        #expect((try? Decoded(door, decoded.bytes)) == decoded)
        return decoded
    }

    /// The same bytes with all checksums made right again, so that damage gets past them.
    private func repaired(_ bytes: [UInt8], _ door: Door) -> [UInt8] {
        func fix(_ bytes: inout [UInt8], _ range: Range<Int>, at offset: Int, _ sum: InternetChecksum = .init()) {
            guard range.upperBound <= bytes.count, offset + 2 <= range.upperBound else { return }
            bytes[offset] = 0
            bytes[offset + 1] = 0
            var sum = sum
            sum.add(bytes[range])
            bytes[offset] = UInt8(sum.value >> 8)
            bytes[offset + 1] = UInt8(sum.value & 255)
        }
        var bytes = bytes
        switch door {
        case .arp: break
        case .icmp, .igmp:
            let header = Int(bytes[0] & 15) * 4
            let total = Int(bytes[2]) << 8 | Int(bytes[3])
            if header <= total { fix(&bytes, header..<total, at: header + 2) }
            fix(&bytes, 0..<header, at: 10)
        case .icmpv6, .neighbor, .mld:
            let end = 40 + (Int(bytes[4]) << 8 | Int(bytes[5]))
            let start = door == .mld ? 48 + Int(bytes[41]) * 8 : 40
            guard start <= end, let from = IPv6Address(octets: bytes[8..<24]),
                let to = IPv6Address(octets: bytes[24..<40])
            else { break }
            var sum = InternetChecksum()
            sum.addPseudoHeader(from: from, to: to, length: end - start, nextHeader: IPv6Packet.icmp)
            fix(&bytes, start..<end, at: start + 2, sum)
        }
        return bytes
    }
}
