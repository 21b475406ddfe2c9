// `qure-member` before it does anything: its configuration file, and what it and the two programs refuse in it: the
// user's own file by its name, the line that is wrong, and what to do about it.

import Lab
import QureCore
import Testing

struct MemberTests {
    private static let script = "\(Repository.path)/scripts/qure-member"
    private static let good = "cluster home\ninterface eth0\naddress 192.168.1.11/24\ninsecure\n"

    /// Runs the script with the tools under test on a file of this text, `FOLDER/home.conf`.
    private static func member(_ options: [String], _ text: String, beside key: String? = nil) throws -> ToolResult {
        let folder = TemporaryFolder()
        try TextFile.replace("\(folder.path)/home.conf", with: Array(text.utf8))
        if let key { try TextFile.replace("\(folder.path)/home.key", with: Array(key.utf8)) }
        let words = ["env", "QURE_BIN=\(Executables.directory)", "TMPDIR=\(folder.path)", script]
        var result = RunningTool(words + options + ["\(folder.path)/home.conf"]).finish()
        result.errors = result.errors.replacing(folder.path, with: "FOLDER")
        // Nothing stays behind but what was there.
        let left = Repository.names("\(folder.path)/*").filter { $0 != "home.conf" && $0 != "home.key" }
        #expect(left == [], "\(left)")
        return result
    }

    @Test(arguments: [
        ("interval 100ms\ntolerance 100ms\n", 6, "a tolerance of less than two intervals (here 200ms)"),
        ("interval 1s\n", 5, "a tolerance of less than two intervals (here 2s)"),
        ("interval 1ms\n", 5, "--interval takes 5ms to 60s\n"),
        ("interval 100\n", 5, "--interval takes 5ms to 60s, not 100s: a number alone is seconds, write 100ms"),
        ("tolerance 700\n", 5, "--tolerance takes 20ms to 10m, not 700s: a number alone is seconds, write 700ms"),
        ("name a b\n", 5, "'a b': a member's name is one printable word of at most 48 bytes, without '='"),
        ("name a=b\n", 5, "'a=b': a member's name is one printable word"),
        ("name \u{a0}b\n", 5, "'\u{a0}b': a member's name is one printable word"),
        ("name \(String(repeating: "n", count: 49))\n", 5, "'\(String(repeating: "n", count: 49))': a member's name"),
        ("priority 300\n", 5, "'300': a priority is a number from 0 to 255"),
        ("cluster away\n", 5, "'cluster' stands in line 1 already"),
        ("json\njson\n", 6, "'json' stands in line 5 already"),
        ("name a\nlease 2s\n\nlease 3s\n", 8, "'lease' stands in line 6 already"),
        ("help\n", 5, "Unknown option '--help'"), ("version\n", 5, "Unknown option '--version'"),
        ("interval often\n", 5, "'often' is not a duration; write it like 250ms, 2s or 1m\n"),
        ("tolerance often\n", 5, "'often' is not a duration"), ("claim-blind x\n", 5, "'x' is not a duration"),
        ("health-interval x\n", 5, "'x' is not a duration"), ("health-timeout x\n", 5, "'x' is not a duration"),
        ("hook-limit 0\n", 5, "'0' is not a duration; write it like 250ms, 2s or 1m, longer than nothing"),
        ("port 0\n", 5, "'0': a port is a number from 1 to 65535"),
        ("port 65536\n", 5, "'65536': a port is a number from 1 to 65535"),
        ("group 10.0.0.1\n", 5, "'10.0.0.1' is not a multicast group"),
        ("priority 7\npreempt maybe\n", 6, "--preempt takes off, on or a duration, not 'maybe'"),
        ("require-gateway nope\n", 5, "--require-gateway takes auto, off or an address, not 'nope'"),
        // Two that are wrong: one of them, and that one's line.
        ("require-gateway nope\npreempt maybe\n", 5, "--require-gateway takes auto, off or an address, not 'nope'"),
        ("\n# why\n  health-fall 0\n", 7, "--health-fall and --health-rise take 1 to 1000"),
        ("address 192.168.1.0/24\n", 5, "192.168.1.0/24: is the network's own or its broadcast address"),
        ("-v\n", 5, "write 'verbose' for '-v'"), ("v\n", 5, "Unknown option '--v'; did you mean '--verbose'?"),
        ("intervall 100ms\n", 5, "Unknown option '--intervall'; did you mean '--interval'?"),
        ("peer 192.168.1.11\n", 5, "--peer 192.168.1.11: that is the shared address"),
        ("peer 192.168.1.21\npeer fe80::1\n", 6, "--peer: a member speaks from one address, by IPv4 or by IPv6"),
        ("key-file /nowhere\n", 5, "--key-file and --insecure contradict each other: leave one out"),
        ("lease 1ms\n", 5, "--lease takes 100ms to a day"), ("virtual-mac zz\n", 5, "'zz' is not a hardware address"),
    ])
    func `a wrong line is named, by the file that the user knows`(_ lines: String, _ line: Int, _ why: String) throws {
        for options in [["--check-config"], []] {
            let result = try Self.member(options, Self.good + lines)
            #expect(result.status == 64 && result.output == "")
            let start = "FOLDER/home.conf:\(line): "
            #expect(result.errors.contains(": \(start)") && result.errors.contains("\(start)\(why)"), "\(result)")
            #expect(result.errors.split(separator: "\n").count == 1)
        }
    }

    @Test(arguments: [
        ("interface eth0\naddress 192.168.1.11/24\ninsecure\n", "'cluster' is missing: add a line 'cluster <name>'"),
        ("cluster home\ninsecure\n", "'address' is missing: add a line 'address <address/length>'"),
        (
            "cluster home\naddress 192.168.1.11/24\n",
            "no line 'key-file', and no FOLDER/home.key: make that with 'qure-elect keygen'"
        ),
    ])
    func `what is missing is named, with the file it is missing in`(_ text: String, _ why: String) throws {
        for options in [["--check-config"], []] {
            let result = try Self.member(options, text)
            #expect(result.status == 64 && result.output == "")
            #expect(result.errors.contains(": FOLDER/home.conf: \(why)"), "\(result)")
        }
    }

    @Test func `a file of the form name=value is told the form before a key is missed`() throws {
        let result = try Self.member([], Self.good.replacing(" ", with: "=").replacing("insecure", with: "key-file=/a"))
        let why = "write 'cluster home' (name, blank, value)"
        #expect(result == ToolResult(64, errors: "qure-elect: FOLDER/home.conf:1: \(why)\n"))
    }

    @Test func `a key file that is not there is told how to be made`() throws {
        let result = try Self.member(["--check-config"], Self.good.replacing("insecure", with: "key-file /none"))
        let why = "open /none: No such file or directory: make one with 'qure-elect keygen', the same for all members"
        #expect(result == ToolResult(64, errors: "qure-elect: FOLDER/home.conf:4: \(why)\n"))
    }

    @Test func `a key that is there and is none is named as well`() throws {
        let result = try Self.member(["--check-config"], "cluster home\naddress 192.168.1.11/24\n", beside: "1 23\n")
        let why = "line 1: a key needs at least 32 octets, this one has 1"
        #expect(result == ToolResult(64, errors: "qure-elect: FOLDER/home.key: \(why)\n"))
    }

    @Test func `without a place for its own files it says which one it wants`() throws {
        let folder = TemporaryFolder()
        try TextFile.replace("\(folder.path)/home.conf", with: Array(Self.good.utf8))
        let words = ["env", "QURE_BIN=\(Executables.directory)", "TMPDIR=/proc", Self.script]
        let result = RunningTool(words + ["\(folder.path)/home.conf"]).finish()
        #expect(result.status == 71 && result.output == "")
        let why = "qure-member: no folder for a moment's files: RUNTIME_DIRECTORY or TMPDIR names one that"
        #expect(result.errors.contains(why), "\(result)")
    }

    @Test func `a good file is checked without a word, and how much is said is passed on`() throws {
        for options in [[], ["-v"], ["-vv", "--quiet"], ["-q", "--verbose"]] {
            #expect(try Self.member(["--check-config"] + options, Self.good) == ToolResult(0))
            let fromWindows = (Self.good + "\nlease 3s\n").replacing("\n", with: "\r\n")
            #expect(try Self.member(["--check-config"] + options, fromWindows) == ToolResult(0))
        }
        // What may be said more than once.
        let more = "address fd00::11/64\npeer 192.168.1.22\npeer 192.168.1.23\nverbose\nverbose\n"
        #expect(try Self.member(["--check-config"], Self.good + more) == ToolResult(0))
        let result = try Self.member(["-x"], Self.good)
        #expect(result.status == 64 && result.errors.contains("unknown option '-x'"))
    }
}
