// Who hears whom. Every message carries what its sender last heard of some of the others (the digests, in turn); a
// member of whom somebody's digests do not move on, while others hear it, is not heard by that one. So a way that is
// open in one direction only, which no election can see from its own ears, is named. For people: it decides nothing.

extension Election {
    /// A way on which nothing passes: what `speaker` says does not reach `hearer`, though it reaches others.
    package struct Way: Hashable, Comparable, Sendable {
        /// Who is not heard.
        package var speaker: NodeID
        /// By whom.
        package var hearer: NodeID

        /// The way from one to the other.
        package init(from speaker: NodeID, to hearer: NodeID) {
            self.speaker = speaker
            self.hearer = hearer
        }

        package static func < (one: Way, other: Way) -> Bool {
            (one.speaker, one.hearer) < (other.speaker, other.hearer)
        }
    }

    /// What a member has said that it heard of another.
    struct Hearing: Equatable, Sendable {
        var session: UInt64
        var sequence: UInt64
        /// Since when it has moved on without a long break.
        var since: Instant
        /// When it last did.
        var at: Instant
    }

    /// How old a digest's news may be, where nothing is lost: the speaker's hello, then all of the hearer's digests.
    private var digestAge: Duration {
        let rounds = (members.count + ElectionMessage.maximumEntries - 1) / ElectionMessage.maximumEntries
        return max(helloInterval, configuration.interval) * (rounds + 1)
    }

    /// After how long without anything new a member does not hear another. Longer than a member is remembered for, and
    /// a digest's age: a link that was cut for a while is no one-way path.
    var hearingLimit: Duration { digestAge * 4 }
    /// Who was heard within this time speaks. Shorter by more than a digest's age: of one that has fallen silent some
    /// know later than others, and none of them is deaf.
    private var speakingLimit: Duration { digestAge * 2 }

    mutating func noteDigests(of message: ElectionMessage, at now: Instant) {
        for digest in message.digests where digest.node != message.node {
            let known = hearing[message.node]?[digest.node]
            var heard = Hearing(session: digest.session, sequence: digest.sequence, since: now, at: now)
            if let known, known.session == digest.session {
                guard digest.sequence > known.sequence else { continue }
                if now - known.at <= hearingLimit { heard.since = known.since }
            }
            guard known != nil || (hearing[message.node]?.count ?? 0) <= Self.maximumMembers else { continue }
            hearing[message.node, default: [:]][digest.node] = heard
        }
    }

    /// Looks over who hears whom. Says so when that has changed.
    mutating func reviewHearing(at now: Instant) -> [Output] {
        let limit = hearingLimit
        hearing = hearing.filter { members[$0.key] != nil }
            .mapValues { heard in heard.filter { now - $0.value.at <= limit * 2 } }
        let ways = findUnheard(at: now, limit).sorted()
        guard ways != unheard else { return [] }
        unheard = ways
        return [.unheard(ways)]
    }

    /// Whether something has passed on this way lately.
    package func isHeard(_ way: Way, at now: Instant) -> Bool {
        let heardAt =
            way.hearer == configuration.node
            ? members[way.speaker]?.heardAt : hearing[way.hearer]?[way.speaker]?.at
        return heardAt.map { now - $0 < hearingLimit } ?? false
    }

    private func findUnheard(at now: Instant, _ limit: Duration) -> [Way] {
        // Whoever has just begun to listen has not heard enough to judge.
        guard now - listensSince >= limit else { return [] }
        let own = configuration.node
        let lately = speakingLimit
        let steady = members.filter { now - $0.value.heardAt < lately && now - $0.value.knownSince >= limit }
        var speakers = Set(steady.keys).union([own])
        for heard in hearing.values {
            for (speaker, one) in heard where now - one.at < lately && now - one.since >= limit {
                speakers.insert(speaker)
            }
        }
        return speakers.flatMap { speaker in
            (steady.keys + [own]).filter { $0 != speaker }.map { Way(from: speaker, to: $0) }
                .filter { !isHeard($0, at: now) }
        }
    }
}
