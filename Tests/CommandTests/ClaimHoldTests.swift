// `qure-claim hold`: taking, keeping and giving up an address, as `ip` on its host and tcpdump on another see it.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimHold {
    let network = ClaimNetwork()

    private static let unverified = "claimed, not verified: there is no default gateway eth0"

    @Test(arguments: [SIGTERM, SIGINT])
    func `held until it is asked to end, then withdrawn`(_ signal: CInt) {
        let holder = network.startHold("10.9.0.50/24 fd09::50/64", taking: "fd09::50")
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"))
        #expect(network.address("10.9.0.50")?.contains("noprefixroute") == true)
        #expect(network.address("10.9.0.50")?.contains("valid_lft 2sec preferred_lft 2sec") == true)
        #expect(network.address("fd09::50")?.contains("tentative") == false)
        #expect(holder.says("fd09::50 \(Self.unverified)\n"))
        let end = holder.end(with: signal)
        #expect(
            end
                == ToolResult(
                    0,
                    """
                    10.9.0.50 taken eth0
                    fd09::50 taken eth0
                    10.9.0.50 \(Self.unverified)
                    fd09::50 \(Self.unverified)
                    10.9.0.50 withdrawn eth0
                    fd09::50 withdrawn eth0

                    """))
        #expect(!network.has("10.9.0.50") && !network.has("fd09::50"))
        #expect(network.sh("nft list tables") == "")
        #expect(network.sh("ls -A /run/qure/claims/netns-$(stat -L -c %i /proc/self/ns/net)") == "")
        #expect(network.has("10.9.0.1") && network.has("fd09::1"))
    }

    @Test func `the same as JSON Lines`() {
        let holder = network.startClaim("hold --json --no-verify 10.9.0.50/24")
        #expect(holder.says("}\n"))
        let empty = #""interface":"eth0","mac":null,"time_us":null,"detail":null}"#
        #expect(
            holder.end()
                == ToolResult(
                    0,
                    """
                    {"address":"10.9.0.50","state":"taken",\(empty)
                    {"address":"10.9.0.50","state":"withdrawn",\(empty)

                    """))
    }

    @Test func `a hang-up ends nothing`() {
        let holder = network.startHold("--no-verify 10.9.0.50/24")
        holder.signal(SIGHUP)
        network.sh("ip addr del 10.9.0.50/24 dev eth0")
        #expect(holder.says("reinstated"))
        #expect(holder.end().status == 0)
    }

    @Test(.timeLimit(.minutes(2)))
    func `announced at once and after 10, 50, 200 ms, 1.1 and 3 s, then every 30 s`() {
        let witness = Witness("arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        let isComplete = eventually(within: .seconds(60)) {
            let times = witness.frames("tgt is fd09::50").map(\.time)
            return (times.last ?? 0) - (times.first ?? 0) > 30
        }
        #expect(isComplete)
        for words in ["who-has 10.9.0.50", "10.9.0.50 is-at", "tgt is fd09::50"] {
            let times = witness.frames(words).map(\.time)
            let offsets = times.map { $0 - (times.first ?? 0) }
            print("figure: announcements of \(words): \(offsets.map { "\(($0 * 1e4).rounded() / 10) ms" })")
            // What a busy machine is too late for is left out, so only the rough shape is certain.
            #expect((4...7).contains(offsets.count), "\(offsets)")
            for wanted in [0, 1.1, 3, 33] {
                #expect(offsets.contains { $0 > wanted - 0.05 && $0 < wanted + 1 }, "\(wanted) in \(offsets)")
            }
        }
        #expect(holder.end().status == 0)
    }

    /// What others do to an address that is held.
    static let thefts = [
        "ip addr del 10.9.0.50/24 dev eth0", "ip addr del fd09::50/64 dev eth0", "ip addr flush dev eth0",
        "ip -6 addr flush dev eth0 scope global",
    ]

    @Test(arguments: thefts)
    func `put back when somebody else takes it off`(_ theft: String) throws {
        let monitor = AddressMonitor(on: 1, of: network)
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        let witness = Witness("arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        // Behind the announcements of the taking.
        network.settle("10.9.0.50")
        let address = theft.contains("fd09") || theft.contains("-6") ? "fd09::50" : "10.9.0.50"
        let start = wallClock
        network.sh(theft)
        let gone = try #require(monitor.time(of: address, after: start))
        let back = try #require(monitor.time(of: address, removed: false, after: gone))
        note("reinstated after '\(theft)'", back - gone)
        #expect(back - gone < 1)
        #expect(eventually { network.has("10.9.0.50") && network.has("fd09::50") })
        #expect(holder.says("\(address) reinstated eth0\n"))
        #expect(holder.complains("10.9.0.50/24: was gone from eth0, put back"))
        #expect(eventually { witness.frames.contains { $0.time > back - 0.001 && $0.text.contains(address) } })
        #expect(holder.end().status == 0)
        #expect(!network.has("10.9.0.50") && !network.has("fd09::50"))
    }

    @Test(arguments: ["", "--virtual-mac "])
    func `a host that loses its own addresses does not take the way to the network along`(_ option: String) {
        let holder = network.startHold("--no-verify \(option)10.9.0.50/24 fd09::50/64")
        #expect(network.address("10.9.0.50")?.contains("noprefixroute") == true)
        network.sh("ip addr del 10.9.0.1/24 dev eth0; ip addr del fd09::1/64 dev eth0")
        #expect(eventually { network.pings("10.9.0.50") && network.pings("fd09::50") })
        #expect(network.address("10.9.0.50")?.contains("noprefixroute") == false)
        #expect(holder.end().status == 0)
        #expect(network.sh("ip route") == "")
    }

    /// The kernel makes the next address of the network the first one when the first one goes, and gives the route to
    /// the network to the first one alone.
    @Test(arguments: [
        "ip addr add 10.9.0.7/24 dev eth0; ip addr del 10.9.0.1/24 dev eth0",
        "ip addr del 10.9.0.1/24 dev eth0; ip addr add 10.9.0.7/24 dev eth0",
        "ip addr del 10.9.0.1/24 dev eth0; sleep 0.3; ip addr add 10.9.0.7/24 dev eth0",
    ])
    func `a host that gets another address of its own speaks from that one`(_ change: String) {
        let holder = network.startHold("--no-verify 10.9.0.50/24 10.9.0.51/24")
        network.settle("10.9.0.50")
        network.sh(change)
        let isInOrder = eventually {
            network.sh("ip route").contains("10.9.0.0/24 dev eth0 proto kernel scope link src 10.9.0.7")
                && ["10.9.0.50", "10.9.0.51"].allSatisfy { network.address($0)?.contains(" secondary ") == true }
        }
        #expect(isInOrder, "\(network.sh("ip addr show eth0; ip route")) \(holder.output)")
        #expect(network.pings("10.9.0.50") && network.pings("10.9.0.7"))
        #expect(holder.end().status == 0)
        #expect(!network.has("10.9.0.50") && network.has("10.9.0.7"))
    }

    @Test func `put back with a word, also where the next renewal comes before the news`() {
        let holder = network.startHold("--no-verify --lease 6s 10.9.0.50/24 fd09::50/64")
        let witness = Witness("arp[14:4] = 0x0a090032", on: 2, of: network)
        network.settle("10.9.0.50")
        holder.signal(SIGSTOP)
        network.sh("ip addr del 10.9.0.50/24 dev eth0")
        let before = wallClock
        // By the lifetime of the other one, a renewal is overdue.
        let isDue = eventually {
            ["3sec", "2sec"].contains { network.address("fd09::50")?.contains(" valid_lft \($0)") == true }
        }
        #expect(isDue)
        holder.signal(SIGCONT)
        #expect(holder.says("10.9.0.50 reinstated eth0\n"))
        #expect(holder.complains("10.9.0.50/24: was gone from eth0, put back"))
        #expect(eventually { witness.frames("is-at").contains { $0.time > before } })
        #expect(holder.end().status == 0)
        #expect(holder.output.ranges(of: "10.9.0.50 reinstated").count == 1)
    }

    @Test func `put back a hundred times`() {
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        network.sh(
            "for i in $(seq 100); do for a in 10.9.0.50/24 fd09::50/64; do ip addr del $a dev eth0 || :; done; done"
        )
        #expect(eventually { network.pings("10.9.0.50") && network.pings("fd09::50") })
        #expect(holder.end().status == 0)
    }

    @Test func `a failed detection is put right`() {
        // The neighbour has it as well, and somebody puts it here with detection.
        network.sh("ip addr add fd09::50/64 dev eth0 nodad", on: 2)
        let events = EventPipe(network)
        let holder = network.startClaim("follow --no-verify --adopt fd09::50/64", input: events.path)
        events.begin()
        events.say("master lease=60s peers=\(ClaimNetwork.mac(2))")
        #expect(holder.says("taken"))
        network.sh("ip addr del fd09::50/64 dev eth0; ip addr add fd09::50/64 dev eth0 2> /dev/null || :")
        #expect(
            eventually {
                let line = network.address("fd09::50") ?? "tentative"
                return !line.contains("tentative") && !line.contains("dadfailed")
            })
        #expect(holder.isRunning)
    }

    @Test func `a link that flaps is announced on again`() throws {
        let monitor = AddressMonitor(on: 1, of: network)
        let holder = network.startHold("--no-verify --lease 4s 10.9.0.50/24 fd09::50/64")
        let witness = Witness("arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        let start = wallClock
        network.sh("ip link set eth0 down; ip link set eth0 up")
        let gone = try #require(monitor.time(of: "fd09::50", after: start))
        let back = try #require(monitor.time(of: "fd09::50", removed: false, after: gone))
        note("reinstated after a link flap", back - gone)
        #expect(holder.says("reinstated") || holder.says("taken eth0\nfd09::50 taken eth0\n10.9.0.50 withdrawn"))
        #expect(eventually { network.pings("10.9.0.50") && network.pings("fd09::50") })
        #expect(eventually { witness.frames.contains { $0.time > back && $0.text.contains("who-has 10.9.0.50") } })
        #expect(holder.end().status == 0)
    }

    @Test func `a link that was away for long enough to be succeeded is asked first`() {
        let network = ClaimNetwork(hosts: 3)
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        network.cable(1, false)
        #expect(holder.complains("eth0: the link is down"))
        network.sh("ip addr add 10.9.0.50/24 dev eth0", on: 2)
        network.sh("ip addr add fd09::50/64 dev eth0 nodad", on: 2)
        // Succeeded or not: once that is possible it is not there when the link comes back.
        #expect(eventually { !network.has("10.9.0.50") && !network.has("fd09::50") })
        let witness = Witness("arp or (icmp6 and ip6[40] = 136)", on: 3, of: network)
        network.cable(1, true)
        let end = holder.finish()
        #expect(end.status == 1)
        #expect(end.errors.contains("10.9.0.50/24: no link for "))
        #expect(end.errors.hasSuffix(": held by \(ClaimNetwork.mac(2))\n"), "\(end.errors)")
        #expect(!network.has("10.9.0.50") && !network.has("fd09::50"))
        #expect(eventually { witness.frames("who-has 10.9.0.50 ", "tell 0.0.0.0").count > 0 }, "\(witness.frames)")
        #expect(witness.frames("who-has 10.9.0.50 tell 10.9.0.50").isEmpty)
    }

    @Test func `nobody has succeeded it, and it goes on`() {
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        network.cable(1, false)
        #expect(holder.complains("eth0: the link is down"))
        #expect(holder.complains("10.9.0.50/24: no link for "))
        #expect(!network.has("10.9.0.50") && !network.has("fd09::50"))
        network.cable(1, true)
        #expect(eventually { network.pings("10.9.0.50") && network.pings("fd09::50") })
        #expect(holder.end().status == 0)
    }

    @Test func `an interface that gets another hardware address, or another name`() {
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        let witness = Witness("arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136)", on: 2, of: network)
        network.sh("ip link set eth0 address 02:00:00:00:00:99")
        #expect(holder.complains("qure-claim: eth0: the hardware address is 02:00:00:00:00:99 now, announcing it\n"))
        for words in ["10.9.0.50 is-at 02:00:00:00:00:99", "tgt is fd09::50"] {
            #expect(eventually { !witness.frames("02:00:00:00:00:99 >", words).isEmpty })
        }
        for address in ["10.9.0.50", "fd09::50"] { #expect(network.answers(address) == "02:00:00:00:00:99") }
        #expect(network.claim("show 10.9.0.50").output.contains(" conflicts 0 "))
        network.sh("ip link set eth0 down; ip link set eth0 name wan; ip link set wan up")
        #expect(eventually { network.pings("10.9.0.50") && network.pings("fd09::50") })
        #expect(holder.end().status == 0)
        #expect(!network.has("10.9.0.50") && !network.has("fd09::50"))
    }

    @Test func `an interface that is removed ends it`() {
        network.sh("ip link add wire type veth peer name end; ip link set wire up; ip link set end up")
        #expect(eventually { network.succeeds("ip link show wire | grep -q 'state UP'") })
        let holder = network.startHold("--no-verify -i wire 10.77.0.50/24", taking: "10.77.0.50")
        network.sh("ip link del wire")
        let end = holder.finish()
        #expect(end.status == 69)
        #expect(end.errors.contains("qure-claim: wire: the interface is gone\n"), "\(end.errors)")
        #expect(network.sh("nft list tables") == "")
    }

    @Test func `one process for an address on one host`() {
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        let refusal = ToolResult(
            1, errors: "qure-claim: fd09::50: process \(holder.process) of this host holds it already\n")
        #expect(network.claim("hold fd09::50/64") == refusal)
        #expect(network.claim("follow fd09::50/64") == refusal)
        #expect(network.claim("hold 10.9.0.51/24 fd09::50/64") == refusal)
        #expect(!network.has("10.9.0.51"))
        #expect(network.sh("ls /run/qure/claims/netns-$(stat -L -c %i /proc/self/ns/net)") == "10.9.0.50\nfd09::50\n")
        #expect(network.has("10.9.0.50") && network.has("fd09::50"))
        #expect(holder.end().status == 0)
        let next = network.startHold("--no-verify fd09::50/64", taking: "fd09::50")
        #expect(next.end().status == 0)
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `what somebody else has put there is not touched`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        network.sh("ip addr add \(prefix) dev eth0 nodad")
        let refusal = "qure-claim: \(prefix): is on eth0 already, and not by qure; remove it, or use --adopt\n"
        #expect(network.claim("hold \(prefix)") == ToolResult(1, errors: refusal))
        #expect(network.address(address)?.contains("valid_lft forever") == true)
        #expect(network.sh("nft list tables") == "")
        let holder = network.startHold("--adopt --no-verify \(prefix)", taking: address)
        #expect(network.address(address)?.contains("valid_lft 2sec") == true)
        #expect(holder.end().status == 0)
        #expect(!network.has(address))
    }

    @Test(arguments: [
        ("10.9.0.50/32", "10.9.0.50/24"), ("fd09::50/128", "fd09::50/64"), ("10.9.0.50/24", "10.9.0.50/24"),
    ])
    func `what add has put there is taken over`(_ added: String, _ held: String) {
        let address = String(held.prefix { $0 != "/" })
        #expect(network.claim("add --announce 0 \(added)").status == 0)
        let holder = network.startHold("--no-verify \(held)", taking: address)
        network.settle(address, after: 1200)
        #expect(network.address(address)?.contains(" \(held) ") == true)
        #expect(network.sh("ip addr").components(of: " \(address)/") == 1)
        #expect(!holder.output.contains("reinstated"))
        #expect(holder.end().status == 0)
        #expect(!network.has(address))
    }

    @Test func `label, interface and configuration file`() {
        network.sh("printf 'label eth0:site\\nno-verify\\nlease 3s # long\\n' > \(network.folder)/claim.conf")
        let holder = network.startHold(
            "--config \(network.folder)/claim.conf -i eth0 10.77.0.50/24", taking: "10.77.0.50")
        #expect(network.address("10.77.0.50")?.contains(" eth0:site") == true)
        #expect(network.address("10.77.0.50")?.contains("valid_lft 3sec") == true)
        // Nothing else covers this network.
        #expect(network.sh("ip route").contains("10.77.0.0/24 dev eth0"))
        #expect(holder.end().status == 0)
        #expect(!network.sh("ip route").contains("10.77.0.0/24"))
    }

    @Test func `the service manager is told`() {
        let holder = network.start([
            "perl", "-MIO::Socket::UNIX", "-e",
            """
            my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => '\(network.folder)/notify') or die $!;
            if (!fork) { $ENV{NOTIFY_SOCKET} = '\(network.folder)/notify'; $ENV{WATCHDOG_USEC} = 200000; exec @ARGV }
            $| = 1; my $m; while (defined $s->recv($m, 4096)) { print "[$m]\\n" }
            """, "--", Executables.path("qure-claim"), "hold", "--no-verify", "10.9.0.50/24",
        ])
        #expect(holder.says("[READY=1\nSTATUS=holding 10.9.0.50/24 on eth0"), "\(holder.output)")
        #expect(holder.says("[WATCHDOG=1]\n"))
        for child in ClaimNetwork.children(of: holder.process) { kill(child, SIGTERM) }
        #expect(holder.says("[STOPPING=1]\n"))
        #expect(eventually { !network.has("10.9.0.50") })
    }
}
