// AnswerFilter: what of an answer is about the question. Everything else that a server adds, whether out of kindness or
// to poison a cache, is left behind: only the chain of aliases from the question's name to the records of its type is
// kept, and behind a "no" the SOA of a zone that the name is in (RFC 2308 section 5, RFC 5452 section 6).

extension DNSMessage {
    /// Aliases in a row that are followed in an answer.
    static let maximumChain = 16

    /// The answer without what does not belong to it. Signatures and proofs are kept for who wants them. The records
    /// of the question's name get its own letters.
    package func onlyAbout(_ question: DNSQuestion, wantsSecurity: Bool) -> DNSMessage {
        var kept = self
        kept.additionals = []
        kept.answers = []
        var name = question.name
        chain: for _ in 0..<Self.maximumChain {
            let here = answers.filter { $0.recordClass == question.recordClass && $0.name == name }
            let wanted = here.filter { question.type == .any || $0.type == question.type }
            let signed = wantsSecurity ? here.filter { $0.type == .rrsig } : []
            if !wanted.isEmpty {
                kept.answers += wanted
                kept.answers += signed.filter { !wanted.contains($0) && $0.covers(wanted[0].type) }
                break chain
            }
            if let alias = here.first(where: { $0.type == .cname }), let target = alias.data.target {
                kept.answers += redirections(of: name, wantsSecurity: wantsSecurity) + [alias]
                kept.answers += signed.filter { $0.covers(.cname) }
                guard !kept.answers.contains(where: { $0.name == target }) else { break chain }
                name = target
            } else {
                break chain
            }
        }
        for index in kept.answers.indices where kept.answers[index].name == question.name {
            kept.answers[index].name = question.name
        }
        kept.authorities = authorities.filter { record in
            switch record.type {
            case .soa: name.isWithin(record.name) && !kept.hasRecords(of: question.type)
            case .nsec, .nsec3, .rrsig: wantsSecurity
            default: false
            }
        }
        return kept
    }

    private func hasRecords(of type: RecordType) -> Bool {
        type == .any ? !answers.isEmpty : answers.contains { $0.type == type }
    }

    /// The DNAMEs above a name, which its CNAME was made of.
    private func redirections(of name: DomainName, wantsSecurity: Bool) -> [DNSRecord] {
        let found = answers.filter { $0.type == .dname && $0.name != name && name.isWithin($0.name) }
        guard wantsSecurity, let owner = found.first?.name else { return found }
        return found + answers.filter { $0.name == owner && $0.covers(.dname) }
    }

    /// For how long the answer may be kept: as long as its shortest record, and a "no" as its SOA says (RFC 2308
    /// section 5); 0: not at all.
    package func lifetime(maximumNegative: UInt32) -> UInt32 {
        let shortest = [answers, authorities].joined().lazy.map(\.ttl).min() ?? 0
        guard responseCode == .nameError || answers.allSatisfy({ $0.type == .cname || $0.type == .rrsig }) else {
            return shortest
        }
        guard let soa = authorities.first(where: { $0.type == .soa }) else {
            // An alias that was asked for as such, or one whose target the server does not know.
            return responseCode == .noError && question.map { hasRecords(of: $0.type) } == true ? shortest : 0
        }
        return min(shortest, soa.data.startOfAuthority?.minimum ?? 0, maximumNegative)
    }
}

extension DNSRecord {
    /// Whether it is the signature of records of a type.
    fileprivate func covers(_ other: RecordType) -> Bool {
        type == .rrsig && data.octets.count > 2
            && UInt16(data.octets[data.octets.startIndex]) << 8 | UInt16(data.octets[data.octets.startIndex + 1])
                == other.rawValue
    }
}
