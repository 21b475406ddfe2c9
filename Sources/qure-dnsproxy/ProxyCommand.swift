// qure-dnsproxy: answers for a name that stays with the addresses of one that changes, serves other names, forwards and
// remembers the rest. The command line of the tool; without a command it runs the proxy, the other commands ask a
// running one.

import ArgumentParser
import Glibc
import QureCore

@main
struct ProxyCommand: Tool {
    static let name = "qure-dnsproxy"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Answer for a name with the addresses that another one has now; forward and remember the rest.",
        discussion:
            "Exit status: 0 done, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted."
            + " See qure-dnsproxy(8).",
        version: Version.text,
        subcommands: [Run.self, Status.self, Explain.self, Flush.self],
        defaultSubcommand: Run.self)

    static func main() { runMain() }

    /// The file is that of `run`. Who asks a running proxy needs to know where it is, and nothing else.
    static func concerns(_ option: String, _ command: String?) -> Bool {
        command == nil || command == "run" || ["state-dir", "socket"].contains(option)
    }
}

/// `qure-dnsproxy`, `qure-dnsproxy run`
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "run", of: "qure-dnsproxy", abstract: "Run the proxy; this is what is done without a command.")

    @OptionGroup var options: ProxyOptions

    func run() throws {
        let (relay, warnings) = try options.read()
        var diagnostics = options.common.diagnostics("qure-dnsproxy")
        for warning in warnings { diagnostics.say(.warning, warning) }
        if options.common.checkConfig {
            // Where the service manager passes sockets on, others are listened at.
            do { try options.refuseOwnAddresses(at: options.addresses) } catch let error as ValidationError {
                diagnostics.say(.warning, "\(error.message), unless the service manager passes other sockets on")
            }
            throw Failure(.yes, "")
        }
        try ProxyRun(options, consume relay).run()
    }
}

/// Where a running proxy is found.
struct PlaceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where the proxy keeps its control socket.", valueName: "directory"))
    var stateDir = "/run/qure"

    @Option(help: ArgumentHelp("The control socket.  [default: STATE-DIR/dnsproxy.sock]", valueName: "path"))
    var socket: String?

    var path: String { socket ?? "\(stateDir)/dnsproxy.sock" }
}

/// What the commands share that ask a running proxy.
struct AskingOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions
    @OptionGroup var place: PlaceOptions

    mutating func validate() throws {
        try common.refuseInterface("--socket or --state-dir say which proxy is asked")
    }

    /// The lines that answer a request; fails with status 69 where nobody runs, or nobody answers.
    func ask(_ request: String) throws -> [String] {
        if common.checkConfig { throw Failure(.yes, "") }
        var lines: [String] = []
        try DaemonQuestion("qure-dnsproxy", at: place.path).ask(request) { lines.append($0) }
        return lines
    }

    /// Prints the lines that answer a request, all at once, so that whoever reads the first one alone (`head`) breaks
    /// nothing; one that begins with `no` or `error` is a failure.
    func show(_ request: String) throws {
        let lines = try ask(request)
        for line in lines {
            if line.hasPrefix("no ") { throw Failure(.no, String(line.dropFirst(3))) }
            if line.hasPrefix("error ") { throw Failure(.usage, String(line.dropFirst(6))) }
        }
        try OutputStream.writeAll(lines.flatMap { Array("\($0)\n".utf8) }, to: 1)
    }
}

/// `qure-dnsproxy status`
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "status", of: "qure-dnsproxy",
        abstract: "Print what is known of each alias and of the servers that are asked, and counts.")
    @OptionGroup var asking: AskingOptions

    @Flag(help: "Print numbers for Prometheus, in its text format.")
    var metrics = false

    func validate() throws {
        if metrics && asking.common.json { throw ValidationError("--metrics is a format of its own: leave --json out") }
    }

    func run() throws { try asking.show(metrics ? "metrics" : asking.common.json ? "status json" : "status") }
}

/// `qure-dnsproxy explain`
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "explain", of: "qure-dnsproxy", abstract: "Print how a name would be answered, step by step.")
    @OptionGroup var asking: AskingOptions

    @Argument(help: "The name, or an address, which has one in reverse.")
    var name: String
    @Argument(help: "The type.  [default: A; of an address: PTR]")
    var type: String?
    @Option(help: "As seen by a client at this address.", transform: ArgumentText.address)
    var client: IPAddress?

    func validate() throws {
        guard DomainName(name) != nil else { throw ValidationError("'\(name)' is not a domain name") }
        if let type, RecordType(type) == nil { throw ValidationError("'\(type)' is not a type of records") }
    }

    /// What is asked: of an address what it is called, as `dig -x` asks. Of another type it may be meant as it stands.
    private var question: String {
        if let address = IPAddress(name), type.map({ RecordType($0) == .ptr }) ?? true {
            return "\(address.reverseName) PTR"
        }
        return "\(DomainName(name)?.description ?? name) \(type ?? "A")"
    }

    func run() throws {
        let from = client.map { " \($0)" } ?? ""
        let lines = try asking.ask("explain \(question)\(from)")
        let writer = RecordWriter(json: asking.common.json)
        let records = lines.map { Record($0, [("step", .string($0))]) }
        try OutputStream.writeAll(records.flatMap(writer.line), to: 1)
    }
}

/// `qure-dnsproxy flush`
struct Flush: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "flush", of: "qure-dnsproxy", abstract: "Forget what is known of a name and of those below it; '.': everything."
    )
    @OptionGroup var asking: AskingOptions

    @Argument(help: "The name.")
    var name: String

    func validate() throws {
        guard DomainName(name) != nil else { throw ValidationError("'\(name)' is not a domain name") }
    }

    func run() throws {
        try asking.show("flush \(DomainName(name)?.description ?? name)" + (asking.common.json ? " json" : ""))
    }
}
