// Whether the gateway's traffic really arrives here, as `qure-claim` finds out with gateways of every kind. Host 2 is
// the gateway.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimVerification {
    /// Host 3 is one that had the address before.
    let network = ClaimNetwork(hosts: 3)

    private static let both = ["10.9.0.50/24", "fd09::50/64"]

    private func address(_ prefix: String) -> String { String(prefix.prefix { $0 != "/" }) }
    private func gateway(_ prefix: String) -> String { prefix.contains(":") ? "fd09::2" : "10.9.0.2" }

    private func useGateway(_ v4: String = "10.9.0.2", _ v6: String = "fd09::2") {
        network.sh("ip route replace default via \(v4); ip -6 route replace default via \(v6) dev eth0")
    }

    /// The verification of a holder, with its time written as TIME, and how old it is as AGE.
    private func timeless(_ text: String) -> String {
        text.replacing(/after \d+(\.\d+)? (ms|s)/, with: "after TIME").replacing(/\d+s ago/, with: "AGE ago")
    }

    @Test func `a gateway that answers echoes`() {
        useGateway()
        let holder = network.startHold("10.9.0.50/24 10.9.0.51/24 fd09::50/64")
        #expect(holder.says("fd09::50 verified"))
        #expect(
            timeless(holder.output).hasSuffix(
                """
                10.9.0.50 verified after TIME eth0
                10.9.0.51 verified after TIME eth0
                fd09::50 verified after TIME eth0

                """), "\(holder.output)")
        #expect(
            eventually {
                timeless(network.claim("show 10.9.0.50").output).hasSuffix(" fenced verified after TIME, AGE ago\n")
            })
        let record = JSONRecord(network.claim("show --json fd09::50").output)
        #expect(record?["verified"]?.text == "true")
        #expect(timeless(record?.text("verification") ?? "") == "verified after TIME")
        #expect(!holder.output.contains("not verified"))
        #expect(holder.end().status == 0)
    }

    @Test func `verified, as a record`() {
        useGateway()
        let holder = network.startClaim("hold --json 10.9.0.50/24")
        #expect(holder.says("verified"))
        let record = holder.output.split(separator: "\n").compactMap { JSONRecord($0) }.first {
            $0.text("state") == "verified"
        }
        #expect((record?.number("time_us") ?? -1) >= 0)
        #expect(timeless(record?.text("detail") ?? "") == "after TIME")
    }

    @Test func `a gateway that is known by its link-local address only`() {
        useGateway("10.9.0.2", "fe80::ff:fe00:2")
        let holder = network.startHold("fd09::50/64", taking: "fd09::50")
        #expect(holder.says("fd09::50 verified after"), "\(holder.output)")
    }

    @Test(arguments: both)
    func `a gateway that drops echoes is asked by TCP, and its refusal counts`(_ prefix: String) {
        useGateway()
        network.sh(
            "nft 'add table inet t; add chain inet t in { type filter hook input priority 0; }; "
                + "add rule inet t in icmp type echo-request drop; add rule inet t in icmpv6 type echo-request drop'",
            on: 2)
        let holder = network.startHold(prefix, taking: address(prefix))
        #expect(holder.says("\(address(prefix)) verified after"), "\(holder.output)")
    }

    @Test(arguments: both)
    func `a gateway that drops both`(_ prefix: String) {
        useGateway()
        network.sh(
            "nft 'add table inet t; add chain inet t in { type filter hook input priority 0; }; "
                + "add rule inet t in icmp type echo-request drop; add rule inet t in icmpv6 type echo-request drop; "
                + "add rule inet t in meta l4proto tcp drop'", on: 2)
        let holder = network.startHold(prefix, taking: address(prefix))
        let reason =
            "not verified: no packet of the gateway \(gateway(prefix)) arrives here; "
            + "it may ignore gratuitous ARP or have a fixed entry"
        #expect(holder.says("\(address(prefix)) claimed, \(reason) eth0\n"), "\(holder.output)")
        #expect(eventually { network.claim("show").output.contains(" fenced \(reason)\n") })
        // It is held all the same, and it is asked for ever; the day that something comes is told.
        #expect(network.pings(address(prefix), from: 3))
        network.sh("nft flush ruleset", on: 2)
        #expect(holder.says("\(address(prefix)) verified after"), "\(holder.output)")
        #expect(holder.output.components(of: "not verified") == 1)
        #expect(holder.end().status == 0)
    }

    @Test func `a gateway that ignores gratuitous announcements is asked, and learns from the question`() {
        useGateway()
        network.sh(
            "sysctl -qw net.ipv4.conf.eth0.drop_gratuitous_arp=1 net.ipv6.conf.eth0.drop_unsolicited_na=1", on: 2)
        network.sh("ip addr add 10.9.0.50/24 dev eth0; ip addr add fd09::50/64 dev eth0 nodad", on: 3)
        for address in ["10.9.0.50", "fd09::50"] {
            #expect(network.pings(address))
            #expect(network.sh("ip neigh show \(address)", on: 2).contains(ClaimNetwork.mac(3)))
        }
        network.sh("ip addr del 10.9.0.50/24 dev eth0; ip addr del fd09::50/64 dev eth0", on: 3)
        // An announcement alone does not reach it.
        #expect(network.claim("add 10.9.0.50/24 fd09::50/64").status == 0)
        #expect(network.sh("ip neigh show 10.9.0.50", on: 2).contains(ClaimNetwork.mac(3)))
        #expect(network.sh("ip neigh show fd09::50", on: 2).contains(ClaimNetwork.mac(3)))
        let holder = network.startHold("10.9.0.50/24 fd09::50/64")
        #expect(holder.says("10.9.0.50 verified after"), "\(holder.output)")
        #expect(holder.says("fd09::50 verified after"), "\(holder.output)")
        for address in ["10.9.0.50", "fd09::50"] {
            #expect(network.sh("ip neigh show \(address)", on: 2).contains(ClaimNetwork.mac(1)))
        }
    }

    @Test(arguments: both)
    func `a gateway with a permanent entry for another host`(_ prefix: String) {
        useGateway()
        let entry = "\(address(prefix)) lladdr \(ClaimNetwork.mac(3)) dev eth0"
        network.sh("ip neigh add \(entry) nud permanent", on: 2)
        let holder = network.startHold(prefix, taking: address(prefix))
        #expect(
            holder.says("\(address(prefix)) claimed, not verified: no packet of the gateway \(gateway(prefix)) arrives")
        )
        #expect(!holder.output.contains(" verified after"))
        network.sh("ip neigh del \(entry)", on: 2)
        #expect(holder.says("\(address(prefix)) verified after"), "\(holder.output)")
    }

    @Test(arguments: both)
    func `a gateway that is not there`(_ prefix: String) {
        useGateway("10.9.0.99", "fd09::99")
        let holder = network.startHold(prefix, taking: address(prefix))
        let silent = prefix.contains(":") ? "fd09::99" : "10.9.0.99"
        #expect(
            holder.says(
                "\(address(prefix)) claimed, not verified: the gateway \(silent) does not answer on this link eth0\n"))
        #expect(holder.end().status == 0)
    }

    @Test func `a gateway that comes later`() {
        let holder = network.startHold("10.9.0.50/24 fd09::50/64")
        for address in ["10.9.0.50", "fd09::50"] {
            #expect(holder.says("\(address) claimed, not verified: there is no default gateway eth0\n"))
        }
        useGateway()
        // It looks whenever it announces, which it does after 1.1 and 3 seconds still.
        #expect(holder.says("10.9.0.50 verified after") && holder.says("fd09::50 verified after"), "\(holder.output)")
    }

    @Test func `not wanted, nothing is asked and nothing said`() {
        useGateway()
        let witness = Witness(
            "src 10.9.0.50 and icmp or (arp and arp[14:4] = 0x0a090032 and arp[24:4] = 0x0a090002)", on: 2, of: network)
        let holder = network.startHold("--no-verify 10.9.0.50/24")
        network.settle("10.9.0.50", after: 1200)
        #expect(network.claim("show 10.9.0.50").output.hasSuffix(" fenced\n"))
        #expect(holder.end().output == "10.9.0.50 taken eth0\n10.9.0.50 withdrawn eth0\n")
        #expect(witness.frames.isEmpty)
    }

    @Test func `verified anew when the address had to be put back`() {
        useGateway()
        let holder = network.startHold("10.9.0.50/24")
        #expect(holder.says("verified after"))
        // Which is old by then.
        var age: Int64? { JSONRecord(network.claim("show --json 10.9.0.50").output)?.number("verified_ago_ms") }
        #expect(eventually { age ?? 0 > 500 })
        let start = Clock.now
        network.sh("ip addr del 10.9.0.50/24 dev eth0")
        #expect(eventually { timeless(holder.output).components(of: "10.9.0.50 verified after TIME eth0\n") == 2 })
        #expect(eventually { age.map { $0 <= (Clock.now - start).milliseconds } == true })
    }
}
