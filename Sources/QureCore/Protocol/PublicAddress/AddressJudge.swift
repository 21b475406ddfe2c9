// AddressJudge: makes one address of what several sources say, for each family, and says when it had better not. A vote
// is a global address (or another one that was allowed) from one source; exactly one address must have enough votes.
// An address that has changed does not change again within the hold-down, and one that goes back and forth is no
// address at all until it has been steady that long: whoever asks the DNS meanwhile keeps what was there before.
// qure-dnsupdate asks it, once for a look and again and again while it watches.
//
//   what the readings say                      | before          | verdict
//   no source says an address                  |                 | unknown
//   only such as may not be published          |                 | unusable, naming the first and its class
//   no address has enough votes                |                 | tooFew; with several of them: disagree
//   two addresses have enough votes            |                 | disagree
//   one address has enough votes               | none, the same  | agreed
//                                              | another, long   | agreed: it has changed
//                                              | another, just   | held: until the hold-down is over
//   it went there and back within the hold-down| any             | unsteady

/// Judges readings.
package struct AddressJudge: Sendable {
    /// What is asked of the sources.
    package struct Configuration: Equatable, Sendable {
        /// Sources that must say the same address.
        package var agree = 1
        /// How long an address stays once it has changed.
        package var hold = Duration.seconds(60)
        /// Whether addresses of private networks, of carriers' NATs and of labs are published, too.
        package var allowsPrivate = false

        /// One source is enough, a minute's hold-down, global addresses only.
        package init() {}
    }

    /// What is to be believed of a family.
    package enum Verdict: Equatable, Sendable {
        /// This is the address: so many sources say so.
        case agreed(IPAddress, votes: Int)
        /// The first stays, although the second is said now: until then, if it still is.
        case held(IPAddress, candidate: IPAddress, until: Instant)
        /// The address has changed more than once within the hold-down.
        case unsteady([IPAddress])
        /// The sources contradict each other.
        case disagree([IPAddress])
        /// Not enough sources say it.
        case tooFew(IPAddress, votes: Int, needed: Int)
        /// The address is none that may be published.
        case unusable(IPAddress, AddressClass)
        /// No source says anything.
        case unknown
    }

    /// What was made of the readings of a family, over time.
    private struct Past: Sendable {
        /// What is published, and since when.
        var current: (address: IPAddress, since: Instant)?
        /// The last one that had enough votes.
        var latest: IPAddress?
        /// When that was another one than the time before; those within the hold-down.
        var turns: [(at: Instant, address: IPAddress)] = []
        /// When the verdict can become another one though the readings stay the same.
        var deadline: Instant?
    }

    /// Turns that are remembered; beyond the second they only say that it goes on.
    static let maximumTurns = 8

    private let configuration: Configuration
    private var pasts: [AddressFamily: Past] = [:]

    /// A judge that has heard nothing yet.
    package init(_ configuration: Configuration = Configuration()) {
        precondition(configuration.agree > 0, "an address that nobody needs to say")
        self.configuration = configuration
    }

    /// Whether an address may be published at all.
    package static func mayPublish(_ address: IPAddress, allowsPrivate: Bool) -> Bool {
        switch AddressClass(address) {
        case .global: true
        case .private, .uniqueLocal, .shared, .documentation, .benchmarking: allowsPrivate
        default: false
        }
    }

    /// When a verdict can become another one though the readings stay the same; nil: never.
    package var nextDeadline: Instant? { pasts.values.reduce(nil) { earlier($0, $1.deadline) } }

    /// Judges what the sources say now of one family.
    package mutating func judge(_ readings: [AddressReading], _ family: AddressFamily, at now: Instant) -> Verdict {
        // Turns that the hold-down has outlived.
        pasts[family]?.turns.removeAll { $0.at + configuration.hold <= now }
        pasts[family]?.deadline = nil
        var votes: [(address: IPAddress, sources: Set<String>)] = []
        var unusable: IPAddress?
        for reading in readings where reading.problem == nil {
            guard let address = reading.address, AddressFamily(address) == family else { continue }
            guard Self.mayPublish(address, allowsPrivate: configuration.allowsPrivate) else {
                unusable = unusable ?? address
                continue
            }
            if let index = votes.firstIndex(where: { $0.address == address }) {
                votes[index].sources.insert(reading.source)
            } else {
                votes.append((address, [reading.source]))
            }
        }
        guard let first = votes.first else { return unusable.map { .unusable($0, AddressClass($0)) } ?? .unknown }
        let enough = votes.filter { $0.sources.count >= configuration.agree }
        guard enough.count == 1 else {
            guard votes.count == 1 else { return .disagree(votes.map(\.address)) }
            return .tooFew(first.address, votes: first.sources.count, needed: configuration.agree)
        }
        return weigh(enough[0].address, votes: enough[0].sources.count, family, at: now)
    }

    private mutating func weigh(
        _ address: IPAddress, votes: Int, _ family: AddressFamily, at now: Instant
    ) -> Verdict {
        var past = pasts[family] ?? Past()
        defer { pasts[family] = past }
        if let latest = past.latest, latest != address {
            past.turns.append((now, address))
            if past.turns.count > Self.maximumTurns { past.turns.removeFirst() }
        }
        past.latest = address
        guard past.turns.count < 2 else {
            past.deadline = past.turns[past.turns.count - 2].at + configuration.hold
            var seen: [IPAddress] = []
            for turn in past.turns where !seen.contains(turn.address) { seen.append(turn.address) }
            return .unsteady(seen)
        }
        if let current = past.current, current.address != address {
            let until = current.since + configuration.hold
            guard until <= now else {
                past.deadline = until
                return .held(current.address, candidate: address, until: until)
            }
        }
        if past.current?.address != address { past.current = (address, now) }
        return .agreed(address, votes: votes)
    }
}
