// RawLink: whole Ethernet frames as a test wants them, header included, on one interface of this process: frames of
// hosts that do not exist, with tags, cut short, or many thousand a second.

import CLinux
import Glibc
package import QureCore
import Synchronization

/// Sends and receives whole frames on one interface.
package final class RawLink {
    private let socket: FileDescriptor
    private let index: CInt

    /// A socket for all frames of the interface.
    package init(interface name: String) throws {
        socket = try FileDescriptor(socket: AF_PACKET, type: .raw, protocol: CInt(UInt16(ETH_P_ALL).bigEndian))
        index = CInt(if_nametoindex(name))
        precondition(index > 0, "\(name) is not there")
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = UInt16(ETH_P_ALL).bigEndian
        address.sll_ifindex = index
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.number, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
        guard bound == 0 else { throw SystemError("bind", name, errno: .current) }
    }

    /// Sends one frame; false: the kernel had no room for it.
    @discardableResult
    package func send(_ frame: [UInt8]) -> Bool { Glibc.send(socket.number, frame, frame.count, 0) == frame.count }

    /// The next frame; nil when there is none.
    package func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 2048)
        let count = recv(socket.number, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        return count > 0 ? Array(buffer.prefix(count)) : nil
    }

    /// An Ethernet frame, optionally with the tag of a VLAN.
    package static func frame(
        from source: MACAddress, to destination: MACAddress = .broadcast, vlan: UInt16? = nil, type: UInt16,
        _ payload: [UInt8]
    ) -> [UInt8] {
        var output = WireWriter()
        output.write(destination)
        output.write(source)
        if let vlan {
            output.write(UInt16(0x8100))
            output.write(vlan)
        }
        output.write(type)
        output.write(payload)
        return output.bytes
    }
}

/// Frames sent in the background at a steady rate, until it is stopped.
package final class Flood: @unchecked Sendable {
    private let link: RawLink
    private let frames: [[UInt8]]
    private let perSecond: Int
    private let isStopped = Atomic(false)
    private let sent = Atomic(0)
    private let start = Clock.now
    private var thread = pthread_t()

    /// Starts sending these frames in turn.
    package init(_ link: RawLink, _ frames: [[UInt8]], perSecond: Int) {
        self.link = link
        self.frames = frames
        self.perSecond = perSecond
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(&thread, nil, { Unmanaged<Flood>.fromOpaque($0!).takeRetainedValue().run() }, context)
    }

    private func run() -> UnsafeMutableRawPointer? {
        while !isStopped.load(ordering: .relaxed) {
            let due = Int((Clock.now - start) / .seconds(1) * Double(perSecond))
            let done = sent.load(ordering: .relaxed)
            // Never more than a tenth of a second's at once, however long this machine was busy with others.
            let first = max(done, due - perSecond / 10)
            for index in first..<max(done, due) where link.send(frames[index % frames.count]) {
                sent.add(1, ordering: .relaxed)
            }
            if due <= done { usleep(500) }
        }
        return nil
    }

    /// Stops sending; says how many frames were sent, and in what time.
    @discardableResult
    package func stop() -> (frames: Int, time: Duration) {
        if !isStopped.exchange(true, ordering: .relaxed) { pthread_join(thread, nil) }
        return (sent.load(ordering: .relaxed), Clock.now - start)
    }
}
