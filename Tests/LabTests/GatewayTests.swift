// Members whose default route comes late, leads elsewhere, or goes away: the gateway that they need to hear is the one
// that it leads to now.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(2)))
    struct Gateways {
        private static let hooks = [
            "--interface", "eth0", "--on-master", Elector.adds, "--on-standby", Elector.removes,
        ]

        /// How long ago a member heard the gateway; nil: it does not say.
        private static func heard(_ elector: Elector) -> Int? {
            let words = elector.ask("status").output.split(whereSeparator: \.isWhitespace)
            return words.first { $0.hasPrefix("gateway_heard_ms=") }.flatMap { Int($0.dropFirst(17)) }
        }

        @Test func `a default route that comes after the start names the gateway that is asked`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            for number in 1...2 { try lab.host(number).ip("route del default") }
            let master = try Elector(lab.host(1), Self.hooks)
            try #require(master.becomes("master"), "\(master.said)")
            let standby = try Elector(lab.host(2), Self.hooks)
            try #require(standby.becomes("standby"), "\(standby.said)")
            #expect(Self.heard(master) == nil && Self.heard(standby) == nil)
            for number in 1...2 { try lab.host(number).ip("route add default via 192.168.1.1") }
            for elector in [master, standby] {
                #expect(eventually { Self.heard(elector).map { $0 < 2000 } ?? false }, "\(elector.said)")
                let word = "the gateway is 192.168.1.1 now: who claims must hear it\n"
                #expect(elector.process.errors.contains(word), "\(elector.said)")
            }

            // Who has lost the way out needs the gateway as before.
            for number in 1...2 { try lab.host(number).ip("route del default") }
            try lab.host(2).must("ip link set eth0 up")
            let isForgotten = eventually(within: .seconds(1)) { Self.heard(master) == nil }
            #expect(!isForgotten, "\(master.said)")
        }

        @Test func `a default route that leads elsewhere names another gateway`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks)
            try #require(elector.becomes("master"), "\(elector.said)")
            #expect(eventually { Self.heard(elector) != nil }, "\(elector.said)")
            try lab.host(1).ip("route replace default via 192.168.1.250")
            let word = "the gateway is 192.168.1.250 now, and no longer 192.168.1.1: who claims must hear it\n"
            #expect(eventually { elector.process.errors.contains(word) }, "\(elector.said)")
            let isHeard = eventually(within: .seconds(2)) { Self.heard(elector) != nil }
            #expect(!isHeard, "\(elector.said)")
            try lab.gateway.ip("addr add 192.168.1.250/24 dev lan")
            #expect(eventually { Self.heard(elector).map { $0 < 2000 } ?? false }, "\(elector.said)")
            #expect(elector.ask("status").output.hasPrefix("master term=1 "), "\(elector.said)")
        }

        @Test func `of addresses of both families the one with a gateway says whom to hear`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            try lab.host(1).ip("route del default")
            try lab.host(1).ip("-6 route replace default via fd00:1::1 dev eth0")
            let elector = try Elector(lab.host(1), Self.hooks + ["--address", "fd00:1::99/64"])
            try #require(elector.becomes("master"), "\(elector.said)")
            #expect(eventually { Self.heard(elector).map { $0 < 2000 } ?? false }, "\(elector.said)")
            try lab.host(1).ip("route add default via 192.168.1.1")
            let word = "the gateway is 192.168.1.1 now, and no longer fd00:1::1: who claims must hear it\n"
            #expect(eventually { elector.process.errors.contains(word) }, "\(elector.said)")
            try lab.host(1).ip("route del default")
            let isLeft = eventually(within: .seconds(1)) { elector.process.errors.contains("the gateway is fd00:1::1") }
            #expect(!isLeft, "\(elector.said)")
        }

        /// Further away than a carrier tells: what comes first when the way is open again is chance.
        @Test func `a standby that was cut off for a while takes nothing when it is back`() throws {
            let site = try ElectedSite(hosts: 3)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { (1...3).allSatisfy { site.cluster.members(knownTo: $0) == 3 } }, "\(site.said)")
            let others = (1...3).filter { $0 != master }
            let term = site.ask(master, "status").output.split(separator: " ").first { $0.hasPrefix("term=") }
            for turn in 0..<4 {
                let standby = others[turn % 2]
                let rest = (1...3).filter { $0 != standby }.map(Node.host)
                try site.lab.partition([.host(standby)], [.gateway, .observer] + rest)
                #expect(eventually { site.ask(standby, "status").output.hasPrefix("suspecting ") }, "\(site.said)")
                usleep(700_000)  // longer than its patience
                try site.lab.mend()
                let isBack = eventually { site.ask(standby, "status").output.contains(" master=h\(master) ") }
                #expect(isBack, "\(site.said)")
            }
            let status = site.ask(master, "status").output
            #expect(status.hasPrefix("master \(term ?? "?") "), "\(status) \(site.said)")
            #expect(site.isHeldOnly(by: master), "\(site.said)")
        }

        @Test func `a gateway that is named stays whatever the default route is`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), Self.hooks + ["--require-gateway", "192.168.1.1"])
            try #require(elector.becomes("master"), "\(elector.said)")
            try lab.host(1).ip("route replace default via 192.168.1.250")
            let isForgotten = eventually(within: .seconds(3)) { Self.heard(elector).map { $0 > 2500 } ?? false }
            #expect(!isForgotten && Self.heard(elector) != nil, "\(elector.said)")
            #expect(!elector.process.errors.contains("the gateway is"), "\(elector.said)")
        }
    }
}
