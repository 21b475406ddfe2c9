// BusSocket: the connection to the system's message bus: a Unix socket by which descriptors travel as well as bytes.
// Nothing here waits: what is said is a few hundred bytes, and a bus that does not even take those is as good as gone.
// What the bytes mean is LoginWatch's business.

import CLinux
import Glibc

/// A connection to a message bus.
package struct BusSocket: ~Copyable {
    private let socket: FileDescriptor
    /// Descriptors that have come and that nobody has asked for yet, in order.
    private var waiting: [CInt] = []
    /// More than any honest message brings; what comes beyond it is closed at once.
    private static let maximumWaiting = 64

    /// Connects to the first of the places that is there. Errors: ENOENT and ECONNREFUSED where there is no bus, EAGAIN
    /// where it does not get round to us.
    package init(_ places: [String]) throws(SystemError) {
        var failure = SystemError("connect", "message bus", errno: .noEntry)
        for place in places {
            let socket = try FileDescriptor(socket: AF_UNIX, type: .stream)
            let number = socket.number
            let result = unsafe withUnixAddress(place) { unsafe connect(number, $0, $1) }
            if result == 0 {
                self.socket = socket
                return
            }
            failure = SystemError("connect", place, errno: .current)
        }
        throw failure
    }

    deinit { for descriptor in waiting { _ = close(descriptor) } }

    /// For the poller.
    package var descriptor: CInt { socket.number }

    /// Sends all of it now; false where that cannot be.
    package func send(_ bytes: [UInt8]) -> Bool {
        unsafe Glibc.send(socket.number, bytes, bytes.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)) == bytes.count
    }

    /// What one read brings: nil at the end or where the connection is broken, empty when there is nothing now.
    package mutating func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 16384)
        var descriptors = [CInt](repeating: -1, count: Self.maximumWaiting)
        var brought = 0
        let number = socket.number, size = buffer.count, room = Self.maximumWaiting - waiting.count
        let count: Int?
        do {
            count = try checkReady("recvmsg", "message bus") {
                unsafe qure_receive_descriptors(number, &buffer, size, &descriptors, room, &brought)
            }
        } catch { return nil }
        waiting += descriptors.prefix(brought)
        guard let count else { return [] }
        return count == 0 ? nil : Array(buffer.prefix(count))
    }

    /// The first descriptor that has come; nil if none has.
    package mutating func takeDescriptor() -> FileDescriptor? {
        waiting.isEmpty ? nil : FileDescriptor(owning: waiting.removeFirst())
    }
}

extension BusSocket {
    /// Where the system's bus is: what DBUS_SYSTEM_BUS_ADDRESS says, or the usual place.
    package static var systemPlaces: [String] {
        guard let text = unsafe getenv("DBUS_SYSTEM_BUS_ADDRESS") else { return ["/run/dbus/system_bus_socket"] }
        return DBusAddress.places(unsafe String(cString: text))
    }
}
