// The loop of `qure-probe ADDRESS`, `wait` and `watch`: joins one Prober per address with the sockets of the links they
// are on. One-shot questions end when the link cannot be asked; `wait` and `watch` ride that out and say so once.

import Glibc
import QureCore

/// One address and what is asked about it.
struct ProbeTarget {
    let address: IPAddress
    var prober: Prober
    /// Where it is asked for; nil while that cannot be told.
    var way: Way?
    /// Where it was asked for before that.
    var lastWay: Way?
    /// Why it cannot be asked for, as told last.
    var obstacle: String?
    /// The final record of a one-shot question.
    var record: Record?
}

final class ProbeSession {
    private let options: ProbeOptions
    private let ridesOut: Bool
    private let output: RecordWriter
    private var diagnostics: Diagnostics
    private var targets: [ProbeTarget]
    private var poller: Poller
    private var finder: WayFinder
    private var monitor: MonitorBox?
    private var sockets: ProbeSockets
    private var awaited: Prober.Verdict?
    private var isDone = false

    private static let monitorToken = 0

    /// A session about `addresses`. With `ridesOut`, a link that is down or missing is waited for.
    init(
        _ addresses: [IPAddress], _ mode: Prober.Configuration.Mode, _ options: ProbeOptions,
        _ diagnostics: Diagnostics, ridesOut: Bool
    ) throws {
        self.options = options
        self.ridesOut = ridesOut
        self.diagnostics = diagnostics
        output = RecordWriter(json: options.common.json)
        targets = addresses.map {
            ProbeTarget(address: $0, prober: Prober(.init(mode, interval: options.interval.duration)))
        }
        poller = try Poller()
        finder = try WayFinder(interface: options.common.interface, method: options.method)
        sockets = ProbeSockets(source: options.source, addresses: addresses)
        if ridesOut {
            let monitor = try MonitorBox()
            try poller.add(monitor.descriptor, token: Self.monitorToken)
            self.monitor = monitor
        }
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
        try findWays()
        for index in targets.indices { try step(index, .start) }
        while !isDone {
            let deadline = targets.reduce(nil) { earlier($0, $1.prober.nextDeadline) }
            let events = try poller.wait(until: deadline)
            if events.contains(.ready(Self.monitorToken)), try monitor?.hasChanges() == true { try findWays() }
            try drain()
            // Whatever had arrived by now is in; only then is silence judged.
            for index in targets.indices { try step(index, .deadlinePassed) }
        }
    }

    private func drain() throws {
        do {
            for answer in try sockets.receive() {
                for index in targets.indices where targets[index].address == answer.address {
                    guard targets[index].way?.matches(answer) == true else { continue }
                    try step(index, .answered(by: answer.mac, probe: answer.sequence), at: answer.received)
                }
            }
        } catch let error as SystemError where error.errno == .networkDown {
            try findWays()
        }
    }

    private func step(_ index: Int, _ input: Prober.Input, at now: Instant = Clock.now) throws {
        for action in targets[index].prober.step(input, at: now) {
            switch action {
            case .probe(let sequence): try send(index, sequence)
            case .changed(let report): try changed(index, report)
            case .finished(let report):
                targets[index].record = record(index, report)
                isDone = targets.allSatisfy { $0.record != nil }
            }
        }
    }

    private func changed(_ index: Int, _ report: Prober.Report) throws {
        let record = record(index, report)
        diagnostics.say(.debug, record.text)
        if awaited == nil {
            try output.write(record)
        } else if report.verdict == awaited {
            try output.write(record)
            isDone = true
        }
    }

    private func record(_ index: Int, _ report: Prober.Report) -> Record {
        let way = targets[index].way ?? targets[index].lastWay
        return .verdict(targets[index].address, report, method: way?.method ?? options.method, link: way?.link)
    }

    private func send(_ index: Int, _ sequence: Int) throws {
        guard let way = targets[index].way else { return }
        do {
            try sockets.probe(targets[index].address, sequence, way)
        } catch let error as SystemError where error.isLinkTrouble {
            guard ridesOut else { throw error }
            diagnostics.say(.debug, "\(targets[index].address): \(error)")
        }
    }

    /// Looks again where each address is asked for, and tells its prober what has changed.
    private func findWays() throws {
        for index in targets.indices {
            let address = targets[index].address
            let old = targets[index].way
            do {
                let way = try finder.way(to: address, knownLink: old?.link?.index)
                try sockets.open(way, poller: poller)
                targets[index].way = way
                if targets[index].obstacle != nil {
                    targets[index].obstacle = nil
                    diagnostics.say(.notice, "\(address): asking again\(way.link.map { " on \($0.name)" } ?? "")")
                }
                try step(index, .local(way.isLocal))
                if old == nil { try step(index, .linkRestored) }
            } catch let failure as Failure where ridesOut && failure.status != .permission {
                if targets[index].obstacle != failure.description {
                    targets[index].obstacle = failure.description
                    diagnostics.say(.notice, "\(failure), waiting for that to change")
                }
                targets[index].lastWay = targets[index].way ?? targets[index].lastWay
                targets[index].way = nil
                try step(index, .linkLost)
            }
        }
    }
}

/// A monitor of the kernel's links and addresses; a class because it is optional here and may not be copied.
final class MonitorBox {
    private var monitor: NetlinkMonitor
    init() throws { monitor = try NetlinkMonitor() }
    var descriptor: CInt { monitor.descriptor }
    /// Whether anything has changed since the last call.
    func hasChanges() throws -> Bool { try !monitor.read().isEmpty }
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
