// Prober: decides from probes and answers whether one address is alive. It asks once (a few probes, one verdict), or
// keeps asking (`wait`, `watch`) and reports when a run of probes went unanswered or answered. It knows nothing of
// ARP or ICMP: the tool sends what `probe` asks for and tells what came back. An address may be this host's own: its
// kernel does not answer its own questions, so that is told, not probed; another host that answers for it still
// shows.
//
//   state      input            → state      outputs
//   idle       start            → asking     probe (again each interval)
//   asking     answered         → asking     once: finished(alive), unless listening to the end
//                                            monitor: after `rise` probes answered in a row: changed(alive)
//   asking     deadline         → asking     probe; monitor: after `fall` probes unanswered in a row: changed(silent)
//   asking     deadline, slept  → asking     nothing, once for each probe: its answer may have had no chance
//   asking     last deadline    → finished   once: finished(alive or silent)
//   asking     unsent           → asking     nothing; the run of unanswered probes starts anew
//   asking     linkLost         → paused     monitor: changed(unknown) if it had a verdict; nothing is silent that
//                                            cannot be asked
//   idle       linkLost         → paused     a start before linkRestored does nothing
//   paused     linkRestored     → asking     probe; all runs start anew, and the time of a question asked once
//   any        local            → the same   an own address is alive; monitor: changed(alive) where it became one

/// The questions about one address.
package struct Prober: Sendable {
    /// How often and how long to ask.
    package struct Configuration: Equatable, Sendable {
        /// What ends the questions.
        package enum Mode: Equatable, Sendable {
            /// A verdict after at most `count` probes and `timeout`; with the first answer, unless `listensToEnd`.
            case once(count: Int, timeout: Duration, listensToEnd: Bool)
            /// Never; changes are reported after `fall` unanswered or `rise` answered probes in a row.
            case monitor(fall: Int, rise: Int)
        }

        /// What ends the questions.
        package var mode: Mode
        /// From one probe to the next.
        package var interval: Duration

        /// A configuration; counts and interval must be positive.
        package init(_ mode: Mode, interval: Duration) {
            precondition(interval > .zero, "an interval of nothing would never let the loop rest")
            self.mode = mode
            self.interval = interval
        }
    }

    /// What is known of the address.
    package enum Verdict: String, Equatable, Sendable { case unknown, alive, silent }

    /// What happened.
    package enum Input: Equatable, Sendable {
        case start
        /// A host answered for the address; nil where the method does not show its hardware address. `probe` is the
        /// sequence number that the answer names, where it names one.
        case answered(by: MACAddress?, probe: Int?)
        /// Whether the address is on this host now.
        case local(Bool)
        case deadlinePassed
        /// The probe that is out could not be sent: that it stays unanswered says nothing about the address.
        case unsent
        case linkLost
        case linkRestored
    }

    /// What to do about it.
    package enum Output: Equatable, Sendable {
        /// Send the probe with this sequence number (from 0).
        case probe(Int)
        /// The verdict has changed, or who answers for the address has (monitor).
        case changed(Report)
        /// The verdict (once). Nothing follows.
        case finished(Report)
    }

    /// What was found out.
    package struct Report: Equatable, Sendable {
        /// What is known of the address now.
        package var verdict: Verdict
        /// Who answered, in the order of their first answers. More than one is a duplicate address.
        package var macs: [MACAddress]
        /// From the last probe before the first answer to that answer.
        package var roundTrip: Duration?
        /// How many probes were sent.
        package var probes: Int
        /// How many answers came, late ones and those of further hosts included.
        package var replies: Int
        /// From the start to now.
        package var elapsed: Duration
        /// Whether the address is this host's own.
        package var isLocal: Bool

        /// A report from its parts.
        package init(
            verdict: Verdict, macs: [MACAddress], roundTrip: Duration?, probes: Int, replies: Int, elapsed: Duration,
            isLocal: Bool
        ) {
            self.verdict = verdict
            self.macs = macs
            self.roundTrip = roundTrip
            self.probes = probes
            self.replies = replies
            self.elapsed = elapsed
            self.isLocal = isLocal
        }

        /// Whether more than one host has the address.
        package var isDuplicate: Bool { macs.count + (isLocal ? 1 : 0) > 1 }
    }

    /// An answer that has not come by then will hardly come: many times what a loaded host on a LAN takes.
    static let leastPatience = Duration.milliseconds(30)
    /// The patience grows with the slowest of the last round trips.
    static let patienceFactor = 8
    /// How much of a slow round trip is remembered at the next one: it fades within a dozen.
    static let memory = 0.75
    /// Probes whose answers can still be timed.
    static let remembered = 64
    /// A link that has just come up loses what is sent on it until the kernels and the switches at both ends pass it
    /// on: for so long, silence on it proves nothing.
    static let settling = Duration.milliseconds(300)
    /// Hosts kept for one address; who forges more gains nothing.
    static let maximumHosts = 16

    private let configuration: Configuration
    private var state = State.idle
    private var startedAt = Instant(nanoseconds: 0)
    /// When the last probes went out: that of number n at n modulo `remembered`.
    private var sent: [Instant] = []
    private var probes = 0
    private var replies = 0
    private var macs: [MACAddress] = []
    /// Who answered the probe that is out (monitor). Compared with `macs` when its time is over: a take-over changes
    /// who answers, a duplicate is two who answer the same probe.
    private var round: [MACAddress] = []
    private var roundTrip: Duration?
    private var slowest: Duration?
    private var isLocal = false
    private var verdict = Verdict.unknown
    private var answeredInRow = 0
    private var unansweredInRow = 0
    /// Whether the probe that is out has been answered or given up already.
    private var judged = true
    private var nextProbe: Instant?
    private var judgement: Instant?
    /// Whether the probe that is out has had a second patience, because this machine slept through the first.
    private var isExtended = false
    /// The first probe since the link was there.
    private var firstProbe = 0
    /// When the link came back, until something has been heard on it.
    private var restoredAt: Instant?

    private enum State { case idle, asking, paused, finished }

    /// A prober that has not started.
    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// When `deadlinePassed` is due, if nothing else happens before.
    package var nextDeadline: Instant? { state == .asking ? earlier(nextProbe, judgement) : nil }

    /// Takes one input and says what to do.
    package mutating func step(_ input: Input, at now: Instant) -> [Output] {
        switch (state, input) {
        case (.finished, _): return []
        case (_, .local(let value)): return setLocal(value, at: now)
        case (.idle, .start), (.paused, .linkRestored): return begin(at: now)
        case (.asking, .answered(let mac, let probe)): return answered(by: mac, probe: probe, at: now)
        case (.asking, .deadlinePassed): return deadlinePassed(at: now)
        case (.asking, .unsent):
            judged = true
            unansweredInRow = 0
            return []
        case (.asking, .linkLost): return pause(at: now)
        case (.idle, .linkLost):
            state = .paused
            return []
        default: return []
        }
    }

    /// What is known at `now`.
    package func report(at now: Instant) -> Report {
        Report(
            verdict: verdict, macs: macs, roundTrip: roundTrip, probes: probes, replies: replies,
            elapsed: now - startedAt, isLocal: isLocal)
    }

    // MARK: The rows of the table

    private mutating func begin(at now: Instant) -> [Output] {
        restoredAt = state == .paused ? now : nil
        state = .asking
        firstProbe = probes
        if case .once = configuration.mode { startedAt = now } else if probes == 0 { startedAt = now }
        answeredInRow = 0
        unansweredInRow = 0
        slowest = nil
        round = []
        return probe(at: now)
    }

    private mutating func pause(at now: Instant) -> [Output] {
        state = .paused
        judged = true
        guard case .monitor = configuration.mode, verdict != .unknown else { return [] }
        verdict = .unknown
        macs = []
        return [.changed(report(at: now))]
    }

    private mutating func setLocal(_ value: Bool, at now: Instant) -> [Output] {
        guard value != isLocal else { return [] }
        isLocal = value
        // What was heard before belonged to another holder, or to this host itself.
        answeredInRow = 0
        unansweredInRow = 0
        guard state == .asking, case .monitor = configuration.mode else { return [] }
        macs = []
        round = []
        return value ? become(.alive, at: now) : []
    }

    private mutating func probe(at now: Instant) -> [Output] {
        let sequence = probes
        probes += 1
        if sequence < Self.remembered { sent.append(now) } else { sent[sequence % Self.remembered] = now }
        judged = isLocal
        isExtended = false
        nextProbe = now + configuration.interval
        judgement = nil
        switch configuration.mode {
        case .once(let count, let timeout, let listensToEnd):
            let end = startedAt + timeout
            judgement = end
            // An own address needs no run of probes: what matters is who else answers.
            if probes - firstProbe >= (isLocal && !listensToEnd ? 1 : count) {
                if !listensToEnd { judgement = earlier(nextProbe, end) }
                nextProbe = nil
            }
        case .monitor:
            judgement = now + patience
        }
        return [.probe(sequence)]
    }

    /// How long a probe may stay unanswered: the interval, or less where round trips are known to be short.
    private var patience: Duration {
        guard let slowest else { return configuration.interval }
        return min(configuration.interval, max(Self.leastPatience, slowest * Self.patienceFactor))
    }

    private mutating func answered(by mac: MACAddress?, probe: Int?, at now: Instant) -> [Output] {
        replies += 1
        let took = sendingTime(of: probe ?? probes - 1).map { max(now - $0, .zero) }
        slowest = max((slowest ?? .zero) * Self.memory, took ?? .zero)
        if roundTrip == nil { roundTrip = took }
        unansweredInRow = 0
        restoredAt = nil
        switch configuration.mode {
        case .once(_, _, let listensToEnd):
            Self.note(mac, in: &macs)
            return listensToEnd || isLocal ? [] : finish(at: now)
        case .monitor(_, let rise):
            Self.note(mac, in: &round)
            roundTrip = took
            if !judged {
                judged = true
                judgement = nil
                answeredInRow += 1
            }
            guard verdict != .alive, answeredInRow >= rise else { return [] }
            macs = round
            return become(.alive, at: now)
        }
    }

    private func sendingTime(of probe: Int) -> Instant? {
        (max(probes - Self.remembered, 0)..<probes).contains(probe) ? sent[probe % Self.remembered] : nil
    }

    private static func note(_ mac: MACAddress?, in hosts: inout [MACAddress]) {
        if let mac, !hosts.contains(mac), hosts.count < maximumHosts { hosts.append(mac) }
    }

    private mutating func deadlinePassed(at now: Instant) -> [Output] {
        var outputs: [Output] = []
        if let due = judgement, now >= due {
            if case .once = configuration.mode { return finish(at: now) }
            if now - due > patience && !judged && !isExtended {
                // This machine itself has slept past the deadline: the answer may have had no chance yet.
                isExtended = true
                judgement = now + patience
                nextProbe = nextProbe.map { max($0, now + patience) }
                return []
            }
            judgement = nil
            outputs += judge(at: now)
        }
        if let due = nextProbe, now >= due {
            outputs += endRound(at: now)
            outputs += probe(at: now)
        }
        return outputs
    }

    /// The probe that is out had its time.
    private mutating func judge(at now: Instant) -> [Output] {
        guard case .monitor(let fall, let rise) = configuration.mode else { return [] }
        if isLocal {
            answeredInRow += 1
            return verdict != .alive && answeredInRow >= rise ? become(.alive, at: now) : []
        }
        guard !judged else { return [] }
        judged = true
        answeredInRow = 0
        if let restoredAt, now - restoredAt < Self.settling { return [] }
        unansweredInRow += 1
        return unansweredInRow >= fall && verdict != .silent ? become(.silent, at: now) : []
    }

    /// Reports a change of who answers for an address that is alive.
    private mutating func endRound(at now: Instant) -> [Output] {
        defer { round = [] }
        guard case .monitor = configuration.mode, verdict == .alive, isLocal || !round.isEmpty,
            Set(round) != Set(macs)
        else { return [] }
        macs = round
        return [.changed(report(at: now))]
    }

    private mutating func become(_ new: Verdict, at now: Instant) -> [Output] {
        verdict = new
        let report = report(at: now)
        if new == .silent { macs = [] }
        return [.changed(report)]
    }

    private mutating func finish(at now: Instant) -> [Output] {
        state = .finished
        verdict = isLocal || replies > 0 ? .alive : .silent
        return [.finished(report(at: now))]
    }
}
