// The loop of `qure-probe ADDRESS`, `wait` and `watch`: joins one Prober per address with the sockets of the links they
// are on. One-shot questions end when the link cannot be asked; `wait` and `watch` ride that out and say so once.
// Nothing wakes the loop but the probers' own schedule, answers, and changes of this host's network.

import QureCore

/// One address and what is asked about it.
struct ProbeTarget {
    let address: IPAddress
    var prober: Prober
    /// Where it is asked for; nil while that cannot be told.
    var way: Way?
    /// Where it was asked for last.
    var lastWay: Way?
    /// The index of that link, while it exists: it is the same one under another name, too.
    var knownLink: Int?
    /// Why it cannot be asked for, as told last.
    var obstacle: String?
    /// The number of the last probe that was sent.
    var lastSequence = 0
    /// The final record of a one-shot question.
    var record: Record?
}

final class ProbeSession {
    private let questions: Questions
    private let ridesOut: Bool
    private let output: RecordWriter
    private var diagnostics: Diagnostics
    private var targets: [ProbeTarget]
    private let indices: [IPAddress: [Int]]
    private var poller: Poller
    private var finder: WayFinder
    private let monitor: MonitorBox
    private let sockets: ProbeSockets
    private var awaited: Prober.Verdict?
    private var started = 0
    private var nextStart: Instant?
    private var isDone = false

    static let socketToken = 1
    private static let monitorToken = 0
    /// Addresses that are asked for together, and the pause before the next ones, so that a small switch can follow.
    private static let burst = 16
    private static let pause = Duration.milliseconds(4)

    /// A session about `addresses`. With `ridesOut`, a link that is down or missing is waited for.
    init(
        _ addresses: [IPAddress], _ mode: Prober.Configuration.Mode, _ questions: Questions, json: Bool,
        _ diagnostics: Diagnostics, ridesOut: Bool
    ) throws {
        self.questions = questions
        self.ridesOut = ridesOut
        self.diagnostics = diagnostics
        output = RecordWriter(json: json)
        targets = addresses.map {
            ProbeTarget(address: $0, prober: Prober(.init(mode, interval: questions.interval)))
        }
        indices = Dictionary(grouping: addresses.indices, by: { addresses[$0] })
        poller = try Poller()
        sockets = ProbeSockets(questions, addresses: addresses)
        // Before the first look, so that no change is missed.
        monitor = try MonitorBox()
        try poller.add(monitor.descriptor, token: Self.monitorToken)
        finder = try WayFinder(questions)
    }

    /// Asks once; prints a record for each address in the order given. Throws status 1 if one is silent.
    func runOnce() throws {
        try run()
        for target in targets { if let record = target.record { try output.write(record) } }
        if targets.contains(where: { $0.prober.report(at: Clock.now).verdict != .alive }) { throw Failure(.no, "") }
    }

    /// Asks until the one address has this verdict; with nil prints every change and never returns.
    func runUntil(_ verdict: Prober.Verdict?) throws {
        awaited = verdict
        try run()
    }

    private func run() throws {
        for index in targets.indices { try findWay(index, at: Clock.now) }
        nextStart = Clock.now
        while !isDone {
            try startSome()
            let deadline = targets.reduce(nextStart) { earlier($0, $1.prober.nextDeadline) }
            let events = try poller.wait(until: deadline)
            if events.contains(.ready(Self.monitorToken)) { try lookAgain(after: monitor.read()) }
            try drain()
            // Whatever had arrived by now is in; only then is silence judged.
            let now = Clock.now
            for index in targets.indices {
                if let due = targets[index].prober.nextDeadline, due <= now {
                    try step(index, .deadlinePassed, at: now)
                }
            }
        }
    }

    /// Sends the first probes of the next few addresses, all at one instant, so that they go on together.
    private func startSome() throws {
        let now = Clock.now
        guard let due = nextStart, due <= now else { return }
        let end = min(started + Self.burst, targets.count)
        for index in started..<end { try step(index, .start, at: now) }
        started = end
        nextStart = started < targets.count ? now + Self.pause : nil
    }

    private func drain() throws {
        do {
            for answer in try sockets.receive() {
                for index in indices[answer.address] ?? [] where targets[index].way?.matches(answer) == true {
                    // An answer carries the low 16 bits of its probe's number.
                    let last = targets[index].lastSequence
                    let probe = answer.sequence.map { last - ((last - $0) & 0xffff) }
                    try step(index, .answered(by: answer.mac, probe: probe), at: answer.received)
                }
            }
        } catch let error as SystemError where error.isLinkTrouble {
            // The interface went down or away, as the kernel tells too.
            try lookAgain(after: monitor.read())
        }
    }

    private func step(_ index: Int, _ input: Prober.Input, at now: Instant) throws {
        for action in targets[index].prober.step(input, at: now) {
            switch action {
            case .probe(let sequence): try send(index, sequence, at: now)
            case .changed(let report): try changed(index, report)
            case .finished(let report):
                targets[index].record = record(index, report)
                isDone = targets.allSatisfy { $0.record != nil }
            }
        }
    }

    private func changed(_ index: Int, _ report: Prober.Report) throws {
        let record = record(index, report)
        if let awaited, report.verdict != awaited {
            diagnostics.say(.information, "\(record.text); waiting until it is \(awaited.rawValue)")
        } else {
            diagnostics.say(.debug, record.text)
        }
        if awaited == nil {
            try output.write(record)
        } else if report.verdict == awaited && !isDone {
            try output.write(record)
            isDone = true
        }
    }

    private func record(_ index: Int, _ report: Prober.Report) -> Record {
        let way = targets[index].way ?? targets[index].lastWay
        return .verdict(targets[index].address, report, method: way?.method ?? questions.method, link: way?.link)
    }

    private func send(_ index: Int, _ sequence: Int, at now: Instant) throws {
        guard let way = targets[index].way else { return }
        targets[index].lastSequence = sequence
        do {
            try sockets.probe(targets[index].address, sequence, way)
        } catch let error as SystemError where error.isLinkTrouble && ridesOut {
            diagnostics.say(.information, "\(targets[index].address): \(error), which does not count as silence")
            try step(index, .unsent, at: now)
        }
    }

    // MARK: Where each address is asked for

    /// This host's network has changed: looks where each address is asked for now.
    private func lookAgain(after changes: [Change]) throws {
        let now = Clock.now
        for change in changes {
            switch change {
            case .link(let link): try noteTrouble(of: link, at: now)
            case .linkRemoved(let link):
                sockets.close(link: link)
                for index in targets.indices where targets[index].knownLink == link { targets[index].knownLink = nil }
            case .overrun: sockets.closeAll()
            default: break
            }
        }
        finder.look()
        for index in targets.indices { try findWay(index, at: now) }
        sockets.close(allBut: targets.compactMap { target in target.way.map { ($0, target.address) } })
    }

    /// A link that is in trouble may be back by the next look, but what was sent meanwhile is lost.
    private func noteTrouble(of link: Link, at now: Instant) throws {
        guard let trouble = link.trouble else { return }
        for index in targets.indices where targets[index].way?.link?.index == link.index {
            guard ridesOut || targets[index].way?.isLocal == true else { throw trouble }
            try lose(index, trouble.description, at: now)
        }
    }

    /// Looks where the address is asked for, and tells its prober what has changed.
    private func findWay(_ index: Int, at now: Instant) throws {
        let address = targets[index].address
        do {
            let way = try finder.way(to: address, knownLink: targets[index].knownLink)
            try sockets.open(way, to: address, poller: poller)
            try follow(way, index, at: now)
        } catch let failure as Failure where canPass(failure) {
            try lose(index, failure.description, at: now)
        } catch let error as SystemError where error.isLinkTrouble && ridesOut {
            try lose(index, error.description, at: now)
        }
    }

    /// Whether a failure may pass while we wait. What is wrong from the start is the user's mistake, unless it is a
    /// link.
    private func canPass(_ failure: Failure) -> Bool {
        ridesOut && (failure.status == .unreachable || failure.status == .usage && started > 0)
    }

    private func follow(_ way: Way, _ index: Int, at now: Instant) throws {
        let old = targets[index].way
        targets[index].way = way
        targets[index].lastWay = way
        targets[index].knownLink = way.link?.index
        if targets[index].obstacle != nil {
            targets[index].obstacle = nil
            diagnostics.say(
                .notice, "\(targets[index].address): asking again\(way.link.map { " on \($0.name)" } ?? "")")
        }
        // Runs of answers and silences that were counted elsewhere prove nothing here.
        if let old, !way.continues(old) { try step(index, .linkLost, at: now) }
        try step(index, .local(way.isLocal), at: now)
        try step(index, .linkRestored, at: now)
    }

    private func lose(_ index: Int, _ obstacle: String, at now: Instant) throws {
        targets[index].way = nil
        try step(index, .linkLost, at: now)
        guard targets[index].obstacle != obstacle else { return }
        targets[index].obstacle = obstacle
        let isNews = !targets[..<index].contains { $0.obstacle == obstacle }
        if isNews { diagnostics.say(.notice, "\(obstacle), waiting for that to change") }
    }
}

/// A monitor of the kernel's links, addresses and routes; a class because it is optional here and may not be copied.
final class MonitorBox {
    private var monitor: NetlinkMonitor
    init() throws { monitor = try NetlinkMonitor(routes: true) }
    var descriptor: CInt { monitor.descriptor }
    /// What has changed since the last call.
    func read() throws -> [Change] { try monitor.read() }
}

extension SystemError {
    /// Whether the link or the way to the address is what failed.
    var isLinkTrouble: Bool {
        let troubles: [Errno] = [
            .networkDown, .noDevice, .noSuchDeviceOrAddress, .networkUnreachable, .hostUnreachable, .noBuffers,
            .addressNotAvailable,
        ]
        return troubles.contains(errno)
    }
}
