// What the goldens do not show: the reader's and writer's own promises, checksums, and packets that are well formed
// but that nobody on this link may have sent.

import QureCore
import Simulator
import Testing

@Suite struct ReaderTests {
    @Test func `integers are big-endian and every read moves on`() throws {
        var input = WireReader([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
        #expect(try input.read(UInt8.self, field: "a") == 1)
        #expect(try input.read(UInt16.self, field: "b") == 0x0203)
        #expect(try input.read(UInt32.self, field: "c") == 0x0405_0607)
        #expect(input.offset == 7 && input.remaining == 8)
        #expect(input.rest == [8, 9, 10, 11, 12, 13, 14, 15] && input.offset == 7)
        #expect(try input.read(UInt64.self, field: "d") == 0x0809_0a0b_0c0d_0e0f)
        #expect(input.remaining == 0 && input.rest.isEmpty)
        #expect(throws: WireError(.truncated, field: "e", offset: 15)) { try input.read(UInt8.self, field: "e") }
    }

    @Test func `what does not fit is left unread`() {
        var input = WireReader([1, 2, 3])
        #expect(throws: WireError(.truncated, field: "f", offset: 0)) { try input.read(UInt32.self, field: "f") }
        #expect(throws: WireError(.truncated, field: "f", offset: 0)) { try input.read(count: 4, field: "f") }
        #expect(throws: WireError(.truncated, field: "f", offset: 0)) { try input.skip(count: .max, field: "f") }
        #expect(throws: WireError(.truncated, field: "f", offset: 0)) { try input.skip(count: -1, field: "f") }
        #expect(throws: WireError(.truncated, field: "f", offset: 0)) { try input.slice(count: 4, field: "f") }
        #expect(input.offset == 0 && input.remaining == 3)
    }

    @Test func `a slice ends where it was told to and counts from the start of the packet`() throws {
        var input = WireReader([1, 2, 3, 4, 5])
        try input.skip(count: 1, field: "a")
        var slice = try input.slice(count: 2, field: "b")
        #expect(slice.rest == [2, 3] && input.rest == [4, 5] && slice.offset == 1)
        #expect(throws: WireError(.truncated, field: "c", offset: 1)) { try slice.read(UInt32.self, field: "c") }
        #expect(try slice.read(count: 2, field: "d") == [2, 3])
        #expect(try input.slice(count: 0, field: "e").rest.isEmpty)
    }

    @Test func `an expected value is another error than a missing one`() throws {
        var input = WireReader([0, 7])
        #expect(throws: WireError(.unexpected, field: "a", offset: 0)) { try input.expect(UInt8(1), field: "a") }
        try input.expect(UInt8(7), field: "b")
        #expect(throws: WireError(.truncated, field: "c", offset: 2)) { try input.expect(UInt8(1), field: "c") }
        #expect("\(WireError(.checksum, field: "ipv4.checksum", offset: 10))" == "ipv4.checksum at byte 10: checksum")
    }

    @Test func `what was written is read`() throws {
        var output = WireWriter()
        output.write(UInt8(0xfe))
        output.write(UInt16(0xfedc))
        output.write(UInt64.max - 1)
        output.write(host)
        output.write(ip("2001:db8::1"))
        output.write(ip("192.0.2.1"))
        output.patch(0x1234, at: 1)
        var input = WireReader(output.bytes)
        #expect(try input.read(UInt8.self, field: "") == 0xfe)
        #expect(try input.read(UInt16.self, field: "") == 0x1234)
        #expect(try input.read(UInt64.self, field: "") == .max - 1)
        #expect(try input.readMAC(field: "") == host)
        #expect(try input.readIPv6(field: "") == v6("2001:db8::1"))
        #expect(try input.readIPv4(field: "") == v4("192.0.2.1"))
        #expect(input.remaining == 0)
    }
}

@Suite struct ChecksumTests {
    private func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum = InternetChecksum()
        sum.add(bytes)
        return sum.value
    }

    @Test func `the example of RFC 1071 section 3`() {
        #expect(checksum([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]) == ~0xddf2)
        #expect(checksum([]) == 0xffff)
        #expect(checksum([0xff]) == ~0xff00)  // an odd byte is the high one of its word
        #expect(checksum([0xff, 0xff]) == 0)
    }

    @Test func `a packet with its checksum in it sums to nothing, parts or whole, however long`() {
        var random = SplitMix64(seed: 1071)
        for count in [2, 4, 20, 1500, 65534] {
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            bytes[0] = 0
            bytes[1] = 0
            let value = checksum(bytes)
            bytes[0] = UInt8(value >> 8)
            bytes[1] = UInt8(value & 255)
            #expect(checksum(bytes) == 0)
            var parts = InternetChecksum()
            parts.add(bytes[(count / 4 * 2)...])
            parts.add(bytes[..<(count / 4 * 2)])
            #expect(parts.value == 0)
        }
        #expect(checksum([UInt8](repeating: 0xff, count: 1 << 18)) == 0)
    }
}

@Suite struct ValidityTests {
    private func refused(_ field: String, _ body: () throws -> Void) {
        let error = #expect(throws: WireError.self) { try body() }
        #expect(error?.field == field && error?.reason == .unexpected)
    }

    private func solicitation(
        from source: String = "fe80::1", to destination: String = "ff02::1:ff00:11", target: String = "2001:db8::11",
        options: [NeighborMessage.Option] = []
    ) -> IPv6Packet {
        NeighborMessage(.solicitation, target: v6(target), options: options)
            .packet(from: v6(source), to: v6(destination))
    }

    private func advertisement(
        _ flags: NeighborMessage.Flags, to destination: String, target: String = "2001:db8::11"
    ) -> IPv6Packet {
        NeighborMessage(.advertisement(flags), target: v6(target)).packet(from: v6("2001:db8::11"), to: v6(destination))
    }

    @Test func `a solicitation must be valid as RFC 4861 section 7-1-1 has it`() throws {
        _ = try NeighborMessage(solicitation())
        _ = try NeighborMessage(solicitation(to: "2001:db8::11"))  // to one host, to see whether it is still there
        _ = try NeighborMessage(solicitation(from: "::"))
        var routed = solicitation()
        routed.hopLimit = 254
        refused("ipv6.hop-limit") { _ = try NeighborMessage(routed) }
        refused("nd.target") { _ = try NeighborMessage(solicitation(target: "ff02::1")) }
        refused("ipv6.destination") { _ = try NeighborMessage(solicitation(from: "::", to: "2001:db8::11")) }
        refused("ipv6.destination") { _ = try NeighborMessage(solicitation(from: "::", to: "ff02::1")) }
        let address = NeighborMessage.Option(type: 1, body: host.octets)
        _ = try NeighborMessage(solicitation(options: [address]))
        refused("nd.option") { _ = try NeighborMessage(solicitation(from: "::", options: [address])) }
    }

    @Test func `an advertisement must be valid as RFC 4861 section 7-1-2 has it`() throws {
        _ = try NeighborMessage(advertisement(.override, to: "ff02::1"))
        _ = try NeighborMessage(advertisement([.solicited, .override], to: "fe80::1"))
        refused("nd.flags") { _ = try NeighborMessage(advertisement(.solicited, to: "ff02::1")) }
        refused("nd.target") { _ = try NeighborMessage(advertisement([], to: "ff02::1", target: "ff02::1")) }
        var routed = advertisement(.override, to: "ff02::1")
        routed.hopLimit = 64
        refused("ipv6.hop-limit") { _ = try NeighborMessage(routed) }
    }

    @Test func `an option of no length is refused, or reading would never end`() throws {
        var message = WireWriter()
        message.write(UInt32(135) << 24)
        message.write(UInt32(0))
        message.write(v6("2001:db8::11").octets)
        message.write([1, 0, 0, 0, 0, 0, 0, 0] as [UInt8])
        let packet = IPv6Packet(source: v6("fe80::1"), destination: v6("2001:db8::11"), hopLimit: 255, message: message)
        refused("nd.option.length") { _ = try NeighborMessage(packet) }
    }

    @Test func `what an option says about a hardware address`() {
        let message = NeighborMessage(
            .advertisement([]), target: v6("2001:db8::11"),
            options: [
                .init(type: 1, body: neighbour.octets), .init(type: 2, body: host.octets),
                .init(type: 14, body: shared.octets),
            ])
        #expect(message.linkLayerAddress == host && message.nonceAsMAC == shared && message.hasNonce)
        let long = NeighborMessage(
            .solicitation, target: v6("2001:db8::11"),
            options: [
                .init(type: 1, body: [UInt8](repeating: 1, count: 14)),
                .init(type: 14, body: [UInt8](repeating: 1, count: 14)),
            ])
        #expect(long.linkLayerAddress == nil && long.nonceAsMAC == nil && long.hasNonce)
    }

    @Test func `a group or the broadcast address never sends`() {
        let echo: [UInt8] = [8, 0, 0xf7, 0xff, 0, 0, 0, 0]
        for source in ["224.0.0.1", "239.255.255.255", "255.255.255.255"] {
            let packet = IPv4Packet(
                source: v4(source), destination: v4("192.0.2.1"), timeToLive: 1, protocolNumber: 1, payload: echo)
            refused("ipv4.source") { _ = try Decoded(.icmp, bytes(packet)) }
        }
        refused("ipv6.source") { _ = try Decoded(.neighbor, bytes(solicitation(from: "ff02::1"))) }
    }

    private func bytes(_ packet: IPv4Packet) -> [UInt8] { Decoded.v4(packet, .membership(.report(groups: []))).bytes }
    private func bytes(_ packet: IPv6Packet) -> [UInt8] { Decoded.v6(packet, .membership(.report(groups: []))).bytes }

    /// An echo reply whose header was changed by `change` and whose header checksum is right.
    private func echo(_ change: (inout [UInt8]) -> Void) throws -> [UInt8] {
        var bytes = try Fixture.bytes("icmp-echo-reply")
        change(&bytes)
        bytes[10] = 0
        bytes[11] = 0
        var sum = InternetChecksum()
        sum.add(bytes[..<(Int(bytes[0] & 15) * 4)])
        bytes[10] = UInt8(sum.value >> 8)
        bytes[11] = UInt8(sum.value & 255)
        return bytes
    }

    @Test func `a header that contradicts itself is refused though its checksum is right`() throws {
        _ = try Decoded(.icmp, echo { _ in })
        for version in [0, 3, 5, 6, 15] as [UInt8] {
            refused("ipv4.version") { _ = try Decoded(.icmp, echo { $0[0] = version << 4 | 5 }) }
        }
        refused("ipv4.version") { _ = try Decoded(.icmp, echo { $0[0] = 0x44 }) }  // too short to be a header
        refused("ipv4.total-length") { _ = try Decoded(.icmp, echo { $0[3] = 19 }) }
        refused("ipv4.total-length") {
            _ = try Decoded(
                .icmp,
                echo {
                    $0[0] = 0x46
                    $0[3] = 20
                })
        }
        for version in [0, 4, 5, 7, 14, 15] as [UInt8] {
            refused("ipv6.version") {
                var bytes = try Fixture.bytes("nd-announcement")
                bytes[0] = version << 4
                _ = try Decoded(.neighbor, bytes)
            }
        }
    }

    @Test func `a fragment is refused`() throws {
        for (high, low) in [(0x20, 0), (0, 1), (0x1f, 0xff), (0x80, 0), (0x60, 0)] as [(UInt8, UInt8)] {
            refused("ipv4.fragment") {
                _ = try Decoded(
                    .icmp,
                    echo {
                        $0[6] = high
                        $0[7] = low
                    })
            }
        }
    }

    @Test func `the checksum of an ICMPv6 message does not depend on what stood in its place`() {
        var message = WireWriter()
        message.write(UInt32(0x8000_1234))
        message.write(UInt32(0))
        let packet = IPv6Packet(source: v6("fe80::1"), destination: v6("fe80::2"), hopLimit: 255, message: message)
        #expect(throws: Never.self) { try Decoded(.icmpv6, bytes(packet)) }
    }

    @Test func `a group message that has crossed a router or hides its nature is refused`() throws {
        var query = GroupMembership.igmpQuery(group: v4("239.77.0.1"), from: .unspecified, maximumResponse: .seconds(1))
        _ = try GroupMembership(query)
        query.timeToLive = 2
        refused("ipv4.time-to-live") { _ = try GroupMembership(query) }
        query.timeToLive = 1
        query.protocolNumber = 17
        refused("ipv4.protocol") { _ = try GroupMembership(query) }

        let group = v6("ff12::4d4d")
        var listener = GroupMembership.mldQuery(group: group, from: v6("fe80::1"), maximumResponse: .seconds(1))
        _ = try GroupMembership(listener)
        listener.hopLimit = 2
        refused("ipv6.hop-limit") { _ = try GroupMembership(listener) }
        listener.hopLimit = 1
        listener.hopByHop = []
        refused("ipv6.hop-by-hop") { _ = try GroupMembership(listener) }
        for source in ["2001:db8::1", "::"] {
            let query = GroupMembership.mldQuery(group: group, from: v6(source), maximumResponse: .seconds(1))
            refused("ipv6.source") { _ = try GroupMembership(query) }
        }
    }

    @Test(arguments: [
        // options, router alert among them
        ([5, 2, 0, 0, 1, 0], true), ([1, 0, 5, 2, 0, 0], true), ([0, 0, 5, 2, 0, 0], true),
        ([5, 2, 0, 1, 1, 0], false), ([1, 4, 0, 0, 0, 0], false),
        ([0, 0, 0, 0, 0, 0], false), ([0x1e, 2, 9, 9, 1, 0], false), ([1, 4, 5, 2, 0, 0], false),
        ([1, 6, 0, 0, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0], true),
    ] as [([UInt8], Bool)])
    func `the router alert is found among hop-by-hop options`(_ options: [UInt8], _ isThere: Bool) throws {
        let packet = try listener(options)
        #expect(packet.hopByHop == options && packet.hasRouterAlert == isThere)
    }

    @Test(arguments: [
        ([5, 2, 0, 0, 1, 1], "ipv6.option.value", .truncated), ([5, 2, 0, 0, 0, 1], "ipv6.option.length", .truncated),
        ([0xc2, 4, 0, 1, 0, 0], "ipv6.option", .unexpected), ([0x5e, 4, 0, 0, 0, 0], "ipv6.option", .unexpected),
        ([5, 255, 0, 0, 1, 0], "ipv6.option.value", .truncated),
    ] as [([UInt8], String, WireError.Reason)])
    func `hop-by-hop options that forbid to go on`(_ options: [UInt8], _ field: String, _ reason: WireError.Reason) {
        let error = #expect(throws: WireError.self) { try listener(options) }
        #expect(error?.field == field && error?.reason == reason)
    }

    private func listener(_ options: [UInt8]) throws -> IPv6Packet {
        var message = WireWriter()
        message.write(UInt32(131) << 24)
        message.write(UInt32(0))
        message.write(v6("ff12::4d4d").octets)
        let packet = IPv6Packet(
            source: v6("fe80::1"), destination: v6("ff12::4d4d"), hopLimit: 1, hopByHop: options, message: message)
        var input = WireReader(bytes(packet))
        let read = try IPv6Packet(parsing: &input)
        #expect(read == packet)
        return read
    }

    @Test func `a payload too short for a checksum is refused even if the sum is right`() {
        // The pseudo-header of this pair of addresses, ICMPv6 and no payload sums to nothing by itself.
        let rest = UInt128(0xffff - 0xfe80 - 1 - 58)
        let header = [0x60, 0, 0, 0, 0, 0, 58, 255] + v6("fe80::1").octets + IPv6Address(rawValue: rest).octets
        var input = WireReader(header)
        let error = #expect(throws: WireError.self) { try IPv6Packet(parsing: &input) }
        #expect(error?.reason == .truncated)
    }
}

@Suite struct QueryTests {
    @Test(arguments: [
        (.zero, 0), (.milliseconds(99), 0), (.milliseconds(100), 1), (.milliseconds(1999), 19),
        (.milliseconds(12_700), 127), (.seconds(100), 127),
        (.seconds(-1), 0),
    ] as [(Duration, Int)])
    func `the response time of an IGMP query`(_ time: Duration, _ tenths: Int) throws {
        let packet = GroupMembership.igmpQuery(group: v4("239.77.0.1"), from: .unspecified, maximumResponse: time)
        let time = Duration.milliseconds(100) * tenths
        #expect(try GroupMembership(packet) == .query(group: ip("239.77.0.1"), maximumResponse: time))
    }

    @Test(arguments: [
        (.zero, 0), (.microseconds(1500), 1), (.milliseconds(32_767), 32_767), (.seconds(100), 32_767),
        (.seconds(-1), 0),
    ] as [(Duration, Int)])
    func `the response time of an MLD query`(_ time: Duration, _ milliseconds: Int) throws {
        let packet = GroupMembership.mldQuery(group: v6("ff12::1"), from: v6("fe80::1"), maximumResponse: time)
        let read = try GroupMembership(packet)
        #expect(read == .query(group: ip("ff12::1"), maximumResponse: .milliseconds(milliseconds)))
    }

    @Test(arguments: [(0x7f, 127), (0x80, 128), (0x8f, 248), (0x90, 256), (0xff, 31744)] as [(UInt8, Int)])
    func `long response times of IGMPv3 are floating-point numbers`(_ code: UInt8, _ tenths: Int) throws {
        #expect(try igmp([0x11, code, 0, 0, 239, 77, 0, 1, 0, 0, 0, 0]) == .query(
            group: ip("239.77.0.1"), maximumResponse: .milliseconds(100) * tenths))
    }

    @Test func `the length tells the version, and lengths between are refused`() throws {
        #expect(try igmp([0x11, 0xff, 0, 0, 239, 77, 0, 1]) == .query(
            group: ip("239.77.0.1"), maximumResponse: .milliseconds(25_500)))
        for count in 9..<12 {
            #expect(throws: WireError.self) { try igmp([0x11, 1] + [UInt8](repeating: 0, count: count - 2)) }
        }
        // More sources than there is room for.
        #expect(throws: WireError.self) { try igmp([0x11, 1, 0, 0, 239, 77, 0, 1, 0, 0, 0, 1, 1, 2, 3]) }
        // A host that leaves is not counted.
        #expect(throws: WireError.self) { try igmp([0x17, 0, 0, 0, 239, 77, 0, 1]) }
    }

    /// Reads an IGMP message after its checksum was put in.
    private func igmp(_ bytes: [UInt8]) throws -> GroupMembership {
        var sum = InternetChecksum()
        sum.add(bytes)
        var output = WireWriter()
        output.write(bytes)
        output.patch(sum.value, at: 2)
        var input = WireReader(output.bytes)
        return try GroupMembership(igmp: &input)
    }
}

@Suite struct DescriptionTests {
    private static let address = v4("192.0.2.11")
    private static let advertisement = NeighborMessage(
        .advertisement([]), target: v6("::11"), options: [.init(type: 2, body: host.octets)])

    @Test(arguments: [
        (ARPPacket.probe(for: address, from: host), "arp who-has 192.0.2.11 probe by 52:54:00:12:34:56"),
        (
            ARPPacket.announcement(address, at: host, .request),
            "arp who-has 192.0.2.11 tell 192.0.2.11 (52:54:00:12:34:56)"
        ),
        (ARPPacket.announcement(address, at: host, .reply), "arp 192.0.2.11 is-at 52:54:00:12:34:56"),
        (
            ARPPacket.announcement(address, at: host, .init(rawValue: 9)),
            "arp operation 9 from 192.0.2.11 (52:54:00:12:34:56)"
        ),
        (ICMPEcho(request: 1, sequence: 2), "echo request id 1 seq 2"),
        (advertisement, "nd ::11 is-here (52:54:00:12:34:56)"),
        (NeighborMessage(.solicitation, target: v6("::11")), "nd who-has ::11"),
        (Sighting(ip("::11"), .holds, mac: host), "52:54:00:12:34:56 has ::11"),
        (Sighting(ip("::11"), .claims, mac: host), "52:54:00:12:34:56 is about to take ::11"),
        (Sighting(ip("::11"), .asks(from: ip("::1")), mac: host), "52:54:00:12:34:56 (::1) asks for ::11"),
    ] as [(any CustomStringConvertible & Sendable, String)])
    func `packets describe themselves in one line`(_ packet: any CustomStringConvertible & Sendable, _ text: String) {
        #expect("\(packet)" == text)
    }
}
