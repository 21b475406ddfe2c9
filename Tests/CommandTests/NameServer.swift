// Real servers for the tests of qure-dnsupdate and qure-dnsproxy: named, knotd, PowerDNS and NSD, on a port of their
// own of the loopback address in the private network of the tests, with a zone that keys may change; that of NSD, which
// takes no updates, is a file that is written anew, or a copy of another server's. Each lives in a folder that goes
// with it.

import Glibc
import Lab
import QureCore
import Synchronization
import Testing

/// A server with the zone z.test.
final class NameServer {
    enum Kind: String, Sendable {
        case named, knotd, pdns, nsd

        /// Those that prove their clock (BADTIME).
        static let allCases = [Kind.named, .knotd]
        /// All that take updates.
        static let every = allCases + [.pdns]
        /// Those that tell others of a change.
        static let telling = allCases + [.nsd]
    }

    /// The keys, by their names in files of that name.
    static let keys = ["k256": "hmac-sha256", "k512": "hmac-sha512", "kmd5": "hmac-md5"]

    private static let count = Mutex(0)
    let port: Int
    let kind: Kind
    /// More lines of the zone, who its SOA names, and more of the zone's statement and of the options in named.conf or
    /// nsd.conf.
    private let lines: String, primary: String, statement: String, options: String
    // A server answers nobody while its journal is being written.
    let folder = TemporaryFolder(inMemory: true)
    private var process: LabProcess?
    /// The port of this host that is told of every change, and the key that this is signed with.
    private let notified: Int?, notifyKey: String?
    /// The port of the server that NSD copies the zone from, instead of reading a file.
    private let original: Int?
    /// The zone's serial in its file, and the addresses of www there.
    private var serial = 1, addresses = ["192.0.2.1", "192.0.2.2"]

    /// A port that no other test of this process has.
    static func nextPort() -> Int {
        count.withLock { count in
            count += 1
            return 5300 + count
        }
    }

    /// Starts a server and waits until it answers. `notified`: a port of this host that is to be told of changes, with
    /// a signature by `notifyKey` if there is one.
    init(
        _ kind: Kind, lines: String = "", primary: String = "ns.z.test.", statement: String = "",
        options: String = "", notifying notified: Int? = nil, signing notifyKey: String? = nil,
        copying original: Int? = nil, port chosen: Int? = nil
    ) throws {
        self.notified = notified
        self.notifyKey = notifyKey
        self.original = original
        try PrivateNamespace.prepare()
        self.kind = kind
        self.lines = lines
        self.primary = primary
        self.statement = statement
        self.options = options
        port = chosen ?? Self.nextPort()
        for (name, algorithm) in Self.keys {
            write(name, "key \"\(name)\" { algorithm \(algorithm); secret \"\(Self.secret(name))\"; };\n")
        }
        write("z.db", zone)
        write("resolv.conf", "nameserver 127.0.0.1\n")
        try start()
    }

    static func secret(_ key: String) -> String {
        let octets = Array("a secret of \(key) that is long enough for all".utf8)
        return String(decoding: BinaryText.base64.text(octets), as: UTF8.self)
    }

    private var zone: String {
        """
        $TTL 300
        z.test. SOA \(primary) h.z.test. \(serial) 3600 600 86400 60
        @ NS ns
        ns A 127.0.0.1
        \(addresses.map { "www A \($0)" }.joined(separator: "\n"))
        www TXT "there"
        alias CNAME www
        \(lines)

        """
    }

    func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    /// Writes a file that nobody else may read.
    func write(_ name: String, _ text: String) {
        #expect(throws: Never.self) { try TextFile.replace(path(name), with: Array(text.utf8)) }
        chmod(path(name), 0o600)
    }

    /// Starts it, for the first time or again.
    func start() throws {
        switch kind {
        case .named: write("named.conf", namedConfiguration)
        case .knotd: write("knot.conf", knotConfiguration)
        case .pdns: if process == nil { try preparePowerDNS() }
        case .nsd: write("nsd.conf", nsdConfiguration)
        }
        let words: [String] =
            switch kind {
            // Its log in a file: a pipe that nobody empties would stop it.
            case .named: ["named", "-f", "-n", "1", "-L", path("log"), "-c", path("named.conf")]
            case .knotd: ["knotd", "-c", path("knot.conf")]
            case .pdns: ["pdns_server", "--config-dir=\(folder.path)"]
            case .nsd: ["nsd", "-d", "-c", path("nsd.conf")]
            }
        process = try LabProcess(words)
        let isThere = eventually { isAnswering }
        #expect(isThere, "\(kind) does not answer: \(process?.errors ?? "") \(process?.output ?? "")")
    }

    /// Whether it shows its zone, or, where it shows it to nobody, that it is there.
    private var isAnswering: Bool {
        let words = ["dig", "@127.0.0.1", "-p", "\(port)", "+time=1", "+tries=1", "-k", path("k256"), "z.test", "SOA"]
        let output = RunningTool(words).finish().output
        return output.contains("h.z.test.") || statement.contains("none") && output.contains("status: REFUSED")
    }

    /// Ends it.
    func stop() { process?.stop() }

    /// Lets it stand still; what is sent to it waits.
    func pause() { process?.send(SIGSTOP) }
    /// Lets it go on.
    func resume() { process?.send(SIGCONT) }

    /// Gives www.z.test one address instead of all that it has: by an update, or in the file where none are taken.
    func move(to address: String) {
        guard kind == .nsd else {
            let script = "ZONE / update del www.z.test A / update add www.z.test 300 A \(address) / send"
            #expect(run(script, ["-k", "k256"]).status == 0)
            return
        }
        serial += 1
        addresses = [address]
        write("z.db", zone)
        process?.send(SIGHUP)
    }

    private var namedConfiguration: String {
        let grants = Self.keys.keys.map { "grant \($0) zonesub any;" }.joined()
        let told = notified.map { port in
            let key = notifyKey.map { "key \($0)" } ?? ""
            return "notify explicit; notify-delay 0; also-notify { 127.0.0.1 port \(port) \(key); };"
        } ?? ""
        return Self.keys.keys.map { "include \"\(path($0))\";\n" }.joined() + """
            options {
                directory "\(folder.path)"; pid-file none; session-keyfile "\(path("session.key"))";
                listen-on port \(port) { 127.0.0.1; }; listen-on-v6 { none; };
                recursion no; allow-transfer { any; }; notify no; check-names primary ignore;
                \(options)
            };
            controls { };
            zone "z.test" {
                type primary; file "z.db"; \(statement) \(told)
                update-policy { \(grants) grant local-ddns zonesub any; };
            };

            """
    }

    private var knotConfiguration: String {
        let keys = Self.keys.map { "  - id: \($0)\n    algorithm: \($1)\n    secret: \(Self.secret($0))\n" }.joined()
        return """
            server:
                listen: 127.0.0.1@\(port)
                rundir: \(folder.path)
            log:
              - target: stderr
                any: warning
            database:
                storage: \(folder.path)
            key:
            \(keys)
            acl:
              - id: change
                key: [\(Self.keys.keys.joined(separator: ", "))]
                action: update
              - id: look
                address: 127.0.0.1
                action: transfer
            \(notified.map { "remote:\n  - id: told\n    address: 127.0.0.1@\($0)" } ?? "")
                \(notifyKey.map { "key: \($0)" } ?? "")
            zone:
              - domain: z.test
                storage: \(folder.path)
                file: z.db
                acl: [change, look]
                \(notified == nil ? "" : "notify: told")

            """
    }

    private var nsdConfiguration: String {
        let keys = Self.keys.map { name, algorithm in
            "key:\n    name: \(name)\n    algorithm: \(algorithm)\n    secret: \(Self.secret(name))\n"
        }.joined()
        let content =
            original.map { "request-xfr: 127.0.0.1@\($0) NOKEY\n    allow-notify: 127.0.0.1 NOKEY" }
            ?? "zonefile: z.db"
        return """
            \(Self.nsdHead("127.0.0.1@\(port)", in: folder.path, options))
            \(keys)
            zone:
                name: z.test
                \(content)
                provide-xfr: 127.0.0.1 NOKEY
                \(notified.map { "notify: 127.0.0.1@\($0) \(notifyKey ?? "NOKEY")" } ?? "")
                \(statement)

            """
    }

    /// What stands above the keys and zones in an nsd.conf: where it answers, with one process, and that all it has is
    /// in this folder.
    static func nsdHead(_ address: String, in folder: String, _ options: String = "") -> String {
        """
        server:
            ip-address: \(address)
            username: ""
            zonesdir: \(folder)
            database: ""
            zonelistfile: \(folder)/zone.list
            xfrdfile: ""
            xfrdir: \(folder)
            pidfile: ""
            cookie-secret-file: \(folder)/cookies
            logfile: \(folder)/log
            server-count: 1
            rrl-size: 1000
            \(options)
        remote-control:
            control-enable: no
        """
    }

    /// What it has written to its log.
    var log: String { shell("cat \(path("log"))").output }

    /// PowerDNS keeps its zone in a file of SQLite, and the keys, too.
    private func preparePowerDNS() throws {
        write(
            "pdns.conf",
            """
            launch=gsqlite3
            gsqlite3-database=\(path("db"))
            gsqlite3-dnssec=yes
            gsqlite3-pragma-synchronous=0
            dnsupdate=yes
            allow-dnsupdate-from=127.0.0.0/8
            allow-axfr-ips=127.0.0.0/8
            local-address=127.0.0.1
            local-port=\(port)
            socket-dir=\(folder.path)
            cache-ttl=0
            query-cache-ttl=0
            negquery-cache-ttl=0
            zone-cache-refresh-interval=0
            security-poll-suffix=
            distributor-threads=1

            """)
        let tool = "pdnsutil --config-dir=\(folder.path)"
        let keys = Self.keys.map { "\(tool) import-tsig-key \($0) \($1) \(Self.secret($0)) && " }.joined()
        let schema = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"
        let result = shell(
            "sqlite3 \(path("db")) < \(schema) && \(tool) load-zone z.test \(path("z.db")) && \(keys)"
                + "\(tool) set-meta z.test TSIG-ALLOW-DNSUPDATE \(Self.keys.keys.joined(separator: " "))")
        #expect(result.status == 0, "\(result.output)")
    }

    /// What dig says of a name, short.
    func query(_ name: String, _ type: String) -> String {
        RunningTool(
            ["dig", "@127.0.0.1", "-p", "\(port)", "+short", "+time=1", "+tries=1", "+norecurse", name, type]
        ).finish().output
    }

    /// The answer to these very octets, over a socket of the caller's; empty: there is none.
    func answer(to request: [UInt8], by descriptor: CInt) -> [UInt8] {
        let target = SocketAddress(IPAddress("127.0.0.1")!, port: UInt16(port))
        _ = target.withSockaddr { sendto(descriptor, request, request.count, 0, $0, $1) }
        var buffer = [UInt8](repeating: 0, count: 65535)
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 5000) == 1 else { return [] }
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return Array(buffer.prefix(max(0, count)))
    }

    /// The records of the zone, sorted, without the SOA's serial.
    func records() -> [String] {
        let words = ["dig", "@127.0.0.1", "-p", "\(port)", "+noall", "+answer", "+onesoa", "z.test", "AXFR"]
        let lines = RunningTool(words).finish().output.split(separator: "\n").map {
            $0.split { $0 == " " || $0 == "\t" }
        }
        return lines.filter { !$0.contains("SOA") }.map { $0.joined(separator: " ") }.sorted()
    }

    /// Runs a program with a script, in which SERVER is the line of this server, ZONE this and that of its zone, and a
    /// slash between blanks the end of a line.
    func run(
        _ script: String, by program: [String] = [Executables.path("qure-dnsupdate")], _ arguments: [String],
        within limit: Duration = .seconds(20)
    ) -> ToolResult {
        let lines = script.replacing(" / ", with: "\n").replacing("ZONE\n", with: "SERVER\nzone z.test\n")
            .replacing("SERVER", with: "server 127.0.0.1 \(port)")
        write("script", lines + (lines.hasSuffix("\n") ? "" : "\n"))
        let words = arguments.map { Self.keys[$0] == nil && $0 != "resolv.conf" ? $0 : path($0) }
        return RunningTool(program + words, input: path("script")).finish(within: limit)
    }
}

extension ToolResult {
    /// The same without what differs from run to run: numbers of messages, times and codes of signatures, ports, and
    /// what libraries of BIND's log.
    var comparable: ToolResult {
        var copy = self
        copy.output.replace(/id: +[0-9]+/, with: "id: N")
        copy.errors.replace(/id: +[0-9]+/, with: "id: N")
        let signature = #/TSIG\t(\S+) [0-9]+ 300 ([0-9]+) .*?[0-9]+ ([A-Z]+) 0 /#
        copy.output.replace(signature) { "TSIG\t\($0.output.1) \($0.output.2) \($0.output.3)" }
        copy.errors.replace(signature) { "TSIG\t\($0.output.1) \($0.output.2) \($0.output.3)" }
        copy.errors.replace(/#[0-9]{4}\b/, with: "#PORT")
        let lines = copy.errors.split(separator: "\n", omittingEmptySubsequences: false)
        copy.errors = lines.filter { $0.prefixMatch(of: /[0-9]{2}-[A-Z][a-z]{2}-/) == nil }.joined(separator: "\n")
        return copy
    }
}
