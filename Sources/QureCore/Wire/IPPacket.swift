// The IPv4 and IPv6 headers that qure writes and reads itself: those of neighbour discovery, group membership and
// echo, sent through a packet socket because the interface may have no address at all. Fragments and header chains
// that such packets never have are `unexpected`. What one message type demands of its packet (a hop limit, a kind of
// source) is checked where that message is read.

/// An IPv4 packet (RFC 791) with its payload; options are kept as they are.
package struct IPv4Packet: Equatable, Sendable {
    /// The router alert option, which makes routers and snooping switches look at the packet (RFC 2113).
    package static let routerAlert: [UInt8] = [0x94, 0x04, 0x00, 0x00]

    /// How urgent the packet is (RFC 791; RFC 2474 calls it differentiated services).
    package var typeOfService: UInt8
    /// Tells the fragments of packets apart; without meaning where the packet may not be fragmented (RFC 6864).
    package var identification: UInt16
    /// Whether routers must drop it rather than take it apart.
    package var dontFragment: Bool
    /// Time to live, in hops.
    package var timeToLive: UInt8
    /// The payload's protocol: 1 ICMP, 2 IGMP.
    package var protocolNumber: UInt8
    /// The sender; 0.0.0.0 for a host that has no address.
    package var source: IPv4Address
    /// A host, a group, or everybody.
    package var destination: IPv4Address
    /// Options, a multiple of four bytes, at most 40.
    package var options: [UInt8]
    /// What follows the options.
    package var payload: [UInt8]

    /// A packet from its parts.
    package init(
        source: IPv4Address, destination: IPv4Address, typeOfService: UInt8 = 0, identification: UInt16 = 0,
        dontFragment: Bool = true, timeToLive: UInt8, protocolNumber: UInt8, options: [UInt8] = [], payload: [UInt8]
    ) {
        precondition(options.count <= 40 && options.count % 4 == 0, "IPv4 options come in words, ten at most")
        precondition(20 + options.count + payload.count <= 65535, "an IPv4 packet has at most 65535 bytes")
        self.typeOfService = typeOfService
        self.identification = identification
        self.dontFragment = dontFragment
        self.timeToLive = timeToLive
        self.protocolNumber = protocolNumber
        self.source = source
        self.destination = destination
        self.options = options
        self.payload = payload
    }

    /// Reads a whole packet; bytes behind its total length are padding of the frame and left unread.
    package init(parsing input: inout WireReader) throws(WireError) {
        var header = InternetChecksum()
        header.add(input.rest.prefix(Int((input.rest.first ?? 0) & 15) * 4))
        let start = input.offset
        let versionAndLength = try input.read(UInt8.self, field: "ipv4.version")
        let headerLength = Int(versionAndLength & 15) * 4
        guard versionAndLength >> 4 == 4, headerLength >= 20 else {
            throw WireError(.unexpected, field: "ipv4.version", offset: start)
        }
        typeOfService = try input.read(field: "ipv4.type-of-service")
        let total = Int(try input.read(UInt16.self, field: "ipv4.total-length"))
        guard total >= headerLength else { throw WireError(.unexpected, field: "ipv4.total-length", offset: start + 2) }
        identification = try input.read(field: "ipv4.identification")
        // Only "don't fragment" may be set: neither flag nor offset of a fragment.
        let fragment = try input.read(UInt16.self, field: "ipv4.fragment")
        guard fragment & ~Self.dontFragmentFlag == 0 else {
            throw WireError(.unexpected, field: "ipv4.fragment", offset: start + 6)
        }
        dontFragment = fragment != 0
        timeToLive = try input.read(field: "ipv4.time-to-live")
        protocolNumber = try input.read(field: "ipv4.protocol")
        try input.skip(count: 2, field: "ipv4.checksum")
        source = try input.readIPv4(field: "ipv4.source")
        destination = try input.readIPv4(field: "ipv4.destination")
        options = try input.read(count: headerLength - 20, field: "ipv4.options")
        guard header.value == 0 else { throw WireError(.checksum, field: "ipv4.checksum", offset: start + 10) }
        // RFC 1122 section 3.2.1.3: no host is called that, so nobody has sent it.
        guard !source.isMulticast, source != .broadcast else {
            throw WireError(.unexpected, field: "ipv4.source", offset: start + 12)
        }
        payload = try input.read(count: total - headerLength, field: "ipv4.payload")
    }

    private static let dontFragmentFlag: UInt16 = 0x4000

    /// Appends the packet with its header checksum.
    package func write(to output: inout WireWriter) {
        var header = WireWriter()
        header.write(UInt8(0x45 + options.count / 4))
        header.write(typeOfService)
        header.write(UInt16(truncatingIfNeeded: 20 + options.count + payload.count))
        header.write(identification)
        header.write(dontFragment ? Self.dontFragmentFlag : 0)
        header.write(timeToLive)
        header.write(protocolNumber)
        header.write(UInt16(0))
        header.write(source.rawValue)
        header.write(destination.rawValue)
        header.write(options)
        var checksum = InternetChecksum()
        checksum.add(header.bytes)
        header.patch(checksum.value, at: 10)
        output.write(header.bytes)
        output.write(payload)
    }
}

/// An IPv6 packet (RFC 8200) that carries ICMPv6, with or without hop-by-hop options in front.
package struct IPv6Packet: Equatable, Sendable {
    /// The next-header value of ICMPv6.
    package static let icmp: UInt8 = 58
    /// The hop-by-hop options of an MLD message: the router alert with the value for MLD (RFC 2711), padded.
    package static let routerAlert: [UInt8] = [5, 2, 0, 0, 1, 0]

    /// Traffic class and flow label: 28 bits.
    package var flow: UInt32
    /// 255 proves that no router touched it, where the protocol demands that.
    package var hopLimit: UInt8
    /// The sender; :: for a host that has no address.
    package var source: IPv6Address
    /// A host or a group.
    package var destination: IPv6Address
    /// The options of a hop-by-hop header in front of the payload, as they are; empty: there is no such header.
    package var hopByHop: [UInt8]
    /// The ICMPv6 message, checksum included.
    package var payload: [UInt8]

    /// A packet from its parts. The payload's checksum at byte 2 is computed here.
    package init(
        source: IPv6Address, destination: IPv6Address, hopLimit: UInt8, hopByHop: [UInt8] = [], message: WireWriter
    ) {
        precondition(hopByHop.isEmpty || hopByHop.count % 8 == 6, "IPv6 headers come in units of eight bytes")
        var message = message
        message.patch(0, at: 2)
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(from: source, to: destination, length: message.bytes.count, nextHeader: Self.icmp)
        checksum.add(message.bytes)
        message.patch(checksum.value, at: 2)
        flow = 0
        self.hopLimit = hopLimit
        self.source = source
        self.destination = destination
        self.hopByHop = hopByHop
        payload = message.bytes
    }

    /// Reads a whole packet and checks the ICMPv6 checksum; bytes behind its length are left unread.
    package init(parsing input: inout WireReader) throws(WireError) {
        let start = input.offset
        flow = try input.read(field: "ipv6.version")
        guard flow >> 28 == 6 else { throw WireError(.unexpected, field: "ipv6.version", offset: start) }
        flow &= 0x0fff_ffff
        let length = Int(try input.read(UInt16.self, field: "ipv6.payload-length"))
        var next = try input.read(UInt8.self, field: "ipv6.next-header")
        hopLimit = try input.read(field: "ipv6.hop-limit")
        source = try input.readIPv6(field: "ipv6.source")
        // RFC 4291 section 2.7: a group never sends.
        guard !source.isMulticast else { throw WireError(.unexpected, field: "ipv6.source", offset: start + 8) }
        destination = try input.readIPv6(field: "ipv6.destination")
        var body = try input.slice(count: length, field: "ipv6.payload")
        hopByHop = []
        if next == 0 {
            next = try body.read(field: "ipv6.hop-by-hop")
            let units = Int(try body.read(UInt8.self, field: "ipv6.hop-by-hop.length"))
            var options = try body.slice(count: units * 8 + 6, field: "ipv6.hop-by-hop.options")
            hopByHop = options.rest
            _ = try Self.hasRouterAlert(&options)
        }
        guard next == Self.icmp else { throw WireError(.unexpected, field: "ipv6.next-header", offset: start + 6) }
        let at = body.offset
        payload = body.rest
        try body.skip(count: 4, field: "icmpv6.checksum")
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(from: source, to: destination, length: payload.count, nextHeader: Self.icmp)
        checksum.add(payload)
        guard checksum.value == 0 else { throw WireError(.checksum, field: "icmpv6.checksum", offset: at + 2) }
    }

    /// Whether the router alert for MLD is among the hop-by-hop options, as MLD needs it.
    package var hasRouterAlert: Bool {
        var options = WireReader(hopByHop)
        return (try? Self.hasRouterAlert(&options)) ?? false
    }

    /// Goes through hop-by-hop options to their end (RFC 8200 section 4.2). An unknown one whose type begins with two
    /// zero bits may be passed over; any other forbids to go on.
    private static func hasRouterAlert(_ options: inout WireReader) throws(WireError) -> Bool {
        var found = false
        while options.remaining > 0 {
            let at = options.offset
            let type = try options.read(UInt8.self, field: "ipv6.option")
            guard type != 0 else { continue }  // Pad1 has no length
            guard type >> 6 == 0 else { throw WireError(.unexpected, field: "ipv6.option", offset: at) }
            let length = Int(try options.read(UInt8.self, field: "ipv6.option.length"))
            let value = try options.read(count: length, field: "ipv6.option.value")
            if type == 5 && value == [0, 0] { found = true }
        }
        return found
    }

    /// Appends the packet.
    package func write(to output: inout WireWriter) {
        let extensions = hopByHop.isEmpty ? 0 : 2 + hopByHop.count
        output.write(UInt32(6) << 28 | flow)
        output.write(UInt16(truncatingIfNeeded: extensions + payload.count))
        output.write(hopByHop.isEmpty ? Self.icmp : 0)
        output.write(hopLimit)
        output.write(source.octets)
        output.write(destination.octets)
        if !hopByHop.isEmpty {
            output.write(Self.icmp)
            output.write(UInt8(truncatingIfNeeded: hopByHop.count / 8))
            output.write(hopByHop)
        }
        output.write(payload)
    }
}
