// The election with real programs: `qure-elect run | qure-claim follow` on the hosts of a lab, and what becomes of the
// address when something happens to them. How long it takes is measured elsewhere; here the limits only say that it did
// not take for ever.

import Glibc
import Lab
import QureCore
import Testing

/// A lab whose hosts elect who holds the address.
private final class Cluster {
    let lab: Lab
    let meter: Meter
    let witness: Witness
    private var pipelines: [Int: LabProcess] = [:]
    private let keys: String

    init(hosts: Int) throws {
        lab = try Lab(hosts: hosts)
        meter = try lab.startMeter()
        witness = try lab.startWitness(of: Lab.Plan.address)
        keys = shell("mktemp").output.filter { $0 != "\n" }
        shell("'\(Executables.path("qure-elect"))' keygen > '\(keys)'; chmod 600 '\(keys)'")
        for number in 1...hosts { try start(number) }
        try #require(meter.waitForAnswer(byOtherThan: 0) != nil, "no host takes the address: \(said)")
    }

    deinit { unlink(keys) }

    func start(_ number: Int) throws {
        let place = "--state-dir /run/qure/h\(number)"
        let member = "--cluster home --name h\(number) --address \(Lab.Plan.shared)"
        let elect = "'\(Executables.path("qure-elect"))' run \(member)"
        let claim = "'\(Executables.path("qure-claim"))' follow \(place) \(Lab.Plan.shared)"
        let keep = "--keep-dir /run/qure/k\(number) --key-file '\(keys)'"
        pipelines[number] = try lab.host(number).start(["sh", "-c", "\(elect) \(place) \(keep) | \(claim)"])
    }

    func ask(_ number: Int, _ request: String) -> CommandResult {
        shell("'\(Executables.path("qure-elect"))' \(request) --cluster home --state-dir /run/qure/h\(number)")
    }

    func isHeldOnly(by number: Int) -> Bool {
        eventually { (try? lab.holders()) == [number] && witness.holders == [.host(number)] }
    }

    /// Waits until exactly one host has the address, and names it.
    func onlyHolder() -> Int? {
        var found: Int?
        _ = eventually {
            guard let holders = try? lab.holders(), holders.count == 1, isMaster(holders[0]) else { return false }
            found = holders[0]
            return true
        }
        return found
    }

    func isMaster(_ number: Int) -> Bool { ask(number, "status").output.hasPrefix("master ") }

    var said: String { pipelines.map { "h\($0.key): \($0.value.output)\($0.value.errors)" }.joined() }
}

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct Elections {
        @Test func `all started at once: one is master, all know it, and it alone has the address`() throws {
            let cluster = try Cluster(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            for number in 1...3 {
                #expect(eventually { cluster.ask(number, "status").output.contains("master=h\(master) ") })
                #expect(eventually { cluster.ask(number, "members").output.split(separator: "\n").count == 3 })
            }
            #expect(cluster.ask(master % 3 + 1, "resign").status == 1)
        }

        @Test(arguments: ["qure-elect", "qure-claim"])
        func `one of the master's two programs is killed: another host answers`(_ victim: String) throws {
            let cluster = try Cluster(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            for process in cluster.lab.host(master).processes(named: victim) { kill(process, SIGKILL) }
            let next = try #require(cluster.meter.waitForAnswer(byOtherThan: master), "\(cluster.said)")
            #expect(cluster.isHeldOnly(by: next))
            #expect(eventually { cluster.ask(master, "status").status == 69 })
        }

        @Test func `the machine dies: another host answers`() throws {
            let cluster = try Cluster(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            try cluster.lab.crash(.host(master))
            let next = try #require(cluster.meter.waitForAnswer(byOtherThan: master), "\(cluster.said)")
            #expect(cluster.isHeldOnly(by: next))
        }

        @Test func `a master that resigns hands the address over`() throws {
            let cluster = try Cluster(hosts: 3)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            #expect(cluster.ask(master, "resign").status == 0)
            let next = try #require(cluster.meter.waitForAnswer(byOtherThan: master), "\(cluster.said)")
            #expect(cluster.isHeldOnly(by: next) && cluster.isMaster(next))
        }

        @Test func `maintenance keeps a host out until it is over`() throws {
            let cluster = try Cluster(hosts: 2)
            let master = try #require(cluster.onlyHolder(), "\(cluster.said)")
            let other = 3 - master
            #expect(cluster.ask(master, "maintenance on").status == 0)
            #expect(cluster.isHeldOnly(by: other))
            #expect(eventually { cluster.ask(master, "status").output.hasPrefix("maintenance ") })
            #expect(cluster.ask(master, "maintenance off").status == 0)
            #expect(eventually { cluster.ask(master, "status").output.hasPrefix("standby ") })
        }
    }
}
