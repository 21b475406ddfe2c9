// FailureCache: questions that nobody answered a moment ago are not asked again at once (RFC 9520): the pause begins
// with a second and doubles with each further failure, up to half a minute. The RFC allows five, which are an outage of
// their own to who has mended his line. And when a server speaks again, nobody is to be told of what was during its
// silence.

/// What failed, and until when it is not tried again.
package struct FailureCache: Sendable {
    private struct Row {
        var until: Instant
        var pause: Duration
    }

    /// Those who are asked beyond a primary's delegation are others than the primary: while they are silent, it answers
    /// all who do not want it found.
    private struct Key: Hashable {
        var question: DNSQuestion
        var isDelegated: Bool
    }

    /// The pauses (RFC 9520 section 3.2).
    package static let firstPause = Duration.seconds(1), longestPause = Duration.seconds(30)
    /// Questions that are remembered; those beyond take the place of all whose time is over, or of any.
    package static let capacity = 1000

    private var rows: [Key: Row] = [:]

    /// Nothing has failed.
    package init() {}

    /// Whether the question failed and is not to be asked now; `isDelegated`: of those beyond a primary's delegation.
    package func isFailing(_ question: DNSQuestion, isDelegated: Bool = false, at now: Instant) -> Bool {
        rows[Key(question: question, isDelegated: isDelegated)].map { now < $0.until } ?? false
    }

    /// It failed.
    package mutating func fail(_ question: DNSQuestion, isDelegated: Bool = false, at now: Instant) {
        let key = Key(question: question, isDelegated: isDelegated)
        let pause = rows[key].map { min(Self.longestPause, $0.pause * 2) } ?? Self.firstPause
        if rows.count >= Self.capacity, rows[key] == nil {
            rows = rows.filter { now < $0.value.until }
            if rows.count >= Self.capacity, let any = rows.keys.first { rows[any] = nil }
        }
        rows[key] = Row(until: now + pause, pause: pause)
    }

    /// A server that had gone silent is back: what failed for that is asked soon, though not all of it at once, and the
    /// pauses begin anew.
    package mutating func restart(at now: Instant) {
        for key in rows.keys {
            guard let until = rows[key]?.until else { continue }
            rows[key] = Row(until: min(until, now + Self.firstPause), pause: Self.firstPause)
        }
    }

    /// Forgets the failures of a name and of those below it.
    package mutating func remove(_ name: DomainName) {
        rows = rows.filter { !$0.key.question.name.isWithin(name) }
    }

    /// It was answered.
    package mutating func succeed(_ question: DNSQuestion, isDelegated: Bool = false) {
        rows[Key(question: question, isDelegated: isDelegated)] = nil
    }
}
