// RequestTriage: what becomes of a message before anybody looks at what it asks: passed over, refused with a code, or
// taken for what it is. Where the good servers agree, this one agrees with them; the table of the tests has them all.
//
//   a message                                   | becomes
//   shorter than a header, or an answer         | passed over: answering answers makes loops
//   its question cannot be read                 | passed over
//   an operation that is not known              | NOTIMP, the header alone
//   no question, or several                     | FORMERR, the header alone
//   anything in it cannot be read               | FORMERR, the header alone
//   a query with answers in it                  | FORMERR
//   EDNS of another version                     | BADVERS
//   class CH and others; class ANY              | REFUSED; FORMERR
//   AXFR, IXFR: by datagram; by stream          | FORMERR; REFUSED
//   a query with a signature                    | for whoever has the key, if there is anybody
//   octets behind the end                       | as if they were not there, but never kept or passed on

/// What is to be done with a message.
package enum RequestTriage: Equatable, Sendable {
    /// Nothing.
    case drop
    /// It is answered with this.
    case reject(DNSMessage)
    /// A query of one question.
    case query(DNSMessage, DNSQuestion)
    /// The same with a signature: there is no key here that it could be checked with.
    case signedQuery(DNSMessage, DNSQuestion)
    /// A primary says that a zone has changed (RFC 1996).
    case notify(DNSMessage, DNSQuestion)
    /// Somebody wants a zone changed (RFC 2136).
    case update(DNSMessage, DNSQuestion)

    /// Looks at a message.
    package init(_ octets: [UInt8], isStream: Bool) {
        var input = WireReader(octets)
        guard let header = try? DNSHeader(parsing: &input), !header.flags.contains(.response) else {
            self = .drop
            return
        }
        guard [.query, .notify, .update].contains(header.opcode) else {
            self = .reject(header.response(.notImplemented))
            return
        }
        guard header.questionCount == 1 else {
            self = .reject(header.response(.formatError))
            return
        }
        var whole = WireReader(octets)
        guard let message = try? DNSMessage(parsing: &whole), let question = message.question,
            header.opcode != .query || message.answers.isEmpty && message.authorities.isEmpty
                || question.type == .ixfr && message.answers.isEmpty
        else {
            self = (try? input.readName()) == nil ? .drop : .reject(header.response(.formatError))
            return
        }
        self = Self.judge(message, question, isStream: isStream)
    }

    private static func judge(_ message: DNSMessage, _ question: DNSQuestion, isStream: Bool) -> RequestTriage {
        func reject(_ code: DNSResponseCode) -> RequestTriage {
            var response = message.response(code)
            if message.edns != nil { response.edns = EDNS() }
            return .reject(response)
        }
        if let edns = message.edns, edns.version != 0 { return reject(.badVersion) }
        if let edns = message.edns, edns.hasMalformedCookie { return reject(.formatError) }
        if question.recordClass == .any || question.recordClass == .none { return reject(.formatError) }
        guard question.recordClass == .internet else { return reject(.refused) }
        switch message.opcode {
        case .notify: return question.type == .soa ? .notify(message, question) : reject(.formatError)
        case .update: return question.type == .soa ? .update(message, question) : reject(.formatError)
        default: break
        }
        switch question.type {
        case .axfr, .ixfr: return reject(isStream ? .refused : .formatError)
        case _ where message.signature != nil: return .signedQuery(message, question)
        case .any: return .query(message, question)
        case _ where question.type.isMeta || question.type.rawValue == 0: return reject(.formatError)
        default: return .query(message, question)
        }
    }
}
