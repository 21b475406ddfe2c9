// NetlinkMonitor: what changes in this host's network, as it changes.
// The kernel tells every subscriber, also about changes that others make: a cable pulled, an address deleted by a
// network manager. Where it had to tell more than fits, it says that something is lost, and then only a fresh look
// (Netlink) knows what is so. qure-claim and qure-elect wait on it.

import CNetlink
import Glibc

/// Something that changed.
package enum Change: Equatable, Sendable {
    /// An interface is new or is different from before, or only said to be the same again.
    case link(Link)
    /// The interface of this index is gone.
    case linkRemoved(Int)
    /// An address is new, or its flags or lifetimes changed.
    case address(InterfaceAddress)
    case addressRemoved(InterfaceAddress)
    case neighbour(Neighbour)
    case neighbourRemoved(Neighbour)
    /// Some route of either family came, went or changed: ask for those that matter.
    case route(isDefault: Bool)
    /// Changes were lost: look at everything again.
    case overrun
}

/// A subscription to changes.
package struct NetlinkMonitor: ~Copyable {
    private var socket: NetlinkSocket
    /// Enough for some thousand changes while the reader is busy or stopped.
    package static let defaultBuffer = 4 << 20

    /// Listens for changes of links and addresses, and of neighbours and routes if wanted. What changed before is
    /// not told: subscribe first, then look. `buffer` in bytes is what the kernel keeps for a slow reader.
    package init(
        neighbours: Bool = false, routes: Bool = false, buffer: Int = defaultBuffer
    ) throws(SystemError) {
        let socket = try NetlinkSocket(NETLINK_ROUTE)
        // FORCE goes beyond the system's limit and needs CAP_NET_ADMIN; without it the limit is what there is.
        var size = CInt(clamping: buffer)
        let length = socklen_t(MemoryLayout<CInt>.size)
        if unsafe setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) != 0 {
            _ = unsafe setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUF, &size, length)
        }
        var groups = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR]
        if neighbours { groups.append(RTNLGRP_NEIGH) }
        if routes { groups += [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE] }
        try socket.subscribe(to: groups.map(\.rawValue))
        self.socket = socket
    }

    /// For the poller: readable when there is something to read.
    package var descriptor: CInt { socket.descriptor }

    /// What has changed since the last time; empty if nothing. Does not wait. Never more than some hundred
    /// datagrams at a time, so that a flood of changes cannot keep the caller from everything else.
    package mutating func read() throws(SystemError) -> [Change] {
        var changes: [Change] = []
        for _ in 0..<256 {
            do {
                guard let messages = try socket.receive(for: "receive network changes") else { break }
                for message in messages {
                    guard let change = Change(message) else { continue }
                    if case .route = change, change == changes.last { continue }
                    changes.append(change)
                }
            } catch where error.errno == .noBuffers {
                changes.append(.overrun)
            }
        }
        return changes
    }
}

extension Change {
    /// The change that a message tells of; nil for what is of no interest here.
    fileprivate init?(_ message: NetlinkMessage) {
        switch message.type {
        case RTM_NEWLINK: self.init(Link(message).map(Change.link))
        case RTM_DELLINK: self.init(Link(message).map { .linkRemoved($0.index) })
        case RTM_NEWADDR: self.init(InterfaceAddress(message).map(Change.address))
        case RTM_DELADDR: self.init(InterfaceAddress(message).map(Change.addressRemoved))
        case RTM_NEWNEIGH: self.init(Neighbour(message).map(Change.neighbour))
        case RTM_DELNEIGH: self.init(Neighbour(message).map(Change.neighbourRemoved))
        case RTM_NEWROUTE, RTM_DELROUTE:
            self = .route(isDefault: message.fixed(as: rtmsg.self).map { $0.rtm_dst_len == 0 } ?? false)
        default: return nil
        }
    }

    private init?(_ change: Change?) {
        guard let change else { return nil }
        self = change
    }
}
