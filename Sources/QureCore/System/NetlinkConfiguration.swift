// The settings of one interface that decide how the kernel answers ARP for it: net.ipv4.conf.IFACE.* by netlink.
// In a container or a hardened unit /proc/sys is often read-only; this way needs CAP_NET_ADMIN and no file.
// It reaches the IPv4 settings only; what IPv6 has alike is behind files (Sysctl).
// The kernel uses the larger of an interface's value and that of `all` for rp_filter, arp_ignore and arp_announce,
// and either of both for arp_filter, accept_local, promote_secondaries and arp_notify (or: one of them is enough).

import CNetlink
import Glibc

/// A per-interface IPv4 setting; the raw value is the kernel's number of it (IPV4_DEVCONF_*, <linux/ip.h>, which
/// cannot be imported beside <netinet/ip.h>).
package enum ConfigurationKey: Int, CaseIterable, Sendable {
    /// rp_filter: 0 none, 1 strict, 2 loose.
    case rpFilter = 8
    /// arp_filter: answer only where the reply's route leaves by the same interface.
    case arpFilter = 13
    /// arp_announce: which own address goes into requests; 2 is the best for the target.
    case arpAnnounce = 18
    /// arp_ignore: which requests are answered; 1 only for addresses of the interface that they came in by.
    case arpIgnore = 19
    /// promote_secondaries: deleting a first address leaves the others of its network.
    case promoteSecondaries = 20
    /// arp_notify: the kernel announces addresses when the interface or its MAC comes up.
    case arpNotify = 22
    /// accept_local: packets from outside with an own source address are let in.
    case acceptLocal = 23
}

extension Netlink {
    /// Sets values of net.ipv4.conf for one interface. Errors: EPERM, ENODEV.
    package mutating func setConfiguration(
        interface index: Int, _ values: [ConfigurationKey: Int32]
    ) throws(SystemError) {
        _ = try exchange(Self.configurationRequest(index, values))
    }

    /// The request that does the same, complete and asking for no answer: for the guard process, which sends it when
    /// its parent is gone (qure_fork_guard).
    package static func configurationMessage(interface index: Int, _ values: [ConfigurationKey: Int32]) -> [UInt8] {
        configurationRequest(index, values).bytes()
    }

    private static func configurationRequest(_ index: Int, _ values: [ConfigurationKey: Int32]) -> NetlinkRequest {
        let request = NetlinkRequest(RTM_SETLINK, fixed: header(index), call: "configure link", object: "\(index)")
        request.nest(IFLA_AF_SPEC) {
            request.nest(AF_INET) {
                request.nest(IFLA_INET_CONF) {
                    for (key, value) in values { request.put(key.rawValue, value) }
                }
            }
        }
        return request
    }

    /// The values of net.ipv4.conf for one interface. Errors: ENODEV.
    package mutating func configuration(interface index: Int) throws(SystemError) -> [ConfigurationKey: Int32] {
        let request = NetlinkRequest(
            RTM_GETLINK, fixed: Self.header(index), call: "read configuration of link", object: "\(index)")
        guard let message = try exchange(request).first,
            let bytes = message.attributes(after: ifinfomsg.self).nested(IFLA_AF_SPEC)?.nested(AF_INET)?[IFLA_INET_CONF]
        else { throw request.error(.notSupported) }
        // One 32-bit integer per setting, the first one number 1.
        var values: [ConfigurationKey: Int32] = [:]
        for key in ConfigurationKey.allCases {
            values[key] = bytes.dropFirst((key.rawValue - 1) * 4).load(as: Int32.self)
        }
        return values
    }

    private static func header(_ index: Int) -> ifinfomsg {
        var header = ifinfomsg()
        header.ifi_index = Int32(clamping: index)
        return header
    }
}
