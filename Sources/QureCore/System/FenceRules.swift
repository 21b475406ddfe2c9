// FenceRules: the tables of a Fence. One in each family (arp, ip, ip6), named after the claim's first address, with
// sets of addresses: `fenced` says which addresses the rules are about, `sending` which of them may send packets,
// `answering` which may speak ARP and neighbour discovery. All elements run out; `fenced` last, long after the kernel
// has removed the address, so that a table that nobody could remove any more is without effect. The frames of qure's
// own packet sockets do not pass here.

import CNetlink

/// The tables around one claim's addresses, as messages.
struct FenceRules: Sendable {
    private let parts: [Part]
    /// How long the rules outlive the last renewal: longer than any lifetime that the address may have left.
    static let memory = Duration.seconds(60)

    /// The name of all tables about a claim on these addresses.
    static func tableName(_ addresses: [IPAddress]) -> String { "qure-claim-\(addresses[0])" }

    /// One table and its addresses.
    private struct Part {
        var table: FilterTable
        var addresses: [IPAddress]
        /// The sets that permit something: in `arp` nothing but answers passes, in `ip` none do.
        var permits: [SetName] {
            switch table.family {
            case 3: [.answering]
            case 2: [.sending]
            default: [.sending, .answering]
            }
        }
        /// NF_ARP_OUT, NF_INET_LOCAL_OUT
        var hook: UInt32 { table.family == 3 ? 1 : 3 }
        /// Where the sender's address stands, from the network header.
        var senderOffset: Int { table.family == 3 ? 14 : table.family == 2 ? 12 : 8 }
    }

    private enum SetName: String { case fenced, sending, answering }

    private static let chain = "output"

    /// The rules about these addresses, one at least.
    init(_ addresses: [IPAddress]) {
        precondition(!addresses.isEmpty, "a fence needs an address")
        // NFPROTO_ARP, _IPV4, _IPV6
        let families: [(number: Int32, bitWidth: Int)] = [(3, 32), (2, 32), (10, 128)]
        parts = families.compactMap { family in
            let own = addresses.filter { $0.bitWidth == family.bitWidth }
            let table = FilterTable(family: family.number, name: Self.tableName(addresses))
            return own.isEmpty ? nil : Part(table: table, addresses: own)
        }
    }

    /// Makes the tables anew, with all sets empty.
    var construction: [FilterTable.Message] {
        var messages = removal
        for part in parts {
            messages.append(part.table.creation)
            for set in [.fenced] + part.permits {
                messages.append(
                    part.table.set(set.rawValue, of: .init(of: part.addresses[0]), id: UInt32(messages.count)))
            }
            messages.append(part.table.chain(Self.chain, hook: part.hook))
            let length = part.addresses[0].bitWidth / 8
            let sender = FilterTable.Step.load(NFT_PAYLOAD_NETWORK_HEADER, at: part.senderOffset, length)
            messages.append(Self.rule(part, [sender], permitted: part.table.family == 3 ? .answering : .sending))
            if part.table.family == 10 {
                messages.append(Self.rule(part, FilterTable.Step.neighbourAdvertisementTarget, permitted: .answering))
            }
        }
        return messages
    }

    /// A rule that looks at the address which `loading` loads, and drops what is fenced and has no living element.
    private static func rule(
        _ part: Part, _ loading: [FilterTable.Step], permitted: SetName
    ) -> FilterTable.Message {
        let judging: [FilterTable.Step] = [
            .lookup(SetName.fenced.rawValue), .lookup(permitted.rawValue, inverted: true), .drop,
        ]
        return part.table.rule(in: chain, loading + judging)
    }

    /// Opens for the time of the lease; closes where that is nothing. `withRules`: what the rules are about is renewed,
    /// too, which is needed once in a while only.
    func renewal(_ lease: Duration, answering: Bool, withRules: Bool) -> [FilterTable.Message] {
        var messages: [FilterTable.Message] = []
        for part in parts {
            let keys = part.addresses.map(\.octets)
            func renew(_ set: SetName, for time: Duration?) {
                messages.append(part.table.clear(set.rawValue))
                if let time { messages.append(part.table.add(keys, to: set.rawValue, for: time)) }
            }
            if withRules { renew(.fenced, for: lease + Self.memory) }
            for set in part.permits {
                let isPermitted = lease > .zero && (set == .sending || answering)
                renew(set, for: isPermitted ? lease : nil)
            }
        }
        return messages
    }

    /// Takes the tables away, whether they are there or not.
    var removal: [FilterTable.Message] { parts.flatMap(\.table.removal) }
}
