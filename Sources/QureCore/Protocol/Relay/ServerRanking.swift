// ServerRanking: which of several servers is asked first: the one that answers soonest, as far as is known. One that
// was not asked yet comes first, so that it becomes known; what is known of the others fades, so that they are tried
// again now and then; and one that did not answer waits for a while, longer each time, unless there is no other.

/// What is known of the servers that are asked.
package struct ServerRanking: Sendable {
    /// One server.
    private struct Row {
        /// The round trip as it was of late (RFC 6298 section 2, without the variance).
        var roundTrip: Double?
        /// Failures in a row, and until when it is spared.
        var failures = 0
        var heldUntil: Instant?
    }

    /// How long a server is spared that failed once, and at most.
    package static let firstPause = Duration.seconds(1), longestPause = Duration.seconds(60)
    /// What becomes of a round trip each time that another server is asked instead.
    static let fading = 0.98
    /// Servers that are remembered: more than anybody configures.
    private static let capacity = 256

    private var rows: [DNSEndpoint: Row] = [:]

    /// Nothing is known.
    package init() {}

    /// The servers in the order in which they are to be asked; those that are alike stay as they were.
    package mutating func order(_ servers: [DNSEndpoint], at now: Instant) -> [DNSEndpoint] {
        guard servers.count > 1 else { return servers }
        func key(_ server: DNSEndpoint) -> (Int64, Double) {
            guard let row = rows[server] else { return (0, 0) }
            guard let held = row.heldUntil, now < held else { return (0, row.roundTrip ?? 0) }
            return (held.nanoseconds, 0)
        }
        let keys = servers.map(key)
        let order = servers.indices.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
        for index in order.dropFirst() {
            if let known = rows[servers[index]]?.roundTrip { rows[servers[index]]?.roundTrip = known * Self.fading }
        }
        return order.map { servers[$0] }
    }

    /// A server has answered.
    package mutating func succeed(_ server: DNSEndpoint, after time: Duration) {
        guard rows.count < Self.capacity || rows[server] != nil else { return }
        let new = Double(max(0, time.nanoseconds))
        rows[server] = Row(roundTrip: rows[server]?.roundTrip.map { $0 * 0.875 + new * 0.125 } ?? new)
    }

    /// A server has not.
    package mutating func fail(_ server: DNSEndpoint, at now: Instant) {
        guard rows.count < Self.capacity || rows[server] != nil else { return }
        var row = rows[server] ?? Row()
        row.heldUntil = now + min(Self.longestPause, Self.firstPause * (1 << min(row.failures, 6)))
        row.failures += 1
        rows[server] = row
    }
}
