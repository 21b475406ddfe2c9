// qure-dnsproxy as its clients see it: aliases, names that are known here, what upstreams know, and messages that no
// good client sends. The upstreams are named, knotd and NSD, the client is dig.

import Glibc
import Lab
import QureCore
import Testing

struct DNSProxyTests {
    private static let stays = "--alias=cloud.example.com=www.z.test"

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: NameServer.Kind.telling)
    func `an alias has the addresses of its target under its own name`(_ kind: NameServer.Kind) throws {
        let server = try NameServer(kind)
        let proxy = try ProxyUnderTest([
            "--upstream", "127.0.0.1:\(server.port)", Self.stays, "--alias=gone.example.com=no.z.test",
        ])
        let answer = proxy.ask("Cloud.Example.COM", "A")
        #expect(answer.status == "NOERROR")
        #expect(answer.flags == "qr rd ra")
        #expect(
            Set(
                answer.section("ANSWER").map {
                    $0.split(separator: " ").filter { Int($0) == nil }.joined(separator: " ")
                })
                == ["Cloud.Example.COM. IN A 192.0.2.1", "Cloud.Example.COM. IN A 192.0.2.2"])
        #expect(try #require(answer.ttl) <= 60)
        // The target has no such addresses, the other one does not exist: the alias exists all the same.
        for words in [["cloud.example.com", "AAAA"], ["cloud.example.com", "MX"], ["cloud.example.com", "HTTPS"]] {
            let answer = proxy.ask(words[0], words[1])
            #expect(answer.status == "NOERROR" && answer.section("ANSWER") == [])
            #expect(answer.section("AUTHORITY").first?.contains(" SOA ") == true, "\(answer.text)")
        }
        #expect(proxy.ask("gone.example.com", "A").status == "NOERROR")
        #expect(proxy.dig("cloud.example.com", "ANY", "+notcp") == ["\"RFC8482\" \"\""])
        #expect(proxy.dig("+tcp", "cloud.example.com", "A") == ["192.0.2.1", "192.0.2.2"])
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: NameServer.Kind.telling)
    func `answers are those of the upstream, whatever is asked with`(_ kind: NameServer.Kind) throws {
        let server = try NameServer(kind)
        let proxy = try ProxyUnderTest(["--upstream", "127.0.0.1:\(server.port)"])
        let options = [
            "", "+cdflag", "+adflag", "+dnssec", "+noedns", "+bufsize=512", "+bufsize=4096", "+tcp", "+nocookie",
        ]
        for name in ["www.z.test", "WWW.z.TEST", "alias.z.test", "nothing.z.test", "ns.z.test"] {
            for type in ["A", "TXT", "AAAA"] {
                for option in options {
                    // Twice: from the upstream, and from what is remembered.
                    for _ in 0..<2 {
                        let words = option.isEmpty ? [name, type] : [option, name, type]
                        let own = RunningTool(["dig", "@127.0.0.1", "-p", "\(proxy.port)"] + words).finish().output
                        let theirs = RunningTool(["dig", "@127.0.0.1", "-p", "\(server.port)"] + words).finish().output
                        let answer = ProxyUnderTest.Answer(text: own), other = ProxyUnderTest.Answer(text: theirs)
                        #expect(answer.status == other.status, "\(words)")
                        #expect(Self.plain(answer.section("ANSWER")) == Self.plain(other.section("ANSWER")), "\(words)")
                        #expect(own.contains("OPT PSEUDOSECTION") == (option != "+noedns"), "\(words)")
                        #expect(!own.contains("CLIENT-SUBNET"))
                        #expect(own.contains("flags: do") == (option == "+dnssec"), "\(words): \(own)")
                    }
                }
            }
        }
    }

    /// Records without what differs from answer to answer.
    private static func plain(_ records: [String]) -> [String] {
        records.map { line in
            // The owner's letters are those of the question here.
            var words = line.lowercased().split(separator: " ")
            words.remove(at: 1)
            return words.joined(separator: " ")
        }.sorted()
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `names of this place need nobody else`() throws {
        let zone = """
            $ORIGIN home.example.
            $TTL 300
            @ SOA ns hostmaster 7 3600 600 86400 60
            @ NS ns
            ns A 192.0.2.53
            printer A 192.168.1.9
            *.web CNAME printer
            deep.er A 192.0.2.8
            sub NS ns.sub
            ns.sub A 192.0.2.54

            """
        let proxy = try ProxyUnderTest(
            ["--hosts", "FOLDER/hosts", "--zone", "FOLDER/zone", "--record", "is.there 60 TXT \"a b\""],
            files: ["hosts": "192.168.1.5 nas.lan nas # the big one\nfd00::5 nas.lan\n", "zone": zone])
        #expect(proxy.dig("nas.lan", "A") == ["192.168.1.5"])
        #expect(proxy.dig("NAS", "A") == ["192.168.1.5"])
        #expect(proxy.dig("nas.lan", "AAAA") == ["fd00::5"])
        #expect(proxy.dig("-x", "192.168.1.5") == ["nas.lan."])
        #expect(proxy.dig("-x", "fd00::5") == ["nas.lan."])
        #expect(proxy.dig("is.there", "TXT") == ["\"a b\""])
        #expect(proxy.ask("is.there", "MX").status == "NOERROR")
        let printer = proxy.ask("printer.home.example", "A")
        #expect(printer.section("ANSWER") == ["printer.home.example. 300 IN A 192.168.1.9"])
        #expect(printer.flags == "qr aa rd ra")
        #expect(
            proxy.ask("a.b.web.home.example", "A").section("ANSWER") == [
                "a.b.web.home.example. 300 IN CNAME printer.home.example.",
                "printer.home.example. 300 IN A 192.168.1.9",
            ])
        let missing = proxy.ask("no.home.example", "A")
        #expect(missing.status == "NXDOMAIN")
        #expect(
            missing.section("AUTHORITY") == [
                "home.example. 60 IN SOA ns.home.example. hostmaster.home.example. 7 3600 600 86400 60"
            ])
        #expect(proxy.ask("er.home.example", "A").status == "NOERROR")
        let below = proxy.ask("x.sub.home.example", "A")
        #expect(below.section("AUTHORITY") == ["sub.home.example. 300 IN NS ns.sub.home.example."])
        #expect(below.section("ADDITIONAL") == ["ns.sub.home.example. 300 IN A 192.0.2.54"])
        #expect(!below.flags.contains("aa"))
        // Nobody was named who knows more.
        #expect(proxy.ask("example.org", "A").status == "SERVFAIL")
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `strangers are told of our own names and nothing else`() throws {
        let server = try NameServer(.named)
        let proxy = try ProxyUnderTest([
            "--upstream", "127.0.0.1:\(server.port)", Self.stays, "--allow-recursion", "127.0.0.2",
        ])
        #expect(proxy.dig("-b", "127.0.0.2", "www.z.test", "A") == ["192.0.2.1", "192.0.2.2"])
        // What others may know is remembered now, and still nothing for a stranger.
        let stranger = proxy.ask("www.z.test", "A")
        #expect(stranger.status == "REFUSED" && stranger.section("ANSWER") == [])
        #expect(stranger.flags == "qr rd")
        #expect(stranger.text.contains("EDE: 18 (Prohibited)"))
        #expect(proxy.ask("+tcp", "www.z.test", "A").status == "REFUSED")
        for _ in 0..<2 { #expect(proxy.dig("cloud.example.com", "A") == ["192.0.2.1", "192.0.2.2"]) }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a domain has servers of its own`() throws {
        let server = try NameServer(.knotd)
        let proxy = try ProxyUnderTest([
            "--upstream", "127.0.0.1:9", "--forward", "z.test=127.0.0.1:9,127.0.0.1:\(server.port)",
        ])
        // The first of them is not there: the second one is asked.
        #expect(proxy.dig("www.z.test", "A") == ["192.0.2.1", "192.0.2.2"])
        let failed = proxy.ask("example.org", "A")
        #expect(failed.status == "SERVFAIL")
        #expect(failed.text.contains("EDE: 23 (Network Error)"))
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `what does not fit says so, and comes by TCP`() throws {
        let zone = "$ORIGIN big.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n" + Self.hundred("@")
        let proxy = try ProxyUnderTest(["--zone", "FOLDER/zone"], files: ["zone": zone])
        // The proxy that asks it has to come back by TCP itself.
        let second = try ProxyUnderTest(["--upstream", "127.0.0.1:\(proxy.port)"])
        for proxy in [proxy, second] { try Self.askForHundred(proxy, "big.test") }
    }

    /// With what each of them cuts at by itself, and with less than it is asked for.
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [
            (NameServer.Kind.named, ""), (.named, "max-udp-size 512;"), (.knotd, ""), (.nsd, ""),
            (.nsd, "ipv4-edns-size: 512"),
        ])
    func `what an upstream cuts is asked for by TCP`(_ kind: NameServer.Kind, _ options: String) throws {
        let some = (1...40).map { "some A 192.0.2.\($0)\n" }.joined()
        let server = try NameServer(kind, lines: Self.hundred("big") + some, options: options)
        let proxy = try ProxyUnderTest(["--forward", "z.test=127.0.0.1:\(server.port)"])
        try Self.askForHundred(proxy, "big.z.test")
        // What fits into what clients ask for comes whole, whatever the upstream cut.
        let whole = proxy.ask("+ignore", "+bufsize=1232", "some.z.test", "A")
        #expect(!whole.flags.contains("tc") && whole.section("ANSWER").count == 40, "\(whole.text)")
        #expect(proxy.number("upstream_failures") == 0)
    }

    /// A hundred addresses of a name, more than a datagram holds.
    private static func hundred(_ name: String) -> String {
        (1...100).map { "\(name) A 192.0.2.\($0)\n" }.joined()
    }

    /// Asks for them, from the upstream and from what is remembered.
    private static func askForHundred(_ proxy: ProxyUnderTest, _ name: String) throws {
        for _ in 0..<2 {
            for (option, limit) in [("+noedns", 512), ("+bufsize=512", 512), ("+bufsize=4096", 1232)] {
                let answer = proxy.ask("+ignore", option, name, "A")
                #expect(answer.flags.contains("tc"))
                #expect((20..<100).contains(answer.section("ANSWER").count))
                let size = answer.text.split(separator: "rcvd: ").last.flatMap { Int($0.filter(\.isNumber)) }
                #expect(try #require(size) <= limit)
            }
            #expect(proxy.dig("+tcp", name, "A").count == 100)
        }
    }
}
