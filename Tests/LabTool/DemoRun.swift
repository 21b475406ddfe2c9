// DemoRun: plays the demo: one loop that hears what the client saw and what each host's kernel says about its
// addresses, and does to the holder what comes next in the story when the site has been well for a while.

import Glibc
import Lab
import QureCore

final class DemoRun {
    /// Where the story is.
    private enum Scene {
        /// Nobody answers yet.
        case opening
        /// All is well until then, when the next fault comes.
        case calm(until: Instant)
        /// The holder is gone; somebody must answer before the limit.
        case fault(limit: Instant)
        /// Somebody does; the fault is undone then.
        case aftermath(until: Instant)
        case over
    }

    private enum Token { static let lifeline = 0, meter = 1, firstHost = 10 }

    private let lab: Lab
    private let view: any DemoView
    private var poller: Poller
    private let meter: LabProcess
    private let witness: Witness
    private let watches: [AddressWatch]
    private let contestant: any Contestant
    private var timeline: DemoTimeline
    private var scene = Scene.opening
    private var faults: ArraySlice<DemoFault>
    /// Who answers the client now.
    private var answerer: Int?

    /// A site without a holder may take this long to get one.
    private static let patience = Duration.seconds(10)
    private static let calm = Duration.milliseconds(2500)
    private static let aftermath = Duration.seconds(3)

    init(hosts: Int, isSimple: Bool, view: any DemoView, lifeline: CInt) throws {
        self.view = view
        faults = DemoFault.allCases.filter { !isSimple || $0 != .goodbye }[...]
        let poller = try Poller(signals: [SIGTERM, SIGINT, SIGHUP])
        try poller.add(lifeline, token: Token.lifeline)
        let lab = try Lab(hosts: hosts, named: true)
        meter = try lab.client.start(
            Toolbox.path(of: "qure-lab"), "meter", "--pages", "--rate", "100", "--each", "--quiet", "100ms", "--json")
        try poller.add(meter.descriptor, token: Token.meter)
        witness = try lab.startWitness()
        watches = try (1...hosts).map { try AddressWatch(lab.host($0), Lab.Plan.address) }
        for (index, watch) in watches.enumerated() {
            try poller.add(watch.descriptor, token: Token.firstHost + index)
        }
        self.lab = lab
        self.poller = poller
        contestant = try isSimple ? StandbyLoops(lab) : Cluster(lab)
        timeline = DemoTimeline(start: Clock.now, hostCount: hosts)
        timeline.contestant = isSimple ? contestant.name : "qure-elect | qure-claim (100 ms, tolerance 200 ms)"
    }

    /// Plays it to the end.
    func play() throws -> DemoTimeline {
        defer { view.end() }
        timeline.note("\(lab.hostCount) hosts run \(timeline.contestant)", at: timeline.start)
        timeline.note("a client outside asks for a page 100 times a second", at: timeline.start)
        for number in 1...lab.hostCount { try contestant.start(number) }
        while true {
            if case .over = scene { break }
            let events = try poller.wait(until: nextWaking)
            for case .signal(let number) in events { throw Failure(.temporary, "ended by signal \(number)") }
            if events.contains(.ready(Token.lifeline)) { throw Failure(.temporary, "ended from outside") }
            try hearHosts()
            hearMeter()
            try advance(at: Clock.now)
            try view.show(timeline, at: Clock.now)
        }
        _ = meter.stop()
        hearMeter()
        timeline.together = try witness.stop().together
        let end = Clock.now
        timeline.finish(at: end)
        try view.show(timeline, at: end)
        return timeline
    }

    private var nextWaking: Instant? {
        let next: Instant? =
            switch scene {
            case .opening: timeline.start + Self.patience
            case .calm(let until), .aftermath(let until), .fault(let until): until
            case .over: nil
            }
        return earlier(next, view.refresh.map { Clock.now + $0 })
    }

    // MARK: What is heard

    private func hearHosts() throws {
        for watch in watches {
            for (isThere, instant) in try watch.read() where timeline.set(watch.host, holds: isThere, at: instant) {
                let incident = timeline.incident(of: watch.host, at: instant)
                let isCutOff = incident.map { $0.fault != .goodbye } ?? false
                if isThere {
                    timeline.note("h\(watch.host) takes the address", at: instant)
                } else if isCutOff {
                    timeline.note("h\(watch.host), cut off, no longer has the address", at: instant)
                } else {
                    timeline.note("h\(watch.host) gives the address up", at: instant)
                }
            }
        }
    }

    private func hearMeter() {
        for line in meter.takeLines() {
            guard let record = JSONRecord(line) else { continue }
            func instant(_ name: String) -> Instant { Instant(nanoseconds: record.number(name) ?? 0) }
            func host(_ name: String) -> Int? {
                if case .host(let number)? = record.text(name).flatMap({ Node($0) }) { number } else { nil }
            }
            switch record.text("event") {
            case "request":
                let request = DemoTimeline.Request(sent: instant("sent_ns"), by: host("by"))
                if request.by != nil || answerer != nil { timeline.add(request) }
            case "answered":
                answerer = host("by")
                if case .opening = scene, let answerer {
                    timeline.note("h\(answerer) answers the client", at: instant("at_ns"))
                }
                hearSuccessor(at: instant("at_ns"))
            case "outage": hearOutage(record, from: instant("from_ns"), to: instant("to_ns"), host("after"))
            default: break
            }
        }
    }

    /// Somebody else answers, and there was no outage in between.
    private func hearSuccessor(at now: Instant) {
        guard case .fault = scene, let answerer, let last = timeline.incidents.indices.last,
            timeline.incidents[last].fault == .goodbye, timeline.incidents[last].successor == nil,
            answerer != timeline.incidents[last].host
        else { return }
        timeline.incidents[last].successor = answerer
        timeline.note("h\(answerer) answers the client; it has noticed nothing", at: now)
    }

    private func hearOutage(_ record: JSONRecord, from: Instant, to: Instant, _ after: Int?) {
        let outage = MeterTally.Outage(
            from: from, to: to, before: record.text("before") ?? "", after: record.text("after"),
            requests: Int(record.number("requests") ?? 0))
        if case .fault = scene, let after, let last = timeline.incidents.indices.last,
            to > timeline.incidents[last].from
        {
            timeline.incidents[last].successor = after
            timeline.incidents[last].outage = outage
            timeline.note(
                "h\(after) answers the client, after \(outage.duration.wholeMilliseconds) without an answer", at: to)
        } else if let after {
            timeline.note(
                "nobody answered the client for \(outage.duration.wholeMilliseconds), then h\(after) did", at: to)
        }
    }

    // MARK: What is done

    private func advance(at now: Instant) throws {
        switch scene {
        case .opening:
            if answerer != nil {
                scene = .calm(until: now + Self.calm)
            } else if now >= timeline.start + Self.patience {
                timeline.note("nobody takes the address", at: now)
                throw Failure(.no, "nobody took the address: \(contestant.said)")
            }
        case .calm(let until) where now >= until:
            guard let fault = faults.popFirst() else {
                scene = .over
                return
            }
            guard let holder = answerer else {
                throw Failure(.no, "nobody answers, and nothing was done to the site")
            }
            timeline.incidents.append(.init(fault: fault, host: holder, from: now))
            timeline.note("h\(holder) \(fault.happening): \(fault.meaning)", at: now)
            try strike(fault, holder)
            scene = .fault(limit: now + Self.patience)
        case .fault(let limit):
            guard let incident = timeline.incidents.last else { return }
            if incident.successor != nil {
                scene = .aftermath(until: now + Self.aftermath)
            } else if now >= limit {
                timeline.note("nobody answers in place of h\(incident.host)", at: now)
                scene = .over
            }
        case .aftermath(let until) where now >= until:
            guard let index = timeline.incidents.indices.last else { return }
            let incident = timeline.incidents[index]
            try undo(incident.fault, incident.host)
            timeline.incidents[index].to = Clock.now
            timeline.note("h\(incident.host) \(incident.fault.undoing)", at: Clock.now)
            scene = .calm(until: Clock.now + Self.calm)
        case .calm, .aftermath, .over: break
        }
    }

    private func strike(_ fault: DemoFault, _ host: Int) throws {
        switch fault {
        case .death: try lab.crash(.host(host))
        case .suspension: try lab.suspend(.host(host))
        case .cable: try lab.cut(.host(host))
        case .goodbye: contestant.stop(host)
        }
    }

    private func undo(_ fault: DemoFault, _ host: Int) throws {
        switch fault {
        case .death:
            try lab.boot(host)
            try contestant.start(host)
        case .suspension: try lab.resume(.host(host))
        case .cable: try lab.heal(.host(host))
        case .goodbye: try contestant.start(host)
        }
    }
}

/// Whether a host's kernel has the address, as it tells.
private final class AddressWatch {
    let host: Int
    private var monitor: NetlinkMonitor
    private let address: IPAddress

    init(_ machine: Machine, _ address: IPAddress) throws {
        guard case .host(let number) = machine.node else { preconditionFailure("\(machine.node) is no host") }
        host = number
        self.address = address
        monitor = try machine.inside { try NetlinkMonitor() }
    }

    var descriptor: CInt { monitor.descriptor }

    /// The changes since the last time: whether the address is there, and when that was heard.
    func read() throws -> [(Bool, Instant)] {
        try monitor.read().compactMap { change in
            switch change {
            case .address(let entry) where entry.prefix.address == address: (true, Clock.now)
            case .addressRemoved(let entry) where entry.prefix.address == address: (false, Clock.now)
            default: nil
            }
        }
    }
}
