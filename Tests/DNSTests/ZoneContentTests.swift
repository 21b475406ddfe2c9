// Zone files as zones: whose name they have, and what is no zone, by line and with the remedy.

@testable import QureCore
import Testing

struct ZoneContentTests {
    private static let usual =
        "$TTL 300\n@ IN SOA ns1 h 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.1\n"

    private static func read(_ text: String, _ name: String? = nil) throws -> ZoneContent {
        try ZoneContent(Array(text.utf8), name: name.flatMap { DomainName($0) })
    }

    @Test func `a zone has the name that it is told`() throws {
        let zone = try Self.read(Self.usual, "example.com")
        #expect(zone.name == DomainName("example.com") && zone.records.count == 4 && zone.warnings == [])
        #expect(zone.records.last?.name == DomainName("www.example.com"))
        let own = try Self.read("$ORIGIN example.com.\n" + Self.usual)
        #expect(own == zone)
        #expect(try Self.read(Self.usual, ".").name == .root)
    }

    struct Row: Sendable {
        var text: String
        var name: String?
        var line: Int
        /// What the message has in it.
        var words: [String]

        init(_ text: String, _ name: String?, _ line: Int, _ words: String...) {
            (self.text, self.name, self.line, self.words) = (text, name, line, words)
        }
    }

    @Test(arguments: [
        // Without a name it would be the root, and all names would be ours.
        Row(usual, nil, 2, "the root", "'zone NAME FILE'", "$ORIGIN"),
        Row("$TTL 300\n\nwww A 192.0.2.1\n", "example.com", 3, "no SOA", "@ SOA"),
        Row("", "example.com", 1, "no SOA"),
        Row(usual + "@ SOA ns2 h 2 3600 600 86400 60\n", "example.com", 6, "second SOA", "remove"),
        Row(usual + "sub SOA ns2 h 2 3600 600 86400 60\n", "example.com", 6, "SOA record is that of 'sub.example.com"),
        Row("$ORIGIN example.org.\n" + usual, "example.com", 3, "'example.org.'", "'example.com.'", "'@'"),
        Row(usual + "www CNAME ns1\n", "example.com", 6, "'www.example.com.' has a CNAME and other", "line 5", "3.6.2"),
        Row(usual + "a CNAME ns1\n\n\na TXT x\n", "example.com", 9, "CNAME and other", "line 6"),
        Row(usual + "a CNAME ns1\na CNAME www\n", "example.com", 7, "has a CNAME already, in line 6"),
        Row(usual + "@ CNAME www\n", "example.com", 6, "'alias'"),
        Row(usual + "x A 1.2.3\n", "example.com", 6, "1.2.3"),
    ])
    func `what is no zone says where and what to do`(_ row: Row) throws {
        let error = try #require(throws: ZoneTextError.self) { try Self.read(row.text, row.name) }
        #expect(error.line == row.line, "\(error)")
        for words in row.words { #expect(error.reason.contains(words), "\(error)") }
    }

    @Test func `what is not followed is told`() throws {
        let zone = try Self.read(Self.usual + "old DNAME example.org.\n", "example.com")
        #expect(zone.records.count == 5 && zone.warnings.map(\.line) == [6])
        #expect(zone.warnings.first?.reason.hasPrefix("'old.example.com.' has a DNAME, which is not followed") == true)
    }

    @Test func `what is outside is left out with a warning, as BIND does`() throws {
        let zone = try Self.read(Self.usual + "other.org. A 192.0.2.7\nelse.org. A 192.0.2.8\n", "example.com")
        #expect(zone.records.count == 4 && zone.warnings.count == 1)
        #expect(zone.warnings[0].line == 6)
        let words = "'other.org.' is not within the zone 'example.com.', and so are 1 more"
        #expect(zone.warnings[0].reason.hasPrefix(words))
    }

    @Test func `what dig prints of a transfer is a zone`() throws {
        let soa = "example.com. 300 IN SOA ns1.example.com. h.example.com. 1 3600 600 86400 60\n"
        let zone = try Self.read(soa + "a.example.com. 300 IN A 192.0.2.1\n" + soa)
        #expect(zone.name == DomainName("example.com") && zone.warnings == [])
        // A signed name may have an alias all the same (RFC 4034).
        let signed = "b.example.com. 300 CNAME a.example.com.\nb.example.com. 300 NSEC c.example.com. CNAME NSEC\n"
        #expect(try Self.read(soa + signed).records.count == 3)
    }
}
