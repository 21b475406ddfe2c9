// Domains that are served to everybody: what the primary is asked and what strangers are told, step by step; and what
// they are not told.

@testable import QureCore
import Simulator
import Testing

struct RelayPublicTests {
    private static let soa = "example.com. 300 SOA ns.example.com. h.example.com. 7 3600 600 86400 60"

    private static func bench(_ change: (inout RelayConfiguration) -> Void = { _ in }) throws -> RelayBench {
        let forward = try RelayConfiguration.Forward(setting: "example.com=192.0.2.54 public=yes")
        let other = try RelayConfiguration.Forward(setting: "inner.example.com=192.0.2.55")
        let alias = try Alias(setting: "cloud.sub.example.com=home.example.com")
        var bench = RelayBench {
            $0.forwards = [forward, other]
            $0.aliases = [alias]
            change(&$0)
        }
        // The aliases' addresses are asked for.
        _ = bench.step(.deadlinePassed)
        return bench
    }

    private static func removeUpstreams(_ bench: inout RelayBench) {
        var configuration = bench.relay.configuration
        configuration.upstreams = []
        bench.relay.configure(configuration, cacheKey: (3, 4), at: bench.now)
    }

    @Test(arguments: [RelayBench.stranger, RelayBench.client], [DNSMessage.Flags.recursionDesired, []])
    func `the primary's whole answer is everybody's`(_ client: RelayClient, _ flags: DNSMessage.Flags) throws {
        var bench = try Self.bench()
        Self.removeUpstreams(&bench)
        var edns = EDNS()
        edns.wantsSecurity = true
        let outputs = bench.ask("www.Below.example.com", by: client, edns: edns, flags: flags)
        let asked = try #require(RelayBench.asked(outputs).first)
        #expect(asked.server == RelayBench.authority)
        // Nobody finds anything for a stranger, or for who does not ask for it.
        let isLocal = client == RelayBench.client
        #expect(asked.message.flags == (isLocal ? flags : []))
        #expect(asked.message.edns?.wantsSecurity == true)
        let told = try RelayBench.told(
            bench.answer(outputs, authority: ["below.example.com. NS ns.below.example.com."]) {
                $0.additionals = [try? ZoneFile.record("ns.below.example.com. A 192.0.2.9", ttl: 300)].compactMap { $0 }
            })
        let answer = try #require(told.first)
        #expect(answer.authorities.count == 1 && answer.additionals.count == 1 && answer.responseCode == .noError)
        #expect(!answer.flags.contains(.authoritative))
        #expect(answer.flags.contains(.recursionAvailable) == isLocal)
        #expect(answer.flags.contains(.recursionDesired) == flags.contains(.recursionDesired))
        let second = bench.ask("www.example.com", by: client, flags: flags)
        let whole = try RelayBench.told(
            bench.answer(second, ["www.example.com. A 192.0.2.1"], authority: ["example.com. NS ns.example.com."]) {
                $0.flags.insert(.authoritative)
            })
        #expect(try #require(whole.first).flags.contains(.authoritative))
        #expect(try #require(whole.first).authorities.count == 1)
    }

    /// A primary that finds nothing for others names those who know, or leads to a name beyond its zone.
    @Test func `clients of our networks have what the primary leaves to others found by the upstreams`() throws {
        var bench = try Self.bench()
        let delegation = ["below.example.com. NS ns.below.example.com."]
        let named = try bench.answer(bench.ask("www.Below.example.com"), authority: delegation)
        let asked = try #require(RelayBench.asked(named).first)
        #expect(RelayBench.told(named).isEmpty && asked.server == RelayBench.upstream)
        let address = "www.below.example.com. 60 IN A 192.0.2.7"
        let found = try #require(RelayBench.told(bench.answer(named, [address])).first)
        #expect(found.answers.map(\.data.address) == [IPAddress("192.0.2.7")])
        #expect(found.flags.contains(.recursionAvailable) && !found.flags.contains(.authoritative))

        let alias = "out.example.com. 300 IN CNAME www.example.org."
        let led = try bench.answer(bench.ask("out.example.com"), [alias]) { $0.flags.insert(.authoritative) }
        let next = try #require(RelayBench.asked(led).first)
        #expect(next.server == RelayBench.upstream && next.message.question?.name == DomainName("www.example.org"))
        let whole = try #require(RelayBench.told(bench.answer(led, ["www.example.org. 60 IN A 192.0.2.8"])).first)
        #expect(whole.answers.map(\.description) == [alias, "www.example.org. 60 IN A 192.0.2.8"])
        #expect(whole.flags.contains(.authoritative), "that of the first name")

        // To a part that is delegated: by the primary, which names others, to the upstreams.
        let inner = "in.example.com. 300 IN CNAME www.below.example.com."
        let first = try bench.answer(bench.ask("in.example.com"), [inner], authority: delegation)
        let second = try bench.answer(first, authority: delegation)
        #expect(RelayBench.asked(first).map(\.server) == [RelayBench.authority])
        #expect(RelayBench.asked(second).map(\.server) == [RelayBench.upstream])
        let both = try #require(RelayBench.told(bench.answer(second, [address])).first)
        #expect(both.answers.map(\.description) == [inner, address])
    }

    @Test func `what is found further on is asked of whom it belongs to, once`() throws {
        let record = try ZoneFile.record("mine.example.net. CNAME www.example.com.", ttl: 60)
        let delegation = ["below.example.com. NS ns.below.example.com."]
        // By way of a delegated part back to the domain, and to the primary.
        var bench = try Self.bench { $0.local.add(record) }
        let first = try bench.answer(bench.ask("www.below.example.com"), authority: delegation)
        let second = try bench.answer(first, ["www.below.example.com. 60 CNAME mine.example.net."])
        #expect(RelayBench.asked(second).map(\.server) == [RelayBench.authority])
        // An upstream that leads nowhere itself is not asked again.
        let third = try bench.answer(bench.ask("two.below.example.com"), authority: delegation)
        let fourth = try bench.answer(third, authority: delegation)
        #expect(RelayBench.asked(fourth).isEmpty && RelayBench.told(fourth).first?.responseCode == .noError)
    }

    @Test func `who is led from one to the next waits no longer in all than for one`() throws {
        var bench = try Self.bench()
        let start = bench.now
        let outputs = bench.ask("www.below.example.com")
        bench.now += .seconds(2)
        var named = try bench.answer(outputs, authority: ["below.example.com. NS ns.below.example.com."])
        #expect(RelayBench.asked(named).map(\.server) == [RelayBench.upstream])
        while RelayBench.told(named).isEmpty { named = try bench.pass() }
        #expect(RelayBench.told(named).first?.responseCode == .serverFailure)
        #expect(bench.now - start <= .milliseconds(4500) && bench.now - start > .seconds(3))
        var random = bench.random
        let question = DNSQuestion(try #require(DomainName("www.below.example.com")), .a)
        let steps = bench.relay.explain(question, for: RelayBench.client.address, at: bench.now, using: &random)
        #expect(steps.contains("failure: the upstreams did not, a moment ago; they are asked again soon"))
    }

    @Test func `what upstreams say of a delegated part is kept within the bounds of all that they say`() throws {
        let record = try ZoneFile.record("mine.example.net. A 192.0.2.5", ttl: 60)
        var bench = try Self.bench {
            $0.local.add(record)
            $0.maximumTTL = 30
        }
        let delegation = ["below.example.com. NS ns.below.example.com."]
        let named = try bench.answer(bench.ask("www.below.example.com"), authority: delegation)
        let led = try bench.answer(named, ["www.below.example.com. 600 CNAME mine.example.net."])
        #expect(RelayBench.told(led).first?.answers.map(\.ttl) == [30, 60])
    }

    /// Nothing of these is a delegation to others, or an alias that leads beyond what was said.
    @Test func `what is whole is told as it is`() throws {
        let below = "www.below.example.com.", servers = ["below.example.com. NS ns.below.example.com."]
        let alias = "\(below) 300 IN CNAME www.example.org."
        let rows: [(answers: [String], authority: [String], code: DNSResponseCode, flags: DNSMessage.Flags)] = [
            (["\(below) 300 A 192.0.2.1"], servers, .noError, []), ([], servers, .noError, .authoritative),
            ([], ["other.example.com. NS ns.example.com."], .noError, []), ([], servers, .nameError, []),
            ([alias, "www.example.org. 300 A 192.0.2.1"], [], .noError, []), ([alias], [], .nameError, []),
        ]
        for row in rows {
            var bench = try Self.bench()
            let outputs = try bench.answer(
                bench.ask("www.below.example.com"), row.answers, authority: row.authority, code: row.code
            ) { $0.flags.formUnion(row.flags) }
            #expect(RelayBench.asked(outputs).isEmpty, "\(row)")
            let told = try #require(RelayBench.told(outputs).first)
            #expect(told.answers.count == row.answers.count && told.responseCode == row.code, "\(row)")
        }
    }

    @Test func `what the primary has found itself, or denies, goes no further, nor for others`() throws {
        let delegation = ["below.example.com. NS ns.below.example.com."]
        let alias = "out.example.com. 300 IN CNAME www.example.org."
        let askers: [(RelayClient, DNSMessage.Flags)] = [
            (RelayBench.stranger, .recursionDesired), (RelayBench.client, []),
        ]
        for (client, flags) in askers {
            var bench = try Self.bench()
            let named = try bench.answer(
                bench.ask("www.below.example.com", by: client, flags: flags), authority: delegation)
            #expect(RelayBench.asked(named).isEmpty && RelayBench.told(named).first?.authorities.count == 1)
            let led = try bench.answer(bench.ask("out.example.com", by: client, flags: flags), [alias])
            #expect(RelayBench.asked(led).isEmpty && RelayBench.told(led).first?.answers.count == 1)
        }
        var bench = try Self.bench()
        let finding = try bench.answer(bench.ask("out.example.com"), [alias]) { $0.flags.insert(.recursionAvailable) }
        #expect(RelayBench.asked(finding).isEmpty && RelayBench.told(finding).first?.answers.count == 1)
        let dead = "dead.example.com. 300 IN CNAME none.example.com."
        for code in [DNSResponseCode.nameError, .noError] {
            let denied = try bench.answer(bench.ask("dead.example.com"), [dead], authority: [Self.soa], code: code)
            #expect(RelayBench.asked(denied).isEmpty && RelayBench.told(denied).first?.responseCode == code)
            _ = bench.step(.changed(try #require(DomainName("example.com"))))
        }
        // Nobody else can be asked.
        Self.removeUpstreams(&bench)
        let named = try bench.answer(bench.ask("www.below.example.com"), authority: delegation)
        #expect(RelayBench.asked(named).isEmpty && RelayBench.told(named).first?.authorities.count == 1)
        let led = try bench.answer(bench.ask("out.example.com"), [alias])
        #expect(RelayBench.asked(led).isEmpty && RelayBench.told(led).first?.answers.count == 1)
    }

    @Test func `upstreams that do not find what is delegated keep nobody from the primary`() throws {
        var bench = try Self.bench()
        let delegation = ["below.example.com. NS ns.below.example.com."]
        func ask(_ bench: inout RelayBench, by client: RelayClient) throws -> [Relay.Output] {
            let outputs = bench.ask("www.below.example.com", by: client)
            #expect(RelayBench.asked(outputs).map(\.server) == [RelayBench.authority])
            return try bench.answer(outputs, authority: delegation)
        }
        func fail(_ bench: inout RelayBench) throws {
            var outputs = try ask(&bench, by: RelayBench.client)
            for _ in 0..<3 { outputs = try bench.answer(outputs, code: .serverFailure) }
            #expect(RelayBench.told(outputs).first?.responseCode == .serverFailure)
        }
        try fail(&bench)
        let stranger = try ask(&bench, by: RelayBench.stranger)
        #expect(RelayBench.told(stranger).first?.authorities.count == 1)
        let again = try ask(&bench, by: RelayBench.client)
        #expect(RelayBench.told(again).first?.edns?.extendedError == .cachedError)
        bench.now += .seconds(1)
        try fail(&bench)
        bench.now += .seconds(1)
        let soon = try ask(&bench, by: RelayBench.client)
        #expect(RelayBench.told(soon).first?.edns?.extendedError == .cachedError, "the pause doubles")
    }

    @Test func `strangers are told of nothing else`() throws {
        var bench = try Self.bench()
        // A domain within that is not public, one beside, transfers, and an upstream's names.
        for name in ["www.inner.example.com", "example.org", "com", "."] {
            for flags in [DNSMessage.Flags.recursionDesired, []] {
                let outputs = bench.ask(name, by: RelayBench.stranger, flags: flags)
                #expect(RelayBench.asked(outputs).isEmpty)
                #expect(RelayBench.told(outputs).first?.responseCode == .refused, "\(name)")
            }
        }
        var stream = RelayBench.stranger
        stream.stream = 1
        for type in [RecordType.axfr, .ixfr] {
            let outputs = bench.ask("example.com", type, by: stream, flags: [])
            #expect(RelayBench.asked(outputs).isEmpty && RelayBench.told(outputs).first?.responseCode == .refused)
        }
        #expect(throws: SettingError.self) { try RelayConfiguration.Forward(setting: ".=192.0.2.54 public=yes") }
        #expect(throws: SettingError.self) { try RelayConfiguration.Forward(setting: "a.test=192.0.2.54 public=on") }
    }

    @Test func `what is asked for all types comes by a stream`() throws {
        var bench = try Self.bench()
        let outputs = bench.ask("example.com", .any, by: RelayBench.stranger, flags: [])
        #expect(RelayBench.asked(outputs).isEmpty)
        #expect(try #require(RelayBench.told(outputs).first).flags.contains([.truncated, .authoritative]))
        var stream = RelayBench.stranger
        stream.stream = 1
        #expect(RelayBench.asked(bench.ask("example.com", .any, by: stream, flags: [])).count == 1)
    }

    @Test func `name servers whose addresses do not fit are to be asked for by a stream`() throws {
        for (count, isCut) in [(2, false), (12, true)] {
            var bench = try Self.bench()
            let outputs = bench.ask("www.below.example.com", by: RelayBench.stranger, edns: nil, flags: [])
            let names = (1...count).map { "ns\($0)-of-the-zone-below.below.example.com." }
            let servers = names.map { "below.example.com. NS \($0)" }
            let addresses = try names.map { try ZoneFile.record("\($0) AAAA 2001:db8::1", ttl: 300) }
            let told = try RelayBench.told(bench.answer(outputs, authority: servers) { $0.additionals = addresses })
            let answer = try #require(told.first)
            #expect(answer.flags.contains(.truncated) == isCut && answer.authorities.count == count)
            #expect(answer.encoded().count <= 512 && (answer.additionals.count < count) == isCut)
        }
    }

    @Test func `names of our own lie over the primary's zone`() throws {
        let record = try ZoneFile.record("mine.example.com. A 192.0.2.77", ttl: 60)
        var bench = try Self.bench { $0.local.add(record) }
        func ask(_ name: String, _ records: [String]) throws -> DNSMessage {
            let code = DNSResponseCode.nameError
            let outputs = bench.ask(name, by: RelayBench.stranger, flags: [])
            return try #require(
                RelayBench.told(
                    bench.answer(outputs, records, authority: [Self.soa], code: code) {
                        $0.flags.insert(.authoritative)
                    }
                ).first)
        }
        // Above an alias there is something, whatever the primary knows (RFC 8020).
        let above = try ask("sub.example.com", [])
        #expect(above.responseCode == .noError && above.authorities.map(\.type) == [.soa])
        #expect(try ask("none.example.com", []).responseCode == .nameError)
        // The alias: with authority, and the "no" of other types by the zone's own SOA, which has been heard.
        let other = try #require(RelayBench.told(bench.ask("cloud.sub.example.com", .mx, flags: [])).first)
        #expect(other.flags.contains(.authoritative) && other.responseCode == .noError)
        #expect(other.authorities.first?.name == DomainName("example.com"))
        #expect(other.authorities.first?.ttl == 60)
        let mine = try #require(RelayBench.told(bench.ask("mine.example.com", flags: [])).first)
        #expect(mine.flags.contains(.authoritative) && mine.answers.count == 1)
        // A chain of the primary that leads to a name of ours.
        let chain = try ask("www.example.com", ["www.example.com. CNAME mine.example.com."])
        #expect(chain.responseCode == .noError && chain.authorities.isEmpty)
        #expect(chain.answers.map(\.type) == [.cname, .a])
        let alias = try ask("a.example.com", ["a.example.com. CNAME cloud.sub.example.com."])
        #expect(alias.responseCode == .noError && alias.answers.map(\.type) == [.cname])
    }

    /// A resolver that has the domain by a stub zone asks without RD.
    @Test func `a view has a name that the primary's alias leads to, however its clients ask`() throws {
        let view = try Audiences.View(setting: "10.0.0.0/8 cloud.sub.example.com A 10.0.0.9")
        var bench = try Self.bench { $0.audiences = Audiences(recursion: $0.audiences.recursion, views: [view]) }
        let alias = "www.example.com. 300 IN CNAME cloud.sub.example.com."
        for flags in [DNSMessage.Flags.recursionDesired, []] {
            let told = try bench.answer(bench.ask("www.example.com", flags: flags), [alias])
            let answers = RelayBench.told(told).first?.answers.map(\.description)
            #expect(answers == [alias, "cloud.sub.example.com. 60 IN A 10.0.0.9"])
        }
        let told = try bench.answer(bench.ask("www.example.com", by: RelayBench.stranger, flags: []), [alias])
        #expect(RelayBench.told(told).first?.answers.map(\.description) == [alias])
    }

    @Test func `an alias at the name of the domain has the records of the primary, too`() throws {
        let alias = try Alias(setting: "example.com=home.example.net")
        var bench = try Self.bench { $0.aliases = [alias] }
        for type in [RecordType.soa, .ns, .mx] {
            let asked = RelayBench.asked(bench.ask("example.com", type, by: RelayBench.stranger, flags: []))
            #expect(asked.first?.server == RelayBench.authority && asked.first?.message.question?.type == type)
        }
        // The addresses are under way already, and it is not the primary that is asked for them.
        #expect(RelayBench.asked(bench.ask("example.com", .a, by: RelayBench.stranger, flags: [])).isEmpty)
    }

    @Test func `a change is told at once where it is heard of, and soon where it is not`() throws {
        var bench = try Self.bench()
        func isAsked() throws -> Bool {
            let outputs = bench.ask("www.example.com", by: RelayBench.stranger, flags: [])
            if RelayBench.asked(outputs).isEmpty { return false }
            _ = try bench.answer(outputs, ["www.example.com. A 192.0.2.1"]) { $0.flags.insert(.authoritative) }
            return true
        }
        let question = DNSQuestion(try #require(DomainName("www.example.com")), .a)
        let query = DNSMessage(id: 1, questions: [question], edns: EDNS()).encoded()
        func isKnown() -> Bool {
            guard let plain = PlainQuery(query.span) else { return false }
            var room = [UInt8](repeating: 0, count: 4096)
            var span = room.mutableSpan
            return bench.relay.cache.find(query.span, plain, limit: 4096, at: bench.now, into: &span) != .nothing
        }
        #expect(try isAsked() && isKnown())
        _ = bench.step(.changed(try #require(DomainName("example.org"))))
        #expect(isKnown())
        _ = bench.step(.changed(try #require(DomainName("example.com"))))
        #expect(!isKnown())
        #expect(try isAsked() && isKnown())
        bench.now += .seconds(5)
        #expect(!isKnown())
    }
}
