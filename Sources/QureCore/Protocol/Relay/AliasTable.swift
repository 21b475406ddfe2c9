// AliasTable: names that have the addresses of another name, whose addresses change. The answers are flat: the
// addresses stand under the name that was asked, so that a client needs to know nothing of the other one. The addresses
// are asked for ahead of the end of their time, whether anybody wants them or not, so that no client waits.
//
//   a set of addresses | input                  | becomes
//   unknown            | asked for              | unknown; clients wait for it
//   any                | learnt                 | fresh, until its time is over
//   fresh              | nine tenths are over   | fresh, due to be asked for again
//   fresh              | its time is over       | late: asked for, and clients wait for it
//   late               | nobody could be asked, | stale: given for the limit, with 30 seconds, and said to be old
//                      | or not for 1.8 seconds |
//   stale              | the limit is over      | lost: SERVFAIL
//   any                | told of a change       | due at once, but not forgotten

/// An alias, as it is configured.
package struct Alias: Equatable, Sendable {
    /// The name that stays; with a `*` in front, every name below.
    package var name: DomainName
    /// The name whose addresses change.
    package var target: DomainName
    /// Who knows them: authorities, or none: the upstreams.
    package var servers: [DNSEndpoint] = []
    /// Seconds that clients may keep an answer, at most.
    package var maximumTTL: UInt32 = 60
    /// How long old addresses are given when nobody can be asked.
    package var staleLimit = Duration.seconds(300)
    /// Whether other types are asked for upstream, instead of being said not to exist.
    package var passesOthers = false

    /// An alias.
    package init(_ name: DomainName, target: DomainName) {
        self.name = name
        self.target = target
    }

    /// Whether it is for all names below one.
    package var isWildcard: Bool { name.isWildcard }
}

/// The aliases and what is known of their targets.
package struct AliasTable: Sendable {
    /// One set of addresses: an alias, and a type.
    package struct Key: Hashable, Sendable {
        /// The alias's place in the configuration.
        package var alias: Int
        /// A or AAAA.
        package var type: RecordType

        /// A set of an alias.
        package init(alias: Int, type: RecordType) {
            self.alias = alias
            self.type = type
        }
    }

    /// What is known of a set.
    package struct AddressSet: Equatable, Sendable {
        /// The addresses; none: there are none of this type.
        package fileprivate(set) var addresses: [IPAddress] = []
        /// There are none, for there is no such name.
        package fileprivate(set) var isMissing = false
        /// When they were learnt; nil: never.
        package fileprivate(set) var learnt: Instant?
        /// For how many seconds they are good.
        package fileprivate(set) var ttl: UInt32 = 0
        /// The serial of the zone that they are from, where it is known.
        package fileprivate(set) var serial: UInt32?
        /// Who said so.
        package fileprivate(set) var server: DNSEndpoint?
        /// Questions in a row that nobody answered.
        package fileprivate(set) var failures = 0
        /// Whether it is being asked for.
        package fileprivate(set) var isAsked = false
        /// Since when, or when it last was.
        fileprivate var asked: Instant?
        /// When it is to be asked for.
        fileprivate var due: Instant?

        fileprivate func end() -> Instant? { learnt.map { $0 + .seconds(Int64(ttl)) } }
    }

    /// What to say.
    package enum Finding: Equatable, Sendable {
        /// These; none: NODATA. `isStale`: they are old.
        case addresses([IPAddress], ttl: UInt32, isStale: Bool)
        /// Ask, and wait.
        case wait
        /// Nobody knows, and it has been too long.
        case lost
    }

    /// The time to live of an old answer (RFC 8767 section 4).
    package static let staleTTL: UInt32 = 30
    /// How long a client waits while there is something old to give (RFC 8767 section 5).
    package static let stalePatience = Duration.milliseconds(1800)
    /// How long a client may keep that there are no addresses of a type that cannot be found out, in seconds.
    package static let unknownTTL: UInt32 = 5
    /// The pause behind a first failure; each further one doubles it.
    package static let firstPause = Duration.seconds(1)
    /// The longest pause between questions that nobody answers: while there are old addresses, and when there are none.
    package static let longestPause = Duration.seconds(30), longestPauseWithoutAny = Duration.seconds(5)
    /// How often at most a set is asked for, however short its time to live is.
    package static let shortestInterval = Duration.seconds(1)

    /// What is known of one who is asked.
    package struct Authority: Equatable, Sendable {
        /// The serial that it had; nil: it did not say.
        package var serial: UInt32?
        /// When it last answered; nil: it does not.
        package var heard: Instant?
    }

    /// The authorities of each alias that have been asked for their serial.
    package private(set) var authorities: [Int: [DNSEndpoint: Authority]] = [:]
    /// As configured.
    package let aliases: [Alias]
    private let exact: [DomainName: Int]
    private let wildcards: [DomainName: Int]
    private var sets: [Key: AddressSet] = [:] {
        didSet { nextDeadline = sets.values.compactMap { $0.isAsked ? nil : $0.due }.min() }
    }
    /// The next moment at which something is due.
    package private(set) var nextDeadline: Instant?

    /// Nothing is known; all is due.
    package init(_ aliases: [Alias], at now: Instant) {
        self.aliases = aliases
        exact = Dictionary(
            aliases.indices.filter { !aliases[$0].isWildcard }.map { (aliases[$0].name, $0) }, uniquingKeysWith: { $1 })
        wildcards = Dictionary(
            aliases.indices.filter { aliases[$0].isWildcard }.map { (aliases[$0].name.parent ?? .root, $0) },
            uniquingKeysWith: { $1 })
        var sets: [Key: AddressSet] = [:]
        for alias in aliases.indices {
            for type in [RecordType.a, .aaaa] { sets[Key(alias: alias, type: type), default: AddressSet()].due = now }
        }
        self.sets = sets
        nextDeadline = aliases.isEmpty ? nil : now
    }

    /// Takes over what another table knows of the same targets: the configuration has been read anew.
    package mutating func adopt(_ old: AliasTable) {
        for (key, set) in sets {
            let alias = aliases[key.alias]
            guard
                let index = old.aliases.firstIndex(where: { $0.target == alias.target && $0.servers == alias.servers }),
                var known = old.sets[Key(alias: index, type: key.type)]
            else { continue }
            known.isAsked = false
            known.due = set.due
            sets[key] = known
        }
    }

    /// The alias that a name is, or is below of.
    package func alias(of name: DomainName) -> Int? {
        if let index = exact[name] { return index }
        guard !wildcards.isEmpty else { return nil }
        var above = name.parent
        while let candidate = above {
            if let index = wildcards[candidate] { return index }
            above = candidate.parent
        }
        return nil
    }

    /// What is known of a set, for reports.
    package subscript(key: Key) -> AddressSet { sets[key] ?? AddressSet() }

    /// What to say to a client.
    package func find(_ key: Key, at now: Instant) -> Finding {
        guard let set = sets[key] else { return .lost }
        let alias = aliases[key.alias]
        guard let end = set.end() else { return set.failures > 0 ? .lost : .wait }
        if now < end {
            let left = UInt32(clamping: (end - now).nanoseconds / 1_000_000_000)
            return .addresses(set.addresses, ttl: min(max(left, 1), alias.maximumTTL), isStale: false)
        }
        let isSilent = set.isAsked && set.asked.map { now - $0 >= Self.stalePatience } == true
        guard set.failures > 0 || isSilent else { return .wait }
        guard now < end + alias.staleLimit else { return .lost }
        return .addresses(set.addresses, ttl: min(Self.staleTTL, alias.maximumTTL), isStale: true)
    }

    /// Whether there are addresses of the other type to give.
    package func hasOther(than key: Key, at now: Instant) -> Bool {
        let other = Key(alias: key.alias, type: key.type == .a ? .aaaa : .a)
        guard case .addresses(let addresses, _, _) = find(other, at: now) else { return false }
        return !addresses.isEmpty
    }

    /// The sets that are to be asked for now; they count as being asked from then on.
    package mutating func takeDue(at now: Instant) -> [Key] {
        guard let nextDeadline, nextDeadline <= now else { return [] }
        let due = sets.filter { !$1.isAsked && $1.due.map { $0 <= now } ?? false }.map(\.key)
        for key in due {
            sets[key]?.isAsked = true
            sets[key]?.asked = now
        }
        return due.sorted { ($0.alias, $0.type.rawValue) < ($1.alias, $1.type.rawValue) }
    }

    /// A client waits for a set: it is due at once, unless it is being asked for.
    package mutating func want(_ key: Key, at now: Instant) {
        guard sets[key]?.isAsked == false else { return }
        sets[key]?.due = now
    }

    /// Whether an answer of that serial says something newer than what is known, or it is too old to insist on.
    package func accepts(_ key: Key, serial: UInt32?, at now: Instant) -> Bool {
        guard let set = sets[key], let known = set.serial, let serial, let end = set.end(),
            now < end + aliases[key.alias].staleLimit
        else { return true }
        return !StartOfAuthority.isNewer(known, than: serial)
    }

    /// The addresses are known. True: they are others than before.
    package mutating func learn(
        _ key: Key, _ addresses: [IPAddress], isMissing: Bool = false, ttl: UInt32, serial: UInt32?,
        from server: DNSEndpoint, at now: Instant
    ) -> Bool {
        guard var set = sets[key] else { return false }
        let isChanged = set.learnt == nil || set.addresses != addresses
        set.addresses = addresses
        set.isMissing = isMissing
        set.learnt = now
        set.ttl = max(ttl, 1)
        set.serial = serial ?? set.serial
        set.server = server
        set.failures = 0
        set.isAsked = false
        set.due = now + max(Self.shortestInterval, .milliseconds(Int64(set.ttl) * 900))
        sets[key] = set
        return isChanged
    }

    /// Nobody could be asked.
    package mutating func fail(_ key: Key, at now: Instant) {
        guard var set = sets[key] else { return }
        let pause = Self.firstPause * (1 << min(set.failures, 8))
        set.failures += 1
        set.isAsked = false
        if let limit = set.end().map({ $0 + aliases[key.alias].staleLimit }), now < limit {
            // From then on whoever lags behind is believed: there is to be no gap between the two.
            set.due = min(now + min(pause, Self.longestPause), limit)
        } else {
            set.due = now + min(pause, Self.longestPauseWithoutAny)
        }
        sets[key] = set
    }

    /// An authority has said its serial; `at` nil: it does not answer.
    mutating func noteAuthority(_ alias: Int, _ server: DNSEndpoint, serial: UInt32?, at now: Instant?) {
        let known = authorities[alias]?[server]?.serial
        authorities[alias, default: [:]][server] = Authority(serial: serial ?? known, heard: now)
    }

    /// Something has changed within a zone: what is in it is due at once.
    package mutating func expire(below zone: DomainName, at now: Instant) {
        for key in sets.keys where aliases[key.alias].target.isWithin(zone) {
            // An answer that is under way may be of before.
            sets[key]?.isAsked = false
            sets[key]?.due = now
        }
    }
}
