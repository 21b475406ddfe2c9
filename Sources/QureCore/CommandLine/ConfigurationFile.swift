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

    /// What the parser answers before it looks at anything else; a file that asks for it would never be checked.
    private static let requests: Set = [
        "help", "help-hidden", "version", "generate-completion-script", "experimental-dump-help",
    ]

    /// Longest line taken, in bytes.
    static let maximumLine = 4096

    /// Reads the text of the file `name`. A malformed line is a usage failure that names file and line. `longName`
    /// knows of `-v` that it is `verbose`.
    package init(
        _ text: [UInt8], name: String, longName: (String) -> String? = { _ in nil }
    ) throws(Failure) {
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
            let value = String(Substring(Self.trimmed(text.dropFirst(option.utf8.count))))
            guard !option.hasPrefix("-") else {
                if let long = longName(option) { throw fail("write '\(long)' for '\(option)'") }
                throw fail("write '\(option.drop { $0 == "-" })' without dashes")
            }
            if let pair = Self.pair(option, value) { throw fail("write '\(pair)' (name, blank, value)") }
            guard option.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }) else {
                throw fail("'\(option)' is not an option's name (one option per line: name, blank, value)")
            }
            guard !Self.requests.contains(option) else { throw fail("Unknown option '--\(option)'") }
            guard option != "config" else { throw fail("a configuration file cannot name another one") }
            lines.append(Line(number: index + 1, option: option, value: value))
        }
    }

    /// How a line is to be written that says `name=value` or `name = value`, as files of other programs do.
    private static func pair(_ option: String, _ value: String) -> String? {
        let text = option.contains("=") ? "\(option) \(value)" : value.hasPrefix("= ") ? "\(option)\(value)" : ""
        let sides = text.split(separator: "=", maxSplits: 1).map { $0.utf8[...] }
        guard sides.count == 2, !text.hasPrefix("=") else { return nil }
        return sides.map { String(Substring(trimmed($0))) }.joined(separator: " ")
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

// MARK: Which line is wrong

extension ConfigurationFile {
    /// How the parser begins when an option is not there that must be.
    private static let missing = "Missing expected argument '"

    /// What is wrong with the file, given what the parser says to some of its lines, beside the command line: one
    /// sentence, or an empty one. Nil: it is not the file.
    package func blame(_ complaint: ([Line]) -> String) -> Failure? {
        let whole = complaint(lines)
        guard !whole.isEmpty else { return nil }
        if whole.hasPrefix(Self.missing) {
            // '--cluster <name>' is an option, which could stand in the file; '<address>' is not.
            let words = whole.dropFirst(Self.missing.count).prefix { $0 != "'" }
            guard words.hasPrefix("--") else { return nil }
            let option = words.dropFirst(2).prefix { $0 != " " }
            let line = words.dropFirst(2).split(separator: " ").prefix(2).joined(separator: " ")
            return Failure(.usage, "\(name): '\(option)' is missing: add a line '\(line)'")
        }
        let needed = needed(for: whole, complaint)
        guard !needed.isEmpty else { return nil }
        func without(_ line: Line, _ lines: [Line]) -> String { complaint(lines.filter { $0 != line }) }
        // Of the lines that it takes for this complaint, the one at fault is the one without which all is well, and of
        // two that contradict each other the second; the others are there because without them something is missing.
        let culprit =
            needed.last { without($0, lines).isEmpty } ?? needed.last { without($0, needed).isEmpty }
            ?? needed.last { !without($0, needed).hasPrefix("\(Self.missing)--\($0.option) ") }
        return Failure(.usage, "\(name):\(culprit.map { "\($0.number):" } ?? "") \(whole)")
    }

    /// The line that takes the place of an earlier one, which so means nothing: a slip in a file, where nobody says the
    /// same again to overrule it. Nil: there is none. `meaning`: what the parser makes of some of the lines, beside the
    /// command line; it shows which options may be said more than once.
    package func blameRepetition(_ meaning: ([Line]) -> String?) -> Failure? {
        var firstTwo: [String: [Line]] = [:]
        for line in lines where firstTwo[line.option, default: []].count < 2 {
            firstTwo[line.option, default: []].append(line)
        }
        let pairs = firstTwo.values.filter { $0.count == 2 }.sorted { $0[1].number < $1[1].number }
        let few = lines.filter { firstTwo[$0.option]?.contains($0) == true }
        guard !pairs.isEmpty, let whole = meaning(few) else { return nil }
        let found = pairs.first { pair in meaning(few.filter { $0 != pair[0] }) == whole }
        return found.map { pair in
            let what = "'\(pair[1].option)' stands in line \(pair[0].number) already"
            return Failure(.usage, "\(name):\(pair[1].number): \(what)")
        }
    }

    /// The fewest lines that still draw this complaint, the first of those that draw the same. Many at once are left
    /// out at first: files can be long.
    private func needed(for whole: String, _ complaint: ([Line]) -> String) -> [Line] {
        var kept = lines
        var size = max(kept.count, 1)
        while size > 0 {
            var end = kept.count
            while end > 0 {
                let start = max(end - size, 0)
                let rest = Array(kept[..<start] + kept[end...])
                if complaint(rest) == whole { kept = rest }
                end = start
            }
            size /= 2
        }
        return kept
    }
}
