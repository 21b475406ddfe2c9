// RegistrationTrouble: why a registration does not stand, and what kind of answer that is: whether to try again soon,
// or only after somebody has looked at it.

/// What stands in the way.
package enum RegistrationTrouble: Error, Equatable, Sendable {
    /// Which of the exit statuses it is.
    package enum Kind: Sendable {
        /// Asked, and the answer is no.
        case no
        case unreachable
        case temporary
        /// The key, or what it is allowed.
        case permission
    }

    /// Sources of addresses do not agree, or have none that may be published.
    case noAddress(String, Kind)
    /// Nobody answered, or no server was found to ask.
    case unreachable(String)
    /// A server that is not well.
    case temporary(String)
    /// Refused; signed where the server knows the key and says no all the same.
    case refused(DNSResponseCode, isSigned: Bool)
    /// The answer's signature is not to be believed.
    case rejected(TSIGSession.Rejection)
    /// The server's clock, which it has proved, is too far from ours to be true; by so many seconds.
    case clock(Int64)
    /// Refused without a proof, and this host's clock cannot be right.
    case unprovedClock(DNSResponseCode)
    /// Others change the same records all the time.
    case contention
    /// The site is another machine's.
    case otherMachine(NodeID)
    /// Another process writes as this machine and this site.
    case duplicate
    /// Something that is no marker stands at the marker's name.
    case foreignMarker(DomainName)
    /// The name is another one's alias; servers take additions beside it and drop them.
    case alias(at: DomainName, to: DomainName)
    /// The name is in a zone below.
    case delegated(DomainName)
    /// The server does not speak for the zone.
    case notAuthority
    /// The server takes the key, and has no such zone to update.
    case notServed(DomainName)
    /// The server said that it was done, and it is not so.
    case vanished([IPAddress])
    /// The zone cannot be found; why, and what to do.
    case noZone(String)

    /// What kind of trouble it is.
    package var kind: Kind {
        switch self {
        case .noAddress(_, let kind): kind
        case .temporary, .contention: .temporary
        case .unreachable: .unreachable
        case .refused(_, let isSigned): isSigned ? .no : .permission
        case .rejected, .clock, .unprovedClock: .permission
        case .otherMachine, .duplicate, .foreignMarker, .alias, .delegated, .notAuthority, .notServed,
            .vanished, .noZone:
            .no
        }
    }

    /// Whether it can pass by itself within seconds.
    package var passesSoon: Bool {
        if case .noAddress = self { return true }
        return kind == .unreachable || kind == .temporary
    }
}

extension RegistrationTrouble: CustomStringConvertible {
    /// One sentence that says what to do, where something can be done.
    package var description: String {
        switch self {
        case .noAddress(let why, _), .unreachable(let why), .temporary(let why), .noZone(let why): why
        case .refused(let code, let isSigned):
            isSigned
                ? "\(code): the server knows the key and does not let it do this (update-policy, acl); it needs "
                    + "A, AAAA and TXT of the name and of what is below it, or with --sole A and AAAA of the name"
                : "\(code) without a reason: the key is missing (-k) or not known there, or this host's clock is off"
                    + (code == .notAuthorized ? ", or the server has no such zone" : "")
                    + ", or it is a proxy that passes no updates on (qure-dnsproxy: forward-updates-to)"
        case .rejected(let rejection): rejection.explanation
        case .clock(let seconds):
            "the server's clock is \(seconds.magnitude) s \(seconds < 0 ? "behind" : "ahead of") this one's, too far "
                + "to be believed: set the clock"
        case .unprovedClock(let code):
            "\(code) without a reason: this host's clock is years behind, which some servers answer so; set the clock"
        case .contention: "the records change under our hands; nothing was done"
        case .otherMachine(let machine):
            "the site belongs to another machine (\(machine)): choose another --site, or --adopt this one"
        case .duplicate:
            "another process registers as this site: a copy of this machine, or a second one of this program"
        case .foreignMarker(let name):
            "\(name.relativeDescription) TXT is not qure's: choose another --site"
        case .alias(let name, let target):
            "\(name.relativeDescription) is an alias of \(target.relativeDescription): addresses cannot stand beside it"
        case .delegated(let zone):
            "the name is in a zone of its own, \(zone.relativeDescription): leave --zone out, or name that one"
        case .notAuthority: "the server does not speak for the zone: name the primary with --server"
        case .notServed(let zone):
            "NOTAUTH: the server is not authoritative for the zone \(zone.relativeDescription): leave --zone out, or "
                + "name the zone's primary with --server"
        case .vanished(let addresses):
            "the server said NOERROR, and \(addresses.map(\.description).joined(separator: ", ")) is not there"
        }
    }
}

extension TSIGSession.Rejection {
    /// What it means for who has asked.
    package var explanation: String {
        switch self {
        case .unsigned, .unsignedTooLong:
            "the answer is not signed: the server does not know the key, or the answer is not the server's"
        case .refused(.badKey), .unknownKey:
            "BADKEY: the server does not know the key by this name and algorithm"
        case .refused(.badSignature), .wrongCode: "BADSIG: the key's secret is not the server's"
        case .refused(.badTime):
            "BADTIME without a signature: the clock is not set by what anybody can say"
        case .wrongTime(let time):
            "BADTIME: the clocks differ, and the server's (\(time)) was not taken"
        case .refused(let code): "\(code.signatureDescription): the server does not take the signature"
        case .shortCode: "BADTRUNC: the signature is shorter than the other end wants"
        case .malformed(let error): "the answer cannot be read: \(error)"
        }
    }
}
