// Signatures: requests and answers, answers of many messages, clocks that are apart, codes that are cut, and everything
// that is not to be believed; held against dnspython in WitnessTests.

import QureCore
import Simulator
import Testing

/// A key for tests.
func key(_ algorithm: String, _ keyName: String = "Key.Example") -> TSIGKey {
    guard let algorithm = TSIGAlgorithm(algorithm) else { preconditionFailure("no algorithm: \(algorithm)") }
    return TSIGKey(name: name(keyName), algorithm: algorithm, secret: [UInt8](1...32))
}

@Suite struct TSIGTests {
    static let algorithms = [
        "hmac-md5", "HMAC-MD5.SIG-ALG.REG.INT.", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384",
        "hmac-sha512", "hmac-sha256-128", "hmac-sha512-256", "hmac-sha1-80", "hmac-md5-80",
    ]
    private static let now: UInt64 = 1_700_000_000

    private func answer(to request: DNSMessage) -> [UInt8] {
        var answer = request.response()
        answer.answers = [Sample.record("www.example", 60, .a, "192.0.2.1")]
        return answer.encoded()
    }

    @Test(arguments: algorithms)
    func `a request and its answer`(_ algorithm: String) throws {
        let key = key(algorithm)
        var client = TSIGSession(key)
        var server = TSIGSession(key)
        let plain = try DNSMessage(Sample.query)
        let request = client.sign(Sample.query, at: Self.now)
        #expect(request.count <= Sample.query.count + client.reserve)
        let heard = try server.verify(request, at: Self.now + 300)
        #expect(heard.signature?.keyName == key.name && heard.signature?.code.count == key.algorithm.codeLength)
        #expect(heard.question == plain.question && heard.edns == plain.edns)
        let reply = server.sign(answer(to: heard), at: Self.now)
        #expect(try client.verify(reply, at: Self.now).answers.count == 1)
        // Not the answer to another request, and not a request itself.
        var other = TSIGSession(key)
        _ = other.sign(Sample.answer, at: Self.now)
        #expect(throws: TSIGSession.Rejection.wrongCode) { _ = try other.verify(reply, at: Self.now) }
        var fresh = TSIGSession(key)
        #expect(throws: TSIGSession.Rejection.wrongCode) { _ = try fresh.verify(reply, at: Self.now) }
    }

    @Test func `the ID may change on the way, and nothing else`() throws {
        let key = key("hmac-sha256")
        var client = TSIGSession(key)
        let request = client.sign(Sample.query, at: Self.now)
        var passed = request
        passed[0] ^= 0xff
        var server = TSIGSession(key)
        #expect(try server.verify(passed, at: Self.now).id == 0xed34)
        for bit in 16..<request.count * 8 {
            var flipped = request
            flipped[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            // The case of names in the TSIG is not signed; neither are its class and TTL, which say nothing.
            var server = TSIGSession(key)
            guard let message = try? server.verify(flipped, at: Self.now) else { continue }
            #expect(message.signature == (try DNSMessage(request)).signature, "bit \(bit)")
            #expect(message.questions == (try DNSMessage(request)).questions, "bit \(bit)")
        }
    }

    @Test func `clocks may be apart by the fudge, and a server's time is told`() throws {
        let key = key("hmac-sha256")
        for (distance, isRight) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            var client = TSIGSession(key)
            var server = TSIGSession(key)
            let request = client.sign(Sample.query, at: Self.now)
            let serverTime = UInt64(Int(Self.now) + distance)
            if isRight {
                _ = try server.verify(request, at: serverTime)
                continue
            }
            #expect(throws: TSIGSession.Rejection.wrongTime(Self.now)) {
                _ = try server.verify(request, at: serverTime)
            }
            let refusal = try DNSMessage(Sample.query).response(.notAuthorized).encoded()
            let reply = server.signBadTime(refusal, at: serverTime, clientTime: Self.now)
            #expect(try DNSMessage(reply).signature?.serverTime == serverTime)
            #expect(throws: TSIGSession.Rejection.wrongTime(serverTime)) { _ = try client.verify(reply, at: Self.now) }
            #expect(TSIGSession.Rejection.wrongTime(0).error == .badTime)
        }
    }

    @Test func `who is not believed is told why`() throws {
        let mine = key("hmac-sha256")
        var client = TSIGSession(mine)
        let request = client.sign(Sample.query, at: Self.now)
        let heard = try DNSMessage(request)
        let record = try #require(heard.signature)
        for (other, failure) in [
            (key("hmac-sha256", "other"), TSIGSession.Rejection.unknownKey), (key("hmac-sha1"), .unknownKey),
            (TSIGKey(name: mine.name, algorithm: mine.algorithm, secret: [1]), .wrongCode),
        ] {
            var server = TSIGSession(other)
            #expect(throws: failure) { _ = try server.verify(request, at: Self.now) }
            let error = try #require(failure.error)
            #expect(failure.responseCode == .notAuthorized)
            let reply = TSIGSession.refuse(heard.response(.notAuthorized).encoded(), request: record, failure)
            var asking = client
            #expect(throws: TSIGSession.Rejection.refused(error)) { _ = try asking.verify(reply, at: Self.now) }
        }
        var server = TSIGSession(mine)
        #expect(throws: TSIGSession.Rejection.unsigned) { _ = try server.verify(Sample.query, at: Self.now) }
        #expect(throws: TSIGSession.Rejection.unsigned) { _ = try client.verify(Sample.query, at: Self.now) }
        #expect(throws: TSIGSession.Rejection.malformed(WireError(.truncated, field: "dns.flags", offset: 2))) {
            _ = try server.verify([0, 0], at: Self.now)
        }
    }

    @Test(arguments: [
        // The key's algorithm, the length of the code that comes, what becomes of it.
        ("hmac-sha256", 32, nil), ("hmac-sha256", 31, false), ("hmac-sha256", 16, false), ("hmac-sha256", 15, true),
        ("hmac-sha256", 0, true), ("hmac-sha256-128", 16, nil), ("hmac-sha256-128", 32, nil),
        ("hmac-sha256-192", 16, false), ("hmac-md5", 16, nil), ("hmac-md5", 10, false), ("hmac-md5", 9, true),
        ("hmac-sha1", 10, false), ("hmac-sha1", 9, true), ("hmac-sha256", 33, true),
    ] as [(String, Int, Bool?)])
    func `codes are as long as they must be`(_ algorithm: String, _ length: Int, _ failure: Bool?) throws {
        let key = key(algorithm)
        let whole = TSIGKey(name: key.name, algorithm: TSIGAlgorithm(key.algorithm.hash), secret: [UInt8](1...32))
        var client = TSIGSession(whole)
        var cut = try DNSMessage(client.sign(Sample.query, at: Self.now))
        let code = cut.signature?.code ?? []
        cut.signature?.code = Array((code + [0]).prefix(length))
        var server = TSIGSession(key)
        guard let failure else {
            _ = try server.verify(cut.encoded(), at: Self.now)
            return
        }
        #expect(throws: TSIGSession.Rejection.shortCode(isFormatError: failure)) {
            _ = try server.verify(cut.encoded(), at: Self.now)
        }
    }

    @Test func `algorithms that nobody may use have no name`() {
        for text in [
            "hmac-sha256-127", "hmac-sha256-120", "hmac-sha256-264", "hmac-sha512-128", "hmac-md5-72", "", "-",
            "hmac-sha3", "hmac-sha256-", "hmac-sha256-+128", "sha256",
        ] { #expect(TSIGAlgorithm(text) == nil, "\(text)") }
        #expect(TSIGAlgorithm("HMAC-SHA384.")?.wireName.description == "hmac-sha384.")
        #expect(TSIGAlgorithm("hmac-md5")?.wireName.description == "hmac-md5.sig-alg.reg.int.")
    }

    @Test(arguments: [0, 1, 5, 99, 100])
    func `an answer of many messages has signatures here and there`(_ gap: Int) throws {
        let key = key("hmac-sha256")
        var client = TSIGSession(key)
        var server = TSIGSession(key)
        let request = try server.verify(client.sign(Sample.query, at: Self.now), at: Self.now)
        let part = answer(to: request)
        let first = server.sign(part, at: Self.now)
        _ = try client.verify(first, at: Self.now)
        var sender = StreamSender(lastCode: try DNSMessage(first).signature?.code ?? [])
        for round in 0..<3 {
            for index in 0..<gap {
                if index == TSIGSession.maximumUnsigned {
                    #expect(throws: TSIGSession.Rejection.unsignedTooLong) { _ = try client.verify(part, at: Self.now) }
                    return
                }
                _ = try client.verify(part, at: Self.now)
                sender.parts += part
                #expect(!client.isComplete)
            }
            let signed = try sender.sign(part, at: Self.now + UInt64(round))
            var doubting = client
            var wrong = signed
            wrong[3] ^= 1
            #expect(throws: TSIGSession.Rejection.wrongCode) { _ = try doubting.verify(wrong, at: Self.now) }
            _ = try client.verify(signed, at: Self.now)
            #expect(client.isComplete)
        }
        // Time does not go back.
        let old = try sender.sign(part, at: Self.now)
        #expect(throws: TSIGSession.Rejection.wrongTime(Self.now)) { _ = try client.verify(old, at: Self.now) }
    }
}

/// The server's side of an answer with unsigned messages in it: RFC 8945 section 5.3.1 put down once more, simply.
private struct StreamSender {
    var lastCode: [UInt8]
    /// All messages since the last signed one.
    var parts: [UInt8] = []

    mutating func sign(_ part: [UInt8], at time: UInt64) throws -> [UInt8] {
        var input = WireWriter()
        input.write(UInt16(lastCode.count))
        input.write(lastCode)
        input.write(parts)
        input.write(part)
        input.write48(time)
        input.write(UInt16(300))
        lastCode = MessageAuthenticator(key: [UInt8](1...32)).code(of: input.bytes, length: 32)
        parts = []
        var message = try DNSMessage(part)
        message.signature = TSIGRecord(
            keyName: name("key.example"), algorithm: name("hmac-sha256"), timeSigned: time, fudge: 300, code: lastCode,
            originalID: message.id)
        return message.encoded()
    }
}
