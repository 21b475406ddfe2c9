// CheckReport: what `qure-elect check` has found, one finding to a line: how bad it is, what it is about, and a
// sentence that ends with what to do. Each line goes out as soon as it is known.

import QureCore

/// What was found about one thing.
struct Finding {
    enum Level: String {
        /// As it should be.
        case ok
        /// An election works with it, but not as well as it could, or not always.
        case warning
        /// It spoils the election.
        case problem
    }

    var level: Level
    /// One word: what it is about.
    var subject: String
    var text: String
}

/// Prints findings, and remembers whether one spoils the election.
struct CheckReport {
    private let output: RecordWriter
    private(set) var hasProblem = false

    init(json: Bool) { output = RecordWriter(json: json) }

    mutating func say(_ level: Finding.Level, _ subject: String, _ text: String) throws {
        if level == .problem { hasProblem = true }
        try output.write(
            Record(
                "\(level.rawValue) \(subject): \(text)",
                [
                    ("level", .string(level.rawValue)), ("subject", .string(subject)),
                    ("text", .string(text)),
                ]))
    }

    mutating func say(_ finding: Finding) throws {
        try say(finding.level, finding.subject, finding.text)
    }
}
