// What keeps strangers from misusing the proxy: cookies, the rate of answers, the gate of notifications; and the hash
// beneath them.

@testable import QureCore
import Testing

struct RelayGuardTests {
    /// The vectors of the reference implementation: the message is 0, 1, 2, …, and so is the key.
    @Test func `SipHash is that of the reference implementation`() {
        let key: (UInt64, UInt64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        let expected: [UInt64] = [0x726f_db47_dd0e_0e31, 0x74f8_39c5_93dc_67fd]
        for (count, code) in expected.enumerated() {
            #expect(SipHash.code((0..<count).map { UInt8($0) }, key: key) == code)
        }
        #expect(SipHash.code((0..<15).map { UInt8($0) }, key: key) == 0xa129_ca61_49be_45e5)
    }

    /// RFC 9018 appendix A.1: a new cookie, whose secret, address and time are given there.
    @Test func `cookies are those of RFC 9018`() throws {
        let secret: (UInt64, UInt64) = (0xe5e9_73e5_a6b2_a43f, 0x48e7_dc84_9e37_bfcf)
        let cookie = ServerCookie(secret: (secret.0.byteSwapped, secret.1.byteSwapped))
        let client: [UInt8] = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57]
        let address = try #require(IPAddress("198.51.100.100"))
        let octets = cookie.octets(for: client, address, at: 1_559_731_985)
        #expect(octets.map(\.hexadecimal).joined() == "010000005cf79f111f8130c3eee29480")
        func isValid(_ server: [UInt8], from address: IPAddress, after seconds: Int) throws -> Bool {
            var edns = EDNS()
            edns.cookie = DNSCookie(client: client, server: server)
            let query = DNSMessage(id: 1, questions: [DNSQuestion(.root, .ns)], edns: edns).encoded()
            guard let plain = PlainQuery(query.span) else { return false }
            return cookie.isValid(query.span, plain, address, at: UInt32(1_559_731_985 + seconds))
        }
        #expect(try isValid(octets, from: address, after: 0))
        #expect(try isValid(octets, from: address, after: 3600) && isValid(octets, from: address, after: -300))
        #expect(try !isValid(octets, from: address, after: 3601) && !isValid(octets, from: address, after: -301))
        #expect(try !isValid(octets, from: #require(IPAddress("198.51.100.101")), after: 0))
        #expect(try !isValid([], from: address, after: 0))
        for index in octets.indices where !(1..<4).contains(index) {
            var wrong = octets
            wrong[index] ^= 1
            #expect(try !isValid(wrong, from: address, after: 0), "octet \(index)")
        }
        let other = ServerCookie(secret: (1, 2)).octets(for: client, address, at: 1_559_731_985)
        #expect(try !isValid(other, from: address, after: 0))
    }

    /// The cookie that is put behind a known answer is the one that the relay puts into a new one.
    @Test func `answers have the same cookie on both ways`() throws {
        var bench = RelayBench { $0.cookie = ServerCookie(secret: (3, 4)) }
        var edns = EDNS()
        edns.cookie = DNSCookie(client: 1...8)
        let first = bench.ask("a.test", edns: edns)
        let slow = try #require(RelayBench.told(try bench.answer(first, ["a.test. 60 A 192.0.2.1"])).first)
        let query = DNSMessage(
            id: slow.id, flags: .recursionDesired, questions: [DNSQuestion(try #require(DomainName("a.test")), .a)],
            edns: edns
        ).encoded()
        let audience = bench.relay.configuration.audiences.audience(of: RelayBench.client.address)
        guard let plain = PlainQuery(query.span, audience: audience) else {
            Issue.record("not plain")
            return
        }
        var room = [UInt8](repeating: 0, count: 1232)
        var output = room.mutableSpan
        let found = bench.relay.cache.find(query.span, plain, limit: 1232, at: bench.now, into: &output)
        guard case .answer(let length, _) = found else {
            Issue.record("not known")
            return
        }
        let cookie = try #require(bench.relay.configuration.cookie)
        let whole = cookie.append(
            to: &output, length: length, limit: 1232, for: query.span, plain, RelayBench.client.address,
            at: 1_700_000_000)
        #expect(try DNSMessage(Array(room.prefix(whole))) == slow)
        #expect(slow.edns?.cookie?.server.count == 16)
        // Where there is no room for it the answer goes the long way.
        var small = room.mutableSpan
        #expect(
            cookie.append(
                to: &small, length: length, limit: length + 27, for: query.span, plain, RelayBench.client.address, at: 0
            )
                == 0)
    }

    @Test func `a network gets its answers, then short ones, and after a while its answers again`() throws {
        var rate = ResponseRate(perSecond: 10, key: (1, 2))
        var now = Instant(nanoseconds: 1_000_000_000)
        let neighbours = ["192.0.2.1", "192.0.2.200"].compactMap { IPAddress($0) }
        var verdicts: [ResponseRate.Verdict] = []
        for number in 0..<30 { verdicts.append(rate.judge(neighbours[number % 2], at: now)) }
        #expect(verdicts.prefix(10).allSatisfy { $0 == .answer })
        #expect(verdicts.dropFirst(10).count { $0 == .truncate } == 10)
        #expect(verdicts.dropFirst(10).count { $0 == .drop } == 10)
        #expect(rate.judge(try #require(IPAddress("198.51.100.1")), at: now) == .answer)
        now += .milliseconds(500)
        #expect((0..<10).count { _ in rate.judge(neighbours[0], at: now) == .answer } == 5)
        let six = try #require(IPAddress("2001:db8::1")), neighbour = try #require(IPAddress("2001:db8:0:ff::1"))
        for _ in 0..<10 { #expect(rate.judge(six, at: now) == .answer) }
        #expect(rate.judge(neighbour, at: now) != .answer)
        var none = ResponseRate(perSecond: 0, key: (1, 2))
        for _ in 0..<1000 { #expect(none.judge(six, at: now) == .answer) }
    }

    @Test func `ten thousand notifications a second make two looks and then one a second`() throws {
        var gate = NotifyGate()
        var rule = NotifyGate.Rule()
        rule.sources = ["192.0.2.0/24"].compactMap { Prefix($0) }
        let zone = try #require(DomainName("z.test"))
        let request = DNSMessage(id: 1, opcode: .notify, questions: [DNSQuestion(zone, .soa)])
        let source = try #require(IPAddress("192.0.2.1"))
        var now = Instant(nanoseconds: 1_000_000_000)
        let start = now
        var looks: [Instant] = []
        for _ in 0..<50_000 {
            let verdict = gate.judge(
                request.encoded(), request, from: source, rule, isKnown: true, at: now, time: 0)
            if case .answer(_, let look?) = verdict { looks.append(look) }
            now += .microseconds(100)
        }
        #expect((6...8).contains(looks.count), "\(looks.count)")
        #expect(looks.prefix(2).allSatisfy { $0 - start < .milliseconds(1) })
        // The last change is seen, too: somebody looks after it.
        let last = try #require(looks.last)
        #expect(last >= now - .milliseconds(1100))
    }

    /// It goes as it is to the server of its domain, and nowhere else: here nobody has the key.
    @Test func `a signed question is passed on untouched, if there is somebody who may have the key`() throws {
        let rule = try RelayConfiguration.Forward(setting: "z.test=192.0.2.54")
        var bench = RelayBench { $0.forwards = [rule] }
        var session = TSIGSession(
            TSIGKey(name: try #require(DomainName("k")), algorithm: TSIGAlgorithm(.sha256), secret: [1, 2, 3]))
        func signed(_ name: String) throws -> [UInt8] {
            let question = DNSQuestion(try #require(DomainName(name)), .a)
            return session.sign(DNSMessage(id: 7, questions: [question]).encoded(), at: 1_700_000_000)
        }
        let octets = try signed("www.z.test")
        for client in [RelayBench.client, RelayBench.stranger] {
            let other = RelayBench.told(bench.step(.request(try signed("www.test"), client))).first
            #expect(other?.responseCode == .notAuthorized)
        }
        #expect(
            RelayBench.told(bench.step(.request(octets, RelayBench.stranger))).first?.responseCode == .notAuthorized)
        let outputs = bench.step(.request(octets, RelayBench.client))
        guard case .sendDatagram(let sent, let server, let number) = outputs.first, outputs.count == 1 else {
            Issue.record("\(outputs)")
            return
        }
        #expect(server == RelayBench.authority && sent.dropFirst(2) == octets.dropFirst(2))
        // It is lost, and sent once more; what comes back goes back as it is, whatever is in it.
        let again = try bench.pass()
        #expect(again == [.close(exchange: number), .sendDatagram(sent, to: server, exchange: number)])
        let answer = Array(sent.prefix(2)) + [0x84, 9] + [UInt8](repeating: 0xee, count: 20)
        let end = bench.step(.exchange(number, .datagram(answer)))
        #expect(end == [.close(exchange: number), .answer([0, 7] + answer.dropFirst(2), RelayBench.client)])
        // Silence; our own question that comes back; a server that fails, which is not asked twice.
        let fourth = bench.step(.request(octets, RelayBench.client))
        #expect(try RelayBench.asked(bench.pass()).count == 1)
        guard case .sendDatagram(let looping, _, _) = fourth.first else {
            Issue.record("\(fourth)")
            return
        }
        #expect(RelayBench.told(bench.step(.request(looping, RelayBench.client))).first?.responseCode == .refused)
        #expect(RelayBench.told(try bench.pass()).first?.responseCode == .serverFailure)
        let last = bench.step(.request(octets, RelayBench.client))
        #expect(RelayBench.told(try bench.answer(last, code: .serverFailure)).first?.responseCode == .serverFailure)
    }

    @Test func `who is not believed is counted, and spoken of once a minute`() throws {
        let alias = try Alias(setting: "cloud.example=dyn.test")
        var bench = RelayBench {
            $0.aliases = [alias]
            $0.notify.sources = ["192.0.2.0/24"].compactMap { Prefix($0) }
        }
        func reports(_ outputs: [Relay.Output]) -> [Relay.Report] {
            outputs.compactMap { if case .report(let report) = $0 { report } else { nil } }
        }
        let zone = try #require(DomainName("dyn.test")), other = try #require(DomainName("other.test"))
        let friend = RelayClient(try #require(IPAddress("192.0.2.1")), port: 5)
        func notify(_ zone: DomainName, by client: RelayClient) -> [Relay.Report] {
            let request = DNSMessage(id: 1, opcode: .notify, questions: [DNSQuestion(zone, .soa)])
            return reports(bench.step(.request(request.encoded(), client)))
        }
        let stranger = RelayBench.stranger
        #expect(notify(zone, by: stranger) == [.disbelieved(zone, by: stranger.address, .source)])
        #expect(notify(zone, by: stranger) == [] && notify(other, by: friend) == [])
        #expect(bench.relay.counters.refused == 3 && bench.relay.counters.notified == 0)
        bench.now += .seconds(60)
        #expect(notify(other, by: friend) == [.disbelieved(other, by: friend.address, .zone)])
        #expect(notify(zone, by: friend) == [.changed(zone, by: friend.address)])
        #expect(bench.relay.counters.refused == 4 && bench.relay.counters.notified == 1)
    }

    /// A forgotten line of the configuration would otherwise look like a wrong key, and leave no trace.
    @Test(arguments: [
        (nil, UpdateRule.Refusal.rule), ("192.0.2.54", .source),
        ("192.0.2.54 zone=z.test from=0.0.0.0/0", .unsigned),
    ])
    func `an update that is not passed on is spoken of once a minute`(_ rule: String?, _ why: UpdateRule.Refusal)
        throws
    {
        let forward = try RelayConfiguration.Forward(setting: "z.test=192.0.2.54 public=yes")
        let rules = try rule.map { [try UpdateRule(setting: $0)] } ?? []
        var bench = RelayBench {
            $0.forwards = [forward]
            $0.updates = rules
        }
        func reports(_ zone: DomainName) -> [Relay.Report] {
            let outputs = bench.step(.request(DNSMessage.update(id: 1, zone: zone).encoded(), RelayBench.stranger))
            #expect(RelayBench.told(outputs).first?.responseCode == .refused)
            return outputs.compactMap { if case .report(let report) = $0 { report } else { nil } }
        }
        let zone = try #require(DomainName("z.test")), other = try #require(DomainName("other.test"))
        let said: [Relay.Report] = [.notPassedOn(zone, by: RelayBench.stranger.address, why)]
        if why != .source { #expect(reports(other) == [], "nobody asked us to know this one") }
        #expect(reports(zone) == said && reports(zone) == [])
        bench.now += .seconds(60)
        #expect(reports(zone) == said)
    }

    /// DNSBomb: answers that are made to wait, and come all at once to who did not ask.
    @Test func `a late answer goes to who is known to have asked`() throws {
        let secret = ServerCookie(secret: (3, 4))
        let half: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        let address = RelayBench.client.address
        var proven = EDNS(), unproven = EDNS(), stream = RelayBench.client
        proven.cookie = DNSCookie(client: half, server: secret.octets(for: half, address, at: 1_700_000_000))
        unproven.cookie = DNSCookie(client: half)
        stream.stream = 1
        for (edns, client, isTold) in [
            (proven, RelayBench.client, true), (unproven, RelayBench.client, false), (EDNS(), RelayBench.client, false),
            (nil, RelayBench.client, false), (EDNS(), stream, true),
        ] {
            for pause in [Duration.milliseconds(1899), .milliseconds(1900)] {
                var bench = RelayBench { $0.cookie = secret }
                _ = bench.ask("a.test", by: client, edns: edns)
                bench.now += .milliseconds(1200)
                let second = bench.step(.deadlinePassed)
                bench.now += pause - .milliseconds(1200)
                let told = RelayBench.told(try bench.answer(second, ["a.test. 60 A 192.0.2.1"]))
                let isLate = pause == .milliseconds(1900) && !isTold
                #expect(told.count == (isLate ? 0 : 1), "\(client) \(pause.text)")
                #expect(bench.relay.counters.late == (isLate ? 1 : 0) && bench.relay.waiting.isEmpty)
                // It is remembered for who asks again.
                let query = DNSMessage(
                    id: 9, flags: .recursionDesired, questions: [DNSQuestion(try #require(DomainName("a.test")), .a)],
                    edns: edns)
                let audience = bench.relay.configuration.audiences.audience(of: address)
                #expect(bench.relay.cache.age(query.encoded(), audience: audience, at: bench.now) == .zero)
            }
        }
        // A "no" makes nothing larger than it was.
        var bench = RelayBench { $0.cookie = secret }
        var outputs = bench.ask("a.test")
        while RelayBench.told(outputs).isEmpty { outputs = try bench.pass() }
        #expect(RelayBench.told(outputs).first?.responseCode == .serverFailure)
    }

    @Test func `an alias within a zone of ours is answered with authority`() throws {
        let alias = try Alias(setting: "cloud.example=dyn.test")
        let zone = try DelegatedZone(setting: "cloud.example ns=ns1.test,ns2.test ttl=120s")
        var bench = RelayBench {
            $0.aliases = [alias]
            _ = $0.local.addZone(zone.records)
        }
        let first = bench.ask("cloud.example", by: RelayBench.stranger)
        let told = RelayBench.told(try bench.answer(first, ["dyn.test. 30 A 192.0.2.1"]))
        #expect(told.first?.flags == [.response, .recursionDesired, .authoritative])
        let soa = RelayBench.told(bench.ask("cloud.example", .soa, by: RelayBench.stranger)).first
        #expect(
            soa?.answers.map(\.description) == [
                "cloud.example. 120 IN SOA ns1.test. hostmaster.cloud.example. 1 3600 600 86400 60"
            ])
        #expect(RelayBench.told(bench.ask("cloud.example", .ns, by: RelayBench.stranger)).first?.answers.count == 2)
        let below = RelayBench.told(bench.ask("x.cloud.example", by: RelayBench.stranger)).first
        #expect(below?.responseCode == .nameError && below?.authorities.first?.type == .soa)
        #expect(RelayBench.told(bench.ask("example", by: RelayBench.stranger)).first?.responseCode == .refused)
        let mail = RelayBench.told(bench.ask("cloud.example", .mx, by: RelayBench.stranger)).first
        #expect(mail?.responseCode == .noError && mail?.authorities.first?.ttl == 60)
        // What is said of it beforehand is the same.
        for type in [RecordType.a, .ns, .soa, .mx, .any] {
            let answers = RelayBench.told(bench.ask("cloud.example", type)).first?.answers ?? []
            let question = DNSQuestion(try #require(DomainName("cloud.example")), type)
            let steps = bench.relay.explain(
                question, for: RelayBench.client.address, at: bench.now, using: &bench.random)
            let count = ["without records", "with 1 record", "with 2 records"][answers.count]
            #expect(steps.last?.hasPrefix("verdict: NOERROR \(count),") == true, "\(type): \(steps)")
            let told = steps.filter { $0.hasPrefix("record: ") }
            #expect(type == .a || told == answers.map { "record: \($0)" }, "\(type): \(steps)")
        }
    }

    @Test func `clients of a view see what is there for them`() throws {
        let alias = try Alias(setting: "cloud.example=dyn.test")
        let view = try Audiences.View(setting: "10.1.0.0/16 cloud.example A 10.1.0.5")
        var bench = RelayBench {
            $0.aliases = [alias]
            $0.audiences = Audiences(recursion: $0.audiences.recursion, views: [view])
        }
        var inside = RelayBench.client
        inside.address = try #require(IPAddress("10.1.2.3"))
        let told = RelayBench.told(bench.ask("cloud.example", by: inside)).first
        #expect(told?.answers.map(\.description) == ["cloud.example. 60 IN A 10.1.0.5"])
        #expect(RelayBench.told(bench.ask("cloud.example", .aaaa, by: inside)).first?.answers == [])
        #expect(RelayBench.asked(bench.ask("other.example", by: inside)).count == 1)
        #expect(RelayBench.told(bench.ask("cloud.example")).isEmpty, "the others wait for the target")
    }

    @Test func `of several views the narrowest that has the name counts, in whatever order they are given`() throws {
        let lines = [
            "10.0.0.0/8 cloud.example A 10.0.0.5", "10.1.2.0/24 nas.example A 10.1.2.9",
            "10.0.0.0/8 nas.example A 10.0.0.9", "10.1.2.3/32 www.example A 10.1.2.7",
            "10.1.2.0/24 www.example A 10.1.2.8", "192.168.0.0/16 cloud.example A 192.168.0.5",
            "192.168.0.0/16 cloud.example A 192.168.0.6",
        ]
        for order in [lines, lines.reversed()] {
            let audiences = Audiences(recursion: [], views: try order.map { try Audiences.View(setting: $0) })
            func told(_ client: String, _ name: String) throws -> [String] {
                let audience = audiences.audience(of: try #require(IPAddress(client)))
                let name = try #require(DomainName("\(name).example"))
                let answer = audiences.view(of: audience)?.records.answer(DNSQuestion(name, .a))
                return answer?.answers.compactMap { record in record.data.address.map { "\($0)" } } ?? []
            }
            #expect(try told("10.1.2.3", "www") == ["10.1.2.7"] && told("10.1.2.4", "www") == ["10.1.2.8"])
            #expect(try told("10.1.2.3", "nas") == ["10.1.2.9"] && told("10.9.9.9", "nas") == ["10.0.0.9"])
            #expect(try told("10.1.2.3", "cloud") == ["10.0.0.5"])
            #expect(try Set(told("192.168.3.3", "cloud")) == ["192.168.0.5", "192.168.0.6"])
            #expect(try told("10.9.9.9", "www") == [] && told("172.16.0.1", "cloud") == [])
        }
    }
}
