// WayFinder: on which link, and by which method, an address is asked for: ARP or neighbour discovery where it is
// on-link, ICMP echo where a router is between. It asks the kernel's tables each time, for they change: `look` takes in
// the links and addresses of this host, and the ways found after that agree with each other.
// What the user got wrong is a usage failure; what may come right by itself is "unreachable", and `wait` waits for it.

import QureCore

/// How an address is reached.
struct Way: Equatable {
    var method: Method
    /// The link that the question leaves by; nil where it need not leave this host.
    var link: Link?
    /// This host's link-local address there, the source of neighbour solicitations.
    var linkLocal: IPv6Address?
    /// Whether the address is on this host.
    var isLocal = false

    /// Whether questions and answers of both ways can be counted together.
    func continues(_ other: Way) -> Bool { method == other.method && link?.index == other.link?.index }

    /// Whether an answer came by this way.
    func matches(_ answer: ProbeAnswer) -> Bool {
        method == .icmp ? answer.mac == nil : answer.interface == link?.index
    }
}

struct WayFinder: ~Copyable {
    private var netlink: Netlink
    private let interface: String?
    private let method: Method
    private let source: IPAddress?
    /// What has been looked up since the last `look`. One question needs few of the kernel's tables.
    private var seenLinks: [Link] = []
    private var seenAddresses: [InterfaceAddress]?

    /// A finder that uses the named interface, or the one that the kernel's routes tell, and `source` as the asker.
    init(_ questions: Questions) throws {
        netlink = try Netlink()
        interface = questions.interface
        method = questions.method
        source = questions.source
    }

    /// Looks at everything anew from now on.
    mutating func look() {
        seenLinks = []
        seenAddresses = nil
    }

    /// This host's addresses. One that duplicate address detection refused is not this host's to answer for.
    private mutating func addresses() throws -> [InterfaceAddress] {
        if let seenAddresses { return seenAddresses }
        let addresses = try netlink.addresses().filter { !$0.hasFailedDAD }
        seenAddresses = addresses
        return addresses
    }

    private mutating func own(_ address: IPAddress) throws -> InterfaceAddress? {
        try addresses().first { $0.prefix.address == address }
    }

    /// This host's addresses, on the link of this index or on all.
    mutating func ownAddresses(on index: Int? = nil) throws -> Set<IPAddress> {
        Set(try addresses().filter { index == nil || $0.interface == index }.map(\.prefix.address))
    }

    private mutating func link(_ index: Int) throws -> Link? {
        if let seen = seenLinks.first(where: { $0.index == index }) { return seen }
        let link = try netlink.link(index: index)
        if let link { seenLinks.append(link) }
        return link
    }

    private mutating func namedLink(_ knownLink: Int?) throws -> Link? {
        guard let interface else { return nil }
        if let knownLink, let link = try link(knownLink) { return link }
        if let seen = seenLinks.first(where: { $0.name == interface }) { return seen }
        guard let link = try netlink.link(named: interface) else {
            throw Failure(.unreachable, "\(interface): no such interface")
        }
        seenLinks.append(link)
        return link
    }

    /// The default gateways that are asked for on the link.
    mutating func gateways(on link: Link) throws -> [IPAddress] {
        try netlink.defaultGateways().filter { $0.interface == link.index }.map(\.address)
    }

    /// The link that an on-link network is asked on.
    mutating func link(covering network: Prefix) throws -> Way {
        try checkSource()
        let neighbor: Method = network.address.bitWidth == 32 ? .arp : .ndp
        if let named = try namedLink(nil) { return try neighborWay(named, neighbor) }
        guard let index = try netlink.onLinkInterface(for: network.address), let link = try link(index) else {
            throw Failure(.unreachable, "\(network): no interface's on-link route covers it: name one with --interface")
        }
        return try neighborWay(link, neighbor)
    }

    /// The link for what is about no address: the named one, the one with the default route, or the only one there is.
    mutating func onlyLink() throws -> Way {
        if let named = try namedLink(nil) { return try neighborWay(named, .ndp) }
        if let gateway = try netlink.defaultGateways().first, let link = try link(gateway.interface) {
            return try neighborWay(link, .ndp)
        }
        let usable = try netlink.links().filter { $0.hasNeighbors && $0.isUp && $0.master == nil }
        guard usable.count == 1 else {
            throw Failure(.usage, "no default route tells which interface to use: name one with --interface")
        }
        return try neighborWay(usable[0], .ndp)
    }

    /// The way to `address`. `knownLink` is the link that was found before: it is kept, even under another name.
    mutating func way(to address: IPAddress, knownLink: Int? = nil) throws -> Way {
        try checkSource()
        let named = try namedLink(knownLink)
        if named == nil, let way = try shortWay(to: address) { return way }
        if try own(address) != nil || address.isLoopback { return try localWay(to: address, named) }
        if named == nil, address.isLinkLocalV6 { return try linkLocalWay(to: address) }

        let neighbor: Method = address.bitWidth == 32 ? .arp : .ndp
        if let named, method == .arp || method == .ndp { return try neighborWay(named, neighbor) }
        let route = try netlink.route(to: address, from: source, interface: named?.index)
        if let route, route.isBroadcast {
            throw Failure(.usage, "\(address): a broadcast address, which no single host has")
        }
        if let route, route.isLocal { return Way(method: .icmp, isLocal: true) }
        // On a link that is named, an address that no route leads to can still be asked for.
        guard let link = try named ?? route.flatMap({ try link($0.interface) }), route != nil || method == .auto else {
            throw Failure(.unreachable, "\(address): no route leads to it")
        }
        let isBehindRouter = route?.gateway != nil
        switch method {
        case .icmp: return try echoWay(link)
        case .auto: return try isBehindRouter || !link.hasNeighbors ? echoWay(link) : neighborWay(link, neighbor)
        case .arp, .ndp:
            if isBehindRouter {
                throw Failure(
                    .usage,
                    "\(address): behind a router, where --method \(method) does not reach:"
                        + " use icmp, or name the interface"
                )
            }
            return try neighborWay(link, neighbor)
        }
    }

    /// The way to an address that the kernel routes to a link in good order: nothing else need be known, not even all
    /// of this host's addresses. nil: it is not so simple.
    private mutating func shortWay(to address: IPAddress) throws -> Way? {
        guard method == .auto, source == nil, !address.isLinkLocalV6,
            let route = try netlink.route(to: address), route.gateway == nil, !route.isLocal, !route.isBroadcast,
            let link = try link(route.interface), link.hasNeighbors, link.trouble == nil
        else { return nil }
        if case .v4 = address { return Way(method: .arp, link: link) }
        // What the kernel would say to all nodes of a link comes from its link-local address there, once it has one
        // that is not tentative.
        let group = IPAddress.v6(.allNodes)
        guard case .v6(let linkLocal) = try netlink.route(to: group, interface: link.index)?.preferredSource,
            linkLocal.isLinkLocal
        else { return nil }
        return Way(method: .ndp, link: link, linkLocal: linkLocal)
    }

    /// An address of this host is there, whatever its links are like. Where there is a link to ask on, others are asked
    /// whether they have it as well.
    private mutating func localWay(to address: IPAddress, _ named: Link?) throws -> Way {
        let link = try named ?? own(address).flatMap { try self.link($0.interface) }
        guard method != .icmp, let link, link.hasNeighbors, link.trouble == nil else {
            return Way(method: .icmp, link: link, isLocal: true)
        }
        var way = try neighborWay(link, address.bitWidth == 32 ? .arp : .ndp)
        way.isLocal = true
        return way
    }

    /// Every link has the same link-local network.
    private mutating func linkLocalWay(to address: IPAddress) throws -> Way {
        guard let index = try netlink.onLinkInterface(for: address), let link = try link(index) else {
            throw Failure(.usage, "\(address): can be on any link: name one with --interface")
        }
        return try method == .icmp ? echoWay(link) : neighborWay(link, .ndp)
    }

    /// Asking in the name of an address that is another host's would tell all others that it is here.
    private mutating func checkSource() throws {
        guard let source, try own(source) == nil else { return }
        throw Failure(.usage, "--source \(source): not an address of this host")
    }

    private mutating func neighborWay(_ link: Link, _ method: Method) throws -> Way {
        guard link.hasNeighbors else {
            throw Failure(.usage, "\(link.name): has no neighbours to ask (not Ethernet); use --method icmp")
        }
        try link.checkState()
        // ARP needs no address of ours.
        guard method == .ndp else { return Way(method: method, link: link) }
        let usable = try addresses().filter { $0.interface == link.index && !$0.isTentative }
        let linkLocals = usable.compactMap { entry -> IPv6Address? in
            if case .v6(let address) = entry.prefix.address, address.isLinkLocal { address } else { nil }
        }
        return Way(method: method, link: link, linkLocal: linkLocals.min())
    }

    private func echoWay(_ link: Link) throws -> Way {
        guard !link.isLoopback else {
            throw Failure(.usage, "\(link.name): the loopback interface leads to no other host")
        }
        try link.checkState()
        return Way(method: .icmp, link: link)
    }
}
