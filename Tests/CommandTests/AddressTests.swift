// `qure-dnsupdate address`: a gateway that says what it should not, or nothing, or too much; interfaces whose addresses
// are none to be told of; commands; servers of the DNS. What it prints, and how it ends, in text and as JSON Lines.

import Glibc
import Lab
import QureCore
import Testing

struct AddressTests {
    private static let isPossible = PrivateNamespace.missing == nil && Toolbox.isInstalled("python3")

    /// What a gateway does, what comes of it, the exit status, and whether a verdict of IPv6 is wanted, too.
    private static let gateways: [(String, String, Int)] = [
        ("pcp=84.1.2.3", "gateway 84.1.2.3 global pcp by 192.168.1.1\nipv4 agreed 84.1.2.3 1 source", 0),
        (
            "pcp=version nat-pmp=84.1.2.3",
            "gateway 84.1.2.3 global nat-pmp by 192.168.1.1\nipv4 agreed 84.1.2.3 1 source", 0
        ),
        (
            "pcp=error:2 nat-pmp=slow:0.4:84.1.2.3",
            "gateway 84.1.2.3 global nat-pmp by 192.168.1.1\nipv4 agreed 84.1.2.3 1 source", 0
        ),
        (
            "pcp=closed upnp=84.1.2.3",
            "gateway 84.1.2.3 global upnp by 192.168.1.1\nipv4 agreed 84.1.2.3 1 source", 0
        ),
        (
            "pcp=closed upnp=chunked:84.1.2.3",
            "gateway 84.1.2.3 global upnp by 192.168.1.1\nipv4 agreed 84.1.2.3 1 source", 0
        ),
        (
            "pcp=closed upnp=second:84.1.2.3",
            "gateway 84.1.2.3 global upnp by 192.168.1.1\nipv4 agreed 84.1.2.3 1 source", 0
        ),
        (
            "pcp=10.0.0.7",
            "gateway 10.0.0.7 private pcp by 192.168.1.1\n"
                + "ipv4 unusable - 10.0.0.7 is of a private network: there is another NAT before the Internet", 1
        ),
        (
            "pcp=error:8 nat-pmp=100.64.1.9",
            "gateway 100.64.1.9 shared nat-pmp by 192.168.1.1\n"
                + "ipv4 unusable - 100.64.1.9 is behind a carrier's NAT (CGNAT): nobody outside reaches it", 1
        ),
        (
            "pcp=192.0.2.9",
            "gateway 192.0.2.9 documentation pcp by 192.168.1.1\n"
                + "ipv4 unusable - 192.0.2.9 is of no real network (documentation)", 1
        ),
        (
            "pcp=closed upnp=0.0.0.0",
            "gateway 0.0.0.0 unspecified upnp by 192.168.1.1\n"
                + "ipv4 unusable - 0.0.0.0 is no address: the line is down, or not up yet", 1
        ),
        (
            "pcp=closed upnp=error:500",
            "gateway - - 192.168.1.1 pcp: Connection refused, nat-pmp: Connection refused, "
                + "upnp: status 500 and no address\n"
                + "ipv4 unknown - no source names an address", 69
        ),
        (
            "pcp=closed upnp=elsewhere",
            "gateway - - 192.168.1.1 pcp: Connection refused, nat-pmp: Connection refused, upnp: no answer\n"
                + "ipv4 unknown - no source names an address", 69
        ),
        (
            "pcp=closed upnp=closed",
            "gateway - - 192.168.1.1 pcp: Connection refused, nat-pmp: Connection refused, "
                + "upnp: Connection refused\nipv4 unknown - no source names an address", 69
        ),
        (
            "pcp=nonce nat-pmp=garbage",
            "gateway - - 192.168.1.1 pcp: no answer, nat-pmp: no answer, upnp: no answer\n"
                + "ipv4 unknown - no source names an address", 69
        ),
    ]

    @Test(.enabled(if: isPossible), arguments: gateways)
    func `a gateway says`(_ behaviour: String, _ expected: String, _ status: Int) {
        let network = AddressNetwork()
        network.behave(behaviour)
        #expect(network.address("-4 --address gateway") == ToolResult(status, expected + "\n"))
        if behaviour == "pcp=84.1.2.3" {
            // The mapping was given back, and nothing else was asked.
            #expect(eventually { network.log.contains("pcp 60 lifetime 0") } && network.asked == "pcp")
        }
    }

    @Test(.enabled(if: isPossible), arguments: ["endless", "garbage"])
    func `a gateway that never ends, or talks nonsense, costs neither time nor memory`(_ kind: String) throws {
        let network = AddressNetwork()
        network.behave("pcp=garbage nat-pmp=garbage upnp=\(kind)")
        let start = Clock.now
        let result = network.address("-4 --address gateway --address-timeout 4s")
        #expect(result.status == 69 && Clock.now - start < .seconds(5), "\(result)")
        #expect(result.output.contains("upnp: http."), "\(result.output)")
    }

    @Test(.enabled(if: isPossible)) func `silence ends with the time that it was given`() {
        let network = AddressNetwork()
        network.behave("pcp=silent")
        let start = Clock.now
        let result = network.address("-4 --address gateway --address-timeout 600ms")
        #expect(result.status == 69 && Clock.now - start < .seconds(2))
        #expect(result.output.hasPrefix("gateway - - 192.168.1.1 pcp: no answer in time\n"), "\(result.output)")
    }

    @Test(.enabled(if: isPossible)) func `a gateway that contradicts itself is a contradiction`() {
        let network = AddressNetwork()
        network.behave("pcp=84.1.2.3 nat-pmp=84.1.2.4")
        let result = network.address("-4 --address pcp --address nat-pmp")
        let verdict = "ipv4 disagree - the sources contradict each other: 84.1.2.3, 84.1.2.4\n"
        #expect(result.status == 75 && result.output.hasSuffix(verdict), "\(result)")
        let majority = network.address("-4 --address pcp --address nat-pmp --address 84.1.2.4 --agree 2")
        #expect(majority.status == 0 && majority.output.hasSuffix("ipv4 agreed 84.1.2.4 2 sources\n"), "\(majority)")
        let lonely = network.address("-4 --address pcp --address upnp --agree 2")
        #expect(lonely.status == 75)
        #expect(lonely.lines.last == "ipv4 too-few - only 1 source says 84.1.2.3, and 2 must", "\(lonely)")
    }

    @Test(.enabled(if: isPossible)) func `JSON Lines say the same`() {
        let network = AddressNetwork()
        network.behave("pcp=100.64.1.9")
        let result = network.address("--json --address gateway --address interface:nosuch")
        let readings = [
            #"{"record":"reading","source":"gateway","address":"100.64.1.9","class":"shared","counted":true,"#
                + #""detail":"pcp by 192.168.1.1","problem":null}"#,
            #"{"record":"reading","source":"interface:nosuch","address":null,"class":null,"counted":false,"#
                + #""detail":"","problem":"no such interface"}"#,
            #"{"record":"verdict","family":"ipv4","state":"unusable","address":null,"#
                + #""reason":"100.64.1.9 is behind a carrier's NAT (CGNAT): nobody outside reaches it"}"#,
            #"{"record":"verdict","family":"ipv6","state":"unknown","address":null,"#
                + #""reason":"no source names an address"}"#,
        ]
        #expect(result == ToolResult(1, readings.map { $0 + "\n" }.joined()))
    }

    // MARK: Interfaces

    @Test(.enabled(if: isPossible)) func `of an interface's addresses one counts, and the others say why not`() {
        let network = AddressNetwork()
        must("ip netns exec \(network.host) sysctl -qw net.ipv6.conf.eth0.use_tempaddr=2")
        network.assign("fd00:1::10/64")
        network.assign("2003:0:1::20/64", "nodad preferred_lft 0 valid_lft 600")
        network.assign("2003:0:1::30/64", "nodad preferred_lft 300 valid_lft 600")
        network.assign("2003:0:1::40/64")
        let steady = network.address("-6 --address interface:eth0")
        let expected = """
            interface 2003:0:1::40 global eth0
            interface 2003:0:1::30 global eth0 (not counted: another one of this interface comes first)
            interface fd00:1::10 unique-local eth0 (not counted: another one of this interface comes first)
            interface 2003:0:1::20 global eth0 (not counted: deprecated: its preferred lifetime is over)
            ipv6 agreed 2003:0:1::40 1 source

            """
        #expect(steady == ToolResult(0, expected))
        // A temporary one, which the kernel makes for one that has a prefix.
        must("ip -n \(network.host) addr flush dev eth0 scope global")
        network.assign("2003:0:1::50/64", "nodad mngtmpaddr")
        let list = "ip -n \(network.host) -6 addr show dev eth0 temporary"
        #expect(eventually { run(list).output.contains("2003:") })
        let temporary = network.address("-6 --address interface:eth0").output.split(separator: "\n")
        #expect(temporary.count == 3 && temporary.first == "interface 2003:0:1::50 global eth0", "\(temporary)")
        #expect(temporary.dropFirst().first?.hasSuffix("eth0 (not counted: temporary: it changes by itself)") == true)
    }

    @Test(.enabled(if: isPossible)) func `an address that is not yet this host's, or is another's, is not told`() {
        let network = AddressNetwork()
        must("ip netns exec \(network.host) sysctl -qw net.ipv6.conf.eth0.dad_transmits=100")
        network.assign("2003:0:1::10/64", "")
        let tentative = network.address("-6 --address interface:eth0")
        #expect(tentative.status == 69)
        #expect(
            tentative.output.hasPrefix(
                "interface 2003:0:1::10 global eth0 (not counted: tentative: not yet known to be free)\n"),
            "\(tentative.output)")
        must("ip -n \(network.router) addr add 2003:0:1::20/64 dev lan nodad")
        must("ip netns exec \(network.host) sysctl -qw net.ipv6.conf.eth0.dad_transmits=1")
        must("ip -n \(network.host) addr flush dev eth0 scope global")
        network.assign("2003:0:1::20/64", "")
        #expect(eventually { run("ip -n \(network.host) addr show dev eth0").output.contains("dadfailed") })
        let taken = network.address("-6 --address interface:eth0")
        #expect(taken.status == 69 && taken.output.contains("another host has it"), "\(taken)")
    }

    @Test(.enabled(if: isPossible)) func `unique local and IPv4 addresses of a LAN are nobody's business`() {
        let network = AddressNetwork()
        network.assign("fd00:1::10/64")
        let result = network.address("--address interface:eth0")
        let expected = """
            interface 192.168.1.10 private eth0
            interface fd00:1::10 unique-local eth0
            ipv4 unusable - 192.168.1.10 is of a private network: there is another NAT before the Internet
            ipv6 unusable - fd00:1::10 is of a private network (unique local)

            """
        #expect(result.status == 1)
        #expect(Set(result.lines) == Set(ToolResult(0, expected).lines))
        let allowed = network.address("--address interface:eth0 --allow-private")
        #expect(allowed.status == 0 && allowed.output.hasSuffix("ipv6 agreed fd00:1::10 1 source\n"), "\(allowed)")
    }

    @Test(.enabled(if: isPossible)) func `another host's address is the network's and its own part`() {
        let network = AddressNetwork()
        network.assign("2003:0:1::10/64")
        let result = network.address("--address interface:eth0,::abcd:1")
        let expected = "interface 2003:0:1::abcd:1 global eth0,::abcd:1 in 2003:0:1::/64"
        #expect(result.status == 0 && result.lines.first == expected, "\(result)")
        let wide = network.address("--address interface:eth0,1::1")
        #expect(wide.status == 69 && wide.output.contains("1::1 reaches into the network part of 2003:0:1::/64"))
        must("ip -n \(network.host) addr flush dev eth0 scope global")
        network.assign("2003:0:1::10/128")
        #expect(network.address("--address interface:eth0,::1").output.contains("eth0 has no IPv6 network"))
        // As with DHCPv6: the router has told the network.
        must("ip -n \(network.host) route add 2003:0:1::/64 dev eth0")
        let leased = network.address("--address interface:eth0,::1")
        #expect(leased.lines.first == "interface 2003:0:1::1 global eth0,::1 in 2003:0:1::/64", "\(leased)")
    }

    @Test(.enabled(if: isPossible)) func `auto asks the interface first and the gateway for what it does not know`() {
        let network = AddressNetwork()
        network.behave("pcp=84.1.2.3")
        network.assign("2003:0:1::10/64")
        must("ip -n \(network.host) route add default via 2003:0:1::1 dev eth0")
        let both = network.address("")
        #expect(both.status == 0)
        #expect(both.lines.suffix(2) == ["ipv4 agreed 84.1.2.3 1 source", "ipv6 agreed 2003:0:1::10 1 source"])
        #expect(network.asked == "pcp")
        // Nobody is asked for what is not wanted, or known.
        network.behave("pcp=84.1.2.3")
        #expect(network.address("-6").lines.last == "ipv6 agreed 2003:0:1::10 1 source")
        network.assign("84.1.2.9/24", "")
        must("ip -n \(network.host) addr del 192.168.1.10/24 dev eth0")
        must("ip -n \(network.host) route replace default via 84.1.2.1")
        let own = network.address("-4")
        #expect(own == ToolResult(0, "auto 84.1.2.9 global eth0\nipv4 agreed 84.1.2.9 1 source\n"))
        #expect(network.asked == "")
    }

    @Test(.enabled(if: isPossible)) func `a line without a gateway is known by its address`() {
        let network = AddressNetwork()
        network.behave("pcp=84.1.2.3")
        must("ip -n \(network.host) link add line type veth peer name provider")
        must("ip -n \(network.host) link set line up")
        must("ip -n \(network.host) addr add 84.1.9.9 peer 84.1.0.1 dev line")
        must("ip -n \(network.host) route replace default dev line")
        let result = network.address("-4")
        #expect(result == ToolResult(0, "auto 84.1.9.9 global line\nipv4 agreed 84.1.9.9 1 source\n"))
        must("ip -n \(network.host) addr flush dev line scope global")
        must("ip -n \(network.host) addr add 100.64.9.9 peer 100.64.0.1 dev line")
        must("ip -n \(network.host) route replace default dev line")
        let shared = network.address("-4")
        #expect(shared.status == 1 && shared.lines.first == "auto 100.64.9.9 shared line", "\(shared)")
        #expect(network.asked == "")
    }

    @Test(.enabled(if: isPossible)) func `without a gateway it says so`() {
        let network = AddressNetwork()
        must("ip -n \(network.host) route del default")
        let result = network.address("-4")
        #expect(result.status == 69 && result.output.hasPrefix("auto - - there is no default gateway for IPv4\n"))
        let wrong = network.address("-4 -i eth9")
        #expect(wrong == ToolResult(69, errors: "qure-dnsupdate: eth9: no such interface\n"))
    }

    // MARK: Commands and literals

    private static let commands: [(String, String, Int)] = [
        ("echo 84.1.2.3", "command 84.1.2.3 global echo 84.1.2.3", 0),
        ("printf '84.1.2.3 2003::1\\n84.1.2.4'", "(not counted: the command named another one first)", 0),
        ("echo 84.1.2.3; exit 3", "ended with status 3", 69), ("kill -9 $$", "was ended by signal 9", 69),
        ("true", "printed nothing", 69), ("echo '<html>no'", "printed '<html>no', which is no address", 69),
        ("sleep 60", "did not end in time and was killed", 69),
        // Output without end, and a child that keeps the pipe open.
        ("yes", "did not end in time and was killed", 69), ("sleep 60 & echo 84.1.2.3", "command 84.1.2.3 global", 0),
        ("nosuchcommand 2>/dev/null", "ended with status 127", 69),
        ("printf '\\033[2J'", "which is no address", 69),
    ]

    @Test(.enabled(if: isPossible), arguments: commands)
    func `a command says`(_ command: String, _ expected: String, _ status: Int) {
        let network = AddressNetwork()
        let result = network.start(["--address", "command:\(command)", "--address-timeout", "1s"]).finish()
        #expect(result.status == status && result.output.contains(expected), "\(result)")
        #expect(!result.output.contains("\u{1b}"))
    }

    @Test(.enabled(if: isPossible)) func `a literal address is judged like any other`() {
        let network = AddressNetwork()
        let result = network.address("-4 --address 84.1.2.3")
        #expect(result == ToolResult(0, "literal 84.1.2.3 global\nipv4 agreed 84.1.2.3 1 source\n"))
        #expect(network.address("-4 --address 10.0.0.1").status == 1)
        #expect(network.address("--address fe80::1 --allow-private").status == 1)
    }

    // MARK: Servers of the DNS

    private static let servers: [(String, String, String, Int)] = [
        (
            "dns-udp=84.1.2.3 dns-tcp=84.1.2.3", "TXT",
            "84.1.2.3 global me.test.@192.168.1.1#53/TXT by 192.168.1.1#53 over UDP and 192.168.1.1#53 over TCP", 0
        ),
        ("dns-udp=84.1.2.3 dns-tcp=84.1.2.3", "A", "ipv4 agreed 84.1.2.3 1 source", 0),
        // Somebody on the way answers datagrams.
        (
            "dns-udp=84.1.2.99 dns-tcp=84.1.2.3", "A",
            "over TCP (not counted: the two answers differ: something on the way may answer for port 53)", 69
        ),
        (
            "dns-udp=84.1.2.3", "A",
            "(not counted: the other question has no answer (192.168.1.1#53 over TCP did not answer))", 69
        ),
        ("dns-udp=error:5 dns-tcp=error:5", "TXT", "192.168.1.1#53 over UDP says REFUSED", 69),
        ("dns-udp=garbage dns-tcp=garbage", "A", "192.168.1.1#53 over TCP names no address", 69),
        ("pcp=silent", "TXT", "over UDP did not answer, 192.168.1.1#53 over TCP did not answer", 69),
        ("dns-udp=100.64.1.1 dns-tcp=100.64.1.1", "A", "ipv4 unusable - 100.64.1.1 is behind a carrier's NAT", 1),
    ]

    @Test(.enabled(if: isPossible), arguments: servers)
    func `a server of the DNS says`(_ behaviour: String, _ type: String, _ expected: String, _ status: Int) {
        let network = AddressNetwork()
        network.behave(behaviour)
        let start = Clock.now
        let result = network.address("-4 --address dns:me.test@192.168.1.1/\(type) --address-timeout 3s")
        #expect(result.status == status && result.output.contains(expected), "\(result)")
        #expect(Clock.now - start < .seconds(4))
    }

    @Test(.enabled(if: isPossible)) func `waiting for one of two answers costs nothing`() throws {
        let network = AddressNetwork()
        network.behave("dns-udp=84.1.2.3")
        let words = ["sh", "-c", "\"$@\" > /dev/null; times", "sh", Executables.path("qure-dnsupdate"), "address"]
        let arguments = ["--address", "dns:me.test@192.168.1.1/A", "--address-timeout", "3s"]
        let result = RunningTool(words + arguments, in: network.host).finish()
        // The second line is what the children took: `0m0.017s 0m0.011s`.
        let times = try #require(result.lines.last).split { "ms ".contains($0) }.compactMap { Double($0) }
        #expect(times.count == 4 && times[1] + times[3] < 0.5, "\(result)")
    }

    @Test(.enabled(if: isPossible)) func `nobody far away is asked unless that is said`() {
        let network = AddressNetwork()
        network.behave("pcp=100.64.1.9")
        let witness = RunningTool(
            ["tshark", "-i", "lan", "-nlf", "not host 192.168.1.1 and not arp", "-T", "fields", "-e", "ip.dst"],
            in: network.router)
        #expect(witness.complains("Capture started"), "tshark does not listen: \(witness.errors)")
        _ = network.address("")
        #expect(network.address("-4 --address dns --address-timeout 1s").status == 69)
        #expect(eventually { Set(witness.output.split(separator: "\n")).count > 1 })
        #expect(Set(witness.output.split(separator: "\n")) == ["208.67.222.222", "216.239.32.10"])
    }

    @Test(arguments: [
        ("--address nosuch", "no source of addresses"), ("--agree 2", "--agree takes 1 to the number of sources"),
        ("-4 -6", "only one of --ipv4 and --ipv6"), ("--address-timeout 0", "not a duration"),
        ("--address dns:x@host", "the server is an address"), ("more", "Unexpected argument 'more'"),
    ])
    func `a wrong command line says so`(_ line: String, _ complaint: String) {
        let words = line.split(separator: " ").map(String.init)
        let result = RunningTool([Executables.path("qure-dnsupdate"), "address"] + words).finish()
        #expect(result.status == 64 && result.output == "", "\(result)")
        #expect(result.errors.contains(complaint), "\(result.errors)")
    }
}
