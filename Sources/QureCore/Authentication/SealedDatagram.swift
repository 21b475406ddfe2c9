// SealedDatagram: a datagram that is sent again and again, each time with a few octets changed, and the code behind it
// made anew. Nothing is allocated for that.

/// A datagram with its code behind it.
package struct SealedDatagram: Sendable {
    /// As it is sent.
    package private(set) var octets: [UInt8]
    private var computation: MessageAuthenticator.Computation

    /// A datagram that `keys` has sealed, for others that are sealed in the same way.
    package init(_ datagram: [UInt8], _ keys: KeyRing) {
        precondition(datagram.count > MessageAuthenticator.codeLength, "a datagram without a message")
        octets = datagram
        computation = keys.beginSeal()
    }

    /// Lets octets of the message be changed, but neither their number nor those of the code, and seals it again.
    package mutating func change(_ rewrite: (inout [UInt8]) -> Void) {
        let count = octets.count
        rewrite(&octets)
        precondition(octets.count == count, "a datagram of another length")
        computation.seal(&octets)
    }
}
