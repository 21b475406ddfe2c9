// Old answers, and clients that ask in another way than those before them: with EDNS or without, with AD, CD and DO.

@testable import QureCore
import Simulator
import Testing

struct RelayStaleTests {
    private static let signature = "a.test. 60 RRSIG A 8 2 60 20300101000000 20200101000000 1 test. AAAA"

    /// A relay whose servers fail, and which knows what one client was told, who asked in this way.
    private static func bench(
        _ edns: EDNS?, _ flags: DNSMessage.Flags = [.recursionDesired], isChecked: Bool = false
    ) throws -> RelayBench {
        var bench = RelayBench { $0.staleLimit = .seconds(3600) }
        let isSigned = edns?.wantsSecurity == true
        let records = ["a.test. 60 A 192.0.2.1"] + (isSigned ? [signature] : [])
        let told = try bench.answer(bench.ask("a.test", edns: edns, flags: flags), records) {
            if isChecked { $0.flags.insert(.authenticated) }
        }
        #expect(RelayBench.told(told).first?.answers.count == (isSigned ? 2 : 1))
        bench.now += .seconds(100)
        return bench
    }

    /// What a client is told whose question nobody answers.
    private static func fail(
        _ bench: inout RelayBench, _ edns: EDNS?, _ flags: DNSMessage.Flags = [.recursionDesired]
    ) throws -> DNSMessage {
        var outputs = bench.ask("a.test", edns: edns, flags: flags)
        while !RelayBench.asked(outputs).isEmpty { outputs = try bench.answer(outputs, code: .serverFailure) }
        return try #require(RelayBench.told(outputs).first)
    }

    @Test func `who asks with EDNS, or AD, has the old answer of who asked without`() throws {
        let ways: [(EDNS?, DNSMessage.Flags)] = [
            (nil, [.recursionDesired]), (EDNS(), [.recursionDesired]), (nil, [.recursionDesired, .authenticated]),
            (EDNS(), [.recursionDesired, .authenticated]),
        ]
        for (edns, flags) in ways {
            for (otherEDNS, otherFlags) in ways {
                var bench = try Self.bench(edns, flags, isChecked: true)
                let told = try Self.fail(&bench, otherEDNS, otherFlags)
                #expect(told.responseCode == .noError && told.answers.map(\.ttl) == [30])
                #expect((told.edns == nil) == (otherEDNS == nil))
                #expect(told.edns?.extendedError == (otherEDNS == nil ? nil : .staleAnswer))
                #expect(told.flags.contains(.recursionAvailable))
                #expect(!told.flags.contains(.authenticated) || otherFlags.contains(.authenticated))
            }
        }
    }

    @Test func `signatures are left out for who does not want them, and never made up`() throws {
        var signed = try Self.bench(EDNS(wantsSecurity: true), isChecked: true)
        for edns in [nil, EDNS()] {
            let told = try Self.fail(&signed, edns)
            #expect(told.answers.map(\.type) == [.a] && !told.flags.contains(.authenticated))
            #expect(told.edns?.wantsSecurity != true)
        }
        let flags: DNSMessage.Flags = [.recursionDesired, .authenticated]
        let whole = try Self.fail(&signed, EDNS(wantsSecurity: true), flags)
        #expect(whole.answers.map(\.type) == [.a, .rrsig] && whole.flags.contains(.authenticated))
        var plain = try Self.bench(EDNS())
        #expect(try Self.fail(&plain, EDNS(wantsSecurity: true)).responseCode == .serverFailure)
    }

    @Test func `what was not checked is for those who want that`() throws {
        let unchecked: DNSMessage.Flags = [.recursionDesired, .checkingDisabled]
        var bench = try Self.bench(EDNS(), unchecked)
        #expect(try Self.fail(&bench, EDNS()).responseCode == .serverFailure)
        #expect(try Self.fail(&bench, nil, unchecked).answers.count == 1)
        var checked = try Self.bench(EDNS())
        let told = try Self.fail(&checked, nil, unchecked)
        #expect(told.answers.count == 1 && told.flags.contains(.checkingDisabled))
    }

    @Test func `explain says what is answered`() throws {
        for edns in [nil, EDNS(), EDNS(wantsSecurity: true)] {
            var bench = try Self.bench(edns)
            let question = try #require(try Self.fail(&bench, EDNS()).question)
            let steps = bench.relay.explain(
                question, for: RelayBench.client.address, at: bench.now, using: &bench.random)
            #expect(steps.last == "verdict: NOERROR with 1 record, old: nobody can be asked")
        }
        var bench = try Self.bench(EDNS(), [.recursionDesired, .checkingDisabled])
        let question = try #require(try Self.fail(&bench, EDNS()).question)
        let steps = bench.relay.explain(question, for: RelayBench.client.address, at: bench.now, using: &bench.random)
        #expect(steps.last?.hasPrefix("verdict: SERVFAIL") == true)
    }

    /// A forwarded domain, a primary that says that it has changed, and what another worker hears of that.
    @Test(arguments: [true, false])
    func `what is known of a zone that has changed is asked anew, and is old until then`(_ isOtherWorker: Bool) throws {
        let forward = try RelayConfiguration.Forward(setting: "corp.test=192.0.2.54")
        var bench = RelayBench {
            $0.staleLimit = .seconds(3600)
            $0.forwards = [forward]
            $0.notify.sources = ["192.0.2.54/32"].compactMap { Prefix($0) }
        }
        for name in ["a.corp.test", "a.test"] {
            _ = try bench.answer(bench.ask(name), ["\(name). 3600 A 192.0.2.1"])
        }
        let underWay = bench.ask("b.corp.test")
        let zone = try #require(DomainName("corp.test"))
        let notify = DNSMessage(id: 9, opcode: .notify, questions: [DNSQuestion(zone, .soa)])
        let primary = RelayClient(try #require(IPAddress("192.0.2.54")), port: 53)
        let heard = bench.step(isOtherWorker ? .changed(zone) : .request(notify.encoded(), primary))
        #expect(isOtherWorker || RelayBench.told(heard).first?.responseCode == .noError)
        // What was asked before may be of the old zone.
        _ = try bench.answer(underWay, ["b.corp.test. 3600 A 192.0.2.1"])
        func isKnown(_ name: String) throws -> Bool {
            let question = DNSQuestion(try #require(DomainName(name)), .a)
            let query = DNSMessage(id: 1, flags: .recursionDesired, questions: [question], edns: EDNS()).encoded()
            let audience = bench.relay.configuration.audiences.audience(of: RelayBench.client.address)
            return bench.relay.cache.age(query, audience: audience, at: bench.now) != nil
        }
        #expect(try [isKnown("a.corp.test"), isKnown("b.corp.test"), isKnown("a.test")] == [false, false, true])
        var outputs = bench.ask("a.corp.test")
        #expect(RelayBench.asked(outputs).count == 1)
        while !RelayBench.asked(outputs).isEmpty { outputs = try bench.answer(outputs, code: .serverFailure) }
        #expect(RelayBench.told(outputs).first?.edns?.extendedError == .staleAnswer)
    }
}
