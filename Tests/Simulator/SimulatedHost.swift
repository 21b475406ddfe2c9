// One host of a simulation: an Election, a follower with its lease, a clock that may run fast, stop or jump, and the
// queue of frames that wait while the host or its elector does not run.

import QureCore

struct SimulatedHost {
    /// What runs on it.
    enum State: String {
        case running
        /// The elector alone does not run: stopped, or starved.
        case frozen
        /// Nothing runs, neither the clock (as in a paused guest) nor the kernel.
        case paused
        /// The elector is dead, and so the follower has withdrawn; or the host is off.
        case off
    }

    let index: Int
    var election: Election
    var state = State.off
    /// Local time = (true time - pausedTime) * rate + offset.
    var clockRate: Double
    var clockOffset: Int64
    var pausedTime: Int64 = 0
    var pausedSince: Int64?
    /// Whether the clock goes on while the host is paused: then the gap shows.
    var clockRunsOn = false
    /// Frames that arrived while the elector did not run; the kernel keeps some.
    var waiting: [(message: ElectionMessage, from: Int, isReplay: Bool, at: Int64)] = []
    /// Until when the follower holds the address, by the local clock; nil: it does not hold it.
    var leaseUntil: Int64?
    /// The term that the address is held by.
    var heldTerm: UInt64 = 0
    /// The follower needs a moment to put the address there; then the kernel tells the elector.
    var isPresent = false
    var rememberedTerm: UInt64 = 0
    /// Incremented with each start, so that timers of an earlier life do nothing.
    var life = 0
    var timerSet: Int64?
    var random: SplitMix64
    /// An earlier state to be restored from.
    var snapshot: Election?

    static let queueLimit = 200

    func local(_ time: Int64) -> Int64 {
        let paused = clockRunsOn ? 0 : pausedTime + (pausedSince.map { time - $0 } ?? 0)
        return Int64(Double(time - paused) * clockRate) + clockOffset
    }

    /// The true time at which the local clock will show `instant`, if nothing stops it.
    func trueTime(_ instant: Int64) -> Int64 {
        let paused = clockRunsOn ? 0 : pausedTime
        return Int64((Double(instant - clockOffset) / clockRate).rounded(.up)) + paused
    }

    /// Whether the host answers for the address at `time`.
    func answers(_ time: Int64) -> Bool {
        guard state == .running || state == .frozen, isPresent, let leaseUntil else { return false }
        return local(time) < leaseUntil
    }
}
