// The language of update scripts: what each line puts into the update, as the wire has it, and what nsupdate says of
// lines that are no good. The complaints were taken from nsupdate 9.18.

@testable import QureCore
import Testing

struct UpdateScriptTests {
    /// The script after these lines.
    private static func script(_ lines: String) throws -> UpdateScript {
        var script = UpdateScript()
        for line in lines.split(separator: "\n") { _ = try script.take(Array(line.utf8)) }
        return script
    }

    /// A line, and the record that it makes.
    struct Row: CustomTestStringConvertible, Sendable {
        var line: String
        var record: String

        init(_ line: String, _ record: String) { (self.line, self.record) = (line, record) }

        var testDescription: String { line }
    }

    @Test(arguments: [
        Row("prereq nxdomain a.example", "a.example. 0 NONE ANY"),
        Row("yxdomain a.example.", "a.example. 0 ANY ANY"),
        Row("prereq nxrrset a.example A", "a.example. 0 NONE A"),
        Row("nxrrset a.example in aaaa", "a.example. 0 NONE AAAA"),
        Row("prereq yxrrset a.example MX", "a.example. 0 ANY MX"),
        Row("yxrrset a.example IN A 192.0.2.1", "a.example. 0 IN A 192.0.2.1"),
        Row("\t PREREQ  YxRRset a.example\ttxt \"a;b\" c \r", "a.example. 0 IN TXT \"a;b\" \"c\""),
    ])
    func `prerequisites have the classes of RFC 2136 section 2-4`(_ row: Row) throws {
        let script = try Self.script(row.line)
        #expect(script.prerequisites.map(\.description) == [row.record])
        #expect(script.changes.isEmpty)
    }

    @Test(arguments: [
        Row("update add a.example 60 A 192.0.2.1", "a.example. 60 IN A 192.0.2.1"),
        Row("add a.example 60 IN AAAA 2001:db8::1", "a.example. 60 IN AAAA 2001:db8::1"),
        Row("ttl 5\nadd a.example A 192.0.2.1", "a.example. 5 IN A 192.0.2.1"),
        Row("ttl 5\nadd a.example 7 A 192.0.2.1", "a.example. 7 IN A 192.0.2.1"),
        Row("add a.example 60 TXT \"x ; y\" z;", "a.example. 60 IN TXT \"x ; y\" \"z;\""),
        Row("add a.example 60 TYPE65280 \\# 2 ABCD", "a.example. 60 IN TYPE65280 \\# 2 ABCD"),
        Row("add a.example 60 TYPE65280 \\# 0", "a.example. 60 IN TYPE65280 \\# 0"),
        Row("add *.example 0 A 192.0.2.1", "*.example. 0 IN A 192.0.2.1"),
        Row("check-names off\nadd a_b.example 60 A 192.0.2.1", "a_b.example. 60 IN A 192.0.2.1"),
        Row("add gc._msdcs.example 60 A 192.0.2.1", "gc._msdcs.example. 60 IN A 192.0.2.1"),
        Row("add _sip._udp.example 60 SRV 0 0 5060 h.example", "_sip._udp.example. 60 IN SRV 0 0 5060 h.example."),
        Row("update delete a.example", "a.example. 0 ANY ANY"),
        Row("del a.example 300", "a.example. 0 ANY ANY"),
        Row("del a.example 300 IN", "a.example. 0 ANY ANY"),
        Row("del a.example ANY", "a.example. 0 ANY ANY"),
        Row("delete a.example TXT", "a.example. 0 ANY TXT"),
        Row("del a.example 300 IN A 192.0.2.1", "a.example. 0 NONE A 192.0.2.1"),
    ])
    func `changes have the classes of RFC 2136 section 2-5`(_ row: Row) throws {
        let script = try Self.script(row.line)
        #expect(script.changes.map(\.description) == [row.record])
        #expect(script.prerequisites.isEmpty)
    }

    @Test(arguments: [
        Row("exit", "incorrect section name: exit"), Row("# comment", "incorrect section name: #"),
        Row("prereq", "could not read operation code"), Row("prereq foo", "incorrect operation code: foo"),
        Row("update", "could not read operation code"), Row("update foo", "incorrect operation code: foo"),
        Row("prereq nxdomain", "could not read owner name"), Row("yxrrset a", "could not read class or type"),
        Row("yxrrset a IN", "could not read type"), Row("yxrrset a FOO", "invalid type: FOO"),
        Row("yxrrset a CH A\nyxrrset a IN A", "class mismatch: IN"), Row("add", "could not read owner name"),
        Row("add a..b 60 A 192.0.2.1", "invalid owner name: empty label"), Row("add a", "could not read owner ttl"),
        Row("add a foo A", "ttl 'foo': not a valid number"), Row("add a 60s A x", "ttl '60s': not a valid number"),
        Row("add a 4294967296 A x", "ttl '4294967296': out of range"),
        Row("add a 2147483648 A x", "ttl '2147483648' is out of range (0 to 2147483647)"),
        Row("add a 60", "could not read class or type"), Row("add a 60 IN", "could not read type"),
        Row("add a 60 FOO x", "'FOO' is not a valid class or type: unknown class/type"),
        Row("add a 60 IN FOO x", "'FOO' is not a valid type: unknown class/type"),
        Row("add a 60 A", "could not read rdata"),
        Row("add a 60 MX 10", "invalid rdata format: unexpected end of input"),
        Row("add a 60 TYPE0 \\# 0", "invalid rdata format: invalid use of a meta type"),
        Row("add a 60 ANY \\# 0", "invalid rdata format: invalid use of a meta type"),
        Row("add a 60 A 192.0.2.1 5", "invalid rdata format: extra input text near '5'"),
        Row("add a_b.c 60 A 192.0.2.1", "check-names failed: bad owner 'a_b.c'"),
        Row("add a 60 NS b_c", "check-names failed: bad name 'b_c'"),
        Row("add a 60 MX 5 b_c.d", "check-names failed: bad name 'b_c.d'"),
        Row("add a 60 NSEC3PARAM 1 0 151 -", "NSEC3PARAM has excessive iterations (> 150)"),
        Row("server", "could not read server name"), Row("server a x", "port 'x' is not numeric"),
        Row("server a 0", "port '0' is out of range (1 to 65535)"), Row("local", "could not read server name"),
        Row("local x", "invalid address x"), Row("zone", "could not read zone name"),
        Row("zone a..b", "could not parse zone name"), Row("class", "could not read class name"),
        Row("class FOO", "could not parse class name: FOO"), Row("class ANY", "bad default class: ANY"),
        Row("ttl", "could not read ttl"), Row("ttl x", ""),
        Row("ttl 2147483648", "ttl '2147483648' is out of range (0 to 2147483647)"),
        Row("key", "could not read key name"), Row("key a..b AAAA", "could not parse key name"),
        Row("key a", "could not read key secret"), Row("key foo:a AAAA", "unknown key type 'foo'"),
        Row("key a x*", "could not create key from the secret of 'a.': bad base64 encoding"),
        Row("check-names", "could not read check-names directive"), Row("lease", "could not read lease time"),
        Row("check-svcb 2", "incorrect check-svcb directive: 2"), Row("lease x", "invalid lease time: x"),
    ])
    func `a bad line is refused in nsupdate's words`(_ row: Row) {
        // With and without a blank at the end, as in BIND's own test.
        for end in ["", " ", "\r"] {
            #expect(throws: UpdateScriptError(row.record)) { try Self.script(row.line + end) }
        }
    }

    @Test func `commands are requests`() throws {
        var script = UpdateScript()
        let requests: [(String, UpdateScript.Request)] = [
            ("", .send), (" \t\r", .send), ("SEND", .send), ("quit", .quit), ("show", .show), ("answer", .answer),
            ("debug", .debug), ("help", .help), ("version", .version), (";x", .more), ("  ; add a", .more),
            ("server ns.example 5353", .server("ns.example", port: 5353)), ("server ::1", .server("::1", port: nil)),
            ("gsstsig", .unsupported("gsstsig not supported")), ("realm EXAMPLE", .more), ("ttl none", .more),
        ]
        for (line, request) in requests { #expect(try script.take(Array(line.utf8)) == request, "\(line)") }
        var local = UpdateScript(isLocalOnly: true)
        #expect(throws: UpdateScriptError("cannot reset server in localhost-only mode")) {
            try local.take(Array("server ::1".utf8))
        }
    }

    @Test func `a line of the greatest length is taken, and a longer one is not`() throws {
        var script = UpdateScript()
        let comment = [UInt8](repeating: UInt8(ascii: ";"), count: UpdateScript.maximumLine)
        #expect(try script.take(comment) == .more)
        #expect(throws: UpdateScriptError("line too long")) { try script.take(comment + [0x3b]) }
    }

    @Test func `settings outlive an update, and what is in it does not`() throws {
        var script = try Self.script("zone example\nttl 9\nlocal 192.0.2.9 99\nclass CH\nlease 60 120\nnxdomain a")
        let message = script.message(id: 7)
        #expect(message.zone == DNSQuestion(try #require(DomainName("example")), .soa, .chaos))
        #expect(message.edns?.updateLease == UpdateLease(60, keyLease: 120))
        #expect(message.prerequisites.count == 1 && message.id == 7 && message.opcode == .update)
        script.reset()
        #expect(script.message(id: 0).edns == nil && script.prerequisites.isEmpty && script.changes.isEmpty)
        #expect(script.zone == DomainName("example") && script.ttl == 9)
        #expect(script.local == DNSEndpoint("192.0.2.9", port: 99) && script.recordClass == .chaos)
    }

    @Test func `the zone is looked for from the first change, of a DS from above it`() throws {
        #expect(try Self.script("zone example").firstName == nil)
        #expect(try Self.script("nxdomain a.example").firstName == DomainName("a.example"))
        #expect(try Self.script("nxdomain a.example\ndel b.example").firstName == DomainName("b.example"))
        #expect(try Self.script("add c.example 60 DS 1 8 1 00").firstName == DomainName("example"))
    }

    @Test(arguments: ["hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512", nil])
    func `keys are of every algorithm, and MD5 where none is named`(_ algorithm: String?) throws {
        let prefix = algorithm.map { $0 + ":" } ?? ""
        let wanted = try #require(TSIGAlgorithm(algorithm ?? "hmac-md5"))
        let line = try #require(try Self.script("key \(prefix)k.example AAEC Aw==").key)
        #expect(line.name == DomainName("k.example") && line.algorithm == wanted)
        let authenticator = MessageAuthenticator(key: [0, 1, 2, 3], hash: wanted.hash)
        #expect(line.authenticator.code(of: []) == authenticator.code(of: []))
        let argument = try #require(try UpdateScript.key(argument: "\(prefix)k.example:AAECAw=="))
        #expect(argument.name == line.name && argument.algorithm == wanted)
    }

    @Test func `what is no key behind -y`() throws {
        for text in ["a", "a:", ":a", "hmac-md5::x", "hmac-md5:a:"] {
            #expect(throws: UpdateScriptError("key option must specify [hmac:]keyname:secret")) {
                try UpdateScript.key(argument: text)
            }
        }
        #expect(throws: UpdateScriptError("unknown key type 'foo'")) { try UpdateScript.key(argument: "foo:a:AAAA") }
        #expect(try UpdateScript.key(argument: "hmac-md5:a:b:c") == nil)
    }
}

extension UpdateScript.Request: CustomTestStringConvertible {
    package var testDescription: String { "\(self)" }
}
