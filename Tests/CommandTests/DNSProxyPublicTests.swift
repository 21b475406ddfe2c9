// qure-dnsproxy beside the primary, as the world sees it: a resolver of BIND finds its way from the root through a
// delegation to the proxy, behind which another BIND, or NSD, has the zone. All in a network of its own, for all of
// them are on port 53, and as the resolver is to be a stranger.

import Glibc
import Lab
import QureCore
import Synchronization
import Testing

struct DNSProxyPublicTests {
    /// At 198.51.100.1 the root, at .2 the proxy, at .3 the resolver, at .4 a stranger, at .5 what the zone delegates
    /// further; the primary at port 5300 of 127.0.0.1.
    private final class World {
        private static let count = Mutex(0)
        let namespace: String
        let folder = TemporaryFolder(inMemory: true)
        private var processes: [RunningTool] = []

        init(
            _ options: [String] = ["--forward", "example.com=127.0.0.1:5300 public=yes"],
            behind primary: NameServer.Kind = .named
        ) throws {
            try PrivateNamespace.prepare()
            let number = Self.count.withLock { count -> Int in
                count += 1
                return count
            }
            namespace = "public\(number)"
            must("ip netns add \(namespace)")
            must("ip -n \(namespace) link set lo up")
            for number in 1...5 { must("ip -n \(namespace) addr add 198.51.100.\(number)/32 dev lo") }
            try start("root", "198.51.100.1", 53, "zone \".\" { type primary; file \"root.db\"; };", zone: Self.root)
            if primary == .nsd { try startNSD() } else { try startPrimary() }
            try start(
                "below", "198.51.100.5", 53, "zone \"below.example.com\" { type primary; file \"below.db\"; };",
                zone: "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 198.51.100.5\nwww A 192.0.2.99\n")
            try start(
                "resolver", "198.51.100.3", 53, "zone \".\" { type hint; file \"resolver.db\"; };",
                zone: ". 300 NS a.root.\na.root. 300 A 198.51.100.1\n")
            processes.append(
                RunningTool(
                    [
                        Executables.path("qure-dnsproxy"), "run", "--state-dir", folder.path, "--listen",
                        "198.51.100.2", "--listen", "127.0.0.1", "--alias",
                        "cloud.example.com=cloudns.example.com ask=127.0.0.1:5300",
                        "--allow-recursion", "127.0.0.0/8", "--allow-notify", "127.0.0.1", "--rate-limit", "200",
                        "--forward-updates-to", "127.0.0.1:5300 zone=example.com from=0.0.0.0/0",
                    ] + options, in: namespace))
            let isThere = eventually { dig("@198.51.100.2", "cloud.example.com").status == "NOERROR" }
            #expect(isThere, "the proxy does not answer: \(processes.last?.errors ?? "")")
        }

        deinit {
            processes = []
            run("ip netns del \(namespace)")
        }

        private static let root = "$TTL 300\n. SOA a.root. h. 1 2 3 4 5\n. NS a.root.\na.root. A 198.51.100.1\n"
            + "example.com. NS ns1.example.com.\nns1.example.com. A 198.51.100.2\n"

        private static let zone = """
            $TTL 300
            @ SOA ns1 h 1 3600 600 86400 60
            @ NS ns1
            ns1 A 198.51.100.2
            www A 192.0.2.1
            home CNAME cloud
            cloudns 60 A 203.0.113.7
            *.wild TXT "anything"
            below NS ns.below
            ns.below A 198.51.100.5
            a.b.empty A 192.0.2.3
            \((1...40).map { "big TXT \"\(String(repeating: "x", count: 60))\($0)\"" }.joined(separator: "\n"))

            """

        static let key = "key \"k\" { algorithm hmac-sha256; secret \"\(NameServer.secret("k"))\"; };\n"

        private func start(_ name: String, _ address: String, _ port: Int, _ zones: String, zone: String) throws {
            try TextFile.replace("\(folder.path)/\(name).db", with: Array(zone.utf8))
            try TextFile.replace("\(folder.path)/key", with: Array(Self.key.utf8))
            let recursion = name == "resolver" ? "yes; allow-recursion { any; }; dnssec-validation no" : "no"
            let configuration = """
                \(Self.key)
                options {
                    directory "\(folder.path)"; pid-file none; session-keyfile none; notify no; recursion \(recursion);
                    listen-on port \(port) { \(address); }; listen-on-v6 { none; }; query-source address \(address);
                    managed-keys-directory "\(folder.path)";
                };
                controls { };
                \(zones)

                """
            try TextFile.replace("\(folder.path)/\(name).conf", with: Array(configuration.utf8))
            processes.append(
                RunningTool(
                    ["named", "-4", "-f", "-n", "1", "-L", path("\(name).log"), "-c", path("\(name).conf")],
                    in: namespace))
            let asked = ["primary": "example.com", "below": "below.example.com"][name] ?? "."
            let isThere = eventually { dig("@\(address)", "-p", "\(port)", "+norec", asked, "SOA").status != "" }
            #expect(isThere, "\(name) does not answer: \(shell("cat \(path("\(name).log"))").output)")
        }

        private func startPrimary() throws {
            try start(
                "primary", "127.0.0.1", 5300,
                """
                zone "example.com" {
                    type primary; file "primary.db"; dnssec-policy default; inline-signing yes;
                    notify explicit; notify-delay 0; also-notify { 127.0.0.1; };
                    update-policy { grant k zonesub any; };
                };
                """, zone: Self.zone)
        }

        /// It signs no zones and takes no updates.
        private func startNSD() throws {
            try TextFile.replace(path("primary.db"), with: Array(Self.zone.utf8))
            let configuration = NameServer.nsdHead("127.0.0.1@5300", in: folder.path)
                + "\nzone:\n    name: example.com\n    zonefile: primary.db\n    notify: 127.0.0.1 NOKEY\n"
            try TextFile.replace(path("primary.conf"), with: Array(configuration.utf8))
            processes.append(RunningTool(["nsd", "-d", "-c", path("primary.conf")], in: namespace))
            let isThere = eventually { dig("@127.0.0.1", "-p", "5300", "+norec", "example.com").status == "NOERROR" }
            #expect(isThere, "nsd does not answer: \(shell("cat \(path("log"))").output)")
        }

        func path(_ name: String) -> String { "\(folder.path)/\(name)" }

        func tool(_ words: [String]) -> ToolResult { RunningTool(words, in: namespace).finish() }

        /// What dig says to somebody at 198.51.100.4, a stranger.
        func dig(_ words: String...) -> ProxyUnderTest.Answer {
            let source = words.contains("127.0.0.1") || words.contains("@127.0.0.1") ? [] : ["-b", "198.51.100.4"]
            let options = ["dig", "+time=3", "+tries=1", "+nocookie"]
            return ProxyUnderTest.Answer(text: tool(options + source + words).output)
        }
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [NameServer.Kind.named, .nsd])
    func `a resolver finds all of the zone through the proxy`(_ kind: NameServer.Kind) throws {
        let world = try World(behind: kind)
        func find(_ words: String...) -> [String] {
            let answer = world.dig("@198.51.100.3", words[0], words[1])
            #expect(answer.status == "NOERROR", "\(answer.text)")
            return answer.section("ANSWER").map { $0.split(separator: " ").dropFirst(2).joined(separator: " ") }
        }
        #expect(find("www.example.com", "A") == ["IN A 192.0.2.1"])
        #expect(find("cloud.example.com", "A") == ["IN A 203.0.113.7"])
        // The primary does not know the name that its alias leads to.
        #expect(find("home.example.com", "A") == ["IN CNAME cloud.example.com.", "IN A 203.0.113.7"])
        #expect(find("example.com", "NS") == ["IN NS ns1.example.com."])
        #expect(find("x.wild.example.com", "TXT") == ["IN TXT \"anything\""])
        #expect(find("www.below.example.com", "A") == ["IN A 192.0.2.99"])
        #expect(find("big.example.com", "TXT").count == 40)
        #expect(find("cloud.example.com", "MX") == [] && find("b.empty.example.com", "A") == [])
        let missing = world.dig("@198.51.100.3", "none.example.com", "A")
        #expect(missing.status == "NXDOMAIN" && missing.section("AUTHORITY").first?.contains(" SOA ns1.") == true)
        let log = shell("grep -E 'REFUSED|lame|FORMERR|SERVFAIL' \(world.path("resolver.log"))").output
        #expect(log == "")
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: ["+notcp", "+tcp"], [NameServer.Kind.named, .nsd])
    func `the world is told what the primary says`(_ transport: String, _ kind: NameServer.Kind) throws {
        let world = try World(behind: kind)
        let names = [
            "example.com", "www.example.com", "none.example.com", "x.wild.example.com", "www.below.example.com",
            "below.example.com", "empty.example.com", "big.example.com",
        ]
        for name in names {
            for type in ["A", "SOA", "NS", "TXT", "DS", "DNSKEY"] {
                for option in ["+dnssec", "+noedns", "+edns"] {
                    let words = ["+norec", transport, option, name, type]
                    // What is too long comes by TCP from either.
                    func ask(_ more: [String]) -> ProxyUnderTest.Answer {
                        ProxyUnderTest.Answer(
                            text: world.tool(["dig", "+time=3", "+tries=1", "+nocookie"] + more + words).output)
                    }
                    let own = ask(["@198.51.100.2", "-b", "198.51.100.4"]), theirs = ask(["@127.0.0.1", "-p", "5300"])
                    #expect(own.status == theirs.status && own.flags == theirs.flags, "\(words): \(own.flags)")
                    for section in ["ANSWER", "AUTHORITY", "ADDITIONAL"] {
                        #expect(Self.plain(own, section) == Self.plain(theirs, section), "\(words) \(section)")
                    }
                }
            }
        }
        let any = world.dig("@198.51.100.2", "+norec", "+ignore", "+notcp", "example.com", "ANY")
        #expect(any.flags.contains("tc") && any.section("ANSWER") == [])
        // NSD shows one of the sets.
        let all = world.dig("@198.51.100.2", "+norec", "+tcp", "example.com", "ANY")
        let theirs = world.dig("@127.0.0.1", "-p", "5300", "+norec", "+tcp", "example.com", "ANY")
        #expect(Self.plain(all, "ANSWER") == Self.plain(theirs, "ANSWER"), "\(all.text)")
        #expect(all.section("ANSWER").count > (kind == .nsd ? 0 : 2))
        for words in ["AXFR", "IXFR=1"] {
            let text = world.dig("@198.51.100.2", "+tcp", "example.com", words).text
            #expect(text.contains("Transfer failed") || text.contains("REFUSED"), "\(text)")
        }
        for name in ["example.org", "com", "."] {
            #expect(world.dig("@198.51.100.2", transport, name, "A").status == "REFUSED")
        }
        #expect(world.dig("@198.51.100.2", "+norec", transport, "cloud.example.com", "A").flags == "qr aa")
    }

    /// The records of a section without their times to live, which are some seconds less where an answer is remembered.
    private static func plain(_ answer: ProxyUnderTest.Answer, _ section: String) -> [String] {
        answer.section(section).map { line in
            var words = line.split(separator: " ")
            words.remove(at: 1)
            return words.joined(separator: " ")
        }.sorted()
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `an update through the proxy is seen by the world at once, and check says so`() throws {
        let world = try World()
        try TextFile.replace(world.path("resolv.conf"), with: Array("nameserver 198.51.100.3\n".utf8))
        func update(_ command: String) -> ToolResult {
            let options = [
                "-k", world.path("key"), "--zone", "example.com", "--site", "box", "--address", "192.0.2.9",
                "--allow-private", "--resolv-conf", world.path("resolv.conf"),
            ]
            return world.tool([Executables.path("qure-dnsupdate"), command, "new.example.com"] + options)
        }
        #expect(world.dig("@198.51.100.2", "+norec", "new.example.com", "A").status == "NXDOMAIN")
        #expect(update("register").status == 0)
        let told = world.dig("@198.51.100.2", "+norec", "new.example.com", "A")
        #expect(told.section("ANSWER") == ["new.example.com. 60 IN A 192.0.2.9"] && told.flags == "qr aa")
        let check = update("check")
        #expect(check.status == 0, "\(check)")
        #expect(check.output.contains("authority 198.51.100.2#53 192.0.2.9 ttl=60 primary"), "\(check.output)")
        #expect(!check.output.contains("lame"))
    }
}
