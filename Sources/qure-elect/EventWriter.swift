// EventWriter: the event stream on standard output, as text or JSON Lines. It never waits for the reader: a line that
// cannot be written now stays for a moment; renewals of the lease are dropped first, for the next one says the same. It
// knows how long the reader has been behind.

import QureCore

struct EventWriter {
    private let isJSON: Bool
    private let cluster: String
    private let name: String
    private let addresses: [Prefix]
    private var pending: [(line: String, isRenewal: Bool)] = []
    /// The last line that was added; and the last one that was no renewal.
    private(set) var last = ""
    private(set) var lastState: String?
    /// When the oldest line was written that the reader may not have read.
    private var unreadSince: Instant?
    private static let maximumPending = 256
    /// Whether there is something to write.
    var isPending: Bool { !pending.isEmpty }

    init(json: Bool, cluster: String, name: String, _ addresses: [Prefix]) {
        isJSON = json
        self.cluster = cluster
        self.name = name
        self.addresses = addresses
    }

    /// The election is looked at only where the event tells of it: it is large, and a renewal says the same each time.
    /// `heartbeat`: what followers are told about the heartbeats.
    mutating func add(_ event: Election.Event, _ election: @autoclosure () -> Election, heartbeat: String?) {
        let fields = fields(event, election, heartbeat)
        if isJSON {
            last = JSONValue.object([("event", .string(event.state.rawValue))] + fields).text
        } else {
            last = event.state.rawValue
            for (key, value) in fields {
                last += " " + key + "="
                if case .string(let text) = value { last += text } else { last += value.text }
            }
        }
        if event.state != .alive { lastState = last }
        pending.append((last, event.state == .alive))
        if pending.count > Self.maximumPending { pending.removeAll { $0.isRenewal } }
    }

    /// A line of the stream as JSON, whichever of the two the elector writes.
    static func json(_ line: String) -> String {
        guard !line.hasPrefix("{") else { return line }
        let words = line.split(separator: " ")
        let fields = words.dropFirst().map { word -> (String, JSONValue) in
            let pair = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let (key, text) = (String(pair[0]), String(pair.last ?? ""))
            let number = numbers.contains(key) ? Int64(text) : nil
            return (key, number.map { .integer($0) } ?? .string(text))
        }
        return JSONValue.object([("event", .string(String(words.first ?? "")))] + fields).text
    }

    /// The keys whose values are numbers.
    private static let numbers = ["term", "members", "at"]

    private func fields(
        _ event: Election.Event, _ election: () -> Election, _ heartbeat: String?
    ) -> [(String, JSONValue)] {
        var fields: [(String, JSONValue)] = [("term", .integer(Int64(clamping: event.term)))]
        func text(_ key: String, _ value: String) { fields.append((key, .string(value))) }
        if event.state != .alive {
            let election = election()
            text("cluster", cluster)
            text("node", "\(election.configuration.node)")
            text("name", name)
            if let master = event.master {
                text(
                    "master",
                    master == election.configuration.node ? name : election.members[master]?.name ?? "\(master)")
            }
            text("address", addresses.map(\.description).joined(separator: ","))
            let peers = election.members.values.compactMap(\.mac).sorted()
            text("peers", peers.map(\.description).joined(separator: ","))
            fields.append(("members", .integer(Int64(election.members.count + 1))))
        }
        if let at = event.at { fields.append(("at", .integer(at.nanoseconds))) }
        if let lease = event.lease { text("lease", lease.text) }
        if let heartbeat { text("heartbeat", heartbeat) }
        if let reason = event.reason { text("reason", String(reason.map { $0 == " " || $0 == "=" ? "-" : $0 })) }
        return fields
    }

    /// Writes what can be written. A reader that is gone is an error.
    mutating func flush() throws(SystemError) {
        guard !pending.isEmpty else { return }
        if !OutputStream.isUnread(1) { unreadSince = nil }
        while let first = pending.first {
            guard try OutputStream.writeUnlessBlocked(Array((first.line + "\n").utf8), to: 1) else { return }
            pending.removeFirst()
            unreadSince = unreadSince ?? Clock.now
        }
    }

    /// Whether the reader, if it is at the other end of a pipe, has had a line before it for so long and not read it.
    mutating func isReaderStalled(for limit: Duration, at now: Instant) -> Bool {
        guard let since = unreadSince, now - since >= limit else { return false }
        if !OutputStream.isUnread(1) { unreadSince = nil }
        return unreadSince != nil
    }
}
