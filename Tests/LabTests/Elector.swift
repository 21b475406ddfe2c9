// Elector: a lone `qure-elect run` on a host of a lab, with a folder for what its commands leave behind: for the tests
// of what it does beside electing. Its address is put there by one of its own hooks, so that no follower is needed.

import Glibc
import Lab
import QureCore

/// An elector on a host.
final class Elector {
    let process: LabProcess
    let host: Machine
    let folder: String
    private let place: [String]
    private static let tool = Executables.path("qure-elect")

    /// What a hook does that puts the address there, or takes it away.
    static let adds = "ip addr add $QURE_ADDRESS dev $QURE_INTERFACE"
    static let removes = "ip addr del $QURE_ADDRESS dev $QURE_INTERFACE"

    /// Starts it. `FOLDER` in an option stands for the folder.
    init(_ host: Machine, _ options: [String], cluster: String = "test") throws {
        let folder = shell("mktemp -d").output.filter { $0 != "\n" }
        self.folder = folder
        self.host = host
        place = ["--cluster", cluster, "--state-dir", folder]
        let member = ["--name", "\(host.node)", "--address", Lab.Plan.shared, "--keep-dir", folder]
        let commands = options.map { text in
            text.split(separator: "FOLDER", omittingEmptySubsequences: false).joined(separator: folder)
        }
        let key = options.contains("--key-file") ? [] : ["--insecure"]
        // A service manager that nobody is.
        process = try host.start(
            [Self.tool, "run"] + place + member + key + commands, environment: ["NOTIFY_SOCKET": "/nowhere"])
    }

    deinit {
        process.send(SIGKILL)
        run("rm -rf \(folder)")
    }

    /// Asks it; the answer.
    func ask(_ words: String...) -> CommandResult { start([Self.tool] + words + place).finish() }

    /// Whether it comes to stand so.
    func becomes(_ role: String) -> Bool { eventually { ask("status").output.hasPrefix("\(role) ") } }

    /// What a file in the folder says; empty without one.
    func text(_ name: String) -> String {
        String(decoding: (try? TextFile.read("\(folder)/\(name)")) ?? [], as: UTF8.self)
    }

    /// Makes an empty file in the folder.
    func touch(_ name: String) { shell(": > \(folder)/\(name)") }
    /// Removes a file of the folder.
    func remove(_ name: String) { unlink("\(folder)/\(name)") }

    /// What it, or a hook, has complained of: all on standard error but what it has become.
    var complaints: String {
        let news = ["master of term ", "no longer master: ", "handed over: ", "standby: ", "no longer at fault: "]
            .map { "qure-elect: \($0)" }
        let lines = process.errors.split(separator: "\n").filter { line in !news.contains { line.hasPrefix($0) } }
        return lines.map { "\($0)\n" }.joined()
    }

    /// All that it has said, for the message of a failed expectation.
    var said: String { process.output + process.errors }
}
