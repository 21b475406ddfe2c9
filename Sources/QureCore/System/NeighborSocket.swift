// NeighborSocket: asks on one interface who has an address, tells who has it, and hears what others say: ARP for IPv4,
// neighbour discovery for IPv6, in packets of our own making. Used by qure-probe to ask and by qure-claim to announce
// and to notice conflicts. Needs CAP_NET_RAW and no address on the interface.

/// Questions, announcements and evidence about the addresses of one link.
package struct NeighborSocket: ~Copyable {
    /// Evidence and when the kernel received it.
    package struct Heard: Sendable {
        /// What was said.
        package var sighting: Sighting
        /// When the kernel received it.
        package var received: Instant
    }

    /// The hardware address that our packets name as ours.
    package let mac: MACAddress
    /// The source of our neighbour solicitations; :: where the interface has no link-local address, and then the
    /// answers go to all nodes.
    package let linkLocal: IPv6Address
    /// Frames that were not the packets they claimed to be.
    package private(set) var malformed = 0

    /// The descriptors, for the poller: all can be drained with `receive`.
    package let descriptors: [CInt]

    /// Only the sockets of the families in question: the kernel takes many milliseconds to close one.
    private let arp: PacketSocket?
    private let ipv6: PacketSocket?
    private let networks: [Prefix]
    private var hears: [Prefix]
    private let identity: MACAddress?

    /// Opens the sockets on the interface with this index and hears evidence about addresses in `networks`; about the
    /// `holders` only what they say themselves, so that others' questions for them, as for a gateway, wake nobody;
    /// where there are networks, ARP of theirs only as far as it is to those.
    /// `identity` is this host's own hardware address where `mac` is one that several hosts share. Who is about to take
    /// an IPv6 address says so to a group that a socket joins where it `hearsClaims`.
    package init(
        interface index: Int, name: String, mac: MACAddress, linkLocal: IPv6Address?, networks: [Prefix],
        holders: [IPAddress] = [], identity: MACAddress? = nil, hearsClaims: Bool = true
    ) throws(SystemError) {
        let holders = holders.compactMap(Self.prefix)
        var descriptors: [CInt] = []
        var arp: PacketSocket?
        if (networks.isEmpty ? holders : networks).contains(where: Self.isV4) {
            let filter = Self.arpFilter(networks, holders)
            let socket = try PacketSocket(.arp, interface: index, name: name, filter: filter)
            descriptors.append(socket.descriptor)
            arp = .some(socket)
        }
        var ipv6: PacketSocket?
        if (networks + holders).contains(where: Self.isV6) {
            let filter = Self.neighborFilter(networks, holders)
            let socket = try PacketSocket(.ipv6, interface: index, name: name, filter: filter)
            try socket.join(.multicast(.allNodes))
            if hearsClaims { try Self.joinGroups(of: networks, socket) }
            descriptors.append(socket.descriptor)
            ipv6 = .some(socket)
        }
        self.arp = arp
        self.ipv6 = ipv6
        self.descriptors = descriptors
        self.mac = mac
        self.identity = identity
        self.linkLocal = linkLocal ?? .unspecified
        self.networks = networks
        hears = networks + holders
    }

    /// Hears about other holders from now on, of the families that are listened to: a new socket would have the old one
    /// closed.
    package mutating func hear(holders: [IPAddress]) throws(SystemError) {
        let holders = holders.compactMap(Self.prefix)
        try arp?.setFilter(Self.arpFilter(networks, holders))
        try ipv6?.setFilter(Self.neighborFilter(networks, holders))
        hears = networks + holders
    }

    private static func prefix(_ address: IPAddress) -> Prefix? { Prefix(address, length: address.bitWidth) }
    private static func isV4(_ network: Prefix) -> Bool { network.address.bitWidth == 32 }
    private static func isV6(_ network: Prefix) -> Bool { !isV4(network) }

    /// Where there are networks, who asks in the name of a holder is answered to that address.
    private static func arpFilter(_ networks: [Prefix], _ holders: [Prefix]) -> PacketFilter {
        .arp(about: networks.filter(isV4), by: networks.isEmpty ? holders.filter(isV4) : [])
    }

    private static func neighborFilter(_ networks: [Prefix], _ holders: [Prefix]) -> PacketFilter {
        .neighborMessages(about: networks.filter(isV6), by: holders.filter(isV6))
    }

    /// Who is about to take an address asks those that have it, by their group.
    private static func joinGroups(of networks: [Prefix], _ socket: borrowing PacketSocket) throws(SystemError) {
        for case .v6(let address) in networks.filter({ $0.length == 128 }).map(\.address) {
            try socket.join(.multicast(address.solicitedNode))
        }
    }

    /// Hears neighbour solicitations to any group, as far as they reach this host.
    package func hearAllGroups() throws(SystemError) { try ipv6?.join(nil) }

    /// Asks everybody who has `address`, changing nobody's cache where the sender is unspecified.
    package func probe(_ address: IPAddress) throws(SystemError) {
        switch address {
        case .v4(let v4): try send(.probe(for: v4, from: mac))
        case .v6(let v6): try send(NeighborMessage.solicitation(for: v6, from: linkLocal, at: mac))
        }
    }

    /// Asks who has `address` as a host does that is about to take it.
    package func probeToClaim(_ address: IPAddress) throws(SystemError) {
        switch address {
        case .v4(let v4): try send(.claimProbe(for: v4, from: mac))
        case .v6(let v6):
            try send(NeighborMessage.solicitation(for: v6, from: .unspecified, at: mac, nonce: mac.octets))
        }
    }

    /// Asks who has `address` in the name of `asker`, an address of this host: the answer comes to that address, and
    /// whoever answers learns where it is.
    package func ask(for address: IPAddress, tell asker: IPAddress) throws(SystemError) {
        switch (address, asker) {
        case (.v4(let v4), .v4(let asker)):
            try send(ARPPacket(operation: .request, sender: .init(mac, asker), target: .init(.zero, v4)))
        case (.v6(let v6), .v6(let asker)):
            try send(NeighborMessage.solicitation(for: v6, from: asker, at: mac))
        default:
            preconditionFailure("asked for \(address) in the name of \(asker), which is of the other family")
        }
    }

    /// Tells the link that `address` is here: gratuitous ARP in both forms, or an unsolicited advertisement.
    package func announce(_ address: IPAddress) throws(SystemError) {
        switch address {
        case .v4(let v4):
            try send(.announcement(v4, at: mac, .request, identity: identity))
            try send(.announcement(v4, at: mac, .reply))
        case .v6(let v6):
            try send(NeighborMessage.announcement(v6, at: mac, identity: identity))
        }
    }

    /// What others have said since the last call; empty when there is nothing more.
    package mutating func receive() throws(SystemError) -> [Heard] {
        var heard: [Heard] = []
        for frame in try arp?.receive() ?? [] {
            var input = WireReader(frame.bytes)
            guard let packet = try? ARPPacket(parsing: &input) else {
                malformed += 1
                continue
            }
            note(Sighting.from(packet), frame, in: &heard)
        }
        for frame in try ipv6?.receive() ?? [] {
            var input = WireReader(frame.bytes)
            guard let packet = try? IPv6Packet(parsing: &input),
                let sightings = try? Sighting.from(packet, source: frame.source)
            else {
                malformed += 1
                continue
            }
            note(sightings, frame, in: &heard)
        }
        return heard
    }

    /// Keeps what is about our networks and was not said by this host itself, which a bridge may reflect.
    private func note(_ sightings: [Sighting], _ frame: PacketSocket.Frame, in heard: inout [Heard]) {
        for sighting in sightings where sighting.identity != (identity ?? mac) {
            if hears.contains(where: { $0.contains(sighting.address) }) {
                heard.append(Heard(sighting: sighting, received: frame.received))
            }
        }
    }

    private func send(_ packet: ARPPacket) throws(SystemError) {
        var output = WireWriter()
        packet.write(to: &output)
        try arp?.send(output.bytes, to: .broadcast)
    }

    private func send(_ packet: IPv6Packet) throws(SystemError) {
        var output = WireWriter()
        packet.write(to: &output)
        try ipv6?.send(output.bytes, to: .multicast(packet.destination))
    }
}
