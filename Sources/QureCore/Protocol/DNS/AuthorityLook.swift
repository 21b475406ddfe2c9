// AuthorityLook: what one of a zone's servers says about a name, compared with what the primary says. A change reaches
// the other servers when they have copied the zone, which its serial tells of; whoever asks one that lags gets the old
// addresses. `qure-dnsupdate check` shows a look at each.

/// What one server says.
package struct AuthorityLook: Equatable, Sendable {
    /// How it stands beside the primary.
    package enum State: String, Sendable {
        /// It is the server that takes the updates.
        case primary
        /// It has the primary's serial.
        case current
        /// It has an older one: what has changed is not there yet.
        case behind
        /// It has a newer one: the zone has changed since the primary was asked, or the primary has lost something.
        case ahead
        /// It answers, and not as a server of this zone does.
        case lame
        /// It does not answer.
        case silent
    }

    /// The serial of the zone there; nil: it has not said.
    package private(set) var serial: UInt32?
    /// The addresses that it gives for the name, with their times to live.
    package private(set) var addresses: [IPAddress: UInt32] = [:]
    /// What it answers where it does not speak for the zone: its response code.
    package private(set) var refusal: DNSResponseCode?
    /// Whether it has left a question without an answer.
    private var isSilent = false

    /// From its answers to the questions for the zone's SOA and for the addresses of the name; nil: there was none.
    package init(_ answers: [DNSMessage?]) {
        for answer in answers {
            guard let answer, let question = answer.question else {
                isSilent = true
                continue
            }
            let isFound = answer.responseCode == .noError || answer.responseCode == .nameError
            guard isFound, answer.flags.contains(.authoritative) else {
                refusal = answer.responseCode
                continue
            }
            for record in answer.answers where record.name == question.name && record.type == question.type {
                if let address = record.data.address { addresses[address] = record.ttl }
                if let soa = record.data.startOfAuthority { serial = soa.serial }
            }
        }
    }

    /// The primary, from what it has said of the name already and its answer to the question for the SOA.
    package init(primary view: AuthorityView, _ answer: DNSMessage?) {
        self.init([answer])
        addresses = view.addresses
    }

    /// How it stands beside the primary; nil: it is the primary itself.
    package func state(beside primary: AuthorityLook?) -> State {
        guard let primary else { return .primary }
        guard refusal == nil else { return .lame }
        guard let serial, !isSilent else { return .silent }
        guard let other = primary.serial, serial != other else { return .current }
        return StartOfAuthority.isNewer(serial, than: other) ? .ahead : .behind
    }
}
