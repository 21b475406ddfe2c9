// IPAddress and Prefix: an address of either family, and an address with the length of its network.

/// An IPv4 or IPv6 address.
package enum IPAddress: Hashable, Comparable, Sendable, LosslessStringConvertible {
    case v4(IPv4Address)
    case v6(IPv6Address)

    /// Either family's text form.
    package init?(_ text: String) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }

    /// 32 or 128.
    package var bitWidth: Int {
        switch self {
        case .v4: 32
        case .v6: 128
        }
    }

    /// The address as a number, for arithmetic within its family.
    package var number: UInt128 {
        switch self {
        case .v4(let address): UInt128(address.rawValue)
        case .v6(let address): address.rawValue
        }
    }

    /// The address of the same family with this number.
    package func sameFamily(_ number: UInt128) -> IPAddress {
        switch self {
        case .v4: .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: number)))
        case .v6: .v6(IPv6Address(rawValue: number))
        }
    }

    /// Whether it names one host: not unspecified, broadcast or multicast.
    package var isUnicast: Bool {
        switch self {
        case .v4(let address): !address.isMulticast && address != .unspecified && address != .broadcast
        case .v6(let address): !address.isMulticast && address != .unspecified
        }
    }

    /// Whether it is no host's: `0.0.0.0` or `::`.
    package var isUnspecified: Bool { self == .v4(.unspecified) || self == .v6(.unspecified) }

    /// Whether it names a group of hosts.
    package var isMulticast: Bool {
        switch self {
        case .v4(let address): address.isMulticast
        case .v6(let address): address.isMulticast
        }
    }

    /// Whether it is this host speaking to itself.
    package var isLoopback: Bool {
        switch self {
        case .v4(let address): address.isLoopback
        case .v6(let address): address.isLoopback
        }
    }

    /// Whether it is an IPv6 address that means something on one link only.
    package var isLinkLocalV6: Bool {
        if case .v6(let address) = self { address.isLinkLocal } else { false }
    }

    /// 4 or 16 octets in network order.
    package var octets: [UInt8] {
        switch self {
        case .v4(let address): (0..<4).map { UInt8(truncatingIfNeeded: address.rawValue >> UInt32(24 - 8 * $0)) }
        case .v6(let address): address.octets
        }
    }

    /// The address of 4 or 16 octets, otherwise nil.
    package init?(octets: some Collection<UInt8>) {
        if octets.count == 4 {
            self = .v4(IPv4Address(rawValue: octets.reduce(0) { $0 << 8 | UInt32($1) }))
        } else if let address = IPv6Address(octets: octets) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    /// IPv4 first, then by number.
    package static func < (one: IPAddress, other: IPAddress) -> Bool {
        (one.bitWidth, one.number) < (other.bitWidth, other.number)
    }
}

/// An address together with the length of the network it is in: `192.168.1.11/24`.
package struct Prefix: Hashable, Sendable, LosslessStringConvertible {
    /// The address, host part included.
    package let address: IPAddress
    /// How many leading bits are the network's: 0 to 32 or 128.
    package let length: Int

    /// An address in a network of `length` bits; nil where the family has no such length.
    package init?(_ address: IPAddress, length: Int) {
        guard (0...address.bitWidth).contains(length) else { return nil }
        self.address = address
        self.length = length
    }

    /// `ADDR/LEN`, or `ADDR` alone for the single address.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(address, length: address.bitWidth)
            return
        }
        guard let length = decimal(parts[1].utf8, atMost: 128) else { return nil }
        self.init(address, length: length)
    }

    package var description: String { "\(address)/\(length)" }

    private var hostMask: UInt128 {
        let bits = address.bitWidth - length
        return bits >= 128 ? .max : (UInt128(1) << UInt128(bits)) - 1
    }

    /// The network's first address (host part zero) with the same length.
    package var network: Prefix {
        Prefix(unchecked: address.sameFamily(address.number & ~hostMask), length: length)
    }

    /// The network's last address; the broadcast address of an IPv4 network shorter than /31.
    package var last: IPAddress { address.sameFamily(address.number | hostMask) }

    /// Whether `other` is in this network.
    package func contains(_ other: IPAddress) -> Bool {
        other.bitWidth == address.bitWidth && other.number & ~hostMask == address.number & ~hostMask
    }

    /// Whether these networks together are all addresses of a family.
    package static func areEverything(_ networks: [Prefix]) -> Bool {
        [32, 128].contains { bits in
            let some = networks.map(\.network).filter { $0.address.bitWidth == bits }
            // The first address that is in none of those seen so far.
            var next: UInt128 = 0
            for network in some.sorted(by: { $0.address < $1.address }) where network.address.number <= next {
                guard network.last.number < (bits == 128 ? .max : UInt128(UInt32.max)) else { return true }
                next = max(next, network.last.number + 1)
            }
            return false
        }
    }

    /// The address in this IPv6 network with this host part; nil where that reaches into the network's bits.
    package func address(withHostPart part: IPv6Address) -> IPAddress? {
        guard address.bitWidth == 128, part.rawValue & ~hostMask == 0 else { return nil }
        return address.sameFamily(address.number & ~hostMask | part.rawValue)
    }

    private init(unchecked address: IPAddress, length: Int) {
        self.address = address
        self.length = length
    }
}

extension WireReader {
    /// The next four octets.
    package mutating func readIPv4(field: String) throws(WireError) -> IPv4Address {
        IPv4Address(rawValue: try read(UInt32.self, field: field))
    }

    /// The next sixteen octets.
    package mutating func readIPv6(field: String) throws(WireError) -> IPv6Address {
        IPv6Address(rawValue: try read(UInt128.self, field: field))
    }
}

extension WireWriter {
    /// Appends 4 or 16 octets.
    package mutating func write(_ address: IPAddress) { write(address.octets) }
}
