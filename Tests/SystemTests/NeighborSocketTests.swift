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
}
