// Fence: the kernel keeps an address silent once its holder no longer vouches for it, to the millisecond. A process
// that is killed or frozen can do nothing any more, but a set element of nf_tables runs out by itself: without a
// living element neither ARP or neighbour answers nor packets leave from the address, even while it is still on the
// interface. Who vouches is this process, each time that it opens the fence, or where it has said so the heartbeats
// that leave this host. What the tables look like, and why they harm nobody when they are left behind, is in
// FenceRules.swift and LeaseRules.swift. KernelLease is the elector's view of it: whether its heartbeats are heeded.

import CNetlink
import Glibc

/// A fence around the addresses of one claim (nf_tables, CAP_NET_ADMIN).
package struct Fence: ~Copyable {
    private var socket: NetlinkSocket
    private let addresses: [IPAddress]
    private let rules: FenceRules
    /// Where heartbeats renew the lease.
    private var leaseRules: LeaseRules?
    /// When the rules are without effect unless they are renewed, too.
    private var rulesUntil = Instant(nanoseconds: 0)
    /// The renewal that was sent last: most are like the one before, to the millisecond.
    private var last: (milliseconds: Int64, answering: Bool, batch: [UInt8])?
    /// How much longer than the lease the tables of the other interfaces stay open where heartbeats renew it: this
    /// process opens them from time to time only.
    package static let patience = Duration.seconds(5)

    /// Makes the fence, closed. What an earlier claim on the same first address left behind is replaced.
    /// Errors: EPROTONOSUPPORT, EOPNOTSUPP or ENOENT where the kernel has no nf_tables (of a family), EPERM.
    package init(_ addresses: [IPAddress]) throws(SystemError) {
        let rules = FenceRules(addresses)
        let socket = try NetlinkSocket(NETLINK_NETFILTER)
        try socket.subscribe(to: [])
        try Self.send(rules.construction, by: socket)
        // Not every kernel has that family, and then there is nothing to be removed.
        try? Self.send(LeaseRules.removal(addresses), by: socket)
        self.addresses = addresses
        self.rules = rules
        self.socket = socket
    }

    // MARK: Heartbeats

    /// What renews the lease beside this process.
    package var renewal: LeaseRenewal? { leaseRules?.renewal }

    /// Lets heartbeats that leave through an interface renew the lease by themselves, as long as it has not run out;
    /// nil: not any more. The fence is closed until it is opened once more.
    /// Errors: EOPNOTSUPP, ENOENT or EINVAL where the kernel cannot do that (before Linux 5.16), or not there.
    package mutating func renew(by renewal: LeaseRenewal?, leaving interface: Link) throws(SystemError) {
        last = nil
        rulesUntil = Instant(nanoseconds: 0)
        if let old = leaseRules.take() { try? Self.send(old.removal, by: socket) }
        guard let renewal else { return }
        let new = LeaseRules(addresses, leaving: (Int32(interface.index), interface.name), renewal)
        try Self.send(new.construction, by: socket)
        leaseRules = new
    }

    // MARK: Opening and closing

    /// Lets the addresses speak for as long as `lease` says from now on. Without `answering` they may still send
    /// packets, but neither answer nor ask: what a holder does that is handing over. Errors: ENOENT if somebody has
    /// removed the tables and they cannot be made again.
    package mutating func open(for lease: Duration, answering: Bool = true) throws(SystemError) {
        let end = Clock.now + lease + FenceRules.memory
        let isRulesTurn = end - rulesUntil > FenceRules.memory / 2
        do {
            let batch = try leaseRules == nil
                ? renewal(lease, answering: answering, withRules: isRulesTurn)
                : FilterTable.batch(renewalBesideHeartbeats(lease, answering: answering, withRules: isRulesTurn))
            try socket.transact(batch, called: Self.call)
        } catch where error.errno == .noEntry {
            // Somebody flushed the ruleset.
            try rebuild(lease, answering: answering)
            rulesUntil = end
        }
        if isRulesTurn { rulesUntil = end }
    }

    private mutating func renewal(_ lease: Duration, answering: Bool, withRules: Bool) -> [UInt8] {
        func batch() -> [UInt8] {
            FilterTable.batch(rules.renewal(lease, answering: answering, withRules: withRules))
        }
        guard !withRules, lease >= .milliseconds(1) else { return batch() }
        if let last, last.milliseconds == lease.milliseconds, last.answering == answering { return last.batch }
        let new = batch()
        last = (lease.milliseconds, answering, new)
        return new
    }

    private mutating func renewalBesideHeartbeats(
        _ lease: Duration, answering: Bool, withRules: Bool
    ) throws(SystemError) -> [FilterTable.Message] {
        guard let leaseRules else { return [] }
        let patience = lease > .zero ? lease + Self.patience : .zero
        var messages = rules.renewal(patience, answering: answering, withRules: withRules)
        if withRules { messages += leaseRules.rulesRenewal(lease) }
        // A heartbeat that left since this lease was granted has renewed it for longer; nothing is taken away of that.
        if lease > .zero, let rest = try leaseRules.remainder(by: &socket), rest >= lease { return messages }
        return messages + leaseRules.lease(lease)
    }

    private mutating func rebuild(_ lease: Duration, answering: Bool) throws(SystemError) {
        last = nil
        let patience = leaseRules == nil || lease <= .zero ? lease : lease + Self.patience
        try Self.send(
            rules.construction + rules.renewal(patience, answering: answering, withRules: true), by: socket)
        guard let leaseRules else { return }
        do {
            try Self.send(
                leaseRules.construction + leaseRules.rulesRenewal(lease) + leaseRules.lease(lease), by: socket)
        } catch {
            // The interface is gone, and with it what renewed the lease.
            self.leaseRules = nil
            try Self.send(rules.renewal(lease, answering: answering, withRules: false), by: socket)
        }
    }

    /// Silences the addresses at once.
    package mutating func close() throws(SystemError) { try open(for: .zero) }

    /// Takes the tables away.
    package func remove() throws(SystemError) { try Self.send(removal, by: socket) }

    /// The messages that do the same, for the guard process.
    package var removalBatch: [UInt8] { FilterTable.batch(removal) }

    private var removal: [FilterTable.Message] { rules.removal + (leaseRules?.removal ?? []) }

    fileprivate static let call = "set up fence"

    fileprivate static func send(
        _ messages: [FilterTable.Message], by socket: borrowing NetlinkSocket
    ) throws(SystemError) {
        try socket.transact(FilterTable.batch(messages), called: call)
    }
}

/// The lease of a claim's addresses as the kernel has it, for the elector whose heartbeats renew it (CAP_NET_ADMIN).
package struct KernelLease: ~Copyable {
    private var socket: NetlinkSocket
    private let addresses: [IPAddress]
    private let interface: Int

    /// The lease of these addresses, the claim's first one first, on the interface of that index.
    /// Errors: EPERM without the capability, EPROTONOSUPPORT where the kernel has no nf_tables.
    package init(_ addresses: [IPAddress], on interface: Int) throws(SystemError) {
        var socket = try NetlinkSocket(NETLINK_NETFILTER)
        try socket.subscribe(to: [])
        _ = try LeaseRules.remainder(addresses, on: Int32(interface), by: &socket)
        self.socket = socket
        self.addresses = addresses
        self.interface = interface
    }

    /// How long the lease has to live; nil: there is none, or nobody has made the fence.
    package mutating func remainder() throws(SystemError) -> Duration? {
        try LeaseRules.remainder(addresses, on: Int32(interface), by: &socket)
    }

    /// Ends the lease: the addresses are silent at once, whatever the follower does.
    package func revoke() { try? Fence.send(LeaseRules.revocation(addresses), by: socket) }
}
