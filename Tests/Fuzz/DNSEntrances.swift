// The entrances of the DNS: messages, zone files, and signatures. What was read must be a value like any other.

@testable import QureCore

extension Entrance {
    func takeDNSMessage(_ bytes: [UInt8]) {
        guard let message = try? DNSMessage(bytes) else { return }
        let written = message.encoded()
        if !message.flags.contains(.truncated), let again = try? DNSMessage(written), again.flags.contains(.truncated) {
            // It was compressed where we may not, and is too long without.
            precondition(bytes.count > 1000, "cut without need")
        } else {
            precondition((try? DNSMessage(written)) == message, "read otherwise than written")
        }
        precondition(message.encoded(limit: 512).count <= max(512, overhead(message)), "beyond the limit")
        _ = message.text
        _ = message.description
        for record in message.answers + message.authorities + message.additionals {
            let data = record.data
            _ = (data.address, data.target, data.strings, data.startOfAuthority, data.canonical)
            precondition(DomainName(record.name.description)?.isIdentical(to: record.name) == true, "a name is lost")
            guard record.recordClass == .internet, !data.octets.isEmpty else { continue }
            for division in [RecordData.Division.whole, .dig] {
                let text = data.text(division: division)
                let again = RecordData(data.type, text)
                precondition(again == data || hasOtherForms(data), "\(data.type) \(text)")
            }
        }
        _ = (message.edns?.cookie, message.edns?.updateLease, message.edns?.extendedError)
        _ = message.signature?.serverTime
    }

    /// OPT, TSIG and the header, which no limit takes away.
    private func overhead(_ message: DNSMessage) -> Int {
        12 + (message.edns.map { 11 + $0.optionOctets.count } ?? 0) + (message.signature?.length ?? 0)
    }

    /// Lists of types may have empty octets at the end, and service bindings may contradict themselves: the text form
    /// does not show the one and refuses the other.
    private func hasOtherForms(_ data: RecordData) -> Bool {
        switch data.type {
        case .nsec, .nsec3, .svcb, .https: true
        default: data.type.rawValue == 62
        }
    }

    func takeDNSText(_ bytes: [UInt8]) {
        if let zone = try? ZoneFile(bytes, origin: .root) {
            for record in zone.records {
                let again = try? ZoneFile.record(record.description)
                precondition(again == record, "\(record)")
            }
        }
        var words = ZoneText(bytes, dialect: .updateScript)
        while let entry = try? words.nextEntry() {
            _ = entry
            while let word = try? words.next(pairs: true) { _ = word.octets }
        }
        if let name = try? DomainName(text: bytes) {
            precondition(DomainName(name.description)?.isIdentical(to: name) == true, "\(name)")
            precondition(DomainName(octets: name.octets) != nil, "\(name)")
        }
        _ = TSIGAlgorithm(String(decoding: bytes, as: UTF8.self))
    }

    func takeDNSSignature(_ bytes: [UInt8]) {
        guard let name = DomainName("k"), let algorithm = TSIGAlgorithm("hmac-sha256-128") else { return }
        let key = TSIGKey(name: name, algorithm: algorithm, secret: [1])
        // As a request, as an answer, and as one of many.
        var server = TSIGSession(key)
        _ = try? server.verify(bytes, at: 1)
        var client = TSIGSession(key)
        _ = client.sign([UInt8](repeating: 0, count: 12), at: 1)
        _ = try? client.verify(bytes, at: 1)
        let answer = client.sign([UInt8](repeating: 0, count: 12), at: 1)
        _ = try? client.verify(bytes, at: 1)
        _ = try? client.verify(answer, at: 1)
        // A message that is signed is one that is believed.
        guard (try? DNSMessage(bytes)) != nil, bytes.count < 60_000, bytes[10] < 255 else { return }
        guard (try? DNSMessage(bytes))?.signature == nil else { return }
        var signer = TSIGSession(key)
        let signed = signer.sign(bytes, at: 1)
        var checker = TSIGSession(key)
        precondition((try? checker.verify(signed, at: 1)) != nil, "signed and not believed")
    }
}
