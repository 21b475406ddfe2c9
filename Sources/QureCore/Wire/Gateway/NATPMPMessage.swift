// NATPMPMessage: NAT-PMP's question for the external address and its answer (RFC 6886 section 3.2), on the same port as
// its successor PCP. A gateway that knows NAT-PMP alone says so in this form when it is asked by PCP (section 3.5).

/// An answer of NAT-PMP.
package struct NATPMPResponse: Equatable, Sendable {
    /// How it went (RFC 6886 section 3.5).
    package struct Result: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        package static let success = Result(rawValue: 0)
        package static let unsupportedVersion = Result(rawValue: 1)

        private static let names = [
            "success", "unsupported version", "refused", "network failure", "out of resources", "unsupported opcode",
        ]

        package var description: String {
            Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "result \(rawValue)"
        }
    }

    /// How it went.
    package var result: Result
    /// Seconds since the gateway lost its mappings.
    package var epoch: UInt32
    /// The external address; nil where it is not known.
    package var external: IPv4Address?

    /// The port of both protocols.
    package static let port: UInt16 = 5351
    /// What the answer to the question for the external address has for its opcode.
    static let addressOpcode: UInt8 = 0x80
    /// The question for the external address.
    package static let question: [UInt8] = [0, 0]

    /// Reads a datagram: the answer to that question, or word that the version of another one is not supported.
    package init(_ octets: [UInt8]) throws(WireError) {
        var input = WireReader(octets)
        try input.expect(UInt8(0), field: "natpmp.version")
        let opcode: UInt8 = try input.read(field: "natpmp.opcode")
        result = Result(rawValue: try input.read(field: "natpmp.result"))
        guard opcode == Self.addressOpcode || result == .unsupportedVersion else {
            throw WireError(.unexpected, field: "natpmp.opcode", offset: 1)
        }
        epoch = try input.read(field: "natpmp.epoch")
        external = result == .success ? try input.readIPv4(field: "natpmp.external") : nil
    }
}
