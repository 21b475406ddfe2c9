// A page of the manual and the help of a tool, read for what they say of options and commands, so that the one can be
// held against the other. Of mdoc it knows as much as our pages need: `.It Fl` begins an option's paragraph (with all
// its names), `.Cm` and `.Op Cm` in the SYNOPSIS begin a command, `.Op Fl` behind it is an option of that command.

import Lab

/// What a tool says of one command with `--help`.
struct Help {
    /// With their dashes.
    var options: Set<String> = []
    var commands: Set<String> = []

    init(_ text: String) {
        var section = ""
        for line in text.split(separator: "\n") {
            if line.hasSuffix(":") && !line.hasPrefix(" ") { section = String(line) }
            // Descriptions that go on are indented much further.
            let text = line.drop { $0 == " " }
            guard let first = text.first, (2...8).contains(line.count - text.count) else { continue }
            if section == "SUBCOMMANDS:" {
                // Behind the list there is a sentence about it.
                if let name = text.split(separator: " ").first, !text.contains("'") { commands.insert(String(name)) }
            } else if first == "-" {
                // The names end where the description begins, two blanks further on.
                var words = text.split(separator: " ", omittingEmptySubsequences: false)[...]
                while let word = words.popFirst(), !word.isEmpty {
                    if word.hasPrefix("-") && word != "--" { options.insert(String(word.prefix { $0 != "," })) }
                }
            }
        }
    }
}

/// What a page says of options and commands.
struct ManualPage {
    let lines: [Substring]

    init(_ name: String) { lines = Repository.text("man/\(name)").split(separator: "\n") }

    /// The lines of a section.
    func section(_ name: String) -> ArraySlice<Substring> {
        guard let start = lines.firstIndex(of: ".Sh \(name)") else { return [] }
        let rest = lines[(start + 1)...]
        return rest.prefix { !$0.hasPrefix(".Sh ") }
    }

    /// The options of a macro line: `Fl i Ar name , Fl -interface` are -i and --interface.
    private static func flags(_ line: Substring) -> Set<String> {
        let words = line.split(separator: " ")
        return Set(zip(words, words.dropFirst()).filter { $0.0 == "Fl" || $0.0 == ".Fl" }.map { "-\($0.1)" })
    }

    /// The paragraphs of options: each with all its names, and whether it is one of single commands only.
    var paragraphs: [(names: Set<String>, isOfSingleCommands: Bool)] {
        var isSingle = false
        return section("DESCRIPTION").compactMap { line in
            if line == "The options of single commands are:" { isSingle = true }
            guard line.hasPrefix(".It Fl ") else { return nil }
            return (Self.flags(line), isSingle)
        }
    }

    /// All options that are described.
    var options: Set<String> { paragraphs.reduce(into: []) { $0.formUnion($1.names) } }

    /// The commands of the SYNOPSIS, with the options that stand behind each.
    var commands: [String: Set<String>] {
        var found: [String: Set<String>] = [:]
        var command = ""
        for line in section("SYNOPSIS") {
            if line == ".Nm" { command = "" }
            if line.hasPrefix(".Cm ") || line.hasPrefix(".Op Cm "), let name = line.split(separator: " ").last {
                command = String(name)
                found[command] = []
            } else {
                found[command]?.formUnion(Self.flags(line))
            }
        }
        return found
    }
}
