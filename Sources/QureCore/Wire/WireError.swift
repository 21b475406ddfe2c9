// WireError: why bytes from outside are not the packet they claim to be.
// The one error of the Wire layer. It names the field and the offset, so that a trace of a dropped packet says
// what was wrong with it. It never travels further than the receive loop, which counts and drops.

/// The bytes at `offset` cannot be `field`.
package struct WireError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong with the field.
    package enum Reason: String, Sendable {
        /// The input ended before the field did.
        case truncated
        /// The field holds a value that this packet type does not have.
        case unexpected
        /// The checksum over the packet does not match.
        case checksum
    }

    /// The dotted name of the field, such as `arp.operation`.
    package var field: String
    /// Where the field starts, in bytes from the start of the packet.
    package var offset: Int
    /// What is wrong with it.
    package var reason: Reason

    /// An error at `offset` bytes from the start of the packet.
    package init(_ reason: Reason, field: String, offset: Int) {
        self.reason = reason
        self.field = field
        self.offset = offset
    }

    package var description: String { "\(field) at byte \(offset): \(reason.rawValue)" }
}
