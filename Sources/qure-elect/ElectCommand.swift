// qure-elect: agrees with the other machines who is master of an address. The command line of the tool; `run` decides
// and prints what it decides, the other commands ask a running one.

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
            Run.self, Status.self, Members.self, Watch.self, Resign.self, Maintenance.self, Suspect.self, Keygen.self,
        ])

    static func main() { runMain() }
}

/// How patient the election is.
enum Profile: String, ExpressibleByArgument, CaseIterable {
    case steady, `default`, fast

    var interval: Duration {
        switch self {
        case .steady: .milliseconds(200)
        case .default: .milliseconds(100)
        case .fast: .milliseconds(20)
        }
    }

    var tolerance: Duration {
        switch self {
        case .steady: .seconds(1)
        case .default: .milliseconds(200)
        case .fast: .milliseconds(40)
        }
    }
}

/// Where a running elector is found.
struct PlaceOptions: ParsableArguments {
    @Option(help: "The cluster's name.")
    var cluster: String

    @Option(help: "Where the daemon keeps its control socket.")
    var stateDir = "/run/qure"

    @Option(help: "The control socket.  [default: STATE-DIR/elect-CLUSTER.sock]")
    var socket: String?

    var path: String { socket ?? "\(stateDir)/elect-\(cluster).sock" }

    mutating func validate() throws {
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

    @OptionGroup var common: CommonOptions
    @OptionGroup var place: PlaceOptions

    @Option(
        help: "An address that the master holds, with its prefix length; may be repeated.",
        transform: ArgumentText.prefix)
    var address: [Prefix]

    @Option(help: "The cluster's keys (qure-elect keygen > FILE).")
    var keyFile: String?

    @Flag(help: "Do without authentication: anybody on the link can take the address.")
    var insecure = false

    @Option(help: "This member's name.  [default: the host's]")
    var name: String?

    @Option(help: "Interval and tolerance at once: steady (200ms, 1s), default (100ms, 200ms), fast (20ms, 40ms).")
    var profile = Profile.default

    @Option(help: "From one heartbeat to the next.  [default: the profile's]")
    var interval: DurationArgument?

    @Option(help: "How long a silence of the master is forgiven; at least two intervals.  [default: the profile's]")
    var tolerance: DurationArgument?

    @Option(help: "The higher, the sooner it succeeds: 0 to 255.")
    var priority: UInt8 = 100

    @Option(help: "Whether a member of higher priority is handed the address: off, on, or after this time.")
    var preempt = "off"

    @Option(help: "Who claims must hear the gateway: auto (the default route's, if there is one), off, or its address.")
    var requireGateway = "auto"

    @Option(help: "Claim without hearing the gateway after this time.  [default: never]")
    var claimBlind: DurationArgument?

    @Option(help: "The multicast group.", transform: ArgumentText.address)
    var group: IPAddress?

    @Option(help: "The UDP port.")
    var port: UInt16 = 7784

    @Option(help: "Send to this member instead of the group; may be repeated.", transform: ArgumentText.address)
    var peer: [IPAddress] = []

    @Option(help: "Where the member's number and term are kept.")
    var keepDir = "/var/lib/qure"

    @Option(help: "Run this shell command when this member has become master.")
    var onMaster: String?

    @Option(help: "Run this shell command when this member stands by, or is no longer master.")
    var onStandby: String?

    @Option(help: "Run this shell command when this member is at fault.")
    var onFault: String?

    @Option(help: "Kill a command of --on-master, --on-standby, --on-fault after this time.")
    var hookLimit = DurationArgument(.seconds(10))

    @Option(help: "Only a member whose shell command ends with status 0 may hold the address.")
    var health: String?

    @Option(help: "From one health check to the next.")
    var healthInterval = DurationArgument(.seconds(2))

    @Option(help: "A health check that takes longer is killed, and has failed.")
    var healthTimeout = DurationArgument(.seconds(1))

    @Option(help: "How many failures in a row mean unhealthy.")
    var healthFall = 3

    @Option(help: "How many successes in a row mean healthy again.")
    var healthRise = 2

    mutating func validate() throws {
        let interval = self.interval?.duration ?? profile.interval
        let tolerance = self.tolerance?.duration ?? profile.tolerance
        guard interval >= .milliseconds(5), interval <= .seconds(60) else {
            throw ValidationError("--interval takes 5ms to 60s")
        }
        guard tolerance >= interval * 2 else {
            throw ValidationError(
                "a tolerance of less than two intervals (here \((interval * 2).text)) would forgive no lost packet")
        }
        guard tolerance >= .milliseconds(20), tolerance <= .seconds(600) else {
            throw ValidationError("--tolerance takes 20ms to 10m")
        }
        guard !address.isEmpty else { throw ValidationError("which address? Give --address ADDRESS/LEN") }
        guard keyFile != nil || insecure else {
            throw ValidationError("no --key-file: make one with 'qure-elect keygen', or say --insecure")
        }
        guard (1...1000).contains(healthFall), (1...1000).contains(healthRise) else {
            throw ValidationError("--health-fall and --health-rise take 1 to 1000")
        }
        guard healthInterval.duration >= .milliseconds(50) else {
            throw ValidationError("--health-interval takes 50ms or more")
        }
        if let group, !group.isMulticast { throw ValidationError("'\(group)' is not a multicast group") }
    }

    func run() throws {
        var diagnostics = common.diagnostics("qure-elect")
        let keys = try readKeys(&diagnostics)
        if common.checkConfig { throw Failure(.yes, "") }
        let session = try ElectSession(self, keys, diagnostics)
        try session.run()
    }

    private func readKeys(_ diagnostics: inout Diagnostics) throws -> KeyRing {
        guard let keyFile else { return .insecure }
        let text: [UInt8]
        do { text = try TextFile.read(keyFile) } catch { throw Failure(.usage, "\(error)") }
        if TextFile.isOpenToOthers(keyFile) {
            diagnostics.say(.warning, "\(keyFile): others may read it; chmod 600 it, going on")
        }
        do { return try KeyRing(text) } catch { throw Failure(.usage, "\(keyFile): \(error)") }
    }
}

/// `qure-elect keygen`
struct Keygen: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "keygen", of: "qure-elect", abstract: "Print a new key, for a key file.")

    @Option(help: "The key's number, 0 to 255.")
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
}
