// The instruments' bookkeeping, as pure values: no lab, no socket, no time that passes.

import Lab
import QureCore
import Testing

private func at(_ milliseconds: Int) -> Instant { Instant(nanoseconds: Int64(milliseconds) * 1_000_000) }

@Suite struct MeterTallyTests {
    private var tally = MeterTally(.init(timeout: .milliseconds(1000), quiet: .milliseconds(20)))

    /// Asks at every millisecond of the range; `h1` answers those that `isAnswered` names, half a millisecond later.
    private mutating func ask(_ range: Range<Int>, by name: String = "h1", isAnswered: (Int) -> Bool = { _ in true })
        -> [MeterTally.Event]
    {
        var events: [MeterTally.Event] = []
        for time in range {
            tally.ask(at: at(time))
            if isAnswered(time) {
                events += tally.answer(to: tally.requests - 1, by: name, at: at(time) + .microseconds(500))
            }
            events += tally.advance(to: at(time) + .microseconds(900))
        }
        return events.filter { if case .request = $0 { false } else { true } }
    }

    @Test mutating func `a site that answers everything has no outage and loses nothing`() {
        let events = ask(0..<100)
        #expect(events == [.answered(by: "h1", at: at(0) + .microseconds(500))])
        #expect(tally.finish(at: at(100)).isEmpty)
        #expect(tally.answered == 100 && tally.lost == 0 && tally.outages.isEmpty)
    }

    @Test mutating func `an outage begins with the first request that finds nobody and ends with the next answer`() {
        _ = ask(0..<100)
        let events = ask(100..<400, isAnswered: { _ in false }) + ask(400..<500, by: "h2")
        let outage = MeterTally.Outage(
            from: at(100), to: at(400) + .microseconds(500), before: "h1", after: "h2", requests: 301)
        #expect(
            events == [
                .silent(since: at(100)), .outage(outage), .answered(by: "h2", at: at(400) + .microseconds(500)),
            ])
        #expect(tally.longest == outage)
        _ = tally.finish(at: at(2000))
        #expect(tally.lost == 300)
        #expect(tally.spans.map(\.name) == ["h1", "h2"] && tally.spans.map(\.answers) == [100, 100])
    }

    @Test mutating func `requests that waited and are answered in a bunch make one outage, not many`() {
        _ = ask(0..<10)
        _ = ask(10..<110, isAnswered: { _ in false })
        for number in 10..<110 { _ = tally.answer(to: number, by: "h2", at: at(110) + .microseconds(number)) }
        #expect(tally.outages.count == 1)
        #expect(tally.outages.first?.from == at(10))
        #expect(tally.lost == 0 && tally.answered == 110)
    }

    @Test mutating func `a late answer to an old request does not tell who answers now`() {
        _ = ask(0..<10)
        _ = ask(10..<50, isAnswered: { _ in false })
        _ = ask(50..<100, by: "h2")
        _ = tally.answer(to: 20, by: "h1", at: at(100))
        #expect(tally.spans.map(\.name) == ["h1", "h2"])
        #expect(tally.answered == 61)
    }

    @Test mutating func `an answer after the timeout is none, and a second answer is a duplicate`() {
        tally.ask(at: at(0))
        tally.ask(at: at(1))
        _ = tally.answer(to: 1, by: "h1", at: at(2))
        _ = tally.answer(to: 1, by: "h2", at: at(3))
        _ = tally.answer(to: 0, by: "h1", at: at(1001))
        #expect(tally.answered == 1 && tally.duplicates == 1 && tally.late == 1)
        _ = tally.advance(to: at(1002))
        #expect(tally.lost == 1)
        #expect(tally.answer(to: 7, by: "h1", at: at(4)).isEmpty, "a request that never was")
    }

    @Test mutating func `time in which the meter itself asked nothing is no outage`() {
        _ = ask(0..<10)
        let events = ask(500..<510)
        #expect(events.isEmpty)
        #expect(tally.longest.map { $0.duration < .milliseconds(2) } ?? false)
    }

    @Test mutating func `a silence that goes on at the end is an outage without an end`() {
        _ = ask(0..<10)
        _ = ask(10..<60, isAnswered: { _ in false })
        _ = tally.finish(at: at(60))
        #expect(tally.outages.map(\.after) == [nil])
        #expect(tally.outages.first?.duration == .milliseconds(50))
        #expect(tally.lost == 50)
    }
}

@Suite struct HolderTallyTests {
    private var tally = HolderTally(forgiven: 3)
    private let one = MACAddress(rawValue: 1), other = MACAddress(rawValue: 2)

    @Test mutating func `a holder that answers has the address from its first answer to its last`() {
        #expect(tally.hear(one, at: at(1)) == [.taken(one, at: at(1))])
        for time in 2..<10 {
            #expect(tally.ask().isEmpty)
            #expect(tally.hear(one, at: at(time)).isEmpty)
        }
        for _ in 0..<3 { #expect(tally.ask().isEmpty) }
        #expect(tally.holders == [one])
        #expect(tally.ask() == [.left(.init(mac: one, from: at(1), to: at(9)))])
        #expect(tally.holders.isEmpty)
    }

    @Test mutating func `two holders at once are counted for as long as both answer`() {
        for time in 0..<10 {
            _ = tally.ask()
            _ = tally.hear(one, at: at(time))
            if time >= 6 { _ = tally.hear(other, at: at(time)) }
        }
        for time in 10..<20 {
            _ = tally.ask()
            _ = tally.hear(other, at: at(time))
        }
        #expect(tally.overlaps == [.init(macs: [one, other], from: at(6), to: at(9))])
        _ = tally.finish()
        #expect(tally.spans.map(\.mac) == [one, other])
        #expect(tally.together == .milliseconds(3))
    }

    @Test mutating func `one after the other is no overlap`() {
        for time in 0..<5 {
            _ = tally.ask()
            _ = tally.hear(one, at: at(time))
        }
        for time in 5..<10 {
            _ = tally.ask()
            _ = tally.hear(other, at: at(time))
        }
        _ = tally.finish()
        #expect(tally.overlaps.isEmpty && tally.together == .zero)
    }
}

@Suite struct InstrumentTextTests {
    @Test func `a meter's datagram is read as it was written, and nothing else is`() {
        let question = MeterMessage(run: 7, sequence: 1 << 40)
        let answer = MeterMessage(run: 7, sequence: 9, name: "h12")
        #expect(MeterMessage(question.bytes) == question && MeterMessage(answer.bytes) == answer)
        for length in 0..<question.bytes.count { #expect(MeterMessage(Array(question.bytes.prefix(length))) == nil) }
        #expect(MeterMessage([UInt8](repeating: 0, count: 40)) == nil)
    }

    @Test(arguments: [
        #"{"event":"answered","by":"h1","at_ns":12}"#,
        #"{"a":null,"b":true,"c":[1,-2,"x"],"d":{"e":"\u00e9\n\"\\"}}"#, "{}",
    ])
    func `a line of JSON is read, and no part of it is`(_ line: String) {
        #expect(JSONRecord(line) != nil)
        for length in 0..<line.count { #expect(JSONRecord(String(line.prefix(length))) == nil) }
    }

    @Test func `values of a record are found by name`() throws {
        let record = try #require(JSONRecord(#"{"text":"a\u00e9\"b","number":-5,"none":null}"#))
        #expect(record.text("text") == "aé\"b" && record.number("number") == -5)
        #expect(record.text("number") == nil && record.number("none") == nil && record["missing"] == nil)
        #expect(record.names == ["text", "number", "none"])
    }

    @Test func `machines' names and hardware addresses`() {
        for node: Node in [1, 12, .gateway, .client, .stranger, .observer, .lan] { #expect(Node("\(node)") == node) }
        for text in ["", "h", "h0", "hx", "h-1", "gateway"] { #expect(Node(text) == nil) }
        #expect(Lab.Plan.mac(3).description == "52:54:00:00:00:23")
        #expect(Lab.Plan.mac(.host(70)).description == "52:54:00:00:00:90")
    }
}
