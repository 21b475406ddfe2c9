// The cookies that a relay asks servers with (RFC 7873), and what it believes of those that come back.

@testable import QureCore
import Simulator
import Testing

struct RelayCookieTests {
    private static let half: [UInt8] = [1, 0, 0, 0, 7, 7, 7, 7]
    private static let record = ["a.test. 0 A 192.0.2.1"]

    private static func cookie(_ outputs: [Relay.Output]) -> DNSCookie? {
        RelayBench.asked(outputs).first?.message.edns?.cookie
    }

    private static func isStream(_ outputs: [Relay.Output]) -> Bool {
        outputs.contains { if case .openStream = $0 { true } else { false } }
    }

    /// The server answers with this cookie; nil: with none.
    private static func answer(
        _ bench: inout RelayBench, _ outputs: [Relay.Output], _ cookie: DNSCookie?, code: DNSResponseCode = .noError
    ) throws -> [Relay.Output] {
        var results: [Relay.Output] = []
        for (query, _, exchange) in RelayBench.asked(outputs) {
            var response = query.response(code)
            response.edns = EDNS()
            response.edns?.cookie = cookie
            if code == .noError { response.answers = try record.map { try ZoneFile.record($0) } }
            let octets = response.encoded()
            results += bench.step(.exchange(exchange, isStream(outputs) ? .message(octets) : .datagram(octets)))
        }
        return results
    }

    /// A relay whose upstream has given a cookie, and that cookie.
    private static func acquainted() throws -> (bench: RelayBench, cookie: DNSCookie) {
        var bench = RelayBench()
        let first = bench.ask("a.test")
        let own = try #require(cookie(first))
        #expect(own.server.isEmpty)
        let whole = try #require(DNSCookie(client: own.client, server: half))
        #expect(RelayBench.told(try answer(&bench, first, whole)).count == 1)
        return (bench, whole)
    }

    @Test func `the cookie of a server is shown to it from then on, for an hour`() throws {
        var (bench, whole) = try Self.acquainted()
        let next = bench.ask("a.test")
        #expect(Self.cookie(next) == whole)
        let newer = try #require(DNSCookie(client: whole.client, server: Self.half.reversed()))
        _ = try Self.answer(&bench, next, newer)
        let third = bench.ask("a.test")
        #expect(Self.cookie(third) == newer)
        _ = try Self.answer(&bench, third, newer)
        bench.now += CookieJar.lifetime
        let fresh = try #require(Self.cookie(bench.ask("a.test")))
        #expect(fresh.server.isEmpty && fresh.client != whole.client)
        // Each server has its own.
        var both = RelayBench { $0.upstreams = [RelayBench.upstream, RelayBench.authority].compactMap { $0 } }
        let one = both.ask("a.test")
        let two = try both.answer(one, code: .refused)
        #expect(Self.cookie(one)?.client.count == 8 && Self.cookie(one) != Self.cookie(two))
    }

    @Test func `an answer with another client's cookie is none`() throws {
        var (bench, whole) = try Self.acquainted()
        let foreign = DNSCookie(client: Array(whole.client.reversed()), server: Self.half)
        let outputs = bench.ask("a.test")
        #expect(try Self.answer(&bench, outputs, foreign) == [])
        #expect(bench.relay.counters.guessed == 1)
        // The true one still comes.
        #expect(RelayBench.told(try Self.answer(&bench, outputs, whole)).count == 1)
        // A box that gives everybody the same answer, cookie and all, is asked without.
        #expect(try Self.answer(&bench, bench.ask("a.test"), foreign) == [])
        let again = try bench.pass()
        #expect(RelayBench.asked(again).count == 1 && Self.cookie(again) == nil)
        #expect(RelayBench.told(try Self.answer(&bench, again, foreign)).count == 1)
        let later = bench.ask("a.test")
        #expect(RelayBench.asked(later).count == 1 && Self.cookie(later) == nil)
        _ = try Self.answer(&bench, later, nil)
        bench.now += CookieJar.lifetime
        #expect(Self.cookie(bench.ask("a.test")) != nil)
    }

    @Test func `BADCOOKIE is met by the new cookie, once, then by a stream, then by the next server`() throws {
        var (bench, whole) = try Self.acquainted()
        let newer = try #require(DNSCookie(client: whole.client, server: Self.half.reversed()))
        let first = bench.ask("a.test")
        let second = try Self.answer(&bench, first, newer, code: .badCookie)
        #expect(Self.cookie(second) == newer && !Self.isStream(second))
        #expect(RelayBench.asked(second).first?.message.id != RelayBench.asked(first).first?.message.id)
        #expect(RelayBench.told(try Self.answer(&bench, second, newer)).count == 1)
        let third = try Self.answer(&bench, bench.ask("a.test"), whole, code: .badCookie)
        let stream = try Self.answer(&bench, third, whole, code: .badCookie)
        #expect(Self.isStream(stream) && Self.cookie(stream) == whole)
        let next = try Self.answer(&bench, stream, whole, code: .badCookie)
        #expect(RelayBench.asked(next).count == 1 && !Self.isStream(next))
        #expect(RelayBench.told(try Self.answer(&bench, next, whole)).count == 1)
    }

    @Test func `where a cookie is missing that was there before, a stream tells`() throws {
        var (bench, whole) = try Self.acquainted()
        let stream = try Self.answer(&bench, bench.ask("a.test"), nil)
        #expect(RelayBench.told(stream).isEmpty && Self.isStream(stream) && Self.cookie(stream) == whole)
        #expect(RelayBench.told(try Self.answer(&bench, stream, nil)).count == 1)
        // Where there is no stream, the next datagram needs none.
        var (other, _) = try Self.acquainted()
        let refused = try Self.answer(&other, other.ask("a.test"), nil)
        let number = try #require(RelayBench.asked(refused).first?.exchange)
        let again = other.step(.exchange(number, .failed("connection refused")))
        #expect(!Self.isStream(again) && Self.cookie(again)?.server == [])
        #expect(RelayBench.told(try Self.answer(&other, again, nil)).count == 1)
        // It has none any more, and that is known now.
        let next = bench.ask("a.test")
        #expect(Self.cookie(next)?.server == [])
        #expect(RelayBench.told(try Self.answer(&bench, next, nil)).count == 1)
    }

    @Test func `a server that does not understand options is asked without`() throws {
        var bench = RelayBench()
        let next = try Self.answer(&bench, bench.ask("a.test"), nil, code: .formatError)
        #expect(RelayBench.asked(next).count == 1 && Self.cookie(next) == nil)
        #expect(RelayBench.told(try Self.answer(&bench, next, nil)).count == 1)
        #expect(Self.cookie(bench.ask("a.test")) == nil)
    }
}
