// Record data from their text form, field by field as RecordLayout.swift has them. Everything that BIND and RFC 3597
// write is read: the form of the type, and `\# LENGTH HEXADECIMAL` for every type. What was read is checked in the same
// way as what comes from the wire.

extension RecordData {
    /// Reads the words that are left of an entry, all of which must be data of that type; names are relative to
    /// `origin`.
    package init(
        _ type: RecordType, in recordClass: RecordClass = .internet, from words: inout ZoneText,
        origin: DomainName = .root
    ) throws(ZoneTextError) {
        var ahead = words
        let octets: [UInt8]
        if let word = try ahead.next(), !word.isQuoted, word.text.elementsEqual("\\#".utf8) {
            words = ahead
            octets = try Self.generic(&words)
        } else {
            guard let fields = RecordLayout.fields(type, recordClass) else {
                throw words.error("\(type) is written as '\\# LENGTH HEXADECIMAL' (RFC 3597)")
            }
            var output = WireWriter()
            for field in fields { try field.read(&words, origin, to: &output) }
            octets = output.bytes
            try words.expectEnd()
        }
        guard let data = RecordData(type, octets: octets, in: recordClass) else {
            throw words.error("not data of type \(type)")
        }
        self = data
    }

    /// The data that `text` says, with names relative to the root; nil if it says none.
    package init?(_ type: RecordType, _ text: String, in recordClass: RecordClass = .internet) {
        var words = ZoneText(text.utf8)
        guard let data = try? RecordData(type, in: recordClass, from: &words),
            (try? words.nextEntry()) == .some(nil)
        else { return nil }
        self = data
    }

    /// What stands behind `\#` (RFC 3597 section 5).
    private static func generic(_ words: inout ZoneText) throws(ZoneTextError) -> [UInt8] {
        let count = try words.number(UInt16.self)
        let octets = try RecordField.binary(&words, .hexadecimal, required: false)
        guard octets.count == Int(count) else { throw words.error("\(count) octets announced, \(octets.count) there") }
        return octets
    }
}

extension RecordField {
    fileprivate func read(_ words: inout ZoneText, _ origin: DomainName, to output: inout WireWriter)
        throws(ZoneTextError)
    {
        switch self {
        case .octet: output.write(try words.number(UInt8.self))
        case .short: output.write(try words.number(UInt16.self))
        case .long: output.write(try words.number(UInt32.self))
        case .seconds: output.write(try Self.value(&words, "no interval") { UInt32(interval: $0.text) })
        case .moment: output.write(try Self.value(&words, "no moment") { Moment($0.text)?.seconds })
        case .type: output.write(try Self.value(&words, "unknown type") { RecordType($0.keyword)?.rawValue })
        case .algorithm, .namedAlgorithm:
            output.write(
                try Self.value(&words, "unknown algorithm") {
                    UInt8(decimalDigits: $0.text) ?? SecurityAlgorithm.names.number($0.keyword.uppercased())
                })
        case .certificate:
            output.write(
                try Self.value(&words, "unknown type of certificate") {
                    UInt16(decimalDigits: $0.text) ?? CertificateType.names.number($0.keyword.uppercased())
                })
        case .scheme:
            output.write(
                try Self.value(&words, "unknown scheme") {
                    UInt8(decimalDigits: $0.text) ?? SynchronizationScheme.names.number($0.keyword.uppercased())
                })
        case .name, .compressibleName: output.write(try words.name(origin: origin).octets)
        case .ipv4, .ipv6:
            let address = try Self.value(&words, "no address of that family") { IPAddress($0.keyword) }
            guard address.bitWidth == length * 8 else { throw words.error("no address of that family") }
            output.write(address)
        case .string: output.writeCounted(try Self.string(&words))
        case .strings:
            output.writeCounted(try Self.string(&words))
            while let word = try words.next() { output.writeCounted(try Self.string(word, words)) }
        case .text: output.write(try Self.value(&words, "bad escape") { $0.octets })
        case .tag, .salt, .hash: output.writeCounted(try counted(&words))
        case .hexadecimal: output.write(try Self.binary(&words, .hexadecimal, required: true))
        case .base64: output.write(try Self.binary(&words, .base64, required: true))
        case .types:
            var types: [RecordType] = []
            while let word = try words.next() {
                guard let type = RecordType(word.keyword) else { throw words.error("unknown type") }
                types.append(type)
            }
            output.write(TypeList.octets(types))
        case .parameters: output.write(try Self.parameters(&words))
        case .location: output.write(try Self.location(&words))
        case .eui48, .eui64: output.write(try hardwareAddress(&words))
        }
    }

    private static func value<Value>(
        _ words: inout ZoneText, _ complaint: String, _ make: (ZoneText.Word) -> Value?
    ) throws(ZoneTextError) -> Value {
        let word = try words.word()
        guard let value = make(word) else {
            throw words.error("\(complaint): '\(String(decoding: word.text, as: UTF8.self))'")
        }
        return value
    }

    private static func string(_ words: inout ZoneText) throws(ZoneTextError) -> [UInt8] {
        try string(try words.word(), words)
    }

    private static func string(_ word: ZoneText.Word, _ words: ZoneText) throws(ZoneTextError) -> [UInt8] {
        guard let octets = word.octets else { throw words.error("bad escape") }
        guard octets.count <= 255 else { throw words.error("a string of more than 255 octets") }
        return octets
    }

    private func counted(_ words: inout ZoneText) throws(ZoneTextError) -> [UInt8] {
        let octets = try Self.value(&words, "bad \(self)") { word -> [UInt8]? in
            switch self {
            case .salt where word.keyword == "-": return []
            case .salt: return BinaryText.hexadecimal.octets(word.text).flatMap { $0.isEmpty ? nil : $0 }
            case .hash: return BinaryText.base32.octets(word.text).flatMap { $0.isEmpty ? nil : $0 }
            default: return Array(word.text)
            }
        }
        guard octets.count <= 255 else { throw words.error("\(self) of more than 255 octets") }
        return octets
    }

    /// All words that are left, which may divide the digits anywhere.
    fileprivate static func binary(
        _ words: inout ZoneText, _ form: BinaryText, required: Bool
    ) throws(ZoneTextError) -> [UInt8] {
        var digits: [UInt8] = []
        while let word = try words.next() { digits += word.text }
        guard let octets = form.octets(digits), !octets.isEmpty || !required else { throw words.error("bad digits") }
        return octets
    }

    private static func parameters(_ words: inout ZoneText) throws(ZoneTextError) -> [UInt8] {
        var parameters: [ServiceParameter] = []
        while let word = try words.next(pairs: true) {
            guard let parameter = parameter(word) else {
                throw words.error("bad parameter: '\(String(decoding: word.text, as: UTF8.self))'")
            }
            parameters.append(parameter)
        }
        parameters.sort { $0.key < $1.key }
        let keys = parameters.map(\.key)
        guard zip(keys, keys.dropFirst()).allSatisfy({ $0 < $1 }) else { throw words.error("a parameter stands twice") }
        // What the parameters say of each other (RFC 9460 sections 7.1.1 and 8).
        let mandatory = parameters.first { $0.key == 0 }.map { ServiceParameter.Form.numbers($0.value) } ?? []
        guard mandatory.allSatisfy(keys.contains) else { throw words.error("a mandatory parameter is missing") }
        guard !keys.contains(2) || keys.contains(1) else { throw words.error("no-default-alpn without alpn") }
        var output = WireWriter()
        for parameter in parameters {
            output.write(parameter.key)
            output.write(UInt16(parameter.value.count))
            output.write(parameter.value)
        }
        return output.bytes
    }

    private static func parameter(_ word: ZoneText.Word) -> ServiceParameter? {
        guard !word.isQuoted else { return nil }
        let equals = word.text.firstIndex(of: UInt8(ascii: "="))
        let name = String(decoding: word.text[..<(equals ?? word.text.endIndex)], as: UTF8.self)
        guard let key = ServiceParameter.key(name) else { return nil }
        guard let equals else { return ServiceParameter(key: key, text: nil) }
        var value = word.text[(equals + 1)...]
        if value.first == UInt8(ascii: "\""), value.count >= 2 { value = value.dropFirst().dropLast() }
        guard let octets = ZoneText.Word(text: value, isQuoted: true).octets else { return nil }
        return ServiceParameter(key: key, text: octets)
    }

    private static func location(_ words: inout ZoneText) throws(ZoneTextError) -> [UInt8] {
        var parts: [String] = []
        while let word = try words.next() { parts.append(word.keyword) }
        guard let location = Location(parts) else { throw words.error("not a location") }
        return location.octets
    }

    private func hardwareAddress(_ words: inout ZoneText) throws(ZoneTextError) -> [UInt8] {
        try Self.value(&words, "bad \(self)") { word in
            let parts = word.text.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            let octets = parts.map { $0.count == 2 ? BinaryText.hexadecimal.octets($0) : nil }
            return octets.count == length && !octets.contains(nil) ? octets.flatMap { $0 ?? [] } : nil
        }
    }
}

extension WireWriter {
    /// Appends a string of up to 255 octets with its length in front.
    mutating func writeCounted(_ octets: some Collection<UInt8>) {
        precondition(octets.count <= 255, "a string of more than 255 octets")
        write(UInt8(octets.count))
        write(octets)
    }
}
