// LinkWatch: what `qure-elect run` asks on the link and hears there: whether somebody has the address, and whether the
// gateway is there. A master needs only the gateway's answers, and not in a hurry: it hears them with its next
// heartbeat, where every one of them would be a wake-up else.

import QureCore

struct LinkWatch: ~Copyable {
    private var socket: NeighborSocket
    private let addresses: Set<IPAddress>
    private(set) var gateways: [IPAddress]
    /// Whether what is said ends no wait.
    private var isPatient = false
    /// When the gateway was asked whose answer ends no wait and is still to be looked for.
    private var askedAt: Instant?
    /// A gateway is asked again before long where its answer was not heard.
    private static let maximumDelay = Duration.milliseconds(100)

    /// Errors: those of NeighborSocket.
    init(_ link: Link, _ addresses: [IPAddress], _ gateways: [IPAddress]) throws {
        socket = try NeighborSocket(
            interface: link.index, name: link.name, mac: link.mac ?? .zero, linkLocal: nil, networks: [],
            holders: addresses + gateways)
        self.addresses = Set(addresses)
        self.gateways = gateways
    }

    /// Asks these gateways from now on, of the family of the addresses. Errors: those of NeighborSocket.
    mutating func replaceGateways(by new: [IPAddress]) throws(SystemError) {
        try socket.hear(holders: Array(addresses) + new)
        gateways = new
        askedAt = nil
    }

    var descriptors: [CInt] { socket.descriptors }
    /// Whether an answer is to be looked for that ends no wait.
    var isAnswerAwaited: Bool { askedAt != nil }

    /// Asks who has the addresses; a link that is down loses it, as a cable would.
    func askForAddresses() { for address in addresses { try? socket.probe(address) } }

    mutating func askGateways() {
        askedAt = isPatient ? Clock.now : nil
        for gateway in gateways { try? socket.probe(gateway) }
    }

    /// Watches as the role demands, with heartbeats at this interval. To be called before anything is asked in a role.
    mutating func watch(as role: Election.Role, _ interval: Duration, _ poller: borrowing Poller) {
        let wasPatient = isPatient
        isPatient = role == .master && interval <= Self.maximumDelay
        guard isPatient != wasPatient else { return }
        askedAt = nil
        if wasPatient { forgetWhatWaits() }
        for descriptor in socket.descriptors {
            if isPatient {
                try? poller.remove(descriptor)
            } else {
                try? poller.add(descriptor, token: ElectSession.Token.link)
            }
        }
    }

    /// What has waited in the socket while nobody listened is no news any more, however old it is.
    private mutating func forgetWhatWaits() {
        for _ in 0..<64 { guard let heard = try? socket.receive(), !heard.isEmpty else { return } }
    }

    /// What has been said until now, and when the kernel received it.
    mutating func hear() throws(SystemError) -> [(input: Election.Input, received: Instant)] {
        let begun = Clock.now
        var inputs: [(input: Election.Input, received: Instant)] = []
        while true {
            let heard: [NeighborSocket.Heard]
            do { heard = try socket.receive() } catch {
                guard error.errno == .networkDown else { throw error }
                return inputs
            }
            for one in heard where one.sighting.kind == .holds {
                // A master knows whose the addresses are.
                if addresses.contains(one.sighting.address), !isPatient {
                    inputs.append((.addressAnswered(by: one.sighting.identity), one.received))
                }
                guard gateways.contains(one.sighting.address) else { continue }
                if let asked = askedAt, one.received >= asked { askedAt = nil }
                inputs.append((.gatewayAnswered, one.received))
            }
            // What arrives meanwhile is for the next turn: a flood must not keep this one from the rest.
            guard let last = heard.last, last.received <= begun else { return inputs }
        }
    }
}
