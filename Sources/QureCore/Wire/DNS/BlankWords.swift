// BlankWords: a line of an update script taken word by word as nsupdate does it: blanks, tabs and line ends separate
// words and mean nothing else; there are neither quotes nor comments. What is left of a line can be had as it stands,
// for the data of records have rules of their own (ZoneText.swift).

/// A cursor over the words of a line.
package struct BlankWords: Sendable {
    private var text: ArraySlice<UInt8>

    /// A cursor before the first word of `line`.
    package init(_ line: some Sequence<UInt8>) { text = Array(line)[...] }

    private static func isBlank(_ octet: UInt8) -> Bool { octet == 0x20 || (0x09...0x0d).contains(octet) }

    /// The next word; nil at the end.
    package mutating func next() -> ArraySlice<UInt8>? {
        text = text.drop(while: Self.isBlank)
        let word = text.prefix { !Self.isBlank($0) }
        guard !word.isEmpty else { return nil }
        text = text.dropFirst(word.count)
        return word
    }

    /// The next word as text for comparing and for messages.
    package mutating func nextText() -> String? { next().map { String(decoding: $0, as: UTF8.self) } }

    /// All that is left, without blanks around it.
    package var rest: ArraySlice<UInt8> {
        var rest = text.drop(while: Self.isBlank)
        while let last = rest.last, Self.isBlank(last) { rest = rest.dropLast() }
        return rest
    }
}
