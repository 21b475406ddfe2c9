// `qure-site` before it does anything: its command line, and what the two programs behind it refuse. What it does on a
// link is tested in the lab.

import Lab
import Testing

struct SiteScriptTests {
    private static let script = "\(Repository.path)/scripts/qure-site"

    private static func site(_ arguments: [String]) -> ToolResult {
        RunningTool(["env", "QURE_BIN=\(Executables.directory)", "PATH=\(Toolbox.searchPath)", script] + arguments)
            .finish()
    }

    @Test(arguments: [
        ([], "the address comes first"), (["home.example.com"], "the address comes first"),
        (["192.168.1.11/24"], "a name stands behind --"), (["192.168.1.11/24", "--"], "a name stands behind --"),
        (["192.168.1.11/24", "--fall", "0", "--", "home.example.com"], "--fall takes 1 to 1000, not 0"),
        (["192.168.1.311/24", "--", "home.example.com"], "is not an address"),
        (["--check-config", "192.168.1.11/24", "--bogus", "--", "home.example.com"], "unknown option '--bogus'"),
    ])
    func `a wrong command line is refused`(_ arguments: [String], _ complaint: String) {
        let result = Self.site(arguments)
        #expect(result.status == 64 && result.output == "", "\(result)")
        #expect(result.errors.contains(complaint) && result.errors.split(separator: "\n").count == 1, "\(result)")
    }

    @Test func `help and version need nothing`() {
        let help = RunningTool(["env", "PATH=/usr/bin:/bin", Self.script, "--help"]).finish()
        #expect(help.status == 0 && help.errors == "" && help.output.hasPrefix("Usage: qure-site"))
        let version = RunningTool(["env", "PATH=/usr/bin:/bin", Self.script, "--version"]).finish()
        #expect(version.output == RunningTool([Executables.path("qure-claim"), "--version"]).finish().output)
    }
}
