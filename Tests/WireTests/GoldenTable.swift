// What every golden packet means, one row each.

import QureCore

/// 52:54:00:12:34:56, this host.
let host = MACAddress(rawValue: 0x5254_0012_3456)
/// 52:54:00:ab:cd:ef, its neighbour or gateway.
let neighbour = MACAddress(rawValue: 0x5254_00ab_cdef)
/// 06:51:c0:00:02:0b, shared by the holders of 192.0.2.11.
let shared = MACAddress(rawValue: 0x0651_c000_020b)

/// A literal IPv4 address.
func v4(_ text: String) -> IPv4Address { IPv4Address(text)! }
/// A literal IPv6 address.
func v6(_ text: String) -> IPv6Address { IPv6Address(text)! }
/// A literal address of either family.
func ip(_ text: String) -> IPAddress { IPAddress(text)! }

let goldens = arpGoldens + echoGoldens + membershipGoldens + neighborGoldens

private let arpGoldens: [Golden] = [
    Golden(
        "arp-request",
        ARPPacket(
            operation: .request, sender: .init(neighbour, v4("192.0.2.1")), target: .init(.zero, v4("192.0.2.11")))),
    Golden(
        "arp-reply",
        ARPPacket(
            operation: .reply, sender: .init(host, v4("192.0.2.11")), target: .init(neighbour, v4("192.0.2.1")))),
    Golden("arp-probe", .probe(for: v4("192.0.2.11"), from: host)),
    Golden("arp-claim-probe", .claimProbe(for: v4("192.0.2.11"), from: host)),
    Golden("arp-announcement-request", .announcement(v4("192.0.2.11"), at: host, .request)),
    Golden("arp-announcement-reply", .announcement(v4("192.0.2.11"), at: host, .reply)),
    Golden("arp-announcement-shared", .announcement(v4("192.0.2.11"), at: shared, .request, identity: host)),
    Golden(
        "arp-operation-8",
        ARPPacket(
            operation: .init(rawValue: 8), sender: .init(neighbour, v4("192.0.2.1")),
            target: .init(.zero, .unspecified))),
]

/// An echo message in its packet.
private func echo(
    _ name: String, _ door: Door, _ source: String, _ destination: String, isReply: Bool = false, _ identifier: UInt16,
    _ sequence: UInt16, _ data: String = "qure-probe", made: Bool = false
) -> Golden {
    var message = ICMPEcho(request: identifier, sequence: sequence, payload: Array(data.utf8))
    message.isReply = isReply
    var packet: Decoded?
    if made, case .v4(let source) = ip(source), case .v4(let destination) = ip(destination) {
        var payload = WireWriter()
        message.write(to: &payload, family: .v4)
        packet = .v4(
            IPv4Packet(
                source: source, destination: destination, timeToLive: 64, protocolNumber: 1, payload: payload.bytes),
            .echo(message))
    }
    return Golden(name, door, .ip(ip(source), ip(destination), 64, .echo(message)), made: packet?.bytes)
}

private let echoGoldens: [Golden] = [
    echo("icmp-echo-request", .icmp, "192.0.2.7", "192.0.2.1", 0x1234, 1, made: true),
    echo("icmp-echo-reply", .icmp, "192.0.2.1", "192.0.2.7", isReply: true, 0x1234, 1),
    echo("icmp-echo-odd", .icmp, "192.0.2.1", "192.0.2.7", isReply: true, 65535, 65535, "odd"),
    echo("icmpv6-echo-request", .icmpv6, "2001:db8::7", "2001:db8::1", 0x1234, 2),
    echo("icmpv6-echo-reply", .icmpv6, "2001:db8::1", "2001:db8::7", isReply: true, 0x1234, 2),
]

/// A query or report in its packet.
private func membership(
    _ name: String, _ source: String, _ destination: String, _ message: GroupMembership, made: Decoded? = nil
) -> Golden {
    Golden(
        name, ip(source).bitWidth == 32 ? .igmp : .mld, .ip(ip(source), ip(destination), 1, .membership(message)),
        made: made?.bytes)
}

private func query(_ group: String, _ tenths: Int) -> GroupMembership {
    .query(group: ip(group), maximumResponse: .milliseconds(100) * tenths)
}

private func report(_ groups: String...) -> GroupMembership { .report(groups: groups.map(ip)) }

private let igmpQuery = GroupMembership.igmpQuery(
    group: v4("239.77.0.1"), from: v4("192.0.2.7"), maximumResponse: .seconds(1))
private let mldQuery = GroupMembership.mldQuery(
    group: v6("ff12::4d4d"), from: v6("fe80::5054:ff:fe12:3456"), maximumResponse: .seconds(1))

private let membershipGoldens: [Golden] = [
    membership("igmp1-query", "192.0.2.1", "224.0.0.1", query("0.0.0.0", 100)),
    membership("igmp2-query", "192.0.2.1", "239.77.0.1", query("239.77.0.1", 200)),
    membership(
        "igmp3-query", "192.0.2.7", "239.77.0.1", query("239.77.0.1", 10),
        made: .v4(igmpQuery, .membership(query("239.77.0.1", 10)))),
    membership("igmp3-query-sources", "192.0.2.1", "239.77.0.1", query("239.77.0.1", 448)),
    membership("igmp1-report", "192.0.2.7", "239.77.0.1", report("239.77.0.1")),
    membership("igmp2-report", "192.0.2.7", "239.77.0.1", report("239.77.0.1")),
    membership(
        "igmp3-report", "192.0.2.7", "224.0.0.22", report("239.77.0.1", "239.77.0.3", "239.77.0.5", "239.77.0.6")),
    membership("igmp3-report-linux", "192.0.2.7", "224.0.0.22", report("239.77.0.1")),
    membership("mld1-query", "fe80::5054:ff:feab:cdef", "ff12::4d4d", query("ff12::4d4d", 100)),
    membership(
        "mld2-query", "fe80::5054:ff:fe12:3456", "ff12::4d4d", query("ff12::4d4d", 10),
        made: .v6(mldQuery, .membership(query("ff12::4d4d", 10)))),
    membership(
        "mld2-query-sources", "fe80::5054:ff:feab:cdef", "ff12::4d4d",
        .query(group: ip("ff12::4d4d"), maximumResponse: .milliseconds(4097 * 16))),
    membership("mld1-report", "fe80::5054:ff:fe12:3456", "ff12::4d4d", report("ff12::4d4d")),
    membership("mld2-report", "fe80::5054:ff:fe12:3456", "ff02::16", report("ff12::4d4d", "ff12::3")),
    membership("mld2-report-unspecified", "::", "ff02::16", report("ff02::1:ff00:11")),
]

private let target = v6("2001:db8::11")
private let asker = v6("fe80::5054:ff:feab:cdef")
private let group = ip("ff02::1:ff00:11")

private func option(_ type: UInt8, _ body: [UInt8]) -> NeighborMessage.Option { .init(type: type, body: body) }

private let neighborGoldens: [Golden] = [
    Golden(
        "nd-solicitation", .v6(asker), group,
        NeighborMessage(.solicitation, target: target, options: [option(1, neighbour.octets)]),
        made: NeighborMessage.solicitation(for: target, from: asker, at: neighbour)),
    Golden(
        "nd-solicitation-probe", ip("::"), group, NeighborMessage(.solicitation, target: target),
        made: NeighborMessage.solicitation(for: target, from: .unspecified, at: neighbour)),
    Golden(
        "nd-solicitation-claim", ip("::"), group,
        NeighborMessage(.solicitation, target: target, options: [option(14, host.octets)]),
        made: NeighborMessage.solicitation(for: target, from: .unspecified, at: host, nonce: host.octets)),
    Golden(
        "nd-solicitation-unknown-option", .v6(asker), group,
        NeighborMessage(
            .solicitation, target: target, options: [option(1, neighbour.octets), option(253, Array(0..<22))])),
    Golden(
        "nd-advertisement", .v6(target), .v6(asker),
        NeighborMessage(
            .advertisement([.solicited, .override]), target: target, options: [option(2, host.octets)])),
    Golden(
        "nd-announcement", .v6(target), ip("ff02::1"),
        NeighborMessage(.advertisement(.override), target: target, options: [option(2, host.octets)]),
        made: NeighborMessage.announcement(target, at: host)),
    Golden(
        "nd-announcement-shared", .v6(target), ip("ff02::1"),
        NeighborMessage(
            .advertisement(.override), target: target, options: [option(2, shared.octets), option(14, host.octets)]),
        made: NeighborMessage.announcement(target, at: shared, identity: host)),
]
