// qure-probe: is an address alive, and who has it. The command line: options, their checks, and which run they start.

import ArgumentParser
import Glibc
import QureCore

@main
struct ProbeCommand: Tool {
    static let configuration = CommandConfiguration(
        commandName: "qure-probe",
        abstract: "Say whether an address is alive on this link, and who has it.",
        usage: """
            qure-probe [OPTIONS] ADDRESS...
            qure-probe wait --for silent|alive [OPTIONS] ADDRESS
            qure-probe watch [OPTIONS] ADDRESS...
            qure-probe scan|free [OPTIONS] CIDR
            qure-probe discover [OPTIONS]
            qure-probe members [OPTIONS] [GROUP]
            """,
        discussion: "Exit status: 0 yes, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted. See qure-probe(8).",
        version: Version.text,
        subcommands: [Ask.self, Wait.self, Watch.self, Scan.self, Free.self, Discover.self, Members.self],
        defaultSubcommand: Ask.self)

    static func main() { runMain() }
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

    private static let interval = DurationArgument(.milliseconds(200))

    mutating func validate() throws {
        guard interval.duration >= .milliseconds(1) else {
            throw ValidationError("--interval takes 1ms or more, not \(interval)")
        }
    }

    /// The questions that these options ask for.
    var questions: Questions {
        Questions(interface: common.interface, method: method, source: source, interval: interval.duration)
    }

    /// Refuses what cannot be asked about an address: addresses that name no single host, methods and sources of
    /// the other family.
    func check(_ addresses: [IPAddress], isNetwork: Bool = false) throws {
        for address in addresses {
            guard isNetwork || address.isUnicast else {
                throw Failure(.usage, "\(address): names no single host; give a host's own address")
            }
            let isV6 = address.bitWidth == 128
            if method == .arp && isV6 { throw Failure(.usage, "\(address): ARP knows IPv4 only; use --method ndp or icmp") }
            if method == .ndp && !isV6 { throw Failure(.usage, "\(address): NDP knows IPv6 only; use --method arp or icmp") }
        }
        if let source, let other = addresses.first(where: { $0.bitWidth != source.bitWidth }) {
            throw Failure(.usage, "--source \(source): not of the same family as \(other)")
        }
    }
}

/// How often an address is asked for.
struct CountOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "Probes to send.")
    var count = 3

    mutating func validate() throws {
        guard (1...1000).contains(count) else { throw ValidationError("--count takes 1 to 1000, not \(count)") }
    }
}

/// What the options say about the questions, whichever command asks them.
struct Questions {
    var interface: String?
    var method = Method.auto
    var source: IPAddress?
    var interval = Duration.milliseconds(200)
}

extension CommonOptions {
    /// Diagnostics, after the configuration has been checked; ends here where that was all that was asked for.
    func begin() throws -> Diagnostics {
        if checkConfig { throw Failure(.yes, "") }
        return diagnostics("qure-probe")
    }
}

/// How to ask.
enum Method: String, ExpressibleByArgument, CaseIterable { case auto, arp, ndp, icmp }

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

    private static let timeout = DurationArgument(.seconds(1))

    func run() throws {
        let diagnostics = try options.common.begin()
        try options.check(addresses)
        let mode = Prober.Configuration.Mode.once(
            count: counts.count, timeout: timeout.duration, listensToEnd: all)
        let session = try ProbeSession(addresses, mode, options, diagnostics, ridesOut: false)
        try session.runOnce()
    }
}

/// What `wait` waits for.
enum Awaited: String, ExpressibleByArgument, CaseIterable { case silent, alive }

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
        let diagnostics = try options.common.begin()
        try options.check([address])
        let session = try ProbeSession([address], runs.mode, options, diagnostics, ridesOut: true)
        try session.runUntil(awaited == .silent ? .silent : .alive)
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
        let diagnostics = try options.common.begin()
        try options.check(addresses)
        // Every record is one write of its own and there is nothing to put back, so this can be anywhere.
        for number in [SIGTERM, SIGINT] { signal(number) { _ in _exit(ExitStatus.yes.rawValue) } }
        let session = try ProbeSession(addresses, runs.mode, options, diagnostics, ridesOut: true)
        try session.runUntil(nil)
    }
}

/// How many probes in a row make a state.
struct RunOptions: ParsableArguments {
    @Option(help: "Unanswered probes in a row that make an address silent.")
    var fall = 3

    @Option(help: "Answered probes in a row that make it alive.")
    var rise = 1

    var mode: Prober.Configuration.Mode { .monitor(fall: fall, rise: rise) }

    mutating func validate() throws {
        guard (1...1000).contains(fall) else { throw ValidationError("--fall takes 1 to 1000, not \(fall)") }
        guard (1...1000).contains(rise) else { throw ValidationError("--rise takes 1 to 1000, not \(rise)") }
    }
}
