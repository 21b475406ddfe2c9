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

    @Option(name: .shortAndLong, help: "The interface to use.  [default: the one whose on-link route covers the address]")
    package var interface: String?

    @Option(help: "Read options from FILE, one per line: the long option without dashes, a blank, its value.")
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

    /// What the kernel accepts as a name (dev_valid_name).
    private static func isInterfaceName(_ name: String) -> Bool {
        (1...15).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
    }
}

extension IPAddress: ExpressibleByArgument {
    /// An address without a prefix length.
    package init?(argument: String) { self.init(argument) }
}

extension Prefix: ExpressibleByArgument {
    /// `ADDR/LEN` or `ADDR`.
    package init?(argument: String) { self.init(argument) }
}

extension MACAddress: ExpressibleByArgument {
    /// Six hexadecimal octets.
    package init?(argument: String) { self.init(argument) }
}

/// A positive duration as an argument.
package struct DurationArgument: ExpressibleByArgument, Equatable, Sendable, CustomStringConvertible {
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
