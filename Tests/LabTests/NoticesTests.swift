// The machine's own goodbyes: what logind says over a real message bus, and what becomes of the address before the
// machine may go on. Each host of the lab is on a bus of its own.

import Glibc
import Lab
import QureCore
import Testing

/// A cluster whose hosts each have a message bus with a logind on it.
private final class BusSite {
    let buses: [MessageBus]
    let logins: [BusClient]
    let cluster: ElectedSite

    init(hosts: Int) throws {
        try PrivateNamespace.prepare()
        let directory = "/run/qure-buses-\(UInt32.random(in: 0 ... .max))"
        let buses = try (1...hosts).map { try MessageBus("\(directory)/\($0)") }
        let logins = try buses.map { try BusClient($0) }
        for login in logins { try login.becomeLogind() }
        self.buses = buses
        self.logins = logins
        cluster = try ElectedSite(hosts: hosts) { ["DBUS_SYSTEM_BUS_ADDRESS": buses[$0 - 1].address] }
    }

    func login(_ number: Int) -> BusClient { logins[number - 1] }

    /// The master, once logind waits for it and there is one to succeed it.
    func master() throws -> Int {
        let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
        try #require(eventually { login(master).held == 1 }, "it takes no inhibitor: \(cluster.said)")
        try #require(hasHeir(master), "nobody stands by: \(cluster.said)")
        return master
    }

    func hasHeir(_ master: Int) -> Bool {
        eventually { cluster.ask(master, "members").output.contains(" standby ") }
    }

    func role(_ number: Int) -> String {
        String(cluster.ask(number, "status").output.prefix { $0 != " " && $0 != "\n" })
    }
}

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct Notices {
        @Test func `shutdown: another host has the address before the machine may go on`() throws {
            let site = try BusSite(hosts: 2)
            let master = try site.master()
            try site.login(master).signal("PrepareForShutdown", true)
            try #require(eventually { site.login(master).held == 0 }, "\(site.cluster.said)")
            #expect(try site.cluster.lab.host(3 - master).has(Lab.Plan.address), "\(site.cluster.said)")
            #expect(site.cluster.isHeldOnly(by: 3 - master))
            #expect(eventually { site.cluster.ask(master, "status").status == 69 })
        }

        @Test func `sleep: the address is gone before the machine may go on; after it the host is back`() throws {
            let site = try BusSite(hosts: 2)
            let master = try site.master()
            for round in 1...2 {
                let holder = try #require(site.cluster.onlyHolder())
                #expect(site.hasHeir(holder))
                let granted = site.login(holder).granted
                try site.login(holder).signal("PrepareForSleep", true)
                try #require(eventually { site.login(holder).held == 0 }, "round \(round): \(site.cluster.said)")
                #expect(try site.cluster.lab.holders() == [3 - holder], "round \(round): \(site.cluster.said)")
                #expect(site.role(holder) == "quarantined")
                try site.login(holder).signal("PrepareForSleep", false)
                #expect(eventually { site.role(holder) == "standby" }, "round \(round): \(site.cluster.said)")
                #expect(eventually { site.login(holder).held == 1 } && site.login(holder).granted == granted + 1)
            }
            #expect(site.cluster.isHeldOnly(by: master))
        }

        @Test func `a stranger on the bus is not logind; a bus that goes and comes back is found again`() throws {
            let site = try BusSite(hosts: 2)
            let master = try site.master()
            let stranger = try BusClient(site.buses[master - 1])
            let elector = try #require(site.login(master).inhibiting.last)
            try stranger.signal("PrepareForShutdown", true, to: elector)
            try stranger.signal("PrepareForSleep", true)
            // Had it believed that, it would be gone or in quarantine by the time logind's word has had its effect.
            try site.login(master).signal("PrepareForSleep", false)
            #expect(eventually { site.login(master).granted == 2 })
            #expect(site.cluster.isMaster(master) && site.cluster.isHeldOnly(by: master))
            #expect(stranger.send([UInt8](repeating: 0x6c, count: 500)))

            site.buses[master - 1].stop()
            try site.buses[master - 1].start()
            let login = try BusClient(site.buses[master - 1])
            try login.becomeLogind()
            #expect(eventually { login.held == 1 }, "\(site.cluster.said)")
            #expect(site.cluster.isMaster(master))
            try login.signal("PrepareForShutdown", true)
            #expect(site.cluster.isHeldOnly(by: 3 - master))
        }

        @Test func `without a message bus it runs as ever, and the service manager hears of it`() throws {
            try PrivateNamespace.prepare()
            let path = "/run/qure-notify-\(UInt32.random(in: 0 ... .max))"
            let listener = try ServiceListener(path)
            let cluster = try ElectedSite(hosts: 2) { number in
                number == 1 ? ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"] : [:]
            }
            #expect(cluster.onlyHolder() != nil, "\(cluster.said)")
            #expect(eventually { listener.messages.first?.hasPrefix("READY=1\n") == true })
            #expect(eventually { listener.messages.filter { $0 == "WATCHDOG=1" }.count >= 5 }, "\(listener.messages)")
            #expect(cluster.stop(1) == 0)
            #expect(listener.messages.contains("STOPPING=1"))
            #expect(cluster.isHeldOnly(by: 2), "\(cluster.said)")
        }
    }
}
