// CheckRun: one run of `qure-elect check` on a host of the lab, and what it says.

import Lab
import Testing

/// What one run of `qure-elect check` says.
struct CheckRun {
    let status: Int
    /// On both streams.
    let output: String
    var lines: [Substring] { output.split(separator: "\n") }
    /// The lines that begin with these words.
    func lines(_ start: String) -> [Substring] { lines.filter { $0.hasPrefix(start) } }

    /// On a host, for the cluster of `Elector`.
    init(
        _ host: Machine, _ options: String..., seconds: Int = 1, cluster: String = "test",
        address: String = Lab.Plan.shared, key: [String] = ["--insecure"], behind words: [String] = []
    ) throws {
        let own = ["check", "--cluster", cluster, "--address", address, "--seconds", "\(seconds)"]
        let process = try host.start(words + [Executables.path("qure-elect")] + own + key + options)
        status = try #require(process.wait(within: .seconds(20)), "it does not end")
        output = process.output + process.errors
    }

    /// That this is among what it says, and that it spoils the election or does not, as its level says.
    func says(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(!lines(line).isEmpty, "\(output)", sourceLocation: sourceLocation)
        let isSpoilt = !lines("problem ").isEmpty
        #expect(status == (isSpoilt ? 1 : 0), "\(output)", sourceLocation: sourceLocation)
    }
}
