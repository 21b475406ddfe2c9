// The relay and servers that are slow or silent: how long an answer is waited for, what counts as silence, and who is
// given what was known before.

@testable import QureCore
import Simulator
import Testing

struct RelaySlownessTests {
    /// A client with a connection: it is told whatever comes, however late.
    private static let patient = RelayClient(.v4(IPv4Address(rawValue: 0x0a00_0002)), port: 4000, stream: 1)
    private static let both = [RelayBench.upstream, RelayBench.authority].compactMap { $0 }

    private static func octets(_ outputs: [Relay.Output]) -> [UInt8]? {
        outputs.lazy.compactMap { if case .sendDatagram(let octets, _, _) = $0 { octets } else { nil } }.first
    }

    private static func isClosed(_ outputs: [Relay.Output]) -> Bool {
        outputs.contains { if case .close = $0 { true } else { false } }
    }

    private static func isTold(ofSilence outputs: [Relay.Output]) -> Bool {
        outputs.contains { if case .report(.silent) = $0 { true } else { false } }
    }

    /// A satellite link, say, or a server that has to look far: its answers take longer than a try.
    @Test func `the answer to any of three datagrams to the only server is taken`() throws {
        for delay in [1500, 2500, 3500] {
            var bench = RelayBench()
            let start = bench.now
            let first = bench.ask("a.test", by: Self.patient)
            let exchange = try #require(RelayBench.asked(first).first).exchange
            while try #require(bench.relay.nextDeadline) < start + .milliseconds(Int64(delay)) {
                let again = try bench.pass()
                #expect(Self.octets(again) == Self.octets(first) && !Self.isClosed(again), "the same, from the same")
                #expect(RelayBench.asked(again).first?.exchange == exchange)
                #expect(bench.relay.works[exchange]?.sent == start, "it may be the first that is answered")
            }
            bench.now = start + .milliseconds(Int64(delay))
            let told = RelayBench.told(try bench.answer(first, ["a.test. 60 A 192.0.2.1"]))
            #expect(told.first?.answers.count == 1, "after \(delay) ms")
        }
        var silent = RelayBench()
        let start = silent.now
        var outputs = silent.ask("a.test", by: Self.patient)
        while RelayBench.told(outputs).isEmpty { outputs = try silent.pass() }
        #expect(silent.now - start == .milliseconds(3600))
    }

    @Test func `the last of two servers has what is left of the time`() throws {
        var bench = RelayBench { $0.upstreams = Self.both }
        let start = bench.now
        _ = bench.ask("a.test", by: Self.patient)
        let second = try bench.pass(), third = try bench.pass()
        #expect(RelayBench.asked(second).first?.server == RelayBench.authority)
        #expect(Self.octets(third) == Self.octets(second) && !Self.isClosed(third))
        bench.now = start + .milliseconds(3500)
        let told = RelayBench.told(try bench.answer(second, ["a.test. 60 A 192.0.2.1"]))
        #expect(told.first?.answers.count == 1)
    }

    @Test func `a server that refuses is passed over at once, whoever was silent before`() throws {
        var bench = RelayBench { $0.upstreams = Self.both }
        _ = bench.ask("a.test", by: Self.patient)
        let third = try bench.answer(try bench.pass(), code: .refused)
        #expect(RelayBench.asked(third).first?.server == RelayBench.upstream)
        #expect(RelayBench.told(try bench.answer(third, ["a.test. 60 A 192.0.2.1"])).first?.answers.count == 1)
    }

    @Test func `silence is noticed while the question is still open`() throws {
        var bench = RelayBench()
        _ = bench.ask("a.test")
        #expect(!Self.isTold(ofSilence: try bench.pass()))
        #expect(Self.isTold(ofSilence: try bench.pass()))
        #expect(RelayBench.upstream.map(bench.relay.silence.isSilent) == true)
    }

    /// A line that is down: whatever clients ask for, they have what was known, one name as soon as the other.
    @Test func `where all servers are silent, what is old is given at once`() throws {
        var bench = RelayBench {
            $0.staleLimit = .seconds(3600)
            $0.upstreams = Self.both
        }
        for name in ["a.test", "b.test"] {
            _ = try bench.answer(bench.ask(name), ["\(name). 60 A 192.0.2.1"])
        }
        bench.now += .seconds(100)
        func reason(_ outputs: [Relay.Output]) -> ExtendedError? { RelayBench.told(outputs).first?.edns?.extendedError }
        for _ in 0..<4 where !Self.both.allSatisfy(bench.relay.silence.isSilent) {
            let start = bench.now
            var outputs = bench.ask("a.test")
            while RelayBench.told(outputs).isEmpty { outputs = try bench.pass() }
            #expect(reason(outputs) == .staleAnswer && bench.now - start == AliasTable.stalePatience)
            while !bench.relay.works.isEmpty { _ = try bench.pass() }
            bench.now += .seconds(60)
        }
        let outputs = bench.ask("b.test")
        #expect(reason(outputs) == .staleAnswer && RelayBench.asked(outputs).count == 1)
        #expect(bench.relay.waiting.isEmpty)
        // Whoever comes meanwhile does not wait, either, and is no reason to ask again.
        let more = bench.ask("b.test")
        #expect(reason(more) == .staleAnswer && RelayBench.asked(more).isEmpty)
        // The question goes on, and when somebody speaks again, the next one waits for him.
        #expect(RelayBench.told(try bench.answer(outputs, ["b.test. 60 A 192.0.2.2"])).isEmpty)
        bench.now += .seconds(100)
        #expect(reason(bench.ask("b.test")) == nil)
        #expect(RelayBench.told(bench.ask("new.test")).isEmpty, "where nothing is known, all wait")
    }

    @Test func `an old answer is counted where somebody gets it`() throws {
        var bench = RelayBench { $0.staleLimit = .seconds(3600) }
        _ = try bench.answer(bench.ask("a.test"), ["a.test. 60 A 192.0.2.1"])
        bench.now += .seconds(100)
        var outputs = bench.ask("a.test")
        while RelayBench.told(outputs).isEmpty { outputs = try bench.pass() }
        #expect(bench.relay.counters.stale == 1)
        while !bench.relay.works.isEmpty { #expect(RelayBench.told(try bench.pass()).isEmpty) }
        #expect(bench.relay.counters.stale == 1, "the question has failed, and nobody waited for it any more")
        #expect(RelayBench.told(bench.ask("a.test")).count == 1)
        #expect(bench.relay.counters.stale == 2)
    }
}
