// ConfigurationFile: `--config FILE`: one option per line, spelled as the long option without its dashes, `#` comments.
// The lines become command-line arguments in front of the real ones, so that the command line wins and there is one
// parser for both. What that parser refuses is traced back to the line it came from.

/// The options of a configuration file.
package struct ConfigurationFile: Equatable, Sendable {
    /// One option: `interface eth0`.
    package struct Line: Equatable, Sendable {
        /// Counted from 1.
        package var number: Int
        /// The long option without its dashes.
        package var option: String
        /// Empty for a flag.
        package var value: String

        /// The same as a command-line argument.
        package var argument: String { value.isEmpty ? "--\(option)" : "--\(option)=\(value)" }
    }

    /// The file's name, for messages.
    package var name: String
    /// In the order of the file.
    package var lines: [Line]

    /// Longest line taken, in bytes.
    static let maximumLine = 4096

    /// Reads the text of the file `name`. A malformed line is a usage failure that names file and line.
    package init(_ text: [UInt8], name: String) throws(Failure) {
        self.name = name
        lines = []
        let ended = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in ended.enumerated() {
            // A carriage return may stand before the line's end, and nowhere else.
            let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            func fail(_ why: String) -> Failure { Failure(.usage, "\(name):\(index + 1): \(why)") }
            guard bytes.count <= Self.maximumLine else {
                throw fail("the line is longer than \(Self.maximumLine) bytes")
            }
            guard let line = String(validating: Array(bytes), as: UTF8.self) else {
                throw fail("the line is not UTF-8 text")
            }
            guard !line.utf8.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7f }) else {
                throw fail("the line has a control character in it")
            }
            let text = Self.trimmed(Self.withoutComment(line.utf8[...]))
            guard !text.isEmpty else { continue }
            let option = String(Substring(text.prefix { !Self.isBlank($0) }))
            guard !option.hasPrefix("-") else {
                throw fail("write '\(option.drop { $0 == "-" })' without dashes")
            }
            guard option.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }) else {
                throw fail("'\(option)' is not an option's name (one option per line: name, blank, value)")
            }
            guard option != "config" else { throw fail("a configuration file cannot name another one") }
            let value = String(Substring(Self.trimmed(text.dropFirst(option.utf8.count))))
            lines.append(Line(number: index + 1, option: option, value: value))
        }
    }

    /// A `#` at the start or behind a blank begins a comment; within a word it is part of the value.
    private static func withoutComment(_ line: Substring.UTF8View) -> Substring.UTF8View {
        var previous = UInt8(ascii: " ")
        for index in line.indices {
            if line[index] == UInt8(ascii: "#") && isBlank(previous) { return line[..<index] }
            previous = line[index]
        }
        return line
    }

    /// Bytes, not characters: a blank before a combining mark is a blank, as it is for the shell.
    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        let start = text.drop(while: isBlank)
        guard let last = start.lastIndex(where: { !isBlank($0) }) else { return start[..<start.startIndex] }
        return start[...last]
    }
}
