// What one frame says about an address: a row for each kind of frame, of both families.

import QureCore
import Testing

@Suite struct SightingTests {
    private static let address = ip("192.0.2.11")
    private static let gateway = ip("192.0.2.1")
    private static let v6Address = ip("2001:db8::11")
    private static let asker = ip("fe80::5054:ff:feab:cdef")

    @Test(arguments: [
        (
            "arp-request",
            [Sighting(gateway, .holds, mac: neighbour), Sighting(address, .asks(from: gateway), mac: neighbour)]
        ),
        ("arp-reply", [Sighting(address, .holds, mac: host)]),
        ("arp-probe", [Sighting(address, .asks(from: ip("0.0.0.0")), mac: host)]),
        ("arp-claim-probe", [Sighting(address, .claims, mac: host)]),
        ("arp-announcement-request", [Sighting(address, .holds, mac: host)]),
        ("arp-announcement-reply", [Sighting(address, .holds, mac: host)]),
        ("arp-announcement-shared", [Sighting(address, .holds, mac: shared, identity: host)]),
        ("arp-operation-8", []),
    ] as [(String, [Sighting])])
    func `of an ARP packet`(_ golden: String, _ sightings: [Sighting]) throws {
        var input = WireReader(try Fixture.bytes(golden))
        #expect(Sighting.from(try ARPPacket(parsing: &input)) == sightings)
    }

    @Test(arguments: [
        (
            "nd-solicitation",
            [Sighting(asker, .holds, mac: neighbour), Sighting(v6Address, .asks(from: asker), mac: neighbour)]
        ),
        ("nd-solicitation-probe", [Sighting(v6Address, .asks(from: ip("::")), mac: sender)]),
        ("nd-solicitation-claim", [Sighting(v6Address, .claims, mac: sender)]),
        ("nd-advertisement", [Sighting(v6Address, .holds, mac: host)]),
        ("nd-announcement", [Sighting(v6Address, .holds, mac: host)]),
        ("nd-announcement-shared", [Sighting(v6Address, .holds, mac: shared, identity: host)]),
    ] as [(String, [Sighting])])
    func `of a neighbour message`(_ golden: String, _ sightings: [Sighting]) throws {
        var input = WireReader(try Fixture.bytes(golden))
        #expect(try Sighting.from(IPv6Packet(parsing: &input), source: sender) == sightings)
    }

    /// The frame's source, where the message itself does not name one.
    private static let sender = MACAddress(rawValue: 0x0200_0000_0099)
    private let sender = Self.sender

    @Test func `an announcement to the broadcast address names nobody else`() {
        // As arping -U sends it: the target hardware address is the broadcast address.
        for target in [MACAddress.broadcast, .zero] {
            let packet = ARPPacket(
                operation: .request, sender: .init(host, v4("192.0.2.11")), target: .init(target, v4("192.0.2.11")))
            #expect(Sighting.from(packet) == [Sighting(Self.address, .holds, mac: host)])
        }
    }

    @Test func `a holder that asks for its own address says that it has it, once`() throws {
        let packet = NeighborMessage.solicitation(for: v6("2001:db8::11"), from: v6("2001:db8::11"), at: host)
        #expect(try Sighting.from(packet, source: sender) == [Sighting(Self.v6Address, .holds, mac: host)])
    }

    @Test func `a frame without an option is judged by its own source`() throws {
        let packet = NeighborMessage(.advertisement(.override), target: v6("2001:db8::11")).packet(
            from: v6("2001:db8::11"), to: .allNodes)
        #expect(try Sighting.from(packet, source: sender) == [Sighting(Self.v6Address, .holds, mac: sender)])
    }

    @Test func `what is no valid neighbour message says nothing`() throws {
        var packet = NeighborMessage.announcement(v6("2001:db8::11"), at: host)
        packet.hopLimit = 254
        #expect(throws: WireError.self) { try Sighting.from(packet, source: sender) }
        let query = GroupMembership.mldQuery(group: v6("ff12::1"), from: v6("fe80::1"), maximumResponse: .zero)
        #expect(throws: WireError.self) { try Sighting.from(query, source: sender) }
    }
}
