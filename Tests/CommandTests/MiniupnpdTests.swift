// miniupnpd, which many a home gateway runs, is asked for its external address in each of the three ways: what we send
// is what others understand, and what we read is what others send.

import Glibc
import Lab
import QureCore
import Testing

struct MiniupnpdTests {
    private static let missing =
        PrivateNamespace.missing ?? (Toolbox.isInstalled("miniupnpd") ? nil : "needs miniupnpd: make deps")

    /// miniupnpd in the place of the gateway, with this external address.
    private static func start(
        _ network: AddressNetwork, _ folder: TemporaryFolder, external: String, mapping: Bool
    ) throws -> RunningTool {
        let router = network.router
        must("ip -n \(router) link add wan type veth peer name provider")
        must("ip -n \(router) addr add \(external)/24 dev wan")
        for link in ["wan", "provider"] { must("ip -n \(router) link set \(link) up") }
        let rules = """
            table inet filter {
                chain forward { type filter hook forward priority 0; }
                chain miniupnpd { }
                chain prerouting_miniupnpd { }
                chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
                chain postrouting_miniupnpd { }
                chain postrouting { type nat hook postrouting priority 100; jump postrouting_miniupnpd; }
            }

            """
        try TextFile.replace("\(folder.path)/rules", with: Array(rules.utf8))
        must("ip netns exec \(router) nft -f \(folder.path)/rules")
        let configuration = """
            ext_ifname=wan
            listening_ip=lan
            http_port=5000
            enable_natpmp=\(mapping ? "yes" : "no")
            enable_upnp=yes
            lease_file=\(folder.path)/leases
            uuid=00000000-0000-0000-0000-000000000000
            allow 0-65535 192.168.1.0/24 0-65535

            """
        try TextFile.replace("\(folder.path)/conf", with: Array(configuration.utf8))
        let server = RunningTool(
            ["miniupnpd", "-d", "-f", "\(folder.path)/conf", "-P", "\(folder.path)/pid"], in: router)
        let isReady = server.complains(mapping ? "Listening for NAT-PMP/PCP" : "HTTP listening on port")
        #expect(isReady, "miniupnpd does not start: \(server.errors)")
        return server
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: AddressSource.Method.allCases)
    func `miniupnpd says its external address`(_ method: AddressSource.Method) throws {
        let network = AddressNetwork()
        let folder = TemporaryFolder()
        let server = try Self.start(network, folder, external: "84.1.2.3", mapping: method != .upnp)
        let result = network.address("-4 --address \(method == .upnp ? "gateway" : method.rawValue)")
        let expected = "84.1.2.3 global"
        #expect(result.status == 0 && result.output.contains(expected), "\(result) \(server.errors)")
        #expect(result.output.contains("\(method == .upnp ? "upnp " : "")by 192.168.1.1"), "\(result)")
        guard method == .pcp else { return }
        // The mapping that it took is gone again.
        #expect(server.complains("added mapping UDP 9->192.168.1.10:9"), "\(server.errors)")
        #expect(server.complains("UDP port 9 mapping removed"), "\(server.errors)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a miniupnpd behind another NAT yields nothing`() throws {
        let network = AddressNetwork()
        let folder = TemporaryFolder()
        let server = try Self.start(network, folder, external: "10.9.9.9", mapping: true)
        let result = network.address("-4 --address gateway")
        let why = "pcp: no resources, nat-pmp: network failure, upnp: status 200 and no address"
        #expect(result.status == 69 && result.output.contains(why), "\(result) \(server.errors)")
    }
}
