// WireWriter: the bytes of a packet, appended big-endian; WireReader's counterpart.

/// Collects the bytes of one packet.
package struct WireWriter: Sendable {
    /// What has been written so far.
    package private(set) var bytes: [UInt8] = []

    /// A writer that has written nothing.
    package init() {}

    /// Appends `value` with its most significant byte first.
    package mutating func write<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
        for shift in stride(from: Value.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Value(shift)))
        }
    }

    /// Appends `more` as it is.
    package mutating func write(_ more: some Sequence<UInt8>) {
        bytes.append(contentsOf: more)
    }

    /// Makes room for `count` bytes in all, where the size is known beforehand.
    package mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

    /// Takes back everything behind the first `count` bytes.
    package mutating func truncate(to count: Int) {
        bytes.removeLast(bytes.count - count)
    }

    /// Overwrites the two bytes at `offset`: for checksums and lengths, known only at the end.
    package mutating func patch(_ value: UInt16, at offset: Int) {
        bytes[offset] = UInt8(truncatingIfNeeded: value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}
