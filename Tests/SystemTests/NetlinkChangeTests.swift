// Errors, lifetimes, per-interface settings, neighbours, macvlan and the event stream of Netlink.

import CLinux
import Glibc
import Lab
import QureCore
import Testing

extension PrivateNetwork {
    private func left() throws -> Int {
        var netlink = try Netlink()
        return try #require(try netlink.link(named: "left")).index
    }

    @Test func `an error says what was tried, on what, and why not`() throws {
        var netlink = try Netlink()
        let prefix = try #require(Prefix("10.9.0.11/24"))
        let nowhere = AddressRequest(prefix: prefix, interface: 4711, origin: 77)
        #expect(throws: SystemError("add address", "10.9.0.11/24 interface 4711", errno: .noDevice)) {
            try netlink.setAddress(nowhere)
        }
        #expect(throws: SystemError("remove address", "10.9.0.11/24 interface 4711", errno: .noDevice)) {
            try netlink.removeAddress(prefix, interface: 4711)
        }
        #expect(throws: SystemError("set link up", "4711", errno: .noDevice)) { try netlink.setUp(4711, true) }
        #expect(throws: SystemError.self) { try netlink.configuration(interface: 4711) }
        #expect(throws: SystemError("set MAC of link", "0", errno: .noDevice)) { try netlink.setMAC(.zero, of: 0) }
        let failure = #expect(throws: SystemError.self) {
            try netlink.route(to: IPAddress.v4(.broadcast), interface: 4711)
        }
        #expect(failure?.errno == .noDevice)
        #expect(try !netlink.removeLink(4711))
    }

    @Test func `without the capability nothing is changed and the error says so`() async throws {
        await #expect(processExitsWith: .success) {
            var netlink = try Netlink()
            let link = try netlink.link(named: "left")
            guard let link, let prefix = Prefix("10.9.0.11/24"), dropCapabilities() else { exit(1) }
            do throws(SystemError) {
                try netlink.setAddress(AddressRequest(prefix: prefix, interface: link.index, origin: 77))
                exit(2)
            } catch {
                let isExpected = "\(error)" == "add address 10.9.0.11/24 left: Operation not permitted"
                exit(isExpected && error.isPermission ? 0 : 3)
            }
        }
    }

    @Test(arguments: ["10.9.0.11/24", "fd09::11/64"])
    func `the kernel removes an address whose lifetime nobody renews, and tells`(_ text: String) throws {
        let prefix = try #require(Prefix(text))
        var netlink = try Netlink()
        var monitor = try NetlinkMonitor()
        let request = try AddressRequest(
            prefix: prefix, interface: left(), validLifetime: .milliseconds(300), skipsDAD: true, origin: 77)
        let start = Clock.now
        try netlink.setAddress(request)
        var seen: [Change] = []
        let gone = try eventually {
            seen += try monitor.read()
            return seen.contains {
                if case .addressRemoved(let address) = $0 { address.prefix == prefix } else { false }
            }
        }
        #expect(gone)
        #expect((.seconds(1) ... .seconds(3)).contains(Clock.now - start))
        #expect(seen.contains { if case .address(let address) = $0 { address.origin == 77 } else { false } })
        #expect(try !netlink.addresses().contains { $0.prefix == prefix })
    }

    @Test func `deleting a first address takes the second along unless secondaries are promoted`() throws {
        var netlink = try Netlink()
        let index = try left()
        let first = try #require(Prefix("10.8.0.1/24"))
        let second = try #require(Prefix("10.8.0.2/24"))
        for promotes: Int32 in [0, 1] {
            try netlink.setConfiguration(interface: index, [.promoteSecondaries: promotes])
            for prefix in [first, second] {
                try netlink.setAddress(AddressRequest(prefix: prefix, interface: index, origin: 77))
            }
            #expect(try netlink.addresses(on: index).first { $0.prefix == second }?.isSecondary == true)
            #expect(try netlink.removeAddress(first, interface: index))
            #expect(try netlink.addresses(on: index).contains { $0.prefix == second } == (promotes == 1))
        }
    }

    @Test func `settings of an interface are changed without a file`() throws {
        var netlink = try Netlink()
        let index = try left()
        must("mount --bind -o ro /proc/sys /proc/sys")
        must("mount -o remount,bind,ro /proc/sys")
        defer { must("umount /proc/sys") }
        let wanted: [ConfigurationKey: Int32] = [
            .rpFilter: 2, .arpFilter: 1, .arpAnnounce: 2, .arpIgnore: 1, .promoteSecondaries: 1, .arpNotify: 1,
            .acceptLocal: 1,
        ]
        try netlink.setConfiguration(interface: index, wanted)
        #expect(try netlink.configuration(interface: index) == wanted)
        let files = ["rp_filter", "arp_filter", "arp_announce", "arp_ignore", "arp_notify", "accept_local"]
        for file in files {
            let expected = file == "rp_filter" || file == "arp_announce" ? "2" : "1"
            #expect(try Sysctl.read("net/ipv4/conf/left/\(file)") == expected)
        }
        let refusal = #expect(throws: SystemError.self) { try Sysctl.write("net/ipv6/conf/left/accept_dad", "0") }
        #expect(refusal?.errno == .readOnlyFileSystem)
        #expect(refusal?.object == "/proc/sys/net/ipv6/conf/left/accept_dad")
    }

    @Test func `a setting behind a file is written and read`() throws {
        try Sysctl.write("net/ipv6/conf/left/dad_transmits", "3")
        #expect(shell("cat /proc/sys/net/ipv6/conf/left/dad_transmits").output == "3\n")
        #expect(try Sysctl.read("net/ipv6/conf/left/dad_transmits") == "3")
        #expect(try Sysctl.read("net/ipv6/conf/left/no_such_setting") == nil)
        #expect(throws: SystemError("open", "/proc/sys/../x", errno: .invalid)) { try Sysctl.read("../x") }
    }

    @Test func `the neighbour table`() throws {
        var netlink = try Netlink()
        let index = try left()
        let mac = MACAddress("02:00:00:00:00:02")
        must("ip neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 nud permanent dev left")
        must("ping -c 1 -W 2 10.9.0.2")
        must("ping -c 1 -W 2 fd09::2")
        for text in ["10.9.0.2", "fd09::2"] {
            let address = try #require(IPAddress(text))
            let neighbour = try #require(try netlink.neighbour(address, on: index))
            #expect(neighbour.mac == mac && neighbour.interface == index && neighbour.address == address)
            #expect(!neighbour.state.isDisjoint(with: [.reachable, .delay, .stale, .probe]))
        }
        let fixed = try #require(try netlink.neighbours(on: index).first { $0.address == IPAddress("10.9.0.77") })
        #expect(fixed.state == .permanent && fixed.mac == MACAddress("02:00:00:00:00:77"))
        #expect(try netlink.neighbour(#require(IPAddress("10.9.0.99")), on: index) == nil)
        #expect(try netlink.neighbours(on: 4711).isEmpty)
    }

    @Test func `a macvlan comes, goes up, changes its MAC and goes`() throws {
        var netlink = try Netlink()
        let parent = try left()
        let mac = MACAddress(rawValue: 0x02_00_5e_00_01_0b)
        let link = try netlink.addMacvlan(named: "mv0", over: parent, mac: mac)
        #expect(link.kind == "macvlan" && link.parent == parent && link.mac == mac && !link.isUp)
        #expect(must("ip -d link show mv0").contains("macvlan mode bridge"))
        #expect(throws: SystemError("add macvlan", "mv0", errno: .exists)) {
            try netlink.addMacvlan(named: "mv0", over: parent, mac: mac)
        }
        try netlink.setUp(link.index, true)
        #expect(try netlink.link(index: link.index)?.isUp == true)
        try netlink.setMAC(MACAddress(rawValue: 0x02_00_5e_00_01_0c), of: link.index)
        #expect(try netlink.link(named: "mv0")?.mac == MACAddress("02:00:5e:00:01:0c"))
        try netlink.setUp(link.index, false)
        #expect(try netlink.removeLink(link.index) && !netlink.removeLink(link.index))
        #expect(try netlink.link(named: "mv0") == nil)
    }

    @Test func `the guard's messages do their work after its parent's death`() throws {
        var netlink = try Netlink()
        let index = try left()
        let prefixes = try ["10.9.0.11/24", "fd09::11/64"].map { try #require(Prefix($0)) }
        for prefix in prefixes {
            try netlink.setAddress(AddressRequest(prefix: prefix, interface: index, skipsDAD: true, origin: 77))
        }
        let macvlan = try netlink.addMacvlan(named: "mv0", over: index, mac: MACAddress(rawValue: 0x02_00_5e_00_01_0b))
        let messages =
            prefixes.flatMap { Netlink.removalMessage(prefix: $0, interface: index) }
            + Netlink.removalMessage(link: macvlan.index)
        var fence = try Fence(prefixes.map(\.address))
        try fence.open(for: .seconds(20))
        let twin = try Guard(route: messages, filter: fence.removalBatch)
        let process = twin.pid
        #expect(try netlink.addresses(on: index).filter { prefixes.contains($0.prefix) }.count == 2)
        Self.letGo(twin)  // what the parent's death does
        #expect(waitpid(process, nil, 0) == process)
        #expect(!must("nft list tables").contains("qure"))
        #expect(try !netlink.addresses(on: index).contains { prefixes.contains($0.prefix) })
        #expect(try netlink.link(named: "mv0") == nil)
    }

    private static func letGo(_ twin: consuming Guard) {}

    @Test func `a guard that is dismissed does nothing`() throws {
        let prefix = try #require(Prefix("10.9.0.11/24"))
        var netlink = try Netlink()
        try netlink.setAddress(AddressRequest(prefix: prefix, interface: left(), origin: 77))
        try Guard(route: Netlink.removalMessage(prefix: prefix, interface: left())).dismiss()
        #expect(try netlink.addresses().contains { $0.prefix == prefix })
    }

    @Test func `the interface on whose link an address is`() throws {
        var netlink = try Netlink()
        let index = try left()
        func onLink(_ text: String) throws -> Int? { try netlink.onLinkInterface(for: #require(IPAddress(text))) }
        must("ip route add default via 10.9.0.254")
        #expect(try onLink("10.9.0.200") == index && onLink("fd09::200") == index)
        #expect(try onLink("10.9.0.1") == index && onLink("fd09::1") == index)
        #expect(try onLink("192.0.2.1") == nil && onLink("127.0.0.5") == nil)
        #expect(try onLink("fe80::1") == index)
        must("ip addr add 10.7.0.1/24 dev left noprefixroute")
        #expect(try onLink("10.7.0.9") == index)
        must("ip link add other type veth peer name right2 netns peer")
        must("ip addr add 10.9.0.129/25 dev other")
        must("ip link set other up")
        let other = try #require(try netlink.link(named: "other")).index
        #expect(try onLink("10.9.0.200") == other && onLink("10.9.0.100") == index)
        must("ip -6 addr add fe80::5/64 dev other nodad")
        #expect(try onLink("fe80::1") == nil)
    }

    @Test func `the monitor tells what others do`() throws {
        let index = try left()
        var monitor = try NetlinkMonitor(neighbours: true, routes: true)
        #expect(try monitor.read().isEmpty)
        var seen: [Change] = []
        func sees(_ isIt: (Change) -> Bool) throws -> Bool {
            try eventually {
                seen += try monitor.read()
                return seen.contains(where: isIt)
            }
        }
        must("ip link set left down")
        #expect(try sees { if case .link(let link) = $0 { link.index == index && !link.isUp } else { false } })
        seen = []
        must("ip link set left up")
        #expect(try sees { if case .link(let link) = $0 { link.isUp && link.hasCarrier } else { false } })
        must("ip addr add 10.9.0.55/32 dev left")
        #expect(try sees { if case .address(let new) = $0 { new.prefix == Prefix("10.9.0.55") } else { false } })
        must("ip addr del 10.9.0.55/32 dev left")
        #expect(try sees { if case .addressRemoved(let old) = $0 { old.prefix == Prefix("10.9.0.55") } else { false } })
        must("ip neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 dev left")
        let mac = MACAddress("02:00:00:00:00:77")
        #expect(try sees { if case .neighbour(let new) = $0 { new.mac == mac } else { false } })
        #expect(seen.contains(.route(isDefault: false)) && !seen.contains(.route(isDefault: true)))
        must("ip route add default via 10.9.0.99 dev left")
        #expect(try sees { $0 == .route(isDefault: true) })
        must("ip link del left")
        #expect(try sees { $0 == .linkRemoved(index) })
    }

    @Test func `a monitor that missed changes says so`() throws {
        var netlink = try Netlink()
        let index = try left()
        var monitor = try NetlinkMonitor(buffer: 4096)
        let prefix = try #require(Prefix("10.9.0.55/32"))
        for _ in 0..<100 {
            try netlink.setAddress(AddressRequest(prefix: prefix, interface: index, origin: 77))
            try netlink.removeAddress(prefix, interface: index)
        }
        #expect(try monitor.read().contains(.overrun))
        try netlink.setAddress(AddressRequest(prefix: prefix, interface: index, origin: 77))
        let later = try monitor.read()
        #expect(later.contains { if case .address = $0 { true } else { false } } && !later.contains(.overrun))
    }
}

/// Gives up every capability of this thread for good. glibc has capset(2) without declaring it.
func dropCapabilities() -> Bool {
    typealias Call = @convention(c) (UnsafeRawPointer, UnsafeRawPointer) -> CInt
    guard let symbol = dlsym(nil, "capset") else { return false }
    let header: [UInt32] = [0x2008_0522, 0]  // _LINUX_CAPABILITY_VERSION_3, this thread
    let none = [UInt32](repeating: 0, count: 6)
    return unsafeBitCast(symbol, to: Call.self)(header, none) == 0
}
