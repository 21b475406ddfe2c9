// WayFinder: on which link, and by which method, an address is asked for: ARP or neighbour discovery where it is on-link,
// ICMP echo where a router is between. It asks the kernel's tables each time, for they change.

import QureCore

/// How an address is reached.
struct Way: Equatable {
    var method: Method
    /// The link it is asked on; nil where the kernel routes the question, or where it stays on this host.
    var link: Link?
    /// This host's link-local address there, the source of neighbour solicitations.
    var linkLocal: IPv6Address?
    /// Whether the address is on this host.
    var isLocal = false

    /// Whether an answer came by this way.
    func matches(_ answer: ProbeAnswer) -> Bool {
        method == .icmp ? answer.mac == nil : answer.interface == link?.index
    }
}

struct WayFinder: ~Copyable {
    private var netlink: Netlink
    private let interface: String?
    private let method: Method

    /// A finder that uses the named interface, or the one that the kernel's routes tell.
    init(interface: String?, method: Method) throws {
        netlink = try Netlink()
        self.interface = interface
        self.method = method
    }

    /// The link to use for an on-link network or for want of any address: the named one, or the one with the default route.
    mutating func link(covering network: Prefix?) throws -> Way {
        if let network { return try onLink(network.address, method: network.address.bitWidth == 32 ? .arp : .ndp, nil) }
        guard interface == nil else { return try complete(namedLink(nil), .arp) }
        guard let gateway = try netlink.defaultGateways().first, let link = try netlink.link(index: gateway.interface)
        else { throw Failure(.usage, "no default route tells which interface to use: name one with --interface") }
        return try complete(link, .arp)
    }

    /// The default gateways that are asked for on the link.
    mutating func gateways(on link: Link) throws -> [IPAddress] {
        try netlink.defaultGateways().filter { $0.interface == link.index }.map(\.address)
    }

    /// This host's addresses.
    mutating func ownAddresses() throws -> [InterfaceAddress] { try netlink.addresses() }

    /// The way to `address`. `knownLink` is the link that was found before: it is kept, even under another name.
    mutating func way(to address: IPAddress, knownLink: Int? = nil) throws -> Way {
        // An address that duplicate address detection refused is not this host's to answer for.
        let own = try netlink.addresses().filter { $0.prefix.address == address && !$0.hasFailedDAD }
        let isLocal = !own.isEmpty || address.isLoopback
        var way = try way(to: address, own: own.first, isLocal: isLocal, knownLink)
        way.isLocal = isLocal
        return way
    }

    private mutating func way(
        to address: IPAddress, own: InterfaceAddress?, isLocal: Bool, _ knownLink: Int?
    ) throws -> Way {
        let neighbor: Method = address.bitWidth == 32 ? .arp : .ndp
        if method == .icmp { return Way(method: .icmp, link: try interface.map { _ in try namedLink(knownLink) }) }
        if isLocal && interface == nil {
            let link = try own.flatMap { try netlink.link(index: $0.interface) }
            // Nobody else can be asked on a loopback interface.
            guard let link, !link.isLoopback, link.supportsARP else { return Way(method: .icmp) }
            return try complete(link, neighbor)
        }
        if method == .auto && !isLocal {
            let index = try interface.map { _ in try namedLink(knownLink).index }
            let route = try netlink.route(to: address, interface: index)
            if route?.gateway != nil { return Way(method: .icmp) }
        }
        return try onLink(address, method: neighbor, knownLink)
    }

    private mutating func onLink(_ address: IPAddress, method: Method, _ knownLink: Int?) throws -> Way {
        if interface != nil { return try complete(namedLink(knownLink), method) }
        guard let index = try netlink.onLinkInterface(for: address), let link = try netlink.link(index: index) else {
            throw Failure(.usage, "\(address): no interface's on-link route covers it: name one with --interface")
        }
        return try complete(link, method)
    }

    private mutating func namedLink(_ knownLink: Int?) throws -> Link {
        if let knownLink, let link = try netlink.link(index: knownLink) { return link }
        guard let interface else { preconditionFailure("asked for the named link where none is named") }
        guard let link = try netlink.link(named: interface) else {
            throw Failure(.unreachable, "\(interface): no such interface")
        }
        return link
    }

    private mutating func complete(_ link: Link, _ method: Method) throws -> Way {
        guard link.isUp else { throw Failure(.unreachable, "\(link.name): the interface is down") }
        guard link.hasCarrier else { throw Failure(.unreachable, "\(link.name): the interface has no carrier") }
        guard link.mac != nil, link.supportsARP, !link.isLoopback else {
            throw Failure(.usage, "\(link.name): has no neighbours to ask (not Ethernet); use --method icmp")
        }
        let linkLocal = try netlink.addresses(on: link.index).first {
            guard case .v6(let address) = $0.prefix.address else { return false }
            return address.isLinkLocal && !$0.isTentative && !$0.hasFailedDAD
        }
        guard case .v6(let source)? = linkLocal?.prefix.address else { return Way(method: method, link: link) }
        return Way(method: method, link: link, linkLocal: source)
    }
}
