// ProxyChecks: what of the proxy's options contradicts itself, or can do nothing but harm: it is refused, by the line
// that is at fault, before anything is opened. What can be done, but is odd, is in ProxyWarnings.swift.

import ArgumentParser
import QureCore

extension ProxyOptions {
    /// Refuses what cannot be meant. The first value that the words name is looked for in the file.
    func refuseContradictions() throws {
        try refuseListenersTwice()
        if let twice = Self.twice(upstream) {
            throw ValidationError("upstream: \(twice) stands there twice: leave one out")
        }
        try refuseOpenResolver()
        try refuseUselessServers()
        try refuseOwnAddresses(at: listen)
        if let name = record.first(where: isAliasItself)?.name {
            throw ValidationError("'\(name)' is an alias, and has a record of its own: leave one out")
        }
        var own = LocalData()
        for record in record { own.add(record) }
        for records in [own] + Audiences(recursion: [], views: view).views.map(\.records) {
            if let name = records.overloadedAlias { throw ValidationError(Self.overload(name)) }
        }
        if let twice = Self.twice(alias.map(\.name)) {
            throw ValidationError("'\(twice)' is an alias twice")
        }
        if let twice = Self.twice(zone.map(\.name) + authority.map(\.name)) {
            throw ValidationError("'\(twice)' is a zone twice, by --zone or --authority: leave one out")
        }
        if let twice = Self.twice(forward.map(\.domain)) {
            throw ValidationError("'\(twice)' is forwarded twice: name all its servers in one, with commas between")
        }
        guard Set(view.map(\.network)).count <= Audiences.maximumViews else {
            throw ValidationError("there are \(Audiences.maximumViews) networks with a view at most")
        }
        if let loop = alias.first(where: { one in alias.contains { $0.name == one.target } }) {
            throw ValidationError(
                "'\(loop.name)' has the addresses of '\(loop.target)', which is an alias itself: give it the target "
                    + "of that one, unless they lead to each other")
        }
        try refuseAliasesWithoutServers()
    }

    private func refuseListenersTwice() throws {
        if let twice = Self.twice(listen) {
            throw ValidationError("listen: \(twice) stands there twice: leave one out")
        }
        if let one = listen.first(where: { $0.address.isUnicast && isEveryAddressListened(like: $0) }) {
            throw ValidationError("listen: \(one) is among all the addresses that are listened at, too: leave it out")
        }
    }

    /// Whether everything is found for everybody who asks.
    var isForAll: Bool { Prefix.areEverything(allowRecursion) }

    /// Who asks about the root asks about everything, and is an upstream by another name.
    private func refuseOpenResolver() throws {
        guard isForAll else { return }
        let (what, remedy): (String, String)
        if !upstream.isEmpty {
            (what, remedy) = ("an upstream", "leave 'upstream' out and 'forward' your domains")
        } else if forward.contains(where: \.domain.isRoot) {
            (what, remedy) = ("a 'forward' of the root", "'forward' your domains instead")
        } else {
            return
        }
        throw ValidationError(
            "allow-recursion with every address and \(what) would be an open resolver, which others abuse: "
                + "name your networks, or \(remedy)")
    }

    private func refuseUselessServers() throws {
        guard let (option, server) = asked.first(where: { !$0.server.address.isUnicast }) else { return }
        throw ValidationError("\(option): \(server) is the address of no single server: name the server's own")
    }

    /// Who asks himself waits for his own answer. What is wrong on every host is refused here; for what is so on this
    /// one now there are `warnings`. `listeners`: where the proxy listens.
    func refuseOwnAddresses(at listeners: [DNSEndpoint]) throws {
        guard
            let (option, own) = asked.first(where: { _, server in
                listeners.contains(server) || server.address.isLoopback && isEveryAddressListened(like: server)
            })
        else { return }
        throw ValidationError(
            "\(option): \(own) is an address that this proxy listens on itself: name the server behind it")
    }

    /// Nobody would ever know its addresses.
    private func refuseAliasesWithoutServers() throws {
        guard upstream.isEmpty else { return }
        let lost = alias.first { alias in
            alias.servers.isEmpty && !forward.contains { alias.target.isWithin($0.domain) }
        }
        guard let lost else { return }
        throw ValidationError(
            "alias: '\(lost.name)' has the addresses of '\(lost.target)', and there is nobody to ask for them: "
                + "write ask=ADDR behind it, or name an upstream")
    }

    /// What is said of a name that has too much.
    static func overload(_ name: DomainName) -> String {
        "'\(name)' has a CNAME and other records, and nothing may stand beside a CNAME (RFC 1034 section 3.6.2): "
            + "leave either out"
    }

    /// The servers that are asked, and by which option.
    var asked: [(option: String, server: DNSEndpoint)] {
        upstream.map { ("upstream", $0) } + forward.flatMap(\.servers).map { ("forward", $0) }
            + alias.flatMap(\.servers).map { ("alias", $0) }
            + forwardUpdatesTo.flatMap(\.primaries).map { ("forward-updates-to", $0) }
    }

    /// Whether the proxy listens on all addresses of this one's family, at the same port.
    func isEveryAddressListened(like server: DNSEndpoint) -> Bool {
        let every: IPAddress =
            switch server.address {
            case .v4: .v4(.unspecified)
            case .v6: .v6(.unspecified)
            }
        return listen.contains(DNSEndpoint(every, port: server.port))
    }

    /// The first value that is there twice.
    private static func twice<Value: Hashable>(_ values: [Value]) -> Value? {
        var seen: Set<Value> = []
        return values.first { !seen.insert($0).inserted }
    }
}
