// `qure-dnsupdate register --watch` and what a gateway announces to all hosts: it looks again at once, where that says
// anything new and comes from the gateway; its next look of its own would be an hour later.

import Glibc
import Lab
import QureCore
import Testing

struct AnnouncementTests {
    private static let missing = DNSUpdateTests.missing

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a gateway that is restarted is asked at once`() throws {
        let network = AddressNetwork()
        let folder = TemporaryFolder(inMemory: true)
        let server = try network.startNameServer(folder)
        defer { _ = server.end() }
        must("ip -n \(network.router) addr add 192.168.1.2/24 dev lan")
        network.behave("nat-pmp=84.1.2.3")
        let words = [
            "register", "--watch", "home.z.test", "--site", "s", "--zone", "z.test", "--server", "192.168.1.1#5300",
            "-k", "\(folder.path)/key", "--address", "nat-pmp", "--address", "pcp", "--interval", "1h", "--verify",
            "1h", "--hold", "1ms", "-v", "-v",
        ]
        let tool = RunningTool([Executables.path("qure-dnsupdate")] + words, in: network.host)
        func becomes(_ address: String) -> Bool {
            eventually(within: .seconds(10)) { network.registered("home.z.test") == address + "\n" }
        }
        #expect(becomes("84.1.2.3"), "\(tool.errors)")
        // Another address, and then the same again: datagrams get lost, and it is told several times.
        network.behave("nat-pmp=84.1.2.4 announce=nat-pmp:0:84.1.2.4")
        #expect(becomes("84.1.2.4"), "\(tool.errors)")
        network.behave("nat-pmp=84.1.2.99 announce=nat-pmp:1:84.1.2.4")
        #expect(tool.complains("192.168.1.1 announces nat-pmp epoch=1 84.1.2.4"), "\(tool.errors)")
        // Somebody else on the link.
        network.behave("nat-pmp=84.1.2.99 announce=nat-pmp:0:84.1.2.5:192.168.1.2")
        #expect(tool.complains("192.168.1.2, which is not the gateway, announces nat-pmp epoch=0"), "\(tool.errors)")
        usleep(500_000)  // longer than a look takes to begin: there is to be none
        // The look before may still wait for an answer by PCP and ask once more; a new one would begin with both.
        #expect(!network.asked.contains("nat-pmp"), "\(network.asked)")
        // The other protocol, which does not say the address: the first word, and seconds that do not fit.
        network.behave("pcp=84.1.2.6 announce=pcp:7")
        #expect(becomes("84.1.2.6"), "\(tool.errors)")
        network.behave("pcp=84.1.2.7 announce=pcp:5000")
        #expect(becomes("84.1.2.7"), "\(tool.errors)")
        #expect(tool.end().status == 0, "\(tool.errors)")
        #expect(network.registered("home.z.test") == "")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `who does not ask the gateway does not listen to it, and an interface that is gone is waited for`() throws {
        let network = AddressNetwork()
        func start(_ more: [String]) -> RunningTool {
            let words = ["register", "--watch", "home.z.test", "--server", "192.168.1.1#5300", "--zone", "z.test"]
            return RunningTool([Executables.path("qure-dnsupdate")] + words + more, in: network.host)
        }
        let literal = start(["--address", "84.1.2.3"])
        #expect(literal.complains("trying again"), "\(literal.errors)")
        let listeners = "ip netns exec \(network.host) ss -lnu"
        #expect(!run(listeners).output.contains(":5350"))
        let absent = start(["--address", "gateway", "-i", "nosuch0"])
        #expect(absent.complains("nosuch0: no such interface; trying again"), "\(absent.errors)")
        #expect(run(listeners).output.contains("224.0.0.1:5350"))
        #expect(absent.isRunning)
    }
}
