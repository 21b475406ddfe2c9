// Scanner and Verification: their tables and their law of deadlines.

import QureCore
import Simulator
import Testing

/// 192.0.2.`number`.
private func address(_ number: Int) -> IPAddress { .v4(IPv4Address(rawValue: 0xc000_0200 + UInt32(number))) }

extension Scanner: Machine {
    static var deadlinePassed: Input { .deadlinePassed }

    mutating func run(_ input: Input, at now: Instant) -> String {
        step(input, at: now).map { output in
            switch output {
            case .probe(let address): "\(address.octets[3])"
            case .finished: "finished"
            }
        }.joined(separator: " ")
    }
}

private typealias ScannerRow = Row<Scanner.Input>

@Suite struct ScannerTests {
    private static func scan(_ count: Int, rounds: Int = 2) -> Scanner {
        Scanner((1...count).map(address), rounds: rounds, interval: .milliseconds(200))
    }

    @Test(arguments: [
        ScannerRow(
            "two rounds and the time of the last: nobody",
            [.init(0, .start, "1 2 3"), .init(200, "1 2 3"), .init(400, "finished"), .init(401, .start)]),
        ScannerRow(
            "who has answered is not asked again",
            [
                .init(0, .start, "1 2 3"), .init(1, .answered(address(2), by: mac(2))), .init(200, "1 3"),
                .init(400, "finished"),
            ]),
        ScannerRow(
            "when all have answered it is over with the round",
            [
                .init(0, .start, "1 2 3"), .init(1, .answered(address(2), by: mac(2))),
                .init(1, .answered(address(1), by: mac(1))), .init(2, .answered(address(3), by: mac(3))),
                .init(200, "finished"),
            ]),
        ScannerRow(
            "a deadline before its time, and one long after it",
            [
                .init(0, .start, "1 2 3"), .init(100, .deadlinePassed), .init(900, .deadlinePassed, "1 2 3"),
            ], deadline: 1100),
        ScannerRow(
            "nothing happens before the start",
            [.init(0, .deadlinePassed), .init(0, .answered(address(1), by: mac(1)))]),
        ScannerRow("a second start is none", [.init(0, .start, "1 2 3"), .init(1, .start)], deadline: 200),
    ])
    func `a small network`(_ row: Row<Scanner.Input>) { row.check(Self.scan(3)) }

    @Test(arguments: [
        ScannerRow(
            "sixteen at a time, four milliseconds apart",
            [
                .init(0, .start, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"),
                .init(4, "17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32"),
                .init(8, "33"), .init(200, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"),
                .init(204, "17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32"), .init(208, "33"), .init(408, "finished"),
            ])
    ])
    func `a network of more than one burst`(_ row: Row<Scanner.Input>) { row.check(Self.scan(33)) }

    @Test func `what was found, and only what was asked for`() {
        var scanner = Self.scan(2)
        _ = scanner.step(.start, at: ms(0))
        _ = scanner.step(.answered(address(9), by: mac(9)), at: ms(1))
        _ = scanner.step(.answered(address(1), by: mac(1)), at: ms(2))
        _ = scanner.step(.answered(address(1), by: mac(7)), at: ms(3))
        _ = scanner.step(.answered(address(1), by: mac(1)), at: ms(4))
        let found = scanner.found[address(1)]
        #expect(scanner.found.count == 1 && found?.macs == [mac(1), mac(7)] && found?.roundTrip == .milliseconds(2))
        for number in 0..<100 { _ = scanner.step(.answered(address(1), by: mac(UInt64(number))), at: ms(5)) }
        #expect(scanner.found[address(1)]?.macs.count == 16)
    }

    @Test func `a scan of nothing ends`() {
        var scanner = Scanner([], rounds: 1, interval: .milliseconds(10))
        #expect(scanner.step(.start, at: ms(0)).isEmpty)
        #expect(scanner.step(.deadlinePassed, at: ms(10)) == [.finished] && scanner.nextDeadline == nil)
    }

    @Test func `the law of deadlines`() {
        checkDeadlineLaw { random in
            Self.scan(Int.random(in: 1...100, using: &random), rounds: Int.random(in: 1...5, using: &random))
        } input: { random in
            let number = Int.random(in: 0...100, using: &random)
            return number == 0 ? .start : .answered(address(number), by: mac(1))
        }
    }
}

extension Verification: Machine {
    static var deadlinePassed: Input { .deadlinePassed }

    mutating func run(_ input: Input, at now: Instant) -> String {
        step(input, at: now).map { output in
            switch output {
            case .ask: "ask"
            case .echo(let number): "echo \(number)"
            case .connect: "connect"
            case .verified(let time): "verified \(time.text)"
            case .unverified(.gatewaySilent): "unverified, silent"
            case .unverified(.nothingArrives): "unverified, nothing arrives"
            }
        }.joined(separator: "; ")
    }
}

private typealias VerificationRow = Row<Verification.Input>

@Suite struct VerificationTests {
    private static let unanswered: [Line<Verification.Input>] = [
        .init(0, .begin, "ask; echo 1"), .init(20, "ask; echo 2"), .init(100, "ask; echo 3; connect"),
        .init(300, "ask; echo 4; connect"), .init(1000, "ask; echo 5; connect"),
    ]

    @Test(arguments: [
        VerificationRow(
            "a packet arrives",
            [.init(0, .begin, "ask; echo 1"), .init(12, .arrived, "verified 12ms"), .init(13, .arrived)]),
        VerificationRow(
            "a packet arrives later",
            unanswered + [.init(1500, .arrived, "verified 1500ms"), .init(2000, .deadlinePassed)]),
        VerificationRow(
            "nobody answers: told once, and asked on",
            unanswered + [
                .init(2000, "unverified, silent; ask; echo 6; connect"), .init(5000, "ask; echo 7; connect"),
                .init(8000, "ask; echo 8; connect"), .init(9000, .arrived, "verified 9s"),
            ]),
        VerificationRow(
            "the gateway's ARP answer alone proves nothing",
            [unanswered[0], .init(1, .gatewayAnswered)] + unanswered[1...] + [
                .init(2000, "unverified, nothing arrives; ask; echo 6; connect")
            ], deadline: 5000),
        VerificationRow(
            "nothing happens before the beginning",
            [.init(0, .arrived), .init(1, .gatewayAnswered), .init(2, .deadlinePassed)]),
        VerificationRow(
            "a new beginning forgets the old one",
            [
                .init(0, .begin, "ask; echo 1"), .init(1, .gatewayAnswered), .init(500, .begin, "ask; echo 1"),
                .init(512, .arrived, "verified 12ms"),
            ]),
    ])
    func `the table`(_ row: Row<Verification.Input>) { row.check(Verification()) }

    @Test func `the law of deadlines`() {
        checkDeadlineLaw { _ in Verification() } input: { random in
            [.begin, .gatewayAnswered, .arrived].randomElement(using: &random)!
        }
    }
}
