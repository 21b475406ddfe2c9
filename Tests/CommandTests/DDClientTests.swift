// ddclient, as people have it on their machines, with qure-dnsupdate in the place of nsupdate: it finds nsupdate by its
// name, gives it a script on standard input, and reads its exit status.

import Glibc
import Lab
import QureCore
import Testing

struct DDClientTests {
    private static let missing =
        DNSUpdateTests.missing ?? (Toolbox.isInstalled("ddclient") ? nil : "needs ddclient: make deps")

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `ddclient changes an address through us`() throws {
        let server = try NameServer(.named)
        func run(_ address: String) -> ToolResult {
            server.write(
                "ddclient.conf",
                """
                daemon=0
                use=ip, ip=\(address)
                protocol=nsupdate
                server=127.0.0.1:\(server.port)
                zone=z.test
                ttl=60
                login=\(Executables.path("qure-dnsupdate"))
                password=\(server.path("k256"))
                home.z.test

                """)
            let words = ["ddclient", "-file", server.path("ddclient.conf"), "-cache", server.path("cache")]
            return RunningTool(words + ["-daemon", "0", "-force", "-verbose"]).finish()
        }
        let first = run("192.0.2.77")
        #expect(first.status == 0 && server.query("home.z.test", "A") == "192.0.2.77\n", "\(first)")
        let second = run("192.0.2.78")
        #expect(second.status == 0 && server.query("home.z.test", "A") == "192.0.2.78\n", "\(second)")
        #expect((second.output + second.errors).contains("SUCCESS"), "\(second)")
        // That it failed it hears, too.
        server.stop()
        let failed = run("192.0.2.79")
        #expect((failed.output + failed.errors).contains("FAILED"), "\(failed)")
    }
}
