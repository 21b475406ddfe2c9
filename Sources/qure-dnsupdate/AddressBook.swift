// AddressBook: the addresses of a server that is given by name: an address itself, a line of /etc/hosts, or what the
// servers of resolv.conf say of it.

import QureCore

/// Finds addresses of names.
struct AddressBook {
    let configuration: ResolverConfiguration
    let families: NsupdateOptions.Families

    /// Addresses of one name that are tried.
    static let maximumAddresses = 4
    /// A question to a resolver, as long as the C library asks.
    private static let timing: DNSExchange.Timing = {
        var timing = DNSExchange.Timing()
        timing.total = .seconds(10)
        timing.perTry = .seconds(5)
        timing.tries = 2
        return timing
    }()

    init(resolverFile: String, port: UInt16, families: NsupdateOptions.Families) {
        configuration = ResolverConfiguration((try? TextFile.read(resolverFile)) ?? [], port: port)
        self.families = families
    }

    /// The resolvers that are asked where the script names no server.
    var resolvers: [DNSEndpoint] { configuration.servers.filter { families.allow($0.address) } }

    /// The endpoints of `host`, those that can be reached first; empty: it has none.
    func endpoints(of host: String, port: UInt16, by talk: inout ServerTalk) throws -> [DNSEndpoint] {
        if let endpoint = DNSEndpoint(host, port: port) { return families.allow(endpoint.address) ? [endpoint] : [] }
        let listed = HostsFile.addresses(of: host, in: (try? TextFile.read("/etc/hosts")) ?? [])
        let addresses = try listed.isEmpty ? ask(host, by: &talk) : listed
        let all = addresses.filter(families.allow).map { DNSEndpoint($0, port: port) }
        let reached = all.filter { ServerTalk.reaches($0, from: talk.local) }
        return Array((reached + all.filter { !reached.contains($0) }).prefix(Self.maximumAddresses))
    }

    private func ask(_ host: String, by talk: inout ServerTalk) throws -> [IPAddress] {
        let types: [RecordType] = (families.v6 ? [.aaaa] : []) + (families.v4 ? [.a] : [])
        for name in configuration.candidates(host) {
            var addresses: [IPAddress] = []
            for type in types {
                let question = DNSMessage(id: 0, flags: .recursionDesired, questions: [DNSQuestion(name, type)])
                var exchange = DNSExchange(
                    question, key: nil, servers: resolvers, timing: Self.timing,
                    passesOver: [.serverFailure, .notImplemented, .refused, .formatError])
                let answer = try talk.run(&exchange) { _, _ in }
                addresses += answer?.message.answeredAddresses ?? []
            }
            if !addresses.isEmpty { return addresses }
        }
        return []
    }
}
