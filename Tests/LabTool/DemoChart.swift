// DemoChart: the demo's timeline as an SVG picture that stands for itself: a bar for each host while it has the
// address, a hatched one while it has it but is cut off, every request of the client as a stroke in the colour of the
// host that answered it, and each outage as a band with its length in milliseconds.

import Lab
import QureCore

struct DemoChart {
    private let timeline: DemoTimeline
    private let end: Instant
    private var shapes: [String] = []

    private static let width = 1080.0
    private static let left = 96.0
    private static let right = 24.0
    private static let top = 96.0
    private static let rowHeight = 46.0
    private static let barHeight = 26.0
    private static let palette = [
        "#0b7285", "#e67700", "#862e9c", "#2b8a3e", "#1864ab", "#5c940d", "#a61e4d", "#495057", "#d9480f",
    ]
    private static let red = "#e03131"
    private static let ink = "#212529"
    private static let grey = "#868e96"

    init(_ timeline: DemoTimeline) {
        self.timeline = timeline
        end = timeline.end ?? timeline.start
        drawGrid()
        drawOutages()
        for host in 1...timeline.hostCount { draw(host) }
        drawRequests()
        drawLegend()
    }

    /// The picture as text.
    var text: String {
        let names = "font-family=\"system-ui, 'DejaVu Sans', sans-serif\""
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.width) \(height)" width="\(Self.width)" \
            height="\(height)" \(names) font-size="13" fill="\(Self.ink)" role="img">
            <title>One address, \(timeline.hostCount) hosts: who has it, and what a client outside gets</title>
            <defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
            <rect width="6" height="6" fill="#fff"/><rect width="2.5" height="6" fill="\(Self.grey)"/></pattern></defs>
            <rect width="100%" height="100%" fill="#fff"/>
            \(shapes.joined(separator: "\n"))
            </svg>

            """
    }

    // MARK: Places

    private var rowsBottom: Double { Self.top + Double(timeline.hostCount + 1) * Self.rowHeight }
    private var height: Double { rowsBottom + 74 + Double(max(timeline.incidents.count, 1)) * 24 }

    private func x(_ instant: Instant) -> Double {
        let whole = max(Double((end - timeline.start).microseconds), 1)
        let share = min(max(Double((instant - timeline.start).microseconds) / whole, 0), 1)
        return Self.left + share * (Self.width - Self.left - Self.right)
    }

    private func rowTop(_ row: Int) -> Double {
        Self.top + Double(row) * Self.rowHeight + (Self.rowHeight - Self.barHeight) / 2
    }

    // MARK: Shapes

    private mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String) {
        shapes.append(
            "<rect x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(max(width, 0.5)))\" "
                + "height=\"\(number(height))\" \(style)/>"
        )
    }

    private mutating func line(_ x: Double, _ y: Double, _ x2: Double, _ y2: Double, _ style: String) {
        shapes.append(
            "<line x1=\"\(number(x))\" y1=\"\(number(y))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" \(style)/>")
    }

    private mutating func write(_ text: String, _ x: Double, _ y: Double, _ style: String = "") {
        let safe = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        shapes.append("<text x=\"\(number(x))\" y=\"\(number(y))\" \(style)>\(safe)</text>")
    }

    private func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
    }

    private func colour(_ host: Int) -> String { Self.palette[(host - 1) % Self.palette.count] }

    private mutating func drawGrid() {
        write("One address, \(timeline.hostCount) hosts", Self.left, 34, "font-size=\"20\" font-weight=\"600\"")
        write(
            "\(Lab.Plan.address) behind a gateway; each host runs \(timeline.contestant); "
                + "a client outside asks for a page 100 times a second",
            Self.left, 55, "fill=\"\(Self.grey)\"")
        let seconds = Int((end - timeline.start).components.seconds)
        for second in 0...max(seconds, 0) {
            let place = x(timeline.start + .seconds(second))
            let isLong = second % 5 == 0
            if isLong { line(place, Self.top, place, rowsBottom, "stroke=\"#dee2e6\"") }
            line(place, rowsBottom, place, rowsBottom + (isLong ? 7 : 4), "stroke=\"\(Self.grey)\"")
            if isLong {
                write(
                    "\(second) s", place, rowsBottom + 22,
                    "text-anchor=\"middle\" fill=\"\(Self.grey)\" font-size=\"12\"")
            }
        }
        line(Self.left, rowsBottom, Self.width - Self.right, rowsBottom, "stroke=\"\(Self.grey)\"")
    }

    private mutating func drawOutages() {
        for (index, incident) in timeline.incidents.enumerated() {
            let from = x(incident.from)
            badge(index + 1, from, Self.top - 12)
            guard let outage = incident.outage else { continue }
            let begin = x(outage.from)
            let finish = x(outage.to)
            rectangle(begin, Self.top, finish - begin, rowsBottom - Self.top, "fill=\"\(Self.red)\" opacity=\"0.14\"")
            write(
                outage.duration.wholeMilliseconds, from + 14, Self.top - 7.5,
                "fill=\"\(Self.red)\" font-weight=\"600\"")
        }
    }

    private mutating func badge(_ number: Int, _ x: Double, _ y: Double) {
        shapes.append("<circle cx=\"\(self.number(x))\" cy=\"\(self.number(y))\" r=\"9\" fill=\"\(Self.ink)\"/>")
        write("\(number)", x, y + 4, "text-anchor=\"middle\" fill=\"#fff\" font-size=\"11\" font-weight=\"600\"")
    }

    private mutating func draw(_ host: Int) {
        let top = rowTop(host - 1)
        let middle = top + Self.barHeight / 2
        write(
            "h\(host)", Self.left - 14, middle + 4.5,
            "text-anchor=\"end\" font-weight=\"600\" fill=\"\(colour(host))\"")
        line(Self.left, middle, Self.width - Self.right, middle, "stroke=\"#ced4da\" stroke-dasharray=\"2 4\"")
        let away = timeline.incidents.filter { $0.host == host }
        for incident in away {
            let from = x(incident.from)
            let to = x(incident.to ?? end)
            rectangle(from, top, to - from, Self.barHeight, "fill=\"#f1f3f5\" stroke=\"#ced4da\"")
        }
        for hold in timeline.holds where hold.host == host {
            for (from, to, isCutOff) in parts(of: hold, away) {
                let fill = isCutOff ? "url(#hatch)" : colour(host)
                rectangle(x(from), top, x(to) - x(from), Self.barHeight, "fill=\"\(fill)\" rx=\"1.5\"")
            }
        }
        for incident in away {
            let from = x(incident.from)
            let to = x(incident.to ?? end)
            let style =
                "text-anchor=\"middle\" font-size=\"11.5\" stroke=\"#fff\" stroke-width=\"4\" paint-order=\"stroke\""
            write(incident.fault.condition, (from + to) / 2, middle + 4, style)
        }
    }

    /// A hold, divided where the host was cut off; a dead host's address counts for nothing.
    private func parts(of hold: DemoTimeline.Hold, _ away: [DemoTimeline.Incident]) -> [(Instant, Instant, Bool)] {
        var parts: [(Instant, Instant, Bool)] = []
        let finish = hold.to ?? end
        var from = hold.from
        for incident in away where incident.from < finish && (incident.to ?? end) > from {
            if incident.from > from { parts.append((from, incident.from, false)) }
            let back = min(incident.to ?? end, finish)
            if incident.fault != .death { parts.append((max(from, incident.from), back, true)) }
            from = back
        }
        if from < finish { parts.append((from, finish, false)) }
        return parts
    }

    private mutating func drawRequests() {
        let top = rowTop(timeline.hostCount)
        write("client", Self.left - 14, top + Self.barHeight / 2 + 4.5, "text-anchor=\"end\" font-weight=\"600\"")
        for host in 1...timeline.hostCount {
            strokes(timeline.requests.filter { $0.by == host }, top + 4, Self.barHeight - 8, colour(host))
        }
        strokes(timeline.requests.filter { $0.by == nil }, top - 2, Self.barHeight + 4, Self.red)
    }

    /// A stroke for each request, all in one path.
    private mutating func strokes(
        _ requests: [DemoTimeline.Request], _ top: Double, _ length: Double, _ colour: String
    ) {
        guard !requests.isEmpty else { return }
        let path = requests.map { "M\(number(x($0.sent))) \(number(top))v\(number(length))" }.joined()
        shapes.append("<path d=\"\(path)\" stroke=\"\(colour)\" stroke-width=\"0.6\"/>")
    }

    private mutating func drawLegend() {
        var line = rowsBottom + 52
        for (index, incident) in timeline.incidents.enumerated() {
            badge(index + 1, Self.left + 9, line - 4)
            let outcome =
                incident.outage.map {
                    "h\(incident.successor ?? 0) answers after \($0.duration.wholeMilliseconds) without an answer; "
                        + "\(incident.lost) requests lost"
                } ?? "nobody answers in its place"
            write(
                "h\(incident.host) \(incident.fault.happening) (\(incident.fault.meaning)): \(outcome)",
                Self.left + 28,
                line)
            line += 24
        }
        let answered = timeline.requests.filter { $0.by != nil }.count
        var sum = "\(answered) of \(timeline.requests.count) requests answered"
        if let together = timeline.together { sum += "; two hosts at the same time: \(together.wholeMilliseconds)" }
        write(sum, Self.left + 28, line, "fill=\"\(Self.grey)\"")
        let signs = Self.width - Self.right - 160
        rectangle(signs, 24, 18, 12, "fill=\"\(Self.grey)\"")
        write("has the address", signs + 26, 34, "font-size=\"12\"")
        rectangle(signs, 43, 18, 12, "fill=\"url(#hatch)\"")
        write("has it, but is cut off", signs + 26, 53, "font-size=\"12\"")
    }
}
