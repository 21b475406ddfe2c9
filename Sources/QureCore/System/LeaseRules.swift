// LeaseRules: the table by which a master's own heartbeats renew its lease, without any process that passes it on. It
// sees all frames that leave one interface, ARP as well as IP, those of packet sockets too. While the set `leased` has
// its one element, the number of that interface, the fenced addresses may speak there; a heartbeat that leaves lets the
// element live on. A lease that has run out is not renewed: somebody may have succeeded, and the elector has to say
// that nobody has. So the lease counts from the very moment that the others' patience counts from.

import CNetlink
import Glibc

/// The table of leases, as messages.
struct LeaseRules: Sendable {
    private let table: FilterTable
    private let addresses: [IPAddress]
    private let interface: (index: Int32, name: String)
    /// Which heartbeats renew the lease, and for how long.
    let renewal: LeaseRenewal

    private static let chain = "egress", leased = "leased"

    /// The rules about these addresses, where they leave the interface.
    init(_ addresses: [IPAddress], leaving interface: (index: Int32, name: String), _ renewal: LeaseRenewal) {
        table = Self.table(addresses)
        self.addresses = addresses
        self.interface = interface
        self.renewal = renewal
    }

    private static func table(_ addresses: [IPAddress]) -> FilterTable {
        FilterTable(family: 5, name: FenceRules.tableName(addresses))  // NFPROTO_NETDEV
    }

    /// Takes away what an earlier claim on the same first address has left.
    static func removal(_ addresses: [IPAddress]) -> [FilterTable.Message] { table(addresses).removal }

    /// The sets of fenced addresses, by family.
    private var fenced: [(name: String, addresses: [IPAddress])] {
        [("fenced", 32), ("fenced6", 128)].compactMap { name, bitWidth in
            let own = addresses.filter { $0.bitWidth == bitWidth }
            return own.isEmpty ? nil : (name, own)
        }
    }

    /// The element that is the lease.
    private var key: [UInt8] { Self.key(interface.index) }
    private static func key(_ index: Int32) -> [UInt8] { octets(UInt32(index)) }
    private static func octets(_ number: UInt32) -> [UInt8] {
        unsafe withUnsafeBytes(of: number) { unsafe Array($0) }
    }

    /// Makes the table anew, without a lease.
    var construction: [FilterTable.Message] {
        var messages = table.removal + [table.creation]
        for (index, set) in fenced.enumerated() {
            messages.append(table.set(set.name, of: .init(of: set.addresses[0]), id: UInt32(index + 1)))
        }
        let id = UInt32(fenced.count + 1)
        messages.append(table.set(Self.leased, of: .interfaceIndex, id: id, isRenewedByRules: true))
        // NF_NETDEV_EGRESS
        messages.append(table.chain(Self.chain, hook: 1, device: interface.name))
        messages.append(table.rule(in: Self.chain, heartbeat))
        for set in fenced {
            for sender in Self.senders(set.addresses[0].bitWidth) {
                let judging: [FilterTable.Step] = [
                    .lookup(set.name), .load(NFT_META_OIF), .lookup(Self.leased, inverted: true), .drop,
                ]
                messages.append(table.rule(in: Self.chain, sender + judging))
            }
        }
        return messages
    }

    /// Finds a heartbeat and renews the lease, if it is still there. It speaks for this host, from no fenced address.
    private var heartbeat: [FilterTable.Step] {
        var steps: [FilterTable.Step] = [
            .load(NFT_META_L4PROTO), .compare([UInt8(IPPROTO_UDP)]),
            .load(NFT_PAYLOAD_TRANSPORT_HEADER, at: 2, 2),
            .compare([UInt8(renewal.port >> 8), UInt8(renewal.port & 0xff)]),
        ]
        for part in renewal.parts {
            let offset = Self.lengthOfUDPHeader + part.offset
            steps += [
                .load(NFT_PAYLOAD_TRANSPORT_HEADER, at: offset, part.octets.count), .compare(part.octets),
            ]
        }
        return steps + [
            .load(NFT_META_SKUID), .compare(Self.octets(renewal.user)),
            .load(NFT_META_OIF), .lookup(Self.leased), .renew(in: Self.leased, for: renewal.lease),
            .accept,
        ]
    }

    private static let lengthOfUDPHeader = 8

    /// The ways to an address that a frame speaks for.
    private static func senders(_ bitWidth: Int) -> [[FilterTable.Step]] {
        func frames(_ type: PacketSocket.EtherType) -> [FilterTable.Step] {
            [.load(NFT_META_PROTOCOL), .compare([UInt8(type.rawValue >> 8), UInt8(type.rawValue & 0xff)])]
        }
        if bitWidth == 32 {
            return [
                frames(.ipv4) + [.load(NFT_PAYLOAD_NETWORK_HEADER, at: 12, 4)],
                frames(.arp) + [.load(NFT_PAYLOAD_NETWORK_HEADER, at: 14, 4)],
            ]
        }
        return [
            frames(.ipv6) + [.load(NFT_PAYLOAD_NETWORK_HEADER, at: 8, 16)],
            frames(.ipv6) + FilterTable.Step.neighbourAdvertisementTarget,
        ]
    }

    /// What the rules are about, for the time of the lease and long after it.
    func rulesRenewal(_ lease: Duration) -> [FilterTable.Message] {
        fenced.flatMap {
            [table.clear($0.name), table.add($0.addresses.map(\.octets), to: $0.name, for: lease + FenceRules.memory)]
        }
    }

    /// The lease ends after that time; at once where that is nothing.
    func lease(_ time: Duration) -> [FilterTable.Message] {
        [table.clear(Self.leased)] + (time > .zero ? [table.add([key], to: Self.leased, for: time)] : [])
    }

    /// Takes the table away, whether it is there or not.
    var removal: [FilterTable.Message] { table.removal }

    /// How long the lease has to live; nil where there is none.
    func remainder(by socket: inout NetlinkSocket) throws(SystemError) -> Duration? {
        try Self.remainder(addresses, on: interface.index, by: &socket)
    }

    // MARK: The lease, for who knows of the claim only

    /// How long the lease of these addresses on an interface has to live; nil where there is none.
    static func remainder(
        _ addresses: [IPAddress], on index: Int32, by socket: inout NetlinkSocket
    ) throws(SystemError) -> Duration? {
        do {
            return try socket.exchange(table(addresses).question(for: key(index), in: leased))
                .lazy.compactMap(FilterTable.remainder).first
        } catch where error.errno == .noEntry { return nil }
    }

    /// Ends the lease of these addresses.
    static func revocation(_ addresses: [IPAddress]) -> [FilterTable.Message] { [table(addresses).clear(leased)] }
}
