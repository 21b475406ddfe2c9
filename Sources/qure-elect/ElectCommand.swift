// qure-elect: agrees with the other machines who is master of an address. The command line of the tool; `run` decides
// and prints what it decides, `check` looks at the site beforehand, the other commands ask a running one.

import ArgumentParser
import Glibc
import QureCore

@main
struct ElectCommand: Tool {
    static let name = "qure-elect"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Agree with the other machines who is master of an address, and know who is there.",
        discussion:
            "Exit status: 0 done, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted."
            + " See qure-elect(8).",
        version: Version.text,
        subcommands: [
            Check.self, Run.self, Status.self, Members.self, Watch.self, Resign.self, Maintenance.self, Suspect.self,
            Keygen.self,
        ])

    static func main() { runMain() }

    /// The file is that of a member. Who asks a running one needs to know where it is, and nothing else.
    static func concerns(_ option: String, _ command: String?) -> Bool {
        ["run", "check"].contains(command) || ["cluster", "state-dir", "socket"].contains(option)
    }

    /// Without a command nothing is done, and that is no success.
    func run() throws {
        throw ValidationError(
            "a command is missing: check, run, status, members, watch, resign, maintenance, suspect or keygen")
    }
}

/// Where electors have their control sockets.
struct SocketOptions: ParsableArguments {
    @Option(help: "Where the daemon keeps its control socket.")
    var stateDir = "/run/qure"

    @Option(help: "The control socket.  [default: STATE-DIR/elect-CLUSTER.sock]")
    var socket: String?

    /// The one of a cluster's elector.
    func path(of cluster: String) -> String { socket ?? "\(stateDir)/elect-\(cluster).sock" }

    /// The clusters that have a socket here, whether or not somebody listens on it.
    var clusters: [String] {
        TextFile.names(in: stateDir).filter { $0.hasPrefix("elect-") && $0.hasSuffix(".sock") }
            .map { String($0.dropFirst("elect-".count).dropLast(".sock".count)) }
    }
}

/// The cluster that a member is of, and where it can be asked.
struct PlaceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cluster's name.", valueName: "name"))
    var cluster: String

    @OptionGroup var sockets: SocketOptions

    var stateDir: String { sockets.stateDir }
    var path: String { sockets.path(of: cluster) }

    mutating func validate() throws { try Self.check(cluster) }

    /// Refuses what cannot be a cluster's name.
    static func check(_ cluster: String) throws {
        let isName =
            !cluster.isEmpty && cluster.utf8.count <= 32
            && cluster.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "=") }
        guard isName, !cluster.hasPrefix(".") else {
            throw ValidationError(
                "'\(cluster)': a cluster's name is 1 to 32 printable characters without '/', '=' and blanks")
        }
    }
}

/// `qure-elect run`
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "run", of: "qure-elect",
        abstract:
            "Take part in the election; say what is decided, one event to a line, for qure-claim follow and others.")

    @OptionGroup var member: MemberOptions

    func validate() throws {
        if let trouble = member.keyFileTrouble { throw ValidationError(trouble) }
    }

    func run() throws {
        var diagnostics = member.common.diagnostics("qure-elect")
        let keys = try member.readKeys()
        if let trouble = member.openKeyFile { diagnostics.say(.warning, "\(trouble), going on") }
        if member.common.checkConfig { throw Failure(.yes, "") }
        let session = try ElectSession(member, keys, diagnostics)
        try session.run()
    }
}

/// `qure-elect keygen`
struct Keygen: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "keygen", of: "qure-elect", abstract: "Print a new key, for a key file.")

    @Option(help: "The key's number, 0 to 255.", transform: Self.readNumber)
    var number: UInt8 = 1

    func run() throws {
        var random = SystemRandomNumberGenerator()
        let key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random).hexadecimal }.joined()
        if TextFile.isOpenFile(STDOUT_FILENO) {
            var diagnostics = Diagnostics(tool: "qure-elect")
            diagnostics.say(.warning, "standard output is a file that others may read; chmod 600 it")
        }
        try OutputStream.writeAll(Array("\(number) \(key)\n".utf8), to: STDOUT_FILENO)
    }

    private static func readNumber(_ text: String) throws -> UInt8 {
        if let number = UInt8(text) { return number }
        throw ValidationError("'\(text)': a key's number is 0 to 255")
    }
}
