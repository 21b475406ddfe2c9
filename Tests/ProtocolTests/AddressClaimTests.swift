// The transition table of AddressClaim, row by row, for both authorities, and its law of deadlines.

import QureCore
import Simulator
import Testing

/// A generator that always gives the same: 1 for the lower end of a range (0 would be rejected for ever), .max for
/// the upper.
struct Constant: RandomNumberGenerator {
    let value: UInt64
    mutating func next() -> UInt64 { value }
}

/// A claim by host 5 together with the generator that it draws from.
struct Claimant: Machine {
    var claim: AddressClaim
    var random = Constant(value: 1)

    static var deadlinePassed: AddressClaim.Input { .deadlinePassed }
    var nextDeadline: Instant? { claim.nextDeadline }

    init(_ authority: AddressClaim.Authority, lease: Duration = .seconds(2)) {
        claim = AddressClaim(.init(addresses: [shared], identity: mac(5), authority: authority, lease: lease))
    }

    mutating func run(_ input: AddressClaim.Input, at now: Instant) -> String {
        claim.step(input, at: now, using: &random).map { output in
            switch output {
            case .probe: "probe"
            case .install: "install"
            case .announce: "announce"
            case .checkForOthers: "check"
            case .renew: "renew"
            case .withdraw: "withdraw"
            case .report(.taken): "taken"
            case .report(.heldBy(let sighting)): "held by \(sighting.identity.rawValue & 0xff)"
            case .report(.rival(let sighting)): "rival \(sighting.identity.rawValue & 0xff)"
            case .report(.conflict(let sighting, let defended)):
                "\(defended ? "defended" : "conflict") \(sighting.identity.rawValue & 0xff)"
            case .report(.lost(let sighting)): "lost to \(sighting.identity.rawValue & 0xff)"
            case .report(.asleep(let time)): "asleep \(time.text)"
            case .report(.unplugged(let time)): "unplugged \(time.text)"
            case .report(.reinstated): "reinstated"
            }
        }.joined(separator: "; ")
    }
}

private let shared = IPAddress.v4(IPv4Address(rawValue: 0xc000_020b))

private func holds(_ number: UInt64) -> AddressClaim.Input { .heard(Sighting(shared, .holds, mac: mac(number))) }
private func claims(_ number: UInt64) -> AddressClaim.Input { .heard(Sighting(shared, .claims, mac: mac(number))) }
private func asks(_ number: UInt64) -> AddressClaim.Input {
    .heard(Sighting(shared, .asks(from: shared), mac: mac(number)))
}

private typealias ClaimLine = Line<AddressClaim.Input>
private typealias ClaimRow = Row<AddressClaim.Input>

/// The random wait is a nanosecond here, so a deadline at 1 ms finds it over.
private let probing: [ClaimLine] = [
    .init(0, .take(probing: true)), .init(1, .deadlinePassed, "probe"), .init(21, "probe"), .init(41, "probe"),
]
private let taking: [ClaimLine] = [.init(0, .take(probing: false), "install; announce; taken")]
/// What a holder by its own authority with a lease of two seconds does in its first seconds.
private let firstSeconds: [ClaimLine] = [
    .init(10, "announce"), .init(50, "announce"), .init(200, "announce"), .init(500, "renew"),
    .init(1000, "renew; check"),
    .init(1100, "announce"), .init(1500, "renew"), .init(2000, "renew; check"), .init(2500, "renew"),
    .init(3000, "renew; check; announce"),
]

@Suite struct AddressClaimTests {
    @Test(arguments: [
        ClaimRow("taken at once", taking, deadline: 10),
        ClaimRow("three probes unanswered", probing + [.init(61, "install; announce; taken")], deadline: 71),
        ClaimRow(
            "somebody has it, before the first probe",
            [.init(0, .take(probing: true)), .init(0, holds(9), "held by 9")]),
        ClaimRow("somebody answers a probe", probing + [.init(42, holds(9), "held by 9"), .init(43, .deadlinePassed)]),
        ClaimRow("a lower hardware address goes first", probing + [.init(42, claims(4), "rival 4")]),
        ClaimRow(
            "a higher one does not",
            probing + [.init(42, claims(6)), .init(61, "install; announce; taken")], deadline: 71),
        ClaimRow(
            "who only asks is no rival",
            probing + [.init(42, asks(4)), .init(61, "install; announce; taken")], deadline: 71),
        ClaimRow(
            "asked to take it while asking: no second beginning, or at once",
            probing + [
                .init(42, .take(probing: true)), .init(50, .take(probing: false), "install; announce; taken"),
                .init(51, .take(probing: true)), .init(52, .take(probing: false)),
            ], deadline: 60),
        ClaimRow(
            "released while asking",
            probing + [.init(42, .release), .init(43, .deadlinePassed), .init(44, holds(9))]),
        ClaimRow(
            "who slept over the answer asks once more",
            probing + [.init(90, .deadlinePassed, "probe"), .init(110, "install; announce; taken")], deadline: 120),
        ClaimRow(
            "but who is always late comes to an end",
            [
                .init(0, .take(probing: true)), .init(1, .deadlinePassed, "probe"), .init(90, .deadlinePassed, "probe"),
                .init(190, .deadlinePassed, "probe"), .init(290, .deadlinePassed, "probe"),
                .init(390, .deadlinePassed, "probe"),
                .init(490, .deadlinePassed, "probe"), .init(590, .deadlinePassed, "install; announce; taken"),
            ], deadline: 600),
        ClaimRow(
            "without a link nobody can be asked, and silence is no answer",
            probing + [.init(50, .linkLost), .init(61, .deadlinePassed), .init(900, .deadlinePassed)]),
        ClaimRow(
            "with the link back the question begins anew",
            probing + [
                .init(50, .linkLost), .init(55, .linkLost), .init(900, .linkRestored),
                .init(901, .deadlinePassed, "probe"),
                .init(921, "probe"), .init(941, "probe"), .init(961, "install; announce; taken"),
            ], deadline: 971),
        ClaimRow(
            "a question without a link waits for it",
            [
                .init(0, .linkLost), .init(1, .take(probing: true)), .init(2, .deadlinePassed), .init(9, .linkRestored),
                .init(10, .deadlinePassed, "probe"),
            ], deadline: 30),
        ClaimRow(
            "vanished and link changes mean nothing to who holds nothing",
            [.init(0, .vanished), .init(1, .linkRestored), .init(2, .release)]),
    ])
    func `before it holds`(_ row: Row<AddressClaim.Input>) { row.check(Claimant(.own)) }

    @Test(arguments: [
        ClaimRow("announced, renewed and checked on schedule", taking + firstSeconds, deadline: 3500),
        ClaimRow(
            "an announcement that is late does not take the rest of the schedule along",
            taking + [
                .init(60, .deadlinePassed, "announce"), .init(200, "announce"), .init(500, "renew"),
            ], deadline: 1000),
        ClaimRow("a conflict is defended", taking + [.init(900, holds(9), "announce; defended 9")], deadline: 10),
        ClaimRow(
            "both forms of one announcement are one conflict",
            taking + [
                .init(5, holds(9), "announce; defended 9"), .init(6, holds(9)), .init(9, holds(9)),
            ], deadline: 10),
        ClaimRow(
            "a second conflict within DEFEND_INTERVAL ends it",
            taking + [
                .init(5, holds(9), "announce; defended 9"), .init(1500, holds(8), "withdraw; lost to 8"),
                .init(1501, holds(9)),
            ]),
        ClaimRow(
            "a claim probe or a question is none",
            taking + [.init(5, claims(4)), .init(6, asks(4)), .init(7, asks(4))], deadline: 10),
        ClaimRow(
            "deleted by somebody else: put back, announced afresh",
            taking + firstSeconds + [
                .init(3100, .vanished, "install; announce; reinstated"), .init(3110, "announce"),
            ], deadline: 3150),
        ClaimRow("released", taking + [.init(5, .release, "withdraw"), .init(6, .release), .init(10, .deadlinePassed)]),
        ClaimRow(
            "released and taken again: the old conflict is forgotten",
            taking + [
                .init(5, holds(9), "announce; defended 9"), .init(15, .release, "withdraw"),
                .init(20, .take(probing: false), "install; announce; taken"),
                .init(29, holds(9), "announce; defended 9"),
            ], deadline: 30),
        ClaimRow(
            "a short loss of the link",
            taking + [
                .init(5, .linkLost), .init(6, .vanished), .init(154, .linkRestored, "install; announce; reinstated"),
            ], deadline: 164),
        ClaimRow(
            "a long one: others may have taken it, so it is not there when the link comes back",
            taking + [
                .init(5, .linkLost), .init(10, "announce"), .init(50, "announce"),
                .init(155, .deadlinePassed, "withdraw; unplugged 150ms"),
                .init(156, .deadlinePassed), .init(3000, .linkRestored), .init(3001, .deadlinePassed, "probe"),
            ], deadline: 3021),
        ClaimRow(
            "a long one that is noticed late",
            taking + [
                .init(5, .linkLost), .init(156, .linkRestored, "withdraw; unplugged 151ms"),
                .init(157, .deadlinePassed, "probe"),
            ], deadline: 177),
        ClaimRow("a link restored that was not lost", taking + [.init(5, .linkRestored)], deadline: 10),
        ClaimRow(
            "asleep for longer than the lease: nothing is said or done before asking",
            taking + [
                .init(2001, .deadlinePassed, "withdraw; asleep 2001ms"), .init(2002, .deadlinePassed, "probe"),
            ], deadline: 2022),
        ClaimRow(
            "whatever the first thing is that is noticed",
            taking + [.init(2001, holds(9), "withdraw; asleep 2001ms"), .init(2001, holds(9), "held by 9")]),
        ClaimRow("a release after a sleep is a release", taking + [.init(9000, .release, "withdraw")]),
        ClaimRow(
            "asleep, and then the link is gone: asked when it is back",
            taking + [
                .init(9000, .linkLost, "withdraw; asleep 9s"), .init(9001, .deadlinePassed), .init(9100, .linkRestored),
                .init(9101, .deadlinePassed, "probe"),
            ], deadline: 9121),
        ClaimRow(
            "asleep over the loss of the link and its return",
            taking + [
                .init(5, .linkLost), .init(9000, .linkRestored, "withdraw; asleep 9s"),
                .init(9001, .deadlinePassed, "probe"),
            ], deadline: 9021),
    ])
    func `holding by its own authority`(_ row: Row<AddressClaim.Input>) { row.check(Claimant(.own)) }

    @Test func `a conflict after DEFEND_INTERVAL is a first one again`() {
        var claimant = Claimant(.own, lease: .seconds(60))
        _ = claimant.run(.take(probing: false), at: ms(0))
        #expect(claimant.run(holds(9), at: ms(100)) == "announce; defended 9")
        #expect(claimant.run(holds(9), at: ms(10_100)) == "announce; defended 9")
        #expect(claimant.run(holds(9), at: ms(20_099)) == "withdraw; lost to 9")
    }

    @Test(arguments: [
        ClaimRow(
            "announced on schedule, nothing asked, nothing renewed",
            taking + [
                .init(10, "announce"), .init(50, "announce"), .init(200, "announce"), .init(1100, "announce"),
                .init(3000, "announce"),
                .init(33_000, "announce"),
            ], deadline: 63_000),
        ClaimRow(
            "strangers are defended against once in DEFEND_INTERVAL, and never end it",
            taking + [
                .init(100, holds(9), "announce; defended 9"), .init(101, holds(9)), .init(5000, holds(8)),
                .init(10_099, holds(9)),
                .init(10_100, holds(9), "announce; defended 9"),
            ], deadline: 10),
        ClaimRow(
            "members of the cluster are the elector's business",
            taking + [
                .init(100, holds(7), "conflict 7"), .init(101, holds(7)), .init(5000, holds(7), "conflict 7"),
            ], deadline: 10),
        ClaimRow(
            "nothing is announced or defended while handing over",
            taking + [
                .init(5, .handOver(true)), .init(6, holds(7)), .init(7, holds(9)), .init(10, ""),
                .init(20, .handOver(false)),
                .init(50, "announce"), .init(51, holds(9), "announce; defended 9"),
            ], deadline: 200),
        ClaimRow(
            "announced again from the beginning, when somebody else may have answered",
            taking + [
                .init(10, "announce"), .init(20, .announceAgain, "announce"), .init(30, "announce"),
                .init(70, "announce"), .init(71, .handOver(true)), .init(72, .announceAgain),
                .init(73, .handOver(false)), .init(74, .linkLost), .init(75, .announceAgain),
                .init(76, .release, "withdraw"), .init(77, .announceAgain),
            ]),
        ClaimRow(
            "an address taken anew is not being handed over",
            taking + [
                .init(5, .handOver(true)), .init(6, .release, "withdraw"),
                .init(20, .take(probing: false), "install; announce; taken"),
                .init(30, "announce"),
            ], deadline: 70),
        ClaimRow(
            "a sleep is the elector's business",
            taking + [.init(9000, .deadlinePassed, "announce")], deadline: 39_000),
        ClaimRow(
            "and so is a link that was away for long",
            taking + [
                .init(5, .linkLost), .init(5000, .linkRestored, "install; announce; reinstated"),
            ], deadline: 5010),
    ])
    func `holding for an elector`(_ row: Row<AddressClaim.Input>) {
        var claimant = Claimant(.elector)
        claimant.claim.peers = [mac(7)]
        row.check(claimant)
    }

    @Test func `the wait before the first probe is random, and at most 50 ms`() {
        for (value, wait) in [(1, 1), (UInt64.max, 50_000_000)] as [(UInt64, Int64)] {
            var claimant = Claimant(.own)
            claimant.random = Constant(value: value)
            _ = claimant.run(.take(probing: true), at: ms(0))
            #expect(claimant.nextDeadline == ms(0) + .nanoseconds(wait))
        }
    }

    @Test func `the law of deadlines`() {
        checkDeadlineLaw { random in
            let lease = Duration.milliseconds(Int.random(in: 1...3000, using: &random))
            var claimant = Claimant(Bool.random(using: &random) ? .own : .elector, lease: lease)
            claimant.random = Constant(value: random.next())
            claimant.claim.peers = [mac(7)]
            return claimant
        } input: { random in
            let host = UInt64.random(in: 3...9, using: &random)
            let inputs: [AddressClaim.Input] = [
                .take(probing: true), .take(probing: false), .vanished, .linkLost, .linkRestored, .linkRestored,
                .release,
                holds(host), claims(host), asks(host), .handOver(Bool.random(using: &random)),
            ]
            return inputs.randomElement(using: &random)!
        }
    }
}
