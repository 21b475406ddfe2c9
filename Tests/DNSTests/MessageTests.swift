// Messages: golden ones octet by octet, what is none, compression, truncation, EDNS, updates; seeded garbage.

import QureCore
import Simulator
import Testing

/// Samples of messages that were put together by hand.
enum Sample {
    static let query = octets(
        "1234 0120 0001 0000 0000 0001 03777777 076578616d706c65 00 001c 0001"
            + "00 0029 04d0 00 00 8000 000c 000a 0008 0102030405060708")

    /// An answer with a chain, a zone's SOA and glue; compressed as BIND does.
    static let answer = octets(
        "beef 8580 0001 0002 0001 0001 03777777 076578616d706c65 00 0001 0001"
            + "c00c 0005 0001 0000003c 0006 03687374 c010" + "c029 0001 0001 0000003c 0004 c0000201"
            + "c010 0006 0001 00000e10 0021 026e73 c010 0561646d696e c010 00000001 00000e10 00000384 00093a80 0000003c"
            + "c04b 001c 0001 0000003c 0010 20010db8000000000000000000000001")

    static let message: DNSMessage = {
        var message = DNSMessage(
            id: 0xbeef, flags: [.response, .authoritative, .recursionDesired, .recursionAvailable],
            questions: [DNSQuestion(name("www.example"), .a)])
        message.answers = [
            record("www.example", 60, .cname, "hst.example."), record("hst.example", 60, .a, "192.0.2.1"),
        ]
        message.authorities = [
            record("example", 3600, .soa, "ns.example. admin.example. 1 3600 900 604800 60")
        ]
        message.additionals = [record("ns.example", 60, .aaaa, "2001:db8::1")]
        return message
    }()

    static func record(_ owner: String, _ ttl: UInt32, _ type: RecordType, _ text: String) -> DNSRecord {
        guard let data = RecordData(type, text) else { preconditionFailure("no \(type): \(text)") }
        return DNSRecord(name(owner), ttl: ttl, data)
    }
}

@Suite struct MessageTests {
    @Test func `a query is read`() throws {
        let message = try DNSMessage(Sample.query)
        #expect(message.id == 0x1234 && message.opcode == .query && message.responseCode == .noError)
        #expect(message.flags == [.recursionDesired, .authenticated])
        #expect(message.question == DNSQuestion(name("www.example"), .aaaa))
        #expect(message.edns?.payloadSize == 1232 && message.edns?.wantsSecurity == true)
        #expect(message.edns?.cookie == DNSCookie(client: [1, 2, 3, 4, 5, 6, 7, 8]))
        #expect(message.encoded() == Sample.query)
    }

    @Test func `an answer is read, and written to the same octets`() throws {
        let message = try DNSMessage(Sample.answer)
        #expect(message == Sample.message)
        #expect(message.encoded() == Sample.answer)
        #expect(message.answers[0].data.target == name("hst.example"))
        #expect(message.answers[1].data.address == IPAddress("192.0.2.1"))
        #expect(message.additionals[0].data.address == IPAddress("2001:db8::1"))
        let soa = try #require(message.authorities[0].data.startOfAuthority)
        #expect(soa.primary == name("ns.example") && soa.serial == 1 && soa.minimum == 60)
        #expect(RecordData(soa) == message.authorities[0].data)
        #expect(message.answers(DNSMessage(id: 0xbeef, questions: [DNSQuestion(name("www.example"), .a)])))
        #expect(!message.answers(DNSMessage(id: 0xbeee, questions: [DNSQuestion(name("www.example"), .a)])))
        #expect(!message.answers(DNSMessage(id: 0xbeef, questions: [DNSQuestion(name("WWW.example"), .a)])))
        #expect(!message.answers(DNSMessage(id: 0xbeef, questions: [DNSQuestion(name("www.example"), .aaaa)])))
    }

    @Test(arguments: [Sample.query, Sample.answer])
    func `every beginning of a message is none, and no flipped bit ends the process`(_ golden: [UInt8]) {
        for count in 0..<golden.count {
            #expect(throws: WireError.self) { _ = try DNSMessage(Array(golden.prefix(count))) }
        }
        #expect(throws: WireError(.unexpected, field: "dns.end", offset: golden.count)) {
            _ = try DNSMessage(golden + [0])
        }
        for bit in 0..<golden.count * 8 {
            var flipped = golden
            flipped[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            guard let message = try? DNSMessage(flipped) else { continue }
            #expect((try? DNSMessage(message.encoded())) == message, "bit \(bit)")
            _ = message.text
        }
    }

    @Test(arguments: [
        // Two OPTs, one below a name, one in the answer; an option beyond its end; TSIG not last; an A of five octets.
        "0001 0000 0000 0000 0000 0002 00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000",
        "0001 0000 0000 0000 0000 0001 016100 0029 04d0 00000000 0000",
        "0001 0000 0000 0001 0000 0000 00 0029 04d0 00000000 0000",
        "0001 0000 0000 0000 0000 0001 00 0029 04d0 00000000 0004 000a0001",
        "0001 0000 0000 0000 0000 0002 00 00fa 00ff 00000000 0011 00 000000000000 012c 0000 0001 0000 0000"
            + "00 0001 0001 00000000 0004 01020304",
        "0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0005 0102030405",
        // An A without data but in an update; data that end before a name does.
        "0001 8000 0000 0001 0000 0000 00 0001 00ff 00000000 0000",
        "0001 8000 0000 0001 0000 0000 00 0005 0001 00000000 0001 01 61 00",
    ])
    func `what no message may have`(_ wire: String) {
        #expect(throws: WireError.self) { _ = try DNSMessage(octets(wire)) }
    }

    @Test func `an update is read and written`() throws {
        var update = DNSMessage.update(id: 7, zone: name("example"))
        update.prerequisites = [
            DNSRecord(name("x.example"), .none, ttl: 0, .empty(.any)),
            DNSRecord(name("m.example"), ttl: 0, try #require(RecordData.strings([Array("old".utf8)]))),
        ]
        update.updates = [
            DNSRecord(name("x.example"), .any, ttl: 0, .empty(.a)),
            DNSRecord(name("x.example"), .none, ttl: 0, .address(try #require(IPAddress("192.0.2.7")))),
            Sample.record("x.example", 60, .aaaa, "2001:db8::7"),
        ]
        update.edns = EDNS()
        update.edns?.updateLease = UpdateLease(3600, keyLease: 7200)
        let wire = update.encoded()
        #expect(
            wire.prefix(57) == octets(
                "0007 2800 0001 0002 0003 0001 076578616d706c65 00 0006 0001"
                    + "0178 c00c 00ff 00fe 00000000 0000" + "016d c00c 0010 0001 00000000 0004 036f6c64")[...])
        let read = try DNSMessage(wire)
        #expect(read == update && read.zone?.name == name("example"))
        #expect(read.edns?.updateLease == UpdateLease(3600, keyLease: 7200))
        let refusal = octets("0007 a805 0001 0000 0000 0000 076578616d706c65 00 0006 0001")
        #expect(read.response(.refused).encoded() == refusal)
    }

    @Test func `names are compressed where that is allowed, and keep their case`() throws {
        var message = DNSMessage(id: 1, questions: [DNSQuestion(name("Example.COM"), .any)])
        message.answers = [
            Sample.record("Example.COM", 1, .mx, "1 Mail.Example.COM."),
            Sample.record("example.com", 1, .srv, "1 2 3 mail.example.com."),
            Sample.record("mail.example.com", 1, .dname, "Example.COM."),
        ]
        let wire = message.encoded()
        let read = try DNSMessage(wire)
        #expect(read == message)
        #expect(read.answers[1].name.description == "example.com.")
        // Header, question; MX all pointers but its label; SRV with its whole name, in the other case; DNAME whole.
        #expect(wire.count == 12 + 17 + (2 + 10 + 2 + 7) + (13 + 10 + 6 + 18) + (5 + 2 + 10 + 13))
    }

    @Test func `what does not fit is left out, and said to be`() throws {
        var message = Sample.message
        message.edns = EDNS()
        message.answers = (0..<60).map { Sample.record("www.example", 60, .a, "192.0.2.\($0)") }
        for limit in [512, 600, 1232, 65535] {
            let wire = message.encoded(limit: limit)
            #expect(wire.count <= limit)
            let read = try DNSMessage(wire)
            #expect(read.flags.contains(.truncated) == (limit < 1232))
            #expect(read.edns == message.edns && read.questions == message.questions)
            #expect(read.answers == Array(message.answers.prefix(read.answers.count)))
            #expect(limit == 65535 || wire.count > limit - 200)
            #expect(message.encoded(limit: limit, reserve: 100).count <= limit - (limit < 2000 ? 100 : 0))
        }
        // Additional records are no loss.
        message.answers = []
        message.additionals = (0..<60).map { Sample.record("ns.example", 60, .a, "192.0.2.\($0)") }
        let read = try DNSMessage(message.encoded(limit: 512))
        #expect(!read.flags.contains(.truncated) && read.authorities == message.authorities)
        #expect((10..<60).contains(read.additionals.count))
    }

    @Test func `response codes have twelve bits, and names`() throws {
        var message = DNSMessage(id: 1, flags: .response, responseCode: .badCookie, edns: EDNS())
        let read = try DNSMessage(message.encoded())
        #expect(read.responseCode == .badCookie && read.responseCode.description == "BADCOOKIE")
        message.responseCode = .badVersion
        #expect(try DNSMessage(message.encoded()).responseCode.description == "BADVERS")
        #expect(DNSResponseCode.badSignature.signatureDescription == "BADSIG")
        #expect(DNSResponseCode("dsotypeni")?.rawValue == 11 && DNSResponseCode("4095")?.description == "4095")
        #expect(RecordType("type65280")?.description == "TYPE65280" && RecordType("TYPE1") == .a)
        #expect(RecordType("TYPE65536") == nil && RecordType("TYPE+1") == nil && RecordType("TYPE") == nil)
        #expect(RecordClass("ch")?.description == "CH" && RecordClass("CLASS32")?.rawValue == 32)
    }

    @Test func `options are kept as they are`() throws {
        var edns = EDNS(payloadSize: 4096)
        edns.append(EDNS.Option(EDNS.OptionCode(rawValue: 65001), [1, 2]))
        edns.cookie = DNSCookie(client: [1, 2, 3, 4, 5, 6, 7, 8], server: [UInt8](repeating: 9, count: 16))
        edns.extendedError = ExtendedError(3, "old")
        var message = DNSMessage(id: 1, edns: edns)
        let read = try #require(try DNSMessage(message.encoded()).edns)
        #expect(read == edns && read.options().map(\.code.rawValue) == [65001, 10, 15])
        #expect(read.extendedError?.code == 3 && read.extendedError?.text == Array("old".utf8))
        #expect(read.cookie?.server.count == 16 && !read.hasMalformedCookie)
        edns.cookie = nil
        #expect(edns.options().map(\.code.rawValue) == [65001, 15])
        edns.append(EDNS.Option(.cookie, [1, 2, 3]))
        #expect(edns.cookie == nil && edns.hasMalformedCookie)
        #expect(DNSCookie(client: [1], server: []) == nil)
        // A flood of empty ones is one slice.
        for _ in 0..<2000 { edns.append(EDNS.Option(EDNS.OptionCode(rawValue: 1), [])) }
        message.edns = edns
        #expect(try DNSMessage(message.encoded()).edns?.options().count == 32)
    }

    /// What dig 9.18 printed of such a message that a server sent it.
    @Test func `messages are shown as dig shows them`() throws {
        var message = Sample.message
        var edns = EDNS()
        edns.wantsSecurity = true
        edns.append(EDNS.Option(.cookie, [0, 1, 2, 3, 4, 5, 6, 7]))
        edns.append(EDNS.Option(.extendedError, [0, 3] + Array("old \"x\"\u{1b}".utf8)))
        edns.append(EDNS.Option(.padding, [0, 0, 0, 0]))
        edns.append(EDNS.Option(EDNS.OptionCode(rawValue: 65001), [1, 0x61, 0x62]))
        message.edns = edns
        message.signature = TSIGRecord(
            keyName: name("key.example"), algorithm: name("hmac-sha256"), timeSigned: 1_700_000_000, fudge: 300,
            code: [0, 1, 2, 3], originalID: 48879, error: .badTime, otherData: [0, 0, 0x65, 0x53, 0xf2, 0])
        #expect(
            message.text == """
                ;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 48879
                ;; flags: qr aa rd ra; QUERY: 1, ANSWER: 2, AUTHORITY: 1, ADDITIONAL: 3

                ;; OPT PSEUDOSECTION:
                ; EDNS: version: 0, flags: do; udp: 1232
                ; COOKIE: 0001020304050607
                ; EDE: 3 (Stale Answer): (old "x".)
                ; PAD: (4 bytes)
                ; OPT=65001: 01 61 62 (".ab")
                ;; QUESTION SECTION:
                ;www.example.\t\t\tIN\tA

                ;; ANSWER SECTION:
                www.example.\t\t60\tIN\tCNAME\thst.example.
                hst.example.\t\t60\tIN\tA\t192.0.2.1

                ;; AUTHORITY SECTION:
                example.\t\t3600\tIN\tSOA\tns.example. admin.example. 1 3600 900 604800 60

                ;; ADDITIONAL SECTION:
                ns.example.\t\t60\tIN\tAAAA\t2001:db8::1

                ;; TSIG PSEUDOSECTION:
                key.example.\t\t0\tANY\tTSIG\thmac-sha256. 1700000000 300 4 AAECAw== 48879 BADTIME 6 AABlU/IA

                """)
        #expect(
            message.description == "answer 48879 NOERROR qr aa rd ra www.example. IN A 2/1/1 signed by key.example.")
    }

    @Test func `updates are shown as nsupdate shows them`() throws {
        var update = DNSMessage.update(id: 0, zone: name("z.test"))
        update.prerequisites = [
            DNSRecord(name("b.z.test"), .none, ttl: 0, .empty(.any)),
            DNSRecord(name("c.z.test"), .any, ttl: 0, .empty(.a)),
        ]
        update.updates = [Sample.record("a.z.test", 60, .a, "1.2.3.4")]
        #expect(
            update.updateText() == """
                ;; ->>HEADER<<- opcode: UPDATE, status: NOERROR, id:      0
                ;; flags:; ZONE: 1, PREREQ: 2, UPDATE: 1, ADDITIONAL: 0
                ;; ZONE SECTION:
                ;z.test.\t\t\t\tIN\tSOA

                ;; PREREQUISITE SECTION:
                b.z.test.\t\t0\tNONE\tANY\t
                c.z.test.\t\t0\tANY\tA\t

                ;; UPDATE SECTION:
                a.z.test.\t\t60\tIN\tA\t1.2.3.4


                """)
    }

    @Test func `a response code beyond the header needs an OPT`() async {
        await #expect(processExitsWith: .failure) {
            _ = DNSMessage(id: 1, flags: .response, responseCode: .badCookie).encoded()
        }
        await #expect(processExitsWith: .failure) { _ = DNSMessage(id: 1).encoded(limit: 511) }
        await #expect(processExitsWith: .success) { _ = DNSMessage(id: 1).encoded(limit: 512) }
    }

    @Test func `a message of pointers costs no more than its length allows`() throws {
        // Owners of 255 octets by pointers, as many as there is room for.
        var wire = octets("0001 8000 0001 0000 0000 0000")
        for label in [63, 63, 63, 61] { wire += [UInt8(label)] + [UInt8](repeating: 0x61, count: label) }
        wire += octets("00 0001 0001")
        var count = 0
        while wire.count + 20 < 65535 {
            wire += octets(count % 2 == 0 ? "c00c 0002 0001 00000000 0002 c04c" : "c04c 0002 0001 00000000 0002 c00c")
            count += 1
        }
        wire[6] = UInt8(count >> 8)
        wire[7] = UInt8(truncatingIfNeeded: count)
        let clock = ContinuousClock()
        let start = clock.now
        let message = try DNSMessage(wire)
        #expect(message.answers.count == count)
        #expect(try DNSMessage(message.encoded()) == message)
        #expect(clock.now - start < .seconds(2))
    }
}
