// IPv6Address: sixteen octets; read in every form of RFC 4291 section 2.2, written in the one form of RFC 5952.
// A zone (fe80::1%eth0) is not part of the address: the interface is a matter of its own (`--interface`).

/// An IPv6 address.
package struct IPv6Address: Hashable, Comparable, Sendable, LosslessStringConvertible {
    /// The address as a number, first octet highest.
    package let rawValue: UInt128

    /// The address of this number.
    package init(rawValue: UInt128) { self.rawValue = rawValue }

    /// ::, the sender of a probe (RFC 4862 section 5.4.2).
    package static let unspecified = IPv6Address(rawValue: 0)
    /// ff02::1
    package static let allNodes = IPv6Address(rawValue: 0xff02 << 112 | 1)
    /// ff02::16, where MLDv2 reports go (RFC 3810 section 5.2.14).
    package static let allMLDv2Routers = IPv6Address(rawValue: 0xff02 << 112 | 0x16)

    /// ff00::/8
    package var isMulticast: Bool { rawValue >> 120 == 0xff }
    /// fe80::/10
    package var isLinkLocal: Bool { rawValue >> 118 == 0xfe80 >> 6 }
    /// ::1
    package var isLoopback: Bool { rawValue == 1 }

    /// The group that every holder of this address listens to: ff02::1:ff and its low 24 bits (RFC 4291 section 2.7.1).
    package var solicitedNode: IPv6Address {
        IPv6Address(rawValue: Self.solicitedNodes | rawValue & 0xff_ffff)
    }
    /// Whether it is such a group.
    package var isSolicitedNode: Bool { rawValue & ~0xff_ffff == Self.solicitedNodes }
    private static let solicitedNodes: UInt128 = 0xff02 << 112 | 0x1_ff00_0000

    /// The sixteen octets, first one first.
    package var octets: [UInt8] {
        stride(from: 120, through: 0, by: -8).map { UInt8(truncatingIfNeeded: rawValue >> UInt128($0)) }
    }

    /// The address of exactly sixteen octets, otherwise nil.
    package init?(octets: some Collection<UInt8>) {
        guard octets.count == 16 else { return nil }
        rawValue = octets.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// Any text form of RFC 4291 section 2.2: `2001:db8::1`, `::ffff:192.0.2.1`.
    package init?(_ text: String) {
        guard text.utf8.count <= 45 else { return nil }
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text.utf8[...]
        if rest.starts(with: "::".utf8) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let part = rest.prefix { $0 != UInt8(ascii: ":") }
            rest = rest.dropFirst(part.count)
            if part.contains(UInt8(ascii: ".")) {
                guard rest.isEmpty, let tail = IPv4Address(String(Substring(part))) else { return nil }
                groups += [UInt16(tail.rawValue >> 16), UInt16(truncatingIfNeeded: tail.rawValue)]
                break
            }
            guard (1...4).contains(part.count), part.allSatisfy({ $0.hexValue != nil }) else { return nil }
            groups.append(part.reduce(0) { $0 << 4 | UInt16($1.hexValue ?? 0) })
            guard !rest.isEmpty else { break }
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil  // a single colon at the end
            }
        }
        guard gap == nil ? groups.count == 8 : groups.count <= 7 else { return nil }
        let zeros = [UInt16](repeating: 0, count: 8 - groups.count)
        groups.insert(contentsOf: zeros, at: gap ?? 0)
        rawValue = groups.reduce(0) { $0 << 16 | UInt128($1) }
    }

    private var groups: [UInt16] {
        stride(from: 112, through: 0, by: -16).map { UInt16(truncatingIfNeeded: rawValue >> UInt128($0)) }
    }

    /// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`, IPv4-mapped
    /// addresses with dotted decimals.
    package var description: String {
        if rawValue >> 32 == 0xffff {
            return "::ffff:\(IPv4Address(rawValue: UInt32(truncatingIfNeeded: rawValue)))"
        }
        let groups = groups
        var longest = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || groups[index] != 0 {
            if index - start > max(longest.count, 1) { longest = start..<index }
            start = index + 1
        }
        func text(_ part: ArraySlice<UInt16>) -> String {
            var text = ""
            for group in part { text += (text.isEmpty ? "" : ":") + String(group, radix: 16) }
            return text
        }
        guard !longest.isEmpty else { return text(groups[...]) }
        return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
    }

    package static func < (one: IPv6Address, other: IPv6Address) -> Bool { one.rawValue < other.rawValue }
}
