// qure-claim: puts an address on this host and takes it off, tells the link, keeps it there, gives it up safely.
// The command line: options, their checks, and the commands that do one thing and end; `hold` and `follow` stay (HoldCommand.swift).

import ArgumentParser
import QureCore

@main
struct ClaimCommand: Tool {
    static let configuration = CommandConfiguration(
        commandName: "qure-claim",
        abstract: "Put an address on this host, tell the link, keep it there, give it up safely.",
        discussion: "Exit status: 0 done, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted. See qure-claim(8).",
        version: Version.text,
        subcommands: [Add.self, Del.self, Announce.self])

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

/// `qure-claim add`
struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put the address on the interface, announce it, exit. 0: it is on this host now; 1 (--unless-held): another has it.")

    @OptionGroup var options: ClaimOptions
    @OptionGroup var placement: PlacementOptions
    @OptionGroup var announcing: AnnounceOptions

    @Argument(help: "The address with its prefix length.", transform: ArgumentText.prefix)
    var address: [Prefix]

    func run() throws {
        var diagnostics = try options.begin()
        try checkClaimable(address)
        let keeper = try AddressKeeper(address, options, placement, lease: placement.lease?.duration)
        try keeper.requireLinkUp()
        let present = try keeper.present()
        if present.count == address.count && !present.contains(where: keeper.isRenewable) {
            diagnostics.say(.information, "\(address[0]): is there already, and not by qure; left as it is")
            return
        }
        var talk = try LinkTalk(keeper)
        if placement.unlessHeld && present.count < address.count { try talk.requireFree(keeper) }
        try keeper.install(leavingOthers: true)
        for prefix in address {
            let entry = ClaimEntry(
                prefix: prefix, interface: keeper.link.name, mode: "add", pid: 0, since: Clock.now)
            do { try options.registry.write(entry) } catch {
                diagnostics.say(.information, "\(error), not registered; the address itself is marked")
            }
        }
        try talk.announce(announcing.count, keeper.addresses)
    }
}

/// How often to announce.
struct AnnounceOptions: ParsableArguments {
    @Option(name: .customLong("announce"), help: "Announcements before the end: at 0, 10, 50, 200 ms, 1.1 s, 3 s.")
    var count = 3

    mutating func validate() throws {
        guard (0...6).contains(count) else { throw ValidationError("--announce takes 0 to 6, not \(count)") }
    }
}

/// `qure-claim del`
struct Del: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take the address off the interface. 0: it is not on this host now; 1: qure did not put it there.")

    @OptionGroup var options: ClaimOptions

    @Argument(help: "The address, with or without its prefix length.", transform: ArgumentText.prefix)
    var address: [Prefix]

    func run() throws {
        var diagnostics = try options.begin()
        var netlink = try Netlink()
        for prefix in address {
            let registered = options.registry.entry(of: prefix.address)
            var found = try netlink.addresses().filter { $0.prefix.address == prefix.address }
            if let name = options.common.interface {
                guard let link = try netlink.link(named: name) else {
                    throw Failure(.unreachable, "\(name): no such interface")
                }
                found.removeAll { $0.interface != link.index }
            }
            if let foreign = found.first(where: { !AddressMark.isOurs($0, registered?.entry) }), !options.adopt {
                throw Failure(
                    .no, "\(foreign.prefix): was not put there by qure; use --adopt to remove it all the same")
            }
            if let registered, registered.isHeld {
                diagnostics.say(
                    .warning, "\(prefix.address): process \(registered.entry.pid) holds it and will put it back; stop that instead")
            }
            for entry in found { _ = try netlink.removeKeepingOthers(entry) }
            if registered?.isHeld == false { try? options.registry.remove(prefix.address) }
        }
    }
}

/// `qure-claim announce`
struct Announce: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell the link that the address is here: gratuitous ARP or unsolicited neighbour advertisement.")

    @OptionGroup var options: ClaimOptions
    @OptionGroup var announcing: AnnounceOptions

    @Argument(help: "The address.", transform: ArgumentText.prefix)
    var address: [Prefix]

    func run() throws {
        var diagnostics = try options.begin()
        for prefix in address where !prefix.address.isUnicast {
            throw Failure(.usage, "\(prefix.address): no host's address")
        }
        let keeper = try AddressKeeper(address, options, PlacementOptions.none, lease: nil)
        try keeper.requireLinkUp()
        let present = try keeper.presentAnywhere()
        for prefix in address where !present.contains(prefix.address) {
            diagnostics.say(.warning, "\(prefix.address): is not on this host; announced all the same")
        }
        var talk = try LinkTalk(keeper)
        try talk.announce(announcing.count, keeper.addresses)
    }
}
