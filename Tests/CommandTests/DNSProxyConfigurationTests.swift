// The configuration file of qure-dnsproxy: what is wrong with a line is told by file and line, with the form that it is
// to have, and ends with status 64 before anything is opened.

import Glibc
import Lab
import QureCore
import Testing

struct DNSProxyConfigurationTests {
    struct Row: Sendable {
        /// The file.
        var text: String
        /// The line that is at fault, and what is said of it.
        var line: Int
        var words: [String]

        init(_ text: String, _ line: Int, _ words: String...) {
            (self.text, self.line, self.words) = (text, line, words)
        }
    }

    private static func check(_ text: String) throws -> (result: ToolResult, folder: TemporaryFolder) {
        let folder = TemporaryFolder(inMemory: true)
        let zone = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
        for (name, content) in [
            ("plain.zone", zone), ("bad.zone", zone + "ns CNAME other\n"), ("odd.zone", zone + "a.test. A 192.0.2.3\n"),
            ("bad.hosts", "192.0.2.1 a\nfe80::1%lo0 a\nnonsense b\n192.0.2.1\n::1 *.x\n"), ("bad.key", "no key\n"),
            ("bare.zone", "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n"), ("ns.hosts", "192.0.2.1 ns1.a.test\n"),
            ("circle.zone", zone + "x CNAME y\ny CNAME y\n"), ("deep.hosts", "192.0.2.1 d.b.test c.b.b.test\n"),
            ("deep.zone", "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.b\nb NS ns.b\nb NS x.b\nns.b A 192.0.2.1\n"),
            ("signed.zone", zone + "w CNAME ns\nw NSEC a CNAME\n"),
            ("plain.hosts", "# a comment\n192.0.2.1 a.test b.test\n192.0.2.2 B.test c.d.test\n"),
            ("conf", text),
        ] {
            let content = content.replacing("FOLDER", with: folder.path)
            try TextFile.replace("\(folder.path)/\(name)", with: Array(content.utf8))
        }
        let words = [Executables.path("qure-dnsproxy"), "run", "--check-config", "--config", "\(folder.path)/conf"]
        return (RunningTool(words).finish(), folder)
    }

    @Test(arguments: [
        Row("listen", 1, "listen"), Row("listen 192.0.2", 1, "not an address", "192.0.2.1:5353"),
        Row("listen 192.0.2.1:0", 1, "1 to 65535"), Row("upstream a.test", 1, "not an address"),
        Row("alias a.test", 1, "NAME=TARGET"), Row("alias a.test=", 1, "NAME=TARGET"),
        Row("alias a.test=b.test ask=b", 1, "not an address"), Row("alias a.test=b.test more", 1, "name=value"),
        Row("alias a.test=b.test\n\nalias A.test=c.test", 3, "alias twice"),
        Row("alias a.test=b.test\nalias a.test=c.test\nalias a.test=d.test", 2, "alias twice"),
        Row("alias b.test=c.test\nalias a.test=b.test", 2, "alias itself"),
        Row("forward a.test 127.0.0.1", 1, "DOMAIN=ADDR, as in"), Row("alias a.test b.test", 1, "NAME=TARGET, as in"),
        Row("alias a.test=192.0.2.1", 1, "is an address"), Row("authority a.test ns=192.0.2.1", 1, "is an address"),
        Row("upstream 192.0.2.9\nalias a.test=b.test\nrecord a.test A 192.0.2.1", 3, "is an alias, and has a record"),
        Row("listen 127.0.0.1:53\nupstream 127.0.0.1", 2, "upstream: 127.0.0.1#53 is an address that this proxy"),
        Row("listen ::1\nforward a.test=192.0.2.1,::1", 2, "forward: ::1#53 is an address that this proxy"),
        Row("upstream 127.0.0.2\nlisten 0.0.0.0", 2, "upstream: 127.0.0.2#53 is an address that this proxy"),
        Row("listen [::]:5353\nalias a.test=b.test ask=[::1]:5353", 2, "alias: ::1#5353 is an address that this"),
        Row("forward a.test", 1, "DOMAIN=ADDR"), Row("forward a.test=1.2", 1, "not an address"),
        Row("forward a.test=127.0.0.1 public=maybe", 1, "public=yes"),
        Row("forward .=127.0.0.1 public=yes", 1, "delegated", "root"),
        Row("forward a.test=127.0.0.1\nforward a.test=127.0.0.2", 2, "twice", "commas"),
        Row("record printer.lan", 1, "NAME TTL TYPE DATA"), Row("record printer.lan A", 1, "NAME TTL TYPE DATA"),
        Row("record printer.lan A 1.2", 1, "NAME TTL TYPE DATA"), Row("record", 1, "record"),
        Row("record a.test TXT v=DKIM1; k=rsa", 1, "behind ';' would be a comment"),
        Row("view 10.0.0.0/8 a.test TXT v=DKIM1; k=rsa", 1, "behind ';' would be a comment"),
        Row("forward *.lan=192.0.2.1", 1, "'*.lan': a domain has all names below it, write it without '*.'"),
        Row("listen fe80::1%eth0", 1, "good on one link alone"), Row("upstream fe80::1", 1, "good on one link alone"),
        Row("view 192.168.1.0/24 foo", 1, "NETWORK NAME TYPE DATA"),
        Row("view 192.168.1.0/24 foo A", 1, "NETWORK NAME TYPE DATA"),
        Row("view foo", 1, "NETWORK NAME TYPE DATA"), Row("view 192.168.1.1 foo A 192.0.2.1", 1, "192.168.1.1/24"),
        Row("hosts /nowhere", 1, "/nowhere"), Row("zone FOLDER/plain.zone", 1, "plain.zone:2", "zone NAME FILE"),
        Row("zone a.test FOLDER/bad.zone", 1, "bad.zone:5", "CNAME"), Row("zone a.test /nowhere", 1, "/nowhere"),
        Row("zone a.test b.test FOLDER/plain.zone", 1, "zone NAME FILE"), Row("zone", 1, "zone"),
        Row("zone a.test FOLDER/plain.zone\nauthority a.test ns=ns.b.test", 2, "zone twice"),
        Row("authority a.test", 1, "ns=NAME"), Row("authority a.test ns=ns.b.test ttl=0", 1, "ttl"),
        Row("allow-recursion everybody", 1, "everybody"), Row("allow-notify 192.0.2.0/99", 1, "192.0.2.0/99"),
        Row("listen 127.0.0.1\nlisten ::1\nlisten 127.0.0.1:53", 3, "listen: 127.0.0.1#53 stands there twice"),
        Row("upstream 192.0.2.1\nallow-recursion 0.0.0.0/0", 2, "an upstream would be an open resolver"),
        Row("allow-recursion ::/0\nforward .=192.0.2.1", 2, "a 'forward' of the root would be an open resolver"),
        Row("upstream 192.0.2.1\nallow-recursion 128.0.0.0/1\nallow-recursion 0.0.0.0/1", 3, "open resolver"),
        Row("forward .=192.0.2.1\nallow-recursion ::/1\nallow-recursion 8000::/1", 3, "open resolver"),
        Row("listen 127.0.0.1\nlisten 0.0.0.0", 2, "127.0.0.1#53 is among all the addresses", "leave it out"),
        Row("listen [::]:54\nlisten 0.0.0.0:54\nlisten [::1]:54", 3, "::1#54 is among all the addresses"),
        Row("upstream 0.0.0.0", 1, "0.0.0.0#53 is the address of no single server"),
        Row("forward a.test=[ff02::fb]:5353", 1, "ff02::fb#5353 is the address of no single server"),
        Row("listen 127.0.0.1\nupstream ::ffff:127.0.0.1", 2, "127.0.0.1#53 is an address that this proxy"),
        Row("alias a.test=b.test", 1, "'a.test.' has the addresses of 'b.test.'", "ask=ADDR", "an upstream"),
        Row("forward c.test=192.0.2.1\nalias a.test=b.test", 2, "nobody to ask"),
        Row("record a.test CNAME b.test.\nrecord A.test A 192.0.2.1", 2, "CNAME", "RFC 1034 section 3.6.2"),
        Row("record a.test CNAME b.test.\nrecord a.test CNAME c.test.", 2, "CNAME", "leave either out"),
        Row("view 10.0.0.0/8 a.test CNAME b.test.\nview 10.0.0.0/8 a.test A 10.0.0.1", 2, "CNAME", "leave either"),
        Row("listen 127.0.0.1\nforward-updates-to 127.0.0.1", 2, "forward-updates-to: 127.0.0.1#53 is an address that"),
        Row((0...64).map { "view 10.0.\($0).0/24 a.test A 10.0.0.1\n" }.joined(), 65, "64 networks with a view"),
        Row("notify-key /nowhere", 1, "/nowhere"), Row("notify-key FOLDER/bad.key", 1, "bad.key"),
        Row("forward-updates-to", 1, "forward-updates-to"), Row("forward-updates-to 192.0.2.1 from=x", 1, "network"),
        Row("cache-size none", 1, "none"), Row("cache-size 1", 1, "16 to 1000000"),
        Row("min-ttl 5 days", 1, "5 days"), Row("max-ttl 2s\nmin-ttl 5s", 2, "min-ttl (5s)"),
        Row("rate-limit -1", 1, "-1"), Row("rebind-protect yes", 1, "rebind-protect"),
        Row("workers 0", 1, "1 to 64"), Row("user nosuchuser", 1, "nosuchuser", "/etc/passwd"), Row("user", 1, "user"),
        Row("forward a.test=192.0.2.1, 192.0.2.2", 1, "'a.test=192.0.2.1, 192.0.2.2': between values there is a comma"),
        Row("alias a.test=b.test ask=192.0.2.1, ::1", 1, "'ask=192.0.2.1, ::1': between values there is a comma"),
        Row("forward a.test=192.0.2.1,", 1, "'192.0.2.1,': a comma has an address on either side"),
        Row("alias a.test=b.test ttl-max=5m ttl-max=6m", 1, "'ttl-max' stands twice in", "leave one out"),
        Row("forward 192.168.1.0/24=192.0.2.1", 1, "'192.168.1.0/24' is a network", "below in-addr.arpa"),
        Row("record 192.168.1.9 PTR a.test.", 1, "in reverse that is '9.1.168.192.in-addr.arpa'"),
        Row("record m\u{fc}nchen.lan A 192.0.2.1", 1, "'m\u{fc}nchen.lan': who", "write that, which has 'xn--'"),
        Row("view 10.0.0.0/8 \u{fc}.lan A 192.0.2.1", 1, "write that, which has 'xn--' in it"),
        Row("alias \u{fc}.lan=a.test", 1, "write that, which has 'xn--' in it"),
        Row("view 10.0.0.0/8 a.lan NS b.lan.", 1, "a view has names and no zones, for which NS is"),
        Row("upstream 192.0.2.1\nupstream 192.0.2.1:53", 2, "upstream: 192.0.2.1#53 stands there twice"),
        Row("min-ttl 500ms", 1, "min-ttl: times to live are whole seconds, and not 500ms"),
        Row("max-ttl 1500ms", 1, "max-ttl: times to live are whole seconds, and not 1500ms"),
        Row("view 10.0.0.0/8 a.lan SOA ns. h. 1 2 3 4 5", 1, "a view has names and no zones, for which SOA is"),
        Row("hosts FOLDER", 1, "FOLDER: Is a directory"), Row("max-ttl 0", 1, "longer than nothing"),
        Row("view 192.168.1.5/24 a.lan A 192.0.2.1", 1, "write 192.168.1.0/24, or 192.168.1.5/32 for this address"),
        Row("allow-recursion 2001:db8::5/64", 1, "write 2001:db8::/64, or 2001:db8::5/128 for this address alone"),
        Row("allow-notify 192.0.2.1/8", 1, "'192.0.2.1/8' has bits beyond its length: write 192.0.0.0/8, or"),
        Row("forward-updates-to 192.0.2.1 from=::/0,10.0.0.1/8", 1, "write 10.0.0.0/8, or 10.0.0.1/32"),
        Row("forward-updates-to 192.0.2.1 from=0.0.0.0", 1, "'0.0.0.0' is the address of nobody: write 0.0.0.0/0"),
        Row("allow-recursion ::", 1, "'::' is the address of nobody: write ::/0 for everybody"),
        Row("allow-notify 0.0.0.0/32", 1, "write 0.0.0.0/0"), Row("view ::/128 a A 192.0.2.1", 1, "write ::/0"),
        Row("query-log a", 1, "query-log"), Row("intrface eth0", 1, "intrface"),
    ])
    func `a line that is wrong is named, with what it should be`(_ row: Row) throws {
        let (result, folder) = try Self.check("# a comment\n\(row.text)\n")
        #expect(result.status == 64 && result.output == "", "\(result)")
        #expect(result.errors.hasPrefix("qure-dnsproxy: \(folder.path)/conf:\(row.line + 1): "), "\(result.errors)")
        for words in row.words {
            #expect(result.errors.contains(words.replacing("FOLDER", with: folder.path)), "\(result.errors)")
        }
        #expect(!result.errors.hasSuffix("unexpected end of input\n"))
    }

    @Test func `what is odd is a warning`() throws {
        let (result, folder) = try Self.check("zone a.test FOLDER/plain.zone\nzone b.test FOLDER/odd.zone\n")
        #expect(result.status == 0)
        #expect(result.errors.contains("\(folder.path)/odd.zone:5: 'a.test.' is not within the zone 'b.test.'"))
        let (all, _) = try Self.check("forward a.test=127.0.0.1:5300\nallow-recursion 0.0.0.0/0\n")
        #expect(all.status == 0 && all.errors.contains("'forward a.test.=ADDR public=yes'"), "\(all)")
        let (hidden, file) = try Self.check("zone a.test FOLDER/plain.zone\nalias ns.a.test=b.test ask=192.0.2.9\n")
        #expect(hidden.status == 0 && hidden.errors.contains("\(file.path)/plain.zone: 'ns.a.test.' is an alias"))
        let below =
            "alias *.a.test=b.test ask=192.0.2.9\nrecord www.a.test A 192.0.2.1\nrecord www.c.test A 192.0.2.1\n"
        let (wildcard, other) = try Self.check("zone a.test FOLDER/plain.zone\n" + below)
        #expect(wildcard.status == 0 && wildcard.errors.contains("\(other.path)/plain.zone: 'ns.a.test.' is an alias"))
        #expect(wildcard.errors.contains("record: 'www.a.test.' is an alias, which hides what the record says\n"))
        #expect(!wildcard.errors.contains("www.c.test"), "\(wildcard)")
        let (secret, _) = try Self.check("upstream 192.0.2.1:853\n")
        #expect(secret.status == 0 && secret.errors.contains("upstream: at port 853 servers expect DNS over TLS"))
        #expect(try Self.check("# nothing\n").result.errors.contains("nothing is configured, and every question is"))
    }

    @Test(arguments: [
        ("record a.lan CNAME a.lan.", "a.lan"), ("record *.lan CNAME x.lan.", "*.lan"),
        ("record b.lan CNAME c.lan.\nrecord a.lan CNAME b.lan.\nrecord c.lan CNAME b.lan.", "a.lan"),
        ("view 10.0.0.0/8 a.lan CNAME b.lan.\nview 10.0.0.0/8 b.lan CNAME a.lan.", "a.lan"),
        ("zone a.test FOLDER/circle.zone", "x.a.test"),
        // What another line knows ends the way.
        ("record *.lan CNAME x.lan.\nrecord x.lan A 192.0.2.1", nil),
        ("record *.a.test CNAME a.test.\nhosts FOLDER/plain.hosts", nil),
        ("record *.lan CNAME x.lan.\nalias x.lan=b.test ask=192.0.2.1", nil),
        ("record *.a.test CNAME ns.a.test.\nzone a.test FOLDER/plain.zone", nil),
    ] as [(String, String?)])
    func `names that lead into a circle are told, and the others served`(_ lines: String, _ name: String?) throws {
        let (result, _) = try Self.check(lines + "\n")
        let line = name.map { "qure-dnsproxy: '\($0).' leads by CNAMEs into a circle, where nothing has an address\n" }
        #expect(result == ToolResult(0, errors: line ?? ""), "\(result)")
    }

    @Test func `what is in a part that is delegated to others is told`() throws {
        let zone = "zone b.test FOLDER/deep.zone\nrecord c.b.b.test AAAA ::1\nrecord x.b.b.test AAAA ::1\n"
        let (records, _) = try Self.check(zone + "record d.b.test AAAA ::1\nrecord b.b.test NS e.test.\n")
        let line = "record: 'c.b.b.test.' is in 'b.b.test.', which is delegated to others: it is never used\n"
        #expect(records == ToolResult(0, errors: "qure-dnsproxy: \(line)"), "but not the address of its server")
        let digest = String(repeating: "0", count: 40)
        let signed = "record b.b.test DS 1 8 1 \(digest)\n"
        let sibling = signed + "record o.b.test NS d.b.b.test.\nrecord d.b.b.test A 192.0.2.8\n"
        #expect(try Self.check("zone b.test FOLDER/deep.zone\n\(sibling)").result == ToolResult(0), "another's server")
        let (names, folder) = try Self.check("zone b.test FOLDER/deep.zone\nhosts FOLDER/deep.hosts\n")
        let why = "'c.b.b.test' is in 'b.b.test.', which is delegated to others; leaving it out"
        #expect(names == ToolResult(0, errors: "qure-dnsproxy: \(folder.path)/deep.hosts:1: \(why)\n"))
    }

    @Test func `zero means that there is none, and a day may be written`() throws {
        let lines = "upstream 192.0.2.9\nmin-ttl 0\nserve-stale 0s\nmax-ttl 1d\nalias a.test=b.test ttl-max=1d\n"
        #expect(try Self.check(lines).result == ToolResult(0))
        let (late, _) = try Self.check("upstream 192.0.2.9\nmin-ttl 2d\nmax-ttl 47h\n")
        #expect(late.status == 64 && late.errors.contains("min-ttl (172800s) is more than max-ttl (169200s)"))
    }

    @Test func `a list that is too long is refused with what it may be`() throws {
        let (result, folder) = try Self.check("hosts FOLDER/long\n")
        #expect(result.status == 64)
        try TextFile.replace("\(folder.path)/long", with: [UInt8](repeating: 10, count: (16 << 20) + 1))
        let words = [Executables.path("qure-dnsproxy"), "run", "--check-config", "--hosts", "\(folder.path)/long"]
        let line = "read \(folder.path)/long: File too large, more than 16 MiB"
        let hosts = RunningTool(words).finish()
        #expect(hosts.status == 64 && hosts.errors.contains(line), "\(hosts)")
        try TextFile.replace("\(folder.path)/conf", with: Array("\nhosts \(folder.path)/long\n".utf8))
        let file = RunningTool(words.dropLast(2) + ["--config", "\(folder.path)/conf"]).finish()
        #expect(file.status == 64 && file.errors.contains("\(folder.path)/conf:2: \(line)"), "\(file)")
        let zone = RunningTool(words.dropLast(2) + ["--zone", "a.test \(folder.path)/long"]).finish()
        #expect(zone.status == 64 && zone.errors.contains("/long: File too large, more than 16 MiB"), "\(zone)")
    }

    /// The proxy asks others about the target, whatever it knows of it itself.
    @Test func `an alias of a name that is known here is told`() throws {
        let own = "upstream 192.0.2.9\nzone a.test FOLDER/plain.zone\nhosts FOLDER/plain.hosts\n"
        for (line, isTold) in [
            ("alias x.test=ns.a.test", true), ("alias x.test=c.d.test", true), ("alias x.test=other.a.test", false),
            ("alias x.test=ns.a.test ask=192.0.2.9", false), ("alias x.test=e.test", false),
        ] {
            let (result, _) = try Self.check("\(own)\(line)\n")
            let words = "alias: 'x.test.' has the"
            #expect(result.status == 0 && result.errors.contains(words) == isTold, "\(line): \(result)")
        }
    }

    @Test func `a domain that is forwarded in vain is told`() throws {
        let own = "upstream 192.0.2.9\nzone a.test FOLDER/deep.zone\nzone c.test FOLDER/plain.zone\n"
        for (line, isTold) in [
            ("forward x.a.test=192.0.2.8", true), ("forward c.test=192.0.2.8", true),
            ("forward a.test=192.0.2.8", false), ("forward b.a.test=192.0.2.8", false),
            ("forward x.b.a.test=192.0.2.8", false),
            ("forward test=192.0.2.8", false), ("forward c.test=192.0.2.8\nalias x.test=www.c.test", false),
            ("forward c.test=192.0.2.8\nalias x.test=www.c.test ask=192.0.2.9", true),
            ("forward s.a.test=192.0.2.8\nrecord s.a.test NS ns.e.test.", false),
        ] {
            let (result, _) = try Self.check("\(own)\(line)\n")
            #expect(result.status == 0 && result.errors.contains("forward: '") == isTold, "\(line): \(result)")
        }
    }

    @Test func `what is no name of a host is left out of a hosts file`() throws {
        let (result, folder) = try Self.check("hosts FOLDER/bad.hosts\n")
        let file = "qure-dnsproxy: \(folder.path)/bad.hosts"
        let line = "'fe80::1%lo0' has a scope, which the DNS has no place for; leaving it out"
        #expect(result == ToolResult(0, errors: "\(file):2: \(line), and so it is with 3 more\n"), "\(result)")
        let words: [(String, String?)] = [
            ("nonsense a", "'nonsense' is not an address"), ("192.0.2.1", "no name follows the address '192.0.2.1'"),
            ("192.0.2.1 a b..c", "'b..c' is not a name of a host"), ("::1 *.x", "'*.x' is not a name of a host"),
            ("::1 b\u{fc}ro", "'b\u{fc}ro' is not a name of a host"), ("::1 .", "'.' is not a name of a host"),
            ("::1 bad_name!.lan", "'bad_name!.lan' is not a name of a host"),
            ("::1 a\\.b", "'a\\.b' is not a name of a host"),
            ("::1 _good-1.name_.lan", nil),
            ("::1 http://a.test/", "'http://a.test/' is not a name of a host"),
            ("::1 a.test/x", "'a.test/x' is not a name of a host"), ("::1 a:80", "'a:80' is not a name of a host"),
        ]
        for (line, oddity) in words { #expect(HostsFile.lines(Array(line.utf8)).first { _ in true }?.oddity == oddity) }
        var known = LocalData()
        known.addHosts(Array("192.0.2.1 *.x good\n192.0.2.2 b..c\nnonsense d\n".utf8), ttl: 60)
        func has(_ name: String) -> Bool { DomainName(name).map { known.answer(DNSQuestion($0, .a)) != nil } ?? false }
        #expect(["good", "x.x", "d"].map(has) == [true, false, false])
    }

    @Test func `a list of a hundred thousand names that are not wanted is read in no time`() throws {
        let folder = TemporaryFolder(inMemory: true)
        let list = (0..<100_000).map { "0.0.0.0 advertisement\($0).a.test\n" }.joined()
        try TextFile.replace("\(folder.path)/list", with: Array(list.utf8))
        let words = [Executables.path("qure-dnsproxy"), "run", "--check-config", "--hosts", "\(folder.path)/list"]
        // A slow machine without optimisation needs ten seconds; what looks at each name for each name, minutes.
        #expect(list.utf8.count > 3 << 20 && RunningTool(words).finish(within: .seconds(60)) == ToolResult(0))
    }

    @Test func `a zone that nobody can be led to is told`() throws {
        let zone = "authority a.test ns=ns1.a.test,ns2.a.test,ns.b.test\nauthority c.test ns=ns1.a.test\n"
        let (result, _) = try Self.check(zone + "record ns2.a.test A 192.0.2.1\n")
        let line = "'ns1.a.test.' is a name server of 'a.test.' and has no address: add 'record ns1.a.test. A ADDR'"
        #expect(result == ToolResult(0, errors: "qure-dnsproxy: \(line)\n"), "\(result)")
        // Hosts files are not for those who are led to a zone.
        let (hosts, _) = try Self.check(zone + "record ns2.a.test A 192.0.2.1\nhosts FOLDER/ns.hosts\n")
        #expect(hosts.status == 0 && hosts.errors.contains("and has no address for strangers: add"), "\(hosts)")
        for rest in ["alias ns1.a.test=d.test ask=192.0.2.1", "record ns1.a.test AAAA 2001:db8::1"] {
            let (well, _) = try Self.check(zone + "record ns2.a.test A 192.0.2.1\n\(rest)\n")
            #expect(well == ToolResult(0), "\(well)")
        }
        // In a zone file; with the address beside a delegation; of what is delegated others have it.
        let (bare, _) = try Self.check("zone a.test FOLDER/bare.zone\n")
        #expect(bare.status == 0 && bare.errors.contains("'ns.a.test.' is a name server of 'a.test.' and has no"))
        #expect(try Self.check("zone a.test FOLDER/deep.zone\n").result == ToolResult(0))
    }

    @Test func `a name with a CNAME is left out of a hosts file, and may have what goes with signatures`() throws {
        let own = "record a.test CNAME d.test.\nrecord 1.2.0.192.in-addr.arpa CNAME 1.0/25.2.0.192.in-addr.arpa.\n"
        let (result, folder) = try Self.check("\(own)hosts FOLDER/plain.hosts\nzone e.test FOLDER/signed.zone\n")
        let line = "\(folder.path)/plain.hosts:2: 'a.test' has a CNAME; leaving it out"
        #expect(result == ToolResult(0, errors: "qure-dnsproxy: \(line)\n"), "\(result)")
        var known = LocalData()
        for text in own.split(separator: "\n") { known.add(try DNSRecord(setting: String(text.dropFirst(7)))) }
        known.addHosts(Array("192.0.2.1 A.test b.test\n192.0.2.2 c.test\n".utf8), ttl: 60)
        func types(_ name: String, _ type: RecordType) throws -> [RecordType]? {
            known.answer(DNSQuestion(try #require(DomainName(name)), type))?.answers.map(\.type)
        }
        #expect(try types("a.test", .a) == [.cname] && types("b.test", .a) == [.a])
        #expect(try types("1.2.0.192.in-addr.arpa", .ptr) == [.cname])
        #expect(try types("2.2.0.192.in-addr.arpa", .ptr) == [.ptr])
        let (both, _) = try Self.check("zone a.test FOLDER/plain.zone\nrecord ns.a.test CNAME b.test.\n")
        #expect(both.status == 64 && both.errors.contains("'ns.a.test.' has a CNAME and other records"), "\(both)")
    }

    @Test func `an alias within what is forwarded needs nobody else`() throws {
        #expect(try Self.check("forward b.test=192.0.2.1\nalias a.test=c.b.test\n").result == ToolResult(0))
    }

    @Test func `who asks itself is told of where it listens unless told otherwise`() throws {
        let folder = TemporaryFolder(inMemory: true)
        let words = ["run", "--upstream", "127.0.0.1", "--state-dir", folder.path]
        let result = RunningTool([Executables.path("qure-dnsproxy")] + words).finish()
        #expect(result.status == 64, "\(result)")
        let line = "upstream: 127.0.0.1#53 is an address that this proxy listens on itself"
        #expect(result.errors.contains(line), "\(result)")
        // Sockets that are passed on may be at other addresses.
        let (check, _) = try Self.check("upstream 127.0.0.1\n")
        #expect(check.status == 0 && check.errors.contains(line) && check.errors.contains("unless"), "\(check)")
    }

    @Test(arguments: [
        ("b.test=x.test", 2, "b.test", ", and so it is with 1 more\n"), ("*.d.test=x.test", 3, "c.d.test", "\n"),
    ])
    func `a line of a hosts file that an alias hides is told`(
        _ alias: String, _ number: Int, _ name: String, _ end: String
    ) throws {
        let (result, folder) = try Self.check("hosts FOLDER/plain.hosts\nalias \(alias) ask=192.0.2.9\n")
        let line = "'\(name)' is an alias, which hides the address that it has there\(end)"
        #expect(result.status == 0 && result.output == "", "\(result)")
        #expect(result.errors == "qure-dnsproxy: \(folder.path)/plain.hosts:\(number): \(line)", "\(result)")
        let (other, _) = try Self.check("hosts FOLDER/plain.hosts\nalias d.test=x.test ask=192.0.2.9\n")
        #expect(other == ToolResult(0), "\(other)")
    }

    @Test(
        .enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"),
        arguments: [("0.0.0.0", "198.51.100.77"), ("[::]", "2001:db8:77::1")])
    func `a server that has an address of this host is told of where all are listened on`(
        _ every: String, _ own: String
    ) throws {
        try PrivateNamespace.prepare()
        must("ip addr add \(own) dev lo")
        defer { shell("ip addr del \(own) dev lo") }
        let line = "upstream: \(own)#53 is an address of this host"
        let (result, _) = try Self.check("listen \(every):53\nupstream \(own)\n")
        #expect(result.status == 0 && result.errors.contains(line), "\(result)")
        // Of another port or family it may be somebody else's, and so may that of another host.
        let (loopback, other) = own.contains(":") ? ("::1", "2001:db8:77::2") : ("127.0.0.1", "198.51.100.78")
        let family = own.contains(":") ? "0.0.0.0" : "[::]"
        for text in [
            "listen \(every):5353\nupstream \(own)\nforward a.test=\(loopback)", "listen \(every)\nupstream \(other)",
            "listen \(family)\nupstream \(own)\nforward a.test=\(loopback)",
        ] {
            let (result, _) = try Self.check(text + "\n")
            #expect(result == ToolResult(0), "\(text): \(result)")
        }
    }

    @Test func `the set-ups of the page and of the README can be used as they stand`() throws {
        let page = Repository.text("man/qure-dnsproxy.8")
        let parts = page.split(separator: "\n.Bd -literal -offset indent\n").dropFirst()
        let blocks = parts.compactMap { $0.split(separator: "\n.Ed\n").first.map(String.init) }
        let setUps = blocks.filter { $0.hasPrefix("# /etc/qure/dnsproxy.conf\n") }
        let lines = Repository.text("README.md").split(separator: "\n", omittingEmptySubsequences: false)
        let block = lines.drop { $0 != "    # cat /etc/qure/dnsproxy.conf" }.dropFirst().prefix { $0.hasPrefix("    ") }
        try #require(setUps.count == 3)
        let readme = block.map { $0.dropFirst(4) }.joined(separator: "\n")
        #expect(setUps.contains { $0.hasSuffix("/dnsproxy.conf\n\(readme)") }, "the README has the page's first one")
        for text in setUps + [readme] {
            let (result, _) = try Self.check(text)
            #expect(result == ToolResult(0), "\(text): \(result)")
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a second proxy is told of the first`() throws {
        let zone = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
        let proxy = try ProxyUnderTest(["--zone", "a.test FOLDER/zone"], files: ["zone": zone])
        #expect(proxy.ask("ns.a.test", "A").flags.contains("aa"))
        let second = proxy.tell("run", "--listen", "127.0.0.1:\(proxy.port)")
        #expect(second.status == 1 && second.errors.contains("another qure-dnsproxy runs here already"), "\(second)")
        // The first one goes on as if nothing had been.
        #expect(proxy.tell("explain", "www.test").status == 0)
    }
}
