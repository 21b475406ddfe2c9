// Counters: what `qure-elect run` counts while it runs, for `status`, and the same for Prometheus, in its text
// exposition format 0.0.4: seconds for times, one metric after the other, each with its help and its type.

import QureCore

/// What is counted from the start on.
struct Counters {
    var datagrams = 0
    /// What was received and not believed, before the machine saw it.
    var malformed = 0
    var unauthenticated = 0
    var otherCluster = 0
    var sent: [ElectionMessage.Kind: Int] = [:]
    /// Heartbeats that only repeated the last one, which `sent` does not count.
    private(set) var repetitions = 0
    /// Authenticated ones, believed or not.
    var received: [ElectionMessage.Kind: Int] = [:]
    private(set) var takeOvers: [String: Int] = [:]
    /// When this member last took over, in nanoseconds since 1970.
    private(set) var tookOverAt: Int64?
    private(set) var lateness = Histogram()

    /// Notes that this member has taken over, if it has.
    mutating func note(_ event: Election.Event, _ lastTakeOver: @autoclosure () -> Election.TakeOver?) {
        // With a reason it is master again, or still.
        guard event.state == .master, event.reason == nil, let last = lastTakeOver() else { return }
        takeOvers[last.reason, default: 0] += 1
        tookOverAt = Clock.realtimeNanoseconds
    }

    /// Notes such a heartbeat, and how late it was.
    mutating func noteRepetition(late: Duration) {
        repetitions += 1
        lateness.add(late)
    }

    /// Notes how late the loop was for a deadline of the election.
    mutating func noteLateness(_ time: Duration) { lateness.add(time) }

    /// How often something took how long.
    struct Histogram {
        static let bounds: [Duration] = [
            .microseconds(250), .milliseconds(1), .milliseconds(4), .milliseconds(16), .milliseconds(64),
            .milliseconds(256),
        ]
        private(set) var counts = [Int](repeating: 0, count: bounds.count + 1)
        private(set) var sum = Duration.zero

        mutating func add(_ time: Duration) {
            counts[Self.bounds.firstIndex { time <= $0 } ?? Self.bounds.count] += 1
            sum += time
        }
    }
}

/// Metrics as text.
struct MetricsText {
    private(set) var lines: [String] = []
    private let cluster: String

    /// Every line carries the label `cluster`.
    init(cluster: String) { self.cluster = cluster }

    enum Kind: String { case counter, gauge, histogram }

    /// Begins a metric.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        lines.append("# HELP qure_elect_\(name) \(help)")
        lines.append("# TYPE qure_elect_\(name) \(kind.rawValue)")
    }

    mutating func add(_ name: String, _ labels: (name: String, value: String)..., value: String) {
        let all = [(name: "cluster", value: cluster)] + labels
        let text = all.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        lines.append("qure_elect_\(name){\(text)} \(value)")
    }

    /// A metric of one line; none where there is no value.
    mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: String?) {
        guard let value else { return }
        begin(name, kind, help)
        add(name, value: value)
    }

    /// A metric with a line for each value of a label.
    mutating func family(
        _ name: String, _ kind: Kind, _ help: String, by label: String, _ values: [(key: String, value: String)]
    ) {
        begin(name, kind, help)
        for one in values { add(name, (label, one.key), value: one.value) }
    }

    private static func escaped(_ text: String) -> String {
        text.flatMap { $0 == "\\" || $0 == "\"" ? ["\\", $0] : [$0] }.map(String.init).joined()
    }

    static func seconds(_ time: Duration) -> String { "\(Double(time.nanoseconds) / 1e9)" }
}

extension ElectSession {
    /// All that is counted, for Prometheus.
    func metrics() -> MetricsText {
        var text = MetricsText(cluster: options.place.cluster)
        func counts(_ values: [String: Int]) -> [(key: String, value: String)] {
            values.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        }
        func byName(_ values: [ElectionMessage.Kind: Int]) -> [(key: String, value: String)] {
            counts(Dictionary(values.map { ($0.key.name, $0.value) }, uniquingKeysWith: +))
        }
        text.family(
            "role", .gauge, "1 for the role of this member, 0 for the others.", by: "role",
            Election.Role.allCases.map { ($0.rawValue, $0 == election.role ? "1" : "0") })
        text.single("term", .gauge, "The term that this member follows or leads, or the highest that it knows.",
            "\(knownTerm)")
        text.single("members", .gauge, "Members that are known, this one included.", "\(election.members.count + 1)")
        text.single("healthy", .gauge, "Whether this member could hold the address.", illness == nil ? "1" : "0")
        text.single(
            "one_way_paths", .gauge, "Pairs of members of whom one does not hear the other.",
            "\(election.unheard.count)")
        text.family(
            "messages_sent_total", .counter, "Messages to the cluster.", by: "kind",
            byName(counters.sent.merging([.heartbeat: counters.repetitions], uniquingKeysWith: +)))
        text.family(
            "messages_received_total", .counter, "Authenticated messages from the cluster.", by: "kind",
            byName(counters.received))
        let rejected = [
            "malformed": counters.malformed, "unauthenticated": counters.unauthenticated,
            "other-cluster": counters.otherCluster, "hop-limit": strayed,
        ]
        text.family(
            "messages_rejected_total", .counter, "Messages that were not believed.", by: "reason",
            counts(election.disbelieved.merging(rejected, uniquingKeysWith: +)))
        addTakeOvers(&text, counts(counters.takeOvers))
        addTimes(&text)
        return text
    }

    private func addTakeOvers(_ text: inout MetricsText, _ counts: [(key: String, value: String)]) {
        text.family("take_overs_total", .counter, "Take-overs by this member.", by: "reason", counts)
        guard let last = election.lastTakeOver, let at = counters.tookOverAt else { return }
        text.single(
            "last_take_over_timestamp_seconds", .gauge, "When this member last took over.",
            "\(at / 1_000_000_000)")
        text.single(
            "last_take_over_seconds", .gauge,
            "The last take-over: from the last sign of life to the address on this host.",
            last.claimed.map(MetricsText.seconds))
        var parts = [("detection", last.detected), ("confirmation", last.confirmed - last.detected)]
        if let claimed = last.claimed { parts.append(("address", claimed - last.confirmed)) }
        text.family(
            "last_take_over_part_seconds", .gauge, "Its parts.", by: "part",
            parts.map { ($0.0, MetricsText.seconds($0.1)) })
    }

    private func addTimes(_ text: inout MetricsText) {
        let now = Clock.now
        text.single(
            "master_heard_seconds", .gauge, "Since this member last heard the master.",
            election.isMasterNow ? nil : election.master.map { MetricsText.seconds(now - $0.heardAt) })
        text.single(
            "gateway_heard_seconds", .gauge, "Since the gateway last answered this member.",
            gatewayHeard.map { MetricsText.seconds(now - $0) })
        let name = "loop_lateness_seconds"
        text.begin(name, .histogram, "How late the loop was for its deadlines.")
        var count = 0
        for (bound, number) in zip(Counters.Histogram.bounds, counters.lateness.counts) {
            count += number
            text.add("\(name)_bucket", ("le", MetricsText.seconds(bound)), value: "\(count)")
        }
        count += counters.lateness.counts.last ?? 0
        text.add("\(name)_bucket", ("le", "+Inf"), value: "\(count)")
        text.add("\(name)_sum", value: MetricsText.seconds(counters.lateness.sum))
        text.add("\(name)_count", value: "\(count)")
    }
}
