// Names of hosts files: they are for clients of our networks, and strangers are told what they would be told without
// the file, at once and from the cache.

@testable import QureCore
import Testing

struct RelayHostsTests {
    private static let hosts = "192.0.2.9 nas.lan nas.example.com nas.z.test\n0.0.0.0 unwanted.test\n"

    /// With a public domain and a zone; without the file, if that is wanted.
    private static func bench(hasFile: Bool = true) throws -> RelayBench {
        let forward = try RelayConfiguration.Forward(setting: "example.com=192.0.2.54 public=yes")
        let zone = try ["z.test. 60 SOA ns h 1 2 3 4 60", "z.test. 60 NS ns.", "www.z.test. 60 CNAME nas.lan."].map {
            try ZoneFile.record($0, ttl: 60)
        }
        return RelayBench {
            $0.forwards = [forward]
            _ = $0.local.addZone(zone)
            var inner = $0.local
            inner.addHosts(Array(Self.hosts.utf8), ttl: 60)
            if hasFile { $0.inner = inner }
        }
    }

    private static let questions: [(name: String, type: RecordType)] = [
        ("nas.lan", .a), ("nas.lan", .aaaa), ("9.2.0.192.in-addr.arpa", .ptr), ("unwanted.test", .a),
        ("nas.z.test", .a), ("nas.example.com", .a), ("www.z.test", .a),
    ]

    @Test(arguments: [DNSMessage.Flags.recursionDesired, []])
    func `a stranger is told what he would be told without the file`(_ flags: DNSMessage.Flags) throws {
        for (name, type) in Self.questions {
            // A client of our networks has asked before.
            var (bench, bare) = (try Self.bench(), try Self.bench(hasFile: false))
            let known = RelayBench.told(bench.ask(name, type, flags: flags))
            let without = RelayBench.told(bare.ask(name, type, flags: flags))
            #expect(known.count == 1 && known.map(\.answers) != without.map(\.answers) || type == .aaaa, "\(name)")
            let outputs = bench.ask(name, type, by: RelayBench.stranger, flags: flags)
            // Nobody else waits for the same.
            var lone = try Self.bench(hasFile: false)
            _ = lone.ask("z.test", .soa)
            let expected = lone.ask(name, type, by: RelayBench.stranger, flags: flags)
            #expect(RelayBench.told(outputs) == RelayBench.told(expected), "\(name)")
            #expect(RelayBench.asked(outputs).map(\.server) == RelayBench.asked(expected).map(\.server), "\(name)")
        }
        var bench = try Self.bench()
        let stranger = RelayBench.stranger
        #expect(RelayBench.told(bench.ask("nas.lan", by: stranger, flags: flags)).first?.responseCode == .refused)
        #expect(RelayBench.told(bench.ask("nas.z.test", by: stranger, flags: flags)).first?.responseCode == .nameError)
        #expect(RelayBench.asked(bench.ask("nas.example.com", by: stranger, flags: flags)).count == 1)
    }

    /// What one is told is never another's, whoever asks first.
    @Test(arguments: [[RelayBench.client, RelayBench.stranger], [RelayBench.stranger, RelayBench.client]])
    func `the cache keeps them apart`(_ clients: [RelayClient]) throws {
        for (name, type) in Self.questions where type == .a {
            var bench = try Self.bench()
            let first = bench.ask(name, type, by: clients[0])
            _ = try bench.answer(first, ["\(name). 60 A 192.0.2.77"]) { $0.flags.insert(.authoritative) }
            let question = DNSQuestion(try #require(DomainName(name)), type)
            let query = DNSMessage(id: 1, flags: .recursionDesired, questions: [question], edns: EDNS()).encoded()
            let audience = bench.relay.configuration.audiences.audience(of: clients[1].address)
            guard let plain = PlainQuery(query.span, audience: audience) else {
                Issue.record("not plain")
                return
            }
            var room = [UInt8](repeating: 0, count: 1232)
            var output = room.mutableSpan
            if case .answer = bench.relay.cache.find(query.span, plain, limit: 1232, at: bench.now, into: &output) {
                Issue.record("\(name): what \(clients[0].address) was told")
            }
        }
    }

    /// The primary of a public domain leads to a name of the file, or an upstream does.
    @Test func `an alias that leads to one goes on for our own clients`() throws {
        var known = try Self.bench()
        let elsewhere = ["b.test. 60 CNAME nas.lan.", "nas.lan. 60 A 192.0.2.66"]
        let found = RelayBench.told(try known.answer(known.ask("b.test"), elsewhere)).first?.answers
        #expect(found?.last?.data.address == IPAddress("192.0.2.9"))
        for (client, count) in [(RelayBench.client, 2), (RelayBench.stranger, 1)] {
            var bench = try Self.bench()
            let outputs = bench.ask("a.example.com", by: client)
            let told = try bench.answer(outputs, ["a.example.com. 60 CNAME nas.lan."]) {
                $0.flags.insert(.authoritative)
            }
            #expect(RelayBench.told(told).first?.answers.count == count, "\(client.address)")
        }
    }

    @Test func `explain says whom a name of a hosts file is for`() throws {
        let bench = try Self.bench()
        func explain(_ name: String, _ client: RelayClient) throws -> [String] {
            var random = bench.random
            let question = DNSQuestion(try #require(DomainName(name)), .a)
            return bench.relay.explain(question, for: client.address, at: bench.now, using: &random)
        }
        #expect(try explain("nas.lan", RelayBench.client).last == "verdict: NOERROR with 1 record")
        let step = "hosts: a file has the name, for clients of our networks alone"
        let refused = "verdict: REFUSED, for it is neither one of our names nor in a public domain"
        #expect(try explain("nas.lan", RelayBench.stranger).suffix(2) == [step, refused])
        #expect(try explain("nas.z.test", RelayBench.stranger).contains(step))
        #expect(try explain("nas.example.com", RelayBench.stranger).last == "verdict: what they answer")
        #expect(try !explain("other.z.test", RelayBench.stranger).contains(step))
    }
}
