// Heartbeats that renew a lease in the kernel, witnessed from the other end of the cable: which ones do, which do not,
// and that a lease which has run out stays so.

import Glibc
import Lab
import QureCore
import Testing

/// Datagrams that a shell sends at a steady pace, for as long as this lives.
private final class Heartbeats {
    private let process: LabProcess

    init(_ payload: String = "QURE beats", port: Int = 7784, every seconds: String = "0.03") throws {
        let loop = "while :; do printf '%s' '\(payload)' > /dev/udp/10.9.0.2/\(port); sleep \(seconds); done"
        process = try LabProcess(["bash", "-c", loop])
    }

    deinit { process.send(SIGKILL) }
}

extension PrivateNetwork {
    private static let lease = Duration.milliseconds(300)
    private static let arping = peer("arping -c 1 -w 1 -f -I right 10.9.0.11")
    private static let pings = ["10.9.0.11", "fd09::11"].map { peer("ping -c 1 -W 1 \($0)") }

    private func leasedFence(user: UInt32 = 0) throws -> Fence {
        must("ip addr add 10.9.0.11/24 dev left")
        must("ip addr add fd09::11/64 dev left nodad")
        var fence = try Fence(["10.9.0.11", "fd09::11"].map { try #require(IPAddress($0)) })
        var netlink = try Netlink()
        let left = try #require(try netlink.link(named: "left"))
        let parts = [(0, "QURE"), (5, "beats")].map { LeaseRenewal.Part(offset: $0, octets: Array($1.utf8)) }
        try fence.renew(by: LeaseRenewal(user: user, port: 7784, lease: Self.lease, parts: parts), leaving: left)
        return fence
    }

    private func kernelLease() throws -> KernelLease {
        var netlink = try Netlink()
        return try KernelLease(
            [try #require(IPAddress("10.9.0.11"))], on: try #require(try netlink.link(named: "left")).index)
    }

    private func remainder() throws -> Duration? {
        var lease = try kernelLease()
        return try lease.remainder()
    }

    private func isOver() -> Bool { (try? remainder()) == .some(nil) }

    private func answers() -> [Bool] { ([Self.arping] + Self.pings).map { run($0).status == 0 } }

    @Test func `heartbeats renew the lease; it ends after the last, and no later one brings it back`() throws {
        var fence = try leasedFence()
        #expect(isOver())
        var heartbeats: Heartbeats? = try Heartbeats()
        try fence.open(for: .seconds(20))
        #expect(eventually { ((try? remainder()) ?? nil).map { $0 <= Self.lease } == true })
        for _ in 0..<3 { #expect(answers() == [true, true, true]) }
        #expect(must("nft list ruleset").contains("oif @leased update @leased { oif timeout 300ms } accept"))
        heartbeats = nil
        #expect(eventually { isOver() })
        #expect(answers() == [false, false, false])
        // What is not fenced goes on speaking.
        #expect(run(Self.peer("ping -c 1 -W 1 10.9.0.1")).status == 0)
        heartbeats = try Heartbeats()
        #expect(answers() == [false, false, false])
        #expect(isOver() && heartbeats != nil)
        try fence.open(for: Self.lease)
        #expect(answers() == [true, true, true])
        try kernelLease().revoke()
        #expect(answers() == [false, false, false])
        try fence.remove()
        #expect(answers() == [true, true, true])
        #expect(!must("nft list tables").contains("qure"))
    }

    @Test(arguments: [
        ("QURE bests", 7784, 0), ("CURE beats", 7784, 0), ("QURE", 7784, 0), ("QURE beats", 7785, 0),
        ("QURE beats", 7784, 65534),
    ])
    func `what is no heartbeat of that master renews nothing`(_ payload: String, _ port: Int, _ user: UInt32) throws {
        var fence = try leasedFence(user: user)
        let heartbeats = try Heartbeats(payload, port: port, every: "0.01")
        defer { withExtendedLifetime(heartbeats) {} }
        let sent = "cat /sys/class/net/left/statistics/tx_packets"
        let before = Int(must(sent).filter(\.isNumber)) ?? 0
        #expect(eventually { (Int(must(sent).filter(\.isNumber)) ?? 0) > before + 10 })
        try fence.open(for: Self.lease)
        let start = Clock.now
        #expect(eventually { isOver() })
        #expect(Clock.now - start < Self.lease + .milliseconds(300))
    }

    @Test func `a lease is not shortened by who opens the fence late, and ends when it is closed`() throws {
        var fence = try leasedFence()
        try fence.open(for: .seconds(20))
        try fence.open(for: .milliseconds(10))
        #expect(try remainder().map { $0 > .seconds(10) } == true)
        try fence.close()
        #expect(isOver())
        #expect(answers() == [false, false, false])
    }

    @Test func `a flushed ruleset is put back with the lease; an interface that is gone needs none`() throws {
        var fence = try leasedFence()
        try fence.open(for: .seconds(20))
        must("nft flush ruleset")
        try fence.open(for: .seconds(20))
        #expect(!isOver())
        #expect(answers() == [true, true, true])
        must("nft flush ruleset")
        must("ip link del left")
        try fence.open(for: .seconds(20))
        try fence.remove()
    }

    @Test func `what a claim has left is replaced, heartbeats or not`() throws {
        var fence = try leasedFence()
        try fence.open(for: .milliseconds(1))
        #expect(eventually { answers() == [false, false, false] })
        var second = try Fence(["10.9.0.11", "fd09::11"].map { try #require(IPAddress($0)) })
        try second.open(for: .seconds(20))
        #expect(answers() == [true, true, true])
        try second.remove()
    }
}
