// The commands that ask a running elector: `status`, `members`, `watch`, `resign`, `maintenance`, `suspect`.

import ArgumentParser
import QureCore

/// What all of them share.
struct AskingOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("The cluster's name.  [default: that of the only elector here]", valueName: "name"))
    var cluster: String?

    @OptionGroup var sockets: SocketOptions

    mutating func validate() throws {
        if let cluster { try PlaceOptions.check(cluster) }
    }

    /// The elector that is meant: that of the cluster, or of the socket, or the only one that listens here.
    private func elector() throws -> DaemonQuestion {
        if let cluster { return Self.elector(of: cluster, at: sockets.path(of: cluster)) }
        if let socket = sockets.socket { return DaemonQuestion("qure-elect", at: socket) }
        // What a dead one has left does not count; one that may not be asked does.
        let running = sockets.clusters.filter { DaemonQuestion.isThere(sockets.path(of: $0)) }
        guard let only = running.first else {
            throw Failure(.unreachable, "no qure-elect runs here: nobody listens in \(sockets.stateDir)")
        }
        guard running.count == 1 else {
            let names = running.joined(separator: ", ")
            throw Failure(.usage, "more than one qure-elect runs here: say which with --cluster: \(names)")
        }
        return Self.elector(of: only, at: sockets.path(of: only))
    }

    private static func elector(of cluster: String, at path: String) -> DaemonQuestion {
        DaemonQuestion("qure-elect of cluster '\(cluster)'", at: path)
    }

    /// Gives each line that answers `request` to `body`; fails with status 69 where nobody runs, or nobody answers.
    /// `forEver`: whatever comes, until the elector ends.
    func ask(_ request: ControlRequest, forEver: Bool = false, _ body: (String) throws -> Void) throws {
        if common.checkConfig { throw Failure(.yes, "") }
        try elector().ask("\(request)", forEver: forEver, body)
    }

    /// Asks for something to be done.
    func order(_ request: ControlRequest) throws {
        try ask(request) { line in
            if line.hasPrefix("no ") { throw Failure(.no, String(line.dropFirst(3))) }
            if line.hasPrefix("note ") {
                var diagnostics = common.diagnostics("qure-elect")
                diagnostics.say(.warning, String(line.dropFirst(5)))
            }
            if line.hasPrefix("error ") { throw Failure(.system, String(line.dropFirst(6))) }
        }
    }

    /// Prints records that came as JSON, as they are or as words.
    func show(_ request: ControlRequest, _ keys: [String]) throws {
        try ask(request) { line in
            try write(common.json ? line : FlatJSON(line).words(keys))
        }
    }

    /// Prints a line as it is.
    func write(_ line: String) throws { try OutputStream.writeAll(Array((line + "\n").utf8), to: 1) }
}

/// `qure-elect status`
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "status", of: "qure-elect", abstract: "Print the role of this member, the master and how fresh that is.")
    @OptionGroup var asking: AskingOptions

    @Flag(help: "Print numbers for Prometheus, in its text format.")
    var metrics = false

    func validate() throws {
        if metrics && asking.common.json { throw ValidationError("--metrics is a format of its own: leave --json out") }
    }

    func run() throws {
        if metrics { return try asking.ask(.metrics, asking.write) }
        try asking.show(
            .status,
            [
                "role", "term=", "master=", "members=", "master_heard_ms=", "gateway_heard_ms=", "fresh=", "one_way=",
                "reason=",
            ])
    }
}

/// `qure-elect members`
struct Members: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "members", of: "qure-elect",
        abstract: "Print who is there: name, address, role, term, priority, last heard, path.")
    @OptionGroup var asking: AskingOptions
    func run() throws {
        try asking.show(
            .members,
            ["name", "address", "role", "term=", "priority=", "heard_ms=", "path=", "configuration=", "deaf_to="])
    }
}

/// `qure-elect watch`
struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "watch", of: "qure-elect", abstract: "Print the events of a running elector as they come.")
    @OptionGroup var asking: AskingOptions
    func run() throws {
        try asking.ask(.watch, forEver: true) { line in
            try asking.write(asking.common.json ? EventWriter.json(line) : line)
        }
    }
}

/// `qure-elect resign`
struct Resign: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "resign", of: "qure-elect",
        abstract: "Hand the address to the first successor. 1: this member is not master, or still is.")
    @OptionGroup var asking: AskingOptions
    func run() throws { try asking.order(.resign) }
}

/// What maintenance is turned.
enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }

/// `qure-elect maintenance`
struct Maintenance: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "maintenance", of: "qure-elect", abstract: "Hand over and stay out of the succession, or come back.")
    @OptionGroup var asking: AskingOptions
    @Argument(help: "on or off.")
    var state: Switch
    func run() throws { try asking.order(.maintenance(state == .on)) }
}

/// `qure-elect suspect`
struct Suspect: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "suspect", of: "qure-elect", abstract: "Ask at once whether the master is there: a request went unanswered.")
    @OptionGroup var asking: AskingOptions
    func run() throws { try asking.order(.suspect) }
}

/// The members of a JSON object of this project's own making, as far as words need them.
struct FlatJSON {
    private var values: [String: String] = [:]

    /// Reads the top level of an object; nested ones are left as they stand, lists of words become words with commas.
    init(_ text: String) {
        var depth = 0
        var isQuoted = false
        var part = ""
        for character in text {
            if character == "\"" { isQuoted.toggle() }
            if !isQuoted && (character == "{" || character == "[") { depth += 1 }
            if !isQuoted && (character == "}" || character == "]") { depth -= 1 }
            if depth == 1 && character == "," && !isQuoted {
                take(part)
                part = ""
            } else if !(depth == 1 && character == "{" && part.isEmpty) && depth >= 1 {
                part.append(character)
            }
        }
        take(part)
    }

    private mutating func take(_ part: String) {
        guard let colon = part.firstIndex(of: ":") else { return }
        let key = part[..<colon].filter { $0 != "\"" }
        var value = String(part[part.index(after: colon)...])
        if value.hasPrefix("[") { value = value.filter { !"[]\"".contains($0) } }
        if value.hasPrefix("\"") { value = String(value.dropFirst().dropLast()) }
        values[key] = value == "null" || value.isEmpty ? "-" : value
    }

    /// The values in this order; a key with `=` behind it is written with its value.
    func words(_ keys: [String]) -> String {
        keys.map { key in
            guard key.hasSuffix("=") else { return values[key] ?? "-" }
            return key + (values[String(key.dropLast())] ?? "-")
        }.joined(separator: " ")
    }
}
