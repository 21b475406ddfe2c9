// VirtualInterface: the macvlan that gives addresses a hardware address of their own, the same wherever they are. It
// is down, and so silent, until the addresses are put on it. The kernel answers ARP for any of its addresses on any
// interface unless told otherwise, so the interface below is told not to answer for ours with its own hardware
// address. What it was told before is noted on the macvlan itself (its alias), so that whoever removes the last
// macvlan can put it back, also after the maker has been killed.

import QureCore

struct VirtualInterface {
    let link: Link
    let parent: Link
    /// Whether it was made now, and not found.
    let isNew: Bool
    /// What could not be set, and is no reason to do without it.
    private(set) var trouble: SystemError?
    /// What the settings of the interface below were before the first macvlan needed others.
    private let former: [ConfigurationKey: Int32]

    private static let namePrefix = "qure"

    /// The name of the macvlan with this hardware address: the parent's index, then as many digits as fit into the
    /// kernel's 15 bytes.
    static func name(_ mac: MACAddress, over parent: Link) -> String {
        let start = "\(namePrefix)\(parent.index)-"
        return start + String(String(mac.rawValue, radix: 16).suffix(15 - start.utf8.count))
    }

    /// Whether it is a macvlan of ours, by its kind and name.
    static func isOurs(_ link: Link) -> Bool { link.kind == "macvlan" && link.name.hasPrefix(namePrefix) }

    /// Those of ours over an interface.
    static func all(over parent: Int, _ netlink: inout Netlink) throws(SystemError) -> [Link] {
        try netlink.links().filter { isOurs($0) && $0.parent == parent }
    }

    /// Makes it. One that is there already is used again if `keepsExisting`, made anew otherwise. `lost` is one that
    /// somebody has removed, and that this one replaces.
    init(
        _ mac: MACAddress, over parent: Link, keepsExisting: Bool, replacing lost: VirtualInterface? = nil,
        _ netlink: inout Netlink
    ) throws {
        let name = Self.name(mac, over: parent)
        if let left = try netlink.link(named: name) {
            guard Self.isOurs(left), left.parent == parent.index else {
                throw Failure(.usage, "\(name): an interface of this name exists and is not ours")
            }
            if keepsExisting && left.mac == mac {
                self.init(link: left, parent: parent, isNew: false, former: Self.settings(left.alias))
                return
            }
            try Self.remove(left, &netlink)
        }
        let former = try lost?.former ?? Self.formerSettings(of: parent.index, &netlink)
        let made = try netlink.addMacvlan(named: name, over: parent.index, mac: mac)
        self.init(link: made, parent: parent, isNew: true, former: former)
        do {
            try netlink.setAlias(Self.note(former), of: made.index)
            // Its own link-local address would be the same on every host, and two are up while one hands over.
            try? netlink.setNoOwnIPv6Address(of: made.index)
            // An interface that answers even less than is needed stays as it is.
            try netlink.setConfiguration(
                interface: parent.index, Self.needed.filter { former[$0.key, default: 0] < $0.value })
            // Answers leave by the interface below: reverse-path checks are loose, and ARP is answered all the same.
            try netlink.setConfiguration(interface: made.index, [.arpIgnore: 1, .rpFilter: 2, .acceptLocal: 1])
            trouble = Self.ignoreRouters(made)
        } catch {
            try? remove(&netlink)
            throw error
        }
    }

    /// Routers are the business of the interface below: their advertisements would give this one an address and routes.
    /// There is no netlink for that, and where /proc/sys is read-only there is no way; returns why not.
    private static func ignoreRouters(_ made: Link) -> SystemError? {
        let setting = "net/ipv6/conf/\(made.name)/accept_ra"
        do {
            guard let value = try Sysctl.read(setting), value != "0" else { return nil }
            try Sysctl.write(setting, "0")
            return nil
        } catch { return error }
    }

    private init(link: Link, parent: Link, isNew: Bool, former: [ConfigurationKey: Int32]) {
        self.link = link
        self.parent = parent
        self.isNew = isNew
        self.former = former
    }

    /// Removes it, and puts the settings of the interface below back if it was the last one.
    func remove(_ netlink: inout Netlink) throws(SystemError) {
        _ = try netlink.removeLink(link.index)
        guard try Self.all(over: parent.index, &netlink).isEmpty, !former.isEmpty else { return }
        try netlink.setConfiguration(interface: parent.index, former)
    }

    /// The same for one that another process has made.
    static func remove(_ link: Link, _ netlink: inout Netlink) throws(SystemError) {
        guard let number = link.parent, let parent = try netlink.link(index: number) else { return }
        try VirtualInterface(link: link, parent: parent, isNew: false, former: settings(link.alias)).remove(&netlink)
    }

    /// The netlink requests that do the same, for the guard.
    func removalMessages(_ netlink: inout Netlink) throws(SystemError) -> [UInt8] {
        let removal = Netlink.removalMessage(link: link.index)
        guard try Self.all(over: parent.index, &netlink).count == 1, !former.isEmpty else { return removal }
        return removal + Netlink.configurationMessage(interface: parent.index, former)
    }

    // MARK: The settings of the interface below

    /// It must not answer for our addresses, nor ask in their name, which its neighbours would learn from.
    private static let needed: [ConfigurationKey: Int32] = [.arpIgnore: 1, .arpFilter: 1, .arpAnnounce: 2]

    /// What the settings were before the first macvlan needed others.
    private static func formerSettings(
        of parent: Int, _ netlink: inout Netlink
    ) throws(SystemError) -> [ConfigurationKey: Int32] {
        for sibling in try all(over: parent, &netlink) {
            let noted = settings(sibling.alias)
            if !noted.isEmpty { return noted }
        }
        return try netlink.configuration(interface: parent).filter { needed[$0.key] != nil }
    }

    private static func note(_ former: [ConfigurationKey: Int32]) -> String {
        let words = former.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key)=\($0.value)" }
        return "qure-claim; before: " + words.joined(separator: " ")
    }

    private static func settings(_ note: String?) -> [ConfigurationKey: Int32] {
        var settings: [ConfigurationKey: Int32] = [:]
        for word in (note ?? "").split(separator: " ") {
            let pair = word.split(separator: "=")
            guard pair.count == 2, let key = ConfigurationKey.allCases.first(where: { "\($0)" == pair[0] }) else {
                continue
            }
            settings[key] = Int32(pair[1])
        }
        return settings
    }
}
