// CheckOutput: what `check` has seen as records: addresses with their times to live, and a server of the zone beside
// the primary.

import QureCore

/// Addresses in a line of a report.
struct ShownAddresses {
    /// `192.0.2.7 ttl=60`, a dash where there are none, `silent` where there was no answer.
    let text: String
    /// The same for programs.
    let fields: [(name: String, value: JSONValue)]

    /// Of addresses with their times to live; nil: there was no answer.
    init(_ addresses: [IPAddress: UInt32?]?) {
        let sorted = (addresses ?? [:]).sorted { $0.key < $1.key }
        let list = sorted.map { address, ttl in "\(address)" + (ttl.map { " ttl=\($0)" } ?? "") }
        text = addresses == nil ? "silent" : list.isEmpty ? "-" : list.joined(separator: " ")
        fields = [
            ("addresses", addresses == nil ? .null : .array(sorted.map { .string($0.key.description) })),
            ("ttl", (sorted.first?.value).map { .integer(Int64($0)) } ?? .null),
        ]
    }
}

extension AuthorityCheck.Place {
    /// The line of a server of the zone: what it gives for the name, which of that is the site's, and whether it lags
    /// behind the primary. `look` is nil where there is no address to ask.
    func record(_ look: AuthorityLook?, beside primary: AuthorityLook?, site: [IPAddress]) -> Record {
        let state = look?.state(beside: isPrimary ? nil : primary)
        let isHeard = state != nil && state != .silent && state != .lame
        let shown = ShownAddresses(isHeard ? look?.addresses : nil)
        let gives = site.filter { look?.addresses[$0] != nil }.sorted()
        let lacks = site.filter { look?.addresses[$0] == nil }.sorted()
        let stale = (look?.addresses.keys.filter { primary?.addresses[$0] == nil } ?? []).sorted()
        let called = name?.relativeDescription
        let word = isReachable ? state?.rawValue ?? "no-address" : "unreachable"
        var words = ["authority", server?.description ?? "-"]
        words += isHeard ? [shown.text, word] : [word]
        if let refusal = look?.refusal { words.append("answer=\(refusal)") }
        if isHeard, let serial = look?.serial { words.append("serial=\(serial)") }
        if let called { words.append("ns=\(called)") }
        if isHeard, !site.isEmpty { words.append("gives=\(gives.commaList)") }
        if isHeard, !stale.isEmpty { words.append("stale=\(stale.commaList)") }
        func array(_ addresses: [IPAddress]) -> JSONValue {
            isHeard ? .array(addresses.map { .string($0.description) }) : .null
        }
        return Record(
            words.joined(separator: " "),
            [("record", .string("authority")), ("who", server.map { .string($0.description) } ?? .null)] + shown.fields
                + [
                    ("name_server", called.map { .string($0) } ?? .null), ("state", .string(word)),
                    ("serial", isHeard ? look?.serial.map { .integer(Int64($0)) } ?? .null : .null),
                    ("gives", array(gives)), ("lacks", array(lacks)), ("stale", array(stale)),
                    ("answer", look?.refusal.map { .string($0.description) } ?? .null),
                ])
    }
}
