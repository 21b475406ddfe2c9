// Fence: the kernel keeps an address silent once its holder no longer vouches for it, to the millisecond. A process
// that is killed or frozen can do nothing any more, but a set element of nf_tables runs out by itself: without a
// living element neither ARP or neighbour answers nor packets leave from the address, even while it is still on the
// interface. What the tables look like, and why they harm nobody when they are left behind, is in FenceRules.swift.

import CNetlink
import Glibc

/// A fence around the addresses of one claim (nf_tables, CAP_NET_ADMIN).
package struct Fence: ~Copyable {
    private let socket: NetlinkSocket
    private let rules: FenceRules
    /// When the rules are without effect unless they are renewed, too.
    private var rulesUntil = Instant(nanoseconds: 0)
    /// The renewal that was sent last: most are like the one before, to the millisecond.
    private var last: (milliseconds: Int64, answering: Bool, batch: [UInt8])?

    /// Makes the fence, closed. What an earlier claim on the same first address left behind is replaced.
    /// Errors: EPROTONOSUPPORT, EOPNOTSUPP or ENOENT where the kernel has no nf_tables (of a family), EPERM.
    package init(_ addresses: [IPAddress]) throws(SystemError) {
        let rules = FenceRules(addresses)
        let socket = try NetlinkSocket(NETLINK_NETFILTER)
        try socket.subscribe(to: [])
        try Self.send(rules.construction, by: socket)
        self.rules = rules
        self.socket = socket
    }

    /// Lets the addresses speak for as long as `lease` says from now on. Without `answering` they may still send
    /// packets, but neither answer nor ask: what a holder does that is handing over. Errors: ENOENT if somebody has
    /// removed the tables and they cannot be made again.
    package mutating func open(for lease: Duration, answering: Bool = true) throws(SystemError) {
        let end = Clock.now + lease + FenceRules.memory
        let isRulesTurn = end - rulesUntil > FenceRules.memory / 2
        do {
            try socket.transact(renewal(lease, answering: answering, withRules: isRulesTurn), called: Self.call)
        } catch where error.errno == .noEntry {
            // Somebody flushed the ruleset.
            let renewal = rules.renewal(lease, answering: answering, withRules: true)
            try Self.send(rules.construction + renewal, by: socket)
            rulesUntil = end
        }
        if isRulesTurn { rulesUntil = end }
    }

    private mutating func renewal(_ lease: Duration, answering: Bool, withRules: Bool) -> [UInt8] {
        func batch() -> [UInt8] {
            FenceRules.batch(rules.renewal(lease, answering: answering, withRules: withRules))
        }
        guard !withRules, lease >= .milliseconds(1) else { return batch() }
        if let last, last.milliseconds == lease.milliseconds, last.answering == answering { return last.batch }
        let new = batch()
        last = (lease.milliseconds, answering, new)
        return new
    }

    /// Silences the addresses at once.
    package mutating func close() throws(SystemError) { try open(for: .zero) }

    /// Takes the tables away.
    package func remove() throws(SystemError) { try Self.send(rules.removal, by: socket) }

    /// The messages that do the same, for the guard process.
    package var removalBatch: [UInt8] { FenceRules.batch(rules.removal) }

    private static let call = "set up fence"

    private static func send(
        _ messages: [FenceRules.Message], by socket: borrowing NetlinkSocket
    ) throws(SystemError) {
        try socket.transact(FenceRules.batch(messages), called: call)
    }
}
