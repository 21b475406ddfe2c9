// MACAddress: an Ethernet hardware address. Ordered, because of two hosts that probe for the same address the one
// with the lower MAC goes on (see Protocol/AddressClaim.swift).

/// A 48-bit Ethernet address.
package struct MACAddress: Hashable, Comparable, Sendable, LosslessStringConvertible {
    /// The six octets as the low 48 bits, the first octet highest.
    package let rawValue: UInt64

    /// The address whose octets are the low 48 bits of `rawValue`.
    package init(rawValue: UInt64) { self.rawValue = rawValue & 0xffff_ffff_ffff }

    /// ff:ff:ff:ff:ff:ff
    package static let broadcast = MACAddress(rawValue: 0xffff_ffff_ffff)
    /// 00:00:00:00:00:00, "not known" in ARP (RFC 5227 section 2.1.1).
    package static let zero = MACAddress(rawValue: 0)

    /// Whether frames to it go to a group (the I/G bit), so that it cannot be a host's own.
    package var isMulticast: Bool { rawValue >> 40 & 1 == 1 }
    /// Whether it was given by an administrator and not by a manufacturer (the U/L bit).
    package var isLocallyAdministered: Bool { rawValue >> 40 & 2 == 2 }

    /// The link-local address that an interface with this hardware address makes for itself (RFC 4291 appendix A).
    package var linkLocal: IPv6Address {
        let identifier = (rawValue & 0xffff_ff00_0000) << 16 | 0xff_fe00_0000 | rawValue & 0xff_ffff
        return IPv6Address(rawValue: 0xfe80 << 112 | UInt128(identifier ^ 0x0200_0000_0000_0000))
    }

    /// Where Ethernet sends a group's packets: 33:33 and the low 32 bits (RFC 2464 section 7).
    package static func multicast(_ group: IPv6Address) -> MACAddress {
        MACAddress(rawValue: 0x3333_0000_0000 | UInt64(truncatingIfNeeded: group.rawValue & 0xffff_ffff))
    }

    /// Where Ethernet sends a group's packets: 01:00:5e and the low 23 bits (RFC 1112 section 6.4).
    package static func multicast(_ group: IPv4Address) -> MACAddress {
        MACAddress(rawValue: 0x0100_5e00_0000 | UInt64(group.rawValue & 0x7f_ffff))
    }

    /// The one that goes along with addresses that move between hosts, unless another one is chosen (`--virtual-mac`):
    /// derived from the first of them, so that it is the same wherever they are.
    package static func virtual(for claimed: IPAddress) -> MACAddress {
        // 06 is locally administered; 51 stands for Q. Of an IPv6 address the 32 bits are a hash (FNV-1a).
        let hash = claimed.octets.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        let low = claimed.bitWidth == 32 ? UInt32(truncatingIfNeeded: claimed.number) : hash
        return MACAddress(rawValue: 0x0651_0000_0000 | UInt64(low))
    }

    /// The six octets, first one first.
    package var octets: [UInt8] {
        stride(from: 40, through: 0, by: -8).map { UInt8(truncatingIfNeeded: rawValue >> UInt64($0)) }
    }

    /// The address of exactly six octets, otherwise nil.
    package init?(octets: some Collection<UInt8>) {
        guard octets.count == 6 else { return nil }
        rawValue = octets.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// `52:54:00:12:34:56`; dashes are taken for colons.
    package init?(_ text: String) {
        let isSeparator: (UInt8) -> Bool = { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "-") }
        let parts = text.utf8.split(omittingEmptySubsequences: false, whereSeparator: isSeparator)
        guard parts.count == 6, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy { $0.hexValue != nil } }) else {
            return nil
        }
        rawValue = parts.joined().reduce(0) { $0 << 4 | UInt64($1.hexValue ?? 0) }
    }

    package var description: String {
        var text = ""
        for octet in octets { text += (text.isEmpty ? "" : ":") + octet.hexadecimal }
        return text
    }

    package static func < (one: MACAddress, other: MACAddress) -> Bool { one.rawValue < other.rawValue }
}

extension WireReader {
    /// The next six octets.
    package mutating func readMAC(field: String) throws(WireError) -> MACAddress {
        let high = try read(UInt16.self, field: field)
        return MACAddress(rawValue: UInt64(high) << 32 | UInt64(try read(UInt32.self, field: field)))
    }
}

extension WireWriter {
    /// Appends the six octets.
    package mutating func write(_ address: MACAddress) { write(address.octets) }
}
