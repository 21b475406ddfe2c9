// The cache of answers: what is found again and what is not, how answers age, what goes when there is no more room.
// Queries and answers are made up, and so is the time.

@testable import QureCore
import Simulator
import Testing

struct AnswerCacheTests {
    private static let start = Instant(nanoseconds: 5_000_000_000)

    private static func query(
        _ name: String, _ type: RecordType = .a, id: UInt16 = 7, flags: DNSMessage.Flags = .recursionDesired,
        edns: EDNS? = nil
    ) -> [UInt8] {
        DNSMessage(
            id: id, flags: flags, questions: [DNSQuestion(DomainName(name) ?? .root, type)], edns: edns
        ).encoded()
    }

    private static func answer(
        _ name: String, _ type: RecordType = .a, ttls: [UInt32] = [60], edns: EDNS? = nil
    ) -> [UInt8] {
        let owner = DomainName(name) ?? .root
        var message = DNSMessage(id: 0, flags: .response, questions: [DNSQuestion(owner, type)], edns: edns)
        message.answers = ttls.enumerated().map { index, ttl in
            DNSRecord(owner, ttl: ttl, .address(.v4(IPv4Address(rawValue: UInt32(index)))))
        }
        return message.encoded()
    }

    private static func find(
        _ cache: inout AnswerCache, _ query: [UInt8], audience: UInt8 = 0, after seconds: Int64 = 0, limit: Int = 1232
    ) -> DNSMessage? {
        guard let plain = PlainQuery(query.span, audience: audience) else { return nil }
        var room = [UInt8](repeating: 0xee, count: 4096)
        var output = room.mutableSpan
        let now = start + .seconds(seconds)
        guard case .answer(let length, _) = cache.find(query.span, plain, limit: limit, at: now, into: &output) else {
            return nil
        }
        return try? DNSMessage(Array(room[..<length]))
    }

    private static func cache(_ capacity: Int = 100) -> AnswerCache { AnswerCache(capacity: capacity, key: (1, 2)) }

    @Test func `an answer comes back with the client's number and letters, and older`() throws {
        var cache = Self.cache()
        cache.store(
            Self.query("www.Example.com"), Self.answer("www.Example.com", ttls: [60, 90]), audience: 0, ttl: 60,
            at: Self.start)
        let found = try #require(Self.find(&cache, Self.query("WWW.example.COM", id: 0xbeef), after: 59))
        #expect(found.id == 0xbeef)
        #expect(found.question?.name.description == "WWW.example.COM.")
        #expect(found.answers.map(\.name.description) == ["WWW.example.COM.", "WWW.example.COM."])
        #expect(found.answers.map(\.ttl) == [1, 31])
        #expect(Self.find(&cache, Self.query("www.example.com"), after: 60) == nil)
        #expect(Self.find(&cache, Self.query("www.example.com"), after: -1) == nil)
    }

    /// Whatever an answer depends on tells queries apart.
    @Test func `answers are for the same question, asked in the same way, by the same clients`() {
        var cache = Self.cache()
        let rd: DNSMessage.Flags = .recursionDesired
        let long = String(repeating: "a.", count: 120)
        let queries: [(name: String, type: RecordType, query: [UInt8])] = [
            ("a.test", .a, Self.query("a.test")), ("b.test", .a, Self.query("b.test")),
            ("a.test", .aaaa, Self.query("a.test", .aaaa)), ("a.test", .a, Self.query("a.test", flags: [])),
            ("a.test", .a, Self.query("a.test", flags: [rd, .checkingDisabled])),
            ("a.test", .a, Self.query("a.test", flags: [rd, .authenticated])),
            ("a.test", .a, Self.query("a.test", edns: EDNS())),
            ("a.test", .a, Self.query("a.test", edns: EDNS(wantsSecurity: true))),
            ("aa.test", .a, Self.query("aa.test")), ("a.test.test", .a, Self.query("a.test.test")),
            (long, .a, Self.query(long)),
        ]
        for (index, (name, type, query)) in queries.enumerated() {
            for audience: UInt8 in 0..<3 {
                #expect(Self.find(&cache, query, audience: audience) == nil)
                cache.store(
                    query, Self.answer(name, type, ttls: [UInt32(100 + 3 * index) + UInt32(audience)]),
                    audience: audience,
                    ttl: 60, at: Self.start)
            }
        }
        for (index, (_, _, query)) in queries.enumerated() {
            for audience: UInt8 in 0..<3 {
                let found = Self.find(&cache, query, audience: audience)
                #expect(found?.answers.first?.ttl == UInt32(100 + 3 * index) + UInt32(audience))
            }
        }
        #expect(cache.count == queries.count * 3)
    }

    /// Keys are made by the word: an octet counts alike wherever it stands in one, and at every length of the last.
    @Test(arguments: [
        (0x61, 0x41, true), (0x7a, 0x5a, true), (0x40, 0x60, false), (0x5b, 0x7b, false), (0x2d, 0x0d, false),
        (0xe1, 0xc1, false), (0x61, 0x62, false), (0x00, 0x20, false), (0x80, 0x00, false),
    ] as [(UInt8, UInt8, Bool)])
    func `letters have two cases in keys, and nothing else has`(_ one: UInt8, _ other: UInt8, _ isSame: Bool) throws {
        func key(_ label: [UInt8], _ edns: EDNS?) throws -> [UInt8] {
            let name = try #require(DomainName(labels: [label, Array("b".utf8)]))
            let query = DNSMessage(id: 7, questions: [DNSQuestion(name, .a)], edns: edns).encoded()
            let plain = PlainQuery(query.span)
            let key = AnswerKey(query.span, try #require(plain))
            #expect(key.nameLength == name.octets.count && key.octets.count == 8 + (key.nameLength + 7) / 8 * 8)
            return key.octets
        }
        for length in 1...20 {
            for place in 0..<length {
                var label = [UInt8](repeating: 0x6d, count: length)
                label[place] = one
                // With an OPT there are octets behind the name to a whole word; without, there are not.
                let keys = try [key(label, nil), key(label, EDNS())]
                label[place] = other
                let others = try [key(label, nil), key(label, EDNS())]
                #expect((others[0] == keys[0]) == isSame && (others[1] == keys[1]) == isSame)
                #expect(keys[0].dropFirst() == keys[1].dropFirst(), "the presence of an OPT stands in front")
            }
        }
    }

    /// How much the client takes, and a cookie or padding, make no difference.
    @Test func `size, cookie and padding are no part of the question`() throws {
        var cache = Self.cache()
        var edns = EDNS(payloadSize: 4096)
        edns.cookie = DNSCookie(client: 1...8)
        edns.append(EDNS.Option(.padding, [0, 0]))
        cache.store(
            Self.query("a.test", edns: edns), Self.answer("a.test", edns: EDNS()), audience: 0, ttl: 60, at: Self.start)
        #expect(Self.find(&cache, Self.query("a.test", edns: EDNS(payloadSize: 512))) != nil)
        let long = Self.answer("a.test", ttls: Array(repeating: 60, count: 40), edns: EDNS())
        cache.store(Self.query("a.test", edns: EDNS()), long, audience: 0, ttl: 60, at: Self.start)
        // One that is too long is none.
        #expect(Self.find(&cache, Self.query("a.test", edns: EDNS(payloadSize: 512)), limit: 512) == nil)
        #expect(Self.find(&cache, Self.query("a.test", edns: EDNS()))?.answers.count == 40)
        #expect(cache.count == 1)
    }

    @Test func `what is not plain is not kept`() {
        var cache = Self.cache()
        var subnet = EDNS()
        subnet.append(EDNS.Option(.clientSubnet, [0, 1, 24, 0, 192, 0, 2]))
        for query in [
            Self.query("a.test", edns: subnet), Self.query("a.test", edns: EDNS(version: 1)),
            Self.query("a.test", .any),
            Self.query("a.test", flags: .truncated), Self.query("a.test") + [0], Array(Self.query("a.test").dropLast()),
            Self.query("a.test", .opt), [],
        ] {
            cache.store(query, Self.answer("a.test"), audience: 0, ttl: 60, at: Self.start)
        }
        cache.store(Self.query("a.test"), Array(Self.answer("a.test").dropLast()), audience: 0, ttl: 60, at: Self.start)
        cache.store(Self.query("a.test"), Self.answer("a.test"), audience: 0, ttl: 0, at: Self.start)
        // The answer to another question.
        cache.store(Self.query("a.test"), Self.answer("b.test"), audience: 0, ttl: 60, at: Self.start)
        cache.store(Self.query("a.test"), Self.answer("a.test", .aaaa), audience: 0, ttl: 60, at: Self.start)
        #expect(cache.count == 0)
    }

    @Test func `a full cache gives up what nobody asks for`() {
        var cache = Self.cache(64)
        func name(_ number: Int) -> String { "n\(number).test" }
        for number in 0..<2000 {
            cache.store(Self.query(name(number)), Self.answer(name(number)), audience: 0, ttl: 60, at: Self.start)
            if number % 4 == 0 { #expect(Self.find(&cache, Self.query(name(number))) != nil) }
            // One that is asked for all the time stays.
            #expect(Self.find(&cache, Self.query(name(0))) != nil, "after \(number)")
            #expect(cache.count <= 64)
        }
        #expect(cache.count > 56)
    }

    /// With as many names as it has room for, nearly all find a place of their own.
    @Test func `names hardly ever meet`() {
        var cache = Self.cache(4000)
        for number in 0..<4000 {
            let name = "n\(number).test"
            cache.store(Self.query(name), Self.answer(name), audience: 0, ttl: 60, at: Self.start)
        }
        let found = (0..<4000).count { Self.find(&cache, Self.query("n\($0).test")) != nil }
        #expect(found > 3990)
    }

    @Test func `names are forgotten, alone or with those below`() {
        var cache = Self.cache()
        let names = ["a.test", "x.a.test", "y.x.a.test", "b.test"]
        func fill() {
            for name in names {
                cache.store(Self.query(name), Self.answer(name), audience: 0, ttl: 60, at: Self.start)
            }
        }
        func left() -> [String] { names.filter { Self.find(&cache, Self.query($0)) != nil } }
        let name = DomainName("A.test") ?? .root
        fill()
        #expect(cache.remove(name) == 1)
        #expect(left() == ["x.a.test", "y.x.a.test", "b.test"])
        // One that ends with the same octets, and is not below it.
        let beside = "xa.test"
        cache.store(Self.query(beside), Self.answer(beside), audience: 0, ttl: 60, at: Self.start)
        fill()
        #expect(cache.remove(name, andBelow: true) == 3)
        #expect(Self.find(&cache, Self.query(beside)) != nil)
        #expect(left() == ["b.test"])
        cache.removeAll()
        #expect(left() == [] && cache.count == 0)
    }

    @Test func `who asks at the end of the time is told once that it is time to ask again`() {
        var cache = Self.cache()
        let query = Self.query("a.test")
        cache.store(query, Self.answer("a.test"), audience: 0, ttl: 60, at: Self.start)
        guard let plain = PlainQuery(query.span) else {
            Issue.record("not plain")
            return
        }
        var told: [Int64] = []
        for second: Int64 in 0..<60 {
            var room = [UInt8](repeating: 0, count: 512)
            var output = room.mutableSpan
            let found = cache.find(query.span, plain, limit: 512, at: Self.start + .seconds(second), into: &output)
            if case .answer(_, true) = found { told.append(second) }
        }
        #expect(told == [54])
    }

    @Test func `old answers are there for a while, and say that they are old`() throws {
        var cache = Self.cache()
        let query = Self.query("a.test")
        cache.store(query, Self.answer("a.test", ttls: [60, 60]), audience: 1, ttl: 60, at: Self.start)
        func stale(after seconds: Int64, audience: UInt8 = 1) -> DNSMessage? {
            let now = Self.start + .seconds(seconds)
            let octets = cache.stale(
                Self.query("A.test", id: 99), audience: audience, within: .seconds(300), ttl: 30, at: now)
            return octets.flatMap { try? DNSMessage($0) }
        }
        let found = try #require(stale(after: 360))
        #expect(found.id == 99 && found.answers.map(\.ttl) == [30, 30])
        #expect(found.answers[0].name.description == "A.test.")
        #expect(stale(after: 361) == nil && stale(after: 61, audience: 0) == nil)
    }

    /// Octets as they come: nothing traps, and what is taken for plain is what the reader of messages reads.
    @Test func `plain is what the reader of messages takes for the same`() throws {
        var random = SplitMix64(seed: 4)
        for _ in 0..<20_000 {
            var octets = Self.query("www.example.com", edns: Bool.random(using: &random) ? EDNS() : nil)
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: octets.indices, using: &random)
                octets[place] = .random(in: .min ... .max, using: &random)
            }
            octets.removeLast(Int.random(in: 0...1, using: &random))
            guard let plain = PlainQuery(octets.span) else { continue }
            let message = try DNSMessage(octets)
            let question = try #require(message.question)
            #expect(plain.nameEnd - 12 == question.name.octets.count)
            #expect((plain.kind & PlainQuery.hasOptions != 0) == (message.edns != nil))
            #expect((plain.kind & PlainQuery.wantsSecurity != 0) == (message.edns?.wantsSecurity == true))
            #expect(plain.limit == message.edns?.acceptedSize ?? 512)
            guard case .query = RequestTriage(octets, isStream: false) else {
                Issue.record("not a query: \(octets)")
                continue
            }
        }
    }
}
