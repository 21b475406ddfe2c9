// ProxySite: what qure-dnsproxy is measured in: the server that it asks, its peers, which ask the same one and know the
// same names, and an echo that does nothing with a datagram but send it back. Servers have one processor, whoever asks
// and is asked has another one. Each is started when it is first wanted, and has answered every name once before it is
// measured.

import Lab
import QureCore

/// A server that can be asked.
struct ProxyServer {
    var name: String
    var port: Int
    var process: LabProcess
}

/// The place of the measurements; it needs private namespaces.
final class ProxySite {
    /// Whoever can be measured.
    enum Kind: String, CaseIterable {
        case own = "qure-dnsproxy"
        /// Once more, to see how far what is the same seems to differ.
        case twin = "itself"
        case pair = "two workers"
        case echo, unbound, dnsmasq, dnsdist
        /// These have the zone itself: they forward nothing.
        case knotd, nsd

        var port: Int { 5301 + (Self.allCases.firstIndex(of: self) ?? 0) }
    }

    /// Where everything is kept.
    static let folder = "/run/qure-bench-proxy"
    /// Names that are asked for, and that each cache has room for.
    static let names = 10_000
    /// Names of another zone, and the seconds that they are good for.
    static let briefNames = 60_000, briefTTL = 5
    /// The port of the server that all others ask.
    static let upstreamPort = 5300
    /// Processors: where servers run, and where dnsperf and the server upstream do.
    static let serving = "0", asking = "1"

    private var running: [Kind: ProxyServer] = [:]
    private let upstream: LabProcess

    init() throws {
        let programs = ["knotd", "nsd", "unbound", "dnsmasq", "dnsdist", "dnsperf", "tcpdump", "taskset", "chrt", "dig"]
        for program in programs where !Toolbox.isInstalled(program) {
            throw LabError("\(program): not found: make deps")
        }
        // The loopback interface, and a /run of our own.
        try PrivateNamespace.prepare()
        try Self.writeFiles()
        upstream = try LabProcess(Self.on(Self.asking) + ["knotd", "-c", "\(Self.folder)/upstream.conf"])
        try Self.await(Self.upstreamPort, "the upstream")
    }

    /// What stands in front of a command line: its processors, and that it comes before all else that runs there.
    static func on(_ processors: String) -> [String] { ["nice", "-n", "-20", "taskset", "-c", processors] }

    /// The same for what is to run only where nothing else wants to.
    static func behind(_ processors: String) -> [String] { ["chrt", "--idle", "0", "taskset", "-c", processors] }

    /// Ends all that runs.
    func stop() {
        endServers()
        upstream.stop()
    }

    /// Ends all servers but the one upstream; whoever is wanted again is started anew.
    func endServers() {
        for server in running.values { server.process.stop() }
        running = [:]
    }

    /// The running server of a kind; it knows all names.
    func server(_ kind: Kind) throws -> ProxyServer {
        if let server = running[kind] { return server }
        let processors = kind == .pair ? "\(Self.serving),\(Self.asking)" : Self.serving
        let process = try LabProcess(Self.on(processors) + Self.command(kind, port: kind.port))
        let server = ProxyServer(name: kind.rawValue, port: kind.port, process: process)
        running[kind] = server
        if kind != .echo { try Self.await(kind.port, kind.rawValue) }
        // Few at a time, so that nobody is asked more at once than he takes from one client.
        let clients = kind == .pair ? 64 : 4
        _ = try ProxyLoad("known", "-n 1 -q 50 -c \(clients)").run(on: server)
        _ = try ProxyLoad("known", "-n 1 -q 50 -c \(clients)").run(on: server)
        return server
    }

    /// Waits until a server answers.
    static func await(_ port: Int, _ name: String) throws {
        let isThere = eventually {
            run("dig @127.0.0.1 -p \(port) +short +time=1 +tries=1 n1.b.test A").output.contains("10.0.0.1")
        }
        guard isThere else { throw LabError("\(name) does not answer") }
    }

    /// The command line of a server; where it says `first.test` an address, it knows that without asking.
    static func command(_ kind: Kind, port: Int) -> [String] {
        let own = [
            Executables.path("qure-dnsproxy"), "run", "--listen", "127.0.0.1:\(port)", "--upstream",
            "127.0.0.1:\(upstreamPort)", "--alias", "alias.test=n1.b.test", "--record", "first.test 60 A 192.0.2.1",
            "--state-dir", "\(folder)/own\(port)",
        ]
        switch kind {
        case .own, .twin: return own
        case .pair: return own + ["--workers", "2"]
        case .echo: return [Executables.path("qure-lab"), "echo", "\(port)"]
        case .unbound: return ["unbound", "-c", "\(folder)/unbound.conf"]
        case .dnsdist: return ["dnsdist", "--supervised", "--disable-syslog", "-C", "\(folder)/dnsdist.conf"]
        case .knotd: return ["knotd", "-c", "\(folder)/knotd.conf"]
        case .nsd: return ["nsd", "-d", "-c", "\(folder)/nsd.conf"]
        case .dnsmasq:
            return [
                "dnsmasq", "-k", "-C", "/dev/null", "-p", "\(port)", "-a", "127.0.0.1", "-z", "-R", "-h", "-c",
                "\(names)", "-0", "1000", "-S", "127.0.0.1#\(upstreamPort)", "-u", "root", "--pid-file",
                "--host-record=first.test,192.0.2.1",
            ]
        }
    }
}

extension ProxySite {
    /// Writes a file into the folder.
    static func write(_ name: String, _ text: String) throws {
        try TextFile.replace("\(folder)/\(name)", with: Array(text.utf8))
    }

    private static func writeFiles() throws {
        for part in ["", "/upstream", "/knotd", "/nsd"] { try TextFile.makeDirectory(folder + part) }
        for kind in [Kind.own, .twin, .pair] { try TextFile.makeDirectory("\(folder)/own\(kind.port)") }
        let head = "@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
        let records = (0..<names).map { "n\($0) A \(address($0))\n" }.joined()
        try write("b.db", "$TTL 3600\n" + head + records)
        try write("w.db", "$TTL 3600\n" + head + "* A 192.0.2.1\n")
        try write("first.db", "$TTL 60\n" + head + "@ A 192.0.2.1\n")
        // Names that nobody keeps for long, more than there is room for.
        let brief = (0..<briefNames).map { "n\($0) A \(address($0))\n" }.joined()
        try write("c.db", "$TTL \(briefTTL)\n" + head + brief)
        try write("known", (0..<names).map { "n\($0).b.test A\n" }.joined())
        try write("alias", "alias.test A\n")
        try write("upstream.conf", knot("upstream", port: upstreamPort))
        try write("knotd.conf", knot("knotd", port: Kind.knotd.port))
        try write("nsd.conf", nsd)
        try write("unbound.conf", unbound)
        try write("dnsdist.conf", dnsdist)
    }

    /// The address of a name.
    static func address(_ number: Int) -> String { "10.0.\(number / 256).\(number % 256)" }

    private static func knot(_ place: String, port: Int) -> String {
        let domains = place == "upstream" ? ["b", "c", "w", "first"] : ["first", "b"]
        let zones = domains.map { "  - domain: \($0).test\n    file: \($0).db\n" }
        return """
            server:
                rundir: \(folder)/\(place)
                listen: 127.0.0.1@\(port)
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
            log:
              - target: stderr
                any: error
            database:
                storage: \(folder)/\(place)
            template:
              - id: default
                storage: \(folder)
                journal-content: none
                zonefile-load: whole
            zone:
            \(zones.joined())

            """
    }

    /// One process answers; it limits nobody.
    private static let nsd = """
        server:
            ip-address: 127.0.0.1@\(Kind.nsd.port)
            username: ""
            zonesdir: \(folder)
            database: ""
            zonelistfile: \(folder)/nsd/zone.list
            xfrdfile: ""
            xfrdir: \(folder)/nsd
            pidfile: ""
            cookie-secret-file: \(folder)/nsd/cookies
            server-count: 1
            rrl-ratelimit: 0
            rrl-whitelist-ratelimit: 0
        remote-control:
            control-enable: no
        zone:
            name: first.test
            zonefile: first.db
        zone:
            name: b.test
            zonefile: b.db

        """

    private static let unbound = """
        server:
            interface: 127.0.0.1@\(Kind.unbound.port)
            username: ""
            chroot: ""
            pidfile: ""
            directory: "\(folder)"
            num-threads: 1
            incoming-num-tcp: 200
            module-config: "iterator"
            do-daemonize: no
            do-not-query-localhost: no
            local-zone: "test." nodefault
            local-data: "first.test. 60 A 192.0.2.1"
        remote-control:
            control-enable: no
        forward-zone:
            name: "."
            forward-addr: 127.0.0.1@\(upstreamPort)

        """

    /// Its cache of whole answers is what ours is.
    private static let dnsdist = """
        setSecurityPollSuffix("")
        setLocal("127.0.0.1:\(Kind.dnsdist.port)")
        newServer({address="127.0.0.1:\(upstreamPort)", useClientSubnet=false})
        getServer(0):setUp()
        getPool(""):setCache(newPacketCache(\(2 * names), {maxTTL=86400}))

        """
}
