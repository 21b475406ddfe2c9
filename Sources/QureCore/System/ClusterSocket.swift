// ClusterSocket: the datagrams of a cluster on one link: to a multicast group that every switch floods (224.0.0.0/24,
// ff02::/16), and from member to member. They leave from an address of the interface's own, never from the shared one,
// with a hop limit of 255, and only what arrives with 255 is taken: nothing that crossed a router (RFC 5082).

import CLinux
import Glibc

/// Sends to and receives from the members on one link.
package struct ClusterSocket: ~Copyable {
    /// A datagram from a member, or from whoever pretends to be one.
    package struct Datagram: Sendable {
        /// The whole datagram.
        package var bytes: [UInt8]
        /// Where it came from.
        package var source: SocketAddress
        /// When the kernel received it.
        package var received: Instant
        /// Whether it came to the group, not to this host alone.
        package var isToGroup: Bool
    }

    private let groupSocket: FileDescriptor
    private let ownSocket: FileDescriptor
    private let group: SocketAddress
    /// This host's own address, which everything is sent from.
    package let own: SocketAddress
    /// Whether another program has the port at this host's own address; told to guests only.
    package let isBesideAnother: Bool
    /// Datagrams that came with a smaller hop limit, and so perhaps from far away.
    package private(set) var strayed = 0

    /// A socket on the interface of this index and name, that sends from `own`, an address of the group's family.
    /// A guest, who is no member, hears what it sends to the group as the members of this host would, and takes nothing
    /// away from one that runs here: it speaks from another port then.
    /// Errors: EADDRNOTAVAIL if the address is not there, EADDRINUSE if another program has the port, ENODEV.
    package init(
        group: IPAddress, port: UInt16, own address: IPAddress, interface index: Int, name: String,
        isGuest: Bool = false
    ) throws(SystemError) {
        let scope = UInt32(address.bitWidth == 128 ? index : 0)
        let group = SocketAddress(group, port: port, scope: scope)
        let groupSocket = try Self.open(group, interface: name)
        var own = SocketAddress(address, port: port, scope: scope)
        let isBesideAnother = isGuest ? try Self.isTaken(own, interface: name) : false
        if isBesideAnother { own.port = 0 }
        let ownSocket = try Self.open(own, interface: name)
        let loop = CInt(isGuest ? 1 : 0)
        let level = CInt(address.bitWidth == 32 ? IPPROTO_IP : IPPROTO_IPV6)
        if case .v4(let groupAddress) = group.address, case .v4(let v4) = address {
            let request = ip_mreqn(
                imr_multiaddr: in_addr(s_addr: groupAddress.rawValue.bigEndian),
                imr_address: in_addr(s_addr: v4.rawValue.bigEndian), imr_ifindex: CInt(index))
            try groupSocket.setOption(level, CInt(IP_ADD_MEMBERSHIP), request, called: "IP_ADD_MEMBERSHIP")
            try ownSocket.setOption(level, CInt(IP_MULTICAST_IF), request, called: "IP_MULTICAST_IF")
            try ownSocket.setOption(level, CInt(IP_MULTICAST_TTL), CInt(255), called: "IP_MULTICAST_TTL")
            try ownSocket.setOption(level, CInt(IP_TTL), CInt(255), called: "IP_TTL")
            try ownSocket.setOption(level, CInt(IP_MULTICAST_LOOP), loop, called: "IP_MULTICAST_LOOP")
            // The largest message is a packet of 540 bytes, which passes everywhere. What is never cut to pieces needs
            // no identification (RFC 6864, section 4.1), which the kernel would look up in its tables, and roll dice
            // for, with each heartbeat.
            try ownSocket.setOption(level, CInt(IP_MTU_DISCOVER), CInt(IP_PMTUDISC_PROBE), called: "IP_MTU_DISCOVER")
        } else if case .v6(let groupAddress) = group.address {
            // struct ipv6_mreq: the group, then the interface.
            let request = unsafe groupAddress.octets + withUnsafeBytes(of: UInt32(index)) { unsafe Array($0) }
            try groupSocket.setOption(level, CInt(IPV6_JOIN_GROUP), bytes: request, called: "IPV6_JOIN_GROUP")
            try ownSocket.setOption(level, CInt(IPV6_MULTICAST_IF), CInt(index), called: "IPV6_MULTICAST_IF")
            try ownSocket.setOption(level, CInt(IPV6_MULTICAST_HOPS), CInt(255), called: "IPV6_MULTICAST_HOPS")
            try ownSocket.setOption(level, CInt(IPV6_UNICAST_HOPS), CInt(255), called: "IPV6_UNICAST_HOPS")
            try ownSocket.setOption(level, CInt(IPV6_MULTICAST_LOOP), loop, called: "IPV6_MULTICAST_LOOP")
        }
        self.groupSocket = groupSocket
        self.ownSocket = ownSocket
        self.group = group
        self.own = own
        self.isBesideAnother = isBesideAnother
    }

    /// Whether the port is somebody's. Two sockets that share a port both get what comes to the group, but what comes
    /// to the host's own address goes to one of them alone.
    private static func isTaken(_ address: SocketAddress, interface: String) throws(SystemError) -> Bool {
        let isV4 = address.address.bitWidth == 32
        let socket = try FileDescriptor(socket: isV4 ? AF_INET : AF_INET6, type: .datagram)
        try socket.bind(toInterface: interface)
        do { try socket.bind(to: address) } catch {
            guard error.errno.rawValue == EADDRINUSE else { throw error }
            return true
        }
        return false
    }

    private static func open(_ address: SocketAddress, interface: String) throws(SystemError) -> FileDescriptor {
        let isV4 = address.address.bitWidth == 32
        let socket = try FileDescriptor(socket: isV4 ? AF_INET : AF_INET6, type: .datagram)
        try socket.setOption(SOL_SOCKET, SO_TIMESTAMPNS, CInt(1), called: "SO_TIMESTAMPNS")
        try socket.setOption(SOL_SOCKET, SO_RCVBUF, CInt(1 << 20), called: "SO_RCVBUF")
        if isV4 {
            try socket.setOption(CInt(IPPROTO_IP), CInt(IP_RECVTTL), CInt(1), called: "IP_RECVTTL")
        } else {
            try socket.setOption(CInt(IPPROTO_IPV6), CInt(IPV6_V6ONLY), CInt(1), called: "IPV6_V6ONLY")
            try socket.setOption(CInt(IPPROTO_IPV6), CInt(IPV6_RECVHOPLIMIT), CInt(1), called: "IPV6_RECVHOPLIMIT")
        }
        // Several clusters, each with a process of its own, may share the group and the port.
        try socket.setOption(SOL_SOCKET, SO_REUSEADDR, CInt(1), called: "SO_REUSEADDR")
        try socket.bind(toInterface: interface)
        try socket.bind(to: address)
        return socket
    }

    /// The descriptors, for the poller: both are drained with `receive`.
    package var descriptors: [CInt] { [groupSocket.number, ownSocket.number] }

    /// Sends to all members, or to one. Errors: ENETDOWN, ENETUNREACH and the like while the link is down.
    package func send(_ bytes: ArraySlice<UInt8>, to destination: SocketAddress? = nil) throws(SystemError) {
        let number = ownSocket.number
        let target = destination ?? group
        _ = try check("send", target.address.description) {
            unsafe target.withSockaddr { address, length in
                unsafe bytes.withUnsafeBytes {
                    unsafe sendto(
                        number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT), address, length)
                }
            }
        }
    }

    /// What has arrived until now, the oldest of each socket first. What arrives while it reads is left for the next
    /// time, as far as it was not read already: a flood must not keep the reader from everything else.
    package mutating func receive() throws(SystemError) -> [Datagram] {
        let begun = Clock.now
        var datagrams: [Datagram] = []
        for number in descriptors {
            var source = sockaddr_storage()
            while let message = try ReceivedMessage(from: number, source: &source, object: "cluster") {
                if message.hopLimit == 255, let from = SocketAddress(source) {
                    datagrams.append(
                        Datagram(
                            bytes: message.bytes, source: from, received: message.received,
                            isToGroup: number == groupSocket.number))
                } else {
                    strayed += 1
                }
                if message.received > begun { break }
            }
        }
        return datagrams
    }
}
