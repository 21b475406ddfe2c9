// Record data: the text forms of all types, held against BIND's own (named-checkzone prints what it has read), the wire
// forms of RFCs, and what is none.

import Lab
import QureCore
import Simulator
import Testing

/// A type, a text form, and how BIND and we write it; nil: just so.
struct TextForm: Sendable, CustomTestStringConvertible {
    var type: String
    var text: String
    var written: String?

    init(_ type: String, _ text: String, _ written: String? = nil) {
        self.type = type
        self.text = text
        self.written = written
    }

    var testDescription: String { "\(type) \(text)" }
    var expected: String { written ?? text }

    static let key = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN"
    static let digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"

    static let all = [
        TextForm("A", "192.0.2.1"), TextForm("AAAA", "2001:db8::1"), TextForm("AAAA", "::ffff:192.0.2.1"),
        TextForm("NS", "ns.example.net."), TextForm("NS", "ns", "ns.example."), TextForm("CNAME", "@", "example."),
        TextForm("DNAME", "Other.Example."), TextForm("PTR", #"a\.b.example."#),
        TextForm("SOA", "ns admin 1 1h 15m 1W 1d", "ns.example. admin.example. 1 3600 900 604800 86400"),
        TextForm("MX", "10 mail.example.net."), TextForm("TXT", "plain", #""plain""#),
        TextForm("TXT", #""a b;c" "d\"e" \@f\; "" "#, #""a b;c" "d\"e" "@f;" """#),
        TextForm("TXT", #""\000\255\\""#), TextForm("SPF", #""v=spf1 -all""#),
        TextForm("SRV", "0 5 5060 sip.example."), TextForm("CAA", #"0 issue "ca.example.net; policy=ev""#),
        TextForm("CAA", #"128 tbs """#), TextForm("URI", #"10 1 "ftp://ftp.example/public""#),
        TextForm("DS", "60485 rsasha256 2 \(digest.lowercased())", "60485 8 2 \(digest)"),
        TextForm("CDS", "0 0 0 00"), TextForm("DNSKEY", "257 3 8 \(key)"), TextForm("CDNSKEY", "0 3 0 AA=="),
        TextForm(
            "RRSIG", "A RSASHA1 3 3600 20380119031407 1136073600 2642 example. \(key)",
            "A 5 3 3600 20380119031407 20060101000000 2642 example. \(key)"),
        TextForm("NSEC", "host A MX RRSIG NSEC TYPE1234", "host.example. A MX RRSIG NSEC TYPE1234"),
        TextForm(
            "NSEC3", "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS",
            "1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR NS MX DNSKEY"),
        TextForm("NSEC3", "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR"), TextForm("NSEC3PARAM", "1 0 0 -"),
        TextForm("TLSA", "3 1 1 \(digest)"), TextForm("SMIMEA", "3 0 0 0123"),
        TextForm("SSHFP", "4 2 \(digest)"), TextForm("HINFO", #""Generic PC clone" "NetBSD-1.4""#),
        TextForm("RP", "mbox.example. ."), TextForm("AFSDB", "1 afs.example."), TextForm("X25", #""311061700956""#),
        TextForm("RT", "10 relay.example."), TextForm("KX", "10 kx.example."),
        TextForm("PX", "10 a.example. b.example."),
        TextForm("NAPTR", #"100 50 "s" "z3950+I2L+I2C" "!^(.*)$!\\1!i" _z3950._tcp.example."#),
        TextForm("NAPTR", #"1 2 "" "" "" ."#),
        TextForm("LOC", "51 30 12.748 N 0 7 39.611 W 0.00m 0.00m 0.00m 0.00m"),
        TextForm(
            "LOC", "42 21 54 N 71 06 18 W -24m 30m", "42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m"),
        TextForm("LOC", "60 9 N 24 39 E 10 20.5m 1 0.03", "60 9 0.000 N 24 39 0.000 E 10.00m 20m 1m 0.03m"),
        TextForm("CERT", "1 0 0 \(key)", "PKIX 0 0 \(key)"),
        TextForm("DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="),
        TextForm("CERT", "pgp 1 8 \(key)", "PGP 1 RSASHA256 \(key)"), TextForm("OPENPGPKEY", key),
        TextForm("CSYNC", "66 3 A NS AAAA"),
        TextForm("DSYNC", "CDS NOTIFY 5359 scanner.example.net."), TextForm("DSYNC", "TYPE731 128 0 ."),
        TextForm("HHIT", key), TextForm("BRID", key),
        TextForm("ZONEMD", "2018031500 1 1 \(digest)\(digest.prefix(32))"),
        TextForm("EUI48", "00-00-5e-00-53-2a"), TextForm("EUI64", "00-00-5e-ef-10-00-00-2a"),
        TextForm("SVCB", "1 ."), TextForm("HTTPS", "0 svc.example."),
        TextForm(
            "SVCB", #"16 foo.example. port=53 alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1,192.0.2.2"#,
            #"16 foo.example. mandatory=alpn,ipv4hint alpn="h2,h3-19" port=53 ipv4hint=192.0.2.1,192.0.2.2"#),
        TextForm(
            "HTTPS", #"1 . ipv6hint="2001:db8::1,2001:db8::53:1" no-default-alpn alpn="h3" ech=AEj+DQ=="#,
            #"1 . alpn="h3" no-default-alpn ech=AEj+DQ== ipv6hint=2001:db8::1,2001:db8::53:1"#),
        TextForm("SVCB", #"16 foo.example. alpn="f\\\\oo\\,bar,h2""#),
        TextForm("SVCB", ##"1 f. key667="hello\210qoo""##),
        TextForm("SVCB", #"1 f. dohpath="/q{?dns}""#),
        TextForm("TYPE731", "\\# 6 abcdef012345", "\\# 6 ABCDEF012345"), TextForm("TYPE62347", "\\# 0"),
        TextForm("A", "\\# 4 C0000201", "192.0.2.1"), TextForm("MX", "\\# 3 000A 00", "10 ."),
    ]
}

@Suite struct RecordDataTests {
    private func read(_ form: TextForm) throws -> RecordData {
        var words = ZoneText(form.text.utf8)
        return try RecordData(try #require(RecordType(form.type)), from: &words, origin: name("example"))
    }

    @Test(arguments: TextForm.all)
    func `every form is read, written, and read again`(_ form: TextForm) throws {
        let data = try read(form)
        #expect(data.text() == form.expected)
        #expect(RecordData(data.type, form.expected) == data)
        #expect(RecordData(data.type, octets: data.octets) == data)
        #expect(RecordData(data.type, data.text(division: .dig)) == data)
    }

    /// named-checkzone reads all of the above and writes what it understood.
    @Test func `BIND writes the same`() throws {
        var zone = "$TTL 60\n@ SOA ns admin 1 2 3 4 5\n NS ns\nns A 192.0.2.53\n"
        var wanted: [Int: TextForm] = [:]
        for (index, form) in TextForm.all.enumerated() {
            // Only the apex may have an SOA.
            guard form.type != "SOA" else { continue }
            wanted[index] = form
            zone += "n\(index) \(form.type) \(form.text)\n"
        }
        let path = String(must("mktemp").dropLast())
        try TextFile.write(zone, to: path)
        defer { must("rm -f \(path)") }
        let result = shell(
            "named-checkzone -D -i none -k ignore -n ignore -m ignore -r ignore -M ignore -S ignore -T ignore"
                + " -s full -o - example \(path) 2>&1")
        #expect(result.status == 0, "\(result.output)")
        for line in result.output.split(separator: "\n") {
            let columns = line.split(maxSplits: 4, whereSeparator: { $0 == " " || $0 == "\t" })
            guard columns.count == 5, columns[0].hasPrefix("n"),
                let index = Int(columns[0].dropFirst().prefix { $0 != "." }), let form = wanted[index]
            else { continue }
            wanted[index] = nil
            // BIND 9.18 knows the key of RFC 9461 by its number only.
            let written = columns[4].drop { $0 == "\t" }.split(separator: "key7=").joined(separator: "dohpath=")
            let data = try read(form)
            #expect(written == data.text(division: .dig), "\(form)")
        }
        #expect(wanted.isEmpty, "\(wanted.values.map(\.testDescription))\n\(result.output.prefix(2000))")
    }
}
