// NotifyGate: who may say that a zone has changed (RFC 1996), and how often that is heard. A NOTIFY is a hint and
// nothing more: what it says is looked up where it is known, and nothing is forgotten for it.

/// Judges notifications.
package struct NotifyGate: Sendable {
    /// Who is heard.
    package struct Rule: Equatable, Sendable {
        /// The networks that notifications come from.
        package var sources: [Prefix] = []
        /// The key that they must be signed with; nil: none is wanted, and none is checked.
        package var key: TSIGKey?

        /// Nobody is heard.
        package init() {}

        package static func == (one: Rule, other: Rule) -> Bool {
            one.sources == other.sources && one.key?.name == other.key?.name
                && one.key?.algorithm == other.key?.algorithm
        }
    }

    /// What becomes of one.
    package enum Verdict: Equatable, Sendable {
        /// It is answered with this; `isNews`: and the zone is to be looked at.
        case answer([UInt8], isNews: Bool)
    }

    /// How often a zone is looked at for notifications, at most.
    package static let interval = Duration.seconds(1)
    /// Zones whose last notification is remembered.
    private static let capacity = 1000

    private var heard: [DomainName: Instant] = [:]

    /// Nothing has been heard.
    package init() {}

    /// When a zone that a name is in was last said to have changed, and that was believed.
    package func lastHeard(above name: DomainName) -> Instant? {
        heard.filter { name.isWithin($0.key) }.map(\.value).max()
    }

    /// Judges one. `isKnown`: the zone matters to us.
    package mutating func judge(
        _ octets: [UInt8], _ request: DNSMessage, from source: IPAddress, _ rule: Rule, isKnown: Bool, at now: Instant,
        time: UInt64
    ) -> Verdict {
        guard rule.sources.contains(where: { $0.contains(source) }), let zone = request.question?.name, isKnown else {
            return .answer(request.response(.refused).encoded(), isNews: false)
        }
        var response = request.response()
        response.flags.insert(.authoritative)
        guard let key = rule.key else { return .answer(response.encoded(), isNews: admit(zone, at: now)) }
        var session = TSIGSession(key)
        do { _ = try session.verify(octets, at: time) } catch {
            var refusal = request.response(error.responseCode)
            guard let record = request.signature else {
                refusal.responseCode = .refused
                return .answer(refusal.encoded(), isNews: false)
            }
            if case .wrongTime = error {
                let signed = session.signBadTime(refusal.encoded(), at: time, clientTime: record.timeSigned)
                return .answer(signed, isNews: false)
            }
            return .answer(TSIGSession.refuse(refusal.encoded(), request: record, error), isNews: false)
        }
        let octets = session.sign(response.encoded(), at: time)
        return .answer(octets, isNews: admit(zone, at: now))
    }

    private mutating func admit(_ zone: DomainName, at now: Instant) -> Bool {
        if let last = heard[zone], now < last + Self.interval { return false }
        if heard.count >= Self.capacity { heard = heard.filter { now < $0.value + Self.interval } }
        guard heard.count < Self.capacity else { return false }
        heard[zone] = now
        return true
    }
}
