// `qure-dnsupdate register`, `follow` and `deregister`: the DNS says where this site is, or no longer says it.

import ArgumentParser
import Glibc
import QureCore

/// `qure-dnsupdate register`
struct Register: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "register", of: "qure-dnsupdate",
        abstract: "Make the DNS say where this site is. 1: it is not so, and will not be by trying again.")

    @OptionGroup var site: SiteOptions
    @OptionGroup var record: RecordOptions
    @OptionGroup var address: AddressOptions
    @OptionGroup var stay: StayOptions
    @OptionGroup var dry: DryOption

    @Flag(help: "Stay, and look again on a schedule and when an address changes; leave when stopped.")
    var watch = false

    @Flag(help: "With --watch: leave the address when stopped.")
    var keep = false

    mutating func validate() throws {
        if site.sole, record.adopt { throw SiteOptions.excludes("--adopt") }
        if watch && dry.isDry { throw ValidationError("only one of --watch and --dry-run is allowed") }
        if keep && !watch { throw ValidationError("--keep goes with --watch: otherwise the address stays anyway") }
    }

    func run() throws {
        try record.requireKey(site)
        if try site.isChecked() { return }
        let diagnostics = site.common.diagnostics("qure-dnsupdate")
        let source = SiteAddresses(address, interface: site.common.interface, hold: stay.hold.duration)
        func session(_ change: (inout Registration.Configuration) -> Void) throws -> RegistrationSession {
            var configuration = Registration.Configuration(try site.siteNames(), machine: site.machine)
            record.apply(to: &configuration, site)
            change(&configuration)
            return try RegistrationSession(
                configuration, site, isDry: dry.isDry, diagnostics: diagnostics, sources: source)
        }
        guard watch else {
            let deadline = Clock.now + site.timeout.duration
            source.deadline = deadline
            return try session { _ in }.runOnce(.register, by: deadline)
        }
        let news = address.gatewayNews(interface: site.common.interface, diagnostics)
        let loop = try RegistrationLoop(following: nil, diagnostics, news) { _ in try session(stay.apply) }
        try loop.watch(keeps: keep)
    }
}

/// `qure-dnsupdate follow`
struct Follow: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "follow", of: "qure-dnsupdate",
        abstract: "Register while the event stream on standard input says so (qure-elect run | … follow NAME).")

    @OptionGroup var site: SiteOptions
    @OptionGroup var record: RecordOptions
    @OptionGroup var address: AddressOptions
    @OptionGroup var stay: StayOptions

    @Option(
        help: "How long the address stays when the stream no longer says so. (default: \(Self.usualLinger))",
        transform: ArgumentText.duration)
    var linger = Self.usualLinger

    mutating func validate() throws {
        if site.sole, record.adopt { throw SiteOptions.excludes("--adopt") }
    }

    private static let usualLinger = DurationArgument(.seconds(2))
    /// What a line is worth that names no lease.
    private static let defaultLease = Duration.seconds(2)

    func run() throws {
        try record.requireKey(site)
        if try site.isChecked() { return }
        let diagnostics = site.common.diagnostics("qure-dnsupdate")
        let source = SiteAddresses(address, interface: site.common.interface, hold: stay.hold.duration)
        let following = Following(defaultLease: Self.defaultLease, linger: linger.duration)
        let news = address.gatewayNews(interface: site.common.interface, diagnostics)
        let loop = try RegistrationLoop(following: following, diagnostics, news) { cluster in
            let name = site.site ?? cluster.map(SiteOptions.site(from:)) ?? SiteOptions.site(from: HostName.current)
            var configuration = Registration.Configuration(try site.names(site: name), machine: site.machine)
            record.apply(to: &configuration, site)
            stay.apply(to: &configuration)
            // Whose the site is, the election has decided; whoever had it before knows it, too.
            configuration.adopts = true
            configuration.spread = .zero
            return try RegistrationSession(
                configuration, site, isDry: false, diagnostics: diagnostics, sources: source)
        }
        try loop.follow()
    }
}

/// `qure-dnsupdate deregister`
struct Deregister: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "deregister", of: "qure-dnsupdate",
        abstract: "Remove the addresses of this site from the name, and of no other. 0: also where there were none.")

    @OptionGroup var site: SiteOptions
    @OptionGroup var dry: DryOption

    @Flag(help: "Take the site over from another machine that has its name.")
    var adopt = false

    @Flag(
        help: ArgumentHelp(
            "Remove the site's marker, too, which otherwise keeps a late copy of an update from bringing the address "
                + "back."))
    var forget = false

    mutating func validate() throws {
        if site.sole, adopt || forget { throw SiteOptions.excludes(adopt ? "--adopt" : "--forget") }
    }

    func run() throws {
        if try site.isChecked() { return }
        var configuration = Registration.Configuration(try site.siteNames(), machine: site.machine)
        configuration.isSole = site.sole
        configuration.adopts = adopt
        configuration.forgets = forget
        let session = try RegistrationSession(
            configuration, site, isDry: dry.isDry, diagnostics: site.common.diagnostics("qure-dnsupdate"),
            sources: nil)
        try session.runOnce(.withdraw, by: Clock.now + site.timeout.duration)
    }
}

/// For those that can show what they would do.
struct DryOption: ParsableArguments {
    @Flag(name: [.customShort("n"), .customLong("dry-run")], help: "Print the update instead of sending it.")
    var isDry = false
}

/// How those that stay do so.
struct StayOptions: ParsableArguments {
    @Option(
        help: "How often to ask for the address, whatever happens. (default: \(Self.usualInterval))",
        transform: ArgumentText.duration)
    var interval = Self.usualInterval

    @Option(
        help: "How often to ask the authority whether all is still so. (default: \(Self.usualVerify))",
        transform: ArgumentText.duration)
    var verify = Self.usualVerify

    @Option(
        help: "How long an address that has changed stays before it may change again. (default: \(Self.usualHold))",
        transform: ArgumentText.duration)
    var hold = Self.usualHold

    private static let usualInterval = DurationArgument(.seconds(60))
    private static let usualVerify = DurationArgument(.seconds(600))
    private static let usualHold = DurationArgument(.seconds(60))

    func apply(to configuration: inout Registration.Configuration) {
        configuration.stays = true
        configuration.interval = interval.duration
        configuration.verify = verify.duration
    }
}

extension AddressOptions {
    /// What the gateway announces, where it may be asked for the address.
    fileprivate func gatewayNews(interface: String?, _ diagnostics: Diagnostics) -> GatewayNews? {
        let asksGateway = address.isEmpty || address.contains { source in
            if case .gateway = source { true } else { source == .auto }
        }
        guard asksGateway, !isIPv6Only else { return nil }
        var diagnostics = diagnostics
        do { return try GatewayNews(interface: interface) } catch {
            diagnostics.say(.warning, "\(error); going on without the gateway's announcements")
            return nil
        }
    }
}

extension SiteOptions {
    /// The names of this site, by the host's name where none is given.
    func siteNames() throws -> SiteNames { try names(site: site ?? Self.site(from: HostName.current)) }
}

extension RecordOptions {
    /// What the options say of the records.
    func apply(to configuration: inout Registration.Configuration, _ site: SiteOptions) {
        configuration.ttl = ttl
        configuration.lease = lease?.duration
        configuration.isSole = site.sole
        configuration.adopts = adopt
    }
}

extension RegistrationSession {
    /// Runs to the end; a trouble is what the command fails with.
    func runOnce(_ input: Registration.Input, by deadline: Instant) throws {
        guard let trouble = try run(input, by: deadline) else { return }
        throw trouble.failure(configuration.names)
    }
}
