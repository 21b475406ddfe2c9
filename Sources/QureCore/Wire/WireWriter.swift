// WireWriter: the bytes of a packet, appended big-endian; WireReader's counterpart.

/// Collects the bytes of one packet.
package struct WireWriter: Sendable {
    /// What has been written so far.
    package private(set) var bytes: [UInt8] = []

    /// A writer that has written nothing.
    package init() {}

    /// Appends `value` with its most significant byte first.
    package mutating func write<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
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

    /// Overwrites the byte at `offset`: for a length that is known only at the end.
    package mutating func patch(octet: UInt8, at offset: Int) { bytes[offset] = octet }

    /// Overwrites the two bytes at `offset`: for checksums and lengths, known only at the end.
    package mutating func patch(_ value: UInt16, at offset: Int) {
        bytes[offset] = UInt8(truncatingIfNeeded: value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}
