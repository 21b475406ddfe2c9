// Diagnostics: what a tool says on standard error: `TOOL: what: why`, one line each.
// Never waits: a standard error that nobody reads must not keep a holder from renewing its address, so a line that
// cannot be written at once is dropped and counted, and the count is told with the next one that can.

import Glibc

/// Writes a tool's diagnostics.
package struct Diagnostics: Sendable {
    /// How urgent a line is; the number is syslog's (RFC 5424 section 6.2.1), put in front when the journal listens.
    package enum Level: Int, Sendable {
        case error = 3
        case warning = 4
        case notice = 5
        case information = 6
        case debug = 7
    }

    private let tool: String
    private let threshold: Int
    private let isJournal: Bool
    private var dropped = 0

    /// Diagnostics of `tool`. `verbosity` 0 shows notices and worse; each step up or down shows a level more or less.
    package init(tool: String, verbosity: Int = 0) {
        self.tool = tool
        threshold = Level.notice.rawValue + verbosity
        isJournal = Self.isJournal(descriptor: 2)
    }

    /// Whether lines of this level are shown, for those that cost something to put together.
    package func shows(_ level: Level) -> Bool { level.rawValue <= threshold }

    /// Says one line, unless the tool was asked to be quieter than that.
    package mutating func say(_ level: Level, _ what: @autoclosure () -> String) {
        guard shows(level) else { return }
        let note = dropped > 0 ? " (\(dropped) lines before this one were lost: standard error was blocked)" : ""
        let line = "\(isJournal ? "<\(level.rawValue)>" : "")\(tool): \(Self.printable(what()))\(note)\n"
        if OutputStream.writeNow(Array(line.utf8), to: 2) { dropped = 0 } else { dropped += 1 }
    }

    /// The text on one line, and with nothing in it that a terminal would obey: what others have sent may be quoted
    /// in it.
    package static func printable(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control where scalar == "\n" || scalar == "\t": result.append(" ")
            case .control, .format, .lineSeparator, .paragraphSeparator: result.append("\u{fffd}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    /// systemd.exec(5): JOURNAL_STREAM holds the device and inode of the journal's stream.
    private static func isJournal(descriptor: CInt) -> Bool {
        guard let value = unsafe getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return false }
        return unsafe String(cString: value) == "\(status.st_dev):\(status.st_ino)"
    }
}
