// The text form of names: RFC 1035 section 5.1 and RFC 4343 section 2.1. A dot ends a label, `\.` is a dot within one,
// `\DDD` is the octet of that decimal number, `\X` is X. Names without a dot at the end are relative to an origin; `@`
// is the origin itself. What is written reads back to the same octets, and is what BIND writes.

extension DomainName {
    /// Why a text is no name.
    package enum Malformation: String, Error, Sendable, CustomStringConvertible {
        /// Nothing between two dots, or no name at all.
        case emptyLabel = "empty label"
        /// More than 63 octets.
        case labelTooLong = "label too long"
        /// More than 255 octets in all.
        case nameTooLong = "name too long"
        /// `\` with nothing behind it, or a number that is none or above 255.
        case badEscape = "bad escape"

        package var description: String { rawValue }
    }

    /// The name that `text` says; relative to `origin` unless it ends with a dot.
    package init(text: some Collection<UInt8>, origin: DomainName = .root) throws(Malformation) {
        guard text.first != UInt8(ascii: "@") || text.count > 1 else {
            self = origin
            return
        }
        // The root alone may be a dot and nothing else.
        guard text.first != UInt8(ascii: ".") || text.count > 1 else {
            self = .root
            return
        }
        var octets: [UInt8] = [0]
        var start = 0
        var characters = EscapedText(Array(text)[...])
        var isAbsolute = false
        func nextCharacter() throws(Malformation) -> EscapedText.Character? {
            do { return try characters.next() } catch { throw .badEscape }
        }
        while let character = try nextCharacter() {
            isAbsolute = false
            if character.octet == UInt8(ascii: "."), !character.isEscaped {
                guard octets.count > start + 1 else { throw .emptyLabel }
                octets[start] = UInt8(octets.count - start - 1)
                start = octets.count
                octets.append(0)
                isAbsolute = true
            } else {
                guard octets.count - start <= Self.maximumLabelLength else { throw .labelTooLong }
                octets.append(character.octet)
            }
            guard octets.count <= Self.maximumLength else { throw .nameTooLong }
        }
        if isAbsolute {
            self.init(unchecked: octets[...])
            return
        }
        guard octets.count > start + 1 else { throw .emptyLabel }
        octets[start] = UInt8(octets.count - start - 1)
        octets += origin.octets
        guard octets.count <= Self.maximumLength else { throw .nameTooLong }
        self.init(unchecked: octets[...])
    }

    /// The text with a dot at the end.
    package var description: String {
        String(decoding: text, as: UTF8.self)
    }

    /// The text without the dot at the end (the root keeps it), as messages for people have it.
    package var relativeDescription: String {
        String(decoding: isRoot ? text[...] : text.dropLast(), as: UTF8.self)
    }

    /// The octets of `description`.
    package var text: [UInt8] {
        guard !isRoot else { return [UInt8(ascii: ".")] }
        var text: [UInt8] = []
        text.reserveCapacity(octets.count)
        for label in labels {
            for octet in label { text.appendEscaped(octet, special: Self.special) }
            text.append(UInt8(ascii: "."))
        }
        return text
    }

    private static let special = Array(#"."\();@$"#.utf8)
}

extension DomainName: LosslessStringConvertible {
    /// The name that `text` says, relative to the root; nil if it is none.
    package init?(_ text: String) {
        guard let name = try? DomainName(text: Array(text.utf8)) else { return nil }
        self = name
    }
}

/// Octets written with the escapes of RFC 1035 section 5.1, one after the other.
struct EscapedText {
    /// One octet, and whether it stood there with a backslash.
    struct Character {
        var octet: UInt8
        var isEscaped: Bool
    }

    /// `\` with nothing behind it, or a number that is none.
    struct BadEscape: Error {}

    private var rest: ArraySlice<UInt8>

    init(_ text: ArraySlice<UInt8>) { rest = text }

    /// The next octet; nil at the end.
    mutating func next() throws(BadEscape) -> Character? {
        guard let first = rest.popFirst() else { return nil }
        guard first == UInt8(ascii: "\\") else { return Character(octet: first, isEscaped: false) }
        guard let second = rest.popFirst() else { throw BadEscape() }
        guard let hundreds = second.decimalValue else { return Character(octet: second, isEscaped: true) }
        guard let tens = rest.popFirst()?.decimalValue, let ones = rest.popFirst()?.decimalValue,
            let octet = UInt8(exactly: Int(hundreds) * 100 + Int(tens) * 10 + Int(ones))
        else { throw BadEscape() }
        return Character(octet: octet, isEscaped: true)
    }
}

extension UInt8 {
    /// The value of an ASCII decimal digit, otherwise nil.
    var decimalValue: UInt8? { self &- UInt8(ascii: "0") < 10 ? self - UInt8(ascii: "0") : nil }
}

extension [UInt8] {
    /// Appends one octet so that it reads back: those that are `special` with a backslash, what is not printable (and
    /// blanks unless `blanks` are fine) as its number.
    mutating func appendEscaped(_ octet: UInt8, special: [UInt8], blanks: Bool = false) {
        if special.contains(octet) {
            append(UInt8(ascii: "\\"))
            append(octet)
        } else if (0x21..<0x7f).contains(octet) || (blanks && octet == 0x20) {
            append(octet)
        } else {
            append(UInt8(ascii: "\\"))
            for digit in [octet / 100, octet / 10 % 10, octet % 10] { append(UInt8(ascii: "0") + digit) }
        }
    }
}
