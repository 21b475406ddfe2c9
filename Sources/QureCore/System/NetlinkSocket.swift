// NetlinkSocket: a netlink socket of any family, by libnl, and the exchange of one request for its answers.
// The kernel answers a request before sendto returns, so an exchange never waits. Its refusals arrive as an errno in
// an NLMSG_ERROR, which leaves here as a SystemError; libnl's own receiving loop would turn it into a code of its own.

import CNetlink
import Glibc

/// A socket to one family of the kernel's netlink.
@safe struct NetlinkSocket: ~Copyable {
    private let socket: OpaquePointer
    private var sequence: UInt32 = 0
    /// Dumps come in parts of at most 32 KiB, and no single message that is asked for here is longer than 64.
    private static let bufferSize = 65536

    /// A connected socket of the family `number` (NETLINK_ROUTE, NETLINK_NETFILTER).
    /// Errors: EPROTONOSUPPORT where the kernel does not have it.
    init(_ number: Int32) throws(SystemError) {
        guard let socket = unsafe nl_socket_alloc() else { throw SystemError("netlink socket", errno: .noBuffers) }
        guard unsafe nl_connect(socket, number) == 0 else {
            let errno = Errno.current
            unsafe nl_socket_free(socket)
            throw SystemError("netlink socket", errno: errno)
        }
        unsafe self.socket = unsafe socket
    }

    deinit { unsafe nl_socket_free(socket) }

    /// The number of its descriptor, for a poller and for socket options.
    var descriptor: CInt { unsafe nl_socket_get_fd(socket) }

    /// Sends a batch of messages that ask for no answer. The kernel acts on them before sendto returns; only refusals
    /// are answered, so silence is consent. The socket must not block. Errors: the first refusal.
    func transact(_ batch: [UInt8], called call: String) throws(SystemError) {
        try send(batch, for: call)
        var refusal: Errno?
        while let messages = try receive(for: call) {
            for message in messages where message.type == Int(NLMSG_ERROR) { refusal = refusal ?? message.failure }
        }
        if let refusal { throw SystemError(call, errno: refusal) }
    }

    /// Makes it a listener to `groups` (RTNLGRP_*) that never blocks.
    func subscribe(to groups: [UInt32]) throws(SystemError) {
        unsafe nl_socket_set_nonblocking(socket)
        for group in groups {
            try check("join netlink group", "\(group)") {
                unsafe nl_socket_add_membership(socket, Int32(group)) == 0 ? 0 : -1
            }
        }
    }

    /// Sends `bytes`, one or more whole messages, to the kernel.
    func send(_ bytes: [UInt8], for call: String) throws(SystemError) {
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        try check(call) {
            unsafe withUnsafePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
                }
            }
        }
    }

    /// The messages of the next datagram from the kernel; nil if the socket does not block and nothing is there.
    /// Errors: ENOBUFS where messages were lost.
    func receive(for call: String) throws(SystemError) -> [NetlinkMessage]? {
        var address = sockaddr_nl()
        var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
        var received = -1
        let datagram = unsafe [UInt8](unsafeUninitializedCapacity: Self.bufferSize) { buffer, count in
            received = unsafe withUnsafeMutablePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe recvfrom(descriptor, buffer.baseAddress, Self.bufferSize, 0, $0, &length)
                }
            }
            count = max(received, 0)
        }
        if received >= 0 {
            // Port 0 is the kernel; a process with the capability may send here as well, and is not listened to.
            return address.nl_pid == 0 ? NetlinkMessage.messages(in: datagram) : []
        }
        switch Errno.current {
        case .wouldBlock: return nil
        case .interrupted: return []
        case let errno: throw SystemError(call, errno: errno)
        }
    }

    /// Numbers, sends and awaits `request`; returns the messages that answer it, without the acknowledgement.
    mutating func exchange(_ request: borrowing NetlinkRequest) throws(SystemError) -> [NetlinkMessage] {
        // A dump that the kernel says changed under its hands is asked for again; a table that never holds still
        // for so long is not believed to be there.
        for _ in 0..<20 {
            if let answers = try attempt(request) { return answers }
        }
        throw request.error(.interrupted)
    }

    private mutating func attempt(_ request: borrowing NetlinkRequest) throws(SystemError) -> [NetlinkMessage]? {
        sequence &+= 1
        try send(request.bytes(adding: NLM_F_ACK, sequence: sequence), for: "send netlink request")
        var answers: [NetlinkMessage] = []
        var torn = false
        while true {
            for message in try receive(for: "receive netlink answer") ?? [] where message.sequence == sequence {
                torn = torn || message.flags & NLM_F_DUMP_INTR != 0
                guard message.type == Int(NLMSG_ERROR) || message.type == Int(NLMSG_DONE) else {
                    answers.append(message)
                    continue
                }
                if let errno = message.failure { throw request.error(errno) }
                return torn ? nil : answers
            }
        }
    }
}
