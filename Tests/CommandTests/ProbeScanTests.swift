// `qure-probe scan` and `free`: who is on a network, and which of its addresses nobody has.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeScan {
    let network = ProbeNetwork()

    /// A third host, which drops ping.
    private func addShyHost() {
        network.join("shy", 3)
        network.script(
            "shy", "nft add table inet t", "nft add chain inet t in '{ type filter hook input priority 0; }'",
            "nft add rule inet t in icmp type echo-request drop", "nft add rule inet t in icmpv6 type echo-request drop"
        )
    }

    @Test func `a scan finds every host, this one and those that drop ping included`() {
        addShyHost()
        network.assign("there", ["10.1.0.200/24", "10.1.0.254/24"])
        #expect(
            network.probe("scan 10.1.0.0/24").timeless
                == ToolResult(
                    0,
                    """
                    10.1.0.1 alive 02:00:00:00:00:01 local arp eth0
                    10.1.0.2 alive 02:00:00:00:00:02 TIME arp eth0
                    10.1.0.3 alive 02:00:00:00:00:03 TIME arp eth0
                    10.1.0.200 alive 02:00:00:00:00:02 TIME arp eth0
                    10.1.0.254 alive 02:00:00:00:00:02 TIME arp eth0

                    """))
        #expect(
            network.probe("scan --count 1 --json fd01::/120").timeless
                == ToolResult(
                    0,
                    #"{"address":"fd01::1","state":"alive","method":"ndp","interface":"eth0","#
                        + #""mac":"02:00:00:00:00:01","rtt_us":null,"probes":1,"#
                        + #""replies":0,"duplicate":false,"local":true,"#
                        + #""macs":["02:00:00:00:00:01"]}"# + "\n"
                        + [2, 3].map {
                            #"{"address":"fd01::\#($0)","state":"alive","method":"ndp","interface":"eth0","#
                                + #""mac":"02:00:00:00:00:0\#($0)","rtt_us":TIME,"probes":1,"replies":1,"#
                                + #""duplicate":false,"local":false,"macs":["02:00:00:00:00:0\#($0)"]}"# + "\n"
                        }.joined()))
    }

    @Test func `a scan finds duplicates`() {
        network.join("twin", 3, ["10.1.0.2/24"])
        network.join("thief", 4, ["10.1.0.1/24"])
        let result = network.probe("scan 10.1.0.0/29").timeless
        #expect(result.lines.count == 2 && result.status == 0)
        #expect(result.lines.first == "10.1.0.1 alive 02:00:00:00:00:01 local arp eth0 duplicate 02:00:00:00:00:04")
        #expect(
            result.lines.last?.contains(/^10.1.0.2 alive 02:00:00:00:00:0[23] TIME arp eth0 duplicate 02:00/) == true)
    }

    @Test func `a network where nobody is`() {
        #expect(
            network.probe("scan --count 1 10.1.0.64/26")
                == ToolResult(1, errors: "qure-probe: 10.1.0.64/26: nobody answered\n"))
        #expect(
            network.probe("scan 10.7.0.0/24")
                == ToolResult(
                    69,
                    errors:
                        "qure-probe: 10.7.0.0/24: no interface's on-link route covers it: name one with --interface\n"))
        // Not the network's own and its broadcast address, and no one's cache has changed.
        let witness = network.witness("arp", "arp.src.proto_ipv4", "arp.dst.proto_ipv4", on: "there")
        #expect(network.probe("scan -i eth0 --count 1 10.7.0.0/30").status == 1)
        #expect(network.probe("scan -i eth0 --count 1 --source 10.1.0.1 10.8.0.4/31").status == 1)
        #expect(witness.says("10.8.0.5"))
        #expect(
            witness.end(with: SIGINT).lines == [
                "0.0.0.0 10.7.0.1", "0.0.0.0 10.7.0.2", "10.1.0.1 10.8.0.4", "10.1.0.1 10.8.0.5",
            ])
    }

    @Test func `a large network is scanned whole`() {
        network.assign("there", ["10.1.7.9/16"])
        let result = network.probe("scan -i eth0 --count 1 10.1.0.0/20")
        #expect(result.status == 0)
        #expect(result.lines.map { String($0.prefix { $0 != " " }) } == ["10.1.0.1", "10.1.0.2", "10.1.7.9"])
    }

    @Test func `free is the highest address that nobody has`() {
        #expect(network.probe("free 10.1.0.0/24") == ToolResult(0, "10.1.0.254\n"))
        addShyHost()
        network.assign("shy", ["10.1.0.254/24", "10.1.0.253/24", "fd01::ff/64"])
        network.assign("here", ["10.1.0.252/24"])
        #expect(network.probe("free --count 2 10.1.0.0/24") == ToolResult(0, "10.1.0.251\n"))
        #expect(network.probe("free --count 1 fd01::/120") == ToolResult(0, "fd01::fe\n"))
        #expect(
            network.probe("free --count 1 --json 10.1.0.0/24")
                == ToolResult(0, #"{"address":"10.1.0.251","state":"silent","method":"arp","interface":"eth0"}"# + "\n")
        )
        #expect(
            network.probe("free --count 1 10.1.0.252/30")
                == ToolResult(1, errors: "qure-probe: 10.1.0.252/30: every address is taken\n"))
        // Beyond the first few that are tried together.
        network.assign("there", (100...126).map { "10.1.0.\($0)/24" })
        #expect(network.probe("free --count 1 10.1.0.0/25") == ToolResult(0, "10.1.0.99\n"))
    }

    @Test func `what cannot be asked is not free`() {
        network.script("switch", "ip link set here-eth0 down")
        for command in ["free", "scan"] {
            #expect(
                network.probe("\(command) 10.1.0.0/24")
                    == ToolResult(69, errors: "qure-probe: eth0: the interface has no carrier\n"))
            #expect(
                network.probe("\(command) -i eth7 10.1.0.0/24")
                    == ToolResult(69, errors: "qure-probe: eth7: no such interface\n"))
        }
    }

    @Test(arguments: [("here", "eth0"), ("switch", "here-eth0")])
    func `a link that is lost during the question makes nothing free`(_ host: String, _ interface: String) {
        let witness = network.witness("arp", "arp.dst.proto_ipv4", on: "there")
        let tools = ["free 10.1.0.0/24", "scan 10.1.0.128/25", "ask --timeout 15s 10.1.0.254 10.1.0.252"].map {
            network.startProbe("\($0) --count 500 --interval 30ms")
        }
        #expect(eventually { tools.indices.allSatisfy { witness.output.contains("10.1.0.25\(4 - $0)") } })
        network.on(host, "ip link set \(interface) down")
        network.on(host, "ip link set \(interface) up")
        for tool in tools {
            let result = tool.finish()
            #expect(result.status == 69 && result.output == "" && result.errors.hasPrefix("qure-probe: "), "\(result)")
        }
    }
}
