// Registration: keeps what the DNS says of a site equal to where the site is. It asks for the site's addresses, asks
// the authority what it holds, sends one update if that differs, and looks afterwards whether it is so: NOERROR is no
// proof (RFC 2136 section 3.4.2 lets a server pass over what does not fit). It knows no socket and no clock; who runs
// it does what the outputs say and brings back what came of it (RegistrationTypes.swift). RegistrationRound.swift
// compares and decides, RegistrationSweep.swift sweeps.
//
//   state     | input                    | becomes   | does
//   idle      | register, withdraw       | observing | observe (register); begins as below (withdraw)
//             | (stays: after a random   | waiting   | nothing: a thousand that start at once do not ask at once)
//   observing | observed                 | finding   | find, where the zone is not known
//   finding   | found                    | reading   | a question to the authority
//   reading   | answer, more to ask      | reading   | the next question
//             | answer, nothing differs  | waiting   | report; ended, unless it stays
//             | answer, it differs       | updating  | the update
//   updating  | NOERROR                  | reading   | the first question again
//             | a condition has failed   | reading   | the same, RETRIES times
//             | NOTZONE                  | finding   | find, once
//   any       | trouble                  | waiting   | report; ended, unless it stays; backs off
//   observing | trouble, a lease is due  | finding   | as from observed, for what is there; then as for any trouble
//   observing, finding | recheck         | observing | observe again, RESTARTS times in a round
//   any       | clock                    | the same  | the clock's offset, and the same message again, once
//   waiting   | deadline, recheck        | observing | as from idle
//   any       | look again               | observing | as from idle; the zone is searched again, the authority asked
//
// What is asked for while a round goes on begins another one at its end.

/// One site's registration under one name.
package struct Registration: Sendable {
    /// What never changes.
    package struct Configuration: Equatable, Sendable {
        /// The name and the site.
        package var names: SiteNames
        /// This machine.
        package var machine: NodeID
        /// The time to live of the records, where no other site says another one.
        package var ttl: UInt32 = 60
        /// How long the addresses stand without being told again; nil: until they are withdrawn.
        package var lease: Duration?
        /// The name is this site's alone: no marker.
        package var isSole = false
        /// Takes the site over from another machine.
        package var adopts = false
        /// Takes its marker away with its addresses.
        package var forgets = false
        /// Does not end with the first success, or with the first trouble.
        package var stays = false
        /// How often to ask for the site's addresses.
        package var interval = Duration.seconds(60)
        /// How often to ask the authority whether all is still so.
        package var verify = Duration.seconds(600)
        /// The longest random wait at the start, for those that stay.
        package var spread = Duration.seconds(3)

        /// The usual ones.
        package init(_ names: SiteNames, machine: NodeID) {
            self.names = names
            self.machine = machine
        }
    }

    enum State: Equatable {
        case idle, waiting, observing, finding, ended
        /// Asking what is so: to compare, or to see what an update has done.
        case reading(AuthorityView, after: RegistrationPlan?)
        case updating(RegistrationPlan)
        case sweeping(Sweep)
    }

    enum Goal: Equatable { case nothing, register, withdraw }

    /// What a server has said of leases (RFC 9664), in answer to an update.
    struct Grant: Equatable {
        /// After so long it forgets the records; nil: it never does.
        var lease: Duration?
        /// When it is to be asked again, before that.
        var renewBy: Instant?
    }

    /// Updates that may meet changed records in one round.
    static let retries = 3
    /// How often a round begins anew because the network has changed: one that never rests must not keep it from its
    /// end.
    static let restarts = 3
    /// The first wait after a trouble that passes, and after one that somebody must look at; then twice as long.
    static let shortestWait = Duration.seconds(1)
    static let shortestLongWait = Duration.seconds(60)
    static let longestWait = Duration.seconds(900)
    /// What is left of a lease at least when it is renewed: sources and servers take their time.
    static let shortestReserve = Duration.seconds(10)
    /// With so many seconds left a lease is due, however short it is.
    static let longestShortReserve: UInt64 = 15
    /// With a lease, waits after a trouble that passes are this part of it at most.
    static let waitsInLease = 10
    /// What is taken for the lease where a server grants a shorter or a longer one.
    static let leases = Duration.seconds(30)...Duration.seconds(86400)  // RFC 9664 section 5.1
    /// How often in a lease other sites are looked at, by one that stays.
    static let sweepsInLease = 10
    /// A burst of changes is waited for.
    static let settling = Duration.milliseconds(200)
    /// Clocks that are further off than this are nobody's: ten years.
    static let longestOffset: Int64 = 10 * 366 * 86400

    let configuration: Configuration
    var state = State.idle
    private var goal = Goal.nothing
    /// The goal of the present round.
    var doing = Goal.nothing
    private var observed: Set<IPAddress> = []
    /// Families that nothing is known of now.
    private var keeping: Set<AddressFamily> = []
    /// What is to be under the name: what was observed, and what is kept.
    var addresses: [IPAddress] = []
    var zone: DomainName?
    /// Whether something was asked for since the round began.
    private var isStale = false
    private var latest: DNSMessage?
    /// Since the last round ended.
    private var restarts = 0
    /// Since the round began.
    var conflicts = 0
    var hasSearchedAgain = false
    private var hasSetClock = false
    private var offset: Int64 = 0
    private var wait: Duration?
    /// Until then the authority need not be asked, if the addresses are the same; nil: it is to be.
    private var verifyBy: Instant?
    /// When the lease is to be renewed; nil: there is none that this process knows of.
    private var renewBy: Instant?
    /// Why nothing is known of the addresses in this round, which only renews the lease.
    var blindness: RegistrationTrouble?
    /// The marker that this process saw last, and the one that it tried to write last.
    var known: SiteMarker?
    var attempted: SiteMarker?
    /// What the authority's marker says of the lease, by the authority's clock.
    var leaseLeft: Duration?
    /// The lease that the server has granted with the latest update, and when that is to be repeated; nil: the server
    /// has not said anything yet, or does not grant any.
    var granted: Grant?
    /// Until then nobody else's lease is looked at; nil: the next round does it.
    var sweepBy: Instant?
    /// Told once, until it changes.
    var toldTTL: UInt32?

    /// When `deadlinePassed` is due.
    package private(set) var nextDeadline: Instant?

    /// A registration that has not begun.
    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// Whether the addresses are to be under the name.
    package var isRegistering: Bool { goal == .register }
    /// Whether the site has left, or has never come.
    package var isGone: Bool { goal != .register && (state == .waiting && nextDeadline == nil || state == .idle) }

    /// Takes one input and says what to do.
    package mutating func step(
        _ input: Input, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        switch (state, input) {
        case (.ended, _): return []
        case (_, .register): return turn(to: .register, at: now, using: &random)
        case (_, .withdraw): return turn(to: .withdraw, at: now, using: &random)
        case (.waiting, .recheck):
            if goal != .nothing { nextDeadline = earlier(nextDeadline, now + Self.settling) }
            return []
        case (_, .recheck):
            isStale = isStale || goal == .register
            let isEarly = state == .observing || state == .finding
            guard isStale, isEarly, restarts < Self.restarts else { return [] }
            // What is asked for now may be of yesterday already.
            restarts += 1
            return begin(at: now, using: &random)
        case (_, .lookAgain):
            guard goal == .register else { return [] }
            wait = nil
            verifyBy = nil
            zone = nil
            return begin(at: now, using: &random)
        case (.waiting, .deadlinePassed):
            guard let due = nextDeadline, now >= due else { return [] }
            return begin(at: now, using: &random)
        case (.observing, .observed(let found, let keeping)):
            return take(found, keeping, at: now, using: &random)
        case (.finding, .found(let zone)): return take(zone, at: now, using: &random)
        case (.reading, .answer(let message)), (.updating, .answer(let message)),
            (.sweeping, .answer(let message)):
            return take(message, at: now, using: &random)
        case (.reading, .clock(let server, let own)), (.updating, .clock(let server, let own)),
            (.sweeping, .clock(let server, let own)):
            return setClock(server, own, at: now, using: &random)
        case (.observing, .trouble(let trouble)): return hold(despite: trouble, at: now, using: &random)
        case (.finding, .trouble(let trouble)),
            (.reading, .trouble(let trouble)), (.updating, .trouble(let trouble)):
            return fail(trouble, at: now, using: &random)
        case (.sweeping, .trouble): return rest(at: now, using: &random)
        default: return []
        }
    }

    private mutating func turn(
        to goal: Goal, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard self.goal != goal || state == .idle else { return [] }
        self.goal = goal
        wait = nil
        verifyBy = nil
        renewBy = nil
        if state == .idle, configuration.stays, goal == .register, configuration.spread > .zero {
            state = .waiting
            nextDeadline = now + configuration.spread * Double.random(in: 0...1, using: &random)
            return []
        }
        // What is under way is left alone: its update is done or not, and the next one will see.
        return begin(at: now, using: &random)
    }

    /// Begins a round.
    private mutating func begin(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        nextDeadline = nil
        isStale = false
        conflicts = 0
        hasSearchedAgain = false
        hasSetClock = false
        blindness = nil
        doing = goal
        switch goal {
        case .nothing:
            state = .waiting
            return []
        case .register:
            state = .observing
            return [.observe]
        case .withdraw: return search()
        }
    }

    private mutating func take(
        _ found: [IPAddress], _ keeping: Set<AddressFamily>, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let found = Set(found)
        let isSame = found == observed && keeping == self.keeping
        (observed, self.keeping) = (found, keeping)
        addresses = found.sorted()
        guard isSame, let verifyBy, now < verifyBy else { return search() }
        return pause(at: now, using: &random)
    }

    /// The sources say nothing to be believed. The site is alive all the same, and what it holds it goes on holding:
    /// when the lease is due it is renewed, or another site would take the address off.
    private mutating func hold(
        despite trouble: RegistrationTrouble, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let renewBy, now >= renewBy, let known, !known.addresses.isEmpty else {
            return fail(trouble, at: now, using: &random)
        }
        blindness = trouble
        observed = []
        keeping = Set(AddressFamily.allCases)
        addresses = known.addresses
        return search()
    }

    /// Of the addresses that are there, those stay that nothing is known of.
    mutating func keep(_ present: some Sequence<IPAddress>) {
        addresses = observed.union(present.filter { keeping.contains(AddressFamily($0)) }).sorted()
    }

    mutating func search() -> [Output] {
        guard zone == nil else { return read(after: nil) }
        state = .finding
        return [.find]
    }

    private mutating func take(
        _ zone: DomainName, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard configuration.names.name.isWithin(zone) else {
            return fail(
                .noZone("the name is not within the zone \(zone.relativeDescription)"), at: now, using: &random)
        }
        self.zone = zone
        return read(after: nil)
    }

    /// Asks the authority, to compare or to see what `plan` has done.
    mutating func read(after plan: RegistrationPlan?) -> [Output] {
        let view = AuthorityView(configuration.names, configuration.isSole ? .addresses : .everything)
        state = .reading(view, after: plan)
        return exchange(view.query)
    }

    /// Sends a message, and remembers it for another try.
    mutating func exchange(_ message: DNSMessage?) -> [Output] {
        latest = message
        return message.map { [.exchange($0)] } ?? []
    }

    private mutating func setClock(
        _ server: UInt64, _ own: UInt64, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let difference = Int64(clamping: server) - Int64(clamping: own)
        let total = offset + difference
        guard !hasSetClock, total.magnitude <= Self.longestOffset.magnitude else {
            return fail(.clock(difference), at: now, using: &random)
        }
        hasSetClock = true
        offset = total
        return [.setClock(offset: total), .report(.clockOffset(total))] + exchange(latest)
    }

    /// The round is over, and all is as it should be.
    mutating func rest(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        wait = nil
        restarts = 0
        guard configuration.stays else {
            state = .ended
            return [.ended(nil)]
        }
        // A tenth around the time, for not all to ask at once.
        let regular = configuration.verify * Double.random(in: 0.9...1.1, using: &random)
        planRenewal(at: now, using: &random)
        verifyBy = earlier(now + regular, renewBy)
        return pause(at: now, using: &random)
    }

    /// A lease is renewed when about four fifths of it are over, be it the marker's or the server's.
    mutating func planRenewal(at now: Instant, using random: inout some RandomNumberGenerator) {
        renewBy = nil
        guard doing == .register, let lease = configuration.lease else { return }
        let soonest = now + Self.shortestWait
        defer { renewBy = earlier(renewBy, granted?.renewBy.map { max($0, soonest) }) }
        guard let leaseLeft else { return }
        let reserve = max(lease * 0.15, Self.shortestReserve) + lease * Double.random(in: 0...0.05, using: &random)
        renewBy = max(now + leaseLeft - reserve, soonest)
    }

    /// Waits for the next look at the addresses.
    private mutating func pause(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        if isStale { return begin(at: now, using: &random) }
        state = .waiting
        guard goal == .register else { return [] }
        let look = now + configuration.interval * Double.random(in: 0.9...1.1, using: &random)
        nextDeadline = earlier(look, verifyBy)
        return []
    }

    /// The round is over, and it is not.
    mutating func fail(
        _ trouble: RegistrationTrouble, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        restarts = 0
        guard configuration.stays else {
            state = .ended
            return [.report(.trouble(trouble, retryIn: nil)), .ended(trouble)]
        }
        let shortest = trouble.passesSoon ? Self.shortestWait : Self.shortestLongWait
        // Sources cost nobody else anything: they are asked again as often as when all is well.
        var longest = Self.longestWait
        if trouble.passesSoon, let lease = configuration.lease {
            longest = min(longest, lease / Self.waitsInLease)
        }
        if case .noAddress = trouble { longest = min(longest, max(shortest, configuration.interval)) }
        let pause = min(max(shortest, (wait ?? .zero) * 2), longest)
        wait = pause
        verifyBy = nil
        // Its servers may have moved.
        zone = nil
        state = .waiting
        // What was asked for meanwhile is tried at once, as the first time.
        let jittered = isStale ? Self.settling : pause * Double.random(in: 0.75...1.25, using: &random)
        let due = earlier(now + jittered, renewBy.flatMap { $0 > now ? $0 : nil }) ?? now + jittered
        nextDeadline = due
        return [.report(.trouble(trouble, retryIn: due - now))]
    }
}
