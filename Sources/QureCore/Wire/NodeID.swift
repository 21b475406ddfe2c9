// NodeID: the number that a member of a cluster is known by, in its messages, in events and in the state that it keeps.

/// A member's own number, random and kept for good; printed as 16 hexadecimal digits.
package struct NodeID: Hashable, Comparable, Sendable, LosslessStringConvertible {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Sixteen hexadecimal digits.
    package init?(_ text: String) {
        guard text.utf8.count == 16, text.utf8.allSatisfy({ $0.hexValue != nil }) else { return nil }
        rawValue = text.utf8.reduce(0) { $0 << 4 | UInt64($1.hexValue ?? 0) }
    }

    package var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    package static func < (one: NodeID, other: NodeID) -> Bool { one.rawValue < other.rawValue }
}
