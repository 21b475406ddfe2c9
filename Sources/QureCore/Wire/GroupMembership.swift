// GroupMembership: who listens to a multicast group, asked and answered: IGMPv3 (RFC 9776) and MLDv2 (RFC 9777).
// qure asks about one group only. A general query would make snooping switches believe that a multicast router is
// there and prune groups; a group-specific one does not.

/// A group-specific query or a membership report, of IGMP (IPv4) or MLD (IPv6).
package enum GroupMembership: Equatable, Sendable {
    /// "Who listens to `group`? Answer within `maximumResponse`." At most 12.7 s for IGMP and 32.7 s for MLD.
    case query(group: IPAddress, maximumResponse: Duration)
    /// The groups that the sender says it listens to now.
    case report(groups: [IPAddress])

    private static let igmpQuery: UInt8 = 0x11
    private static let igmpVersion1Report: UInt8 = 0x12
    private static let igmpVersion2Report: UInt8 = 0x16
    private static let igmpVersion3Report: UInt8 = 0x22
    private static let mldQuery: UInt8 = 130
    private static let mldVersion1Report: UInt8 = 131
    private static let mldVersion2Report: UInt8 = 143

    /// IGMPv3 all-routers group, where version 3 reports go (RFC 9776 section 4.2.14).
    package static let allIGMPv3Routers = IPv4Address(rawValue: 0xe000_0016)

    /// The IGMPv3 query packet for `group` from `source` (RFC 9776 section 4.1); 0.0.0.0 is allowed as a source.
    package static func igmpQuery(
        group: IPv4Address, from source: IPv4Address, maximumResponse: Duration
    ) -> IPv4Packet {
        var message = WireWriter()
        message.write(igmpQuery)
        message.write(UInt8(clamping: maximumResponse / .milliseconds(100), atMost: 127))
        message.write(UInt16(0))
        message.write(group.rawValue)
        message.write(UInt32(0))  // no suppression, default robustness and interval; no sources
        var checksum = InternetChecksum()
        checksum.add(message.bytes)
        message.patch(checksum.value, at: 2)
        return IPv4Packet(
            source: source, destination: group, typeOfService: 0xc0, timeToLive: 1, protocolNumber: 2,
            options: IPv4Packet.routerAlert, payload: message.bytes)
    }

    /// The MLDv2 query packet for `group` from a link-local `source` (RFC 9777 section 5.1).
    package static func mldQuery(
        group: IPv6Address, from source: IPv6Address, maximumResponse: Duration
    ) -> IPv6Packet {
        var message = WireWriter()
        message.write(UInt32(mldQuery) << 24)
        message.write(UInt16(clamping: maximumResponse / .milliseconds(1), atMost: 32767))
        message.write(UInt16(0))
        message.write(group.octets)
        message.write(UInt32(0))
        return IPv6Packet(
            source: source, destination: group, hopLimit: 1, hopByHop: IPv6Packet.routerAlert, message: message)
    }

    /// The IGMP message of a packet that never left its link (RFC 9776 section 4).
    package init(_ packet: IPv4Packet) throws(WireError) {
        guard packet.protocolNumber == 2 else { throw WireError(.unexpected, field: "ipv4.protocol", offset: 9) }
        guard packet.timeToLive == 1 else { throw WireError(.unexpected, field: "ipv4.time-to-live", offset: 8) }
        var input = WireReader(packet.payload)
        try self.init(igmp: &input)
    }

    /// The MLD message of a packet that never left its link (RFC 9777 section 5). A host without an address yet reports
    /// from ::, but does not query.
    package init(_ packet: IPv6Packet) throws(WireError) {
        guard packet.hopLimit == 1 else { throw WireError(.unexpected, field: "ipv6.hop-limit", offset: 7) }
        guard packet.hasRouterAlert else { throw WireError(.unexpected, field: "ipv6.hop-by-hop", offset: 40) }
        var input = WireReader(packet.payload)
        try self.init(mld: &input)
        let mayBeUnspecified = if case .report = self { true } else { false }
        guard packet.source.isLinkLocal || mayBeUnspecified && packet.source == .unspecified else {
            throw WireError(.unexpected, field: "ipv6.source", offset: 8)
        }
    }

    /// Reads an IGMP message of any version to its end.
    package init(igmp input: inout WireReader) throws(WireError) {
        let start = input.offset
        let length = input.remaining
        var checksum = InternetChecksum()
        checksum.add(input.rest)
        let type = try input.read(UInt8.self, field: "igmp.type")
        let code = try input.read(UInt8.self, field: "igmp.max-response")
        try input.skip(count: 2, field: "igmp.checksum")
        guard checksum.value == 0 else { throw WireError(.checksum, field: "igmp.checksum", offset: start + 2) }
        switch type {
        case Self.igmpQuery:
            let group = try input.readIPv4(field: "igmp.group")
            // The length tells the version (RFC 9776 section 7.1). Version 1 has no code: ten seconds; version 2
            // counts tenths.
            let tenths: Int
            if length == 8 {
                tenths = code == 0 ? 100 : Int(code)
            } else {
                try input.skip(count: 2, field: "igmp.robustness")
                try Self.skipSources(&input, named: "igmp", size: 4)
                tenths = Self.value(ofCode: Int(code), mantissaBits: 4)
            }
            self = .query(group: .v4(group), maximumResponse: .milliseconds(100) * tenths)
        case Self.igmpVersion1Report, Self.igmpVersion2Report:
            self = .report(groups: [.v4(try input.readIPv4(field: "igmp.group"))])
        case Self.igmpVersion3Report:
            self = .report(groups: try Self.records(&input, named: "igmp", isV6: false))
        default:
            throw WireError(.unexpected, field: "igmp.type", offset: start)
        }
    }

    /// Reads an ICMPv6 message that is MLD, of version 1 or 2; the checksum is `IPv6Packet`'s business.
    package init(mld input: inout WireReader) throws(WireError) {
        let start = input.offset
        let length = input.remaining
        let type = try input.read(UInt8.self, field: "mld.type")
        try input.skip(count: 3, field: "mld.checksum")
        switch type {
        case Self.mldQuery:
            let code = Int(try input.read(UInt16.self, field: "mld.max-response"))
            try input.skip(count: 2, field: "mld.reserved")
            let group = try input.readIPv6(field: "mld.group")
            // The length tells the version (RFC 9777 section 8.1); version 1 counts milliseconds.
            var milliseconds = code
            if length != 24 {
                try input.skip(count: 2, field: "mld.robustness")
                try Self.skipSources(&input, named: "mld", size: 16)
                milliseconds = Self.value(ofCode: code, mantissaBits: 12)
            }
            self = .query(group: .v6(group), maximumResponse: .milliseconds(milliseconds))
        case Self.mldVersion1Report:
            try input.skip(count: 4, field: "mld.reserved")
            self = .report(groups: [.v6(try input.readIPv6(field: "mld.group"))])
        case Self.mldVersion2Report:
            self = .report(groups: try Self.records(&input, named: "mld", isV6: true))
        default:
            throw WireError(.unexpected, field: "mld.type", offset: start)
        }
    }

    /// The value of a maximum response code (RFC 9776 section 4.1.1, RFC 9777 section 5.1.3): itself, or with the
    /// highest bit set a small floating-point number: three bits of exponent, the rest mantissa.
    private static func value(ofCode code: Int, mantissaBits: Int) -> Int {
        guard code >> (mantissaBits + 3) == 1 else { return code }
        let mantissa = code & (1 << mantissaBits - 1) | 1 << mantissaBits
        return mantissa << (code >> mantissaBits & 7 + 3)
    }

    private static func skipSources(
        _ input: inout WireReader, named name: String, size: Int
    ) throws(WireError) {
        let count = Int(try input.read(UInt16.self, field: "\(name).sources"))
        try input.skip(count: count * size, field: "\(name).sources")
    }

    /// The group records of a version 3 (IGMP) or version 2 (MLD) report, which have one layout but for the length
    /// of an address (RFC 9776 section 4.2, RFC 9777 section 5.2). A record that only leaves a group is left out.
    private static func records(
        _ input: inout WireReader, named name: String, isV6: Bool
    ) throws(WireError) -> [IPAddress] {
        try input.skip(count: 2, field: "\(name).reserved")
        var groups: [IPAddress] = []
        for _ in 0..<(try input.read(UInt16.self, field: "\(name).records")) {
            let type = try input.read(UInt8.self, field: "\(name).record")
            let auxiliaryWords = Int(try input.read(UInt8.self, field: "\(name).record.auxiliary-length"))
            let sources = Int(try input.read(UInt16.self, field: "\(name).record.sources"))
            let group: IPAddress =
                isV6
                ? .v6(try input.readIPv6(field: "\(name).record.group"))
                : .v4(try input.readIPv4(field: "\(name).record.group"))
            try input.skip(count: sources * (isV6 ? 16 : 4) + auxiliaryWords * 4, field: "\(name).record.sources")
            // MODE_IS_INCLUDE and CHANGE_TO_INCLUDE with no sources mean "not listening"; BLOCK_OLD_SOURCES leaves
            // some; unknown ones are ignored (RFC 9776 section 4.2.12).
            let listens =
                switch type {
                case 1, 3: sources > 0
                case 2, 4, 5: true
                default: false
                }
            if listens { groups.append(group) }
        }
        return groups
    }
}

extension FixedWidthInteger {
    /// `value` rounded towards zero, held between 0 and `limit`.
    fileprivate init(clamping value: Double, atMost limit: Self) {
        self = value >= Double(limit) ? limit : Self(Swift.max(value, 0))
    }
}
