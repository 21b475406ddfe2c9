// The configuration file's lines, the sentences about wrong arguments, and records.

import QureCore
import Testing

@Suite struct ConfigurationFileTests {
    private func lines(_ text: String) throws -> [String] {
        try ConfigurationFile(Array(text.utf8), name: "home.conf").lines.map { "\($0.number) \($0.argument)" }
    }

    @Test(arguments: [
        ("", []), ("\n\n", []), ("# nothing\n  # nothing\n\t\n", []), ("interface eth0\n", ["1 --interface=eth0"]),
        ("interface eth0", ["1 --interface=eth0"]),
        ("json", ["1 --json"]), ("  interface\t eth0  \n", ["1 --interface=eth0"]),
        ("interface eth0\r\njson\r\n", ["1 --interface=eth0", "2 --json"]),
        ("\n# a\ncount 3 # three\n", ["3 --count=3"]), ("label a#b\n", ["1 --label=a#b"]),
        ("label a #b\n", ["1 --label=a"]), ("label #b", ["1 --label"]),
        ("on-master echo a  b \n", ["1 --on-master=echo a  b"]), ("label --x=y", ["1 --label=--x=y"]),
        ("name Zürich", ["1 --name=Zürich"]),
        ("name \u{301}a", ["1 --name=\u{301}a"]), ("name\t\u{301}a  #\u{301}b", ["1 --name=\u{301}a"]),
        ("count 1\ncount 2", ["1 --count=1", "2 --count=2"]), ("e2e x", ["1 --e2e=x"]),
    ])
    func `lines become arguments`(_ text: String, _ arguments: [String]) throws {
        #expect(try lines(text) == arguments)
    }

    private static let noName = "is not an option's name (one option per line: name, blank, value)"

    @Test(arguments: [
        ("json\n--interface eth0", "home.conf:2: write 'interface' without dashes"),
        ("-i eth0", "home.conf:1: write 'interface' for '-i'"), ("-z", "home.conf:1: write 'z' without dashes"),
        ("\ninterface=eth0", "home.conf:2: write 'interface eth0' (name, blank, value)"),
        ("label =  a=b\r\n", "home.conf:1: write 'label a=b' (name, blank, value)"),
        ("=eth0", "home.conf:1: '=eth0' \(noName)"),
        ("[section]", "home.conf:1: '[section]' \(noName)"),
        ("ünterface eth0", "home.conf:1: 'ünterface' \(noName)"),
        ("json\nhelp", "home.conf:2: Unknown option '--help'"), ("version", "home.conf:1: Unknown option '--version'"),
        ("config other.conf", "home.conf:1: a configuration file cannot name another one"),
        ("label a\u{1}", "home.conf:1: the line has a control character in it"),
        ("t \r# x", "home.conf:1: the line has a control character in it"),
        ("json\r\r\n", "home.conf:1: the line has a control character in it"),
        ("json\0", "home.conf:1: the line has a control character in it"),
        ("json\u{7f}", "home.conf:1: the line has a control character in it"),
        ("\u{feff}json", "home.conf:1: '\u{feff}json' \(noName)"),
    ])
    func `a malformed line is named`(_ text: String, _ sentence: String) {
        #expect(throws: Failure(.usage, sentence)) {
            try ConfigurationFile(Array(text.utf8), name: "home.conf") { $0 == "-i" ? "interface" : nil }
        }
    }

    @Test func `lines that are too long or no text are named`() throws {
        #expect(throws: Failure(.usage, "f:2: the line is longer than 4096 bytes")) {
            try ConfigurationFile([10] + [UInt8](repeating: 97, count: 4097), name: "f")
        }
        #expect(try lines("label " + String(repeating: "x", count: 4090)).count == 1)
        for bytes in [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xc0, 0x80]] as [[UInt8]] {
            let failure = Failure(.usage, "f:1: the line is not UTF-8 text")
            #expect(throws: failure) { try ConfigurationFile(bytes, name: "f") }
        }
    }
}

/// Which line is at fault, where a parser looks at all of them and says one sentence.
@Suite struct BlameTests {
    /// What a parser of three options says, one of which must be there, and one of which is wrong beside another.
    private static func complaint(_ lines: [ConfigurationFile.Line]) -> String {
        let values = Dictionary(lines.map { ($0.option, $0.value) }) { $1 }
        if values["bad"] != nil { return "bad" }
        guard values["name"] != nil else { return "Missing expected argument '--name <word>'" }
        if values["low"] == "9", values["high", default: "5"] < "9" { return "low and high" }
        return values["key"] == nil ? "no key" : ""
    }

    @Test(arguments: [
        ("name a\nkey a\nlow 9", "f:3: low and high"), ("name a\nkey a\nhigh 3\nlow 9", "f:4: low and high"),
        ("low 9\nname a\nkey a\nhigh 3", "f:1: low and high"), ("name a\nlow 9", "f:2: low and high"),
        ("name a\nlow 1", "f: no key"), ("low 1\nkey 3", "f: 'name' is missing: add a line 'name <word>'"),
        ("", "f: 'name' is missing: add a line 'name <word>'"), ("name a\nkey a", nil),
        ("name a\nbad 1\nbad 2\nkey a", "f:2: bad"),
    ])
    func `the line at fault`(_ text: String, _ blame: String?) throws {
        let file = try ConfigurationFile(Array(text.utf8), name: "f")
        #expect(file.blame(Self.complaint)?.description == blame)
    }

    @Test(arguments: [
        ("name a\nkey a\nname b", "f:3: 'name' stands in line 1 already"), ("name a\nname a\nname b", "f:2: 'name' st"),
        ("host a\nhost b\nhost a", nil), ("name a\nkey a", nil), ("", nil),
        ("host a\nkey a\nhost b\n\nkey b\nname a\nname b", "f:5: 'key' stands in line 2 already"),
    ])
    func `of an option that can be said once the second line is at fault`(_ text: String, _ blame: String?) throws {
        let file = try ConfigurationFile(Array(text.utf8), name: "f")
        let failure = file.blameRepetition { lines in
            let last = Dictionary(lines.filter { $0.option != "host" }.map { ($0.option, $0.value) }) { $1 }
            return "\(last.sorted { $0.key < $1.key }) \(lines.filter { $0.option == "host" }.map(\.value))"
        }
        #expect(failure?.description.hasPrefix(blame ?? "none") ?? (blame == nil), "\(failure?.description ?? "")")
    }

    @Test func `what the command line alone draws is not the file's fault`() throws {
        let file = try ConfigurationFile(Array("name a\nkey b".utf8), name: "f")
        #expect(file.blame { _ in "wrong" } == nil)
        #expect(file.blame { _ in "Missing expected argument '<address> ...'" } == nil)
    }

    /// A long file is not read once for each of its lines.
    @Test func `many lines cost little`() throws {
        let lines = (0..<2000).map { $0 == 1234 ? "bad 1" : "low \($0)" }.joined(separator: "\n")
        let file = try ConfigurationFile(Array(lines.utf8), name: "f")
        var count = 0
        let failure = file.blame {
            count += 1
            return Self.complaint($0)
        }
        #expect(failure?.description == "f:1235: bad" && count < 40, "\(count)")
    }
}

@Suite struct UsageHintTests {
    private let hint = UsageHint(commands: ["add", "del", "hold", "announce"]) { command in
        ["-h", "--help", "--lease", "-i", "--interface"] + (command == "add" ? ["--unless-held"] : [])
    }

    @Test(arguments: [
        ("hodl 192.0.2.1/24", "no command 'hodl'; did you mean 'hold'?"),
        ("anounce 192.0.2.1", "no command 'anounce'; did you mean 'announce'?"),
        ("zzz 192.0.2.1", nil), ("192.0.2.1", nil), ("", nil),
        ("-i eth0 hold 192.0.2.1/24", "options stand behind the command: 'hold' comes first"),
        ("--lease 2s add", "options stand behind the command: 'add' comes first"),
        ("add --i eth0", "Unknown option '--i'; did you mean '--interface'?"),
        ("add --x", "Unknown option '--x'"),
        ("add --lese 2s 192.0.2.1/24", "Unknown option '--lese'; did you mean '--lease'?"),
        ("hold --unless-held", "Unknown option '--unless-held'"), ("add --unless-held", nil),
        ("add --lease=2s -- --lese", nil), ("--bogus", "Unknown option '--bogus'"),
    ])
    func `the word that is wrong`(_ line: String, _ complaint: String?) {
        #expect(hint.complaint(about: line.split(separator: " ").map(String.init)) == complaint)
    }
}

@Suite struct ArgumentTextTests {
    private func sentence(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: [
        ("192.168.1.11", ""), ("2001:DB8::11", ""),
        ("fe80::1%eth0", "'fe80::1%eth0': leave the zone out and name the interface with -i"),
        ("192.168.1.11/24", "'192.168.1.11/24': an address without a prefix length is wanted here"),
        ("gateway", "'gateway' is not an address; write it like 192.168.1.11 or 2001:db8::11"),
        ("", "'' is not an address; write it like 192.168.1.11 or 2001:db8::11"),
    ])
    func `an address`(_ text: String, _ expected: String) {
        #expect(sentence { _ = try ArgumentText.address(text) } == expected)
    }

    @Test(arguments: [
        ("192.168.1.11/24", ""), ("2001:db8::11", ""),
        ("1.2.3.4/240", "'1.2.3.4/240' is not an address with a prefix length; write it like 192.168.1.11/24"),
    ])
    func `an address with a prefix length`(_ text: String, _ expected: String) {
        #expect(sentence { _ = try ArgumentText.prefix(text) } == expected)
    }

    @Test func `a hardware address`() throws {
        #expect(try ArgumentText.mac("52:54:00:12:34:56") == host)
        let text = "'eth0' is not a hardware address; write it like 52:54:00:12:34:56"
        #expect(sentence { _ = try ArgumentText.mac("eth0") } == text)
    }

    @Test func `a duration is positive`() {
        #expect(DurationArgument(argument: "250ms")?.duration == .milliseconds(250))
        #expect(DurationArgument(argument: "0s") == nil && DurationArgument(argument: "0.1ns") == nil)
        #expect(DurationArgument(argument: "") == nil && DurationArgument(argument: "-1s") == nil)
        #expect("\(DurationArgument(.milliseconds(1500)))" == "1500ms")
        #expect(DurationArgument(.seconds(2)).defaultValueDescription == "2s")
    }
}

@Suite struct FailureTests {
    @Test(arguments: [
        (Errno.notPermitted, QureCore.ExitStatus.permission), (.permissionDenied, .permission),
        (.noDevice, .unreachable), (.networkDown, .unreachable),
        (.noSuchDeviceOrAddress, .unreachable), (.networkUnreachable, .unreachable), (.hostUnreachable, .unreachable),
        (.noEntry, .system),
        (.noBuffers, .system),
    ])
    func `a failed system call has a status of its kind`(_ errno: Errno, _ status: QureCore.ExitStatus) {
        #expect(Failure(SystemError("bind", "eth0", errno: errno)).status == status)
    }

    @Test func `the statuses are those of the one table`() {
        let table: [(QureCore.ExitStatus, Int32)] = [
            (.yes, 0), (.no, 1), (.usage, 64), (.unreachable, 69), (.system, 71), (.temporary, 75), (.permission, 77),
        ]
        for (status, number) in table { #expect(status.rawValue == number) }
    }

    @Test(arguments: [
        ("socket", "CAP_NET_RAW"), ("send", "CAP_NET_RAW"), ("open", "check the owner and mode"),
        ("set address", "CAP_NET_ADMIN"), ("setgroups", "CAP_SETGID and CAP_SETUID: start it as root"),
        ("setgid", "CAP_SETGID and CAP_SETUID: "), ("setuid", "CAP_SETGID and CAP_SETUID: "),
    ])
    func `a missing privilege names what is missing`(_ call: String, _ remedy: String) {
        #expect(Failure(SystemError(call, "eth0", errno: .notPermitted)).description.contains(remedy))
    }
}

@Suite struct DiagnosticsTests {
    @Test(arguments: [
        ("eth0: no such interface", "eth0: no such interface"), ("a\nb\tc", "a b c"), ("\r\n", "\u{fffd} "),
        ("\u{1b}[31mred\u{9b}0m\u{7f}\0", "\u{fffd}[31mred\u{fffd}0m\u{fffd}\u{fffd}"), ("Zürich €", "Zürich €"),
        ("\u{202e}txt", "\u{fffd}txt"), ("\u{2028}", "\u{fffd}"), ("e\u{301}", "e\u{301}"),
    ])
    func `nothing that a terminal would obey is said`(_ text: String, _ printed: String) {
        #expect(Diagnostics.printable(text).unicodeScalars.elementsEqual(printed.unicodeScalars))
    }
}

@Suite struct RecordTests {
    private let record = Record(
        "192.0.2.11 alive eth0",
        [("address", .string("192.0.2.11")), ("state", .string("alive")), ("rtt_us", .integer(212)), ("mac", .null)])

    @Test func `a record is a line of text`() {
        #expect(RecordWriter(json: false).line(record) == Array("192.0.2.11 alive eth0\n".utf8))
    }

    @Test func `or a line of JSON`() {
        let line = #"{"address":"192.0.2.11","state":"alive","rtt_us":212,"mac":null}"# + "\n"
        #expect(RecordWriter(json: true).line(record) == Array(line.utf8))
    }
}
