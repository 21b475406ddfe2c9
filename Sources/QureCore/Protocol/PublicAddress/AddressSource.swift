// AddressSource: where an address is to be had from, as users write it behind `--address`.

/// A source of addresses.
package enum AddressSource: Equatable, Sendable, CustomStringConvertible {
    /// How a gateway is asked.
    package enum Method: String, Sendable, CaseIterable, CustomStringConvertible {
        case pcp
        case natPMP = "nat-pmp"
        case upnp

        package var description: String { rawValue }
    }

    /// The gateway for IPv4 unless this host has a global address itself; the interface for IPv6.
    case auto
    /// The default gateway, asked in each of these ways until it answers.
    case gateway([Method])
    /// The addresses of an interface.
    case interface(String)
    /// The network that an interface's address is in, with this host part.
    case suffix(String, IPv6Address)
    /// What a command prints.
    case command(String)
    /// The address itself.
    case literal(IPAddress)
    /// Servers of the DNS that answer with the address of who asks.
    case whoami(WhoamiQuestion?)

    /// What `text` says; throws a sentence about what is wrong with it.
    package init(_ text: String) throws(AddressSourceError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count == 2 ? String(parts[1]) : nil
        switch (parts[0], value) {
        case ("auto", nil): self = .auto
        case ("gateway", nil): self = .gateway(Method.allCases)
        case ("interface", let name?): self = try Self.interface(parsing: name)
        case ("command", let command?):
            guard !command.isEmpty else { throw AddressSourceError("command: needs a command behind it") }
            self = .command(command)
        case ("dns", nil): self = .whoami(nil)
        case ("dns", let question?): self = .whoami(try WhoamiQuestion(question))
        default:
            if value == nil, let method = Method(rawValue: String(parts[0])) {
                self = .gateway([method])
            } else if let address = IPAddress(text) {
                self = .literal(address)
            } else {
                throw AddressSourceError(
                    "'\(text)' is no source of addresses: write auto, gateway, pcp, nat-pmp, upnp, interface:NAME, "
                        + "interface:NAME,::SUFFIX, command:COMMAND, dns, dns:NAME@SERVER or an address")
            }
        }
    }

    private static func interface(parsing text: String) throws(AddressSourceError) -> AddressSource {
        let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard (1...15).contains(name.utf8.count), !name.contains("/") else {
            throw AddressSourceError("'\(name)' cannot be an interface's name")
        }
        guard parts.count == 2 else { return .interface(name) }
        guard let suffix = IPv6Address(String(parts[1])), suffix != .unspecified else {
            throw AddressSourceError("'\(parts[1])' is not the end of an IPv6 address; write it like ::1:2")
        }
        return .suffix(name, suffix)
    }

    package var description: String {
        switch self {
        case .auto: "auto"
        case .gateway(let methods): methods.count == 1 ? methods[0].rawValue : "gateway"
        case .interface(let name): "interface:\(name)"
        case .suffix(let name, let suffix): "interface:\(name),\(suffix)"
        case .command(let command): "command:\(command)"
        case .literal(let address): address.description
        case .whoami(nil): "dns"
        case .whoami(let question?): "dns:\(question)"
        }
    }
}

/// What is wrong with the text of a source.
package struct AddressSourceError: Error, Equatable, CustomStringConvertible {
    /// In a sentence without an end.
    package let description: String

    init(_ description: String) { self.description = description }
}

/// A question that a server of the DNS answers with the address of who asks.
package struct WhoamiQuestion: Equatable, Sendable, CustomStringConvertible {
    /// What is asked for.
    package var name: DomainName
    /// A, AAAA or TXT.
    package var type: RecordType
    /// Who is asked, and nobody else: a resolver would be told its own address.
    package var server: DNSEndpoint

    /// A question for `server` itself.
    package init(_ name: DomainName, _ type: RecordType, at server: DNSEndpoint) {
        self.name = name
        self.type = type
        self.server = server
    }

    /// `NAME@SERVER`, or `NAME@SERVER/TYPE`; without a type it is TXT.
    package init(_ text: String) throws(AddressSourceError) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let name = DomainName(String(parts[0])) else {
            throw AddressSourceError("'dns:\(text)': write dns:NAME@SERVER, or dns:NAME@SERVER/TYPE")
        }
        let ends = parts[1].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let types: [RecordType] = [.a, .aaaa, .txt]
        guard let type = ends.count == 1 ? .txt : types.first(where: { "\($0)" == ends[1].uppercased() }) else {
            throw AddressSourceError("'dns:\(text)': the type is A, AAAA or TXT")
        }
        let words = ends[0].split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let port = words.count == 1 ? DNSEndpoint.port : UInt16(words[1])
        guard let port, port > 0, let server = DNSEndpoint(String(words[0]), port: port) else {
            throw AddressSourceError(
                "'dns:\(text)': the server is an address, such as 192.0.2.1 or 192.0.2.1#5353, for nobody is asked "
                    + "about its name")
        }
        self.init(name, type, at: server)
    }

    package var description: String { "\(name)@\(server)/\(type)" }
}
