// `qure-claim add`, `del` and `announce`: what they do to the interface as `ip` sees it, and to the link as another
// host does.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimAdd {
    let network = ClaimNetwork()

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `an address is put there, once and again, and taken off, once and again`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        for _ in 0..<2 {
            #expect(network.claim("add --announce 1 \(prefix)") == ToolResult(0))
            #expect(network.address(address)?.contains(" \(prefix) ") == true)
            #expect(network.answers(address) == ClaimNetwork.mac(1))
        }
        #expect(network.address(address)?.contains("dynamic") == false)
        for _ in 0..<2 {
            #expect(network.claim("del \(prefix)") == ToolResult(0))
            #expect(!network.has(address))
        }
        #expect(network.has("10.9.0.1") && network.has("fd09::1"))
    }

    @Test func `several addresses of both families go together`() {
        #expect(network.claim("add --announce 1 10.9.0.50/24 fd09::50/64 10.9.0.51/24") == ToolResult(0))
        #expect(network.pings("10.9.0.50") && network.pings("10.9.0.51") && network.pings("fd09::50"))
        #expect(network.claim("del 10.9.0.50 fd09::50 10.9.0.51") == ToolResult(0))
        #expect(!network.has("10.9.0.50") && !network.has("10.9.0.51") && !network.has("fd09::50"))
    }

    @Test(arguments: ["10.9.0.2/24", "fd09::2/64"])
    func `unless held, what a neighbour has is left to it, and it is said who has it`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        #expect(
            network.claim("add --unless-held \(prefix)")
                == ToolResult(1, errors: "qure-claim: \(address): held by \(ClaimNetwork.mac(2))\n"))
        #expect(!network.has(address))
        // Nothing but that question stops it.
        #expect(network.claim("add --announce 0 \(prefix)") == ToolResult(0))
        #expect(network.has(address))
    }

    @Test func `unless held, one of several that a neighbour has is enough to leave all`() {
        #expect(network.claim("add --unless-held 10.9.0.50/24 fd09::2/64").status == 1)
        #expect(!network.has("10.9.0.50") && !network.has("fd09::2"))
    }

    @Test func `unless held, what is free is taken`() {
        #expect(network.claim("add --unless-held --announce 1 10.9.0.50/24 fd09::50/64") == ToolResult(0))
        #expect(network.has("10.9.0.50") && network.has("fd09::50"))
        // It is here already: nothing is asked, and nothing changes.
        #expect(network.claim("add --unless-held --announce 1 10.9.0.50/24 fd09::50/64") == ToolResult(0))
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `a lease is a lifetime in the kernel, which takes the address off by itself`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        #expect(network.claim("add --announce 0 --lease 1500ms \(prefix)") == ToolResult(0))
        #expect(network.address(address)?.contains("valid_lft 2sec preferred_lft 2sec") == true)
        #expect(eventually { !network.has(address) })
        #expect(network.claim("add --announce 0 --lease 1m \(prefix)") == ToolResult(0))
        #expect(network.claim("add --announce 0 \(prefix)") == ToolResult(0))
        #expect(network.address(address)?.contains("valid_lft forever preferred_lft forever") == true)
    }

    @Test func `a label is an IPv4 address's`() {
        #expect(network.claim("add --announce 0 --label eth0:site 10.9.0.50/24 fd09::50/64") == ToolResult(0))
        #expect(network.address("10.9.0.50")?.contains(" eth0:site") == true)
        #expect(network.has("fd09::50"))
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `what somebody else has put there stays as it is until it is adopted`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        network.sh("ip addr add \(prefix) dev eth0 valid_lft 300 preferred_lft 200")
        let refusal = "qure-claim: \(prefix): was not put there by qure; use --adopt to remove it all the same\n"
        #expect(network.claim("add \(prefix)") == ToolResult(0))
        #expect(network.address(address)?.contains("preferred_lft 200sec") == true)
        #expect(network.claim("del \(prefix)") == ToolResult(1, errors: refusal))
        #expect(network.has(address))
        #expect(network.claim("add --adopt --announce 0 \(prefix)") == ToolResult(0))
        #expect(network.address(address)?.contains("valid_lft forever") == true)
        #expect(network.claim("del \(prefix)") == ToolResult(0))
        #expect(!network.has(address))
        network.sh("ip addr add \(prefix) dev eth0")
        #expect(network.claim("del --adopt \(address)") == ToolResult(0))
        #expect(!network.has(address))
    }

    @Test(arguments: [
        ("10.9.0.50/24", true), ("10.9.0.200/25", true), ("10.9.0.50/32", true), ("10.9.4.50/22", false),
        ("10.77.0.50/24", false), ("fd09::50/64", true), ("fd09::50/80", true), ("fd77::50/64", false),
    ])
    func `a route to the network is made only where none covers it`(_ prefix: String, _ isCovered: Bool) {
        let routes = { network.sh("ip route; ip -6 route") }
        let before = routes()
        #expect(network.claim("add -i eth0 --announce 0 \(prefix)") == ToolResult(0))
        let address = String(prefix.prefix { $0 != "/" })
        #expect(network.address(address)?.contains("noprefixroute") == isCovered)
        #expect((routes() == before) == isCovered, "\(routes())")
        #expect(network.claim("del -i eth0 \(prefix)") == ToolResult(0))
        #expect(routes() == before)
    }

    @Test func `the first address of a network takes no others along`() {
        network.sh("ip -4 addr flush dev eth0")
        #expect(network.claim("add -i eth0 --announce 0 10.9.0.50/24") == ToolResult(0))
        network.sh("ip addr add 10.9.0.1/24 dev eth0")
        #expect(network.address("10.9.0.1")?.contains("secondary") == true)
        #expect(network.claim("del 10.9.0.50") == ToolResult(0))
        #expect(network.has("10.9.0.1"))
        #expect(network.pings("10.9.0.1"))
    }

    @Test(arguments: [("10.9.0.50", "32", "24"), ("10.9.0.50", "24", "32"), ("fd09::50", "128", "64")])
    func `the prefix length is the one given last`(_ address: String, _ first: String, _ second: String) {
        #expect(network.claim("add --announce 0 \(address)/\(first)") == ToolResult(0))
        #expect(network.claim("add --announce 0 \(address)/\(second)") == ToolResult(0))
        #expect(network.address(address)?.contains(" \(address)/\(second) ") == true)
        #expect(network.sh("ip addr").components(of: " \(address)/") == 1)
        #expect(network.claim("del \(address)") == ToolResult(0))
        #expect(!network.has(address))
    }

    @Test func `an address that detection has found to be another's is put there afresh`() {
        network.sh("ip addr add fd09::2/64 dev eth0")
        #expect(eventually { network.address("fd09::2")?.contains("dadfailed") == true })
        #expect(network.claim("add --adopt --announce 0 fd09::2/64") == ToolResult(0))
        let line = network.address("fd09::2")
        #expect(line?.contains("dadfailed") == false && line?.contains("tentative") == false, "\(line ?? "gone")")
    }

    @Test func `an address of no network of this host needs the name of an interface`() {
        #expect(
            network.claim("add 10.77.0.50/24")
                == ToolResult(
                    64,
                    errors:
                        "qure-claim: 10.77.0.50: no interface's on-link route covers it: name one with --interface\n"))
        #expect(
            network.claim("add -i eth7 10.77.0.50/24")
                == ToolResult(69, errors: "qure-claim: eth7: no such interface\n"))
        #expect(network.claim("add -i lo 10.77.0.50/24").status == 64)
        #expect(!network.has("10.77.0.50"))
        #expect(network.claim("add --interface eth0 --announce 0 10.77.0.50/24") == ToolResult(0))
    }

    @Test func `a link that cannot carry an announcement is unreachable, and nothing is done`() {
        network.cable(1, false)
        let noCarrier = "qure-claim: eth0: the interface has no carrier\n"
        #expect(eventually { network.claim("add 10.9.0.50/24") == ToolResult(69, errors: noCarrier) })
        #expect(network.claim("hold 10.9.0.50/24") == ToolResult(69, errors: noCarrier))
        #expect(network.claim("announce 10.9.0.50") == ToolResult(69, errors: noCarrier))
        #expect(!network.has("10.9.0.50"))
        network.sh("ip link set eth0 down")
        let isDown = ToolResult(69, errors: "qure-claim: eth0: the interface is down\n")
        #expect(network.claim("add -i eth0 10.9.0.50/24") == isDown)
        #expect(network.claim("hold -i eth0 fd09::50/64") == isDown)
        #expect(!network.has("10.9.0.50"))
    }

    @Test func `a registry that cannot be written is no reason not to`() {
        #expect(network.claim("add --announce 0 --state-dir /proc/nowhere 10.9.0.50/24") == ToolResult(0))
        #expect(network.has("10.9.0.50"))
        // The mark on the address itself is enough.
        #expect(network.claim("del --state-dir /proc/nowhere 10.9.0.50") == ToolResult(0))
        #expect(!network.has("10.9.0.50"))
    }

    @Test func `del looks where it is told`() {
        network.sh("ip link add other type veth peer name end; ip link set other up")
        #expect(network.claim("add --announce 0 10.9.0.50/24") == ToolResult(0))
        #expect(network.claim("del -i other 10.9.0.50") == ToolResult(0))
        #expect(network.has("10.9.0.50"))
        #expect(
            network.claim("del -i eth7 10.9.0.50") == ToolResult(69, errors: "qure-claim: eth7: no such interface\n"))
        #expect(network.claim("del -i eth0 10.9.0.50") == ToolResult(0))
        #expect(!network.has("10.9.0.50"))
    }

    @Test func `what a process holds is left to it by add and by del`() {
        let holder = network.startHold("--no-verify 10.9.0.50/24")
        let left = network.claim("-v add 10.9.0.50/24")
        #expect(left.status == 64)  // options belong behind the command
        #expect(
            network.claim("add -v 10.9.0.50/24")
                == ToolResult(
                    0, errors: "qure-claim: 10.9.0.50: process \(holder.process) holds it already; left as it is\n"))
        #expect(network.address("10.9.0.50")?.contains("valid_lft 2sec") == true)
        let why = "process \(holder.process) holds it and would put it back: stop that instead"
        #expect(network.claim("del 10.9.0.50") == ToolResult(1, errors: "qure-claim: 10.9.0.50: \(why)\n"))
        #expect(!holder.output.contains("reinstated"))
        #expect(network.has("10.9.0.50"))
        #expect(network.claim("show 10.9.0.50").output.contains(" held eth0 hold pid \(holder.process) "))
        #expect(holder.end().status == 0)
        #expect(!network.has("10.9.0.50"))
    }
}

extension String {
    /// How often `part` is in it.
    func components(of part: String) -> Int { ranges(of: part).count }
}
