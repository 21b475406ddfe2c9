// PacketSocket: frames of one protocol on one interface (packet(7)), with the Ethernet header made and taken off by the
// kernel. It needs no address on the interface, sees what is meant for others' addresses, and sends what the IP stack
// would not (a probe without sender). The filter stands before the first frame can arrive. Needs CAP_NET_RAW.

import CLinux
import Glibc

/// Sends and receives the packets of one EtherType on one interface.
package struct PacketSocket: ~Copyable {
    /// An EtherType.
    package struct EtherType: RawRepresentable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        package static let ipv4 = EtherType(rawValue: 0x0800)
        package static let arp = EtherType(rawValue: 0x0806)
        package static let ipv6 = EtherType(rawValue: 0x86dd)
    }

    /// A packet from the link.
    package struct Frame: Sendable {
        /// The hardware address that sent it.
        package var source: MACAddress
        /// The packet behind the Ethernet header, with the frame's padding.
        package var bytes: [UInt8]
        /// When the kernel received it.
        package var received: Instant
    }

    private let socket: FileDescriptor
    private let interface: Int32
    private let type: EtherType
    private let name: String
    /// Received frames that one call of `receive` takes at most, so that a flood does not starve the loop.
    private static let batch = 64
    /// PACKET_IGNORE_OUTGOING, if_packet.h, which glibc's header leaves out: our own frames are no evidence.
    private static let ignoreOutgoing: CInt = 23

    /// A socket bound to the interface with this index; `name` is for error messages.
    package init(
        _ type: EtherType, interface index: Int, name: String, filter: PacketFilter
    ) throws(SystemError) {
        let socket = try FileDescriptor(socket: AF_PACKET, type: .datagram)
        try Self.attach(filter, to: socket)
        try socket.setOption(SOL_PACKET, Self.ignoreOutgoing, CInt(1), called: "PACKET_IGNORE_OUTGOING")
        try socket.setOption(SOL_SOCKET, SO_TIMESTAMPNS, CInt(1), called: "SO_TIMESTAMPNS")
        let number = socket.number
        var address = Self.link(type, Int32(index), to: .zero)
        try check("bind", name) {
            unsafe withUnsafePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe Glibc.bind(number, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
                }
            }
        }
        self.socket = socket
        interface = Int32(index)
        self.type = type
        self.name = name
    }

    /// The descriptor, for the poller.
    package var descriptor: CInt { socket.number }

    /// Replaces the filter.
    package func setFilter(_ filter: PacketFilter) throws(SystemError) {
        try Self.attach(filter, to: socket)
    }

    private static func attach(_ filter: PacketFilter, to socket: borrowing FileDescriptor) throws(SystemError) {
        let number = socket.number
        var program = filter.program
        try check("setsockopt", "SO_ATTACH_FILTER") {
            unsafe program.withUnsafeMutableBufferPointer { instructions in
                var header = unsafe sock_fprog(len: UInt16(instructions.count), filter: instructions.baseAddress)
                return unsafe setsockopt(
                    number, SOL_SOCKET, SO_ATTACH_FILTER, &header, socklen_t(MemoryLayout<sock_fprog>.size))
            }
        }
    }

    /// Takes frames to this multicast hardware address too, as long as the socket lives; nil: to any.
    package func join(_ group: MACAddress?) throws(SystemError) {
        var request = packet_mreq()
        request.mr_ifindex = interface
        request.mr_type = UInt16(group == nil ? PACKET_MR_ALLMULTI : PACKET_MR_MULTICAST)
        request.mr_alen = 6
        request.mr_address = Self.hardware(group ?? .zero)
        try socket.setOption(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request, called: "PACKET_ADD_MEMBERSHIP")
    }

    /// Sends one packet to a hardware address of this link.
    package func send(_ bytes: [UInt8], to destination: MACAddress) throws(SystemError) {
        var address = Self.link(type, interface, to: destination)
        _ = try check("send", name) {
            unsafe withUnsafePointer(to: &address) { address in
                unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    unsafe bytes.withUnsafeBytes { bytes in
                        unsafe sendto(
                            socket.number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL), address,
                            socklen_t(MemoryLayout<sockaddr_ll>.size))
                    }
                }
            }
        }
    }

    /// What has arrived, oldest first; empty when there is nothing more. Ask again until it is empty before judging
    /// silence.
    package func receive() throws(SystemError) -> [Frame] {
        var frames: [Frame] = []
        while frames.count < Self.batch, let frame = try receiveOne() { frames.append(frame) }
        return frames
    }

    private func receiveOne() throws(SystemError) -> Frame? {
        var source = sockaddr_ll()
        guard let message = try ReceivedMessage(from: socket.number, source: &source, object: name) else { return nil }
        let octets = unsafe withUnsafeBytes(of: source.sll_addr) { unsafe Array($0.prefix(6)) }
        guard let mac = MACAddress(octets: octets) else { return nil }
        return Frame(source: mac, bytes: message.bytes, received: message.received)
    }

    private static func link(_ type: EtherType, _ interface: Int32, to destination: MACAddress) -> sockaddr_ll {
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = type.rawValue.bigEndian
        address.sll_ifindex = interface
        address.sll_halen = 6
        address.sll_addr = hardware(destination)
        return address
    }

    private static func hardware(
        _ address: MACAddress
    ) -> (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) {
        let octets = address.octets
        return (octets[0], octets[1], octets[2], octets[3], octets[4], octets[5], 0, 0)
    }
}
