// Meter and Witness: the lab's instruments as a test uses them: started in the client's or the observer's namespace
// as processes of their own (qure-lab meter, qure-lab witness), read while they run, and asked for their sums when
// stopped.

package import QureCore

/// The client outside, asking the site at a steady pace.
package final class Meter {
    /// What it saw, once it is stopped.
    package struct Report: Sendable {
        package var requests = 0
        package var answered = 0
        package var lost = 0
        package var late = 0
        package var duplicates = 0
        package var longestOutage = Duration.zero
        /// The outages worth telling, in order.
        package var outages: [MeterTally.Outage] = []
        /// Who answered, in order, each with the instant of its first answer.
        package var answerers: [(name: String, from: Instant)] = []
        /// The most that the meter itself was late.
        package var ownDelay = Duration.zero
    }

    private let process: LabProcess
    private var report = Report()
    private enum State { case starting, asking, silent, answered, ended }
    private var state = State.starting

    /// A meter that asks already.
    init(_ process: LabProcess) throws {
        self.process = process
        let isAsking = eventually(within: .seconds(10)) {
            read()
            return state != .starting || !process.isRunning
        }
        guard isAsking, process.isRunning else { throw LabError("the meter does not start: \(process.errors)") }
    }

    /// The host that answers now, by its name (`h1`); nil: none does.
    package var answerer: String? {
        read()
        return state == .answered ? report.answerers.last?.name : nil
    }

    /// Waits until this host answers; false: it does not within the limit.
    package func waitForAnswer(by host: Int, within limit: Duration = .seconds(10)) -> Bool {
        eventually(within: limit) { answerer == "h\(host)" }
    }

    /// Waits until some host answers that is none of these, and names it; nil: none does within the limit.
    package func waitForAnswer(byOtherThan hosts: Int..., within limit: Duration = .seconds(10)) -> Int? {
        var found: Int?
        _ = eventually(within: limit) {
            guard case .host(let number)? = answerer.flatMap({ Node($0) }), !hosts.contains(number) else {
                return false
            }
            found = number
            return true
        }
        return found
    }

    /// Waits until nobody answers; false: somebody still does at the limit.
    package func waitForSilence(within limit: Duration = .seconds(10)) -> Bool {
        eventually(within: limit) {
            read()
            return state == .silent
        }
    }

    /// The outages until now.
    package var outages: [MeterTally.Outage] {
        read()
        return report.outages
    }

    /// Stops asking and tells what it saw.
    package func stop() throws -> Report {
        process.stop()
        read()
        guard state == .ended else { throw LabError("the meter ended without a summary: \(process.errors)") }
        return report
    }

    private func read() {
        for line in process.takeLines() {
            guard let record = JSONRecord(line) else { continue }
            func instant(_ name: String) -> Instant { Instant(nanoseconds: record.number(name) ?? 0) }
            func count(_ name: String) -> Int { Int(record.number(name) ?? 0) }
            switch record.text("event") {
            case "asking": state = .asking
            case "answered":
                state = .answered
                report.answerers.append((record.text("by") ?? "", instant("at_ns")))
            case "silent": state = .silent
            case "outage":
                if record.text("after") != nil { state = .answered }
                report.outages.append(
                    MeterTally.Outage(
                        from: instant("from_ns"), to: instant("to_ns"), before: record.text("before") ?? "",
                        after: record.text("after"), requests: count("requests")))
            case "summary":
                state = .ended
                report.requests = count("requests")
                report.answered = count("answered")
                report.lost = count("lost")
                report.late = count("late")
                report.duplicates = count("duplicates")
                report.longestOutage = .microseconds(record.number("longest_outage_us") ?? 0)
                report.ownDelay = .microseconds(record.number("own_delay_us") ?? 0)
            default: break
            }
        }
    }
}

/// The observer on the LAN, asking who has the address.
package final class Witness {
    /// What it saw, once it is stopped.
    package struct Report: Sendable {
        /// The times in which one host had the address, in the order of their ends.
        package var spans: [(node: Node, from: Instant, to: Instant)] = []
        /// The times in which two had it.
        package var overlaps: [Duration] = []
        /// How long two had it, all in all.
        package var together: Duration { overlaps.reduce(.zero, +) }
        /// How often the address went from one host to another. A host whose answers were lost for a while and came
        /// again has kept it.
        package var moves: Int {
            let holders = spans.sorted { $0.from < $1.from }.map(\.node)
            return zip(holders, holders.dropFirst()).count { $0 != $1 }
        }
    }

    private let process: LabProcess
    private let hosts: Int
    private var report = Report()
    private var current: [Node] = []
    private var isAsking = false
    private var hasEnded = false

    /// A witness that asks already.
    init(_ process: LabProcess, hosts: Int) throws {
        self.process = process
        self.hosts = hosts
        let hasBegun = eventually(within: .seconds(10)) {
            read()
            return isAsking || !process.isRunning
        }
        guard hasBegun, process.isRunning else { throw LabError("the witness does not start: \(process.errors)") }
    }

    /// Who answers for the address now.
    package var holders: [Node] {
        read()
        return current
    }

    /// Stops asking and tells what it saw.
    package func stop() throws -> Report {
        process.stop()
        read()
        guard hasEnded else { throw LabError("the witness ended without a summary: \(process.errors)") }
        return report
    }

    private func read() {
        for line in process.takeLines() {
            guard let record = JSONRecord(line) else { continue }
            let node = record.text("mac").flatMap { MACAddress($0) }.flatMap { Lab.Plan.node($0, hosts: hosts) }
            func instant(_ name: String) -> Instant { Instant(nanoseconds: record.number(name) ?? 0) }
            switch (record.text("event"), node) {
            case ("asking", _): isAsking = true
            case ("taken", let node?): current.append(node)
            case ("left", let node?):
                current.removeAll { $0 == node }
                report.spans.append((node, instant("from_ns"), instant("to_ns")))
            case ("together", _): report.overlaps.append(.microseconds(record.number("together_us") ?? 0))
            case ("summary", _): hasEnded = true
            default: break
            }
        }
    }
}

extension Lab {
    /// The client begins to ask the site, 1000 times a second; `pages`: for pages, 50 times a second.
    package func startMeter(ipv6: Bool = false, pages: Bool = false) throws -> Meter {
        let words = [try Toolbox.path(of: "qure-lab"), "meter", "--json"]
        return try Meter(client.start(words + (ipv6 ? ["--ipv6"] : []) + (pages ? ["--pages"] : [])))
    }

    /// The observer begins to ask who has the address.
    package func startWitness(of address: IPAddress = Plan.address) throws -> Witness {
        let words = [try Toolbox.path(of: "qure-lab"), "witness", "--json", "--interval", "2ms", address.description]
        return try Witness(observer.start(words), hosts: hostCount)
    }
}
