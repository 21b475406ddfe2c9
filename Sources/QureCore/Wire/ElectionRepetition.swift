// What changes in the octets of a heartbeat that only repeats the last one: two fields of the header.

extension ElectionMessage {
    /// Where they stand (`write(to:)`).
    private static let sequenceOffset = 32, gatewayAgeOffset = 64

    /// Writes these two over those of a message's octets, as `write(to:)` would have. The octets must be a message's.
    package static func rewrite(_ octets: inout [UInt8], sequence: UInt64, gatewayAge: Duration?) {
        overwrite(&octets, sequence, at: sequenceOffset)
        overwrite(&octets, onWire(gatewayAge), at: gatewayAgeOffset)
    }

    private static func overwrite<Value: FixedWidthInteger>(_ octets: inout [UInt8], _ value: Value, at offset: Int) {
        for index in 0..<(Value.bitWidth / 8) {
            octets[offset + index] = UInt8(truncatingIfNeeded: value >> (Value.bitWidth - 8 * (index + 1)))
        }
    }

    /// The gateway's age as the header has it: milliseconds, all bits for nil.
    static func onWire(_ gatewayAge: Duration?) -> UInt32 {
        gatewayAge.map { UInt32(clamping: min($0.milliseconds, Int64(UInt32.max) - 1)) } ?? .max
    }
}
