// What `qure-dnsupdate register` and its siblings refuse before anything is sent, and what they say where nobody says
// anything: --check-config finds what would otherwise come to light when the service runs.

import Glibc
import Lab
import QureCore
import Testing

struct RegisterInputTests {
    private static let tool = Executables.path("qure-dnsupdate")

    private static func run(_ words: String...) -> ToolResult { RunningTool([tool] + words).finish() }

    @Test(arguments: ["register", "deregister", "check", "follow"])
    func `a configuration is checked with what it names`(_ command: String) throws {
        let folder = TemporaryFolder(inMemory: true)
        let good = "key \"k\" { algorithm hmac-sha256; secret \"\(NameServer.secret("k"))\"; };\n"
        for (name, text) in [("good", good), ("bad", "key k\n"), ("conf", "key-file \(folder.path)/missing\n")] {
            try TextFile.replace("\(folder.path)/\(name)", with: Array(text.utf8))
            chmod("\(folder.path)/\(name)", 0o600)
        }
        func check(_ words: String...) -> ToolResult {
            RunningTool([Self.tool, command, "a.test", "--check-config"] + words).finish()
        }
        #expect(check() == ToolResult(0) && check("-k", "\(folder.path)/good") == ToolResult(0))
        for (words, complaint) in [
            (["-k", "\(folder.path)/missing"], "no key in \(folder.path)/missing: file not found"),
            (["-k", "\(folder.path)/bad"], "no key in \(folder.path)/bad: "),
            (["--config", "\(folder.path)/conf"], "no key in \(folder.path)/missing: file not found"),
            (["--port", "0"], "a port is a number from 1 to 65535"),
            (["--server", "192.0.2.1:0"], "ends with no port"),
        ] {
            let result = RunningTool([Self.tool, command, "a.test", "--check-config"] + words).finish()
            #expect(result.status == 64 && result.errors.contains(complaint), "\(words): \(result)")
        }
    }

    @Test(arguments: [
        ("203.0.113.5", true), ("10.0.0.1", true), ("fd00::1", true), ("127.0.0.1", false), ("fe80::1", false),
    ])
    func `what may be registered all the same is said to be so`(_ address: String, _ isPermissible: Bool) {
        let result = Self.run(
            "register", "a.test", "--address", address, "--server", "127.0.0.1", "--zone", "a.test", "--dry-run", "-w",
            "1")
        #expect(result.status == 1, "\(result)")
        #expect(result.errors.contains("--allow-private") == isPermissible, "\(result.errors)")
    }

    @Test(.enabled(if: RegisteredName.missing == nil, "\(RegisteredName.missing ?? "")"))
    func `whoever is silent is named, and what was tried`() throws {
        let server = try ScriptedServer()
        let words = ["--server", "127.0.0.1#\(server.port)", "--allow-private", "--address", "192.0.2.7", "-w", "1"]
        let search = RunningTool([Self.tool, "register", "a.z.test"] + words).finish()
        #expect(search.status == 69)
        #expect(
            search.errors.hasSuffix(
                "not done in 1s (-w), looking for the zone's SOA: 127.0.0.1#\(server.port): no answer yet\n"),
            "\(search.errors)")
        let records = RunningTool([Self.tool, "register", "a.z.test", "--zone", "z.test"] + words).finish()
        #expect(
            records.errors.contains("asking for the records, or changing them: 127.0.0.1#\(server.port): no answer"),
            "\(records.errors)")
    }
}
