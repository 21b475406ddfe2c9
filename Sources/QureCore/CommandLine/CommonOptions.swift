// The options and argument types that all tools share, and what they mean to the parser.

package import ArgumentParser

/// Options of every tool.
package struct CommonOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Say more on standard error; twice: say everything.")
    package var verbose: Int

    @Flag(name: .shortAndLong, help: "Say less on standard error; twice: errors only.")
    package var quiet: Int

    @Flag(help: "Print records as JSON Lines, one object each.")
    package var json = false

    @Option(
        name: .shortAndLong, help: "The interface to use.  [default: the one whose on-link route covers the address]")
    package var interface: String?

    @Option(
        help: ArgumentHelp(
            "Read options from a file, one per line: the long option without dashes, a blank, its value.",
            valueName: "file"))
    package var config: String?

    @Flag(help: "Check the options and the configuration file, then exit.")
    package var checkConfig = false

    package init() {}

    /// Diagnostics of `tool` as loud as asked for.
    package func diagnostics(_ tool: String) -> Diagnostics {
        Diagnostics(tool: tool, verbosity: verbose - quiet)
    }

    package mutating func validate() throws {
        if let interface, !Self.isInterfaceName(interface) {
            throw ValidationError("'\(interface)' cannot be an interface's name (1 to 15 characters, no '/' or blank)")
        }
    }

    /// For commands that have nothing to do with an interface; `remedy` says what to use instead.
    package func refuseInterface(_ remedy: String) throws {
        if interface != nil { throw ValidationError("-i (interface) has no meaning here: \(remedy)") }
    }

    /// What the kernel accepts as a name (dev_valid_name).
    package static func isInterfaceName(_ name: String) -> Bool {
        (1...15).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
    }
}

/// What users write for addresses, with a sentence that says what was expected.
package enum ArgumentText {
    /// An address without a prefix length.
    package static func address(_ text: String) throws -> IPAddress {
        if let address = IPAddress(text) { return address }
        if text.contains("%") { throw ValidationError("'\(text)': leave the zone out and name the interface with -i") }
        if text.contains("/") { throw ValidationError("'\(text)': an address without a prefix length is wanted here") }
        throw ValidationError("'\(text)' is not an address; write it like 192.168.1.11 or 2001:db8::11")
    }

    /// `ADDR/LEN`, or `ADDR` for the single address.
    package static func prefix(_ text: String) throws -> Prefix {
        if let prefix = Prefix(text) { return prefix }
        if text.contains("%") { throw ValidationError("'\(text)': leave the zone out and name the interface with -i") }
        throw ValidationError("'\(text)' is not an address with a prefix length; write it like 192.168.1.11/24")
    }

    /// Six hexadecimal octets.
    package static func mac(_ text: String) throws -> MACAddress {
        if let mac = MACAddress(text) { return mac }
        throw ValidationError("'\(text)' is not a hardware address; write it like 52:54:00:12:34:56")
    }
}

extension ArgumentText {
    /// A positive duration.
    package static func duration(_ text: String) throws -> DurationArgument {
        if let argument = DurationArgument(argument: text) { return argument }
        let isZero = Duration(text: text) == .zero
        throw ValidationError(
            "'\(text)' is not a duration; write it like 250ms, 2s or 1m\(isZero ? ", longer than nothing" : "")")
    }
}

extension ArgumentText {
    /// Why these addresses cannot be put on an interface; nil: they can.
    package static func refusal(toClaim prefixes: [Prefix]) -> String? {
        if let refusal = prefixes.lazy.compactMap({ Self.refusal(toClaim: $0) }).first { return refusal }
        return Set(prefixes.map(\.address)).count == prefixes.count ? nil : "the same address is given twice"
    }

    private static func refusal(toClaim prefix: Prefix) -> String? {
        guard prefix.address.isUnicast, !prefix.address.isLoopback else {
            return "\(prefix): no host's address; give the one to claim with its prefix length"
        }
        if case .v6(let address) = prefix.address, address.rawValue >> 32 == 0xffff {
            let plain = IPv4Address(rawValue: UInt32(truncatingIfNeeded: address.rawValue))
            return "\(prefix): an IPv4 address in the dress of IPv6; write it as \(plain)"
        }
        guard prefix.length > 0 else { return "\(prefix): a prefix length of 0 would cover everything" }
        let isOfNetwork = prefix.address == prefix.network.address || prefix.address == prefix.last
        guard prefix.address.bitWidth == 32, prefix.length < 31, isOfNetwork else { return nil }
        return "\(prefix): is the network's own or its broadcast address, not a host's"
    }
}

/// A positive duration as an argument.
package struct DurationArgument: ExpressibleByArgument, Equatable, Sendable, CustomStringConvertible {
    /// Longer than nothing.
    package var duration: Duration

    /// `250ms`, `2s`, `1m`; a bare number is seconds.
    package init?(argument: String) {
        guard let duration = Duration(text: argument), duration > .zero else { return nil }
        self.duration = duration
    }

    /// A default value.
    package init(_ duration: Duration) { self.duration = duration }

    package var description: String { duration.text }
    package var defaultValueDescription: String { duration.text }
}
