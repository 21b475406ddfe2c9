// The Internet checksum (RFC 1071): ones' complement of the ones' complement sum of 16-bit words.

/// Sums 16-bit words as they come; `value` is what goes into the packet.
package struct InternetChecksum: Sendable {
    private var sum: UInt64 = 0

    /// A sum of nothing.
    package init() {}

    /// Adds `bytes`, an odd last one padded with a zero octet. Add parts of odd length last.
    package mutating func add(_ bytes: some Sequence<UInt8>) {
        var high = true
        for byte in bytes {
            sum &+= high ? UInt64(byte) << 8 : UInt64(byte)
            high.toggle()
        }
    }

    /// Adds the IPv6 pseudo-header of an upper-layer packet of `length` bytes (RFC 8200 section 8.1).
    package mutating func addPseudoHeader(from: IPv6Address, to: IPv6Address, length: Int, nextHeader: UInt8) {
        add(from.octets)
        add(to.octets)
        sum &+= UInt64(length) &+ UInt64(nextHeader)
    }

    /// The checksum of all that was added; 0 when a correct checksum was among it.
    package var value: UInt16 {
        var folded = sum
        while folded > 0xffff { folded = folded & 0xffff + folded >> 16 }
        return ~UInt16(truncatingIfNeeded: folded)
    }
}
