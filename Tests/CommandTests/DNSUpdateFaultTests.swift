// Servers that misbehave: what qure-dnsupdate does about silence, nonsense, forgery, refusals and broken streams; and
// that its times hold whatever they do.

import Glibc
import Lab
import QureCore
import Testing

struct DNSUpdateFaultTests {
    private static let secret = [UInt8](repeating: 7, count: 32)

    /// The tool with an update for the scripted server on its way.
    private final class Run {
        let server: ScriptedServer
        let tool: RunningTool
        let folder = TemporaryFolder()
        let began = Clock.now

        /// `others`: lines in front, for servers besides; `signed`: with a key.
        init(_ server: ScriptedServer, _ arguments: [String] = [], signed: Bool = false, others: String? = nil) throws {
            self.server = server
            let secret = String(decoding: BinaryText.base64.text(DNSUpdateFaultTests.secret), as: UTF8.self)
            let script = """
                \(others ?? "server 127.0.0.1 \(server.port)\nzone z.test")
                \(signed ? "key hmac-sha256:k \(secret)" : "")
                add a.z.test 60 A 192.0.2.1
                send
                answer

                """
            // An empty line would send what is not there yet.
            let text = script.replacing("\n\n", with: "\n")
            try TextFile.replace("\(folder.path)/script", with: Array(text.utf8))
            tool = RunningTool(
                [Executables.path("qure-dnsupdate")] + arguments + ["\(folder.path)/script"])
        }

        var key: TSIGKey {
            TSIGKey(name: DomainName("k")!, algorithm: TSIGAlgorithm(.sha256), secret: DNSUpdateFaultTests.secret)
        }

        /// An answer to a request, signed if it was.
        func response(
            _ request: [UInt8], _ code: DNSResponseCode = .noError, signed: Bool = true,
            change: (inout DNSMessage) -> Void = { _ in }
        ) throws -> [UInt8] {
            var response = try DNSMessage(request).response(code)
            change(&response)
            guard signed, try DNSMessage(request).signature != nil else { return response.encoded() }
            let time = UInt64(Clock.realtimeNanoseconds / 1_000_000_000)
            var session = TSIGSession(key)
            _ = try session.verify(request, at: time)
            return session.sign(response.encoded(), at: time)
        }

        /// How it ended, without numbers that no test can know, and that it took no longer than so.
        func finish(within limit: Duration = .seconds(2)) -> ToolResult {
            let result = tool.finish().comparable
            #expect(Clock.now - began < limit)
            return result
        }
    }

    private static func update(_ request: [UInt8]) throws -> DNSMessage {
        let message = try DNSMessage(request)
        #expect(message.opcode == .update && message.updates.count == 1)
        return message
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `silence is met with the same datagram again, and ends when it was said to`() throws {
        let run = try Run(ScriptedServer(), ["-u", "1", "-r", "2"])
        let sent = try (0..<3).map { _ in try run.server.receive() }
        #expect(Set(sent).count == 1)
        _ = try Self.update(sent[0])
        #expect(
            run.finish(within: .seconds(5))
                == ToolResult(2, errors: "; Communication with 127.0.0.1#PORT failed: timed out\n"))
        #expect(Clock.now - run.began >= .seconds(3) && !run.server.hasDatagram)
        let divided = try Run(ScriptedServer(), ["-t", "2", "-u", "0", "-r", "1"])
        #expect(divided.finish(within: .seconds(4)).status == 2)
        #expect(Clock.now - divided.began >= .seconds(2))
        let total = try Run(ScriptedServer(), ["-t", "1"])
        #expect(total.finish(within: .seconds(3)).status == 2)
        _ = try total.server.receive()
        #expect(!total.server.hasDatagram)
    }

    @Test(
        .enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"),
        arguments: [DNSResponseCode.serverFailure, .notImplemented, .refused, .formatError, .setMissing])
    func `a code that is no success is the end, signed or where nothing was`(_ code: DNSResponseCode) throws {
        for signed in [false, true] {
            let run = try Run(ScriptedServer(), signed: signed)
            run.server.send(try run.response(try run.server.receive(), code))
            let result = run.finish()
            #expect(result.status == 2 && result.errors == "update failed: \(code)\n")
            #expect(result.output.contains("status: \(code), "))
        }
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `nonsense is passed over until the answer comes`() throws {
        let run = try Run(ScriptedServer())
        let request = try run.server.receive()
        for octets in [
            [], [1, 2, 3], Array(try run.response(request).dropLast()), request,
            try run.response(request, .refused) { $0.id ^= 0x8000 },
            try run.response(request, .refused) { $0.questions[0].name = DomainName("other.test") ?? .root },
        ] { run.server.send(octets) }
        run.server.send(try run.response(request))
        #expect(run.finish() == ToolResult(0, run.tool.output.replacing(/id: +[0-9]+/, with: "id: N")))
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `an answer without the signature sends the update over TCP, where it is the end`() throws {
        let server = try ScriptedServer()
        server.listen()
        let run = try Run(server, signed: true)
        server.send(try run.response(try server.receive(), .refused, signed: false))
        let connection = try server.accept()
        let request = try connection.receive()
        connection.send(StreamMessages.frame(try run.response(request)))
        #expect(run.finish().status == 0)
        let refused = try Run(server, signed: true)
        server.send(try refused.response(try server.receive(), .noError, signed: false))
        let other = try server.accept()
        other.send(StreamMessages.frame(try refused.response(try other.receive(), .noError, signed: false)))
        let result = refused.finish()
        // NOERROR that nobody signed is no success.
        #expect(result.status == 2 && result.errors == "; TSIG error with server: expected a TSIG or SIG(0)\n")
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `without TCP the unsigned answer is told`() throws {
        let run = try Run(ScriptedServer(), signed: true)
        run.server.send(try run.response(try run.server.receive(), .refused, signed: false))
        let result = run.finish()
        #expect(result.status == 2)
        #expect(result.errors == "; TSIG error with server: expected a TSIG or SIG(0)\nupdate failed: REFUSED\n")
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `a clock that is wrong is named`() throws {
        let run = try Run(ScriptedServer(), signed: true)
        let request = try run.server.receive()
        let record = try #require(try DNSMessage(request).signature)
        var session = TSIGSession(run.key)
        let time = record.timeSigned + 1000
        #expect(throws: TSIGSession.Rejection.wrongTime(record.timeSigned)) { try session.verify(request, at: time) }
        let response = try DNSMessage(request).response(.notAuthorized)
        run.server.send(session.signBadTime(response.encoded(), at: time, clientTime: record.timeSigned))
        let result = run.finish()
        #expect(result.status == 2)
        #expect(result.errors == "; TSIG error with server: tsig indicates error\nupdate failed: NOTAUTH(BADTIME)\n")
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `what was cut comes whole over TCP, in pieces`() throws {
        let server = try ScriptedServer()
        server.listen()
        let run = try Run(server, signed: true)
        server.send(try run.response(try server.receive(), signed: true) { $0.flags.insert(.truncated) })
        let connection = try server.accept()
        let answer = StreamMessages.frame(try run.response(try connection.receive()))
        for octet in answer { connection.send([octet]) }
        #expect(run.finish().status == 0)
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `a stream that breaks, ends, is silent or says nonsense is a failure`() throws {
        let server = try ScriptedServer()
        server.listen()
        func expect(
            _ reason: String, _ arguments: [String] = [], _ act: (ScriptedServer.Connection) throws -> Void
        ) throws {
            let run = try Run(server, ["-v"] + arguments)
            var connection: ScriptedServer.Connection? = try server.accept()
            if let connection {
                _ = try connection.receive()
                try act(connection)
            }
            if !arguments.contains("-t") { connection = nil }
            #expect(
                run.finish(within: .seconds(4))
                    == ToolResult(2, errors: "; Communication with 127.0.0.1#PORT failed: \(reason)\n"))
            withExtendedLifetime(connection) {}
        }
        try expect("connection reset") { $0.reset() }
        try expect("end of file") { _ in }
        try expect("end of file") { $0.send([0, 30, 1, 2]) }
        try expect("unexpected answer") { $0.send([0, 3, 1, 2, 3]) }
        try expect("timed out", ["-t", "1"]) { $0.send([0, 30, 1, 2]) }
    }

    @Test(.enabled(if: PrivateNamespace.missing == nil, "\(PrivateNamespace.missing ?? "")"))
    func `the next address is asked where one is silent, and is not where one has answered`() throws {
        // Two addresses of one name, both with the port that the scripted server has on the first.
        let folder = TemporaryFolder()
        let hosts = "127.0.0.1 localhost\n127.0.0.2 two.qure.test\n127.0.0.1 two.qure.test\n"
        try TextFile.replace("\(folder.path)/hosts", with: Array(hosts.utf8))
        must("mount --bind \(folder.path)/hosts /etc/hosts")
        let server = try ScriptedServer()
        let lines = "server two.qure.test \(server.port)\nzone z.test"
        let run = try Run(server, others: lines)
        server.send(try run.response(try server.receive()))
        let result = run.finish()
        #expect(result.status == 0)
        #expect(result.errors == "; Communication with 127.0.0.2#PORT failed: connection refused\n")
    }
}
