// SocketAddress: IPAddress and port to and from the kernel's sockaddr_in and sockaddr_in6.

package import Glibc

/// An address, a port, and for link-local IPv6 addresses the index of the interface they are meant on.
package struct SocketAddress: Hashable, Sendable {
    /// Of either family.
    package var address: IPAddress
    /// In the machine's byte order; 0: none, or any.
    package var port: UInt16
    /// The interface of a link-local address, otherwise 0.
    package var scope: UInt32

    /// `address` with a port and a scope, both 0 unless given.
    package init(_ address: IPAddress, port: UInt16 = 0, scope: UInt32 = 0) {
        self.address = address
        self.port = port
        self.scope = scope
    }

    /// Calls `body` with the kernel's form.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        func lend<Form>(_ form: Form) -> Result {
            unsafe withUnsafePointer(to: form) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<Form>.size))
                }
            }
        }
        switch address {
        case .v4:
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = port.bigEndian
            // By bytes: which module the field belongs to depends on what else is imported.
            unsafe withUnsafeMutableBytes(of: &form.sin_addr) { unsafe $0.copyBytes(from: address.octets) }
            return lend(form)
        case .v6(let v6):
            var form = sockaddr_in6()
            form.sin6_family = sa_family_t(AF_INET6)
            form.sin6_port = port.bigEndian
            form.sin6_scope_id = scope
            unsafe withUnsafeMutableBytes(of: &form.sin6_addr) { unsafe $0.copyBytes(from: v6.octets) }
            return lend(form)
        }
    }

    /// Reads the kernel's form, whichever family it is; nil for other families.
    package init?(_ storage: sockaddr_storage) {
        let bytes = unsafe withUnsafeBytes(of: storage) { unsafe Array($0.prefix(28)) }
        port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        switch CInt(storage.ss_family) {
        case AF_INET:
            guard let address = IPAddress(octets: bytes[4..<8]) else { return nil }
            self.address = address
            scope = 0
        case AF_INET6:
            guard let address = IPAddress(octets: bytes[8..<24]) else { return nil }
            self.address = address
            scope = (0..<4).reduce(0) { $0 | UInt32(bytes[24 + $1]) << UInt32(8 * $1) }.littleEndian
        default:
            return nil
        }
    }
}

extension FileDescriptor {
    /// Gives the socket its own address.
    package func bind(to address: SocketAddress) throws(SystemError) {
        let number = number
        try check("bind", address.address.description) {
            unsafe address.withSockaddr { unsafe Glibc.bind(number, $0, $1) }
        }
    }

    /// Sends and receives by the interface of this name only.
    package func bind(toInterface name: String) throws(SystemError) {
        let number = number
        try check("setsockopt", "SO_BINDTODEVICE \(name)") {
            unsafe setsockopt(number, SOL_SOCKET, SO_BINDTODEVICE, name, socklen_t(name.utf8.count))
        }
    }
}
