// What `qure-elect status` and `members` tell of a running elector: the text format of Prometheus, read as strictly as
// its description has it, and that the numbers are those of what happened; who hears whom.

import Glibc
import Lab
import QureCore
import Testing

/// Metrics as a scraper sees them.
struct Metrics {
    private(set) var values: [String: Double] = [:]
    private(set) var problems: [String] = []

    private let cluster: String

    init(_ text: String, of cluster: String = "test") {
        self.cluster = cluster
        var types: [Substring: Substring] = [:]
        var helped: Set<Substring> = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            let words = line.split(separator: " ")
            if line.hasPrefix("# HELP "), words.count > 3 {
                helped.insert(words[2])
            } else if line.hasPrefix("# TYPE "), words.count == 4 {
                types[words[2]] = words[3]
            } else if let brace = line.firstIndex(of: "{"), let value = words.last.flatMap({ Double($0) }) {
                let name = line[..<brace]
                let ends = ["_bucket", "_sum", "_count"].filter { name.hasSuffix($0) }
                let family = types[name] == nil ? ends.first.map { name.dropLast($0.count) } ?? name : name
                if types[family] == nil || !helped.contains(family) { problems.append("unannounced: \(line)") }
                if types[family] == "counter" && !name.hasSuffix("_total") { problems.append("no total: \(line)") }
                if values.updateValue(value, forKey: String(words.dropLast().joined(separator: " "))) != nil {
                    problems.append("twice: \(line)")
                }
            } else {
                problems.append("what is this: \(line)")
            }
        }
    }

    subscript(_ name: String, _ label: String? = nil) -> Double? {
        values["qure_elect_\(name){cluster=\"\(cluster)\"\(label.map { ",\($0)" } ?? "")}"]
    }
}

extension InTheLab {
    @Suite(.timeLimit(.minutes(2)))
    struct Status {
        private static func metrics(_ elector: Elector) -> Metrics {
            let answer = elector.ask("status", "--metrics")
            let metrics = Metrics(answer.output)
            #expect(answer.status == 0 && metrics.problems == [], "\(answer.output)")
            return metrics
        }

        @Test func `the metrics are well formed and tell what happened`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let elector = try Elector(lab.host(1), ["--on-master", Elector.adds])
            let stranger = try Elector(lab.host(2), [], cluster: "other")
            #expect(elector.becomes("master"), "\(elector.said)")
            #expect(eventually { Self.metrics(elector)["last_take_over_part_seconds", "part=\"address\""] != nil })
            let first = Self.metrics(elector)
            #expect(first["role", "role=\"master\""] == 1 && first["role", "role=\"standby\""] == 0)
            #expect(first["term"] == 1 && first["members"] == 1 && first["healthy"] == 1)
            #expect(first["take_overs_total", "reason=\"no-master\""] == 1)
            let parts = try ["detection", "confirmation", "address"].map { part in
                try #require(first["last_take_over_part_seconds", "part=\"\(part)\""])
            }
            let whole = try #require(first["last_take_over_seconds"])
            #expect(abs(parts.reduce(0, +) - whole) < 1e-6 && parts.allSatisfy { $0 >= 0 } && parts[2] > 0)
            #expect(try #require(first["last_take_over_timestamp_seconds"]) > 1_700_000_000)
            #expect(
                eventually {
                    let now = Self.metrics(elector)
                    let beats = "kind=\"heartbeat\""
                    return (now["messages_sent_total", beats] ?? 0) > (first["messages_sent_total", beats] ?? 0)
                        && (now["messages_rejected_total", "reason=\"other-cluster\""] ?? 0) > 0
                }, "\(stranger.said)")
            #expect(first["messages_rejected_total", "reason=\"unauthenticated\""] == 0)
            let last = Self.metrics(elector)
            let buckets = ["0.00025", "0.001", "0.004", "0.016", "0.064", "0.256", "+Inf"].compactMap {
                last["loop_lateness_seconds_bucket", "le=\"\($0)\""]
            }
            #expect(buckets.count == 7 && buckets == buckets.sorted() && buckets[6] > 0)
            #expect(last["loop_lateness_seconds_count"] == buckets[6])
            #expect(elector.ask("status", "--metrics", "--json").status == 64)
        }

        @Test func `of a master that only repeats itself every heartbeat is counted, and believed`() throws {
            let site = try ElectedSite(hosts: 2)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { site.cluster.members(knownTo: master) == 2 })
            func metrics(_ host: Int) -> Metrics { Metrics(site.ask(host, "status --metrics").output, of: "home") }
            let beats = "kind=\"heartbeat\""
            func counts() throws -> (sent: Double, heard: Double) {
                let sent = metrics(master)["messages_sent_total", beats]
                return (try #require(sent), try #require(metrics(3 - master)["messages_received_total", beats]))
            }
            let start = Clock.now
            func deadlines() -> (all: Double, late: Double) {
                let lateness = metrics(master), all = lateness["loop_lateness_seconds_count"] ?? 0
                return (all, all - (lateness["loop_lateness_seconds_bucket", "le=\"0.001\""] ?? 0))
            }
            let first = try counts(), before = deadlines()
            // Most of so many are repeated.
            #expect(try eventually { try counts().sent >= first.sent + 30 })
            let last = try counts(), after = deadlines()
            let time = Clock.now - start, sent = last.sent - first.sent
            let judged = after.all - before.all, late = after.late - before.late
            #expect(time > .milliseconds(2800) && (time < .milliseconds(3600) || late > 0), "\(sent) in \(time)")
            // Who asks for the second one is a moment later.
            #expect(abs(last.heard - first.heard - sent) <= 1)
            // A review that comes with a heartbeat is no deadline of its own, unless the machine is late.
            #expect(abs(judged - sent) <= 3 + late, "\(judged) deadlines, \(late) of them late, \(sent) heartbeats")
            #expect(metrics(3 - master)["messages_rejected_total", "reason=\"unauthenticated\""] == 0)
            #expect(metrics(3 - master)["messages_rejected_total", "reason=\"old-sequence\""] ?? 0 == 0)
        }

        @Test func `a way that is open in one direction only is named on every host`() throws {
            let lab = try Lab(hosts: 3, responders: false)
            let first = try Elector(lab.host(1), ["--on-master", Elector.adds])
            #expect(first.becomes("master"), "\(first.said)")
            let electors = [first, try Elector(lab.host(2), []), try Elector(lab.host(3), [])]
            #expect(electors[1].becomes("standby") && electors[2].becomes("standby"))
            try lab.host(3).must("nft add table ip deaf")
            try lab.host(3).must("nft add chain ip deaf in { type filter hook input priority 0 ; }")
            try lab.host(3).must("nft add rule ip deaf in ip saddr 192.168.1.22 udp dport 7784 drop")
            for elector in electors {
                #expect(
                    eventually(within: .seconds(30)) {
                        elector.ask("members").output.split(separator: "\n").contains {
                            $0.hasPrefix("h3 ") && $0.hasSuffix(" deaf_to=h2")
                        }
                    }, "\(elector.ask("members").output)")
                #expect(elector.ask("status").output.hasSuffix(" one_way=h2>h3 reason=-\n"))
            }
            #expect(electors[1].ask("members").output.contains(" path=one-way "))
            #expect(electors[0].ask("members", "--json").output.contains("\"deaf_to\":[\"h2\"]"))
            #expect(Self.metrics(first)["one_way_paths"] == 1)
            #expect(first.process.errors.contains("h3 does not hear h2: "))
            try lab.host(3).must("nft delete table ip deaf")
            for elector in electors {
                #expect(eventually { elector.ask("status").output.hasSuffix(" one_way=- reason=-\n") })
            }
            #expect(first.process.errors.hasSuffix(" h3 hears h2 again\n"))
        }

        @Test func `what is not there yet has no number`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Elector(lab.host(1), ["--health", "false"])
            #expect(elector.becomes("fault"), "\(elector.said)")
            let metrics = Self.metrics(elector)
            #expect(metrics["role", "role=\"fault\""] == 1 && metrics["healthy"] == 0)
            #expect(!metrics.values.keys.contains { $0.contains("take_over") })
            #expect(elector.ask("status", "--json").output.contains("\"last_take_over\":null,"))
        }
    }
}
