// Aliases (CNAME) that lead from what is known here to what others know, and back: the whole chain is told to clients
// of our networks, whose resolvers follow none; strangers are told what an authority tells.

@testable import QureCore
import Testing

@Suite struct RelayFollowingTests {
    private static func bench(
        _ records: [String] = [], views: [String] = [], aliases: [String] = [], forwards: [String] = [],
        _ change: (inout RelayConfiguration) -> Void = { _ in }
    ) throws -> RelayBench {
        let local = try records.map { try ZoneFile.record($0, ttl: 300) }
        let views = try views.map { try Audiences.View(setting: $0) }
        let aliases = try aliases.map { try Alias(setting: $0) }
        let forwards = try forwards.map { try RelayConfiguration.Forward(setting: $0) }
        return RelayBench {
            for record in local { $0.local.add(record) }
            $0.audiences = Audiences(recursion: $0.audiences.recursion, views: views)
            $0.aliases = aliases
            $0.forwards = forwards
            change(&$0)
        }
    }

    private func asked(_ outputs: [Relay.Output]) -> [String] {
        RelayBench.asked(outputs).compactMap { $0.message.question?.description }
    }

    private func answers(_ outputs: [Relay.Output]) -> [String]? {
        RelayBench.told(outputs).first?.answers.map(\.description)
    }

    /// Of what others are asked, what is about a name: an alias's target is asked for without a client.
    private func about(_ name: String, _ outputs: [Relay.Output]) -> [Relay.Output] {
        outputs.filter { RelayBench.asked([$0]).first?.message.question?.name == DomainName(name) }
    }

    /// Whoever is asked fails, until the client is told something.
    private func fail(_ outputs: [Relay.Output], _ bench: inout RelayBench) throws -> DNSMessage? {
        var outputs = outputs
        while RelayBench.told(outputs).isEmpty, !asked(outputs).isEmpty {
            outputs = try bench.answer(outputs, code: .serverFailure)
        }
        return RelayBench.told(outputs).first
    }

    @Test func `a record's alias leads to a name that others know`() throws {
        var bench = try Self.bench(["Blog.lan. 60 CNAME www.foo.", "deep.lan. 60 CNAME blog.lan."])
        let question = bench.ask("blog.LAN")
        #expect(asked(question) == ["www.foo. IN A"])
        let told = try bench.answer(question, ["www.foo. 50 CNAME w.foo.", "w.foo. 40 A 192.0.2.1"])
        let whole = ["blog.LAN. 60 IN CNAME www.foo.", "www.foo. 50 IN CNAME w.foo.", "w.foo. 40 IN A 192.0.2.1"]
        #expect(answers(told) == whole)
        let message = try #require(RelayBench.told(told).first)
        #expect(message.question?.description == "blog.LAN. IN A" && message.flags.contains(.recursionAvailable))
        #expect(message.responseCode == .noError && message.edns?.extendedError == nil)
        // From a second one of ours.
        let deep = try bench.answer(bench.ask("deep.lan"), ["www.foo. 50 A 192.0.2.1"])
        #expect(answers(deep)?.count == 3 && answers(deep)?.first == "deep.lan. 60 IN CNAME blog.lan.")
        // The alias itself is known.
        #expect(answers(bench.ask("blog.lan", .cname)) == ["blog.lan. 60 IN CNAME www.foo."])
        let stranger = bench.ask("blog.lan", by: RelayBench.stranger, flags: [])
        #expect(answers(stranger) == ["blog.lan. 60 IN CNAME www.foo."])
    }

    @Test func `what the target is not, the alias is not`() throws {
        var bench = try Self.bench(["blog.lan. 60 CNAME www.foo."])
        let told = try bench.answer(
            bench.ask("blog.lan"), authority: ["foo. 300 SOA a.foo. b.foo. 1 2 3 4 5"], code: .nameError)
        #expect(RelayBench.told(told).first?.responseCode == .nameError)
        #expect(answers(told) == ["blog.lan. 60 IN CNAME www.foo."])
        let last = try fail(bench.ask("blog.lan", .aaaa), &bench)
        #expect(last?.responseCode == .serverFailure && last?.answers == [])
    }

    @Test func `a record's alias leads to an alias of the configuration`() throws {
        var bench = try Self.bench(["blog.lan. 60 CNAME cloud.example."], aliases: ["cloud.example=dyn.test"])
        let question = bench.ask("blog.lan")
        #expect(asked(question).first == "dyn.test. IN A")
        let told = try bench.answer(question, ["dyn.test. 30 A 192.0.2.1"])
        #expect(answers(told) == ["blog.lan. 60 IN CNAME cloud.example.", "cloud.example. 30 IN A 192.0.2.1"])
        #expect(answers(bench.ask("blog.lan"))?.last == "cloud.example. 30 IN A 192.0.2.1", "known by now")
    }

    @Test func `a local name that a view or an alias has is told as they say, also behind a local alias`() throws {
        var bench = try Self.bench(
            [
                "nas.lan. 60 A 192.0.2.30", "to.lan. 60 CNAME by.lan.", "by.lan. 60 CNAME nas.lan.",
                "cloud.lan. 60 A 192.0.2.9", "c.lan. 60 CNAME cloud.lan.", "back.lan. 60 CNAME round.lan.",
            ],
            views: ["10.1.0.0/16 nas.lan A 10.1.0.5", "10.1.0.0/16 round.lan CNAME back.lan."],
            aliases: ["cloud.lan=dyn.test"])
        var inside = RelayBench.client
        inside.address = try #require(IPAddress("10.1.2.3"))
        let way = ["to.lan. 60 IN CNAME by.lan.", "by.lan. 60 IN CNAME nas.lan."]
        // The alias's target is asked for with the first of them.
        let first = bench.ask("to.lan", by: inside)
        #expect(answers(first) == way + ["nas.lan. 60 IN A 10.1.0.5"])
        #expect(answers(bench.ask("to.lan", by: inside, flags: [])) == way + ["nas.lan. 60 IN A 10.1.0.5"])
        #expect(answers(bench.ask("to.lan")) == way + ["nas.lan. 60 IN A 192.0.2.30"])
        #expect(answers(bench.ask("to.lan", .cname, by: inside)) == [way[0]])
        #expect(RelayBench.told(bench.ask("back.lan", by: inside)).first?.responseCode == .serverFailure, "a circle")
        #expect(RelayBench.told(bench.ask("c.lan", by: RelayBench.stranger, flags: [])).isEmpty, "it waits")
        let told = try bench.answer(about("dyn.test", first), ["dyn.test. 30 A 192.0.2.1"])
        #expect(answers(told) == ["c.lan. 60 IN CNAME cloud.lan.", "cloud.lan. 30 IN A 192.0.2.1"])
        var random = bench.random
        let question = DNSQuestion(try #require(DomainName("to.lan")), .a)
        let steps = bench.relay.explain(question, for: inside.address, at: bench.now, using: &random)
        #expect(steps.contains("view of 10.1.0.0/16: has the name") && steps.last == "verdict: NOERROR with 1 record")
    }

    /// A primary whose zone leads to a name that it does not know, or knows from outside.
    @Test(arguments: ["example=192.0.2.54", "example=192.0.2.54 public=yes", "other=192.0.2.54"])
    func `an alias of others leads to one of ours`(_ forward: String) throws {
        var bench = try Self.bench(
            views: ["10.1.0.0/16 cloud.example A 10.1.0.5"], aliases: ["cloud.example=dyn.test"], forwards: [forward])
        var inside = RelayBench.client
        inside.address = try #require(IPAddress("10.1.2.3"))
        let chain = ["to.example. 60 CNAME cloud.example.", "cloud.example. 60 A 203.0.113.9"]
        let target = bench.ask("to.example", by: inside)
        let viewed = try bench.answer(about("to.example", target), chain)
        #expect(answers(viewed) == ["to.example. 60 IN CNAME cloud.example.", "cloud.example. 60 IN A 10.1.0.5"])

        let waits = try bench.answer(
            about("to.example", bench.ask("to.example")), Array(chain.prefix(1)), code: .nameError)
        #expect(RelayBench.told(waits).isEmpty, "the target is not known yet")
        let told = try bench.answer(about("dyn.test", target), ["dyn.test. 30 A 192.0.2.1"])
        #expect(answers(told) == ["to.example. 60 IN CNAME cloud.example.", "cloud.example. 30 IN A 192.0.2.1"])
        #expect(RelayBench.told(told).first?.responseCode == .noError)
    }

    @Test func `aliases that lead in a circle end`() throws {
        var bench = try Self.bench(
            ["la.lan. 60 CNAME lb.lan.", "lb.lan. 60 CNAME la.lan.", "b.test. 60 CNAME a.test."],
            views: ["10.0.0.0/8 a.test CNAME b.test"])
        #expect(answers(bench.ask("la.lan")) == ["la.lan. 60 IN CNAME lb.lan.", "lb.lan. 60 IN CNAME la.lan."])
        let told = RelayBench.told(bench.ask("a.test")).first
        #expect(told?.responseCode == .serverFailure && told?.answers == [])
        #expect(told?.edns?.extendedError == .longChain)
    }

    @Test(arguments: [8, 9])
    func `eight aliases are followed, whoever knows them, and not one more`(_ count: Int) throws {
        let names = (0..<count).map { "n\($0).lan" } + ["www.foo"]
        // Half of them are known by others.
        let mixed = stride(from: 0, to: count, by: 2).map { "m\($0).lan. 60 CNAME m\($0 + 1).foo." }
        var bench = try Self.bench((0..<count).map { "\(names[$0]). 60 CNAME \(names[$0 + 1])." } + mixed)
        func isTooLong(_ outputs: [Relay.Output]) -> Bool {
            RelayBench.told(outputs).first?.edns?.extendedError == .longChain && asked(outputs).isEmpty
        }
        let local = bench.ask("n0.lan")
        #expect(isTooLong(local) == (count > 8) && asked(local) == (count > 8 ? [] : ["www.foo. IN A"]))
        var random = bench.random
        let question = DNSQuestion(try #require(DomainName("n0.lan")), .a)
        let verdict = bench.relay.explain(question, for: RelayBench.client.address, at: bench.now, using: &random).last
        let tooLong = "verdict: SERVFAIL, for aliases lead in a circle, or too far"
        #expect(verdict == (count > 8 ? tooLong : "verdict: what they answer"))

        var outputs = bench.ask("m0.lan")
        for step in [1, 3, 5, 7] {
            #expect(asked(outputs) == ["m\(step).foo. IN A"])
            outputs = try bench.answer(outputs, ["m\(step).foo. 60 CNAME m\(step + 1).lan.", "m8.lan. 60 A 192.0.2.1"])
        }
        #expect(isTooLong(outputs) == (count > 8) && answers(outputs)?.count == (count > 8 ? 0 : 9))
    }

    @Test func `who asks for anything is told of the alias alone`() throws {
        var bench = try Self.bench(["blog.lan. 60 CNAME www.foo."])
        #expect(answers(bench.ask("blog.lan", .any)) == ["blog.lan. 60 IN CNAME www.foo."])
    }

    private func age(_ name: String, _ bench: RelayBench) throws -> Duration? {
        let question = DNSQuestion(try #require(DomainName(name)), .a)
        let query = DNSMessage(id: 1, flags: .recursionDesired, questions: [question], edns: EDNS())
        let audience = bench.relay.configuration.audiences.audience(of: RelayBench.client.address)
        return bench.relay.cache.age(query.encoded(), audience: audience, at: bench.now)
    }

    @Test func `an answer is kept as long as each part of the way allows`() throws {
        var bench = try Self.bench(
            ["blog.lan. 20 CNAME www.foo.", "to.lan. 600 CNAME cloud.example.", "own.lan. 600 A 192.0.2.7"],
            aliases: ["cloud.example=dyn.test"], forwards: ["pub=192.0.2.54 public=yes"]
        ) { $0.maximumTTL = 300 }
        _ = try bench.answer(bench.ask("blog.lan"), ["www.foo. 60 A 192.0.2.1"])
        _ = try bench.answer(about("dyn.test", bench.ask("to.lan")), ["dyn.test. 60 A 192.0.2.1"])
        let others = try bench.answer(bench.ask("a.foo"), ["a.foo. 9999 CNAME own.lan."])
        #expect(answers(others)?.first == "a.foo. 300 IN CNAME own.lan.")
        _ = try bench.answer(bench.ask("b.pub"), ["b.pub. 600 CNAME own.lan."])
        // By this name it is forgotten when the alias changes, or the zone: by another it would not be.
        #expect(try age("to.lan", bench) == nil)
        #expect(try age("blog.lan", bench) != nil && age("a.foo", bench) != nil && age("b.pub", bench) != nil)
        bench.now += .seconds(4)
        #expect(try age("b.pub", bench) != nil)
        bench.now += .seconds(2)
        #expect(try age("b.pub", bench) == nil && age("blog.lan", bench) != nil)
        bench.now += .seconds(14)
        #expect(try age("blog.lan", bench) == nil && age("a.foo", bench) != nil)
    }

    @Test func `what leads from elsewhere to a domain that is served to everybody is not kept`() throws {
        var bench = try Self.bench(
            ["blog.lan. 60 CNAME www.pub.", "own.lan. 60 A 192.0.2.7"], forwards: ["pub=192.0.2.54 public=yes"])
        let whole = try bench.answer(bench.ask("blog.lan"), ["www.pub. 60 A 192.0.2.1"])
        #expect(try answers(whole)?.count == 2 && age("blog.lan", bench) == nil)
        let back = try bench.answer(bench.ask("blog.lan"), ["www.pub. 60 CNAME own.lan."])
        #expect(try answers(back)?.count == 3 && age("blog.lan", bench) == nil)
    }

    @Test(arguments: ["example=192.0.2.54 public=yes", "other=192.0.2.54"])
    func `signatures of the way are told to who wants them, and nothing of it counts as proven`(
        _ forward: String
    ) throws {
        var bench = try Self.bench(
            ["own.lan. 60 CNAME end.lan.", "end.lan. 60 CNAME www.foo."], forwards: [forward])
        let signature = "13 1 60 20300101000000 20200101000000 1 example. AAAA"
        let records = [
            "sub.example. 60 DNAME own.", "sub.example. 60 RRSIG DNAME \(signature)",
            "sub.example. 60 RRSIG DNAME 1\(signature)", "lan.sub.example. 60 CNAME lan.own.",
            "lan.sub.example. 60 RRSIG CNAME \(signature)", "lan.own. 60 CNAME own.lan.",
            "lan.own. 60 RRSIG CNAME \(signature)", "lan.own. 60 RRSIG A \(signature)",
        ]
        func told(_ edns: EDNS) throws -> DNSMessage? {
            let more = try bench.answer(bench.ask("Lan.sub.example", edns: edns), records)
            let last = try bench.answer(more, ["www.foo. 60 A 192.0.2.1"]) { $0.flags.insert(.authenticated) }
            return RelayBench.told(last).first
        }
        let signed = try #require(try told(EDNS(wantsSecurity: true)))
        // Signatures count for no aliases.
        let types: [RecordType] = [.dname, .rrsig, .rrsig, .cname, .rrsig, .cname, .rrsig, .cname, .cname, .a]
        #expect(signed.answers.map(\.type) == types && !signed.flags.contains(.authenticated))
        #expect(signed.answers.map(\.name.description).contains("Lan.sub.example."))
        #expect(try told(EDNS())?.answers.map(\.type) == [.dname, .cname, .cname, .cname, .cname, .a])
    }

    @Test func `each is told the way in its own letters`() throws {
        var bench = try Self.bench(["own.lan. 60 A 192.0.2.7"])
        let first = bench.ask("To.example")
        #expect(bench.ask("tO.example").isEmpty)
        let told = RelayBench.told(try bench.answer(first, ["to.example. 60 CNAME own.lan."]))
        #expect(told.map { $0.answers.first?.name.description } == ["To.example.", "tO.example."])
    }

    @Test func `authority goes by the name that was asked for`() throws {
        var bench = try Self.bench(
            ["own.lan. 60 CNAME cloud.pub."], aliases: ["cloud.pub=dyn.test"], forwards: ["pub=192.0.2.54 public=yes"])
        _ = try bench.answer(about("dyn.test", bench.ask("cloud.pub")), ["dyn.test. 60 A 192.0.2.1"])
        #expect(RelayBench.told(bench.ask("own.lan")).first?.flags.contains(.authoritative) == false)
        #expect(RelayBench.told(bench.ask("cloud.pub")).first?.flags.contains(.authoritative) == true)
        let told = try bench.answer(bench.ask("to.pub"), ["to.pub. 60 CNAME own.lan."])
        #expect(RelayBench.told(told).first?.flags.contains(.authoritative) == true)
    }

    @Test func `an upstream's alias leads to no private address of ours where that is refused`() throws {
        let records = ["router.lan. 60 A 192.168.1.1", "in.lan. 60 CNAME router.lan."]
        var bench = try Self.bench(records, forwards: ["pub=192.0.2.54 public=yes"]) {
            $0.refusesPrivateAddresses = true
        }
        let evil = RelayBench.told(try bench.answer(bench.ask("evil.foo"), ["evil.foo. 60 CNAME in.lan."])).first
        #expect(evil?.responseCode == .serverFailure && evil?.answers == [] && evil?.edns?.extendedError == .filtered)
        #expect(answers(bench.ask("in.lan"))?.count == 2)
        let own = try bench.answer(bench.ask("in.pub"), ["in.pub. 60 CNAME in.lan."])
        #expect(answers(own)?.count == 3)
    }

    @Test func `a view's name is its clients' alone, at the end of an alias and when its time is nearly over`() throws {
        var bench = try Self.bench(views: ["10.1.0.0/16 www.foo A 10.1.0.5"])
        var inside = RelayBench.client
        inside.address = try #require(IPAddress("10.1.2.3"))
        let records = ["to.foo. 60 CNAME www.foo.", "www.foo. 60 A 192.0.2.1"]
        let viewed = try bench.answer(bench.ask("to.foo", by: inside), records)
        #expect(answers(viewed)?.last == "www.foo. 60 IN A 10.1.0.5")
        let other = try bench.answer(bench.ask("to.foo"), records)
        #expect(answers(other)?.last == "www.foo. 60 IN A 192.0.2.1")
        let question = DNSQuestion(try #require(DomainName("www.foo")), .a)
        let query = DNSMessage(id: 1, flags: .recursionDesired, questions: [question], edns: EDNS()).encoded()
        #expect(bench.step(.refresh(query, inside)).isEmpty)
        #expect(asked(bench.step(.refresh(query, RelayBench.client))) == ["www.foo. IN A"])
    }

    @Test func `who waits while the configuration is read anew is told what the new one says`() throws {
        var bench = try Self.bench(
            ["blog.lan. 60 CNAME www.foo."], views: ["10.1.0.0/16 cloud.example A 10.1.0.5"],
            aliases: ["c.example=dyn.test"])
        var inside = RelayBench.client
        inside.address = try #require(IPAddress("10.1.2.3"))
        let blog = bench.ask("blog.lan"), viewed = bench.ask("to.foo", by: inside)
        let alias = about("dyn.test", bench.ask("c.example"))
        var configuration = bench.relay.configuration
        configuration.local = LocalData()
        configuration.local.add(try ZoneFile.record("blog.lan. A 192.0.2.7", ttl: 60))
        configuration.audiences = Audiences(recursion: configuration.audiences.recursion)
        bench.relay.configure(configuration, cacheKey: (3, 4), at: bench.now)
        let next = try bench.answer(blog, ["www.foo. 60 A 192.0.2.1"])
        #expect(answers(next) == ["blog.lan. 60 IN A 192.0.2.7"])
        let records = ["to.foo. 60 CNAME cloud.example.", "cloud.example. 60 A 192.0.2.1"]
        let again = try bench.answer(viewed, records)
        #expect(asked(again).contains("to.foo. IN A"))
        #expect(answers(try bench.answer(about("to.foo", again), records)) == records.map {
            $0.replacing(" 60 ", with: " 60 IN ")
        })
        #expect(try RelayBench.told(bench.answer(alias, ["dyn.test. 60 A 192.0.2.1"])).isEmpty)
        // The new table of aliases has begun to ask by itself.
        let target = try bench.answer(about("dyn.test", next), ["dyn.test. 60 A 192.0.2.1"])
        #expect(answers(target) == ["c.example. 60 IN A 192.0.2.1"])
    }

    @Test func `who waits for the serial of a zone is told what the new configuration says, too`() throws {
        var bench = try Self.bench(aliases: ["c.example=dyn.test ask=192.0.2.54,192.0.2.55"])
        let serials = bench.ask("c.example")
        #expect(asked(serials) == ["dyn.test. IN SOA", "dyn.test. IN SOA"])
        var configuration = bench.relay.configuration
        configuration.aliases = []
        configuration.local.add(try ZoneFile.record("c.example. A 192.0.2.7", ttl: 60))
        bench.relay.configure(configuration, cacheKey: (3, 4), at: bench.now)
        #expect(bench.relay.waiting == [RelayBench.client.address: 1])
        let soa = ["test. 60 SOA ns.test. h.test. 1 2 3 4 5"]
        let told = try serials.flatMap { try RelayBench.told(bench.answer([$0], authority: soa)) }
        #expect(told.map { $0.answers.map(\.description) } == [["c.example. 60 IN A 192.0.2.7"]])
        #expect(bench.relay.waiting == [:])
    }

    @Test func `what is old is told with the way to it, once`() throws {
        var bench = try Self.bench(["blog.lan. 600 CNAME www.foo."]) { $0.staleLimit = .seconds(3600) }
        _ = try bench.answer(bench.ask("blog.lan"), ["www.foo. 60 A 192.0.2.1"])
        bench.now += .seconds(100)
        let outputs = bench.ask("blog.lan")
        #expect(asked(outputs) == ["www.foo. IN A"])
        let told = try fail(outputs, &bench)
        #expect(told?.answers.map { "\($0.name) \($0.type)" } == ["blog.lan. CNAME", "www.foo. A"])
        #expect(told?.edns?.extendedError == .staleAnswer)
    }

    @Test func `explain names every part of the way`() throws {
        let bench = try Self.bench(["blog.lan. 60 CNAME www.foo."])
        var random = bench.random
        let question = DNSQuestion(try #require(DomainName("blog.lan")), .a)
        let local = bench.relay.explain(question, for: RelayBench.client.address, at: bench.now, using: &random)
        #expect(
            local.dropFirst() == [
                "name: is among the local records", "record: blog.lan. 60 IN CNAME www.foo.",
                "upstreams: asks 192.0.2.53#53", "verdict: what they answer",
            ])
        let stranger = bench.relay.explain(question, for: RelayBench.stranger.address, at: bench.now, using: &random)
        #expect(stranger.last == "verdict: NOERROR with 1 record")
    }
}
