// `qure-dnsupdate register --watch` while those that it has asked say nothing: signals, and changes of the network, are
// noticed all the same, and at once; and SIGHUP while all is well.

import Glibc
import Lab
import QureCore
import Testing

struct RegisterSilenceTests {
    private static let missing = RegisteredName.missing
    /// What a machine that is busy with others may need; a silence lasts at least six times as long.
    private static let promptly = Duration.seconds(1)

    /// Who is silent.
    enum Silence: CaseIterable { case sources, servers }

    /// A watch, whose source writes a line each time it is asked.
    private final class Watch {
        let server: ScriptedServer
        let tool: RunningTool
        private let manager: ServiceListener
        private let folder = TemporaryFolder()

        init(_ silence: Silence) throws {
            server = try ScriptedServer()
            manager = try ServiceListener("\(folder.path)/notify")
            let source = "echo asked >> \(folder.path)/log; \(silence == .sources ? "sleep 9" : "echo 192.0.2.7")"
            tool = RunningTool([
                "env", "NOTIFY_SOCKET=\(folder.path)/notify", Executables.path("qure-dnsupdate"), "register", "--watch",
                "cloud.z.test", "--site", "box", "--server", "127.0.0.1#\(server.port)", "--allow-private",
                "--interval", "1h", "--address-timeout", "9s", "--address", "command:\(source)",
            ])
            #expect(eventually { asked == 1 }, "\(tool.errors)")
            // The question for the zone.
            if silence == .servers { _ = try server.receive() }
        }

        /// How often the source has been asked.
        var asked: Int {
            let text = (try? TextFile.read("\(folder.path)/log")) ?? []
            return text.split(separator: UInt8(ascii: "\n")).count
        }

        var isStopping: Bool { manager.messages.contains { $0.hasPrefix("STOPPING=1") } }
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: Silence.allCases)
    func `a signal is noticed while others are silent`(_ silence: Silence) throws {
        let watch = try Watch(silence)
        watch.tool.signal(SIGHUP)
        #expect(eventually(within: Self.promptly) { watch.asked == 2 }, "\(watch.tool.errors)")
        if silence == .servers { _ = try watch.server.receive() }
        let began = Clock.now
        watch.tool.signal(SIGTERM)
        #expect(eventually(within: Self.promptly) { watch.isStopping }, "\(watch.tool.errors)")
        print("figure: \(silence) silent: SIGTERM noticed after \(Clock.now - began)")
        // One who has asked twice waits no longer.
        if silence == .sources { watch.tool.signal(SIGINT) }
        let result = watch.tool.finish()
        #expect((Clock.now - began < .seconds(3)) == (silence == .sources))
        #expect(result.status == 75 && result.errors.contains("the address stays as it is"), "\(result)")
        #expect(Clock.now - began < .seconds(7))
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: Silence.allCases)
    func `a change of the network is noticed while others are silent`(_ silence: Silence) throws {
        let watch = try Watch(silence)
        let link = silence == .sources ? "dnsquiet0" : "dnsquiet1"
        let began = Clock.now
        must("ip link add \(link) type veth peer name \(link)b")
        defer { must("ip link del \(link)") }
        #expect(eventually(within: Self.promptly) { watch.asked >= 2 }, "\(watch.tool.errors)")
        print("figure: \(silence) silent: a link noticed after \(Clock.now - began)")
        // A network that never rests does not keep it from going on.
        for number in 0..<20 { must("ip addr add 192.0.2.\(100 + number)/32 dev \(link)") }
        #expect(eventually { watch.asked >= 4 }, "\(watch.tool.errors)")
        #expect(watch.tool.complains("trying again", within: .seconds(20)))
        _ = watch.tool.end(with: SIGKILL)
    }

    @Test(.enabled(if: missing == nil && Repository.has("script"), "\(missing ?? "needs script(1)")"))
    func `a terminal that is closed ends a watch, which leaves`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let words = name.words("register", ["--watch", "--site", "box", "--address", "192.0.2.7", "--allow-private"])
        let terminal = RunningTool(["script", "-qc", words.joined(separator: " "), "/dev/null"])
        #expect(name.becomes("192.0.2.7"), "\(terminal.output)")
        #expect(terminal.says("registered"))
        _ = terminal.end(with: SIGKILL)
        #expect(name.becomes())
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `SIGHUP looks at everything again, with the key that is there now`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let long = ["--interval", "1h", "--verify", "1h", "--address", "192.0.2.7", "--allow-private"]
        let key = try TextFile.read(name.server.path("k256"))
        name.server.write("key", String(decoding: key, as: UTF8.self))
        let words = name.words("register", ["--watch", "--site", "box"] + long, key: "key")
        let tool = RunningTool(words)
        #expect(tool.says("registered"), "\(tool.errors)")
        func delete() {
            #expect(name.server.run("ZONE / update delete cloud.z.test A / send", ["-k", "k256"]).status == 0)
        }
        delete()
        tool.signal(SIGHUP)
        #expect(name.becomes("192.0.2.7"), "\(tool.errors)")
        // A key that cannot be read leaves the old one; another one is taken.
        name.server.write("key", "nonsense")
        delete()
        tool.signal(SIGHUP)
        #expect(tool.complains("the key stays as it was"), "\(tool.errors)")
        #expect(name.becomes("192.0.2.7"), "\(tool.errors)")
        name.server.write("key", "key \"k256\" { algorithm hmac-sha256; secret \"AAAAAAAAAAAAAAAAAAAAAA==\"; };\n")
        tool.signal(SIGHUP)
        #expect(tool.complains("BADSIG"), "\(tool.errors)")
        name.server.write("key", String(decoding: key, as: UTF8.self))
        tool.signal(SIGHUP)
        #expect(eventually { tool.output.split(separator: "\n").count >= 4 }, "\(tool.output) \(tool.errors)")
        #expect(tool.end().status == 0)
        #expect(name.addresses == [])
    }
}
