// ServiceListener: the service manager's end of sd_notify(3): what a service says of itself, as it comes.

import Glibc
import QureCore

/// Listens where NOTIFY_SOCKET says.
package final class ServiceListener {
    private let socket: FileDescriptor
    private var heard: [String] = []

    /// Listens at `path`.
    package init(_ path: String) throws {
        let socket = try FileDescriptor(socket: AF_UNIX, type: .datagram)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket.number, $0, size) == 0 }
        }
        guard isBound else { throw SystemError("bind", path, errno: .current) }
        self.socket = socket
    }

    /// All that has been said so far.
    package var messages: [String] {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = recv(socket.number, &buffer, buffer.count, 0), count >= 0 {
            heard.append(String(decoding: buffer.prefix(count), as: UTF8.self))
        }
        return heard
    }
}
