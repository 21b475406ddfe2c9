// What a running elector answers over its control socket, and the records that it makes of its state.

import QureCore

extension ElectSession {
    /// The lines that answer a request; nil: not yet, a hand-over is under way.
    func answer(_ request: ControlRequest) -> [String]? {
        switch request {
        case .status: return [status().text]
        case .metrics: return metrics().lines
        case .members: return memberRecords().map(\.text)
        case .resign:
            guard election.isMasterNow else { return ["no this member is not master"] }
            step(.resign)
            if election.role == .master { return ["no no other member could take the address"] }
            return election.role == .transferring ? nil : handOverAnswer(request)
        case .maintenance(let isOn):
            let wasMaster = election.isMasterNow
            step(.maintenance(isOn))
            guard wasMaster, election.role != .master else { return ["done"] }
            return election.role == .transferring ? nil : handOverAnswer(request)
        case .suspect:
            step(.suspect)
            return ["done"]
        // Who watches is told of events as they come, and first of the one that tells what this member is.
        case .watch: return events.lastState.map { [$0] } ?? []
        }
    }

    /// A member's name, or its number where it has told none.
    func name(_ node: NodeID) -> String {
        node == election.configuration.node ? election.configuration.name : election.names[node] ?? "\(node)"
    }

    /// The term that is told: the one that this member follows or leads, and where nobody is known to be master the
    /// highest that it knows of, also from before its start: it does not fall back to nothing.
    var knownTerm: UInt64 {
        election.term > 0 ? election.term : max(election.highestTerm, election.configuration.rememberedTerm)
    }

    /// Who is master, as far as this member knows.
    var masterNow: NodeID? { election.isMasterNow ? election.configuration.node : election.master?.standing.node }

    private func status() -> JSONValue {
        let now = Clock.now
        let heard = election.isMasterNow ? nil : election.master.map { now - $0.heardAt }
        let fresh = election.isMasterNow || (election.master.map { now - $0.livedAt <= $0.tolerance } ?? false)
        let takeOver = election.lastTakeOver.map { last in
            JSONValue.object([
                ("reason", .string(last.reason)), ("detected_ms", .integer(last.detected.milliseconds)),
                ("confirmed_ms", .integer(last.confirmed.milliseconds)),
                ("claimed_ms", last.claimed.map { .integer($0.milliseconds) } ?? .null),
            ])
        }
        return .object([
            ("cluster", .string(options.place.cluster)), ("name", .string(election.configuration.name)),
            ("node", .string("\(election.configuration.node)")), ("role", .string(election.role.rawValue)),
            ("term", .integer(Int64(clamping: knownTerm))),
            ("master", masterNow.map { .string(name($0)) } ?? .null),
            ("master_heard_ms", heard.map { .integer($0.milliseconds) } ?? .null),
            ("members", .integer(Int64(election.members.count + 1))),
            ("gateway_heard_ms", gatewayHeard.map { .integer((now - $0).milliseconds) } ?? .null),
            ("last_take_over", takeOver ?? .null),
            ("as_of", .integer(Clock.realtimeNanoseconds / 1_000_000)), ("fresh", .boolean(fresh)),
            ("datagrams", .integer(Int64(counters.datagrams))), ("malformed", .integer(Int64(counters.malformed))),
            ("unauthenticated", .integer(Int64(counters.unauthenticated))),
            ("other_cluster", .integer(Int64(counters.otherCluster))),
            (
                "disbelieved",
                .object(election.disbelieved.sorted { $0.key < $1.key }.map { ($0.key, .integer(Int64($0.value))) })
            ),
            ("one_way", .array(election.unheard.map { .string("\(name($0.speaker))>\(name($0.hearer))") })),
            ("reason", reason.map { .string($0) } ?? .null),
        ])
    }

    /// When the gateway last answered, where it is asked: elsewhere that means nothing.
    var gatewayHeard: Instant? { election.isGatewayAsked ? election.gatewayHeard : nil }

    /// Why this member neither holds the address nor stands by, or why it is of no use to the others though it does.
    private var reason: String? {
        switch election.role {
        case .master where told.isOwnAddressMissing, .standby where told.isOwnAddressMissing: Health.addressReason
        case .master, .standby, .maintenance: nil
        // It may have another one by now than at first.
        case .fault: illness ?? told.reason
        default: told.reason
        }
    }

    /// What a member is, as it has said. One that was master or about to be speaks often: when it does not, it may be
    /// anything by now.
    private static func role(of member: Election.Member, at now: Instant) -> String {
        let leads = [.claiming, .master, .transferring].contains(member.role)
        return leads && now - member.heardAt > member.tolerance ? "silent" : member.role.name
    }

    /// The names of those that a member does not hear, though others do.
    private func deafness(of hearer: NodeID) -> JSONValue {
        .array(election.unheard.filter { $0.hearer == hearer }.map { .string(name($0.speaker)) })
    }

    private func memberRecords() -> [JSONValue] {
        let now = Clock.now
        let own: JSONValue = .object([
            ("name", .string(election.configuration.name)), ("node", .string("\(election.configuration.node)")),
            ("address", .string("\(ownAddress)")), ("role", .string(election.role.rawValue)),
            ("term", .integer(Int64(clamping: knownTerm))),
            ("priority", .integer(Int64(election.configuration.priority))),
            ("heard_ms", .null), ("path", .string("self")), ("configuration", .string("same")),
            ("deaf_to", deafness(of: election.configuration.node)),
        ])
        let others = election.members.sorted { $0.key < $1.key }.map { node, member -> JSONValue in
            let way = Election.Way(from: election.configuration.node, to: node)
            let path = election.unheard.contains(way) ? "one-way" : "both"
            return .object([
                ("name", .string(member.name)), ("node", .string("\(node)")),
                ("address", place(of: node).map { .string("\($0)") } ?? .null),
                ("role", .string(Self.role(of: member, at: now))),
                // Who follows nobody has none.
                ("term", member.term > 0 ? .integer(Int64(clamping: member.term)) : .null),
                ("priority", .integer(Int64(member.priority))),
                ("heard_ms", .integer((now - member.heardAt).milliseconds)), ("path", .string(path)),
                ("configuration", .string(member.configuration == election.configuration.hash ? "same" : "different")),
                ("deaf_to", deafness(of: node)),
            ])
        }
        return [own] + others
    }
}
