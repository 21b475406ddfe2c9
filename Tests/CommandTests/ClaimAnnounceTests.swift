// What `qure-claim announce` and the announcements of `add` look like on the wire, by tcpdump on another host.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimAnnounce {
    let network = ClaimNetwork()

    @Test func `gratuitous ARP comes as a question and as an answer, to everybody`() {
        #expect(network.claim("add --announce 0 10.9.0.50/24").status == 0)
        // In the answer both hardware addresses are the sender's.
        let own = "arp[8:4] = 0x02000000 and arp[12:2] = 1"
        let targets = "arp[18:4] = 0x02000000 and arp[22:2] = 1"
        let witness = Witness(
            "arp and ether broadcast and (arp[6:2] = 1 or (\(own) and \(targets)))", on: 2, of: network)
        #expect(network.claim("announce --announce 1 10.9.0.50") == ToolResult(0))
        #expect(eventually { witness.frames.count == 2 }, "\(witness.frames)")
        let texts = witness.frames.map(\.text)
        #expect(texts.allSatisfy { $0.hasPrefix("02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff") })
        #expect(texts.first?.contains("Request who-has 10.9.0.50 tell 10.9.0.50,") == true)
        #expect(texts.last?.contains("Reply 10.9.0.50 is-at 02:00:00:00:00:01,") == true)
    }

    @Test func `an unsolicited neighbour advertisement overrides, to all nodes`() throws {
        #expect(network.claim("add --announce 0 fd09::50/64").status == 0)
        let witness = Witness("icmp6 and ip6[40] = 136 and ip6 dst ff02::1", on: 2, of: network)
        #expect(network.claim("announce --announce 1 fd09::50") == ToolResult(0))
        #expect(eventually { !witness.frames.isEmpty })
        let frame = try #require(witness.frames.first?.text)
        #expect(witness.frames.count == 1)
        #expect(frame.hasPrefix("02:00:00:00:00:01 > 33:33:00:00:00:01"))
        #expect(frame.contains("hlim 255") && frame.contains("icmp6 sum ok"), "\(frame)")
        #expect(
            frame.contains("fd09::50 > ff02::1: ") && frame.contains("tgt is fd09::50, Flags [override]"), "\(frame)")
        #expect(frame.contains("destination link-address option (2), length 8 (1): 02:00:00:00:00:01"), "\(frame)")
    }

    @Test(arguments: [0, 1, 3, 4])
    func `add announces as often as it is told`(_ count: Int) {
        let witness = Witness("arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        #expect(network.claim("add --announce \(count) 10.9.0.50/24 fd09::50/64") == ToolResult(0))
        // Behind the last of them comes something else.
        #expect(network.claim("announce --announce 1 fd09::5a").status == 0)
        #expect(eventually { witness.frames("fd09::5a").count == 1 })
        #expect(witness.frames("who-has 10.9.0.50").count == count)
        #expect(witness.frames("10.9.0.50 is-at").count == count)
        #expect(witness.frames("tgt is fd09::50").count == count)
    }

    @Test(arguments: ["10.9.0.50", "fd09::50"])
    func `a neighbour that knew another holder follows an announcement`(_ address: String) {
        let length = address.contains(":") ? 64 : 24
        let network = ClaimNetwork(hosts: 3)
        network.sh("ip addr add \(address)/\(length) dev eth0 nodad", on: 2)
        #expect(network.pings(address, from: 3))
        #expect(network.sh("ip neigh show \(address)", on: 3).contains(ClaimNetwork.mac(2)))
        network.sh("ip addr del \(address)/\(length) dev eth0", on: 2)
        #expect(network.claim("add --announce 1 \(address)/\(length)") == ToolResult(0))
        // Before it has sent anything itself.
        #expect(eventually { network.sh("ip neigh show \(address)", on: 3).contains(ClaimNetwork.mac(1)) })
        #expect(network.pings(address, from: 3))
    }

    @Test(arguments: ["10.9.0.50", "fd09::50"])
    func `an address that is not here is announced with a warning`(_ address: String) {
        let witness = Witness("arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        #expect(
            network.claim("announce --announce 1 \(address)")
                == ToolResult(0, errors: "qure-claim: \(address): is not on this host; announced all the same\n"))
        #expect(eventually { !witness.frames(address).isEmpty })
    }
}
