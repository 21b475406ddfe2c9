// ConnectionProbe: a TCP connection attempt whose only purpose is to make the other side send something back. A refusal
// proves as much as a connection does.

import CLinux
import Glibc

/// A connection that is being attempted.
package struct ConnectionProbe: ~Copyable {
    private let socket: FileDescriptor

    /// Begins to connect from `source` to `destination` by the named interface, or by the one that the routes tell.
    package init(from source: SocketAddress, to destination: SocketAddress, interface: String?) throws(SystemError) {
        let socket = try FileDescriptor(socket: CInt(source.address.family), type: .stream)
        if let interface { try socket.bind(toInterface: interface) }
        try socket.bind(to: source)
        do {
            try socket.connect(to: destination)
        } catch where error.errno == .inProgress {}
        self.socket = socket
    }

    /// Writable when the attempt has ended; for the poller (`addForWriting`).
    package var descriptor: CInt { socket.number }

    /// How the attempt stands.
    package enum State: Sendable {
        case pending
        /// The other side answered, by accepting or by refusing.
        case answered
        /// Nothing came back.
        case failed
    }

    /// How the attempt stands now.
    package var state: State {
        var request = pollfd(fd: socket.number, events: Int16(POLLOUT), revents: 0)
        // Until it can be written, its error is still to come and reads as none.
        guard unsafe poll(&request, 1, 0) == 1 else { return .pending }
        var error: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard unsafe getsockopt(socket.number, SOL_SOCKET, SO_ERROR, &error, &length) == 0 else { return .failed }
        return error == 0 || error == ECONNREFUSED ? .answered : .failed
    }
}
