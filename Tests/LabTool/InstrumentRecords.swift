// The records of the instruments: for people times count from the instrument's start; for programs (`--json`) they are
// nanoseconds of CLOCK_BOOTTIME (`…_ns`), and lengths are microseconds (`…_us`), so that several instruments' records
// can be put side by side.

import Lab
import QureCore

extension Record {
    /// The first record of each: it asks from now on.
    init(asking what: String, _ start: Instant) {
        self.init(
            "asking \(what)",
            [("event", .string("asking")), ("address", .string(what)), ("at_ns", .integer(start.nanoseconds))])
    }

    /// An event of the meter.
    init(_ event: MeterTally.Event, since start: Instant) {
        func time(_ instant: Instant) -> String { (instant - start).secondsText }
        switch event {
        case .answered(let name, let at):
            self.init(
                "answered by \(name) from \(time(at))",
                [("event", .string("answered")), ("by", .string(name)), ("at_ns", .integer(at.nanoseconds))])
        case .silent(let since):
            self.init(
                "silent since \(time(since))",
                [("event", .string("silent")), ("since_ns", .integer(since.nanoseconds))])
        case .outage(let outage):
            let after = outage.after ?? "nobody"
            self.init(
                "outage \(outage.duration.millisecondsText) from \(time(outage.from)) to \(time(outage.to)) "
                    + "requests \(outage.requests) before \(outage.before) after \(after)",
                [("event", .string("outage"))] + Self.fields(of: outage))
        case .request(let number, let sent, let name):
            self.init(
                "request \(number) at \(time(sent)) \(name.map { "by \($0)" } ?? "lost")",
                [
                    ("event", .string("request")), ("number", .integer(Int64(number))),
                    ("sent_ns", .integer(sent.nanoseconds)), ("by", name.map { .string($0) } ?? .null),
                ])
        }
    }

    private static func fields(of outage: MeterTally.Outage) -> [(name: String, value: JSONValue)] {
        [
            ("outage_us", .integer(outage.duration.microseconds)), ("from_ns", .integer(outage.from.nanoseconds)),
            ("to_ns", .integer(outage.to.nanoseconds)), ("requests", .integer(Int64(outage.requests))),
            ("before", .string(outage.before)), ("after", outage.after.map { .string($0) } ?? .null),
        ]
    }

    /// What the meter has to say in the end.
    init(summaryOf meter: MeterRun) {
        let tally = meter.tally
        let longest = tally.longest?.duration ?? .zero
        let change = tally.longest.map { " (\($0.before), then \($0.after ?? "nobody"))" } ?? ""
        self.init(
            "summary requests \(tally.requests) answered \(tally.answered) lost \(tally.lost) late \(tally.late) "
                + "longest outage \(longest.millisecondsText)\(change) own delay \(meter.worstDelay.millisecondsText)",
            [
                ("event", .string("summary")), ("requests", .integer(Int64(tally.requests))),
                ("answered", .integer(Int64(tally.answered))), ("lost", .integer(Int64(tally.lost))),
                ("late", .integer(Int64(tally.late))), ("duplicates", .integer(Int64(tally.duplicates))),
                ("longest_outage_us", .integer(longest.microseconds)),
                ("own_delay_us", .integer(meter.worstDelay.microseconds)),
            ])
    }

    /// An event of the witness.
    init(_ event: HolderTally.Event, since start: Instant) {
        func time(_ instant: Instant) -> String { (instant - start).secondsText }
        switch event {
        case .taken(let mac, let at):
            self.init(
                "taken by \(mac) at \(time(at))",
                [("event", .string("taken")), ("mac", .string(mac.description)), ("at_ns", .integer(at.nanoseconds))])
        case .left(let span):
            self.init(
                "left by \(span.mac) at \(time(span.to)), held since \(time(span.from))",
                [
                    ("event", .string("left")), ("mac", .string(span.mac.description)),
                    ("from_ns", .integer(span.from.nanoseconds)), ("to_ns", .integer(span.to.nanoseconds)),
                ])
        case .together(let overlap):
            self.init(
                "together \(overlap.duration.millisecondsText) from \(time(overlap.from)) to \(time(overlap.to)) "
                    + overlap.macs.map(\.description).joined(separator: " "),
                [
                    ("event", .string("together")), ("together_us", .integer(overlap.duration.microseconds)),
                    ("from_ns", .integer(overlap.from.nanoseconds)), ("to_ns", .integer(overlap.to.nanoseconds)),
                    ("macs", .array(overlap.macs.map { .string($0.description) })),
                ])
        }
    }

    /// What the witness has to say in the end.
    init(summaryOf witness: WitnessRun) {
        let tally = witness.tally
        let longest = tally.overlaps.map(\.duration).max() ?? .zero
        self.init(
            "summary spans \(tally.spans.count) two at once \(tally.together.millisecondsText) "
                + "longest \(longest.millisecondsText)",
            [
                ("event", .string("summary")), ("spans", .integer(Int64(tally.spans.count))),
                ("together_us", .integer(tally.together.microseconds)),
                ("longest_together_us", .integer(longest.microseconds)),
            ])
    }
}

extension Duration {
    /// `3.312s`
    var secondsText: String {
        let thousandths = milliseconds
        let fraction = String(abs(thousandths) % 1000)
        return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction + "s"
    }

    /// `312.4ms`
    var millisecondsText: String {
        let tenths = (microseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10)ms"
    }
}
