// `qure-probe discover`, behind a real gateway that forwards everything to one address, and `qure-probe members`.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own, with the gateway `gate` (10.1.0.4, fd01::4) on the switch. It forwards all that
/// comes from `outside` to 10.1.0.7, and routes fd01::/64.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeDiscover {
    let network = ProbeNetwork()

    init() {
        network.join("gate", 4)
        network.add("outside")
        network.script(
            "outside", "ip link add eth0 type veth peer name wan netns \(network.namespace("gate"))",
            "ip addr add 203.0.113.2/24 dev eth0", "ip addr add fd02::2/64 dev eth0 nodad", "ip link set eth0 up",
            "ip route add default via fd02::1")
        network.script(
            "gate", "sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.ipv6.conf.all.forwarding=1",
            "ip addr add 203.0.113.1/24 dev wan", "ip addr add fd02::1/64 dev wan nodad", "ip link set wan up",
            "nft add table ip nat", "nft add chain ip nat in '{ type nat hook prerouting priority -100; }'",
            "nft add rule ip nat in iifname wan dnat to 10.1.0.7",
            "nft add chain ip nat out '{ type nat hook postrouting priority 100; }'",
            "nft add rule ip nat out oifname wan masquerade")
    }

    private func setRoutes(v6 gateway: String? = nil) {
        network.on("here", "ip route add default via 10.1.0.4")
        if let gateway { network.on("here", "ip route add default via \(gateway) dev eth0") }
    }

    /// Somebody outside who tries to reach the site now and then.
    private func visitor(to address: String) -> RunningTool { network.start("ping -qi 0.2 \(address)", on: "outside") }

    @Test func `the address that the gateway keeps asking for is found`() {
        setRoutes()
        let visitor = visitor(to: "203.0.113.1")
        let result = network.probe("discover --timeout 15s").timeless
        #expect(result.status == 0)
        #expect(
            result.output.contains(/^10\.1\.0\.7 wanted asked [2-9] times in TIME and silent, eth0\n$/), "\(result)")
        #expect(result.errors == "qure-probe: listening on eth0 for questions of 10.1.0.4 for up to 15s\n")
        let json = network.probe("discover --timeout 15s --json -q").timeless
        #expect(
            json.output.contains(
                #/
                ^{"address":"10\.1\.0\.7","state":"wanted","questions":[2-9],"time_ms":TIME,
                "interface":"eth0","method":"arp"}\n$
                /#
            ),
            "\(json)")
        #expect(json.errors == "" && json.status == 0 && visitor.isRunning)
    }

    @Test(arguments: ["fd01::4", "fe80::ff:fe00:4"])
    func `so is an IPv6 address`(_ gateway: String) {
        setRoutes(v6: gateway)
        let visitor = visitor(to: "fd01::7")
        let result = network.probe("discover --timeout 15s -i eth0").timeless
        #expect(result.status == 0)
        #expect(
            result.output.contains(
                #/
                ^fd01::7\ wanted\ asked\ [2-9]\ times\ in\ TIME\ and\ silent,\ eth0
                \ \(heard\ only\ as\ far\ as\ the\ switch\ floods\ multicast\)\n$
                /#
            ),
            "\(result)")
        #expect(visitor.isRunning)
    }

    @Test func `all of them are found if that is wanted`() {
        setRoutes(v6: "fd01::4")
        let visitors = [visitor(to: "203.0.113.1"), visitor(to: "fd01::7"), visitor(to: "fd01::8")]
        let result = network.probe("discover --timeout 5s --all -q")
        #expect(result.status == 0 && result.errors == "")
        let found = Set(result.lines.map { String($0.prefix { $0 != " " }) })
        #expect(found == ["10.1.0.7", "fd01::7", "fd01::8"] && result.lines.count == 3, "\(result)")
        #expect(visitors.filter(\.isRunning).count == 3)
    }

    @Test func `an address that somebody has, and one that only others ask for, is not the one`() {
        setRoutes()
        network.assign("there", ["10.1.0.7/24"])
        let visitor = visitor(to: "203.0.113.1")
        let other = network.start("ping -qi 0.2 10.1.0.99", on: "there")
        let asking = network.start("arping -I eth0 10.1.0.7", on: "gate")
        let result = network.probe("discover --timeout 4s")
        #expect(result.status == 1 && result.output == "")
        #expect(
            result.errors
                == """
                qure-probe: listening on eth0 for questions of 10.1.0.4 for up to 4s
                qure-probe: the gateway asked for no silent address in 4s; let somebody outside connect \
                to the site meanwhile, or listen longer with --timeout

                """)
        #expect(visitor.isRunning && other.isRunning && asking.isRunning)
    }

    @Test func `nobody asks`() {
        setRoutes()
        #expect(network.probe("discover --timeout 500ms -q -q").status == 1)
        let found = network.probe("discover --timeout 500ms --gateway 10.1.0.2")
        #expect(
            found.status == 1
                && found.errors.hasPrefix("qure-probe: listening on eth0 for questions of 10.1.0.2 for up"))
    }

    @Test func `without a gateway there is nobody to listen to`() {
        #expect(
            network.probe("discover --timeout 500ms")
                == ToolResult(
                    64, errors: "qure-probe: eth0: has no default gateway to listen to: name it with --gateway\n"))
        network.plug("here", "eth1", 5)
        network.awaitLink("here", "eth1")
        #expect(
            network.probe("discover --timeout 500ms")
                == ToolResult(
                    64, errors: "qure-probe: no default route tells which interface to use: name one with --interface\n"
                ))
        #expect(
            network.probe("discover --timeout 500ms -i eth9")
                == ToolResult(69, errors: "qure-probe: eth9: no such interface\n"))
    }

    @Test func `a link that is lost is not a gateway that does not ask`() {
        setRoutes()
        let tool = network.startProbe("discover --timeout 15s")
        #expect(tool.complains("listening on eth0"))
        network.script("switch", "ip link set here-eth0 down")
        let result = tool.finish()
        #expect(result.status == 69 && result.errors.hasSuffix("qure-probe: eth0: the interface has no carrier\n"))
    }
}

/// Each test in a network of its own.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeMembers {
    let network = ProbeNetwork()

    /// Has the kernel of a host listen to a group.
    private func join(_ host: String, _ group: String) {
        network.on(host, "ip addr add \(group)/\(group.contains(":") ? 128 : 32) dev eth0 autojoin")
    }

    @Test(arguments: [
        ("224.0.0.123", ["10.1.0.2", "10.1.0.3"]), ("239.7.7.7", ["10.1.0.2", "10.1.0.3"]),
        ("ff02::7784", ["fe80::ff:fe00:2", "fe80::ff:fe00:3"]), ("ff12::4d4d", ["fe80::ff:fe00:2", "fe80::ff:fe00:3"]),
    ])
    func `those who listen to a group are found`(_ group: String, _ members: [String]) {
        network.join("third", 3)
        network.join("other", 4)
        #expect(
            network.probe("members -w 300ms \(group)")
                == ToolResult(1, errors: "qure-probe: \(group): nobody on eth0 reported within 300ms\n"))
        for host in ["there", "third"] { join(host, group) }
        let lines = zip(members, [2, 3]).map { "\($0) member 02:00:00:00:00:0\($1) \(group) eth0\n" }
        #expect(network.probe("members \(group)") == ToolResult(0, lines.joined()))
        // This host, too; it does not hear its own question.
        join("here", group)
        let own = members[0].replacing(/2$/, with: "1")
        #expect(
            network.probe("members -w 2s \(group)")
                == ToolResult(0, "\(own) member 02:00:00:00:00:01 \(group) eth0 local\n" + lines.joined()))
        let json = zip([own] + members, [1, 2, 3]).map {
            #"{"address":"\#($0)","mac":"02:00:00:00:00:0\#($1)","group":"\#(group)","#
                + #""interface":"eth0","local":\#($1 == 1)}"#
                + "\n"
        }
        #expect(network.probe("members --json -i eth0 \(group)") == ToolResult(0, json.joined()))
    }

    @Test func `the question is for the one group, and its default is qure's own`() {
        let witness = network.witness(
            "igmp or (ip6 and ip6[40] == 58 and ip6[48] == 130)", "eth.dst", "ip.ttl", "igmp.type", "igmp.maddr",
            "icmpv6.type",
            "icmpv6.mld.multicast_address", on: "there")
        #expect(network.probe("members -w 200ms").status == 1)
        #expect(network.probe("members -w 200ms ff02::7784").status == 1)
        #expect(witness.says("ff02::7784"))
        let lines = Set(witness.end(with: SIGINT).lines)
        #expect(
            lines == ["01:00:5e:00:00:7b 1 0x11 224.0.0.123  ", "33:33:00:00:77:84    130 ff02::7784"], "\(lines)")
    }

    @Test func `what is no group is refused`() {
        #expect(
            network.probe("members 10.1.0.2") == ToolResult(64, errors: "qure-probe: 10.1.0.2: not a multicast group\n")
        )
        #expect(
            network.probe("members -w 1m") == ToolResult(64, errors: "qure-probe: --timeout takes at most 12s here\n"))
        network.on("here", "ip -6 addr flush dev eth0")
        #expect(
            network.probe("members ff02::7784")
                == ToolResult(
                    69, errors: "qure-probe: eth0: has no link-local address, which an MLD query must come from\n"))
    }
}
