// NeighborMessage: neighbour solicitation and advertisement (RFC 4861 sections 4.3 and 4.4), IPv6's ARP.
// The options that matter here are the link-layer addresses and the nonce of RFC 7527; others are kept as they are,
// so that what was read is written again byte for byte.

/// A neighbour solicitation ("who has the target?") or advertisement ("the target is here").
package struct NeighborMessage: Equatable, Sendable, CustomStringConvertible {
    /// Which of the two it is.
    package enum Kind: Equatable, Sendable {
        case solicitation
        case advertisement(Flags)
    }

    /// The flags of an advertisement.
    package struct Flags: OptionSet, Equatable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The sender is a router.
        package static let router = Flags(rawValue: 0x80)
        /// It answers a solicitation.
        package static let solicited = Flags(rawValue: 0x40)
        /// It replaces what the receiver's cache holds.
        package static let override = Flags(rawValue: 0x20)
    }

    /// One option: its type and the bytes behind its length octet.
    package struct Option: Equatable, Sendable {
        /// The hardware address of who asks.
        package static let sourceLinkLayerAddress: UInt8 = 1
        /// The hardware address of who has the target.
        package static let targetLinkLayerAddress: UInt8 = 2
        /// A mark that makes a question known to its sender (RFC 7527).
        package static let nonce: UInt8 = 14

        /// Its type; unknown ones survive.
        package var type: UInt8
        /// The bytes behind its length octet.
        package var body: [UInt8]

        /// An option whose body fills whole units of eight bytes together with its two octets in front.
        package init(type: UInt8, body: [UInt8]) {
            precondition((body.count + 2) % 8 == 0, "neighbour discovery options come in units of eight bytes")
            self.type = type
            self.body = body
        }
    }

    /// The hop limit that proves a neighbour's own sending (RFC 4861 section 7.1).
    package static let hopLimit: UInt8 = 255

    /// Question or answer.
    package var kind: Kind
    /// The address that it is about.
    package var target: IPv6Address
    /// All options as they stood.
    package var options: [Option]

    /// A message from its parts.
    package init(_ kind: Kind, target: IPv6Address, options: [Option] = []) {
        self.kind = kind
        self.target = target
        self.options = options
    }

    /// The packet that asks who has `target`: from `source`, or from :: as duplicate address detection does
    /// (RFC 4862 section 5.4.2), which changes nobody's neighbour cache. `nonce` marks it as the question of a host
    /// that is about to take the address (six bytes, RFC 7527).
    package static func solicitation(
        for target: IPv6Address, from source: IPv6Address, at mac: MACAddress, nonce: [UInt8]? = nil
    ) -> IPv6Packet {
        var message = NeighborMessage(.solicitation, target: target)
        if source != .unspecified {
            message.options.append(Option(type: Option.sourceLinkLayerAddress, body: mac.octets))
        }
        if let nonce { message.options.append(Option(type: Option.nonce, body: nonce)) }
        return message.packet(from: source, to: target.solicitedNode)
    }

    /// The packet that tells every node that `target` is at `mac` now (RFC 4861 section 7.2.6). A holder with a shared
    /// hardware address adds its own as a nonce, which receivers ignore.
    package static func announcement(
        _ target: IPv6Address, at mac: MACAddress, identity: MACAddress? = nil
    ) -> IPv6Packet {
        var message = NeighborMessage(.advertisement(.override), target: target)
        message.options.append(Option(type: Option.targetLinkLayerAddress, body: mac.octets))
        if let identity { message.options.append(Option(type: Option.nonce, body: identity.octets)) }
        return message.packet(from: target, to: .allNodes)
    }

    /// The message in its packet, checksum included.
    package func packet(from source: IPv6Address, to destination: IPv6Address) -> IPv6Packet {
        var output = WireWriter()
        write(to: &output)
        return IPv6Packet(source: source, destination: destination, hopLimit: Self.hopLimit, message: output)
    }

    /// The hardware address that the message names: a solicitation's source, an advertisement's target.
    package var linkLayerAddress: MACAddress? {
        let type = kind == .solicitation ? Option.sourceLinkLayerAddress : Option.targetLinkLayerAddress
        return options.first { $0.type == type }.flatMap { MACAddress(octets: $0.body) }
    }

    /// Whether it carries a nonce, as the question of a host about to take the address does.
    package var hasNonce: Bool { options.contains { $0.type == Option.nonce } }

    /// The nonce as the hardware address that a holder with a shared one puts there.
    package var nonceAsMAC: MACAddress? {
        options.first { $0.type == Option.nonce }.flatMap { MACAddress(octets: $0.body) }
    }

    /// The message of a packet, refused unless it is valid as RFC 4861 sections 7.1.1 and 7.1.2 have it: sent by a
    /// neighbour (anything else may have crossed a router), and not contradicting itself.
    package init(_ packet: IPv6Packet) throws(WireError) {
        guard packet.hopLimit == Self.hopLimit else { throw WireError(.unexpected, field: "ipv6.hop-limit", offset: 7) }
        var input = WireReader(packet.payload)
        try self.init(parsing: &input)
        guard !target.isMulticast else { throw WireError(.unexpected, field: "nd.target", offset: 8) }
        switch kind {
        case .advertisement(let flags):
            // Only a question has an asker to answer to.
            guard !flags.contains(.solicited) || !packet.destination.isMulticast else {
                throw WireError(.unexpected, field: "nd.flags", offset: 4)
            }
        case .solicitation where packet.source == .unspecified:
            guard packet.destination.isSolicitedNode else {
                throw WireError(.unexpected, field: "ipv6.destination", offset: 24)
            }
            guard !options.contains(where: { $0.type == Option.sourceLinkLayerAddress }) else {
                throw WireError(.unexpected, field: "nd.option", offset: 24)
            }
        case .solicitation: break
        }
    }

    /// Reads an ICMPv6 message to its end, whatever packet it came in.
    package init(parsing input: inout WireReader) throws(WireError) {
        let start = input.offset
        let type = try input.read(UInt8.self, field: "nd.type")
        try input.expect(UInt8(0), field: "nd.code")
        try input.skip(count: 2, field: "nd.checksum")
        let flags = Flags(rawValue: try input.read(field: "nd.flags"))
        try input.skip(count: 3, field: "nd.reserved")
        switch type {
        case 135: kind = .solicitation
        case 136: kind = .advertisement(flags)
        default: throw WireError(.unexpected, field: "nd.type", offset: start)
        }
        target = try input.readIPv6(field: "nd.target")
        options = []
        while input.remaining > 0 {
            let optionType = try input.read(UInt8.self, field: "nd.option")
            let lengthAt = input.offset
            let units = Int(try input.read(UInt8.self, field: "nd.option.length"))
            guard units > 0 else { throw WireError(.unexpected, field: "nd.option.length", offset: lengthAt) }
            let body = try input.read(count: units * 8 - 2, field: "nd.option.body")
            options.append(Option(type: optionType, body: body))
        }
    }

    /// Appends the ICMPv6 message with a checksum of zero.
    package func write(to output: inout WireWriter) {
        switch kind {
        case .solicitation:
            output.write(UInt32(135) << 24)
            output.write(UInt32(0))
        case .advertisement(let flags):
            output.write(UInt32(136) << 24)
            output.write(UInt32(flags.rawValue) << 24)
        }
        output.write(target.octets)
        for option in options {
            output.write(option.type)
            output.write(UInt8(truncatingIfNeeded: (option.body.count + 2) / 8))
            output.write(option.body)
        }
    }

    package var description: String {
        let at = linkLayerAddress.map { " (\($0))" } ?? ""
        return switch kind {
        case .solicitation: "nd who-has \(target)\(at)"
        case .advertisement: "nd \(target) is-here\(at)"
        }
    }
}
