// `qure-standby` before it does anything: its options, its configuration file, and what it refuses, with the line that
// is wrong. How it behaves on a link is tested in the lab.

import Lab
import Testing

struct StandbyTests {
    private static let script = "\(Repository.path)/scripts/qure-standby"

    /// Runs the script with the tools under test; `configuration` is a file's text.
    private static func standby(_ arguments: [String], configuration: String? = nil) -> ToolResult {
        let folder = TemporaryFolder()
        var words = ["env", "QURE_BIN=\(Executables.directory)", script]
        if let configuration {
            // As an argument of its own, so that no shell reads it.
            let script = "printf '%s' \"$1\" > \(folder.path)/home.conf"
            let written = start(["sh", "-c", script, "sh", configuration]).finish()
            precondition(written.status == 0, written.output)
            words += ["--config", "\(folder.path)/home.conf"]
        }
        var result = RunningTool(words + arguments).finish()
        result.errors = result.errors.replacing(folder.path, with: "FOLDER")
        return result
    }

    @Test(arguments: [
        "address 192.168.1.11/24\n",
        "# the site\n\n  address\t192.168.1.11/24   # behind a blank\ninterface eth0\ninterval 100ms\nfall 5\n",
        "address 192.168.1.11/24\naddress fd00::11/64\nlease 3s\nstate-dir /run/elsewhere\nverbose\n",
        "# Windows\r\naddress 192.168.1.11/24\r\n\r\ninterface eth0 \r\nverbose\r\nfall 5 # five\r\n",
        "virtual-mac\nno-verify\nlabel eth0:qure\nadopt\njson\naddress 192.168.1.11/24",
    ])
    func `a configuration file is read`(_ text: String) {
        let result = Self.standby(["--check-config"], configuration: text)
        #expect(result.status == 0 && result.output == "" && result.errors == "")
    }

    @Test(arguments: [
        ("address 300.1.1.1/24\n", 1, "'300.1.1.1/24' is not an address"),
        ("# first\ninterval soon\n", 2, "'soon' is not a duration"),
        ("fall 0\n", 1, "--fall takes 1 to 1000, not 0"),
        ("interface a/b\n", 1, "'a/b' cannot be an interface's name"),
        ("address\n", 1, "is not an address"),
        ("address 192.168.1.11 24\n", 1, "is not an address"),
        ("bogus 1\n", 1, "no option 'bogus'"),
        ("adress 192.168.1.11/24\n", 1, "no option 'adress' (see 'qure-standby --help')"),
        ("interval 100\n", 1, "--interval takes 1ms to 60s, not 100; write it like 100ms"),
        ("interface=eth0\n", 1, "write 'interface eth0' (name, blank, value)"),
        ("-v\n", 1, "write 'verbose' for '-v'"), ("--fall 3\n", 1, "write 'fall' without dashes"),
        ("\n\n-interval 1s\n", 3, "'-interval' is not an option's name"),
        ("config /etc/other\n", 1, "'config' is not an option's name"),
        ("no-verify 1\n", 1, "--no-verify"),
        ("label $(reboot)\n", 1, "not a value"),
        ("label x;y\n", 1, "not a value"),
    ])
    func `a wrong line is named`(_ text: String, _ line: Int, _ complaint: String) {
        let result = Self.standby(["--check-config", "192.168.1.11/24"], configuration: text)
        #expect(result.status == 64 && result.output == "")
        #expect(result.errors.hasPrefix("qure-standby: FOLDER/home.conf:\(line): "))
        #expect(result.errors.contains(complaint))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test(arguments: [
        ([], "which address?"), (["--config"], "--config needs"), (["--config", "/nowhere"], "/nowhere: no file"),
        (["--interval"], "--interval needs a value"), (["--bogus", "10.0.0.1/24"], "unknown option '--bogus'"),
        (["-x", "10.0.0.1/24"], "unknown option '-x'"), (["a b"], "not a value"),
    ])
    func `a wrong command line is refused`(_ arguments: [String], _ complaint: String) {
        let result = Self.standby(arguments)
        #expect(result.status == 64 && result.output == "")
        #expect(result.errors.contains(complaint) && result.errors.split(separator: "\n").count == 1)
    }

    @Test func `a file without an address is named`() {
        let result = Self.standby([], configuration: "interface eth0\n")
        let line = "add a line 'address ADDRESS/LEN': which address?"
        #expect(result.status == 64 && result.errors.hasPrefix("qure-standby: FOLDER/home.conf: \(line)"), "\(result)")
    }

    /// The tools speak for themselves where what they would refuse comes from the command line.
    @Test func `what the tools would refuse later is refused at once`() {
        let result = Self.standby(["--fall", "0", "192.168.1.11/24"])
        #expect(result.status == 64 && result.errors.contains("--fall takes 1 to 1000, not 0"))
        let slow = Self.standby(["--interval", "2m", "192.168.1.11/24"])
        #expect(slow.status == 64 && slow.errors.contains("--interval takes 1ms to 60s, not 2m"))
        let option = Self.standby(["192.168.1.11/24", "--", "--bogus"])
        #expect(option.status == 64 && option.errors.contains("--bogus"))
    }

    @Test func `the command line wins over the file`() {
        let result = Self.standby(["--check-config", "--fall", "0"], configuration: "address 192.168.1.11/24\nfall 5\n")
        #expect(result.status == 64 && result.errors.contains("--fall takes 1 to 1000, not 0"))
    }

    @Test func `help and version need nothing`() {
        let help = RunningTool(["env", "PATH=/usr/bin:/bin", Self.script, "--help"]).finish()
        #expect(help.status == 0 && help.errors == "" && help.output.hasPrefix("Usage: qure-standby"))
        let version = RunningTool(["env", "PATH=/usr/bin:/bin", Self.script, "--version"]).finish()
        #expect(version.output == RunningTool([Executables.path("qure-claim"), "--version"]).finish().output)
    }
}
