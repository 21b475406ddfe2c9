// The machine that registers a site: what it writes, what it leaves alone, and what it makes of answers that are none.

import Simulator
import Testing

@testable import QureCore

struct RegistrationTests {
    private typealias Bench = RegistrationBench
    private static let one = Bench.address("192.0.2.7"), two = Bench.address("192.0.2.8")
    private static let six = Bench.address("2001:db8::7")

    private static func authority() -> SimulatedAuthority { SimulatedAuthority(zone: Bench.zone) }

    private static func marker(_ authority: SimulatedAuthority, _ site: String = "box") -> SiteMarker? {
        authority.data(Bench.names(site).marker, .txt).first.flatMap { SiteMarker($0) }
    }

    @Test func `a site registers, finds itself current, moves, and leaves`() {
        var authority = Self.authority()
        var first = Bench("box", "192.0.2.7", "2001:db8::7")
        first.run(.register, with: &authority)
        #expect(first.end == .some(nil))
        #expect(
            first.reports == [.current([Self.one, Self.six], added: [Self.one, Self.six], removed: [])])
        #expect(authority.addresses(Bench.name) == [Self.one, Self.six])
        #expect(authority.ttl(Bench.name, .a) == 60)
        #expect(Self.marker(authority)?.addresses == [Self.one, Self.six])
        #expect(authority.serial == 1)
        // The same again changes nothing.
        var second = Bench("box", "192.0.2.7", "2001:db8::7", seed: 2)
        second.run(.register, with: &authority)
        #expect(second.reports == [.current([Self.one, Self.six], added: [], removed: [])])
        #expect(authority.serial == 1)
        var moved = Bench("box", "192.0.2.8", seed: 3)
        moved.run(.register, with: &authority)
        #expect(
            moved.reports == [.current([Self.two], added: [Self.two], removed: [Self.one, Self.six])])
        #expect(authority.addresses(Bench.name) == [Self.two])
        #expect(authority.serial == 2)
        var gone = Bench("box", seed: 4)
        gone.run(.withdraw, with: &authority)
        #expect(gone.reports == [.withdrawn([Self.two])])
        #expect(authority.addresses(Bench.name) == [])
        #expect(Self.marker(authority)?.addresses == [])
        #expect(authority.records.count == 1)
        var forgotten = Bench("box", seed: 5) { $0.forgets = true }
        forgotten.run(.withdraw, with: &authority)
        #expect(authority.records.isEmpty)
        #expect(forgotten.end == .some(nil))
    }

    @Test func `other sites keep their addresses, also one that two of them share`() {
        var authority = Self.authority()
        var red = Bench("red", "192.0.2.7", seed: 1)
        var blue = Bench("blue", "192.0.2.7", "192.0.2.8", seed: 2)
        red.run(.register, with: &authority)
        blue.run(.register, with: &authority)
        var leaving = Bench("blue", seed: 3)
        leaving.run(.withdraw, with: &authority)
        #expect(authority.addresses(Bench.name) == [Self.one])
        var last = Bench("red", seed: 4)
        last.run(.withdraw, with: &authority)
        #expect(authority.addresses(Bench.name) == [])
        // An address that nobody marked is nobody's to remove.
        var update = DNSMessage.update(id: 1, zone: Bench.zone)
        update.updates = [DNSRecord(Bench.name, ttl: 60, .address(Self.two))]
        _ = authority.take(update)
        var again = Bench("red", "192.0.2.7", seed: 5)
        again.run(.register, with: &authority)
        again = Bench("red", seed: 6)
        again.run(.withdraw, with: &authority)
        #expect(authority.addresses(Bench.name) == [Self.two])
    }

    @Test func `an update that is played again does nothing, whenever`() throws {
        var authority = Self.authority()
        var updates: [DNSMessage] = []
        let moves: [([String], Registration.Input)] = [
            (["192.0.2.7"], .register), (["192.0.2.8"], .register), (["192.0.2.7"], .register),
            ([], .withdraw),
            (["192.0.2.7"], .register), ([], .withdraw),
        ]
        for (seed, move) in moves.enumerated() {
            var bench = Bench("box", seed: UInt64(seed))
            bench.addresses = move.0.map(Bench.address)
            bench.take(move.1)
            while let message = bench.message {
                bench.message = nil
                if message.opcode == .update { updates.append(message) }
                bench.take(.answer(authority.take(message)))
            }
            let records = authority.records.mapValues(\.data)
            for update in updates { _ = authority.take(update) }
            #expect(authority.records.mapValues(\.data) == records, "after \(move)")
        }
        #expect(updates.count == moves.count)
    }

    @Test func `an update whose answer was lost is recognised by its marker`() {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7")
        bench.take(.register)
        while bench.message?.opcode == .query {
            let query = bench.message!
            bench.message = nil
            bench.take(.answer(authority.take(query)))
        }
        // The server makes it and the answer is lost; the repetition meets its own work.
        let update = bench.message!
        bench.message = nil
        #expect(authority.take(update).responseCode == .noError)
        let repeated = authority.take(update)
        #expect(repeated.responseCode == .setExists)
        bench.take(.answer(repeated))
        bench.settle(with: &authority)
        #expect(bench.end == .some(nil))
        #expect(authority.serial == 1)
    }

    @Test func `a site's name belongs to the machine that has it`() {
        var authority = Self.authority()
        var owner = Bench("box", "192.0.2.7", machine: 1)
        owner.run(.register, with: &authority)
        var other = Bench("box", "192.0.2.8", machine: 2, seed: 2)
        other.run(.register, with: &authority)
        #expect(other.end == .some(.otherMachine(NodeID(rawValue: 1))))
        other = Bench("box", machine: 2, seed: 3)
        other.run(.withdraw, with: &authority)
        #expect(other.end == .some(.otherMachine(NodeID(rawValue: 1))))
        #expect(authority.addresses(Bench.name) == [Self.one])
        other = Bench("box", "192.0.2.8", machine: 2, seed: 4) { $0.adopts = true }
        other.run(.register, with: &authority)
        #expect(authority.addresses(Bench.name) == [Self.two])
        // Who was a follower and has lost the site finds nothing of its own to withdraw.
        var former = Bench("box", machine: 1, seed: 5) { $0.stays = true }
        former.run(.withdraw, with: &authority)
        #expect(former.reports == [.takenOver(by: NodeID(rawValue: 2))])
        #expect(authority.addresses(Bench.name) == [Self.two])
        // A site that has left is anybody's.
        other = Bench("box", machine: 2, seed: 6)
        other.run(.withdraw, with: &authority)
        var next = Bench("box", "192.0.2.7", machine: 3, seed: 7)
        next.run(.register, with: &authority)
        #expect(next.end == .some(nil))
    }

    @Test func `two copies of a machine are told of, and do not fight`() throws {
        var authority = Self.authority()
        func stay(_ configuration: inout Registration.Configuration) {
            configuration.stays = true
            configuration.interval = configuration.verify * 2
        }
        var one = Bench("box", "192.0.2.7", seed: 1, stay), two = Bench("box", "192.0.2.8", seed: 2, stay)
        for index in 0..<2 {
            if index == 0 { one.take(.register) } else { two.take(.register) }
        }
        try one.pass(with: &authority)
        try two.pass(with: &authority)
        let serial = authority.serial
        try one.pass(with: &authority)
        #expect(
            one.reports.last.map { if case .trouble(.duplicate, _?) = $0 { true } else { false } } == true
        )
        #expect(authority.serial == serial)
        let wait = try #require(one.machine.nextDeadline) - one.now
        #expect(wait >= .seconds(45))
    }

    @Test func `names that nothing can be added to are said so`() throws {
        var authority = Self.authority()
        var update = DNSMessage.update(id: 1, zone: Bench.zone)
        let target = try #require(RecordData.name(.cname, Bench.zone))
        update.updates = [DNSRecord(Bench.name, ttl: 60, target)]
        _ = authority.take(update)
        var bench = Bench("box", "192.0.2.7")
        bench.run(.register, with: &authority)
        #expect(bench.end == .some(.alias(at: Bench.name, to: Bench.zone)))
        #expect(authority.serial == 1)
        // An alias that came at the very moment: the server says NOERROR and adds no address.
        authority = Self.authority()
        bench = Bench("box", "192.0.2.7")
        bench.take(.register)
        while let message = bench.message {
            bench.message = nil
            if message.opcode == .update { _ = authority.take(update) }
            bench.take(.answer(authority.take(message)))
        }
        #expect(bench.end == .some(.alias(at: Bench.name, to: Bench.zone)))
        // Something else of somebody else's at the marker's name.
        authority = Self.authority()
        update.updates = [DNSRecord(Bench.names("box").marker, ttl: 60, RecordData.strings([[65]])!)]
        _ = authority.take(update)
        bench = Bench("box", "192.0.2.7")
        bench.run(.register, with: &authority)
        #expect(bench.end == .some(.foreignMarker(Bench.names("box").marker)))
    }

    @Test func `a server that says NOERROR and does nothing is found out`() {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7")
        bench.take(.register)
        bench.settle(with: &authority) { $0.response() }
        #expect(bench.end == .some(.contention))
        var sole = Bench("box", "192.0.2.7") { $0.isSole = true }
        sole.take(.register)
        sole.settle(with: &authority) { $0.response() }
        #expect(sole.end == .some(.vanished([Self.one])))
    }

    @Test func `a site that is alone replaces whatever is there, and marks nothing`() {
        var authority = Self.authority()
        var shared = Bench("other", "192.0.2.7", "2001:db8::7")
        shared.run(.register, with: &authority)
        var sole = Bench("box", "192.0.2.8", seed: 2) {
            $0.isSole = true
            $0.ttl = 30
        }
        sole.run(.register, with: &authority)
        #expect(sole.end == .some(nil))
        #expect(authority.addresses(Bench.name) == [Self.two])
        #expect(authority.ttl(Bench.name, .a) == 30)
        #expect(authority.data(Bench.names("box").marker, .txt).isEmpty)
        sole = Bench("box", seed: 3) { $0.isSole = true }
        sole.run(.withdraw, with: &authority)
        #expect(authority.addresses(Bench.name) == [])
    }

    @Test func `a time to live is changed where the site is alone, and kept where it is not`() {
        var authority = Self.authority()
        var box = Bench("box", "192.0.2.7") { $0.ttl = 300 }
        box.run(.register, with: &authority)
        box = Bench("box", "192.0.2.7", seed: 2) { $0.ttl = 60 }
        box.run(.register, with: &authority)
        #expect(authority.ttl(Bench.name, .a) == 60)
        var other = Bench("other", "192.0.2.8", seed: 3) { $0.ttl = 900 }
        other.run(.register, with: &authority)
        #expect(other.end == .some(nil))
        #expect(other.reports.contains(.otherTTL(60)))
        #expect(authority.ttl(Bench.name, .a) == 60)
        // Also where both have the same address, and nobody else has one.
        var twin = Bench("twin", "192.0.2.7", seed: 4) { $0.ttl = 900 }
        twin.run(.register, with: &authority)
        other = Bench("other", seed: 5)
        other.run(.withdraw, with: &authority)
        let serial = authority.serial
        twin = Bench("twin", "192.0.2.7", seed: 6) { $0.ttl = 900 }
        twin.run(.register, with: &authority)
        #expect(authority.serial == serial)
    }

    @Test func `a change while addresses or the zone are looked for begins the round anew, and not for ever`() {
        for isFinding in [false, true] {
            var bench = Bench("box") { $0.stays = true; $0.spread = .zero }
            func step(_ input: Registration.Input) -> [Registration.Output] {
                var random = bench.random
                return bench.machine.step(input, at: bench.now, using: &random)
            }
            #expect(step(.register) == [.observe])
            for _ in 0..<Registration.restarts {
                if isFinding { #expect(step(.observed([Self.one], keeping: [])) == [.find]) }
                #expect(step(.recheck) == [.observe])
            }
            if isFinding { #expect(step(.observed([Self.one], keeping: [])) == [.find]) }
            #expect(step(.recheck) == [])
            // The end of the round counts: then it begins again soon, and may be disturbed again.
            let end = step(.trouble(.unreachable("silent")))
            #expect(end.count == 1 && bench.machine.nextDeadline == bench.now + Registration.settling)
            bench.now += Registration.settling
            #expect(step(.deadlinePassed) == [.observe])
            #expect(step(.recheck) == [.observe])
        }
    }

    @Test func `who wants a look gets one, whatever is known or waited for`() {
        var authority = Self.authority()
        var bench = Bench("box", "192.0.2.7") { $0.stays = true; $0.spread = .zero }
        bench.run(.lookAgain, with: &authority)
        #expect(bench.reports.isEmpty)
        bench.run(.register, with: &authority)
        bench.reports = []
        // Nothing has changed, and it need not be asked for a long time; or an answer is waited for.
        for isWaiting in [true, false] {
            bench.take(.lookAgain)
            #expect(bench.message?.opcode == .query)
            if !isWaiting { bench.take(.lookAgain) }
            bench.settle(with: &authority)
            #expect(bench.reports == [.current([Self.one], added: [], removed: [])])
            bench.reports = []
        }
        bench.run(.withdraw, with: &authority)
        bench.reports = []
        bench.run(.lookAgain, with: &authority)
        #expect(bench.reports.isEmpty && bench.machine.isGone)
    }
}
