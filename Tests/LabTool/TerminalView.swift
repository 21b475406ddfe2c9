// TerminalView: the demo on a terminal: a strip for each host (has it the address? is it cut off?), one for what the
// client outside gets, the latest requests one by one, and the story so far. The block is drawn anew in its place ten
// times a second. Colours only without NO_COLOR; other signs than ASCII only where the locale says UTF-8.

import Glibc
import Lab
import QureCore

final class TerminalView: DemoView {
    /// Whether standard output is a terminal that can be drawn on.
    static var isPossible: Bool {
        guard isatty(1) == 1 else { return false }
        let kind = environment("TERM")
        return !kind.isEmpty && kind != "dumb" && size.columns >= 60 && size.rows >= 22
    }

    let refresh: Duration? = .milliseconds(100)

    private let hasColours = environment("NO_COLOR").isEmpty
    private let signs: Signs
    private var drawnLines = 0
    private var lastDrawn: Instant?
    private var isCursorHidden = false
    /// What the whole demo takes, or it is longer already.
    private static let expectedLength = Duration.seconds(26)
    private static let margin = 10

    init() {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.map(environment).first { !$0.isEmpty } ?? ""
        signs = locale.uppercased().contains("UTF-8") || locale.uppercased().contains("UTF8") ? .unicode : .ascii
    }

    func show(_ timeline: DemoTimeline, at now: Instant) throws {
        // More often than the eye can follow is only work.
        if let last = lastDrawn, now - last < .milliseconds(90), timeline.end == nil { return }
        lastDrawn = now
        var lines = strips(timeline, at: now)
        lines += ["", latestRequests(timeline), ""]
        lines += notes(timeline, room: Self.size.rows - lines.count - 2)
        var text = isCursorHidden ? "" : "\u{1b}[?25l"
        isCursorHidden = true
        if drawnLines > 0 { text += "\u{1b}[\(drawnLines)A" }
        for line in lines { text += "\r\(line)\u{1b}[K\n" }
        // Fewer lines than before: what is below is old.
        text += "\u{1b}[J"
        drawnLines = lines.count
        try OutputStream.writeAll(Array(text.utf8), to: 1)
    }

    func end() {
        guard isCursorHidden else { return }
        isCursorHidden = false
        _ = OutputStream.writeNow(Array("\u{1b}[?25h".utf8), to: 1)
    }

    // MARK: The strips

    private func strips(_ timeline: DemoTimeline, at now: Instant) -> [String] {
        let width = min(Self.size.columns, 140) - Self.margin - 1
        let whole = max(Self.expectedLength, now - timeline.start)
        func instant(_ column: Int) -> Instant {
            timeline.start + .nanoseconds(whole.nanoseconds * Int64(column) / Int64(width))
        }
        let present = (0..<width).prefix { instant($0) <= now }
        var lines = [
            bold("One address, \(timeline.hostCount) hosts.")
                + " Who has \(Lab.Plan.address), and what does a client outside get?",
            "",
        ]
        for host in 1...timeline.hostCount {
            let cells = present.map { cell(of: host, timeline, at: min(instant($0 + 1), now)) }
            let state = timeline.incident(of: host, at: now)?.fault.condition
            lines.append(label("h\(host)") + cells.joined() + (state.map { " \($0)" } ?? ""))
        }
        lines.append(label("client") + clientStrip(timeline, present.map { (instant($0), instant($0 + 1)) }))
        lines.append(String(repeating: " ", count: Self.margin) + scale(whole, width))
        lines.append(
            String(repeating: " ", count: Self.margin)
                + "\(signs.holding) has the address   \(signs.cutOff) has it, but is cut off   "
                + "\(signs.away) away   \(red(signs.lost)) request lost")
        return lines
    }

    private func cell(of host: Int, _ timeline: DemoTimeline, at instant: Instant) -> String {
        let isHolding = timeline.holds(host, at: instant)
        if let incident = timeline.incident(of: host, at: instant) {
            return dim(isHolding && incident.fault != .death ? signs.cutOff : signs.away)
        }
        return isHolding ? colour(host, signs.holding) : dim(signs.idle)
    }

    private func clientStrip(_ timeline: DemoTimeline, _ columns: [(Instant, Instant)]) -> String {
        var rest = timeline.requests[...]
        return columns.map { from, to in
            rest = rest.drop { $0.sent < from }
            let here = rest.prefix { $0.sent < to }
            rest = rest.dropFirst(here.count)
            guard let last = here.last else { return " " }
            if here.contains(where: { $0.by == nil }) { return red(signs.lost) }
            return colour(last.by ?? 0, signs.answered)
        }.joined()
    }

    private func scale(_ whole: Duration, _ width: Int) -> String {
        let seconds = Int(whole.components.seconds)
        var text = ""
        for second in stride(from: 0, through: seconds, by: 5) {
            let column = Int(Double(second) / (Double(whole.milliseconds) / 1000) * Double(width))
            guard column + 4 < width else { break }
            text += String(repeating: " ", count: max(column - text.count, 0)) + "|\(second) s"
        }
        return dim(text)
    }

    private func latestRequests(_ timeline: DemoTimeline) -> String {
        let width = min(Self.size.columns, 140) - 18
        let marks = timeline.requests.suffix(width).map { request in
            request.by.map { colour($0, "\($0)") } ?? red(signs.lost)
        }
        return "latest requests  " + marks.joined()
    }

    private func notes(_ timeline: DemoTimeline, room: Int) -> [String] {
        let width = Self.size.columns - 1
        return timeline.notes.suffix(max(room, 3)).map {
            String(DemoSummary.line($0, since: timeline.start).prefix(width))
        }
    }

    private func label(_ text: String) -> String {
        " " + bold(text) + String(repeating: " ", count: max(Self.margin - text.count - 1, 1))
    }

    // MARK: Colours and signs

    private struct Signs {
        var holding, cutOff, away, idle, answered, lost: String
        static let unicode = Signs(holding: "█", cutOff: "▒", away: "─", idle: "·", answered: "▄", lost: "×")
        static let ascii = Signs(holding: "#", cutOff: "%", away: "-", idle: ".", answered: "=", lost: "x")
    }

    private func paint(_ text: String, _ code: String) -> String {
        hasColours ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
    private func bold(_ text: String) -> String { paint(text, "1") }
    private func dim(_ text: String) -> String { paint(text, "2") }
    private func red(_ text: String) -> String { paint(text, "1;31") }
    private func colour(_ host: Int, _ text: String) -> String {
        paint(text, ["36", "33", "35", "32", "34", "37"][max(host - 1, 0) % 6])
    }

    private static var size: (columns: Int, rows: Int) {
        var window = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0 else { return (80, 24) }
        return (Int(window.ws_col), Int(window.ws_row))
    }
}

private func environment(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
