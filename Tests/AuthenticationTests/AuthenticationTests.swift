// The codes of messages against the published vectors (RFC 4231), and key files, good and bad.

import QureCore
import Testing

private func octets(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.utf8.compactMap(\.hexValue)
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// RFC 4231, section 4: key, data, HMAC-SHA-256.
private let vectors: [(key: [UInt8], data: [UInt8], code: String)] = [
    (
        [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
        Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
        [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    ),
    (
        [UInt8](repeating: 0xaa, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
]

@Test func `codes are those of the published vectors, whole and cut`() {
    for vector in vectors {
        let authenticator = MessageAuthenticator(key: vector.key)
        for _ in 0..<2 {
            #expect(authenticator.code(of: vector.data, length: 32) == octets(vector.code))
            #expect(authenticator.code(of: vector.data) == Array(octets(vector.code).prefix(16)))
        }
        var computation = authenticator.begin()
        for _ in 0..<2 {
            let code = octets(vector.code)
            let isOurs = computation.isSealed(vector.data + code.prefix(16))
            #expect(isOurs)
            for other in [vector.data + code, vector.data + code.dropFirst(), Array(code.prefix(16)), []] {
                let isOther = computation.isSealed(other)
                #expect(!isOther, "\(other.count) octets")
            }
        }
    }
}

/// RFC 2202 sections 2 and 3, RFC 4231 section 4.3: the code of one message and key with each hash.
private let hashVectors: [(hash: MessageAuthenticator.Hash, code: String)] = [
    (
        .md5,
        "750c783e6ab0b503eaa86e310a5db738"
    ),
    (
        .sha1,
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    ),
    (
        .sha224,
        "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"
    ),
    (
        .sha256,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
        .sha384,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
    ),
    (
        .sha512,
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
            + "caeab1a34d4a6b4b636e070a38bce737"
    ),
]

@Test func `every hash makes the codes of the published vectors, of parts as of the whole`() {
    #expect(hashVectors.map(\.hash) == MessageAuthenticator.Hash.allCases)
    let message = Array("what do ya want for nothing?".utf8)
    for (hash, code) in hashVectors {
        let authenticator = MessageAuthenticator(key: Array("Jefe".utf8), hash: hash)
        #expect(hash.codeLength == code.utf8.count / 2)
        #expect(authenticator.code(of: message, length: hash.codeLength) == octets(code))
        for cut in 0...message.count {
            var computation = authenticator.begin()
            computation.update(Array(message[..<cut]))
            var other = computation
            computation.update(Array(message[cut...]))
            #expect(computation.verifies(octets(code)))
            #expect(computation.verifies(Array(octets(code).prefix(10))))
            other.update([0])
            #expect(!other.verifies(octets(code)) && !other.verifies([]) && !other.verifies(octets(code) + [0]))
        }
    }
}

@Test func `a damaged message or code is not taken`() throws {
    let ring = try KeyRing(Array("1 \(String(repeating: "a5", count: 32))\n".utf8))
    let sealed = ring.seal(Array("message".utf8))
    #expect(ring.open(sealed, key: 1) == Array("message".utf8))
    #expect(ring.open(sealed, key: 2) == nil)
    for index in sealed.indices {
        for bit in 0..<8 {
            var damaged = sealed
            damaged[index] ^= 1 << bit
            #expect(ring.open(damaged, key: 1) == nil)
        }
    }
    for count in 0..<sealed.count { #expect(ring.open(Array(sealed.prefix(count)), key: 1) == nil) }
}

@Test func `keys are changed without a gap`() throws {
    let one = "1 \(String(repeating: "11", count: 32))\n", two = "2 \(String(repeating: "22", count: 40)) # newer\n"
    let old = try KeyRing(Array(one.utf8)), both = try KeyRing(Array("# keys\n\n\(one)\(two)".utf8))
    let swapped = try KeyRing(Array((two + one).utf8))
    #expect(both.sendingKey == 1 && swapped.sendingKey == 2)
    #expect(both.open(old.seal([1, 2, 3]), key: 1) == [1, 2, 3])
    #expect(both.open(swapped.seal([1, 2, 3]), key: 2) == [1, 2, 3])
    #expect(old.open(swapped.seal([1, 2, 3]), key: 2) == nil)
}

@Test(arguments: [
    ("", "there is no key in it; make one with 'qure-elect keygen'"),
    ("1 zz", "line 1: the key is not an even number of hexadecimal digits"),
    ("\n1 aabb", "line 2: a key needs at least 32 octets, this one has 2"),
    ("256 aa", "line 1: a key's number (0 to 255), a blank and its hexadecimal digits are wanted"),
    ("key", "line 1: a key's number (0 to 255), a blank and its hexadecimal digits are wanted"),
])
func `a bad key file is refused with the line, never with the key`(_ text: String, _ why: String) {
    #expect(throws: KeyRing.Malformation(description: why)) { try KeyRing(Array(text.utf8)) }
}

@Test func `the same number twice is refused`() {
    let line = "3 \(String(repeating: "ab", count: 32))\n"
    #expect(throws: KeyRing.Malformation(description: "line 2: key number 3 stands there twice")) {
        try KeyRing(Array((line + line).utf8))
    }
}

@Test func `a message that is repeated is the one that would be said anew`() throws {
    let key = String(repeating: "5a", count: 32)
    let keys = try KeyRing(Array("7 \(key)\n3 \(String(repeating: "00", count: 32))".utf8))
    var message = ElectionMessage(
        .heartbeat, role: .master, cluster: 1, node: NodeID(rawValue: 2), session: 3, sequence: 4, term: 5,
        interval: .milliseconds(100), tolerance: .milliseconds(200))
    message.key = keys.sendingKey
    message.name = "h1"
    message.successors = [NodeID(rawValue: 9)]
    func datagram() -> [UInt8] {
        var output = WireWriter()
        message.write(to: &output)
        return keys.seal(output.bytes)
    }
    var repeated = SealedDatagram(datagram(), keys)
    let ages: [Duration?] = [nil, .milliseconds(1700), .zero, .seconds(1 << 40), nil]
    for (number, age) in ages.enumerated() {
        message.sequence = 0x0102_0304_0506_0708 << UInt64(number)
        message.gatewayAge = age
        repeated.change { ElectionMessage.rewrite(&$0, sequence: message.sequence, gatewayAge: age) }
        #expect(repeated.octets == datagram())
        #expect(keys.open(repeated.octets, key: 7) != nil && keys.open(repeated.octets, key: 3) == nil)
    }
}
