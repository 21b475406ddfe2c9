// Scripts: what goes into a machine at which millisecond, and what must come out, as text that reads like the table
// at the head of the machine's file. The tests of every machine are rows of such scripts.

import QureCore
import Simulator
import Testing

/// A host of these tests by the last octet of its hardware address.
func mac(_ number: UInt64) -> MACAddress { MACAddress(rawValue: 0x0200_0000_0000 | number) }

/// `milliseconds` after the start of the tests' time, which is not the start of time.
func ms(_ milliseconds: Int) -> Instant { Instant(nanoseconds: 3_600_000_000_000) + .milliseconds(milliseconds) }

/// A machine as the scripts drive it.
protocol Machine {
    associatedtype Input: Sendable
    /// What comes out, as text: one word or more for each output, joined by "; ".
    mutating func run(_ input: Input, at now: Instant) -> String
    var nextDeadline: Instant? { get }
    /// The input that says that the deadline has come.
    static var deadlinePassed: Input { get }
}

/// One line of a script.
struct Line<Input: Sendable>: Sendable {
    let time: Int
    let input: Input?
    let outputs: String

    /// At this millisecond comes `input`, and `outputs` must come out.
    init(_ time: Int, _ input: Input, _ outputs: String = "") {
        self.time = time
        self.input = input
        self.outputs = outputs
    }

    /// At this millisecond, which must be the machine's next deadline, the deadline passes.
    init(_ time: Int, _ outputs: String = "") {
        self.time = time
        input = nil
        self.outputs = outputs
    }
}

/// A row of a table: a name and the lines it stands for.
struct Row<Input: Sendable>: Sendable, CustomTestStringConvertible {
    let name: String
    let lines: [Line<Input>]
    /// The machine's deadline after the last line, in milliseconds; nil: none.
    let deadline: Int?

    init(_ name: String, _ lines: [Line<Input>], deadline: Int? = nil) {
        self.name = name
        self.lines = lines
        self.deadline = deadline
    }

    var testDescription: String { name }

    /// Drives `machine` through the lines.
    func check<M: Machine>(_ machine: M) where M.Input == Input {
        var machine = machine
        for line in lines {
            let now = ms(line.time)
            if line.input == nil { #expect(machine.nextDeadline == now, "the deadline before \(line.time) ms") }
            let outputs = machine.run(line.input ?? M.deadlinePassed, at: now)
            #expect(outputs == line.outputs, "at \(line.time) ms")
        }
        #expect(machine.nextDeadline == deadline.map(ms), "the deadline at the end")
    }
}

/// The law of deadlines: after `deadlinePassed` at t the next deadline is nil or later than t, or the loop would spin.
/// Drives machines that `make` builds through long random inputs, on time, late, early and asleep.
func checkDeadlineLaw<M: Machine>(
    seeds: Range<UInt64> = 0..<150, steps: Int = 400, make: (inout SplitMix64) -> M,
    input: (inout SplitMix64) -> M.Input
) {
    for seed in seeds {
        var random = SplitMix64(seed: seed)
        var machine = make(&random)
        var now = ms(0)
        for step in 0..<steps {
            // Mostly what is due next; now and then something else, in between or long after.
            let due = machine.nextDeadline
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5: now = max(now, due ?? now)
            case 5: now = max(now, due ?? now) + .nanoseconds(Int64.random(in: 0...100_000_000, using: &random))
            case 6: now += .nanoseconds(Int64.random(in: 0...60_000_000_000, using: &random))
            case 7: now += .nanoseconds(1)
            default: break
            }
            if Int.random(in: 0..<10, using: &random) < 4 { _ = machine.run(input(&random), at: now) }
            _ = machine.run(M.deadlinePassed, at: now)
            if let next = machine.nextDeadline, next <= now {
                Issue.record("seed \(seed), step \(step): a deadline at \(next) that is not after \(now)")
                break
            }
        }
    }
}
