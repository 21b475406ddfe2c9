// WireReader: a cursor over received bytes, big-endian, which cannot read past the end.
// Every decoder of the Wire layer reads through it. It works on [UInt8] and an offset: packets here are small and
// arrays share their storage, so a slice costs nothing; all bounds are checked before anything is touched.

/// A cursor over the bytes of one packet. Every read names its field, for the error.
package struct WireReader: Sendable {
    private let bytes: [UInt8]
    private let end: Int
    /// The position of the next read, in bytes from the start of the packet.
    package private(set) var offset: Int

    /// A reader at the start of `bytes`.
    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        end = bytes.count
        offset = 0
    }

    private init(_ bytes: [UInt8], from offset: Int, to end: Int) {
        self.bytes = bytes
        self.offset = offset
        self.end = end
    }

    /// How many bytes are left to read.
    package var remaining: Int { end - offset }

    private mutating func advance(_ count: Int, _ field: String) throws(WireError) -> Int {
        guard count >= 0, count <= remaining else { throw WireError(.truncated, field: field, offset: offset) }
        defer { offset += count }
        return offset
    }

    /// The next big-endian integer of type `Value`.
    package mutating func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self, field: String
    ) throws(WireError) -> Value {
        let start = try advance(Value.bitWidth / 8, field)
        var value: Value = 0
        for index in start..<offset { value = value << 8 | Value(truncatingIfNeeded: bytes[index]) }
        return value
    }

    /// The next `count` bytes.
    package mutating func read(count: Int, field: String) throws(WireError) -> [UInt8] {
        let start = try advance(count, field)
        return Array(bytes[start..<offset])
    }

    /// Steps over `count` bytes.
    package mutating func skip(count: Int, field: String) throws(WireError) {
        _ = try advance(count, field)
    }

    /// Reads an integer that must be `value`: anything else is `unexpected`.
    package mutating func expect<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: Value, field: String
    ) throws(WireError) {
        let start = offset
        guard try read(Value.self, field: field) == value else {
            throw WireError(.unexpected, field: field, offset: start)
        }
    }

    /// A reader of its own over the next `count` bytes, which this one steps over: for parts with a length prefix.
    package mutating func slice(count: Int, field: String) throws(WireError) -> WireReader {
        let start = try advance(count, field)
        return WireReader(bytes, from: start, to: offset)
    }

    /// The byte at `position` from the start of the packet, wherever this reader stands: for what points elsewhere.
    package func byte(at position: Int, field: String) throws(WireError) -> UInt8 {
        guard (0..<end).contains(position) else { throw WireError(.truncated, field: field, offset: position) }
        return bytes[position]
    }

    /// Appends the bytes of `range`, counted from the start of the packet, to `others`.
    package func copy(_ range: Range<Int>, into others: inout [UInt8], field: String) throws(WireError) {
        guard range.lowerBound >= 0, range.upperBound <= end else {
            throw WireError(.truncated, field: field, offset: range.lowerBound)
        }
        others.append(contentsOf: bytes[range])
    }

    /// Reads the next `count` bytes to the end of `others`.
    package mutating func read(count: Int, into others: inout [UInt8], field: String) throws(WireError) {
        let start = try advance(count, field)
        others.append(contentsOf: bytes[start..<offset])
    }

    /// The bytes not yet read, without reading them.
    package var rest: [UInt8] { Array(bytes[offset..<end]) }
}
