// The interfaces of this host: listing them, finding one, setting one up or down, and the macvlan that carries an
// address with a MAC of its own (`qure-claim --virtual-mac`).

import CNetlink
import Glibc

/// A network interface.
package struct Link: Equatable, Sendable {
    /// The kernel's number for it, at least 1; never used again for another one until the numbers run out.
    package var index: Int
    /// `eth0`. It can change.
    package var name: String
    /// Its hardware address, where it has one of 48 bits.
    package var mac: MACAddress?
    /// Whether it was set up by its administrator (IFF_UP).
    package var isUp: Bool
    /// Whether the layer below is ready: a cable, an access point, a parent that is up (IFF_LOWER_UP).
    package var hasCarrier: Bool
    /// Whether it is the host talking to itself.
    package var isLoopback: Bool
    /// Whether neighbours are found by ARP or neighbour discovery on it (not IFF_NOARP).
    package var supportsARP: Bool
    /// The largest packet that it sends, in bytes.
    package var mtu: Int
    /// What kind of virtual interface it is, `macvlan` for instance; nil for a device.
    package var kind: String?
    /// The interface below (macvlan, VLAN) or at the other end (veth), if that is in this network namespace.
    package var parent: Int?
    /// The bridge or bond that it is a port of: addresses belong on that one.
    package var master: Int?
    /// A note that somebody has put on it (`ip link set … alias`).
    package var alias: String?
}

extension Link {
    /// The link of an RTM_NEWLINK, nil for messages about a bridge port (AF_BRIDGE) or radio event (IFLA_WIRELESS),
    /// which come in the same group but say only a part.
    init?(_ message: NetlinkMessage) {
        guard let header = message.fixed(as: ifinfomsg.self), header.ifi_family == UInt8(AF_UNSPEC) else { return nil }
        let attributes = message.attributes(after: ifinfomsg.self)
        guard let name = attributes.text(IFLA_IFNAME), attributes[IFLA_WIRELESS] == nil else { return nil }
        let flags = header.ifi_flags
        index = Int(header.ifi_index)
        self.name = name
        isUp = flags & UInt32(IFF_UP) != 0
        hasCarrier = flags & UInt32(QURE_IFF_LOWER_UP) != 0
        isLoopback = flags & UInt32(IFF_LOOPBACK) != 0
        supportsARP = flags & UInt32(IFF_NOARP | IFF_LOOPBACK) == 0
        mac = isLoopback ? nil : attributes[IFLA_ADDRESS].flatMap { MACAddress(octets: $0) }
        mtu = Int(attributes.load(IFLA_MTU, as: UInt32.self) ?? 0)
        kind = attributes.nested(IFLA_LINKINFO)?.text(IFLA_INFO_KIND)
        master = attributes.load(IFLA_MASTER, as: Int32.self).map(Int.init)
        alias = attributes.text(IFLA_IFALIAS)
        let lower = attributes.load(IFLA_LINK, as: Int32.self).map(Int.init)
        let isElsewhere = attributes[IFLA_LINK_NETNSID] != nil
        parent = isElsewhere || lower == index || lower == 0 ? nil : lower
    }
}

extension Netlink {
    /// All interfaces, by index.
    package mutating func links() throws(SystemError) -> [Link] {
        let messages = try dump(RTM_GETLINK, fixed: ifinfomsg(), called: "list links")
        return messages.compactMap { Link($0) }.sorted { $0.index < $1.index }
    }

    /// The interface of this name, nil if there is none.
    package mutating func link(named name: String) throws(SystemError) -> Link? {
        guard (1..<16).contains(name.utf8.count) else { return nil }  // IFNAMSIZ, with the NUL
        let request = NetlinkRequest(RTM_GETLINK, fixed: ifinfomsg(), call: "find link", object: name)
        request.put(IFLA_IFNAME, name)
        return try find(request)
    }

    /// The interface of this index, nil if there is none.
    package mutating func link(index: Int) throws(SystemError) -> Link? {
        guard let request = linkRequest(RTM_GETLINK, index, call: "find link") else { return nil }
        return try find(request)
    }

    private mutating func find(_ request: borrowing NetlinkRequest) throws(SystemError) -> Link? {
        do {
            return try exchange(request).compactMap { Link($0) }.first
        } catch where error.errno == .noDevice {
            return nil
        }
    }

    /// Makes a macvlan in bridge mode over `parent` and returns it, still down. Errors: EEXIST if the name is taken,
    /// ENODEV if the parent is gone, EBUSY if the parent is a bridge's port, EOPNOTSUPP without the driver.
    package mutating func addMacvlan(
        named name: String, over parent: Int, mac: MACAddress
    ) throws(SystemError) -> Link {
        let request = NetlinkRequest(
            RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, fixed: ifinfomsg(), call: "add macvlan", object: name)
        request.put(IFLA_IFNAME, name)
        request.put(IFLA_LINK, UInt32(parent))
        request.put(IFLA_ADDRESS, bytes: mac.octets)
        request.nest(IFLA_LINKINFO) {
            request.put(IFLA_INFO_KIND, "macvlan")
            request.nest(IFLA_INFO_DATA) { request.put(IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE.rawValue) }
        }
        _ = try exchange(request)
        guard let link = try link(named: name) else { throw request.error(.noDevice) }
        return link
    }

    /// Sets an interface up or down. Errors: ENODEV, EPERM.
    package mutating func setUp(_ index: Int, _ isUp: Bool) throws(SystemError) {
        var header = ifinfomsg()
        header.ifi_index = Int32(index)
        header.ifi_change = UInt32(IFF_UP)
        header.ifi_flags = isUp ? UInt32(IFF_UP) : 0
        let call = isUp ? "set link up" : "set link down"
        _ = try exchange(NetlinkRequest(RTM_NEWLINK, fixed: header, call: call, object: "\(index)"))
    }

    /// Fails with EPERM where this process may not change the interface; changes nothing.
    package mutating func requirePermission(toChange link: Link) throws(SystemError) {
        var header = ifinfomsg()
        header.ifi_index = Int32(clamping: link.index)
        _ = try exchange(NetlinkRequest(RTM_NEWLINK, fixed: header, call: "change interface", object: link.name))
    }

    /// Puts a note on an interface, in place of the one that is there. Errors: ENODEV, EPERM, EINVAL beyond 255 bytes.
    package mutating func setAlias(_ alias: String, of index: Int) throws(SystemError) {
        guard let request = linkRequest(RTM_NEWLINK, index, call: "set alias of link") else {
            throw SystemError("set alias of link", "\(index)", errno: .noDevice)
        }
        // Without the closing NUL, which the kernel would keep as a part of it.
        request.put(IFLA_IFALIAS, bytes: Array(alias.utf8))
        _ = try exchange(request)
    }

    /// Keeps an interface from making IPv6 addresses of its own when it comes up. Errors: ENODEV, EPERM; EAFNOSUPPORT
    /// where there is no IPv6.
    package mutating func setNoOwnIPv6Address(of index: Int) throws(SystemError) {
        guard let request = linkRequest(RTM_SETLINK, index, call: "set address generation of link") else {
            throw SystemError("set address generation of link", "\(index)", errno: .noDevice)
        }
        request.nest(IFLA_AF_SPEC) {
            request.nest(AF_INET6) { request.put(IFLA_INET6_ADDR_GEN_MODE, UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue)) }
        }
        _ = try exchange(request)
    }

    /// Gives an interface another hardware address. Errors: ENODEV, EPERM, EADDRNOTAVAIL for a group's address,
    /// EBUSY where the driver wants the interface down for it.
    package mutating func setMAC(_ mac: MACAddress, of index: Int) throws(SystemError) {
        guard let request = linkRequest(RTM_NEWLINK, index, call: "set MAC of link", object: "\(index) \(mac)") else {
            throw SystemError("set MAC of link", "\(index)", errno: .noDevice)
        }
        request.put(IFLA_ADDRESS, bytes: mac.octets)
        _ = try exchange(request)
    }

    /// Removes a virtual interface. Returns false if there was none of this index; EOPNOTSUPP for a device.
    @discardableResult
    package mutating func removeLink(_ index: Int) throws(SystemError) -> Bool {
        guard let request = linkRequest(RTM_DELLINK, index, call: "remove link") else { return false }
        do {
            _ = try exchange(request)
            return true
        } catch where error.errno == .noDevice {
            return false
        }
    }

    /// The request that removes the virtual interface `index`, complete and asking for no answer: for the guard
    /// process, which sends it when its parent is gone (qure_fork_guard).
    package static func removalMessage(link index: Int) -> [UInt8] {
        linkRequest(RTM_DELLINK, index, call: "remove link")?.bytes() ?? []
    }

    private static func linkRequest(
        _ type: Int, _ index: Int, call: String, object: String? = nil
    ) -> NetlinkRequest? {
        // Without an index the kernel would go by other attributes or refuse with EINVAL.
        guard let number = Int32(exactly: index), number > 0 else { return nil }
        var header = ifinfomsg()
        header.ifi_index = number
        return NetlinkRequest(type, fixed: header, call: call, object: object ?? "\(index)")
    }

    private func linkRequest(_ type: Int, _ index: Int, call: String, object: String? = nil) -> NetlinkRequest? {
        Self.linkRequest(type, index, call: call, object: object)
    }
}
