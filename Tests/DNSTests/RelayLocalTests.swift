// What is known here without asking anybody, where it ends, and what is said of it: wildcards, zones of ours of which a
// part is delegated to others, servers that say nothing any more.

@testable import QureCore
import Testing

@Suite struct RelayLocalTests {
    private static let zone = [
        "a.test. 300 SOA ns.a.test. h.a.test. 1 2 3 4 5", "a.test. 300 NS ns.a.test.", "ns.a.test. 300 A 192.0.2.1",
        "sub.a.test. 300 NS ns.sub.a.test.", "ns.sub.a.test. 300 A 192.0.2.2", "to.a.test. 300 CNAME www.sub.a.test.",
    ]

    private static func bench(_ change: (inout RelayConfiguration) -> Void = { _ in }) throws -> RelayBench {
        let zone = try zone.map { try ZoneFile.record($0, ttl: 300) }
        return RelayBench {
            _ = $0.local.addZone(zone)
            change(&$0)
        }
    }

    private func asked(_ outputs: [Relay.Output]) -> [String] {
        RelayBench.asked(outputs).compactMap { $0.message.question?.description }
    }

    private func told(_ outputs: [Relay.Output]) -> [String]? {
        RelayBench.told(outputs).first?.answers.map(\.description)
    }

    // MARK: Hosts files

    @Test func `an address is called by the first name that a hosts file has for it`() throws {
        var local = LocalData()
        let text = "127.0.0.1 localhost me\n127.0.0.1 ad.test\n0.0.0.0 ad1.test\n:: ad1.test\n192.0.2.1 a.test\n"
        local.addHosts(Array(text.utf8), ttl: 60)
        func names(of address: String) throws -> [String]? {
            let question = DNSQuestion(try #require(IPAddress(address)).reverseName, .ptr)
            return local.answer(question)?.answers.compactMap { $0.data.target?.description }
        }
        #expect(try names(of: "127.0.0.1") == ["localhost."] && names(of: "192.0.2.1") == ["a.test."])
        #expect(try names(of: "0.0.0.0") == nil && names(of: "::") == nil, "no host has them")
        let name = try #require(DomainName("ad1.test"))
        #expect([.a, .aaaa].allSatisfy { local.answer(DNSQuestion(name, $0))?.answers.count == 1 })
    }

    @Test func `records of one type have one time to live, the shortest, and signatures their own`() throws {
        let lines = [
            "a.test. 300 A 192.0.2.1", "a.test. 60 A 192.0.2.2", "a.test. 900 A 192.0.2.3", "a.test. 900 TXT x",
        ]
        var local = LocalData()
        for line in lines { local.add(try ZoneFile.record(line, ttl: 60)) }
        let name = try #require(DomainName("a.test"))
        func times(_ type: RecordType) -> [UInt32]? { local.answer(DNSQuestion(name, type))?.answers.map(\.ttl) }
        #expect(times(.a) == [60, 60, 60] && times(.txt) == [900])
        for (ttl, covered) in [(300 as UInt32, 1 as UInt8), (60, 16)] {
            let octets = [0, covered, 13, 2] + [UInt8](repeating: 1, count: 14) + [0] + [UInt8](repeating: 2, count: 64)
            local.add(DNSRecord(name, ttl: ttl, try #require(RecordData(.rrsig, octets: octets))))
        }
        #expect(times(.rrsig) == [300, 60])
    }

    // MARK: Wildcards

    @Test func `a wildcard stands for the names below that have no records`() throws {
        let lines = ["*.lan. 60 A 192.0.2.1", "printer.lan. 60 A 192.0.2.2", "*.deep.lan. 60 CNAME printer.lan."]
        let records = try lines.map { try ZoneFile.record($0, ttl: 60) }
        let view = try Audiences.View(setting: "10.0.0.0/8 *.b.test A 10.0.0.9")
        var bench = RelayBench {
            for record in records { $0.local.add(record) }
            $0.audiences = Audiences(recursion: $0.audiences.recursion, views: [view])
        }
        #expect(told(bench.ask("Any.lan")) == ["Any.lan. 60 IN A 192.0.2.1"])
        #expect(told(bench.ask("x.y.lan")) == ["x.y.lan. 60 IN A 192.0.2.1"])
        #expect(told(bench.ask("any.lan", .aaaa)) == [], "the name is there, without that type")
        #expect(told(bench.ask("printer.lan")) == ["printer.lan. 60 IN A 192.0.2.2"])
        #expect(told(bench.ask("x.deep.lan"))?.first == "x.deep.lan. 60 IN CNAME printer.lan.", "the closest one")
        #expect(told(bench.ask("x.b.test")) == ["x.b.test. 60 IN A 10.0.0.9"])
        // What is above and beside, and what is below a name that is there, is for others to say.
        for name in ["lan", "b.test", "x.printer.lan", "c.test"] {
            #expect(asked(bench.ask(name)) == ["\(name). IN A"])
        }
        #expect(RelayBench.told(bench.ask("x.b.test", by: RelayBench.stranger)).first?.responseCode == .refused)
    }

    @Test func `a view has the wildcards of those around it, and a zone its own alone`() throws {
        let views = ["10.0.0.0/8 *.b.test A 10.0.0.9", "10.0.0.0/16 x.c.test A 10.0.0.8"]
        let parsed = try views.map { try Audiences.View(setting: $0) }
        let above = try ["*.test. 60 A 192.0.2.9", "test. 60 NS ns.test."].map { try ZoneFile.record($0, ttl: 60) }
        var bench = try Self.bench {
            $0.audiences = Audiences(recursion: $0.audiences.recursion, views: parsed)
            for record in above { $0.local.add(record) }
        }
        #expect(told(bench.ask("x.b.test")) == ["x.b.test. 60 IN A 10.0.0.9"])
        #expect(RelayBench.told(bench.ask("x.a.test")).first?.responseCode == .nameError)
        #expect(told(bench.ask("x.y.test")) == ["x.y.test. 60 IN A 192.0.2.9"])
        // The zone's own name is no delegation of what is known above it.
        let message = try #require(RelayBench.told(bench.ask("a.test", .ds)).first)
        #expect(message.flags.contains(.authoritative) && message.authorities.map(\.type) == [.soa])
    }

    // MARK: Delegations

    @Test func `what is delegated to others is found for clients of our networks`() throws {
        var bench = try Self.bench()
        let question = bench.ask("www.sub.a.test")
        #expect(asked(question) == ["www.sub.a.test. IN A"])
        let answer = RelayBench.told(try bench.answer(question, ["www.sub.a.test. 60 A 192.0.2.7"])).first
        #expect(answer?.answers.count == 1 && answer?.flags.contains(.authoritative) == false)
        let alias = try bench.answer(bench.ask("to.a.test"), ["www.sub.a.test. 60 A 192.0.2.7"])
        #expect(told(alias) == ["to.a.test. 300 IN CNAME www.sub.a.test.", "www.sub.a.test. 60 IN A 192.0.2.7"])
        #expect(RelayBench.told(alias).first?.flags.contains(.authoritative) == true, "the alias is ours")
    }

    /// RFC 8482 section 4.1.
    @Test func `of anything one set of records is told`() throws {
        var bench = try Self.bench()
        #expect(told(bench.ask("ns.a.test", .any)) == ["ns.a.test. 300 IN A 192.0.2.1"])
        #expect(RelayBench.told(bench.ask("a.test", .any)).first?.answers.map(\.type) == [.soa])
        #expect(told(bench.ask("to.a.test", .any)) == ["to.a.test. 300 IN CNAME www.sub.a.test."])
    }

    @Test(arguments: ["www.sub.a.test", "sub.a.test", "to.a.test"])
    func `who wants nothing found is told of the servers`(_ name: String) throws {
        var bench = try Self.bench()
        var alone = try Self.bench { $0.upstreams = [] }
        for outputs in [
            bench.ask(name, by: RelayBench.stranger), bench.ask(name, flags: []), alone.ask(name),
        ] {
            let message = try #require(RelayBench.told(outputs).first)
            #expect(message.authorities.map(\.description) == ["sub.a.test. 300 IN NS ns.sub.a.test."])
            #expect(message.additionals.map(\.description) == ["ns.sub.a.test. 300 IN A 192.0.2.2"])
            #expect(message.responseCode == .noError && message.answers.count == (name == "to.a.test" ? 1 : 0))
        }
    }

    /// RFC 4035 section 3.1.4.1.
    @Test func `whether what is delegated is signed is ours to say`() throws {
        var bench = try Self.bench()
        let message = try #require(RelayBench.told(bench.ask("sub.a.test", .ds)).first)
        #expect(message.flags.contains(.authoritative) && message.authorities.map(\.type) == [.soa])
        #expect(asked(bench.ask("www.sub.a.test", .ds)).count == 1, "that is theirs")
        #expect(RelayBench.told(bench.ask("a.test", .ds)).first?.authorities.map(\.type) == [.soa])
    }

    /// RFC 8020: else whoever asks for the names above first never comes to the one below.
    @Test(arguments: [true, false])
    func `in a zone of ours a name above one that exists does, too`(_ isZoneFirst: Bool) throws {
        let zone = try Self.zone.map { try ZoneFile.record($0, ttl: 300) }
        let record = try ZoneFile.record("x.y.a.test. A 192.0.2.8", ttl: 60)
        let alias = try #require(DomainName("c.d.a.test"))
        var bench = RelayBench {
            if isZoneFirst { _ = $0.local.addZone(zone) }
            $0.local.add(record)
            if !isZoneFirst { _ = $0.local.addZone(zone) }
            $0.local.addNamesAbove(alias)
        }
        for (name, code) in [("y", DNSResponseCode.noError), ("d", .noError), ("e", .nameError)] {
            let message = RelayBench.told(bench.ask("\(name).a.test")).first
            #expect(message?.responseCode == code && message?.answers == [], "\(name)")
        }
    }

    // MARK: Servers that say nothing

    private func said(_ outputs: [Relay.Output]) -> [Relay.Report] {
        outputs.compactMap { if case .report(let report) = $0 { report } else { nil } }
    }

    private func waitInVain(_ name: String, _ bench: inout RelayBench) -> [Relay.Report] {
        var outputs = bench.ask(name)
        var reports = said(outputs)
        while RelayBench.told(outputs).isEmpty, let due = bench.relay.nextDeadline {
            bench.now = max(bench.now, due)
            outputs = bench.step(.deadlinePassed)
            reports += said(outputs)
        }
        return reports
    }

    @Test func `a server that is silent is named once, and once when it is back`() throws {
        let server = try #require(RelayBench.upstream)
        var bench = RelayBench()
        let start = bench.now
        #expect(waitInVain("a.test", &bench) == [.silent(server, "timed out")])
        #expect(waitInVain("b.test", &bench) == [])
        // Whatever it says, it speaks.
        let back = try bench.answer(bench.ask("c.test"), code: .serverFailure)
        var rest = back
        while RelayBench.told(rest).isEmpty { rest = try bench.answer(rest, code: .serverFailure) }
        guard case .heardAgain(server, let time)? = said(back).first else {
            Issue.record("\(said(back))")
            return
        }
        #expect(time > .seconds(1) && time < bench.now - start)
        #expect(said(try bench.answer(bench.ask("d.test"), ["d.test. 60 A 192.0.2.1"])) == [])
        // One that comes and goes is not told of all the time.
        #expect(waitInVain("e.test", &bench) == [])
        #expect(said(try bench.answer(bench.ask("f.test"), ["f.test. 60 A 192.0.2.1"])) == [])
        bench.now += .seconds(60)
        #expect(waitInVain("g.test", &bench) == [.silent(server, "timed out")])
    }

    @Test func `a server that answers is back, and one that cannot be reached is silent`() throws {
        let server = try #require(RelayBench.upstream)
        var bench = RelayBench()
        func refuse(_ name: String, _ bench: inout RelayBench) throws -> [Relay.Report] {
            var outputs = bench.ask(name)
            var reports: [Relay.Report] = []
            while RelayBench.told(outputs).isEmpty, let one = RelayBench.asked(outputs).first {
                outputs = bench.step(.exchange(one.exchange, .failed("connection refused")))
                reports += said(outputs)
            }
            return reports
        }
        #expect(try refuse("a.test", &bench) == [.silent(server, "connection refused")])
        #expect(said(try bench.answer(bench.ask("b.test"), ["b.test. 60 A 192.0.2.1"])) == [.heardAgain(server, .zero)])
        // Over a stream, too.
        bench.now += .seconds(60)
        #expect(try refuse("c.test", &bench) == [.silent(server, "connection refused")])
        let stream = try bench.answer(bench.ask("d.test")) { $0.flags.insert(.truncated) }
        let (query, _, exchange) = try #require(RelayBench.asked(stream).first)
        let failure = bench.step(.exchange(exchange, .message(query.response(.serverFailure).encoded())))
        #expect(said(failure) == [.heardAgain(server, .zero)])
    }

    @Test func `a silence is told at its second question, once, and of so many servers`() throws {
        let server = try #require(RelayBench.upstream)
        let start = Instant(nanoseconds: 0)
        var silence = ServerSilence()
        let told = [0, 1, 2, 100].map { second in
            (silence.giveUp(server, at: start + .seconds(second)), silence.isSilent(server))
        }
        #expect(told.map(\.0) == [false, true, false, false] && told.map(\.1) == [false, true, true, true])
        #expect(silence.hear(server, at: start + .seconds(101)) == .seconds(101))
        let later = start + .seconds(200)
        let many = (0..<300).map { DNSEndpoint(.v4(IPv4Address(rawValue: 0xc000_0200 + $0)), port: 53) }
        #expect(many.count { silence.giveUp($0, at: later) || silence.giveUp($0, at: later) } == 256)
        // There is room again when they are asked no more.
        silence.keep(only: [])
        let muchLater = later + .seconds(100)
        #expect(many.allSatisfy { silence.hear($0, at: muchLater) == nil })
        #expect(many.count { silence.giveUp($0, at: muchLater) || silence.giveUp($0, at: muchLater) } == 256)
    }

    @Test func `whom a new configuration does not name was never silent`() throws {
        let forward = try RelayConfiguration.Forward(setting: "a.test=192.0.2.1,192.0.2.2")
        let alias = try Alias(setting: "b.test=c.test ask=192.0.2.3"), rule = try UpdateRule(setting: "192.0.2.4")
        var bench = RelayBench {
            ($0.forwards, $0.aliases, $0.updates) = ([forward], [alias], [rule])
        }
        let all = (1...4).compactMap { DNSEndpoint("192.0.2.\($0)") } + [RelayBench.upstream].compactMap { $0 }
        #expect(bench.relay.configuration.servers == Set(all))
        let server = try #require(RelayBench.upstream)
        #expect(waitInVain("d.test", &bench).contains(.silent(server, "timed out")))
        let old = bench.relay.configuration
        var new = old
        new.upstreams = []
        for configuration in [new, old] { bench.relay.configure(configuration, cacheKey: (3, 4), at: bench.now) }
        let reports = said(try bench.answer(bench.ask("e.test"), ["e.test. 60 A 192.0.2.9"]))
        let isBack = reports.contains { if case .heardAgain(server, _) = $0 { true } else { false } }
        #expect(!isBack, "\(reports)")
    }

    @Test func `a primary that takes no updates is named, too`() throws {
        let rule = try UpdateRule(setting: "192.0.2.54 unsigned=yes"), server = try #require(RelayBench.authority)
        var bench = RelayBench { $0.updates = [rule] }
        var update = DNSMessage(id: 7, opcode: .update, questions: [DNSQuestion(DomainName("a.test") ?? .root, .soa)])
        func send() -> [Relay.Output] {
            update.id += 1
            return bench.step(.request(update.encoded(), RelayBench.client))
        }
        func number(_ outputs: [Relay.Output]) throws -> Int { try #require(RelayBench.asked(outputs).first).exchange }
        #expect(said(bench.step(.exchange(try number(send()), .failed("refused")))) == [])
        #expect(said(bench.step(.exchange(try number(send()), .failed("refused")))) == [.silent(server, "refused")])
        bench.now += .seconds(5)
        let last = send()
        let answer = try #require(RelayBench.asked(last).first).message.response(.serverFailure).encoded()
        let reports = said(bench.step(.exchange(try number(last), .message(answer))))
        #expect(reports == [.heardAgain(server, .seconds(5))])
    }

    @Test func `one question that is lost is no silence, nor is a server that fails`() throws {
        let server = try #require(RelayBench.upstream)
        var silence = ServerSilence()
        for second in 0..<5 {
            let now = Instant(nanoseconds: Int64(second) * 1_000_000_000)
            #expect(!silence.giveUp(server, at: now) && silence.hear(server, at: now) == nil)
        }
        var bench = RelayBench()
        for number in 0..<5 {
            var outputs = bench.ask("n\(number).test")
            while RelayBench.told(outputs).isEmpty {
                outputs = try bench.answer(outputs, code: .serverFailure)
                #expect(said(outputs) == [])
            }
        }
    }

    // MARK: What explain says

    @Test func `explain names a server that leaves questions unanswered`() throws {
        let alias = try Alias(setting: "c.example=dyn.test")
        var bench = try Self.bench { $0.aliases = [alias] }
        func explain(_ name: String) throws -> [String] {
            var random = bench.random
            let question = DNSQuestion(try #require(DomainName(name)), .a)
            return bench.relay.explain(question, for: RelayBench.client.address, at: bench.now, using: &random)
        }
        func isNamed(_ name: String) throws -> Bool {
            try explain(name).contains { $0.hasPrefix("server 192.0.2.53#53: leaves questions unanswered, ") }
        }
        #expect(try !isNamed("b.test") && !isNamed("c.example"))
        #expect(RelayBench.upstream.map { bench.relay.silence[$0] == nil } == true)
        _ = bench.ask("b.test")
        while !bench.relay.works.isEmpty { _ = try bench.pass() }
        bench.now += .seconds(5)
        #expect(try isNamed("d.test") && isNamed("c.example"))
        let row = try #require(RelayBench.upstream.flatMap { bench.relay.silence[$0] })
        #expect(row.questions >= 2 && bench.now - row.since > .seconds(5))
        _ = try bench.answer(bench.ask("d.test"), ["d.test. 60 A 192.0.2.1"])
        #expect(try !isNamed("d.test"))
    }

    @Test func `explain says what would become of a question of any kind`() throws {
        var bench = try Self.bench { $0.staleLimit = .seconds(3600) }
        func explain(_ name: String, _ type: RecordType = .a) throws -> [String] {
            var random = bench.random
            let question = DNSQuestion(try #require(DomainName(name)), type)
            return bench.relay.explain(question, for: RelayBench.client.address, at: bench.now, using: &random)
        }
        let none = "verdict: FORMERR by UDP, REFUSED by TCP: there are no transfers from here"
        #expect(try explain("a.test", .axfr) == [none])
        #expect(try explain("a.test", .opt) == ["verdict: FORMERR, for OPT is no type of records"])
        #expect(
            try explain("www.sub.a.test").dropFirst() == [
                "zone a.test.: is ours", "delegated: sub.a.test. 300 IN NS ns.sub.a.test.",
                "upstreams: asks 192.0.2.53#53", "verdict: what they answer",
            ])
        var random = bench.random
        let alone = try Self.bench { $0.upstreams = [] }
        let question = DNSQuestion(try #require(DomainName("www.sub.a.test")), .a)
        let steps = alone.relay.explain(question, for: RelayBench.client.address, at: alone.now, using: &random)
        #expect(steps.suffix(2) == [
            "name server: sub.a.test. 300 IN NS ns.sub.a.test.",
            "verdict: NOERROR, to ask the name servers of sub.a.test.",
        ])
        _ = try bench.answer(bench.ask("b.test"), ["b.test. 60 A 192.0.2.1"])
        bench.now += .seconds(9)
        #expect(try explain("b.test").last == "verdict: what they answered 9s ago")
        // As dig asks, and as libraries do.
        let flags: DNSMessage.Flags = [.recursionDesired, .authenticated]
        _ = try bench.answer(bench.ask("d.test", flags: flags), ["d.test. 60 A 192.0.2.1"])
        _ = try bench.answer(bench.ask("e.test", edns: nil), ["e.test. 60 A 192.0.2.1"])
        for name in ["d.test", "e.test"] { #expect(try explain(name).last == "verdict: what they answered 0s ago") }
        bench.now += .seconds(60)
        #expect(try explain("b.test").last == "verdict: what they answer, or what they answered before, if they do not")
        #expect(try explain("c.test").last == "verdict: what they answer")
    }
}
