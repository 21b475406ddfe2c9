// ProxyLoad: dnsperf as an instrument: it asks a server from a processor of its own, and what that costs the server is
// read from the server's own accounting.

import Lab
import QureCore

/// What a server did under a load.
struct ProxyFigure {
    /// Microseconds of processor time for a query: in all, and in the server's own code.
    var cost = 0.0, user = 0.0
    /// Answers a second.
    var rate = 0.0
    /// Queries that were sent, those that were not answered, and those whose answer was not NOERROR.
    var sent = 0, lost = 0, wrong = 0
    /// How long answers took: by the kernel's stamps, where somebody captures (ProxyCapture), and as dnsperf sees it,
    /// where it is asked to write that down.
    var latency = ProxyLatency(), seen = ProxyLatency()

    /// The medians of several; what was lost or wrong in any of them counts.
    init(medianOf figures: [ProxyFigure]) {
        func median(_ value: (ProxyFigure) -> Double) -> Double {
            figures.isEmpty ? 0 : figures.map(value).sorted()[figures.count / 2]
        }
        cost = median(\.cost)
        user = median(\.user)
        rate = median(\.rate)
        latency = ProxyLatency(inTenths: median(\.latency.inTenths), ofAll: median(\.latency.ofAll))
        seen = ProxyLatency(inTenths: median(\.seen.inTenths), ofAll: median(\.seen.ofAll))
        sent = figures.map(\.sent).reduce(0, +)
        lost = figures.map(\.lost).reduce(0, +)
        wrong = figures.map(\.wrong).reduce(0, +)
    }

    fileprivate init() {}
}

/// What 99 of 100 answers did not take longer than, in microseconds. A virtual processor that stands still for some
/// milliseconds spoils the tenth of the run that it does so in, and what is over all, which says more about the machine
/// than about the server then: an echo has the same.
struct ProxyLatency {
    /// How many seconds dnsperf is to wait for an answer (-t), where there are many turns: some servers lose one in
    /// most of them. What is lost has been waited for: who loses what comes late is not the sooner for it.
    static let patience = 1
    /// The same as a time that an answer took.
    static let endless = Double(patience) * 1e6

    /// In the middle one of the tenths of the run, but for the first two, in which dnsperf starts and catches up with
    /// that, and over all of it; 0: not measured.
    var inTenths = 0.0, ofAll = 0.0
}

extension ProxyLatency {
    /// `times`: of each answer, in microseconds, one after the other.
    init(_ times: [Double]) {
        ofAll = Self.most(times[...])
        let part = max(times.count / 10, 1)
        let parts = stride(from: 2 * part, through: times.count - part, by: part).map {
            Self.most(times[$0..<($0 + part)])
        }
        inTenths = parts.isEmpty ? 0 : parts.sorted()[parts.count / 2]
    }

    /// The 99th of a hundred.
    private static func most(_ times: ArraySlice<Double>) -> Double {
        times.isEmpty ? 0 : times.sorted()[times.count * 99 / 100]
    }
}

/// What dnsperf is told.
struct ProxyLoad {
    /// The file of queries, in the site's folder.
    var queries: String
    var options: String
    /// Whether the time of each answer is written down, which costs dnsperf time.
    var hasLatency = false

    init(_ queries: String, _ options: String, hasLatency: Bool = false) {
        self.queries = queries
        self.options = options
        self.hasLatency = hasLatency
    }

    /// Asks a server, to the end.
    func run(on server: ProxyServer) throws -> ProxyFigure { try begin(on: server).finish() }

    /// Begins to ask a server.
    func begin(on server: ProxyServer) -> ProxyRun {
        // Room in dnsperf's own sockets: what is lost there is nobody else's loss.
        let target = "-s 127.0.0.1 -p \(server.port) -d \(ProxySite.folder)/\(queries) -b 1024"
        let verbose = hasLatency ? " -v" : ""
        // Into a file: nobody is to be awake who reads it meanwhile.
        let dnsperf = ProxySite.on(ProxySite.asking).joined(separator: " ") + " dnsperf"
        let line = "exec \(dnsperf) \(target) \(options)\(verbose) > \(ProxyRun.file) 2>&1"
        let before = ProxyRun.used(server.process.pid)
        return ProxyRun(server: server, before: before, dnsperf: start(["sh", "-c", line]))
    }
}

/// A load that is under way.
struct ProxyRun {
    fileprivate static let file = "\(ProxySite.folder)/output"

    fileprivate let server: ProxyServer
    fileprivate let before: (all: Double, user: Double)
    fileprivate let dnsperf: RunningCommand

    /// Waits for its end.
    func finish() throws -> ProxyFigure {
        _ = dnsperf.finish()
        let after = Self.used(server.process.pid)
        let lines = try contents(of: Self.file).split(separator: UInt8(ascii: "\n"))
        // A line for each answer: `> NOERROR n1.b.test A 0.000123`.
        let answers = lines.filter { $0.first == UInt8(ascii: ">") }
        let summary = lines.filter { $0.first != UInt8(ascii: ">") }.map { String(decoding: $0, as: UTF8.self) }
        func number(_ mark: String) -> Double? {
            summary.first { $0.contains(mark) }?.split(separator: ":").last?.split(separator: " ").first
                .flatMap { Double($0) }
        }
        guard let count = number("Queries completed"), count > 0, let rate = number("Queries per second") else {
            throw LabError("dnsperf: \(summary.joined(separator: "\n"))")
        }
        var figure = ProxyFigure()
        figure.cost = (after.all - before.all) / count
        figure.user = (after.user - before.user) / count
        guard figure.cost > 0 else { throw LabError("what \(server.name) has used cannot be told") }
        figure.rate = rate
        figure.sent = Int(number("Queries sent") ?? 0)
        figure.lost = Int(number("Queries lost") ?? 0)
        // `Response codes:       NOERROR 20000 (100.00%)`
        let codes = summary.first { $0.contains("Response codes") }?.split(separator: " ") ?? []
        let right = codes.firstIndex(of: "NOERROR").flatMap { Int(codes[$0 + 1]) }
        figure.wrong = Int(count) - (right ?? 0)
        figure.seen = ProxyLatency(answers.map(Self.time))
        return figure
    }

    /// How long an answer took, in microseconds: the last word of its line, in seconds. What was lost has another one,
    /// `> T n1.b.test A`. There are tens of thousands in half a second: no text is made of them.
    private static func time(_ line: ArraySlice<UInt8>) -> Double {
        guard !line.starts(with: Array("> T ".utf8)) else { return ProxyLatency.endless }
        // Six digits behind the point: without it, microseconds.
        let word = line[(line.lastIndex(of: UInt8(ascii: " ")) ?? line.startIndex)...]
        return word.reduce(0.0) { $1 >= 48 && $1 <= 57 ? $0 * 10 + Double($1 - 48) : $0 }
    }

    /// What a process and those that it has started have used, in microseconds: in all, and in their own code. One of
    /// nsd's answers that is not the first.
    fileprivate static func used(_ pid: CInt) -> (all: Double, user: Double) {
        func numbers(_ file: String) -> [Double] {
            // Behind a process's name, which may have blanks and ends with a bracket.
            let text = (try? TextFile.read("/proc/\(pid)/\(file)"))?.split(separator: UInt8(ascii: ")")).last ?? []
            return text.split(separator: 32).map { Double(String(decoding: $0, as: UTF8.self)) ?? 0 }
        }
        let threads = TextFile.names(in: "/proc/\(pid)/task").map { "task/\($0)" }
        let nanoseconds = threads.map { numbers("\($0)/schedstat").first ?? 0 }.reduce(0, +)
        // Hundredths of a second.
        let user = numbers("stat").dropFirst(11).first ?? 0
        let own = (all: nanoseconds / 1000, user: user * 10_000)
        return threads.flatMap { numbers("\($0)/children") }.map { used(CInt($0)) }.reduce(own) {
            (all: $0.all + $1.all, user: $0.user + $1.user)
        }
    }
}
