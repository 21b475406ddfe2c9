// AnswerKey: what an answer is found by: who asks, how, and the question, whose letters count as lower case. It is made
// of a query where that lies, eight octets at a time, and takes no memory of its own: the cache does this for every
// query, and a third of its time went into single octets.

/// The key of a plain query.
struct AnswerKey {
    /// Type, audience and kind; then the name, with zeros behind it.
    private var words: InlineArray<33, UInt64>
    /// How many words there are.
    let count: Int
    /// Octets of the name.
    let nameLength: Int

    /// Octets in front of the name.
    static let nameStart = 8

    /// The key of `query`, which is `plain`.
    @inline(__always)
    init(_ query: Span<UInt8>, _ plain: PlainQuery) {
        words = InlineArray(repeating: 0)
        nameLength = plain.nameEnd - DNSHeader.length
        count = 1 + (nameLength + 7) / 8
        let type = UInt64(query[plain.nameEnd]) | UInt64(query[plain.nameEnd + 1]) << 8
        words[0] = UInt64(plain.kind) | UInt64(plain.audience) << 8 | type << 16
        for index in 1..<count { words[index] = Self.word(query, DNSHeader.length + 8 * (index - 1), plain.nameEnd) }
    }

    /// Eight octets of the name in lower case, the first in the lowest bits; zeros from `end` on.
    @inline(__always)
    private static func word(_ query: Span<UInt8>, _ start: Int, _ end: Int) -> UInt64 {
        var word: UInt64 = 0
        if start + 8 <= query.count {
            word = unsafe UInt64(
                littleEndian: query.bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt64.self))
            if start + 8 > end { word &= ~0 >> UInt64(8 * (start + 8 - end)) }
        } else {
            for index in start..<end { word |= UInt64(query[index]) << UInt64(8 * (index - start)) }
        }
        return word.asciiLowercased
    }

    /// A code that nobody can foresee who does not know the key of the hash.
    @inline(__always)
    func hash(_ key: (UInt64, UInt64)) -> UInt32 {
        var hash = SipHash(key: key)
        for index in 0..<count { hash.combine(words[index]) }
        return UInt32(truncatingIfNeeded: hash.finish(0, count: 8 * count))
    }

    /// Its octets.
    var octets: [UInt8] {
        (0..<(8 * count)).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(8 * ($0 % 8))) }
    }

    /// Whether these are its octets at `start`.
    @inline(__always)
    func isEqual(to known: Span<UInt8>, at start: Int) -> Bool {
        precondition(start >= 0 && start + 8 * count <= known.count, "a key beyond the end")
        let bytes = unsafe known.bytes
        for index in 0..<count {
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: start + 8 * index, as: UInt64.self)
            if UInt64(littleEndian: word) != words[index] { return false }
        }
        return true
    }
}

extension UInt64 {
    /// Eight octets with their ASCII letters in lower case; the others stay as they are.
    var asciiLowercased: UInt64 {
        let high: UInt64 = 0x8080_8080_8080_8080, low = self & ~high
        // The high bit of each octet says: from A on; beyond Z. No sum reaches the next octet.
        let fromA = low &+ 0x3f3f_3f3f_3f3f_3f3f, beyondZ = low &+ 0x2525_2525_2525_2525
        return self | ((fromA ^ beyondZ) & ~self & high) >> 2
    }
}
