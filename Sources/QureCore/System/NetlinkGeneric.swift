// Generic netlink: families of the kernel's that are found by their names, and the one of them that matters here:
// ACPI's events, by which a machine without logind learns that somebody pressed its power button
// (Documentation/userspace-api/netlink/intro.rst; drivers/acpi/event.c). Listening needs no privilege.

import CNetlink
import Glibc

/// A family of generic netlink.
package struct GenericFamily: Equatable {
    /// What the type of its messages is.
    package let number: UInt16
    /// Its multicast groups.
    package let groups: [String: UInt32]

    /// The family of this name; nil where the kernel has none.
    package init?(named name: String) throws(SystemError) {
        var socket = try NetlinkSocket(NETLINK_GENERIC)
        let request = NetlinkRequest(
            Int(GENL_ID_CTRL), fixed: genlmsghdr(cmd: UInt8(CTRL_CMD_GETFAMILY), version: 1, reserved: 0),
            call: "find netlink family", object: name)
        request.put(CTRL_ATTR_FAMILY_NAME, name)
        let answers: [NetlinkMessage]
        do { answers = try socket.exchange(request) } catch {
            guard error.errno == .noEntry else { throw error }
            return nil
        }
        for answer in answers {
            guard let family = GenericFamily(answer) else { continue }
            self = family
            return
        }
        return nil
    }

    /// What an answer says of a family.
    init?(_ message: NetlinkMessage) {
        let attributes = message.attributes(after: genlmsghdr.self)
        guard let number = attributes.load(CTRL_ATTR_FAMILY_ID, as: UInt16.self) else { return nil }
        self.number = number
        var groups: [String: UInt32] = [:]
        for (_, value) in attributes.nested(CTRL_ATTR_MCAST_GROUPS) ?? NetlinkAttributes([]) {
            let group = NetlinkAttributes(value)
            if let name = group.text(CTRL_ATTR_MCAST_GRP_NAME) {
                groups[name] = group.load(CTRL_ATTR_MCAST_GRP_ID, as: UInt32.self)
            }
        }
        self.groups = groups
    }
}

/// An event of ACPI's: a button, a lid, a supply.
package struct ACPIEvent: Equatable, Sendable {
    /// What kind of device it is from, such as `button/power`.
    package var deviceClass: String
    /// Which device it is from, such as `LNXPWRBN:00`.
    package var device: String
    /// What happened there.
    package var type: UInt32
    /// How often.
    package var count: UInt32

    /// Whether somebody pressed the power button. (0x80: pressed; a wake-up by it says something else.)
    package var isPowerButton: Bool { deviceClass == "button/power" && type == 0x80 }

    /// struct acpi_genl_event: two texts in 20 and 15 bytes, and two numbers at the next multiple of four.
    private static let deviceOffset = 20, typeOffset = 36, length = 44

    /// The events in what the kernel sends to the family of this number.
    package static func events(in datagram: [UInt8], of family: UInt16) -> [ACPIEvent] {
        events(in: NetlinkMessage.messages(in: datagram), of: family)
    }

    static func events(in messages: [NetlinkMessage], of family: UInt16) -> [ACPIEvent] {
        messages.filter { $0.type == Int(family) }.compactMap(ACPIEvent.init)
    }

    private init?(_ message: NetlinkMessage) {
        guard message.fixed(as: genlmsghdr.self)?.cmd == 1,
            let bytes = message.attributes(after: genlmsghdr.self)[1], bytes.count >= Self.length,
            let type = bytes.dropFirst(Self.typeOffset).load(as: UInt32.self),
            let count = bytes.dropFirst(Self.typeOffset + 4).load(as: UInt32.self)
        else { return nil }
        func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
        deviceClass = text(bytes.prefix(Self.deviceOffset))
        device = text(bytes.dropFirst(Self.deviceOffset).prefix(15))
        self.type = type
        self.count = count
    }
}

/// A subscription to ACPI's events.
package struct ACPIMonitor: ~Copyable {
    private let socket: NetlinkSocket
    private let family: UInt16

    /// Listens from now on; nil where the kernel has no such events.
    package init?() throws(SystemError) {
        guard let family = try GenericFamily(named: "acpi_event"), let group = family.groups["acpi_mc_group"] else {
            return nil
        }
        let socket = try NetlinkSocket(NETLINK_GENERIC)
        try socket.subscribe(to: [group])
        self.socket = socket
        self.family = family.number
    }

    /// For the poller.
    package var descriptor: CInt { socket.descriptor }

    /// What has happened since the last time. What could not be kept for us is lost.
    package func read() -> [ACPIEvent] {
        var events: [ACPIEvent] = []
        for _ in 0..<64 {
            do {
                guard let messages = try socket.receive(for: "receive ACPI events") else { break }
                events += ACPIEvent.events(in: messages, of: family)
            } catch { continue }
        }
        return events
    }
}
