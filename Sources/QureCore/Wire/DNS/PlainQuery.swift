// PlainQuery: a query of the shape that nearly all have, read where it lies, without memory of its own: one question
// of class IN, no records but an OPT of version 0 with nothing in it but a cookie or padding. The cache answers such
// queries by their octets alone. Any other shape is not wrong, but takes the long way (RequestTriage).

/// What there is to know about a plain query.
package struct PlainQuery: Equatable, Sendable {
    /// Where the question ends; it begins behind the header.
    package let questionEnd: Int
    /// Where the name ends and the type begins.
    package let nameEnd: Int
    /// RD, AD, CD, DO and the presence of an OPT: what an answer depends on beside the question.
    package let kind: UInt8
    /// Who asks, in a number of the caller's: the same question may have another answer for another audience.
    package let audience: UInt8
    /// The octets that an answer by datagram may have.
    package let limit: Int
    /// Where the data of a cookie begin and how many octets it has; 0: there is none.
    package let cookieStart, cookieLength: Int

    /// A bit of `kind`: there is an OPT.
    package static let hasOptions: UInt8 = 0x02
    /// A bit of `kind`: DO.
    package static let wantsSecurity: UInt8 = 0x04

    /// Reads `octets`; nil where they are of another shape.
    package init?(_ octets: Span<UInt8>, audience: UInt8 = 0) {
        self.audience = audience
        // The header: a query without flags but RD, AD and CD; counts 1, 0, 0, and 0 or 1.
        guard octets.count >= 17, octets[2] & 0xfe == 0, octets[3] & 0xcf == 0, octets[4] == 0, octets[5] == 1,
            octets[6] | octets[7] | octets[8] | octets[9] | octets[10] == 0, octets[11] <= 1
        else { return nil }
        var position = 12
        while true {
            guard position < octets.count else { return nil }
            let length = Int(octets[position])
            guard length < 64 else { return nil }
            position += 1 + length
            if length == 0 { break }
        }
        // A class other than IN, types that ask about more than one set (128 to 255), and none.
        guard position - 12 <= DomainName.maximumLength, position + 4 <= octets.count, octets[position + 2] == 0,
            octets[position + 3] == 1
        else { return nil }
        let type = UInt16(octets[position]) << 8 | UInt16(octets[position + 1])
        guard type != 0, !(128...255).contains(type), type != RecordType.opt.rawValue else { return nil }
        nameEnd = position
        questionEnd = position + 4
        var kind = octets[2] & 1 | octets[3] & 0x30
        guard octets[11] == 1 else {
            guard questionEnd == octets.count else { return nil }
            self.kind = kind
            limit = 512
            (cookieStart, cookieLength) = (0, 0)
            return
        }
        let start = questionEnd
        guard start + 11 <= octets.count, octets[start] == 0, octets[start + 1] == 0, octets[start + 2] == 41,
            octets[start + 5] == 0, octets[start + 6] == 0,
            start + 11 + (Int(octets[start + 9]) << 8 | Int(octets[start + 10])) == octets.count
        else { return nil }
        kind |= Self.hasOptions
        if octets[start + 7] & 0x80 != 0 { kind |= Self.wantsSecurity }
        self.kind = kind
        limit = max(512, Int(octets[start + 3]) << 8 | Int(octets[start + 4]))
        guard let cookie = Self.findCookie(octets, from: start + 11) else { return nil }
        (cookieStart, cookieLength) = cookie
    }

    /// The place of the only cookie; nil where there are other options than that and padding, or they do not end.
    private static func findCookie(_ octets: Span<UInt8>, from start: Int) -> (start: Int, length: Int)? {
        var found = (start: 0, length: 0)
        var position = start
        while position < octets.count {
            guard position + 4 <= octets.count, octets[position] == 0 else { return nil }
            let code = octets[position + 1]
            let length = Int(octets[position + 2]) << 8 | Int(octets[position + 3])
            let isCookie = code == 10 && found.length == 0 && (length == 8 || (16...40).contains(length))
            guard isCookie || code == 12, position + 4 + length <= octets.count else { return nil }
            if isCookie { found = (position + 4, length) }
            position += 4 + length
        }
        return found
    }
}
