// Sighting: what one frame says about an address: somebody has it, asks for it, or is about to take it. ARP and
// neighbour discovery say the same things in different packets; from here on nobody has to know which it was.

/// One frame's evidence about one address.
package struct Sighting: Equatable, Sendable, CustomStringConvertible {
    /// What the sender says.
    package enum Kind: Equatable, Sendable {
        /// It has the address: an answer, an announcement, or a question with the address as the sender's.
        case holds
        /// It asks who has the address and says who it is itself; unspecified for a probe.
        case asks(from: IPAddress)
        /// It is about to take the address unless somebody objects.
        case claims
    }

    /// The address that it is about.
    package var address: IPAddress
    /// What is said about it.
    package var kind: Kind
    /// The hardware address that has, asks for or claims the address.
    package var mac: MACAddress
    /// The sender's own hardware address, where it says one that differs: holders of a shared (virtual) hardware
    /// address tell each other apart by it.
    package var identity: MACAddress

    /// Evidence about `address` from a host.
    package init(_ address: IPAddress, _ kind: Kind, mac: MACAddress, identity: MACAddress? = nil) {
        self.address = address
        self.kind = kind
        self.mac = mac
        self.identity = identity ?? mac
    }

    /// What an ARP packet says: who its sender is, and what it asks.
    package static func from(_ packet: ARPPacket) -> [Sighting] {
        // RFC 5227 section 2.4: requests and replies; what other operations mean by their sender is their own affair.
        guard packet.operation == .request || packet.operation == .reply else { return [] }
        var sightings: [Sighting] = []
        let mac = packet.sender.mac
        if packet.sender.ip != .unspecified {
            let isAnnouncement = packet.operation == .request && packet.sender.ip == packet.target.ip
            let hasIdentity = isAnnouncement && packet.target.mac != .zero && !packet.target.mac.isMulticast
            sightings.append(
                Sighting(.v4(packet.sender.ip), .holds, mac: mac, identity: hasIdentity ? packet.target.mac : nil))
        }
        if packet.operation == .request && packet.sender.ip != packet.target.ip {
            let kind: Kind = packet.isClaimProbe ? .claims : .asks(from: .v4(packet.sender.ip))
            sightings.append(Sighting(.v4(packet.target.ip), kind, mac: mac))
        }
        return sightings
    }

    /// What the neighbour message in `packet` says, which came from the hardware address `source`.
    package static func from(_ packet: IPv6Packet, source: MACAddress) throws(WireError) -> [Sighting] {
        let message = try NeighborMessage(packet)
        let mac = message.linkLayerAddress ?? source
        switch message.kind {
        case .advertisement:
            return [Sighting(.v6(message.target), .holds, mac: mac, identity: message.nonceAsMAC)]
        case .solicitation where packet.source == .unspecified:
            let kind: Kind = message.hasNonce ? .claims : .asks(from: .v6(.unspecified))
            return [Sighting(.v6(message.target), kind, mac: source)]
        case .solicitation:
            let holds = Sighting(.v6(packet.source), .holds, mac: mac)
            guard packet.source != message.target else { return [holds] }
            return [holds, Sighting(.v6(message.target), .asks(from: .v6(packet.source)), mac: mac)]
        }
    }

    package var description: String {
        switch kind {
        case .holds: "\(mac) has \(address)"
        case .asks(let asker): "\(mac) (\(asker)) asks for \(address)"
        case .claims: "\(mac) is about to take \(address)"
        }
    }
}
