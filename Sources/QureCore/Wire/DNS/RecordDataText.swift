// The text form of record data, field by field as RecordLayout.swift has them, as BIND and its dig write it. Data that
// have no text form of their own are written as RFC 3597 section 5 says: `\# 4 C0000201`.

extension RecordData {
    /// How long binary data are divided.
    package enum Division: Sendable {
        /// Not at all.
        case whole
        /// By blanks, as dig does without options.
        case dig

        /// Digits between two blanks.
        var width: Int? {
            switch self {
            case .whole: nil
            case .dig: 56
            }
        }
    }

    /// The text form; nothing for no data, but for `\# 0` in types that are opaque.
    package func text(in recordClass: RecordClass = .internet, division: Division = .whole) -> String {
        let isOpaque = RecordLayout.fields(type, recordClass) == nil
        // In an update, no data mean a whole set or name.
        guard !octets.isEmpty || (isOpaque && recordClass != .any && recordClass != .none) else { return "" }
        return String(decoding: known(recordClass, division) ?? generic(division), as: UTF8.self)
    }

    /// The form of RFC 3597 section 5, which every type has.
    private func generic(_ division: Division) -> [UInt8] {
        var text = Array("\\# \(octets.count)".utf8)
        guard !octets.isEmpty else { return text }
        text.append(UInt8(ascii: " "))
        text.append(BinaryText.hexadecimal.text(octets), division)
        return text
    }

    /// The form of the type itself; nil where it has none, or these data have none.
    private func known(_ recordClass: RecordClass, _ division: Division) -> [UInt8]? {
        guard let fields = RecordLayout.fields(type, recordClass) else { return nil }
        var text: [UInt8] = []
        var input = WireReader(Array(octets))
        for field in fields {
            if !text.isEmpty { text.append(UInt8(ascii: " ")) }
            var arena: [UInt8] = []
            guard (try? field.transfer(from: &input, into: &arena)) != nil,
                field.append(arena, to: &text, division)
            else { return nil }
        }
        // A list of types or parameters may be empty.
        if text.last == UInt8(ascii: " ") { text.removeLast() }
        return text
    }

    /// What has a backslash in front of it in quotes.
    static let specialWhenQuoted = [UInt8(ascii: "\""), UInt8(ascii: "\\")]
}

extension RecordField {
    /// Appends the text form of a field's octets; false where they have none.
    fileprivate func append(_ octets: [UInt8], to text: inout [UInt8], _ division: RecordData.Division) -> Bool {
        switch self {
        case .octet, .short, .long, .seconds, .algorithm: text += String(Self.number(octets)).utf8
        case .moment: text += Moment(seconds: UInt32(Self.number(octets))).description.utf8
        case .type: text += RecordType(rawValue: UInt16(Self.number(octets))).description.utf8
        case .certificate:
            let number = UInt16(Self.number(octets))
            text += (CertificateType.names.name(number) ?? String(number)).utf8
        case .namedAlgorithm:
            let number = UInt8(Self.number(octets))
            text += (SecurityAlgorithm.names.name(number) ?? String(number)).utf8
        case .scheme:
            let number = UInt8(Self.number(octets))
            text += (SynchronizationScheme.names.name(number) ?? String(number)).utf8
        case .name, .compressibleName: text += DomainName(unchecked: octets[...]).text
        case .ipv4, .ipv6: text += (IPAddress(octets: octets)?.description ?? "").utf8
        case .string: Self.appendQuoted(octets.dropFirst(), to: &text)
        case .strings: Self.appendStrings(octets, to: &text)
        case .text: Self.appendQuoted(octets[...], to: &text)
        case .tag: text += octets.dropFirst()
        case .salt where octets.count == 1: text.append(UInt8(ascii: "-"))
        case .salt: text += BinaryText.hexadecimal.text(octets.dropFirst())
        case .hash where octets.count == 1: return false
        case .hash: text += BinaryText.base32.text(octets.dropFirst())
        case .hexadecimal, .base64:
            guard !octets.isEmpty else { return false }
            text.append((self == .base64 ? BinaryText.base64 : .hexadecimal).text(octets), division)
        case .types: text += TypeList.types(octets).map(\.description).joined(separator: " ").utf8
        case .parameters:
            for (index, parameter) in ServiceParameter.parameters(octets[...]).enumerated() {
                if index > 0 { text.append(UInt8(ascii: " ")) }
                parameter.append(to: &text)
            }
        case .location:
            guard let location = Location(octets[...]) else { return false }
            text += location.description.utf8
        case .eui48, .eui64: text += octets.map(\.hexadecimal).joined(separator: "-").utf8
        }
        return true
    }

    private static func number(_ octets: [UInt8]) -> UInt64 { octets.reduce(0) { $0 << 8 | UInt64($1) } }

    private static func appendQuoted(_ octets: ArraySlice<UInt8>, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for octet in octets { text.appendEscaped(octet, special: RecordData.specialWhenQuoted, blanks: true) }
        text.append(UInt8(ascii: "\""))
    }

    private static func appendStrings(_ octets: [UInt8], to text: inout [UInt8]) {
        var rest = octets[...]
        while let count = rest.popFirst() {
            if rest.startIndex > 1 { text.append(UInt8(ascii: " ")) }
            appendQuoted(rest.prefix(Int(count)), to: &text)
            rest = rest.dropFirst(Int(count))
        }
    }
}

extension [UInt8] {
    /// Appends digits, with a blank between groups of the division's width.
    fileprivate mutating func append(_ digits: [UInt8], _ division: RecordData.Division) {
        guard let width = division.width else {
            self += digits
            return
        }
        for start in stride(from: 0, to: digits.count, by: width) {
            if start > 0 { append(UInt8(ascii: " ")) }
            self += digits[start..<Swift.min(start + width, digits.count)]
        }
    }
}

/// Windows of types as NSEC has them (RFC 4034 section 4.1.2).
enum TypeList {
    /// The types in octets that have been checked.
    static func types(_ octets: [UInt8]) -> [RecordType] {
        var types: [RecordType] = []
        var rest = octets[...]
        while let window = rest.popFirst(), let count = rest.popFirst() {
            for (index, octet) in rest.prefix(Int(count)).enumerated() {
                for bit in 0..<8 where octet & 0x80 >> bit != 0 {
                    types.append(RecordType(rawValue: UInt16(window) << 8 | UInt16(index * 8 + bit)))
                }
            }
            rest = rest.dropFirst(Int(count))
        }
        return types
    }

    /// The octets of a set of types.
    static func octets(_ types: [RecordType]) -> [UInt8] {
        var windows: [UInt8: [UInt8]] = [:]
        for type in types {
            let index = Int(type.rawValue & 255) / 8
            var window = windows[UInt8(type.rawValue >> 8)] ?? []
            while window.count <= index { window.append(0) }
            window[index] |= 0x80 >> UInt8(type.rawValue & 7)
            windows[UInt8(type.rawValue >> 8)] = window
        }
        return windows.sorted { $0.key < $1.key }.flatMap { [$0.key, UInt8($0.value.count)] + $0.value }
    }
}

/// A moment as RRSIG writes it: `20260131235959`, UTC (RFC 4034 section 3.2).
struct Moment: Equatable {
    /// Seconds since 1970, up to 2106: without a clock there is no other cycle.
    var seconds: UInt32

    init(seconds: UInt32) { self.seconds = seconds }

    /// Fourteen digits, or seconds since 1970 as they are.
    init?(_ text: some Collection<UInt8>) {
        guard text.count == 14 else {
            guard text.count <= 10, let seconds = UInt32(decimalDigits: text) else { return nil }
            self.seconds = seconds
            return
        }
        let digits = text.map(\.decimalValue)
        guard !digits.contains(nil) else { return nil }
        func part(_ range: Range<Int>) -> Int { digits[range].reduce(0) { $0 * 10 + Int($1 ?? 0) } }
        let (year, month, day) = (part(0..<4), part(4..<6), part(6..<8))
        let (hour, minute, second) = (part(8..<10), part(10..<12), part(12..<14))
        guard year >= 1970, (1...12).contains(month), day >= 1, hour < 24, minute < 60, second <= 60,
            day <= Self.daysBefore(year, month + 1) - Self.daysBefore(year, month)
        else { return nil }
        let days = Self.daysBefore(year, month) + day - 1
        guard let seconds = UInt32(exactly: days * 86400 + hour * 3600 + minute * 60 + second) else { return nil }
        self.seconds = seconds
    }

    var description: String {
        let days = Int(seconds / 86400)
        var year = 1970 + days / 366
        while Self.daysBefore(year + 1, 1) <= days { year += 1 }
        let month = (1...12).last { Self.daysBefore(year, $0) <= days } ?? 1
        let day = days - Self.daysBefore(year, month) + 1
        let rest = Int(seconds % 86400)
        let parts = [month, day, rest / 3600, rest / 60 % 60, rest % 60]
        return String(year) + parts.map { ($0 < 10 ? "0" : "") + String($0) }.joined()
    }

    /// Days from 1970 to the first of a month of the Gregorian calendar; the thirteenth is January.
    private static func daysBefore(_ year: Int, _ month: Int) -> Int {
        let year = month > 12 ? year + 1 : year
        let month = month > 12 ? 1 : month
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month - 1]
        let past = year - 1
        let years = past * 365 + past / 4 - past / 100 + past / 400 - 719_162
        return years + before + (isLeap && month > 2 ? 1 : 0)
    }
}
