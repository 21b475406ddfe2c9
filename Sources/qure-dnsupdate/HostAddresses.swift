// HostAddresses: what this host's own interfaces say about where it is, and which gateway there is to ask. Of several
// addresses one counts, and the others are shown with the reason why they do not: a reader of the output wants to know
// why it is not the one that he expected.

import QureCore

/// This host's network, looked at once.
struct HostAddresses: ~Copyable {
    private var netlink: Netlink
    /// The interface that gateways are looked for on; nil: any.
    private let interface: String?

    init(interface: String?) throws {
        netlink = try Netlink()
        self.interface = interface
    }

    private mutating func link(_ name: String) throws -> Link? { try netlink.link(named: name) }

    /// The best default gateway for IPv4, and our address on its link.
    mutating func gateway() throws -> (gateway: IPAddress, client: IPAddress)? {
        let index = try interface.map { name in
            guard let link = try link(name) else { throw Failure(.unreachable, "\(name): no such interface") }
            return link.index
        }
        for gateway in try netlink.defaultGateways() where index == nil || gateway.interface == index {
            guard gateway.address.bitWidth == 32 else { continue }
            let route = try netlink.route(to: gateway.address, interface: gateway.interface)
            if let client = route?.preferredSource { return (gateway.address, client) }
        }
        return nil
    }

    /// What the interfaces of the default routes say: that of IPv6, and that of IPv4 where there is no gateway to ask,
    /// or no need to.
    mutating func automaticReadings(source: AddressSource) throws -> [AddressReading] {
        let named = try interface.flatMap { try link($0) }
        let gateways = try netlink.defaultGateways().filter { named == nil || $0.interface == named?.index }
        var readings: [AddressReading] = []
        for family in AddressFamily.allCases {
            // A line that leads to one other host (PPP, a tunnel) is a default route without a gateway.
            let gateway = gateways.first { AddressFamily($0.address) == family }?.interface
            let index = try named?.index ?? gateway ?? netlink.route(to: Self.elsewhere(family))?.interface
            guard let index, let link = try netlink.link(index: index) else { continue }
            let own = try addresses(on: link, source).filter { $0.address.map(AddressFamily.init) == family }
            let isGlobal = own.contains { $0.address.map { AddressClass($0) } == .global }
            if family == .ipv6 || gateway == nil || isGlobal { readings += own }
        }
        return readings
    }

    /// An address that no host has, so that the way to it is the way to everybody.
    private static func elsewhere(_ family: AddressFamily) -> IPAddress {
        switch family {
        case .ipv4: .v4(IPv4Address(rawValue: 0xc000_0201))
        case .ipv6: .v6(IPv6Address(rawValue: 0x2001_0db8 << 96 | 1))
        }
    }

    /// What an interface says.
    mutating func readings(of name: String, source: AddressSource) throws -> [AddressReading] {
        guard let link = try link(name) else {
            return [AddressReading(source: source.description, failed: "no such interface")]
        }
        let readings = try addresses(on: link, source)
        return readings.isEmpty ? [AddressReading(source: source.description, failed: "it has no address")] : readings
    }

    private mutating func addresses(on link: Link, _ source: AddressSource) throws -> [AddressReading] {
        var chosen: Set<AddressFamily> = []
        return try candidates(on: link).map { address in
            let family = AddressFamily(address.prefix.address)
            var problem = address.unfitness
            if problem == nil, !chosen.insert(family).inserted { problem = "another one of this interface comes first" }
            return AddressReading(
                source: source.description, detail: link.name, address: address.prefix.address, problem: problem)
        }
    }

    /// The addresses of an interface that somebody elsewhere could know, the one to be chosen first: what can be
    /// published, what stays for ever, and then always in the same order.
    private mutating func candidates(on link: Link) throws -> [InterfaceAddress] {
        let addresses = try netlink.addresses(on: link.index).filter {
            AddressClass($0.prefix.address) != .linkLocal && AddressClass($0.prefix.address) != .loopback
        }
        func rank(_ address: InterfaceAddress) -> (Int, Int, Int) {
            let isGlobal = AddressClass(address.prefix.address) == .global
            return (
                address.unfitness == nil ? 0 : 1, isGlobal ? 0 : 1, address.preferredLifetime == nil ? 0 : 1
            )
        }
        return addresses.sorted {
            let (one, other) = (rank($0), rank($1))
            return one == other ? $0.prefix.address < $1.prefix.address : one < other
        }
    }

    /// The address of another host in the network that an interface is in, by its host part.
    mutating func reading(of name: String, suffix: IPv6Address, source: AddressSource) throws -> AddressReading {
        let source = source.description
        guard let link = try link(name) else { return AddressReading(source: source, failed: "no such interface") }
        var found: Prefix?
        for address in try candidates(on: link) where found == nil {
            let own = address.prefix
            guard address.unfitness == nil, own.address.bitWidth == 128 else { continue }
            // An address of DHCPv6 is alone in its network; the routers tell which one the link has.
            found = own.length < 128 ? own : try netlink.onLinkNetwork(of: own.address, interface: link.index)
        }
        guard let prefix = found else {
            return AddressReading(
                source: source, failed: "\(name) has no IPv6 network: no address that is usable and in one")
        }
        guard let address = prefix.address(withHostPart: suffix) else {
            let why = "\(suffix) reaches into the network part of \(prefix.network)"
            return AddressReading(source: source, failed: why)
        }
        return AddressReading(source: source, detail: "in \(prefix.network)", address: address)
    }
}

extension InterfaceAddress {
    /// Why nobody should be told of it; nil: nothing speaks against it.
    fileprivate var unfitness: String? {
        if hasFailedDAD { return "another host has it (duplicate address detection)" }
        if isTemporary { return "temporary: it changes by itself" }
        if isTentative { return "tentative: not yet known to be free" }
        if isDeprecated || preferredLifetime == .zero { return "deprecated: its preferred lifetime is over" }
        return nil
    }
}
