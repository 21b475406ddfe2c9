// CheckHost: what of this host alone would spoil an election: its interface, its addresses, the group it would use, and
// the network managers that think that the interface is theirs.

import QureCore

/// Where a member would take part.
struct CheckPlace {
    var link: Link
    /// The address that it would speak from.
    var own: IPAddress
    var group: IPAddress
    /// The shared addresses that are here because qure has put them there.
    var held: Set<IPAddress>
    /// Those that something else has put here.
    var configured: Set<IPAddress>
}

struct CheckHost {
    private let options: MemberOptions
    private let shared: Set<IPAddress>

    init(_ options: MemberOptions) {
        self.options = options
        shared = Set(options.address.map(\.address))
    }

    /// Says what it finds. The place to listen from; nil where there is none.
    mutating func look(_ netlink: inout Netlink, _ report: inout CheckReport) throws -> CheckPlace? {
        let link: Link
        do { link = try ElectSession.link(options, &netlink) } catch let failure as Failure {
            try report.say(.problem, "interface", failure.description)
            return nil
        }
        let isReady = try lookAtLink(link, &report)
        let own = try lookAtOwnAddress(link, &netlink, &report)
        let (held, configured) = try lookAtSharedAddresses(&netlink, &report)
        for finding in NetworkManagers(link).findings { try report.say(finding) }
        guard isReady, let own else { return nil }
        let group = ElectSession.group(options, own)
        try lookAtGroup(group, &report)
        try lookAtPeers(link, &netlink, &report)
        try lookAtCommands(&report)
        return CheckPlace(link: link, own: own, group: group, held: held, configured: configured)
    }

    private func lookAtLink(_ link: Link, _ report: inout CheckReport) throws -> Bool {
        guard link.isUp else {
            try report.say(.problem, "interface", "\(link.name) is down: ip link set \(link.name) up")
            return false
        }
        guard link.hasCarrier else {
            try report.say(.problem, "interface", "\(link.name) has no carrier: is the cable in, the port on?")
            return false
        }
        if link.master != nil {
            try report.say(
                .problem, "interface",
                "\(link.name) is a port of a bridge or bond: addresses belong on that one")
            return true
        }
        try report.say(.ok, "interface", "\(link.name) is up and has a carrier")
        return true
    }

    private func lookAtOwnAddress(
        _ link: Link, _ netlink: inout Netlink, _ report: inout CheckReport
    ) throws -> IPAddress? {
        let own: IPAddress
        do { own = try ElectSession.ownAddress(on: link, options, &netlink) } catch let failure as Failure {
            try report.say(.problem, "own-address", failure.description)
            return nil
        }
        let others = try netlink.addresses(on: link.index).filter {
            !shared.contains($0.prefix.address) && $0.origin != AddressOrigin.qure
        }
        let strange = options.address.filter { shared in !others.contains { $0.prefix.contains(shared.address) } }
        for address in strange {
            // A length that is wrong has another address beside it.
            let isMissing = !others.contains { $0.prefix.address.bitWidth == address.address.bitWidth }
            let why =
                isMissing && own.bitWidth != address.address.bitWidth
                ? "a member that starts now speaks from \(own), where those with an address like it do not hear it"
                : "is the length right?"
            try report.say(
                .warning, "own-address",
                "\(link.name) has no address of its own in the network of \(address): while another member holds it,"
                    + " this host reaches nobody there; \(why)")
        }
        if strange.isEmpty { try report.say(.ok, "own-address", "\(own) on \(link.name)") }
        return own
    }

    /// Those that qure holds here, and the others: one that was configured here stays when the master is elsewhere.
    private func lookAtSharedAddresses(
        _ netlink: inout Netlink, _ report: inout CheckReport
    ) throws -> (held: Set<IPAddress>, configured: Set<IPAddress>) {
        let registry = ClaimRegistry(directory: options.place.stateDir)
        var (held, configured) = (Set<IPAddress>(), Set<IPAddress>())
        for present in try netlink.addresses() where shared.contains(present.prefix.address) {
            let address = present.prefix.address
            if present.origin == AddressOrigin.qure
                || registry.entry(of: address)?.entry.isHolding == true
            {
                held.insert(address)
                continue
            }
            configured.insert(address)
            let name = try netlink.link(index: present.interface)?.name ?? "an interface"
            try report.say(
                .problem, "address",
                "\(address) is configured on \(name) by something else, and would stay when another member is master:"
                    + " take it out of this host's configuration")
        }
        return (held, configured)
    }

    /// What comes from beyond the link is not believed.
    private func lookAtPeers(_ link: Link, _ netlink: inout Netlink, _ report: inout CheckReport) throws {
        let networks = try netlink.addresses(on: link.index).map(\.prefix)
        for peer in options.peer where !peer.isLinkLocalV6 && !networks.contains(where: { $0.contains(peer) }) {
            try report.say(
                .problem, "peer",
                "\(peer) is in no network of \(link.name), and what comes through a router is not believed: name the"
                    + " address that the member has on this link")
        }
    }

    /// The programs that are named by their path: they are run in the night when they are needed first.
    private func lookAtCommands(_ report: inout CheckReport) throws {
        let commands = [
            ("health", options.health), ("on-master", options.onMaster), ("on-standby", options.onStandby),
            ("on-fault", options.onFault),
        ]
        for case (let option, let command?) in commands {
            let program = command.prefix { !" \t;&|<>()$`'\"\\*?".contains($0) }
            guard program.hasPrefix("/"), let trouble = TextFile.troubleToRun(String(program)) else { continue }
            try report.say(.problem, "command", "--\(option): \(trouble)")
        }
    }

    private func lookAtGroup(_ group: IPAddress, _ report: inout CheckReport) throws {
        guard options.peer.isEmpty else { return }
        // RFC 4541 section 2.1.2: what a switch that snoops must flood. In IPv6 that is ff02::1 alone, but the scope of
        // the link is the only one that no router asks for.
        let isFlooded =
            switch group {
            case .v4(let v4): v4.rawValue >> 8 == 0xe00000
            case .v6: group.octets[1] & 0x0f == 2
            }
        if isFlooded {
            try report.say(.ok, "group", "\(group) stays on the link")
        } else {
            try report.say(
                .warning, "group",
                "\(group) is not of the link's own block (224.0.0.0/24, ff02::/16): a switch that snoops IGMP or MLD"
                    + " passes it on only while a querier keeps asking; leave --group out")
        }
    }
}
