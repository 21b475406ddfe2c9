// SleepJudge: whether this machine was stopped without its own clocks showing it, as a virtual machine is when its host
// pauses or restores it. The one clock that has gone on is the hardware's (RTC), which is kept by the host: it is then
// ahead of where CLOCK_BOOTTIME says that it should be. Both clocks of the system can be set, and the hardware's as
// well; none of that is sleep:
//
//   BOOTTIME   RTC against it   wall clock            judgement
//   goes on    moves on alike   anything              awake (a step of the wall clock alone)
//   goes on    is ahead         agrees with the RTC   awake: one was set by the other (hwclock, timedatectl)
//   goes on    is behind        anything              awake: somebody set it back
//   goes on    is ahead         does not agree        slept for that long
//
// Sleep that BOOTTIME itself shows (suspend) is not this one's business.

/// Compares readings of the clocks, one after the other.
package struct SleepJudge: Sendable {
    /// What the clocks said at one moment.
    package struct Reading: Equatable, Sendable {
        /// CLOCK_BOOTTIME.
        package var boot: Instant
        /// CLOCK_REALTIME, since 1970.
        package var wall: Duration
        /// The hardware's clock, in whole seconds since 1970.
        package var hardware: Int64

        /// What the clocks said.
        package init(boot: Instant, wall: Duration, hardware: Int64) {
            self.boot = boot
            self.wall = wall
            self.hardware = hardware
        }

        var ahead: Duration { wall - .seconds(hardware) }
    }

    private var last: Reading?
    /// The hardware's clock may run in local time: a multiple of a quarter of an hour away.
    private var zone = Duration.zero
    /// A whole second is the hardware clock's grain; half of one more is for the time between two readings.
    package static let threshold = Duration.milliseconds(1500)
    private static let zoneGrain: Int64 = 900

    /// A judge that has seen nothing.
    package init() {}

    /// How long the machine did not run since the last reading; nil: nothing speaks for that.
    package mutating func judge(_ now: Reading) -> Duration? {
        defer { last = now }
        guard let last else {
            let seconds = now.ahead.components.seconds
            let grain = Self.zoneGrain
            zone = .seconds((seconds + (seconds < 0 ? -grain : grain) / 2) / grain * grain)
            return nil
        }
        let gain = .seconds(now.hardware - last.hardware) - (now.boot - last.boot)
        guard gain > Self.threshold else { return nil }
        let apart = now.ahead - zone
        return max(apart, .zero - apart) < Self.threshold ? nil : gain
    }
}
