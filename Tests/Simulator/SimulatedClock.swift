// The clock of a simulated host: it runs a little fast or slow, and stands still, or runs on, while the host is paused.

struct SimulatedClock {
    /// Local time = (true time - pausedTime) * rate + offset.
    var rate: Double
    var offset: Int64
    var pausedTime: Int64 = 0
    var pausedSince: Int64?
    /// Whether the clock goes on while the host is paused: then the gap shows.
    var runsOn = false

    func local(_ time: Int64) -> Int64 {
        let paused = runsOn ? 0 : pausedTime + (pausedSince.map { time - $0 } ?? 0)
        return Int64(Double(time - paused) * rate) + offset
    }

    /// The true time at which the local clock will show `instant`, if nothing stops it.
    func trueTime(_ instant: Int64) -> Int64 {
        let paused = runsOn ? 0 : pausedTime
        return Int64((Double(instant - offset) / rate).rounded(.up)) + paused
    }
}
