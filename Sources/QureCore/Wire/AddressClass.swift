// AddressClass: what an address is good for, as the IANA's registries of special-purpose addresses have it (RFC 6890,
// RFC 8190). qure-dnsupdate publishes what others can reach and nothing else: a gateway behind a carrier's NAT has an
// address, too, and so has one that has not come up yet.

/// The kind of network that an address belongs to.
package enum AddressClass: String, Sendable, CaseIterable {
    /// One that the rest of the world can reach, as far as the address alone can tell.
    case global
    /// 100.64.0.0/10, between a carrier's NAT and its customers (RFC 6598).
    case shared
    /// RFC 1918.
    case `private`
    /// fc00::/7, RFC 4193.
    case uniqueLocal = "unique-local"
    case loopback
    case linkLocal = "link-local"
    case documentation
    case benchmarking
    case multicast
    case broadcast
    case unspecified
    /// Stands for an IPv4 address, or goes through somebody's relay: NAT64, 6to4, Teredo, and what is mapped.
    case transition
    /// What protocols have for themselves: anycast services, identifiers, the discard prefix.
    case assigned = "protocol"
    /// Nobody has been given any of these.
    case reserved

    /// What the address is, in a sentence for people, behind "is".
    package var explanation: String {
        switch self {
        case .global: "a global address"
        case .shared: "behind a carrier's NAT (CGNAT): nobody outside reaches it"
        case .private: "of a private network: there is another NAT before the Internet"
        case .uniqueLocal: "of a private network (unique local)"
        case .unspecified: "no address: the line is down, or not up yet"
        case .loopback, .linkLocal, .broadcast, .multicast: "no address of a host elsewhere (\(rawValue))"
        case .documentation, .benchmarking, .reserved: "of no real network (\(rawValue))"
        case .transition: "that of a relay or translator, not of a host"
        case .assigned: "a protocol's own, not a host's"
        }
    }

    /// The blocks, narrower ones before those that they are in; whatever is in none is global.
    private static let blocks: [(network: Prefix, class: AddressClass)] =
        ([
            ("0.0.0.0/32", .unspecified), ("0.0.0.0/8", .reserved), ("10.0.0.0/8", .private),
            ("100.64.0.0/10", .shared), ("127.0.0.0/8", .loopback), ("169.254.0.0/16", .linkLocal),
            ("172.16.0.0/12", .private), ("192.0.2.0/24", .documentation), ("192.0.0.0/24", .assigned),
            ("192.31.196.0/24", .assigned), ("192.52.193.0/24", .assigned), ("192.88.99.0/24", .transition),
            ("192.168.0.0/16", .private), ("192.175.48.0/24", .assigned), ("198.18.0.0/15", .benchmarking),
            ("198.51.100.0/24", .documentation), ("203.0.113.0/24", .documentation), ("224.0.0.0/4", .multicast),
            ("255.255.255.255/32", .broadcast), ("240.0.0.0/4", .reserved),
            ("::/128", .unspecified), ("::1/128", .loopback), ("::ffff:0:0/96", .transition),
            ("64:ff9b::/96", .transition), ("64:ff9b:1::/48", .transition), ("100::/64", .assigned),
            ("100:0:0:1::/64", .assigned), ("2001::/32", .transition), ("2001:2::/48", .benchmarking),
            ("2001:db8::/32", .documentation), ("2001::/23", .assigned), ("2002::/16", .transition),
            ("2620:4f:8000::/48", .assigned), ("3fff::/20", .documentation), ("5f00::/16", .assigned),
            ("fc00::/7", .uniqueLocal), ("fe80::/10", .linkLocal), ("ff00::/8", .multicast),
        ] as [(String, AddressClass)]).compactMap { text, kind in Prefix(text).map { ($0, kind) } }

    /// What has been given out for global unicast (RFC 4291 section 2.4, IANA's address space registry).
    private static let assignedIPv6 = Prefix(.v6(IPv6Address(rawValue: 0x2 << 124)), length: 3)

    /// The class of `address`.
    package init(_ address: IPAddress) {
        if let block = Self.blocks.first(where: { $0.network.contains(address) }) {
            self = block.class
        } else if address.bitWidth == 128, Self.assignedIPv6?.contains(address) != true {
            self = .reserved
        } else {
            self = .global
        }
    }
}
