// qure-dnsproxy as a service: the set-ups of its manual, sockets that the service manager has opened, and the user that
// it goes on as.

import Glibc
import Lab
import QureCore
import Testing

struct DNSProxyServiceTests {
    /// The configuration files in the manual.
    private static var setUps: [String] {
        var files: [String] = []
        var rest = ManualPage("qure-dnsproxy.8").section("SET-UPS")
        while let start = rest.firstIndex(where: { $0.hasPrefix(".Bd -literal") }) {
            let lines = rest[(start + 1)...].prefix { $0 != ".Ed" }
            files.append(lines.joined(separator: "\n") + "\n")
            rest = rest[lines.endIndex...]
        }
        return files
    }

    @Test func `the set-ups of the manual are right as they are written`() throws {
        try PrivateNamespace.prepare()
        let folder = TemporaryFolder()
        let file = "\(folder.path)/conf"
        #expect(Self.setUps.count == 3)
        for text in Self.setUps {
            try TextFile.replace(file, with: Array(text.utf8))
            let words = [Executables.path("qure-dnsproxy"), "--config", file, "--check-config"]
            let result = RunningTool(words).finish()
            #expect(result.status == 0 && result.errors == "", "\(text): \(result)")
        }
        // The check itself.
        try TextFile.replace(file, with: Array((Self.setUps[0] + "alais a=b\n").utf8))
        let lines = Self.setUps[0].split(separator: "\n").count + 1
        let result = RunningTool([Executables.path("qure-dnsproxy"), "--config", file, "--check-config"]).finish()
        #expect(result.status == 64 && result.errors.contains("conf:\(lines): "), "\(result)")
        #expect(result.errors.contains("did you mean '--alias'?"))
    }

    /// The set-up beside the primary, with other addresses and ports.
    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `the set-up beside the primary works`() throws {
        let port = NameServer.nextPort()
        let server = try NameServer(.named, notifying: port)
        let text = Self.setUps[0].replacing("listen 192.0.2.53\nlisten 127.0.0.1\n", with: "")
            .replacing("5300", with: "\(server.port)")
            .replacing("cloudns.example.com", with: "www.z.test").replacing("zone=example.com", with: "zone=z.test")
            .replacing("forward example.com", with: "forward z.test")
        let proxy = try ProxyUnderTest(["--config", "FOLDER/conf"], files: ["conf": text], port: port)
        #expect(proxy.dig("cloud.example.com", "A") == ["192.0.2.1", "192.0.2.2"])
        #expect(proxy.dig("www.z.test", "TXT") == ["\"there\""])
        let update = "server 127.0.0.1 \(port) / zone z.test / update del www.z.test A / update add www.z.test 300 A "
        #expect(server.run(update + "192.0.2.55 / send", ["-k", "k256"]).status == 0)
        #expect(eventually { proxy.dig("cloud.example.com", "A") == ["192.0.2.55"] })
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        .enabled(if: Toolbox.isInstalled("systemd-socket-activate"), "needs systemd-socket-activate: make deps"))
    func `sockets of the service manager are used`() throws {
        try PrivateNamespace.prepare()
        for option in ["--datagram", ""] {
            let port = NameServer.nextPort(), folder = TemporaryFolder()
            let words =
                ["systemd-socket-activate", "-l", "127.0.0.1:\(port)"] + (option.isEmpty ? [] : [option]) + [
                    Executables.path("qure-dnsproxy"), "--record", "is.there 60 A 192.0.2.255", "--state-dir",
                    folder.path, "--workers", "2",
                ]
            let process = try LabProcess(words)
            let way = option.isEmpty ? "+tcp" : "+notcp"
            let isThere = eventually {
                let words = ["dig", "@127.0.0.1", "-p", "\(port)", "+short", way, "+time=1", "+tries=1", "is.there"]
                return RunningTool(words).finish().output == "192.0.2.255\n"
            }
            #expect(isThere, "\(process.errors)")
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `the service manager hears when it listens, is well, reads anew and ends`() throws {
        try PrivateNamespace.prepare()
        let folder = TemporaryFolder(), port = NameServer.nextPort()
        let listener = try ServiceListener("\(folder.path)/notify")
        let words = ["--listen", "127.0.0.1:\(port)", "--record", "is.there 60 A 192.0.2.255"]
        let process = try LabProcess(
            [Executables.path("qure-dnsproxy"), "--state-dir", folder.path] + words,
            environment: ["NOTIFY_SOCKET": "\(folder.path)/notify", "WATCHDOG_USEC": "200000"])
        let ready = "READY=1\nSTATUS=listening on 127.0.0.1#\(port)"
        #expect(eventually { !listener.messages.isEmpty } && listener.messages[0] == ready, "\(process.errors)")
        // From then on nobody is turned away.
        let client = try RawClient(port: port, isStream: true)
        let question = DNSQuestion(try #require(DomainName("is.there")), .a)
        client.send(DNSMessage(id: 1, flags: .recursionDesired, questions: [question]).encoded())
        #expect(try DNSMessage(#require(try client.receive())).answers.count == 1)
        #expect(eventually { listener.messages.count { $0 == "WATCHDOG=1" } >= 3 }, "\(listener.messages)")
        kill(process.pid, SIGHUP)
        #expect(eventually { listener.messages.contains { $0.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") } })
        #expect(eventually { listener.messages.contains("READY=1") }, "\(listener.messages)")
        kill(process.pid, SIGTERM)
        #expect(eventually { !process.isRunning && listener.messages.last == "STOPPING=1" }, "\(listener.messages)")
        #expect(Repository.text("systemd/qure-dnsproxy.service").contains("\nType=notify\n"))
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `the log names a primary that is down, and the query log who had to be asked`() throws {
        let server = try NameServer(.knotd)
        let proxy = try ProxyUnderTest(["--forward", "z.test=127.0.0.1:\(server.port)", "--query-log"])
        #expect(proxy.ask("www.z.test", "A").status == "NOERROR")
        #expect(proxy.ask("www.z.test", "A").status == "NOERROR")
        #expect(proxy.ask("+tcp", "www.z.test", "MX").status == "NOERROR")
        #expect(proxy.ask("+tcp", "is.there", "A").status == "NOERROR")
        let question = DNSQuestion(try #require(DomainName("is.there")), .a)
        let client = try RawClient(port: proxy.port, isStream: false)
        client.send(DNSMessage(id: 1, flags: .response, questions: [question]).encoded())
        #expect(proxy.ask("nowhere.test", "A").status == "SERVFAIL", "there is no upstream")
        #expect(proxy.ask("+opcode=NOTIFY", "z.test", "SOA").status == "REFUSED", "which is no query")
        let ways = [
            "www.z.test. A udp asked", "www.z.test. A udp known", "www.z.test. MX tcp asked", "is.there. A tcp known",
            "nowhere.test. A udp known",
        ]
        let log = ways.map { "query 127.0.0.1 \($0)\n" }.joined()
        #expect(eventually { proxy.process.output.hasSuffix(log) }, "\(proxy.process.output)")
        server.stop()
        #expect(proxy.ask("one.z.test", "A").status == "SERVFAIL")
        let place = "qure-dnsproxy: 127.0.0.1#\(server.port)"
        func count(_ text: String) -> Int { proxy.process.errors.split(separator: "\n").count { $0.hasPrefix(text) } }
        #expect(eventually { count("\(place) does not answer: ") == 1 }, "\(proxy.process.errors)")
        try server.start()
        #expect(eventually { proxy.ask("two.z.test", "A").status == "NXDOMAIN" })
        #expect(eventually { count("\(place) answers again, after ") == 1 }, "\(proxy.process.errors)")
        #expect(count(place) == 2, "\(proxy.process.errors)")
    }

    /// Where hosts files are long that is what the process's memory is for.
    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a configuration that is read anew again and again takes no more memory than the first`() throws {
        let lines = (0..<20_000).map { "10.1.\($0 / 256).\($0 % 256) host\($0).lan\n" }.joined()
        let proxy = try ProxyUnderTest(
            ["--hosts", "FOLDER/hosts", "--workers", "2"], files: ["hosts": lines + "10.0.0.1 turn.lan\n"])
        #expect(proxy.dig("turn.lan", "A") == ["10.0.0.1"] && proxy.dig("host777.lan", "A") == ["10.1.3.9"])
        let first = try #require(ProcessCost(of: proxy.process.pid)).ownMemory
        for turn in 2...6 {
            try TextFile.replace(
                "\(proxy.folder.path)/hosts", with: Array("\(lines)10.0.0.\(turn) turn.lan\n".utf8))
            kill(proxy.process.pid, SIGHUP)
            #expect(eventually { proxy.dig("turn.lan", "A") == ["10.0.0.\(turn)"] }, "\(proxy.process.errors)")
        }
        let isGivenBack = eventually {
            (ProcessCost(of: proxy.process.pid)?.ownMemory ?? .max) < first + first / 4
        }
        #expect(isGivenBack, "\(first) octets, then \(ProcessCost(of: proxy.process.pid)?.ownMemory ?? 0)")
    }

    /// Whether there are other users in this namespace.
    private static let hasUsers: Bool = {
        let words = ((try? TextFile.read("/proc/self/uid_map")) ?? []).split(separator: UInt8(ascii: " "))
        return words.count > 2 && words[2].count > 5
    }()

    @Test(.enabled(if: hasUsers && getuid() == 0, "needs root, and other users"))
    func `privileges end when the sockets are open`() throws {
        let proxy = try ProxyUnderTest(["--user", "nobody"])
        let status = try TextFile.read("/proc/\(proxy.process.pid)/status")
        let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
        #expect(lines.contains("Uid:\t65534\t65534\t65534\t65534") && lines.contains("CapEff:\t0000000000000000"))
        #expect(lines.contains { $0.hasPrefix("Groups:") && !$0.contains { $0.isNumber } })
    }

    @Test func `users are known by name and number`() {
        let passwd = Array("root:x:0:0:root:/root:/bin/sh\nbroken\nqure:x:990:991::/:/bin/false\n".utf8)
        #expect(HostUser("qure", in: passwd)?.user == 990 && HostUser("990", in: passwd)?.group == 991)
        #expect(HostUser("root", in: passwd)?.user == 0 && HostUser("nobody", in: passwd) == nil)
    }
}
