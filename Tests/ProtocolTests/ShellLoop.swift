// ShellLoop: one host of the simulated duels, in virtual time: its kernel, which answers for the address while it has
// it and the fence is open, and its process: `qure-probe wait --for silent` and `qure-claim hold --unless-held` in
// turn, for ever, joined with the real machines as the tools join them.

import QureCore
import Simulator

/// What goes over the simulated link: evidence about the one address, and who sent it.
struct DuelFrame: Sendable {
    var sender: Int
    var kind: Sighting.Kind
}

/// What a host wants to be sent.
struct DuelSend {
    var kind: Sighting.Kind
    /// nil: to all.
    var receiver: Int?
}

/// A host that runs the shell loop.
struct ShellLoop {
    static let address = IPAddress.v4(IPv4Address(rawValue: 0xc000_020b))
    static let lease = Duration.seconds(2)

    private enum Process {
        case starting(Instant)
        case waiting(Prober)
        case claiming(AddressClaim)
    }

    let number: Int
    private var process: Process
    /// Frames for the process that it has not read yet.
    private var inbox: [(kind: Sighting.Kind, sender: Int, at: Instant)] = []
    private var random: SplitMix64
    // The kernel's side.
    private var hasAddress = false
    private var fenceOpenUntil = Instant(nanoseconds: 0)
    private var lifetimeUntil = Instant(nanoseconds: 0)
    private var hasLink = true
    private var toldLink = true
    /// SIGSTOP: the kernel goes on.
    private(set) var stoppedUntil = Instant(nanoseconds: 0)
    /// The whole machine sleeps.
    private(set) var asleepUntil = Instant(nanoseconds: 0)
    /// How late the process wakes up.
    private var lateness: Int64 = 0
    /// What has happened here, for the coverage of a run.
    private(set) var events: [String] = []

    var identity: MACAddress { mac(UInt64(number + 1)) }

    init(_ number: Int, startsAt: Instant, seed: UInt64) {
        self.number = number
        process = .starting(startsAt)
        random = SplitMix64(seed: seed)
    }

    // MARK: Faults

    mutating func stop(until instant: Instant) { stoppedUntil = max(stoppedUntil, instant) }
    mutating func sleep(until instant: Instant) { asleepUntil = max(asleepUntil, instant) }

    /// The power fails and comes back: nothing is left of process and kernel.
    mutating func crash(until instant: Instant) {
        asleepUntil = max(asleepUntil, instant)
        hasAddress = false
        inbox = []
        process = .starting(asleepUntil)
    }

    mutating func setLink(_ isThere: Bool) { hasLink = isThere }

    // MARK: The kernel

    /// Whether it answers for the address now.
    func answers(at now: Instant) -> Bool {
        hasAddress && now < fenceOpenUntil && now < lifetimeUntil && now >= asleepUntil && hasLink
    }

    /// Whether its process believes that it holds the address.
    var believes: Bool {
        if case .claiming(let claim) = process { claim.state == .holding } else { false }
    }

    /// A frame arrives: the kernel answers a question, the process finds it in its socket.
    mutating func receive(_ frame: DuelFrame, at now: Instant) -> [DuelSend] {
        guard now >= asleepUntil, hasLink else { return [] }
        if inbox.count < 1000 { inbox.append((frame.kind, frame.sender, now)) }
        guard frame.kind != .holds, answers(at: now) else { return [] }
        return [DuelSend(kind: .holds, receiver: frame.sender)]
    }

    // MARK: The process

    /// When the process does something next; nil: when something arrives.
    var nextDeadline: Instant? {
        let frozen = max(stoppedUntil, asleepUntil)
        if case .starting(let instant) = process { return max(instant, frozen) }
        if !inbox.isEmpty || toldLink != hasLink { return frozen }
        let deadline: Instant? =
            switch process {
            case .starting(let instant): instant
            case .waiting(let prober): prober.nextDeadline
            case .claiming(let claim): claim.nextDeadline
            }
        return deadline.map { max($0 + .nanoseconds(lateness), frozen) }
    }

    /// The machine's own deadline must lie after the turn that it was told of it.
    private(set) var brokeDeadlineLaw = false

    /// One turn of the tool's loop.
    mutating func turn(at now: Instant) -> [DuelSend] {
        guard now >= stoppedUntil, now >= asleepUntil else { return [] }
        lateness = Int64.random(in: 0...1_000_000, using: &random)
        let heard = inbox
        inbox = []
        switch process {
        case .starting(let due):
            guard now >= due else { return [] }
            toldLink = hasLink
            return startWaiting(at: now)
        case .waiting(let prober): return wait(prober, heard, at: now)
        case .claiming(let claim): return claim.state == .idle ? [] : hold(claim, heard, at: now)
        }
    }

    private mutating func startWaiting(at now: Instant) -> [DuelSend] {
        let mode = Prober.Configuration.Mode.monitor(fall: 3, rise: 1)
        var prober = Prober(.init(mode, interval: .milliseconds(200)))
        var outputs: [Prober.Output] = []
        if !hasLink { outputs += prober.step(.linkLost, at: now) }
        outputs += prober.step(.start, at: now)
        return follow(prober, outputs, at: now)
    }

    private mutating func wait(
        _ prober: Prober, _ heard: [(kind: Sighting.Kind, sender: Int, at: Instant)], at now: Instant
    ) -> [DuelSend] {
        var prober = prober
        var outputs: [Prober.Output] = []
        if toldLink != hasLink {
            toldLink = hasLink
            outputs += prober.step(hasLink ? .linkRestored : .linkLost, at: now)
        }
        for one in heard where one.kind == .holds {
            outputs += prober.step(.answered(by: mac(UInt64(one.sender + 1)), probe: nil), at: one.at)
        }
        outputs += prober.step(.deadlinePassed, at: now)
        if let next = prober.nextDeadline, next <= now { brokeDeadlineLaw = true }
        return follow(prober, outputs, at: now)
    }

    private mutating func follow(_ prober: Prober, _ outputs: [Prober.Output], at now: Instant) -> [DuelSend] {
        process = .waiting(prober)
        var sends: [DuelSend] = []
        for output in outputs {
            switch output {
            case .probe: sends.append(DuelSend(kind: .asks(from: .v4(.unspecified))))
            case .changed(let report) where report.verdict == .silent: return sends + startClaiming(at: now)
            case .changed, .finished: break
            }
        }
        return sends
    }

    private mutating func startClaiming(at now: Instant) -> [DuelSend] {
        // `hold` refuses to start where there is no link.
        guard hasLink else {
            restart(at: now)
            return []
        }
        var claim = AddressClaim(
            .init(addresses: [Self.address], identity: identity, authority: .own, lease: Self.lease))
        let outputs = claim.step(.take(probing: true), at: now, using: &random)
        process = .claiming(claim)
        return perform(outputs, at: now)
    }

    private mutating func hold(
        _ claim: AddressClaim, _ heard: [(kind: Sighting.Kind, sender: Int, at: Instant)], at now: Instant
    ) -> [DuelSend] {
        var claim = claim
        var outputs: [AddressClaim.Output] = []
        if claim.state == .holding { outputs += claim.step(.deadlinePassed, at: now, using: &random) }
        if toldLink != hasLink {
            toldLink = hasLink
            outputs += claim.step(hasLink ? .linkRestored : .linkLost, at: now, using: &random)
        }
        if claim.state == .holding, hasLink, !hasAddress || now >= lifetimeUntil, !outputs.contains(.install) {
            outputs += claim.step(.vanished, at: now, using: &random)
        }
        for one in heard {
            let sighting = Sighting(Self.address, one.kind, mac: mac(UInt64(one.sender + 1)))
            outputs += claim.step(.heard(sighting), at: now, using: &random)
        }
        outputs += claim.step(.deadlinePassed, at: now, using: &random)
        if let next = claim.nextDeadline, next <= now { brokeDeadlineLaw = true }
        process = .claiming(claim)
        return perform(outputs, at: now)
    }

    private mutating func perform(_ outputs: [AddressClaim.Output], at now: Instant) -> [DuelSend] {
        var sends: [DuelSend] = []
        for output in outputs {
            switch output {
            case .probe: sends.append(DuelSend(kind: .claims))
            case .checkForOthers: sends.append(DuelSend(kind: .asks(from: .v4(.unspecified))))
            case .announce: sends.append(DuelSend(kind: .holds))
            case .install, .renew:
                if output == .install { hasAddress = true }
                fenceOpenUntil = now + Self.lease
                lifetimeUntil = now + Self.lease + .seconds(1)
            case .withdraw: hasAddress = false
            case .report(let report):
                note(report)
                switch report {
                case .heldBy, .rival, .lost: restart(at: now)
                default: break
                }
            }
        }
        return sends
    }

    /// The process ends, and the loop starts the next one; that takes a few milliseconds.
    private mutating func restart(at now: Instant) {
        hasAddress = false
        process = .starting(now + .nanoseconds(Int64.random(in: 1_000_000...8_000_000, using: &random)))
    }

    private mutating func note(_ report: AddressClaim.Report) {
        let name =
            switch report {
            case .taken: "taken"
            case .heldBy: "held by another"
            case .rival: "rival"
            case .conflict: "conflict"
            case .lost: "lost"
            case .asleep: "asleep"
            case .unplugged: "unplugged"
            case .reinstated: "reinstated"
            }
        events.append(name)
    }
}
