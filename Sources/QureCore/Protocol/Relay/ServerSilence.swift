// ServerSilence: which of the servers that are asked say nothing any more, so that the log can name them, and say when
// they are back. One question may get lost; two in a row that nobody answers are a server that is down, or cannot be
// reached. Whatever a server answers, it speaks.

/// Servers that do not answer.
package struct ServerSilence: Sendable {
    private struct Row {
        /// When the first of these questions was given up.
        var since: Instant
        var questions = 1
        /// Whether it was told.
        var isTold = false
    }

    /// Questions in a row without an answer that are told of.
    static let questions = 2
    /// How long no second silence of a server is told.
    static let pause = Duration.seconds(60)
    /// Servers that are remembered: more than anybody configures.
    private static let capacity = 256

    private var rows: [DNSEndpoint: Row] = [:]
    private var told: [DNSEndpoint: Instant] = [:]

    /// All speak.
    package init() {}

    /// A question was given up; whether that is to be told.
    package mutating func giveUp(_ server: DNSEndpoint, at now: Instant) -> Bool {
        guard var row = rows[server] else {
            if rows.count < Self.capacity { rows[server] = Row(since: now) }
            return false
        }
        row.questions += 1
        let isNew = !row.isTold && row.questions >= Self.questions && now >= told[server].map { $0 + Self.pause } ?? now
        if isNew {
            row.isTold = true
            told = told.filter { now < $1 + Self.pause }
            told[server] = now
        }
        rows[server] = row
        return isNew
    }

    /// The servers that are not asked any more are forgotten: of one that is asked again later nothing is known.
    package mutating func keep(only servers: Set<DNSEndpoint>) {
        rows = rows.filter { servers.contains($0.key) }
    }

    /// Whether it has left several questions in a row unanswered, told or not.
    package func isSilent(_ server: DNSEndpoint) -> Bool { (rows[server]?.questions ?? 0) >= Self.questions }

    /// Questions in a row that it has left unanswered, and since when; nil: it answered the last one, or has had none.
    package subscript(server: DNSEndpoint) -> (questions: Int, since: Instant)? {
        rows[server].map { ($0.questions, $0.since) }
    }

    /// It has said something; for how long it was silent, if that was told.
    package mutating func hear(_ server: DNSEndpoint, at now: Instant) -> Duration? {
        guard let row = rows.removeValue(forKey: server), row.isTold else { return nil }
        return now - row.since
    }
}
