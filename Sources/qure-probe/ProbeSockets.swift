// ProbeSockets: the sockets of a probing session: a NeighborSocket for each link, an EchoSocket for each family, opened
// when the first way leads through them.

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

    private let source: IPAddress?
    private let networks: [Prefix]
    private var links: [Int: OnLink] = [:]
    private var echoes: [Int: Echo] = [:]
    private var linkLocals: [Int: IPv6Address?] = [:]

    /// No socket yet; those that come hear answers about `addresses` only.
    convenience init(source: IPAddress?, addresses: [IPAddress]) {
        self.init(source: source, networks: addresses.compactMap { Prefix($0, length: $0.bitWidth) })
    }

    /// No socket yet; those that come hear answers about the addresses in `networks` only.
    init(source: IPAddress?, networks: [Prefix]) {
        self.source = source
        self.networks = networks
    }

    /// Opens what the way needs and adds it to the poller.
    func open(_ way: Way, poller: borrowing Poller) throws {
        guard let link = way.link, way.method != .icmp else {
            if way.method == .icmp && !way.isLocal { try openEchoes(way.link?.name, poller: poller) }
            return
        }
        if links[link.index] != nil && linkLocals[link.index] == way.linkLocal { return }
        let socket = try NeighborSocket(
            interface: link.index, name: link.name, mac: link.mac ?? .zero, linkLocal: way.linkLocal, networks: networks)
        for descriptor in socket.descriptors { try poller.add(descriptor, token: 1 + link.index) }
        links[link.index] = OnLink(socket)
        linkLocals[link.index] = way.linkLocal
    }

    private func openEchoes(_ interface: String?, poller: borrowing Poller) throws {
        for sample in networks.map(\.address) where echoes[sample.bitWidth] == nil {
            let socket = try EchoSocket(for: sample, source: source, interface: interface)
            try poller.add(socket.descriptor, token: 1)
            echoes[sample.bitWidth] = Echo(socket)
        }
    }

    /// Sends the question with this sequence number.
    func probe(_ address: IPAddress, _ sequence: Int, _ way: Way) throws {
        if way.method == .icmp {
            // A host's own address needs no question that it would answer itself.
            guard !way.isLocal else { return }
            let scope = UInt32(way.link?.index ?? 0)
            try echoes[address.bitWidth]?.socket.send(
                to: SocketAddress(address, scope: scope), sequence: UInt16(truncatingIfNeeded: sequence))
        } else if let socket = way.link.flatMap({ links[$0.index] }) {
            if let source { try socket.socket.ask(for: address, tell: source) } else { try socket.socket.probe(address) }
        }
    }

    /// The answers since the last call, until no socket has more.
    func receive() throws -> [ProbeAnswer] {
        var answers: [ProbeAnswer] = []
        for (index, link) in links {
            while true {
                let heard = try link.socket.receive()
                if heard.isEmpty { break }
                for one in heard where one.sighting.kind == .holds {
                    answers.append(
                        ProbeAnswer(
                            address: one.sighting.address, mac: one.sighting.mac, interface: index, received: one.received))
                }
            }
        }
        for echo in echoes.values {
            while true {
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
