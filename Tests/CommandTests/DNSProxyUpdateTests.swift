// A hundred updates, each with the code that named answers it with, sent to it and sent through qure-dnsproxy: the
// codes are those of the table both times, what the client says is the same to the letter, and so is the zone after
// it. The rows follow RFC 2136 section by section, and what BIND makes of it where it leaves something open.

import Lab
import QureCore
import Testing

struct DNSProxyUpdateTests {
    /// An update in the language of nsupdate, and its code. `@` is the zone.
    struct Row: Sendable {
        var code: String
        var lines: String

        init(_ code: String, _ lines: String) {
            self.code = code
            self.lines = lines
        }
    }

    /// RFC 2136 section 2.4: what must be, or not be, before anything is done.
    private static let prerequisites = [
        // Nothing there yet.
        Row("NXDOMAIN", "prereq yxdomain p.@"),
        Row("NOERROR", "prereq nxdomain p.@"),
        Row("NXRRSET", "prereq yxrrset p.@ A"),
        Row("NOERROR", "prereq nxrrset p.@ A"),
        Row("NXRRSET", "prereq yxrrset p.@ A 192.0.2.31"),
        Row("NOERROR", "update add p.@ 300 A 192.0.2.31"),
        // One record.
        Row("NOERROR", "prereq yxdomain p.@"),
        Row("YXDOMAIN", "prereq nxdomain p.@"),
        Row("NOERROR", "prereq yxrrset p.@ A"),
        Row("YXRRSET", "prereq nxrrset p.@ A"),
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.31"),
        Row("NXRRSET", "prereq yxrrset p.@ A 192.0.2.32"),
        Row("NOERROR", "prereq nxrrset p.@ AAAA"),
        Row("NXRRSET", "prereq yxrrset p.@ AAAA"),
        // Two: the set counts as a whole, in any order.
        Row("NOERROR", "update add p.@ 300 A 192.0.2.32"),
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.31 / prereq yxrrset p.@ A 192.0.2.32"),
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.32 / prereq yxrrset p.@ A 192.0.2.31"),
        Row("NXRRSET", "prereq yxrrset p.@ A 192.0.2.31"),
        Row("NXRRSET", "prereq yxrrset p.@ A 192.0.2.32"),
        Row(
            "NXRRSET",
            "prereq yxrrset p.@ A 192.0.2.31 / prereq yxrrset p.@ A 192.0.2.32 / prereq yxrrset p.@ A 192.0.2.33"),
        // Several sets of several names in one message, mixed.
        Row(
            "NOERROR",
            "update add q.@ 300 TXT \"eins\" / update add q.@ 300 TXT \"zwei\" / update add q.@ 300 A 192.0.2.9"),
        Row(
            "NOERROR",
            "prereq yxrrset q.@ TXT \"zwei\" / prereq yxrrset p.@ A 192.0.2.31 / prereq yxrrset q.@ A 192.0.2.9 / "
                + "prereq yxrrset q.@ TXT \"eins\" / prereq yxrrset p.@ A 192.0.2.32"),
        Row(
            "NXRRSET",
            "prereq yxrrset q.@ TXT \"zwei\" / prereq yxrrset p.@ A 192.0.2.31 / prereq yxrrset p.@ A 192.0.2.32"),
        // The first that is not so counts; nothing is done.
        Row("YXDOMAIN", "prereq nxdomain p.@ / prereq nxrrset p.@ A / update add r.@ 300 A 192.0.2.1"),
        Row("NXRRSET", "prereq yxdomain p.@ / prereq yxrrset r.@ A / update add r.@ 300 A 192.0.2.1"),
        Row("NOERROR", "prereq nxdomain r.@"),
        // Letters of names are one in either case, in what records say, too.
        Row("NOERROR", "update add r.@ 300 PTR host.example."),
        Row("NOERROR", "prereq yxrrset R.@ PTR HOST.Example."),
        Row("NOERROR", "prereq yxrrset q.@ TXT \"eins\" / prereq yxrrset Q.@ TXT \"zwei\""),
        Row("NXRRSET", "prereq yxrrset q.@ TXT \"Eins\" / prereq yxrrset q.@ TXT \"zwei\""),
        // Not of this zone.
        Row("NOTZONE", "prereq yxdomain elsewhere.example"),
        Row("NOTZONE", "prereq nxrrset elsewhere.example A"),
        Row("NOTZONE", "update add elsewhere.example 300 A 192.0.2.1"),
        Row("NOTZONE", "update del elsewhere.example A"),
        Row("NOTZONE", "update add s.@ 300 A 192.0.2.1 / update add elsewhere.example 300 A 192.0.2.1"),
        Row("NOERROR", "prereq nxdomain s.@"),
    ]

    private static let longText = String(repeating: "x", count: 200)

    /// RFC 2136 section 2.5 and 3.4: adding and deleting.
    private static let changes = [
        // A record of a set, the last one of it, a set, a name.
        Row("NOERROR", "update del p.@ A 192.0.2.31"),
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.32"),
        Row("NOERROR", "update del p.@ A 192.0.2.32"),
        Row("NOERROR", "prereq nxrrset p.@ A / prereq nxdomain p.@"),
        Row("NOERROR", "update add p.@ 300 A 192.0.2.31 / update add p.@ 300 MX 10 mail.example."),
        Row("NOERROR", "update del p.@ A"),
        Row("NOERROR", "prereq nxrrset p.@ A / prereq yxrrset p.@ MX 10 mail.example."),
        Row("NOERROR", "update add p.@ 300 AAAA 2001:db8::1 / update del p.@"),
        Row("NOERROR", "prereq nxdomain p.@"),
        // What is not there is deleted as well, what is there is added as well; the order counts.
        Row("NOERROR", "update del p.@"),
        Row("NOERROR", "update del p.@ A / update del p.@ A 192.0.2.1"),
        Row("NOERROR", "update add p.@ 300 A 192.0.2.31"),
        Row("NOERROR", "update add p.@ 300 A 192.0.2.31"),
        Row("NOERROR", "update add p.@ 300 A 192.0.2.31 / update del p.@ A"),
        Row("NOERROR", "prereq nxdomain p.@"),
        Row("NOERROR", "update del p.@ A / update add p.@ 300 A 192.0.2.31"),
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.31"),
        Row("NOERROR", "update del p.@ A 192.0.2.31 / update add p.@ 300 A 192.0.2.32"),
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.32"),
        // A prerequisite, and what is done if it holds.
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.32 / update del p.@ A / update add p.@ 300 A 192.0.2.33"),
        Row("NXRRSET", "prereq yxrrset p.@ A 192.0.2.32 / update del p.@ A / update add p.@ 300 A 192.0.2.34"),
        Row("NOERROR", "prereq yxrrset p.@ A 192.0.2.33"),
        // A set has one time to live, the latest.
        Row("NOERROR", "update add t.@ 300 A 192.0.2.1"),
        Row("NOERROR", "update add t.@ 301 A 192.0.2.1"),
        Row("NOERROR", "update add t.@ 302 A 192.0.2.2"),
        Row("NOERROR", "update del t.@ A 192.0.2.1 / update add t.@ 303 A 192.0.2.3"),
        Row("NOERROR", "update add t.@ 0 TXT \"\" / update add t.@ 2147483647 AAAA 2001:db8::2"),
        Row("NOERROR", "prereq yxrrset t.@ A 192.0.2.2 / prereq yxrrset t.@ A 192.0.2.3"),
        // Beside a CNAME there is nothing, and it is never put beside anything.
        Row("NOERROR", "update add c.@ 300 CNAME host.example."),
        Row("NOERROR", "update add c.@ 300 A 192.0.2.1"),
        Row("NOERROR", "prereq nxrrset c.@ A / prereq yxrrset c.@ CNAME host.example."),
        Row("NOERROR", "update add c.@ 300 CNAME other.example."),
        Row("NOERROR", "prereq yxrrset c.@ CNAME other.example."),
        Row("NOERROR", "update add t.@ 300 CNAME host.example."),
        Row("NOERROR", "prereq nxrrset t.@ CNAME / prereq yxrrset t.@ A"),
        Row("NOERROR", "update del c.@ CNAME / update add c.@ 300 A 192.0.2.1"),
        Row("NOERROR", "prereq yxrrset c.@ A 192.0.2.1"),
        // A name of a star is one like any other here.
        Row("NOERROR", "update add *.w.@ 300 MX 10 mail.example."),
        Row("NOERROR", "prereq yxrrset *.w.@ MX 10 mail.example."),
        Row("NXRRSET", "prereq yxrrset x.w.@ MX"),
        Row("NOERROR", "prereq nxdomain x.w.@"),
        Row("NXDOMAIN", "prereq yxdomain w.@"),
        // Types without a name, no octets, many octets.
        Row("NOERROR", "update add u.@ 300 TYPE65280 \\# 4 0a000001"),
        Row("NOERROR", "prereq yxrrset u.@ TYPE65280 \\# 4 0a000001"),
        Row("NOERROR", "update add u.@ 300 TYPE65281 \\# 0"),
        Row("NOERROR", "prereq yxrrset u.@ TYPE65281"),
        Row("NOERROR", "update del u.@ TYPE65280 \\# 4 0a000001"),
        Row("NOERROR", "prereq nxrrset u.@ TYPE65280"),
        Row("NOERROR", "update add u.@ 300 TXT" + (1...12).map { " \"\($0)" + longText + "\"" }.joined()),
        Row("NOERROR", "prereq yxrrset u.@ TXT / update del u.@ TXT"),
    ]

    /// What stands at the top of a zone, and cuts in it (sections 3.4.2.2 to 3.4.2.4, 7.16).
    private static let zone = [
        // The last NS of the zone stays, whatever is said; elsewhere none does.
        Row("NOERROR", "update add @ 300 NS ns2.example."),
        Row("NOERROR", "update del @ NS ns.@"),
        Row("NOERROR", "prereq yxrrset @ NS ns2.example."),
        Row("NOERROR", "update del @ NS ns2.example."),
        Row("NOERROR", "update del @ NS"),
        Row("NOERROR", "update del @"),
        Row("NOERROR", "prereq yxrrset @ NS ns2.example."),
        Row("NOERROR", "update del @ SOA"),
        Row("NOERROR", "prereq yxrrset @ SOA"),
        Row("NOERROR", "update add @ 300 NS ns.@ / update del @ NS ns2.example."),
        Row("NOERROR", "update add d.@ 300 NS ns.d.@ / update add ns.d.@ 300 A 192.0.2.53"),
        Row("NOERROR", "prereq yxrrset ns.d.@ A 192.0.2.53"),
        Row("NOERROR", "update add x.d.@ 300 A 192.0.2.54"),
        Row("NOERROR", "prereq yxrrset x.d.@ A"),
        Row("NOERROR", "update del d.@ NS ns.d.@"),
        Row("NOERROR", "prereq nxrrset d.@ NS / prereq yxrrset x.d.@ A 192.0.2.54"),
        Row("NOERROR", "update add d.@ 300 NS ns.d.@ / update del d.@ NS"),
        Row("NOERROR", "prereq nxrrset d.@ NS"),
        // The SOA is replaced by a newer one, and by no other.
        Row("NOERROR", "update add @ 300 SOA one.@ h.@ 4000 3600 600 86400 60"),
        Row("NOERROR", "prereq yxrrset @ SOA"),
        Row("NOERROR", "update add @ 300 SOA two.@ h.@ 3000 3600 600 86400 60"),
        Row("NOERROR", "update add @ 300 SOA three.@ h.@ 4000 3600 600 86400 60"),
        Row("NOERROR", "update add m.@ 300 SOA four.@ h.@ 9000 3600 600 86400 60"),
        Row("NOERROR", "prereq nxdomain m.@"),
        // Things that are no records.
        Row("NOERROR", "update add e.@ 300 DNAME host.example."),
        Row("NOERROR", "prereq yxrrset e.@ DNAME host.example."),
        Row("NOERROR", "update del e.@ / update del *.w.@ / update del x.d.@ / update del ns.d.@"),
        Row("NOERROR", "prereq nxdomain e.@ / prereq nxdomain x.d.@ / prereq yxdomain @"),
    ]

    private static let rows = prerequisites + changes + zone

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: ["qure-dnsupdate", "nsupdate"], [[], ["-v"]])
    func `a hundred updates have the same end, sent or passed on`(_ program: String, _ options: [String]) throws {
        #expect(Self.rows.count >= 100)
        let script = Self.rows.map { $0.lines.replacing("@", with: "z.test") + " / send / answer" }
        let words = [program == "nsupdate" ? program : Executables.path(program)]
        func run(_ server: NameServer, at port: Int) -> ToolResult {
            let lines = ["server 127.0.0.1 \(port)", "zone z.test"] + script
            return server.run(
                lines.joined(separator: " / "), by: words, ["-k", "k256"] + options, within: .seconds(60))
        }
        let direct = try NameServer(.named), behind = try NameServer(.named)
        let proxy = try ProxyUnderTest(["--forward-updates-to", "127.0.0.1:\(behind.port)"])
        let results = [run(direct, at: direct.port), run(behind, at: proxy.port)]
        for result in results {
            let codes = result.output.matches(of: /opcode: UPDATE, status: ([A-Z]+),/).map { String($0.output.1) }
            #expect(codes.count == Self.rows.count, "\(result.errors)")
            for (row, code) in zip(Self.rows, codes) { #expect(code == row.code, "\(row.lines)") }
        }
        #expect(results[1].comparable == results[0].comparable)
        #expect(behind.records() == direct.records())
        #expect(behind.query("z.test", "SOA") == direct.query("z.test", "SOA"))
        #expect(proxy.number("updates") == Self.rows.count)
    }
}
