// RegistrationDescription: what a registration tells, as records and in one line.

import QureCore

/// Puts reports into words.
struct RegistrationDescription {
    let configuration: Registration.Configuration

    init(_ configuration: Registration.Configuration) { self.configuration = configuration }

    /// A report that is a result. `lease` is what the server has said of leases; nil: nothing.
    func record(
        _ report: Registration.Report, server: DNSEndpoint?, zone: DomainName?, lease: Duration??
    ) -> Record {
        var word = ""
        var addresses: [IPAddress] = []
        var added: [IPAddress] = []
        var removed: [IPAddress] = []
        var site = configuration.names.site
        switch report {
        case .current(let present, let new, let old):
            (addresses, added, removed) = (present, new, old)
            word = new.isEmpty && old.isEmpty ? "current" : "registered"
        case .withdrawn(let old): (word, removed) = ("withdrawn", old)
        case .swept(let other, let old): (word, site, removed) = ("swept", other, old)
        case .takenOver: word = "elsewhere"
        case .otherTTL, .clockOffset, .held, .serverLease, .trouble: word = "trouble"
        }
        func array(_ addresses: [IPAddress]) -> JSONValue {
            .array(addresses.map { .string($0.description) })
        }
        let name = configuration.names.name.relativeDescription
        let shown = addresses.isEmpty ? removed : addresses
        var text = "\(word) \(name) \(shown.commaList)"
        if !configuration.isSole { text += " site=\(site)" }
        if let zone { text += " zone=\(zone.relativeDescription)" }
        if let server { text += " server=\(server)" }
        if let lease { text += " server-lease=\(lease?.text ?? "none")" }
        return Record(
            text,
            [
                ("event", .string(word)), ("name", .string(name)), ("addresses", array(addresses)),
                ("added", array(added)), ("removed", array(removed)),
                ("site", configuration.isSole ? .null : .string(site)),
                ("zone", zone.map { .string($0.relativeDescription) } ?? .null),
                ("server", server.map { .string($0.description) } ?? .null),
                ("server_lease", lease.map { .integer($0?.components.seconds ?? 0) } ?? .null),
            ])
    }

    /// A message in one line, for who watches.
    func short(_ message: DNSMessage) -> String {
        let parts = message.prerequisites + message.updates
        let isUpdate = message.opcode == .update
        let what =
            isUpdate
            ? parts.map(\.description).joined(separator: " / ") : message.question?.description ?? ""
        let isAnswer = message.flags.contains(.response)
        return "\(message.opcode) \(isAnswer ? "\(message.responseCode) " : "")\(what)"
    }
}

extension RegistrationTrouble {
    /// The status that a command ends with.
    var status: ExitStatus {
        switch kind {
        case .no: .no
        case .unreachable: .unreachable
        case .temporary: .temporary
        case .permission: .permission
        }
    }
}

extension [IPAddress] {
    /// With commas between them, or a dash where there are none.
    var commaList: String { isEmpty ? "-" : map(\.description).joined(separator: ",") }
}
