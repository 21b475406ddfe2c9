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
        case .v4(let v4):
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = port.bigEndian
            // By bytes: which module the field belongs to depends on what else is imported.
            unsafe withUnsafeMutableBytes(of: &form.sin_addr) {
                unsafe $0.storeBytes(of: v4.rawValue.bigEndian, as: UInt32.self)
            }
            return lend(form)
        case .v6(let v6):
            var form = sockaddr_in6()
            form.sin6_family = sa_family_t(AF_INET6)
            form.sin6_port = port.bigEndian
            form.sin6_scope_id = scope
            unsafe withUnsafeMutableBytes(of: &form.sin6_addr) {
                unsafe $0.storeBytes(of: v6.rawValue.bigEndian, as: UInt128.self)
            }
            return lend(form)
        }
    }

    /// Reads the kernel's form, whichever family it is; nil for other families.
    package init?(_ storage: sockaddr_storage) {
        func load<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int) -> Value {
            unsafe withUnsafeBytes(of: storage) { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
        }
        port = UInt16(bigEndian: load(2))
        switch CInt(storage.ss_family) {
        case AF_INET:
            address = .v4(IPv4Address(rawValue: UInt32(bigEndian: load(4))))
            scope = 0
        case AF_INET6:
            address = .v6(IPv6Address(rawValue: UInt128(bigEndian: load(8))))
            scope = load(24)
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
