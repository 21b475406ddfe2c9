// AddressOutput: readings and verdicts as records, and what verdicts come to as an exit status.

import QureCore

extension AddressReading {
    /// The line of a reading: the kind of source, the address and its class (or dashes), and what is to be known of it.
    var record: Record {
        let kind = source.prefix { $0 != ":" }
        let kindOfAddress = address.map { AddressClass($0).rawValue }
        var words = [String(kind), address?.description ?? "-", kindOfAddress ?? "-"]
        let subject = source.dropFirst(kind.count + 1)
        if !subject.isEmpty, !detail.hasPrefix(subject) { words.append(Diagnostics.printable(String(subject))) }
        if !detail.isEmpty { words.append(detail) }
        if let problem { words.append(Diagnostics.printable(address == nil ? problem : "(not counted: \(problem))")) }
        return Record(
            words.joined(separator: " "),
            [
                ("record", .string("reading")), ("source", .string(source)),
                ("address", address.map { .string($0.description) } ?? .null),
                ("class", kindOfAddress.map { .string($0) } ?? .null), ("counted", .boolean(problem == nil)),
                ("detail", .string(detail)), ("problem", problem.map { .string($0) } ?? .null),
            ])
    }
}

extension AddressJudge.Verdict {
    /// Its name, for scripts.
    var state: String {
        switch self {
        case .agreed: "agreed"
        case .held: "held"
        case .unsteady: "unsteady"
        case .disagree: "disagree"
        case .tooFew: "too-few"
        case .unusable: "unusable"
        case .unknown: "unknown"
        }
    }

    /// The address that may be published; nil: what was published before stays as it is.
    var address: IPAddress? {
        switch self {
        case .agreed(let address, _), .held(let address, _, _): address
        default: nil
        }
    }

    /// Why, in a sentence without an end.
    var reason: String {
        switch self {
        case .agreed(_, let votes): "\(votes) source\(votes == 1 ? "" : "s")"
        case .held(_, let candidate, _): "\(candidate) is said now, too soon after the last change"
        case .unsteady(let addresses): "it goes back and forth: \(Self.list(addresses))"
        case .disagree(let addresses): "the sources contradict each other: \(Self.list(addresses))"
        case .tooFew(let address, let votes, let needed):
            "only \(votes) source\(votes == 1 ? " says" : "s say") \(address), and \(needed) must"
        case .unusable(let address, let kind): "\(address) is \(kind.explanation)"
        case .unknown: "no source names an address"
        }
    }

    private static func list(_ addresses: [IPAddress]) -> String {
        addresses.map(\.description).joined(separator: ", ")
    }

    /// The line of a verdict: the family, the state, the address or a dash, and why.
    func record(of family: AddressFamily) -> Record {
        Record(
            "\(family) \(state) \(address?.description ?? "-") \(reason)",
            [
                ("record", .string("verdict")), ("family", .string(family.rawValue)), ("state", .string(state)),
                ("address", address.map { .string($0.description) } ?? .null), ("reason", .string(reason)),
            ])
    }

    /// What the verdicts of the families come to: a contradiction is to be looked at again, whatever else is known; one
    /// address is enough; none that may be published is a no; nothing at all may be had later.
    static func status(of verdicts: [Self]) -> ExitStatus {
        var status = ExitStatus.unreachable
        for verdict in verdicts {
            switch verdict {
            case .held, .unsteady, .disagree, .tooFew: return .temporary
            case .agreed: status = .yes
            case .unusable: if status != .yes { status = .no }
            case .unknown: break
            }
        }
        return status
    }
}
