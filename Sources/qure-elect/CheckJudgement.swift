// CheckJudgement: what `qure-elect check` makes of what it heard: evidence in, findings out, nothing else.

import QureCore

struct CheckJudgement {
    let options: MemberOptions
    let place: CheckPlace
    let gateways: [IPAddress]
    let listened: Duration
    let evidence: CheckEvidence

    var findings: [Finding] {
        elector + gateway + firewall + members + masters + deafness + strangers
            + options.address.map(\.address).flatMap { address($0) } + dhcp
    }

    private func finding(_ level: Finding.Level, _ subject: String, _ text: String) -> Finding {
        Finding(level: level, subject: subject, text: text)
    }

    private var peers: [CheckEvidence.Peer] {
        evidence.peers.values.sorted { ($0.name, $0.address) < ($1.name, $1.address) }
    }

    private var elector: [Finding] {
        guard evidence.isBesideAnother else { return [] }
        return [
            finding(
                .warning, "elector",
                "a member runs on this host already, and what is sent to it does not come here: whether the others"
                    + " hear this host is known to 'qure-elect members'")
        ]
    }

    private var gateway: [Finding] {
        if gateways.isEmpty {
            let why =
                options.requireGateway == "off"
                ? "--require-gateway off" : "no default route leads over \(place.link.name)"
            return [finding(.ok, "gateway", "none is required: \(why)")]
        }
        return gateways.map { gateway in
            if evidence.holders[gateway] != nil { return finding(.ok, "gateway", "\(gateway) answers") }
            return finding(
                .problem, "gateway",
                "\(gateway) does not answer on \(place.link.name), and a member that does not hear it claims the"
                    + " address only after a master that did not hear it either: is it on this link?"
                    + " --require-gateway names another one, or off")
        }
    }

    /// Whether what comes to the group is dropped on this host itself.
    private var ownRulesDrop: Bool {
        options.peer.isEmpty && evidence.hasAsked && evidence.refusal == nil && !evidence.hasLooped
    }

    /// This host's own rules, as far as they treat what comes from itself like what comes from others.
    private var firewall: [Finding] {
        let port = "port \(options.port)"
        if let refusal = evidence.refusal {
            return [finding(.problem, "firewall", "this host does not send to the cluster's \(port): \(refusal)")]
        }
        guard options.peer.isEmpty, evidence.hasAsked else { return [] }
        if !ownRulesDrop {
            return [finding(.ok, "firewall", "what comes to \(place.group) \(port) passes this host's own rules")]
        }
        let (family, limit) = place.group.bitWidth == 32 ? ("ip", "ttl") : ("ip6", "hoplimit")
        let rule = "\(family) daddr \(place.group) udp dport \(options.port) \(family) \(limit) 255 accept"
        return [
            finding(
                .problem, "firewall",
                "this host's own rules drop what comes to \(place.group) \(port): let it in with '\(rule)', and the"
                    + " rest of share/doc/qure/examples/nftables.nft")
        ]
    }

    // MARK: Members

    private var members: [Finding] {
        guard evidence.hasAsked else { return [] }
        if peers.isEmpty {
            return [
                finding(
                    .warning, "members",
                    "nobody was heard, and nobody answered: whether datagrams pass between the machines is known once"
                        + " another one runs")
            ]
        }
        return peers.flatMap { [way($0)] + settings($0) } + absent
    }

    /// Those that are named where nobody is, though other members are there.
    private var absent: [Finding] {
        let places = Set(peers.map(\.address) + [place.own])
        return options.peer.filter { !places.contains($0) }.map {
            finding(.warning, "peer", "nobody was heard at \($0): is that the own address of a member that runs?")
        }
    }

    /// Whether it is told nothing where those are told that are named.
    private func isUnnamed(_ peer: CheckEvidence.Peer) -> Bool {
        !options.peer.isEmpty && !options.peer.contains(peer.address)
    }

    private func way(_ peer: CheckEvidence.Peer) -> Finding {
        let who = "\(peer.name) \(peer.address) (\(peer.role.name))"
        switch (peer.isHeard, peer.hasAnswered) {
        case (true, true): return finding(.ok, "member", "\(who) is heard, and hears this host")
        // What is sent to this host alone goes to the member that runs here.
        case (false, _) where evidence.isBesideAnother && !options.peer.isEmpty:
            return finding(.ok, "member", "\(who) hears this host")
        case (false, _):
            if ownRulesDrop {
                return finding(
                    .warning, "member", "\(who) hears this host, whose own rules drop what it sends to \(place.group)")
            }
            // The more they are, the more seldom each says hello: all together stay under ten datagrams a second.
            let due = max(Duration.seconds(1), .milliseconds(125) * (peers.count + 1)) * 2
            if listened < due {
                return finding(
                    .warning, "member",
                    "\(who) hears this host; to hear it takes longer: --seconds \(due.text)")
            }
            if !options.peer.isEmpty {
                return finding(
                    .problem, "member",
                    "\(who) hears this host, but nothing that it says by itself arrives here: has it --peer"
                        + " \(place.own)?")
            }
            return finding(
                .problem, "member",
                "\(who) hears this host, but what it sends to \(place.group) does not arrive here: a switch or an"
                    + " access point between them may hold it back, or its --peer lines name others in place of the"
                    + " group")
        case (true, false) where evidence.isBesideAnother:
            return finding(.ok, "member", "\(who) is heard")
        case (true, false) where isUnnamed(peer):
            return finding(
                .problem, "member",
                "\(who) is heard, but is not asked: it is named by no --peer of this host, which then tells it only"
                    + " what follows after it was heard")
        case (true, false):
            return finding(
                .problem, "member",
                "\(who) is heard, but does not answer: either it does not hear this host, or its answer to this host's"
                    + " port \(options.port) is dropped; run this check there, and see"
                    + " share/doc/qure/examples/nftables.nft")
        }
    }

    /// One that is heard as master until the end, for long enough to be no hand-over that is under way.
    private func leads(_ peer: CheckEvidence.Peer) -> Bool {
        guard let since = peer.masterSince else { return false }
        return evidence.end - peer.heardAt <= max(peer.tolerance, peer.interval * 3)
            && evidence.end - since >= min(peer.tolerance, listened / 2)
    }

    private var masters: [Finding] {
        let own = evidence.ownMaster.map { ["\($0) \(place.own)"] } ?? []
        let leaders = own + peers.filter(leads).map { "\($0.name) \($0.address)" }
        guard leaders.count > 1 else { return [] }
        let names = leaders.joined(separator: " and ")
        return [
            finding(
                .problem, "master",
                "\(names) are master at the same time: they do not hear each other; run this check on each of them")
        ]
    }

    /// Who does not hear whom, though this host hears both: as far as what each says that it has heard shows it.
    private var deafness: [Finding] {
        let speakers = evidence.peers.sorted { ($0.value.name, $0.key) < ($1.value.name, $1.key) }
        return peers.compactMap { hearer in
            let others = speakers.filter { $0.value.address != hearer.address }
            let unheard = others.filter { isUnheard($0.key, $0.value, by: hearer) }
            guard !unheard.isEmpty else { return nil }
            let names = unheard.map { "\($0.value.name) \($0.value.address)" }.joined(separator: ", ")
            return finding(
                .problem, "member",
                "\(hearer.name) \(hearer.address) (\(hearer.role.name)) does not hear \(names), and this host does:"
                    + " a firewall there, or a switch between them; run this check on \(hearer.name)")
        }
    }

    private func isUnheard(_ node: NodeID, _ speaker: CheckEvidence.Peer, by hearer: CheckEvidence.Peer) -> Bool {
        // Time for both to have spoken twice: the last word of the one may be older than the first of the other.
        let due = max(Duration.seconds(1), .milliseconds(125) * (peers.count + 1)) * 5 / 2
        guard let first = speaker.heardFirst, hearer.heardAt - first.at >= due else { return false }
        // One that answers nobody is heard by the others and not believed: that it is named nowhere proves nothing.
        guard let digest = hearer.hears[node] else { return hearer.tellsAll && speaker.hasAnswered }
        return digest.session == speaker.session && digest.sequence < first.sequence
    }

    private func settings(_ peer: CheckEvidence.Peer) -> [Finding] {
        var findings: [Finding] = []
        if peer.configuration != ElectSession.hash(options) {
            findings.append(
                finding(
                    .problem, "configuration",
                    "\(peer.name) \(peer.address) is there for other addresses: --address must be the same everywhere"))
        }
        if peer.interval != options.beat || peer.tolerance != options.patience {
            findings.append(
                finding(
                    .warning, "configuration",
                    "\(peer.name) \(peer.address) has interval \(peer.interval.text) and tolerance"
                        + " \(peer.tolerance.text), here they are \(options.beat.text) and \(options.patience.text):"
                        + " how long the address may be gone depends on who is master"))
        }
        return findings
    }

    private var strangers: [Finding] {
        func list(_ addresses: Set<IPAddress>) -> String {
            addresses.sorted().map(\.description).joined(separator: ", ")
        }
        var findings: [Finding] = []
        if !evidence.otherKeys.isEmpty {
            findings.append(
                finding(
                    .problem, "key",
                    "\(list(evidence.otherKeys)): of this cluster by name, but with another key: the key file must be"
                        + " the same everywhere"))
        }
        if !evidence.otherClusters.isEmpty {
            findings.append(
                finding(
                    .warning, "cluster",
                    "\(list(evidence.otherClusters)): of a cluster with another name, which is ignored; should it be"
                        + " this one?"))
        }
        if !evidence.otherThings.isEmpty {
            findings.append(
                finding(
                    .warning, "port",
                    "\(list(evidence.otherThings)): sends something else to port \(options.port), which is ignored"))
        }
        if evidence.hasStrayed {
            findings.append(
                finding(
                    .warning, "port",
                    "datagrams to port \(options.port) have crossed a router, or were sent by something else: their hop"
                        + " limit is not 255, and they are ignored; all members must be on one link"))
        }
        return findings
    }

    // MARK: The address

    private func address(_ address: IPAddress) -> [Finding] {
        if let peer = peers.first(where: { $0.address == address }) {
            return [
                finding(
                    .problem, "address",
                    "\(address) is \(peer.name)'s own, which it speaks from: the shared address must be another one")
            ]
        }
        let known = Dictionary(peers.compactMap { peer in peer.mac.map { ($0, peer) } }) { first, _ in first }
        let holders = evidence.holders[address] ?? []
        let strange = holders.filter { known[evidence.hosts[$0] ?? $0] == nil }
        let member = holders.compactMap { known[$0] }.max { !$0.hasLed && $1.hasLed }
        guard !strange.isEmpty else {
            if let member { return [finding(member, having: address)] }
            // That is told of already.
            if place.configured.contains(address) { return [] }
            return [finding(.ok, "address", "\(place.held.contains(address) ? "this host" : "nobody") has \(address)")]
        }
        let names = strange.sorted().map(\.description).joined(separator: ", ")
        // A master's virtual MAC is not the one that its member tells.
        if strange.count == 1, member == nil, let master = peers.first(where: { $0.role == .master }) {
            // Nobody else has the one that is made of the address.
            if strange == [.virtual(for: options.address[0].address)] {
                return [finding(.ok, "address", "\(master.name) has \(address), at its virtual MAC \(names)")]
            }
            return [
                finding(
                    .warning, "address",
                    "\(address) is at \(names): that is right if \(master.name), the master, has a virtual MAC")
            ]
        }
        return [
            finding(
                .problem, "address",
                "\(address) is at \(names), which is no member that was heard\(unheardMember): take it away there, or"
                    + " choose another")
        ]
    }

    /// What is to be said before somebody takes the address away from a machine that may be a member, and the master,
    /// for all that can be known here; empty: members are heard, and this is none.
    private var unheardMember: String {
        let why: String
        if !evidence.otherKeys.isEmpty {
            why = "has another key"
        } else if ownRulesDrop {
            why = "this host's own rules keep out"
        } else if peers.isEmpty {
            why = "does not get through to this host"
        } else {
            return ""
        }
        return ", but may well be one that \(why); 'qure-claim show' on that machine says whether qure has put it"
            + " there. Only if it has not"
    }

    private func finding(_ peer: CheckEvidence.Peer, having address: IPAddress) -> Finding {
        if peer.hasLed { return finding(.ok, "address", "\(peer.name) has \(address)") }
        return finding(
            .problem, "address",
            "\(peer.name) \(peer.address) has \(address), and is not master (\(peer.role.name)): something else has put"
                + " it there: take it out of the configuration of \(peer.name)")
    }

    /// A server that has given the address away, or finds that it is in use, does not offer it: silence proves nothing.
    private var dhcp: [Finding] {
        let shared = Set(options.address.map(\.address))
        var findings: [Finding] = []
        for offer in evidence.offers {
            let server = offer.server.map { "the DHCP server \($0)" } ?? "a DHCP server"
            let found =
                shared.contains(.v4(offer.offered))
                ? finding(
                    .problem, "dhcp",
                    "\(server) would give \(offer.offered) to anybody: take it out of its range")
                : finding(.ok, "dhcp", "\(server) was asked for the address and offers another")
            if !findings.contains(where: { $0.text == found.text }) { findings.append(found) }
        }
        return findings
    }
}
