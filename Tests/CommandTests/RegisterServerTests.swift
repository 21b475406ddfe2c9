// `qure-dnsupdate register` and what primaries and zones can be like: clocks that differ, zones that are cut, aliased
// or hidden, servers that say nothing, nonsense or a lie.

import Glibc
import Lab
import QureCore
import Simulator
import Testing

struct RegisterServerTests {
    private static let missing = RegisteredName.missing
    private static let register = ["--site", "box", "--allow-private", "--address", "192.0.2.7"]

    /// A run whose wall clock is years behind, and no other clock.
    private static func early(_ words: [String]) -> ToolResult {
        RunningTool(["env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", "-2y"] + words).finish()
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.allCases)
    func `a clock that is years behind does not matter where the server proves its own`(
        _ kind: NameServer.Kind
    ) throws {
        let name = RegisteredName(try NameServer(kind), "cloud")
        let words = name.words("register", Self.register + ["--lease", "1h"])
        let result = Self.early(words)
        let line = name.line("registered", "192.0.2.7").dropLast() + " server-lease=none\n"
        #expect(result.status == 0 && result.output == line, "\(result)")
        #expect(result.errors.contains("proved by its signature"), "\(result)")
        #expect(result.errors.contains("does not expire the records by itself"), "\(result)")
        #expect(name.addresses == ["192.0.2.7"])
        // The lease ends by the server's clock.
        let marker = name.server.query("box._qure.cloud.z.test", "TXT")
        let until = try #require(marker.firstMatch(of: /until=([0-9]+)/).flatMap { Int64($0.1) })
        let now = Clock.realtimeNanoseconds / 1_000_000_000
        #expect(abs(until - now - 3600) < 60)
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a clock that is years behind is named where the server proves nothing`() throws {
        let name = RegisteredName(try NameServer(.pdns), "cloud")
        let result = Self.early(name.words("register", Self.register))
        #expect(result.status == 77 && result.errors.contains("clock is years behind"), "\(result)")
        #expect(name.addresses == [])
    }

    /// Zones in which a name is not simply there.
    private static let lines = """
        below.sub NS elsewhere.example.
        d DNAME www
        deep.empty A 192.0.2.77
        *.wild A 192.0.2.7
        """

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.allCases)
    func `names below cuts and aliases are refused, others are not`(_ kind: NameServer.Kind) throws {
        let server = try NameServer(kind, lines: Self.lines)
        func run(_ label: String) -> ToolResult {
            RunningTool(RegisteredName(server, label).words("register", Self.register)).finish()
        }
        let before = server.records()
        let cut = run("x.below.sub")
        #expect(cut.status == 1 && cut.errors.contains("in a zone of its own, below.sub.z.test"), "\(cut)")
        let alias = run("x.d")
        #expect(alias.status == 1 && alias.errors.contains("d.z.test is an alias of www.z.test"), "\(alias)")
        #expect(server.records() == before)
        // What a wildcard says of a name is not yet a record of it; its time to live is taken for that of others.
        for (label, ttl) in [("empty", 60), ("x.wild", 300)] {
            let result = run(label)
            #expect(result.status == 0 && result.output.hasPrefix("registered"), "\(result)")
            #expect(server.records().contains("\(label).z.test. \(ttl) IN A 192.0.2.7"))
        }
    }

    /// A run that finds the server by the zone's SOA.
    private static func search(_ server: NameServer, _ label: String) -> ToolResult {
        let name = RegisteredName(server, label)
        server.write("resolv.conf", "nameserver 127.0.0.1\n")
        let words = name.words("register", register).filter { $0 != "--server" && !$0.hasPrefix("127.0.0.1#") }
        let rest = words.map { $0 == "/dev/null" ? server.path("resolv.conf") : $0 }
        return RunningTool(rest + ["-p", "\(server.port)"]).finish()
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `the primary is found by the zone's SOA, unless it is nobody's or an inside one`() throws {
        let server = try NameServer(.named)
        let found = Self.search(server, "a.b.cloud")
        #expect(found.status == 0, "\(found)")
        #expect(server.query("a.b.cloud.z.test", "A") == "192.0.2.7\n")
        let nobody = Self.search(try NameServer(.named, primary: "."), "cloud")
        #expect(nobody.status == 1 && nobody.errors.contains("says that it has no primary"), "\(nobody)")
        let inside = try NameServer(.named, lines: "inside A 192.168.1.2\n", primary: "inside.z.test.")
        let hidden = Self.search(inside, "cloud")
        #expect(hidden.status == 1 && hidden.errors.contains("192.168.1.2"), "\(hidden)")
        #expect(hidden.errors.contains("name the server with --server"), "\(hidden)")
        let named = RunningTool(RegisteredName(inside, "cloud").words("register", Self.register)).finish()
        #expect(named.status == 0, "\(named)")
    }

    /// Whatever is waited for: the zone, the server's address, the sources, the answers.
    @Test(arguments: [
        "register --address 192.0.2.7 --server SILENT", "check --address 192.0.2.7 --server SILENT",
        "register --address 192.0.2.7 --server SILENT --zone z.test", "deregister --server SILENT",
        "register --address 192.0.2.7 --server ns.z.test", "register --address command:sleep_9 --server SILENT",
        "check --address 192.0.2.7",
    ])
    func `the time that was given is for all of it`(_ line: String) throws {
        let silent = try ScriptedServer()
        let folder = TemporaryFolder()
        shell("echo nameserver 127.0.0.1 > \(folder.path)/resolv.conf")
        let words = line.split(separator: " ").map { word in
            String(word).replacing("SILENT", with: "127.0.0.1#\(silent.port)").replacing("_", with: " ")
        }
        let more = ["-w", "1s", "-p", "\(silent.port)", "--resolv-conf", "\(folder.path)/resolv.conf"]
        let labs = words[0] == "deregister" ? [] : ["--allow-private"]
        let options: [String] = words.dropFirst() + more + labs
        let began = Clock.now
        let result = RunningTool([Executables.path("qure-dnsupdate"), words[0], "cloud.z.test"] + options).finish()
        let time = Clock.now - began
        #expect(result.status == 69 && time > .milliseconds(900) && time < .seconds(3), "\(time) \(result)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a primary that cannot write its journal is told what it may want`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        must("mkdir \(name.server.path("z.db.jnl"))")
        let result = RunningTool(name.words("register", Self.register)).finish()
        #expect(result.status == 75 && result.errors.contains("SERVFAIL to an update"), "\(result)")
        #expect(result.errors.contains("write its journal"), "\(result)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a server that shows its zone to the key alone is asked with it`() throws {
        let shown = try NameServer(.named, statement: "allow-query { key k256; 127.0.0.2; };")
        let result = RunningTool(RegisteredName(shown, "cloud").words("register", Self.register)).finish()
        #expect(result.status == 0, "\(result)")
        shown.write("wrong", "key \"k256\" { algorithm hmac-sha256; secret \"\(NameServer.secret("another"))\"; };\n")
        let wrong = RunningTool(RegisteredName(shown, "cloud").words("register", Self.register, key: "wrong")).finish()
        #expect(wrong.status == 77 && wrong.errors.contains("BADSIG: the key's secret"), "\(wrong)")
        let early = Self.early(RegisteredName(shown, "cloud").words("register", Self.register))
        #expect(early.status == 77 && early.errors.contains("clock"), "\(early)")
        let closed = try NameServer(.named, statement: "allow-query { none; };")
        let words = RegisteredName(closed, "cloud").words("register", Self.register)
        for zone in [[], ["--zone", "z.test"]] {
            let refused = RunningTool(words + zone).finish()
            #expect(refused.status == 1 && refused.errors.contains("REFUSED"), "\(refused)")
        }
    }
}

extension RegisterServerTests {
    /// What the tool sends on its way to the server, for somebody who listens and sends it again.
    private func overhear(_ name: RegisteredName, _ command: String, _ arguments: [String]) throws -> [[UInt8]] {
        let relay = try ScriptedServer(), beyond = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        defer { close(beyond) }
        let place = "127.0.0.1#\(name.server.port)"
        let words = name.words(command, arguments).map { $0 == place ? "127.0.0.1#\(relay.port)" : $0 }
        let tool = RunningTool(words)
        var updates: [[UInt8]] = []
        while tool.isRunning {
            guard relay.hasDatagram else { continue }
            let request = try relay.receive()
            if try DNSMessage(request).opcode == .update { updates.append(request) }
            relay.send(name.server.answer(to: request, by: beyond))
        }
        let result = tool.finish()
        #expect(result.status == 0, "\(result)")
        return updates
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.every)
    func `an update that somebody has overheard and sends again does nothing`(_ kind: NameServer.Kind) throws {
        let name = RegisteredName(try NameServer(kind), "cloud")
        let box = ["--site", "box", "--allow-private"]
        let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var updates: [[UInt8]] = []
        for (command, address) in [
            ("register", "192.0.2.7"), ("register", "192.0.2.8"), ("register", "192.0.2.7"), ("deregister", ""),
        ] {
            let more = address.isEmpty ? ["--site", "box"] : box + ["--address", address]
            updates += try overhear(name, command, more)
            let records = name.server.records()
            for update in updates {
                let answer = name.server.answer(to: update, by: descriptor)
                #expect(try DNSMessage(answer).responseCode != .noError)
            }
            #expect(name.server.records() == records, "after \(command) \(address)")
        }
        #expect(updates.count == 4)
        #expect(name.addresses == [])
    }
}

/// Servers that misbehave.
struct RegisterFaultTests {
    private static let missing = RegisteredName.missing
    private static let secret = [UInt8](repeating: 7, count: 32)
    private static let key = TSIGKey(name: DomainName("k")!, algorithm: TSIGAlgorithm(.sha256), secret: secret)

    /// The tool, asking the scripted server about a zone that is known.
    private final class Run {
        let server: ScriptedServer
        let tool: RunningTool
        private let folder = TemporaryFolder()

        init(_ server: ScriptedServer, _ more: String...) throws {
            self.server = server
            let secret = String(decoding: BinaryText.base64.text(RegisterFaultTests.secret), as: UTF8.self)
            let text = "key \"k\" { algorithm hmac-sha256; secret \"\(secret)\"; };\n"
            try TextFile.replace("\(folder.path)/key", with: Array(text.utf8))
            chmod("\(folder.path)/key", 0o600)
            tool = RunningTool(
                [
                    Executables.path("qure-dnsupdate"), "register", "cloud.z.test", "-k", "\(folder.path)/key",
                    "--server", "127.0.0.1#\(server.port)", "--zone", "z.test", "--site", "box", "--allow-private",
                    "--address", "192.0.2.7", "--timeout", "9s",
                ] + more)
        }

        /// The next question, answered.
        func answer(_ code: DNSResponseCode, signed: Bool = true, time offset: Int64 = 0) throws {
            let request = try server.receive()
            server.send(try Self.response(request, code, signed: signed, time: offset))
        }

        static func response(
            _ request: [UInt8], _ code: DNSResponseCode, signed: Bool, time offset: Int64 = 0
        ) throws -> [UInt8] {
            var response = try DNSMessage(request).response(code)
            response.flags.insert(.authoritative)
            guard signed else { return response.encoded() }
            let now = UInt64(Clock.realtimeNanoseconds / 1_000_000_000)
            var session = TSIGSession(RegisterFaultTests.key)
            guard offset != 0 else {
                _ = try session.verify(request, at: now)
                return session.sign(response.encoded(), at: now)
            }
            let there = UInt64(Int64(now) + offset)
            do { _ = try session.verify(request, at: there) } catch {}
            return session.signBadTime(response.encoded(), at: there, clientTime: now)
        }
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `silence ends in time, and a second server is asked`() throws {
        let silent = try Run(ScriptedServer())
        let began = Clock.now
        let result = silent.tool.finish()
        #expect(result.status == 69 && result.errors.contains("timed out"), "\(result)")
        #expect(Clock.now - began < .seconds(10))
        let server = try NameServer(.named)
        let broken = try ScriptedServer()
        let name = RegisteredName(server, "cloud")
        let words = name.words(
            "register", ["--site", "box", "--allow-private", "--address", "192.0.2.7", "--zone", "z.test"])
        let index = try #require(words.firstIndex(of: "--server"))
        var both = words
        both.insert(contentsOf: ["--server", "127.0.0.1#\(broken.port)"], at: index)
        let tool = RunningTool(both)
        let request = try broken.receive()
        // Not well, and not signed: whoever said it, the question goes on to the next server.
        broken.send(try DNSMessage(request).response(.serverFailure).encoded())
        let second = tool.finish()
        #expect(second.status == 0 && second.output == name.line("registered", "192.0.2.7"), "\(second)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a server that is not well is told of as such`() throws {
        let run = try Run(ScriptedServer())
        try run.answer(.serverFailure)
        let result = run.tool.finish()
        #expect(result.status == 75 && result.errors.contains("SERVFAIL"), "\(result)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `what is not signed is not believed`() throws {
        // A forged "nothing there": the question goes again, over a stream; there the server is silent.
        let server = try ScriptedServer()
        server.listen()
        let run = try Run(server)
        try run.answer(.noError, signed: false)
        let connection = try server.accept()
        connection.send(StreamMessages.frame(try Run.response(try connection.receive(), .noError, signed: false)))
        let result = run.tool.finish()
        #expect(result.status == 77 && result.errors.contains("the answer is not signed"), "\(result)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a clock is not set by what is not signed, nor twice, nor by centuries`() throws {
        let twice = try Run(ScriptedServer())
        try twice.answer(.notAuthorized, time: 100_000)
        try twice.answer(.notAuthorized, time: 200_000)
        let result = twice.tool.finish()
        #expect(result.status == 77 && result.errors.contains("too far to be believed"), "\(result)")
        let far = try Run(ScriptedServer())
        try far.answer(.notAuthorized, time: 12 * 366 * 86400)
        let centuries = far.tool.finish()
        #expect(centuries.status == 77 && !far.server.hasDatagram, "\(centuries)")
        // BADTIME that anybody could have sent.
        let server = try ScriptedServer()
        server.listen()
        let forged = try Run(server)
        let request = try server.receive()
        let response = try DNSMessage(request).response(.notAuthorized)
        let record = try #require(try DNSMessage(request).signature)
        server.send(TSIGSession.refuse(response.encoded(), request: record, .wrongTime(1)))
        let connection = try server.accept()
        let again = try connection.receive()
        let other = try #require(try DNSMessage(again).signature)
        let refusal = try DNSMessage(again).response(.notAuthorized).encoded()
        connection.send(StreamMessages.frame(TSIGSession.refuse(refusal, request: other, .wrongTime(1))))
        let end = forged.tool.finish()
        #expect(end.status == 77 && end.errors.contains("BADTIME without a signature"), "\(end)")
    }

    /// Answers whatever is asked, as an authority that grants this lease, until `isOver`; the updates that came.
    private static func serve(
        _ run: Run, granting lease: UInt32?, until isOver: ([(update: DNSMessage, at: Instant)]) -> Bool
    ) throws -> [(update: DNSMessage, at: Instant)] {
        var authority = SimulatedAuthority(zone: DomainName("z.test")!)
        authority.grants = lease
        var updates: [(update: DNSMessage, at: Instant)] = []
        let isDone = try eventually(within: .seconds(40)) {
            while run.server.hasDatagram {
                let request = try run.server.receive(), message = try DNSMessage(request)
                if message.opcode == .update { updates.append((message, Clock.now)) }
                let now = UInt64(Clock.realtimeNanoseconds / 1_000_000_000)
                authority.time = now
                var answer = authority.take(message), session = TSIGSession(key)
                answer.signature = nil
                _ = try session.verify(request, at: now)
                run.server.send(session.sign(answer.encoded(), at: now))
            }
            return isOver(updates)
        }
        #expect(isDone, "\(run.tool.output) \(run.tool.errors)")
        return updates
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: [45, nil] as [UInt32?])
    func `what a server grants for a lease is said, also that it grants none`(_ lease: UInt32?) throws {
        let said = lease.map { "the server forgets the records after \($0)s" } ?? "does not expire the records"
        for isJSON in [false, true] {
            let run = try Run(ScriptedServer(), "--lease", "1h", isJSON ? "--json" : "--quiet")
            let updates = try Self.serve(run, granting: lease) { _ in !run.tool.isRunning }
            #expect(updates.count == 1 && updates[0].update.edns?.updateLease == UpdateLease(3600))
            let result = run.tool.finish()
            let text = " server-lease=\(lease.map { "\($0)s" } ?? "none")\n"
            let end = isJSON ? ",\"server_lease\":\(lease ?? 0)}\n" : text
            #expect(result.status == 0 && result.output.hasSuffix(end), "\(result)")
            if isJSON { #expect(result.errors.contains(said), "\(result)") }
        }
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a lease that a server has granted is renewed by its time, with all that it is for`() throws {
        let run = try Run(ScriptedServer(), "--lease", "1h", "--watch", "--interval", "1h", "--verify", "1h")
        let updates = try Self.serve(run, granting: 30) { $0.count == 2 }
        try #require(updates.count == 2)
        let wait = updates[1].at - updates[0].at
        #expect(wait > .seconds(23) && wait < .seconds(29), "\(wait)")
        func added(_ update: DNSMessage) -> Set<DomainName> {
            Set(update.updates.filter { $0.recordClass == .internet }.map(\.name))
        }
        #expect(added(updates[1].update) == added(updates[0].update) && added(updates[1].update).count == 3)
        _ = run.tool.end(with: SIGKILL)
    }
}
