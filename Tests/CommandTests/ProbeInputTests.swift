// What qure-probe says to wrong usage: one clear sentence on standard error, the right status, nothing on standard
// output; and what it says about itself. None of it needs a network.

import Glibc
import Lab
import QureCore
import Testing

@Suite struct ProbeInput {
    /// A command line and the sentence that it draws.
    struct Row: CustomTestStringConvertible, Sendable {
        var line: String
        var sentence: String
        init(_ line: String, _ sentence: String) {
            self.line = line
            self.sentence = sentence
        }
        var testDescription: String { line }
        /// The command whose help is named: a blank and its name.
        var command: String {
            let commands = ["wait", "watch", "scan", "free", "discover", "members"]
            return line.split(separator: " ").first { commands.contains(String($0)) }.map { " \($0)" } ?? ""
        }
    }

    private func probe(_ words: [String]) -> ToolResult {
        RunningTool([Executables.path("qure-probe")] + words).finish()
    }

    private func probe(_ line: String) -> ToolResult { probe(line.split(separator: " ").map(String.init)) }

    private static let example = "is not an address; write it like 192.168.1.11 or 2001:db8::11"
    private static let interfaceRule = "cannot be an interface's name (1 to 15 characters, no '/' or blank)"
    private static let durationRule = "is not a duration; write it like 250ms, 2s or 1m"

    /// What the command line's parser refuses.
    static let malformed = [
        Row("", "Missing expected argument '<addresses> ...'"),
        Row("wait --for silent", "Missing expected argument '<address>'"),
        Row("wait 10.1.0.2", "Missing expected argument '--for <state>'"),
        Row("scan", "Missing expected argument '<network>'"),
        Row("wait --for alive 10.1.0.2 10.1.0.3", "Unexpected argument '10.1.0.3'"),
        Row("discover x", "Unexpected argument 'x'"),
        Row("--bogus 10.1.0.2", "Unknown option '--bogus'"),
        Row("-x 10.1.0.2", "Unknown option '-x'"),
        Row("wait --for alive --count=3 10.1.0.2", "Unknown option '--count'"),
        Row("members --source 10.1.0.1", "Unknown option '--source'"),
        Row("--json=5 10.1.0.2", "The option '--json' does not take any value, but '5' was specified"),
        Row("host", "'host' \(example)"),
        Row("10.1.0", "'10.1.0' \(example)"),
        Row("10.1.0.256", "'10.1.0.256' \(example)"),
        Row("010.1.0.1", "'010.1.0.1' \(example)"),
        Row("fd01::g", "'fd01::g' \(example)"),
        Row("-- -5", "'-5' \(example)"),
        Row("members x", "'x' \(example)"),
        Row("discover --gateway x", "'x' \(example)"),
        Row("--source x 10.1.0.2", "'x' \(example)"),
        Row("10.1.0.2/24", "'10.1.0.2/24': an address without a prefix length is wanted here"),
        Row("fe80::1%eth0", "'fe80::1%eth0': leave the zone out and name the interface with -i"),
        Row("scan 10.1.0.0/33", "'10.1.0.0/33' is not an address with a prefix length; write it like 192.168.1.11/24"),
        Row("free x", "'x' is not an address with a prefix length; write it like 192.168.1.11/24"),
        Row("-c 0 10.1.0.2", "--count takes 1 to 1000, not 0"),
        Row("-c many 10.1.0.2", "The value 'many' is invalid for '-c <count>'"),
        Row("wait --for alive --fall 0 10.1.0.2", "--fall takes 1 to 1000, not 0"),
        Row("watch --rise 1001 10.1.0.2", "--rise takes 1 to 1000, not 1001"),
        Row("discover --asked 0", "--asked takes 1 to 1000, not 0"),
        Row(
            "wait --for sleep 10.1.0.2",
            "The value 'sleep' is invalid for '--for <state>'. Please provide one of 'silent' and 'alive'"),
        Row(
            "--method dns 10.1.0.2",
            "The value 'dns' is invalid for '--method <method>'. Please provide one of 'auto', 'arp', 'ndp' or 'icmp'"),
        Row("--interval 0 10.1.0.2", "'0' \(durationRule), longer than nothing"),
        Row("--interval 5y 10.1.0.2", "'5y' \(durationRule)"),
        Row("--interval 101h0 10.1.0.2", "'101h0' \(durationRule)"),
        Row("-w 1e3 10.1.0.2", "'1e3' \(durationRule)"),
        Row("members --timeout soon", "'soon' \(durationRule)"),
        Row("--interval 0.5ms 10.1.0.2", "--interval takes 1ms or more, not 0.500ms"),
        Row("-i a/b 10.1.0.2", "'a/b' \(interfaceRule)"),
        Row("-i abcdefghijklmnop 10.1.0.2", "'abcdefghijklmnop' \(interfaceRule)"),
    ]

    @Test(arguments: malformed)
    func `a malformed command line draws a sentence`(_ row: Row) {
        let hint = "(see 'qure-probe\(row.command) --help')"
        #expect(probe(row.line) == ToolResult(64, errors: "qure-probe: \(row.sentence) \(hint)\n"))
    }

    /// What is well-formed and makes no sense.
    static let senseless = [
        Row("0.0.0.0", "0.0.0.0: names no single host; give a host's own address"),
        Row("10.1.0.2 224.0.0.1", "224.0.0.1: names no single host; give a host's own address"),
        Row("watch ff02::1", "ff02::1: names no single host; give a host's own address"),
        Row("wait --for silent ::", "::: names no single host; give a host's own address"),
        Row("--method arp fd01::1", "fd01::1: ARP knows IPv4 only; use --method ndp or icmp"),
        Row("--method ndp 10.1.0.2", "10.1.0.2: NDP knows IPv6 only; use --method arp or icmp"),
        Row("scan --method ndp 10.1.0.0/24", "10.1.0.0: NDP knows IPv6 only; use --method arp or icmp"),
        Row(
            "free --method icmp 10.1.0.0/24",
            "scan and free ask by ARP or neighbour discovery, which hosts cannot drop; not by icmp"),
        Row("--source fd01::1 10.1.0.2", "--source fd01::1: not of the same family as 10.1.0.2"),
        Row("scan --source fd01::1 10.1.0.0/24", "--source fd01::1: not of the same family as 10.1.0.0"),
        Row("scan 10.0.0.0/8", "10.0.0.0/8: more than 65536 addresses; give a /16 or longer"),
        Row("free fd00::/64", "fd00::/64: more than 65536 addresses; give a /112 or longer"),
        Row("--config", "--config needs the name of a file"),
        Row("--config /nothing 10.1.0.2", "open /nothing: No such file or directory"),
        Row("--config / 10.1.0.2", "read /: Is a directory"),
    ]

    @Test(arguments: senseless)
    func `a senseless command line draws a sentence`(_ row: Row) {
        #expect(probe(row.line) == ToolResult(64, errors: "qure-probe: \(row.sentence)\n"))
    }

    @Test func `an empty word is no address and no interface`() {
        #expect(probe([""]) == ToolResult(64, errors: "qure-probe: '' \(Self.example) (see 'qure-probe --help')\n"))
        #expect(
            probe(["-i", "", "10.1.0.2"])
                == ToolResult(64, errors: "qure-probe: '' \(Self.interfaceRule) (see 'qure-probe --help')\n"))
    }

    /// Runs `body` with the name of a file of this content.
    private func withFile<Result>(_ content: String, _ body: (String) throws -> Result) throws -> Result {
        var name = Array("/tmp/qure-test-XXXXXX".utf8CString)
        close(mkstemp(&name))
        let path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(path) }
        try TextFile.write(content, to: path)
        return try body(path)
    }

    @Test func `a good configuration is checked without a word`() throws {
        try withFile("# comment\n\ninterface eth7   # here\njson\ninterval 50ms\ncount\t2\r\nsource 10.1.0.1\n") {
            file in
            #expect(probe("--check-config --config \(file) 10.1.0.2") == ToolResult(0))
            #expect(probe("ask --check-config --config=\(file) 10.1.0.2") == ToolResult(0))
            // What it says is so, and the command line wins.
            #expect(
                probe("--config \(file) -i eth8 10.1.0.2").errors
                    == "qure-probe: --source 10.1.0.1: not an address of this host\n")
        }
        try withFile("interface eth7") { file in
            #expect(
                probe("--config \(file) 10.1.0.2") == ToolResult(69, errors: "qure-probe: eth7: no such interface\n"))
            #expect(
                probe("wait --for alive -i lo --config \(file) 10.1.0.2")
                    == ToolResult(64, errors: "qure-probe: lo: the loopback interface leads to no other host\n"))
        }
    }

    @Test(arguments: [
        Row("interface eth0\ncolour red\n", "2: Unknown option '--colour'"),
        Row("interval often\n", "1: 'often' \(durationRule)"),
        Row("\n\ncount 0\n", "3: --count takes 1 to 1000, not 0"),
        Row("json yes\n", "1: The option '--json' does not take any value, but 'yes' was specified"),
        Row("--json\n", "1: write 'json' without dashes"),
        Row(
            "interface=eth0\n",
            "1: write 'interface eth0' (name, blank, value)"),
        Row("interface eth0\nconfig other\n", "2: a configuration file cannot name another one"),
        Row("interface eth\u{1}0\n", "1: the line has a control character in it"),
        Row("interface\n", "1: Missing value for '--interface <interface>'"),
    ])
    func `a bad line of a configuration is named`(_ row: Row) throws {
        try withFile(row.line) { file in
            for check in ["--check-config", ""] {
                #expect(
                    probe("\(check) --config \(file) 10.1.0.2")
                        == ToolResult(64, errors: "qure-probe: \(file):\(row.sentence)\n"))
            }
        }
    }

    @Test func `it says what it is`() {
        #expect(probe("--version") == ToolResult(0, "\(Version.text)\n"))
        for line in ["--help", "-h", "help"] {
            let result = probe(line)
            #expect(result.status == 0 && result.errors == "")
            #expect(
                result.output.hasPrefix("OVERVIEW: Say whether an address is alive on this link, and who has it.\n"))
        }
        for command in ["ask", "wait", "watch", "scan", "free", "discover", "members"] {
            let result = probe("\(command) --help")
            #expect(result.status == 0 && result.errors == "")
            #expect(result.output.contains("USAGE: qure-probe \(command) "))
        }
    }

    @Test(arguments: ["--version", "--help", "127.0.0.1"])
    func `an output that takes nothing is an error`(_ line: String) {
        let words = [Executables.path("qure-probe")] + line.split(separator: " ").map(String.init)
        let full = RunningTool(words, outputPath: "/dev/full").finish()
        let closed = RunningTool(["sh", "-c", "exec \(words.joined(separator: " ")) >&-"]).finish()
        #expect(full == ToolResult(71, errors: "qure-probe: write standard output: No space left on device\n"))
        #expect(closed == ToolResult(71, errors: "qure-probe: write standard output: Bad file descriptor\n"))
    }
}
