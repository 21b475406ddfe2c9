// Random messages, right ones and damaged ones, from a seed.

import QureCore
import Simulator

/// Makes messages up.
enum RandomMessage {
    private static let labels = ["www", "WWW", "example", "Example", "com", "a", #"\000\255"#, #"a\.b"#, "x-y_z", "*"]

    private static func name(_ random: inout SplitMix64) -> DomainName {
        let count = Int.random(in: 0...5, using: &random)
        let text = (0..<count).map { _ in labels[Int.random(in: 0..<labels.count, using: &random)] }
        return DomainName(text.joined(separator: ".") + ".") ?? .root
    }

    private static func pick<Value>(_ values: [Value], _ random: inout SplitMix64) -> Value {
        values[Int.random(in: 0..<values.count, using: &random)]
    }

    private static let data: [RecordData] = TextForm.all.compactMap { form in
        var words = ZoneText(form.text.utf8)
        guard let type = RecordType(form.type) else { return nil }
        return try? RecordData(type, from: &words, origin: DomainName("example") ?? .root)
    }

    private static func records(_ random: inout SplitMix64) -> [DNSRecord] {
        (0..<Int.random(in: 0...4, using: &random)).map { _ in
            let ttl = UInt32.random(in: 0...UInt32.max >> 1, using: &random)
            return DNSRecord(name(&random), ttl: ttl, pick(data, &random))
        }
    }

    /// A message that any decoder should take.
    static func message(_ random: inout SplitMix64) throws -> DNSMessage {
        let isUpdate = Int.random(in: 0..<4, using: &random) == 0
        var message = DNSMessage(
            id: .random(in: 0...UInt16.max, using: &random),
            flags: .init(rawValue: .random(in: 0...UInt16.max, using: &random)).intersection([
                .response, .authoritative, .truncated, .recursionDesired, .recursionAvailable, .authenticated,
                .checkingDisabled,
            ]), opcode: isUpdate ? .update : .query,
            responseCode: DNSResponseCode(rawValue: .random(in: 0...10, using: &random)))
        message.questions = [DNSQuestion(name(&random), isUpdate ? .soa : pick([.a, .mx, .any], &random))]
        message.answers = records(&random)
        message.authorities = records(&random)
        message.additionals = records(&random)
        if isUpdate {
            message.prerequisites.append(DNSRecord(name(&random), .any, ttl: 0, .empty(pick([.a, .any], &random))))
            message.prerequisites.append(DNSRecord(name(&random), .none, ttl: 0, .empty(pick([.a, .any], &random))))
            message.updates.append(DNSRecord(name(&random), .any, ttl: 0, .empty(pick([.a, .any], &random))))
            message.updates.append(DNSRecord(name(&random), .none, ttl: 0, pick(data, &random)))
        }
        if Bool.random(using: &random) {
            var edns = EDNS(payloadSize: .random(in: 0...UInt16.max, using: &random))
            edns.wantsSecurity = Bool.random(using: &random)
            if Bool.random(using: &random) { edns.append(EDNS.Option(.padding, [0, 0, 0])) }
            if Bool.random(using: &random) { edns.append(EDNS.Option(.init(rawValue: 65001), [1, 2])) }
            message.edns = edns
        }
        if Int.random(in: 0..<4, using: &random) == 0 {
            message.signature = TSIGRecord(
                keyName: name(&random), algorithm: name(&random), timeSigned: .random(in: 0..<1 << 48, using: &random),
                fudge: 300, code: [1, 2, 3], originalID: message.id)
        }
        return message
    }

    /// Changes a few octets: bits, counts, lengths, pointers, the end.
    static func damage(_ octets: inout [UInt8], _ random: inout SplitMix64) {
        for _ in 0..<Int.random(in: 1...3, using: &random) where octets.count > 1 {
            let place = Int.random(in: 0..<octets.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: octets[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: octets[place] = .random(in: 0...255, using: &random)
            case 2: octets.removeLast(octets.count - place)
            case 3: octets.insert(.random(in: 0...255, using: &random), at: place)
            case 4: octets.remove(at: place)
            default:
                octets[place] = 0xc0
                if place + 1 < octets.count {
                    octets[place + 1] = UInt8.random(in: 0...UInt8(clamping: octets.count), using: &random)
                }
            }
        }
    }
}
