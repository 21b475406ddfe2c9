// OneShotTalk: what the commands that do one thing and end say on the link: the question before an address is taken,
// and a short train of announcements.

import QureCore

extension PlacementOptions {
    /// Nothing asked for.
    static var none: PlacementOptions {
        var options = PlacementOptions()
        options.lease = nil
        options.label = nil
        options.unlessHeld = false
        return options
    }
}

extension Failure {
    /// What is said when somebody else has, or is about to have, the address.
    static func held(_ sighting: Sighting) -> Failure {
        switch sighting.kind {
        case .claims: Failure(.no, "\(sighting.address): \(sighting.mac) is about to take it and goes first")
        default: Failure(.no, "\(sighting.address): held by \(sighting.mac)")
        }
    }
}

struct OneShotTalk: ~Copyable {
    private var socket: NeighborSocket
    private var poller: Poller

    /// Speaks on a socket that hears about the addresses in question.
    init(_ socket: consuming NeighborSocket) throws {
        let poller = try Poller()
        for descriptor in socket.descriptors { try poller.add(descriptor, token: 0) }
        self.socket = socket
        self.poller = poller
    }

    /// Asks whether anybody has the addresses; fails with status 1 if somebody has.
    mutating func requireFree(_ keeper: AddressKeeper) throws {
        var random = SystemRandomNumberGenerator()
        var claim = AddressClaim(
            .init(
                addresses: keeper.addresses, identity: keeper.link.mac ?? .zero, authority: .own, lease: .seconds(1)))
        var outputs = claim.step(.take(probing: true), at: Clock.now, using: &random)
        while true {
            for output in outputs {
                switch output {
                case .probe: for address in keeper.addresses { try socket.probeToClaim(address) }
                case .report(.heldBy(let sighting)), .report(.rival(let sighting)): throw Failure.held(sighting)
                // Silence counts only on a link that was there to the end.
                case .install: return try keeper.requireLinkUp()
                default: break
                }
            }
            _ = try poller.wait(until: claim.nextDeadline)
            outputs = []
            for heard in try socket.receive() {
                outputs += claim.step(.heard(heard.sighting), at: heard.received, using: &random)
            }
            outputs += claim.step(.deadlinePassed, at: Clock.now, using: &random)
        }
    }

    /// Announces each address `count` times on the schedule of a take-over.
    mutating func announce(_ count: Int, _ addresses: [IPAddress]) throws {
        let start = Clock.now
        for offset in AddressClaim.announcements.prefix(count) {
            while Clock.now < start + offset {
                _ = try poller.wait(until: start + offset)
                while try !socket.receive().isEmpty {}
            }
            for address in addresses { try socket.announce(address) }
        }
    }
}
