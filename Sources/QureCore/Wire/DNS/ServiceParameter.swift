// ServiceParameter: the keys and values of SVCB and HTTPS (RFC 9460), on the wire and as text. The registry of keys is
// IANA's "Service Parameter Keys"; those that have no entry here are octets, `key65333="…"`.

/// One parameter of a service binding.
struct ServiceParameter: Equatable, Sendable {
    /// What a value consists of.
    enum Form { case keys, protocols, nothing, port, ipv4, ipv6, base64, octets }

    var key: UInt16
    var value: [UInt8]

    /// The keys with a form of their own: RFC 9460 section 14.3.2, RFC 9461 (dohpath), RFC 9540 (ohttp).
    private static let registered: [(name: String, form: Form)] = [
        ("mandatory", .keys), ("alpn", .protocols), ("no-default-alpn", .nothing), ("port", .port),
        ("ipv4hint", .ipv4), ("ech", .base64), ("ipv6hint", .ipv6), ("dohpath", .octets), ("ohttp", .nothing),
    ]

    static func form(_ key: UInt16) -> Form { Int(key) < registered.count ? registered[Int(key)].form : .octets }
    static func name(_ key: UInt16) -> String { Int(key) < registered.count ? registered[Int(key)].name : "key\(key)" }

    /// The key that a name says; `key0` is no other way to say `mandatory` (RFC 9460 section 2.1), but is understood.
    static func key(_ name: String) -> UInt16? {
        if let index = registered.firstIndex(where: { $0.name == name }) { return UInt16(index) }
        guard name.hasPrefix("key") else { return nil }
        return decimal(name.utf8.dropFirst(3)[...], atMost: 65535).map(UInt16.init)
    }

    /// Reads parameters to the end of `input`: keys strictly upwards, each value of its form (RFC 9460 section 2.2).
    static func transfer(from input: inout WireReader, into arena: inout [UInt8]) throws(WireError) {
        let field = "dns.rdata.parameter"
        var last = -1
        while input.remaining > 0 {
            let start = input.offset
            let key = try input.read(UInt16.self, field: field)
            let count = try input.read(UInt16.self, field: field)
            try input.copy(start..<(start + 4), into: &arena, field: field)
            try input.read(count: Int(count), into: &arena, field: field)
            guard Int(key) > last, form(key).accepts(arena.suffix(Int(count))) else {
                throw WireError(.unexpected, field: field, offset: start)
            }
            last = Int(key)
        }
    }

    /// The parameters in octets that have been checked.
    static func parameters(_ octets: ArraySlice<UInt8>) -> [ServiceParameter] {
        var input = WireReader(Array(octets))
        var parameters: [ServiceParameter] = []
        while let key = try? input.read(UInt16.self, field: ""), let count = try? input.read(UInt16.self, field: ""),
            let value = try? input.read(count: Int(count), field: "")
        {
            parameters.append(ServiceParameter(key: key, value: value))
        }
        return parameters
    }
}

extension ServiceParameter.Form {
    /// Whether `value` is of this form.
    func accepts(_ value: ArraySlice<UInt8>) -> Bool {
        switch self {
        case .keys: Self.areKeys(value)
        case .protocols: !value.isEmpty && Self.split(value) != nil
        case .nothing: value.isEmpty
        case .port: value.count == 2
        case .ipv4: !value.isEmpty && value.count % 4 == 0
        case .ipv6: !value.isEmpty && value.count % 16 == 0
        case .base64: !value.isEmpty
        case .octets: true
        }
    }

    /// Upwards, and without `mandatory` itself (RFC 9460 section 8).
    private static func areKeys(_ value: ArraySlice<UInt8>) -> Bool {
        guard !value.isEmpty, value.count % 2 == 0 else { return false }
        let keys = numbers(value)
        return keys[0] > 0 && zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 }
    }

    static func numbers(_ value: some Collection<UInt8>) -> [UInt16] {
        let octets = Array(value)
        return stride(from: 0, to: octets.count - 1, by: 2).map { UInt16(octets[$0]) << 8 | UInt16(octets[$0 + 1]) }
    }

    /// Strings of at least one octet with their lengths in front.
    static func split(_ value: some Collection<UInt8>) -> [[UInt8]]? {
        var strings: [[UInt8]] = []
        var rest = Array(value)[...]
        while let count = rest.popFirst() {
            guard count > 0, rest.count >= Int(count) else { return nil }
            strings.append(Array(rest.prefix(Int(count))))
            rest = rest.dropFirst(Int(count))
        }
        return strings
    }
}

extension ServiceParameter {
    /// The text form, as BIND writes it.
    func append(to text: inout [UInt8]) {
        text += Self.name(key).utf8
        guard Self.form(key) != .nothing, !value.isEmpty else { return }
        text.append(UInt8(ascii: "="))
        func list(_ parts: [String]) { text += parts.joined(separator: ",").utf8 }
        switch Self.form(key) {
        case .keys: list(Form.numbers(value).map(Self.name))
        case .port: list(Form.numbers(value).map(String.init))
        case .ipv4: list(addresses(4))
        case .ipv6: list(addresses(16))
        case .base64: text += BinaryText.base64.text(value)
        case .protocols: Self.appendQuoted(protocolList, to: &text)
        default: Self.appendQuoted(value, to: &text)
        }
    }

    private func addresses(_ length: Int) -> [String] {
        stride(from: 0, to: value.count, by: length).compactMap { start in
            IPAddress(octets: value[start..<(start + length)])?.description
        }
    }

    /// The protocols with commas between them; commas and backslashes within them escaped (RFC 9460 appendix A.1).
    private var protocolList: [UInt8] {
        let escaped = (Form.split(value) ?? []).map { name in
            name.flatMap { [UInt8(ascii: ","), UInt8(ascii: "\\")].contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
        }
        return Array(escaped.joined(separator: [UInt8(ascii: ",")]))
    }

    private static func appendQuoted(_ octets: [UInt8], to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for octet in octets { text.appendEscaped(octet, special: RecordData.specialWhenQuoted, blanks: true) }
        text.append(UInt8(ascii: "\""))
    }

    /// The parameter that `key` and its value's octets (unescaped; nil: no `=`) say; nil if it is none.
    init?(key: UInt16, text: [UInt8]?) {
        let form = Self.form(key)
        let value = text ?? []
        let parts = value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        let octets: [UInt8]?
        switch form {
        case .nothing: octets = value.isEmpty ? [] : nil
        case .octets: octets = value
        case .base64: octets = BinaryText.base64.octets(value)
        case .keys:
            let keys = parts.map { Self.key(String(decoding: $0, as: UTF8.self)) }
            octets = keys.contains(nil) ? nil : Self.octets(keys.compactMap { $0 }.sorted())
        case .port:
            let number = UInt16(String(decoding: value, as: UTF8.self))
            octets = value.first?.decimalValue == nil ? nil : number.map { Self.octets([$0]) }
        case .ipv4, .ipv6:
            let addresses = parts.map { IPAddress(String(decoding: $0, as: UTF8.self)) }
            let isRight = addresses.allSatisfy { $0?.bitWidth == (form == .ipv4 ? 32 : 128) }
            octets = isRight ? addresses.flatMap { $0?.octets ?? [] } : nil
        case .protocols: octets = Self.protocols(value)
        }
        guard let octets, octets.count <= Int(UInt16.max), form.accepts(octets[...]) else { return nil }
        self.init(key: key, value: octets)
    }

    private static func octets(_ numbers: [UInt16]) -> [UInt8] {
        numbers.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }

    /// The list of protocols in `text`, with the second layer of escapes that only such lists have.
    private static func protocols(_ text: [UInt8]) -> [UInt8]? {
        var names: [[UInt8]] = [[]]
        var rest = text[...]
        while let octet = rest.popFirst() {
            if octet == UInt8(ascii: ",") {
                names.append([])
            } else if octet == UInt8(ascii: "\\") {
                guard let escaped = rest.popFirst() else { return nil }
                names[names.count - 1].append(escaped)
            } else {
                names[names.count - 1].append(octet)
            }
        }
        guard names.allSatisfy({ (1...255).contains($0.count) }) else { return nil }
        return names.flatMap { [UInt8($0.count)] + $0 }
    }
}
