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
    var clock: SimulatedClock
    /// Frames that arrived while the elector did not run; the kernel keeps some.
    var waiting: [(datagram: Simulation.Datagram, from: Int, isReplay: Bool, at: Int64)] = []
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

    /// Whether the host answers for the address at `time`.
    func answers(_ time: Int64) -> Bool {
        guard state == .running || state == .frozen, isPresent, let leaseUntil else { return false }
        return clock.local(time) < leaseUntil
    }
}
