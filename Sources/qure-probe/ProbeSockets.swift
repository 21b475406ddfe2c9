// ProbeSockets: the sockets of a probing session: a NeighborSocket for each link and family, an EchoSocket for each
// family, opened when a way leads through them and closed when none does any more. A socket dies with its interface,
// and one that comes back under the same number needs a new socket.

import QureCore

/// An answer, whichever way it came.
struct ProbeAnswer {
    var address: IPAddress
    var mac: MACAddress?
    var sequence: Int?
    var interface: Int?
    var received: Instant
}

final class ProbeSockets {
    /// A socket as an element of a dictionary, which cannot hold what may not be copied.
    private final class OnLink {
        var socket: NeighborSocket
        init(_ socket: consuming NeighborSocket) { self.socket = socket }
    }

    private final class Echo {
        let socket: EchoSocket
        init(_ socket: consuming EchoSocket) { self.socket = socket }
    }

    /// What a NeighborSocket is made for: one family on one link.
    private struct LinkKey: Hashable {
        var method: Method
        var index: Int
        var mac: MACAddress
        var linkLocal: IPv6Address?
    }

    private struct EchoKey: Hashable {
        var bitWidth: Int
        /// The link that the user named; nil where the kernel's routes decide.
        var index: Int?
    }

    private let source: IPAddress?
    private let bindsToLink: Bool
    private let networks: [Prefix]
    private var links: [LinkKey: OnLink] = [:]
    private var echoes: [EchoKey: Echo] = [:]

    /// No socket yet; those that come hear answers about `addresses`.
    convenience init(_ questions: Questions, addresses: [IPAddress]) {
        let families = [32, 128].map { width in addresses.filter { $0.bitWidth == width } }
        self.init(questions, networks: families.flatMap(Self.networks(of:)))
    }

    /// No socket yet; those that come hear answers about the addresses in `networks`.
    init(_ questions: Questions, networks: [Prefix]) {
        source = questions.source
        bindsToLink = questions.interface != nil
        self.networks = networks
    }

    /// Networks that the kernel's filter has room for (4096 instructions).
    private static let maximumNetworks = 48

    /// Networks, as small as the room allows, that hold all the addresses, which are of one family.
    private static func networks(of addresses: [IPAddress]) -> [Prefix] {
        for length in stride(from: addresses.first?.bitWidth ?? -1, through: 0, by: -1) {
            let networks = Set(addresses.compactMap { Prefix($0, length: length)?.network })
            if networks.count <= maximumNetworks { return Array(networks) }
        }
        return []
    }

    private static func key(of way: Way) -> LinkKey? {
        guard way.method != .icmp, let link = way.link, let mac = link.mac else { return nil }
        return LinkKey(method: way.method, index: link.index, mac: mac, linkLocal: way.linkLocal)
    }

    private func echoKey(of way: Way, _ address: IPAddress) -> EchoKey? {
        // A host's own address needs no question that it would answer itself.
        guard way.method == .icmp, !way.isLocal else { return nil }
        return EchoKey(bitWidth: address.bitWidth, index: bindsToLink ? way.link?.index : nil)
    }

    /// Opens what the way to the address needs and adds it to the poller.
    func open(_ way: Way, to address: IPAddress, poller: borrowing Poller) throws {
        if let key = Self.key(of: way), links[key] == nil {
            // Without a link-local address ask from the one that would be ours: a question from :: would defeat the
            // duplicate address detection of a host that is just taking the address.
            let socket = try NeighborSocket(
                interface: key.index, name: way.link?.name ?? "", mac: key.mac,
                linkLocal: key.linkLocal ?? key.mac.linkLocal,
                networks: networks.filter { $0.address.bitWidth == address.bitWidth }, hearsClaims: false)
            for descriptor in socket.descriptors { try poller.add(descriptor, token: ProbeSession.socketToken) }
            links[key] = OnLink(socket)
        }
        if let key = echoKey(of: way, address), echoes[key] == nil {
            let interface = bindsToLink ? way.link?.name : nil
            let socket = try EchoSocket(for: address, source: source, interface: interface)
            try poller.add(socket.descriptor, token: ProbeSession.socketToken)
            echoes[key] = Echo(socket)
        }
    }

    /// Closes the sockets that none of these ways needs.
    func close(allBut ways: [(way: Way, address: IPAddress)]) {
        let neededLinks = Set(ways.compactMap { Self.key(of: $0.way) })
        let neededEchoes = Set(ways.compactMap { echoKey(of: $0.way, $0.address) })
        links = links.filter { neededLinks.contains($0.key) }
        echoes = echoes.filter { neededEchoes.contains($0.key) }
    }

    /// Closes the sockets of the link of this index, which is gone.
    func close(link index: Int) {
        links = links.filter { $0.key.index != index }
        echoes = echoes.filter { $0.key.index != index }
    }

    /// Closes all sockets.
    func closeAll() {
        links = [:]
        echoes = [:]
    }

    /// Sends the question with this sequence number.
    func probe(_ address: IPAddress, _ sequence: Int, _ way: Way) throws {
        if let key = echoKey(of: way, address) {
            let target = SocketAddress(address, scope: UInt32(way.link?.index ?? 0))
            try echoes[key]?.socket.send(to: target, sequence: UInt16(truncatingIfNeeded: sequence))
        } else if let key = Self.key(of: way), let link = links[key] {
            if let source { try link.socket.ask(for: address, tell: source) } else { try link.socket.probe(address) }
        }
    }

    /// Batches that one call of `receive` takes from a socket at most, so that a flood does not starve the loop.
    private static let maximumBatches = 16

    /// The answers since the last call, until no socket has more.
    func receive() throws -> [ProbeAnswer] {
        var answers: [ProbeAnswer] = []
        for (key, link) in links {
            for _ in 0..<Self.maximumBatches {
                let heard = try link.socket.receive()
                if heard.isEmpty { break }
                for one in heard where one.sighting.kind == .holds {
                    answers.append(
                        ProbeAnswer(
                            address: one.sighting.address, mac: one.sighting.mac, interface: key.index,
                            received: one.received))
                }
            }
        }
        for echo in echoes.values {
            for _ in 0..<Self.maximumBatches {
                let replies = try echo.socket.receive()
                if replies.isEmpty { break }
                answers += replies.map {
                    ProbeAnswer(address: $0.from, sequence: Int($0.sequence), received: $0.received)
                }
            }
        }
        return answers
    }
}
