// ServerCookie: what a client shows to prove that it has asked from its address before (RFC 7873), in the form that all
// servers of a name can check who share the secret (RFC 9018): a version, the time, and a code over both, the client's
// own cookie and its address.

/// Makes and checks the cookies of a server.
package struct ServerCookie: Equatable, Sendable {
    private let low, high: UInt64

    /// Octets of a server's cookie, and of both together.
    package static let length = 16, wholeLength = 24
    /// How old a cookie may be, and how far from the future, in seconds (RFC 9018 section 4.3).
    package static let oldest: UInt32 = 3600, newest: UInt32 = 300

    /// The cookies of a secret, which is to be drawn from a generator that nobody can guess.
    package init(secret: (UInt64, UInt64)) { (low, high) = secret }

    /// The code of a client's cookie (eight octets, the first in the lowest bits) at a time.
    private func code(_ client: UInt64, _ address: IPAddress, _ time: UInt32) -> UInt64 {
        var hash = SipHash(key: (low, high))
        hash.combine(client)
        hash.combine(1 | UInt64(time.byteSwapped) << 32)
        switch address {
        case .v4(let address): return hash.finish(UInt64(address.rawValue.byteSwapped), count: 20)
        case .v6(let address):
            hash.combine(UInt64(truncatingIfNeeded: address.rawValue >> 64).byteSwapped)
            hash.combine(UInt64(truncatingIfNeeded: address.rawValue).byteSwapped)
            return hash.finish(0, count: 32)
        }
    }

    /// The octets of the server's half.
    package func octets(for client: [UInt8], _ address: IPAddress, at time: UInt32) -> [UInt8] {
        precondition(client.count == 8, "a client's cookie of \(client.count) octets")
        let word = Self.word(client.span, 0)
        let code = code(word, address, time)
        let stamp = (0..<4).map { UInt8(truncatingIfNeeded: time >> UInt32(24 - 8 * $0)) }
        return [1, 0, 0, 0] + stamp + (0..<8).map { UInt8(truncatingIfNeeded: code >> UInt64(8 * $0)) }
    }

    private static func word(_ octets: Span<UInt8>, _ start: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(octets[start + $1]) << UInt64(8 * $1) }
    }

    /// Whether the cookie of a query is one that this server gave to this client not long ago.
    package func isValid(_ query: Span<UInt8>, _ plain: PlainQuery, _ address: IPAddress, at time: UInt32) -> Bool {
        guard plain.cookieLength == Self.wholeLength else { return false }
        let start = plain.cookieStart
        guard query[start + 8] == 1 else { return false }
        let stamp = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(query[start + 12 + $1]) }
        // Serial number arithmetic (RFC 1982), as RFC 9018 section 4.3 wants.
        let age = time &- stamp
        guard age <= Self.oldest || 0 &- age <= Self.newest else { return false }
        return Self.word(query, start + 16) == code(Self.word(query, start), address, stamp)
    }

    /// Puts a cookie for the client of `query` behind an answer of `length` octets that ends with an empty OPT; the new
    /// length, or 0: there is no room.
    package func append(
        to answer: inout MutableSpan<UInt8>, length: Int, limit: Int, for query: Span<UInt8>, _ plain: PlainQuery,
        _ address: IPAddress, at time: UInt32
    ) -> Int {
        let end = length + 4 + Self.wholeLength
        guard end <= min(limit, answer.count), length >= 11, answer[length - 1] == 0, answer[length - 2] == 0 else {
            return 0
        }
        answer[length - 1] = UInt8(4 + Self.wholeLength)
        answer[length] = 0
        answer[length + 1] = UInt8(EDNS.OptionCode.cookie.rawValue)
        answer[length + 2] = 0
        answer[length + 3] = UInt8(Self.wholeLength)
        let code = code(Self.word(query, plain.cookieStart), address, time)
        for step in 0..<8 {
            answer[length + 4 + step] = query[plain.cookieStart + step]
            answer[length + 20 + step] = UInt8(truncatingIfNeeded: code >> UInt64(8 * step))
        }
        for step in 0..<4 {
            answer[length + 12 + step] = step == 0 ? 1 : 0
            answer[length + 16 + step] = UInt8(truncatingIfNeeded: time >> UInt32(24 - 8 * step))
        }
        return end
    }
}
