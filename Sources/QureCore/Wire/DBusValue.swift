// DBusValue: the basic types of D-Bus, and how they lie in a message ("Type System" and "Marshalling" in its
// specification): numbers at multiples of their own size in the byte order that the message names, texts with their
// length in front and a NUL behind. DBusMessage reads and writes by it.

/// A type by its letter in a signature.
package struct DBusType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let byte = DBusType(rawValue: UInt8(ascii: "y"))
    package static let boolean = DBusType(rawValue: UInt8(ascii: "b"))
    package static let int16 = DBusType(rawValue: UInt8(ascii: "n"))
    package static let uint16 = DBusType(rawValue: UInt8(ascii: "q"))
    package static let int32 = DBusType(rawValue: UInt8(ascii: "i"))
    package static let uint32 = DBusType(rawValue: UInt8(ascii: "u"))
    package static let int64 = DBusType(rawValue: UInt8(ascii: "x"))
    package static let uint64 = DBusType(rawValue: UInt8(ascii: "t"))
    package static let double = DBusType(rawValue: UInt8(ascii: "d"))
    package static let string = DBusType(rawValue: UInt8(ascii: "s"))
    package static let objectPath = DBusType(rawValue: UInt8(ascii: "o"))
    package static let signature = DBusType(rawValue: UInt8(ascii: "g"))
    /// The place of a descriptor among those that travel with the message.
    package static let descriptor = DBusType(rawValue: UInt8(ascii: "h"))

    /// The size of a number; nil for everything else.
    var size: Int? {
        switch self {
        case .byte: 1
        case .int16, .uint16: 2
        case .boolean, .int32, .uint32, .descriptor: 4
        case .int64, .uint64, .double: 8
        default: nil
        }
    }

    var isText: Bool { self == .string || self == .objectPath || self == .signature }
    var isBasic: Bool { size != nil || isText }

    /// What a value of this type begins at a multiple of.
    var alignment: Int {
        switch rawValue {
        case UInt8(ascii: "("), UInt8(ascii: "{"): 8
        case UInt8(ascii: "a"): 4
        case UInt8(ascii: "g"), UInt8(ascii: "v"): 1
        default: size ?? 4
        }
    }
}

/// A value of a basic type.
package enum DBusValue: Equatable, Sendable {
    case boolean(Bool)
    /// Any other number, by its bits.
    case number(UInt64, DBusType)
    case text(String, DBusType)

    /// An ordinary text.
    package static func string(_ text: String) -> DBusValue { .text(text, .string) }

    /// What the signature says of it.
    package var type: DBusType {
        switch self {
        case .boolean: .boolean
        case .number(_, let type), .text(_, let type): type
        }
    }

    /// The text, if it is one.
    package var text: String? { if case .text(let text, _) = self { text } else { nil } }
}

/// Reads what a message consists of. Padding must be zero, texts must be UTF-8 without a NUL inside.
struct DBusReader {
    private var input: WireReader
    private let isLittleEndian: Bool
    /// Variants may contain variants; more of them than the specification allows are nobody's honest message.
    private static let maximumDepth = 64

    /// At the start of a message, behind the letter that tells its byte order.
    init(_ bytes: [UInt8]) throws(WireError) {
        input = WireReader(bytes)
        switch try input.read(UInt8.self, field: "dbus.order") {
        case UInt8(ascii: "l"): isLittleEndian = true
        case UInt8(ascii: "B"): isLittleEndian = false
        default: throw WireError(.unexpected, field: "dbus.order", offset: 0)
        }
    }

    private init(_ input: WireReader, isLittleEndian: Bool) {
        self.input = input
        self.isLittleEndian = isLittleEndian
    }

    var remaining: Int { input.remaining }

    func unexpected(_ field: String) -> WireError { WireError(.unexpected, field: field, offset: input.offset) }

    mutating func skip(_ count: Int, field: String) throws(WireError) { try input.skip(count: count, field: field) }
    mutating func expect(_ value: UInt8, field: String) throws(WireError) { try input.expect(value, field: field) }
    mutating func byte(field: String) throws(WireError) -> UInt8 { try input.read(UInt8.self, field: field) }

    /// A reader of the next `count` bytes, which this one steps over; positions count from the message's start still.
    mutating func slice(_ count: Int, field: String) throws(WireError) -> DBusReader {
        DBusReader(try input.slice(count: count, field: field), isLittleEndian: isLittleEndian)
    }

    mutating func align(to multiple: Int, field: String) throws(WireError) {
        while input.offset % multiple != 0 { try input.expect(UInt8(0), field: field) }
    }

    mutating func number(_ size: Int, field: String) throws(WireError) -> UInt64 {
        try align(to: size, field: field)
        let bytes = try input.read(count: size, field: field)
        let ordered = isLittleEndian ? bytes.reversed() : bytes
        return ordered.reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func text(_ type: DBusType, field: String) throws(WireError) -> String {
        let length = type == .signature ? UInt64(try byte(field: field)) : try number(4, field: field)
        let bytes = try input.read(count: Int(length), field: field)
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else { throw unexpected(field) }
        try input.expect(UInt8(0), field: field)
        return text
    }

    /// A value of a basic type.
    mutating func value(_ type: DBusType, field: String) throws(WireError) -> DBusValue {
        if type.isText { return .text(try text(type, field: field), type) }
        guard let size = type.size else { throw unexpected(field) }
        let bits = try number(size, field: field)
        guard type == .boolean else { return .number(bits, type) }
        guard bits <= 1 else { throw unexpected(field) }
        return .boolean(bits == 1)
    }

    /// Steps over the values that a signature names.
    mutating func skip(type signature: String, field: String) throws(WireError) {
        var letters = Array(signature.utf8)[...]
        while !letters.isEmpty { try skipOne(&letters, field: field, depth: 0) }
    }

    private mutating func skipOne(
        _ letters: inout ArraySlice<UInt8>, field: String, depth: Int
    ) throws(WireError) {
        guard depth < Self.maximumDepth, let letter = letters.popFirst() else { throw unexpected(field) }
        let type = DBusType(rawValue: letter)
        switch letter {
        case _ where type.isBasic: _ = try value(type, field: field)
        case UInt8(ascii: "v"):
            var inner = Array(try text(.signature, field: field).utf8)[...]
            try skipOne(&inner, field: field, depth: depth + 1)
            guard inner.isEmpty else { throw unexpected(field) }
        case UInt8(ascii: "a"):
            let length = try number(4, field: field)
            guard let element = letters.first else { throw unexpected(field) }
            try align(to: DBusType(rawValue: element).alignment, field: field)
            try input.skip(count: Int(length), field: field)
            try Self.passType(&letters, unexpected(field))
        case UInt8(ascii: "("), UInt8(ascii: "{"):
            try align(to: 8, field: field)
            let end = letter == UInt8(ascii: "(") ? UInt8(ascii: ")") : UInt8(ascii: "}")
            while letters.first != end { try skipOne(&letters, field: field, depth: depth + 1) }
            letters.removeFirst()
        default: throw unexpected(field)
        }
    }

    /// Takes one complete type off a signature.
    private static func passType(_ letters: inout ArraySlice<UInt8>, _ error: WireError) throws(WireError) {
        letters = letters.drop { $0 == UInt8(ascii: "a") }
        var open = 0
        repeat {
            guard let letter = letters.popFirst() else { throw error }
            if letter == UInt8(ascii: "(") || letter == UInt8(ascii: "{") { open += 1 }
            if letter == UInt8(ascii: ")") || letter == UInt8(ascii: "}") { open -= 1 }
        } while open > 0
    }
}

/// Writes what a message consists of, little-endian.
struct DBusWriter {
    private var output = WireWriter()
    var bytes: [UInt8] { output.bytes }

    mutating func align(to multiple: Int) {
        output.write(repeatElement(0, count: (multiple - bytes.count % multiple) % multiple))
    }

    mutating func write(_ bytes: [UInt8]) { output.write(bytes) }

    mutating func write(_ number: UInt64, size: Int) {
        align(to: size)
        output.write((0..<size).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) })
    }

    mutating func write(_ value: DBusValue) {
        switch value {
        case .boolean(let value): write(value ? 1 : 0, size: 4)
        case .number(let bits, let type):
            guard let size = type.size else { preconditionFailure("\(type) is no number") }
            write(bits, size: size)
        case .text(let text, let type):
            write(UInt64(text.utf8.count), size: type == .signature ? 1 : 4)
            output.write(Array(text.utf8) + [0])
        }
    }

    /// Overwrites a number of four bytes.
    mutating func patch(_ number: UInt32, at offset: Int) {
        output.patch(UInt16(truncatingIfNeeded: number).byteSwapped, at: offset)
        output.patch(UInt16(truncatingIfNeeded: number >> 16).byteSwapped, at: offset + 2)
    }
}
