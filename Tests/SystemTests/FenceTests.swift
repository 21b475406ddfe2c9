// The fence, witnessed from the other end of the cable by arping and ping: what it silences, when, and what it leaves
// alone.

import Glibc
import Lab
import QureCore
import Testing

extension PrivateNetwork {
    private static let arping = peer("arping -c 1 -w 1 -I right 10.9.0.11")
    private static let ping = peer("ping -c 1 -W 1 -i 0.2 10.9.0.11")
    private static let pingV6 = peer("ping -c 1 -W 1 -i 0.2 fd09::11")

    private func fencedAddresses() throws -> [IPAddress] {
        must("ip addr add 10.9.0.11/24 dev left")
        must("ip addr add fd09::11/64 dev left nodad")
        return try ["10.9.0.11", "fd09::11"].map { try #require(IPAddress($0)) }
    }

    private func answers(_ line: String) -> Bool { run(line).status == 0 }

    @Test func `open, the fence lets the addresses speak; when the time is over, nothing`() throws {
        var fence = try Fence(fencedAddresses())
        try fence.open(for: .seconds(20))
        #expect(answers(Self.arping) && answers(Self.ping) && answers(Self.pingV6))
        try fence.open(for: .milliseconds(200))
        let start = Clock.now
        #expect(eventually { !answers(Self.peer("arping -c 1 -w 1 -f -I right 10.9.0.11")) })
        #expect(Clock.now - start >= .milliseconds(200))
        #expect(!answers(Self.ping) && !answers(Self.pingV6))
        // What is not fenced goes on speaking.
        #expect(answers(Self.peer("ping -c 1 -W 1 10.9.0.1")) && answers(Self.peer("ping -c 1 -W 1 fd09::1")))
        try fence.remove()
        #expect(answers(Self.arping) && answers(Self.pingV6))
        #expect(!must("nft list tables").contains("qure"))
    }

    @Test func `closed, no neighbour question is answered either`() throws {
        var fence = try Fence(fencedAddresses())
        try fence.open(for: .seconds(20))
        try fence.close()
        must(Self.peer("ip neigh flush all"))
        #expect(!answers(Self.arping) && !answers(Self.pingV6))
        let entry = must(Self.peer("ip -6 neigh show fd09::11"))
        #expect(entry.contains("FAILED") || entry.contains("INCOMPLETE"), "\(entry)")
    }

    @Test func `handing over, the addresses send but do not answer`() throws {
        var fence = try Fence(fencedAddresses())
        try fence.open(for: .seconds(20))
        #expect(answers(Self.ping) && answers(Self.pingV6))  // the peer knows where they are now
        try fence.open(for: .seconds(20), answering: false)
        #expect(answers(Self.ping) && answers(Self.pingV6))
        #expect(!answers(Self.arping))
        must(Self.peer("ip neigh flush all"))
        #expect(!answers(Self.pingV6))
    }

    @Test func `a flushed ruleset is put back, and a second fence replaces the first`() throws {
        let addresses = try fencedAddresses()
        var fence = try Fence(addresses)
        try fence.open(for: .seconds(20))
        must("nft flush ruleset")
        try fence.open(for: .seconds(20))
        #expect(must("nft list ruleset").contains("10.9.0.11"))
        try fence.close()
        #expect(!answers(Self.arping))
        var second = try Fence(addresses)
        try second.open(for: .seconds(20))
        #expect(answers(Self.arping))
        #expect(must("nft list tables").split(separator: "\n").count == 3)
    }

    @Test func `what the rules are about outlives the lease that was given last`() throws {
        let addresses = try fencedAddresses()
        var fence = try Fence(addresses)
        // How long the elements of a set have to live, in whole minutes.
        func minutes(_ set: String) -> Int? {
            let listed = must("nft list set \(set)").firstMatch(of: /expires (?:(\d+)m)?/)
            return listed.map { $0.1.flatMap { Int($0) } ?? 0 }
        }
        for family in ["arp", "ip"] {
            // Made anew, and nothing known of the one before.
            fence = try Fence(addresses)
            try fence.open(for: .seconds(20))
            #expect(minutes("\(family) qure-claim-10.9.0.11 fenced") == 1)
            // The second is in the time of the first: that they are renewed at all shows with a longer one.
            try fence.open(for: .seconds(300))
            #expect(minutes("\(family) qure-claim-10.9.0.11 fenced").map { $0 >= 5 } == true)
        }
        #expect(minutes("ip6 qure-claim-10.9.0.11 answering").map { $0 >= 4 } == true)
    }

    @Test func `without the capability there is no fence, and the error says so`() async {
        await #expect(processExitsWith: .success) {
            guard dropCapabilities(), let address = IPAddress("10.9.0.11") else { exit(1) }
            do throws(SystemError) {
                _ = try Fence([address])
                exit(2)
            } catch {
                exit(error.isPermission ? 0 : 3)
            }
        }
    }
}
