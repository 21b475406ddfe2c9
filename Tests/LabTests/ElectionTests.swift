// The election with real programs: `qure-elect run | qure-claim follow` on the hosts of a lab, and what becomes of the
// address when something happens to them. How long it takes is measured elsewhere; here the limits only say that it did
// not take for ever.

import Glibc
import Lab
import QureCore
import Testing

/// A lab whose hosts elect who holds the address.
final class ElectedSite {
    let lab: Lab
    let meter: Meter
    let witness: Witness
    let cluster: Cluster

    /// What the client asks for and the witness watches.
    let address: IPAddress

    init(
        hosts: Int, ipv6: Bool = false, lines: [String] = [],
        environment: @escaping (Int) -> [String: String] = { _ in [:] }
    ) throws {
        lab = try Lab(hosts: hosts)
        address = ipv6 ? Lab.Plan.address6 : Lab.Plan.address
        meter = try lab.startMeter(ipv6: ipv6)
        witness = try lab.startWitness(of: address)
        cluster = try Cluster(
            lab, addresses: ipv6 ? [Lab.Plan.shared6] : [Lab.Plan.shared],
            lines: lines + (ipv6 ? ["group ff02::7b"] : []), environment: environment)
        for number in 1...hosts { try cluster.start(number) }
        try #require(meter.waitForAnswer(byOtherThan: 0) != nil, "no host takes the address: \(said)")
    }

    /// What a service manager's stop is: a signal to the main process alone. Returns its exit status.
    func stop(_ number: Int) -> Int? { cluster.stop(number) }
    func ask(_ number: Int, _ request: String) -> CommandResult { cluster.ask(number, request) }
    func isMaster(_ number: Int) -> Bool { cluster.isMaster(number) }
    var said: String { cluster.said }

    func isHeldOnly(by number: Int) -> Bool {
        eventually { (try? lab.holders(of: address)) == [number] && witness.holders == [.host(number)] }
    }

    /// Waits until all other hosts could follow this master, and it knows that: one that it has heard of and that still
    /// listens would be asked to take over, and not do it.
    func hasHeirs(_ master: Int) -> Bool {
        eventually(within: .seconds(20)) {
            let members = ask(master, "members").output.split(separator: "\n")
            return members.count { $0.contains(" standby ") } == lab.hosts.count - 1
                && (1...lab.hosts.count).allSatisfy(cluster.isReady)
        }
    }

    /// Waits until exactly one host has the address, and names it.
    func onlyHolder() -> Int? {
        var found: Int?
        _ = eventually {
            guard let holders = try? lab.holders(of: address), holders.count == 1, isMaster(holders[0]) else {
                return false
            }
            found = holders[0]
            return true
        }
        return found
    }
}

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct Elections {
        @Test func `all started at once: one is master, all know it, and it alone has the address`() throws {
            let cluster = try ElectedSite(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            for number in 1...3 {
                #expect(eventually { cluster.ask(number, "status").output.contains("master=h\(master) ") })
                #expect(eventually { cluster.ask(number, "members").output.split(separator: "\n").count == 3 })
            }
            #expect(cluster.ask(master % 3 + 1, "resign").status == 1)
        }

        @Test func `peers are told by name, and one who cannot be told keeps nothing from the others`() throws {
            let peers = (1...3).map { "peer 192.168.1.2\($0)" }
            let site = try ElectedSite(hosts: 3, lines: peers)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            for number in 1...3 { #expect(eventually { site.cluster.members(knownTo: number) == 3 }, "\(site.said)") }
            // What the firewall drops on the way out is an error to who sends it.
            let others = [1, 2, 3].filter { $0 != master }, host = site.lab.host(master)
            try host.must("nft add table ip cut")
            try host.must("nft add chain ip cut out { type filter hook output priority 0 ; }")
            try host.must("nft add rule ip cut out ip daddr 192.168.1.2\(others[0]) udp dport 7784 drop")
            func isMastered(_ number: Int) -> Bool { site.ask(number, "status").output.contains("master=h\(master) ") }
            // Who hears nothing asks whether anybody does, and would hear the answer.
            func questions() -> Double {
                let metrics = Metrics(site.ask(others[1], "status --metrics").output, of: "home")
                return metrics["messages_sent_total", "kind=\"suspect\""] ?? 0
            }
            let before = questions()
            let isLost = eventually(within: .seconds(2)) { !site.isMaster(master) || !isMastered(others[1]) }
            #expect(!isLost, "\(site.said)")
            #expect(questions() <= before + 10)
            try host.must("nft delete table ip cut")
            #expect(eventually { others.allSatisfy(isMastered) }, "\(site.said)")
            for process in host.processes(named: "qure-elect") { kill(process, SIGKILL) }
            let next = try #require(site.meter.waitForAnswer(byOtherThan: master), "\(site.said)")
            #expect(site.isHeldOnly(by: next))
        }

        @Test(arguments: ["qure-elect", "qure-claim"])
        func `one of the master's two programs is killed: another host answers`(_ victim: String) throws {
            let cluster = try ElectedSite(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            for process in cluster.lab.host(master).processes(named: victim) { kill(process, SIGKILL) }
            let next = try #require(cluster.meter.waitForAnswer(byOtherThan: master), "\(cluster.said)")
            #expect(cluster.isHeldOnly(by: next))
            #expect(eventually { cluster.ask(master, "status").status == 69 })
        }

        @Test func `a follower that hangs costs its host the address, until it goes on`() throws {
            let site = try ElectedSite(hosts: 2)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { site.cluster.members(knownTo: master) == 2 })
            let meter = try site.lab.startMeter()
            #expect(meter.waitForAnswer(byOtherThan: 0) == master)
            let followers = site.lab.host(master).processes(named: "qure-claim")
            for process in followers { kill(process, SIGSTOP) }
            let other = try #require(meter.waitForAnswer(byOtherThan: master), "\(site.said)")
            #expect(eventually { site.ask(master, "status").output.hasPrefix("fault ") }, "\(site.said)")
            // The lifetime of the addresses runs out meanwhile, and the follower still hangs.
            #expect(eventually { (try? site.lab.host(master).has(Lab.Plan.address)) == false }, "\(site.said)")
            usleep(500_000)  // two tolerances and more: whoever took it for well again would say so within one
            #expect(site.ask(master, "status").output.hasPrefix("fault "), "\(site.said)")
            for process in followers { kill(process, SIGCONT) }
            #expect(eventually { site.ask(master, "status").output.hasPrefix("standby ") }, "\(site.said)")
            #expect(site.isHeldOnly(by: other))
            let witness = try site.witness.stop()
            #expect(witness.together == .zero, "\(site.said)")
            // Until it is found out, the heartbeats keep the lease without it.
            let outage = try meter.stop().longestOutage
            print("figure: follower frozen alone: without an answer for \(outage)")
            #expect(site.said.contains("fault: follower-stalled"))
        }

        @Test func `while the heartbeats renew the lease, the follower is not woken for each`() throws {
            // Nobody here asks who has the address: that would wake it.
            let lab = try Lab(hosts: 1), cluster = try Cluster(lab)
            try cluster.start(1)
            #expect(eventually { (try? lab.host(1).has(Lab.Plan.address)) == true }, "\(cluster.said)")
            let follower = try #require(lab.host(1).processes(named: "qure-claim").first)
            func wakes() -> Int {
                let count = shell("sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' /proc/\(follower)/status").output
                return Int(count.filter(\.isNumber)) ?? 0
            }
            let isAsleep = eventually(within: .seconds(20)) {
                let before = wakes()
                usleep(2_000_000)  // the time that is looked at: twenty heartbeats
                return before > 0 && wakes() - before <= 10
            }
            #expect(isAsleep, "\(cluster.said)")
            #expect(try lab.host(1).has(Lab.Plan.address) && cluster.isMaster(1))
        }

        @Test func `an elector that hangs is named, not waited for`() throws {
            let cluster = try ElectedSite(hosts: 2)
            #expect(eventually { cluster.ask(1, "status").status == 0 }, "\(cluster.said)")
            let electors = cluster.lab.host(1).processes(named: "qure-elect")
            for process in electors { kill(process, SIGSTOP) }
            let result = cluster.ask(1, "status")
            for process in electors { kill(process, SIGCONT) }
            #expect(
                result.status == 69 && result.output.contains("does not answer: it is stopped or hangs"),
                "\(result.output)")
        }

        @Test func `the machine dies: another host answers`() throws {
            let cluster = try ElectedSite(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            try cluster.lab.crash(.host(master))
            let next = try #require(cluster.meter.waitForAnswer(byOtherThan: master), "\(cluster.said)")
            let dead = "\nh\(master) 192.168.1.2\(master) silent "
            #expect(eventually { cluster.ask(next, "members").output.contains(dead) }, "\(cluster.said)")
            #expect(cluster.isHeldOnly(by: next))
        }

        @Test func `a master that is stopped hands the address over without losing a request`() throws {
            let cluster = try ElectedSite(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            try #require(cluster.hasHeirs(master), "\(cluster.said)")
            // One that has seen nothing of the time before somebody answered.
            let meter = try cluster.lab.startMeter()
            #expect(meter.waitForAnswer(byOtherThan: 0) == master)
            #expect(cluster.stop(master) == 0, "\(cluster.said)")
            // A service manager may kill what is left of the service now: the address is gone already.
            #expect(try !cluster.lab.host(master).has(Lab.Plan.address), "\(cluster.said)")
            let next = try #require(meter.waitForAnswer(byOtherThan: master), "\(cluster.said)")
            #expect(cluster.isHeldOnly(by: next))
            let report = try meter.stop()
            #expect(report.lost == 0, "\(report)\n\(cluster.said)")
        }

        @Test func `a master that resigns hands the address over`() throws {
            let cluster = try ElectedSite(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            // Whom nobody could follow yet stays.
            try #require(cluster.hasHeirs(master), "\(cluster.said)")
            #expect(cluster.ask(master, "resign").status == 0)
            let next = try #require(cluster.meter.waitForAnswer(byOtherThan: master), "\(cluster.said)")
            #expect(cluster.isHeldOnly(by: next) && cluster.isMaster(next))
        }

        @Test func `an heir that does not take over is told of, whatever becomes of the master`() throws {
            let site = try ElectedSite(hosts: 2)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            let heir = 3 - master
            let standby = "h\(heir) 192.168.1.2\(heir) standby "
            #expect(eventually { site.ask(master, "members").output.contains(standby) })
            for process in site.lab.host(heir).processes(named: "qure-claim") { kill(process, SIGSTOP) }
            let answer = site.ask(master, "resign")
            let kept = "qure-elect: h\(heir) did not take over: this member is still master\n"
            #expect(answer.status == 1 && answer.output == kept, "\(answer)")
            #expect(site.said.contains("qure-elect: h\(heir) did not take over: still master\n"), "\(site.said)")
            #expect(site.isMaster(master))
            #expect(eventually { site.ask(heir, "status").output.hasPrefix("standby ") }, "\(site.said)")
            let maintenance = site.ask(master, "maintenance on")
            #expect(maintenance.output == "qure-elect: nobody took over the address\n", "\(maintenance)")
            #expect(maintenance.status == 0 && site.ask(master, "status").output.hasPrefix("maintenance "))
            #expect(site.said.contains("qure-elect: given up: maintenance; nobody took over\n"), "\(site.said)")
            #expect(!site.said.contains("handed over"), "\(site.said)")
        }

        @Test func `the key is changed on the go, and a wrong key file changes nothing`() throws {
            let site = try ElectedSite(hosts: 2)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { site.cluster.members(knownTo: master) == 2 })
            let old = site.cluster.keys
            let new = "7 \(String(repeating: "5a", count: 32))\n"
            var told = 0
            for keys in ["nonsense\n", old + new, new + old, new] {
                site.cluster.setKeys(keys)
                told += 2
                let count = { site.said.split(separator: "\n").count { $0.contains("keys") } }
                #expect(eventually { count() == told }, "\(site.said)")
            }
            // Each hears the other with the new key alone.
            #expect(!eventually(within: .seconds(1)) { !site.isMaster(master) || site.isMaster(3 - master) })
            #expect(site.cluster.members(knownTo: master) == 2 && site.cluster.members(knownTo: 3 - master) == 2)
            #expect(site.said.contains("the keys stay as they were"))
        }

        @Test func `maintenance keeps a host out until it is over`() throws {
            let cluster = try ElectedSite(hosts: 2)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            let other = 3 - master
            #expect(cluster.ask(master, "maintenance off").status == 0 && cluster.isMaster(master))
            #expect(cluster.ask(master, "maintenance on").status == 0)
            #expect(cluster.isHeldOnly(by: other))
            #expect(eventually { cluster.ask(master, "status").output.hasPrefix("maintenance ") })
            #expect(cluster.ask(master, "maintenance off").status == 0)
            #expect(eventually { cluster.ask(master, "status").output.hasPrefix("standby ") })
        }
    }
}
