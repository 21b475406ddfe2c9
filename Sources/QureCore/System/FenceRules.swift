// FenceRules: the nf_tables messages of a Fence. One table in each family (arp, ip, ip6), named after the claim's first
// address, with sets of addresses: `fenced` says which addresses the rules are about, `sending` which of them may send
// packets, `answering` which may speak ARP and neighbour discovery. All elements run out; `fenced` last, long after the
// kernel has removed the address, so that a table that nobody could remove any more is without effect. The frames of
// qure's own packet sockets do not pass here.

import CNetlink
import Glibc

/// The tables around one claim's addresses, as messages.
struct FenceRules: Sendable {
    typealias Message = [UInt8]

    private let table: String
    private let parts: [Part]
    /// How long the rules outlive the last renewal: longer than any lifetime that the address may have left.
    static let memory = Duration.seconds(60)

    /// One table: the family's number and its addresses.
    private struct Part {
        var family: Int32
        var addresses: [IPAddress]
        var keyLength: Int { addresses[0].bitWidth / 8 }
        /// The sets that permit something: in `arp` nothing but answers passes, in `ip` none do.
        var permits: [SetName] { family == 3 ? [.answering] : family == 2 ? [.sending] : [.sending, .answering] }
    }

    /// The rules about these addresses, one at least.
    init(_ addresses: [IPAddress]) {
        precondition(!addresses.isEmpty, "a fence needs an address")
        let v4 = addresses.filter { $0.bitWidth == 32 }
        let v6 = addresses.filter { $0.bitWidth == 128 }
        var parts: [Part] = []
        // NFPROTO_ARP, _IPV4, _IPV6
        if !v4.isEmpty { parts += [Part(family: 3, addresses: v4), Part(family: 2, addresses: v4)] }
        if !v6.isEmpty { parts.append(Part(family: 10, addresses: v6)) }
        self.parts = parts
        table = "qure-claim-\(addresses[0])"
    }

    private enum SetName: String { case fenced, sending, answering }

    // MARK: The messages

    /// Makes the tables anew, with all sets empty.
    var construction: [Message] {
        var messages = removal
        for part in parts {
            messages.append(whole(NFT_MSG_NEWTABLE, part))
            for set in [.fenced] + part.permits {
                messages.append(newSet(set, part, id: UInt32(messages.count)))
            }
            messages.append(chain(part))
            let sender = load(base: NFT_PAYLOAD_NETWORK_HEADER, at: senderOffset(part), part.keyLength)
            messages.append(rule(part, [sender]))
            if part.family == 10 { messages.append(rule(part, neighbourAdvertisementTarget)) }
        }
        return messages
    }

    /// Opens for the time of the lease; closes where that is nothing. `withRules`: what the rules are about is renewed,
    /// too, which is needed once in a while only.
    func renewal(_ lease: Duration, answering: Bool, withRules: Bool) -> [Message] {
        var messages: [Message] = []
        for part in parts {
            // Removing all elements and adding new ones is one transaction, so there is no moment without.
            if withRules {
                messages.append(elements(NFT_MSG_DELSETELEM, .fenced, part, timeout: nil))
                messages.append(elements(NFT_MSG_NEWSETELEM, .fenced, part, timeout: lease + Self.memory))
            }
            for set in part.permits {
                messages.append(elements(NFT_MSG_DELSETELEM, set, part, timeout: nil))
                guard lease > .zero, set == .sending || answering else { continue }
                messages.append(elements(NFT_MSG_NEWSETELEM, set, part, timeout: lease))
            }
        }
        return messages
    }

    /// nf_tables takes its messages in a batch, all or nothing.
    static func batch(_ messages: [Message]) -> [UInt8] {
        func bracket(_ type: Int32) -> [UInt8] {
            let header = nfgenmsg(
                nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0),
                res_id: UInt16(NFNL_SUBSYS_NFTABLES).bigEndian)
            return NetlinkRequest(Int(type), fixed: header, call: "batch").bytes()
        }
        return bracket(NLMSG_MIN_TYPE) + messages.flatMap { $0 } + bracket(NLMSG_MIN_TYPE + 1)
    }

    private static func request(
        _ type: nf_tables_msg_types, _ family: Int32, create: Bool, capacity: Int = 4096,
        _ body: (borrowing NetlinkRequest) -> Void
    ) -> Message {
        let number = Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(type.rawValue)
        let header = nfgenmsg(nfgen_family: UInt8(family), version: UInt8(NFNETLINK_V0), res_id: 0)
        let request = NetlinkRequest(
            number, flags: create ? NLM_F_CREATE | NLM_F_APPEND : 0, fixed: header, call: "fence", capacity: capacity)
        body(request)
        return request.bytes()
    }

    /// Adding a table first makes its removal succeed where there is none.
    var removal: [Message] {
        parts.flatMap { [whole(NFT_MSG_NEWTABLE, $0), whole(NFT_MSG_DELTABLE, $0)] }
    }

    private func whole(_ type: nf_tables_msg_types, _ part: Part) -> Message {
        Self.request(type, part.family, create: type == NFT_MSG_NEWTABLE) { $0.put(NFTA_TABLE_NAME.rawValue, table) }
    }

    private func newSet(_ set: SetName, _ part: Part, id: UInt32) -> Message {
        Self.request(NFT_MSG_NEWSET, part.family, create: true) {
            $0.put(NFTA_SET_TABLE.rawValue, table)
            $0.put(NFTA_SET_NAME.rawValue, set.rawValue)
            $0.put(NFTA_SET_FLAGS.rawValue, NFT_SET_TIMEOUT.rawValue.bigEndian)
            // nft's own numbers of ipv4_addr and ipv6_addr, so that it can list the set.
            $0.put(NFTA_SET_KEY_TYPE.rawValue, UInt32(part.keyLength == 4 ? 7 : 8).bigEndian)
            $0.put(NFTA_SET_KEY_LEN.rawValue, UInt32(part.keyLength).bigEndian)
            $0.put(NFTA_SET_ID.rawValue, id.bigEndian)
        }
    }

    private func chain(_ part: Part) -> Message {
        Self.request(NFT_MSG_NEWCHAIN, part.family, create: true) { request in
            request.put(NFTA_CHAIN_TABLE.rawValue, table)
            request.put(NFTA_CHAIN_NAME.rawValue, "output")
            request.nest(NFTA_CHAIN_HOOK.rawValue) {
                // NF_ARP_OUT, NF_INET_LOCAL_OUT
                request.put(NFTA_HOOK_HOOKNUM.rawValue, UInt32(part.family == 3 ? 1 : 3).bigEndian)
                request.put(NFTA_HOOK_PRIORITY.rawValue, Int32(0).bigEndian)
            }
            request.put(NFTA_CHAIN_TYPE.rawValue, "filter")
        }
    }

    private func elements(
        _ type: nf_tables_msg_types, _ set: SetName, _ part: Part, timeout: Duration?
    ) -> Message {
        // A name or an element takes sixty octets at most; more room than that would be filled with zeros for nothing.
        let capacity = 256 + 64 * part.addresses.count
        return Self.request(type, part.family, create: type == NFT_MSG_NEWSETELEM, capacity: capacity) { request in
            request.put(NFTA_SET_ELEM_LIST_TABLE.rawValue, table)
            request.put(NFTA_SET_ELEM_LIST_SET.rawValue, set.rawValue)
            // A removal that names no element removes them all.
            guard let timeout else { return }
            request.nest(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) {
                for (index, address) in part.addresses.enumerated() {
                    request.nest(index + 1) {
                        request.nest(NFTA_SET_ELEM_KEY.rawValue) {
                            request.put(NFTA_DATA_VALUE.rawValue, bytes: address.octets)
                        }
                        request.put(NFTA_SET_ELEM_TIMEOUT.rawValue, UInt64(max(timeout.milliseconds, 1)).bigEndian)
                    }
                }
            }
        }
    }

    // MARK: The rules

    /// One step of a rule: its name and what it is told.
    private typealias Expression = (name: String, body: (borrowing NetlinkRequest) -> Void)

    /// A rule that looks at the address which `loading` put into the register, and drops what is fenced and has no
    /// living element.
    private func rule(_ part: Part, _ loading: [Expression]) -> Message {
        let permitted: SetName = part.family == 3 || loading.count > 1 ? .answering : .sending
        let expressions = loading + [lookup(.fenced, inverted: false), lookup(permitted, inverted: true), drop]
        return Self.request(NFT_MSG_NEWRULE, part.family, create: true) { request in
            request.put(NFTA_RULE_TABLE.rawValue, table)
            request.put(NFTA_RULE_CHAIN.rawValue, "output")
            request.nest(NFTA_RULE_EXPRESSIONS.rawValue) {
                for expression in expressions {
                    request.nest(NFTA_LIST_ELEM.rawValue) {
                        request.put(NFTA_EXPR_NAME.rawValue, expression.name)
                        request.nest(NFTA_EXPR_DATA.rawValue) { expression.body(request) }
                    }
                }
            }
        }
    }

    /// Where the sender's address stands, from the network header.
    private func senderOffset(_ part: Part) -> Int { part.family == 3 ? 14 : part.family == 2 ? 12 : 8 }

    /// The target of a neighbour advertisement (type 136), whatever its source is.
    private var neighbourAdvertisementTarget: [Expression] {
        [
            ("meta", {
                $0.put(NFTA_META_KEY.rawValue, NFT_META_L4PROTO.rawValue.bigEndian)
                $0.put(NFTA_META_DREG.rawValue, NFT_REG_1.rawValue.bigEndian)
            }),
            compare(58),
            load(base: NFT_PAYLOAD_TRANSPORT_HEADER, at: 0, 1),
            compare(136),
            load(base: NFT_PAYLOAD_TRANSPORT_HEADER, at: 8, 16),
        ]
    }

    private func load(base: nft_payload_bases, at offset: Int, _ length: Int) -> Expression {
        ("payload", {
            $0.put(NFTA_PAYLOAD_DREG.rawValue, NFT_REG_1.rawValue.bigEndian)
            $0.put(NFTA_PAYLOAD_BASE.rawValue, base.rawValue.bigEndian)
            $0.put(NFTA_PAYLOAD_OFFSET.rawValue, UInt32(offset).bigEndian)
            $0.put(NFTA_PAYLOAD_LEN.rawValue, UInt32(length).bigEndian)
        })
    }

    private func compare(_ octet: UInt8) -> Expression {
        ("cmp", { request in
            request.put(NFTA_CMP_SREG.rawValue, NFT_REG_1.rawValue.bigEndian)
            request.put(NFTA_CMP_OP.rawValue, NFT_CMP_EQ.rawValue.bigEndian)
            request.nest(NFTA_CMP_DATA.rawValue) { request.put(NFTA_DATA_VALUE.rawValue, bytes: [octet]) }
        })
    }

    private func lookup(_ set: SetName, inverted: Bool) -> Expression {
        ("lookup", {
            $0.put(NFTA_LOOKUP_SET.rawValue, set.rawValue)
            $0.put(NFTA_LOOKUP_SREG.rawValue, NFT_REG_1.rawValue.bigEndian)
            $0.put(NFTA_LOOKUP_FLAGS.rawValue, UInt32(inverted ? 1 : 0).bigEndian)  // NFT_LOOKUP_F_INV
        })
    }

    private var drop: Expression {
        ("immediate", { request in
            request.put(NFTA_IMMEDIATE_DREG.rawValue, NFT_REG_VERDICT.rawValue.bigEndian)
            request.nest(NFTA_IMMEDIATE_DATA.rawValue) {
                request.nest(NFTA_DATA_VERDICT.rawValue) {
                    request.put(NFTA_VERDICT_CODE.rawValue, UInt32(0).bigEndian)  // NF_DROP
                }
            }
        })
    }
}
