// ProxyWarnings: what is odd in a configuration, though it can be done: what is in it and never used, or not by those
// whom it is meant for. It is said at the start, by --check-config, and whenever the configuration is read anew.

import QureCore

extension ProxyOptions {
    /// What is odd, though it can be done; `lists`: what hosts files say.
    func warnings(_ relay: RelayConfiguration, _ lists: [HostsList]) -> [String] {
        let own = relay.known(to: Audiences.local)
        var warnings = zone.flatMap { zone in
            zone.content.warnings.map { "\(zone.file):\($0.line): \($0.reason)" }
        }
        if isEmpty {
            warnings.append(
                "nothing is configured, and every question is refused: name an upstream, an alias, a zone or a record, "
                    + "or a file of them with --config; see qure-dnsproxy(8)")
        }
        let aliases = AliasTable(alias, at: Clock.now)
        func isHidden(_ record: DNSRecord) -> Bool { record.hasAddresses && aliases.alias(of: record.name) != nil }
        for zone in zone {
            guard let name = zone.content.records.first(where: isHidden)?.name else { continue }
            warnings.append("\(zone.file): '\(name)' is an alias, which hides the addresses that it has there")
        }
        // By an alias for all names below another one; of the same name it is an error.
        for record in record where isHidden(record) {
            warnings.append("record: '\(record.name)' is an alias, which hides what the record says")
        }
        for record in record where ![.ns, .ds].contains(record.type) {
            guard let part = own.delegatedPart(of: record.name) else { continue }
            warnings.append("record: '\(record.name)' is in '\(part)', which is delegated to others: it is never used")
        }
        warnings += lists.flatMap { list in [oddLine(list, own), hiddenLine(list)].compactMap { $0 } }
        // Not refused: it is one name's trouble, and the others are to be served.
        let views = Audiences(recursion: [], views: view).views.map(\.records)
        for name in ([own] + views).compactMap({ $0.circle { aliases.alias(of: $0) != nil } }) {
            warnings.append("'\(name)' leads by CNAMEs into a circle, where nothing has an address")
        }
        warnings += targetsOfOurs(own) + hiddenForwards(own) + unreachableZones(relay)
        // Not refused: the address may move between hosts, and the server be another one soon.
        let addresses = Self.ownAddresses
        for (option, server) in asked where addresses.contains(server.address) && isEveryAddressListened(like: server) {
            warnings.append(
                "\(option): \(server) is an address of this host, where this proxy listens itself: it is passed over "
                    + "as long as that is so")
        }
        for (option, server) in asked where server.port == 853 {
            warnings.append(
                "\(option): at port 853 servers expect DNS over TLS, which this proxy does not speak: leave the port "
                    + "out")
        }
        // Meant for the world, but resolvers ask without RD.
        if isForAll, let domain = forward.first(where: { !$0.isPublic })?.domain {
            warnings.append(
                "allow-recursion for every address does not serve '\(domain)' to resolvers, which ask an authority "
                    + "and want no recursion: write 'forward \(domain)=ADDR public=yes' instead")
        }
        return warnings
    }

    /// What is said of the first line of a hosts file that is not all of use.
    private func oddLine(_ list: HostsList, _ own: LocalData) -> String? {
        func useless(_ line: HostsFile.Line) -> String? {
            for name in line.names.lazy.compactMap({ HostsFile.name($0) }) {
                if own.isAlias(name) { return "'\(name.relativeDescription)' has a CNAME" }
                guard let part = own.delegatedPart(of: name) else { continue }
                return "'\(name.relativeDescription)' is in '\(part)', which is delegated to others"
            }
            return nil
        }
        let odd: [(Int, String)] = HostsFile.lines(list.text).compactMap { line in
            (line.oddity ?? useless(line)).map { (line.number, $0) }
        }
        guard let (number, oddity) = odd.first else { return nil }
        return "\(list.file):\(number): \(oddity); leaving it out\(Self.more(odd.count - 1))"
    }

    /// Aliases of names that are known here, though others are asked for their addresses. Where `ask=` names these,
    /// that is what is meant.
    private func targetsOfOurs(_ known: LocalData) -> [String] {
        func isKnown(_ name: DomainName) -> Bool {
            [.a, .aaaa].contains { known.answer(DNSQuestion(name, $0))?.answers.isEmpty == false }
        }
        return alias.filter { $0.servers.isEmpty && isKnown($0.target) }.map {
            "alias: '\($0.name)' has the addresses of '\($0.target)' that others know, not those that it has here: "
                + "write 'record \($0.name) CNAME \($0.target)' for these"
        }
    }

    /// Domains of --forward within a zone of ours, which says itself what is there: of use for what it delegates, and
    /// for the target of an alias, alone.
    private func hiddenForwards(_ own: LocalData) -> [String] {
        let servers = (record + zone.flatMap(\.content.records)).filter { $0.type == .ns }
        let cuts = servers.map(\.name).filter { own.zone(of: $0)?.name != $0 }
        return forward.map(\.domain).compactMap { domain in
            guard let zone = own.zone(of: domain)?.name,
                !cuts.contains(where: { $0.isWithin(domain) || domain.isWithin($0) }),
                !alias.contains(where: { $0.servers.isEmpty && $0.target.isWithin(domain) })
            else { return nil }
            return "forward: '\(domain)' is within the zone '\(zone)' of ours, which does not delegate it: "
                + "nobody is asked about it"
        }
    }

    /// Zones of ours that nobody can be led to: a name server within the zone itself has no address in it.
    private func unreachableZones(_ relay: RelayConfiguration) -> [String] {
        let zones = authority.map { ($0.name, $0.records) } + zone.map { ($0.name, $0.content.records) }
        let aliases = AliasTable(alias, at: Clock.now)
        func hasAddress(_ server: DomainName, in own: LocalData) -> Bool {
            aliases.alias(of: server) != nil
                || [.a, .aaaa].compactMap { own.answer(DNSQuestion(server, $0)) }.contains { answer in
                    // In a part that is delegated to others, the address goes with the way there.
                    !answer.answers.isEmpty || answer.additionals.contains { $0.name == server }
                }
        }
        return zones.flatMap { zone, records in
            records.filter { $0.type == .ns && $0.name == zone }.compactMap(\.data.target)
                .filter { $0.isWithin(zone) && !hasAddress($0, in: relay.local) }
                .map { server in
                    let rest = relay.inner.map { hasAddress(server, in: $0) } == true ? " for strangers" : ""
                    return "'\(server)' is a name server of '\(zone)' and has no address\(rest): "
                        + "add 'record \(server) A ADDR'"
                }
        }
    }

    /// What is said of the first line of a hosts file that is about an alias, which has the addresses of another name.
    private func hiddenLine(_ list: HostsList) -> String? {
        guard !alias.isEmpty else { return nil }
        let aliases = AliasTable(alias, at: Clock.now)
        let hidden: [(Int, String)] = HostsFile.lines(list.text).compactMap { line in
            line.names.first { DomainName($0).map { aliases.alias(of: $0) != nil } == true }.map { (line.number, $0) }
        }
        guard let (number, name) = hidden.first else { return nil }
        let more = Self.more(hidden.count - 1)
        return "\(list.file):\(number): '\(name)' is an alias, which hides the address that it has there\(more)"
    }

    /// Whether nothing is said of any name.
    private var isEmpty: Bool {
        let counts = [upstream.count, alias.count, forward.count, record.count, hosts.count]
        return (counts + [zone.count, authority.count, view.count]).allSatisfy { $0 == 0 }
    }

    private static func more(_ count: Int) -> String { count > 0 ? ", and so it is with \(count) more" : "" }

    /// Whether a record says what an alias of the very same name says.
    func isAliasItself(_ record: DNSRecord) -> Bool {
        record.hasAddresses && alias.contains { $0.name == record.name }
    }

    /// The addresses of this host's interfaces; link-local ones may be another host's on another link.
    private static var ownAddresses: Set<IPAddress> {
        guard var netlink = try? Netlink(), let addresses = try? netlink.addresses() else { return [] }
        return Set(addresses.map(\.prefix.address).filter { !$0.isLinkLocalV6 })
    }
}

extension DNSRecord {
    /// Whether an alias of its name would hide it, which has the addresses of another one.
    var hasAddresses: Bool { [.a, .aaaa, .cname].contains(type) }
}
