// CheckListening: a few seconds on the link for `qure-elect check`: who answers for the shared addresses and for the
// gateway, what comes back through this host's own rules, who speaks on the cluster's port, which members answer a
// question, and whether a DHCP server would give the address away. It sends little: to the group a challenge, which any
// member answers to whoever asks and which changes nothing there; probes, which change no table; and one DHCPDISCOVER,
// of a client that does not exist, which no request follows. What it hears is kept as evidence; it judges nothing.

import QureCore

/// What was heard.
struct CheckEvidence {
    /// A member, as its messages tell.
    struct Peer {
        var name: String
        var address: IPAddress
        var mac: MACAddress?
        var role: ElectionMessage.Role
        var interval: Duration
        var tolerance: Duration
        var configuration: UInt32
        /// Something of it has arrived that nobody had asked for.
        var isHeard: Bool { heardFirst != nil }
        /// The first of that: when, and its number among all that it says.
        var heardFirst: (at: Instant, sequence: UInt64)?
        /// When something of it last arrived, by the kernel's stamp: this process may read late.
        var heardAt: Instant
        var session: UInt64
        /// What it said last that it has heard of the others, and whether there was room for all of them.
        var hears: [NodeID: ElectionMessage.Digest] = [:]
        var tellsAll = false
        /// Since when it says that it is master; nil: it does not.
        var masterSince: Instant?
        /// Whether it was about to have the address, or had it, at some time.
        var hasLed = false
        /// It has answered the challenge: what was sent has reached it, and its answer has arrived.
        var hasAnswered = false
    }

    /// When listening ended.
    var end = Instant(nanoseconds: 0)
    /// Who said that it has an address: the shared ones, and the gateways.
    var holders: [IPAddress: Set<MACAddress>] = [:]
    /// The hosts' own hardware addresses, where announcements from virtual ones have named them.
    var hosts: [MACAddress: MACAddress] = [:]
    /// Whether the members were asked: not without a key.
    var hasAsked = false
    /// Whether a datagram to the group came back.
    var hasLooped = false
    /// Why nothing could be sent, the last time.
    var refusal: SystemError?
    /// Whether another program here has the cluster's port.
    var isBesideAnother = false
    var peers: [NodeID: Peer] = [:]
    /// The name of the member that runs on this host, where it says in the end that it is master.
    var ownMaster: String?
    var otherClusters: Set<IPAddress> = []
    var otherKeys: Set<IPAddress> = []
    var otherThings: Set<IPAddress> = []
    /// Whether something came with a smaller hop limit, and so perhaps from far away.
    var hasStrayed = false
    /// What DHCP servers offered when asked for each of the shared addresses.
    var offers: [DHCPMessage] = []
    /// Entries of any list; a flood tells no more than its beginning.
    static let maximum = 64
}

final class CheckListening {
    private(set) var evidence = CheckEvidence()

    private let options: MemberOptions
    private let keys: KeyRing?
    private let place: CheckPlace
    private let asked: [IPAddress]
    private var poller: Poller
    private var cluster: ClusterSocket
    private var neighbours: NeighborSocket
    private let dhcp: PacketSocket
    private let client: MACAddress
    private let transactions: [(address: IPv4Address, number: UInt32)]
    private let node: NodeID
    private let session: UInt64
    private let nonce: UInt64
    /// What was sent to the group, as it must come back.
    private var sent: [[UInt8]] = []
    /// When questions are asked, as hundredths of the whole time; DHCP's question once in the beginning: some servers
    /// look for the address themselves for three seconds before they offer it.
    private static let rounds = [0, 5, 20, 40, 60]

    init(_ options: MemberOptions, _ keys: KeyRing?, _ place: CheckPlace, _ gateways: [IPAddress])
        throws
    {
        self.options = options
        self.keys = keys
        self.place = place
        asked = options.address.map(\.address) + gateways
        let link = place.link
        cluster = try ClusterSocket(
            group: place.group, port: options.port, own: place.own, interface: link.index,
            name: link.name,
            isGuest: true)
        evidence.isBesideAnother = cluster.isBesideAnother
        neighbours = try NeighborSocket(
            interface: link.index, name: link.name, mac: link.mac ?? .zero, linkLocal: nil,
            networks: asked.compactMap { Prefix($0, length: $0.bitWidth) })
        dhcp = try PacketSocket(.ipv4, interface: link.index, name: link.name, filter: .dhcpReplies)
        var random = SystemRandomNumberGenerator()
        // Locally administered, and no group.
        client = MACAddress(rawValue: random.next() & 0xfcff_ffff_ffff | 0x0200_0000_0000)
        transactions = options.address.compactMap {
            guard case .v4(let address) = $0.address else { return nil }
            return (address, UInt32(truncatingIfNeeded: random.next()))
        }
        (node, session, nonce) = (NodeID(rawValue: random.next()), random.next(), random.next())
        poller = try Poller()
        for descriptor in cluster.descriptors + neighbours.descriptors + [dhcp.descriptor] {
            try poller.add(descriptor, token: 0)
        }
    }

    /// Asks and listens for this time.
    func run(for time: Duration) throws {
        let start = Clock.now
        for (index, hundredths) in Self.rounds.enumerated() {
            try ask(index)
            let next = index + 1 < Self.rounds.count ? Self.rounds[index + 1] : 100
            precondition(next > hundredths, "rounds are in order")
            try listen(until: start + time * next / 100)
        }
        evidence.end = Clock.now
        askOwn()
    }

    private func ask(_ round: Int) throws {
        for address in asked { try neighbours.probe(address) }
        if round == 0 {
            for (address, number) in transactions {
                var output = WireWriter()
                DHCPMessage.discover(address, for: client, transaction: number).packet.write(to: &output)
                try dhcp.send(output.bytes, to: .broadcast)
            }
        }
        challenge(sequence: UInt64(round + 1))
    }

    private func challenge(sequence: UInt64) {
        guard let keys else { return }
        var message = ElectionMessage(
            .challenge, role: .joining, cluster: ElectSession.number(of: options.place.cluster),
            node: node, session: session, sequence: sequence, term: 0, interval: options.beat,
            tolerance: options.patience)
        message.key = keys.sendingKey
        message.configuration = ElectSession.hash(options)
        message.nonce = nonce
        var output = WireWriter()
        message.write(to: &output)
        let datagram = keys.seal(output.bytes)
        sent.append(datagram)
        evidence.hasAsked = true
        do {
            if options.peer.isEmpty { try cluster.send(datagram[...]) }
            for peer in options.peer {
                try cluster.send(
                    datagram[...], to: SocketAddress(peer, port: options.port, scope: cluster.own.scope))
            }
            evidence.refusal = nil
        } catch { evidence.refusal = error }
    }

    // MARK: What is heard

    private func listen(until end: Instant) throws {
        // What has come is heard, however late this process is.
        repeat {
            _ = try poller.wait(until: end)
            // Some of each in turn: a flood of one hides nothing of the others, nor the end.
            for datagram in try cluster.receive() { hear(datagram) }
            evidence.hasStrayed = cluster.strayed > 0
            for one in try neighbours.receive() where one.sighting.kind == .holds { note(one.sighting) }
            for frame in try dhcp.receive() { hearServer(frame.bytes) }
        } while Clock.now < end
    }

    /// What a member on this host says to the group does not come back to it: its own word is asked for.
    private func askOwn() {
        guard evidence.isBesideAnother else { return }
        let elector = DaemonQuestion("qure-elect", at: options.place.path)
        try? elector.ask("\(ControlRequest.status)") { line in
            let status = FlatJSON(line)
            if status.words(["role"]) == "master" { evidence.ownMaster = status.words(["name"]) }
        }
    }

    private func note(_ sighting: Sighting) {
        guard evidence.holders[sighting.address, default: []].count < CheckEvidence.maximum else { return }
        evidence.holders[sighting.address, default: []].insert(sighting.identity)
        guard sighting.identity != sighting.mac, evidence.hosts.count < CheckEvidence.maximum else { return }
        evidence.hosts[sighting.mac] = sighting.identity
    }

    private func hearServer(_ bytes: [UInt8]) {
        var input = WireReader(bytes)
        guard let packet = try? IPv4Packet(parsing: &input), let message = try? DHCPMessage(packet),
            message.kind == .offer, message.client == client,
            evidence.offers.count < CheckEvidence.maximum,
            transactions.contains(where: { $0.number == message.transaction })
        else { return }
        evidence.offers.append(message)
    }

    private func hear(_ datagram: ClusterSocket.Datagram) {
        let source = datagram.source.address
        if sent.contains(datagram.bytes) {
            if datagram.isToGroup { evidence.hasLooped = true }
            return
        }
        func note(_ list: WritableKeyPath<CheckEvidence, Set<IPAddress>>) {
            if evidence[keyPath: list].count < CheckEvidence.maximum { evidence[keyPath: list].insert(source) }
        }
        // A member that runs on this host.
        guard source != place.own else { return }
        guard let key = ElectionMessage.key(of: datagram.bytes) else { return note(\.otherThings) }
        guard ElectionMessage.cluster(of: datagram.bytes) == ElectSession.number(of: options.place.cluster) else {
            return note(\.otherClusters)
        }
        guard let keys else { return }
        guard let bytes = keys.open(datagram.bytes, key: key) else { return note(\.otherKeys) }
        var input = WireReader(bytes)
        guard let message = try? ElectionMessage(parsing: &input) else { return note(\.otherThings) }
        guard evidence.peers[message.node] != nil || evidence.peers.count < CheckEvidence.maximum else { return }
        evidence.peers[message.node] = peer(message, from: source, datagram.received, evidence.peers[message.node])
    }

    /// What is known of the member that has sent this, which the kernel received then, given what was known before.
    private func peer(
        _ message: ElectionMessage, from source: IPAddress, _ received: Instant, _ known: CheckEvidence.Peer?
    ) -> CheckEvidence.Peer {
        var peer = CheckEvidence.Peer(
            name: message.name ?? "\(message.node)", address: source, mac: message.mac, role: message.role,
            interval: message.interval, tolerance: message.tolerance, configuration: message.configuration,
            heardAt: max(received, known?.heardAt ?? received), session: message.session)
        let isAsked = message.kind == .response || message.kind == .challenge
        peer.heardFirst = known?.heardFirst ?? (isAsked ? nil : (received, message.sequence))
        // Begun anew, it counts anew.
        if let known, known.session != message.session, !isAsked { peer.heardFirst = (received, message.sequence) }
        peer.hasAnswered =
            known?.hasAnswered == true || (message.kind == .response && message.echo == nonce)
        peer.hears = known?.session == message.session ? known?.hears ?? [:] : [:]
        for digest in message.digests { peer.hears[digest.node] = digest }
        peer.tellsAll = message.digests.count < ElectionMessage.maximumEntries
        peer.masterSince = message.role == .master ? known?.masterSince ?? received : nil
        peer.hasLed = known?.hasLed == true || [.claiming, .master, .transferring].contains(message.role)
        return peer
    }
}
