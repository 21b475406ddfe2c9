// qure-claim: puts an address on this host and takes it off, tells the link, keeps it there, gives it up safely.
// The command line: the options and their checks. The commands that do one thing and end are in OneShotCommands.swift, those that
// stay in HoldCommand.swift and FollowCommand.swift.

import ArgumentParser
import QureCore

@main
struct ClaimCommand: Tool {
    static let configuration = CommandConfiguration(
        commandName: "qure-claim",
        abstract: "Put an address on this host, tell the link, keep it there, give it up safely.",
        discussion: "Exit status: 0 done, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted. See qure-claim(8).",
        version: Version.text,
        subcommands: [Add.self, Del.self, Hold.self, Follow.self, Announce.self, Show.self])

    static func main() { runMain() }

    /// `--virtual-mac` may stand alone or with a hardware address behind it, which the parser cannot express.
    static func prepare(_ arguments: [String]) -> [String] {
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

    @Flag(help: "Take over an address that is there already but was not put there by qure.")
    var adopt = false

    var registry: ClaimRegistry { ClaimRegistry(directory: stateDir) }

    /// Diagnostics, after the configuration has been checked; ends here where that was all that was asked for.
    func begin() throws -> Diagnostics {
        if common.checkConfig { throw Failure(.yes, "") }
        return common.diagnostics("qure-claim")
    }
}

/// How an address is put on an interface.
struct PlacementOptions: ParsableArguments {
    @Option(help: "Take the address away again after this time unless it is renewed; whole seconds.  [hold, follow: 2s]")
    var lease: DurationArgument?

    @Option(help: "Label of an IPv4 address, such as eth0:qure.")
    var label: String?

    @Flag(help: "First ask the link who has the address; if somebody has, leave it and end with status 1.")
    var unlessHeld = false

    mutating func validate() throws {
        if let label, !(1...15).contains(label.utf8.count) {
            throw ValidationError("'\(label)': a label has 1 to 15 characters")
        }
        if let lease, lease.duration > .seconds(86400) { throw ValidationError("--lease takes at most a day") }
    }
}

/// The hardware address that goes with the address.
struct VirtualOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Give the address a hardware address of its own, the same on every host: MAC, or derived from the address.",
            valueName: "MAC"))
    var virtualMac: String?

    /// The hardware address for these addresses, if one is wanted.
    func mac(for prefixes: [Prefix]) throws -> MACAddress? {
        try virtualMac.map { try VirtualMAC.address($0, for: prefixes[0].address) }
    }
}

/// What users write for a virtual hardware address.
enum VirtualMAC {
    static let automatic = "auto"

    /// The address given, or one derived from the first address that is claimed: locally administered, the same
    /// wherever that address is claimed.
    static func address(_ text: String, for claimed: IPAddress) throws -> MACAddress {
        guard text != automatic else {
            // 06 is locally administered; 51 stands for Q. Of an IPv6 address the 32 bits are a hash (FNV-1a).
            let hash = claimed.octets.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
            let low = claimed.bitWidth == 32 ? UInt32(truncatingIfNeeded: claimed.number) : hash
            return MACAddress(rawValue: 0x0651_0000_0000 | UInt64(low))
        }
        guard let mac = MACAddress(text) else { throw Failure(.usage, "'\(text)' is not a hardware address") }
        guard !mac.isMulticast && mac != .zero else {
            throw Failure(.usage, "\(mac): a group's address cannot be an interface's; clear the lowest bit of its first octet")
        }
        return mac
    }
}

/// Refuses what cannot be put on an interface.
func checkClaimable(_ prefixes: [Prefix]) throws {
    for prefix in prefixes {
        guard prefix.address.isUnicast, !prefix.address.isLoopback else {
            throw Failure(.usage, "\(prefix): no host's address; give the one to claim with its prefix length")
        }
        guard prefix.length > 0 else { throw Failure(.usage, "\(prefix): a prefix length of 0 would cover everything") }
        if prefix.address.bitWidth == 32, prefix.length < 31 {
            guard prefix.address != prefix.network.address, prefix.address != prefix.last else {
                throw Failure(.usage, "\(prefix): is the network's own or its broadcast address, not a host's")
            }
        }
    }
    guard Set(prefixes.map(\.address)).count == prefixes.count else {
        throw Failure(.usage, "the same address is given twice")
    }
}
