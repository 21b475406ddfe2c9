// The lab's own tests: that what it builds is what it says, that a fault has the effect of its name and no other, and
// that nothing is left of it afterwards. The other files of this folder build on it.

import Glibc
import Lab
import QureCore
import Testing

/// All tests that build a lab; one after the other, because they share the machine's two or four cores.
@Suite(.serialized, .enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
enum InTheLab {}

extension InTheLab {
    /// The lab itself.
    @Suite(.timeLimit(.minutes(2)))
    struct TheLab {
        /// Puts the shared addresses on a host by hand.
        private func give(_ host: Int, in lab: Lab) throws {
            try lab.host(host).ip("addr add \(Lab.Plan.shared) dev eth0")
            try lab.host(host).ip("addr add \(Lab.Plan.shared6) dev eth0 nodad")
        }

        @Test
        func `the client outside reaches the host that has the shared address, over both families, and as pages`()
            throws
        {
            let lab = try Lab(hosts: 2)
            try give(2, in: lab)
            for meter in [
                try lab.startMeter(), try lab.startMeter(ipv6: true), try lab.startMeter(pages: true),
            ] {
                #expect(meter.waitForAnswer(by: 2))
                let report = try meter.stop()
                #expect(report.answered > 0)
                #expect(report.answerers.map(\.name) == ["h2"])
            }
        }

        @Test func `without a holder nobody answers`() throws {
            let lab = try Lab(hosts: 1)
            let meter = try lab.startMeter()
            #expect(meter.waitForSilence())
            let report = try meter.stop()
            #expect(report.answered == 0)
            #expect(report.lost == report.requests && report.requests > 0)
            #expect(report.answerers.isEmpty)
        }

        @Test func `a pulled cable is an outage that ends with the next holder`() throws {
            let lab = try Lab(hosts: 2)
            try give(1, in: lab)
            let meter = try lab.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            try lab.cut(1)
            #expect(meter.waitForSilence())
            try give(2, in: lab)
            _ = try lab.host(2).run("arping", "-U", "-c", "1", "-I", "eth0", Lab.Plan.address.description)
            #expect(meter.waitForAnswer(by: 2))
            let report = try meter.stop()
            #expect(report.outages.contains { $0.before == "h1" && $0.after == "h2" }, "\(report)")
            #expect(report.lost > 0)
            // The host sees that its cable is gone, and that it is back.
            #expect(try lab.carrier(of: 1) == false)
            try lab.heal(1)
            #expect(try lab.carrier(of: 1))
        }

        @Test func `an isolated host keeps its carrier and hears nothing`() throws {
            let lab = try Lab(hosts: 1)
            try give(1, in: lab)
            let meter = try lab.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            try lab.isolate(1)
            #expect(meter.waitForSilence())
            #expect(try lab.carrier(of: 1))
            try lab.heal(1)
            #expect(meter.waitForAnswer(by: 1))
        }

        @Test(arguments: [Lab.Direction.both, .out, .in])
        func `a cable that loses 30 percent loses about that, each way that it is told to`(_ way: Lab.Direction)
            throws
        {
            let lab = try Lab(hosts: 1)
            try give(1, in: lab)
            // Lost questions of ARP are another matter.
            try lab.gatewayInsists(isAt: 1)
            try lab.host(1).ip("neigh replace 192.168.1.1 lladdr \(Lab.Plan.mac(.gateway)) dev eth0 nud permanent")
            try lab.lose(30, 1, way)
            let meter = try lab.startMeter()
            // A second's worth: 1000 trials of probability 0.3 (0.51 both ways) are within 0.1 of it but for 1 in
            // 10^10.
            let deadline = Clock.now + .milliseconds(1200)
            #expect(eventually { Clock.now > deadline })
            let report = try meter.stop()
            let share = Double(report.lost) / Double(report.requests)
            let expected = way == .both ? 0.51 : 0.3
            #expect(abs(share - expected) < 0.1, "\(report.lost) of \(report.requests) lost")
            #expect(report.requests > 800)
        }

        @Test func `a partition divides the groups and nobody else`() throws {
            let lab = try Lab(hosts: 3)
            func reaches(_ one: Int, _ other: String) throws -> Bool {
                try lab.host(one).run("ping", "-c", "1", "-W", "1", other).status == 0
            }
            try lab.partition([1, .gateway], [2])
            #expect(try reaches(1, "192.168.1.1"))
            #expect(try !reaches(1, "192.168.1.22"))
            #expect(try !reaches(2, "192.168.1.1"))
            #expect(try reaches(3, "192.168.1.22"))
            #expect(try reaches(3, "192.168.1.1"))
            try lab.mend()
            // The kernel may still be waiting for an answer that the partition swallowed.
            #expect(try eventually { try reaches(1, "192.168.1.22") })
        }

        @Test
        func
            `a frozen host answers ARP only, a crashed one nothing, and a booted one has its own address only`()
            throws
        {
            let lab = try Lab(hosts: 1)
            try give(1, in: lab)
            let meter = try lab.startMeter()
            let witness = try lab.startWitness()
            #expect(meter.waitForAnswer(by: 1))
            lab.freeze(1)
            #expect(meter.waitForSilence())
            #expect(witness.holders == [1])
            lab.thaw(1)
            #expect(meter.waitForAnswer(by: 1))
            try lab.crash(1)
            #expect(eventually { witness.holders.isEmpty })
            #expect(lab.host(1).processes.isEmpty)
            try lab.boot(1)
            #expect(try lab.holders().isEmpty)
            #expect(try lab.host(1).has(IPAddress("192.168.1.21")!))
        }

        @Test func `two holders at once are seen by the witness, for as long as it is so`() throws {
            let lab = try Lab(hosts: 1)
            try give(1, in: lab)
            let witness = try lab.startWitness()
            #expect(eventually { witness.holders == [1] })
            try lab.strangerTakes()
            #expect(eventually { witness.holders.count == 2 })
            #expect(!eventually(within: .milliseconds(100)) { witness.holders.count != 2 })
            try lab.strangerLeaves()
            #expect(eventually { witness.holders == [1] })
            let report = try witness.stop()
            #expect(report.overlaps.count == 1 && report.together > .milliseconds(50), "\(report.overlaps)")
            #expect(report.spans.map(\.node) == [.stranger, 1])
        }

        @Test func `a stranger that takes the address gets the traffic`() throws {
            let lab = try Lab(hosts: 1)
            try give(1, in: lab)
            let meter = try lab.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            try lab.strangerTakes()
            #expect(meter.waitForSilence())
        }

        @Test func `a deaf gateway does not follow an announcement, a hearing one does`() throws {
            let lab = try Lab(hosts: 2)
            try give(1, in: lab)
            let meter = try lab.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            try lab.gatewayIsDeaf()
            try lab.flush(1)
            try give(2, in: lab)
            let announce = ["qure-claim", "announce", "--announce", "1", Lab.Plan.address.description]
            let tool = try Toolbox.path(of: "qure-claim")
            func tellsTheLink() throws -> Bool {
                try lab.host(2).start([tool] + announce.dropFirst()).wait() == 0
            }
            #expect(try tellsTheLink())
            #expect(try lab.gatewayEntry() == Lab.Plan.mac(1))
            try lab.gatewayHears()
            #expect(try tellsTheLink())
            #expect(meter.waitForAnswer(by: 2))
            #expect(try lab.gatewayEntry() == Lab.Plan.mac(2))
        }

        @Test func `a gateway with a permanent entry follows nobody`() throws {
            let lab = try Lab(hosts: 2)
            try lab.gatewayInsists(isAt: 2)
            try give(1, in: lab)
            let meter = try lab.startMeter()
            #expect(meter.waitForSilence())
            try lab.gatewayLearns()
            #expect(meter.waitForAnswer(by: 1))
        }

        @Test func `a gateway that reboots has forgotten everybody`() throws {
            let lab = try Lab(hosts: 1)
            try give(1, in: lab)
            let meter = try lab.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            try lab.gatewayReboots()
            #expect(meter.waitForSilence())
            #expect(try lab.gatewayEntry() == nil)
            try lab.gatewayIsBack()
            #expect(meter.waitForAnswer(by: 1))
        }

        @Test func `a flap takes a host's IPv6 addresses, and only its own come back`() throws {
            let lab = try Lab(hosts: 1)
            try give(1, in: lab)
            try lab.flap(1)
            #expect(try lab.holders(of: Lab.Plan.address6).isEmpty)
            #expect(try lab.host(1).has(IPAddress("fd00:1::21")!))
            #expect(try lab.host(1).must("ip route show default").contains("192.168.1.1"))
        }

        @Test func `two labs at once do not meet`() throws {
            let one = try Lab(hosts: 1)
            let other = try Lab(hosts: 1)
            try give(1, in: one)
            let meter = try one.startMeter()
            let otherMeter = try other.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            #expect(otherMeter.waitForSilence())
            try other.crash(1)
            one.close()
            #expect(try other.host(1).has(IPAddress("192.168.1.21")!))
        }

        @Test func `a closed lab leaves no namespace and no process`() throws {
            let lab = try Lab(hosts: 2)
            let stubborn = try lab.host(1).start(
                "sh", "-c", "trap '' TERM HUP INT; echo up; while :; do sleep 1; done")
            #expect(eventually { !stubborn.lines.isEmpty })
            let processes = lab.hosts.flatMap(\.processes)
            #expect(processes.count >= 3)
            let names = lab.nodes.map { lab.machine($0).namespace }
            lab.close()
            #expect(eventually { processes.allSatisfy { kill($0, 0) != 0 } || !stubborn.isRunning })
            for name in names { #expect(access("/run/netns/\(name)", F_OK) != 0) }
        }
    }
}

extension Lab {
    /// Whether the host's interface has a carrier.
    fileprivate func carrier(of host: Int) throws -> Bool {
        try self.host(host).inside {
            var netlink = try Netlink()
            return try netlink.link(named: "eth0")?.hasCarrier ?? false
        }
    }

    /// Where the gateway believes the shared address to be.
    fileprivate func gatewayEntry() throws -> MACAddress? {
        try gateway.inside {
            var netlink = try Netlink()
            guard let link = try netlink.link(named: "lan") else { return nil }
            return try netlink.neighbour(Plan.address, on: link.index)?.mac
        }
    }
}
