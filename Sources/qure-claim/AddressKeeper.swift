// AddressKeeper: the kernel's side of a claim: addresses on an interface, their lifetime, their mark, and the
// interface of their own where they are to have a hardware address of their own. It does what it is told, when it is
// told.

import QureCore

/// How qure knows again what it has put on an interface.
enum AddressMark {
    /// Whether qure put it there: by the kernel's mark, or by the registry where the kernel has no marks.
    static func isOurs(_ address: InterfaceAddress, _ entry: ClaimEntry?) -> Bool {
        address.origin == AddressOrigin.qure
            || (!Netlink.knowsOrigins && address.origin == nil && entry?.prefix.address == address.prefix.address)
    }
}

extension Netlink {
    /// Removes an address; the kernel would take an IPv4 network's other addresses along with its first one unless it
    /// is told to promote them.
    mutating func removeKeepingOthers(_ address: InterfaceAddress) throws(SystemError) -> Bool {
        if address.prefix.address.bitWidth == 32 && !address.isSecondary {
            try setConfiguration(interface: address.interface, [.promoteSecondaries: 1])
        }
        return try removeAddress(address.prefix, interface: address.interface)
    }
}

final class AddressKeeper {
    let prefixes: [Prefix]
    /// The interface on whose link the addresses are, as it is now.
    var link: Link
    /// This host's link-local address there.
    let linkLocal: IPv6Address?
    /// The macvlan, where the addresses have a hardware address of their own.
    private(set) var virtual: VirtualInterface?
    private var netlink: Netlink
    private let options: ClaimOptions
    private let label: String?
    /// The lifetime that the kernel is told at the next renewal; nil: none.
    var lease: Duration?
    /// The one that it was told.
    private(set) var renewedLease: Duration?

    /// Whether the last installation found one of the addresses before the host's own.
    private(set) var stoodInFront = false

    var addresses: [IPAddress] { prefixes.map(\.address) }
    /// The interface that the addresses are put on.
    var carrier: Link { virtual?.link ?? link }

    init(_ prefixes: [Prefix], _ options: ClaimOptions, _ placement: PlacementOptions, lease: Duration?) throws {
        var netlink = try Netlink()
        let link = try Self.link(for: prefixes, options.common.interface, &netlink)
        let own = try netlink.addresses(on: link.index)
        linkLocal =
            own.lazy.compactMap { entry -> IPv6Address? in
                guard case .v6(let address) = entry.prefix.address, address.isLinkLocal else { return nil }
                return entry.isTentative || entry.hasFailedDAD ? nil : address
            }.first
        self.prefixes = prefixes
        self.options = options
        self.lease = lease
        self.link = link
        label = placement.label
        self.netlink = netlink
    }

    private static func link(for prefixes: [Prefix], _ name: String?, _ netlink: inout Netlink) throws -> Link {
        if let name {
            guard let link = try netlink.link(named: name) else {
                throw Failure(.unreachable, "\(name): no such interface")
            }
            return try usable(link)
        }
        var indices: Set<Int> = []
        for prefix in prefixes {
            guard let index = try netlink.onLinkInterface(for: prefix.address) else {
                throw Failure(
                    .usage, "\(prefix.address): no interface's on-link route covers it: name one with --interface")
            }
            indices.insert(index)
        }
        guard indices.count == 1, let index = indices.first, let link = try netlink.link(index: index) else {
            throw Failure(.usage, "the addresses are on different interfaces: name one with --interface")
        }
        return try usable(link)
    }

    private static func usable(_ link: Link) throws -> Link {
        guard link.mac != nil, link.supportsARP, !link.isLoopback else {
            throw Failure(
                .usage, "\(link.name): not an Ethernet interface, so there is no link to announce an address on")
        }
        return link
    }

    /// Fails unless this process may do what it will have to.
    func requirePermission() throws { try netlink.requirePermission(toChange: link) }

    /// Fails unless the link can carry an announcement now.
    func requireLinkUp() throws {
        let now = try currentLink()
        guard now.isUp else { throw Failure(.unreachable, "\(link.name): the interface is down") }
        guard now.hasCarrier else { throw Failure(.unreachable, "\(link.name): the interface has no carrier") }
    }

    /// Whether the link is up and has a carrier. Throws when it is gone.
    func isLinkUp() throws -> Bool {
        let now = try currentLink()
        return now.isUp && now.hasCarrier
    }

    private func currentLink() throws -> Link {
        if let now = try netlink.link(index: link.index) { return now }
        throw Failure(.unreachable, "\(link.name): the interface is gone")
    }

    /// The default gateways on this link.
    func gateways() throws -> [IPAddress] {
        try netlink.defaultGateways().filter { $0.interface == link.index }.map(\.address)
    }

    /// Those of the addresses that are on the interface now.
    func present() throws -> [InterfaceAddress] {
        let wanted = Set(addresses)
        return try netlink.addresses(on: carrier.index).filter { wanted.contains($0.prefix.address) }
    }

    /// The addresses that are on any interface of this host.
    func presentAnywhere() throws -> Set<IPAddress> { Set(try netlink.addresses().map(\.prefix.address)) }

    /// Whether all the addresses are there and in order, with a way to their network.
    func isIntact() throws -> Bool {
        if let virtual, try netlink.link(index: virtual.link.index)?.isUp != true { return false }
        let all = try netlink.addresses()
        return prefixes.allSatisfy { prefix in
            all.contains { $0.interface == carrier.index && $0.prefix.address == prefix.address && isSound($0, all) }
        }
    }

    private func isSound(_ entry: InterfaceAddress, _ all: [InterfaceAddress]) -> Bool {
        !entry.hasFailedDAD && !entry.isTentative
            && (!isRenewable(entry)
                || (entry.hasPrefixRoute || isCovered(entry.prefix, all)) && !standsBeforeOthers(entry, all))
    }

    /// Whether the host's own addresses of that network come behind it, as after a change of theirs: the network's
    /// route is the first one's alone, and would start from the address that moves, or not be there at all. Put there
    /// afresh, it is the last.
    private func standsBeforeOthers(_ entry: InterfaceAddress, _ all: [InterfaceAddress]) -> Bool {
        entry.prefix.address.bitWidth == 32 && !entry.isSecondary
            && all.contains {
                $0.isSecondary && $0.interface == entry.interface && $0.prefix.network == entry.prefix.network
                    && !isOurs($0)
            }
    }

    private func isOurs(_ address: InterfaceAddress) -> Bool {
        AddressMark.isOurs(address, options.registry.entry(of: address.prefix.address)?.entry)
    }

    /// Whether a change may be one of what is kept here.
    func isConcerned(by change: Change) -> Bool {
        switch change {
        case .link(let other): other.index == link.index || other.index == carrier.index
        case .linkRemoved(let index): index == link.index || index == carrier.index
        case .address(let address) where addresses.contains(address.prefix.address): address.hasFailedDAD
        // It may stand behind one of these.
        case .address(let address): address.isSecondary && address.interface == carrier.index
        // One of the host's own may have had the route to the network.
        case .addressRemoved(let address): address.interface == link.index || address.interface == carrier.index
        case .overrun: true
        case .neighbour, .neighbourRemoved, .route: false
        }
    }

    /// Whether it tells that one of the addresses was taken off.
    func isLoss(_ change: Change) -> Bool {
        guard case .addressRemoved(let address) = change else { return false }
        return address.interface == carrier.index && addresses.contains(address.prefix.address)
    }

    /// Whether it is qure's to renew or remove.
    func isRenewable(_ address: InterfaceAddress) -> Bool {
        options.adopt || isOurs(address)
    }

    /// Fails where one of the addresses is there already and is not qure's.
    func requireOurs() throws {
        if let foreign = try present().first(where: { !isRenewable($0) }) {
            throw Failure(
                .no, "\(foreign.prefix): is on \(carrier.name) already, and not by qure; remove it, or use --adopt")
        }
    }

    /// Fails where one of the addresses is on this link already, but with the other kind of hardware address: this host
    /// would answer with two.
    func requireOneMAC() throws {
        let wanted = Set(addresses)
        let others = try ([link] + VirtualInterface.all(over: link.index, &netlink)).filter {
            $0.index != carrier.index
        }
        for entry in try netlink.addresses() where wanted.contains(entry.prefix.address) {
            guard let other = others.first(where: { $0.index == entry.interface }) else { continue }
            throw Failure(
                .no,
                "\(entry.prefix): is on \(other.name) already, with the hardware address \(other.mac ?? .zero); "
                    + "remove it first"
            )
        }
    }

    /// Puts every address on the interface, or renews those that are there. `leavingOthers`: what is there but not ours
    /// stays as it is.
    func install(leavingOthers: Bool = false) throws {
        try raiseVirtual()
        let all = try netlink.addresses()
        if prefixes.contains(where: { $0.address.bitWidth == 32 }) {
            try netlink.setConfiguration(interface: carrier.index, [.promoteSecondaries: 1])
        }
        stoodInFront = false
        for prefix in prefixes {
            let there = all.filter { $0.interface == carrier.index && $0.prefix.address == prefix.address }
            if leavingOthers && there.contains(where: { !isRenewable($0) }) { continue }
            // A failed duplicate detection, a prefix length and a missing route stay as they are until the address is
            // put there afresh.
            for entry in there where entry.prefix != prefix || !isSound(entry, all) {
                stoodInFront = stoodInFront || standsBeforeOthers(entry, all)
                _ = try netlink.removeKeepingOthers(entry)
            }
            coverage[prefix] = isCovered(prefix, all)
            try set(prefix, isCovered: coverage[prefix] ?? true)
        }
        renewedLease = lease
    }

    /// Renews the lifetime of every address.
    func renew() throws {
        guard lease != nil else { return }
        for prefix in prefixes { try set(prefix, isCovered: coverage[prefix] ?? true) }
        renewedLease = lease
    }

    private var coverage: [Prefix: Bool] = [:]

    /// Whether another address of this host has the network's route already, or the link's to a larger one: a route of
    /// its own would make everything to that network start from the address that moves.
    private func isCovered(_ prefix: Prefix, _ all: [InterfaceAddress]) -> Bool {
        all.contains {
            guard $0.prefix.address != prefix.address, $0.hasPrefixRoute else { return false }
            return $0.prefix.network == prefix.network
                || ($0.interface == link.index && $0.prefix.length < prefix.length
                    && $0.prefix.contains(prefix.address))
        }
    }

    private func set(_ prefix: Prefix, isCovered: Bool) throws {
        do {
            try netlink.setAddress(
                AddressRequest(
                    prefix: prefix, interface: carrier.index, label: label, validLifetime: lease,
                    hasPrefixRoute: !isCovered, skipsDAD: true, origin: AddressOrigin.qure))
        } catch {
            // A missing capability is EPERM; this is something else.
            guard error.errno == .permissionDenied && prefix.address.bitWidth == 128 else { throw error }
            throw Failure(
                .system, "\(error): IPv6 is off on \(carrier.name) (net.ipv6.conf.\(carrier.name).disable_ipv6)")
        }
    }

    /// Takes every address off, whatever it costs; what is gone already is no error, and what somebody else has put
    /// there meanwhile stays. The first error is thrown at the end.
    func withdraw() throws {
        var trouble: SystemError?
        for entry in try present() where isRenewable(entry) {
            do { _ = try netlink.removeKeepingOthers(entry) } catch { trouble = trouble ?? error }
        }
        if let virtual { try? netlink.setUp(virtual.link.index, false) }
        if let trouble, trouble.errno != .noDevice { throw trouble }
    }

    /// The netlink requests that do the same, for the guard.
    func removalMessages() throws(SystemError) -> [UInt8] {
        if let virtual { return try virtual.removalMessages(&netlink) }
        return prefixes.flatMap { Netlink.removalMessage(prefix: $0, interface: link.index) }
    }

    // MARK: A hardware address of its own

    /// Makes the macvlan that will carry the addresses.
    func makeVirtual(_ mac: MACAddress, keepsExisting: Bool = false) throws {
        virtual = try VirtualInterface(mac, over: link, keepsExisting: keepsExisting, &netlink)
    }

    /// Uses the macvlan of ours that an address is on already, if it is.
    func findVirtual() throws {
        let ours = try VirtualInterface.all(over: link.index, &netlink)
        let wanted = Set(addresses)
        let there = try netlink.addresses().first { entry in
            wanted.contains(entry.prefix.address) && ours.contains { $0.index == entry.interface }
        }
        guard let found = ours.first(where: { $0.index == there?.interface }), let mac = found.mac else { return }
        try makeVirtual(mac, keepsExisting: true)
    }

    /// Removes the macvlan and puts the interface's settings back.
    func removeVirtual() {
        try? virtual?.remove(&netlink)
        virtual = nil
    }

    /// Sets the macvlan up; one that somebody has removed is made once more.
    func raiseVirtual() throws {
        guard let lost = virtual, let mac = lost.link.mac else { return }
        if try netlink.link(index: lost.link.index) == nil {
            virtual = try VirtualInterface(mac, over: link, keepsExisting: false, replacing: lost, &netlink)
        }
        try netlink.setUp(carrier.index, true)
    }

    // MARK: On the link

    /// A socket in this host's own name, which works whether the addresses are here or not.
    func openEar(hearing gateways: [IPAddress] = []) throws -> NeighborSocket {
        try NeighborSocket(
            interface: link.index, name: link.name, mac: link.mac ?? .zero, linkLocal: linkLocal,
            networks: addresses.compactMap { Prefix($0, length: $0.bitWidth) }, holders: gateways)
    }

    /// A socket in the name of the addresses' hardware address, which works while they are here.
    func openMouth(hearing gateways: [IPAddress] = []) throws -> NeighborSocket {
        guard let virtual else { return try openEar(hearing: gateways) }
        return try NeighborSocket(
            interface: virtual.link.index, name: virtual.link.name, mac: virtual.link.mac ?? .zero, linkLocal: nil,
            networks: addresses.compactMap { Prefix($0, length: $0.bitWidth) }, holders: gateways, identity: link.mac)
    }
}
