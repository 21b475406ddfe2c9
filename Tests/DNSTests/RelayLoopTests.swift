// Questions of a relay that come back to it: how it tells them from those of clients, and what becomes of those who
// wait.

@testable import QureCore
import Simulator
import Testing

struct RelayLoopTests {
    private static let other = RelayClient(.v4(IPv4Address(rawValue: 0x0a00_0002)), port: 5000)

    /// What is asked when a question has been under way for long enough.
    private static func lookIntoIt(
        _ bench: inout RelayBench
    ) throws -> (message: DNSMessage, server: DNSEndpoint, exchange: Int)? {
        bench.now += Relay.suspicionPause
        return RelayBench.asked(bench.step(.deadlinePassed)).first
    }

    private static func servers(_ outputs: [Relay.Output]) -> [DNSEndpoint?] { RelayBench.asked(outputs).map(\.server) }

    private static func reports(_ outputs: [Relay.Output]) -> [Relay.Report] {
        outputs.compactMap { if case .report(let report) = $0 { report } else { nil } }
    }

    @Test func `a name that nobody knows and that is asked of us ends the loop for all who wait`() throws {
        var bench = RelayBench()
        _ = bench.ask("www.z.test")
        // It comes back as any forwarder would ask: with a number, options and letters of its own.
        #expect(bench.ask("WWW.z.test", by: Self.other, edns: nil) == [])
        let probe = try #require(try Self.lookIntoIt(&bench))
        let name = try #require(probe.message.question?.name)
        #expect(probe.server == RelayBench.upstream && name.parent == DomainName("www.z.test"))
        #expect(probe.message.question?.type == .a && probe.message.flags == .recursionDesired)
        let end = bench.ask(name.description, by: Self.other, edns: nil)
        let told = RelayBench.told(end)
        #expect(told.first?.responseCode == .refused, "whoever asks it may try another one")
        #expect(told.dropFirst().map(\.responseCode) == [.serverFailure, .serverFailure])
        let question = try #require(DomainName("www.z.test").map { DNSQuestion($0, .a) })
        #expect(Self.reports(end) == [.loop(question, RelayBench.upstream)])
        #expect(RelayBench.asked(end).isEmpty && bench.relay.works.isEmpty && bench.relay.waiting.isEmpty)
        #expect(bench.relay.counters.looped == 1)
        // The failure is known for a while; another question is spoken of after a minute.
        #expect(RelayBench.told(bench.ask("www.z.test")).first?.responseCode == .serverFailure)
        for (pause, count) in [(Duration.seconds(1), 0), (.seconds(60), 1)] {
            bench.now += pause
            #expect(RelayBench.asked(bench.ask("mail.z.test")).count == 1)
            #expect(bench.ask("mail.z.test", by: Self.other) == [])
            let next = try #require(try Self.lookIntoIt(&bench)?.message.question?.name)
            #expect(next.parent != name.parent && Self.reports(bench.ask(next.description)).count == count)
        }
    }

    @Test func `behind a server that leads in a circle the next one is asked`() throws {
        var bench = RelayBench { $0.upstreams = [RelayBench.upstream, RelayBench.authority].compactMap { $0 } }
        #expect(Self.servers(bench.ask("a.test")) == [RelayBench.upstream])
        _ = bench.ask("a.test", by: Self.other)
        // With another kind of question for the same name the same holds.
        let flags: DNSMessage.Flags = [.recursionDesired, .checkingDisabled]
        #expect(Self.servers(bench.ask("a.test", by: Self.other, flags: flags)).count == 1)
        let probe = try #require(try Self.lookIntoIt(&bench)?.message.question?.name)
        let next = bench.ask(probe.description, by: Self.other)
        #expect(Self.servers(next).contains(RelayBench.authority) && !Self.servers(next).contains(RelayBench.upstream))
        let told = RelayBench.told(try bench.answer(next, ["a.test. 60 A 192.0.2.1"]))
        #expect(told.map(\.answers.count) == [1, 1, 1])
    }

    /// Our own message, which nobody has changed, needs no such proof.
    @Test func `the proxy as its own upstream is seen at once`() throws {
        var bench = RelayBench { $0.upstreams = [RelayBench.upstream, RelayBench.authority].compactMap { $0 } }
        let own = try #require(RelayBench.asked(bench.ask("a.test")).first)
        let outputs = bench.step(.request(own.message.encoded(), Self.other))
        #expect(RelayBench.told(outputs).map(\.responseCode) == [.refused])
        #expect(Self.servers(outputs) == [RelayBench.authority])
    }

    @Test func `what is no loop is left alone`() throws {
        var bench = RelayBench()
        // Nobody else asks; the answer comes soon; it comes later.
        let alone = bench.ask("alone.test")
        #expect(try Self.lookIntoIt(&bench) == nil)
        _ = try bench.answer(alone, ["alone.test. 60 A 192.0.2.1"])
        let soon = bench.ask("soon.test")
        _ = bench.ask("soon.test", by: Self.other)
        _ = try bench.answer(soon, ["soon.test. 60 A 192.0.2.1"])
        #expect(try Self.lookIntoIt(&bench) == nil)
        let late = bench.ask("late.test")
        _ = bench.ask("late.test", by: Self.other)
        let probe = try #require(try Self.lookIntoIt(&bench))
        var no = probe.message.response(.nameError)
        no.edns = EDNS()
        #expect(bench.step(.exchange(probe.exchange, .datagram(no.encoded()))) == [.close(exchange: probe.exchange)])
        // Asked for a second time, that name is one like any other.
        let name = try #require(probe.message.question?.name.description)
        #expect(RelayBench.asked(bench.ask(name)).count == 1)
        #expect(try Self.lookIntoIt(&bench) == nil, "one look is enough")
        #expect(RelayBench.told(try bench.answer(late, ["late.test. 60 A 192.0.2.1"])).count == 2)
        #expect(bench.relay.counters.looped == 0)
    }

    @Test func `where everything is slow little is looked into`() throws {
        var bench = RelayBench()
        for number in 0..<40 {
            _ = bench.ask("n\(number).test")
            _ = bench.ask("n\(number).test", by: Self.other)
        }
        bench.now += Relay.suspicionPause
        #expect(RelayBench.asked(bench.step(.deadlinePassed)).count == Relay.maximumProbes)
    }
}
