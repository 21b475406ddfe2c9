// `qure-dnsupdate register`, `deregister` and `check` at real primaries: the records that dig sees afterwards, the
// lines, the exit statuses; and what is refused before anything is sent.

import Glibc
import Lab
import QureCore
import Testing

/// A name at a server, and runs of the tool about it.
struct RegisteredName {
    let server: NameServer
    /// The name in the zone.
    let name: String

    init(_ server: NameServer, _ label: String) {
        self.server = server
        name = "\(label).z.test"
    }

    /// What is missing for these tests, as one sentence; nil: nothing.
    static let missing: String? = {
        if let missing = DNSUpdateTests.missing { return missing }
        let programs = ["pdns_server", "pdnsutil", "sqlite3", "faketime"]
        return programs.first { !Toolbox.isInstalled($0) }.map { "needs \($0): make deps" }
    }()

    /// The words of a run: a command, and what every run has in common.
    func words(_ command: String, _ arguments: [String], key: String? = "k256") -> [String] {
        let keyed = key.map { ["-k", server.path($0)] } ?? []
        let place = ["--server", "127.0.0.1#\(server.port)", "--resolv-conf", "/dev/null"]
        return [Executables.path("qure-dnsupdate"), command, name] + keyed + place + arguments
    }

    func run(_ command: String, _ arguments: String..., key: String? = "k256") -> ToolResult {
        RunningTool(words(command, arguments, key: key)).finish()
    }

    func start(_ command: String, _ arguments: String..., input: String = "/dev/null") -> RunningTool {
        RunningTool(words(command, arguments), input: input)
    }

    /// The addresses that dig sees, in order.
    var addresses: [String] {
        (server.query(name, "A") + server.query(name, "AAAA")).split(separator: "\n").map(String.init).sorted()
    }

    /// Waits until dig sees these addresses.
    func becomes(_ wanted: String..., within limit: Duration = .seconds(10)) -> Bool {
        eventually(within: limit) { addresses == wanted.sorted() }
    }

    /// The line of a result, without the server.
    func line(_ word: String, _ addresses: String, site: String = "box") -> String {
        "\(word) \(name) \(addresses) site=\(site) zone=z.test server=127.0.0.1#\(server.port)\n"
    }
}

struct RegisterTests {
    private static let missing = RegisteredName.missing

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.every)
    func `a site registers, moves and leaves, and another one keeps what it has`(_ kind: NameServer.Kind) throws {
        let name = RegisteredName(try NameServer(kind), "cloud")
        let box = ["--site", "box", "--allow-private"]
        func register(_ addresses: String...) -> ToolResult {
            RunningTool(name.words("register", box + addresses.flatMap { ["--address", $0] })).finish()
        }
        #expect(
            register("192.0.2.7", "2001:db8::7")
                == ToolResult(0, name.line("registered", "192.0.2.7,2001:db8::7")))
        #expect(name.addresses == ["192.0.2.7", "2001:db8::7"])
        let serial = name.server.query("z.test", "SOA")
        #expect(
            register("192.0.2.7", "2001:db8::7") == ToolResult(0, name.line("current", "192.0.2.7,2001:db8::7")))
        #expect(name.server.query("z.test", "SOA") == serial)
        let other = name.run("register", "--site", "other", "--allow-private", "--address", "192.0.2.9")
        #expect(other == ToolResult(0, name.line("registered", "192.0.2.9", site: "other")))
        #expect(register("192.0.2.8") == ToolResult(0, name.line("registered", "192.0.2.8")))
        #expect(name.addresses == ["192.0.2.8", "192.0.2.9"])
        #expect(name.run("deregister", "--site", "box") == ToolResult(0, name.line("withdrawn", "192.0.2.8")))
        #expect(name.run("deregister", "--site", "box") == ToolResult(0, name.line("withdrawn", "-")))
        #expect(name.addresses == ["192.0.2.9"])
        let forgotten = name.run("deregister", "--site", "other", "--forget", "--json")
        let json = """
            {"event":"withdrawn","name":"cloud.z.test","addresses":[],"added":[],"removed":["192.0.2.9"],\
            "site":"other","zone":"z.test","server":"127.0.0.1#\(name.server.port)","server_lease":null}

            """
        #expect(forgotten == ToolResult(0, json))
        #expect(name.addresses == [])
        #expect(name.server.query("other._qure.cloud.z.test", "TXT") == "")
        #expect(name.server.query("box._qure.cloud.z.test", "TXT").hasPrefix("\"qure1\" \"id="))
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.every)
    func `a site that is alone replaces what is there`(_ kind: NameServer.Kind) throws {
        let name = RegisteredName(try NameServer(kind), "www")
        let result = name.run("register", "--sole", "--allow-private", "--address", "192.0.2.7", "--ttl", "30")
        let place = "zone=z.test server=127.0.0.1#\(name.server.port)\n"
        #expect(result == ToolResult(0, "registered www.z.test 192.0.2.7 \(place)"))
        #expect(name.addresses == ["192.0.2.7"])
        #expect(name.server.query("www.z.test", "TXT") == "\"there\"\n")
        #expect(name.server.records().contains("www.z.test. 30 IN A 192.0.2.7"))
        #expect(!name.server.records().contains { $0.contains("_qure") })
        let gone = name.run("deregister", "--sole")
        #expect(gone == ToolResult(0, "withdrawn www.z.test 192.0.2.7 \(place)"))
        #expect(name.addresses == [])
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.every)
    func `what the server refuses, or drops without a word, is no success`(_ kind: NameServer.Kind) throws {
        let server = try NameServer(kind)
        let register = ["--site", "box", "--allow-private", "--address", "192.0.2.7"]
        func run(_ label: String, key: String? = "k256", _ more: String...) -> ToolResult {
            RunningTool(RegisteredName(server, label).words("register", register + more, key: key)).finish()
        }
        let before = server.records()
        // Beside an alias servers say NOERROR and add nothing; below one there is nothing to add to.
        #expect(
            run("alias")
                == ToolResult(
                    1,
                    errors: "qure-dnsupdate: alias.z.test: alias.z.test is an alias of www.z.test: addresses cannot "
                        + "stand beside it\n"))
        let alone = RegisteredName(server, "alias").run(
            "register", "--sole", "--allow-private", "--address", "192.0.2.7")
        #expect(alone.status == 1)
        // Without a key, with one that the server does not know, with a wrong secret.
        let unsigned = run("cloud", key: nil)
        #expect(unsigned.status == 77 && unsigned.errors.contains("the key is missing"), "\(unsigned)")
        server.write("stranger", "key \"stranger\" { algorithm hmac-sha256; secret \"AAAAAAAAAAAAAAAAAAAAAA==\"; };\n")
        let stranger = run("cloud", key: "stranger")
        #expect(stranger.status == 77 && stranger.errors.contains(kind == .pdns ? "NOTAUTH" : "BADKEY"), "\(stranger)")
        server.write("wrong", "key \"k256\" { algorithm hmac-sha256; secret \"AAAAAAAAAAAAAAAAAAAAAA==\"; };\n")
        let wrong = run("cloud", key: "wrong")
        #expect(wrong.status == 77 && wrong.errors.contains(kind == .pdns ? "NOTAUTH" : "BADSIG"), "\(wrong)")
        // Another zone than the server's.
        let zone = run("cloud", "--zone", "test")
        #expect(zone.status == 1 || zone.status == 77, "\(zone)")
        let below = run("cloud", "--zone", "cloud.z.test")
        if kind == .named {
            let words = "NOTAUTH: the server is not authoritative for the zone cloud.z.test"
            #expect(below.status == 1 && below.errors.contains(words), "\(below)")
        } else {
            #expect(below.errors.contains("the server has no such zone") || below.status == 1, "\(below)")
        }
        #expect(run("cloud", "--zone", "other.test").errors.contains("is not within the zone"))
        #expect(server.records() == before)
        server.stop()
        let silent = run("cloud")
        #expect(silent.status == 69 && silent.errors.contains("connection refused"), "\(silent)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `nothing is sent of what cannot be right`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let before = name.server.records()
        func status(_ arguments: String..., key: String = "k256") -> Int {
            RunningTool(name.words("register", ["--site", "box"] + arguments, key: key)).finish().status
        }
        // What nobody outside reaches is not published unasked.
        for address in ["192.168.1.7", "100.64.3.4", "10.0.0.1", "192.0.2.7", "fd00::7"] {
            let result = name.run("register", "--site", "box", "--address", address)
            #expect(result.status == 1 && result.errors.contains(address), "\(result)")
        }
        #expect(status("--address", "0.0.0.0", "--allow-private") == 1)
        #expect(status("--address", "fe80::1", "--allow-private") == 1)
        // Sources that contradict each other.
        #expect(status("--address", "192.0.2.7", "--address", "192.0.2.8", "--allow-private") == 75)
        // Usage.
        #expect(status("--address", "192.0.2.7", "--sole") == 64)
        #expect(name.run("check", "-w", "0").errors.contains("write it like 250ms, 2s or 1m, longer than nothing"))
        let keyless = name.run("check", key: "nosuch.key")
        let complaint = "qure-dnsupdate: no key in \(name.server.path("nosuch.key")): file not found\n"
        #expect(keyless == ToolResult(64, errors: complaint))
        for words in [["register", "--adopt"], ["deregister", "--adopt"], ["deregister", "--forget"]] {
            let result = name.run(words[0], "--sole", words[1])
            #expect(result.status == 64 && result.errors.contains("--sole excludes \(words[1])"), "\(result)")
        }
        // A source that fails is named with its cause.
        let failed = name.run("register", "--address", "command:exit 3")
        #expect(failed.status == 69 && failed.errors.contains("command:exit 3 ended with status 3"), "\(failed)")
        #expect(status("--address", "nonsense") == 64)
        #expect(status("--address", "192.0.2.7", "--ttl", "4294967295") == 64)
        #expect(status("--address", "192.0.2.7", "--lease", "5s") == 64)
        #expect(status("--address", "192.0.2.7", "--site", "a.b") == 64)
        #expect(status("--address", "192.0.2.7", "--zone", "a..b") == 64)
        #expect(status("--address", "192.0.2.7", "--server", "127.0.0.1#x") == 64)
        let unsigned = name.run("register", "--lease", "30m", "--address", "192.0.2.7", key: nil)
        #expect(unsigned.status == 64 && unsigned.errors.contains("--lease needs a key"))
        #expect(name.server.records() == before)
        // A key that others can read is used all the same.
        chmod(name.server.path("k256"), 0o644)
        let open = name.run("register", "--site", "box", "--address", "192.0.2.7", "--allow-private")
        #expect(open.status == 0 && open.errors.contains("others can read the key"))
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `an update can be looked at before it is sent`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let before = name.server.records()
        let dry = name.run("register", "--site", "box", "--address", "192.0.2.7", "--allow-private", "--dry-run")
        #expect(dry.status == 0 && dry.errors == "")
        #expect(dry.output.contains("box._qure.cloud.z.test.\t0\tNONE\tTXT"))
        #expect(dry.output.contains("cloud.z.test.\t\t60\tIN\tA\t192.0.2.7"))
        #expect(name.server.records() == before)
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `check says whether the name is this site`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        func check(_ address: String, _ machine: String = "one") -> ToolResult {
            name.run(
                "check", "--site", "box", "--allow-private", "--address", address, "--machine-id", machine)
        }
        let absent = check("192.0.2.7")
        #expect(absent.status == 1 && absent.output.hasSuffix("absent cloud.z.test\n"), "\(absent)")
        let done = name.run(
            "register", "--site", "box", "--allow-private", "--address", "192.0.2.7", "--machine-id", "one")
        #expect(done.status == 0)
        let lines = """
            authority 127.0.0.1#\(name.server.port) 192.0.2.7 ttl=60 primary serial=2 gives=192.0.2.7
            authority 127.0.0.1#53 silent ns=ns.z.test
            site box 192.0.2.7 ttl=60
            public 127.0.0.1#53 silent
            here - 192.0.2.7 ttl=60
            current cloud.z.test

            """
        #expect(check("192.0.2.7") == ToolResult(0, lines))
        let moved = check("192.0.2.8")
        #expect(moved.status == 1 && moved.output.hasSuffix("different cloud.z.test\n"), "\(moved)")
        let other = check("192.0.2.7", "two")
        #expect(other.status == 1 && other.output.hasSuffix("elsewhere cloud.z.test\n"), "\(other)")
        // Somebody has removed the address and left the marker.
        let script = "ZONE / update delete cloud.z.test A / send"
        #expect(name.server.run(script, ["-k", "k256"]).status == 0)
        let robbed = check("192.0.2.7")
        #expect(robbed.status == 1 && robbed.output.hasSuffix("different cloud.z.test\n"), "\(robbed)")
        // A site that has left leaves a marker.
        #expect(name.run("deregister", "--site", "box", "--machine-id", "one").status == 0)
        let left = check("192.0.2.7")
        #expect(left.status == 1 && left.output.hasSuffix("absent cloud.z.test\n"), "\(left)")
        name.server.stop()
        #expect(check("192.0.2.7").status == 69)
    }
}
