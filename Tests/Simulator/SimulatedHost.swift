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
    var snapshot: Snapshot?

    // What the judge knows of it, from what went in and out.

    /// The last heartbeat of each member that reached this host's kernel: whether or not it was read.
    var heartbeats: [NodeID: Heartbeat] = [:]
    /// What it last said as a master.
    var lastHeartbeat: ElectionMessage?
    /// Nonces that it has asked sessions to answer with, and no answer has come yet; since when, by the local clock.
    var nonces: [UInt64: Int64] = [:]
    /// How far it has believed each session.
    var believed: [UInt64: UInt64] = [:]
    /// When the gateway last answered it, by the local clock.
    var gatewayHeard: Int64?
    /// The instant of the last renewal of the lease.
    var renewedAt: Int64?
    /// A stranger has answered for the address since it began to listen.
    var hasSeenStranger = false
    /// Whether its health check passes, and its cable is in.
    var passesCheck = true
    /// What its elector was last told of that.
    var isHealthy = true
    var isInMaintenance = false
    /// It has told that it is about to sleep, and not yet that it is awake.
    var isAsleep = false
    /// Its followers cannot put the address there.
    var refusesAddress = false
    /// How much longer than usual they need to put it there.
    var followerDelay: Int64 = 0
    /// Since when it has been handing over, and how long its heir may take.
    var handsOver: (since: Int64, patience: Int64)?
    /// Until then it has a reason to stay away: its followers failed a moment ago, or a stranger has the address.
    var fitFrom: Int64 = 0

    /// What is restored of it.
    struct Snapshot {
        var election: Election
        var believed: [UInt64: UInt64]
        var isHealthy: Bool
        var isInMaintenance: Bool
        var isAsleep: Bool
    }

    struct Heartbeat {
        var session: UInt64
        var sequence: UInt64
        var term: UInt64
        var at: Int64
    }

    static let queueLimit = 200

    /// Nothing of this is left when the elector ends.
    mutating func forget() {
        heartbeats = [:]
        nonces = [:]
        believed = [:]
        gatewayHeard = nil
        renewedAt = nil
        handsOver = nil
        hasSeenStranger = false
        fitFrom = 0
        isHealthy = true
        isInMaintenance = false
        isAsleep = false
    }

    /// Whether its kernel keeps frames for an elector that does not run.
    var isListening: Bool { state == .frozen && waiting.count < Self.queueLimit }

    /// Whether its elector knows of nothing that keeps it from serving. A sleep that was told of may be over, as the
    /// clocks show, before the machine says so.
    var isFit: Bool { isHealthy && !isInMaintenance }

    /// Whether it should claim where nobody else does.
    func canServe(_ time: Int64) -> Bool {
        state == .running && isFit && !isAsleep && !refusesAddress && time >= fitFrom
    }

    /// Whether the host answers for the address at `time`.
    func answers(_ time: Int64) -> Bool {
        guard state == .running || state == .frozen, isPresent, let leaseUntil else { return false }
        return clock.local(time) < leaseUntil
    }
}
