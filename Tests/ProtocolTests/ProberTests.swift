// The transition table of Prober, row by row, and its law of deadlines.

import QureCore
import Simulator
import Testing

extension Prober: Machine {
    static var deadlinePassed: Input { .deadlinePassed }

    mutating func run(_ input: Input, at now: Instant) -> String {
        step(input, at: now).map { output in
            switch output {
            case .probe(let sequence): "probe \(sequence)"
            case .changed(let report): "changed \(Self.text(report))"
            case .finished(let report): "finished \(Self.text(report))"
            }
        }.joined(separator: "; ")
    }

    private static func text(_ report: Report) -> String {
        let hosts = report.macs.map { "\($0.rawValue & 0xff)" }
        let words = [report.verdict.rawValue, report.isLocal ? "local" : ""] + hosts
        return words.filter { !$0.isEmpty }.joined(separator: " ")
    }
}

/// Host `number` answers; `probe` is what its answer names.
private func answer(_ number: UInt64?, _ probe: Int? = nil) -> Prober.Input {
    .answered(by: number.map(mac), probe: probe)
}

private typealias ProberRow = Row<Prober.Input>

@Suite struct ProberTests {
    private static func once(_ timeout: Int = 1000, toTheEnd: Bool = false) -> Prober {
        Prober(
            .init(
                .once(count: 3, timeout: .milliseconds(timeout), listensToEnd: toTheEnd), interval: .milliseconds(200)))
    }

    private static func monitor(fall: Int = 3, rise: Int = 1) -> Prober {
        Prober(.init(.monitor(fall: fall, rise: rise), interval: .milliseconds(200)))
    }

    @Test(arguments: [
        ProberRow(
            "three probes and the time of the last: silent",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"),
                .init(600, "finished silent"),
                .init(700, answer(1)), .init(800, .start), .init(900, .deadlinePassed),
            ]),
        ProberRow(
            "the first answer ends it",
            [.init(0, .start, "probe 0"), .init(1, answer(1, 0), "finished alive 1")]),
        ProberRow(
            "a late answer to an early probe as well",
            [.init(0, .start, "probe 0"), .init(200, "probe 1"), .init(250, answer(1, 0), "finished alive 1")]),
        ProberRow(
            "an answer without a hardware address",
            [.init(0, .start, "probe 0"), .init(1, answer(nil), "finished alive")]),
        ProberRow(
            "before the start nothing matters",
            [.init(0, answer(1)), .init(1, .deadlinePassed), .init(2, .unsent)]),
        ProberRow(
            "an own address is alive; one probe shows whether another has it too",
            [.init(0, .local(true)), .init(0, .start, "probe 0"), .init(200, "finished alive local")]),
        ProberRow(
            "and another has it",
            [
                .init(0, .local(true)), .init(0, .start, "probe 0"), .init(1, answer(2)),
                .init(200, "finished alive local 2"),
            ]),
        ProberRow(
            "the deadline seen late: no second patience in a question asked once",
            [.init(0, .start, "probe 0"), .init(200, "probe 1"), .init(5000, .deadlinePassed, "finished silent")]),
        ProberRow(
            "nothing is silent that cannot be asked",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(300, .linkLost), .init(301, answer(1)),
                .init(400, .deadlinePassed), .init(400, .start),
            ]),
        ProberRow(
            "when the link is back the question is asked anew, with its whole time",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(300, .linkLost),
                .init(9000, .linkRestored, "probe 2"), .init(9200, "probe 3"), .init(9400, "probe 4"),
                .init(9600, "finished silent"),
            ]),
    ])
    func `asked once`(_ row: Row<Prober.Input>) { row.check(Self.once()) }

    @Test(arguments: [
        ProberRow(
            "the timeout ends the question before the last probe",
            [.init(0, .start, "probe 0"), .init(200, "probe 1"), .init(300, "finished silent")])
    ])
    func `asked once in a short time`(_ row: Row<Prober.Input>) { row.check(Self.once(300)) }

    @Test(arguments: [
        ProberRow(
            "every host that answers is named",
            [
                .init(0, .start, "probe 0"), .init(1, answer(2)), .init(2, answer(1)), .init(3, answer(2)),
                .init(200, "probe 1"), .init(201, answer(3)), .init(400, "probe 2"),
                .init(1000, "finished alive 2 1 3"),
            ]),
        ProberRow(
            "an own address is asked for to the end, too",
            [
                .init(0, .local(true)), .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"),
                .init(900, answer(4)), .init(1000, "finished alive local 4"),
            ]),
    ])
    func `asked once and listened to the end`(_ row: Row<Prober.Input>) { row.check(Self.once(toTheEnd: true)) }

    @Test(arguments: [
        ProberRow(
            "three probes unanswered in a row: silent, told once",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"),
                .init(600, "changed silent; probe 3"), .init(800, "probe 4"),
            ], deadline: 1000),
        ProberRow(
            "where round trips are known to be short, the patience is too",
            [
                .init(0, .start, "probe 0"), .init(1, answer(1), "changed alive 1"),
                .init(200, .deadlinePassed, "probe 1"),
                .init(230, ""), .init(400, "probe 2"), .init(430, ""), .init(600, "probe 3"),
                .init(630, "changed silent 1"),
            ], deadline: 800),
        ProberRow(
            "a slow host is given eight round trips",
            [
                .init(0, .start, "probe 0"), .init(10, answer(1), "changed alive 1"),
                .init(200, .deadlinePassed, "probe 1"),
            ], deadline: 280),
        ProberRow(
            "and what was slow once fades from memory",
            [
                .init(0, .start, "probe 0"), .init(20, answer(1), "changed alive 1"), .init(200, "probe 1"),
                .init(201, answer(1)), .init(400, "probe 2"),
            ], deadline: 520),
        ProberRow(
            "a late answer breaks the run",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"),
                .init(410, answer(1, 1), "changed alive 1"), .init(600, "probe 3"),
            ], deadline: 800),
        ProberRow(
            "a take-over shows when the round is over",
            [
                .init(0, .start, "probe 0"), .init(1, answer(1), "changed alive 1"), .init(200, "probe 1"),
                .init(201, answer(2)), .init(400, "changed alive 2; probe 2"),
            ], deadline: 430),
        ProberRow(
            "a duplicate is two who answer the same probe",
            [
                .init(0, .start, "probe 0"), .init(1, answer(1), "changed alive 1"), .init(2, answer(2)),
                .init(200, "changed alive 1 2; probe 1"), .init(201, answer(2)), .init(202, answer(1)),
                .init(400, "probe 2"),
            ], deadline: 430),
        ProberRow(
            "without a link nothing is known, and a start asks nothing",
            [
                .init(0, .start, "probe 0"), .init(1, answer(1), "changed alive 1"),
                .init(50, .linkLost, "changed unknown"),
                .init(60, .linkLost), .init(70, .start), .init(80, answer(1)), .init(90, .deadlinePassed),
            ]),
        ProberRow("a start without a link asks nothing", [.init(0, .linkLost), .init(1, .start), .init(500, .start)]),
        ProberRow(
            "the link is back: all runs start anew",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"), .init(500, .linkLost),
                .init(700, .linkRestored, "probe 3"), .init(900, "probe 4"), .init(1100, "probe 5"),
                .init(1300, "probe 6"), .init(1500, "changed silent; probe 7"),
            ], deadline: 1700),
        ProberRow(
            "once something is heard on the link that is back, silence counts at once",
            [
                .init(0, .start, "probe 0"), .init(100, .linkLost), .init(200, .linkRestored, "probe 1"),
                .init(201, answer(1), "changed alive 1"), .init(400, "probe 2"), .init(430), .init(600, "probe 3"),
                .init(630), .init(800, "probe 4"), .init(830, "changed silent 1"),
            ], deadline: 1000),
        ProberRow(
            "a link restored that was not lost",
            [.init(0, .start, "probe 0"), .init(50, .linkRestored)], deadline: 200),
        ProberRow(
            "who slept past the deadline waits once more",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"), .init(5000, .deadlinePassed),
                .init(5200, "changed silent; probe 3"),
            ], deadline: 5400),
        ProberRow(
            "and hears the answer that came meanwhile",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"), .init(5000, .deadlinePassed),
                .init(5001, answer(1), "changed alive 1"), .init(5200, "probe 3"),
            ], deadline: 5400),
        ProberRow(
            "but once only for each probe: who is always late must come to a verdict",
            [
                .init(0, .start, "probe 0"), .init(450, .deadlinePassed), .init(900, .deadlinePassed, "probe 1"),
                .init(1350, .deadlinePassed), .init(1800, .deadlinePassed, "probe 2"), .init(2250, .deadlinePassed),
                .init(2700, .deadlinePassed, "changed silent; probe 3"),
            ], deadline: 2900),
        ProberRow(
            "a probe that was not sent says nothing, and the run starts anew",
            [
                .init(0, .start, "probe 0"), .init(200, "probe 1"), .init(400, "probe 2"), .init(400, .unsent),
                .init(600, "probe 3"), .init(800, "probe 4"), .init(1000, "probe 5"),
                .init(1200, "changed silent; probe 6"),
            ], deadline: 1400),
        ProberRow(
            "the address comes to this host and leaves it",
            [
                .init(0, .start, "probe 0"), .init(1, answer(1), "changed alive 1"),
                .init(50, .local(true), "changed alive local"),
                .init(60, .local(true)), .init(200, "probe 1"), .init(230, ""), .init(400, "probe 2"),
                .init(410, .local(false)), .init(430, ""), .init(600, "probe 3"), .init(630, ""), .init(800, "probe 4"),
                .init(830, ""), .init(1000, "probe 5"), .init(1030, "changed silent"),
            ], deadline: 1200),
        ProberRow(
            "another host has the address of this one too",
            [
                .init(0, .local(true)), .init(0, .start, "probe 0"), .init(1, answer(2), ""),
                .init(200, "changed alive local; changed alive local 2; probe 1"),
            ], deadline: 230),
    ])
    func `watched`(_ row: Row<Prober.Input>) { row.check(Self.monitor()) }

    @Test(arguments: [
        ProberRow(
            "two answered in a row",
            [
                .init(0, .start, "probe 0"), .init(1, answer(1)), .init(2, answer(1)), .init(200, "probe 1"),
                .init(230, ""),
                .init(400, "probe 2"), .init(401, answer(1)), .init(600, "probe 3"),
                .init(601, answer(1), "changed alive 1"),
            ], deadline: 800)
    ])
    func `watched with a rise of two`(_ row: Row<Prober.Input>) { row.check(Self.monitor(rise: 2)) }

    @Test func `a report tells the numbers`() {
        var prober = Self.once(toTheEnd: true)
        _ = prober.step(.start, at: ms(0))
        _ = prober.step(answer(1, 0), at: ms(3))
        _ = prober.step(.deadlinePassed, at: ms(200))
        _ = prober.step(answer(2, 1), at: ms(209))
        let report = prober.report(at: ms(250))
        #expect(report.probes == 2 && report.replies == 2 && report.roundTrip == .milliseconds(3))
        #expect(report.elapsed == .milliseconds(250) && report.isDuplicate && report.macs == [mac(1), mac(2)])
    }

    @Test func `a silent address has no host`() {
        var prober = Self.monitor(fall: 1)
        _ = prober.step(.start, at: ms(0))
        _ = prober.step(answer(1), at: ms(1))
        _ = prober.step(.deadlinePassed, at: ms(200))
        #expect(prober.step(.deadlinePassed, at: ms(230)).count == 1)
        #expect(prober.report(at: ms(231)).verdict == .silent && prober.report(at: ms(231)).macs.isEmpty)
    }

    @Test func `an answer from before its probe, by a clock that differs, took no time`() {
        var prober = Self.once()
        _ = prober.step(.start, at: ms(10))
        _ = prober.step(answer(1, 0), at: ms(9))
        #expect(prober.report(at: ms(10)).roundTrip == .zero)
    }

    @Test func `hosts that make up hardware addresses fill no memory`() {
        for prober in [Self.once(toTheEnd: true), Self.monitor()] {
            var prober = prober
            _ = prober.step(.start, at: ms(0))
            for number in 0..<1000 { _ = prober.step(answer(UInt64(number)), at: ms(1)) }
            _ = prober.step(.deadlinePassed, at: ms(200))
            #expect(prober.report(at: ms(200)).macs.count == 16)
        }
    }

    @Test func `the law of deadlines`() {
        checkDeadlineLaw { random in
            switch Int.random(in: 0..<3, using: &random) {
            case 0: Self.once(toTheEnd: Bool.random(using: &random))
            case 1: Self.monitor(rise: Int.random(in: 1...3, using: &random))
            default: Prober(.init(.monitor(fall: 1, rise: 1), interval: .milliseconds(1)))
            }
        } input: { random in
            switch Int.random(in: 0..<9, using: &random) {
            case 0: .start
            case 1: .linkLost
            case 2, 3: .linkRestored
            case 4: .local(Bool.random(using: &random))
            case 5: .unsent
            default: answer(UInt64.random(in: 0..<3, using: &random), Int.random(in: 0..<50, using: &random))
            }
        }
    }
}
