// qure-claim: puts an address on this host and takes it off, tells the link, keeps it there, gives it up safely.
// The command line: the options and their checks. The commands that do one thing and end are in
// OneShotCommands.swift, those that stay in HoldCommand.swift and FollowCommand.swift.

import ArgumentParser
import QureCore

@main
struct ClaimCommand: Tool {
    static let name = "qure-claim"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Put an address on this host, tell the link, keep it there, give it up safely.",
        discussion:
            "Exit status: 0 done, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted. "
            + "See qure-claim(8).",
        version: Version.text,
        subcommands: [Add.self, Del.self, Hold.self, Follow.self, Announce.self, Show.self])

    static func main() { runMain() }

    /// Without a command nothing is done, and that is no success.
    func run() throws {
        throw ValidationError("a command is missing: add, del, hold, follow, announce or show")
    }

    /// `--virtual-mac` may stand alone or with a hardware address behind it, which the parser cannot express.
    static func prepare(_ arguments: [String]) -> [String] {
        let arguments = arguments.map { $0 == "--virtual-mac=" ? $0 + " " : $0 }
        var prepared: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" { return prepared + [argument] + rest }
            guard argument == "--virtual-mac" else {
                prepared.append(argument)
                continue
            }
            let isGiven = rest.first.map { MACAddress($0) != nil } ?? false
            prepared.append("--virtual-mac=" + (isGiven ? rest.removeFirst() : VirtualMAC.automatic))
        }
        return prepared
    }
}

/// The options of every command that has to do with an interface.
struct ClaimOptions: ParsableArguments {
    @OptionGroup var common: CommonOptions

    @Option(help: "Where claims are registered.")
    var stateDir = "/run/qure"

    mutating func validate() throws {
        if stateDir.isEmpty { throw ValidationError("--state-dir needs the name of a directory") }
    }

    @Flag(help: "Take over an address that is there already but was not put there by qure.")
    var adopt = false

    var registry: ClaimRegistry { ClaimRegistry(directory: stateDir) }

    /// Diagnostics, after the options have been checked; ends here where that was all that was asked for.
    func begin() throws -> Diagnostics {
        if common.checkConfig { throw Failure(.yes, "") }
        return common.diagnostics("qure-claim")
    }
}

/// How an address is put on an interface.
struct PlacementOptions: ParsableArguments {
    @Option(
        help: "Take the address away again after this time unless it is renewed; whole seconds.  [hold, follow: 2s]",
        transform: ArgumentText.duration)
    var lease: DurationArgument?

    /// A renewal must not be late on a machine that is busy.
    private static let leases = Duration.milliseconds(100)...Duration.seconds(86400)

    @Option(help: "Label of an IPv4 address, such as eth0:qure.")
    var label: String?

    @Flag(help: "First ask the link who has the address; if somebody has, leave it and end with status 1.")
    var unlessHeld = false

    mutating func validate() throws {
        if let label, !(1...15).contains(label.utf8.count) || !label.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) {
            throw ValidationError("'\(label)' cannot be a label (1 to 15 characters, no blank)")
        }
        if let lease, !Self.leases.contains(lease.duration) {
            throw ValidationError("--lease takes 100ms to a day, not \(lease)")
        }
    }
}

/// The hardware address that goes with the address.
struct VirtualOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Give the address a hardware address of its own, the same on every host: MAC, or derived from the address.",
            valueName: "MAC"))
    var virtualMac: String?

    mutating func validate() throws {
        guard let virtualMac, virtualMac != VirtualMAC.automatic else { return }
        let mac = try ArgumentText.mac(virtualMac)
        guard !mac.isMulticast && mac != .zero else {
            throw ValidationError(
                "\(mac) cannot be an interface's (the lowest bit of its first octet must be 0, and some bit 1)")
        }
    }

    /// The hardware address for these addresses, if one is wanted.
    func mac(for prefixes: [Prefix]) -> MACAddress? {
        virtualMac.map { MACAddress($0) ?? .virtual(for: prefixes[0].address) }
    }
}

/// A virtual hardware address that nobody has chosen.
enum VirtualMAC {
    /// What stands for it on the command line.
    static let automatic = "auto"
}

/// Refuses what cannot be put on an interface.
func checkClaimable(_ prefixes: [Prefix]) throws {
    if let refusal = ArgumentText.refusal(toClaim: prefixes) { throw Failure(.usage, refusal) }
}
