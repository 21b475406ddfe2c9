// Members whose own address goes, comes late, or becomes another one, where they are named by their addresses and where
// they are not: at the end one has the shared address, and the others stand by for it.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(2)))
    struct OwnAddresses {
        private static let hooks = [
            "--interface", "eth0", "--on-master", Elector.adds, "--on-standby", Elector.removes, "--on-fault",
            Elector.removes,
        ]

        /// What every host of a lab names the others by, itself as well.
        private static func peers(_ hosts: Int) -> [String] { (1...hosts).map { "peer 192.168.1.2\($0)" } }

        /// As where a DHCP server gives out another address: the others look for that host where it was.
        @Test(arguments: [0, 100])
        func `a master that has another address than the one it is named by yields, or goes on`(pause: Int) throws {
            let site = try ElectedSite(hosts: 2, lines: Self.peers(2))
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { (1...2).allSatisfy { site.cluster.members(knownTo: $0) == 2 } }, "\(site.said)")
            let host = site.lab.host(master), other = 3 - master
            try host.ip("addr del 192.168.1.2\(master)/24 dev eth0")
            usleep(UInt32(pause * 1000))  // what a client of DHCP may take
            try host.ip("addr add 192.168.1.4\(master)/24 dev eth0")
            try host.ip("route replace default via 192.168.1.1")
            // Each knows the other, and both who is master.
            func isSettled() -> Bool {
                let said = (1...2).map { site.ask($0, "status").output }
                let leads = [1, 2].filter { said[$0 - 1].hasPrefix("master ") }
                guard let leader = leads.first, leads.count == 1 else { return false }
                return said[2 - leader].hasPrefix("standby ") && said[2 - leader].contains("master=h\(leader) ")
            }
            #expect(eventually(within: .seconds(10), isSettled), "\(site.said)")
            #expect(site.ask(other, "members").output.contains(" 192.168.1.4\(master) "), "\(site.said)")
            usleep(500_000)  // more than twice the tolerance
            #expect(isSettled(), "\(site.said)")
            let holders = try site.lab.holders()
            #expect(holders.count == 1 && site.isMaster(holders[0]), "\(holders) \(site.said)")
        }

        /// Where others hear it by the group, it is master as before.
        @Test(arguments: [[0, 1], [1, 0]])
        func `a master that gets another address of its own answers as before`(order: [Int]) throws {
            let site = try ElectedSite(hosts: 2)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { (1...2).allSatisfy { site.cluster.members(knownTo: $0) == 2 } }, "\(site.said)")
            let host = site.lab.host(master)
            let steps = [
                "addr del 192.168.1.2\(master)/24 dev eth0", "addr add 192.168.1.4\(master)/24 dev eth0",
            ]
            for step in order { try host.ip(steps[step]) }
            // The way to the network is the own address's, and so is what the host says there.
            let way = " src 192.168.1.4\(master) "
            let isInOrder = eventually {
                (try? host.run("ip", "route", "get", "192.168.1.99"))?.output.contains(way) == true
            }
            #expect(isInOrder, "\(site.said)")
            // Where the shared address came before the new one, there is no such way until the follower has put it
            // behind, and no gateway for a route.
            try host.ip("route replace default via 192.168.1.1 dev eth0")
            usleep(2_500_000)  // longer than any lease and lifetime
            #expect(site.isHeldOnly(by: master), "\(site.said)")
            let other = 3 - master
            #expect(site.ask(other, "members").output.contains(" 192.168.1.4\(master) "), "\(site.said)")
            let report = try site.meter.stop()
            #expect(report.longestOutage < .milliseconds(300), "\(report) \(site.said)")
        }

        @Test func `a member that is named by an address and has it no more stands aside`() throws {
            let site = try ElectedSite(hosts: 3, lines: Self.peers(3))
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { (1...3).allSatisfy { site.cluster.members(knownTo: $0) == 3 } }, "\(site.said)")
            let number = master % 3 + 1, host = site.lab.host(number)
            try host.ip("addr del 192.168.1.2\(number)/24 dev eth0")
            #expect(
                eventually {
                    let said = site.ask(number, "status").output
                    return said.hasPrefix("fault ") && said.hasSuffix(" reason=own-address-gone\n")
                }, "\(site.said)")
            let took = eventually(within: .seconds(1)) { !site.isMaster(master) || site.isMaster(number) }
            #expect(!took, "\(site.said)")
            try host.ip("addr add 192.168.1.2\(number)/24 dev eth0")
            #expect(
                eventually { site.ask(number, "status").output.contains("master=h\(master) ") }, "\(site.said)")
            #expect(site.isHeldOnly(by: master))

            // A master hears of no successor then: it is gone before the others' patience is.
            try site.lab.host(master).ip("addr del 192.168.1.2\(master)/24 dev eth0")
            let next = try #require(site.meter.waitForAnswer(byOtherThan: master), "\(site.said)")
            #expect(site.isHeldOnly(by: next))
            #expect(site.ask(master, "status").output.hasPrefix("fault "), "\(site.said)")
            let word = "given up: own-address-gone; whoever takes over is not heard here\n"
            #expect(site.said.contains(word), "\(site.said)")
        }

        @Test func `a member that was there before its IPv4 address goes over to the others`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            try lab.host(2).ip("addr del 192.168.1.22/24 dev eth0")
            let first = try Elector(lab.host(1), Self.hooks)
            try #require(first.becomes("master"), "\(first.said)")
            let second = try Elector(lab.host(2), Self.hooks)
            #expect(second.becomes("fault"), "\(second.said)")
            #expect(second.ask("members").output.contains(" fe80::"), "\(second.said)")
            try lab.host(2).ip("addr add 192.168.1.22/24 dev eth0")
            #expect(second.becomes("standby"), "\(second.said)")
            #expect(second.process.errors.contains("own address is 192.168.1.22 now, and no longer fe80::"))
            #expect(eventually { first.ask("members").output.contains(" 192.168.1.22 standby ") }, "\(first.said)")
        }

        @Test func `members that are together without IPv4 stay together when one has it`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            for number in 1...2 { try lab.host(number).ip("addr del 192.168.1.2\(number)/24 dev eth0") }
            let first = try Elector(lab.host(1), Self.hooks)
            try #require(first.becomes("master"), "\(first.said)")
            let second = try Elector(lab.host(2), Self.hooks)
            #expect(second.becomes("standby"), "\(second.said)")
            try lab.host(1).ip("addr add 192.168.1.21/24 dev eth0")
            let parted = eventually(within: .seconds(1)) { !second.ask("status").output.hasPrefix("standby term=1 ") }
            #expect(!parted && first.ask("status").output.hasPrefix("master term=1 "), "\(first.said)\(second.said)")
            // Alone, it goes where it would begin.
            #expect(second.process.stop() == 0, "\(second.said)")
            #expect(eventually { first.process.errors.contains("own address is 192.168.1.21 now") }, "\(first.said)")
            #expect(first.ask("status").output.hasPrefix("master term=1 "), "\(first.said)")
        }
    }
}
