// PCPMessage: the Port Control Protocol (RFC 6887), as far as it takes to learn the gateway's external address: there
// is no question for that alone (section 11.6), so a mapping of the discard port is asked for, for a short time, and
// given back. Used by GatewayQuestion.

/// The mapping that a request asks for and a response grants (RFC 6887 section 11.1).
package struct PCPMapping: Equatable, Sendable {
    /// Twelve octets that tell our mapping from everybody else's.
    package var nonce: [UInt8]
    /// 17 for UDP.
    package var transport: UInt8
    /// This host's port.
    package var internalPort: UInt16
    /// The gateway's port, suggested or assigned.
    package var externalPort: UInt16
    /// The gateway's address, suggested or assigned; IPv4 as ::ffff:0:0/96.
    package var external: IPv6Address

    /// Octets of a nonce.
    static let nonceLength = 12

    /// A mapping of the discard port, which nobody listens on, with nothing suggested.
    package init(nonce: [UInt8]) {
        precondition(nonce.count == Self.nonceLength, "a nonce of \(nonce.count) octets")
        self.nonce = nonce
        transport = 17
        internalPort = 9
        externalPort = 0
        external = IPv6Address(rawValue: 0xffff << 32)
    }

    init(parsing input: inout WireReader) throws(WireError) {
        nonce = try input.read(count: Self.nonceLength, field: "pcp.nonce")
        transport = try input.read(field: "pcp.protocol")
        try input.skip(count: 3, field: "pcp.reserved")
        internalPort = try input.read(field: "pcp.internalPort")
        externalPort = try input.read(field: "pcp.externalPort")
        external = try input.readIPv6(field: "pcp.external")
    }

    func write(to output: inout WireWriter) {
        output.write(nonce)
        output.write(transport)
        output.write([0, 0, 0])
        output.write(internalPort)
        output.write(externalPort)
        output.write(external.octets)
    }
}

/// A request for a mapping (RFC 6887 section 7.1).
package struct PCPRequest: Equatable, Sendable {
    /// In seconds; 0 gives the mapping back.
    package var lifetime: UInt32
    /// Our own address, so that the gateway notices a NAT between us.
    package var client: IPAddress
    /// What is asked for.
    package var mapping: PCPMapping

    /// A request from `client`.
    package init(lifetime: UInt32, client: IPAddress, mapping: PCPMapping) {
        self.lifetime = lifetime
        self.client = client
        self.mapping = mapping
    }

    /// Its sixty octets.
    package var octets: [UInt8] {
        var output = WireWriter()
        output.write([PCPResponse.version, PCPResponse.map, 0, 0])
        output.write(lifetime)
        switch client {
        case .v4(let v4): output.write((UInt128(0xffff) << 32 | UInt128(v4.rawValue)))
        case .v6(let v6): output.write(v6.octets)
        }
        mapping.write(to: &output)
        return output.bytes
    }
}

/// A response to such a request (RFC 6887 section 7.2).
package struct PCPResponse: Equatable, Sendable {
    /// How it went (section 7.4).
    package struct Result: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let success = Result(rawValue: 0)
        package static let unsupportedVersion = Result(rawValue: 1)

        private static let names = [
            "success", "unsupported version", "not authorized", "malformed request", "unsupported opcode",
            "unsupported option", "malformed option", "network failure", "no resources", "unsupported protocol",
            "user exceeded quota", "cannot provide external address", "address mismatch", "excessive remote peers",
        ]

        package var description: String {
            Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "result \(rawValue)"
        }
    }

    static let version: UInt8 = 2
    static let announce: UInt8 = 0
    static let map: UInt8 = 1
    private static let response: UInt8 = 0x80

    /// How it went.
    package var result: Result
    /// Of the mapping, or of the error, in seconds.
    package var lifetime: UInt32
    /// Seconds since the gateway lost its mappings: it has been restarted where this went back.
    package var epoch: UInt32
    /// The mapping; of an error, nil where the gateway did not copy it.
    package var mapping: PCPMapping?

    /// Reads the head of a response, which all have in common.
    init(parsing input: inout WireReader, opcode: UInt8) throws(WireError) {
        try input.expect(Self.version, field: "pcp.version")
        try input.expect(Self.response | opcode, field: "pcp.opcode")
        try input.skip(count: 1, field: "pcp.reserved")
        result = Result(rawValue: try input.read(field: "pcp.result"))
        lifetime = try input.read(field: "pcp.lifetime")
        epoch = try input.read(field: "pcp.epoch")
        try input.skip(count: 12, field: "pcp.reserved")
    }

    /// Reads a datagram. Options behind the mapping, of which we ask for none, are passed over.
    package init(_ octets: [UInt8]) throws(WireError) {
        var input = WireReader(octets)
        try self.init(parsing: &input, opcode: Self.map)
        if result == .success {
            mapping = try PCPMapping(parsing: &input)
        } else {
            mapping = try? PCPMapping(parsing: &input)
        }
    }

    /// The external address, where there is one.
    package var external: IPAddress? {
        guard result == .success, let external = mapping?.external else { return nil }
        guard external.rawValue >> 32 == 0xffff else { return .v6(external) }
        return .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: external.rawValue)))
    }
}
