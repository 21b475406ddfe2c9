// The machine that registers a site when things go wrong: what it ends with when it does not stay, how it waits when it
// does, clocks, leases and sweeping.

import Simulator
import Testing

@testable import QureCore

struct RegistrationFaultTests {
    private typealias Bench = RegistrationBench
    private static let one = Bench.address("192.0.2.7"), two = Bench.address("192.0.2.8")

    private static func authority() -> SimulatedAuthority { SimulatedAuthority(zone: Bench.zone) }

    /// What comes instead of the answer to the first question, or to the update.
    private static func answer(_ message: DNSMessage, _ code: DNSResponseCode, isSigned: Bool)
        -> DNSMessage
    {
        var answer = message.response(code)
        answer.flags.insert(.authoritative)
        if isSigned {
            answer.signature = TSIGRecord(
                keyName: .root, algorithm: .root, timeSigned: 1, fudge: 300, originalID: 0)
        }
        return answer
    }

    @Test(arguments: [
        (DNSResponseCode.refused, true, RegistrationTrouble.Kind.no), (.refused, false, .permission),
        (.notAuthorized, false, .permission), (.notAuthorized, true, .no), (.serverFailure, true, .temporary),
        (.notInZone, true, .no),
        (.formatError, true, .temporary),
    ])
    func `what a server says against an update`(
        _ code: DNSResponseCode, _ isSigned: Bool, _ kind: RegistrationTrouble.Kind
    ) throws {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7")
        bench.take(.register)
        bench.settle(with: &authority) { Self.answer($0, code, isSigned: isSigned) }
        let trouble = try #require(bench.end ?? nil)
        #expect(trouble.kind == kind, "\(trouble)")
        #expect(authority.serial == 0)
    }

    @Test func `who stays waits twice as long each time, and forgets that after a success`() throws {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7") { $0.stays = true }
        bench.take(.register)
        // At first a random while, so that not all ask at once.
        let start = try #require(bench.machine.nextDeadline) - bench.now
        #expect((.zero ... .seconds(3)).contains(start))
        bench.now = try #require(bench.machine.nextDeadline)
        bench.take(.deadlinePassed)
        var waits: [Duration] = []
        for _ in 0..<14 {
            bench.message = nil
            bench.take(.trouble(.unreachable("silence")))
            let due = try #require(bench.machine.nextDeadline)
            waits.append(due - bench.now)
            bench.now = due
            bench.take(.deadlinePassed)
        }
        for (index, wait) in waits.enumerated() {
            let middle = min(Duration.seconds(1 << index), .seconds(900))
            #expect(wait >= middle * 0.75 && wait <= middle * 1.25, "\(index): \(wait)")
        }
        #expect(Set(waits).count == waits.count)
        bench.settle(with: &authority)
        #expect(authority.addresses(Bench.name) == [Self.one])
        let regular = try #require(bench.machine.nextDeadline) - bench.now
        #expect(regular >= .seconds(54) && regular <= .seconds(66))
        // The authority is asked again only after a while.
        var looks = 0
        while bench.message == nil {
            bench.now = try #require(bench.machine.nextDeadline)
            bench.take(.deadlinePassed)
            looks += 1
        }
        #expect((8...13).contains(looks))
        bench.message = nil
        bench.take(.trouble(.unreachable("silence")))
        let again = try #require(bench.machine.nextDeadline) - bench.now
        #expect(again <= .seconds(2))
    }

    @Test func `a thousand sites that start at once do not ask at once`() throws {
        var starts: [Duration] = []
        for seed in 0..<1000 {
            var bench = Bench("box", "192.0.2.7", seed: UInt64(seed)) { $0.stays = true }
            bench.take(.register)
            #expect(bench.message == nil)
            starts.append(try #require(bench.machine.nextDeadline) - bench.now)
        }
        // In any tenth of the three seconds about a hundred of them.
        for tenth in 0..<10 {
            let slot = Duration.milliseconds(300 * tenth)..<Duration.milliseconds(300 * (tenth + 1))
            #expect((60...140).contains(starts.count { slot.contains($0) }), "\(slot)")
        }
    }

    @Test func `a refusal is not asked for again soon`() throws {
        var bench = Bench("box", "192.0.2.7") {
            $0.stays = true
            $0.spread = .zero
        }
        bench.take(.register)
        bench.message = nil
        bench.take(.trouble(.refused(.refused, isSigned: true)))
        #expect(try #require(bench.machine.nextDeadline) - bench.now >= .seconds(45))
    }

    @Test func `sources that disagree leave the old record alone`() throws {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7") {
            $0.stays = true
            $0.spread = .zero
        }
        bench.run(.register, with: &authority)
        bench.addresses = []
        bench.take(.recheck)
        try bench.pass(with: &authority)
        #expect(authority.addresses(Bench.name) == [Self.one])
        var once = Bench("box")
        once.run(.register, with: &authority)
        #expect((once.end ?? nil)?.kind == .temporary)
        #expect(authority.addresses(Bench.name) == [Self.one])
    }

    @Test func `sources are asked again as often as ever, whatever the authority was asked`() throws {
        var bench = Bench("box") { $0.stays = true }
        bench.take(.register)
        for _ in 0..<20 {
            let due = try #require(bench.machine.nextDeadline)
            #expect(due - bench.now <= .seconds(75))
            bench.now = due
            bench.take(.deadlinePassed)
        }
        #expect(bench.message == nil && bench.reports.count == 20)
    }

    @Test func `a family that nothing is known of stays, also when the other one moves`() throws {
        for isSole in [false, true] {
            var authority = Self.authority()
            func change(_ configuration: inout Registration.Configuration) {
                configuration.stays = true
                configuration.spread = .zero
                configuration.isSole = isSole
            }
            var bench = Bench("box", "192.0.2.7", "2001:db8::7", seed: 1, change)
            bench.run(.register, with: &authority)
            bench.addresses = [Bench.address("2001:db8::8")]
            bench.keeping = [.ipv4]
            bench.take(.recheck)
            try bench.pass(with: &authority)
            #expect(authority.addresses(Bench.name) == [Self.one, Bench.address("2001:db8::8")])
            bench.keeping = []
            bench.take(.recheck)
            try bench.pass(with: &authority)
            #expect(authority.addresses(Bench.name) == [Bench.address("2001:db8::8")])
        }
    }

    @Test func `a change that comes during a round is seen by the next one at once`() throws {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7") {
            $0.stays = true
            $0.spread = .zero
        }
        bench.take(.register)
        bench.addresses = [Self.two]
        bench.take(.recheck)
        bench.settle(with: &authority)
        #expect(authority.addresses(Bench.name) == [Self.two])
        // To leave, too.
        bench.take(.recheck)
        bench.now = try #require(bench.machine.nextDeadline)
        bench.take(.deadlinePassed)
        bench.take(.withdraw)
        bench.settle(with: &authority)
        #expect(authority.addresses(Bench.name) == [])
        #expect(bench.machine.isGone)
    }

    @Test func `a clock is set by what was proved, once, and within reason`() {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7")
        bench.take(.register)
        let first = bench.message
        bench.message = nil
        let outputs = bench.machine.step(
            .clock(server: 1_764_000_000, own: 1_700_000_000), at: bench.now, using: &bench.random)
        #expect(
            outputs == [
                .setClock(offset: 64_000_000), .report(.clockOffset(64_000_000)), .exchange(first!),
            ])
        bench.message = first
        bench.settle(with: &authority)
        #expect(bench.end == .some(nil))
        // Twice in one round is a server that plays with us.
        bench = Bench("box", "192.0.2.7")
        bench.take(.register)
        bench.take(.clock(server: 1_764_000_000, own: 1_700_000_000))
        bench.take(.clock(server: 1_800_000_000, own: 1_764_000_000))
        #expect(bench.end == .some(.clock(36_000_000)))
        bench = Bench("box", "192.0.2.7")
        bench.take(.register)
        bench.take(.clock(server: 9_000_000_000, own: 1_700_000_000))
        #expect((bench.end ?? nil)?.kind == .permission)
    }

    @Test func `a zone that is another one now is looked for again, once`() {
        var bench = Bench("box", "192.0.2.7")
        var authority = Self.authority()
        bench.take(.register)
        var finds = 0
        bench.settle(with: &authority) {
            finds += 1
            return $0.response(.notInZone)
        }
        #expect(finds == 2)
        #expect(bench.end == .some(.notAuthority))
    }

    @Test(arguments: [30, 60, 700, 1000, 1500, 7200])
    func `a lease never ends while its site looks, however the times of both fit together`(_ lease: Int) throws {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7") {
            $0.stays = true
            $0.spread = .zero
            $0.interval = .seconds(36_000)
            $0.lease = .seconds(lease)
        }
        bench.run(.register, with: &authority)
        let marker = Bench.names("box").marker
        for _ in 0..<50 {
            let until = try #require(authority.data(marker, .txt).first.flatMap { SiteMarker($0) }?.until)
            try bench.pass(with: &authority)
            #expect(authority.time <= until)
        }
        #expect(authority.serial > 2)
    }

    /// Whatever fails, the sources or for a while the authority, too.
    @Test(arguments: [30, 60, 600, 7200], [true, false])
    func `a lease is renewed in time for what the site holds, though its sources fail`(
        _ lease: Int, _ isAuthorityAway: Bool
    ) throws {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7") {
            $0.stays = true
            $0.spread = .zero
            $0.interval = .seconds(2)
            $0.lease = .seconds(lease)
        }
        bench.run(.register, with: &authority)
        bench.addresses = []
        let marker = Bench.names("box").marker, serial = authority.serial
        var reach = 0
        while authority.serial < serial + 5 {
            let until = try #require(authority.data(marker, .txt).first.flatMap { SiteMarker($0) }?.until)
            let due = max(bench.now, try #require(bench.machine.nextDeadline))
            #expect(due - bench.now <= .seconds(lease))
            authority.time += UInt64((due - bench.now).components.seconds)
            bench.now = due
            try #require(authority.time < until, "the lease is over")
            bench.take(.deadlinePassed)
            // Every other question is not answered.
            reach += bench.message == nil ? 0 : 1
            if isAuthorityAway, bench.message != nil, reach % 2 == 1 {
                bench.message = nil
                bench.take(.trouble(.unreachable("silence")))
            }
            bench.settle(with: &authority)
        }
        #expect(authority.addresses(Bench.name) == [Self.one])
        #expect(bench.reports.contains(.held([Self.one])))
        // The sources speak again.
        bench.addresses = [Self.two]
        while authority.addresses(Bench.name) != [Self.two] { try bench.pass(with: &authority) }
        #expect(bench.reports.last == .current([Self.two], added: [Self.two], removed: [Self.one]))
    }

    @Test func `who sees nothing holds only what is its own`() throws {
        for isTaken in [true, false] {
            var authority = Self.authority()
            var bench = Bench("box", "192.0.2.7", machine: 1) {
                $0.stays = true
                $0.spread = .zero
                $0.lease = .seconds(600)
                $0.adopts = true
            }
            bench.run(.register, with: &authority)
            bench.addresses = []
            var other = Bench("box", "192.0.2.8", machine: 2, seed: 2) { $0.adopts = true }
            other.run(isTaken ? .register : .withdraw, with: &authority)
            let records = authority.records
            for _ in 0..<100 { try bench.pass(with: &authority) }
            #expect(authority.records == records)
        }
    }

    @Test func `a lease is renewed before it ends, and a dead site is swept by another`() throws {
        var authority = Self.authority()
        func lease(_ configuration: inout Registration.Configuration) {
            configuration.stays = true
            configuration.spread = .zero
            configuration.lease = .seconds(1800)
            configuration.verify = .seconds(36_000)
            configuration.interval = .seconds(36_000)
        }
        var living = Bench("living", "192.0.2.7", seed: 1, lease)
        var dead = Bench("dead", "192.0.2.8", seed: 2, lease)
        living.run(.register, with: &authority)
        dead.run(.register, with: &authority)
        let first = authority.time
        for _ in 0..<2 {
            let wait = try #require(living.machine.nextDeadline) - living.now
            #expect(wait >= .seconds(1440) && wait <= .seconds(1530))
            try living.pass(with: &authority)
        }
        // By now the dead one has not been heard of for longer than its lease.
        #expect(authority.time > first + 1800)
        #expect(authority.addresses(Bench.name) == [Self.one])
        #expect(living.reports.contains(.swept(site: "dead", [Self.two])))
        // One that comes to life again registers as before, and is no copy of anybody.
        dead.now = living.now
        try dead.pass(with: &authority)
        #expect(authority.addresses(Bench.name) == [Self.one, Self.two])
        #expect(!dead.reports.contains { if case .trouble = $0 { true } else { false } })
        // Who has no lease is never swept.
        var eternal = Bench("eternal", "192.0.2.9", seed: 3)
        eternal.run(.register, with: &authority)
        for _ in 0..<3 { try living.pass(with: &authority) }
        #expect(authority.addresses(Bench.name) == [Self.one, Bench.address("192.0.2.9")])
    }

    @Test func `a site that moves all the time does not look at the others each time`() throws {
        var authority = Self.authority()
        var questions = 0
        func sites(_ configuration: inout Registration.Configuration) {
            configuration.stays = true
            configuration.spread = .zero
            configuration.lease = .seconds(600)
        }
        var other = Bench("other", "192.0.2.200", seed: 2, sites)
        other.run(.register, with: &authority)
        var bench = Bench("box", "192.0.2.1", seed: 1, sites)
        for move in 1...20 {
            bench.addresses = [Bench.address("192.0.2.\(move)")]
            bench.take(move == 1 ? .register : .lookAgain)
            while let message = bench.message {
                bench.message = nil
                if message.question?.name == Bench.names("other").marker { questions += 1 }
                bench.take(.answer(authority.take(message)))
            }
            bench.now += .seconds(5)
        }
        // Ten times in a lease.
        #expect(questions == 2)
    }

    @Test(arguments: [30, 60, 600, 5, 100_000])
    func `a server that grants a lease is told of everything again before it ends`(_ seconds: Int) throws {
        var authority = Self.authority()
        authority.grants = UInt32(max(seconds, 30))
        var bench = Bench("box", "192.0.2.7", "2001:db8::7", seed: UInt64(seconds)) {
            $0.stays = true
            $0.spread = .zero
            $0.lease = .seconds(3600)
        }
        bench.run(.register, with: &authority)
        let granted = Duration.seconds(min(max(seconds, 30), 86_400))
        #expect(bench.reports.first == .serverLease(granted))
        let records = Set(authority.records.keys)
        #expect(records.count == 5)
        for _ in 0..<50 {
            let due = try #require(bench.machine.nextDeadline)
            #expect(due > bench.now && due - bench.now < granted)
            try bench.pass(with: &authority)
            #expect(Set(authority.records.keys) == records)
        }
        // It is told once, until it is another one.
        func told() -> Int { bench.reports.count { if case .serverLease = $0 { true } else { false } } }
        #expect(told() == 1)
        authority.grants = nil
        bench.addresses = [Self.two]
        bench.run(.lookAgain, with: &authority)
        #expect(bench.reports.contains(.serverLease(nil)) && told() == 2)
    }

    @Test func `what an earlier process was granted is said anew by one that stays`() throws {
        var authority = Self.authority()
        authority.grants = 60
        for stays in [true, true, false] {
            var bench = Bench("box", "192.0.2.7", seed: UInt64(authority.time)) {
                $0.stays = stays
                $0.spread = .zero
                $0.lease = .seconds(3600)
            }
            let serial = authority.serial
            bench.run(.register, with: &authority)
            #expect(bench.reports.contains(.serverLease(.seconds(60))) == stays)
            #expect((authority.serial > serial) == stays)
            // Each ends when half of its lease is over.
            authority.time += 30
        }
        #expect(authority.addresses(Bench.name) == [Self.one])
    }

    @Test func `a site without a lease says nothing about the server's`() {
        var authority = Self.authority()
        authority.grants = 60
        var bench = Bench("box", "192.0.2.7")
        bench.run(.register, with: &authority)
        #expect(bench.reports == [.current([Self.one], added: [Self.one], removed: [])])
    }
}
