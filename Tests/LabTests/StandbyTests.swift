// What two or three machines that run qure-standby do to each fault: who answers next, and that in the end exactly
// one has the address. How long it takes is measured elsewhere; here the limits only say that it did not take for
// ever.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct Standby {
        /// Longer than any take-over here may last on a busy machine; three silent probes are 300 ms.
        private let patience = Duration.seconds(8)

        @Test func `all started at once: one of them holds the address, the others stand by`() throws {
            let site = try Site(hosts: 3)
            let holder = try #require(site.onlyHolder())
            #expect(try site.holder() == holder)
            #expect(!site.standbys.values.contains { !$0.isRunning }, "\(site.saidByAll)")
            // Those that have nothing to do say so, and name the one that has it.
            for (host, standby) in site.standbys where host != holder {
                let words = "qure-probe: \(Lab.Plan.address) alive \(Lab.Plan.mac(.host(holder))) "
                #expect(eventually { standby.errors.contains(words) }, "\(standby.errors)")
                #expect(standby.errors.contains("; waiting until it is silent\n"))
            }
            #expect(try site.witness.stop().together < .seconds(1))
        }

        @Test func `a machine dies: another answers`() throws {
            let site = try Site(hosts: 3)
            let holder = try site.holder()
            try site.lab.crash(.host(holder))
            let next = try #require(site.meter.waitForAnswer(byOtherThan: holder), "\(site.saidByAll)")
            let report = try site.meter.stop()
            #expect(report.outages.contains { $0.before == "h\(holder)" && $0.after == "h\(next)" }, "\(report)")
            #expect(report.longestOutage < patience)
        }

        @Test func `a machine dies: IPv6 and IPv4 move as one`() throws {
            let site = try Site(hosts: 2, ipv6: true)
            let holder = try site.holder()
            try site.lab.crash(.host(holder))
            let next = try #require(site.meter.waitForAnswer(byOtherThan: holder), "\(site.saidByAll)")
            #expect(eventually { (try? site.lab.host(next).has(Lab.Plan.address)) == true })
            #expect(try site.lab.host(next).has(Lab.Plan.address6))
        }

        @Test func `the holding process is killed: its address goes at once, and one of the hosts takes it`() throws {
            let site = try Site()
            let holder = try site.holder()
            let machine = site.lab.host(holder)
            #expect(eventually { !machine.processes(named: "qure-guard").isEmpty }, "\(site.saidByAll)")
            for victim in machine.processes(named: "qure-claim") { kill(victim, SIGKILL) }
            // The kernel's own lifetime would take two seconds and more. The loops wait for 300 ms of silence before
            // anybody, this host included, takes it again.
            #expect(eventually(within: .seconds(1)) { (try? machine.has(Lab.Plan.address)) == false })
            #expect(site.onlyHolder() != nil, "\(site.saidByAll)")
            #expect(eventually { site.meter.answerer != nil })
        }

        @Test func `the guard of the holding process is killed: nothing moves, and there is another one`() throws {
            let site = try Site()
            let holder = try site.holder()
            let machine = site.lab.host(holder)
            #expect(eventually { machine.processes(named: "qure-guard").count == 1 }, "\(site.saidByAll)")
            let first = machine.processes(named: "qure-guard")
            for victim in first { kill(victim, SIGKILL) }
            #expect(
                eventually {
                    let now = machine.processes(named: "qure-guard")
                    return now.count == 1 && now != first
                }, "\(site.saidByAll)")
            #expect(site.isHeldOnly(by: holder))
            let report = try site.meter.stop()
            #expect(report.answerers.map(\.name) == ["h\(holder)"])
        }

        @Test func `every process of the holder is killed, its kernel lives: the lease ends and another answers`()
            throws
        {
            let site = try Site()
            let holder = try site.holder()
            site.lab.kill(.host(holder))
            #expect(site.meter.waitForAnswer(byOtherThan: holder) != nil, "\(site.saidByAll)")
            #expect(eventually { (try? site.lab.host(holder).has(Lab.Plan.address)) == false })
        }

        @Test func `the loop alone is killed: the holder goes on`() throws {
            let site = try Site()
            let holder = try site.holder()
            site.standbys[holder]?.send(SIGKILL)
            #expect(site.standbys[holder]?.wait() == 128 + Int(SIGKILL))
            // Several times as long as a silence that the other loop would act upon.
            #expect(!eventually(within: .milliseconds(1500)) { (try? site.lab.holders()) != [holder] })
            #expect(try site.meter.stop().answerers.map(\.name) == ["h\(holder)"])
        }

        @Test
        func `a machine hangs, its kernel lives: the lease ends, another answers, and the thawed one gives way`()
            throws
        {
            let site = try Site()
            let holder = try site.holder()
            site.lab.freeze(.host(holder))
            let next = try #require(site.meter.waitForAnswer(byOtherThan: holder), "\(site.saidByAll)")
            site.lab.thaw(.host(holder))
            #expect(site.isHeldOnly(by: next), "\(site.saidByAll)")
            #expect(site.meter.answerer == "h\(next)")
        }

        @Test func `the holder's processes stall for less than the lease: nothing moves`() throws {
            let site = try Site()
            let holder = try site.holder()
            let machine = site.lab.host(holder)
            let stalled = machine.processes(named: "qure-claim") + machine.processes(named: "qure-guard")
            try #require(!stalled.isEmpty)
            for _ in 0..<3 {
                for pid in stalled { kill(pid, SIGSTOP) }
                // The stall itself, through which the old holder keeps the address.
                #expect(!eventually(within: .milliseconds(300)) { (try? site.lab.holders()) != [holder] })
                for pid in stalled { kill(pid, SIGCONT) }
                #expect(!eventually(within: .milliseconds(100)) { (try? site.lab.holders()) != [holder] })
            }
            let report = try site.meter.stop()
            #expect(report.answerers.map(\.name) == ["h\(holder)"])
            #expect(report.longestOutage < .seconds(1))
            #expect(site.isHeldOnly(by: holder))
        }

        @Test func `a suspended machine is succeeded, and gives way when it wakes up`() throws {
            let site = try Site()
            let holder = try site.holder()
            try site.lab.suspend(.host(holder))
            #expect(site.meter.waitForAnswer(byOtherThan: holder) != nil, "\(site.saidByAll)")
            try site.lab.resume(.host(holder))
            #expect(site.onlyHolder() != nil, "\(site.saidByAll)")
            #expect(eventually { site.meter.answerer != nil })
        }

        @Test
        func `the weakness: a machine that wakes up within its lease and the successor both hold, until one notices`()
            throws
        {
            // A guest that was paused has a kernel that was paused too, so its address is still there; here a long
            // lease stands for that.
            let site = try Site(options: ["--lease", "30s"])
            let holder = try site.holder()
            try site.lab.suspend(.host(holder))
            let next = try #require(site.meter.waitForAnswer(byOtherThan: holder), "\(site.saidByAll)")
            #expect(try site.lab.holders().sorted() == [holder, next].sorted())
            try site.lab.resume(.host(holder))
            #expect(site.onlyHolder() != nil, "\(site.saidByAll)")
            #expect(eventually { site.meter.answerer != nil })
            let split = try site.witness.stop().together
            #expect(split < .seconds(5), "two holders for \(split)")
        }

        @Test func `the cable is pulled: another answers; it is plugged in again: nothing moves`() throws {
            let site = try Site()
            let holder = try site.holder()
            try site.lab.cut(.host(holder))
            let next = try #require(site.meter.waitForAnswer(byOtherThan: holder), "\(site.saidByAll)")
            try site.lab.heal(.host(holder))
            #expect(site.isHeldOnly(by: next), "\(site.saidByAll)")
            let report = try site.meter.stop()
            #expect(report.answerers.map(\.name) == ["h\(holder)", "h\(next)"])
        }

        @Test func `SIGTERM: the address is withdrawn, the loop ends well, another answers`() throws {
            let site = try Site()
            let holder = try site.holder()
            let loop = try #require(site.standbys[holder])
            #expect(loop.stop() == 0)
            #expect(try !site.lab.host(holder).has(Lab.Plan.address))
            #expect(eventually { site.lab.host(holder).processes(named: "qure-claim").isEmpty })
            #expect(site.meter.waitForAnswer(byOtherThan: holder) != nil)
            #expect(try site.meter.stop().longestOutage < patience)
        }

        @Test func `SIGTERM to the holder itself: the loop goes on and takes part again`() throws {
            let site = try Site()
            let holder = try site.holder()
            for pid in site.lab.host(holder).processes(named: "qure-claim") { kill(pid, SIGTERM) }
            #expect(site.onlyHolder() != nil, "\(site.saidByAll)")
            #expect(eventually { site.meter.answerer != nil })
            #expect(site.standbys[holder]?.isRunning == true)
        }

        @Test(arguments: ["with the holder", "with the other", "between both", "with neither"])
        func `the switch falls into parts, the gateway in any of them, and one holder is left when it is whole`(
            _ gateway: String
        ) throws {
            let site = try Site()
            let holder = try site.holder()
            let other = Node.host(3 - holder)
            let groups: [[Node]] =
                switch gateway {
                case "with the holder": [[.host(holder), .gateway], [other]]
                case "with the other": [[.host(holder)], [other, .gateway]]
                case "between both": [[.host(holder)], [other]]
                default: [[.host(holder)], [other], [.gateway]]
                }
            try site.lab.partition(groups)
            // Each side keeps its address: this design has no votes.
            #expect(eventually { (try? site.lab.holders().count) == 2 }, "\(site.saidByAll)")
            if gateway == "with neither" {
                #expect(site.meter.waitForSilence())
            } else {
                #expect(eventually { site.meter.answerer != nil })
            }
            try site.lab.mend()
            let last = try #require(site.onlyHolder(within: .seconds(20)), "\(site.saidByAll)")
            #expect(site.meter.waitForAnswer(by: last))
        }

        @Test(arguments: [(10, 3), (30, 10)])
        func `a lossy cable does not move the address where the loop is told to be patient`(
            _ percent: Int, _ fall: Int
        ) throws {
            let site = try Site(options: ["--fall", "\(fall)"])
            let holder = try site.holder()
            try site.lab.lose(percent, .host(holder))
            #expect(
                !eventually(within: .seconds(3)) { (try? site.lab.host(holder).has(Lab.Plan.address)) == false },
                "\(site.saidByAll)")
            try site.lab.heal(.host(holder))
            #expect(site.onlyHolder() != nil, "\(site.saidByAll)")
            #expect(eventually { site.meter.answerer != nil })
            let report = try site.meter.stop()
            #expect(report.answered > report.requests / 3)
        }

        @Test(arguments: [Lab.Direction.in, .out])
        func `a cable that is dead one way: another answers, and one holder is left when it is whole`(
            _ way: Lab.Direction
        ) throws {
            let site = try Site()
            let holder = try site.holder()
            try site.lab.lose(100, .host(holder), way)
            #expect(site.meter.waitForAnswer(byOtherThan: holder) != nil, "\(site.saidByAll)")
            try site.lab.heal(.host(holder))
            let last = try #require(site.onlyHolder(within: .seconds(20)), "\(site.saidByAll)")
            #expect(site.meter.waitForAnswer(by: last))
        }

        @Test func `the gateway reboots: the holder stays, and is found again`() throws {
            let site = try Site()
            let holder = try site.holder()
            try site.lab.gatewayReboots()
            #expect(site.meter.waitForSilence())
            try site.lab.gatewayIsBack()
            #expect(site.meter.waitForAnswer(by: holder), "\(site.saidByAll)")
            #expect(site.isHeldOnly(by: holder))
        }

        @Test func `a gateway that ignores announcements is told in a way that it hears`() throws {
            let site = try Site()
            let holder = try site.holder()
            try site.lab.gatewayIsDeaf()
            try site.lab.crash(.host(holder))
            #expect(site.meter.waitForAnswer(byOtherThan: holder) != nil, "\(site.saidByAll)")
        }

        @Test
        func `a stranger takes the address: the loop gives it up, stands by, and takes it when the stranger is gone`()
            throws
        {
            let site = try Site(hosts: 1)
            try site.lab.strangerTakes()
            #expect(eventually(within: .seconds(20)) { (try? site.lab.holders()) == [] }, "\(site.saidByAll)")
            #expect(site.standbys[1]?.isRunning == true)
            #expect(eventually { site.witness.holders == [.stranger] })
            try site.lab.strangerLeaves()
            #expect(site.meter.waitForAnswer(by: 1, within: .seconds(20)), "\(site.saidByAll)")
        }

        @Test func `a host whose cable comes late joins in`() throws {
            let lab = try Lab(hosts: 1)
            try lab.cut(1)
            let meter = try lab.startMeter()
            let loop = try lab.host(1).start(
                Toolbox.path(of: "qure-standby"), "--interval", "100ms", "-i", "eth0", Lab.Plan.shared)
            #expect(!eventually(within: .seconds(1)) { (try? lab.holders()) == [1] })
            #expect(loop.isRunning, "\(loop.errors)")
            try lab.heal(1)
            #expect(meter.waitForAnswer(by: 1), "\(loop.output)\(loop.errors)")
        }

        @Test func `what can never work ends the loop at once, with the status of the tool`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let script = try Toolbox.path(of: "qure-standby")
            #expect(try lab.host(1).run(script).status == 64)
            #expect(try lab.host(1).run(script, "192.168.1").status == 64)
            #expect(try lab.host(1).run(script, "--interval", "soon", Lab.Plan.shared).status == 64)
            #expect(try lab.host(1).run(script, "192.168.1.255/24").status == 64)
            // Without the capabilities for it.
            let result = try lab.host(1).run(
                "setpriv", "--bounding-set", "-all", "--inh-caps", "-all", script, Lab.Plan.shared)
            #expect(result.status == 77, "\(result)")
        }
    }
}
