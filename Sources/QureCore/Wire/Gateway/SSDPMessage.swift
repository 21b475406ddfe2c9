// SSDPMessage: the search for an Internet gateway device and its answer (UPnP Device Architecture 1.1, section 1.3).
// Anybody on the link can answer; who does is for GatewayQuestion to judge. HTTPURL is what answers and descriptions
// name things by.

/// A search and its answers.
package enum SSDP {
    /// 239.255.255.250, where searches go.
    package static let group = IPAddress.v4(IPv4Address(rawValue: 0xefff_fffa))
    /// The port of the group.
    package static let port: UInt16 = 1900
    /// What is looked for: devices of a later version answer to the first one, too, but some do not.
    static let targets = (1...2).map { "urn:schemas-upnp-org:device:InternetGatewayDevice:\($0)" }

    /// The searches, to be answered within a second.
    package static var searches: [[UInt8]] {
        targets.map { target in
            let lines = [
                "M-SEARCH * HTTP/1.1", "HOST: \(group):\(port)", "MAN: \"ssdp:discover\"", "MX: 1", "ST: \(target)",
            ]
            return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        }
    }

    /// Where the answer says that the description of a gateway device is; nil: it is no such answer.
    package static func location(in datagram: [UInt8]) -> HTTPURL? {
        guard let head = try? HTTPHead(datagram), head.status == 200 else { return nil }
        guard let target = head["st"], target.contains(":InternetGatewayDevice:") else { return nil }
        return head["location"].flatMap { HTTPURL($0) }
    }
}

/// An `http` URL with an address for a host, which is all that a gateway of a home network has.
package struct HTTPURL: Equatable, Sendable, CustomStringConvertible {
    /// Who is asked.
    package var host: IPAddress
    /// 80 unless it is said.
    package var port: UInt16
    /// With its slash in front, and the query.
    package var path: String

    /// The longest that is taken.
    static let maximumLength = 1024

    /// `http://192.168.1.1:5000/rootDesc.xml`; nil for everything else.
    package init?(_ text: String) {
        let bytes = text.utf8
        guard bytes.count <= Self.maximumLength, bytes.allSatisfy({ (0x21...0x7e).contains($0) }),
            text.prefix(7).lowercased() == "http://"
        else { return nil }
        let rest = text.dropFirst(7)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest.dropFirst(authority.count).prefix { $0 != "#" }
        let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = IPv4Address(String(parts.first ?? "")) else { return nil }
        let port = parts.count == 2 ? UInt16(parts[1]) : 80
        guard let port, port > 0 else { return nil }
        self.host = .v4(host)
        self.port = port
        self.path = path.hasPrefix("/") ? String(path) : "/\(path)"
    }

    /// What `reference` means in a document from this URL (RFC 3986 section 5, as far as descriptions use it).
    package func resolving(_ reference: String) -> HTTPURL? {
        if reference.prefix(7).lowercased() == "http://" { return HTTPURL(reference) }
        let base = "http://\(host):\(port)"
        if reference.hasPrefix("/") { return HTTPURL(base + reference) }
        guard !reference.isEmpty, let slash = path.prefix(while: { $0 != "?" }).lastIndex(of: "/") else { return nil }
        return HTTPURL(base + path[...slash] + reference)
    }

    package var description: String { "http://\(host):\(port)\(path)" }
}
