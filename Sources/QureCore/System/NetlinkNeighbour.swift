// The neighbour table (ARP and neighbour discovery): which MAC address the kernel knows for an address, and how sure it
// is of it. qure-claim reads it to see whom the gateway speaks to; nothing here changes it.

import CNetlink
import Glibc

/// An entry of the neighbour table.
package struct Neighbour: Equatable, Sendable {
    /// How sure the kernel is of an entry (NUD_*).
    package struct State: OptionSet, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        package static let incomplete = State(rawValue: UInt16(NUD_INCOMPLETE))
        package static let reachable = State(rawValue: UInt16(NUD_REACHABLE))
        package static let stale = State(rawValue: UInt16(NUD_STALE))
        package static let delay = State(rawValue: UInt16(NUD_DELAY))
        package static let probe = State(rawValue: UInt16(NUD_PROBE))
        package static let failed = State(rawValue: UInt16(NUD_FAILED))
        /// Not found by ARP: the link needs none.
        package static let noARP = State(rawValue: UInt16(NUD_NOARP))
        package static let permanent = State(rawValue: UInt16(NUD_PERMANENT))
    }

    /// The neighbour.
    package var address: IPAddress
    /// The index of the interface on whose link it is.
    package var interface: Int
    /// nil while it is not known.
    package var mac: MACAddress?
    /// How far the kernel trusts the entry.
    package var state: State
}

extension Neighbour {
    /// The entry of an RTM_NEWNEIGH or RTM_DELNEIGH; nil for those of bridges, which are about MAC addresses alone.
    init?(_ message: NetlinkMessage) {
        guard let header = message.fixed(as: ndmsg.self) else { return nil }
        let attributes = message.attributes(after: ndmsg.self)
        guard let address = attributes.address(NDA_DST) else { return nil }
        self.address = address
        interface = Int(header.ndm_ifindex)
        mac = attributes[NDA_LLADDR].flatMap { MACAddress(octets: $0) }
        state = State(rawValue: header.ndm_state)
    }
}

extension Netlink {
    /// What the kernel knows of `address` on the link of `interface`; nil: nothing. Errors: ENODEV.
    package mutating func neighbour(_ address: IPAddress, on interface: Int) throws(SystemError) -> Neighbour? {
        var header = ndmsg()
        header.ndm_family = address.family
        header.ndm_ifindex = Int32(clamping: interface)
        let request = NetlinkRequest(RTM_GETNEIGH, fixed: header, call: "find neighbour", object: "\(address)")
        request.put(NDA_DST, bytes: address.octets)
        do {
            return try exchange(request).lazy.compactMap { Neighbour($0) }.first
        } catch where error.errno == .noEntry {
            return nil
        }
    }

    /// The neighbour tables of both families; of one interface if it is given.
    package mutating func neighbours(on interface: Int? = nil) throws(SystemError) -> [Neighbour] {
        let messages = try dump(RTM_GETNEIGH, fixed: ndmsg(), called: "list neighbours")
        return messages.compactMap { Neighbour($0) }.filter { interface == nil || $0.interface == interface }
    }
}
