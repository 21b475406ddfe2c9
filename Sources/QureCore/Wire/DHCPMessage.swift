// DHCPMessage: a client's question for an address and a server's offer (RFC 2131), as far as `qure-elect check` needs
// them: it asks for the shared address in the name of a client that does not exist, and an offer of exactly that
// address means that the server may give it to anybody. It never asks for a lease. Of the options (RFC 2132) only those
// that say this are kept; nothing is looked for in the fields for the server's name and the boot file.

/// A question or an answer of DHCP.
package struct DHCPMessage: Equatable, Sendable {
    /// What it says (option 53); unknown codes survive.
    package struct Kind: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Who would give me an address?
        package static let discover = Kind(rawValue: 1)
        /// I would, this one.
        package static let offer = Kind(rawValue: 2)
    }

    /// UDP's protocol number.
    package static let udp: UInt8 = 17
    /// Where servers listen.
    package static let serverPort: UInt16 = 67  // RFC 2131 section 4.1
    /// Where clients listen.
    package static let clientPort: UInt16 = 68  // RFC 2131 section 4.1
    private static let cookie: UInt32 = 0x6382_5363  // RFC 2131 section 3
    /// BOOTP's length, which relays and servers may insist on (RFC 1542 section 2.1).
    private static let minimumLength = 300
    private static let broadcastFlag: UInt16 = 0x8000

    /// What it says.
    package var kind: Kind
    /// Whether it comes from a server.
    package var isReply: Bool
    /// The number of the conversation.
    package var transaction: UInt32
    /// The client's hardware address, which need not be the one that the frame comes from.
    package var client: MACAddress
    /// The address that a server offers (`yiaddr`).
    package var offered = IPv4Address.unspecified
    /// The address that a client would like (option 50).
    package var requested: IPv4Address?
    /// The server (option 54).
    package var server: IPv4Address?

    /// A client's question whether it could have this address; the answer is to go to everybody.
    package static func discover(_ address: IPv4Address, for client: MACAddress, transaction: UInt32)
        -> DHCPMessage
    {
        DHCPMessage(
            kind: .discover, isReply: false, transaction: transaction, client: client, requested: address)
    }

    /// A message from its parts.
    package init(
        kind: Kind, isReply: Bool, transaction: UInt32, client: MACAddress,
        offered: IPv4Address = .unspecified,
        requested: IPv4Address? = nil, server: IPv4Address? = nil
    ) {
        self.kind = kind
        self.isReply = isReply
        self.transaction = transaction
        self.client = client
        self.offered = offered
        self.requested = requested
        self.server = server
    }

    /// The packet that carries it from a client that has no address yet to all servers on the link, or from a server
    /// to all clients.
    package var packet: IPv4Packet {
        var message = WireWriter()
        write(to: &message)
        let source = isReply ? server ?? .unspecified : .unspecified
        var datagram = WireWriter()
        datagram.write(isReply ? Self.serverPort : Self.clientPort)
        datagram.write(isReply ? Self.clientPort : Self.serverPort)
        datagram.write(UInt16(truncatingIfNeeded: 8 + message.bytes.count))
        datagram.write(UInt16(0))
        datagram.write(message.bytes)
        // RFC 768: over the addresses, the protocol and the length too; a sum of 0 is sent as its other form.
        var pseudoHeader = WireWriter()
        pseudoHeader.write(source.rawValue)
        pseudoHeader.write(IPv4Address.broadcast.rawValue)
        pseudoHeader.write(UInt16(Self.udp))
        pseudoHeader.write(UInt16(truncatingIfNeeded: datagram.bytes.count))
        var checksum = InternetChecksum()
        checksum.add(pseudoHeader.bytes)
        checksum.add(datagram.bytes)
        datagram.patch(checksum.value == 0 ? .max : checksum.value, at: 6)
        return IPv4Packet(
            source: source, destination: .broadcast, dontFragment: false, timeToLive: 64,
            protocolNumber: Self.udp,
            payload: datagram.bytes)
    }

    private func write(to output: inout WireWriter) {
        output.write(UInt8(isReply ? 2 : 1))
        output.write([1, 6, 0] as [UInt8])  // Ethernet, six octets, no relay
        output.write(transaction)
        output.write(UInt16(0))  // seconds
        output.write(Self.broadcastFlag)
        output.write(UInt32(0))  // ciaddr
        output.write(offered.rawValue)
        output.write(UInt64(0))  // siaddr, giaddr
        output.write(client)
        output.write([UInt8](repeating: 0, count: 10 + 64 + 128))  // the rest of chaddr, sname, file
        output.write(Self.cookie)
        output.write([53, 1, kind.rawValue])
        for (code, address) in [(50, requested), (54, server)] as [(UInt8, IPv4Address?)] {
            guard let address else { continue }
            output.write([code, 4])
            output.write(address.rawValue)
        }
        output.write(UInt8(255))
        output.write([UInt8](repeating: 0, count: max(Self.minimumLength - output.bytes.count, 0)))
    }

    /// Reads the message that a packet carries. The checksum of UDP is not looked at: between the namespaces and guests
    /// of one machine it is left to hardware that is not there, and a packet socket sees it unfinished.
    package init(_ packet: IPv4Packet) throws(WireError) {
        guard packet.protocolNumber == Self.udp else {
            throw WireError(.unexpected, field: "ipv4.protocol", offset: 9)
        }
        var datagram = WireReader(packet.payload)
        let source = try datagram.read(UInt16.self, field: "udp.source")
        let isFromServer = source == Self.serverPort
        try datagram.expect(isFromServer ? Self.clientPort : Self.serverPort, field: "udp.destination")
        let length = Int(try datagram.read(UInt16.self, field: "udp.length"))
        try datagram.skip(count: 2, field: "udp.checksum")
        guard length >= 8 else { throw WireError(.unexpected, field: "udp.length", offset: 4) }
        var input = try datagram.slice(count: length - 8, field: "udp.payload")
        try self.init(parsing: &input)
        guard isReply == isFromServer else { throw WireError(.unexpected, field: "dhcp.op", offset: 8) }
    }

    private init(parsing input: inout WireReader) throws(WireError) {
        let start = input.offset
        let operation = try input.read(UInt8.self, field: "dhcp.op")
        guard operation == 1 || operation == 2 else {
            throw WireError(.unexpected, field: "dhcp.op", offset: start)
        }
        isReply = operation == 2
        try input.expect(UInt8(1), field: "dhcp.htype")
        try input.expect(UInt8(6), field: "dhcp.hlen")
        try input.skip(count: 1, field: "dhcp.hops")
        transaction = try input.read(field: "dhcp.xid")
        try input.skip(count: 2 + 2 + 4, field: "dhcp.ciaddr")
        offered = try input.readIPv4(field: "dhcp.yiaddr")
        try input.skip(count: 4 + 4, field: "dhcp.giaddr")
        client = try input.readMAC(field: "dhcp.chaddr")
        try input.skip(count: 10 + 64 + 128, field: "dhcp.file")
        try input.expect(Self.cookie, field: "dhcp.cookie")
        var kind: Kind?
        while input.remaining > 0 {
            let code = try input.read(UInt8.self, field: "dhcp.option")
            if code == 0 { continue }
            if code == 255 { break }
            let length = Int(try input.read(UInt8.self, field: "dhcp.option.length"))
            var body = try input.slice(count: length, field: "dhcp.option.\(code)")
            switch code {
            case 50: requested = try body.readIPv4(field: "dhcp.option.50")
            case 53: kind = Kind(rawValue: try body.read(field: "dhcp.option.53"))
            case 54: server = try body.readIPv4(field: "dhcp.option.54")
            default: continue
            }
            guard body.remaining == 0 else {
                throw WireError(.unexpected, field: "dhcp.option.\(code)", offset: body.offset)
            }
        }
        guard let kind else {
            throw WireError(.truncated, field: "dhcp.option.53", offset: input.offset)
        }
        self.kind = kind
    }
}

extension DHCPMessage: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .discover: "dhcp discover \(requested.map { "\($0) " } ?? "")for \(client)"
        case .offer: "dhcp offer \(offered) for \(client)\(server.map { " by \($0)" } ?? "")"
        default: "dhcp \(kind.rawValue) for \(client)"
        }
    }
}
