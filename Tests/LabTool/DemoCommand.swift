// `qure-lab demo`: a site keeps its address. Three hosts behind a gateway elect who holds it, or run qure-standby, a
// client outside asks for a page a hundred times a second, and the host that answers is killed, suspended, unplugged
// and stopped in turn.

import ArgumentParser
import Glibc
import Lab
import QureCore

/// `qure-lab demo`
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract:
            "See a site keep its address: the host that answers is killed, suspended, unplugged. 1: the site was lost."
    )

    @Option(help: "How many hosts stand behind the gateway.")
    var hosts = 3

    @Option(help: "Draw the timeline into this file.")
    var svg = "qure-demo.svg"

    @Flag(help: "Without the election: each host runs qure-standby.")
    var simple = false

    @Flag(help: "One line per event, as where standard output is no terminal.")
    var plain = false

    mutating func validate() throws {
        guard (2...9).contains(hosts) else { throw ValidationError("--hosts takes 2 to 9, not \(hosts)") }
    }

    func run() throws {
        try Namespaces.run { lifeline in
            let isLive = !plain && TerminalView.isPossible
            let view: any DemoView = isLive ? TerminalView() : PlainView()
            let run = try DemoRun(hosts: hosts, isSimple: simple, view: view, lifeline: lifeline)
            let timeline = try run.play()
            try OutputStream.writeAll(Array((DemoSummary.text(timeline) + "\n").utf8), to: 1)
            try TextFile.replace(svg, with: Array(DemoChart(timeline).text.utf8))
            try OutputStream.writeAll(Array("The timeline as a picture: \(svg)\n".utf8), to: 1)
            if let lost = timeline.incidents.first(where: { $0.successor == nil }) {
                throw Failure(.no, "h\(lost.host): \(lost.fault.title): nobody answered in its place")
            }
        }
    }
}

/// How the demo is shown while it goes on.
protocol DemoView: AnyObject {
    /// How often it wants to be shown the timeline; nil: only when there is a new note.
    var refresh: Duration? { get }
    /// Shows what is so now.
    func show(_ timeline: DemoTimeline, at now: Instant) throws
    /// Leaves the terminal as it was.
    func end()
}

/// One line per note.
final class PlainView: DemoView {
    let refresh: Duration? = nil
    private var shown = 0

    func show(_ timeline: DemoTimeline, at now: Instant) throws {
        for note in timeline.notes[shown...] {
            let line = DemoSummary.line(note, since: timeline.start) + "\n"
            try OutputStream.writeAll(Array(line.utf8), to: 1)
        }
        shown = timeline.notes.count
    }

    func end() {}
}

/// The texts that both ways of showing share.
enum DemoSummary {
    /// A note with its time in front.
    static func line(_ note: DemoTimeline.Note, since start: Instant) -> String {
        pad((note.at - start).tenthSeconds, 7, right: true) + "  " + note.text
    }

    /// The table at the end.
    static func text(_ timeline: DemoTimeline) -> String {
        var rows = [["", "it was", "then", "no answer for", "requests lost"]]
        for incident in timeline.incidents {
            rows.append([
                incident.fault.title, "h\(incident.host)", incident.successor.map { "h\($0)" } ?? "nobody",
                incident.outage?.duration.wholeMilliseconds ?? (incident.successor == nil ? "-" : "0 ms"),
                incident.successor == nil ? "-" : "\(incident.lost)",
            ])
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let table = rows.map { row in
            row.enumerated().map { pad($1, widths[$0], right: $0 >= 3) }.joined(separator: "   ")
        }
        let answered = timeline.requests.filter { $0.by != nil }.count
        var lines = [""] + table + [""]
        lines.append("\(answered) of \(timeline.requests.count) requests were answered.")
        if let together = timeline.together {
            lines.append(
                "Two hosts answered for the address at the same time for \(together.wholeMilliseconds) in all.")
        }
        return lines.joined(separator: "\n")
    }

    private static func pad(_ text: String, _ width: Int, right: Bool) -> String {
        let blanks = String(repeating: " ", count: max(width - text.count, 0))
        return right ? blanks + text : text + blanks
    }
}
