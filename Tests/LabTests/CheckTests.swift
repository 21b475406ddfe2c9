// `qure-elect check`: every finding provoked once, by the thing itself: a firewall's rule, a DHCP server, a stranger, a
// cable, a key. And that the one who checks disturbs nobody.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct Checks {
        private static let hooks = ["--on-master", Elector.adds, "--on-standby", Elector.removes]

        /// A master on the second host.
        private static func master(_ lab: Lab, _ options: String..., cluster: String = "test") throws
            -> Elector
        {
            let elector = try Elector(lab.host(2), hooks + options, cluster: cluster)
            try #require(elector.becomes("master"), "\(elector.said)")
            return elector
        }

        private static func rules(_ machine: Machine, _ hook: String, _ rule: String) throws {
            let chain = "add table inet t; add chain inet t c { type filter hook \(hook) priority 0; }"
            #expect(try machine.run("nft", "\(chain); add rule inet t c \(rule)").status == 0)
        }

        @Test func `a peer beyond the link and a program that cannot be run`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let programs = ["--health", "/nonexistent/h -x", "--on-master", "'/etc/passwd' x", "--on-fault", "true"]
            let key = ["--insecure", "--on-standby", "/etc/passwd; x"] + programs
            let check = try CheckRun(lab.host(1), "--peer", "10.0.0.5", "--peer", "192.168.1.22", key: key)
            check.says("problem peer: 10.0.0.5 is in no network of eth0, and what comes through a router is not")
            check.says("problem command: --health: run /nonexistent/h: No such file or directory")
            check.says("problem command: --on-standby: run /etc/passwd: Permission denied")
            #expect(check.lines("problem command").count == 2 && check.lines("problem peer").count == 1)
            let others = ["--insecure", "--on-master", "/etc/passwd", "--on-fault", "/etc/passwd"]
            let second = try CheckRun(lab.host(1), key: others)
            second.says("problem command: --on-master: run /etc/passwd: Permission denied")
            second.says("problem command: --on-fault: run /etc/passwd: Permission denied")
        }

        @Test func `a site that is well, and whom the check does not disturb`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab)
            let check = try CheckRun(lab.host(1))
            for line in [
                "warning key: --insecure", "ok interface: eth0", "ok own-address: 192.168.1.21 ",
                "ok group: 224.0.0.123",
                "ok gateway: 192.168.1.1 answers", "ok firewall: ",
                "ok member: h2 192.168.1.22 (master) is heard, and hears this host",
                "ok address: h2 has 192.168.1.11",
            ] { check.says(line) }
            #expect(check.status == 0 && check.lines.count == 8, "\(check.output)")
            #expect(master.ask("status").output.hasPrefix("master term=1 master=h2 members=1 "))
            let json = try CheckRun(lab.host(1), "--json")
            #expect(
                json.output.contains(
                    #"{"level":"ok","subject":"gateway","text":"192.168.1.1 answers"}"# + "\n"),
                "\(json.output)")
            #expect(json.status == 0)
        }

        @Test(arguments: [
            ("virtual-mac", "ok address: h2 has 192.168.1.11, at its virtual MAC 06:51:c0:a8:01:0b"),
            (
                "virtual-mac 52:54:00:99:99:99",
                "warning address: 192.168.1.11 is at 52:54:00:99:99:99: that is right if h2, the master, has a virtual"
            ),
        ])
        func `a master's virtual MAC is known as its own`(_ line: String, _ finding: String) throws {
            let lab = try Lab(hosts: 2, responders: false)
            let folder = shell("mktemp -d").output.filter { $0 != "\n" }
            defer { shell("rm -r '\(folder)'") }
            let lines = "cluster test\naddress \(Lab.Plan.shared)\ninsecure\nname h2\nstate-dir \(folder)\n\(line)\n"
            try TextFile.replace("\(folder)/test.conf", with: Array(lines.utf8))
            let words = [try Toolbox.path(of: "qure-member"), "\(folder)/test.conf"]
            let member = try lab.host(2).start(words, environment: ["TMPDIR": folder])
            defer { _ = member.stop() }
            let isTaken = eventually { member.output.contains("\(Lab.Plan.address) taken ") }
            try #require(isTaken, "\(member.output)\(member.errors)")
            // Its announcements, between which there are not two seconds, name the host.
            let early = try CheckRun(lab.host(1), seconds: 2)
            #expect(early.status == 0 && early.output.contains("ok address: h2 has 192.168.1.11\n"), "\(early.output)")
            // The last one for half a minute.
            let tool = Executables.path("qure-claim")
            let isQuiet = eventually {
                (try? lab.host(2).run(tool, "show", "--state-dir", folder).output)?.contains(" announced 6 ") == true
            }
            try #require(isQuiet, "\(member.output)\(member.errors)")
            try CheckRun(lab.host(1)).says(finding)
        }

        @Test func `on the master itself it takes nothing away`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            // With the tolerance of the usual profile either may step down meanwhile, for having stood still.
            let master = try Self.master(lab, "--profile", "steady")
            let other = try Elector(lab.host(1), Self.hooks + ["--profile", "steady"])
            try #require(other.becomes("standby"), "\(other.said)")
            let check = try CheckRun(lab.host(2), "--profile", "steady", "--state-dir", master.folder)
            check.says("warning elector: a member runs on this host already")
            check.says("ok member: h1 192.168.1.21 (standby)")
            #expect(master.ask("status").output.hasPrefix("master term=1 master=h2 members=2 "))
            // The address was put there by a script, not by qure-claim, which marks its own.
            check.says("problem address: 192.168.1.11 is configured on eth0 by something else")
        }

        @Test func `a hand-over beside it gets its answers`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            // With this profile whoever is asked for maintenance waits 300 ms for its heir, six times as long as one
            // that resigns: machines that have much to do stand still for more than 50.
            let master = try Self.master(lab, "--profile", "steady")
            let other = try Elector(lab.host(1), ["--profile", "steady"])
            try #require(other.becomes("standby"), "\(other.said)")
            try #require(eventually { master.ask("members").output.contains("\nh1 192.168.1.21 standby ") })
            // The heir has the address already: a command that puts it there takes as long as it likes.
            try lab.host(1).ip("addr add \(Lab.Plan.shared) dev eth0")
            let words = ["check", "--cluster", "test", "--insecure", "--address", Lab.Plan.shared, "--seconds", "60"]
            let check = try lab.host(2).start([Executables.path("qure-elect")] + words)
            // A third socket with the cluster's port, 7784: the check listens.
            func sockets() -> Int {
                (try? lab.host(2).run("cat", "/proc/net/udp"))?.output.split(separator: ":1E68 ").count ?? 0
            }
            try #require(eventually { sockets() == 4 })
            let answer = master.ask("maintenance", "on")
            #expect(answer.status == 0 && answer.output == "", "\(answer)\(master.said)\(other.said)")
            #expect(other.becomes("master") && master.becomes("maintenance"), "\(master.said)\(other.said)")
            // The heir has said twice that it has the address: to all, and to the old master alone.
            func acknowledgements() -> Double? {
                Metrics(master.ask("status", "--metrics").output)["messages_received_total", "kind=\"ack\""]
            }
            #expect(eventually { acknowledgements() == 2 }, "\(acknowledgements() ?? 0)")
            #expect(check.isRunning)
        }

        @Test func `a firewall is found, and the rule that it names opens it`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            try Self.rules(lab.host(1), "input", "udp dport 7784 drop")
            let check = try CheckRun(lab.host(1))
            check.says("problem firewall: this host's own rules drop what comes to 224.0.0.123 port 7784")
            check.says("warning members: nobody was heard")
            let master = try Self.master(lab)
            let shut = try CheckRun(lab.host(1))
            let who = "\(Lab.Plan.mac(.host(2))), which is no member that was heard, but may well be one that"
            shut.says("problem address: 192.168.1.11 is at \(who) this host's own rules keep out; ")
            #expect(master.process.isRunning)
            let rule = try #require(
                check.lines("problem firewall: ").first?.split(separator: "'").dropFirst(2).first)
            let line = "insert rule inet t c \(rule)"
            #expect(try lab.host(1).run("nft", line).status == 0, "\(line)")
            try CheckRun(lab.host(1)).says("ok firewall: ")
        }

        @Test func `a firewall of the usual kind is found, and the example opens it on both sides`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let usual = "iif lo accept; add rule inet t c ct state established,related accept; add rule inet t c drop"
            for host in lab.hosts { try Self.rules(host, "input", usual) }
            let master = try Self.master(lab)
            let shut = try CheckRun(lab.host(1))
            shut.says("problem firewall: this host's own rules drop")
            #expect(shut.lines("ok member").isEmpty)
            let scripts = try #require(Toolbox.directories.last { $0.hasSuffix("/scripts") })
            let example = try TextFile.read("\(scripts)/../contrib/examples/nftables.nft")
            let text = String(decoding: example, as: UTF8.self).replacing("policy accept", with: "policy drop")
            for host in lab.hosts {
                try lab.feed("flush ruleset\n\(text)", to: ["nft", "-f", "-"], in: host)
            }
            let open = try CheckRun(lab.host(1))
            open.says("ok firewall: ")
            open.says("ok member: h2 192.168.1.22 (master) is heard, and hears this host")
            #expect(open.status == 0 && master.process.isRunning, "\(open.output)")
        }

        @Test func `a firewall in the way out is found`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            try Self.rules(lab.host(1), "output", "udp dport 7784 drop")
            try CheckRun(lab.host(1)).says(
                "problem firewall: this host does not send to the cluster's port 7784: send ")
        }

        @Test func `a way that is open in one direction only is found, whichever`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab)
            try Self.rules(lab.host(2), "input", "udp dport 7784 drop")
            try CheckRun(lab.host(1)).says(
                "problem member: h2 192.168.1.22 (master) is heard, but does not answer")
            #expect(try lab.host(2).run("nft", "flush", "ruleset").status == 0)
            try Self.rules(lab.host(2), "output", "ip daddr 224.0.0.123 drop")
            try CheckRun(lab.host(1), seconds: 2)
                .says(
                    "problem member: h2 192.168.1.22 (master) hears this host, but what it sends to 224.0.0.123 does"
                )
            #expect(master.process.isRunning)
        }

        @Test func `keys that are missing, open or others' are found`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab)
            let file = "\(master.folder)/key"
            let missing = try CheckRun(lab.host(1), key: ["--key-file", file])
            missing.says("problem key: open \(file): No such file or directory")
            #expect(missing.lines("ok firewall").isEmpty && missing.lines("warning members").isEmpty)
            shell("'\(Executables.path("qure-elect"))' keygen > '\(file)'; chmod 644 '\(file)'")
            let open = try CheckRun(lab.host(1), key: ["--key-file", file])
            open.says("warning key: \(file): others may read it; chmod 600 it")
            open.says("problem key: 192.168.1.22: of this cluster by name, but with another key")
            let who = "\(Lab.Plan.mac(.host(2))), which is no member that was heard, but may well be one that"
            open.says("problem address: 192.168.1.11 is at \(who) has another key; ")
            shell("chmod 600 '\(file)'")
            try CheckRun(lab.host(1), key: ["--key-file", file]).says("ok key: \(file) can be used")
        }

        @Test func `others that are not of one mind are found`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab)
            try CheckRun(lab.host(1), cluster: "tset").says(
                "warning cluster: 192.168.1.22: of a cluster with another name")
            let other = try CheckRun(lab.host(1), "--profile", "steady", address: "192.168.1.12/24")
            other.says("problem configuration: h2 192.168.1.22 is there for other addresses")
            other.says(
                "warning configuration: h2 192.168.1.22 has interval 100ms and tolerance 200ms, here they are 200ms")
            #expect(master.process.isRunning)
        }

        @Test func `what is no message of an election is told, and what has crossed a router`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            // The host is heard as soon as its neighbour is known.
            let noise = try lab.host(2).start(
                "bash", "-c",
                "while sleep 0.05; do echo hello > /dev/udp/192.168.1.21/7784; done 2> /dev/null")
            try CheckRun(lab.host(1)).says("warning port: datagrams to port 7784 have crossed a router")
            try lab.host(2).inside { try Sysctl.write("net/ipv4/ip_default_ttl", "255") }
            try CheckRun(lab.host(1)).says(
                "warning port: 192.168.1.22: sends something else to port 7784")
            #expect(noise.isRunning)
        }

        @Test func `a gateway that does not answer is found`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            try CheckRun(lab.host(1), "--require-gateway", "192.168.1.77").says(
                "problem gateway: 192.168.1.77 does not answer")
            try CheckRun(lab.host(1), "--require-gateway", "off").says(
                "ok gateway: none is required: --require-gateway off")
            try lab.host(1).ip("route del default")
            try CheckRun(lab.host(1)).says("ok gateway: none is required: no default route")
        }

        @Test func `a stranger that has the address is found`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            try lab.stranger.ip("addr add \(Lab.Plan.shared) dev eth0")
            try lab.stranger.ip("addr add \(Lab.Plan.shared6) dev eth0 nodad")
            let mac = Lab.Plan.mac(.stranger)
            try CheckRun(lab.host(1), address: Lab.Plan.shared6).says("problem address: fd00:1::11 is at \(mac), which")
            // Nobody was heard: for all that is known here it may be a master.
            try CheckRun(lab.host(1)).says(
                "problem address: 192.168.1.11 is at \(mac), which is no member that was heard, but may well be one"
                    + " that does not get through to this host; 'qure-claim show' on that machine says")
            let standby = try Elector(lab.host(2), [])
            try #require(standby.becomes("fault"), "\(standby.said)")
            #expect(standby.ask("status").output.contains(" reason=address-held-by-\(mac)\n"))
            try CheckRun(lab.host(1)).says(
                "problem address: 192.168.1.11 is at \(mac), which is no member that was heard: take it away there")
        }

        @Test func `a shared address that is somebody's own is found, on either side`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab)
            let other = try CheckRun(lab.host(1), address: "192.168.1.22/24")
            other.says("problem address: 192.168.1.22 is h2's own, which it speaks from")
            #expect(other.lines("ok address").isEmpty, "\(other.output)")
            // A member that is not master, and has it all the same.
            let standby = try Elector(lab.host(1), Self.hooks)
            try #require(standby.becomes("standby"), "\(standby.said)")
            try lab.host(1).ip("addr add 192.168.1.77/24 dev eth0")
            let third = try CheckRun(lab.host(2), address: "192.168.1.77/24")
            third.says("problem address: h1 192.168.1.21 has 192.168.1.77, and is not master (standby)")
            // This host's own.
            let own = try CheckRun(lab.host(1), address: "192.168.1.77/24")
            own.says("problem address: 192.168.1.77 is configured on eth0 by something else")
            #expect(own.lines("ok address").isEmpty, "\(own.output)")
            #expect(master.process.isRunning)
        }

        @Test func `two masters are found from beside, and why from the one that is deaf`() throws {
            let lab = try Lab(hosts: 3, responders: false)
            // A master that stands still for longer than its tolerance steps down: not in this test, if possible.
            let second = try Self.master(lab, "--profile", "steady")
            // Of a higher term than one that has heard nobody: it would not yield to that.
            #expect(second.ask("maintenance", "on").status == 0)
            try #require(second.becomes("maintenance"))
            #expect(second.ask("maintenance", "off").status == 0)
            try #require(second.becomes("master"), "\(second.said)")
            try Self.rules(lab.host(3), "input", "udp dport 7784 drop")
            // It would find that a stranger has the address, and keep off it.
            let hook = "add table netdev t; add chain netdev t c { type filter hook ingress device eth0 priority 0; }"
            #expect(try lab.host(3).run("nft", "\(hook); add rule netdev t c ether type arp drop").status == 0)
            let third = try Elector(lab.host(3), Self.hooks + ["--profile", "steady", "--require-gateway", "off"])
            try #require(third.becomes("master"), "\(third.said)")
            let beside = try CheckRun(lab.host(1), "--profile", "steady", seconds: 5)
            beside.says("problem master: h2 192.168.1.22 and h3 192.168.1.23 are master at the same time")
            beside.says("problem member: h3 192.168.1.23 (master) is heard, but does not answer")
            beside.says("problem member: h3 192.168.1.23 (master) does not hear h2 192.168.1.22, and this host does")
            #expect(beside.lines("problem member").count == 2, "\(beside.output)")
            try Self.standsStill(lab.host(1))
            // On one of the two.
            try CheckRun(lab.host(2), "--profile", "steady", "--state-dir", second.folder).says(
                "problem master: h2 192.168.1.22 and h3 192.168.1.23 are master")
            let there = try CheckRun(lab.host(3), "--profile", "steady", "--require-gateway", "off")
            there.says("problem firewall: this host's own rules drop what comes to 224.0.0.123 port 7784")
            #expect(third.process.isRunning && second.process.isRunning)
        }

        /// A check that does not run from its beginning until after its end: it finds the two masters in what has come
        /// meanwhile.
        private static func standsStill(_ host: Machine) throws {
            let words = ["check", "--cluster", "test", "--insecure", "--address", Lab.Plan.shared, "--seconds", "1"]
            let check = try host.start([Executables.path("qure-elect")] + words + ["--profile", "steady"])
            // A socket that is there hears the group a moment later: it is the group that counts.
            try #require(eventually { (try? host.run("cat", "/proc/net/igmp").output.contains("7B0000E0")) == true })
            check.send(SIGSTOP)
            usleep(1_500_000)  // the second, and what is left of the masters' tolerance
            check.send(SIGCONT)
            #expect(check.wait(within: .seconds(20)) == 1)
            let finding = "problem master: h2 192.168.1.22 and h3 192.168.1.23 are master at the same time"
            #expect(check.output.contains(finding), "\(check.output)\(check.errors)")
        }

        @Test func `what this host's own rules drop is no switch's fault`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab)
            try Self.rules(lab.host(1), "input", "ip daddr 224.0.0.123 drop")
            let check = try CheckRun(lab.host(1), seconds: 2)
            check.says("problem firewall: this host's own rules drop what comes to 224.0.0.123 port 7784")
            check.says("warning member: h2 192.168.1.22 (master) hears this host, whose own rules drop what it sends")
            #expect(check.lines("problem member").isEmpty && !check.output.contains("switch"), "\(check.output)")
            #expect(master.process.isRunning)
        }

        @Test func `the interface is looked at`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let host = lab.host(1)
            try CheckRun(host, "-i", "eth9").says("problem interface: eth9: no such interface")
            let narrow = try CheckRun(host, "-i", "eth0", address: "192.168.7.11/24")
            narrow.says(
                "warning own-address: eth0 has no address of its own in the network of 192.168.7.11/24: while another"
                    + " member holds it, this host reaches nobody there; is the length right?")
            try host.ip("-4 addr flush dev eth0")
            try CheckRun(host, "-i", "eth0").says(
                "warning own-address: eth0 has no address of its own in the network of 192.168.1.11/24: while another"
                    + " member holds it, this host reaches nobody there; a member that starts now speaks from fe80::")
            try lab.lan.ip("link set h1 down")
            #expect(eventually { (try? host.run("cat", "/sys/class/net/eth0/carrier").output) == "0\n" })
            try CheckRun(host, "-i", "eth0").says("problem interface: eth0 has no carrier")
            try host.ip("addr flush dev eth0")
            try CheckRun(host, "-i", "eth0").says("problem own-address: eth0: has no address of its own")
            try host.ip("link set eth0 down")
            try CheckRun(host, "-i", "eth0").says("problem interface: eth0 is down")
        }

        @Test func `a group that switches prune is found, and IPv6 is checked as well`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            try CheckRun(lab.host(1), "--group", "239.1.2.3").says(
                "warning group: 239.1.2.3 is not of the link's own block")
            try CheckRun(lab.host(1), "--group", "ff05::7b").says(
                "warning group: ff05::7b is not of the link's own block")
            let check = try CheckRun(lab.host(1), "--group", "ff02::7b", address: Lab.Plan.shared6)
            for line in [
                "ok group: ff02::7b", "ok firewall: ", "ok gateway: fd00:1::1 answers",
                "ok address: nobody has",
            ] {
                check.says(line)
            }
            try Self.rules(lab.host(1), "input", "udp dport 7784 drop")
            let shut = try CheckRun(lab.host(1), "--group", "ff02::7b", address: Lab.Plan.shared6)
            shut.says("problem firewall: ")
            let rule = try #require(
                shut.lines("problem firewall: ").first?.split(separator: "'").dropFirst(2).first)
            #expect(try lab.host(1).run("nft", "insert rule inet t c \(rule)").status == 0)
            try CheckRun(lab.host(1), "--group", "ff02::7b", address: Lab.Plan.shared6).says(
                "ok firewall: ")
        }

        @Test func `members that are named one by one are asked one by one`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab, "--peer", "192.168.1.21")
            let check = try CheckRun(lab.host(1), "--peer", "192.168.1.22")
            check.says("ok member: h2 192.168.1.22 (master) is heard, and hears this host")
            #expect(
                check.lines("ok firewall").isEmpty && check.lines("ok group").isEmpty
                    && master.process.isRunning)
            // Of two members on one host the first has what is sent to the host alone: that proves nothing of the way.
            let own = try Elector(lab.host(1), ["--peer", "192.168.1.22"])
            #expect(own.becomes("standby"), "\(own.said)")
            let beside = try CheckRun(lab.host(1), "--peer", "192.168.1.22", seconds: 4)
            beside.says("ok member: h2 192.168.1.22 (master) hears this host")
            #expect(beside.lines("problem member").isEmpty, "\(beside.output)")
        }

        @Test func `a member that no peer line names, and a peer line for nobody, are found`() throws {
            let lab = try Lab(hosts: 3, responders: false)
            let master = try Self.master(lab, "--peer", "192.168.1.21")
            let third = try Elector(
                lab.host(3), ["--peer", "192.168.1.21", "--peer", "192.168.1.22"])
            #expect(third.becomes("standby"), "\(third.said)")
            let check = try CheckRun(
                lab.host(1), "--peer", "192.168.1.21", "--peer", "192.168.1.22", "--peer", "192.168.1.99", seconds: 4)
            check.says("ok member: h2 192.168.1.22 (master) is heard, and hears this host")
            check.says("problem member: h3 192.168.1.23 (standby) is heard, but is not asked: it is named by no --peer")
            check.says("warning peer: nobody was heard at 192.168.1.99: ")
            #expect(check.lines("warning peer").count == 1 && master.process.isRunning)
            // The group is not where those are told that are named.
            let mixed = try CheckRun(lab.host(1), seconds: 4)
            mixed.says("ok member: h2 192.168.1.22 (master) is heard, and hears this host")
        }

        @Test func `a member that does not have this host as a peer is found`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let master = try Self.master(lab, "--peer", "192.168.1.23")
            let check = try CheckRun(lab.host(1), "--peer", "192.168.1.22", seconds: 5)
            check.says(
                "problem member: h2 192.168.1.22 (master) hears this host, but nothing that it says by itself arrives"
                    + " here: has it --peer 192.168.1.21?")
            #expect(master.process.isRunning)
        }

        @Test(.enabled(if: Toolbox.isInstalled("dnsmasq"), "needs dnsmasq: make deps"))
        func `a DHCP server that would give the address away is found`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let folder = shell("mktemp -d").output.filter { $0 != "\n" }
            defer { shell("rm -r '\(folder)'") }
            for (range, finding) in [
                (
                    "192.168.1.2,192.168.1.250",
                    "problem dhcp: the DHCP server 192.168.1.1 would give 192.168.1.11 to anybody"
                ),
                (
                    "192.168.1.100,192.168.1.200",
                    "ok dhcp: the DHCP server 192.168.1.1 was asked for the address and offers"
                ),
            ] {
                let server = try lab.gateway.start(
                    "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=lan",
                    "--bind-interfaces", "--no-ping", "--dhcp-authoritative", "--pid-file=",
                    "--dhcp-leasefile=\(folder)/leases", "--dhcp-range=\(range),1h")
                #expect(eventually { server.errors.contains("DHCP, sockets bound") || !server.isRunning })
                #expect(server.isRunning, "\(server.errors)")
                try CheckRun(lab.host(1)).says(finding)
                #expect(
                    String(decoding: (try? TextFile.read("\(folder)/leases")) ?? [], as: UTF8.self) == "")
                _ = server.stop()
            }
        }

        /// Runs the check where `/run` and `/etc` are what the script makes of them.
        private static func managed(_ lab: Lab, _ script: String) throws -> CheckRun {
            let prelude = "mount -t tmpfs none /run && mount -t tmpfs none /etc && \(script)\nexec \"$@\""
            return try CheckRun(lab.host(1), behind: ["unshare", "-m", "sh", "-ec", prelude, "sh"])
        }

        @Test func `managers of the network are found, and what keeps them off`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let index = try lab.host(1).run("cat", "/sys/class/net/eth0/ifindex").output.filter {
                $0 != "\n"
            }
            let scripts = try #require(Toolbox.directories.last { $0.hasSuffix("/scripts") })
            let examples = "\(scripts)/../contrib/examples"
            let networkd = """
                mkdir -p /run/systemd/netif/links /run/systemd/network/10-lan.network.d
                printf '[Match]\nName=eth0\n[Network]\nDHCP=yes\n' > /run/systemd/network/10-lan.network
                printf 'ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-lan.network\n' \
                    > /run/systemd/netif/links/\(index)
                """
            try Self.managed(lab, networkd).says("warning manager: systemd-networkd manages eth0")
            let kept = "\ncp '\(examples)/systemd-networkd.conf' /run/systemd/network/10-lan.network.d/qure.conf"
            try Self.managed(lab, networkd + kept).says("ok manager: systemd-networkd manages eth0 and leaves alone")
            let networkManager = """
                mkdir -p /run/NetworkManager/devices /etc/NetworkManager/conf.d
                printf '[device]\nmanaged=true\n' > /run/NetworkManager/devices/\(index)
                """
            try Self.managed(lab, networkManager).says("warning manager: NetworkManager manages eth0")
            let off = "\ncp '\(examples)/NetworkManager.conf' /etc/NetworkManager/conf.d/qure.conf"
            try Self.managed(lab, networkManager + off).says("ok manager: NetworkManager manages eth0 and keeps off")
            let dhcpcd = """
                mkdir /run/dhcpcd; cp /bin/sleep /run/dhcpcd/dhcpcd; /run/dhcpcd/dhcpcd 20 &
                echo $! > /run/dhcpcd/eth0.pid
                until grep -q dhcpcd /proc/$!/comm; do :; done
                """
            try Self.managed(lab, dhcpcd).says("warning manager: dhcpcd manages eth0")
            try Self.managed(lab, dhcpcd + "\ncp '\(examples)/dhcpcd.conf' /etc/dhcpcd.conf")
                .says("ok manager: dhcpcd manages eth0 and keeps off")
            // One that only was there.
            let former = try Self.managed(lab, "mkdir /run/dhcpcd; echo 1 > /run/dhcpcd/eth0.pid")
            #expect(former.status == 0 && former.lines.allSatisfy { !$0.contains("manager") })
        }

        @Test func `a member's configuration file is checked as it stands, with the key beside it`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let folder = shell("mktemp -d").output.filter { $0 != "\n" }
            defer { shell("rm -r '\(folder)'") }
            let lines = "cluster home\ninterface eth0\naddress \(Lab.Plan.shared)\nvirtual-mac"
            shell("cd '\(folder)'; echo '\(lines)' > home.conf; mkdir tmp")
            let words = [try Toolbox.path(of: "qure-member"), "--check", "\(folder)/home.conf"]
            func check() throws -> (status: Int?, output: String, errors: String) {
                let process = try lab.host(1).start(words, environment: ["TMPDIR": "\(folder)/tmp"])
                return (process.wait(within: .seconds(20)), process.output, process.errors)
            }
            let keyless = try check()
            // The key that is missing is one finding among others.
            let missing = "problem key: open \(folder)/home.key: No such file or directory: make one with 'qure-elect"
            #expect(keyless.status == 1 && keyless.output.contains(missing), "\(keyless)")
            #expect(keyless.output.contains("\nok gateway: 192.168.1.1 answers\n"), "\(keyless)")
            shell("umask 077; '\(Executables.path("qure-elect"))' keygen > '\(folder)/home.key'")
            let well = try check()
            #expect(well.status == 0 && well.output.contains("ok key: \(folder)/home.key can be used"), "\(well)")
            #expect(well.output.contains("\nok firewall: ") && shell("ls '\(folder)/tmp'").output == "", "\(well)")
        }

        @Test func `wrong usage is told apart from a problem`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            for options in [
                ["--seconds", "0.5"], ["--seconds", "2m"], ["--group", "10.0.0.1"], ["--nonsense"],
                ["--require-gateway", "maybe"], ["--preempt", "maybe"], ["--check-config", "--preempt", "0s"],
            ] {
                let words = [Executables.path("qure-elect"), "check", "--cluster", "test", "--insecure"]
                let process = try lab.host(1).start(words + ["--address", Lab.Plan.shared] + options)
                #expect(process.wait() == 64 && process.output == "", "\(options)")
            }
        }
    }
}
