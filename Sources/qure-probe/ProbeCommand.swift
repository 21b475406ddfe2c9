// qure-probe: is an address alive, and who has it. The command line: options, their checks, and which run they start.

import ArgumentParser
import Glibc
import QureCore

@main
struct ProbeCommand: Tool {
    static let name = "qure-probe"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Say whether an address is alive on this link, and who has it.",
        usage: """
            qure-probe [OPTIONS] ADDRESS...
            qure-probe wait --for silent|alive [OPTIONS] ADDRESS
            qure-probe watch [OPTIONS] ADDRESS...
            qure-probe scan|free [OPTIONS] CIDR
            qure-probe discover [OPTIONS]
            qure-probe members [OPTIONS] [GROUP]
            """,
        discussion:
            "Exit status: 0 yes, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted. See qure-probe(8).",
        version: Version.text,
        subcommands: [Ask.self, Wait.self, Watch.self, Scan.self, Free.self, Discover.self, Members.self],
        defaultSubcommand: Ask.self)

    static func main() { runMain() }

    static func plain(_ arguments: [String]) -> ((Diagnostics) throws -> Void)? {
        if let question = AddressQuestion(plain: arguments) { return { try question.run($0) } }
        if let question = WaitQuestion(plain: arguments) { return { try question.run($0) } }
        return nil
    }
}

/// The options of every question about an address.
struct ProbeOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Option(help: "From one probe to the next. (default: \(Self.interval))", transform: ArgumentText.duration)
    var interval = Self.interval

    @Option(help: "How to ask: by ARP or neighbour discovery on the link, by ICMP echo elsewhere.")
    var method = Method.auto

    @Option(
        help: "Ask in the name of this address of ours; ARP asks without one unless it is given.",
        transform: ArgumentText.address)
    var source: IPAddress?

    private static let interval = DurationArgument(Questions().interval)

    mutating func validate() throws {
        guard interval.duration >= Questions.shortestInterval else {
            throw ValidationError("--interval takes 1ms or more, not \(interval)")
        }
    }

    /// The questions that these options ask for.
    var questions: Questions {
        Questions(interface: common.interface, method: method, source: source, interval: interval.duration)
    }
}

/// How often an address is asked for.
struct CountOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "Probes to send.")
    var count = AddressQuestion().count

    mutating func validate() throws {
        guard Questions.counts.contains(count) else {
            throw ValidationError("--count takes 1 to 1000, not \(count)")
        }
    }
}

extension CommonOptions {
    /// Diagnostics, after the configuration has been checked; ends here where that was all that was asked for.
    func begin() throws -> Diagnostics {
        if checkConfig { throw Failure(.yes, "") }
        return diagnostics("qure-probe")
    }
}

extension Method: ExpressibleByArgument {}

/// `qure-probe ADDRESS...`
struct Ask: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "ask", of: "qure-probe",
        abstract: "Alive or silent? 0: all are alive; 1: at least one is silent. (The default.)")

    @OptionGroup var options: ProbeOptions
    @OptionGroup var counts: CountOptions

    @Option(
        name: [.customShort("w"), .long], help: "The time for the whole question. (default: \(Self.timeout))",
        transform: ArgumentText.duration)
    var timeout = Self.timeout

    @Flag(help: "Wait out the time and name every host that answers.")
    var all = false

    @Argument(help: "The addresses to ask for.", transform: ArgumentText.address)
    var addresses: [IPAddress]

    private static let timeout = DurationArgument(AddressQuestion().timeout)

    func run() throws {
        try options.questions.check(addresses)
        let diagnostics = try options.common.begin()
        let question = AddressQuestion(
            addresses: addresses, questions: options.questions, count: counts.count, timeout: timeout.duration,
            all: all,
            json: options.common.json)
        try question.run(diagnostics)
    }
}

extension Awaited: ExpressibleByArgument {}

/// `qure-probe wait`
struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "wait", of: "qure-probe",
        abstract: "Block until the address is silent, or alive, for several probes in a row.")

    @OptionGroup var options: ProbeOptions
    @OptionGroup var runs: RunOptions

    @Option(name: .customLong("for"), help: ArgumentHelp("What to wait for.", valueName: "state"))
    var awaited: Awaited

    @Argument(help: "The address to ask for.", transform: ArgumentText.address)
    var address: IPAddress

    func run() throws {
        try options.questions.check([address])
        let diagnostics = try options.common.begin()
        let question = WaitQuestion(
            address: address, awaited: awaited, questions: options.questions, fall: runs.fall, rise: runs.rise,
            json: options.common.json)
        try question.run(diagnostics)
    }
}

/// `qure-probe watch`
struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "watch", of: "qure-probe",
        abstract: "Print one line per change of state, until stopped.")

    @OptionGroup var options: ProbeOptions
    @OptionGroup var runs: RunOptions

    @Argument(help: "The addresses to watch.", transform: ArgumentText.address)
    var addresses: [IPAddress]

    func run() throws {
        try options.questions.check(addresses)
        let diagnostics = try options.common.begin()
        // Every record is one write of its own and there is nothing to put back, so this can be anywhere.
        for number in [SIGTERM, SIGINT] { signal(number) { _ in _exit(ExitStatus.yes.rawValue) } }
        let session = try ProbeSession(
            addresses, runs.mode, options.questions, json: options.common.json, diagnostics, ridesOut: true)
        try session.runUntil(nil)
    }
}

/// How many probes in a row make a state.
struct RunOptions: ParsableArguments {
    @Option(help: "Unanswered probes in a row that make an address silent.")
    var fall = WaitQuestion().fall

    @Option(help: "Answered probes in a row that make it alive.")
    var rise = WaitQuestion().rise

    var mode: Prober.Configuration.Mode { .monitor(fall: fall, rise: rise) }

    mutating func validate() throws {
        guard Questions.counts.contains(fall) else { throw ValidationError("--fall takes 1 to 1000, not \(fall)") }
        guard Questions.counts.contains(rise) else { throw ValidationError("--rise takes 1 to 1000, not \(rise)") }
    }
}
