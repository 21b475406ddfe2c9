// The IPv4 and IPv6 headers that qure writes and reads itself: those of neighbour discovery, group membership and
// echo, sent through a packet socket because the interface may have no address at all. Fragments and header chains
// that such packets never have are `unexpected`.

/// An IPv4 packet (RFC 791) with its payload; options are kept as they are.
package struct IPv4Packet: Equatable, Sendable {
    /// The router alert option, which makes routers and snooping switches look at the packet (RFC 2113).
    package static let routerAlert: [UInt8] = [0x94, 0x04, 0x00, 0x00]

    package var source: IPv4Address
    package var destination: IPv4Address
    /// Time to live, in hops.
    package var timeToLive: UInt8
    /// The payload's protocol: 1 ICMP, 2 IGMP.
    package var protocolNumber: UInt8
    /// Options, a multiple of four bytes, at most 40.
    package var options: [UInt8]
    package var payload: [UInt8]

    /// A packet from its parts.
    package init(
        source: IPv4Address, destination: IPv4Address, timeToLive: UInt8, protocolNumber: UInt8,
        options: [UInt8] = [], payload: [UInt8]
    ) {
        precondition(options.count <= 40 && options.count % 4 == 0, "IPv4 options come in words, ten at most")
        self.source = source
        self.destination = destination
        self.timeToLive = timeToLive
        self.protocolNumber = protocolNumber
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
        try input.skip(count: 1, field: "ipv4.type-of-service")
        let total = Int(try input.read(UInt16.self, field: "ipv4.total-length"))
        guard total >= headerLength else { throw WireError(.unexpected, field: "ipv4.total-length", offset: start + 2) }
        try input.skip(count: 2, field: "ipv4.identification")
        // Only "don't fragment" may be set: neither flag nor offset of a fragment.
        guard try input.read(UInt16.self, field: "ipv4.fragment") & 0xbfff == 0 else {
            throw WireError(.unexpected, field: "ipv4.fragment", offset: start + 6)
        }
        timeToLive = try input.read(field: "ipv4.time-to-live")
        protocolNumber = try input.read(field: "ipv4.protocol")
        try input.skip(count: 2, field: "ipv4.checksum")
        source = try input.readIPv4(field: "ipv4.source")
        destination = try input.readIPv4(field: "ipv4.destination")
        options = try input.read(count: headerLength - 20, field: "ipv4.options")
        guard header.value == 0 else { throw WireError(.checksum, field: "ipv4.checksum", offset: start + 10) }
        payload = try input.read(count: total - headerLength, field: "ipv4.payload")
    }

    /// Appends the packet with its header checksum. "Don't fragment" is set.
    package func write(to output: inout WireWriter) {
        var header = WireWriter()
        header.write(UInt8(0x45 + options.count / 4))
        header.write(UInt8(0))
        header.write(UInt16(truncatingIfNeeded: 20 + options.count + payload.count))
        header.write(UInt32(0x4000))
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

/// An IPv6 packet (RFC 8200) that carries ICMPv6, with or without the router alert in front.
package struct IPv6Packet: Equatable, Sendable {
    /// The next-header value of ICMPv6.
    package static let icmp: UInt8 = 58

    package var source: IPv6Address
    package var destination: IPv6Address
    /// 255 proves that no router touched it, where the protocol demands that.
    package var hopLimit: UInt8
    /// Whether a hop-by-hop header with the router alert option stands before the payload (RFC 2711), as MLD needs.
    package var routerAlert: Bool
    /// The ICMPv6 message, checksum included.
    package var payload: [UInt8]

    /// A packet from its parts. The payload's checksum at byte 2 is computed here.
    package init(
        source: IPv6Address, destination: IPv6Address, hopLimit: UInt8, routerAlert: Bool = false,
        message: WireWriter
    ) {
        var message = message
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(from: source, to: destination, length: message.bytes.count, nextHeader: Self.icmp)
        checksum.add(message.bytes)
        message.patch(checksum.value, at: 2)
        self.source = source
        self.destination = destination
        self.hopLimit = hopLimit
        self.routerAlert = routerAlert
        payload = message.bytes
    }

    /// Reads a whole packet and checks the ICMPv6 checksum; bytes behind its length are left unread.
    package init(parsing input: inout WireReader) throws(WireError) {
        let start = input.offset
        guard try input.read(UInt32.self, field: "ipv6.version") >> 28 == 6 else {
            throw WireError(.unexpected, field: "ipv6.version", offset: start)
        }
        let length = Int(try input.read(UInt16.self, field: "ipv6.payload-length"))
        var next = try input.read(UInt8.self, field: "ipv6.next-header")
        hopLimit = try input.read(field: "ipv6.hop-limit")
        source = try input.readIPv6(field: "ipv6.source")
        destination = try input.readIPv6(field: "ipv6.destination")
        var body = try input.slice(count: length, field: "ipv6.payload")
        routerAlert = false
        if next == 0 {
            next = try body.read(field: "ipv6.hop-by-hop")
            let units = Int(try body.read(UInt8.self, field: "ipv6.hop-by-hop.length"))
            let options = try body.read(count: units * 8 + 6, field: "ipv6.hop-by-hop.options")
            routerAlert = options.starts(with: [5, 2, 0, 0])
        }
        guard next == Self.icmp else { throw WireError(.unexpected, field: "ipv6.next-header", offset: start + 6) }
        let at = body.offset
        payload = body.rest
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(from: source, to: destination, length: payload.count, nextHeader: Self.icmp)
        checksum.add(payload)
        guard checksum.value == 0 else { throw WireError(.checksum, field: "icmpv6.checksum", offset: at + 2) }
    }

    /// Appends the packet.
    package func write(to output: inout WireWriter) {
        output.write(UInt32(6) << 28)
        output.write(UInt16(truncatingIfNeeded: payload.count + (routerAlert ? 8 : 0)))
        output.write(routerAlert ? 0 : Self.icmp)
        output.write(hopLimit)
        output.write(source.octets)
        output.write(destination.octets)
        if routerAlert { output.write([Self.icmp, 0, 5, 2, 0, 0, 1, 0]) }
        output.write(payload)
    }
}
