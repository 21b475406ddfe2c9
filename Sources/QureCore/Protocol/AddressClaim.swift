// AddressClaim: one host's hold on a set of addresses that move as one (RFC 5227, and its sense for IPv6): look whether
// somebody has them, take them, tell the link, keep them, defend them or give them up.
// It decides only; the tool puts addresses on interfaces and frames on the link. Used by `qure-claim hold` and
// `follow`. Probing is a shortened RFC 5227 section 2.1.1: a take-over cannot wait seven seconds. Of two hosts that
// probe at once the one with the lower hardware address goes on; the RFC would stop both, and two shell loops would
// do so for ever.
//
//   state     input                     → state      outputs
//   idle      take(probing: false)      → holding    install, announce, taken
//   idle      take(probing: true)       → waiting    (a random moment, so that two rarely start together)
//   waiting   deadline                  → probing    probe
//   waiting,  a host has it             → idle       refused(held)
//   probing   a lower MAC claims it     → idle       refused(rival)
//   probing   deadline                  → probing    probe; after the last: as take(probing: false)
//   waiting,  link lost                 → waiting    (nobody can be asked)
//   probing   link restored             → waiting    (from the beginning)
//   holding   deadline                  → holding    announce on schedule; check for a second holder; renew
//   holding   anything, a lease late    → waiting    withdraw(asleep): others may have taken it; look again
//   holding   link restored             → holding    install, announce
//   holding   deadline, no link for long→ waiting    withdraw(unplugged): others have taken it; look again
//   holding   a host has it             → holding    first time in DEFEND_INTERVAL: announce, conflict
//                                       → idle       again, if it gives up: withdraw(conflict)
//   holding   vanished                  → holding    install, announce
//   holding   announceAgain             → holding    announce, on schedule from the beginning
//   holding   handing over              → holding    nothing is announced or defended
//   any       release                   → idle       withdraw, if it was holding

/// The claim of one host on addresses that move as one.
package struct AddressClaim: Sendable {
    /// Who decides that this host may hold the addresses.
    package enum Authority: Equatable, Sendable {
        /// Nobody else: this host looks before it takes, asks now and then whether it is alone, renews its own lease,
        /// and gives up what it cannot defend (RFC 5227 section 2.4 (b)).
        case own
        /// An elector, which renews the lease by its events: nothing is asked, conflicts with members of the cluster
        /// are its business, and those with strangers never end the claim (section 2.4 (c)), or two forged frames
        /// would unseat the master.
        case elector
    }

    /// What to claim.
    package struct Configuration: Sendable {
        /// At least one; they are taken and given up together.
        package var addresses: [IPAddress]
        /// This host's own hardware address on the link.
        package var identity: MACAddress
        /// Who may renew the lease.
        package var authority: Authority
        /// How long the addresses may stay without being renewed.
        package var lease: Duration

        /// A configuration of at least one address.
        package init(addresses: [IPAddress], identity: MACAddress, authority: Authority, lease: Duration) {
            precondition(!addresses.isEmpty && lease > .zero, "a claim needs an address and a lease")
            self.addresses = addresses
            self.identity = identity
            self.authority = authority
            self.lease = lease
        }
    }

    /// What happened.
    package enum Input: Equatable, Sendable {
        /// Take the addresses, after asking for them or at once.
        case take(probing: Bool)
        /// Something was heard about one of the addresses, never from this host itself.
        case heard(Sighting)
        /// The kernel no longer has one of the addresses.
        case vanished
        /// Somebody else may have answered for the addresses.
        case announceAgain
        /// The link has no carrier, or is down.
        case linkLost
        case linkRestored
        /// Whether an heir is about to take them: from then on nothing is announced or defended.
        case handOver(Bool)
        /// Give them up.
        case release
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        /// Ask for every address as a host about to take it.
        case probe
        /// Put every address on the interface.
        case install
        /// Announce every address.
        case announce
        /// Ask whether anybody else has the addresses.
        case checkForOthers
        /// Renew the lease of every address.
        case renew
        /// Take every address off the interface.
        case withdraw
        case report(Report)
    }

    /// What is worth telling.
    package enum Report: Equatable, Sendable {
        case taken
        /// Not taken: a host has the address.
        case heldBy(Sighting)
        /// Not taken: a host that goes first is about to.
        case rival(Sighting)
        /// Held, and somebody else says so too; whether this was answered.
        case conflict(Sighting, defended: Bool)
        /// Given up to a host that did not give way.
        case lost(Sighting)
        /// This process slept for longer than the lease, or the link was away for long enough to be succeeded.
        case asleep(Duration)
        case unplugged(Duration)
        /// An address was gone and has been put back.
        case reinstated
    }

    // RFC 5227 section 1.1 has PROBE_WAIT 1 s, PROBE_NUM 3, PROBE_MIN 1 s, ANNOUNCE_WAIT 2 s; those below are ours,
    // for LANs on which a neighbour answers in milliseconds.
    /// A random wait before the first probe, at most this.
    static let probeWait = Duration.milliseconds(50)
    /// Probes before the addresses are taken for free.
    static let probeNumber = 3
    /// From one probe to the next, and from the last one to taking the addresses.
    static let probeInterval = Duration.milliseconds(20)
    /// DEFEND_INTERVAL, RFC 5227 section 1.1.
    static let defendInterval = Duration.seconds(10)
    /// The two forms of one announcement are one conflict, not two.
    static let conflictBurst = Duration.milliseconds(5)
    /// How often a holder by its own authority asks whether somebody else has the addresses too.
    static let checkInterval = Duration.seconds(1)
    /// A link that was away for less than this comes back as a holder's: nobody can have taken over so soon. After it
    /// the addresses are withdrawn, so that they are not there when the link comes back.
    static let linkTolerance = Duration.milliseconds(150)
    /// When the addresses are announced after they were taken: at once for the take-over itself, then again because
    /// frames get lost and switches are late.
    package static let announcements: [Duration] = [
        .zero, .milliseconds(10), .milliseconds(50), .milliseconds(200), .milliseconds(1100), .seconds(3),
    ]
    /// And from then on.
    static let announceInterval = Duration.seconds(30)
    /// The lease is renewed this often in its time.
    static let renewalsInLease = 4

    /// Where the claim stands.
    package enum State: String, Equatable, Sendable { case idle, waiting, probing, holding }

    private let configuration: Configuration
    /// Where the claim stands.
    package private(set) var state = State.idle
    private var probesSent = 0
    private var repetitions = 0
    private var nextProbe: Instant?
    private var takenAt = Instant(nanoseconds: 0)
    private var nextAnnouncement: Instant?
    private var nextCheck: Instant?
    private var nextRenewal: Instant?
    private var renewedAt = Instant(nanoseconds: 0)
    private var linkLostAt: Instant?
    private var lastConflict: Instant?
    private var lastDefence: Instant?
    private var isHandingOver = false

    /// A claim that holds nothing yet.
    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// Members of the cluster by their own hardware addresses, whose claims are not defended against.
    package var peers: Set<MACAddress> = []

    /// When `deadlinePassed` is due; nil when there is nothing to wait for.
    package var nextDeadline: Instant? {
        switch state {
        case .idle: nil
        case .waiting, .probing: nextProbe
        case .holding: earlier(earlier(nextAnnouncement, unplugsAt), earlier(nextCheck, nextRenewal))
        }
    }

    /// When a holder by its own authority whose link is away counts as unplugged.
    private var unplugsAt: Instant? {
        configuration.authority == .own ? linkLostAt.map { $0 + Self.linkTolerance } : nil
    }

    /// Takes one input and says what to do, in this order.
    package mutating func step(
        _ input: Input, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if input != .release, let silence = lateness(at: now) {
            // The fence has closed and a successor may be there: nothing is said or done before asking.
            if input == .linkLost { linkLostAt = linkLostAt ?? now }
            if input == .linkRestored { linkLostAt = nil }
            return [.withdraw, .report(.asleep(silence))] + wait(at: now, using: &random)
        }
        switch (state, input) {
        case (.idle, .take(let probing)), (.waiting, .take(let probing)), (.probing, .take(let probing)):
            return probing ? wait(at: now, using: &random) : take(at: now)
        case (.waiting, .deadlinePassed), (.probing, .deadlinePassed): return probe(at: now)
        case (.waiting, .heard(let sighting)), (.probing, .heard(let sighting)): return heardBefore(sighting)
        case (.holding, .heard(let sighting)): return heardWhileHolding(sighting, at: now)
        case (.holding, .deadlinePassed): return unplugged(at: now, using: &random) ?? keep(at: now)
        case (.holding, .vanished): return linkLostAt == nil ? reinstall(at: now) : []
        case (.holding, .announceAgain): return linkLostAt == nil && !isHandingOver ? announceAfresh(at: now) : []
        case (_, .linkLost):
            linkLostAt = linkLostAt ?? now
            if state == .probing { state = .waiting }
            if state == .waiting { nextProbe = nil }
            return []
        case (_, .linkRestored): return linkRestored(at: now, using: &random)
        case (_, .handOver(let value)):
            isHandingOver = value
            return []
        case (_, .release):
            let wasHolding = state == .holding
            state = .idle
            return wasHolding ? [.withdraw] : []
        case (.holding, .take), (.idle, _), (.waiting, .vanished), (.probing, .vanished): return []
        case (.waiting, .announceAgain), (.probing, .announceAgain): return []
        }
    }

    // MARK: Before

    private mutating func wait(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        guard state == .idle || state == .holding else { return [] }
        beginToAsk(at: now, using: &random)
        return []
    }

    /// Not at once, so that two hosts rarely start together; and not while nobody could hear the question.
    private mutating func beginToAsk(at now: Instant, using random: inout some RandomNumberGenerator) {
        state = .waiting
        probesSent = 0
        repetitions = 0
        let delay = Duration.nanoseconds(Int64.random(in: 1...Self.probeWait.nanoseconds, using: &random))
        nextProbe = linkLostAt == nil ? now + delay : nil
    }

    private mutating func probe(at now: Instant) -> [Output] {
        guard let due = nextProbe, now >= due else { return [] }
        // This machine itself slept: an answer to the last probe had no chance to be heard yet. One that is always late
        // must come to an end all the same.
        let slept = state == .probing && now - due > Self.probeInterval && repetitions < Self.probeNumber
        guard probesSent < Self.probeNumber || slept else { return take(at: now) }
        state = .probing
        if slept { repetitions += 1 } else { probesSent += 1 }
        nextProbe = now + Self.probeInterval
        return [.probe]
    }

    private mutating func heardBefore(_ sighting: Sighting) -> [Output] {
        switch sighting.kind {
        case .holds:
            state = .idle
            return [.report(.heldBy(sighting))]
        case .claims where sighting.identity < configuration.identity:
            state = .idle
            return [.report(.rival(sighting))]
        case .claims, .asks:
            return []
        }
    }

    // MARK: Holding

    private mutating func take(at now: Instant) -> [Output] {
        state = .holding
        isHandingOver = false
        lastConflict = nil
        lastDefence = nil
        nextCheck = configuration.authority == .own ? now + Self.checkInterval : nil
        return [.install] + announceAfresh(at: now) + [.report(.taken)]
    }

    private mutating func announceAfresh(at now: Instant) -> [Output] {
        takenAt = now
        nextAnnouncement = announcementDue(after: now)
        renewed(at: now)
        return [.announce]
    }

    /// The next announcement of the schedule; one that was missed is left out, not those behind it.
    private func announcementDue(after now: Instant) -> Instant {
        Self.announcements.lazy.map { takenAt + $0 }.first { $0 > now } ?? now + Self.announceInterval
    }

    private mutating func renewed(at now: Instant) {
        renewedAt = now
        nextRenewal = configuration.authority == .own ? now + configuration.lease / Self.renewalsInLease : nil
    }

    private mutating func reinstall(at now: Instant) -> [Output] {
        [.install] + announceAfresh(at: now) + [.report(.reinstated)]
    }

    private mutating func linkRestored(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        guard linkLostAt != nil else { return [] }
        // A process that was late has not noticed yet.
        let outputs = unplugged(at: now, using: &random)
        linkLostAt = nil
        if state == .waiting { beginToAsk(at: now, using: &random) }
        return outputs ?? (state == .holding ? reinstall(at: now) : [])
    }

    /// What a holder by its own authority does whose link is away for so long that it has been succeeded; nil while
    /// that is not so.
    private mutating func unplugged(
        at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output]? {
        guard state == .holding, let lost = linkLostAt, let due = unplugsAt, now >= due else { return nil }
        return [.withdraw, .report(.unplugged(now - lost))] + wait(at: now, using: &random)
    }

    /// For how long this holder by its own authority has not renewed its lease, if that is over; otherwise nil.
    private func lateness(at now: Instant) -> Duration? {
        let silence = now - renewedAt
        let isLate = state == .holding && configuration.authority == .own && silence > configuration.lease
        return isLate ? silence : nil
    }

    private mutating func keep(at now: Instant) -> [Output] {
        var outputs: [Output] = []
        if let due = nextRenewal, now >= due {
            renewed(at: now)
            outputs.append(.renew)
        }
        if let due = nextCheck, now >= due {
            nextCheck = now + Self.checkInterval
            outputs.append(.checkForOthers)
        }
        if let due = nextAnnouncement, now >= due {
            nextAnnouncement = announcementDue(after: now)
            if !isHandingOver { outputs.append(.announce) }
        }
        return outputs
    }

    private mutating func heardWhileHolding(_ sighting: Sighting, at now: Instant) -> [Output] {
        guard sighting.kind == .holds, !isHandingOver else { return [] }
        switch configuration.authority {
        case .own:
            let previous = lastConflict
            guard isNewConflict(at: now) else { return [] }
            if let previous, now - previous < Self.defendInterval {
                state = .idle
                return [.withdraw, .report(.lost(sighting))]
            }
            return [.announce, .report(.conflict(sighting, defended: true))]
        case .elector where peers.contains(sighting.identity):
            guard isNewConflict(at: now) else { return [] }
            return [.report(.conflict(sighting, defended: false))]
        case .elector:
            if let lastDefence, now - lastDefence < Self.defendInterval { return [] }
            lastDefence = now
            return [.announce, .report(.conflict(sighting, defended: true))]
        }
    }

    private mutating func isNewConflict(at now: Instant) -> Bool {
        if let lastConflict, now - lastConflict < Self.conflictBurst { return false }
        lastConflict = now
        return true
    }
}
