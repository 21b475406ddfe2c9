// SipHash-2-4 (Aumasson and Bernstein, 2012): a short code that nobody can foresee who does not have the key. Tables
// that are filled by strangers are keyed with it, and the cookies of servers are made of it (RFC 9018 section 4.4).

/// A hash that is being computed: whole words first, then what is left.
package struct SipHash: Sendable {
    private var v0, v1, v2, v3: UInt64

    /// A hash with a key of two words (little-endian ones, where the key is octets).
    package init(key: (UInt64, UInt64)) {
        v0 = key.0 ^ 0x736f_6d65_7073_6575
        v1 = key.1 ^ 0x646f_7261_6e64_6f6d
        v2 = key.0 ^ 0x6c79_6765_6e65_7261
        v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    private mutating func round() {
        v0 &+= v1
        v1 = v1 << 13 | v1 >> 51
        v1 ^= v0
        v0 = v0 << 32 | v0 >> 32
        v2 &+= v3
        v3 = v3 << 16 | v3 >> 48
        v3 ^= v2
        v0 &+= v3
        v3 = v3 << 21 | v3 >> 43
        v3 ^= v0
        v2 &+= v1
        v1 = v1 << 17 | v1 >> 47
        v1 ^= v2
        v2 = v2 << 32 | v2 >> 32
    }

    /// Takes eight octets, the first in the lowest bits.
    @inline(__always)
    package mutating func combine(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    /// Takes the rest, fewer than eight octets in the lowest bits, and the number of all octets; gives the code.
    @inline(__always)
    package mutating func finish(_ rest: UInt64, count: Int) -> UInt64 {
        combine(rest | UInt64(truncatingIfNeeded: count) << 56)
        v2 ^= 0xff
        for _ in 0..<4 { round() }
        return v0 ^ v1 ^ v2 ^ v3
    }

    /// The code of some octets.
    package static func code(_ octets: some Collection<UInt8>, key: (UInt64, UInt64)) -> UInt64 {
        var hash = SipHash(key: key)
        var word: UInt64 = 0
        var count = 0
        for octet in octets {
            word |= UInt64(octet) << UInt64(count % 8 * 8)
            count += 1
            guard count % 8 == 0 else { continue }
            hash.combine(word)
            word = 0
        }
        return hash.finish(word, count: count)
    }
}
