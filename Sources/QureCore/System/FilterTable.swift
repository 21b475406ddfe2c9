// FilterTable: the netlink messages that make, fill and remove one table of nf_tables, and the steps that its rules are
// made of. What the tables are for is said where they are described (FenceRules, LeaseRules).

import CNetlink
import Glibc

/// One table of the packet filter, as messages to the kernel.
struct FilterTable: Sendable {
    typealias Message = [UInt8]

    /// NFPROTO_*: whose packets it sees.
    let family: Int32
    let name: String

    /// What a set holds: nft's number for it (so that it can list the set), and how many octets it has.
    enum Key {
        case ipv4Address, ipv6Address, interfaceIndex
        /// The one for addresses of that family.
        init(of address: IPAddress) { self = address.bitWidth == 32 ? .ipv4Address : .ipv6Address }
        var type: UInt32 {
            switch self {
            case .ipv4Address: 7
            case .ipv6Address: 8
            case .interfaceIndex: 20
            }
        }
        var length: UInt32 { self == .ipv6Address ? 16 : 4 }
    }

    // MARK: Tables

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

    /// Makes it.
    var creation: Message { whole(NFT_MSG_NEWTABLE) }

    /// Removes it with all that is in it. Adding it first makes the removal succeed where there is none.
    var removal: [Message] { [whole(NFT_MSG_NEWTABLE), whole(NFT_MSG_DELTABLE)] }

    private func whole(_ type: nf_tables_msg_types) -> Message {
        request(type, create: type == NFT_MSG_NEWTABLE).bytes(putting: { $0.put(NFTA_TABLE_NAME.rawValue, name) })
    }

    private func request(_ type: nf_tables_msg_types, create: Bool, capacity: Int = 4096) -> NetlinkRequest {
        let number = Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(type.rawValue)
        let header = nfgenmsg(nfgen_family: UInt8(family), version: UInt8(NFNETLINK_V0), res_id: 0)
        return NetlinkRequest(
            number, flags: create ? NLM_F_CREATE | NLM_F_APPEND : 0, fixed: header, call: "fence", capacity: capacity)
    }

    // MARK: Sets

    /// Makes an empty set whose elements run out; `id` is its own within the batch. `isRenewedByRules`: rules may push
    /// the end of its elements on.
    func set(_ set: String, of key: Key, id: UInt32, isRenewedByRules: Bool = false) -> Message {
        request(NFT_MSG_NEWSET, create: true).bytes {
            $0.put(NFTA_SET_TABLE.rawValue, name)
            $0.put(NFTA_SET_NAME.rawValue, set)
            let flags = NFT_SET_TIMEOUT.rawValue | (isRenewedByRules ? NFT_SET_EVAL.rawValue : 0)
            $0.put(NFTA_SET_FLAGS.rawValue, flags.bigEndian)
            $0.put(NFTA_SET_KEY_TYPE.rawValue, key.type.bigEndian)
            $0.put(NFTA_SET_KEY_LEN.rawValue, key.length.bigEndian)
            $0.put(NFTA_SET_ID.rawValue, id.bigEndian)
            // For nft as well: NFTNL_UDATA_SET_KEYBYTEORDER, four octets, the host's own order.
            if key == .interfaceIndex { $0.put(NFTA_SET_USERDATA.rawValue, bytes: [0, 4, 1, 0, 0, 0]) }
        }
    }

    /// Adds elements that run out after `timeout`, a millisecond at least.
    func add(_ keys: [[UInt8]], to set: String, for timeout: Duration) -> Message {
        elements(NFT_MSG_NEWSETELEM, set, keys, timeout)
    }

    /// Removes all elements of a set. With an addition behind it in one batch there is no moment without.
    func clear(_ set: String) -> Message { elements(NFT_MSG_DELSETELEM, set, [], nil) }

    /// A question, not for a batch, for one element.
    func question(for key: [UInt8], in set: String) -> NetlinkRequest {
        let request = request(NFT_MSG_GETSETELEM, create: false, capacity: 256)
        put([key], nil, set, into: request)
        return request
    }

    /// How long the element of an answer has to live; nil where the answer says nothing of that.
    static func remainder(in answer: NetlinkMessage) -> Duration? {
        let elements = answer.attributes(after: nfgenmsg.self).nested(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)
        let element = elements?.nested(NFTA_LIST_ELEM.rawValue)
        return element?.load(NFTA_SET_ELEM_EXPIRATION.rawValue, as: UInt64.self).map {
            .milliseconds(Int64(clamping: UInt64(bigEndian: $0)))
        }
    }

    private func elements(
        _ type: nf_tables_msg_types, _ set: String, _ keys: [[UInt8]], _ timeout: Duration?
    ) -> Message {
        // A name or an element takes sixty octets at most; more room than that would be filled with zeros for nothing.
        let capacity = 256 + 64 * keys.count
        return request(type, create: type == NFT_MSG_NEWSETELEM, capacity: capacity).bytes {
            put(keys, timeout, set, into: $0)
        }
    }

    private func put(
        _ keys: [[UInt8]], _ timeout: Duration?, _ set: String, into request: borrowing NetlinkRequest
    ) {
        request.put(NFTA_SET_ELEM_LIST_TABLE.rawValue, name)
        request.put(NFTA_SET_ELEM_LIST_SET.rawValue, set)
        // A removal that names no element removes them all.
        guard !keys.isEmpty else { return }
        request.nest(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) {
            for key in keys {
                request.nest(NFTA_LIST_ELEM.rawValue) {
                    request.nest(NFTA_SET_ELEM_KEY.rawValue) { request.put(NFTA_DATA_VALUE.rawValue, bytes: key) }
                    guard let timeout else { return }
                    request.put(NFTA_SET_ELEM_TIMEOUT.rawValue, UInt64(max(timeout.milliseconds, 1)).bigEndian)
                }
            }
        }
    }

    // MARK: Chains and rules

    /// A chain of filter rules at hook number `hook`; `device` where the family's hooks are those of an interface.
    func chain(_ chain: String, hook: UInt32, device: String? = nil) -> Message {
        request(NFT_MSG_NEWCHAIN, create: true).bytes { request in
            request.put(NFTA_CHAIN_TABLE.rawValue, name)
            request.put(NFTA_CHAIN_NAME.rawValue, chain)
            request.nest(NFTA_CHAIN_HOOK.rawValue) {
                request.put(NFTA_HOOK_HOOKNUM.rawValue, hook.bigEndian)
                request.put(NFTA_HOOK_PRIORITY.rawValue, Int32(0).bigEndian)
                if let device { request.put(NFTA_HOOK_DEV.rawValue, device) }
            }
            request.put(NFTA_CHAIN_TYPE.rawValue, "filter")
        }
    }

    /// One step of a rule: its name and what it is told.
    struct Step {
        let name: String
        let body: (borrowing NetlinkRequest) -> Void
    }

    /// A rule at the end of a chain: its steps in order, until one does not apply.
    func rule(in chain: String, _ steps: [Step]) -> Message {
        request(NFT_MSG_NEWRULE, create: true).bytes { request in
            request.put(NFTA_RULE_TABLE.rawValue, name)
            request.put(NFTA_RULE_CHAIN.rawValue, chain)
            request.nest(NFTA_RULE_EXPRESSIONS.rawValue) {
                for step in steps {
                    request.nest(NFTA_LIST_ELEM.rawValue) {
                        request.put(NFTA_EXPR_NAME.rawValue, step.name)
                        request.nest(NFTA_EXPR_DATA.rawValue) { step.body(request) }
                    }
                }
            }
        }
    }
}

extension FilterTable.Step {
    /// Loads octets of the packet: from the start of its network or transport header.
    static func load(_ base: nft_payload_bases, at offset: Int, _ length: Int) -> Self {
        Self(name: "payload") {
            $0.put(NFTA_PAYLOAD_DREG.rawValue, NFT_REG_1.rawValue.bigEndian)
            $0.put(NFTA_PAYLOAD_BASE.rawValue, base.rawValue.bigEndian)
            $0.put(NFTA_PAYLOAD_OFFSET.rawValue, UInt32(offset).bigEndian)
            $0.put(NFTA_PAYLOAD_LEN.rawValue, UInt32(length).bigEndian)
        }
    }

    /// Loads what is known of the packet beside its octets.
    static func load(_ key: nft_meta_keys) -> Self {
        Self(name: "meta") {
            $0.put(NFTA_META_KEY.rawValue, key.rawValue.bigEndian)
            $0.put(NFTA_META_DREG.rawValue, NFT_REG_1.rawValue.bigEndian)
        }
    }

    /// Goes on where the octets loaded last are these.
    static func compare(_ octets: [UInt8]) -> Self {
        Self(name: "cmp") { request in
            request.put(NFTA_CMP_SREG.rawValue, NFT_REG_1.rawValue.bigEndian)
            request.put(NFTA_CMP_OP.rawValue, NFT_CMP_EQ.rawValue.bigEndian)
            request.nest(NFTA_CMP_DATA.rawValue) { request.put(NFTA_DATA_VALUE.rawValue, bytes: octets) }
        }
    }

    /// Goes on where what was loaded last is a living element of the set; `inverted`: where it is not.
    static func lookup(_ set: String, inverted: Bool = false) -> Self {
        Self(name: "lookup") {
            $0.put(NFTA_LOOKUP_SET.rawValue, set)
            $0.put(NFTA_LOOKUP_SREG.rawValue, NFT_REG_1.rawValue.bigEndian)
            $0.put(NFTA_LOOKUP_FLAGS.rawValue, UInt32(inverted ? 1 : 0).bigEndian)  // NFT_LOOKUP_F_INV
        }
    }

    /// Lets the element that was loaded last live for `timeout` from now on.
    static func renew(in set: String, for timeout: Duration) -> Self {
        Self(name: "dynset") {
            $0.put(NFTA_DYNSET_SET_NAME.rawValue, set)
            $0.put(NFTA_DYNSET_OP.rawValue, UInt32(NFT_DYNSET_OP_UPDATE.rawValue).bigEndian)
            $0.put(NFTA_DYNSET_SREG_KEY.rawValue, NFT_REG_1.rawValue.bigEndian)
            $0.put(NFTA_DYNSET_TIMEOUT.rawValue, UInt64(max(timeout.milliseconds, 1)).bigEndian)
        }
    }

    /// Drops the packet.
    static var drop: Self { end(0) }  // NF_DROP
    /// Lets the packet through, without the rules that follow.
    static var accept: Self { end(1) }  // NF_ACCEPT

    private static func end(_ verdict: UInt32) -> Self {
        Self(name: "immediate") { request in
            request.put(NFTA_IMMEDIATE_DREG.rawValue, NFT_REG_VERDICT.rawValue.bigEndian)
            request.nest(NFTA_IMMEDIATE_DATA.rawValue) {
                request.nest(NFTA_DATA_VERDICT.rawValue) {
                    request.put(NFTA_VERDICT_CODE.rawValue, verdict.bigEndian)
                }
            }
        }
    }

    /// Loads the target of a neighbour advertisement (ICMPv6, 58, of type 136), whatever its source is; goes on with
    /// nothing else.
    static var neighbourAdvertisementTarget: [Self] {
        [
            load(NFT_META_L4PROTO), compare([58]),
            load(NFT_PAYLOAD_TRANSPORT_HEADER, at: 0, 1), compare([136]),
            load(NFT_PAYLOAD_TRANSPORT_HEADER, at: 8, 16),
        ]
    }
}

extension NetlinkRequest {
    /// The finished request with what `body` puts into it.
    fileprivate consuming func bytes(putting body: (borrowing NetlinkRequest) -> Void) -> [UInt8] {
        body(self)
        return bytes()
    }
}
