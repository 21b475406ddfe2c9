// DNSMessage: a message of the DNS as a value (RFC 1035 section 4): queries, answers, updates (RFC 2136),
// notifications (RFC 1996). OPT and TSIG are not records among others here but parts of the message. A message that
// was read keeps all its names and data in one array, which its records share slices of: reading costs a handful of
// allocations however many records there are. DNSMessageReading.swift reads, DNSMessageWriting.swift writes,
// DNSMessageText.swift prints.

/// A message.
package struct DNSMessage: Equatable, Sendable {
    /// The bits of the header (RFC 1035 section 4.1.1, RFC 4035 section 3).
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        /// QR: it is an answer.
        package static let response = Flags(rawValue: 0x8000)
        /// AA: the server has authority for the name.
        package static let authoritative = Flags(rawValue: 0x0400)
        /// TC: there is more than fits.
        package static let truncated = Flags(rawValue: 0x0200)
        /// RD: look further if need be.
        package static let recursionDesired = Flags(rawValue: 0x0100)
        /// RA: the server would.
        package static let recursionAvailable = Flags(rawValue: 0x0080)
        /// Z: must be zero.
        package static let reserved = Flags(rawValue: 0x0040)
        /// AD: the server has verified what it says.
        package static let authenticated = Flags(rawValue: 0x0020)
        /// CD: the client will verify by itself.
        package static let checkingDisabled = Flags(rawValue: 0x0010)

        /// Every bit that is a flag, and neither the operation nor the response code.
        static let all = Flags(rawValue: 0x87f0)
    }

    /// Tells answers apart; to be drawn from a generator that nobody can guess.
    package var id: UInt16
    /// The flags of the header.
    package var flags: Flags
    /// What it is for.
    package var opcode: DNSOpcode
    /// How it was answered: twelve bits, the upper ones in the OPT. Above 15 there must be an `edns`.
    package var responseCode: DNSResponseCode
    /// One, in nearly all messages; the zone of an update.
    package var questions: [DNSQuestion]
    /// Answers; the prerequisites of an update.
    package var answers: [DNSRecord]
    /// Authority; the changes of an update.
    package var authorities: [DNSRecord]
    /// Additional records, without OPT and TSIG.
    package var additionals: [DNSRecord]
    /// The OPT, if there is one.
    package var edns: EDNS?
    /// The TSIG, if there is one. It is written as it is: TSIGSession signs what has been written without one.
    package var signature: TSIGRecord? {
        get { signatures.first }
        set { signatures = newValue.map { [$0] } ?? [] }
    }
    /// One at most; apart from the message, which is copied often and hardly ever has one.
    private var signatures: [TSIGRecord] = []

    /// A message without records.
    package init(
        id: UInt16, flags: Flags = [], opcode: DNSOpcode = .query, responseCode: DNSResponseCode = .noError,
        questions: [DNSQuestion] = [], edns: EDNS? = nil
    ) {
        self.id = id
        self.flags = flags
        self.opcode = opcode
        self.responseCode = responseCode
        self.questions = questions
        answers = []
        authorities = []
        additionals = []
        self.edns = edns
    }

    /// An update of a zone (RFC 2136 section 2).
    package static func update(id: UInt16, zone: DomainName, recordClass: RecordClass = .internet) -> DNSMessage {
        DNSMessage(id: id, opcode: .update, questions: [DNSQuestion(zone, .soa, recordClass)])
    }

    /// The beginning of an answer: same ID, operation, question, RD and CD (RFC 1035 section 4.1.1); no records.
    package func response(_ responseCode: DNSResponseCode = .noError) -> DNSMessage {
        DNSMessage(
            id: id, flags: flags.intersection([.recursionDesired, .checkingDisabled]).union(.response), opcode: opcode,
            responseCode: responseCode, questions: questions)
    }

    /// The only question; nil where there is none, or more.
    package var question: DNSQuestion? { questions.count == 1 ? questions[0] : nil }

    /// The zone of an update (RFC 2136 section 2.3); nil where there is not exactly one.
    package var zone: DNSQuestion? { question }
    /// The prerequisites of an update (RFC 2136 section 2.4).
    package var prerequisites: [DNSRecord] {
        get { answers }
        set { answers = newValue }
    }
    /// The changes of an update (RFC 2136 section 2.5).
    package var updates: [DNSRecord] {
        get { authorities }
        set { authorities = newValue }
    }

    /// Whether it can be the answer to `query`: same ID, operation and question. The case of the question's letters
    /// must be the same, too: servers repeat it, and who forges an answer would have to know it. Answers without a
    /// question, such as some FORMERR, are those of a query all the same if they have no records (RFC 5452 section
    /// 9.1); the answer to an update need not repeat anything (RFC 2136 section 3.8).
    package func answers(_ query: DNSMessage) -> Bool {
        guard flags.contains(.response), id == query.id, opcode == query.opcode else { return false }
        if questions.isEmpty, responseCode != .noError || opcode == .update {
            return answers.isEmpty && authorities.isEmpty
        }
        return questions.count == query.questions.count
            && zip(questions, query.questions).allSatisfy { $0 == $1 && $0.name.isIdentical(to: $1.name) }
    }
}

/// The first twelve octets of a message. For those who answer what cannot be read (FORMERR), or pass messages on.
package struct DNSHeader: Hashable, Sendable {
    /// As in the message.
    package var id: UInt16
    /// As in the message.
    package var flags: DNSMessage.Flags
    /// As in the message.
    package var opcode: DNSOpcode
    /// The lower four bits.
    package var responseCode: UInt8
    /// Questions, answers, authorities, additional records: as many as the sender says there are.
    package var questionCount, answerCount, authorityCount, additionalCount: UInt16

    /// Octets of a header.
    package static let length = 12

    /// Reads a header.
    package init(parsing input: inout WireReader) throws(WireError) {
        id = try input.read(field: "dns.id")
        let bits: UInt16 = try input.read(field: "dns.flags")
        flags = DNSMessage.Flags(rawValue: bits).intersection(.all)
        opcode = DNSOpcode(rawValue: UInt8(bits >> 11 & 0xf))
        responseCode = UInt8(bits & 0xf)
        questionCount = try input.read(field: "dns.counts")
        answerCount = try input.read(field: "dns.counts")
        authorityCount = try input.read(field: "dns.counts")
        additionalCount = try input.read(field: "dns.counts")
    }

    /// The answer to a message that cannot be read any further: its header, and nothing else.
    package func response(_ responseCode: DNSResponseCode) -> DNSMessage {
        DNSMessage(
            id: id, flags: flags.intersection([.recursionDesired, .checkingDisabled]).union(.response), opcode: opcode,
            responseCode: responseCode)
    }
}

/// The parts of a message, as they are called (RFC 1035 section 4.1, RFC 2136 section 2).
package enum DNSSection: Int, CaseIterable, Sendable {
    case question, answer, authority, additional

    /// The name in the line of counts: `ANSWER`, or of an update `PREREQ`.
    package func countName(_ opcode: DNSOpcode) -> String {
        let names =
            opcode == .update
            ? ["ZONE", "PREREQ", "UPDATE", "ADDITIONAL"] : ["QUERY", "ANSWER", "AUTHORITY", "ADDITIONAL"]
        return names[rawValue]
    }

    /// The name in a heading: `ANSWER SECTION`, or of an update `PREREQUISITE SECTION`.
    package func heading(_ opcode: DNSOpcode) -> String {
        let names =
            opcode == .update
            ? ["ZONE", "PREREQUISITE", "UPDATE", "ADDITIONAL"] : ["QUESTION", "ANSWER", "AUTHORITY", "ADDITIONAL"]
        return names[rawValue] + " SECTION"
    }
}
