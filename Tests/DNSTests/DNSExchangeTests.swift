// The machine that asks servers: its table of states row by row, the law of deadlines, and what is not believed. Time
// and chance are made up; the servers are values that sign as servers do.

@testable import QureCore
import Simulator
import Testing

struct DNSExchangeTests {
    /// An exchange with two servers and a clock of its own.
    private struct Bench {
        static let servers = ["192.0.2.1", "192.0.2.2"].compactMap { DNSEndpoint($0) }
        static let key = DomainName("k").map {
            TSIGKey(name: $0, algorithm: TSIGAlgorithm(.sha256), secret: [1, 2, 3])
        }

        var exchange: DNSExchange
        var now = Instant(nanoseconds: 1_000_000_000)
        var random = SplitMix64(seed: 1)
        static let time: UInt64 = 1_700_000_000

        init(
            signed: Bool = false, changes: Int = 1, usesStream: Bool = false, timing: DNSExchange.Timing = .init(),
            passesOver: Set<DNSResponseCode> = [], watchesForForgers: Bool = false, servers: [DNSEndpoint] = servers
        ) {
            var update = DNSMessage.update(id: 0, zone: DomainName("z.test") ?? .root)
            for number in 0..<changes {
                update.updates.append(
                    DNSRecord(DomainName("a\(number).z.test") ?? .root, .any, ttl: 0, .empty(.any)))
            }
            exchange = DNSExchange(
                update, key: signed ? Self.key : nil, servers: servers, timing: timing, usesStream: usesStream,
                passesOver: passesOver, watchesForForgers: watchesForForgers)
        }

        mutating func step(_ input: DNSExchange.Input) -> [DNSExchange.Output] {
            let outputs = exchange.step(input, at: now, time: Self.time, using: &random)
            // The law of deadlines.
            if case .deadlinePassed = input, let next = exchange.nextDeadline { #expect(next > now) }
            return outputs
        }

        /// Lets the time of the deadline come.
        mutating func pass() throws -> [DNSExchange.Output] {
            now = try #require(exchange.nextDeadline)
            return step(.deadlinePassed)
        }
    }

    /// The name of the question is spelled by the header itself here, and the pointer to it is shorter than the name.
    @Test func `a question by a pointer into the header is taken, and breaks nothing`() throws {
        // A length that is half of the number, three octets of the header, another length, one octet.
        let name = try #require(DomainName(octets: [3, 0x84, 0, 0, 1, 0, 0]))
        let server = try #require(DNSEndpoint("192.0.2.1"))
        var random = SplitMix64(seed: 1)
        for _ in 0..<10_000 {
            let message = DNSMessage(id: 0, questions: [DNSQuestion(name, .a)])
            var exchange = DNSExchange(message, key: nil, servers: [server], spelling: name)
            let now = Instant(nanoseconds: 0)
            let asked = Self.octets(exchange.step(.start, at: now, time: 0, using: &random))
            let number = try #require(asked?.prefix(2))
            guard number.last == 3 else { continue }
            let response = number + [0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 1, 0, 1, 0, 1]
            let outputs = exchange.step(.datagram(Array(response)), at: now, time: 0, using: &random)
            guard case .finished(let answer)? = outputs.last else { return #expect(Bool(false), "\(outputs)") }
            return #expect(answer.message.question?.name == name)
        }
        #expect(Bool(false), "no such number was drawn")
    }

    private static func octets(_ outputs: [DNSExchange.Output]) -> [UInt8]? {
        switch outputs.last {
        case .sendDatagram(let octets, _), .openStream(let octets, _): octets
        default: nil
        }
    }

    private static func isDatagram(_ outputs: [DNSExchange.Output], to server: Int) -> Bool {
        guard case .sendDatagram(_, Bench.servers[server])? = outputs.last else { return false }
        return true
    }

    private static func isStream(_ outputs: [DNSExchange.Output], to server: Int) -> Bool {
        guard case .openStream(_, Bench.servers[server])? = outputs.last else { return false }
        return true
    }

    private static func answer(_ outputs: [DNSExchange.Output]) -> DNSExchange.Answer? {
        guard case .finished(let answer)? = outputs.last else { return nil }
        return answer
    }

    /// The server's answer to what was sent last.
    private static func response(
        _ outputs: [DNSExchange.Output], _ code: DNSResponseCode = .noError, signed: Bool = false,
        change: (inout DNSMessage) -> Void = { _ in }
    ) throws -> [UInt8] {
        let request = try #require(octets(outputs))
        var response = try DNSMessage(request).response(code)
        change(&response)
        let written = response.encoded()
        guard signed else { return written }
        var session = TSIGSession(try #require(Bench.key))
        _ = try session.verify(request, at: Bench.time)
        return session.sign(written, at: Bench.time)
    }

    @Test(arguments: [false, true])
    func `the answer ends it`(_ signed: Bool) throws {
        var bench = Bench(signed: signed)
        let sent = bench.step(.start)
        #expect(Self.isDatagram(sent, to: 0))
        let outputs = bench.step(.datagram(try Self.response(sent, .refused, signed: signed)))
        let answer = try #require(Self.answer(outputs))
        #expect(outputs.first == .close && answer.message.responseCode == .refused && answer.rejection == nil)
        #expect(answer.server == Bench.servers[0] && bench.exchange.nextDeadline == nil)
        #expect(bench.step(.datagram([])) == [] && bench.step(.start) == [])
    }

    @Test func `silence is met by the same octets, then by the next server, then by the end`() throws {
        var bench = Bench(signed: true)
        var sent: [[UInt8]] = [try #require(Self.octets(bench.step(.start)))]
        for _ in 1..<4 {
            let outputs = try bench.pass()
            #expect(Self.isDatagram(outputs, to: 0))
            sent.append(try #require(Self.octets(outputs)))
        }
        #expect(Set(sent).count == 1)
        let next = try bench.pass()
        #expect(next.prefix(2) == [.close, .failed(Bench.servers[0], "timed out")] && Self.isDatagram(next, to: 1))
        #expect(Self.octets(next)?.prefix(2) != sent[0].prefix(2), "another number for another server")
        for _ in 1..<4 { #expect(Self.isDatagram(try bench.pass(), to: 1)) }
        #expect(try bench.pass() == [.close, .failed(Bench.servers[1], "timed out"), .exhausted])
        #expect(bench.exchange.nextDeadline == nil)
        #expect(bench.now == Instant(nanoseconds: 1_000_000_000) + .seconds(24))
    }

    @Test func `the time for a server ends it whatever is left`() throws {
        var timing = DNSExchange.Timing()
        timing.total = .seconds(4)
        var bench = Bench(timing: timing)
        _ = bench.step(.start)
        #expect(Self.isDatagram(try bench.pass(), to: 0))
        #expect(Self.isDatagram(try bench.pass(), to: 1))
        #expect(bench.now == Instant(nanoseconds: 1_000_000_000) + .seconds(4))
        var early = Bench()
        _ = early.step(.start)
        #expect(early.step(.deadlinePassed) == [], "a deadline that has not come")
    }

    @Test func `who is named again has its try used by the last one, if that is silent`() throws {
        var timing = DNSExchange.Timing()
        timing.tries = 1
        timing.total = .seconds(4)
        timing.staysWithLast = true
        var bench = Bench(timing: timing, servers: Bench.servers + Bench.servers)
        _ = bench.step(.start)
        let second = try bench.pass()
        #expect(Self.isDatagram(second, to: 1) && second.first == .close, "all have their turn first")
        for _ in 0..<2 {
            let again = try bench.pass()
            #expect(again.first == .unheard(Bench.servers[1]) && Self.octets(again) == Self.octets(second))
        }
        #expect(try bench.pass() == [.close, .failed(Bench.servers[1], "timed out"), .exhausted])
        #expect(bench.now == Instant(nanoseconds: 1_000_000_000) + .seconds(12))
    }

    @Test func `a failure leads to the next server at once`() {
        var bench = Bench()
        _ = bench.step(.start)
        let outputs = bench.step(.failed("connection refused"))
        #expect(outputs.contains(.failed(Bench.servers[0], "connection refused")) && Self.isDatagram(outputs, to: 1))
        #expect(bench.step(.failed("host unreachable")).last == .exhausted)
        var nobody = DNSExchange(DNSMessage(id: 0), key: nil, servers: [])
        var random = SplitMix64(seed: 1)
        #expect(nobody.step(.start, at: bench.now, time: 0, using: &random) == [.exhausted])
    }

    @Test func `what is no answer is passed over`() throws {
        var bench = Bench()
        let sent = bench.step(.start)
        let right = try Self.response(sent)
        let request = try #require(Self.octets(sent))
        let wrong: [[UInt8]] = try [
            [], [0], Array(right.dropLast()), right + [0], request,
            Self.response(sent) { $0.id ^= 1 }, Self.response(sent) { $0.opcode = .query },
            Self.response(sent) { $0.questions[0].name = DomainName("other.test") ?? .root },
            Self.response(sent) { $0.questions[0].name = DomainName("Z.test") ?? .root },
        ]
        for octets in wrong { #expect(bench.step(.datagram(octets)) == []) }
        #expect(Self.answer(bench.step(.datagram(right))) != nil)
    }

    @Test func `where somebody guesses numbers, a stream is used, and other nonsense is passed over`() throws {
        var bench = Bench(watchesForForgers: true)
        let sent = bench.step(.start)
        let right = try Self.response(sent)
        let request = try #require(Self.octets(sent))
        let wrong: [[UInt8]] = try [
            [], [0], Array(right.dropLast()), request, [request[0] ^ 1] + request.dropFirst(),
            Self.response(sent) { $0.questions[0].name = DomainName("other.test") ?? .root },
        ]
        for octets in wrong { #expect(bench.step(.datagram(octets)) == []) }
        #expect(bench.exchange.guesses == 0)
        let again = bench.step(.datagram(try Self.response(sent) { $0.id ^= 1 }))
        #expect(again.first == .close && Self.isStream(again, to: 0) && bench.exchange.guesses == 1)
        #expect(Self.octets(again)?.prefix(2) != request.prefix(2))
        // What comes by datagram is too late, be it right.
        #expect(bench.step(.datagram(right)) == [])
        // A server that takes no connections is asked like any other that fails.
        var refused = bench
        let next = refused.step(.failed("connection refused"))
        #expect(Self.isDatagram(next, to: 1) && refused.exchange.guesses == 1)
        #expect(Self.answer(bench.step(.message(try Self.response(again)))) != nil)
    }

    @Test func `an update's answer need not repeat the zone`() throws {
        var bench = Bench()
        let sent = bench.step(.start)
        #expect(Self.answer(bench.step(.datagram(try Self.response(sent) { $0.questions = [] }))) != nil)
    }

    @Test func `a datagram without the signature sends the update over a stream`() throws {
        var bench = Bench(signed: true)
        let sent = bench.step(.start)
        let again = bench.step(.datagram(try Self.response(sent, .noError)))
        #expect(again.first == .close && Self.isStream(again, to: 0))
        let answer = Self.answer(bench.step(.message(try Self.response(again, .setMissing, signed: true))))
        #expect(answer?.message.responseCode == .setMissing && answer?.rejection == nil)
        // What nobody can sign is believed over the stream, for what it is.
        var refused = Bench(signed: true)
        let stream = refused.step(.datagram(try Self.response(refused.step(.start), .refused)))
        let unsigned = Self.answer(refused.step(.message(try Self.response(stream, .refused))))
        #expect(unsigned?.message.responseCode == .refused && unsigned?.rejection == .unsigned)
        // Where there is no stream, the datagram is all there is.
        var silent = Bench(signed: true)
        _ = silent.step(.datagram(try Self.response(silent.step(.start), .refused)))
        #expect(Self.answer(silent.step(.failed("connection refused")))?.rejection == .unsigned)
    }

    @Test func `a wrong clock is believed at once, for that is signed`() throws {
        var bench = Bench(signed: true)
        let request = try #require(Self.octets(bench.step(.start)))
        var session = TSIGSession(try #require(Bench.key))
        let server = Bench.time + 1000
        #expect(throws: TSIGSession.Rejection.wrongTime(Bench.time)) { try session.verify(request, at: server) }
        let response = try DNSMessage(request).response(.notAuthorized)
        let octets = session.signBadTime(response.encoded(), at: server, clientTime: Bench.time)
        #expect(Self.answer(bench.step(.datagram(octets)))?.rejection == .wrongTime(server))
    }

    @Test func `what is long goes over a stream, and so does what was cut`() throws {
        var long = Bench(changes: 60)
        #expect(Self.isStream(long.step(.start), to: 0))
        var chosen = Bench(usesStream: true)
        #expect(Self.isStream(chosen.step(.start), to: 0))
        var cut = Bench()
        let sent = cut.step(.start)
        let again = cut.step(.datagram(try Self.response(sent) { $0.flags.insert(.truncated) }))
        #expect(Self.isStream(again, to: 0))
        #expect(Self.octets(again)?.prefix(2) != Self.octets(sent)?.prefix(2))
        let failed = cut.step(.failed("connection refused"))
        #expect(failed.contains(.failed(Bench.servers[0], "connection refused")) && Self.isDatagram(failed, to: 1))
    }

    @Test func `a stream ends with nonsense, with its time, and never without`() throws {
        var bench = Bench(usesStream: true)
        _ = bench.step(.start)
        let outputs = bench.step(.message([1, 2, 3]))
        #expect(outputs.contains(.failed(Bench.servers[0], "unexpected answer")) && Self.isStream(outputs, to: 1))
        #expect(try bench.pass().last == .exhausted)
        #expect(bench.now == Instant(nanoseconds: 1_000_000_000) + .seconds(300))
        var timing = DNSExchange.Timing()
        timing.total = nil
        var endless = Bench(usesStream: true, timing: timing)
        _ = endless.step(.start)
        #expect(endless.exchange.nextDeadline == nil)
    }

    @Test func `codes that are as good as silence lead to the next server`() throws {
        var bench = Bench(passesOver: [.serverFailure, .notImplemented])
        let next = bench.step(.datagram(try Self.response(bench.step(.start), .serverFailure)))
        #expect(next.contains(.failed(Bench.servers[0], "SERVFAIL")) && Self.isDatagram(next, to: 1))
        #expect(Self.answer(bench.step(.datagram(try Self.response(next, .refused)))) != nil)
        var last = Bench(passesOver: [.serverFailure])
        let second = last.step(.datagram(try Self.response(last.step(.start), .serverFailure)))
        #expect(last.step(.datagram(try Self.response(second, .serverFailure))).last == .exhausted)
    }

    private static func text(_ length: Int) -> RecordData {
        RecordData.strings([[UInt8](repeating: 0x78, count: length)]) ?? .empty(.txt)
    }

    @Test func `what does not fit in a message is known before`() {
        var update = DNSMessage.update(id: 0, zone: .root)
        let record = DNSRecord(.root, .internet, ttl: 0, Self.text(255))
        update.updates = Array(repeating: record, count: 245)
        #expect(DNSExchange.fits(update, key: nil) && DNSExchange.fits(update, key: Bench.key))
        update.updates.append(record)
        #expect(!DNSExchange.fits(update, key: nil))
        // One that fits without its signature only.
        update.updates.removeLast()
        update.updates.append(DNSRecord(.root, .internet, ttl: 0, Self.text(40)))
        #expect(DNSExchange.fits(update, key: nil) != DNSExchange.fits(update, key: Bench.key))
    }
}

struct ZoneSearchTests {
    private static let zone = "z.test. 60 IN SOA ns.z.test. h.z.test. 1 2 3 4 5"

    private static func answer(
        _ question: DNSMessage, _ code: DNSResponseCode = .noError, answers: [String] = [], authorities: [String] = []
    ) throws -> DNSMessage {
        var message = question.response(code)
        message.answers = try answers.map { try ZoneFile.record($0) }
        message.authorities = try authorities.map { try ZoneFile.record($0) }
        return message
    }

    private static func name(_ text: String) throws -> DomainName { try #require(DomainName(text)) }

    @Test(arguments: [DNSResponseCode.noError, .nameError])
    func `the zone is in the answer or beside it`(_ code: DNSResponseCode) throws {
        var search = ZoneSearch(try Self.name("a.z.test"), .internet, isNamed: false)
        let question = search.question(isRecursive: true)
        #expect(question.flags == .recursionDesired && search.question(isRecursive: false).flags == [])
        let found = ZoneSearch.Step.found(zone: try Self.name("z.test"), primary: try Self.name("ns.z.test"))
        #expect(search.take(try Self.answer(question, code, authorities: [Self.zone])) == found)
        #expect(search.take(try Self.answer(question, code, answers: [Self.zone])) == found)
    }

    @Test func `aliases, strange zones and no answer lead one name up, and the root to the end`() throws {
        var search = ZoneSearch(try Self.name("b.a.z.test"), .internet, isNamed: false)
        let question = search.question(isRecursive: true)
        let alias = "b.a.z.test. 60 IN CNAME x.z.test."
        #expect(search.take(try Self.answer(question, answers: [alias], authorities: [Self.zone])) == .ask)
        #expect(search.name == DomainName("a.z.test"))
        let strange = "other.test. 60 IN SOA ns.z.test. h.z.test. 1 2 3 4 5"
        #expect(search.take(try Self.answer(question, authorities: [strange])) == .ask)
        #expect(search.take(try Self.answer(question)) == .ask)
        #expect(search.take(try Self.answer(question, .nameError)) == .ask)
        #expect(search.name.isRoot)
        #expect(search.take(try Self.answer(question)) == .nowhere)
    }

    @Test func `a zone that was named must be one`() throws {
        var search = ZoneSearch(try Self.name("z.test"), .internet, isNamed: true)
        let question = search.question(isRecursive: true)
        let nothing = try Self.answer(question, .nameError, authorities: [Self.zone])
        #expect(search.take(nothing) == .noSuchZone(search.name))
        #expect(search.take(try Self.answer(question, .serverFailure)) == .unsuccessful(.serverFailure))
    }

    @Test func `addresses are followed through aliases, and loops end`() throws {
        let question = DNSMessage(id: 1, questions: [DNSQuestion(try Self.name("w.test"), .a)])
        let answer = try Self.answer(
            question,
            answers: [
                "w.test. 1 IN CNAME x.test.", "x.test. 1 IN A 192.0.2.1", "x.test. 1 IN A 192.0.2.2",
                "y.test. 1 IN A 192.0.2.3",
            ])
        #expect(answer.answeredAddresses.map(\.description) == ["192.0.2.1", "192.0.2.2"])
        let loop = try Self.answer(question, answers: ["w.test. 1 IN CNAME x.test.", "x.test. 1 IN CNAME w.test."])
        #expect(loop.answeredAddresses == [])
    }
}

struct ResolverTests {
    @Test func `resolv-conf says servers, domains and dots`() throws {
        let text = """
            # nameserver 192.0.2.9
            nameserver 192.0.2.1
            nameserver fe80::1%eth0
            nameserver nonsense
            search example.test  sub.example.test
            options edns0 ndots:2
            nameserver ::1
            nameserver 192.0.2.4
            """
        let configuration = ResolverConfiguration(Array(text.utf8), port: 5353)
        #expect(configuration.servers.map(\.description) == ["192.0.2.1#5353", "fe80::1%eth0#5353", "::1#5353"])
        func names(_ text: String) -> [String] { configuration.candidates(text).map(\.description) }
        #expect(names("a") == ["a.example.test.", "a.sub.example.test.", "a."])
        #expect(names("a.b.c") == ["a.b.c.", "a.b.c.example.test.", "a.b.c.sub.example.test."])
        #expect(names("a.") == ["a."] && names("a..b") == [])
        #expect(ResolverConfiguration([]).servers.map(\.description) == ["127.0.0.1#53"])
    }

    @Test func `hosts says addresses`() {
        let text = "127.0.0.1 localhost\n192.0.2.1\tNs.Test ns # alias\n2001:db8::1 ns.test\n#192.0.2.3 ns.test\n"
        func addresses(_ name: String) -> [String] {
            HostsFile.addresses(of: name, in: Array(text.utf8)).map(\.description)
        }
        #expect(addresses("ns.test.") == ["192.0.2.1", "2001:db8::1"])
        #expect(addresses("ns") == ["192.0.2.1"] && addresses("alias") == [])
    }

    @Test func `messages of a stream come in any pieces`() {
        let messages: [[UInt8]] = [[1, 2, 3], [], [UInt8](repeating: 7, count: 300)]
        let octets = messages.flatMap { StreamMessages.frame($0) }
        for size in [1, 2, 3, 7, 1000] {
            var stream = StreamMessages()
            var received: [[UInt8]] = []
            for start in stride(from: 0, to: octets.count, by: size) {
                received += stream.take(octets[start..<min(start + size, octets.count)])
            }
            #expect(received == messages)
        }
    }
}
