// What a running elector tells: to those that ask it, who need not say which one where only one runs, and in the
// journal, each time that its part has changed; and the term, which does not fall.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct Asking {
        private static let hooks = ["--on-master", Elector.adds, "--on-standby", Elector.removes]
        private static let tool = Executables.path("qure-elect")

        /// Asks without saying of which cluster.
        private static func ask(_ words: String..., at folder: String) -> ToolResult {
            RunningTool([tool] + words + ["--state-dir", folder]).finish()
        }

        @Test func `the only elector is found, and several are named`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks)
            let folder = elector.folder
            try #require(elector.becomes("master"), "\(elector.said)")
            #expect(Self.ask("status", at: folder).output.hasPrefix("master term=1 master=h1 "))
            let alone = ToolResult(0, errors: "qure-elect: nobody took over the address\n")
            #expect(Self.ask("maintenance", "on", at: folder) == alone)
            #expect(elector.becomes("maintenance"))
            #expect(Self.ask("maintenance", "off", at: folder) == ToolResult(0))
            let words = ["run", "--cluster", "other", "--address", "192.168.1.12/24", "--insecure", "--port", "7785"]
            let other = try lab.host(2).start([Self.tool] + words + ["--state-dir", folder, "--keep-dir", folder])
            let both = ToolResult(
                64, errors: "qure-elect: more than one qure-elect runs here: say which with --cluster: other, test\n")
            #expect(eventually { Self.ask("status", at: folder) == both }, "\(Self.ask("status", at: folder))")
            // What a dead one leaves is nobody.
            other.send(SIGKILL)
            #expect(eventually { Self.ask("members", at: folder).output.hasPrefix("h1 192.168.1.21 ") })
            #expect(elector.process.stop() == 0)
            #expect(
                Self.ask("status", at: folder)
                    == ToolResult(69, errors: "qure-elect: no qure-elect runs here: nobody listens in \(folder)\n"))
        }

        @Test func `the questions take the member's own file`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks)
            try #require(elector.becomes("master"), "\(elector.said)")
            let lines = "cluster test\naddress \(Lab.Plan.shared)\nvirtual-mac\njson\nstate-dir \(elector.folder)\n"
            let file = "\(elector.folder)/test.conf"
            try TextFile.replace(file, with: Array(lines.utf8))
            for command in ["status", "members", "resign", "suspect"] {
                let result = RunningTool([Self.tool, command, "--config", file]).finish()
                // A lone master has nobody to hand over to.
                #expect(result.status == (command == "resign" ? 1 : 0), "\(result)")
                #expect(!result.output.contains("{"), "\(result)")
            }
        }

        @Test func `the journal says each change, and the term does not fall`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let check = ["--health", "test ! -e FOLDER/ill", "--health-interval", "100ms", "--health-fall", "1"]
            let first = try Elector(lab.host(1), Self.hooks + check + ["--on-fault", "echo $QURE_TERM > FOLDER/term"])
            try #require(first.becomes("master"), "\(first.said)")
            // Alone.
            first.touch("ill")
            #expect(first.becomes("fault"))
            #expect(first.process.output.contains("\nfault term=1 "), "\(first.said)")
            #expect(first.ask("status").output.hasPrefix("fault term=1 "))
            #expect(first.ask("status", "--metrics").output.contains("\nqure_elect_term{cluster=\"test\"} 1\n"))
            #expect(eventually { first.text("term") == "1\n" })
            first.remove("ill")
            #expect(first.becomes("master"), "\(first.said)")
            #expect(first.process.errors.contains("\nqure-elect: no longer at fault: joining\n"), "\(first.said)")
            #expect(first.process.output.contains("\njoining term=1 "), "\(first.said)")
            #expect(first.ask("maintenance", "on").status == 0)
            #expect(first.becomes("maintenance"))
            #expect(first.process.errors.hasSuffix("\nqure-elect: no longer master: maintenance\n"), "\(first.said)")
            #expect(first.ask("maintenance", "off").status == 0)
            try #require(first.becomes("master"), "\(first.said)")
            // Beside another one.
            let second = try Elector(lab.host(2), Self.hooks + check)
            #expect(second.becomes("standby"))
            let standby = "qure-elect: standby: h1 is master of term 3\n"
            #expect(eventually { second.process.errors.contains(standby) }, "\(second.said)")
            second.touch("ill")
            #expect(second.becomes("fault"))
            second.remove("ill")
            #expect(second.becomes("standby"))
            let again = "qure-elect: no longer at fault: joining\n\(standby)"
            #expect(eventually { second.process.errors.contains(again) }, "\(second.said)")
            // A suspicion that proves wrong is nothing new.
            #expect(second.ask("suspect").status == 0)
            #expect(second.becomes("standby"))
            #expect(second.process.errors.ranges(of: standby).count == 2, "\(second.said)")
        }

        @Test func `the journal says once that the host's own address is gone, and once that it is back`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), [])
            try #require(elector.becomes("master"), "\(elector.said)")
            let own = "qure-elect: this host's own address 192.168.1.21 is"
            // One of another interface, and the link's own of IPv6, are no place to speak to the others from.
            try lab.host(1).ip("link add other type veth peer name otherend")
            try lab.host(1).ip("link set other up")
            try lab.host(1).ip("addr add 192.168.7.1/24 dev other")
            try lab.host(1).ip("addr del 192.168.1.21/24 dev eth0")
            #expect(eventually { elector.process.errors.contains("\(own) gone: ") }, "\(elector.said)")
            #expect(elector.ask("status").output.hasSuffix(" reason=own-address-gone\n"), "\(elector.said)")
            try lab.host(1).ip("addr add 192.168.1.21/24 dev eth0")
            #expect(eventually { elector.process.errors.contains("\(own) back\n") }, "\(elector.said)")
            #expect(elector.process.errors.ranges(of: own).count == 2, "\(elector.said)")
            #expect(elector.ask("status").output.hasSuffix(" reason=-\n"), "\(elector.said)")
        }

        /// As where a DHCP server gives another one out.
        @Test func `a member whose own address is another one goes on from there`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let first = try Elector(lab.host(1), Self.hooks)
            try #require(first.becomes("master"), "\(first.said)")
            let second = try Elector(lab.host(2), Self.hooks)
            #expect(second.becomes("standby"), "\(second.said)")
            for (number, elector, other) in [(1, first, second), (2, second, first)] {
                let (old, new) = ("192.168.1.2\(number)", "192.168.1.4\(number)")
                // The kernel takes the others of a network along with its first one unless it is told not to.
                try lab.host(number).must("sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1")
                try lab.host(number).ip("addr add \(new)/24 dev eth0")
                try lab.host(number).ip("addr del \(old)/24 dev eth0")
                let line = "own address is \(new) now, and no longer \(old): going on from there\n"
                #expect(eventually { elector.process.errors.contains(line) }, "\(elector.said)")
                #expect(eventually { other.ask("members").output.contains(new) }, "\(other.said)")
                #expect(elector.ask("status").output.hasSuffix(" reason=-\n"), "\(elector.said)")
            }
            usleep(1_000_000)  // ten heartbeats, and five times the patience
            #expect(first.ask("status").output.hasPrefix("master term=1 ") && !first.said.contains("quarantined"))
            #expect(second.ask("status").output.hasPrefix("standby ") && !second.said.contains("suspecting"))
            // All that is gone, and what comes then is another address again.
            try lab.host(2).ip("addr del 192.168.1.42/24 dev eth0")
            let gone = "own address 192.168.1.42 is gone: "
            #expect(eventually { second.process.errors.contains(gone) }, "\(second.said)")
            try lab.host(2).ip("addr add 192.168.1.52/24 dev eth0")
            #expect(eventually { first.ask("members").output.contains("192.168.1.52") }, "\(first.said)")
            #expect(second.ask("status").output.hasSuffix(" reason=-\n"), "\(second.said)")
        }

        @Test func `a member for other addresses is told of once`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let first = try Elector(lab.host(1), Self.hooks)
            try #require(first.becomes("master"), "\(first.said)")
            // Who only looks is no member.
            _ = try CheckRun(lab.host(2), address: "192.168.1.12/24")
            #expect(!first.said.contains("other addresses"), "\(first.said)")
            let second = try Elector(lab.host(2), ["--address", "192.168.1.12/24"])
            #expect(second.becomes("standby"), "\(second.said)")
            let other = "is a member for other addresses: until --address is the same everywhere, which of them are"
            let told = "qure-elect: h2 192.168.1.22: \(other)"
            #expect(eventually { first.process.errors.contains(told) }, "\(first.said)")
            #expect(second.process.errors.contains("qure-elect: h1 192.168.1.21: \(other)"), "\(second.said)")
            usleep(500_000)  // several heartbeats
            #expect(second.process.errors.ranges(of: other).count == 1, "\(second.said)")
        }

        @Test func `a watcher has events as JSON though the followers have text`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks)
            try #require(elector.becomes("master"), "\(elector.said)")
            let words = [Self.tool, "watch", "--json", "--cluster", "test", "--state-dir", elector.folder]
            let watcher = try lab.host(1).start(words)
            // First what it is, then what happens.
            let alive = #"{"event":"alive","term":1,"at":"#, state = #"{"event":"master","term":1,"cluster":"test","#
            #expect(eventually { watcher.output.contains("\n" + alive) }, "\(watcher.output)")
            #expect(watcher.output.hasPrefix(state), "\(watcher.output)")
            #expect(elector.ask("maintenance", "on").status == 0)
            let start = #"{"event":"maintenance","term":1,"cluster":"test","node":""#
            #expect(eventually { watcher.output.contains("\n\(start)") }, "\(watcher.output)")
            #expect(watcher.output.contains(#""peers":"","members":1"#), "\(watcher.output)")
            watcher.send(SIGKILL)
        }

        @Test func `a watcher has the JSON of an elector that writes it`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks + ["--json"])
            try #require(elector.becomes("master"), "\(elector.said)")
            let words = [Self.tool, "watch", "--json", "--cluster", "test", "--state-dir", elector.folder]
            let watcher = try lab.host(1).start(words)
            let state = #"{"event":"master","term":1,"cluster":"test","#
            #expect(eventually { watcher.output.hasPrefix(state) }, "\(watcher.output)")
            watcher.send(SIGKILL)
        }

        @Test func `a member that peers name is told how they should name it now`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks + ["--peer", "192.168.1.22"])
            try #require(elector.becomes("master"), "\(elector.said)")
            try lab.host(1).must("sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1")
            try lab.host(1).ip("addr add 192.168.1.41/24 dev eth0")
            try lab.host(1).ip("addr del 192.168.1.21/24 dev eth0")
            let line = "members that name this one by --peer 192.168.1.21 should name it by 192.168.1.41: "
            #expect(eventually { elector.process.errors.contains(line) }, "\(elector.said)")
        }

        @Test func `a master whose cable is pulled does not say that nobody took over`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let (first, second) = (try Elector(lab.host(1), Self.hooks), try Elector(lab.host(2), Self.hooks))
            #expect(first.becomes("master") || first.becomes("standby"), "\(first.said)")
            #expect(eventually { (first.ask("status").output + second.ask("status").output).contains("master term=") })
            let isFirst = first.ask("status").output.hasPrefix("master ")
            let (master, number) = isFirst ? (first, 1) : (second, 2)
            try lab.host(number).ip("link set eth0 down")
            let end = "qure-elect: given up: link-down; whoever takes over is not heard here\n"
            #expect(eventually { master.process.errors.contains(end) }, "\(master.said)")
        }

        @Test func `who had the address while a master listened to nobody is no stranger once it is none`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks + ["--require-gateway", "off"])
            try #require(elector.becomes("master"), "\(elector.said)")
            let other = lab.host(2)
            try other.ip("addr add \(Lab.Plan.shared) dev eth0")
            try other.must("arping -U -c 1 -I eth0 \(Lab.Plan.address)")
            try other.ip("addr del \(Lab.Plan.shared) dev eth0")
            elector.process.send(SIGSTOP)
            usleep(1_000_000)  // longer than the lease
            elector.process.send(SIGCONT)
            #expect(eventually { elector.process.errors.contains("qure-elect: no longer master: late-") })
            #expect(elector.becomes("master"), "\(elector.said)")
            #expect(!elector.process.errors.contains("address-held-by"), "\(elector.said)")
        }

        @Test func `of two with different keys the second finds that a stranger has the address`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let first = try Elector(lab.host(1), Self.hooks)
            try #require(first.becomes("master"), "\(first.said)")
            let key = "\(first.folder)/key"
            shell("umask 077; '\(Self.tool)' keygen > '\(key)'")
            let second = try Elector(lab.host(2), Self.hooks + ["--key-file", key])
            #expect(second.becomes("fault"), "\(second.said)")
            let mac = Lab.Plan.mac(.host(1))
            #expect(second.process.errors.contains("qure-elect: fault: address-held-by-\(mac)\n"), "\(second.said)")
            #expect(second.process.errors.contains("192.168.1.21: speaks for cluster 'test' with a key that is none"))
            #expect(first.process.isRunning && first.ask("status").output.hasPrefix("master term=1 "))
            first.process.send(SIGKILL)
            try lab.host(1).ip("addr del \(Lab.Plan.shared) dev eth0")
            #expect(second.becomes("master"), "\(second.said)")
        }
    }
}
