// GatewayAnnouncement: what a gateway tells everybody on its link, unasked, when it has been restarted or has another
// external address: an answer of NAT-PMP to the question for it (RFC 6886 section 3.2.1), or PCP's ANNOUNCE (RFC 6887
// section 14.1), to 224.0.0.1, port 5350. It comes several times, for datagrams get lost.

/// An announcement.
package struct GatewayAnnouncement: Equatable, Sendable, CustomStringConvertible {
    /// The protocol that it is of: their epochs need not be the same.
    package enum Kind: String, Hashable, Sendable {
        case natPMP = "nat-pmp"
        case pcp
    }

    /// The protocol.
    package var kind: Kind
    /// Seconds since the gateway lost its mappings.
    package var epoch: UInt32
    /// The external address, where the gateway has one and the protocol says it.
    package var external: IPv4Address?

    /// `nat-pmp epoch=0 84.1.2.3`
    package var description: String {
        "\(kind.rawValue) epoch=\(epoch)" + (external.map { " \($0)" } ?? "")
    }

    /// The port that clients listen on.
    package static let port: UInt16 = 5350
    /// All hosts of a link, which every host is a member of.
    package static let group = IPAddress.v4(IPv4Address(rawValue: 0xe000_0001))

    /// Reads a datagram.
    package init(_ octets: [UInt8]) throws(WireError) {
        guard octets.first != 0 else {
            let response = try NATPMPResponse(octets)
            guard octets[1] == NATPMPResponse.addressOpcode else {
                throw WireError(.unexpected, field: "natpmp.opcode", offset: 1)
            }
            (kind, epoch, external) = (.natPMP, response.epoch, response.external)
            return
        }
        var input = WireReader(octets)
        let response = try PCPResponse(parsing: &input, opcode: PCPResponse.announce)
        (kind, epoch, external) = (.pcp, response.epoch, nil)
    }
}
