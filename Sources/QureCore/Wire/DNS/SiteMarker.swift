// SiteMarker: what a site writes into the DNS beside its addresses, to tell its own from those of other sites that
// share the name: one TXT record at a name of its own, whose strings are words that people can read. Its exact octets
// are the condition of the next update, so no two markers of a site are ever alike: an update that arrives late, or
// is played again, finds another marker and does nothing (RFC 2136 section 5). A site that has left keeps a marker
// without addresses, for the same reason.
//
//   box._qure.cloud.example.com. TXT "qure1" "id=0123456789abcdef" "n=5f1e" "a=192.0.2.7" "until=1764101000"
//   192-0-2-7._at._qure.cloud.example.com. TXT "box"                   who else has this address

/// The marker of a site.
package struct SiteMarker: Equatable, Sendable {
    /// The machine that wrote it.
    package var machine: NodeID
    /// Different in each marker that is written.
    package var nonce: UInt64
    /// The site's addresses, in order; none: it has left.
    package var addresses: [IPAddress]
    /// When the addresses are no longer the site's, in seconds since 1970 by the clock of the server; nil: never.
    package var until: UInt64?

    /// Addresses of one site; more are nobody's.
    package static let maximumAddresses = 16
    /// The first string: what the others mean.
    private static let version = "qure1"
    /// Strings of a record, those that later versions may add included.
    private static let maximumStrings = 32

    /// A marker; addresses are put in order.
    package init(
        machine: NodeID, nonce: UInt64, addresses: some Sequence<IPAddress>, until: UInt64? = nil
    ) {
        self.machine = machine
        self.nonce = nonce
        self.addresses = Set(addresses).sorted()
        self.until = until
    }

    /// The marker that a TXT record holds; nil: it holds something else. Words that are not known say nothing.
    package init?(_ data: RecordData) {
        guard let strings = data.strings, strings.count <= Self.maximumStrings else { return nil }
        let words = strings.map { String(decoding: $0, as: UTF8.self) }
        guard words.first == Self.version else { return nil }
        var machine: NodeID?
        var nonce: UInt64?
        var addresses: [IPAddress] = []
        var until: UInt64?
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            let value = String(parts[1])
            switch parts[0] {
            case "id":
                guard let number = NodeID(value) else { return nil }
                machine = number
            case "n":
                guard let number = Self.hexadecimal(value) else { return nil }
                nonce = number
            case "a", "aaaa":
                guard let address = IPAddress(value), (address.bitWidth == 32) == (parts[0] == "a") else {
                    return nil
                }
                addresses.append(address)
            case "until":
                guard let number = UInt32(decimalDigits: value.utf8) else { return nil }
                until = UInt64(number)
            default: break
            }
        }
        guard let machine, let nonce, addresses.count <= Self.maximumAddresses else { return nil }
        self.init(machine: machine, nonce: nonce, addresses: addresses, until: until)
    }

    private static func hexadecimal(_ text: String) -> UInt64? {
        guard (1...16).contains(text.utf8.count), text.utf8.allSatisfy({ $0.hexValue != nil }) else {
            return nil
        }
        return text.utf8.reduce(0) { $0 << 4 | UInt64($1.hexValue ?? 0) }
    }

    /// The record's data.
    package var data: RecordData {
        var words = [Self.version, "id=\(machine)", "n=\(String(nonce, radix: 16))"]
        words += addresses.map { ($0.bitWidth == 32 ? "a=" : "aaaa=") + $0.description }
        if let until { words.append("until=\(until)") }
        guard let data = RecordData.strings(words.map { Array($0.utf8) }) else {
            preconditionFailure("no word is long")
        }
        return data
    }

    /// Whether the site has left, or its time is over at `time`.
    package func isOver(at time: UInt64?) -> Bool {
        if addresses.isEmpty { return true }
        guard let until, let time else { return false }
        return until < time
    }
}

/// The names under which a site keeps its markers.
package struct SiteNames: Hashable, Sendable {
    /// The name that sites share.
    package let name: DomainName
    /// The site's own: letters, digits and hyphens.
    package let site: String
    /// Where its marker is.
    package let marker: DomainName
    private let claims: DomainName

    /// The names of a site; nil where the site's is none, or they would be too long.
    package init?(_ name: DomainName, site: String) {
        let isAlphanumeric: (UInt8) -> Bool = { $0.asciiLowercased.isLetterOrDigit }
        guard site.utf8.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: "-") }),
            let parent = name.prepending(Array("_qure".utf8)),
            let marker = parent.prepending(Array(site.utf8)),
            let claims = parent.prepending(Array("_at".utf8)),
            claims.octets.count + 1 + Self.longestAddress <= DomainName.maximumLength
        else { return nil }
        self.name = name
        self.site = site
        self.marker = marker
        self.claims = claims
    }

    /// An IPv6 address with all its digits.
    private static let longestAddress = 39

    /// Where those sites are told that have an address: when one of two behind the same gateway leaves, the address
    /// stays.
    package func claim(_ address: IPAddress) -> DomainName {
        let label = address.description.utf8.map {
            $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") ? 0x2d : $0
        }
        guard let name = claims.prepending(label) else {
            preconditionFailure("\(address) is no longer than any")
        }
        return name
    }

    /// What stands there for this site.
    package var claimData: RecordData {
        guard let data = RecordData.strings([Array(site.utf8)]) else {
            preconditionFailure("a label is no longer")
        }
        return data
    }

    /// The site that such a record tells of.
    package static func site(_ data: RecordData) -> String? {
        guard let strings = data.strings, strings.count == 1 else { return nil }
        return String(decoding: strings[0], as: UTF8.self)
    }
}
