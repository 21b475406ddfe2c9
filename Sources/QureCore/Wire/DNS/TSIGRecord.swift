// TSIGRecord: the signature that ends a message (RFC 8945 section 4.2), as a value. Making and checking it is the
// business of TSIGSession; a message that is only passed on keeps it as it is.

/// The TSIG record of a message.
package struct TSIGRecord: Hashable, Sendable {
    /// Which key: the owner of the record.
    package var keyName: DomainName
    /// How: the name of the algorithm.
    package var algorithm: DomainName
    /// When: seconds since 1970; 48 bits.
    package var timeSigned: UInt64
    /// How far the clocks may be apart, in seconds.
    package var fudge: UInt16
    /// The code over the message; empty where the server could not check ours.
    package var code: [UInt8]
    /// The ID that the message had when it was signed.
    package var originalID: UInt16
    /// Why the request was not taken.
    package var error: DNSResponseCode
    /// With BADTIME the server's time in 48 bits, otherwise empty (RFC 8945 section 5.2.3).
    package var otherData: [UInt8]

    /// The most that 48 bits hold.
    package static let maximumTime: UInt64 = 1 << 48 - 1

    /// Octets of the whole record: two names, the longest code there is, and room for what errors may say.
    private static let maximumLength = 2048

    /// Puts one together.
    package init(
        keyName: DomainName, algorithm: DomainName, timeSigned: UInt64, fudge: UInt16, code: [UInt8] = [],
        originalID: UInt16, error: DNSResponseCode = .noError, otherData: [UInt8] = []
    ) {
        self.keyName = keyName
        self.algorithm = algorithm
        self.timeSigned = timeSigned
        self.fudge = fudge
        self.code = code
        self.originalID = originalID
        self.error = error
        self.otherData = otherData
    }

    /// Reads the data of the record, all that is in `input`.
    init(keyName: DomainName, parsing input: inout WireReader) throws(WireError) {
        self.keyName = keyName
        algorithm = try input.readName(field: "tsig.algorithm")
        timeSigned = UInt64(try input.read(UInt16.self, field: "tsig.time")) << 32
        timeSigned |= UInt64(try input.read(UInt32.self, field: "tsig.time"))
        fudge = try input.read(field: "tsig.fudge")
        code = try input.read(count: Int(try input.read(UInt16.self, field: "tsig.code")), field: "tsig.code")
        originalID = try input.read(field: "tsig.id")
        error = DNSResponseCode(rawValue: try input.read(field: "tsig.error"))
        otherData = try input.read(count: Int(try input.read(UInt16.self, field: "tsig.other")), field: "tsig.other")
        // A code or other data as long as a message are nobody's, and a message with them could not be sent again.
        guard input.remaining == 0, length <= Self.maximumLength else {
            throw WireError(.unexpected, field: "tsig", offset: input.offset)
        }
    }

    /// Appends the whole record. No name of it is compressed (RFC 8945 section 4.2).
    package func write(to output: inout WireWriter) {
        output.write(keyName.octets)
        output.write(RecordType.tsig.rawValue)
        output.write(RecordClass.any.rawValue)
        output.write(UInt32(0))
        let start = output.bytes.count
        output.write(UInt16(0))
        output.write(algorithm.octets)
        output.write48(timeSigned)
        output.write(fudge)
        output.write(UInt16(code.count))
        output.write(code)
        output.write(originalID)
        output.write(error.rawValue)
        output.write(UInt16(otherData.count))
        output.write(otherData)
        output.patch(UInt16(output.bytes.count - start - 2), at: start)
    }

    /// How many octets `write` appends.
    package var length: Int { keyName.octets.count + 10 + algorithm.octets.count + 16 + code.count + otherData.count }

    /// The server's time that came with BADTIME (RFC 8945 section 5.2.3); nil where there is none.
    package var serverTime: UInt64? {
        guard error == .badTime, otherData.count == 6 else { return nil }
        return otherData.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension WireWriter {
    /// Appends the low 48 bits of a time.
    package mutating func write48(_ time: UInt64) {
        write(UInt16(truncatingIfNeeded: time >> 32))
        write(UInt32(truncatingIfNeeded: time))
    }
}
