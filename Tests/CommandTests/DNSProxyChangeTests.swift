// What qure-dnsproxy does when something changes: a primary says so, an update goes through it, the configuration is
// read anew; and what it tells of itself. The primaries are named, knotd and NSD.

import Glibc
import Lab
import QureCore
import Testing

struct DNSProxyChangeTests {
    private static let change = "ZONE / update del www.z.test A / update add www.z.test 300 A "

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: NameServer.Kind.telling, [nil, "k256"])
    func `an alias has the new address within a second of a change at the primary`(
        _ kind: NameServer.Kind, _ key: String?
    ) throws {
        let port = NameServer.nextPort()
        let server = try NameServer(kind, notifying: port, signing: key)
        let proxy = try ProxyUnderTest(
            [
                "--alias", "cloud.example.com=www.z.test ask=127.0.0.1:\(server.port)", "--allow-notify", "127.0.0.1",
                "-v",
            ] + (key.map { ["--notify-key", server.path($0)] } ?? []), port: port)
        #expect(proxy.dig("cloud.example.com", "A") == ["192.0.2.1", "192.0.2.2"])
        // It says at its own start that it is there; nothing that it says later is to be taken for that.
        let start = Clock.now
        server.move(to: "192.0.2.77")
        let updated = Clock.now
        #expect(eventually { proxy.dig("cloud.example.com", "A") == ["192.0.2.77"] }, "\(proxy.process.errors)")
        let delay = Clock.now - updated
        // knotd waits for a second by itself before it tells anybody.
        let limit: Duration = kind == .knotd ? .seconds(2) : .seconds(1)
        #expect(delay < limit, "\(delay) after the change, which took \(updated - start)")
        let status = proxy.tell("status").output
        #expect(
            status.contains("alias cloud.example.com. A target=www.z.test. fresh addresses=192.0.2.77 "), "\(status)")
        #expect(status.contains("serial=2 "), "\(status)")
        #expect(status.contains("authority cloud.example.com. 127.0.0.1#\(server.port) serial=2 "), "\(status)")
        // A change that nobody hears of in this way is heard of when the time is over, and not before.
        let deaf = try ProxyUnderTest(["--alias", "cloud.example.com=www.z.test ask=127.0.0.1:\(server.port)"])
        #expect(deaf.dig("cloud.example.com", "A") == ["192.0.2.77"])
    }

    /// A primary tells NSD, which copies the zone, waits for a second unless it is told not to, and tells the proxy.
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [("xfrd-reload-timeout: 0", 1), ("", 2)])
    func `an alias has the new address soon when a secondary passes the change on`(
        _ options: String, _ seconds: Int
    ) throws {
        let middle = NameServer.nextPort(), port = NameServer.nextPort()
        let primary = try NameServer(.named, notifying: middle)
        let secondary = try NameServer(
            .nsd, options: options, notifying: port, signing: "k512", copying: primary.port, port: middle)
        let proxy = try ProxyUnderTest(
            [
                "--alias", "cloud.example.com=www.z.test ask=127.0.0.1:\(middle)", "--allow-notify", "127.0.0.1",
                "--notify-key", secondary.path("k512"),
            ], port: port)
        #expect(proxy.dig("cloud.example.com", "A") == ["192.0.2.1", "192.0.2.2"])
        for address in ["192.0.2.77", "192.0.2.78"] {
            primary.move(to: address)
            let updated = Clock.now
            #expect(eventually { proxy.dig("cloud.example.com", "A") == [address] }, "\(secondary.log)")
            let delay = Clock.now - updated
            #expect(delay < .seconds(seconds), "\(delay.text) after the change to \(address)")
        }
        // A server repeats one that is not answered in its time, as on a busy machine.
        #expect(proxy.number("notifications") ?? 0 >= 2)
        #expect(proxy.tell("status").output.contains("authority cloud.example.com. 127.0.0.1#\(middle) serial=3 "))
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `who signs with another key is told so, and changes nothing`() throws {
        let port = NameServer.nextPort()
        let server = try NameServer(.nsd, notifying: port, signing: "k512")
        let proxy = try ProxyUnderTest(
            [
                "--alias", "cloud.example.com=www.z.test ask=127.0.0.1:\(server.port)", "--allow-notify", "127.0.0.1",
                "--notify-key", server.path("k256"),
            ], port: port)
        #expect(proxy.dig("cloud.example.com", "A") == ["192.0.2.1", "192.0.2.2"])
        server.move(to: "192.0.2.77")
        #expect(eventually { server.log.contains("notify response error SERVER NOT AUTHORITATIVE") }, "\(server.log)")
        #expect(server.query("www.z.test", "A") == "192.0.2.77\n")
        #expect(proxy.dig("cloud.example.com", "A") == ["192.0.2.1", "192.0.2.2"])
        #expect(proxy.number("notifications") == 0)
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `notifications of others change nothing`() throws {
        let server = try NameServer(.named)
        let proxy = try ProxyUnderTest(
            [
                "--alias", "cloud.example.com=www.z.test ask=127.0.0.1:\(server.port)", "--allow-notify", "127.0.0.2",
                "--notify-key", server.path("k256"),
            ])
        #expect(proxy.dig("cloud.example.com", "A").count == 2)
        func code(from address: String, zone: String, key: String? = nil, isStream: Bool = false) throws -> UInt16 {
            let client = try RawClient(port: proxy.port, isStream: isStream, from: address)
            let question = DNSQuestion(try #require(DomainName(zone)), .soa)
            var octets = DNSMessage(id: 7, opcode: .notify, questions: [question]).encoded()
            var session: TSIGSession?
            if let key {
                session = TSIGSession(
                    TSIGKey(
                        name: try #require(DomainName("k256")), algorithm: TSIGAlgorithm(.sha256),
                        secret: Array("a secret of \(key) that is long enough for all".utf8)))
                octets = session?.sign(octets, at: UInt64(Clock.realtimeNanoseconds / 1_000_000_000)) ?? []
            }
            client.send(octets)
            let answer = try #require(try client.receive())
            if try DNSMessage(answer).responseCode == .noError {
                _ = try session?.verify(answer, at: UInt64(Clock.realtimeNanoseconds / 1_000_000_000))
            }
            return try DNSMessage(answer).responseCode.rawValue
        }
        for isStream in [false, true] {
            #expect(try code(from: "127.0.0.1", zone: "z.test", isStream: isStream) == 5)
            #expect(try code(from: "127.0.0.2", zone: "other.test", key: "k256", isStream: isStream) == 5)
            #expect(try code(from: "127.0.0.2", zone: "z.test", isStream: isStream) == 5)
            #expect(try code(from: "127.0.0.2", zone: "z.test", key: "another", isStream: isStream) == 9)
        }
        let status = proxy.tell("status").output
        #expect(status.contains("notifications=0 ") && status.contains(" refused=8 "), "\(status)")
        #expect(eventually { proxy.process.errors.contains("says that z.test. has changed, but it is in no network") })
        #expect(proxy.process.errors.split(separator: "\n").count { $0.contains("says that") } == 1)
        #expect(try code(from: "127.0.0.2", zone: "z.test", key: "k256") == 0)
        #expect(proxy.tell("status").output.contains("notifications=1 "))
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: NameServer.Kind.allCases)
    func `updates go through to the primary, and the alias follows at once`(_ kind: NameServer.Kind) throws {
        let server = try NameServer(kind)
        let proxy = try ProxyUnderTest([
            "--alias", "cloud.example.com=www.z.test ask=127.0.0.1:\(server.port)", "--forward-updates-to",
            // The first primary is not there.
            "127.0.0.1:9,127.0.0.1:\(server.port)",
        ])
        #expect(proxy.dig("cloud.example.com", "A").count == 2)
        let right = NameServer.secret("k256"), wrong = NameServer.secret("another")
        let scripts = [
            "key hmac-sha256:k256 \(right) / update add new.z.test 60 A 192.0.2.8 / send / answer",
            "key hmac-sha256:k256 \(right) / prereq yxdomain new.z.test / prereq nxdomain new.z.test / send / answer",
            "key hmac-sha256:k256 \(wrong) / update add new.z.test 60 A 192.0.2.9 / send / answer",
            "key hmac-sha256:k256 \(right) / update add new.other.test 60 A 192.0.2.9 / send / answer",
        ]
        for script in scripts {
            for option in [[], ["-v"]] {
                let words = ["server 127.0.0.1 PORT", "zone z.test", script].joined(separator: " / ")
                let direct = server.run(words.replacing("PORT", with: "\(server.port)"), option)
                let through = server.run(words.replacing("PORT", with: "\(proxy.port)"), option)
                #expect(through.comparable == direct.comparable, "\(script)")
            }
        }
        let unsigned = server.run("server 127.0.0.1 \(proxy.port) / zone z.test / update del new.z.test / send", [])
        #expect(unsigned.status == 2 && unsigned.errors.contains("REFUSED"))
        let update = Self.change.replacing("ZONE", with: "server 127.0.0.1 \(proxy.port) / zone z.test")
        #expect(server.run(update + "192.0.2.66 / send", ["-k", "k256"]).status == 0)
        let updated = Clock.now
        #expect(eventually { proxy.dig("cloud.example.com", "A") == ["192.0.2.66"] })
        #expect(Clock.now - updated < .seconds(1))
        server.stop()
        let dead = server.run(update + "192.0.2.66 / send", ["-k", "k256"])
        #expect(dead.status == 2 && dead.errors.contains("SERVFAIL"), "\(dead)")
    }

    /// NSD takes no updates: it says so, or nothing at all if it is told to.
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [("drop-updates: no", "NOTIMP"), ("drop-updates: yes", "SERVFAIL")])
    func `a server that takes no updates is passed over, and alone it is quoted`(
        _ option: String, _ code: String
    ) throws {
        let server = try NameServer(.nsd, options: option), other = try NameServer(.named)
        let script = "server 127.0.0.1 PORT / zone z.test / update add new.z.test 60 A 192.0.2.8 / send / answer"
        func update(_ port: Int, _ options: [String]) -> ToolResult {
            server.run(script.replacing("PORT", with: "\(port)"), options)
        }
        let signed = ["-k", "k256"]
        let alone = try ProxyUnderTest(["--forward-updates-to", "127.0.0.1:\(server.port)"])
        for options in [signed, signed + ["-v"]] {
            let result = update(alone.port, options)
            #expect(result.status == 2 && result.errors.contains("update failed: \(code)"), "\(result)")
            if code == "NOTIMP" { #expect(result.comparable == update(server.port, options).comparable) }
        }
        let both = try ProxyUnderTest([
            "--forward-updates-to", "127.0.0.1:\(server.port),127.0.0.1:\(other.port)",
        ])
        let result = update(both.port, signed)
        #expect(result.status == 0 && other.query("new.z.test", "A") == "192.0.2.8\n", "\(result)")
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: ["--forward-updates-to 127.0.0.1:9,SERVER", "--forward z.test=SERVER"])
    func `signed questions go through, and so a site registers by the proxy`(_ way: String) throws {
        let server = try NameServer(.named)
        let to = "127.0.0.1:\(server.port)"
        let more = way.hasPrefix("--forward ") ? ["--forward-updates-to", "\(to) zone=z.test"] : []
        let proxy = try ProxyUnderTest(way.replacing("SERVER", with: to).split(separator: " ").map(String.init) + more)
        let key = ["-k", server.path("k256")]
        let words = [
            Executables.path("qure-dnsupdate"), "register", "cloud.z.test", "--server", "127.0.0.1#\(proxy.port)",
            "--resolv-conf", "/dev/null", "--site", "box", "--allow-private", "--address", "192.0.2.7",
        ]
        let result = RunningTool(words + key).finish()
        #expect(result.status == 0 && result.output.hasPrefix("registered cloud.z.test 192.0.2.7 "), "\(result)")
        #expect(server.query("cloud.z.test", "A") == "192.0.2.7\n")
        for way in ["+tcp", "+notcp"] {
            let answer = proxy.ask(way, "-k", server.path("k256"), "cloud.z.test", "A")
            #expect(answer.status == "NOERROR" && !answer.text.contains("verify"), "\(answer.text)")
            #expect(answer.flags.split(separator: " ").contains("aa") && answer.section("ANSWER").count == 1)
        }
        // Nothing is kept.
        #expect(server.run("ZONE / update del cloud.z.test A / send", ["-k", "k256"]).status == 0)
        #expect(proxy.ask("-k", server.path("k256"), "cloud.z.test", "A").section("ANSWER").isEmpty)
    }

    /// A line was forgotten, and everything looks like a wrong key.
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [["--forward", "z.test=SERVER public=yes"], ["--alias", "c.test=cloud.z.test ask=SERVER"]])
    func `who registers by a proxy that passes no updates on is told what it lacks`(_ options: [String]) throws {
        let server = try NameServer(.named)
        let proxy = try ProxyUnderTest(options.map { $0.replacing("SERVER", with: "127.0.0.1:\(server.port)") })
        let words = [
            Executables.path("qure-dnsupdate"), "register", "cloud.z.test", "--server", "127.0.0.1#\(proxy.port)",
            "--resolv-conf", "/dev/null", "--allow-private", "--address", "192.0.2.7", "-k", server.path("k256"),
        ]
        let result = RunningTool(words + ["--zone", "z.test"]).finish()
        #expect(result.status == 77 && result.errors.contains("(qure-dnsproxy: forward-updates-to)"), "\(result)")
        // Whose domain it does not even forward, does not learn the zone.
        let search = RunningTool(words).finish()
        #expect(search.status != 0 && search.errors.contains("(qure-dnsproxy: forward-updates-to)"), "\(search)")
        if options[0] == "--alias" {
            let remedy = "NOTAUTH to the question for the zone: name it with --zone, or its primary with --server"
            #expect(search.status == 1 && search.errors.contains(remedy), "\(search)")
        }
        let line = "z.test. is not passed on: no forward-updates-to says where updates of it go"
        #expect(eventually { proxy.process.errors.contains(line) }, "\(proxy.process.errors)")
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: NameServer.Kind.telling)
    func `signed questions are answered with what the server makes of the signature`(_ kind: NameServer.Kind) throws {
        let server = try NameServer(kind)
        let proxy = try ProxyUnderTest(["--forward", "z.test=127.0.0.1:\(server.port)"])
        let secret = NameServer.secret("another")
        server.write("wrong", "key \"k256\" { algorithm hmac-sha256; secret \"\(secret)\"; };\n")
        for way in ["+tcp", "+notcp"] {
            let right = proxy.ask(way, "-k", server.path("k256"), "www.z.test", "A")
            #expect(right.status == "NOERROR" && right.section("ANSWER").count == 2, "\(right.text)")
            #expect(right.text.contains("TSIG PSEUDOSECTION") && !right.text.contains("verify"), "\(right.text)")
            let wrong = proxy.ask(way, "-k", server.path("wrong"), "www.z.test", "A")
            #expect(wrong.status == "NOTAUTH" && wrong.text.contains("BADSIG"), "\(wrong.text)")
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `the configuration is read anew, and stays where the new one is wrong`() throws {
        let proxy = try ProxyUnderTest(
            ["--config", "FOLDER/conf"], files: ["conf": "record one.test 60 A 192.0.2.1\n# a comment\n"])
        let file = "\(proxy.folder.path)/conf"
        #expect(proxy.dig("one.test", "A") == ["192.0.2.1"])
        func load(_ text: String, _ sign: String) throws {
            try TextFile.replace(file, with: Array(text.utf8))
            kill(proxy.process.pid, SIGHUP)
            #expect(eventually { proxy.process.errors.contains(sign) }, "\(proxy.process.errors)")
        }
        // The other commands find it by the same file.
        try TextFile.replace(file, with: Array("listen 127.0.0.1:9\nrecord x\nstate-dir \(proxy.folder.path)\n".utf8))
        for words in [["status"], ["explain", "one.test"], ["flush", "one.test"]] {
            let result = RunningTool([Executables.path("qure-dnsproxy")] + words + ["--config", file]).finish()
            #expect(result.status == 0 && result.errors == "" && result.output != "", "\(words): \(result)")
        }
        try load("record one.test 60 A 192.0.2.2\nalias a=b ask=x\n", "conf:2: 'x' is not an address")
        #expect(proxy.dig("one.test", "A") == ["192.0.2.1"])
        for option in ["hosts", "zone", "notify-key"] {
            try load("min-ttl 1s\n\n\(option) /no\(option)\n", "conf:3: open /no\(option): No such file")
        }
        try TextFile.replace(file + ".hosts", with: Array("\n192.0.2.3 two.test\n".utf8))
        let hidden = "hosts \(file).hosts\nalias two.test=three.test ask=192.0.2.9\n"
        try load(hidden, "conf.hosts:2: 'two.test' is an alias")
        for (line, sign) in [
            ("workers 2", "workers is as it was; it changes"), ("query-log", "query-log is as it was; it changes"),
            ("user root\nquery-log", "user and query-log are as they were; they change"),
        ] {
            try load("\(line)\n", "\(sign) with a restart\n")
        }
        try load("record one.test 60 A 192.0.2.2\n", "read the configuration anew")
        #expect(eventually { proxy.dig("one.test", "A") == ["192.0.2.2"] })
        #expect(proxy.process.isRunning)
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a running proxy tells how it is and what it would answer`() throws {
        let server = try NameServer(.knotd)
        let proxy = try ProxyUnderTest([
            "--upstream", "127.0.0.1:\(server.port)", "--alias", "cloud.example.com=www.z.test", "--workers", "2",
            "--query-log", "--record", "9.1.168.192.in-addr.arpa PTR nas.lan.",
        ])
        // From the upstream once for each worker, and then from what is known.
        #expect(eventually { proxy.dig("www.z.test", "A").count == 2 && proxy.process.output.contains(" known") })
        let status = proxy.tell("status", "--json").output.split(separator: "\n")
        #expect(
            status.contains { $0.hasPrefix("{\"record\":\"alias\",\"name\":\"cloud.example.com.\",\"type\":\"A\"") })
        #expect(status.contains { $0.hasPrefix("{\"record\":\"proxy\",\"queries_udp\":") })
        // Who wants the first line alone gets it, and nobody complains.
        for command in ["status", "explain cloud.example.com"] {
            let call = "\(Executables.path("qure-dnsproxy")) \(command) --state-dir \(proxy.folder.path)"
            let first = RunningTool(["bash", "-c", "set -o pipefail; \(call) | head -n 1"]).finish()
            let isOneLine = first.output.split(separator: "\n").count == 1
            #expect(first.status == 0 && first.errors == "" && isOneLine, "\(first)")
        }
        let metrics = proxy.tell("status", "--metrics").output
        #expect(metrics.contains("# TYPE qure_dnsproxy_queries_udp_total counter\nqure_dnsproxy_queries_udp_total "))
        for line in metrics.split(separator: "\n") where !line.hasPrefix("#") {
            let name = line.prefix { $0 != " " && $0 != "{" }
            #expect(metrics.split(separator: "\n").count { $0.hasPrefix("# TYPE \(name) ") } == 1, "\(name)")
        }
        #expect(metrics.contains("qure_dnsproxy_alias_fresh{name=\"cloud.example.com.\",type=\"A\"} 1\n"))
        #expect(
            eventually { proxy.tell("explain", "cloud.example.com").output.contains("verdict: NOERROR with 2 records") }
        )
        #expect(proxy.tell("explain", "no.test", "--client", "192.0.2.1").output.contains("verdict: REFUSED"))
        #expect(proxy.tell("explain", "www.z.test", "MX").output.contains("upstreams: asks 127.0.0.1#\(server.port)"))
        // An address is asked for as dig -x does, but for another type.
        for result in [
            proxy.tell("explain", "192.168.1.9"), proxy.tell("explain", "192.168.1.9", "ptr"),
            proxy.tell("explain", "9.1.168.192.in-addr.arpa", "PTR"),
        ] {
            #expect(result.output.contains("record: 9.1.168.192.in-addr.arpa. 60 IN PTR nas.lan.\n"), "\(result)")
        }
        #expect(proxy.tell("explain", "192.168.1.9", "A").output.contains("upstreams: asks"))
        let asked = "127.0.0.1#\(server.port)"
        #expect(status.contains("{\"record\":\"server\",\"server\":\"\(asked)\",\"unanswered\":0,\"since\":null}"))
        #expect(proxy.tell("status").output.contains("\nserver \(asked) unanswered=0 since=-\n"))
        #expect(metrics.contains("qure_dnsproxy_server_unanswered{server=\"\(asked)\"} 0\n"))
        let elsewhere = proxy.tell("status", "-i", "eth0")
        #expect(elsewhere.status == 64 && elsewhere.errors.contains("-i (interface) has no meaning here: --socket"))
        let flushed = proxy.tell("flush", "z.test")
        #expect(flushed.output.hasPrefix("flushed z.test. ") && flushed.output != "flushed z.test. 0\n")
        let again = proxy.tell("flush", "--json", "nowhere.test").output
        #expect(again == "{\"record\":\"flushed\",\"name\":\"nowhere.test.\",\"answers\":0}\n", "\(again)")
        kill(proxy.process.pid, SIGUSR1)
        #expect(eventually { proxy.process.errors.contains("queries_udp=") })
        #expect(proxy.process.output.contains("query 127.0.0.1 www.z.test. A udp asked\n"))
        // A second one in the same place, and nobody in another.
        let words = [Executables.path("qure-dnsproxy"), "--listen", "127.0.0.1:9", "--state-dir", proxy.folder.path]
        #expect(RunningTool(words).finish().status == 1)
        let nobody = RunningTool([Executables.path("qure-dnsproxy"), "status", "--state-dir", "/run/nobody"]).finish()
        #expect(nobody.status == 69)
        kill(proxy.process.pid, SIGTERM)
        #expect(eventually { !proxy.process.isRunning })
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [
            (["--listen", "127.0.0.1:70000"], 64, "'127.0.0.1:70000': a port is a number from 1 to 65535"),
            (["--upstream", "example"], 64, "'example' is not an address"),
            (["--record", "x.test 60 A 1.2.3"], 64, "'x.test 60 A 1.2.3': "),
            (["--alias", "a.test=b.test", "--alias", "b.test=c.test"], 64, "an alias itself: give it the target"),
            (["--hosts", "/nowhere"], 64, "open /nowhere: No such file"),
            (["--view", "192.168.1.0 a.test A 192.0.2.1"], 64, "write it like 192.168.1.0/24, or 192.168.1.0/32 for"),
            (["-i", "eth0"], 64, "-i (interface) has no meaning here: --listen names the addresses that"),
            (["--workers", "0"], 64, "there are 1 to 64 workers"),
            (["--min-ttl", "2m", "--max-ttl", "1m"], 64, "min-ttl (120s) is more than max-ttl (60s)"),
            (["--listen", "192.0.2.99:5300"], 71, "this host has no such address"),
        ])
    func `what is wrong is said, with a remedy`(_ options: [String], _ status: Int, _ text: String) throws {
        try PrivateNamespace.prepare()
        let folder = TemporaryFolder()
        let words = [Executables.path("qure-dnsproxy"), "--state-dir", folder.path] + options
        let result = RunningTool(words).finish()
        #expect(result.status == status && result.output == "", "\(result)")
        #expect(result.errors.contains(text), "\(result.errors)")
    }
}
