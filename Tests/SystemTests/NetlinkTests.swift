// What Netlink reads and changes, with ip(8) as the independent witness.

import CNetlink
import Glibc
import Lab
import QureCore
import Testing

extension PrivateNetwork {
    @Test func `links are listed and found`() throws {
        var netlink = try Netlink()
        let links = try netlink.links()
        #expect(links.map(\.name) == ["lo", "left"])
        let left = try #require(try netlink.link(named: "left"))
        #expect(left.mac == MACAddress("02:00:00:00:00:01") && left.kind == "veth" && left.mtu == 1500)
        #expect(left.isUp && left.hasCarrier && left.supportsARP && !left.isLoopback)
        #expect(left.parent == nil)
        #expect(try netlink.link(index: left.index) == left)
        #expect(try netlink.link(named: "lo")?.isLoopback == true)
        #expect(try netlink.link(named: "lo")?.supportsARP == false)
        #expect(try netlink.link(named: "nothing") == nil)
        #expect(try netlink.link(named: "a-name-longer-than-the-kernel-allows") == nil)
        #expect(try netlink.link(index: 4711) == nil)
        #expect(try netlink.link(index: 0) == nil)
    }

    @Test(arguments: ["10.9.0.11/24", "10.77.0.11/32", "fd09::11/64", "fd77::11/128"])
    func `an address is put there, renewed and removed`(_ text: String) throws {
        let prefix = try #require(Prefix(text))
        var netlink = try Netlink()
        let left = try #require(try netlink.link(named: "left")).index
        var request = AddressRequest(prefix: prefix, interface: left, validLifetime: .milliseconds(1500), origin: 77)
        request.hasPrefixRoute = false
        request.skipsDAD = true
        request.label = "left:qure"
        for _ in 0..<3 { try netlink.setAddress(request) }
        let shown = must("ip -d addr show dev left")
        #expect(shown.contains("\(prefix) ") && shown.contains("noprefixroute"))
        let address = try #require(try netlink.addresses(on: left).first { $0.prefix == prefix })
        #expect(address.validLifetime == .seconds(2) && address.preferredLifetime == .seconds(2))
        #expect(address.origin == 77 && !address.hasPrefixRoute && !address.isTentative && !address.hasFailedDAD)
        #expect(address.label == (text.hasPrefix("10") ? "left:qure" : nil))
        request.validLifetime = nil
        try netlink.setAddress(request)
        #expect(try netlink.addresses(on: left).first { $0.prefix == prefix }?.validLifetime == nil)
        #expect(try netlink.removeAddress(prefix, interface: left))
        #expect(try !netlink.removeAddress(prefix, interface: left))
        #expect(try !netlink.addresses().contains { $0.prefix == prefix })
        #expect(!must("ip addr show dev left").contains("\(prefix) "))
    }

    @Test func `routes and gateways`() throws {
        var netlink = try Netlink()
        let left = try #require(try netlink.link(named: "left")).index
        let loopback = try #require(try netlink.link(named: "lo")).index
        must("ip route add default via 10.9.0.254 metric 20")
        must("ip route add default via 10.9.0.253 metric 10")
        must("ip -6 route add default via fd09::fe metric 30")
        must("ip route add 10.50.0.0/16 via 10.9.0.2")
        must("ip route add unreachable 10.60.0.0/16")
        must("ip route add blackhole 10.61.0.0/16")
        must("ip -6 route add unreachable fd60::/64")
        let gateways = try netlink.defaultGateways()
        #expect(gateways.map(\.address.description) == ["10.9.0.253", "10.9.0.254", "fd09::fe"])
        #expect(gateways.allSatisfy { $0.interface == left } && gateways.map(\.metric) == [10, 20, 30])
        func route(_ text: String) throws -> Route? { try netlink.route(to: #require(IPAddress(text))) }
        let onLink = try #require(try route("10.9.0.2"))
        #expect(onLink.interface == left && onLink.gateway == nil && !onLink.isLocal)
        #expect(onLink.preferredSource == IPAddress("10.9.0.1"))
        #expect(try route("10.50.1.1")?.gateway == IPAddress("10.9.0.2"))
        #expect(try route("192.0.2.1")?.gateway == IPAddress("10.9.0.253"))
        #expect(try route("fd09::2")?.interface == left && route("fd09::2")?.gateway == nil)
        #expect(try route("2001:db8::1")?.gateway == IPAddress("fd09::fe"))
        #expect(try route("10.9.0.1")?.isLocal == true && route("10.9.0.1")?.interface == loopback)
        #expect(try route("fd09::1")?.isLocal == true)
        for refused in ["10.60.0.1", "10.61.0.1", "fd60::1"] { #expect(try route(refused) == nil) }
    }
}
