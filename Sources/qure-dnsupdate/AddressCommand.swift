// `qure-dnsupdate address`: what every source says about where this site is, and what is to be believed of it. The
// options are those of every command that needs to know the address.

import ArgumentParser
import QureCore

/// Where the address comes from.
struct AddressOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Ask here: auto, gateway, pcp, nat-pmp, upnp, interface:NAME, interface:NAME,::SUFFIX, command:COMMAND, "
                + "dns, dns:NAME@SERVER or an address; may be repeated.  [default: auto]",
            valueName: "source"),
        transform: Self.source)
    var address: [AddressSource] = []

    @Option(help: "Sources that must say the same address.")
    var agree = AddressJudge.Configuration().agree

    @Flag(help: "Take addresses of private networks and labs, too.")
    var allowPrivate = false

    @Option(help: "The time for all sources together. (default: \(Self.timeout))", transform: ArgumentText.duration)
    var addressTimeout = Self.timeout

    @Flag(name: [.customShort("4"), .customLong("ipv4")], help: "IPv4 addresses only.")
    var isIPv4Only = false

    @Flag(name: [.customShort("6"), .customLong("ipv6")], help: "IPv6 addresses only.")
    var isIPv6Only = false

    private static let timeout = DurationArgument(.seconds(5))
    private static let maximumSources = 16

    mutating func validate() throws {
        guard address.count <= Self.maximumSources else {
            throw ValidationError("--address can be given \(Self.maximumSources) times")
        }
        guard (1...max(1, address.count)).contains(agree) else {
            throw ValidationError("--agree takes 1 to the number of sources, not \(agree)")
        }
        guard !(isIPv4Only && isIPv6Only) else { throw ValidationError("only one of --ipv4 and --ipv6 is allowed") }
    }

    private static func source(_ text: String) throws -> AddressSource {
        do { return try AddressSource(text) } catch { throw ValidationError(error.description) }
    }

    /// The families that are wanted.
    var families: [AddressFamily] { isIPv4Only ? [.ipv4] : isIPv6Only ? [.ipv6] : AddressFamily.allCases }

    /// A judge of what is found; an address that has changed stays for `hold`.
    func judge(hold: Duration = AddressJudge.Configuration().hold) -> AddressJudge {
        var configuration = AddressJudge.Configuration()
        configuration.agree = agree
        configuration.allowsPrivate = allowPrivate
        configuration.hold = hold
        return AddressJudge(configuration)
    }

    /// Begins to ask the sources; `interface` is the one whose gateway is meant, unless nil. They have the time of the
    /// option, and not beyond `deadline`.
    func search(interface: String?, by deadline: Instant? = nil) throws -> AddressSearch {
        let limit = Clock.now + addressTimeout.duration
        var search = try AddressSearch(until: earlier(limit, deadline) ?? limit)
        try search.ask(address.isEmpty ? [.auto] : address, for: families, interface: interface)
        return search
    }

    /// Of what was found, the families that are wanted; what is of none stays.
    func wanted(_ readings: [AddressReading]) -> [AddressReading] {
        readings.filter { $0.address.map { families.contains(AddressFamily($0)) } ?? true }
    }
}

/// `qure-dnsupdate address`
struct Address: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "address", of: "qure-dnsupdate",
        abstract: "Print the public addresses of this site, and how they were found.")

    @OptionGroup var options: AddressOptions
    @OptionGroup var common: CommonOptions

    func run() throws {
        if common.checkConfig { return }
        var search = try options.search(interface: common.interface)
        let readings = options.wanted(try search.finish())
        let output = RecordWriter(json: common.json)
        for reading in readings { try output.write(reading.record) }
        var judge = options.judge()
        let verdicts = options.families.map { ($0, judge.judge(readings, $0, at: Clock.now)) }
        for (family, verdict) in verdicts { try output.write(verdict.record(of: family)) }
        let status = AddressJudge.Verdict.status(of: verdicts.map(\.1))
        if status != .yes { throw Failure(status, "") }
    }
}
