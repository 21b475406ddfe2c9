// `qure-site` before it does anything: its command line, and what the two programs behind it refuse. And the whole
// chain once, with a gateway and a primary server: what it does when other machines are there is tested in the lab.

import Glibc
import Lab
import QureCore
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

    // MARK: The chain

    private static let missing: String? = {
        if let missing = DNSUpdateTests.missing { return missing }
        let help = RunningTool([Executables.path("qure-dnsupdate"), "--help"]).finish()
        return help.output.contains("\n  follow ") ? nil : "needs qure-dnsupdate follow"
    }()

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `whoever has the address has the name, and the name says what the gateway says`() throws {
        let network = AddressNetwork()
        let folder = TemporaryFolder(inMemory: true)
        let server = try network.startNameServer(folder)
        defer { _ = server.end() }
        network.behave("pcp=84.1.2.3")
        func address() -> String { network.registered("home.z.test") }
        let standby = ["192.168.1.11/24", "--interface", "eth0", "--interval", "100ms", "--state-dir", folder.path]
        let follow = [
            "home.z.test", "--site", "s", "--zone", "z.test", "--server", "192.168.1.1#5300", "-k",
            "\(folder.path)/key", "--address", "gateway", "--interval", "1s", "--hold", "1s",
        ]
        let site = RunningTool(
            ["env", "QURE_BIN=\(Executables.directory)", Self.script] + standby + ["--"] + follow, in: network.host)
        #expect(eventually { address() == "84.1.2.3\n" }, "\(site.output) \(site.errors)")
        #expect(run("ip -n \(network.host) addr show dev eth0").output.contains("192.168.1.11/24"))
        network.behave("pcp=84.1.2.4")
        #expect(eventually { address() == "84.1.2.4\n" }, "\(site.output) \(site.errors)")
        // A gateway that is behind another NAT now: nothing of that is published, and what was there stays.
        network.behave("pcp=100.64.1.9")
        #expect(site.complains("100.64.1.9 is behind a carrier's NAT (CGNAT)"), "\(site.errors)")
        #expect(address() == "84.1.2.4\n")
        #expect(site.end().status == 0, "\(site.output) \(site.errors)")
        #expect(address() == "" && !run("ip -n \(network.host) addr show dev eth0").output.contains("192.168.1.11/24"))
    }
}
