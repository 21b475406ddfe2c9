// UsageHint: what is most likely wrong with a command line that the parser has refused. The parser tells what it could
// not place, which is often not the word that was misspelt: of `--lese 2s` it complains about the 2s.

/// The words that a tool knows.
package struct UsageHint {
    /// Its commands.
    package var commands: [String]
    /// The options of a command, dashes and all; of the tool itself for nil.
    package var options: (_ command: String?) -> [String]

    /// The words of a tool.
    package init(commands: [String], options: @escaping (_ command: String?) -> [String]) {
        self.commands = commands
        self.options = options
    }

    /// The first thing that is wrong with these arguments, as a sentence without an end; nil: none of this kind.
    package func complaint(about arguments: [String]) -> String? {
        guard let first = arguments.first else { return nil }
        let command = commands.contains(first) ? first : nil
        if command == nil {
            if first.hasPrefix("-"), let later = arguments.first(where: commands.contains) {
                return "options stand behind the command: '\(later)' comes first"
            }
            if !first.hasPrefix("-"), let meant = Self.closest(to: first, of: commands) {
                return "no command '\(first)'; did you mean '\(meant)'?"
            }
        }
        let known = options(command)
        for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
            let name = String(argument.prefix { $0 != "=" })
            if known.contains(name) { continue }
            let meant =
                longName(of: String(name.dropFirst()), of: command).map { "--\($0)" }
                ?? Self.closest(to: name, of: known.filter { $0.hasPrefix("--") })
            return "Unknown option '\(name)'" + (meant.map { "; did you mean '\($0)'?" } ?? "")
        }
        return nil
    }

    /// What a short option is in full, without dashes: in a tool's help it stands behind it.
    package func longName(of short: String, of command: String?) -> String? {
        guard short.utf8.count == 2, case let known = options(command), let index = known.firstIndex(of: short),
            index + 1 < known.count, known[index + 1].hasPrefix("--")
        else { return nil }
        return String(known[index + 1].dropFirst(2))
    }

    /// The word with the fewest slips of the pen, if those are at most two and fewer than a third of it.
    static func closest(to word: String, of words: [String]) -> String? {
        let slips = words.map { (word: $0, slips: slipsOfThePen(Array(word.utf8), Array($0.utf8))) }
        guard let best = slips.min(by: { $0.slips < $1.slips }) else { return nil }
        return best.slips <= 2 && best.slips * 3 <= max(best.word.utf8.count, 3) ? best.word : nil
    }

    /// How many letters were left out, put in, exchanged or swapped with the next one: the distance of optimal string
    /// alignment.
    private static func slipsOfThePen(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var before: [Int] = []
        var row = Array(0...right.count)
        for i in left.indices {
            var next = [i + 1]
            for j in right.indices {
                var slips = min(row[j] + (left[i] == right[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1)
                let isSwapped = i > 0 && j > 0 && left[i] == right[j - 1] && left[i - 1] == right[j]
                if isSwapped { slips = min(slips, before[j - 1] + 1) }
                next.append(slips)
            }
            before = row
            row = next
        }
        return row[right.count]
    }
}
