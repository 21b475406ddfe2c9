// What workers and the main thread tell each other, and what becomes of it: the records of `status`, the numbers for
// Prometheus and the line that SIGUSR1 prints.

import QureCore

/// What a worker is told by the main thread.
enum WorkerOrder: Sendable {
    case configure(RelayConfiguration)
    case changed(DomainName)
    case report(Mailbox<WorkerReport>)
    case explain(DNSQuestion, client: IPAddress, Mailbox<[String]>)
    case flush(DomainName, Mailbox<Int>)
}

/// What the main thread is told by a worker.
enum WorkerNotice: Sendable {
    /// It cannot go on.
    case died(SystemError)
    /// It has heard that a zone has changed; its number.
    case changed(DomainName, by: Int)
}

/// How a worker is.
struct WorkerReport: Sendable {
    /// Queries by datagram, by stream; those that the cache answered; answers that the kernel did not take.
    var datagrams: UInt64 = 0, messages: UInt64 = 0, hits: UInt64 = 0, lost: UInt64 = 0
    /// Answers that strangers did not get, for they had had many.
    var restrained: UInt64 = 0
    var connections = 0
    var cached = 0, capacity = 0
    var counters = Relay.Counters()
    var aliases: [AliasReport] = []
    var servers: [ServerReport] = []

    /// A server that is asked: questions in a row that it has left unanswered, and since when.
    struct ServerReport: Sendable {
        var server: DNSEndpoint
        var unanswered = 0
        var since: Instant?

        /// What two workers know of it: the worse.
        func worse(_ other: ServerReport) -> ServerReport { other.unanswered > unanswered ? other : self }
    }

    /// What is known of one set of addresses.
    struct AliasReport: Sendable {
        var alias: Alias
        var type: RecordType
        var set: AliasTable.AddressSet
        var finding: AliasTable.Finding
        var authorities: [(server: DNSEndpoint, authority: AliasTable.Authority)]
        var notified: Instant?
    }

    /// The sums over several workers; what is known of aliases is the first one's.
    static func sum(_ reports: [WorkerReport]) -> WorkerReport {
        guard var total = reports.first else { return WorkerReport() }
        for report in reports.dropFirst() {
            total.datagrams += report.datagrams
            total.messages += report.messages
            total.hits += report.hits
            total.lost += report.lost
            total.restrained += report.restrained
            total.connections += report.connections
            total.cached += report.cached
            total.capacity += report.capacity
            total.counters += report.counters
            for (index, server) in total.servers.enumerated() {
                let other = report.servers.first { $0.server == server.server }
                total.servers[index] = server.worse(other ?? server)
            }
        }
        return total
    }

    /// Names and numbers, in an order that stays.
    var numbers: [(name: String, value: UInt64, isGauge: Bool)] {
        [
            ("queries_udp", datagrams, false), ("queries_tcp", messages, false), ("cache_hits", hits, false),
            ("cache_entries", UInt64(cached), true), ("tcp_connections", UInt64(connections), true),
            ("dropped", counters.dropped, false), ("malformed", counters.malformed, false),
            ("refused", counters.refused, false), ("joined", counters.joined, false),
            ("upstream_queries", counters.asked, false), ("upstream_failures", counters.unanswered, false),
            ("stale", counters.stale, false), ("servfail", counters.failed, false),
            ("notifications", counters.notified, false), ("updates", counters.updates, false),
            ("answers_lost", lost, false), ("rate_limited", restrained, false),
            ("upstream_forgeries", counters.guessed, false), ("loops", counters.looped, false),
            ("answers_late", counters.late, false), ("overdrawn", counters.overdrawn, false),
        ]
    }

    /// All of them in a line.
    var numbersLine: String { numbers.map { "\($0.name)=\($0.value)" }.joined(separator: " ") }

    /// Prometheus's text format.
    var metrics: [String] {
        numbers.flatMap { name, value, isGauge in
            let full = "qure_dnsproxy_\(name)\(isGauge ? "" : "_total")"
            return ["# TYPE \(full) \(isGauge ? "gauge" : "counter")", "\(full) \(value)"]
        }
            + Self.gauges("alias_fresh", aliases.map { report in
                let isFresh = if case .addresses(_, _, false) = report.finding { true } else { false }
                return (report.labels, isFresh ? 1 : 0)
            })
            + Self.gauges("alias_serial", aliases.compactMap { report in
                report.set.serial.map { (report.labels, UInt64($0)) }
            })
            + Self.gauges("server_unanswered", servers.map { ("server=\"\($0.server)\"", UInt64($0.unanswered)) })
    }

    /// Numbers of one name and different labels, with the type before them; nothing where there are none.
    private static func gauges(_ name: String, _ values: [(labels: String, value: UInt64)]) -> [String] {
        guard !values.isEmpty else { return [] }
        let full = "qure_dnsproxy_\(name)"
        return ["# TYPE \(full) gauge"] + values.map { "\(full){\($0.labels)} \($0.value)" }
    }

    /// The records of `status`.
    func records(at now: Instant) -> [Record] {
        let fields = numbers.map { ($0.name, JSONValue.integer(Int64(clamping: $0.value))) }
        let asked = servers.map { report -> Record in
            let seconds = report.since.map { (now - $0).milliseconds / 1000 }
            let text = "server \(report.server) unanswered=\(report.unanswered) since=\(seconds.map { "\($0)" } ?? "-")"
            return Record(
                text,
                [
                    ("record", .string("server")), ("server", .string("\(report.server)")),
                    ("unanswered", .integer(Int64(report.unanswered))),
                    ("since", seconds.map { .integer($0) } ?? .null),
                ])
        }
        return aliases.flatMap { $0.records(at: now) } + asked + [
            Record("proxy \(numbersLine)", [(name: "record", value: .string("proxy"))] + fields)
        ]
    }
}

extension WorkerReport.AliasReport {
    fileprivate var labels: String { "name=\"\(alias.name)\",type=\"\(type)\"" }

    private var state: (word: String, ttl: UInt32?) {
        switch finding {
        case .addresses(_, let ttl, false): ("fresh", ttl)
        case .addresses(_, let ttl, true): ("stale", ttl)
        case .wait: ("waiting", nil)
        case .lost: ("lost", nil)
        }
    }

    private static func seconds(_ since: Instant?, _ now: Instant) -> JSONValue {
        since.map { .integer((now - $0).milliseconds / 1000) } ?? .null
    }

    /// Lines of `word name=value…`.
    func records(at now: Instant) -> [Record] {
        let addresses = set.addresses.map(\.description)
        var fields: [(name: String, value: JSONValue)] = [
            ("record", .string("alias")), ("name", .string("\(alias.name)")), ("type", .string("\(type)")),
            ("target", .string("\(alias.target)")), ("state", .string(state.word)),
            ("addresses", .array(addresses.map { .string($0) })),
            ("ttl", state.ttl.map { .integer(Int64($0)) } ?? .null), ("age", Self.seconds(set.learnt, now)),
            ("serial", set.serial.map { .integer(Int64($0)) } ?? .null),
            ("server", set.server.map { .string("\($0)") } ?? .null), ("failures", .integer(Int64(set.failures))),
            ("notified", Self.seconds(notified, now)),
        ]
        var records = [Self.record(fields, ["name", "type", "state", "addresses="])]
        // The authorities are the same for both types.
        guard type == .a else { return records }
        for (server, authority) in authorities {
            fields = [
                ("record", .string("authority")), ("name", .string("\(alias.name)")), ("server", .string("\(server)")),
                ("serial", authority.serial.map { .integer(Int64($0)) } ?? .null),
                ("heard", Self.seconds(authority.heard, now)),
            ]
            records.append(Self.record(fields, ["name", "server"]))
        }
        return records
    }

    /// A record whose text is `record`, the plain words, and `name=value` for the others.
    private static func record(_ fields: [(name: String, value: JSONValue)], _ plain: [String]) -> Record {
        let words = fields.map { name, value -> String in
            let text =
                switch value {
                case .string(let text): text
                case .array(let values): values.isEmpty ? "-" : values.map(\.word).joined(separator: ",")
                case .null: "-"
                default: value.text
                }
            return name == "record" || plain.contains(name) ? text : "\(name)=\(text)"
        }
        return Record(words.joined(separator: " "), fields)
    }
}

extension JSONValue {
    /// The text of a string without its quotes.
    fileprivate var word: String { if case .string(let text) = self { text } else { text } }
}
