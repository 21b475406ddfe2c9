// `qure-lab figures`: what an election costs and what it gives, at several paces, beside keepalived: how long a client
// is without an answer when the holder dies, how many packets a second all hosts send while nothing happens, and how
// often the address moves needlessly when every cable loses frames. A table and a picture, made by this one command.

import ArgumentParser
import Glibc
import Lab
import QureCore

/// `qure-lab figures`
struct FiguresCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "figures", abstract: "Measure outage, packets and needless moves at several paces; draw them.")

    @Option(help: "The folder for election.md and election.svg.")
    var directory = "docs"

    @Option(help: "How often the holder dies at each pace.")
    var rounds = 10

    @Option(help: "How many minutes the cables lose frames.")
    var minutes = 5

    @Option(help: "How many percent of the frames each cable loses, both ways.")
    var loss = 20

    mutating func validate() throws {
        guard (1...1000).contains(rounds), (1...1440).contains(minutes), (1...99).contains(loss) else {
            throw ValidationError("--rounds takes 1 to 1000, --minutes 1 to 1440, --loss 1 to 99")
        }
    }

    /// The paces, the quickest first.
    static let settings = [
        Setting(interval: .milliseconds(10), tolerance: .milliseconds(20)),
        Setting(interval: .milliseconds(20), tolerance: .milliseconds(40)),
        Setting(interval: .milliseconds(100), tolerance: .milliseconds(200)),
        Setting(interval: .milliseconds(200), tolerance: .seconds(1)),
        .keepalived(10), .keepalived(100), .keepalived(1000),
    ]

    func run() throws {
        try Namespaces.work {
            let moves = try needlessMoves()
            var figures: [Figure] = []
            for (setting, moves) in zip(Self.settings, moves) {
                let figure = try measure(setting, moves)
                try OutputStream.writeAll(Array((figure.line + "\n").utf8), to: 1)
                figures.append(figure)
            }
            try TextFile.makeDirectory(directory)
            try TextFile.replace("\(directory)/election.md", with: Array(page(figures).utf8))
            try TextFile.replace("\(directory)/election.svg", with: Array(FigureChart(figures).text.utf8))
        }
    }

    /// Moves of the address in the time of loss, at all paces at once, each in a lab of three hosts.
    private func needlessMoves() throws -> [Int] {
        let benches = try Self.settings.map { try ElectionBench($0, hosts: 3) }
        let witnesses = try benches.map { bench in
            for host in 1...bench.hosts { try bench.lab.lose(loss, .host(host)) }
            return try bench.lab.startWitness()
        }
        sleep(UInt32(minutes * 60))
        // The labs are there until all is counted.
        return try withExtendedLifetime(benches) { try witnesses.map { try $0.stop().moves } }
    }

    private func measure(_ setting: Setting, _ moves: Int) throws -> Figure {
        let bench = try ElectionBench(setting, hosts: 3)
        let packets = try bench.packets()
        var outages: [Duration] = []
        for _ in 0..<rounds {
            var victim = 0
            let report = try bench.measure { holder in
                victim = holder
                try bench.lab.crash(.host(holder))
            }
            outages.append(report.longestOutage)
            try bench.lab.boot(victim)
            try bench.contestant.start(victim)
        }
        outages.sort()
        return Figure(
            name: bench.contestant.name, isOurs: setting.tolerance != nil, outage: outages.median,
            worst: outages.last ?? .zero, packets: packets, moves: Double(moves) * 60 / Double(minutes))
    }

    private func page(_ figures: [Figure]) -> String {
        """
        # The election's figures

        Measured with `make figures` in network namespaces on one machine, three hosts at each pace: the time that a
        client outside, which asks a thousand times a second, is without an answer when the holder dies
        (\(rounds) times), the packets that all hosts send in a second while nothing happens, and the moves of the
        address in an hour while every cable loses \(loss) % of the frames both ways (from \(minutes) minutes).

        | pace | outage, median | worst | packets a second | needless moves an hour |
        |---|---|---|---|---|
        \(figures.map(\.row).joined(separator: "\n"))

        ![outage and packets](election.svg)

        """
    }
}

/// What was measured at one pace.
struct Figure {
    var name: String
    var isOurs: Bool
    var outage: Duration
    var worst: Duration
    /// Of all hosts, in a second.
    var packets: Double
    /// Needless ones, in an hour.
    var moves: Double

    private var cells: [String] { [name, outage.figure, worst.figure, packets.figure, "\(Int(moves.rounded()))"] }
    var row: String { "| " + cells.joined(separator: " | ") + " |" }
    var line: String { cells.joined(separator: "  ") }
}

/// Outage over packets, both by powers of ten; the nearer to the corner, the better.
struct FigureChart {
    private let figures: [Figure]
    private static let width = 760.0, height = 460.0, left = 80.0, bottom = 400.0, top = 40.0, right = 700.0
    /// Packets a second and milliseconds at the edges.
    private static let packets = (least: 1.0, most: 1000.0), outage = (least: 10.0, most: 10_000.0)

    init(_ figures: [Figure]) { self.figures = figures }

    var text: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.width) \(Self.height)" width="\(Self.width)" \
        height="\(Self.height)" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="13" fill="#212529" \
        role="img">
        <title>How long a client waits when the holder dies, over the packets that it costs</title>
        <rect width="100%" height="100%" fill="#fff"/>
        \((grid + figures.flatMap(marks)).joined(separator: "\n"))
        </svg>

        """
    }

    private func x(_ packets: Double) -> Double {
        let share = log10(max(packets, Self.packets.least)) / log10(Self.packets.most)
        return Self.left + share * (Self.right - Self.left)
    }

    private func y(_ milliseconds: Double) -> Double {
        let share = log10(max(milliseconds, Self.outage.least) / Self.outage.least) / 3
        return Self.bottom - share * (Self.bottom - Self.top)
    }

    private var grid: [String] {
        var shapes: [String] = []
        for power in 0...3 {
            let number = ["1", "10", "100", "1000"][power]
            let column = x([1.0, 10, 100, 1000][power]), row = y([10.0, 100, 1000, 10_000][power])
            let style = "stroke=\"#dee2e6\""
            let lines = "M\(column) \(Self.top)V\(Self.bottom)M\(Self.left) \(row)H\(Self.right)"
            shapes.append("<path d=\"\(lines)\" \(style)/>")
            shapes.append("<text x=\"\(column)\" y=\"\(Self.bottom + 20)\" text-anchor=\"middle\">\(number)</text>")
            shapes.append("<text x=\"\(Self.left - 8)\" y=\"\(row + 4)\" text-anchor=\"end\">\(number)0 ms</text>")
        }
        let names = [
            (390.0, Self.bottom + 44, "packets a second, all hosts"), (Self.left, 24, "outage, median to worst"),
        ]
        return shapes + names.map { "<text x=\"\($0.0)\" y=\"\($0.1)\" fill=\"#495057\">\($0.2)</text>" }
    }

    private func marks(_ figure: Figure) -> [String] {
        let colour = figure.isOurs ? "#0b7285" : "#e67700"
        let column = x(figure.packets)
        let row = y(Double(figure.outage.microseconds) / 1000), end = y(Double(figure.worst.microseconds) / 1000)
        let moves = figure.moves > 0 ? ", \(Int(figure.moves.rounded())) needless moves/h" : ""
        return [
            "<path d=\"M\(column) \(row)V\(end)\" stroke=\"\(colour)\" stroke-width=\"2\"/>",
            "<circle cx=\"\(column)\" cy=\"\(row)\" r=\"6\" fill=\"\(colour)\"/>",
            "<text x=\"\(column + 10)\" y=\"\(row + 4)\" fill=\"\(colour)\">\(figure.name)\(moves)</text>",
        ]
    }
}
