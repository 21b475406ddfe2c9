// qure-probe by ICMP echo: addresses behind a router, and --method icmp with every kind of privilege.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own: behind the host `there`, a router, is `far` with 10.2.0.2 and fd02::2.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeEcho {
    let network = ProbeNetwork()

    /// Runs what follows without any capability.
    static let unprivileged = "setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all"

    init() {
        network.join("far", 3, [])
        network.script("far", "ip link set eth0 down", "ip link set eth0 name eth9")
        network.script(
            "far", "ip link add eth0 type veth peer name eth1 netns \(network.namespace("there"))",
            "ip addr add 10.2.0.2/24 dev eth0", "ip addr add fd02::2/64 dev eth0 nodad", "ip link set eth0 up",
            "ip route add default via 10.2.0.1", "ip route add default via fd02::1")
        network.script(
            "there", "sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.ipv6.conf.all.forwarding=1",
            "ip addr add 10.2.0.1/24 dev eth1", "ip addr add fd02::1/64 dev eth1 nodad", "ip link set eth1 up")
        network.script("here", "ip route add default via 10.1.0.2", "ip route add default via fd01::2")
        for address in ["10.2.0.2", "fd02::2"] {
            let isThere = eventually {
                RunningTool(["ping", "-qc1", "-W1", address], in: network.namespace("there")).finish().status == 0
            }
            #expect(isThere, "\(address) does not come up")
        }
    }

    @Test(arguments: ["10.2.0.2", "fd02::2"])
    func `an address behind a router is asked by ICMP`(_ address: String) {
        #expect(network.probe(address).timeless == ToolResult(0, "\(address) alive - TIME icmp eth0\n"))
        #expect(network.probe("-i eth0 \(address)").timeless == ToolResult(0, "\(address) alive - TIME icmp eth0\n"))
        #expect(
            network.probe("--json \(address)").timeless
                == ToolResult(
                    0,
                    #"{"address":"\#(address)","state":"alive","method":"icmp","interface":"eth0","mac":null,"#
                        + #""rtt_us":TIME,"probes":1,"replies":1,"duplicate":false,"local":false,"macs":[]}"# + "\n"))
        let silent = address.replacing(/2$/, with: "7")
        #expect(network.probe(silent).timeless == ToolResult(1, "\(silent) silent 3 probes TIME icmp eth0\n"))
    }

    @Test(arguments: ["10.1.0.2", "fd01::2", "fe80::ff:fe00:2"])
    func `an address on the link is asked by ICMP if that is wanted`(_ address: String) {
        #expect(
            network.probe("--method icmp \(address)").timeless == ToolResult(0, "\(address) alive - TIME icmp eth0\n"))
        #expect(
            network.probe("-i eth0 --method icmp \(address)").timeless
                == ToolResult(0, "\(address) alive - TIME icmp eth0\n"))
    }

    @Test(arguments: ["10.2.0.2", "fd02::2"])
    func `ping sockets need no privilege`(_ address: String) {
        #expect(
            network.probe(address, behind: Self.unprivileged).errors.contains(
                /^qure-probe: socket: Operation not permitted \(needs CAP_NET_RAW: .*\)\n$/))
        network.on("here", "sysctl -qw net.ipv4.ping_group_range=0\u{9}0")
        #expect(
            network.probe(address, behind: Self.unprivileged).timeless
                == ToolResult(0, "\(address) alive - TIME icmp eth0\n"))
        #expect(network.probe(address).status == 0)
        #expect(network.probe(address.replacing(/2$/, with: "7"), behind: Self.unprivileged).status == 1)
    }

    @Test func `the question leaves from the source that was given`() {
        network.assign("here", ["10.1.0.5/24", "fd01::5/64"])
        let witness = network.witness("icmp or icmp6", "ip.src", "ipv6.src", "icmp.type", "icmpv6.type", on: "there")
        #expect(network.probe("--source 10.1.0.5 10.2.0.2").status == 0)
        #expect(network.probe("--source fd01::5 fd02::2").status == 0)
        #expect(witness.says("10.1.0.5  8") && witness.says(" fd01::5  128"))
        // In the name of an address of ours only.
        for (source, target) in [("10.1.0.6", "10.2.0.2"), ("fd01::6", "fd02::2"), ("10.1.0.6", "10.1.0.2")] {
            #expect(
                network.probe("--source \(source) \(target)")
                    == ToolResult(64, errors: "qure-probe: --source \(source): not an address of this host\n"))
        }
    }

    @Test func `what no router leads to cannot be asked`() {
        network.script(
            "here", "ip route del default", "ip -6 route del default", "ip route add unreachable 10.3.0.0/16")
        for line in ["10.2.0.2", "fd02::2", "10.3.0.1", "--method icmp 10.2.0.2", "--method arp 10.2.0.2"] {
            let address = line.split(separator: " ").last ?? ""
            #expect(network.probe(line) == ToolResult(69, errors: "qure-probe: \(address): no route leads to it\n"))
        }
    }

    @Test func `ARP does not reach behind a router`() {
        for (method, address) in [("arp", "10.2.0.2"), ("ndp", "fd02::2")] {
            #expect(
                network.probe("--method \(method) \(address)")
                    == ToolResult(
                        64,
                        errors: "qure-probe: \(address): behind a router, where --method \(method) does not reach:"
                            + " use icmp, or name the interface\n"))
            // Where the interface is named, it is asked on that link all the same.
            #expect(network.probe("-i eth0 --count 1 --method \(method) \(address)").status == 1)
        }
    }

    @Test func `answers of others are not taken for the one asked for`() throws {
        // A host that answers every echo request at once, from an address that was not asked.
        network.script(
            "far", "nft add table ip t", "nft add chain ip t out '{ type route hook output priority 0; }'",
            "nft add rule ip t out icmp type echo-reply ip saddr set 10.2.0.9")
        let witness = network.witness("icmp", "ip.src", "icmp.type", on: "here")
        #expect(network.probe("10.2.0.2").status == 1)
        #expect(network.probe("--count 2 10.2.0.2 10.2.0.9").status == 1)
        #expect(witness.says("10.2.0.9 0\n"))
    }

    @Test func `a host behind a router is waited for as well, and its route is no silence`() {
        let tool = network.startProbe("watch --fall 2 --interval 50ms 10.2.0.2")
        #expect(tool.says("10.2.0.2 alive"))
        network.on("here", "ip route del default")
        #expect(tool.complains("10.2.0.2: no route leads to it, waiting for that to change"))
        network.on("here", "ip route add default via 10.1.0.2")
        #expect(tool.complains("10.2.0.2: asking again on eth0"))
        network.on("far", "ip addr del 10.2.0.2/24 dev eth0")
        #expect(tool.says("silent"))
        let lines = tool.end().lines.map { $0.split(separator: " ")[1] }
        #expect(lines == ["alive", "unknown", "alive", "silent"])
    }
}
