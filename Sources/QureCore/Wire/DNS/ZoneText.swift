// ZoneText: the words of the text form of zones (RFC 1035 section 5.1), one after the other, with quotes, escapes,
// parentheses and comments seen to. An entry is a line, or several where parentheses span them. The reader of zone
// files (ZoneFile.swift) uses it, and so does the language of update scripts, whose records are written in the same
// words but in which a line is a line and a semicolon within one is like any other character.

/// Why a text cannot be read, and where.
package struct ZoneTextError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Counted from 1.
    package var line: Int
    /// What is wrong, in a few words.
    package var reason: String

    /// An error in a line.
    package init(line: Int, _ reason: String) {
        self.line = line
        self.reason = reason
    }

    package var description: String { "line \(line): \(reason)" }
}

/// A cursor over the words of a text.
package struct ZoneText: Sendable {
    /// Whose words they are.
    package enum Dialect: Sendable {
        /// Zone files: `;` begins a comment, parentheses join lines.
        case zoneFile
        /// Lines of nsupdate: neither means anything.
        case updateScript
    }

    /// One word.
    package struct Word: Equatable, Sendable {
        /// What stands there, without quotes around it, with its escapes.
        package var text: ArraySlice<UInt8>
        /// Whether it stood in quotes: then it is never a keyword, and may be empty.
        package var isQuoted: Bool

        /// The text for comparing with keywords and for reading numbers; nothing where it was quoted.
        package var keyword: String { isQuoted ? "" : String(decoding: text, as: UTF8.self) }
    }

    private let text: [UInt8]
    private let dialect: Dialect
    private var position = 0
    private var depth = 0
    /// The line that the reader stands in, counted from 1.
    package private(set) var line: Int
    /// Whether there was a comment in what has been read.
    package private(set) var hasComment = false

    /// A reader before the first word of `text`, whose first line is number `line`.
    package init(_ text: some Collection<UInt8>, dialect: Dialect = .zoneFile, line: Int = 1) {
        self.text = Array(text)
        self.dialect = dialect
        self.line = line
    }

    private static let newline = UInt8(ascii: "\n")

    private var current: UInt8? { position < text.count ? text[position] : nil }

    /// An error in the present line.
    package func error(_ reason: String) -> ZoneTextError { ZoneTextError(line: line, reason) }

    /// Goes to the start of the next entry that has a word in it; what is left of the present one is passed over. The
    /// answer is whether it begins with a blank, which means the owner of the entry before; nil: there is none.
    package mutating func nextEntry() throws(ZoneTextError) -> Bool? {
        if position > 0 {
            while try next() != nil {}
            passNewline()
        }
        while position < text.count {
            let isIndented = isBlank(text[position])
            var ahead = self
            if try ahead.next() != nil { return isIndented }
            self = ahead
            passNewline()
        }
        return nil
    }

    private mutating func passNewline() {
        guard current == Self.newline else { return }
        position += 1
        line += 1
    }

    private func isBlank(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: " ") || octet == UInt8(ascii: "\t") || octet == UInt8(ascii: "\r")
    }

    /// The next word of the entry; nil at its end. `pairs` reads quotes behind an equals sign as part of the word, as
    /// in `alpn="h2,h3"`.
    package mutating func next(pairs: Bool = false) throws(ZoneTextError) -> Word? {
        while let octet = current {
            if isBlank(octet) {
                position += 1
            } else if octet == Self.newline {
                guard depth > 0 else { return nil }
                passNewline()
            } else if dialect == .zoneFile, octet == UInt8(ascii: ";") {
                hasComment = true
                while let octet = current, octet != Self.newline { position += 1 }
            } else if dialect == .zoneFile, octet == UInt8(ascii: "(") {
                position += 1
                depth += 1
            } else if dialect == .zoneFile, octet == UInt8(ascii: ")") {
                guard depth > 0 else { throw error("unbalanced parentheses") }
                position += 1
                depth -= 1
            } else if octet == UInt8(ascii: "\"") {
                return Word(text: try quoted(), isQuoted: true)
            } else {
                return Word(text: try plain(pairs), isQuoted: false)
            }
        }
        guard depth == 0 else { throw error("unbalanced parentheses") }
        return nil
    }

    /// The next word, which must be there.
    package mutating func word(pairs: Bool = false) throws(ZoneTextError) -> Word {
        guard let word = try next(pairs: pairs) else { throw error("unexpected end of input") }
        return word
    }

    /// Nothing more may stand in the entry.
    package mutating func expectEnd() throws(ZoneTextError) {
        if let word = try next() {
            throw error("extra input text near '\(String(decoding: word.text, as: UTF8.self))'")
        }
    }

    /// All that is left of the present line, as it stands.
    package var restOfLine: ArraySlice<UInt8> { text[position...].prefix { $0 != Self.newline } }

    private mutating func quoted() throws(ZoneTextError) -> ArraySlice<UInt8> {
        position += 1
        let start = position
        while let octet = current, octet != Self.newline {
            if octet == UInt8(ascii: "\"") {
                position += 1
                return text[start..<(position - 1)]
            }
            try pass(octet)
        }
        throw error("unbalanced quotes")
    }

    private mutating func plain(_ pairs: Bool) throws(ZoneTextError) -> ArraySlice<UInt8> {
        let start = position
        while let octet = current, octet != Self.newline, !isBlank(octet) {
            if dialect == .zoneFile, [UInt8(ascii: ";"), UInt8(ascii: "("), UInt8(ascii: ")")].contains(octet) { break }
            if octet == UInt8(ascii: "\"") {
                guard pairs, text[position - 1] == UInt8(ascii: "=") else {
                    // A quote that begins behind a word begins a word of its own.
                    guard dialect == .zoneFile else {
                        position += 1
                        continue
                    }
                    break
                }
                _ = try quoted()
                break
            }
            try pass(octet)
        }
        return text[start..<position]
    }

    /// Steps over a character, and over what a backslash takes along.
    private mutating func pass(_ octet: UInt8) throws(ZoneTextError) {
        position += 1
        guard octet == UInt8(ascii: "\\") else { return }
        guard let current, current != Self.newline else { throw error("bad escape") }
        position += 1
    }
}

extension ZoneText.Word {
    /// The octets with escapes resolved; nil where one is bad.
    package var octets: [UInt8]? {
        var octets: [UInt8] = []
        var characters = EscapedText(text)
        while true {
            do {
                guard let character = try characters.next() else { return octets }
                octets.append(character.octet)
            } catch {
                return nil
            }
        }
    }
}

extension ZoneText {
    /// A name, relative to `origin`.
    package mutating func name(origin: DomainName) throws(ZoneTextError) -> DomainName {
        let word = try word()
        do { return try DomainName(text: word.text, origin: origin) } catch {
            throw self.error("\(error.description): '\(String(decoding: word.text, as: UTF8.self))'")
        }
    }

    /// A decimal number that a `Number` can hold.
    package mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ type: Number.Type
    ) throws(ZoneTextError) -> Number {
        let word = try word()
        guard !word.isQuoted, let number = Number(decimalDigits: word.text) else {
            throw error("not a number in range: '\(String(decoding: word.text, as: UTF8.self))'")
        }
        return number
    }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// The number that decimal digits say, leading zeros or not; nil without digits, with anything else, or beyond.
    init?(decimalDigits digits: some Collection<UInt8>) {
        guard !digits.isEmpty else { return nil }
        var value: Self = 0
        for digit in digits {
            guard let one = digit.decimalValue else { return nil }
            let (tens, isTooMuch) = value.multipliedReportingOverflow(by: 10)
            let (sum, isMore) = tens.addingReportingOverflow(Self(one))
            guard !isTooMuch, !isMore else { return nil }
            value = sum
        }
        self = value
    }
}

extension UInt32 {
    /// A time to live or an interval: seconds, or with units `1w2d3h4m5s` in either case (BIND's extension of RFC
    /// 1035).
    package init?(interval text: some Collection<UInt8>) {
        if let seconds = UInt32(decimalDigits: text) {
            self = seconds
            return
        }
        let units: [UInt8: UInt64] = [
            UInt8(ascii: "w"): 604_800, UInt8(ascii: "d"): 86400, UInt8(ascii: "h"): 3600, UInt8(ascii: "m"): 60,
            UInt8(ascii: "s"): 1,
        ]
        var total: UInt64 = 0
        var rest = text[...]
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.decimalValue != nil }
            rest = rest.dropFirst(digits.count)
            guard let number = UInt32(decimalDigits: digits), let letter = rest.popFirst(),
                let unit = units[letter.asciiLowercased]
            else { return nil }
            total += UInt64(number) * unit
            guard total <= UInt64(UInt32.max) else { return nil }
        }
        self = UInt32(total)
    }
}
