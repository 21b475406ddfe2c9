// Reading a message. Everything is checked, and what it costs is bounded by the length of the message whatever is in
// it: names end (DomainName.swift), no record is counted that is not there, and decompressed names are at most 255
// octets for each record. The octets of all names and data go into one array, in the order of the message.

extension DNSMessage {
    /// Reads a message and leaves in `input` what stands behind it.
    package init(parsing input: inout WireReader) throws(WireError) {
        let header = try DNSHeader(parsing: &input)
        var parser = MessageParser(header, input.remaining)
        self.init(
            id: header.id, flags: header.flags, opcode: header.opcode,
            responseCode: DNSResponseCode(rawValue: UInt16(header.responseCode)))
        for _ in 0..<header.questionCount { try parser.readQuestion(from: &input) }
        let questionEnd = parser.rows.count
        for _ in 0..<header.answerCount { try parser.readRecord(from: &input) }
        let answerEnd = parser.rows.count
        for _ in 0..<header.authorityCount { try parser.readRecord(from: &input) }
        let authorityEnd = parser.rows.count
        try parser.readAdditionals(header.additionalCount, from: &input)
        questions = parser.questions(0..<questionEnd)
        answers = parser.records(questionEnd..<answerEnd)
        authorities = parser.records(answerEnd..<authorityEnd)
        additionals = parser.records(authorityEnd..<parser.rows.count)
        signature = parser.signature
        guard let options = parser.options else { return }
        edns = options.edns
        responseCode = DNSResponseCode(rawValue: UInt16(options.upperCode) << 4 | responseCode.rawValue)
    }

    /// Reads a message that `octets` consist of; anything behind it is an error.
    package init(_ octets: [UInt8]) throws(WireError) {
        var input = WireReader(octets)
        try self.init(parsing: &input)
        guard input.remaining == 0 else { throw WireError(.unexpected, field: "dns.end", offset: input.offset) }
    }
}

/// What has been read of a message.
private struct MessageParser {
    /// A question or a record, with its octets' places in the arena.
    struct Row {
        var name: Range<Int>
        var type: RecordType
        var recordClass: RecordClass
        var ttl: UInt32
        var data: Range<Int>
    }

    /// Where a name begins in the message, and where its octets are in the arena.
    struct Place {
        var offset: Int
        var name: Range<Int>
    }

    private var arena: [UInt8] = []
    private(set) var rows: [Row] = []
    private(set) var options: (edns: EDNS, upperCode: UInt8)?
    private(set) var signature: TSIGRecord?
    private let isUpdate: Bool
    /// The first name of the message and the latest: nearly every owner is one of them.
    private var first: Place?
    private var latest: Place?

    /// The fewest octets of a record: the root, and the fixed part.
    private static let shortestRecord = 11

    init(_ header: DNSHeader, _ length: Int) {
        isUpdate = header.opcode == .update
        let counts = [header.questionCount, header.answerCount, header.authorityCount, header.additionalCount]
        rows.reserveCapacity(min(counts.reduce(0) { $0 + Int($1) }, length / 5))
        arena.reserveCapacity(2 * length)
    }

    /// The next name; where it is nothing but a pointer to one that is known, no new one.
    private mutating func readName(from input: inout WireReader) throws(WireError) -> Range<Int> {
        let offset = input.offset
        let high = Int(try input.byte(at: offset, field: "dns.name"))
        if high >> 6 == 3 {
            let target = (high & 0x3f) << 8 | Int(try input.byte(at: offset + 1, field: "dns.name"))
            if let place = [latest, first].lazy.compactMap({ $0 }).first(where: { $0.offset == target }) {
                try input.skip(count: 2, field: "dns.name")
                return place.name
            }
        }
        let start = arena.count
        try input.readName(into: &arena)
        let place = Place(offset: offset, name: start..<arena.count)
        first = first ?? place
        latest = place
        return place.name
    }

    mutating func readQuestion(from input: inout WireReader) throws(WireError) {
        let name = try readName(from: &input)
        let type = RecordType(rawValue: try input.read(field: "dns.question.type"))
        let recordClass = RecordClass(rawValue: try input.read(field: "dns.question.class"))
        rows.append(Row(name: name, type: type, recordClass: recordClass, ttl: 0, data: 0..<0))
    }

    mutating func readRecord(from input: inout WireReader) throws(WireError) {
        let start = input.offset
        let name = try readName(from: &input)
        let type = RecordType(rawValue: try input.read(field: "dns.record.type"))
        // Both have one place in a message.
        guard type != .opt, type != .tsig else { throw WireError(.unexpected, field: "dns.record.type", offset: start) }
        try readBody(name, type, from: &input)
    }

    private mutating func readBody(
        _ name: Range<Int>, _ type: RecordType, from input: inout WireReader
    ) throws(WireError) {
        let recordClass = RecordClass(rawValue: try input.read(field: "dns.record.class"))
        let ttl: UInt32 = try input.read(field: "dns.record.ttl")
        let length: UInt16 = try input.read(field: "dns.record.length")
        var data = try input.slice(count: Int(length), field: "dns.rdata")
        let start = arena.count
        // An update names whole sets and names by records without data (RFC 2136 sections 2.4 and 2.5).
        if length > 0 || !isUpdate || (recordClass != .any && recordClass != .none) {
            try RecordData.transfer(type, recordClass, from: &data, into: &arena)
        }
        // What was compressed may be more than can be sent again.
        guard arena.count - start <= Int(UInt16.max) else {
            throw WireError(.unexpected, field: "dns.rdata", offset: data.offset)
        }
        // RFC 2181 section 8: with the highest bit set it means zero.
        rows.append(
            Row(
                name: name, type: type, recordClass: recordClass, ttl: ttl > DNSRecord.maximumTTL ? 0 : ttl,
                data: start..<arena.count))
    }

    mutating func readAdditionals(_ count: UInt16, from input: inout WireReader) throws(WireError) {
        for index in 0..<count {
            let start = input.offset
            let name = try readName(from: &input)
            let type = RecordType(rawValue: try input.read(field: "dns.record.type"))
            switch type {
            case .opt:
                // One, and the root's (RFC 6891 sections 6.1.1 and 6.1.2).
                guard name.count == 1, options == nil else {
                    throw WireError(.unexpected, field: "dns.opt", offset: start)
                }
                try readOptions(from: &input)
            case .tsig:
                // The last record (RFC 8945 section 5.1).
                guard index == count - 1 else { throw WireError(.unexpected, field: "tsig", offset: start) }
                try readSignature(DomainName(unchecked: Array(arena[name])[...]), from: &input)
            default: try readBody(name, type, from: &input)
            }
        }
    }

    private mutating func readOptions(from input: inout WireReader) throws(WireError) {
        let payloadSize: UInt16 = try input.read(field: "dns.opt.size")
        let upperCode: UInt8 = try input.read(field: "dns.opt.code")
        let version: UInt8 = try input.read(field: "dns.opt.version")
        let flags: UInt16 = try input.read(field: "dns.opt.flags")
        let start = input.offset
        let data = try input.read(count: Int(try input.read(UInt16.self, field: "dns.opt")), field: "dns.opt")
        guard let edns = EDNS(payloadSize: payloadSize, version: version, flags: flags, options: data[...]) else {
            throw WireError(.unexpected, field: "dns.opt.options", offset: start)
        }
        options = (edns, upperCode)
    }

    private mutating func readSignature(_ name: DomainName, from input: inout WireReader) throws(WireError) {
        try input.expect(RecordClass.any.rawValue, field: "tsig.class")
        try input.skip(count: 4, field: "tsig.ttl")
        let length: UInt16 = try input.read(field: "tsig.length")
        var data = try input.slice(count: Int(length), field: "tsig")
        signature = try TSIGRecord(keyName: name, parsing: &data)
    }

    func questions(_ range: Range<Int>) -> [DNSQuestion] {
        rows[range].map { DNSQuestion(DomainName(unchecked: arena[$0.name]), $0.type, $0.recordClass) }
    }

    func records(_ range: Range<Int>) -> [DNSRecord] {
        rows[range].map { row in
            DNSRecord(
                DomainName(unchecked: arena[row.name]), row.recordClass, ttl: row.ttl,
                RecordData(unchecked: row.type, arena[row.data]))
        }
    }
}
