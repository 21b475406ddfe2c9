// Simulation: a cluster on a simulated link in virtual time, driven by one seed: losses, delays, copies, partitions,
// hosts that crash, pause, wake, are cloned or restored, clocks that drift, a gateway that comes and goes, an attacker
// who plays recordings. Safety is judged at every step, liveness after everything has healed. The machines are those
// that the tool runs.

import QureCore

/// A broken promise.
package struct Violation: Error, CustomStringConvertible {
    package var invariant: String
    package var description: String
}

package struct Simulation {
    /// A message on its way, one for all its receivers.
    final class Datagram: Sendable {
        let message: ElectionMessage
        init(_ message: ElectionMessage) { self.message = message }
    }

    /// What is to happen.
    enum Event {
        case deliver(Datagram, from: Int, to: Int, isReplay: Bool)
        case timer(host: Int, life: Int, due: Int64)
        /// The follower has put the address there, or taken it away, and the kernel tells.
        case address(host: Int, life: Int, isPresent: Bool)
        case leaseEnds(host: Int, life: Int)
        case gatewayAnswers(host: Int, life: Int)
        case fault(Fault)
    }

    package let seed: UInt64
    package internal(set) var now: Int64 = 0
    var hosts: [SimulatedHost] = []
    var network: SimulatedNetwork
    var queue = EventQueue<Event>()
    var random: SplitMix64
    var settings: Settings
    package internal(set) var statistics = Statistics()
    package internal(set) var violations: [Violation] = []
    /// The story, if it is asked for.
    package var trace: [String]?
    var recordings: [(datagram: Datagram, from: Int)] = []
    var twoHoldersSince: Int64?
    var nobodySince: Int64?
    /// When something last happened to a host or the link that the members could not know of.
    var disturbedAt: Int64 = 0
    /// When anything at all last happened.
    var touchedAt: Int64 = 0
    /// What becomes of the next datagrams.
    var fates: [Fate] = []
    /// Until then a device that is no member has the address.
    var strangerUntil: Int64 = 0
    var termsWhenCalm: [UInt64]?
    /// From then on nothing disturbs any more.
    var healedAt: Int64?

    /// The cluster that a seed makes.
    struct Settings {
        var hosts: Int
        var interval: Duration
        var tolerance: Duration
        var requiresGateway: Bool
        var preempts: Bool
        var duration: Int64
        var faults: Int

        /// How much longer than usual a slow follower needs: one to three intervals, and not so long that a master has
        /// to be taken for one whose followers cannot.
        var slowness: ClosedRange<Int64> {
            let limit = max(tolerance, .milliseconds(100)) - .milliseconds(20)
            return interval.nanoseconds...min(interval * 3, limit).nanoseconds
        }
    }

    /// What was reached, so that a simulation that reaches nothing is noticed.
    package struct Statistics: Sendable {
        package var steps = 0
        package var messages = 0
        package var sent = 0
        package var takeOvers = 0
        package var transfers = 0
        /// Heartbeats that only repeated the last one.
        package var repetitions = 0
        package var duels = 0
        package var faults: [String: Int] = [:]
        package var events: [String: Int] = [:]
        package var transitions: [String: Int] = [:]
        package var longestTwoHolders: Int64 = 0
        package var longestNobody: Int64 = 0
        package init() {}

        package mutating func add(_ other: Statistics) {
            steps += other.steps
            messages += other.messages
            sent += other.sent
            takeOvers += other.takeOvers
            transfers += other.transfers
            repetitions += other.repetitions
            duels += other.duels
            faults.merge(other.faults, uniquingKeysWith: +)
            events.merge(other.events, uniquingKeysWith: +)
            transitions.merge(other.transitions, uniquingKeysWith: +)
            longestTwoHolders = max(longestTwoHolders, other.longestTwoHolders)
            longestNobody = max(longestNobody, other.longestNobody)
        }
    }

    static let millisecond: Int64 = 1_000_000
    static let second: Int64 = 1_000_000_000
    static let stranger = MACAddress(rawValue: 0x52_54_00_00_00_99)

    /// The cluster of `seed`, with all its hosts off.
    package init(seed: UInt64, traces: Bool = false) {
        var random = SplitMix64(seed: seed)
        let profiles: [(Duration, Duration)] = [
            (.milliseconds(100), .milliseconds(200)), (.milliseconds(100), .milliseconds(200)),
            (.milliseconds(200), .seconds(1)), (.milliseconds(20), .milliseconds(60)),
        ]
        let profile = profiles[random.pick(0...3)]
        let settings = Settings(
            hosts: random.pick(2...8), interval: profile.0, tolerance: profile.1, requiresGateway: random.chance(50),
            preempts: random.chance(25), duration: 60 * Self.second, faults: random.pick(5...14))
        self.init(seed: seed, settings: settings, traces: traces, random: random)
    }

    /// A cluster of hosts that are off.
    init(seed: UInt64, settings: Settings, traces: Bool = false, random: SplitMix64? = nil) {
        self.seed = seed
        var random = random ?? SplitMix64(seed: seed)
        self.settings = settings
        network = SimulatedNetwork(hosts: settings.hosts)
        if traces { trace = [] }
        for index in 0..<settings.hosts {
            let host = SimulatedHost(
                index: index, election: Election(Self.configuration(index, settings, &random)),
                clock: SimulatedClock(
                    rate: 1 + Double(random.pick(-200...200)) / 1_000_000,
                    offset: random.pick(0...(100 * Self.second))),
                random: SplitMix64(seed: random.next()))
            hosts.append(host)
        }
        self.random = random
    }

    private static func configuration(
        _ index: Int, _ settings: Settings, _ random: inout SplitMix64
    ) -> Election.Configuration {
        var configuration = Election.Configuration(
            cluster: 1, node: NodeID(rawValue: random.next()), session: random.next(), name: "h\(index + 1)",
            mac: MACAddress(rawValue: UInt64(0x02_00_00_00_00_00 + index)))
        configuration.interval = settings.interval
        configuration.tolerance = settings.tolerance
        configuration.requiresGateway = settings.requiresGateway
        configuration.priority = random.chance(30) ? UInt8(90 + random.pick(0...20)) : 100
        if settings.preempts { configuration.preemption = .after(.seconds(2)) }
        return configuration
    }

    // MARK: Running

    /// Until then, and for as long after that as it takes to hand over if somebody is about to: to who is preferred.
    private mutating func runToCalm(at time: Int64) {
        run(until: time)
        if hosts.contains(where: { $0.election.role == .transferring }) { run(until: time + Self.second / 2) }
    }

    /// Plays the whole story: faults, then healing, then a calm in which everything must be right.
    package mutating func run() {
        for index in hosts.indices { start(index, after: random.pick(0...(random.chance(50) ? 0 : 2 * Self.second))) }
        if random.chance(12) { strangerUntil = random.pick(Self.second...8 * Self.second) }
        for _ in 0..<settings.faults {
            let time = random.pick(Self.second...(settings.duration - 15 * Self.second))
            queue.insert(.fault(randomFault()), at: time)
        }
        let healing = settings.duration - 12 * Self.second
        run(until: healing)
        heal()
        healedAt = now
        runToCalm(at: settings.duration - 4 * Self.second)
        judgeCalm()
        termsWhenCalm = hosts.map(\.election.term)
        runToCalm(at: settings.duration)
        judgeCalm()
        if let terms = termsWhenCalm, !settings.preempts, terms != hosts.map(\.election.term) {
            violate("I5", "terms grew while nothing happened: \(terms) -> \(hosts.map(\.election.term))")
        }
    }

    mutating func run(until end: Int64) {
        while violations.isEmpty, let next = queue.nextTime, next <= end, let (time, event) = queue.popFirst() {
            now = max(now, time)
            statistics.steps += 1
            if statistics.steps > 3_000_000 {
                return violate("end", "too many steps; the last is \(String(describing: event).prefix(300))")
            }
            handle(event)
            judge()
        }
        now = max(now, end)
        judge()
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .deliver(let datagram, let from, let to, let isReplay): deliver(datagram, from, to, isReplay)
        case .timer(let index, let life, let due):
            guard hosts[index].life == life, hosts[index].state == .running, hosts[index].timerSet == due else {
                return
            }
            hosts[index].timerSet = nil
            step(index, .deadlinePassed)
        case .address(let index, let life, let isPresent):
            guard hosts[index].life == life, hosts[index].state != .off else { return }
            if hosts[index].state == .paused || hosts[index].state == .frozen {
                // What waits is told when it runs again.
                queue.insert(event, at: now + 5 * Self.millisecond)
                return
            }
            // What is told late is how it is now: it may have been put there again.
            hosts[index].isPresent = (isPresent || hosts[index].isPresent) && hosts[index].leaseUntil != nil
            if hosts[index].isPresent { judgeSuccession(index) }
            step(index, .addressPresent(hosts[index].isPresent))
        case .leaseEnds(let index, let life): endLease(index, life)
        case .gatewayAnswers(let index, let life):
            guard hosts[index].life == life, hosts[index].state == .running else { return }
            hosts[index].gatewayHeard = hosts[index].clock.local(now)
            step(index, .gatewayAnswered)
        case .fault(let fault): apply(fault)
        }
    }

    private mutating func deliver(_ datagram: Datagram, _ from: Int, _ to: Int, _ isReplay: Bool) {
        let isRunning = hosts[to].state == .running
        if isRunning || hosts[to].isListening, !isReplay, datagram.message.kind == .heartbeat {
            noteHeartbeat(datagram.message, at: to)
        }
        switch hosts[to].state {
        case .running: receive(datagram.message, from, to, isReplay, at: hosts[to].clock.local(now))
        case .frozen where hosts[to].waiting.count < SimulatedHost.queueLimit:
            hosts[to].waiting.append((datagram, from, isReplay, hosts[to].clock.local(now)))
        default: return
        }
    }

    mutating func receive(
        _ message: ElectionMessage, _ from: Int, _ to: Int, _ isReplay: Bool, at arrival: Int64
    ) {
        statistics.messages += 1
        let input = Election.Input.heard(message, received: Instant(nanoseconds: arrival))
        guard isReplay, isStale(message, for: to, at: arrival) else {
            if message.kind == .response, let echo = message.echo { hosts[to].nonces[echo] = nil }
            step(to, input, answering: from)
            noteBelieved(message, by: to)
            return
        }
        let before = hosts[to].election
        step(to, input, answering: from)
        let after = hosts[to].election
        if after.role != before.role || after.term != before.term || after.master?.standing != before.master?.standing
            || after.members[message.node]?.session != before.members[message.node]?.session
            || after.members[message.node]?.sequence != before.members[message.node]?.sequence
        {
            violate("I6", "a recording changed \(name(to)) from \(before.role) to \(after.role): \(message)")
        }
    }

    /// One step of one machine, and what follows from it.
    mutating func step(_ index: Int, _ input: Election.Input, answering: Int? = nil) {
        let time = Instant(nanoseconds: hosts[index].clock.local(now))
        let before = hosts[index].election.role
        var random = hosts[index].random
        let repetition = input == .deadlinePassed ? repetition(index, at: time, random) : nil
        let outputs = hosts[index].election.step(input, at: time, using: &random)
        if let repetition { judge(repetition, index, outputs) }
        hosts[index].random = random
        let role = hosts[index].election.role
        if role != before {
            statistics.transitions["\(before.rawValue) -> \(role.rawValue)", default: 0] += 1
            if trace != nil { note("\(name(index)) \(before.rawValue) -> \(role.rawValue) on \(input)") }
        }
        if role == .claiming, before != .claiming { judgeClaim(index) }
        for output in outputs { perform(output, index, answering) }
        judgeFitness(index)
        if case .deadlinePassed = input, let next = hosts[index].election.nextDeadline, next <= time {
            violate("I7", "\(name(index)) wants to be woken at once again: \(role)")
        }
        setTimer(index)
    }

    mutating func setTimer(_ index: Int) {
        guard let deadline = hosts[index].election.nextDeadline, hosts[index].state == .running else { return }
        // Timers come late by a little, as they do.
        let late = Int64(hosts[index].random.next() % 200_000)
        let due = max(hosts[index].clock.trueTime(deadline.nanoseconds), now) + late
        if let set = hosts[index].timerSet, set <= due && set >= now { return }
        hosts[index].timerSet = due
        queue.insert(.timer(host: index, life: hosts[index].life, due: due), at: due)
    }

    private mutating func perform(_ output: Election.Output, _ index: Int, _ answering: Int?) {
        switch output {
        case .send(let message, let destination): send(message, from: index, to: destination, answering)
        case .event(let event): follow(event, index)
        case .probeAddress:
            if now < strangerUntil {
                hosts[index].hasSeenStranger = true
                answer(index, by: Self.stranger)
            }
            for other in hosts.indices
            where other != index && hosts[other].answers(now) && network.connects(index, other) {
                answer(index, by: MACAddress(rawValue: UInt64(0x02_00_00_00_00_00 + other)))
            }
        case .probeGateway:
            if network.reachesGateway(index) {
                queue.insert(
                    .gatewayAnswers(host: index, life: hosts[index].life), at: now + random.pick(200_000...2_000_000))
            }
        case .remember(let term): judgeTerm(term, index)
        case .unheard: statistics.events["unheard", default: 0] += 1
        case .renamed: statistics.events["renamed", default: 0] += 1
        case .ended: stop(index)
        }
    }

    /// Somebody answers a question for the address. Whom the host does not know it believes a stranger, until four
    /// questions, a second apart, find nobody.
    private mutating func answer(_ index: Int, by mac: MACAddress) {
        if !hosts[index].election.members.values.contains(where: { $0.mac == mac }) {
            hosts[index].fitFrom = now + 5 * Self.second
        }
        step(index, .addressAnswered(by: mac))
    }

    private mutating func send(
        _ message: ElectionMessage, from: Int, to destination: Election.Destination, _ answering: Int?
    ) {
        let datagram = Datagram(message)
        if message.kind == .heartbeat { hosts[from].lastHeartbeat = message }
        if message.kind == .challenge, let nonce = message.nonce {
            hosts[from].nonces[nonce] = hosts[from].nonces[nonce] ?? hosts[from].clock.local(now)
        }
        if message.kind == .acknowledgement, !hosts[from].answers(now) {
            violate("I12", "\(name(from)) acknowledges an address that it does not have")
        }
        let isWorthIt = message.kind == .claim || message.kind == .response
        if hosts[from].random.chance(2) || isWorthIt { recordings.append((datagram, from)) }
        if recordings.count > 400 { recordings.removeFirst(200) }
        statistics.sent += 1
        guard !network.losesAtSender(&random) else { return }
        switch destination {
        case .group: for to in hosts.indices where to != from { transmit(datagram, from, to) }
        case .member(let node):
            for to in hosts.indices where to != from && hosts[to].election.configuration.node == node {
                transmit(datagram, from, to)
            }
        case .sender: if let answering { transmit(datagram, from, answering) }
        }
    }

    private mutating func transmit(_ datagram: Datagram, _ from: Int, _ to: Int) {
        var late: Int64 = 0
        if !fates.isEmpty {
            switch fates.removeFirst() {
            case .arrives: break
            case .isLost: return
            case .isLate: late = 120 * Self.millisecond
            }
        }
        for delay in network.delays(from, to, &random) {
            queue.insert(.deliver(datagram, from: from, to: to, isReplay: false), at: now + delay + late)
        }
    }

    // MARK: The follower

    private mutating func follow(_ event: Election.Event, _ index: Int) {
        statistics.events[event.state.rawValue, default: 0] += 1
        switch event.state {
        case .master, .alive, .transferring:
            if event.state != .transferring && event.term < hosts[index].election.highestTerm {
                violate("I4", "\(name(index)) announces term \(event.term) after \(hosts[index].election.highestTerm)")
            }
            guard let at = event.at, let lease = event.lease else { return }
            noteHandOver(event, index)
            judgeRenewal(event, at.nanoseconds, index)
            hosts[index].renewedAt = at.nanoseconds
            if event.state == .master, event.reason == nil {
                statistics.takeOvers += 1
                if trace != nil { note("\(name(index)) master term \(event.term)") }
            }
            hosts[index].heldTerm = event.term
            let until = at.nanoseconds + lease.nanoseconds
            let isNew = hosts[index].leaseUntil == nil
            hosts[index].leaseUntil = until
            let life = hosts[index].life
            queue.insert(.leaseEnds(host: index, life: life), at: hosts[index].clock.trueTime(until) + 1)
            if isNew, !hosts[index].refusesAddress {
                let delay = random.pick(200_000...3_000_000) + hosts[index].followerDelay
                queue.insert(.address(host: index, life: life, isPresent: true), at: now + delay)
            }
        case .claiming: break
        default:
            judgeHandOver(index)
            hosts[index].renewedAt = nil
            withdraw(index)
        }
    }

    mutating func withdraw(_ index: Int) {
        guard hosts[index].leaseUntil != nil else { return }
        hosts[index].leaseUntil = nil
        hosts[index].isPresent = false
        queue.insert(.address(host: index, life: hosts[index].life, isPresent: false), at: now + 100_000)
    }

    private mutating func endLease(_ index: Int, _ life: Int) {
        guard hosts[index].life == life, let until = hosts[index].leaseUntil, hosts[index].state != .paused,
            hosts[index].clock.local(now) >= until
        else { return }
        withdraw(index)
    }

    // MARK: Telling

    func name(_ index: Int) -> String { "h\(index + 1)" }

    mutating func note(_ text: String) {
        let milliseconds = now / Self.millisecond
        trace?.append("\(milliseconds / 1000).\(String(1000 + milliseconds % 1000).dropFirst()) \(text)")
    }

    mutating func violate(_ invariant: String, _ text: String) {
        if trace != nil { note("VIOLATION \(invariant): \(text)") }
        violations.append(
            Violation(invariant: invariant, description: "\(invariant) at \(now / Self.millisecond) ms: \(text)"))
    }
}
