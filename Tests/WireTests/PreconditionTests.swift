// Our own mistakes end the process, in release as well: a packet or a machine that nobody may make cannot be made.

import QureCore
import Testing

@Suite struct PreconditionTests {
    @Test func `an option of neighbour discovery fills whole units`() async {
        await #expect(processExitsWith: .failure) { _ = NeighborMessage.Option(type: 1, body: [1, 2, 3, 4, 5]) }
        await #expect(processExitsWith: .success) { _ = NeighborMessage.Option(type: 1, body: [1, 2, 3, 4, 5, 6]) }
    }

    @Test func `options of IPv4 come in words`() async {
        await #expect(processExitsWith: .failure) {
            _ = IPv4Packet(
                source: .unspecified, destination: .broadcast, timeToLive: 1, protocolNumber: 2, options: [1, 2, 3],
                payload: [])
        }
    }

    @Test func `an IPv4 packet has an end`() async {
        await #expect(processExitsWith: .failure) {
            let payload = [UInt8](repeating: 0, count: 65516)
            _ = IPv4Packet(
                source: .unspecified, destination: .broadcast, timeToLive: 1, protocolNumber: 2, payload: payload)
        }
    }

    @Test func `a machine that would never let the loop rest cannot be made`() async {
        await #expect(processExitsWith: .failure) {
            _ = Prober.Configuration(.monitor(fall: 1, rise: 1), interval: .zero)
        }
        await #expect(processExitsWith: .failure) { _ = Scanner([], rounds: 1, interval: .zero) }
        await #expect(processExitsWith: .failure) { _ = Scanner([], rounds: 0, interval: .seconds(1)) }
        await #expect(processExitsWith: .failure) {
            _ = AddressClaim.Configuration(addresses: [], identity: .zero, authority: .own, lease: .seconds(1))
        }
        await #expect(processExitsWith: .failure) {
            let address = IPAddress.v4(.unspecified)
            _ = AddressClaim.Configuration(addresses: [address], identity: .zero, authority: .own, lease: .zero)
        }
    }
}
