// The lines of an update script that are about records: prerequisites (RFC 2136 section 2.4) and changes (section 2.5),
// with the class and time to live that the wire wants for each.

extension UpdateScript {
    /// `nxdomain NAME`, `yxdomain NAME`, `nxrrset NAME [CLASS] TYPE`, `yxrrset NAME [CLASS] TYPE [DATA]`; the operation
    /// has been read already unless it is nil.
    mutating func takePrerequisite(_ operation: String?, _ words: inout BlankWords) throws(UpdateScriptError) {
        guard let word = operation ?? words.nextText() else { throw UpdateScriptError("could not read operation code") }
        let isPositive: Bool
        let isSet: Bool
        switch word.lowercased() {
        case "nxdomain": (isPositive, isSet) = (false, false)
        case "yxdomain": (isPositive, isSet) = (true, false)
        case "nxrrset": (isPositive, isSet) = (false, true)
        case "yxrrset": (isPositive, isSet) = (true, true)
        default: throw UpdateScriptError("incorrect operation code: \(word)")
        }
        let name = try Self.owner(&words)
        let absent: RecordClass = isPositive ? .any : .none
        guard isSet else {
            prerequisites.append(DNSRecord(name, absent, ttl: 0, .empty(.any)))
            return
        }
        let (type, recordClass) = try setType(&words)
        if isPositive, !words.rest.isEmpty {
            let data = try Self.data(type, recordClass, words.rest)
            prerequisites.append(DNSRecord(name, recordClass, ttl: 0, data))
        } else {
            prerequisites.append(DNSRecord(name, absent, ttl: 0, .empty(type)))
        }
    }

    private mutating func setType(
        _ words: inout BlankWords
    ) throws(UpdateScriptError) -> (RecordType, RecordClass) {
        guard var word = words.nextText() else { throw UpdateScriptError("could not read class or type") }
        var recordClass: RecordClass?
        if let named = RecordClass(word) {
            guard agree(on: named) else { throw UpdateScriptError("class mismatch: \(word)") }
            guard let next = words.nextText() else { throw UpdateScriptError("could not read type") }
            word = next
            recordClass = named
        }
        guard let type = RecordType(word) else { throw UpdateScriptError("invalid type: \(word)") }
        return (type, recordClass ?? settledClass())
    }

    /// `add NAME [TTL] [CLASS] TYPE DATA`, `delete NAME [TTL] [CLASS] [TYPE [DATA]]`; the operation has been read
    /// already unless it is nil.
    mutating func takeChange(_ operation: String?, _ words: inout BlankWords) throws(UpdateScriptError) {
        guard let word = operation ?? words.nextText() else { throw UpdateScriptError("could not read operation code") }
        switch word.lowercased() {
        case "add": try takeAddition(&words)
        case "del", "delete": try takeDeletion(&words)
        default: throw UpdateScriptError("incorrect operation code: \(word)")
        }
    }

    private mutating func takeAddition(_ words: inout BlankWords) throws(UpdateScriptError) {
        let name = try Self.owner(&words)
        guard var word = words.nextText() else { throw UpdateScriptError("could not read owner ttl") }
        let seconds: UInt32
        if let number = UInt32(decimalDigits: word.utf8) {
            guard number <= DNSRecord.maximumTTL else { throw Self.ttlOutOfRange(word) }
            guard let next = words.nextText() else { throw UpdateScriptError("could not read class or type") }
            seconds = number
            word = next
        } else {
            guard let ttl else {
                let isNumber = word.utf8.allSatisfy { $0.decimalValue != nil }
                throw UpdateScriptError("ttl '\(word)': \(isNumber ? "out of range" : "not a valid number")")
            }
            seconds = ttl
        }
        guard let (type, recordClass) = try changeType(word, &words) else {
            throw UpdateScriptError("could not read type")
        }
        guard !words.rest.isEmpty else { throw UpdateScriptError("could not read rdata") }
        let record = DNSRecord(name, recordClass, ttl: seconds, try Self.data(type, recordClass, words.rest))
        try check(record)
        changes.append(record)
    }

    private mutating func takeDeletion(_ words: inout BlankWords) throws(UpdateScriptError) {
        let name = try Self.owner(&words)
        var next = words.nextText()
        // A time to live means nothing here and is passed over.
        if let word = next, UInt32(decimalDigits: word.utf8) != nil { next = words.nextText() }
        guard let word = next, let (type, recordClass) = try changeType(word, &words) else {
            changes.append(DNSRecord(name, .any, ttl: 0, .empty(.any)))
            return
        }
        if words.rest.isEmpty {
            changes.append(DNSRecord(name, .any, ttl: 0, .empty(type)))
        } else {
            let data = try Self.data(type, recordClass, words.rest)
            changes.append(DNSRecord(name, .none, ttl: 0, data))
        }
    }

    /// The type and class that begin with `word`; nil: a class without a type.
    private mutating func changeType(
        _ word: String, _ words: inout BlankWords
    ) throws(UpdateScriptError) -> (RecordType, RecordClass)? {
        guard let recordClass = RecordClass(word), recordClass != .any else {
            guard let type = RecordType(word) else {
                throw UpdateScriptError("'\(word)' is not a valid class or type: unknown class/type")
            }
            return (type, settledClass())
        }
        guard agree(on: recordClass) else { throw UpdateScriptError("class mismatch: \(word)") }
        guard let next = words.nextText() else { return nil }
        guard let type = RecordType(next) else {
            throw UpdateScriptError("'\(next)' is not a valid type: unknown class/type")
        }
        return (type, recordClass)
    }

    private static func owner(_ words: inout BlankWords) throws(UpdateScriptError) -> DomainName {
        guard let word = words.next() else { throw UpdateScriptError("could not read owner name") }
        do { return try DomainName(text: word) } catch { throw UpdateScriptError("invalid owner name: \(error)") }
    }

    /// The data of a record, which are all of `text`.
    private static func data(
        _ type: RecordType, _ recordClass: RecordClass, _ text: ArraySlice<UInt8>
    ) throws(UpdateScriptError) -> RecordData {
        guard !type.isMeta, type.rawValue != 0 else {
            throw UpdateScriptError("invalid rdata format: invalid use of a meta type")
        }
        var words = ZoneText(text, dialect: .updateScript)
        do { return try RecordData(type, in: recordClass, from: &words) } catch {
            throw UpdateScriptError("invalid rdata format: \(error.reason)")
        }
    }

    /// What nsupdate would not add.
    private func check(_ record: DNSRecord) throws(UpdateScriptError) {
        if checksNames, record.recordClass == .internet {
            guard record.hasAcceptableOwner else {
                throw UpdateScriptError("check-names failed: bad owner '\(record.name.relativeDescription)'")
            }
            if let name = record.unacceptableName {
                throw UpdateScriptError("check-names failed: bad name '\(name.relativeDescription)'")
            }
        }
        let data = Array(record.data.octets)
        guard record.type == .nsec3param, data.count >= 4 else { return }
        let iterations = UInt16(data[2]) << 8 | UInt16(data[3])
        guard iterations <= Self.maximumIterations else {
            throw UpdateScriptError("NSEC3PARAM has excessive iterations (> \(Self.maximumIterations))")
        }
    }

    /// What resolvers take for insecure beyond (RFC 9276 section 3.2, and BIND's limit).
    private static let maximumIterations: UInt16 = 150
}
