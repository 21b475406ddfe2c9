// `--virtual-mac`: addresses with a hardware address of their own, on a macvlan. What tcpdump sees of it on another
// host, what becomes of the settings of the interface below, and who removes what in the end.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimVirtual {
    let network = ClaimNetwork(hosts: 3)

    private static let own = "02:51:00:00:00:77"

    /// The macvlans of a host.
    private func virtuals(_ host: Int = 1) -> String { network.sh("ip -o link show type macvlan", on: host) }

    /// The settings of a host's interface that a macvlan has to do with.
    private func settings(_ host: Int = 1) -> String {
        network.sh(
            "cd /proc/sys/net/ipv4/conf/eth0; cat arp_ignore arp_filter arp_announce rp_filter accept_local; "
                + "cat /proc/sys/net/ipv4/conf/all/arp_ignore /proc/sys/net/ipv4/conf/all/rp_filter", on: host)
    }

    @Test(arguments: [
        ("10.9.0.50/24", "06:51:0a:09:00:32"), ("10.9.0.51/24", "06:51:0a:09:00:33"),
        ("fd09::50/64", "06:51:e4:b6:bd:4b"),
        ("fd09::51/64", "06:51:e3:b6:bb:b8"),
    ])
    func `derived, it is the same on every host, local, and another one for another address`(
        _ prefix: String, _ mac: String
    ) {
        let address = String(prefix.prefix { $0 != "/" })
        for host in [1, 2] {
            let holder = network.startHold("--no-verify --virtual-mac \(prefix)", on: host, taking: address)
            #expect(network.answers(address, to: 3) == mac)
            #expect(holder.end().status == 0)
        }
    }

    @Test func `everything about the address carries it, and the interface below says nothing`() {
        network.sh("ip route add default via 10.9.0.2; ip -6 route add default via fd09::2 dev eth0")
        let before = settings()
        let witness = Witness("arp or icmp6", on: 2, of: network)
        let holder = network.startHold("--virtual-mac \(Self.own) 10.9.0.50/24 fd09::50/64")
        #expect(holder.says("fd09::50 verified after"), "\(holder.output)")
        #expect(virtuals().contains("link/ether \(Self.own)"))
        #expect(network.answers("10.9.0.50") == Self.own && network.answers("fd09::50") == Self.own)
        #expect(network.pings("10.9.0.50") && network.pings("fd09::50"))
        // A packet to somebody whom this host does not know yet makes it ask; not in the address's name.
        #expect(eventually { network.succeeds("ping -c 1 -W 1 -I 10.9.0.50 10.9.0.3") })
        #expect(eventually { network.succeeds("ping -c 1 -W 1 -I fd09::50 fd09::3") })
        for address in ["10.9.0.50", "fd09::50"] {
            #expect(network.sh("ip neigh show \(address)", on: 3).contains(Self.own))
        }
        #expect(eventually { witness.frames("10.9.0.50 is-at \(Self.own)").count > 3 })
        let below = witness.frames("\(ClaimNetwork.mac(1)) >").filter {
            ($0.text.contains("10.9.0.50 is-at") || $0.text.contains("tell 10.9.0.50")
                || $0.text.contains("advertisement"))
                && ($0.text.contains("10.9.0.50") || $0.text.contains("tgt is fd09::50"))
        }
        #expect(below.isEmpty, "\(below)")
        // Nor has it an address of its own that two hosts could have at once.
        #expect(!network.sh("ip -o -6 addr show scope link").contains("qure"))
        #expect(network.claim("show -i eth0").output.components(of: " held qure") == 2)
        #expect(holder.end().status == 0)
        #expect(virtuals() == "")
        #expect(settings() == before)
        #expect(network.sh("nft list tables") == "")
    }

    @Test func `standing by it is silent, whatever is asked`() {
        let following = ClaimFollowing("--no-verify --virtual-mac")
        let network = following.network
        following.events.say("standby")
        following.sync()
        let virtual = network.sh("ip -o link show type macvlan")
        #expect(virtual.contains("06:51:0a:09:00:32") && !virtual.contains("UP"), "\(virtual)")
        let witness = Witness("ether src 06:51:0a:09:00:32", on: 2, of: network)
        #expect(network.answers("10.9.0.50") == nil && network.answers("fd09::50") == nil)
        #expect(witness.frames.isEmpty)
        following.hold()
        #expect(network.answers("10.9.0.50") == "06:51:0a:09:00:32")
        following.events.say("standby")
        #expect(following.follower.says("withdrawn"))
        #expect(eventually { !network.sh("ip -o link show type macvlan").contains("UP") })
        #expect(network.answers("10.9.0.50") == nil && network.answers("fd09::50") == nil)
        following.events.close()
        #expect(following.follower.finish().status == 0)
        #expect(network.sh("ip -o link show type macvlan") == "")
    }

    @Test func `settings that were stricter before stay, and come back`() {
        network.sh("sysctl -qw net.ipv4.conf.eth0.arp_ignore=2 net.ipv4.conf.eth0.arp_announce=1")
        let before = settings()
        let holder = network.startHold("--no-verify --virtual-mac 10.9.0.50/24")
        #expect(
            network.sh("cat /proc/sys/net/ipv4/conf/eth0/arp_ignore /proc/sys/net/ipv4/conf/eth0/arp_announce")
                == "2\n2\n")
        #expect(holder.end().status == 0)
        #expect(settings() == before)
    }

    @Test func `of several on one interface the last one puts the settings back`() {
        let before = settings()
        let first = network.startHold("--no-verify --virtual-mac 10.9.0.50/24")
        let second = network.startHold("--no-verify --virtual-mac 10.9.0.51/24", taking: "10.9.0.51")
        #expect(first.end().status == 0)
        #expect(settings() != before)
        #expect(network.answers("10.9.0.51") == "06:51:0a:09:00:33")
        #expect(second.end().status == 0)
        #expect(settings() == before)
    }

    @Test func `a holder that is killed leaves neither macvlan nor settings behind`() throws {
        let before = settings()
        let holder = network.startHold("--no-verify --lease 20s --virtual-mac 10.9.0.50/24 fd09::50/64")
        _ = try #require(ClaimNetwork.twin(of: holder))
        #expect(settings() != before)
        holder.signal(SIGKILL)
        let start = wallClock
        #expect(eventually { virtuals() == "" })
        note("macvlan gone after SIGKILL, with the time to see it", wallClock - start)
        #expect(eventually { settings() == before && network.sh("nft list tables") == "" })
    }

    @Test func `one that a killed pair has left is made anew by the next holder`() throws {
        let before = settings()
        let holder = network.startHold("--no-verify --lease 1s --virtual-mac 10.9.0.50/24")
        let twin = try #require(ClaimNetwork.twin(of: holder))
        kill(twin, SIGSTOP)
        #expect(holder.end(with: SIGKILL).status == 137)
        kill(twin, SIGKILL)
        #expect(virtuals() != "")
        let next = network.startHold("--no-verify --virtual-mac 10.9.0.50/24")
        #expect(network.pings("10.9.0.50"))
        #expect(next.end().status == 0)
        #expect(virtuals() == "" && settings() == before)
    }

    @Test func `removed or set down by somebody else, it is made again`() {
        let before = settings()
        let holder = network.startHold("--no-verify --virtual-mac 10.9.0.50/24 fd09::50/64")
        for theft in ["del $name", "set $name down"] {
            network.sh("name=$(ip -br link show type macvlan | sed 's/@.*//'); ip link \(theft)")
            #expect(eventually { network.answers("10.9.0.50") == "06:51:0a:09:00:32" })
            #expect(eventually { network.pings("fd09::50") })
        }
        #expect(ClaimNetwork.twin(of: holder) != nil)
        holder.signal(SIGKILL)
        #expect(eventually { virtuals() == "" && settings() == before })
    }

    @Test func `one process for an address, and one for a hardware address`() {
        let holder = network.startHold("--no-verify --virtual-mac \(Self.own) 10.9.0.50/24")
        #expect(
            network.claim("hold --virtual-mac 10.9.0.50/24")
                == ToolResult(
                    1, errors: "qure-claim: 10.9.0.50: process \(holder.process) of this host holds it already\n"))
        #expect(
            network.claim("hold --virtual-mac \(Self.own) 10.9.0.51/24")
                == ToolResult(
                    1,
                    errors: "qure-claim: \(Self.own): process \(holder.process) of this host has it for 10.9.0.50; "
                        + "addresses that share one must be held by one process\n"))
        #expect(network.answers("10.9.0.50") == Self.own)
        #expect(!network.has("10.9.0.51"))
        #expect(holder.end().status == 0)
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `two holders of one hardware address see each other`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        let first = network.startHold("--no-verify --virtual-mac \(prefix)", on: 1, taking: address)
        let second = network.startHold("--no-verify --virtual-mac \(prefix)", on: 2, taking: address)
        #expect(
            first.says("\(address) conflict ") || second.says("\(address) conflict "), "\(first.output)\(second.output)"
        )
        #expect(eventually { !first.isRunning || !second.isRunning })
        #expect((first.isRunning ? second : first).finish().status == 1)
    }

    @Test(arguments: ["10.9.0.50/24", "fd09::50/64"])
    func `unless held, the holder with the same hardware address is seen`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        let holder = network.startHold("--no-verify --virtual-mac \(prefix)", on: 2, taking: address)
        network.settle(address, on: 2)
        let announcements = "ether broadcast or ether dst 33:33:00:00:00:01"
        let witness = Witness("ether[6:2] = 0x0651 and (\(announcements))", on: 3, of: network)
        let refused = network.claim("hold --unless-held --no-verify --virtual-mac \(prefix)")
        #expect(
            refused.status == 1 && refused.errors.hasPrefix("qure-claim: \(address): held by 06:51:"),
            "\(refused.errors)")
        #expect(virtuals() == "")
        // The holder itself answers too: its macvlan's kernel side may be late.
        #expect(eventually { !witness.frames(address).isEmpty })
        #expect(network.claim("add --unless-held --virtual-mac \(prefix)").status == 1)
        #expect(virtuals() == "")
        #expect(holder.end().status == 0)
        let free = network.startHold("--unless-held --no-verify --virtual-mac \(prefix)", taking: address)
        #expect(free.end().status == 0)
    }

    @Test func `members that hand it over leave conflicts to the elector`() {
        let pipes = [1, 2].map { EventPipe(network, "events\($0)") }
        let followers = zip([1, 2], pipes).map { host, events in
            network.startClaim(
                "follow --no-verify --virtual-mac 10.9.0.50/24 fd09::50/64", on: host, input: events.path)
        }
        for events in pipes {
            events.begin()
            events.say("master lease=60s peers=\(ClaimNetwork.mac(1)),\(ClaimNetwork.mac(2))")
        }
        #expect(followers[0].says("conflict") || followers[1].says("conflict"))
        network.settle("10.9.0.50")
        #expect(!followers[0].output.contains("defended") && !followers[1].output.contains("defended"))
        pipes[0].say("standby")
        #expect(followers[0].says("withdrawn"))
        #expect(network.pings("10.9.0.50", from: 3) && network.pings("fd09::50", from: 3))
        #expect(followers[1].isRunning)
    }

    @Test func `add and del`() {
        let before = settings()
        for _ in 0..<2 {
            #expect(network.claim("add --announce 1 --virtual-mac 10.9.0.50/24 fd09::50/64") == ToolResult(0))
            #expect(
                network.answers("10.9.0.50") == "06:51:0a:09:00:32"
                    && network.answers("fd09::50") == "06:51:0a:09:00:32")
        }
        // It is here; that is all that was asked for, and it stays where it is.
        #expect(network.claim("add --announce 1 10.9.0.50/24") == ToolResult(0))
        #expect(network.answers("10.9.0.50") == "06:51:0a:09:00:32")
        let witness = Witness("arp[14:4] = 0x0a090032", on: 3, of: network)
        #expect(network.claim("announce --announce 1 10.9.0.50") == ToolResult(0))
        #expect(eventually { witness.frames("06:51:0a:09:00:32 >").count == 2 })
        #expect(witness.frames("\(ClaimNetwork.mac(1)) >").isEmpty)
        #expect(network.claim("hold 10.9.0.50/24").status == 1)
        #expect(network.claim("del -i eth0 10.9.0.50") == ToolResult(0))
        #expect(virtuals() != "" && network.pings("fd09::50"))
        #expect(network.claim("del fd09::50") == ToolResult(0))
        #expect(virtuals() == "" && settings() == before)
    }

    @Test func `held without, it is not held with`() {
        #expect(network.claim("add --announce 1 10.9.0.50/24").status == 0)
        #expect(
            network.claim("hold --virtual-mac 10.9.0.50/24")
                == ToolResult(
                    1,
                    errors:
                        "qure-claim: 10.9.0.50/24: is on eth0 already, "
                        + "with the hardware address \(ClaimNetwork.mac(1)); remove it first\n"
                ))
        #expect(virtuals() == "")
        #expect(network.answers("10.9.0.50") == ClaimNetwork.mac(1))
    }

    @Test func `a /proc/sys that cannot be written does not matter but for one thing, which is told`() {
        let before = settings()
        let tool = Executables.path("qure-claim")
        let holder = network.start([
            "unshare", "-m", "sh", "-c",
            "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && "
                + "exec \(tool) hold --no-verify --virtual-mac 10.9.0.50/24",
        ])
        #expect(holder.says("taken"), "\(holder.errors)")
        #expect(network.answers("10.9.0.50") == "06:51:0a:09:00:32")
        #expect(holder.complains("accept_ra: Read-only file system, so router advertisements may give "))
        #expect(holder.end().status == 0)
        #expect(settings() == before)
    }

    @Test func `a network that only the address is in has a route`() {
        let holder = network.startHold("-i eth0 --no-verify --virtual-mac 10.77.0.50/24", taking: "10.77.0.50")
        network.sh("ip addr add 10.77.0.2/24 dev eth0", on: 2)
        #expect(network.pings("10.77.0.50"))
        #expect(holder.end().status == 0)
        #expect(!network.sh("ip route").contains("10.77"))
    }

    @Test func `the link below flaps`() {
        let holder = network.startHold("--no-verify --virtual-mac 10.9.0.50/24 fd09::50/64")
        for lines in [
            "ip link set eth0 down; ip link set eth0 up", "ip link set eth0 down; sleep 0.3; ip link set eth0 up",
        ] {
            network.sh(lines)
            #expect(eventually { network.answers("10.9.0.50") == "06:51:0a:09:00:32" })
            #expect(eventually { network.pings("fd09::50") })
        }
        #expect(holder.end().status == 0)
    }
}
