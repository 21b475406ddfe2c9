// The lease of `qure-claim follow`: what it counts from, that a frozen follower never grants itself one from old
// lines, and that nothing keeps a running one from renewing it.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimLease {
    /// A time of the clock that `at=` is written in, so many milliseconds from now.
    private func at(_ milliseconds: Int64) -> Int64 { Clock.now.nanoseconds + milliseconds * 1_000_000 }

    @Test func `a line whose lease is over grants nothing`() {
        let following = ClaimFollowing()
        following.events.say("master at=\(at(-500)) lease=300ms")
        following.events.say("alive at=0 lease=60s")
        following.sync()
        #expect(following.holds == false && following.follower.output == "")
        #expect(!following.follower.errors.contains("withdrawn"))
    }

    @Test func `the lease counts from the heartbeat, not from the line`() throws {
        let following = ClaimFollowing()
        let monitor = AddressMonitor(on: 1, of: following.network)
        following.hold()
        let start = following.events.say("alive at=\(at(-1500)) lease=2s")
        let gone = try #require(monitor.time(of: "10.9.0.50", after: start))
        note("10.9.0.50 removed after the rest of its lease, 500 ms", gone - start)
        #expect(gone - start > 0.4 && gone - start < 1.9)
    }

    @Test func `a heartbeat from the future grants no more than its lease`() throws {
        let following = ClaimFollowing()
        let monitor = AddressMonitor(on: 1, of: following.network)
        let start = following.events.say("master at=\(at(3_600_000)) lease=400ms")
        #expect(following.follower.says("taken"))
        let gone = try #require(monitor.time(of: "10.9.0.50", after: start))
        #expect(gone - start > 0.3 && gone - start < 2)
    }

    @Test(arguments: [true, false])
    func `a follower that was frozen grants itself nothing from the lines that waited`(_ hasGuard: Bool) throws {
        let following = ClaimFollowing()
        func vouch(_ times: Int) {
            for _ in 0..<times {
                following.events.say("alive at=\(at(0)) lease=300ms")
                usleep(20_000)  // the elector's pace
            }
        }
        #expect(
            eventually {
                vouch(5)
                return following.follower.output.contains("fd09::50 taken eth0\n")
            })
        vouch(10)
        let twin = try #require(ClaimNetwork.children(of: following.follower.process).first)
        let echoes = EchoStream(to: "10.9.0.50", from: 2, of: following.network, vouching: { vouch(2) })
        following.follower.signal(SIGSTOP)
        if !hasGuard { kill(twin, SIGSTOP) }
        vouch(10)
        _ = echoes.silence(of: 0.6)
        let witness = Witness(
            "ether src \(ClaimNetwork.mac(1)) and "
                + "(arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136 and ip6[60:4] = 0x50))",
            on: 2, of: following.network)
        following.follower.signal(SIGCONT)
        #expect(following.follower.complains("address withdrawn\n"), "\(following.follower.errors)")
        following.sync()
        #expect(following.holds == false)
        #expect(witness.frames.isEmpty, "\(witness.frames)")
        #expect(following.follower.errors.components(of: "the lease ran out") == 1, "\(following.follower.errors)")
        // Awake, and told so anew, it holds again.
        following.events.say("alive at=\(at(0)) lease=60s")
        #expect(eventually { following.holds == true })
        kill(twin, SIGCONT)
    }

    @Test func `heartbeats that leave keep the lease between two lines, and end it with the last of them`() throws {
        let following = ClaimFollowing()
        let network = following.network
        let loop = "while :; do printf QURE > /dev/udp/10.9.0.2/7784; sleep 0.05; done"
        let heartbeats = network.start(["bash", "-c", loop])
        let start = following.events.say(
            "master at=\(at(0)) lease=400ms heartbeat=\(getuid())@7784/400ms/0:51555245")
        #expect(following.follower.says("fd09::50 taken eth0\n"), "\(following.follower.errors)")
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"))
        // The follower sleeps meanwhile, and may.
        following.follower.signal(SIGSTOP)
        #expect(eventually { wallClock - start > 1.5 })
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"), "\(following.follower.errors)")
        following.follower.signal(SIGCONT)
        let echoes = EchoStream(to: "10.9.0.50", from: 2, of: network)
        let end = wallClock
        heartbeats.signal(SIGKILL)
        #expect(echoes.silence(of: 0.6) - end < 0.6)
        #expect(following.follower.complains("the lease ran out"), "\(following.follower.errors)")
        #expect(eventually { following.holds == false })
    }

    @Test func `the kernel's lifetime is no shorter than the stream's lease`() throws {
        let following = ClaimFollowing("--no-verify --lease 1s")
        following.hold()
        #expect(following.network.address("10.9.0.50")?.contains("valid_lft 1sec") == false)
        let monitor = AddressMonitor(on: 1, of: following.network)
        let start = wallClock
        #expect(monitor.time(of: "10.9.0.50", after: start, within: .seconds(3)) == nil)
        #expect(following.holds == true && !following.follower.output.contains("reinstated"))
        // A short lease, and the lifetime is that of the option again.
        for _ in 0..<4 {
            following.events.say("alive lease=1s")
            usleep(300_000)  // the elector's pace
        }
        #expect(following.network.address("fd09::50")?.contains("valid_lft 1sec") == true)
    }

    @Test func `a thousand lines a second are followed, and the last one counts`() throws {
        let following = ClaimFollowing()
        let monitor = AddressMonitor(on: 1, of: following.network)
        following.hold()
        let before = ClaimIdle.processorTime(of: following.follower.process)
        let start = wallClock
        var lines = 0
        while wallClock - start < 2 {
            following.events.say("alive term=\(lines) at=\(at(0)) lease=200ms")
            lines += 1
            usleep(900)  // a thousand lines a second
        }
        let end = wallClock
        note(
            "processor time for a line",
            (ClaimIdle.processorTime(of: following.follower.process) - before) / Double(lines))
        print("figure: \(Double(lines) / (end - start)) lines a second")
        #expect(following.follower.errors == "")
        let gone = try #require(monitor.time(of: "10.9.0.50", after: end))
        note("10.9.0.50 removed after the end of the last lease", gone - end - 0.2)
        #expect(gone - end > 0.15 && gone - end < 1.5)
    }

    @Test(arguments: ["1", "2", "1 and 2"])
    func `an output that nobody reads does not keep it from renewing`(_ which: String) {
        let network = ClaimNetwork()
        let blocked = EventPipe(network, "blocked")
        blocked.fill()
        let events = EventPipe(network)
        let redirections = which.split(separator: " ").filter { $0 != "and" }.map { "\($0)> \(blocked.path)" }
        let tool = Executables.path("qure-claim")
        let follower = network.start(
            [
                "sh", "-c",
                "exec \(tool) follow --no-verify 10.9.0.50/24 fd09::50/64 \(redirections.joined(separator: " "))",
            ],
            input: events.path)
        events.begin()
        let isTaken = eventually {
            events.say("alive lease=500ms")
            return network.has("10.9.0.50") && network.has("fd09::50")
        }
        #expect(isTaken)
        // Reinstating and unknown words are said somewhere; the lifetime of 2 s ends where nobody renews it.
        let start = wallClock
        var turn = 0
        while wallClock - start < 4 {
            events.say("alive lease=500ms word\(String(UnicodeScalar(UInt8(97 + turn % 26))))=1")
            if turn == 10 { network.sh("ip addr del 10.9.0.50/24 dev eth0") }
            turn += 1
            usleep(50_000)  // the elector's pace
        }
        // Looking takes a while on a busy machine.
        events.say("alive lease=20s")
        #expect(network.has("10.9.0.50") && network.has("fd09::50"))
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"))
        let end = events.close()
        #expect(eventually { !network.has("10.9.0.50") })
        #expect(follower.finish().status == 69)
        note("end with blocked outputs", wallClock - end)
    }

    @Test(arguments: [">&-", "> /dev/full"])
    func `a standard output that is broken is told, and no reason to give an address up`(_ redirection: String) {
        let network = ClaimNetwork()
        let tool = network.start([
            "sh", "-c", "exec \(Executables.path("qure-claim")) hold --no-verify 10.9.0.50/24 \(redirection)",
        ])
        #expect(tool.complains("qure-claim: write standard output: "))
        #expect(tool.complains(", going on without it\n"))
        #expect(network.pings("10.9.0.50"))
        let end = tool.end()
        #expect(end.status == 71)
        #expect(end.errors.components(of: "\n") == 1, "\(end.errors)")
        #expect(!network.has("10.9.0.50"))
    }

    @Test func `a reader that goes away is told, and no reason to give an address up`() {
        let network = ClaimNetwork()
        let events = EventPipe(network)
        let tool = network.start(
            [
                "sh", "-c",
                "exec 3> \(network.folder)/status; "
                    + "(\(Executables.path("qure-claim")) follow --no-verify 10.9.0.50/24; echo $? >&3) | true",
            ],
            input: events.path)
        events.begin()
        events.say("master lease=60s")
        #expect(tool.complains("qure-claim: write standard output: Broken pipe, going on without it\n"))
        #expect(network.pings("10.9.0.50"))
        events.say("standby")
        events.close()
        #expect(eventually { network.sh("cat \(network.folder)/status") == "71\n" })
        #expect(!network.has("10.9.0.50"))
    }

    @Test func `a link that comes later is announced on`() {
        let network = ClaimNetwork()
        network.sh("ip link set eth0 down")
        let events = EventPipe(network)
        let follower = network.startClaim("follow -i eth0 --no-verify 10.9.0.50/24 fd09::50/64", input: events.path)
        events.begin()
        events.say("master lease=60s")
        #expect(follower.says("taken"), "\(follower.errors)")
        let witness = Witness("arp or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        network.sh("ip link set eth0 up")
        #expect(eventually { !witness.frames("who-has 10.9.0.50 tell 10.9.0.50").isEmpty })
        #expect(eventually { !witness.frames("tgt is fd09::50, Flags [override]").isEmpty })
        #expect(eventually { network.pings("10.9.0.50") && network.pings("fd09::50") })
        #expect(follower.isRunning)
    }
}
