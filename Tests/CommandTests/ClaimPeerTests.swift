// `qure-claim follow` and the others on the link: members of the cluster, strangers, an heir, a holder that was there
// first.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimPeer {
    private static let announcements = "arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136 and ip6[60:4] = 0x50)"

    @Test func `handing over, packets flow but nothing is said about the address`() {
        let following = ClaimFollowing(hosts: 3)
        let network = following.network
        following.hold()
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"))
        #expect(network.answers("10.9.0.50", to: 3) == ClaimNetwork.mac(1))
        following.events.say("transferring lease=60s")
        following.sync()
        let witness = Witness("ether src \(ClaimNetwork.mac(1)) and (\(Self.announcements))", on: 3, of: network)
        // Who knows it goes on talking to it; who asks gets no answer; who claims it gets no defence.
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"))
        #expect(network.answers("10.9.0.50", to: 3) == nil)
        #expect(network.answers("fd09::50", to: 3) == nil)
        #expect(network.claim("announce --announce 1 10.9.0.50 fd09::50", on: 3).status == 0)
        following.sync("again")
        #expect(following.holds == true)
        #expect(witness.frames.isEmpty, "\(witness.frames)")
        // The transfer has failed: the master it was.
        following.events.say("alive lease=60s")
        #expect(eventually { network.answers("10.9.0.50", to: 3) == ClaimNetwork.mac(1) })
        #expect(network.answers("fd09::50", to: 3) == ClaimNetwork.mac(1))
        #expect(following.holds == true)
    }

    @Test(arguments: ["10.9.0.50", "fd09::50"])
    func `what a member says is left to the elector`(_ address: String) {
        let following = ClaimFollowing(hosts: 3)
        let network = following.network
        following.hold()
        network.settle(address)
        following.events.say("alive lease=60s peers=02:00:00:00:00:09,\(ClaimNetwork.mac(3))")
        following.sync()
        let witness = Witness("ether src \(ClaimNetwork.mac(1)) and (\(Self.announcements))", on: 2, of: network)
        for turn in 1...3 {
            #expect(network.claim("announce --announce 1 \(address)", on: 3).status == 0)
            #expect(eventually { network.claim("show \(address)").output.contains(" conflicts \(turn) ") })
        }
        #expect(following.follower.says("\(address) conflict \(ClaimNetwork.mac(3)) left to the elector eth0\n"))
        #expect(following.holds == true && following.follower.isRunning)
        #expect(witness.frames.isEmpty, "\(witness.frames)")
    }

    @Test func `told once more that it is master, it tells the link, and who believed another follows`() {
        let following = ClaimFollowing(hosts: 3)
        let network = following.network
        following.hold()
        network.settle("10.9.0.50")
        following.events.say("alive lease=60s peers=\(ClaimNetwork.mac(3))")
        #expect(network.pings("10.9.0.50", from: 2) && network.pings("fd09::50", from: 2))
        // A copy of what was master, which has not noticed yet.
        #expect(network.claim("announce --announce 1 10.9.0.50 fd09::50", on: 3).status == 0)
        func believed(_ mac: String) -> Bool {
            ["10.9.0.50", "fd09::50"].allSatisfy { network.sh("ip neigh show \($0)", on: 2).contains(mac) }
        }
        #expect(eventually { believed(ClaimNetwork.mac(3)) })
        following.events.say("master lease=60s reason=again")
        #expect(eventually { believed(ClaimNetwork.mac(1)) })
        #expect(following.holds == true)
    }

    @Test(arguments: ["10.9.0.50", "fd09::50"])
    func `a stranger is answered, once in ten seconds, and never given up to`(_ address: String) {
        let following = ClaimFollowing(hosts: 3)
        let network = following.network
        following.hold()
        network.settle(address)
        following.events.say("alive lease=60s peers=\(ClaimNetwork.mac(2))")
        following.sync()
        let witness = Witness("ether src \(ClaimNetwork.mac(1)) and (\(Self.announcements))", on: 2, of: network)
        for _ in 0..<8 { #expect(network.claim("announce --announce 1 \(address)", on: 3).status == 0) }
        #expect(following.follower.says("\(address) conflict \(ClaimNetwork.mac(3)) defended eth0\n"))
        #expect(eventually { !witness.frames(address).isEmpty })
        following.sync("again")
        #expect(following.holds == true && following.follower.isRunning)
        // One defence: of both families, and for IPv4 in two forms.
        #expect(witness.frames.count == 3, "\(witness.frames)")
        #expect(following.follower.output.components(of: "conflict") == 1)
    }

    @Test func `a forged storm unseats nobody`() {
        let following = ClaimFollowing(hosts: 3)
        let network = following.network
        following.hold()
        let storm = network.start(
            [
                "sh", "-c",
                "for i in $(seq 300); do "
                    + "\(Executables.path("qure-claim")) announce --announce 1 10.9.0.50 fd09::50; done",
            ], on: 3)
        #expect(storm.finish(within: .seconds(60)).status == 0)
        following.events.say("alive lease=60s")
        following.sync()
        #expect(following.holds == true)
        // The storm over, the gateway's ARP cache is put right by the next announcement or the defence.
        #expect(eventually(within: .seconds(40)) { network.answers("10.9.0.50", to: 2) == ClaimNetwork.mac(1) })
    }

    @Test func `a flood of forged and of damaged frames does not keep it from its lease`() {
        let following = ClaimFollowing(hosts: 3)
        let network = following.network
        following.events.say("master lease=5s")
        #expect(following.follower.says("fd09::50 taken eth0\n"))
        let flood = network.start(["perl", "-e", Self.flood], on: 3)
        let start = wallClock
        while wallClock - start < 3 {
            following.events.say("alive lease=5s")
            usleep(50_000)  // the elector's pace
        }
        let before = wallClock
        following.sync()
        note("a line read in the middle of a flood", wallClock - before)
        let sent = flood.end(with: SIGTERM).output
        print("figure: \(sent.split(separator: "\n").last ?? "0") frames of the flood in 3 s")
        #expect(following.holds == true && following.follower.isRunning)
        #expect(!following.follower.output.contains("withdrawn"))
        #expect(eventually(within: .seconds(40)) { network.answers("10.9.0.50") == ClaimNetwork.mac(1) })
    }

    /// Gratuitous ARP for the address from all kinds of senders, and frames of random length and content of both
    /// EtherTypes, as fast as they can be sent; prints how many.
    private static let flood = """
        $| = 1;
        socket(my $s, 17, 3, 0) or die $!;
        my $index = 0; open my $f, '<', '/sys/class/net/eth0/ifindex' and $index = <$f>;
        ($index) = `ip -o link show eth0` =~ /^(\\d+):/;
        bind($s, pack('SnlSCCa8', 17, 0x0806, $index, 0, 0, 6, '')) or die $!;
        my $sent = 0;
        $SIG{TERM} = sub { print "$sent\\n"; exit };
        while (1) {
            my $mac = pack 'CCN', 2, 0x66, rand 2**32;
            my $arp = pack 'nnCCna6Na6N', 1, 0x800, 6, 4, 1 + $sent % 2, $mac, 0x0a090032, $mac, 0x0a090032;
            my $junk = join '', map { chr rand 256 } 0 .. rand 60;
            for ([0x0806, $arp], [0x0806, substr($arp, 0, rand 28)], [0x86dd, $junk], [0x0806, $junk]) {
                send $s, "\\xff" x 6 . $mac . pack('n', $$_[0]) . $$_[1], 0 and $sent++;
            }
        }
        """

    @Test func `unless held, a stranger's address is not taken, and is asked for again`() {
        let following = ClaimFollowing("--unless-held --no-verify", hosts: 3)
        let network = following.network
        network.sh("ip addr add 10.9.0.50/24 dev eth0", on: 3)
        following.events.say("master lease=60s")
        #expect(following.follower.complains("qure-claim: 10.9.0.50: held by \(ClaimNetwork.mac(3)), not taken\n"))
        #expect(following.holds == false)
        network.sh("ip addr del 10.9.0.50/24 dev eth0", on: 3)
        #expect(
            eventually {
                following.events.say("alive lease=60s")
                return following.holds == true
            })
        #expect(following.follower.says("fd09::50 taken eth0\n"))
    }

    @Test func `an address that somebody puts there during standby is not taken away`() {
        let following = ClaimFollowing()
        let network = following.network
        following.events.say("standby")
        following.sync()
        network.sh("ip addr add 10.9.0.50/24 dev eth0")
        following.events.say("master lease=60s")
        #expect(following.follower.says("taken"))
        following.events.say("standby")
        #expect(following.follower.says("withdrawn"))
        #expect(network.has("10.9.0.50") && !network.has("fd09::50"))
        following.events.close()
        #expect(following.follower.finish().status == 0)
        #expect(network.has("10.9.0.50"))
        #expect(network.pings("10.9.0.50"))
    }

    @Test func `the address moves from host to host with the word`() {
        let network = ClaimNetwork(hosts: 3)
        let pipes = [1, 2].map { EventPipe(network, "events\($0)") }
        let followers = zip([1, 2], pipes).map { host, events in
            network.startClaim("follow --no-verify 10.9.0.50/24 fd09::50/64 10.9.0.51/24", on: host, input: events.path)
        }
        for events in pipes { events.begin() }
        for turn in 0..<6 {
            let (new, old) = (turn % 2, 1 - turn % 2)
            pipes[old].say("standby")
            #expect(eventually { !network.has("10.9.0.50", on: old + 1) })
            pipes[new].say("master lease=60s")
            #expect(eventually { network.has("10.9.0.51", on: new + 1) })
            for address in ["10.9.0.50", "fd09::50", "10.9.0.51"] {
                #expect(eventually { network.pings(address, from: 3) })
                #expect(network.sh("ip neigh show \(address)", on: 3).contains(ClaimNetwork.mac(new + 1)))
            }
        }
        #expect(followers[0].isRunning && followers[1].isRunning)
    }
}
