// What is left of a claim when its processes are killed or frozen: the guard takes the address off at once, without
// it the fence silences the address within its lease, and the kernel's lifetime removes it at last.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimFence {
    let network = ClaimNetwork()

    private static let both = ["10.9.0.50/24", "fd09::50/64"]

    private func address(_ prefix: String) -> String { String(prefix.prefix { $0 != "/" }) }

    @Test(arguments: both)
    func `a holder that is killed leaves nothing behind, at once`(_ prefix: String) throws {
        let address = address(prefix)
        let monitor = AddressMonitor(on: 1, of: network)
        let holder = network.startHold("--no-verify --lease 20s \(prefix)", taking: address)
        _ = try #require(ClaimNetwork.twin(of: holder))
        let start = wallClock
        holder.signal(SIGKILL)
        let gone = try #require(monitor.time(of: address, after: start))
        note("\(address) removed after SIGKILL of the holder", gone - start)
        #expect(gone - start < 1)
        #expect(holder.finish().status == 137)
        #expect(!network.has(address))
        #expect(eventually { network.sh("nft list tables") == "" })
    }

    @Test func `a guard that is killed is replaced, and the next one does its duty`() throws {
        let monitor = AddressMonitor(on: 1, of: network)
        let holder = network.startHold("--no-verify --lease 20s 10.9.0.50/24")
        var former: pid_t = 0
        for _ in 0..<3 {
            let twin = try #require(ClaimNetwork.twin(of: holder, otherThan: former))
            kill(twin, SIGKILL)
            former = twin
        }
        #expect(holder.complains("qure-claim: the guard process was killed, making another\n"))
        _ = try #require(ClaimNetwork.twin(of: holder, otherThan: former))
        #expect(network.has("10.9.0.50") && !holder.output.contains("reinstated"))
        let start = wallClock
        holder.signal(SIGKILL)
        let gone = try #require(monitor.time(of: "10.9.0.50", after: start))
        #expect(gone - start < 1)
    }

    /// A follower that has been told to hold for the length of a short lease, over and over, and its guard; the
    /// kernel's own lifetime is long.
    private func beginFollowing(_ prefix: String, _ lease: String) throws -> (RunningTool, pid_t, RunningTool) {
        let events = EventPipe(network)
        let follower = network.startClaim("follow --no-verify --lease 8s \(prefix)", input: events.path)
        events.begin()
        let elector = RunningTool(
            [
                "perl", "-e",
                "$| = 1; while (1) { print qq(alive lease=\(lease)\\n) or exit; select undef, undef, undef, 0.1 }",
            ], outputPath: events.path)
        #expect(follower.says("taken"), "\(follower.errors)")
        return (follower, try #require(ClaimNetwork.twin(of: follower)), elector)
    }

    @Test(arguments: both, [SIGKILL, SIGSTOP])
    func `with both gone at once the fence silences the address within its lease`(_ prefix: String, _ signal: CInt)
        throws
    {
        let address = address(prefix)
        let (follower, twin, elector) = try beginFollowing(prefix, "700ms")
        let echoes = EchoStream(to: address, from: 2, of: network)
        let end = wallClock
        // Stopped first, so that neither has the time to see the other go.
        kill(twin, SIGSTOP)
        follower.signal(SIGSTOP)
        let start = wallClock
        if signal == SIGKILL {
            follower.signal(SIGKILL)
            kill(twin, SIGKILL)
        }
        let last = echoes.silence(of: 1)
        note("\(address) silent after \(signal == SIGKILL ? "SIGKILL" : "SIGSTOP") of both, lease 700 ms", last - start)
        #expect(last - start < 1.5 && last > end)
        // Still there, and silent to a question as well.
        #expect(network.has(address))
        #expect(network.answers(address) == nil)
        #expect(network.has(address))
        // The kernel's lifetime ends it.
        #expect(eventually(within: .seconds(20)) { !network.has(address) })
        #expect(network.sh("nft list tables").contains("qure-claim-\(address)"))
        kill(twin, SIGKILL)
        _ = elector.end(with: SIGKILL)
        _ = follower.end(with: SIGKILL)
        // The table that nobody could remove is no obstacle to the next holder, nor to anybody else.
        let next = network.startHold("--no-verify \(prefix)", taking: address)
        #expect(network.pings(address))
        #expect(next.end().status == 0)
        #expect(network.sh("nft list tables") == "")
    }

    @Test func `a ruleset that somebody flushes is put back with the next renewal`() throws {
        let (follower, twin, elector) = try beginFollowing("10.9.0.50/24", "700ms")
        for _ in 0..<3 {
            network.sh("nft flush ruleset")
            #expect(eventually { network.sh("nft list tables").contains("qure-claim-10.9.0.50") })
        }
        #expect(network.pings("10.9.0.50"))
        #expect(follower.isRunning && follower.errors == "", "\(follower.errors)")
        let echoes = EchoStream(to: "10.9.0.50", from: 2, of: network)
        kill(twin, SIGSTOP)
        follower.signal(SIGSTOP)
        let start = wallClock
        #expect(echoes.silence(of: 1) - start < 1.5)
        kill(twin, SIGKILL)
        _ = elector.end(with: SIGKILL)
    }

    @Test func `a kernel without nf_tables is told, and does`() throws {
        let monitor = AddressMonitor(on: 1, of: network)
        let words = Refusal(call: .netlink(12), error: EPROTONOSUPPORT).words + [Executables.path("qure-claim")]
        let holder = network.start(words + ["hold", "--no-verify", "--lease", "20s", "10.9.0.50/24", "fd09::50/64"])
        #expect(holder.says("taken"))
        #expect(
            holder.complains(
                "qure-claim: netlink socket: Protocol not supported: no fence here, so a process that is frozen"))
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"))
        #expect(eventually { network.claim("show 10.9.0.50").output.contains(" unfenced") })
        _ = try #require(ClaimNetwork.twin(of: holder))
        let start = wallClock
        holder.signal(SIGKILL)
        #expect(try #require(monitor.time(of: "fd09::50", after: start)) - start < 1)
        #expect(eventually { !network.has("10.9.0.50") })
    }

    @Test func `a guard that was stopped holds nobody up`() throws {
        let holder = network.startHold("--no-verify 10.9.0.50/24")
        let twin = try #require(ClaimNetwork.twin(of: holder))
        kill(twin, SIGSTOP)
        #expect(holder.end().status == 0)
        #expect(!network.has("10.9.0.50"))
        #expect(kill(twin, 0) == -1)
    }

    @Test func `nobody but the follower reads its stream: its death is told to the writer`() throws {
        let events = EventPipe(network)
        let follower = network.startClaim("follow --no-verify 10.9.0.50/24", input: events.path)
        events.begin()
        events.say("master lease=60s")
        #expect(follower.says("taken"))
        let twin = try #require(ClaimNetwork.twin(of: follower))
        kill(twin, SIGSTOP)
        #expect(events.accepts("alive lease=60s\n"))
        #expect(follower.end(with: SIGKILL).status == 137)
        #expect(!events.accepts("alive lease=60s\n"))
        kill(twin, SIGKILL)
    }

    @Test func `two claims on one host have a fence each`() {
        let first = network.startHold("--no-verify 10.9.0.50/24")
        let second = network.startHold("--no-verify 10.9.0.51/24 fd09::51/64", taking: "fd09::51")
        #expect(first.end().status == 0)
        #expect(network.pings("10.9.0.51") && network.pings("fd09::51") && network.answers("10.9.0.51") != nil)
        #expect(!network.sh("nft list tables").contains("qure-claim-10.9.0.50"))
        #expect(second.end().status == 0)
        #expect(network.sh("nft list tables") == "")
        #expect(network.pings("10.9.0.1"))
    }
}
