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
        /// It is answered with this; `look`: and the zone is to be looked at then.
        case answer([UInt8], look: Instant?)
        /// It is answered with this, and not believed.
        case refuse([UInt8], Refusal)
    }

    /// Why one is not believed, as a sentence's end.
    package enum Refusal: String, Sendable {
        case source = "it is in no network of --allow-notify"
        case zone = "no alias has its target there, and it is in no domain of --forward"
        case signature = "it is not signed by the key of --notify-key, or not now"
    }

    /// How often it is said that somebody is not believed.
    package static let complaintInterval = Duration.seconds(60)

    /// How often a zone is looked at for notifications, on average and at most. Two that come together are both heard
    /// at once; a third one waits.
    package static let interval = Duration.seconds(1)
    /// Zones whose last notification is remembered.
    private static let capacity = 1000

    private struct Zone {
        var heard: Instant
        /// From when on the zone may be looked at again.
        var free: Instant
    }

    private var zones: [DomainName: Zone] = [:]

    /// Nothing has been heard.
    package init() {}

    /// When a zone that a name is in was last said to have changed, and that was believed.
    package func lastHeard(above name: DomainName) -> Instant? {
        zones.filter { name.isWithin($0.key) }.map(\.value.heard).max()
    }

    /// Judges one. `isKnown`: the zone matters to us.
    package mutating func judge(
        _ octets: [UInt8], _ request: DNSMessage, from source: IPAddress, _ rule: Rule, isKnown: Bool, at now: Instant,
        time: UInt64
    ) -> Verdict {
        let isAllowed = rule.sources.contains { $0.contains(source) }
        guard isAllowed, isKnown, let zone = request.question?.name else {
            return .refuse(request.response(.refused).encoded(), isAllowed ? .zone : .source)
        }
        var response = request.response()
        response.flags.insert(.authoritative)
        guard let key = rule.key else { return .answer(response.encoded(), look: admit(zone, at: now)) }
        var session = TSIGSession(key)
        do { _ = try session.verify(octets, at: time) } catch {
            var refusal = request.response(error.responseCode)
            guard let record = request.signature else {
                refusal.responseCode = .refused
                return .refuse(refusal.encoded(), .signature)
            }
            if case .wrongTime = error {
                let signed = session.signBadTime(refusal.encoded(), at: time, clientTime: record.timeSigned)
                return .refuse(signed, .signature)
            }
            return .refuse(TSIGSession.refuse(refusal.encoded(), request: record, error), .signature)
        }
        let octets = session.sign(response.encoded(), at: time)
        return .answer(octets, look: admit(zone, at: now))
    }

    /// When the zone is to be looked at; nil: that is going to happen anyway, or there are too many zones.
    private mutating func admit(_ zone: DomainName, at now: Instant) -> Instant? {
        if zones.count >= Self.capacity { zones = zones.filter { now < $0.value.free } }
        guard zones.count < Self.capacity else { return nil }
        let free = max(now, zones[zone]?.free ?? now)
        zones[zone] = Zone(heard: now, free: free)
        // A look that is still to come sees what has changed until then.
        guard free < now + Self.interval * 3 else { return nil }
        zones[zone]?.free = free + Self.interval
        return max(now, free - Self.interval)
    }
}
