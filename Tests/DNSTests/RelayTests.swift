// The relay: what clients are told and what others are asked, step by step, without a socket. The servers are values
// that answer as the test says; time and chance are made up.

@testable import QureCore
import Simulator
import Testing

/// A relay with a clock of its own.
struct RelayBench {
    static let upstream = DNSEndpoint("192.0.2.53"), authority = DNSEndpoint("192.0.2.54")
    static let client = RelayClient(.v4(IPv4Address(rawValue: 0x0a00_0001)), port: 4000)
    static let stranger = RelayClient(.v4(IPv4Address(rawValue: 0xc633_6401)), port: 4000)

    var relay: Relay
    var now = Instant(nanoseconds: 1_000_000_000)
    var random = SplitMix64(seed: 1)
    private var nextID: UInt16 = 100

    init(_ change: (inout RelayConfiguration) -> Void = { _ in }) {
        var configuration = RelayConfiguration()
        configuration.upstreams = [Self.upstream].compactMap { $0 }
        configuration.audiences = Audiences(recursion: ["10.0.0.0/8"].compactMap { Prefix($0) })
        configuration.cacheSize = 100
        change(&configuration)
        relay = Relay(configuration, cacheKey: (1, 2), at: now)
    }

    mutating func step(_ input: Relay.Input) -> [Relay.Output] {
        let outputs = relay.step(input, at: now, time: 1_700_000_000, using: &random)
        // The law of deadlines.
        if case .deadlinePassed = input, let next = relay.nextDeadline { #expect(next > now) }
        return outputs
    }

    /// A client asks.
    mutating func ask(
        _ name: String, _ type: RecordType = .a, by client: RelayClient = client, edns: EDNS? = EDNS(),
        flags: DNSMessage.Flags = .recursionDesired
    ) -> [Relay.Output] {
        nextID += 1
        let question = DNSQuestion(DomainName(name) ?? .root, type)
        return step(.request(DNSMessage(id: nextID, flags: flags, questions: [question], edns: edns).encoded(), client))
    }

    /// What others are asked among these, and as which exchange.
    static func asked(_ outputs: [Relay.Output]) -> [(message: DNSMessage, server: DNSEndpoint, exchange: Int)] {
        outputs.compactMap { output in
            switch output {
            case .sendDatagram(let octets, let server, let exchange), .openStream(let octets, let server, let exchange):
                (try? DNSMessage(octets)).map { ($0, server, exchange) }
            default: nil
            }
        }
    }

    /// What clients are told among these.
    static func told(_ outputs: [Relay.Output]) -> [DNSMessage] {
        outputs.compactMap { if case .answer(let octets, _) = $0 { try? DNSMessage(octets) } else { nil } }
    }

    /// A server answers what it was asked among `outputs`, with records as lines of a zone file.
    mutating func answer(
        _ outputs: [Relay.Output], _ records: [String] = [], authority: [String] = [],
        code: DNSResponseCode = .noError, change: (inout DNSMessage) -> Void = { _ in }
    ) throws -> [Relay.Output] {
        var results: [Relay.Output] = []
        for (query, _, exchange) in Self.asked(outputs) {
            var response = query.response(code)
            response.edns = EDNS()
            response.answers = try records.map { try ZoneFile.record($0, ttl: 300) }
            response.authorities = try authority.map { try ZoneFile.record($0, ttl: 300) }
            change(&response)
            results += step(.exchange(exchange, .datagram(response.encoded())))
        }
        return results
    }

    /// Lets the time of the next deadline come, as often as it takes for something to happen.
    mutating func pass() throws -> [Relay.Output] {
        for _ in 0..<100 {
            now = max(now, try #require(relay.nextDeadline))
            let outputs = step(.deadlinePassed)
            if !outputs.isEmpty { return outputs }
        }
        return []
    }
}

extension EDNS {
    /// What is not drawn by chance.
    var withoutCookie: EDNS {
        var edns = self
        edns.cookie = nil
        return edns
    }
}

struct RelayTests {
    @Test func `an upstream is asked by a message of our own, once for all who wait`() throws {
        var bench = RelayBench()
        var edns = EDNS(payloadSize: 4096)
        edns.append(EDNS.Option(.clientSubnet, [0, 1, 24, 0, 192, 0, 2]))
        let first = bench.ask("www.Example.com", edns: edns)
        let asked = try #require(RelayBench.asked(first).first)
        #expect(asked.message.edns?.withoutCookie == EDNS() && asked.message.flags == .recursionDesired)
        #expect(asked.server == RelayBench.upstream)
        #expect(RelayBench.asked(bench.ask("www.example.com", edns: nil)).isEmpty)
        var other = RelayBench.client
        other.port = 4001
        #expect(RelayBench.asked(bench.ask("www.example.com", by: other)).isEmpty)
        let told = RelayBench.told(try bench.answer(first, ["www.example.com. 60 A 192.0.2.1"]))
        let names = ["www.Example.com.", "www.example.com.", "www.example.com."]
        #expect(told.map { $0.question?.name.description } == names)
        #expect(told.map { $0.edns == nil } == [false, true, false])
        let flags: DNSMessage.Flags = [.response, .recursionDesired, .recursionAvailable]
        #expect(told.allSatisfy { $0.answers.count == 1 && $0.flags == flags })
        #expect(bench.relay.nextDeadline == nil || RelayBench.asked(bench.step(.deadlinePassed)).isEmpty)
    }

    @Test func `a datagram that is sent again is answered once`() throws {
        var bench = RelayBench()
        let query = DNSMessage(
            id: 5, flags: .recursionDesired, questions: [DNSQuestion(try #require(DomainName("a.test")), .a)]
        ).encoded()
        let first = bench.step(.request(query, RelayBench.client))
        #expect(bench.step(.request(query, RelayBench.client)) == [])
        #expect(RelayBench.told(try bench.answer(first, ["a.test. 60 A 192.0.2.1"])).count == 1)
    }

    /// CVE-2025-40778 and its kind: an upstream says more than it was asked.
    @Test func `of an answer only what is about the question is kept`() throws {
        var bench = RelayBench()
        let outputs = bench.ask("a.test")
        let told = try #require(
            RelayBench.told(
                try bench.answer(
                    outputs,
                    [
                        "bank.test. 60 A 192.0.2.66", "a.test. 60 CNAME b.test.", "b.test. 50 A 192.0.2.1",
                        "b.test. 50 TXT \"no\"", "c.test. 60 A 192.0.2.2",
                    ],
                    authority: ["test. 60 NS evil.test.", "test. 60 SOA a. b. 1 2 3 4 5"])
            ).first)
        #expect(told.answers.map(\.description) == ["a.test. 60 IN CNAME b.test.", "b.test. 50 IN A 192.0.2.1"])
        #expect(told.authorities.isEmpty)
        #expect(RelayBench.asked(bench.ask("bank.test")).count == 1)
        // A "no" of a zone that the name is not in is none that is kept.
        let no = bench.ask("d.test")
        let answer = try bench.answer(no, authority: ["other. 60 SOA a. b. 1 2 3 4 5"], code: .nameError)
        #expect(RelayBench.told(answer).first?.authorities == [])
        #expect(RelayBench.asked(bench.ask("d.test")).count == 1)
    }

    @Test func `what is not the answer is passed over, and the wait goes on`() throws {
        var bench = RelayBench()
        let outputs = bench.ask("a.test")
        let asked = try #require(RelayBench.asked(outputs).first)
        var right = asked.message.response()
        right.answers = [try ZoneFile.record("a.test. 60 A 192.0.2.1")]
        var wrong: [[UInt8]] = [[], [1, 2, 3], asked.message.encoded(), Array(right.encoded().dropLast(3))]
        var other = right
        other.questions[0].name = try #require(DomainName("b.test"))
        wrong.append(other.encoded())
        other = right
        other.opcode = .notify
        wrong.append(other.encoded())
        for octets in wrong { #expect(bench.step(.exchange(asked.exchange, .datagram(octets))) == []) }
        #expect(RelayBench.told(bench.step(.exchange(asked.exchange, .datagram(right.encoded())))).count == 1)
    }

    /// RFC 9520: three tries over the servers there are, then a pause that grows.
    @Test func `a failure is remembered for a while`() throws {
        var bench = RelayBench { $0.upstreams = [RelayBench.upstream, RelayBench.authority].compactMap { $0 } }
        var outputs = bench.ask("a.test")
        var servers: [DNSEndpoint?] = []
        while let asked = RelayBench.asked(outputs).first {
            servers.append(asked.server)
            outputs = try bench.answer(outputs, code: .serverFailure)
        }
        #expect(servers == [RelayBench.upstream, RelayBench.authority, RelayBench.upstream])
        let told = try #require(RelayBench.told(outputs).first)
        #expect(told.responseCode == .serverFailure && told.edns?.extendedError == .networkError)
        for pause: Int64 in [1, 2, 4] {
            bench.now += .milliseconds(pause * 1000 - 1)
            #expect(RelayBench.told(bench.ask("a.test")).first?.responseCode == .serverFailure)
            bench.now += .milliseconds(1)
            outputs = bench.ask("a.test")
            #expect(RelayBench.asked(outputs).count == 1)
            for _ in 0..<3 { outputs = try bench.answer(outputs, code: .refused) }
        }
        bench.now += .seconds(300)
        outputs = bench.ask("a.test")
        #expect(RelayBench.told(try bench.answer(outputs, ["a.test. 60 A 192.0.2.1"])).first?.answers.count == 1)
    }

    /// A line that was down for long, and is back: nobody is to wait for the end of a pause that grew meanwhile.
    @Test func `what failed while a server was silent is asked soon after it speaks again`() throws {
        var bench = RelayBench()
        for _ in 0..<7 {
            bench.now += .seconds(40)
            var outputs = bench.ask("a.test")
            while RelayBench.told(outputs).isEmpty { outputs = try bench.pass() }
        }
        _ = try bench.answer(bench.ask("b.test"), ["b.test. 60 A 192.0.2.1"])
        #expect(RelayBench.told(bench.ask("a.test")).first?.edns?.extendedError == .cachedError, "RFC 9520: a second")
        bench.now += .seconds(1)
        var outputs = bench.ask("a.test")
        #expect(RelayBench.asked(outputs).count == 1)
        // The pauses have begun anew: the next one is the second.
        while RelayBench.told(outputs).isEmpty { outputs = try bench.answer(outputs, code: .serverFailure) }
        bench.now += .milliseconds(1900)
        #expect(RelayBench.asked(bench.ask("a.test")).isEmpty)
        bench.now += .milliseconds(100)
        #expect(RelayBench.asked(bench.ask("a.test")).count == 1)
    }

    @Test func `who has a name forgotten has its failure forgotten, too`() throws {
        var bench = RelayBench()
        for name in ["a.test", "b.test", "c.b.test"] {
            var outputs = bench.ask(name)
            for _ in 0..<3 { outputs = try bench.answer(outputs, code: .serverFailure) }
            #expect(RelayBench.told(outputs).first?.responseCode == .serverFailure)
        }
        #expect(bench.relay.forget(try #require(DomainName("B.test"))) == 0)
        #expect(RelayBench.asked(bench.ask("a.test")).isEmpty)
        #expect(RelayBench.asked(bench.ask("b.test")).count == 1)
        #expect(RelayBench.asked(bench.ask("c.b.test")).count == 1, "and those below it")
    }

    @Test func `nobody waits longer than a resolver's library does`() throws {
        var bench = RelayBench()
        let start = bench.now
        _ = bench.ask("a.test")
        var told: [DNSMessage] = []
        while told.isEmpty { told = RelayBench.told(try bench.pass()) }
        #expect(told.first?.responseCode == .serverFailure)
        #expect(bench.now - start <= .milliseconds(4500) && bench.now - start >= .seconds(3))
        #expect(bench.relay.nextDeadline == nil)
    }

    @Test func `old answers are given when nobody can be asked, if that is wanted`() throws {
        var bench = RelayBench { $0.staleLimit = .seconds(3600) }
        var outputs = bench.ask("a.test")
        _ = try bench.answer(outputs, ["a.test. 60 A 192.0.2.1"])
        bench.now += .seconds(100)
        outputs = bench.ask("a.test")
        for _ in 0..<3 { outputs = try bench.answer(outputs, code: .serverFailure) }
        let told = try #require(RelayBench.told(outputs).first)
        #expect(told.answers.map(\.ttl) == [30] && told.edns?.extendedError == .staleAnswer)
        let question = try #require(told.question)
        let steps = bench.relay.explain(
            question, for: RelayBench.client.address, at: bench.now, using: &bench.random)
        #expect(
            steps.suffix(2) == [
                "record: a.test. 30 IN A 192.0.2.1", "verdict: NOERROR with 1 record, old: nobody can be asked",
            ])
        // As dig asks, and as libraries do.
        for (name, flags, edns) in [
            ("d.test", [.recursionDesired, .authenticated], EDNS()), ("e.test", DNSMessage.Flags.recursionDesired, nil),
        ] {
            _ = try bench.answer(bench.ask(name, edns: edns, flags: flags), ["\(name). 60 A 192.0.2.1"])
            bench.now += .seconds(100)
            outputs = bench.ask(name, edns: edns, flags: flags)
            for _ in 0..<3 { outputs = try bench.answer(outputs, code: .serverFailure) }
            let question = try #require(RelayBench.told(outputs).first?.question)
            let steps = bench.relay.explain(
                question, for: RelayBench.client.address, at: bench.now, using: &bench.random)
            #expect(steps.last == "verdict: NOERROR with 1 record, old: nobody can be asked", "\(name)")
        }
        bench.now += .seconds(3600)
        outputs = bench.ask("a.test")
        for _ in 0..<3 { outputs = try bench.answer(outputs, code: .serverFailure) }
        #expect(RelayBench.told(outputs).first?.responseCode == .serverFailure)
    }

    /// RFC 8767 section 5: sooner than a datagram's answer would be too late.
    @Test func `who waits for long gets the old answer, and the question goes on`() throws {
        var bench = RelayBench { $0.staleLimit = .seconds(3600) }
        _ = try bench.answer(bench.ask("a.test"), ["a.test. 60 A 192.0.2.1"])
        bench.now += .seconds(100)
        let start = bench.now
        #expect(RelayBench.told(bench.ask("a.test")).isEmpty)
        var outputs: [Relay.Output] = [], asked: [Relay.Output] = []
        while RelayBench.told(outputs).isEmpty {
            outputs = try bench.pass()
            if !RelayBench.asked(outputs).isEmpty { asked = outputs }
        }
        #expect(bench.now - start == AliasTable.stalePatience && AliasTable.stalePatience < Relay.datagramPatience)
        #expect(RelayBench.told(outputs).first?.edns?.extendedError == .staleAnswer)
        #expect(bench.relay.waiting.isEmpty)
        // Whoever comes now does not wait; what comes then is for all who come later, and nobody is told twice.
        #expect(RelayBench.told(bench.ask("a.test")).first?.edns?.extendedError == .staleAnswer)
        #expect(RelayBench.told(try bench.answer(asked, ["a.test. 60 A 192.0.2.2"])).isEmpty)
        let query = DNSMessage(
            id: 9, flags: .recursionDesired, questions: [DNSQuestion(try #require(DomainName("a.test")), .a)],
            edns: EDNS())
        let audience = bench.relay.configuration.audiences.audience(of: RelayBench.client.address)
        #expect(bench.relay.cache.age(query.encoded(), audience: audience, at: bench.now) == .zero)
        // Where nothing is known, the wait goes on.
        #expect(RelayBench.told(bench.ask("b.test")).isEmpty)
        bench.now += AliasTable.stalePatience
        #expect(RelayBench.told(bench.step(.deadlinePassed)).isEmpty)
    }

    @Test func `what is refused by rule is no malformed message`() throws {
        var bench = RelayBench()
        let name = try #require(DomainName("version.bind"))
        let chaos = DNSMessage(id: 1, questions: [DNSQuestion(name, .txt, .chaos)])
        let unknown = DNSMessage(id: 2, opcode: DNSOpcode(rawValue: 2), questions: [DNSQuestion(name, .a)])
        for message in [chaos, unknown] { _ = bench.step(.request(message.encoded(), RelayBench.client)) }
        #expect(bench.relay.counters.refused == 2 && bench.relay.counters.malformed == 0)
        let many = DNSMessage(id: 3, questions: [DNSQuestion(name, .a), DNSQuestion(name, .a)])
        _ = bench.step(.request(many.encoded(), RelayBench.client))
        #expect(bench.relay.counters.refused == 2 && bench.relay.counters.malformed == 1)
    }

    @Test func `letters in a random case come back as they were asked for`() throws {
        var bench = RelayBench { $0.randomizesCase = true }
        let outputs = bench.ask("www.example.com")
        let asked = try #require(RelayBench.asked(outputs).first)
        let name = try #require(asked.message.question?.name)
        #expect(name == DomainName("www.example.com") && name.description != "www.example.com.")
        // A forger who does not know the letters is not believed.
        var forged = asked.message.response()
        forged.questions[0].name = try #require(DomainName("www.example.com"))
        forged.answers = [try ZoneFile.record("www.example.com. 60 A 192.0.2.66")]
        #expect(bench.step(.exchange(asked.exchange, .datagram(forged.encoded()))) == [])
        let told = try bench.answer(outputs, ["\(name) 60 A 192.0.2.1"])
        #expect(RelayBench.told(told).first?.answers.first?.description == "www.example.com. 60 IN A 192.0.2.1")
        // The zone's name, which ends the question's, is written by a pointer to it.
        let missing = bench.ask("Mail.example.com")
        let question = try #require(RelayBench.asked(missing).first?.message.question)
        let zone = try #require(question.name.parent), text = "300 SOA ns.\(zone) h.\(zone) 1 2 3 4 5"
        #expect(zone.description != "example.com.", "as the bench draws them")
        let reply = try bench.answer(missing, authority: ["\(zone) \(text)"], code: .nameError)
        let soa = try #require(RelayBench.told(reply).first?.authorities.first)
        #expect(soa.name.description == "example.com.")
        #expect(soa.data.startOfAuthority?.primary.description == "ns.example.com.")
    }

    @Test func `private addresses are refused, if that is wanted`() throws {
        for address in ["A 192.168.1.1", "A 127.0.0.1", "AAAA fd00::1", "AAAA ::ffff:10.0.0.1"] {
            var bench = RelayBench { $0.refusesPrivateAddresses = true }
            let type: RecordType = address.hasPrefix("AAAA") ? .aaaa : .a
            let outputs = bench.ask("a.test", type)
            let told = try #require(RelayBench.told(try bench.answer(outputs, ["a.test. 60 \(address)"])).first)
            #expect(told.responseCode == .serverFailure && told.answers.isEmpty)
            #expect(told.edns?.extendedError == .filtered)
        }
    }
}

struct ServerRankingTests {
    private static let servers = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].compactMap { DNSEndpoint($0) }
    private static let start = Instant(nanoseconds: 1_000_000_000)

    @Test func `whoever answers soonest is asked first, and the others now and then`() {
        var ranking = ServerRanking()
        let times: [Duration] = [.milliseconds(30), .milliseconds(10), .milliseconds(50)]
        #expect(ranking.order(Self.servers, at: Self.start) == Self.servers)
        var firsts = [0, 0, 0]
        for _ in 0..<1000 {
            let first = ranking.order(Self.servers, at: Self.start)[0]
            let index = Self.servers.firstIndex(of: first) ?? 0
            firsts[index] += 1
            ranking.succeed(first, after: times[index])
        }
        #expect(firsts[1] > 800 && firsts[0] > 3 && firsts[2] > 3, "\(firsts)")
    }

    @Test func `whoever does not answer is spared, longer each time`() {
        var ranking = ServerRanking()
        var now = Self.start
        for server in Self.servers { ranking.succeed(server, after: .milliseconds(10)) }
        for pause: Int64 in [1, 2, 4, 8, 16, 32, 60, 60] {
            ranking.fail(Self.servers[0], at: now)
            now += .seconds(pause) - .nanoseconds(1)
            #expect(ranking.order(Self.servers, at: now).last == Self.servers[0])
            now += .nanoseconds(1)
            // It is as good as the others again; they have faded less.
            #expect(ranking.order(Self.servers, at: now).contains(Self.servers[0]))
        }
        ranking.succeed(Self.servers[0], after: .milliseconds(1))
        #expect(ranking.order(Self.servers, at: now)[0] == Self.servers[0])
        // Where all have failed, the one whose time is over soonest comes first.
        for (index, server) in Self.servers.enumerated() { ranking.fail(server, at: now - .milliseconds(Int64(index))) }
        #expect(ranking.order(Self.servers, at: now)[0] == Self.servers[2])
    }

    /// The first of two upstreams is dead: one client waits for it, and the next ones do not.
    @Test func `a dead upstream holds one client up and no more`() throws {
        var bench = RelayBench { $0.upstreams = [RelayBench.upstream, RelayBench.authority].compactMap { $0 } }
        let first = bench.ask("a.test")
        #expect(RelayBench.asked(first).first?.server == RelayBench.upstream)
        let second = try bench.pass()
        #expect(RelayBench.asked(second).first?.server == RelayBench.authority)
        #expect(RelayBench.told(try bench.answer(second, ["a.test. 60 A 192.0.2.1"])).count == 1)
        #expect(RelayBench.asked(bench.ask("b.test")).first?.server == RelayBench.authority)
    }
}
