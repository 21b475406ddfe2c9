// Writing a message. Names are compressed where RFC 3597 section 4 allows it: owners, and the names in types of RFC
// 1035. A name is written against an earlier one only where the letters have the same case, so that every name arrives
// as it was (and a question's odd case comes back to who sent it).

extension DNSMessage {
    /// The octets of the message. Records that would go beyond `limit` are left out from the end; unless they are
    /// additional ones, TC says so (RFC 2181 section 9). OPT and TSIG are kept, and `reserve` octets are left free for
    /// a TSIG that is still to come. A limit below 512 is none that anybody may have.
    package func encoded(limit: Int = Int(UInt16.max), reserve: Int = 0) -> [UInt8] {
        precondition((512...Int(UInt16.max)).contains(limit), "a message of \(limit) octets")
        precondition(responseCode.rawValue < 16 || edns != nil, "response code \(responseCode) needs EDNS")
        let fixed = (edns.map { 11 + $0.optionOctets.count } ?? 0) + (signature?.length ?? 0)
        var output = MessageWriter(limit - reserve - fixed)
        output.writeHeader(self)
        var isCut = false
        for (index, question) in questions.enumerated() where !isCut {
            isCut = !output.write(question)
            if isCut { output.patchCount(index, .question) }
        }
        for (section, records) in [(DNSSection.answer, answers), (.authority, authorities)] {
            let count = isCut ? 0 : output.write(records)
            output.patchCount(count, section)
            isCut = isCut || count < records.count
        }
        let count = isCut ? 0 : output.write(additionals)
        output.patchCount(count + (edns == nil ? 0 : 1) + (signature == nil ? 0 : 1), .additional)
        if isCut { output.patchFlags(self, flags.union(.truncated)) }
        if let edns { output.write(edns, responseCode) }
        if let signature { output.write(signature) }
        return output.bytes
    }

    /// The second word of the header.
    fileprivate func bits(_ flags: Flags) -> UInt16 {
        flags.intersection(.all).rawValue | UInt16(opcode.rawValue) << 11 | responseCode.rawValue & 0xf
    }
}

/// What has been written of a message, and where names begin in it.
private struct MessageWriter {
    private var output = WireWriter()
    private let limit: Int
    /// The names that others can be written against: sixteen bits to tell them apart quickly, sixteen of their place.
    private var places: [UInt32] = []

    /// Names that are remembered; those beyond are written in full or against these. It bounds the time that a message
    /// of thousands of different names takes.
    private static let maximumPlaces = 256
    /// A pointer has fourteen bits.
    private static let furthest = 0x3fff

    init(_ limit: Int) {
        self.limit = limit
        output.reserve(512)
        places.reserveCapacity(16)
    }

    var bytes: [UInt8] { output.bytes }

    mutating func writeHeader(_ message: DNSMessage) {
        output.write(message.id)
        output.write(message.bits(message.flags))
        output.write(UInt16(clamping: message.questions.count))
        for _ in 0..<3 { output.write(UInt16(0)) }
    }

    mutating func patchCount(_ count: Int, _ section: DNSSection) {
        output.patch(UInt16(count), at: 4 + 2 * section.rawValue)
    }

    mutating func patchFlags(_ message: DNSMessage, _ flags: DNSMessage.Flags) {
        output.patch(message.bits(flags), at: 2)
    }

    /// Whether it was written, for there was room.
    mutating func write(_ question: DNSQuestion) -> Bool {
        let start = (output.bytes.count, places.count)
        write(question.name)
        output.write(question.type.rawValue)
        output.write(question.recordClass.rawValue)
        return keep(start)
    }

    /// How many were written before there was no more room.
    mutating func write(_ records: [DNSRecord]) -> Int {
        for (index, record) in records.enumerated() {
            let start = (output.bytes.count, places.count)
            write(record)
            guard index < Int(UInt16.max) - 2, keep(start) else { return index }
        }
        return records.count
    }

    private mutating func keep(_ start: (bytes: Int, places: Int)) -> Bool {
        guard output.bytes.count > limit else { return true }
        output.truncate(to: start.bytes)
        places.removeLast(places.count - start.places)
        return false
    }

    private mutating func write(_ record: DNSRecord) {
        write(record.name)
        output.write(record.type.rawValue)
        output.write(record.recordClass.rawValue)
        output.write(record.ttl)
        let start = output.bytes.count
        output.write(UInt16(0))
        if record.type.hasCompressibleNames {
            writeNames(record.data)
        } else {
            output.write(record.data.octets)
        }
        output.patch(UInt16(output.bytes.count - start - 2), at: start)
    }

    /// Data that are names and fields of fixed length.
    private mutating func writeNames(_ data: RecordData) {
        var rest = data.octets
        for field in RecordLayout.fields(data.type, .internet) ?? [] where !rest.isEmpty {
            var length = field.length
            if field == .compressibleName {
                var end = rest.startIndex
                while rest[end] > 0 { end += 1 + Int(rest[end]) }
                length = end + 1 - rest.startIndex
                write(DomainName(unchecked: rest.prefix(length)))
            } else {
                output.write(rest.prefix(length))
            }
            rest = rest.dropFirst(length)
        }
    }

    private mutating func write(_ name: DomainName) {
        let octets = name.octets
        var index = octets.startIndex
        while octets[index] > 0 {
            let key = Self.key(octets, index)
            if let place = places.first(where: { $0 >> 16 == key && isWritten(octets, index, at: Int($0 & 0xffff)) }) {
                output.write(UInt16(0xc000 | place & 0x3fff))
                return
            }
            if output.bytes.count <= Self.furthest, places.count < Self.maximumPlaces {
                places.append(key << 16 | UInt32(output.bytes.count))
            }
            let next = index + 1 + Int(octets[index])
            output.write(octets[index..<next])
            index = next
        }
        output.write(UInt8(0))
    }

    /// Something that differs for most names: what is left of the name, and the ends of its first label.
    private static func key(_ octets: ArraySlice<UInt8>, _ index: Int) -> UInt32 {
        let label = UInt32(octets[index + 1]) &* 7 &+ UInt32(octets[index + Int(octets[index])])
        return UInt32(octets.endIndex - index) << 8 | label & 0xff
    }

    /// Whether the name from `index` on is what stands at `place`, letter for letter.
    private func isWritten(_ octets: ArraySlice<UInt8>, _ index: Int, at place: Int) -> Bool {
        var index = index
        var place = place
        while true {
            while output.bytes[place] >> 6 == 3 {
                place = Int(output.bytes[place] & 0x3f) << 8 | Int(output.bytes[place + 1])
            }
            let length = Int(octets[index])
            guard output.bytes[place] == octets[index] else { return false }
            guard length > 0 else { return true }
            for step in 1...length where output.bytes[place + step] != octets[index + step] { return false }
            index += 1 + length
            place += 1 + length
        }
    }

    mutating func write(_ edns: EDNS, _ responseCode: DNSResponseCode) {
        output.write(UInt8(0))
        output.write(RecordType.opt.rawValue)
        output.write(edns.payloadSize)
        output.write(UInt8(truncatingIfNeeded: responseCode.rawValue >> 4))
        output.write(edns.version)
        output.write(edns.flags)
        output.write(UInt16(edns.optionOctets.count))
        output.write(edns.optionOctets)
    }

    mutating func write(_ signature: TSIGRecord) { signature.write(to: &output) }
}

extension RecordType {
    /// The types of RFC 1035 with names in their data (RFC 3597 section 4).
    fileprivate var hasCompressibleNames: Bool {
        switch rawValue {
        case 2...9, 12, 14, 15: true
        default: false
        }
    }
}
