// The rules of style and layers as functions from a file to complaints. Each names the line, so that the failure of a
// test leads to the place. What a rule exempts it exempts here, with the reason.

/// One rule.
struct Rule: Sendable {
    /// A place that breaks the rule.
    struct Complaint: CustomStringConvertible {
        var path: String
        /// Counted from 1; 0: the file as a whole.
        var line: Int
        var what: String

        var description: String { "\(path):\(line): \(what)" }
    }

    let name: String
    let check: @Sendable (SourceFile) -> [(line: Int, what: String)]

    init(_ name: String, _ check: @escaping @Sendable (SourceFile) -> [(line: Int, what: String)]) {
        self.name = name
        self.check = check
    }

    func complaints(about file: SourceFile) -> [Complaint] {
        check(file).map { Complaint(path: file.path, line: $0.line, what: $0.what) }
    }
}

extension Rule {
    static let all = [
        lineLength, functionLength, fileLength, opening, leftovers, imports, layers, sources, output, documentation,
        waiting,
    ]

    /// Lines of 120 columns at most.
    static let lineLength = Rule("line length") { file in
        file.lines.enumerated().compactMap { $1.count > 120 ? ($0 + 1, "\($1.count) columns") : nil }
    }

    /// Functions of 60 lines at most. A function begins where its keyword stands and ends with the brace in the same
    /// column.
    static let functionLength = Rule("function length") { file in
        guard file.isSwift else { return [] }
        var found: [(Int, String)] = []
        for (start, line) in file.code.enumerated() where isFunction(line) {
            let indent = line.prefix { $0 == " " }
            let length = file.code[(start + 1)...].prefix { !($0.hasPrefix(indent + "}")) && !isFunction($0) }.count + 2
            if length > 60 { found.append((start + 1, "a function of \(length) lines")) }
        }
        return found
    }

    private static func isFunction(_ line: Substring) -> Bool {
        guard line.hasSuffix("{") || line.hasSuffix("(") else { return false }
        return line.split(separator: " ").contains { $0 == "func" || $0.hasPrefix("init(") || $0.hasPrefix("init?(") }
    }

    /// Files of 400 lines at most; tests of 600, because a table is looked up and not read from end to end.
    static let fileLength = Rule("file length") { file in
        let limit = file.isIn("Tests") ? 600 : 400
        let count = file.lines.count - 1
        return count > limit ? [(0, "\(count) lines")] : []
    }

    /// A file opens by saying what it is.
    static let opening = Rule("opening") { file in
        var lines = file.lines[...]
        let first = lines.first ?? ""
        if first.hasPrefix("#!") || first.hasPrefix("// swift-tools-version") || first == "#pragma once" {
            lines = lines.dropFirst()
        }
        let isComment = ["//", "/*", "# ", "\"\"\""].contains { lines.first?.hasPrefix($0) == true }
        return isComment ? [] : [(1, "no comment says what this file is")]
    }

    /// Nothing is left for later, nothing is public, and Foundation stays out.
    static let leftovers = Rule("leftovers") { file in
        let marks = ["FIX" + "ME", "TO" + "DO", "XX" + "X"]
        var found: [(Int, String)] = []
        for (index, line) in file.lines.enumerated() {
            for mark in marks where words(line).contains(mark[...]) { found.append((index + 1, mark)) }
        }
        guard file.isSwift else { return found }
        for (index, line) in file.code.enumerated() {
            let unwanted = ["public", "XCTest", "Foundation", "FoundationEssentials"]
            for word in unwanted where words(line).contains(word[...]) { found.append((index + 1, word)) }
            // Not open(2).
            if line.contains("open class ") || line.contains("open func ") { found.append((index + 1, "open")) }
        }
        return found
    }

    /// What each folder may import.
    static let imports = Rule("imports") { file in
        guard file.isSwift, let allowed = importable(file) else { return [] }
        return file.code.enumerated().compactMap { index, line in
            let parts = line.split(separator: " ")
            guard let at = parts.firstIndex(of: "import"), at + 1 < parts.count, at <= 1 else { return nil }
            return allowed.contains(parts[at + 1]) ? nil : (index + 1, "may not import \(parts[at + 1])")
        }
    }

    private static func importable(_ file: SourceFile) -> Set<Substring>? {
        switch file.layer {
        case "Wire", "Protocol": return []
        case "Authentication": return ["CNettle"]
        case "System": return ["Glibc", "CLinux", "CNetlink", "Synchronization"]
        case "CommandLine": return ["ArgumentParser", "Glibc"]
        default:
            if file.isIn("Sources") { return ["ArgumentParser", "Glibc", "CLinux", "QureCore"] }
            if file.isIn("Tests/Simulator") { return ["QureCore"] }
            return nil
        }
    }

    /// What each folder of QureCore may use of the others: they are one module, so that imports do not show it.
    static let layers = Rule("layers") { file in
        guard let layer = file.layer, let forbidden = Layers.forbidden[String(layer)] else { return [] }
        return file.code.enumerated().flatMap { index, line in
            words(line).filter(forbidden.contains).map { (index + 1, "\(layer) may not know \($0)") }
        }
    }

    /// Values and machines have no clock and no chance of their own.
    static let sources = Rule("clock and chance") { file in
        guard file.layer == "Wire" || file.layer == "Protocol" else { return [] }
        let forbidden: Set<Substring> = ["ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", "Task"]
        return file.code.enumerated().flatMap { index, line in
            var found = words(line).filter(forbidden.contains).map { (index + 1, "uses \($0)") }
            let draws = ["random(", "randomElement(", "shuffled(", "shuffle("].contains { line.contains($0) }
            if draws && !line.contains("using:") { found.append((index + 1, "draws from a generator of its own")) }
            return found
        }
    }

    /// What a tool says goes through Diagnostics and RecordWriter.
    static let output = Rule("output") { file in
        guard file.isIn("Sources"), file.isSwift else { return [] }
        return file.code.enumerated().flatMap { index, line in
            words(line).filter { ["print", "debugPrint", "fatalError"].contains($0) }.compactMap { word in
                // Memory that is out is nothing that anybody can go on from.
                word == "fatalError" && file.lines[index].contains("out of memory") ? nil : (index + 1, "uses \(word)")
            }
        }
    }

    /// Every declaration for others says who uses it and when.
    static let documentation = Rule("documentation") { file in
        guard file.isIn("Sources"), file.isSwift else { return [] }
        return file.code.indices.filter { isUndocumented(file, $0) }.map { ($0 + 1, "no documentation comment") }
    }

    private static func isUndocumented(_ file: SourceFile, _ index: Int) -> Bool {
        let line = file.code[index]
        let parts = line.split(separator: " ")
        guard let at = parts.firstIndex(of: "package"), parts[..<at].allSatisfy({ $0.hasPrefix("@") }) else {
            return false
        }
        // What the standard protocols ask for means here what it means everywhere; so does an import.
        let known = [
            "import", "var description:", "let rawValue:", "init(rawValue:", "static func ==", "static func <",
            "static func +",
            "static func -", "mutating func validate()", "var defaultValueDescription:", "init() {}",
            "mutating func next()",
        ]
        let declaration = parts[(at + 1)...].joined(separator: " ")
        if known.contains(where: declaration.hasPrefix) { return false }
        // A name for a code point says it all.
        if declaration.hasPrefix("static let"), declaration.contains("(rawValue: ") { return false }
        // Attributes stand between; an option's help is its documentation.
        let above = file.lines[..<index].reversed().prefix { !$0.isEmpty }.map { $0.drop { $0 == " " } }
        let attributes = above.prefix { !$0.hasPrefix("///") }
        if attributes.contains(where: { $0.contains("help:") }) { return false }
        let isAttributesOnly = attributes.isEmpty || attributes.last?.hasPrefix("@") == true
        return !isAttributesOnly || attributes.count == above.count
    }

    /// Tools wait in the poller, tests for facts (`eventually` in Tests/Lab/Commands.swift), never for time to go by.
    /// Where time going by is what is tested, or a pace, a comment on the same line says so.
    static let waiting = Rule("waiting") { file in
        // The lab is where the waiting for facts is made of sleeps, and where what is measured takes its time.
        guard file.isSwift, !file.isIn("Tests/Lab"), !file.isIn("Tests/LabTool") else { return [] }
        return file.code.enumerated().flatMap { index, line -> [(line: Int, what: String)] in
            guard !file.lines[index].contains("  // ") else { return [] }
            let calls = ["usleep(", "nanosleep(", " sleep(", "(sleep(", "Task.sleep(", "Thread.sleep("]
            return calls.filter { " \(line)".contains($0) && !line.contains("func\($0)") }
                .map { (index + 1, "uses \($0)") }
        }
    }

    /// The identifiers of a line.
    static func words(_ line: Substring) -> [Substring] {
        line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
    }
}

/// The types that the folders of QureCore declare, and which of them each folder may not know.
enum Layers {
    /// Which folders each may use; a moment in time is a value for all.
    private static let allowed: [String: Set<String>] = [
        "Wire": ["Wire"], "Protocol": ["Wire", "Protocol", "Authentication"], "System": ["Wire", "System"],
        "CommandLine": ["Wire", "System", "CommandLine"], "Authentication": ["Authentication"],
    ]
    private static let shared: Set<Substring> = ["Instant", "earlier"]

    /// The types at the top level of each folder.
    static let declared: [String: Set<Substring>] = {
        var declared: [String: Set<Substring>] = [:]
        for file in SourceFile.all {
            guard let layer = file.layer.map(String.init), file.isSwift else { continue }
            for line in file.code where !line.hasPrefix(" ") {
                let words = Rule.words(line)
                let keywords: Set<Substring> = ["struct", "enum", "class", "protocol", "typealias"]
                guard let at = words.firstIndex(where: keywords.contains), at + 1 < words.count else { continue }
                declared[layer, default: []].insert(words[at + 1])
            }
        }
        return declared
    }()

    static let forbidden: [String: Set<Substring>] = allowed.mapValues { allowed in
        let others = declared.filter { !allowed.contains($0.key) }
        return others.reduce(into: Set<Substring>()) { $0.formUnion($1.value) }.subtracting(shared)
    }
}
