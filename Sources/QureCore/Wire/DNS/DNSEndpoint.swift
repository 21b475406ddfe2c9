// DNSEndpoint: where a server of the DNS listens, or where we are to ask from: written as BIND's tools print it, with a
// number sign before the port.

/// An address and a port.
package struct DNSEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// Of either family.
    package var address: IPAddress
    /// 0 means any, for an end of ours.
    package var port: UInt16
    /// The interface that a link-local address is on.
    package var interface: String?

    /// The port of the DNS (RFC 1035 section 4.2).
    package static let port: UInt16 = 53

    /// An endpoint; the interface is for link-local addresses.
    package init(_ address: IPAddress, port: UInt16 = port, interface: String? = nil) {
        self.address = address
        self.port = port
        self.interface = interface
    }

    /// `192.0.2.1`, or `fe80::1%eth0` for a link-local address and its interface.
    package init?(_ text: String, port: UInt16 = port) {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])), parts.count == 1 || !parts[1].isEmpty else { return nil }
        self.init(address, port: port, interface: parts.count == 2 ? String(parts[1]) : nil)
    }

    package var description: String { "\(address)\(interface.map { "%\($0)" } ?? "")#\(port)" }
}
