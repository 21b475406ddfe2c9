// Aliases: what clients are told of them while their targets are fresh, late, stale and lost, and when others are
// asked.

@testable import QureCore
import Simulator
import Testing

struct RelayAliasTests {
    private static func bench(_ settings: String...) throws -> RelayBench {
        let aliases = try settings.map { try Alias(setting: $0) }
        return RelayBench { $0.aliases = aliases }
    }

    /// Answers all that a relay with one alias asks when it begins.
    private static func begin(_ bench: inout RelayBench, ttl: Int = 60) throws {
        let outputs = bench.step(.deadlinePassed)
        let questions = RelayBench.asked(outputs).map { $0.message.question?.description }
        #expect(questions == ["dyn.test. IN A", "dyn.test. IN AAAA"])
        for output in outputs {
            guard let asked = RelayBench.asked([output]).first else { continue }
            let isV4 = asked.message.question?.type == .a
            _ = try bench.answer(
                [output], isV4 ? ["dyn.test. \(ttl) A 192.0.2.1"] : [],
                authority: isV4 ? [] : ["test. 300 SOA a. b. 1 2 3 4 500"])
        }
    }

    @Test func `targets are asked for before anybody wants them, and again ahead of the end`() throws {
        var bench = try Self.bench("c.example=dyn.test")
        try Self.begin(&bench)
        let told = try #require(RelayBench.told(bench.ask("C.example")).first)
        #expect(told.answers.map(\.description) == ["C.example. 60 IN A 192.0.2.1"])
        #expect(RelayBench.told(bench.ask("c.example", .aaaa)).first?.authorities.first?.type == .soa)
        bench.now = Instant(nanoseconds: 1_000_000_000) + .seconds(20)
        #expect(RelayBench.told(bench.ask("c.example")).first?.answers.first?.ttl == 40)
        var asked: [Int64: Set<String>] = [:]
        while bench.now < Instant(nanoseconds: 1_000_000_000) + .seconds(54) {
            let outputs = try bench.pass()
            let seconds = (bench.now - Instant(nanoseconds: 1_000_000_000)).nanoseconds / 1_000_000_000
            for one in RelayBench.asked(outputs) {
                asked[seconds, default: []].insert(one.message.question?.type.description ?? "")
            }
            _ = try bench.answer(outputs, ["dyn.test. 60 A 192.0.2.2"])
        }
        #expect(asked == [54: ["A", "AAAA"]])
        #expect(RelayBench.told(bench.ask("c.example")).first?.answers.first?.data.address == IPAddress("192.0.2.2"))
    }

    @Test func `clients wait for what is not known yet, and are told all at once`() throws {
        var bench = try Self.bench("c.example=dyn.test", "*.w.example=dyn.test")
        let first = bench.ask("c.example")
        #expect(RelayBench.told(first).isEmpty)
        #expect(RelayBench.told(bench.ask("c.example", edns: nil)).isEmpty)
        let told = RelayBench.told(try bench.answer(first, ["dyn.test. 9 A 192.0.2.1"]))
        #expect(told.count == 2 && told.allSatisfy { $0.answers.first?.ttl == 9 })
        #expect(RelayBench.told(bench.ask("a.b.w.example")).first?.answers.first?.name.description == "a.b.w.example.")
        #expect(RelayBench.asked(bench.ask("w.example")).count == 1)
    }

    /// It is asked of others, and so is no loop, not even where the alias covers it.
    @Test(arguments: [
        ("example.com=dyn.example.com", "example.com"), ("*.example.com=dyn.example.com", "a.example.com"),
    ])
    func `a target may be below its alias`(_ setting: String, _ name: String) throws {
        var bench = try Self.bench(setting)
        let question = bench.ask(name)
        #expect(RelayBench.asked(question).first?.message.question?.description == "dyn.example.com. IN A")
        let told = RelayBench.told(try bench.answer(question, ["dyn.example.com. 60 A 192.0.2.1"]))
        #expect(told.first?.answers.map(\.description) == ["\(name). 60 IN A 192.0.2.1"])
    }

    /// The states of the table of AliasTable.swift.
    @Test func `old addresses are given to the limit, and said to be old`() throws {
        var bench = try Self.bench("c.example=dyn.test stale=2m ttl-max=45s")
        try Self.begin(&bench)
        let start = bench.now
        #expect(RelayBench.told(bench.ask("c.example")).first?.answers.first?.ttl == 45)
        // Nobody answers from now on.
        while bench.now - start < .seconds(70) { _ = try bench.pass() }
        let stale = try #require(RelayBench.told(bench.ask("c.example")).first)
        #expect(stale.answers.map(\.ttl) == [30] && stale.edns?.extendedError == .staleAnswer)
        while bench.now - start < .seconds(179) { _ = try bench.pass() }
        bench.now = start + .seconds(179)
        #expect(RelayBench.told(bench.ask("c.example")).first?.answers.count == 1)
        bench.now = start + .seconds(180)
        let lost = try #require(RelayBench.told(bench.ask("c.example")).first)
        #expect(lost.responseCode == .serverFailure && lost.edns?.extendedError == .networkError)
        // The pauses between questions are half a minute at most: then somebody answers.
        var outputs: [Relay.Output] = []
        while !RelayBench.asked(outputs).contains(where: { $0.message.question?.type == .a }) {
            outputs = try bench.pass()
        }
        _ = try bench.answer(outputs, ["dyn.test. 60 A 192.0.2.3"])
        #expect(RelayBench.told(bench.ask("c.example")).first?.answers.first?.data.address == IPAddress("192.0.2.3"))
    }

    @Test func `an address that is over while it is being asked for is given, once that has taken long`() throws {
        var bench = try Self.bench("c.example=dyn.test")
        try Self.begin(&bench, ttl: 10)
        let start = bench.now
        bench.now += .seconds(9)
        #expect(RelayBench.asked(bench.step(.deadlinePassed)).contains { $0.message.question?.type == .a })
        bench.now = start + .milliseconds(10_799)
        #expect(RelayBench.told(bench.ask("c.example")).isEmpty)
        bench.now = start + .milliseconds(10_800)
        let told = RelayBench.told(bench.ask("c.example"))
        #expect(told.first?.answers.map(\.ttl) == [30] && told.first?.edns?.extendedError == .staleAnswer)
    }

    @Test func `authorities are asked for what they know, and upstreams for what they do not`() throws {
        var bench = try Self.bench("c.example=dyn.test ask=192.0.2.54")
        let outputs = bench.step(.deadlinePassed)
        let asked = try #require(RelayBench.asked(outputs).first)
        #expect(asked.server == RelayBench.authority && asked.message.flags == [])
        #expect(asked.message.question?.type == .soa)
        let addresses = try bench.answer([outputs[0]], authority: ["dyn.test. 60 SOA a. b. 1 2 3 4 60"])
        #expect(RelayBench.asked(addresses).map(\.server) == [RelayBench.authority, RelayBench.authority])
        let first = try #require(addresses.first { !RelayBench.asked([$0]).isEmpty })
        let next = try bench.answer([first], ["dyn.test. 20 CNAME far.example."])
        let hop = try #require(RelayBench.asked(next).first)
        #expect(hop.server == RelayBench.upstream && hop.message.question?.name == DomainName("far.example"))
        #expect(hop.message.flags == .recursionDesired)
        _ = try bench.answer(next, ["far.example. 60 A 192.0.2.9"])
        let told = RelayBench.told(bench.ask("c.example"))
        #expect(told.first?.answers.map(\.description) == ["c.example. 20 IN A 192.0.2.9"])
    }

    /// Where one type cannot be found out there is still the other one, which clients must not lose for it.
    @Test(arguments: [RecordType.a, .aaaa])
    func `a type that fails does not take the other one along`(_ failing: RecordType) throws {
        var bench = try Self.bench("c.example=dyn.test")
        var outputs = bench.step(.deadlinePassed)
        while !RelayBench.asked(outputs).isEmpty {
            var next: [Relay.Output] = []
            for output in outputs {
                guard let type = RelayBench.asked([output]).first?.message.question?.type else { continue }
                let record = "dyn.test. 60 \(type) \(type == .a ? "192.0.2.1" : "2001:db8::1")"
                next += try bench.answer(
                    [output], type == failing ? [] : [record], code: type == failing ? .serverFailure : .noError)
            }
            outputs = next
        }
        let told = try #require(RelayBench.told(bench.ask("c.example", failing)).first)
        #expect(told.responseCode == .noError && told.answers.isEmpty && told.edns?.extendedError == .networkError)
        #expect(told.authorities.map(\.type) == [.soa] && told.authorities.first?.ttl == AliasTable.unknownTTL)
        let other: RecordType = failing == .a ? .aaaa : .a
        #expect(RelayBench.told(bench.ask("c.example", other)).first?.answers.count == 1)
        // When the other one is lost, too, there is nothing to say.
        bench.now += .seconds(400)
        outputs = bench.step(.deadlinePassed)
        while !RelayBench.asked(outputs).isEmpty { outputs = try bench.answer(outputs, code: .serverFailure) }
        #expect(RelayBench.told(bench.ask("c.example", failing)).first?.responseCode == .serverFailure)
    }

    @Test(.timeLimit(.minutes(1)))
    func `aliases that lead nowhere end`() throws {
        var bench = try Self.bench("c.example=dyn.test")
        var outputs = Array(bench.step(.deadlinePassed).prefix(1))
        var count = 0
        while let asked = RelayBench.asked(outputs).first, count < 100 {
            count += 1
            let name = try #require(asked.message.question?.name)
            outputs = try bench.answer(outputs, ["\(name) 20 CNAME n\(count).test."])
        }
        #expect(count == LocalData.maximumAliases + 1)
        #expect(outputs.contains { if case .report(.loop) = $0 { true } else { false } })
        #expect(RelayBench.told(bench.ask("c.example")).first?.responseCode == .serverFailure)
        // One that leads back to us.
        var circle = try Self.bench("c.example=dyn.test")
        let asked = Array(circle.step(.deadlinePassed).prefix(1))
        let ends = try circle.answer(asked, ["dyn.test. 20 CNAME c.example."])
        #expect(RelayBench.asked(ends).isEmpty && ends.contains { if case .report(.loop) = $0 { true } else { false } })
    }

    @Test func `an alias says the same after the configuration was read anew`() throws {
        var bench = try Self.bench("c.example=dyn.test", "d.example=other.test")
        _ = bench.step(.deadlinePassed)
        try Self.beginAll(&bench)
        var configuration = bench.relay.configuration
        configuration.aliases = [try Alias(setting: "e.example=dyn.test")]
        bench.relay.configure(configuration, cacheKey: (3, 4), at: bench.now)
        #expect(RelayBench.told(bench.ask("e.example")).first?.answers.first?.data.address == IPAddress("192.0.2.1"))
        #expect(RelayBench.asked(bench.ask("c.example")).count == 1)
    }

    private static func beginAll(_ bench: inout RelayBench) throws {
        for (number, work) in bench.relay.works {
            guard case .alias(let key) = work.purpose else { continue }
            let target = bench.relay.aliases.aliases[key.alias].target
            let query = try #require(work.exchange.query)
            var response = query.response()
            if key.type == .a { response.answers = [try ZoneFile.record("\(target) 60 A 192.0.2.1")] }
            _ = bench.step(.exchange(number, .datagram(response.encoded())))
        }
    }

    private static let form = "NAME=TARGET, as in 'cloud.example.com=cloudns.example.com'"

    @Test(arguments: [
        ("c.example", "'c.example' is not of the form \(form)"), ("=a", "'=a' is not of the form \(form)"),
        ("c.example dyn.test", "'c.example dyn.test' is not of the form \(form)"),
        ("a=192.0.2.1",
            "'192.0.2.1' is an address, where a domain name is wanted; in reverse that is '1.2.0.192.in-addr.arpa'"),
        ("c.example=C.example", "'c.example' would be an alias of itself"),
        (".=c.example", "'.' is the root, which cannot be an alias"),
        ("a..b=c", "'a..b' is not a domain name"),
        ("a=b ask=x", "'x' is not an address; write it like 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53"),
        ("a=b ttl-max=0", "ttl-max is 1s to 1d, not '0s'"),
        ("a=b stale=x", "'stale=x' is not a duration; write it like 250ms, 2s or 1m"),
        ("a=b other=x", "'other=x' is neither other=nodata nor other=pass"),
        ("a=b tll-max=1", "'tll-max' is not understood in 'a=b tll-max=1'; known are ask, ttl-max, stale and other"),
        ("a=b stale", "'stale' is not of the form name=value"),
    ])
    func `a wrong alias is told what is wrong`(_ setting: String, _ complaint: String) {
        #expect(throws: SettingError(complaint)) { try Alias(setting: setting) }
    }
}

/// Several authorities, of which some lag behind or are silent.
struct RelayAuthorityTests {
    private static let servers = ["192.0.2.54", "192.0.2.55"].compactMap { DNSEndpoint($0) }

    private static func bench() throws -> RelayBench {
        let alias = try Alias(setting: "c.example=dyn.test ask=192.0.2.54,192.0.2.55 stale=2m")
        return RelayBench { $0.aliases = [alias] }
    }

    /// Each server that is asked for a serial says what `serials` has for it; whoever is asked then says `address`.
    private static func play(
        _ bench: inout RelayBench, _ outputs: [Relay.Output], _ serials: [DNSEndpoint: Int], _ address: String
    ) throws -> [DNSEndpoint] {
        var asked: [DNSEndpoint] = []
        for output in outputs {
            guard let one = RelayBench.asked([output]).first, one.message.question?.type == .soa,
                let serial = serials[one.server]
            else { continue }
            let next = try bench.answer([output], authority: ["dyn.test. 60 SOA a. b. \(serial) 2 3 4 60"])
            for two in RelayBench.asked(next) {
                asked.append(two.server)
                let isV4 = two.message.question?.type == .a
                var response = two.message.response()
                if isV4 { response.answers = [try ZoneFile.record("dyn.test. 60 A \(address)")] }
                _ = bench.step(.exchange(two.exchange, .datagram(response.encoded())))
            }
        }
        return asked
    }

    /// Of these what others are asked.
    private static func asked(_ outputs: [Relay.Output]) -> [Relay.Output] {
        outputs.filter { !RelayBench.asked([$0]).isEmpty }
    }

    private static func address(_ bench: inout RelayBench) -> String? {
        RelayBench.told(bench.ask("c.example")).first?.answers.first?.data.address?.description
    }

    @Test func `whoever lags behind is not asked for addresses`() throws {
        var bench = try Self.bench()
        let start = bench.step(.deadlinePassed)
        #expect(RelayBench.asked(start).map(\.message.question?.type) == [.soa, .soa])
        #expect(try Self.play(&bench, start, [Self.servers[0]: 9], "192.0.2.1") == [Self.servers[0], Self.servers[0]])
        #expect(Self.address(&bench) == "192.0.2.1")
        // Later in the same round somebody is found who knows more.
        #expect(try Self.play(&bench, start, [Self.servers[1]: 10], "192.0.2.2") == [Self.servers[1], Self.servers[1]])
        #expect(Self.address(&bench) == "192.0.2.2")
        // Told of a change: both are asked; the one that is behind is not believed, silence of the other or not.
        let told = bench.step(.changed(try #require(DomainName("test"))))
        #expect(RelayBench.asked(told).count == 2)
        #expect(Self.address(&bench) == "192.0.2.2", "what is known is not forgotten for it")
        #expect(try Self.play(&bench, told, [Self.servers[0]: 9], "192.0.2.1") == [])
        #expect(Self.address(&bench) == "192.0.2.2")
    }

    @Test func `old serials are believed when nobody has insisted on better for long enough`() throws {
        var bench = try Self.bench()
        var outputs = bench.step(.deadlinePassed)
        _ = try Self.play(&bench, outputs, [Self.servers[0]: 9, Self.servers[1]: 9], "192.0.2.1")
        let start = bench.now
        var old: Instant?
        while bench.now - start < .seconds(400), old == nil {
            outputs = try bench.pass()
            _ = try Self.play(&bench, outputs, [Self.servers[0]: 8], "192.0.2.8")
            if Self.address(&bench) == "192.0.2.8" { old = bench.now }
        }
        // Sixty seconds of its time, and two minutes; and not much later, however long nothing has come.
        #expect((Duration.seconds(180)...(.seconds(190))).contains(try #require(old) - start))
    }

    @Test func `clients wait for a round, and are told when it comes to nothing`() throws {
        var bench = try Self.bench()
        let first = bench.ask("c.example")
        #expect(RelayBench.asked(first).count == 2)
        #expect(bench.ask("c.example", .aaaa) == [] && bench.ask("c.example", edns: nil) == [])
        var told: [DNSMessage] = []
        while told.count < 3 { told += RelayBench.told(try bench.pass()) }
        #expect(told.allSatisfy { $0.responseCode == .serverFailure })
        #expect(bench.relay.waiting.isEmpty && bench.relay.rounds.isEmpty)
    }
    @Test func `who comes when a round has found whom to ask is told what that one says`() throws {
        var bench = try Self.bench()
        let first = bench.ask("c.example")
        let soa = ["dyn.test. 60 SOA a. b. 9 2 3 4 60"]
        let addresses = Self.asked(try bench.answer([first[0]], authority: soa))
        #expect(RelayBench.asked(addresses).map(\.message.question?.type) == [.a, .aaaa])
        #expect(bench.ask("c.example", edns: nil) == [])
        let told = RelayBench.told(try bench.answer([addresses[0]], ["dyn.test. 60 A 192.0.2.1"]))
        #expect(told.map(\.answers.count) == [1, 1])
        while !bench.relay.rounds.isEmpty { _ = try bench.pass() }
        #expect(bench.relay.waiting.isEmpty)
    }

    @Test func `a new round is for what is due, not for what an earlier one has asked for`() throws {
        var bench = try Self.bench()
        let start = bench.step(.deadlinePassed)
        let soa = ["dyn.test. 60 SOA a. b. 9 2 3 4 60"]
        let addresses = Self.asked(try bench.answer([start[0]], authority: soa))
        _ = try bench.answer([addresses[0]], ["dyn.test. 1 A 192.0.2.1"])
        _ = try bench.answer([addresses[1]], authority: soa)
        bench.now += .seconds(1)
        let next = Self.asked(bench.ask("c.example"))
        #expect(next.count == 2 && bench.relay.rounds.count == 1)
        #expect(RelayBench.asked(try bench.answer([next[0]], authority: soa)).map(\.message.question?.type) == [.a])
    }

    @Test func `of two sets the one that is known better is asked for again, too`() throws {
        var bench = try Self.bench()
        let start = bench.step(.deadlinePassed)
        let soa = ["dyn.test. 60 SOA a. b. 9 2 3 4 60"]
        let addresses = Self.asked(try bench.answer([start[0]], authority: soa))
        _ = try bench.answer([addresses[0]], ["dyn.test. 60 A 192.0.2.1"])
        var rest = [addresses[1], start[1]]
        while !rest.isEmpty { rest = try bench.answer(rest, code: .serverFailure) }
        let next = bench.step(.changed(try #require(DomainName("test"))))
        #expect(try Self.play(&bench, next, [Self.servers[1]: 8], "192.0.2.8") == [Self.servers[1]])
        var silent = next.filter { RelayBench.asked([$0]).first?.server == Self.servers[0] }
        while !silent.isEmpty { silent = try bench.answer(silent, code: .serverFailure) }
        #expect(bench.relay.rounds.isEmpty)
        #expect(!bench.relay.aliases[AliasTable.Key(alias: 0, type: .a)].isAsked, "nobody would ask for it any more")
    }
}
