// DatagramBatch: what has arrived at a socket, taken and answered by the batch: two system calls for up to 32 queries
// instead of 64. The memory is made once; nothing is allocated for a datagram. An answer goes back the way its query
// came: to the same address and port, from the address that was asked, which matters on hosts with several.

import CLinux
import Glibc

/// Whom a datagram is from, and our address that it came to: what an answer that comes later needs.
package struct DatagramOrigin: Hashable, Sendable {
    /// The sender.
    package var source: SocketAddress
    /// Ours, where the socket has more than one; nil: the kernel chooses.
    package var local: IPAddress?

    /// An origin.
    package init(_ source: SocketAddress, local: IPAddress? = nil) {
        self.source = source
        self.local = local
    }
}

/// Room for a batch of datagrams and their answers.
@safe package struct DatagramBatch: ~Copyable {
    private let batch: OpaquePointer

    /// Datagrams in a batch, at most.
    package static let size = Int(QURE_BATCH_SIZE)
    /// Octets of an answer, at most: what passes every path (DNS flag day 2020).
    package static let answerLength = Int(QURE_BATCH_ANSWER)

    /// An empty batch.
    package init() {
        guard let batch = unsafe qure_batch_create() else { fatalError("out of memory") }
        unsafe self.batch = batch
    }

    deinit { unsafe qure_batch_free(batch) }

    /// Takes what has arrived at `listener`, without waiting; the number of datagrams.
    package mutating func receive(from listener: borrowing DatagramListener) throws(SystemError) -> Int {
        let number = listener.descriptor
        return Int(try checkReady("recvmmsg", listener.name) { unsafe qure_batch_receive(batch, number) } ?? 0)
    }

    /// Lends the datagram at `index` to `body`.
    package func look<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        var length = 0
        let query = unsafe UnsafeBufferPointer(start: qure_batch_query(batch, CInt(index), &length), count: length)
        return unsafe body(Span(_unsafeElements: query))
    }

    /// Lends the datagram at `index` and room for its answer to `body`, which returns the answer's length; 0: none now.
    /// False: none was given.
    package mutating func answer(_ index: Int, _ body: (Span<UInt8>, inout MutableSpan<UInt8>) -> Int) -> Bool {
        var length = 0
        let query = unsafe UnsafeBufferPointer(start: qure_batch_query(batch, CInt(index), &length), count: length)
        let room = unsafe UnsafeMutableBufferPointer(
            start: qure_batch_answer(batch, CInt(index)), count: Self.answerLength)
        var answer = unsafe MutableSpan(_unsafeElements: room)
        let count = unsafe body(Span(_unsafeElements: query), &answer)
        precondition(count <= Self.answerLength, "an answer of \(count) octets")
        unsafe qure_batch_set_answer(batch, CInt(index), count)
        return count > 0
    }

    /// A copy of the datagram at `index`; empty where it was too long to be a query.
    package func query(_ index: Int) -> [UInt8] {
        var length = 0
        let start = unsafe qure_batch_query(batch, CInt(index), &length)
        return unsafe Array(UnsafeBufferPointer(start: start, count: length))
    }

    /// The sender's address alone, without allocating; nil for a family that is not ours.
    package func source(_ index: Int) -> IPAddress? {
        guard let storage = unsafe qure_batch_source(batch, CInt(index)) else { return nil }
        let bytes = unsafe UnsafeRawPointer(storage)
        switch unsafe CInt(storage.pointee.ss_family) {
        case AF_INET:
            let number = unsafe bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            return .v4(IPv4Address(rawValue: UInt32(bigEndian: number)))
        case AF_INET6:
            let number = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt128.self)
            return .v6(IPv6Address(rawValue: UInt128(bigEndian: number)))
        default: return nil
        }
    }

    /// Whom the datagram at `index` is from; nil for a family that is not ours.
    package func origin(_ index: Int) -> DatagramOrigin? {
        guard let storage = unsafe qure_batch_source(batch, CInt(index)),
            let source = unsafe SocketAddress(storage.pointee)
        else { return nil }
        let local = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { octets in
            let count = unsafe qure_batch_local(batch, CInt(index), octets.baseAddress)
            return unsafe count > 0 ? IPAddress(octets: octets.prefix(count)) : nil
        }
        return DatagramOrigin(source, local: local)
    }

    /// Sends the answers of the batch; how many the kernel would not take.
    package mutating func send(through listener: borrowing DatagramListener) -> Int {
        unsafe Int(qure_batch_send(batch, listener.descriptor))
    }
}

/// A socket that datagrams come to.
package struct DatagramListener: ~Copyable {
    private let socket: FileDescriptor
    /// Its address, for messages.
    package let name: String

    /// Listens at `address`. With `isShared`, other sockets of this process may, too, and the kernel spreads the
    /// clients over them.
    package init(_ address: DNSEndpoint, isShared: Bool) throws(SystemError) {
        let socket = try FileDescriptor(socket: CInt(address.address.family), type: .datagram)
        if isShared { try socket.setOption(SOL_SOCKET, SO_REUSEPORT, CInt(1), called: "SO_REUSEPORT") }
        if case .v6 = address.address {
            try socket.setOption(CInt(IPPROTO_IPV6), IPV6_V6ONLY, CInt(1), called: "IPV6_V6ONLY")
        }
        // Which of our addresses was asked is in question only where it may be any; to be told costs time.
        switch address.address {
        case .v4(.unspecified): try socket.setOption(CInt(IPPROTO_IP), IP_PKTINFO, CInt(1), called: "IP_PKTINFO")
        case .v6(.unspecified):
            try socket.setOption(CInt(IPPROTO_IPV6), IPV6_RECVPKTINFO, CInt(1), called: "IPV6_RECVPKTINFO")
        default: break
        }
        try socket.setRoomForBurst()
        try socket.bindForService(address)
        self.socket = socket
        name = address.description
    }

    /// A socket that somebody else has opened and bound. `name`: for messages. Nothing is known of where else it is
    /// bound to, so that our address is asked for with each datagram.
    package init(adopting socket: consuming FileDescriptor, name: String) throws(SystemError) {
        try socket.setNonBlocking()
        // One of the two is of the other family.
        do {
            try socket.setOption(CInt(IPPROTO_IP), IP_PKTINFO, CInt(1), called: "IP_PKTINFO")
        } catch {
            try socket.setOption(CInt(IPPROTO_IPV6), IPV6_RECVPKTINFO, CInt(1), called: "IPV6_RECVPKTINFO")
        }
        try? socket.setOption(CInt(IPPROTO_IPV6), IPV6_RECVPKTINFO, CInt(1), called: "IPV6_RECVPKTINFO")
        self.socket = socket
        self.name = name
    }

    /// For the poller.
    package var descriptor: CInt { socket.number }

    /// Sends a datagram to where one came from. What the kernel does not take is lost, as on the way.
    package func send(_ octets: [UInt8], to origin: DatagramOrigin) {
        let number = socket.number
        let local = origin.local?.octets ?? []
        _ = unsafe origin.source.withSockaddr {
            unsafe qure_send_from(number, octets, octets.count, $0, $1, local, local.count)
        }
    }
}

extension FileDescriptor {
    /// A burst that comes while the worker is elsewhere waits in the socket. Who may administer the network gets the
    /// room for it, everybody else what the kernel allows (net.core.rmem_max, which is a tenth of it on many machines).
    fileprivate func setRoomForBurst() throws(SystemError) {
        let octets = CInt(1 << 20)
        do { try setOption(SOL_SOCKET, SO_RCVBUFFORCE, octets, called: "SO_RCVBUFFORCE") } catch {
            try setOption(SOL_SOCKET, SO_RCVBUF, octets, called: "SO_RCVBUF")
        }
    }

    /// Binds to an address that clients know; the error names address and port.
    func bindForService(_ address: DNSEndpoint) throws(SystemError) {
        do { try bind(to: SocketAddress(address)) } catch {
            throw SystemError("bind", address.description, errno: error.errno)
        }
    }
}
