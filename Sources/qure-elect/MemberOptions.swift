// MemberOptions: what a member is told on its command line: the options that `run` and `check` share.

import ArgumentParser
import QureCore

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

/// The options of a member.
struct MemberOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions
    @OptionGroup var place: PlaceOptions

    @Option(
        help: ArgumentHelp(
            "An address that the master holds, with its prefix length; may be repeated.", valueName: "address/length"),
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

    @Option(help: "From one heartbeat to the next.  [default: the profile's]", transform: ArgumentText.duration)
    var interval: DurationArgument?

    @Option(
        help: "How long a silence of the master is forgiven; at least two intervals.  [default: the profile's]",
        transform: ArgumentText.duration)
    var tolerance: DurationArgument?

    @Option(help: "The higher, the sooner it succeeds: 0 to 255.", transform: Self.readPriority)
    var priority: UInt8 = 100

    @Option(help: "Whether a member of higher priority is handed the address: off, on, or after this time.")
    var preempt = "off"

    @Option(help: "Who claims must hear the gateway: auto (the default route's, if there is one), off, or its address.")
    var requireGateway = "auto"
    /// Whether the gateway is the default route's, whatever that is now.
    var followsDefaultRoute: Bool { requireGateway == "auto" }

    @Option(
        help: "Claim without hearing the gateway after this time.  [default: never]", transform: ArgumentText.duration)
    var claimBlind: DurationArgument?

    @Option(help: "The multicast group.", transform: ArgumentText.address)
    var group: IPAddress?

    @Option(help: "The UDP port.", transform: Self.readPort)
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

    @Option(
        help: "Kill a command of --on-master, --on-standby, --on-fault after this time.",
        transform: ArgumentText.duration)
    var hookLimit = DurationArgument(.seconds(10))

    @Option(help: "Only a member whose shell command ends with status 0 may hold the address.")
    var health: String?

    @Option(help: "From one health check to the next.", transform: ArgumentText.duration)
    var healthInterval = DurationArgument(.seconds(2))

    @Option(help: "A health check that takes longer is killed, and has failed.", transform: ArgumentText.duration)
    var healthTimeout = DurationArgument(.seconds(1))

    @Option(help: "How many failures in a row mean unhealthy.")
    var healthFall = 3

    @Option(help: "How many successes in a row mean healthy again.")
    var healthRise = 2

    /// From one heartbeat to the next.
    var beat: Duration { interval?.duration ?? profile.interval }
    /// How long a silence of the master is forgiven.
    var patience: Duration { tolerance?.duration ?? profile.tolerance }

    mutating func validate() throws {
        let (interval, tolerance) = (beat, patience)
        guard interval >= .milliseconds(5), interval <= .seconds(60) else {
            throw ValidationError("--interval takes 5ms to 60s\(Self.hint(interval))")
        }
        guard tolerance >= interval * 2 else {
            throw ValidationError(
                "a tolerance of less than two intervals (here \((interval * 2).text)) would forgive no lost packet")
        }
        guard tolerance >= .milliseconds(20), tolerance <= .seconds(600) else {
            throw ValidationError("--tolerance takes 20ms to 10m\(Self.hint(tolerance))")
        }
        if let name { try Self.check(name) }
        if let refusal = ArgumentText.refusal(toClaim: address) { throw ValidationError(refusal) }
        guard keyFile != nil || insecure else {
            throw ValidationError("no --key-file: make one with 'qure-elect keygen', or say --insecure")
        }
        guard keyFile == nil || !insecure else {
            throw ValidationError("--key-file and --insecure contradict each other: leave one out")
        }
        try checkPeers()
        guard (1...1000).contains(healthFall), (1...1000).contains(healthRise) else {
            throw ValidationError("--health-fall and --health-rise take 1 to 1000")
        }
        guard healthInterval.duration >= .milliseconds(50) else {
            throw ValidationError("--health-interval takes 50ms or more")
        }
        guard ["auto", "off"].contains(requireGateway) || IPAddress(requireGateway) != nil else {
            throw ValidationError("--require-gateway takes auto, off or an address, not '\(requireGateway)'")
        }
        guard ElectSession.preemption(preempt) != nil else {
            throw ValidationError("--preempt takes off, on or a duration, not '\(preempt)'")
        }
        if let group, !group.isMulticast { throw ValidationError("'\(group)' is not a multicast group") }
    }

    private func checkPeers() throws {
        if let shared = peer.first(where: { address.map(\.address).contains($0) }) {
            throw ValidationError("--peer \(shared): that is the shared address; a peer is a member's own")
        }
        guard Set(peer.map(\.bitWidth)).count <= 1 else {
            throw ValidationError(
                "--peer: a member speaks from one address, by IPv4 or by IPv6: name peers of one kind")
        }
    }

    static func readPort(_ text: String) throws -> UInt16 {
        if let port = UInt16(text), port > 0 { return port }
        throw ValidationError("'\(text)': a port is a number from 1 to 65535")
    }

    static func readPriority(_ text: String) throws -> UInt8 {
        if let priority = UInt8(text) { return priority }
        throw ValidationError("'\(text)': a priority is a number from 0 to 255")
    }

    /// What is to be said of a time that is too long, and would not be if it was meant otherwise.
    private static func hint(_ time: Duration) -> String {
        let seconds = time.components.seconds
        guard seconds > 60 else { return "" }
        return ", not \(time.text): a number alone is seconds, write \(seconds)ms for milliseconds"
    }

    /// Refuses what is not one word of an event, or would be cut in a message.
    private static func check(_ name: String) throws {
        let isWord = name.unicodeScalars.allSatisfy {
            !$0.properties.isWhitespace && $0.properties.generalCategory != .control && $0 != "="
        }
        guard !name.isEmpty, isWord, name.utf8.count <= ElectionMessage.maximumText else {
            throw ValidationError(
                "'\(name)': a member's name is one printable word of at most \(ElectionMessage.maximumText) bytes,"
                    + " without '='")
        }
    }

    /// The cluster's keys.
    func readKeys() throws(Failure) -> KeyRing {
        guard let keyFile else { return .insecure }
        let text: [UInt8]
        do { text = try TextFile.read(keyFile) } catch { throw Failure(.usage, Self.sentence(error)) }
        do { return try KeyRing(text) } catch { throw Failure(.usage, "\(keyFile): \(error)") }
    }

    /// What is wrong with the key file before it is read; nil: nothing yet.
    var keyFileTrouble: String? {
        guard let keyFile else { return nil }
        do { try TextFile.expectReadable(keyFile) } catch { return Self.sentence(error) }
        return nil
    }

    private static func sentence(_ error: SystemError) -> String {
        guard error.errno == .noEntry else { return "\(error)" }
        return "\(error): make one with 'qure-elect keygen', the same for all members"
    }

    /// What is to be said of a key file that others may read.
    var openKeyFile: String? {
        keyFile.flatMap { TextFile.isOpenToOthers($0) ? "\($0): others may read it; chmod 600 it" : nil }
    }
}
