// Why a relay answers as it does, as it tells those who understand it (RFC 8914): each reason, and what leads to it.

@testable import QureCore
import Simulator
import Testing

struct RelayReasonTests {
    private static func reason(_ outputs: [Relay.Output]) -> ExtendedError? {
        RelayBench.told(outputs).last?.edns?.extendedError
    }

    /// A question that every server fails.
    private static func fail(_ bench: inout RelayBench, _ name: String) throws -> [Relay.Output] {
        var outputs = bench.ask(name)
        while !RelayBench.asked(outputs).isEmpty { outputs = try bench.answer(outputs, code: .serverFailure) }
        return outputs
    }

    @Test func `who is refused is told why`() throws {
        var bench = RelayBench()
        #expect(Self.reason(bench.ask("a.test", by: RelayBench.stranger)) == .prohibited)
        for client in [RelayBench.stranger, RelayBench.client] {
            #expect(Self.reason(bench.ask("a.test", by: client, flags: [])) == .notAuthoritative)
        }
        var update = DNSMessage.update(id: 1, zone: try #require(DomainName("z.test")))
        #expect(Self.reason(bench.step(.request(update.encoded(), RelayBench.client))) == nil)
        update.edns = EDNS()
        let refused = bench.step(.request(update.encoded(), RelayBench.client))
        #expect(RelayBench.told(refused).first?.responseCode == .refused)
        #expect(Self.reason(refused) == ExtendedError(18, "no forward-updates-to says where updates of it go"))
        #expect(RelayBench.told(bench.ask("a.test", by: RelayBench.stranger, edns: nil)).first?.edns == nil)
    }

    @Test func `who gets no answer is told why`() throws {
        let forward = try RelayConfiguration.Forward(setting: "corp.test=192.0.2.54")
        let alias = try Alias(setting: "c.example=dyn.test ask=192.0.2.54")
        var bench = RelayBench {
            $0.forwards = [forward]
            $0.aliases = [alias]
        }
        #expect(Self.reason(try Self.fail(&bench, "a.test")) == .networkError)
        #expect(Self.reason(bench.ask("a.test")) == .cachedError)
        #expect(Self.reason(try Self.fail(&bench, "a.corp.test")) == .noReachableAuthority)
        var outputs = bench.ask("c.example")
        while RelayBench.told(outputs).isEmpty { outputs = try bench.pass() }
        #expect(Self.reason(outputs) == .noReachableAuthority)
        for number in 0..<Relay.maximumOfClient { _ = bench.ask("n\(number).test") }
        let overdrawn = Self.reason(bench.ask("more.test"))
        #expect(overdrawn?.code == 0 && overdrawn?.text.isEmpty == false)
        var alone = RelayBench { $0.upstreams = [] }
        #expect(Self.reason(alone.ask("a.test")) == .notReady)
        var own = RelayBench()
        let asked = try #require(RelayBench.asked(own.ask("a.test")).first)
        let loop = Self.reason(own.step(.request(asked.message.encoded(), RelayBench.client)))
        #expect(loop?.code == 0 && loop?.text.isEmpty == false)
    }

    /// For clients the alias exists; whoever wrote the wrong name wants to know.
    @Test func `a target that does not exist is named, once`() throws {
        let alias = try Alias(setting: "c.example=dny.test")
        var bench = RelayBench { $0.aliases = [alias] }
        var reports: [Relay.Output] = []
        for _ in 0..<2 {
            let end = try bench.answer(
                bench.step(.deadlinePassed), authority: ["test. 60 SOA a. b. 1 2 3 4 60"], code: .nameError)
            reports += end.filter { if case .report(.targetMissing) = $0 { true } else { false } }
            bench.now += .seconds(54)
        }
        #expect(reports == [.report(.targetMissing(alias.name, alias.target))])
        bench.now = bench.now - .seconds(54)
        let told = bench.ask("c.example")
        #expect(RelayBench.told(told).first?.responseCode == .noError)
        #expect(Self.reason(told)?.code == 0 && Self.reason(told)?.text.isEmpty == false)
        let there = bench.step(.changed(alias.target))
        _ = try bench.answer(there, ["dny.test. 60 A 192.0.2.1"])
        #expect(Self.reason(bench.ask("c.example")) == nil)
    }

    @Test func `who gets an old answer is told so`() throws {
        var bench = RelayBench { $0.staleLimit = .seconds(3600) }
        _ = try bench.answer(bench.ask("a.test"), ["a.test. 60 A 192.0.2.1"])
        _ = try bench.answer(bench.ask("no.test"), authority: ["test. 60 SOA a. b. 1 2 3 4 60"], code: .nameError)
        bench.now += .seconds(100)
        #expect(Self.reason(try Self.fail(&bench, "a.test")) == .staleAnswer)
        #expect(Self.reason(bench.ask("a.test")) == .staleAnswer, "and again, without anybody being asked")
        let outputs = try Self.fail(&bench, "no.test")
        #expect(RelayBench.told(outputs).last?.responseCode == .nameError && Self.reason(outputs) == .staleNameError)
    }
}
