// TSIGSession: signs and checks the messages of one exchange (RFC 8945 section 5): a request and its answer, or an
// answer of many messages over TCP. It works on messages as octets, since the code is over them and not over what they
// mean. Time is an input, in seconds since 1970. Both ends use it: a client signs, then verifies; a server verifies,
// then signs.
//
//   state      | sign                                   | verify
//   fresh      | a request: over the message            | a request: over the message
//   asked      | the answer: over the request's code,   | the answer: over the request's code,
//              | the message                            | the message
//   following  | over the code before, the message,     | over the code before, all unsigned messages
//              | the timers                             | since, this one, the timers

/// The signatures of one exchange.
package struct TSIGSession: Sendable {
    /// Why a message is not to be believed. What a server answers then is `responseCode` and `error`.
    package enum Rejection: Error, Equatable, Sendable {
        /// It is no message.
        case malformed(WireError)
        /// There is no signature where there must be one.
        case unsigned
        /// Another key than ours, or another algorithm: BADKEY.
        case unknownKey
        /// The code is not that of the message: BADSIG.
        case wrongCode
        /// The code is right, and the clocks are too far apart: BADTIME. It is the other one's time.
        case wrongTime(UInt64)
        /// The code is right and shorter than the key wants: BADTRUNC; too short for anybody: FORMERR.
        case shortCode(isFormatError: Bool)
        /// Too many unsigned messages in a row (RFC 8945 section 5.3.1).
        case unsignedTooLong
        /// The other end did not take our signature and says why, without a code of its own: believe it at most as far
        /// as waiting for a better answer goes (RFC 8945 section 5.4).
        case refused(DNSResponseCode)

        /// The error of the TSIG that a server answers with (RFC 8945 section 5.2); nil: without TSIG.
        package var error: DNSResponseCode? {
            switch self {
            case .unknownKey: .badKey
            case .wrongCode: .badSignature
            case .wrongTime: .badTime
            case .shortCode(isFormatError: false): .badTruncation
            default: nil
            }
        }

        /// The response code of the message that a server answers with.
        package var responseCode: DNSResponseCode { error == nil ? .formatError : .notAuthorized }
    }

    private enum State { case fresh, asked, following }

    /// The key of the exchange.
    package let key: TSIGKey
    /// How far the clocks may be apart, in seconds (RFC 8945 section 10 recommends 300).
    package let fudge: UInt16
    private var state = State.fresh
    /// The code that the next one stands on.
    private var lastCode: [UInt8] = []
    /// Messages without a signature since the last one that had one, and the code over what has come since.
    private var unsignedCount = 0
    private var running: MessageAuthenticator.Computation?
    /// The time of the latest message that was right: none may be older (RFC 8945 section 5.2.3).
    private var lastTime: UInt64 = 0

    /// Unsigned messages between two signed ones (RFC 8945 section 5.3.1).
    package static let maximumUnsigned = 99

    /// An exchange that has not begun.
    package init(_ key: TSIGKey, fudge: UInt16 = 300) {
        self.key = key
        self.fudge = fudge
    }

    /// Octets that the signature of a message takes: what `DNSMessage.encoded` is to reserve.
    package var reserve: Int {
        blank(id: 0, at: 0).length + key.algorithm.codeLength + 6
    }

    /// Whether the last message that was verified had a signature: the last one of all must (RFC 8945 section 5.3.1).
    package var isComplete: Bool { unsignedCount == 0 }

    private func blank(id: UInt16, at time: UInt64) -> TSIGRecord {
        TSIGRecord(
            keyName: key.name, algorithm: key.algorithm.wireName, timeSigned: time & TSIGRecord.maximumTime,
            fudge: fudge, originalID: id)
    }

    /// `message`, which has no TSIG, with its signature: the next one of this exchange. A server that has checked the
    /// code of a request and found it too short says `badTruncation`.
    package mutating func sign(
        _ message: [UInt8], at time: UInt64, error: DNSResponseCode = .noError
    ) -> [UInt8] {
        signed(message, at: time, error: error, clientTime: nil)
    }

    /// The answer to a request whose clock was too far off: signed with the request's time, so that the client can
    /// believe it, and with the server's in it (RFC 8945 section 5.2.3).
    package mutating func signBadTime(_ message: [UInt8], at time: UInt64, clientTime: UInt64) -> [UInt8] {
        signed(message, at: time, error: .badTime, clientTime: clientTime)
    }

    private mutating func signed(
        _ message: [UInt8], at time: UInt64, error: DNSResponseCode, clientTime: UInt64?
    ) -> [UInt8] {
        precondition(message.count >= DNSHeader.length, "no message")
        var record = blank(id: UInt16(message[0]) << 8 | UInt16(message[1]), at: clientTime ?? time)
        record.error = error
        if clientTime != nil {
            var other = WireWriter()
            other.write48(time)
            record.otherData = other.bytes
        }
        var computation = begin()
        computation.update(message)
        update(&computation, with: record)
        record.code = computation.code(length: key.algorithm.codeLength)
        advance(record.code)
        return Self.append(record, to: message)
    }

    /// `message` with a TSIG that only says why the request was not believed: no code (RFC 8945 section 5.3.2).
    package static func refuse(_ message: [UInt8], request: TSIGRecord, _ failure: Rejection) -> [UInt8] {
        var record = request
        record.code = []
        record.otherData = []
        record.error = failure.error ?? .badKey
        return append(record, to: message)
    }

    private static func append(_ record: TSIGRecord, to message: [UInt8]) -> [UInt8] {
        var output = WireWriter()
        output.reserve(message.count + record.length)
        output.write(message)
        output.patch((UInt16(message[10]) << 8 | UInt16(message[11])) &+ 1, at: 10)
        record.write(to: &output)
        return output.bytes
    }

    /// The computation of the next code, with what goes before the message in it.
    private func begin() -> MessageAuthenticator.Computation {
        var computation = key.authenticator.begin()
        guard state != .fresh else { return computation }
        var output = WireWriter()
        output.write(UInt16(lastCode.count))
        output.write(lastCode)
        computation.update(output.bytes)
        return computation
    }

    /// The TSIG variables, or the timers alone in messages that follow (RFC 8945 sections 4.3.3 and 5.3.1).
    private func update(_ computation: inout MessageAuthenticator.Computation, with record: TSIGRecord) {
        var output = WireWriter()
        let isWhole = state != .following
        if isWhole {
            output.write(record.keyName.canonical.octets)
            output.write(RecordClass.any.rawValue)
            output.write(UInt32(0))
            output.write(record.algorithm.canonical.octets)
        }
        output.write48(record.timeSigned)
        output.write(record.fudge)
        if isWhole {
            output.write(record.error.rawValue)
            output.write(UInt16(record.otherData.count))
            output.write(record.otherData)
        }
        computation.update(output.bytes)
    }

    private mutating func advance(_ code: [UInt8]) {
        lastCode = code
        state = state == .fresh ? .asked : .following
        running = nil
        unsignedCount = 0
    }
}

extension TSIGSession {
    /// Checks the next message of this exchange and returns it. A message without TSIG is taken only among the later
    /// ones of many, and is right only once one with a signature has come (`isComplete`).
    package mutating func verify(_ octets: [UInt8], at time: UInt64) throws(Rejection) -> DNSMessage {
        let message: DNSMessage
        let end: Int
        do {
            message = try DNSMessage(octets)
            end = try Self.signatureOffset(octets)
        } catch { throw .malformed(error) }
        guard let record = message.signature else {
            try acceptUnsigned(octets)
            return message
        }
        try check(record, of: octets, end: end, at: time)
        return message
    }

    private mutating func acceptUnsigned(_ octets: [UInt8]) throws(Rejection) {
        guard state == .following else { throw .unsigned }
        guard unsignedCount < Self.maximumUnsigned else { throw .unsignedTooLong }
        var computation = running ?? begin()
        computation.update(octets)
        running = computation
        unsignedCount += 1
    }

    private mutating func check(
        _ record: TSIGRecord, of octets: [UInt8], end: Int, at time: UInt64
    ) throws(Rejection) {
        guard record.keyName == key.name, record.algorithm == key.algorithm.wireName else { throw .unknownKey }
        if record.code.isEmpty, record.error != .noError { throw .refused(record.error) }
        // RFC 8945 section 5.2.2.1: never longer than the hash; what is too short for anybody is no TSIG.
        let shortest = TSIGAlgorithm.shortestCode(key.algorithm.hash)
        guard record.code.count <= key.algorithm.hash.codeLength, record.code.count >= shortest else {
            throw .shortCode(isFormatError: true)
        }
        var computation = running ?? begin()
        computation.update(Self.unsigned(octets, end: end, record))
        update(&computation, with: record)
        guard computation.verifies(record.code) else { throw .wrongCode }
        guard record.code.count >= key.algorithm.codeLength else {
            if state == .fresh { advance(record.code) }
            throw .shortCode(isFormatError: false)
        }
        // An answer that says BADTIME has the request's time: its code is right, and it is to be believed.
        if let serverTime = record.serverTime, state == .asked {
            advance(record.code)
            throw .wrongTime(serverTime)
        }
        let apart = max(time, record.timeSigned) - min(time, record.timeSigned)
        guard apart <= UInt64(record.fudge), record.timeSigned >= lastTime else {
            // The answer stands on the request's code even so.
            if state == .fresh { advance(record.code) }
            throw .wrongTime(record.timeSigned)
        }
        lastTime = record.timeSigned
        advance(record.code)
    }

    /// The message as it was before it was signed: with its own ID, and one record fewer (RFC 8945 section 5.2).
    private static func unsigned(_ octets: [UInt8], end: Int, _ record: TSIGRecord) -> [UInt8] {
        var output = WireWriter()
        output.write(octets[..<end])
        output.patch(record.originalID, at: 0)
        output.patch((UInt16(octets[10]) << 8 | UInt16(octets[11])) &- 1, at: 10)
        return output.bytes
    }

    /// Where the last record of a message begins that can be read.
    private static func signatureOffset(_ octets: [UInt8]) throws(WireError) -> Int {
        var input = WireReader(octets)
        let header = try DNSHeader(parsing: &input)
        for _ in 0..<header.questionCount {
            try input.skipName()
            try input.skip(count: 4, field: "dns.question")
        }
        let count = [header.answerCount, header.authorityCount, header.additionalCount].reduce(0) { $0 + Int($1) }
        var offset = input.offset
        for _ in 0..<count {
            offset = input.offset
            try input.skipName()
            try input.skip(count: 8, field: "dns.record")
            try input.skip(count: Int(try input.read(UInt16.self, field: "dns.record.length")), field: "dns.rdata")
        }
        return offset
    }
}
