// ARPPacket: who has an address, and who says so (RFC 826), for Ethernet and IPv4 and nothing else.
// The probes and announcements of RFC 5227 are ARP packets too, told apart by their sender and target. Used by
// qure-probe to ask, by qure-claim to announce and to hear conflicts.

/// One ARP packet for IPv4 over Ethernet.
package struct ARPPacket: Equatable, Sendable, CustomStringConvertible {
    /// The operation code; unknown ones survive.
    package struct Operation: RawRepresentable, Equatable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        /// "Who has the target's protocol address?"
        package static let request = Operation(rawValue: 1)
        /// "The sender has it."
        package static let reply = Operation(rawValue: 2)
    }

    /// A hardware address and the protocol address that goes with it.
    package struct Pair: Equatable, Sendable {
        /// The hardware address.
        package var mac: MACAddress
        /// The protocol address.
        package var ip: IPv4Address
        /// `ip` is at `mac`.
        package init(_ mac: MACAddress, _ ip: IPv4Address) {
            self.mac = mac
            self.ip = ip
        }
    }

    /// Question or answer.
    package var operation: Operation
    /// Who speaks; what receivers learn.
    package var sender: Pair
    /// Whom it is about; the hardware address means nothing in a request.
    package var target: Pair

    /// A packet from its parts.
    package init(operation: Operation, sender: Pair, target: Pair) {
        self.operation = operation
        self.sender = sender
        self.target = target
    }

    /// An ARP Probe (RFC 5227 section 2.1.1): no sender address, so that nobody's cache changes.
    package static func probe(for address: IPv4Address, from mac: MACAddress) -> ARPPacket {
        ARPPacket(operation: .request, sender: Pair(mac, .unspecified), target: Pair(.zero, address))
    }

    /// A probe by a host that is about to take the address: the target's hardware address, which receivers ignore
    /// (RFC 5227 section 2.1.1), is the sender's own. So rivals for an address know each other, and nobody takes
    /// a monitor's probe for a rival's.
    package static func claimProbe(for address: IPv4Address, from mac: MACAddress) -> ARPPacket {
        ARPPacket(operation: .request, sender: Pair(mac, .unspecified), target: Pair(mac, address))
    }

    /// An ARP Announcement (RFC 5227 section 2.3) in request form, or in reply form with the target's hardware
    /// address equal to the sender's, for hosts that heed only replies. A holder with a shared hardware address puts
    /// its own where the request form has zeros, which receivers ignore.
    package static func announcement(
        _ address: IPv4Address, at mac: MACAddress, _ form: Operation, identity: MACAddress? = nil
    ) -> ARPPacket {
        let target = form == .reply ? mac : identity ?? .zero
        return ARPPacket(operation: form, sender: Pair(mac, address), target: Pair(target, address))
    }

    /// Whether it asks for an address without naming one of the sender's.
    package var isProbe: Bool { operation == .request && sender.ip == .unspecified }
    /// Whether it is the probe of a host about to take the target address.
    package var isClaimProbe: Bool { isProbe && target.mac == sender.mac }

    /// Reads the 28 bytes; what follows is padding of the frame and left unread.
    package init(parsing input: inout WireReader) throws(WireError) {
        try input.expect(UInt16(1), field: "arp.hardware")
        try input.expect(UInt16(0x0800), field: "arp.protocol")
        try input.expect(UInt8(6), field: "arp.hardware-length")
        try input.expect(UInt8(4), field: "arp.protocol-length")
        operation = Operation(rawValue: try input.read(field: "arp.operation"))
        let senderMAC = try input.readMAC(field: "arp.sender.mac")
        sender = Pair(senderMAC, try input.readIPv4(field: "arp.sender.ip"))
        let targetMAC = try input.readMAC(field: "arp.target.mac")
        target = Pair(targetMAC, try input.readIPv4(field: "arp.target.ip"))
    }

    /// Appends the 28 bytes.
    package func write(to output: inout WireWriter) {
        output.write(UInt16(1))
        output.write(UInt16(0x0800))
        output.write(UInt8(6))
        output.write(UInt8(4))
        output.write(operation.rawValue)
        for pair in [sender, target] {
            output.write(pair.mac)
            output.write(pair.ip.rawValue)
        }
    }

    package var description: String {
        switch operation {
        case .request where isProbe: "arp who-has \(target.ip) probe by \(sender.mac)"
        case .request: "arp who-has \(target.ip) tell \(sender.ip) (\(sender.mac))"
        case .reply: "arp \(sender.ip) is-at \(sender.mac)"
        default: "arp operation \(operation.rawValue) from \(sender.ip) (\(sender.mac))"
        }
    }
}
