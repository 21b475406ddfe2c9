// Netlink: what this host's network is like, and changes to it, by rtnetlink(7).
// One request socket; every call is one exchange of some 30 µs with the kernel and has taken effect when it returns.
// Links, addresses, routes, neighbours and per-interface settings are in the Netlink*.swift files beside this one.
// All of qure's tools read through it; qure-claim alone changes anything (CAP_NET_ADMIN).

import CNetlink

/// A request socket to the kernel's routing tables.
package struct Netlink: ~Copyable {
    private var socket: NetlinkSocket

    /// Opens the socket; needs no privilege.
    package init() throws(SystemError) { socket = try NetlinkSocket(NETLINK_ROUTE) }

    /// Sends one request and returns its answers.
    mutating func exchange(_ request: borrowing NetlinkRequest) throws(SystemError) -> [NetlinkMessage] {
        try socket.exchange(request)
    }

    /// Asks for a whole table of one family (0: all of them).
    mutating func dump(
        _ type: Int, fixed: some BitwiseCopyable, called call: String
    ) throws(SystemError) -> [NetlinkMessage] {
        try exchange(NetlinkRequest(type, flags: NLM_F_DUMP, fixed: fixed, call: call))
    }
}
