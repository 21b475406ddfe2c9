// qure-dnsupdate and nsupdate side by side: the same scripts at two servers that are alike. Both must end the same way,
// say the same, and leave the same zone. The servers are named, knotd and PowerDNS.

import Glibc
import Lab
import QureCore
import Testing

struct DNSUpdateTests {
    static let missing: String? = {
        if let missing = PrivateNamespace.missing { return missing }
        let programs = ["named", "knotd", "nsupdate", "dig"]
        return programs.first { !Toolbox.isInstalled($0) }.map { "needs \($0): make deps" }
    }()

    private static let k256 = ["-k", "k256"]

    private static let right = NameServer.secret("k256")
    private static let wrong = NameServer.secret("another")

    /// Sixty changes in one message.
    private static let long = (0..<60).map { "add long\($0).z.test 60 TXT \"a text that is not so short\"\n" }.joined()

    /// Scripts, one after the other, with the arguments.
    private static let scripts: [(arguments: [String], script: String)] = [
        // Every prerequisite, when it holds and when it does not.
        (k256, "ZONE / prereq nxdomain new.z.test / add new.z.test 60 A 192.0.2.7 / show / send / answer"),
        (k256, "ZONE / prereq nxdomain new.z.test / add new.z.test 60 A 192.0.2.8 / send / answer"),
        (k256, "ZONE / yxdomain new.z.test / add new.z.test 60 TXT \"a;b\" c\n"),
        (k256, "ZONE / yxdomain no.z.test / add no.z.test 60 TXT c\n"),
        (k256, "ZONE / nxrrset new.z.test AAAA / add new.z.test 60 AAAA 2001:db8::1 / send"),
        (k256, "ZONE / nxrrset new.z.test AAAA / add new.z.test 60 AAAA 2001:db8::2 / send"),
        (k256, "ZONE / yxrrset www.z.test A / add w1.z.test 60 A 192.0.2.1 / send"),
        (k256, "ZONE / yxrrset www.z.test MX / add w2.z.test 60 A 192.0.2.1 / send / answer"),
        (
            k256,
            """
            ZONE / yxrrset www.z.test A 192.0.2.1 / yxrrset www.z.test IN A 192.0.2.2 / add w3.z.test 60 A 192.0.2.1
            send
            """
        ),
        (k256, "ZONE / yxrrset www.z.test A 192.0.2.1 / add w4.z.test 60 A 192.0.2.1 / send"),
        // Every change.
        (k256, "ZONE / ttl 77 / add t.z.test A 192.0.2.1 / add t.z.test A 192.0.2.2 / add t.z.test MX 5 www\n"),
        (k256, "ZONE / update delete t.z.test 5 IN A 192.0.2.2 / show / send"),
        (k256, "ZONE / del t.z.test MX / send"),
        (k256, "ZONE / del w1.z.test / send"),
        (k256, "ZONE / add *.wild.z.test 60 A 192.0.2.1 / add www.z.test 60 CNAME z.test / send / answer"),
        // Several updates in one script; one that fails does not end it, and is not forgotten.
        (
            ["-k", "k512"],
            """
            ZONE / add s1.z.test 60 A 192.0.2.1 / send / answer / nxdomain s1.z.test / send / answer
            add s2.z.test 60 A 192.0.2.1 / send
            """
        ),
        (["-k", "kmd5"], "ZONE / add md5.z.test 60 A 192.0.2.1 / send / answer"),
        // What is not sent.
        (k256, "ZONE / add lost.z.test 60 A 192.0.2.1"),
        (k256, "ZONE / add lost.z.test 60 A 192.0.2.1 / quit / send"),
        (k256, "ZONE / add first.z.test 60 A 192.0.2.1 / send / nonsense / add lost.z.test 60 A 192.0.2.1 / send"),
        (k256, "ZONE / send / answer"), (k256, "SERVER / send / answer"),
        // The zone is found; TCP; a long update.
        (k256, "SERVER / add a.b.found.z.test 60 A 192.0.2.1 / send / answer"),
        (k256, "SERVER / add x.alias.z.test 60 A 192.0.2.1 / send"),
        (["-v", "-k", "k256"], "SERVER / add tcp.z.test 60 A 192.0.2.1 / send / answer"),
        (k256, "SERVER\n\(long)send"),
        (k256, "server 127.0.0.1 5299 / SERVER / local 127.0.0.9 / add local.z.test 60 A 192.0.2.1 / send"),
        // Refusals.
        ([], "ZONE / add no.z.test 60 A 192.0.2.1 / send / answer"),
        (k256, "SERVER / zone other.test / add no.other.test 60 A 192.0.2.1 / send"),
        (k256, "ZONE / add no.other.test 60 A 192.0.2.1 / send"),
        ([], "ZONE / key hmac-sha256:k256 \(wrong) / add no.z.test 60 A 192.0.2.1 / send / answer"),
        ([], "ZONE / key hmac-sha256-128:k256 \(right) / add no.z.test 60 A 192.0.2.1 / send / answer"),
        ([], "ZONE / key hmac-sha256:stranger \(wrong) / add no.z.test 60 A 192.0.2.1 / send / answer"),
        ([], "server 127.0.0.1 5299 / zone z.test / add no.z.test 60 A 192.0.2.1 / send / answer"),
        ([], "server 127.0.0.1 5299 / add no.z.test 60 A 192.0.2.1 / send / answer"),
    ]

    private static let missingOne = RegisteredName.missing

    @Test(.enabled(if: missingOne == nil, "\(missingOne ?? "")"), arguments: NameServer.Kind.every)
    func `the same scripts do the same and say the same`(_ kind: NameServer.Kind) throws {
        let ours = try NameServer(kind), theirs = try NameServer(kind)
        for (arguments, script) in Self.scripts {
            let mine = ours.run(script, arguments).comparable
            let other = theirs.run(script, by: ["nsupdate"], arguments).comparable
            #expect(mine == other, "\(arguments) \(script)")
        }
        let records = ours.records()
        #expect(records.count > 70)
        #expect(records == theirs.records())
    }

    /// A record of every type that has a text form of its own, and what stays opaque.
    private static let data = [
        "A 192.0.2.1", "AAAA 2001:db8::1", "NS ns.example.", "DNAME other.example.", "PTR host.example.",
        "HINFO \"PC\" \"NetBSD\"", "MINFO a.example. b.example.", "MX 10 mail.example.",
        "TXT \"a b;c\" \"d\\\"e\" \"\"",
        "RP mbox.example. .", "AFSDB 1 afs.example.", "X25 \"311061700956\"", "RT 10 relay.example.",
        "KEY 512 3 8 AwEAAaz/tAm8yTn4", "PX 10 a.example. b.example.", "LOC 51 30 12.748 N 0 7 39.611 W 0m 0m 0m 0m",
        "SRV 0 5 5060 sip.example.", "NAPTR 100 50 \"s\" \"z3950+I2L\" \"!^(.*)$!x!i\" _z._tcp.example.",
        "KX 10 kx.example.", "CERT PKIX 0 0 AwEAAaz/tAm8yTn4", "SSHFP 4 2 \(digest)",
        "DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
        "TLSA 3 1 1 \(digest)", "SMIMEA 3 0 0 0123", "CDS 0 0 0 00", "CDNSKEY 0 3 0 AA==", "OPENPGPKEY AwEAAaz/",
        "CSYNC 66 3 A NS AAAA", "ZONEMD 2018031500 1 1 \(digest)\(digest.prefix(32))", "SPF \"v=spf1 -all\"",
        "EUI48 00-00-5e-00-53-2a", "EUI64 00-00-5e-ef-10-00-00-2a", "URI 10 1 \"ftp://ftp.example/\"",
        "CAA 0 issue \"ca.example; policy=ev\"", "AVC \"app\"", "MB a.example.", "MG a.example.", "MR a.example.",
        "SVCB 16 foo.example. mandatory=alpn alpn=\"h2,h3-19\" port=53 ipv4hint=192.0.2.1",
        "HTTPS 1 . alpn=h3 no-default-alpn ipv6hint=2001:db8::1", "TYPE65280 \\# 4 C0000201", "CNAME www.example.",
    ]
    private static let digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `records of every type arrive, and go`() throws {
        let ours = try NameServer(.named), theirs = try NameServer(.named)
        let before = ours.records()
        let lines = Self.data.enumerated().map { "n\($0).z.test 60 \($1)\n" }
        let additions = "ZONE\n" + lines.map { "add \($0)send\n" }.joined()
        let mine = ours.run(additions, ["-k", "k256"])
        #expect(mine == ToolResult(0))
        #expect(mine == theirs.run(additions, by: ["nsupdate"], ["-k", "k256"]).comparable)
        let records = ours.records()
        #expect(records == theirs.records() && records.count == before.count + Self.data.count)
        // In one message, which needs TCP; each by its data.
        let deletions = "ZONE\n" + lines.map { "del \($0)" }.joined() + "send\n"
        #expect(ours.run(deletions, ["-k", "k256"]) == ToolResult(0))
        #expect(ours.records() == before)
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `without a server the primary is found by the resolver`() throws {
        let server = try NameServer(.named)
        let script = "add a.found.z.test 60 A 192.0.2.1\nsend\n"
        let arguments = ["-C", "resolv.conf", "-p", "\(server.port)", "-k", "k256"]
        #expect(server.run(script, arguments) == ToolResult(0))
        #expect(server.query("a.found.z.test", "A") == "192.0.2.1\n")
        // By the name of the server, too.
        #expect(server.run("server ns.z.test\nadd b.z.test 60 A 192.0.2.1\nsend\n", arguments) == ToolResult(0))
        #expect(server.query("b.z.test", "A") == "192.0.2.1\n")
        #expect(
            server.run("add no.other.test 60 A 192.0.2.1\nsend\n", arguments).comparable
                == ToolResult(
                    1, errors: "; Communication with 127.0.0.1#PORT failed: REFUSED\ncould not reach any name server\n")
        )
        #expect(
            server.run("zone no.z.test\nadd no.z.test 60 A 192.0.2.1\nsend\n", arguments)
                == ToolResult(2, errors: "specified zone 'no.z.test' does not exist (NXDOMAIN)\n"))
        #expect(
            server.run("server nosuch.z.test\n", arguments)
                == ToolResult(1, errors: "couldn't get address for 'nosuch.z.test': not found\nsyntax error\n"))
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `keys of every form`() throws {
        let server = try NameServer(.named)
        let secret = NameServer.secret("k256")
        server.write("knot", "hmac-sha256:k256:\(secret)\n")
        let pair = "Private-key-format: v1.3\nAlgorithm: 163 (HMAC_SHA256)\nKey: \(secret)\nBits: AAA=\n"
        server.write("K.private", pair)
        server.write("K.key", "k256. IN KEY 512 3 163 \(secret)\n")
        for (number, file) in ["knot", "K.private", "K.key", "K", "K."].enumerated() {
            let script = "ZONE\nadd k\(number).z.test 60 A 192.0.2.1\nsend\n"
            #expect(server.run(script, ["-k", server.path(file)]) == ToolResult(0), "\(file)")
            #expect(server.query("k\(number).z.test", "A") == "192.0.2.1\n")
        }
        let script = "ZONE\nadd y.z.test 60 A 192.0.2.1\nsend\n"
        let warned = server.run(script, ["-y", "hmac-sha256:k256:\(secret)"])
        #expect(warned.status == 0 && warned.errors.hasPrefix("warning: others can see the key behind -y"))
        chmod(server.path("k256"), 0o644)
        let loose = server.run(script, ["-k", "k256"])
        #expect(loose.status == 0 && loose.errors.hasPrefix("warning: others can read the key in "))
        // Without a key there is the update without one, and the server refuses it.
        let missing = server.run(script, ["-k", server.path("nosuch")])
        #expect(missing.status == 2)
        #expect(missing.errors.contains("nosuch.{private,key}: file not found\nupdate failed: REFUSED\n"))
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `this host's server with its session key`() throws {
        let server = try NameServer(.named)
        let arguments = ["-l", "-4", "-p", "\(server.port)"]
        let script = "add l.z.test 60 A 192.0.2.1\nsend\n"
        let path = "/run/named/session.key"
        try TextFile.makeDirectory("/run/named")
        try? TextFile.remove(path)
        #expect(
            server.run(script, arguments)
                == ToolResult(1, errors: "can't read key from /run/named/session.key: file not found\n"))
        try TextFile.replace(path, with: TextFile.read(server.path("session.key")))
        #expect(server.run(script, arguments) == ToolResult(0))
        #expect(server.query("l.z.test", "A") == "192.0.2.1\n")
        #expect(
            server.run("SERVER\n", arguments)
                == ToolResult(1, errors: "cannot reset server in localhost-only mode\nsyntax error\n"))
    }
}
