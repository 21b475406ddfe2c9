// Twenty sites that share one name, on a network that loses, repeats and delays: after every single message the zone
// says of each address who has it, and in the end exactly the living are there.

import Simulator
import Testing

@testable import QureCore

struct RegistrationCrowdTests {
    private struct Crowd {
        var authority = SimulatedAuthority(zone: RegistrationBench.zone)
        var sites: [RegistrationBench]
        var random: SplitMix64
        var living: Set<Int>
        /// Updates that somebody could play again.
        var history: [DNSMessage] = []

        init(_ count: Int, seed: UInt64) {
            random = SplitMix64(seed: seed)
            sites = (0..<count).map { index in
                RegistrationBench(
                    "site\(index)", machine: UInt64(index), seed: seed &* 100 &+ UInt64(index)
                ) {
                    $0.stays = true
                    $0.lease = .seconds(600)
                }
            }
            living = Set(sites.indices)
            for index in sites.indices { move(index) }
        }

        /// A site comes to another address; now and then two are behind the same gateway.
        mutating func move(_ index: Int) {
            let number = UInt32.random(in: 0..<40, using: &random)
            sites[index].addresses = [.v4(IPv4Address(rawValue: 0xc000_0200 | number))]
            if Bool.random(using: &random) {
                sites[index].addresses.append(RegistrationBench.address("2001:db8::\(index)"))
            }
        }

        /// Something happens to one of them.
        mutating func step() {
            let index = living.sorted().randomElement(using: &random) ?? 0
            guard let message = sites[index].message else {
                let due = sites[index].machine.nextDeadline ?? sites[index].now
                sites[index].now = max(sites[index].now, due)
                return sites[index].take(.deadlinePassed)
            }
            sites[index].message = nil
            let isLost = Int.random(in: 0..<20, using: &random) == 0
            guard !isLost else { return sites[index].take(.trouble(.unreachable("lost"))) }
            let answer = authority.take(message)
            if message.opcode == .update { history.append(message) }
            let isSilent = Int.random(in: 0..<20, using: &random) == 0
            sites[index].take(isSilent ? .trouble(.unreachable("lost")) : .answer(answer))
            if let old = history.randomElement(using: &random), Int.random(in: 0..<5, using: &random) == 0 {
                _ = authority.take(old)
            }
        }

        /// Everybody's address is there, and nobody's is not.
        var isConsistent: Bool {
            var marked: Set<IPAddress> = []
            for site in sites {
                let names = site.machine.configuration.names
                let marker = authority.data(names.marker, .txt).first.flatMap { SiteMarker($0) }
                marked.formUnion(marker?.addresses ?? [])
            }
            return authority.addresses(RegistrationBench.name) == marked
        }

        /// What is under the name when all is done.
        var wanted: Set<IPAddress> { living.reduce(into: []) { $0.formUnion(sites[$1].addresses) } }

        /// Lets time pass, without losses, for everybody who lives.
        mutating func settle() throws {
            for _ in 0..<4 {
                authority.time += 700
                for index in living.sorted() {
                    if sites[index].message != nil { sites[index].settle(with: &authority) }
                    sites[index].take(.recheck)
                    sites[index].now = sites[index].now + .seconds(700)
                    #expect(sites[index].machine.nextDeadline != nil)
                    sites[index].run(.deadlinePassed, with: &authority)
                    sites[index].reports = []
                }
            }
        }
    }

    @Test(arguments: 1...3)
    func `twenty sites that move a hundred times each leave exactly the living`(_ seed: Int) throws {
        var crowd = Crowd(20, seed: UInt64(seed))
        for index in crowd.sites.indices { crowd.sites[index].take(.register) }
        for move in 0..<2000 {
            let index = move % 20
            crowd.move(index)
            crowd.sites[index].take(.recheck)
            for _ in 0..<12 { crowd.step() }
            if !crowd.isConsistent {
                Issue.record("after move \(move)")
                return
            }
        }
        #expect(crowd.history.count > 500)
        try crowd.settle()
        #expect(crowd.authority.addresses(RegistrationBench.name) == crowd.wanted)
        // Half of them go: some with a word, some without.
        for index in crowd.sites.indices where index % 2 == 0 {
            crowd.living.remove(index)
            guard index % 4 == 0 else { continue }
            crowd.sites[index].run(.withdraw, with: &crowd.authority)
            #expect(crowd.isConsistent)
        }
        // Nobody lost his own.
        let lost = crowd.wanted.subtracting(crowd.authority.addresses(RegistrationBench.name))
        #expect(lost == [])
        try crowd.settle()
        for update in crowd.history { _ = crowd.authority.take(update) }
        #expect(crowd.authority.addresses(RegistrationBench.name) == crowd.wanted)
        #expect(crowd.isConsistent)
    }
}
