// SourceFile: one text file of the tree with what the rules want to know of it: its lines, its place, and its code
// without comments and without what stands in strings.

import QureCore

/// A file of the tree, or a sample that pretends to be one.
struct SourceFile {
    /// Where it is, from the root of the tree.
    let path: String
    let lines: [Substring]
    /// The lines again, blank where a comment or the inside of a string was.
    let code: [Substring]

    init(_ path: String, _ text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        code = Stripper.strip(text).split(separator: "\n", omittingEmptySubsequences: false)
    }

    var isSwift: Bool { path.hasSuffix(".swift") }

    /// Whether it is in this folder or one below it.
    func isIn(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }

    /// The layer of QureCore that it belongs to: the folder's name.
    var layer: Substring? {
        guard isIn("Sources/QureCore") else { return nil }
        let parts = path.split(separator: "/")
        return parts.count > 3 ? parts[2] : nil
    }

    /// All files that people write in this tree.
    static let all: [SourceFile] = {
        var files: [SourceFile] = []
        for folder in ["Sources", "Tests", "scripts"] { collect(folder, into: &files) }
        for name in ["Package.swift", "Makefile"] { read(name, into: &files) }
        return files
    }()

    private static let root = String(#filePath.dropLast("Tests/TidyTests/SourceFile.swift".count))
    /// What the rules know how to read; data for tests and documents have their own.
    private static let kinds = [".swift", ".c", ".h", ".modulemap", ".py", ".sh"]

    private static func collect(_ folder: String, into files: inout [SourceFile]) {
        for name in TextFile.names(in: root + folder) {
            let path = "\(folder)/\(name)"
            if kinds.contains(where: name.hasSuffix) || (folder == "scripts" && !name.hasSuffix(".txt")) {
                read(path, into: &files)
            } else if name != "corpus" {
                collect(path, into: &files)
            }
        }
    }

    private static func read(_ path: String, into files: inout [SourceFile]) {
        guard let bytes = try? TextFile.read(root + path) else { return }
        files.append(SourceFile(path, String(decoding: bytes, as: UTF8.self)))
    }
}

/// Blanks out comments and the insides of strings, interpolations included, and keeps the lines.
private struct Stripper {
    private var rest: Substring
    private var result = ""

    static func strip(_ text: String) -> String {
        var stripper = Stripper(rest: text[...])
        stripper.run()
        return stripper.result
    }

    private init(rest: Substring) { self.rest = rest }

    private mutating func run() {
        while let next = rest.first {
            if rest.hasPrefix("//") {
                rest = rest.drop { $0 != "\n" }
            } else if rest.hasPrefix("/*") {
                skip(to: "*/", escape: nil)
            } else if next == "\"" || rest.hasPrefix("#\"") {
                skipString()
            } else {
                result.append(next)
                rest.removeFirst()
            }
        }
    }

    private mutating func skipString() {
        let hashes = String(rest.prefix { $0 == "#" })
        rest = rest.dropFirst(hashes.count)
        let quotes = rest.hasPrefix("\"\"\"") ? "\"\"\"" : "\""
        rest = rest.dropFirst(quotes.count)
        result += "\""
        skip(to: quotes + hashes, escape: hashes.isEmpty ? "\\" : nil)
        result += "\""
    }

    private mutating func skip(to end: String, escape: Character?) {
        while let next = rest.first, !rest.hasPrefix(end) {
            if next == escape, rest.hasPrefix("\\(") { skipInterpolation() } else {
                if next == escape { rest = rest.dropFirst() }
                if rest.first == "\n" { result.append("\n") }
                rest = rest.dropFirst()
            }
        }
        rest = rest.dropFirst(end.count)
    }

    /// Up to the closing parenthesis, over strings inside it.
    private mutating func skipInterpolation() {
        rest = rest.dropFirst(2)
        var depth = 1
        while let next = rest.first, depth > 0 {
            if next == "\"" {
                skipString()
            } else {
                if next == "(" { depth += 1 }
                if next == ")" { depth -= 1 }
                rest = rest.dropFirst()
            }
        }
    }
}
