// Proxies that ask each other, by themselves or by way of unbound and dnsmasq: whoever asks is told so within a second,
// little is asked, and the log names the loop.

import Lab
import QureCore
import Testing

struct DNSProxyLoopTests {
    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a proxy that is its own upstream passes itself over`() throws {
        let server = try NameServer(.named)
        // One of its addresses that --listen does not name: that one would be refused.
        let port = NameServer.nextPort(), address = "198.51.100.53"
        must("ip addr add \(address) dev lo")
        defer { shell("ip addr del \(address) dev lo") }
        let itself = ["--listen", "0.0.0.0:\(port)", "--upstream", "\(address):\(port)"]
        let own = try ProxyUnderTest(itself)
        let start = Clock.now
        #expect(own.ask("www.z.test", "A").status == "SERVFAIL")
        #expect(Clock.now - start < .seconds(1))
        #expect(own.process.errors.contains("www.z.test.: a loop: what is asked of \(address)#\(port) comes back"))
        #expect(own.process.errors.contains("upstream: \(address)#\(port) is an address of this host"))
        #expect(own.number("upstream_queries") == 1)
        // With another one behind it, that one is asked.
        _ = own.process.stop()
        let both = try ProxyUnderTest(itself + ["--upstream", "127.0.0.1:\(server.port)"])
        #expect(both.dig("www.z.test", "A").count == 2)
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: ["qure-dnsproxy", "unbound", "dnsmasq"])
    func `two that ask each other end with SERVFAIL within a second`(_ middle: String) throws {
        try #require(middle == "qure-dnsproxy" || Toolbox.isInstalled(middle), "needs \(middle): make deps")
        let ports = (NameServer.nextPort(), NameServer.nextPort())
        let proxy = try ProxyUnderTest(["--upstream", "127.0.0.1:\(ports.1)"], port: ports.0)
        let other: AnyObject =
            try middle == "qure-dnsproxy"
            ? ProxyUnderTest(["--upstream", "127.0.0.1:\(ports.0)"], port: ports.1)
            : Self.start(middle, at: ports.1, asking: ports.0)
        let asked = try #require(proxy.number("queries_udp")), start = Clock.now
        let answer = proxy.ask("www.z.test", "A")
        let delay = Clock.now - start
        #expect(answer.status == "SERVFAIL" && delay < .seconds(1), "after \(delay.text): \(answer.text)")
        #expect(proxy.process.errors.contains("www.z.test.: a loop: what is asked of 127.0.0.1#\(ports.1) comes back"))
        // All that has come around, and the one that the test has asked.
        let count = try #require(proxy.number("queries_udp")) - asked
        #expect(count <= 16, "\(count) questions")
        #expect((1...2).contains(proxy.number("loops") ?? 0), "unbound asks in two ways")
        withExtendedLifetime(other) {}
    }

    /// Starts a forwarder and waits until it asks the proxy.
    private static func start(_ program: String, at port: Int, asking proxy: Int) throws -> AnyObject {
        let folder = TemporaryFolder(inMemory: true)
        let file = "\(folder.path)/conf"
        let text =
            program == "unbound"
            ? """
            server:
                interface: 127.0.0.1@\(port)
                username: ""
                do-not-query-localhost: no
                local-zone: "test." nodefault
            forward-zone:
                name: "."
                forward-addr: 127.0.0.1@\(proxy)

            """
            : """
            port=\(port)
            listen-address=127.0.0.1
            bind-interfaces
            no-resolv
            no-hosts
            server=127.0.0.1#\(proxy)

            """
        try TextFile.replace(file, with: Array(text.utf8))
        // As they are when somebody looks for a fault: in front, and without another user.
        let process = try LabProcess([program, "-d", program == "unbound" ? "-c" : "-C", file])
        let isThere = eventually {
            let words = ["dig", "@127.0.0.1", "-p", "\(port)", "+short", "+time=1", "+tries=1", "is.there"]
            return RunningTool(words).finish().output == "192.0.2.255\n" || !process.isRunning
        }
        #expect(isThere && process.isRunning, "\(program): \(process.errors)")
        return process
    }
}
