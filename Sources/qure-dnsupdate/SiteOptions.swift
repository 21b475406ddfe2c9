// SiteOptions: the options of the commands that have to do with a site and its name: register, deregister, follow and
// check.

import ArgumentParser
import QureCore

/// Which name, which site, which server, which key.
struct SiteOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Option(
        name: [.customShort("k"), .long],
        help: ArgumentHelp(
            "Sign with the key in this file, of BIND's form or Knot's.", valueName: "file"))
    var keyFile: String?

    @Option(
        help: ArgumentHelp(
            "Send to this server (ADDR, ADDR:PORT, ADDR#PORT or a name), and to the next one where it does not answer; "
                + "may be repeated.  [default: the primary that the zone names]",
            valueName: "server"))
    var server: [String] = []

    @Option(
        help: ArgumentHelp("The zone.  [default: found by asking for its SOA]", valueName: "zone"))
    var zone: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The port of servers that none is given for.", valueName: "port"))
    var port = DNSEndpoint.port

    @Option(help: ArgumentHelp("Find servers in this file.", valueName: "file"))
    var resolvConf = "/etc/resolv.conf"

    @Option(
        help: ArgumentHelp(
            "This site's name among those that share NAME.  [\(Self.siteDefault)]", valueName: "name"))
    var site: String?

    @Option(
        help: ArgumentHelp(
            "What tells this machine from others of the same site name.  [default: made from /etc/machine-id]",
            valueName: "text"))
    var machineId: String?

    @Flag(help: "NAME is this site's alone: no marker beside it, and all its addresses are replaced.")
    var sole = false

    @Option(
        name: [.customShort("w"), .long],
        help: "The time for all of it, unless it stays. (default: \(Self.usualTimeout))",
        transform: ArgumentText.duration)
    var timeout = Self.usualTimeout

    @Argument(help: "The name.")
    var name: String

    private static let usualTimeout = DurationArgument(.seconds(30))
    private static let siteDefault = "default: the host's name; follow: the cluster's"

    mutating func validate() throws {
        do { _ = try DomainName(text: name.utf8) } catch {
            throw ValidationError("'\(name)' is no name: \(error)")
        }
        if let zone, DomainName(zone) == nil { throw ValidationError("--zone: '\(zone)' is no name") }
        guard port > 0 else { throw ValidationError("--port: a port is a number from 1 to 65535") }
        if sole, site != nil { throw Self.excludes("--site") }
        if let site { _ = try names(site: site) }
        for text in server { _ = try Self.server(text, port: port) }
    }

    /// What has no sense for a name that is one site's alone.
    static func excludes(_ other: String) -> ValidationError {
        ValidationError("--sole excludes \(other), for nothing is marked")
    }

    /// A server as it was given: `ADDR:PORT` and `ADDR#PORT` have a port of their own.
    static func server(_ text: String, port: UInt16) throws -> (host: String, port: UInt16) {
        if DNSEndpoint(text) != nil { return (text, port) }
        let isColon = !text.contains("#") && text.split(separator: ":").count == 2
        var host = text
        var number = port
        if let mark = text.lastIndex(of: isColon ? ":" : "#") {
            guard let own = UInt16(text[text.index(after: mark)...]), own > 0 else {
                throw ValidationError("--server: '\(text)' ends with no port")
            }
            (host, number) = (String(text[..<mark]), own)
        }
        guard DNSEndpoint(host) != nil || DomainName(host) != nil, !host.isEmpty else {
            throw ValidationError("--server: '\(host)' is neither an address nor a name")
        }
        return (host, number)
    }

    /// The names of the site.
    func names(site: String) throws -> SiteNames {
        guard let name = DomainName(name) else { throw ValidationError("'\(name)' is no name") }
        guard let names = SiteNames(name, site: site) else {
            throw ValidationError(
                "'\(site)' cannot be a site's name under \(name): 1 to 63 letters, digits and hyphens, and with the "
                    + "name less than 255 in all")
        }
        return names
    }

    /// What can stand in a label of the host's name, or of a cluster's.
    static func site(from text: String) -> String {
        let label = text.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return String(label.prefix(DomainName.maximumLabelLength))
    }

    /// This machine, as its markers call it: nobody learns its machine-id from it (machine-id(5)).
    var machine: NodeID {
        let own = machineId.map { Array($0.utf8) } ?? (try? TextFile.read("/etc/machine-id")) ?? []
        let secret = own.isEmpty ? Array(HostName.current.utf8) : own
        let code = MessageAuthenticator(key: secret).code(of: Array("qure-dnsupdate".utf8), length: 16)
        return NodeID(rawValue: code.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// Whether that was all, since only the configuration is to be checked: what it names is there, and good.
    func isChecked() throws -> Bool {
        guard common.checkConfig else { return false }
        var diagnostics = common.diagnostics("qure-dnsupdate")
        _ = try key(&diagnostics)
        _ = try siteNames()
        return true
    }

    /// The key, with a warning where others can read it.
    func key(_ diagnostics: inout Diagnostics) throws -> TSIGKey? {
        guard let keyFile else { return nil }
        let result = KeyReading.file(keyFile)
        guard let key = result.key else {
            throw Failure(.usage, "no key in \(keyFile): \(result.problem ?? "it cannot be read")")
        }
        for complaint in result.complaints {
            diagnostics.say(.warning, complaint.replacing("warning: ", with: ""))
        }
        return key
    }
}

/// What is registered, and how it is kept.
struct RecordOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The time to live of the records, in seconds.", valueName: "seconds"))
    var ttl: UInt32 = 60

    @Option(
        help: ArgumentHelp(
            "Let other sites remove the address when this one has not been heard of for so long: 30s to 24h.",
            valueName: "duration"),
        transform: ArgumentText.duration)
    var lease: DurationArgument?

    @Flag(help: "Take the site over from another machine that has its name.")
    var adopt = false

    /// RFC 9664 section 5.1 has a floor of 30 s; a day is long enough for a site that is gone.
    private static let leases = Duration.seconds(30)...Duration.seconds(86400)

    mutating func validate() throws {
        guard ttl <= DNSRecord.maximumTTL else { throw ValidationError("--ttl: 2147483647 at most") }
        if let lease, !Self.leases.contains(lease.duration) {
            throw ValidationError("--lease takes 30s to 24h")
        }
    }

    /// The lease is told by the server's clock, and that by what it signs.
    func requireKey(_ site: SiteOptions) throws {
        guard lease != nil else { return }
        if site.keyFile == nil {
            throw Failure(.usage, "--lease needs a key (-k): the server's clock must be proved")
        }
        if site.sole {
            throw Failure(.usage, "--lease and --sole exclude each other: a lease stands in the marker")
        }
    }
}
