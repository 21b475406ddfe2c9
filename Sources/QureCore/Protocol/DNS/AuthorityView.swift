// AuthorityView: what the authority of a zone holds under a site's names, asked question by question: the addresses,
// the site's marker, and who else has an address that is to go. Registration compares with this and with nothing else:
// there is no file of its own that could say otherwise.

/// What an authority holds, as far as it has been asked.
package struct AuthorityView: Equatable, Sendable {
    /// The addresses under the shared name, of all sites, with their times to live.
    package private(set) var addresses: [IPAddress: UInt32] = [:]
    /// All TXT records at the marker's name: one, or none, unless somebody else writes there.
    package private(set) var markers: [RecordData] = []
    /// For each address that was asked about: the records that tell whose it is.
    package private(set) var claims: [IPAddress: [RecordData]] = [:]
    /// The server's clock when it answered last, in seconds since 1970; nil: it did not sign.
    package private(set) var serverTime: UInt64?
    /// What is still to be asked; the first one is next.
    package private(set) var questions: [DNSQuestion]
    private let names: SiteNames
    private var asked: [DomainName: IPAddress] = [:]

    /// What is asked for, beside claims.
    package enum Scope: Sendable { case everything, addresses, marker, claims }

    /// A view that has seen nothing.
    package init(_ names: SiteNames, _ scope: Scope = .everything) {
        self.names = names
        questions = []
        if scope == .everything || scope == .addresses {
            questions = [DNSQuestion(names.name, .a), DNSQuestion(names.name, .aaaa)]
        }
        if scope == .everything || scope == .marker {
            questions.append(DNSQuestion(names.marker, .txt))
        }
    }

    /// The marker, where there is one that can be read and nothing beside it.
    package var marker: SiteMarker? { markers.count == 1 ? SiteMarker(markers[0]) : nil }

    /// The next question as a message; nil: all has been asked.
    package var query: DNSMessage? { questions.first.map { DNSMessage(id: 0, questions: [$0]) } }

    /// Asks whose these addresses are, if that is not known.
    package mutating func askForClaims(_ addresses: some Sequence<IPAddress>) {
        for address in addresses where claims[address] == nil {
            let name = names.claim(address)
            asked[name] = address
            questions.append(DNSQuestion(name, .txt))
        }
    }

    /// Whether an address is known to be this site's and nobody else's.
    func isClaimed(_ address: IPAddress, by names: SiteNames) -> Bool {
        claims[address] == [names.claimData]
    }

    /// Takes the answer to the next question.
    package mutating func take(_ answer: DNSMessage) throws(RegistrationTrouble) {
        let question = questions.removeFirst()
        switch answer.responseCode {
        case .noError, .nameError: break
        case .refused, .notAuthorized:
            throw .refused(answer.responseCode, isSigned: answer.signature != nil)
        default: throw .temporary("it answers \(answer.responseCode) to a question")
        }
        try Self.requireAuthority(answer, question.name)
        serverTime = answer.signature?.timeSigned ?? serverTime
        let data = answer.answers.filter { $0.name == question.name && $0.type == question.type }
        if question.type == .txt {
            if let address = asked[question.name] {
                claims[address] = data.map(\.data)
            } else {
                markers = data.map(\.data)
            }
        } else {
            for record in data {
                if let address = record.data.address { addresses[address] = record.ttl }
            }
        }
    }

    private static func requireAuthority(_ answer: DNSMessage, _ name: DomainName)
        throws(RegistrationTrouble)
    {
        if let alias = answer.answers.first(where: { $0.type == .cname || $0.type == .dname }) {
            throw .alias(at: alias.name.detached, to: alias.data.target?.detached ?? .root)
        }
        if answer.flags.contains(.authoritative) { return }
        let cut = answer.authorities.first {
            $0.type == .ns && name.isWithin($0.name) && !$0.name.isRoot
        }
        throw cut.map { .delegated($0.name.detached) } ?? .notAuthority
    }
}
