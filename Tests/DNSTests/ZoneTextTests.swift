// Words and zone files: quotes, escapes, parentheses, comments, what is left out and taken from before, and what is
// wrong where.

import QureCore
import Testing

@Suite struct ZoneTextTests {
    private func entries(_ text: String, _ dialect: ZoneText.Dialect = .zoneFile) throws(ZoneTextError) -> [[String]] {
        var words = ZoneText(text.utf8, dialect: dialect)
        var entries: [[String]] = []
        while let isIndented = try words.nextEntry() {
            var entry = isIndented ? ["_"] : []
            while let word = try words.next() {
                entry.append((word.isQuoted ? "'" : "") + String(decoding: word.text, as: UTF8.self))
            }
            entries.append(entry)
        }
        return entries
    }

    @Test(arguments: [
        ("a b\tc\r\n", [["a", "b", "c"]]), (" a\n\n  \n; x\n\tb ; y\n", [["_", "a"], ["_", "b"]]),
        (#"a "b c" "" "d\"e" f\;g;h"#, [["a", "'b c", "'", #"'d\"e"#, #"f\;g"#]]),
        ("a ( b ; x\n c\n) d\ne", [["a", "b", "c", "d"], ["e"]]), ("a(b)c", [["a", "b", "c"]]),
        (#"a\ b \" \("#, [[#"a\ b"#, #"\""#, #"\("#]]), (#"a"b c"d"#, [["a", "'b c", "d"]]), ("", []), ("\n;\n", []),
        ("\"a;b\" (\n)\n", [["'a;b"]]), ("(\n\n) a", [["a"]]),
    ])
    func `words of zone files`(_ text: String, _ expected: [[String]]) throws {
        #expect(try entries(text) == expected)
    }

    @Test func `a line of an update script is a line`() throws {
        #expect(try entries("a; (b) ;c\nd \"e;f\" )\n", .updateScript) == [["a;", "(b)", ";c"], ["d", "'e;f", ")"]])
        #expect(try entries(#"a"b c"#, .updateScript) == [[#"a"b"#, "c"]])
    }

    @Test(arguments: [
        ("a\n\"b\nc\"", 2, "unbalanced quotes"), ("a ( b\n", 2, "unbalanced parentheses"),
        ("a )", 1, "unbalanced parentheses"), ("a\nb\\\n", 2, "bad escape"), ("a\\", 1, "bad escape"),
    ])
    func `what is wrong is told with its line`(_ text: String, _ line: Int, _ reason: String) {
        #expect(throws: ZoneTextError(line: line, reason)) { _ = try entries(text) }
    }

    @Test func `a zone is read`() throws {
        let zone = try ZoneFile(
            """
            $ORIGIN example.
            @  IN SOA ns admin ( 2026010100 ; serial
                 1h 15m 1w 1m )
               NS ns
            ns A 192.0.2.53
               30 IN AAAA 2001:db8::53 ; glue
            $TTL 2m
            www IN 10 A 192.0.2.1
            $ORIGIN sub
            *  TXT "a b" (c
               d)
            \\@ CNAME @
            """.utf8, origin: .root)
        #expect(
            zone.records.map(\.description) == [
                "example. 60 IN SOA ns.example. admin.example. 2026010100 3600 900 604800 60",
                "example. 60 IN NS ns.example.", "ns.example. 60 IN A 192.0.2.53",
                "ns.example. 30 IN AAAA 2001:db8::53", "www.example. 10 IN A 192.0.2.1",
                #"*.sub.example. 120 IN TXT "a b" "c" "d""#, #"\@.sub.example. 120 IN CNAME sub.example."#,
            ])
        #expect(try zone.records.map { try ZoneFile.record($0.description) } == zone.records)
        #expect(try zone.records.map { try ZoneFile.record($0.text) } == zone.records)
    }

    @Test(arguments: [
        ("\n a A 192.0.2.1", 2, "no owner"), ("a A 192.0.2.1", 1, "no time to live"),
        ("a 1 A 192.0.2.1 x", 1, "extra input text near 'x'"), ("a 1 A", 1, "unexpected end of input"),
        ("a 1 CH A 1", 1, "class CH in a zone of class IN"), ("a 1 1 A 192.0.2.1", 1, "not a type: '1'"),
        ("a 4294967295 A 192.0.2.1", 1, "not a time to live: '4294967295'"),
        ("a 1 ANY", 1, "not a type: 'ANY'"), ("a 1 A 192.0.2.256", 1, "no address of that family: '192.0.2.256'"),
        ("a 1 A 2001:db8::1", 1, "no address of that family"), ("$INCLUDE x", 1, "$INCLUDE is not understood here"),
        ("a 1 A \\# 4 C00002", 1, "4 octets announced, 3 there"), ("a 1 A \\# 3 C00002", 1, "not data of type A"),
        ("a 1 TYPE999 x", 1, "TYPE999 is written as '\\# LENGTH HEXADECIMAL' (RFC 3597)"),
        ("a 1 MX 65536 b", 1, "not a number in range: '65536'"), ("a 1 MX 1 b..c", 1, "empty label: 'b..c'"),
        ("a..b 1 A 192.0.2.1", 1, "empty label: 'a..b'"), ("a 1 DS 1 8 2 ABC", 1, "bad digits"),
        ("a 1 DS 1 8 2", 1, "bad digits"), ("a 1 SVCB 1 . port=1 port=2", 1, "a parameter stands twice"),
        ("a 1 SVCB 1 . mandatory=alpn", 1, "a mandatory parameter is missing"),
        ("a 1 SVCB 1 . no-default-alpn", 1, "no-default-alpn without alpn"),
        ("a 1 SVCB 1 . port=65536", 1, "bad parameter: 'port=65536'"),
        ("a 1 LOC 91 N 0 E 0", 1, "not a location"), ("a 1 LOC 0 N 0 E", 1, "not a location"),
        ("a 1 RRSIG A 5 3 1 20260229000000 0 1 . AA==", 1, "no moment: '20260229000000'"),
        ("a 1 CAA 0 a-b \"\"", 1, "not data of type CAA"), ("a 1 EUI48 00-00", 1, "bad eui48: '00-00'"),
    ])
    func `what is no record is told why`(_ text: String, _ line: Int, _ reason: String) {
        #expect(throws: ZoneTextError(line: line, reason)) { _ = try ZoneFile(text.utf8, origin: .root) }
    }

    @Test(arguments: [
        ("0", 0), ("1h30m", 5400), ("1W2d", 777_600), ("4294967295", .max), ("01", 1), ("1w1", nil), ("h", nil),
        ("", nil), ("4294967296", nil), ("49711d", nil), ("-1", nil), ("1.5h", nil), ("1x", nil),
    ] as [(String, UInt32?)])
    func `intervals`(_ text: String, _ seconds: UInt32?) {
        #expect(UInt32(interval: text.utf8) == seconds)
    }
}
