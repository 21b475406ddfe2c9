// What can happen to a simulated cluster, and how it is undone.

import QureCore

/// A fault, as a seed chooses it.
enum Fault: Equatable {
    case crash(Int), restart(Int, losesState: Bool), freeze(Int, time: Int64), thaw(Int)
    case pause(Int, time: Int64, clockRunsOn: Bool), resume(Int)
    case cutHost(Int), partition(Set<Int>), oneWay(Int, Int), loss(Int), oneWayLoss(Int, Int, percent: Int)
    case delays(Int64), copies, healNetwork
    case gatewayDown, gatewayCut(Int)
    case leave(Int), resign(Int), maintenance(Int, Bool), unhealthy(Int, Bool), suspicion(Int)
    /// The cable is out and in again, and the host sees it.
    case linkDown(Int), linkUp(Int)
    /// The machine's own notices: its power button, and a sleep that it tells of before and after.
    case powerButton(Int), suspend(Int, time: Int64), awake(Int)
    case clone(Int, from: Int), snapshot(Int), restore(Int), replay, flood(Int), noAddress(Int, Bool)
    case down(Int)
    /// It is saved; then it dies, which the others are told, and starts anew; long after that, what was saved goes on.
    case oldSnapshot(Int)
    /// Its followers need so much longer to put the address there.
    case slowFollower(Int, Int64)

    var name: String { String(String(describing: self).prefix { $0 != "(" }) }
}

extension Simulation {
    mutating func randomFault() -> Fault {
        let host = random.pick(0...(hosts.count - 1))
        let other = (host + random.pick(1...max(hosts.count - 1, 1))) % hosts.count
        let short = random.pick(20 * Self.millisecond...400 * Self.millisecond)
        let long = random.pick(400 * Self.millisecond...8 * Self.second)
        let time = random.chance(60) ? short : long
        switch random.pick(0...30) {
        case 0, 1: return .crash(masterOr(host))
        case 2: return .freeze(masterOr(host), time: time)
        case 3, 4: return .pause(masterOr(host), time: time, clockRunsOn: random.chance(40))
        case 5: return .cutHost(masterOr(host))
        case 6: return .partition(Set(hosts.indices.filter { _ in random.chance(50) }))
        case 7: return .oneWay(host, other)
        case 8: return .loss(random.chance(50) ? 10 : 30)
        case 9: return .oneWayLoss(masterOr(host), other, percent: random.pick(30...100))
        case 10: return .delays(random.pick(2 * Self.millisecond...60 * Self.millisecond))
        case 11: return .copies
        case 12: return .gatewayDown
        case 13: return .gatewayCut(masterOr(host))
        case 14: return .leave(masterOr(host))
        case 15: return .resign(masterOr(host))
        case 16: return .maintenance(masterOr(host), true)
        case 17: return .unhealthy(masterOr(host), true)
        case 18: return .suspicion(host)
        case 19: return .clone(other, from: host)
        case 20: return .snapshot(masterOr(host))
        case 21, 22: return .replay
        case 23: return .flood(masterOr(host))
        case 24: return .noAddress(masterOr(host), true)
        case 25: return .linkDown(masterOr(host))
        case 26: return .powerButton(masterOr(host))
        case 27: return .suspend(masterOr(host), time: time)
        case 28: return .oldSnapshot(masterOr(host))
        case 29: return .slowFollower(host, random.pick(settings.slowness))
        default: return .down(masterOr(host))
        }
    }

    /// A placeholder that `apply` replaces by the master of the moment, two times out of three.
    private mutating func masterOr(_ host: Int) -> Int { random.chance(66) ? -1 : host }

    private func resolve(_ host: Int) -> Int {
        host >= 0 ? host : hosts.firstIndex { $0.election.role == .master && $0.state == .running } ?? 0
    }

    private mutating func later(_ time: ClosedRange<Int64>, _ fault: Fault) {
        queue.insert(.fault(fault), at: now + random.pick(time))
    }

    mutating func apply(_ fault: Fault) {
        // After the healing, only what ends a fault still happens.
        if healedAt != nil, !isUndoing(fault) { return }
        // What two holders may take is counted from the last change.
        if fault == .healNetwork { twoHoldersSince = nil }
        statistics.faults[fault.name, default: 0] += 1
        if trace != nil { note("-- \(fault)") }
        touchedAt = now
        if !isForeseen(fault) { disturbedAt = now }
        let some = 300 * Self.millisecond...6 * Self.second
        switch fault {
        case .crash(let host):
            let host = resolve(host)
            stop(host)
            later(some, .restart(host, losesState: random.chance(30)))
        case .restart(let host, let losesState): restart(host, losesState)
        case .freeze(let host, let time):
            let host = resolve(host)
            if hosts[host].state == .running { hosts[host].state = .frozen }
            queue.insert(.fault(.thaw(host)), at: now + time)
        case .thaw(let host): thaw(host)
        case .pause(let host, let time, let clockRunsOn):
            let host = resolve(host)
            pause(host, clockRunsOn: clockRunsOn)
            queue.insert(.fault(.resume(host)), at: now + time)
        case .resume(let host): resume(host)
        case .maintenance(let host, let value):
            let host = resolve(host)
            if hosts[host].state == .running {
                hosts[host].isInMaintenance = value
                step(host, .maintenance(value))
            }
            if value { later(some, .maintenance(host, false)) }
        case .unhealthy(let host, let value):
            let host = resolve(host)
            hosts[host].passesCheck = !value
            tellHealth(host)
            if value { later(some, .unhealthy(host, false)) }
        default: applyToMember(fault)
        }
    }

    private mutating func applyToMember(_ fault: Fault) {
        let some = 300 * Self.millisecond...6 * Self.second
        switch fault {
        case .linkDown(let host):
            let host = resolve(host)
            network.unplug(host)
            tellHealth(host)
            later(some, .linkUp(host))
        case .linkUp(let host):
            network.plugIn(host)
            tellHealth(host)
        case .leave(let host):
            let host = resolve(host)
            if hosts[host].state == .running { step(host, .leave(reason: "stopped")) }
            later(some, .restart(host, losesState: false))
        case .resign(let host): if hosts[resolve(host)].state == .running { step(resolve(host), .resign) }
        case .suspicion(let host): if hosts[host].state == .running { step(host, .suspect) }
        case .snapshot(let host):
            let host = resolve(host)
            save(host)
            later(some, .restore(host))
        case .restore(let host): restore(host)
        case .clone(let host, let from): clone(host, from: from)
        case .replay: replay()
        case .flood(let host): flood(resolve(host))
        case .noAddress(let host, let value):
            let host = resolve(host)
            hosts[host].refusesAddress = value
            hosts[host].fitFrom = now + 5 * Self.second
            if value { later(6 * Self.second...16 * Self.second, .noAddress(host, false)) }
        case .down(let host): reportDown(resolve(host))
        case .oldSnapshot(let host): saveForLong(resolve(host))
        case .slowFollower(let host, let time):
            hosts[host].followerDelay = time
            if time > 0 { later(6 * Self.second...16 * Self.second, .slowFollower(host, 0)) }
        case .powerButton, .suspend, .awake: notice(fault)
        default: applyToNetwork(fault)
        }
    }

    /// What a machine tells of itself.
    private mutating func notice(_ fault: Fault) {
        switch fault {
        case .powerButton(let host):
            if hosts[resolve(host)].state == .running { step(resolve(host), .powerButton) }
        case .suspend(let host, let time):
            let host = resolve(host)
            guard hosts[host].state == .running else { return }
            hosts[host].isAsleep = true
            step(host, .sleep)
            // Now and then it does not come to that.
            let begin = now + random.pick(50 * Self.millisecond...Self.second)
            if random.chance(80) { queue.insert(.fault(.pause(host, time: time, clockRunsOn: true)), at: begin) }
            queue.insert(.fault(.awake(host)), at: begin + time + Self.millisecond)
        case .awake(let host):
            // Whatever else stops it now: it is told when it runs again.
            guard hosts[host].state == .running else {
                return later(300 * Self.millisecond...Self.second, .awake(host))
            }
            hosts[host].isAsleep = false
            step(host, .awake)
        default: return
        }
    }

    private func isUndoing(_ fault: Fault) -> Bool {
        switch fault {
        case .restart, .thaw, .resume, .awake, .maintenance(_, false), .unhealthy(_, false), .linkUp, .healNetwork: true
        case .noAddress(_, false), .slowFollower(_, 0): true
        default: false
        }
    }

    /// Whether the members themselves are told of it, or must not be impressed.
    private func isForeseen(_ fault: Fault) -> Bool {
        switch fault {
        case .leave, .resign, .maintenance, .unhealthy, .suspicion, .replay, .flood, .down, .freeze, .noAddress: true
        case .powerButton, .suspend, .awake, .slowFollower: true
        default: false
        }
    }

    private mutating func applyToNetwork(_ fault: Fault) {
        switch fault {
        case .cutHost(let host):
            let host = resolve(host)
            network.partition([host])
            network.cutGateway(host)
        case .partition(let side):
            network.partition(side)
            let gatewaySide = random.pick(0...2)
            for host in hosts.indices where gatewaySide < 2 && side.contains(host) == (gatewaySide == 0) {
                network.cutGateway(host)
            }
        case .oneWay(let from, let to): network.cut(from, to)
        case .loss(let percent): network.loss = percent
        case .oneWayLoss(let from, let to, let percent): network.lose(percent, resolve(from), to)
        case .delays(let time): network.maximumDelay = time
        case .copies: network.copies = 30
        case .gatewayDown: network.gatewayIsUp = false
        case .gatewayCut(let host): network.cutGateway(resolve(host))
        case .healNetwork: return network.heal()
        default: return
        }
        later(300 * Self.millisecond...6 * Self.second, .healNetwork)
    }

    // MARK: Hosts

    mutating func start(_ index: Int, after time: Int64) {
        queue.insert(.fault(.restart(index, losesState: false)), at: now + time)
    }

    mutating func stop(_ index: Int) {
        hosts[index].state = .off
        hosts[index].life += 1
        hosts[index].leaseUntil = nil
        hosts[index].isPresent = false
        hosts[index].waiting = []
        hosts[index].timerSet = nil
        hosts[index].clock.pausedSince = nil
        hosts[index].forget()
    }

    private mutating func restart(_ index: Int, _ losesState: Bool) {
        guard hosts[index].state == .off else { return }
        var configuration = hosts[index].election.configuration
        configuration.session = hosts[index].random.next()
        configuration.rememberedTerm = losesState ? 0 : hosts[index].rememberedTerm
        if losesState {
            configuration.node = NodeID(rawValue: hosts[index].random.next())
            hosts[index].rememberedTerm = 0
        }
        hosts[index].election = Election(configuration)
        hosts[index].state = .running
        hosts[index].life += 1
        step(index, .start)
        tellHealth(index)
    }

    private mutating func thaw(_ index: Int) {
        guard hosts[index].state == .frozen else { return }
        wake(index)
    }

    private mutating func pause(_ index: Int, clockRunsOn: Bool) {
        guard hosts[index].state == .running else { return }
        hosts[index].state = .paused
        hosts[index].clock.pausedSince = now
        hosts[index].clock.runsOn = clockRunsOn
    }

    private mutating func resume(_ index: Int) {
        guard hosts[index].state == .paused, let since = hosts[index].clock.pausedSince else { return }
        let runsOn = hosts[index].clock.runsOn
        hosts[index].clock.pausedSince = nil
        hosts[index].clock.runsOn = false
        let pause = now - since
        // A clock that ran on is ahead from now on, which the offset keeps.
        if runsOn {
            hosts[index].clock.offset += Int64(Double(hosts[index].clock.pausedTime) * hosts[index].clock.rate)
            hosts[index].clock.pausedTime = 0
        } else {
            hosts[index].clock.pausedTime += now - since
        }
        if let until = hosts[index].leaseUntil {
            queue.insert(
                .leaseEnds(host: index, life: hosts[index].life), at: max(hosts[index].clock.trueTime(until) + 1, now))
        }
        // What the machine's two clocks show of the pause, where they do.
        wake(index, slept: runsOn && random.chance(50) ? pause : 0)
    }

    /// The elector runs again: it drains its queue before it judges what time it is.
    private mutating func wake(_ index: Int, slept: Int64 = 0) {
        hosts[index].state = .running
        hosts[index].timerSet = nil
        if hosts[index].election.role == .fault { hosts[index].fitFrom = now + 5 * Self.second }
        if let until = hosts[index].leaseUntil, hosts[index].clock.local(now) >= until { withdraw(index) }
        if slept > settings.tolerance.nanoseconds / 2 {
            step(index, .slept(.nanoseconds(slept)))
            if hosts[index].election.isMasterNow { violate("I10", "\(name(index)) slept and is master all the same") }
        }
        while hosts[index].state == .running, !hosts[index].waiting.isEmpty {
            let one = hosts[index].waiting.removeFirst()
            receive(one.datagram.message, one.from, index, one.isReplay, at: one.at)
        }
        if hosts[index].state == .running { step(index, .deadlinePassed) }
        tellHealth(index)
    }

    /// The elector hears how its health is now; one that does not run hears of it when it does.
    private mutating func tellHealth(_ index: Int) {
        guard hosts[index].state == .running else { return }
        let isPlugged = !network.unplugged.contains(index)
        hosts[index].isHealthy = hosts[index].passesCheck && isPlugged
        step(index, .healthy(hosts[index].isHealthy, reason: isPlugged ? "check" : "link-down"))
    }

    private mutating func save(_ index: Int) {
        guard hosts[index].state == .running else { return }
        hosts[index].snapshot = .init(
            election: hosts[index].election, believed: hosts[index].believed, isHealthy: hosts[index].isHealthy,
            isInMaintenance: hosts[index].isInMaintenance, isAsleep: hosts[index].isAsleep)
    }

    private mutating func saveForLong(_ index: Int) {
        save(index)
        later(500 * Self.millisecond...Self.second, .down(index))
        later(4 * Self.second...6 * Self.second, .restore(index))
        later(6 * Self.second...7 * Self.second, .replay)
    }

    private mutating func restore(_ index: Int) {
        guard let old = hosts[index].snapshot, hosts[index].state == .running else { return }
        hosts[index].snapshot = nil
        // The clock of the copy goes on from where it stands; what it believes is old.
        hosts[index].election = old.election
        hosts[index].believed = old.believed
        hosts[index].rememberedTerm = old.election.configuration.rememberedTerm
        hosts[index].isHealthy = old.isHealthy
        hosts[index].isInMaintenance = old.isInMaintenance
        hosts[index].isAsleep = old.isAsleep
        hosts[index].life += 1
        hosts[index].timerSet = nil
        hosts[index].leaseUntil = nil
        hosts[index].isPresent = false
        step(index, .deadlinePassed)
        tellHealth(index)
        // Its followers are told to withdraw, and the kernel says so; and it is told that it is awake.
        queue.insert(.address(host: index, life: hosts[index].life, isPresent: false), at: now + 100_000)
        if old.isAsleep { later(300 * Self.millisecond...Self.second, .awake(index)) }
    }

    private mutating func clone(_ index: Int, from other: Int) {
        guard index != other, hosts[index].state == .running else { return }
        stop(index)
        var configuration = hosts[other].election.configuration
        configuration.name = name(index)
        hosts[index].rememberedTerm = configuration.rememberedTerm
        configuration.mac = hosts[index].election.configuration.mac
        configuration.session = hosts[index].random.next()
        hosts[index].election = Election(configuration)
        hosts[index].state = .running
        step(index, .start)
        tellHealth(index)
    }

    /// An attacker plays what he has recorded: anything to anybody, and to one the words of one session in their order,
    /// so that it may take them for a conversation.
    private mutating func replay() {
        guard !recordings.isEmpty else { return }
        let victim = random.pick(0...(hosts.count - 1))
        let session = recordings[random.pick(0...(recordings.count - 1))].datagram.message.session
        for (place, one) in recordings.filter({ $0.datagram.message.session == session }).suffix(12).enumerated() {
            queue.insert(
                .deliver(one.datagram, from: one.from, to: victim, isReplay: true),
                at: now + Int64(place + 1) * 5 * Self.millisecond)
        }
        for _ in 0..<20 {
            let one = recordings[random.pick(0...(recordings.count - 1))]
            let to = random.pick(0...(hosts.count - 1))
            queue.insert(
                .deliver(one.datagram, from: one.from, to: to, isReplay: true), at: now + random.pick(0...Self.second))
        }
    }

    /// The attacker floods everybody with the claim of a session that is over, and the host that is hit dies meanwhile.
    private mutating func flood(_ index: Int) {
        let current = Set(hosts.map(\.election.configuration.session))
        let old = recordings.last {
            $0.datagram.message.kind == .claim && !current.contains($0.datagram.message.session)
        }
        guard let old else { return }
        for place in 0..<2_000 {
            let time = now + Int64(place) * 5 * Self.millisecond
            for to in hosts.indices where to != index {
                queue.insert(.deliver(old.datagram, from: old.from, to: to, isReplay: true), at: time)
            }
        }
        queue.insert(.fault(.crash(index)), at: now + Self.second)
    }

    /// A VM host says that one of its guests is dead, and it is.
    private mutating func reportDown(_ index: Int) {
        guard hosts[index].state == .running else { return }
        let node = hosts[index].election.configuration.node
        stop(index)
        later(Self.second...3 * Self.second, .restart(index, losesState: false))
        guard let speaker = hosts.indices.first(where: { $0 != index && hosts[$0].state == .running }) else { return }
        step(speaker, .died(node))
    }

    /// Everything that is broken is repaired.
    mutating func heal() {
        network.heal()
        // As with each repair: what two holders may take is less now, and is counted from here.
        twoHoldersSince = nil
        for index in hosts.indices { network.plugIn(index) }
        disturbedAt = now
        touchedAt = now
        if trace != nil { note("-- healed") }
        for index in hosts.indices {
            switch hosts[index].state {
            case .off: apply2(.restart(index, losesState: false))
            case .frozen: thaw(index)
            case .paused: resume(index)
            case .running: break
            }
            // Until a moment ago it could not hold the address, and stands aside for that.
            if hosts[index].refusesAddress { hosts[index].fitFrom = now + 5 * Self.second }
            hosts[index].refusesAddress = false
            hosts[index].followerDelay = 0
            hosts[index].passesCheck = true
            tellHealth(index)
            if hosts[index].state == .running {
                hosts[index].isInMaintenance = false
                hosts[index].isAsleep = false
                step(index, .maintenance(false))
                step(index, .awake)
            }
        }
    }

    private mutating func apply2(_ fault: Fault) {
        if case .restart(let index, let losesState) = fault { restart(index, losesState) }
    }
}
