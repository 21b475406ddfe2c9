// `qure-probe ADDRESS...`: the plain question, in every situation that a script may ask it in.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeAsk {
    let network = ProbeNetwork()

    @Test(arguments: [("10.1.0.2", "arp"), ("fd01::2", "ndp"), ("fe80::ff:fe00:2", "ndp")])
    func `a host is alive`(_ address: String, _ method: String) {
        #expect(
            network.probe(address).timeless
                == ToolResult(0, "\(address) alive 02:00:00:00:00:02 TIME \(method) eth0\n"))
        #expect(
            network.probe("--json \(address)").timeless
                == ToolResult(
                    0,
                    #"{"address":"\#(address)","state":"alive","method":"\#(method)","interface":"eth0","#
                        + #""mac":"02:00:00:00:00:02","rtt_us":TIME,"probes":1,"replies":1,"duplicate":false,"#
                        + #""local":false,"macs":["02:00:00:00:00:02"]}"# + "\n"))
    }

    @Test(arguments: [("10.1.0.7", "arp"), ("fd01::7", "ndp")])
    func `an address that nobody has is silent`(_ address: String, _ method: String) {
        #expect(network.probe(address).timeless == ToolResult(1, "\(address) silent 3 probes TIME \(method) eth0\n"))
        #expect(
            network.probe("--count 1 --interval 50ms --json \(address)").timeless
                == ToolResult(
                    1,
                    #"{"address":"\#(address)","state":"silent","method":"\#(method)","interface":"eth0","mac":null,"#
                        + #""rtt_us":null,"probes":1,"replies":0,"duplicate":false,"local":false,"macs":[]}"# + "\n"))
    }

    @Test func `several addresses are answered in the order given, and one silent is a no`() {
        #expect(
            network.probe("fd01::2 10.1.0.7 10.1.0.2 fd01::2").timeless
                == ToolResult(
                    1,
                    """
                    fd01::2 alive 02:00:00:00:00:02 TIME ndp eth0
                    10.1.0.7 silent 3 probes TIME arp eth0
                    10.1.0.2 alive 02:00:00:00:00:02 TIME arp eth0
                    fd01::2 alive 02:00:00:00:00:02 TIME ndp eth0

                    """))
        #expect(network.probe("10.1.0.2 fd01::2").status == 0)
    }

    /// A plain question is read without the parser. It must mean the same, and so must what only looks like one.
    @Test(arguments: [
        "10.1.0.2", "--json 10.1.0.2 fd01::2", "10.1.0.2 --json", "-c 1 --interval 30ms 10.1.0.7",
        "--count 2 --interval 30ms --json fd01::7", "-w 100ms --all 10.1.0.2", "--timeout 50ms 10.1.0.7",
        "-i eth0 10.1.0.2", "--interface nothing 10.1.0.2", "10.1.0.1", "224.0.0.1", "-c 0 10.1.0.2", "-c +2 10.1.0.2",
        "-c 1001 10.1.0.2", "-i a/b 10.1.0.2", "--interval 1us 10.1.0.2", "-w 0 10.1.0.2", "-w x 10.1.0.2", "--all",
        "10.1.0.2 -c", "10.1.0.2 -w 1s -w 50ms -c 50", "--json --json 10.1.0.2", "10.1.0.2 --count=1", "--version",
        "10.1.0.2 --version", "--version --json",
    ])
    func `a plain question means what the parser makes of it`(_ line: String) {
        let parsed = network.probe("--method auto \(line)")
        #expect(network.probe(line).timeless == parsed.timeless)
    }

    @Test func `hundreds of addresses are asked for in one go`() {
        let addresses = (1...250).map { "10.1.0.\($0)" } + (1...200).map { "fd01::\(String($0, radix: 16))" }
        let result = network.probe("--count 1 --interval 300ms " + addresses.joined(separator: " "))
        #expect(result.status == 1 && result.errors == "")
        #expect(result.lines.map { String($0.prefix { $0 != " " }) } == addresses)
        #expect(
            result.lines.filter { $0.contains(" alive ") }.map { String($0.prefix { $0 != " " }) }
                == ["10.1.0.1", "10.1.0.2", "fd01::1", "fd01::2"])
    }

    @Test(arguments: [("10.1.0.9", "arp"), ("fd01::9", "ndp")])
    func `two hosts with one address are a duplicate`(_ address: String, _ method: String) {
        for (host, number) in [("twin", 3), ("other", 4)] {
            network.join(host, number, ["10.1.0.9/24", "fd01::9/64"])
        }
        let result = network.probe("--all --timeout 400ms \(address)").timeless
        #expect(result.status == 0 && result.errors == "")
        let words = result.output.split { $0 == " " || $0 == "\n" }.map(String.init)
        #expect(words.count == 8 && words[3...6] == ["TIME", method, "eth0", "duplicate"], "\(result.output)")
        #expect(Set([words[2], words.last]) == ["02:00:00:00:00:03", "02:00:00:00:00:04"])
        let json = network.probe("--all --timeout 400ms --json \(address)")
        #expect(json.status == 0 && json.output.contains(#""duplicate":true,"local":false"#), "\(json.output)")
        #expect(json.output.contains(/"macs":\["02:00:00:00:00:0[34]","02:00:00:00:00:0[34]"\]/))
    }

    @Test(arguments: [("10.1.0.1", "arp"), ("fd01::1", "ndp")])
    func `an address of this host is alive and local`(_ address: String, _ method: String) {
        #expect(
            network.probe(address).timeless
                == ToolResult(0, "\(address) alive 02:00:00:00:00:01 local \(method) eth0\n"))
        #expect(
            network.probe("--json \(address)").timeless
                == ToolResult(
                    0,
                    #"{"address":"\#(address)","state":"alive","method":"\#(method)","interface":"eth0","#
                        + #""mac":"02:00:00:00:00:01","rtt_us":null,"probes":1,"replies":0,"duplicate":false,"#
                        + #""local":true,"macs":["02:00:00:00:00:01"]}"# + "\n"))
        // Whatever its links are like.
        network.on("here", "ip link set eth0 down")
        network.assign("here", ["10.1.0.1/32", "fd01::1/128"].filter { !$0.contains(".") })
        #expect(
            network.probe(address).timeless == ToolResult(0, "\(address) alive 02:00:00:00:00:01 local icmp eth0\n"))
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func `this host itself is alive`(_ address: String) {
        #expect(network.probe(address) == ToolResult(0, "\(address) alive - local icmp lo\n"))
    }

    @Test(arguments: [("10.1.0.1", "arp"), ("fd01::1", "ndp")])
    func `an address of this host that another one answers for is a duplicate`(_ address: String, _ method: String) {
        network.join("thief", 3, ["10.1.0.1/24", "fd01::1/64"])
        #expect(
            network.probe(address).timeless
                == ToolResult(
                    0, "\(address) alive 02:00:00:00:00:01 local \(method) eth0 duplicate 02:00:00:00:00:03\n"))
        let json = network.probe("--json \(address)")
        #expect(
            json.output.contains(#""duplicate":true,"local":true,"macs":["02:00:00:00:00:01","02:00:00:00:00:03"]"#))
    }

    @Test func `a host that drops ping is alive by ARP and neighbour discovery`() {
        network.script(
            "there", "nft add table inet t", "nft add chain inet t in '{ type filter hook input priority 0; }'",
            "nft add rule inet t in icmp type echo-request drop", "nft add rule inet t in icmpv6 type echo-request drop"
        )
        for (address, method) in [("10.1.0.2", "arp"), ("fd01::2", "ndp")] {
            #expect(
                network.probe(address).timeless
                    == ToolResult(0, "\(address) alive 02:00:00:00:00:02 TIME \(method) eth0\n"))
            #expect(
                network.probe("--method icmp \(address)").timeless
                    == ToolResult(1, "\(address) silent 3 probes TIME icmp eth0\n"))
        }
    }

    @Test func `a link without any address of ours will do`() {
        network.on("here", "ip addr flush dev eth0")
        network.on("here", "ip link set eth0 addrgenmode none")
        network.on("here", "ip -6 addr flush dev eth0")
        for (address, method) in [("10.1.0.2", "arp"), ("fd01::2", "ndp")] {
            #expect(
                network.probe("-i eth0 \(address)").timeless
                    == ToolResult(0, "\(address) alive 02:00:00:00:00:02 TIME \(method) eth0\n"))
            #expect(
                network.probe(address)
                    == ToolResult(69, errors: "qure-probe: \(address): no route leads to it\n"))
        }
        #expect(network.probe("-i eth0 10.1.0.7 fd01::7").status == 1)
    }

    @Test func `a host that is just taking the address is not disturbed`() {
        network.on("here", "ip -6 addr flush dev eth0")
        network.on("there", "sysctl -qw net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.dad_transmits=3")
        let tool = network.startProbe("wait --for alive -i eth0 --interval 20ms fd01::7")
        let witness = network.witness("icmp6 and ip6[40] == 135", "icmpv6.nd.ns.target_address", on: "there")
        #expect(witness.says("fd01::7"))
        network.on("there", "ip addr add fd01::7/64 dev eth0")
        #expect(tool.finish().status == 0)
        let state = network.on("there", "ip addr show to fd01::7")
        #expect(state.contains("fd01::7/64 scope global") && !state.contains("dadfailed"), "\(state)")
    }

    @Test func `neighbours keep what they know of us`() {
        let knows = { self.network.on("there", "ip neigh show dev eth0") }
        #expect(network.probe("--all --timeout 300ms 10.1.0.2").status == 0)
        #expect(network.probe("10.1.0.7").status == 1)
        #expect(knows() == "")
        // Nor is what they know refreshed, or corrected.
        network.on("there", "ip neigh add 10.1.0.1 lladdr 02:00:00:00:00:09 nud stale dev eth0")
        #expect(network.probe("10.1.0.2").status == 0)
        #expect(knows() == "10.1.0.1 lladdr 02:00:00:00:00:09 STALE \n")
        // Asked in the name of an address of ours, they learn.
        #expect(network.probe("--source 10.1.0.1 10.1.0.2").status == 0)
        #expect(knows().hasPrefix("10.1.0.1 lladdr 02:00:00:00:00:01 "))
    }

    @Test func `the questions are probes of RFC 5227, and there are as many as asked for`() {
        let witness = network.witness(
            "arp", "eth.src", "eth.dst", "arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.hw_mac",
            "arp.dst.proto_ipv4", on: "there")
        #expect(network.probe("--count 2 --interval 30ms 10.1.0.7").status == 1)
        #expect(network.probe("--source 10.1.0.1 --count 1 --interval 30ms 10.1.0.8").status == 1)
        #expect(witness.says("10.1.0.8\n"))
        let probe = "02:00:00:00:00:01 ff:ff:ff:ff:ff:ff 1 02:00:00:00:00:01 0.0.0.0 00:00:00:00:00:00 10.1.0.7"
        let question = "02:00:00:00:00:01 ff:ff:ff:ff:ff:ff 1 02:00:00:00:00:01 10.1.0.1 00:00:00:00:00:00 10.1.0.8"
        #expect(witness.end(with: SIGINT).lines == [probe, probe, question])
    }

    @Test func `IPv6 is asked from the link-local address, as neighbours do`() {
        let witness = network.witness(
            "icmp6 and ip6[40] == 135", "eth.dst", "ipv6.hlim", "ipv6.src", "ipv6.dst", "icmpv6.nd.ns.target_address",
            "icmpv6.opt.linkaddr", on: "there")
        #expect(network.probe("--count 2 --interval 30ms fd01::7").status == 1)
        #expect(network.probe("--source fd01::1 --count 1 --interval 30ms fd01::8").status == 1)
        #expect(witness.says(" fd01::8 "))
        let group = "33:33:ff:00:00:0", from = "255 fe80::ff:fe00:1 ff02::1:ff00:7 fd01::7 02:00:00:00:00:01"
        #expect(
            witness.end(with: SIGINT).lines == [
                "\(group)7 \(from)", "\(group)7 \(from)",
                "\(group)8 255 fd01::1 ff02::1:ff00:8 fd01::8 02:00:00:00:00:01",
            ])
    }

    @Test func `a question ends with its time`() {
        let result = network.probe("--count 100 --interval 40ms --timeout 200ms 10.1.0.7")
        #expect(result.status == 1)
        // Five of forty milliseconds; fewer where this machine was busy.
        #expect(result.output.contains(/^10\.1\.0\.7 silent [1-5] probes [0-9]+ms arp eth0\n$/), "\(result.output)")
    }

    @Test func `a link that cannot be asked is not a silent one`() {
        #expect(
            network.probe("-i nothing 10.1.0.7") == ToolResult(69, errors: "qure-probe: nothing: no such interface\n"))
        network.script("switch", "ip link set here-eth0 down")
        for line in ["10.1.0.7", "--method icmp 10.1.0.7", "fd01::7", "-i eth0 10.1.0.7"] {
            #expect(
                network.probe(line) == ToolResult(69, errors: "qure-probe: eth0: the interface has no carrier\n"))
        }
        network.on("here", "ip link set eth0 down")
        #expect(
            network.probe("-i eth0 10.1.0.7") == ToolResult(69, errors: "qure-probe: eth0: the interface is down\n"))
        #expect(network.probe("10.1.0.7") == ToolResult(69, errors: "qure-probe: 10.1.0.7: no route leads to it\n"))
    }

    @Test func `a link without neighbours is asked by ICMP only`() {
        network.script("here", "ip tuntap add tun0 mode tun", "ip link set tun0 up", "ip addr add 10.5.0.1/24 dev tun0")
        #expect(
            network.probe("--method arp -i tun0 10.5.0.2")
                == ToolResult(
                    64, errors: "qure-probe: tun0: has no neighbours to ask (not Ethernet); use --method icmp\n"))
        #expect(
            network.probe("scan -i lo 10.5.0.0/24")
                == ToolResult(
                    64, errors: "qure-probe: lo: has no neighbours to ask (not Ethernet); use --method icmp\n"))
    }
}
