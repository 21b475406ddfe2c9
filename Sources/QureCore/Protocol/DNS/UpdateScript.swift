// UpdateScript: the language of nsupdate, line by line: what a line asks for, and the update that the lines so far
// make. It opens nothing and sends nothing: where a line is about more than the update, the answer says what is to be
// done. Complaints are in nsupdate's words, for scripts look for them. UpdateScriptRecords.swift reads prerequisites
// and changes, UpdateScriptKeys.swift keys.

/// Why a line is no good, as nsupdate says it; some lines it refuses without a word.
package struct UpdateScriptError: Error, Equatable, Sendable {
    /// A line for standard error, or nothing.
    package var reason: String

    /// An error with a reason.
    package init(_ reason: String) { self.reason = reason }
}

/// The state of a script.
package struct UpdateScript: Sendable {
    /// What is to be done after a line.
    package enum Request: Equatable, Sendable {
        /// Nothing; the next line, please.
        case more
        case send, quit, show, answer, debug, help, version
        /// Find the server's addresses and say `useServer`; a port of its own if it has one.
        case server(String, port: UInt16?)
        /// Something that is not supported here, which nsupdate says too when it was built without it.
        case unsupported(String)
    }

    /// The longest line, in octets.
    package static let maximumLine = 128 << 10

    /// The zone that the script names.
    package private(set) var zone: DomainName?
    /// The address that the script sends from.
    package private(set) var local: DNSEndpoint?
    /// The key that messages are signed with.
    package var key: TSIGKey?
    /// The conditions of the update so far.
    package internal(set) var prerequisites: [DNSRecord] = []
    /// The changes of the update so far.
    package internal(set) var changes: [DNSRecord] = []
    /// The lease that the update asks for (RFC 9664).
    package private(set) var lease: UpdateLease?

    var ttl: UInt32?
    var checksNames = true
    private var defaultClass = RecordClass.internet
    private var zoneClass: RecordClass?
    private let isLocalOnly: Bool

    /// A script before its first line. `isLocalOnly`: it cannot choose a server.
    package init(key: TSIGKey? = nil, isLocalOnly: Bool = false) {
        self.key = key
        self.isLocalOnly = isLocalOnly
    }

    /// The class of the zone.
    package var recordClass: RecordClass { zoneClass ?? defaultClass }

    /// Takes a class that a line names; false: the zone has another one.
    mutating func agree(on recordClass: RecordClass) -> Bool {
        zoneClass = zoneClass ?? recordClass
        return zoneClass == recordClass
    }

    /// The class of the zone, which the zone has from now on.
    mutating func settledClass() -> RecordClass {
        zoneClass = recordClass
        return recordClass
    }

    /// The name that the zone is looked for from where the script does not say it: that of the first change, else of
    /// the first prerequisite; of a DS the name above, for it stands in the parent zone. Nil: there is nothing to send.
    package var firstName: DomainName? {
        guard let first = changes.first else { return prerequisites.first?.name }
        return first.type == .ds ? first.name.parent ?? first.name : first.name
    }

    /// The update so far, for `zone` or the script's own.
    package func message(id: UInt16, zone found: DomainName? = nil) -> DNSMessage {
        var message = DNSMessage(id: id, opcode: .update)
        if let zone = found ?? zone { message.questions = [DNSQuestion(zone, .soa, recordClass)] }
        message.prerequisites = prerequisites
        message.updates = changes
        if let lease {
            var edns = EDNS()
            edns.updateLease = lease
            message.edns = edns
        }
        return message
    }

    /// Begins the next update: after one was sent, whatever came of it.
    package mutating func reset() {
        prerequisites = []
        changes = []
        lease = nil
        zoneClass = nil
    }

    /// Takes one line, with or without its end.
    package mutating func take(_ line: some Collection<UInt8>) throws(UpdateScriptError) -> Request {
        guard line.count <= Self.maximumLine else { throw UpdateScriptError("line too long") }
        var words = BlankWords(line)
        guard let first = words.next() else { return .send }
        guard first.first != UInt8(ascii: ";") else { return .more }
        let word = String(decoding: first, as: UTF8.self)
        switch word.lowercased() {
        case "prereq": try takePrerequisite(nil, &words)
        case "nxdomain", "yxdomain", "nxrrset", "yxrrset": try takePrerequisite(word, &words)
        case "update": try takeChange(nil, &words)
        case "add", "del", "delete": try takeChange(word, &words)
        case "send": return .send
        case "quit": return .quit
        case "show": return .show
        case "answer": return .answer
        case "debug": return .debug
        case "help": return .help
        case "version": return .version
        case "server": return try server(&words)
        case "gsstsig", "oldgsstsig": return .unsupported("gsstsig not supported")
        // They would only say more about GSS-TSIG.
        case "realm", "tkeyname": return .more
        default: try takeSetting(word, &words)
        }
        return .more
    }

    private mutating func takeSetting(_ word: String, _ words: inout BlankWords) throws(UpdateScriptError) {
        switch word.lowercased() {
        case "local": try takeLocal(&words)
        case "zone": try takeZone(&words)
        case "class": try takeClass(&words)
        case "ttl": try takeTTL(&words)
        case "lease": try takeLease(&words)
        case "key": key = try Self.key(&words)
        case "check-names", "checknames": checksNames = try Self.isOn(&words, "check-names")
        // What contradicts itself is never written.
        case "check-svcb", "checksvcb": _ = try Self.isOn(&words, "check-svcb")
        default: throw UpdateScriptError("incorrect section name: \(word)")
        }
    }
}

extension UpdateScript {
    private func server(_ words: inout BlankWords) throws(UpdateScriptError) -> Request {
        if isLocalOnly { throw UpdateScriptError("cannot reset server in localhost-only mode") }
        guard let name = words.nextText() else { throw UpdateScriptError("could not read server name") }
        return .server(name, port: try Self.port(&words))
    }

    private mutating func takeLocal(_ words: inout BlankWords) throws(UpdateScriptError) {
        guard let text = words.nextText() else { throw UpdateScriptError("could not read server name") }
        let port = try Self.port(&words)
        guard let local = DNSEndpoint(text, port: port ?? 0) else { throw UpdateScriptError("invalid address \(text)") }
        self.local = local
    }

    /// A port, which may be missing.
    private static func port(_ words: inout BlankWords) throws(UpdateScriptError) -> UInt16? {
        guard let word = words.nextText() else { return nil }
        guard let number = Int64(word) else { throw UpdateScriptError("port '\(word)' is not numeric") }
        guard (1...65535).contains(number) else {
            throw UpdateScriptError("port '\(word)' is out of range (1 to 65535)")
        }
        return UInt16(number)
    }

    private mutating func takeZone(_ words: inout BlankWords) throws(UpdateScriptError) {
        guard let word = words.next() else { throw UpdateScriptError("could not read zone name") }
        zone = nil
        guard let name = try? DomainName(text: word) else { throw UpdateScriptError("could not parse zone name") }
        zone = name
    }

    private mutating func takeClass(_ words: inout BlankWords) throws(UpdateScriptError) {
        guard let word = words.nextText() else { throw UpdateScriptError("could not read class name") }
        guard let recordClass = RecordClass(word) else {
            throw UpdateScriptError("could not parse class name: \(word)")
        }
        guard recordClass != .any, recordClass != .none, recordClass.rawValue != 0 else {
            throw UpdateScriptError("bad default class: \(word)")
        }
        defaultClass = recordClass
    }

    private mutating func takeTTL(_ words: inout BlankWords) throws(UpdateScriptError) {
        guard let word = words.nextText() else { throw UpdateScriptError("could not read ttl") }
        guard word.lowercased() != "none" else {
            ttl = nil
            return
        }
        guard let number = UInt32(decimalDigits: word.utf8) else { throw UpdateScriptError("") }
        guard number <= DNSRecord.maximumTTL else { throw Self.ttlOutOfRange(word) }
        ttl = number
    }

    static func ttlOutOfRange(_ word: String) -> UpdateScriptError {
        UpdateScriptError("ttl '\(word)' is out of range (0 to \(DNSRecord.maximumTTL))")
    }

    private mutating func takeLease(_ words: inout BlankWords) throws(UpdateScriptError) {
        guard let word = words.nextText() else { throw UpdateScriptError("could not read lease time") }
        guard word.lowercased() != "none" else {
            lease = nil
            return
        }
        guard let seconds = UInt32(decimalDigits: word.utf8) else {
            throw UpdateScriptError("invalid lease time: \(word)")
        }
        let key = words.nextText()
        let keySeconds = key.flatMap { UInt32(decimalDigits: $0.utf8) }
        if let key, keySeconds == nil { throw UpdateScriptError("invalid key lease time: \(key)") }
        lease = UpdateLease(seconds, keyLease: keySeconds)
    }

    private static func isOn(_ words: inout BlankWords, _ name: String) throws(UpdateScriptError) -> Bool {
        guard let word = words.nextText() else { throw UpdateScriptError("could not read \(name) directive") }
        switch word.lowercased() {
        case "on", "yes", "true": return true
        case "off", "no", "false": return false
        default: throw UpdateScriptError("incorrect \(name) directive: \(word)")
        }
    }
}
