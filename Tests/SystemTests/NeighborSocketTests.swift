// What a neighbour socket hears of an address of which only its holder's own words count, as a gateway's, which all the
// others ask for now and then.

import Glibc
import Lab
import QureCore
import Testing

extension PrivateNetwork {
    @Test(arguments: ["10.9.0.99", "fd09::99"])
    func `of a holder its own words are heard, and not the others' questions for it`(_ text: String) throws {
        let address = try #require(IPAddress(text))
        var netlink = try Netlink()
        let left = try #require(try netlink.link(named: "left"))
        var socket = try NeighborSocket(
            interface: left.index, name: "left", mac: try #require(left.mac), linkLocal: nil, networks: [],
            holders: [address])
        var heard: [Sighting] = []
        func isHeld() -> Bool {
            heard += ((try? socket.receive()) ?? []).map(\.sighting)
            return heard.contains { $0.kind == .holds && $0.address == address }
        }
        // The peer asks for it in vain.
        run(Self.peer("ping -c 1 -W 1 \(text)"))
        #expect(!isHeld())
        must(Self.peer("ip addr add \(text)/\(address.bitWidth) dev right nodad"))
        run("ping -c 1 -W 1 \(text)")
        #expect(eventually(isHeld))
        #expect(heard.allSatisfy { $0.kind == .holds }, "\(heard)")
    }

    @Test func `who asks in the name of an address hears the answer, and not those to others`() throws {
        let address = try #require(IPAddress("10.9.0.77")), gateway = try #require(IPAddress("10.9.0.2"))
        var netlink = try Netlink()
        let left = try #require(try netlink.link(named: "left"))
        var socket = try NeighborSocket(
            interface: left.index, name: "left", mac: try #require(left.mac), linkLocal: nil,
            networks: [try #require(Prefix(address, length: 32))], holders: [gateway])
        // Answered to this host's own address, which is another one.
        #expect(shell("ip neigh flush dev left; ping -c 1 -W 1 \(gateway)").status == 0)
        #expect(try socket.receive().isEmpty)
        try socket.ask(for: gateway, tell: address)
        #expect(eventually { ((try? socket.receive()) ?? []).contains { $0.sighting.address == gateway } })
    }
}
