// The options of the proxy, each of which is a line of its configuration file, too, and how they become the value that
// the workers obey.

import ArgumentParser
import Glibc
import QureCore

/// What `qure-dnsproxy run` is told.
struct ProxyOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Option(
        help: ArgumentHelp(
            "Listen here, by UDP and TCP: ADDR, ADDR:PORT or [ADDR]:PORT.  [default: 127.0.0.1 and ::1]",
            valueName: "address"),
        transform: Setting.endpoint)
    var listen: [DNSEndpoint] = []

    @Option(
        help: ArgumentHelp("Ask this server about everything else.", valueName: "address"),
        transform: Setting.endpoint)
    var upstream: [DNSEndpoint] = []

    @Option(
        help: ArgumentHelp(
            "Answer for NAME with TARGET's addresses; ask=ADDR,... ttl-max=60s stale=5m other=nodata|pass may follow.",
            valueName: "name=target"),
        transform: Setting.alias)
    var alias: [Alias] = []

    @Option(
        help: ArgumentHelp(
            "Ask these servers about the names of a domain; public=yes: for everybody, with their authority.",
            valueName: "domain=address"),
        transform: Setting.forward)
    var forward: [RelayConfiguration.Forward] = []

    @Option(
        help: ArgumentHelp("A record, as in a zone file: \"NAME TTL TYPE DATA\".", valueName: "record"),
        transform: Setting.record)
    var record: [DNSRecord] = []

    @Option(
        help: ArgumentHelp("Know the names of this hosts file.", valueName: "file"), transform: Setting.file)
    var hosts: [String] = []

    @Option(
        help: ArgumentHelp("Have the authority for a zone, which is in this file (RFC 1035).", valueName: "zone file"),
        transform: Setting.zoneFile)
    var zone: [ZoneSource] = []

    @Option(
        help: ArgumentHelp(
            "Have the authority for a zone of aliases: \"ZONE ns=NAME,... mailbox=NAME ttl=300s\".", valueName: "zone"),
        transform: Setting.delegatedZone)
    var authority: [DelegatedZone] = []

    @Option(
        help: ArgumentHelp(
            "What clients of a network are told of a name: \"NETWORK NAME TYPE DATA\".", valueName: "record"),
        transform: Setting.view)
    var view: [Audiences.View] = []

    @Option(
        help: ArgumentHelp(
            "Find everything for these clients.  [default: the networks of this host's interfaces]",
            valueName: "network"),
        transform: Setting.network)
    var allowRecursion: [Prefix] = []

    @Option(
        help: ArgumentHelp("Believe these when they say that a zone has changed (NOTIFY).", valueName: "network"),
        transform: Setting.network)
    var allowNotify: [Prefix] = []

    @Option(
        help: ArgumentHelp("Believe them only if they sign with the key in this file.", valueName: "file"),
        transform: Setting.keyFile)
    var notifyKey: TSIGKey?

    @Option(
        help: ArgumentHelp(
            "Pass updates on to this primary; zone=ZONE from=NETWORK,... unsigned=yes may follow.",
            valueName: "address"),
        transform: Setting.updates)
    var forwardUpdatesTo: [UpdateRule] = []

    @Option(help: ArgumentHelp("Remember this many answers.", valueName: "count"))
    var cacheSize = 10_000

    @Option(
        help: ArgumentHelp("Keep records for at least this time.  [default: 0s]", valueName: "duration"),
        transform: Setting.durationOrNone)
    var minTtl: Duration?

    @Option(
        help: ArgumentHelp("Keep records for at most this time.  [default: 1d]", valueName: "duration"),
        transform: Setting.duration)
    var maxTtl: Duration?

    @Option(
        help: ArgumentHelp(
            "Give answers that are over for this time when nobody can be asked.  [default: not at all]",
            valueName: "duration"),
        transform: Setting.durationOrNone)
    var serveStale: Duration?

    @Option(
        help: ArgumentHelp(
            "Answers a second for the network of a stranger without a cookie; 0: no limit.", valueName: "count"))
    var rateLimit = 20

    @Flag(help: "Refuse private addresses in answers of upstreams.")
    var rebindProtect = false

    @Flag(help: "Write the letters of questions in a random case, which forgers would have to guess.")
    var randomCase = false

    @Option(help: ArgumentHelp("Threads that answer.", valueName: "count"))
    var workers = 1

    @Option(
        help: ArgumentHelp("Go on as this user when the sockets are open.", valueName: "name"),
        transform: Setting.user)
    var user: HostUser?

    @Flag(help: "Print each query on standard output; what nobody reads is lost.")
    var queryLog = false

    @OptionGroup var place: PlaceOptions

    mutating func validate() throws {
        try common.refuseInterface("--listen names the addresses that are answered at")
        guard (0...1_000_000).contains(rateLimit) else {
            throw ValidationError("'\(rateLimit)': a rate is 0 to 1000000")
        }
        guard (1...64).contains(workers) else { throw ValidationError("'\(workers)': there are 1 to 64 workers") }
        guard (16...1_000_000).contains(cacheSize) else {
            throw ValidationError("'\(cacheSize)': a cache has room for 16 to 1000000 answers")
        }
        for (option, ttl) in [("min-ttl", minTtl), ("max-ttl", maxTtl)] {
            guard let ttl, ttl.nanoseconds % 1_000_000_000 != 0 else { continue }
            throw ValidationError("\(option): times to live are whole seconds, and not \(ttl.text)")
        }
        if let minTtl, let maxTtl, minTtl > maxTtl {
            throw ValidationError("min-ttl (\(minTtl.text)) is more than max-ttl (\(maxTtl.text))")
        }
        try refuseContradictions()
    }

    /// Where to listen.
    var addresses: [DNSEndpoint] {
        listen.isEmpty ? ["127.0.0.1", "::1"].compactMap { DNSEndpoint($0) } : listen
    }
}

extension ProxyOptions {
    /// The default time to live of records that do not say one, in seconds.
    private static let recordTTL: UInt32 = 60

    /// Everything that is told, checked as a whole, and what is odd about it; reads the files that it names.
    func read() throws -> (relay: RelayConfiguration, warnings: [String]) {
        let lists = try hosts.map { HostsList(file: $0, text: try Self.read($0)) }
        let relay = try relayConfiguration(lists)
        return (relay, warnings(relay, lists))
    }

    private func relayConfiguration(_ lists: [HostsList]) throws -> RelayConfiguration {
        var relay = RelayConfiguration()
        relay.aliases = alias
        relay.upstreams = upstream
        relay.forwards = forward
        relay.audiences = Audiences(recursion: try recursionNetworks(), views: view)
        relay.notify.sources = allowNotify
        relay.notify.key = notifyKey
        relay.updates = forwardUpdatesTo
        relay.strangerRate = rateLimit
        relay.cookie = Self.cookie
        relay.cacheSize = cacheSize
        relay.minimumTTL = minTtl.map(Self.seconds) ?? 0
        relay.maximumTTL = maxTtl.map(Self.seconds) ?? relay.maximumTTL
        relay.staleLimit = serveStale ?? .zero
        relay.randomizesCase = randomCase
        relay.refusesPrivateAddresses = rebindProtect
        relay.local = ownRecords
        if let name = relay.local.overloadedAlias { throw Failure(.usage, Self.overload(name)) }
        guard !lists.isEmpty else { return relay }
        var inner = relay.local
        for list in lists { inner.addHosts(list.text, ttl: Self.recordTTL) }
        relay.inner = inner
        return relay
    }

    /// What is told of names, but for hosts files.
    private var ownRecords: LocalData {
        var own = LocalData()
        for zone in authority { _ = own.addZone(zone.records) }
        for record in record { own.add(record) }
        for zone in zone { _ = own.addZone(zone.content.records) }
        for alias in alias { own.addNamesAbove(alias.name) }
        return own
    }

    /// The cookies of this process: a client's stays good when the configuration is read anew.
    private static let cookie: ServerCookie = {
        var random = SystemRandomNumberGenerator()
        return ServerCookie(secret: (random.next(), random.next()))
    }()

    private static func seconds(_ duration: Duration) -> UInt32 {
        UInt32(clamping: min(duration.nanoseconds / 1_000_000_000, Int64(DNSRecord.maximumTTL)))
    }

    private static func read(_ file: String) throws -> [UInt8] {
        do { return try Setting.data(file) } catch let error as ValidationError { throw Failure(.usage, error.message) }
    }

    /// Who may ask for everything: as told, or whoever is on a link of this host.
    private func recursionNetworks() throws -> [Prefix] {
        guard allowRecursion.isEmpty else { return allowRecursion }
        var netlink = try Netlink()
        let connected = try netlink.addresses().map(\.prefix.network)
        let loopback = ["127.0.0.0/8", "::1/128"].compactMap { Prefix($0) }
        return Array(Set(connected + loopback)).sorted { $0.address < $1.address }
    }
}

/// A hosts file as it is.
struct HostsList {
    var file: String
    var text: [UInt8]
}

/// A zone that is in a file.
struct ZoneSource: Equatable, Sendable {
    var file: String
    var content: ZoneContent
    var name: DomainName { content.name }
}

/// Settings as the parser wants them: with errors of its own kind.
enum Setting {
    private static func checked<Value>(_ body: () throws(SettingError) -> Value) throws -> Value {
        do { return try body() } catch { throw ValidationError(error.description) }
    }

    static func endpoint(_ text: String) throws -> DNSEndpoint {
        try checked { () throws(SettingError) in try DNSEndpoint(setting: text) }
    }

    static func alias(_ text: String) throws -> Alias {
        try checked { () throws(SettingError) in try Alias(setting: text) }
    }

    static func forward(_ text: String) throws -> RelayConfiguration.Forward {
        try checked { () throws(SettingError) in try RelayConfiguration.Forward(setting: text) }
    }

    static func delegatedZone(_ text: String) throws -> DelegatedZone {
        try checked { () throws(SettingError) in try DelegatedZone(setting: text) }
    }

    static func view(_ text: String) throws -> Audiences.View {
        try checked { () throws(SettingError) in try Audiences.View(setting: text) }
    }

    static func network(_ text: String) throws -> Prefix {
        try checked { () throws(SettingError) in try Prefix(setting: text) }
    }

    static func updates(_ text: String) throws -> UpdateRule {
        try checked { () throws(SettingError) in try UpdateRule(setting: text) }
    }

    static func record(_ text: String) throws -> DNSRecord {
        try checked { () throws(SettingError) in try DNSRecord(setting: text) }
    }

    /// A key, read where it is named: what is wrong with it is the fault of the line that names it.
    static func keyFile(_ text: String) throws -> TSIGKey {
        do { return try TSIGKeyFile.key(TextFile.read(text)) } catch let error as TSIGKeyFile.Malformation {
            throw ValidationError("\(text): \(error)")
        } catch { throw ValidationError("\(error)") }
    }

    static func user(_ text: String) throws -> HostUser {
        guard let user = HostUser(text, in: try TextFile.read("/etc/passwd")) else {
            throw ValidationError("no user '\(text)' in /etc/passwd")
        }
        return user
    }

    static func zoneFile(_ text: String) throws -> ZoneSource {
        let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
        let form = "write 'zone NAME FILE', as in 'zone example.com /etc/qure/example.com.zone'"
        guard let file = words.last, words.count <= 2 else { throw ValidationError("'\(text)' is no zone: \(form)") }
        let name = try checked { () throws(SettingError) in words.count == 2 ? try DomainName(setting: words[0]) : nil }
        do {
            return ZoneSource(file: file, content: try ZoneContent(data(file), name: name))
        } catch let error as ZoneTextError {
            throw ValidationError("\(file):\(error.line): \(error.reason)")
        }
    }

    /// What is in a file of names.
    static func data(_ file: String) throws -> [UInt8] {
        do { return try TextFile.read(file, limit: TextFile.dataLimit) } catch { throw trouble(error) }
    }

    /// The name of a file of names that is there: one that is not, or is too large, is the fault of the line that names
    /// it.
    static func file(_ text: String) throws -> String {
        do { try TextFile.expectReadable(text, limit: TextFile.dataLimit) } catch { throw trouble(error) }
        return text
    }

    private static func trouble(_ error: SystemError) -> ValidationError {
        let isTooLarge = error.errno.rawValue == EFBIG
        return ValidationError("\(error)" + (isTooLarge ? ", more than \(TextFile.dataLimit >> 20) MiB" : ""))
    }

    static func duration(_ text: String) throws -> Duration { try ArgumentText.duration(text).duration }

    /// A duration, or zero, which is nothing of what the option is for.
    static func durationOrNone(_ text: String) throws -> Duration {
        Duration(text: text) == .zero ? .zero : try duration(text)
    }
}
