// ResolverConfiguration: what resolv.conf(5) says of servers and search lists, and hosts(5) of addresses. A statically
// linked program cannot load the modules by which the C library looks names up, so that we do it ourselves.

/// The text of resolv.conf as a value.
package struct ResolverConfiguration: Equatable, Sendable {
    /// In their order; this host's own where the file names none.
    package private(set) var servers: [DNSEndpoint]
    /// Domains that names without enough dots are looked for in.
    package private(set) var search: [DomainName] = []
    /// Dots that make a name be asked as it is first.
    package private(set) var dots = 1

    /// Servers that count (resolv.conf(5), MAXNS).
    static let maximumServers = 3
    /// Domains that count; the C library's limit until 2.26.
    static let maximumDomains = 6

    /// Reads the text; what is not understood is passed over, as everywhere.
    package init(_ text: [UInt8], port: UInt16 = DNSEndpoint.port) {
        servers = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            var words = BlankWords(line)
            switch words.nextText() {
            case "nameserver":
                guard let word = words.nextText(), let server = DNSEndpoint(word, port: port) else { continue }
                if servers.count < Self.maximumServers { servers.append(server) }
            case "domain", "search":
                search = []
                while let word = words.next(), search.count < Self.maximumDomains {
                    if let name = try? DomainName(text: word) { search.append(name) }
                }
            case "options":
                while let word = words.nextText() {
                    guard word.hasPrefix("ndots:"), let number = Int(word.dropFirst(6)) else { continue }
                    dots = min(max(number, 0), 15)
                }
            default: continue
            }
        }
        if servers.isEmpty, let loopback = DNSEndpoint("127.0.0.1", port: port) { servers = [loopback] }
    }

    /// The names that `text` may stand for, in the order in which they are to be asked about.
    package func candidates(_ text: String) -> [DomainName] {
        guard let name = DomainName(text) else { return [] }
        guard !text.hasSuffix(".") else { return [name] }
        let longer = search.compactMap { DomainName(labels: name.labels + $0.labels) }
        return name.labelCount > dots ? [name] + longer : longer + [name]
    }
}

/// The text of hosts(5).
package enum HostsFile {
    /// A line that says something.
    package struct Line: Equatable, Sendable {
        /// Counted from 1.
        package var number: Int
        /// The first word.
        package var word: String
        /// The address that it is; nil: it is none.
        package var address: IPAddress? { IPAddress(word) }
        /// The words behind it.
        package var names: [String]
    }

    /// The lines that say something, each made when it is come to: there may be hundreds of thousands.
    package static func lines(_ text: [UInt8]) -> some Sequence<Line> {
        text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().lazy.compactMap {
            index, line in
            var words = BlankWords(line.prefix { $0 != UInt8(ascii: "#") })
            guard let first = words.nextText() else { return nil }
            var names: [String] = []
            while let word = words.nextText() { names.append(word) }
            return Line(number: index + 1, word: first, names: names)
        }
    }

    /// A name of a line; nil: no host is called so. It has letters, digits, hyphens (RFC 1123 section 2.1) and the low
    /// lines that many have all the same. There are no wildcards in a hosts file and no addresses of pages, and who
    /// asks for a name with other letters than those of ASCII asks for its other form (RFC 5891), `xn--`.
    package static func name(_ word: String) -> DomainName? {
        guard word.utf8.allSatisfy(isOfName) else { return nil }
        return DomainName(word).flatMap { $0.isRoot ? nil : $0.detached }
    }

    private static func isOfName(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }

    /// The addresses of `host`, in any case, with or without a dot at the end.
    package static func addresses(of host: String, in text: [UInt8]) -> [IPAddress] {
        guard let name = DomainName(host) else { return [] }
        var addresses: [IPAddress] = []
        for line in lines(text) {
            guard let address = line.address, !addresses.contains(address) else { continue }
            if line.names.contains(where: { DomainName($0) == name }) { addresses.append(address) }
        }
        return addresses
    }
}

extension HostsFile.Line {
    /// What of it is of no use, in words; nil: all of it is.
    package var oddity: String? {
        if address == nil {
            let why = word.contains("%") ? "has a scope, which the DNS has no place for" : "is not an address"
            return "'\(word)' \(why)"
        }
        if names.isEmpty { return "no name follows the address '\(word)'" }
        return names.first { HostsFile.name($0) == nil }.map { "'\($0)' is not a name of a host" }
    }
}
