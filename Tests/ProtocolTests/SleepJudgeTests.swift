// SleepJudge against what clocks do: pauses, steps, whole seconds, and people who set them.

import QureCore
import Testing

@Suite struct SleepJudgeTests {
    /// What the three clocks have done since the reading before.
    struct Row: Sendable, CustomTestStringConvertible {
        let what: String
        let boot: Duration
        let wall: Duration
        let hardware: Int64
        let slept: Duration?
        var isLocal = false
        var testDescription: String { what }
    }

    @Test(arguments: [
        Row(what: "nothing", boot: .seconds(1), wall: .seconds(1), hardware: 1, slept: nil),
        Row(what: "the grain of the clock", boot: .seconds(1), wall: .seconds(1), hardware: 2, slept: nil),
        Row(what: "a pause of 8 s", boot: .seconds(1), wall: .seconds(1), hardware: 9, slept: .seconds(8)),
        Row(
            what: "the same, local time", boot: .seconds(1), wall: .seconds(1), hardware: 9, slept: .seconds(8),
            isLocal: true),
        Row(what: "NTP steps ahead", boot: .seconds(1), wall: .seconds(31), hardware: 1, slept: nil),
        Row(what: "NTP steps back", boot: .seconds(1), wall: .seconds(-30), hardware: 1, slept: nil),
        Row(what: "timedatectl sets both ahead", boot: .seconds(1), wall: .seconds(3601), hardware: 3601, slept: nil),
        Row(what: "both, local time", boot: .seconds(1), wall: .seconds(61), hardware: 61, slept: nil, isLocal: true),
        Row(what: "the hardware's clock is set back", boot: .seconds(1), wall: .seconds(1), hardware: -30, slept: nil),
        Row(what: "a suspend that all clocks show", boot: .seconds(60), wall: .seconds(60), hardware: 60, slept: nil),
        Row(what: "a pause, and NTP half way", boot: .seconds(1), wall: .seconds(5), hardware: 9, slept: .seconds(8)),
    ])
    func `what the clocks say`(_ row: Row) {
        var judge = SleepJudge()
        var reading = SleepJudge.Reading(
            boot: Instant(nanoseconds: 5_000_000_000), wall: .seconds(1_800_000_000) + .milliseconds(400),
            hardware: 1_800_000_000 + (row.isLocal ? 3600 : 0))
        #expect(judge.judge(reading) == nil)
        reading.boot = reading.boot + row.boot
        reading.wall += row.wall
        reading.hardware += row.hardware
        #expect(judge.judge(reading) == row.slept)
        reading.boot = reading.boot + .seconds(1)
        reading.wall += .seconds(1)
        reading.hardware += 1
        #expect(judge.judge(reading) == nil, "it is told once")
    }

    @Test func `hwclock after a step of the wall clock`() {
        var judge = SleepJudge()
        var reading = SleepJudge.Reading(boot: Instant(nanoseconds: 0), wall: .seconds(1000), hardware: 1000)
        #expect(judge.judge(reading) == nil)
        reading.wall += .seconds(31)
        reading.hardware += 1
        reading.boot = reading.boot + .seconds(1)
        #expect(judge.judge(reading) == nil)
        reading.wall += .seconds(1)
        reading.hardware += 31
        reading.boot = reading.boot + .seconds(1)
        #expect(judge.judge(reading) == nil)
    }
}
