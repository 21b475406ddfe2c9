// SocketConnection: connecting a socket, and writing to a stream that takes what it can. Shared by the sockets to
// servers of the DNS and to gateways, and by the probe of a connection.

import CLinux
import Glibc

extension FileDescriptor {
    /// Connects the socket; a stream may still be on its way there (EINPROGRESS). `label` is the peer's name in errors.
    func connect(to peer: SocketAddress, called label: @autoclosure () -> String? = nil) throws(SystemError) {
        let number = number
        try check("connect", label() ?? peer.address.description) {
            unsafe peer.withSockaddr { unsafe Glibc.connect(number, $0, $1) }
        }
    }

    /// Sends as much of `rest` as the stream to `peer` takes now, and takes that off it.
    func send(_ rest: inout ArraySlice<UInt8>, to peer: String) throws(SystemError) {
        let number = number
        while !rest.isEmpty {
            let part = Array(rest)
            let count = try checkReady("send", peer) {
                unsafe part.withUnsafeBytes { unsafe Glibc.send(number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            }
            guard let count else { return }
            rest = rest.dropFirst(count)
        }
    }
}
