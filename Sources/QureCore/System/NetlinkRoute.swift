// Where packets go from this host: the kernel's own answer for one address, the gateways, and the interface on whose
// link an address is. The tools find their interface, their gateway and a path's source address with it; nothing here
// changes a route.

import CNetlink
import Glibc

/// The way that a packet to some address takes.
package struct Route: Equatable, Sendable {
    /// The interface it leaves by (the loopback one for this host's own addresses).
    package var interface: Int
    /// The next hop; nil where the address is on the link itself.
    package var gateway: IPAddress?
    /// The source address that the kernel picks for it.
    package var preferredSource: IPAddress?
    /// Whether the address is one of this host's own.
    package var isLocal: Bool
    /// Whether it is the broadcast address of a network that this host is in.
    package var isBroadcast: Bool
}

/// A default gateway.
package struct Gateway: Equatable, Sendable {
    /// The gateway's own address.
    package var address: IPAddress
    /// The index of the interface on whose link it is.
    package var interface: Int
    /// The route's metric: of several gateways the lowest is used.
    package var metric: Int
}

/// A row of a routing table.
private struct TableRoute {
    let family: UInt8
    let table: UInt32
    let type: UInt8
    let destination: IPAddress?
    let length: Int
    let metric: Int
    let preferredSource: IPAddress?
    /// A route has one next hop, or several that share the traffic.
    let hops: [(interface: Int, gateway: IPAddress?)]

    init?(_ message: NetlinkMessage) {
        guard message.type == RTM_NEWROUTE, let header = message.fixed(as: rtmsg.self) else { return nil }
        let attributes = message.attributes(after: rtmsg.self)
        family = header.rtm_family
        table = attributes.load(RTA_TABLE.rawValue, as: UInt32.self) ?? UInt32(header.rtm_table)
        type = header.rtm_type
        destination = attributes.address(RTA_DST.rawValue)
        length = Int(header.rtm_dst_len)
        metric = Int(attributes.load(RTA_PRIORITY.rawValue, as: UInt32.self) ?? 0)
        preferredSource = attributes.address(RTA_PREFSRC.rawValue)
        if let several = attributes[RTA_MULTIPATH.rawValue] {
            hops = Self.hops(several)
        } else {
            let isDead = header.rtm_flags & UInt32(RTNH_F_DEAD) != 0
            let interface = attributes.load(RTA_OIF.rawValue, as: Int32.self)
            hops = isDead ? [] : interface.map { [(Int($0), Self.gateway(attributes))] } ?? []
        }
    }

    /// The next hops of an RTA_MULTIPATH that are not dead: each a header with its own length, then attributes.
    private static func hops(_ bytes: ArraySlice<UInt8>) -> [(interface: Int, gateway: IPAddress?)] {
        var hops: [(interface: Int, gateway: IPAddress?)] = []
        var rest = bytes
        let size = MemoryLayout<rtnexthop>.size
        while let header = rest.load(as: rtnexthop.self) {
            let length = Int(header.rtnh_len)
            guard length >= size, length <= rest.count else { break }
            let attributes = NetlinkAttributes(rest.prefix(length).dropFirst(size))
            if Int(header.rtnh_flags) & Int(RTNH_F_DEAD) == 0 {
                hops.append((Int(header.rtnh_ifindex), gateway(attributes)))
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return hops
    }

    /// The next hop's address; RTA_VIA, a family and an address, is how an IPv4 route names an IPv6 one.
    private static func gateway(_ attributes: NetlinkAttributes) -> IPAddress? {
        attributes.address(RTA_GATEWAY.rawValue)
            ?? attributes[RTA_VIA.rawValue].flatMap { IPAddress(octets: $0.dropFirst(2)) }
    }

    var isInMainTable: Bool { table == UInt32(RT_TABLE_MAIN.rawValue) }
    var isUnicast: Bool { type == UInt8(RTN_UNICAST) }
    var prefix: Prefix? { destination.flatMap { Prefix($0, length: length) } }
}

extension Netlink {
    /// The way to `destination` as the kernel would take it now, policy rules included: optionally as a packet from
    /// `source`, or one bound to the interface of index `interface`. nil where the kernel would refuse to send: no
    /// route, an `unreachable`, `prohibit` or `blackhole` one, or a `source` that this host does not have.
    /// Errors: ENODEV if the interface is gone.
    package mutating func route(
        to destination: IPAddress, from source: IPAddress? = nil, interface: Int? = nil
    ) throws(SystemError) -> Route? {
        var header = rtmsg()
        header.rtm_family = destination.family
        header.rtm_dst_len = UInt8(destination.bitWidth)
        header.rtm_src_len = UInt8(source?.bitWidth ?? 0)
        let request = NetlinkRequest(RTM_GETROUTE, fixed: header, call: "find route", object: "\(destination)")
        request.put(RTA_DST.rawValue, bytes: destination.octets)
        if let source { request.put(RTA_SRC.rawValue, bytes: source.octets) }
        if let interface { request.put(RTA_OIF.rawValue, Int32(clamping: interface)) }
        let answers: [NetlinkMessage]
        do {
            answers = try exchange(request)
        } catch where [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL].contains(error.errno.rawValue) {
            return nil
        }
        guard let route = answers.lazy.compactMap({ TableRoute($0) }).first, let hop = route.hops.first else {
            return nil
        }
        let refusing = [RTN_UNREACHABLE, RTN_PROHIBIT, RTN_BLACKHOLE].map { UInt8($0) }
        guard !refusing.contains(route.type) else { return nil }
        return Route(
            interface: hop.interface, gateway: hop.gateway, preferredSource: route.preferredSource,
            isLocal: route.type == UInt8(RTN_LOCAL), isBroadcast: route.type == UInt8(RTN_BROADCAST))
    }

    /// The default gateways of the main table, of both families, each family's best first.
    package mutating func defaultGateways() throws(SystemError) -> [Gateway] {
        var gateways: [Gateway] = []
        for route in try mainTable() where route.length == 0 {
            for hop in route.hops {
                guard let address = hop.gateway else { continue }
                gateways.append(Gateway(address: address, interface: hop.interface, metric: route.metric))
            }
        }
        let isIPv6 = { (gateway: Gateway) in gateway.address.bitWidth == 128 ? 1 : 0 }
        return gateways.enumerated().sorted {
            (isIPv6($0.element), $0.element.metric, $0.offset) < (isIPv6($1.element), $1.element.metric, $1.offset)
        }.map(\.element)
    }

    /// The index of the interface on whose link `address` is: the one with the longest route without a gateway
    /// that covers it, or failing that, with an address whose network does. It does not matter whether the address
    /// is this host's own at the moment. nil if there is none, or if several are equally good, as for fe80::/64.
    package mutating func onLinkInterface(for address: IPAddress) throws(SystemError) -> Int? {
        // The kernel's answer for one address would be no help: for an own one it is the loopback interface.
        // A default route without a gateway covers everything, so it does not say that the address is on its link.
        var candidates: [(interface: Int, length: Int, metric: Int)] = []
        for route in try mainTable() where route.length > 0 && route.prefix?.contains(address) == true {
            for hop in route.hops where hop.gateway == nil {
                candidates.append((hop.interface, route.length, route.metric))
            }
        }
        if candidates.isEmpty {
            for own in try addresses() where own.prefix.length < address.bitWidth && own.prefix.contains(address) {
                candidates.append((own.interface, own.prefix.length, 0))
            }
        }
        let isLoopback = Set(try links().filter(\.isLoopback).map(\.index))
        candidates.removeAll { isLoopback.contains($0.interface) }
        guard let best = candidates.min(by: { ($1.length, $0.metric) < ($0.length, $1.metric) }) else { return nil }
        let equals = candidates.filter { $0.length == best.length && $0.metric == best.metric }
        return equals.allSatisfy { $0.interface == best.interface } ? best.interface : nil
    }

    /// The network that `address` is in on the interface of this index, by the longest route without a gateway that is
    /// not for the address alone; nil where there is none.
    package mutating func onLinkNetwork(of address: IPAddress, interface: Int) throws(SystemError) -> Prefix? {
        var network: Prefix?
        for route in try mainTable() where route.length > (network?.length ?? 0) && route.length < address.bitWidth {
            let isOnLink = route.hops.contains { $0.gateway == nil && $0.interface == interface }
            if isOnLink, let prefix = route.prefix, prefix.contains(address) { network = prefix }
        }
        return network
    }

    /// The unicast routes of the main table, both families.
    private mutating func mainTable() throws(SystemError) -> [TableRoute] {
        var routes: [TableRoute] = []
        for family in [AF_INET, AF_INET6] {
            var header = rtmsg()
            header.rtm_family = UInt8(family)
            let messages = try dump(RTM_GETROUTE, fixed: header, called: "list routes")
            routes += messages.compactMap { TableRoute($0) }.filter { $0.isInMainTable && $0.isUnicast }
        }
        return routes
    }
}
