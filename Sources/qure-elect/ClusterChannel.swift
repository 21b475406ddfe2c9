// ClusterChannel: the cluster's socket and the keys: what a member says is sealed, to the group or to the peers that
// are told in its place, or to one member; what it hears is opened with them. Where peers are named, members that were
// heard from elsewhere are told as well: a host may have another address by now than the one it was named by, and two
// masters of whom only one hears the other would both go on. A master says nearly the same ten times a
// second: heartbeats that only repeat the last one are made of that (RepeatedHeartbeats).

import QureCore

struct ClusterChannel: ~Copyable {
    private var socket: ClusterSocket
    /// What is said from now on is sealed with the first of them.
    var keys: KeyRing { didSet { heartbeats = nil } }
    /// Who is told by name what the group would be told; empty: the group is.
    private let peers: [SocketAddress]
    /// Who is told besides, where peers are.
    private var others: [SocketAddress] = []
    /// From one heartbeat to the next, where they may be repeated.
    private let interval: Duration?
    private var heartbeats: RepeatedHeartbeats?

    /// `repeating`: the interval of heartbeats that may be repeated, which are shown nowhere.
    init(_ socket: consuming ClusterSocket, _ keys: KeyRing, peers: [IPAddress], repeating interval: Duration?) {
        let own = socket.own
        self.socket = socket
        self.keys = keys
        self.peers = peers.map { own.with($0) }
        self.interval = interval
    }

    var descriptors: [CInt] { socket.descriptors }
    /// An address of IPv4, where this member began to speak from one of IPv6 because there was nothing else.
    var betterPlace: IPAddress?
    /// The address that this member speaks from.
    var ownAddress: IPAddress { socket.own.address }
    /// Datagrams that may have come from beyond the link.
    var strayed: Int { strayedBefore + socket.strayed }
    private var strayedBefore = 0

    /// Speaks from another address from now on; the socket of the old one is closed.
    mutating func move(to socket: consuming ClusterSocket) {
        strayedBefore = strayed
        self.socket = socket
    }

    /// Whether members are told by name what the group would be told.
    var namesPeers: Bool { !peers.isEmpty }

    /// From now on those are told as well who were heard at these places, as far as no peer is named by them.
    mutating func tellAlso(at places: [SocketAddress]) {
        others = places.filter { place in !peers.contains { $0.address == place.address } }
    }

    /// What has arrived until now, still sealed.
    mutating func receive() throws(SystemError) -> [ClusterSocket.Datagram] { try socket.receive() }

    /// Whether there is a heartbeat to repeat.
    var canRepeat: Bool { heartbeats != nil }

    /// Says it to `place`; nil: to all. Errors: the link is down, or its queue is full: the network would have lost it.
    mutating func say(_ message: ElectionMessage, to place: SocketAddress? = nil) throws(SystemError) {
        var message = message
        message.key = keys.sendingKey
        var output = WireWriter()
        message.write(to: &output)
        let datagram = keys.seal(output.bytes)
        if let place { return try socket.send(datagram[...], to: place) }
        if message.kind == .heartbeat, let interval {
            heartbeats = RepeatedHeartbeats(of: datagram, sealedWith: keys, each: interval)
        }
        try sendToAll(datagram[...])
    }

    /// Says the last heartbeat again, to all. Errors: as above.
    mutating func sayAgain(_ repetition: Election.Repetition) throws(SystemError) {
        if let datagram = heartbeats?.datagram(of: repetition) { try sendToAll(datagram) }
    }

    /// One who cannot be reached keeps nothing from the others.
    private func sendToAll(_ datagram: ArraySlice<UInt8>) throws(SystemError) {
        if peers.isEmpty { return try socket.send(datagram) }
        var failure: SystemError?
        for peer in peers + others {
            do throws(SystemError) { try socket.send(datagram, to: peer) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
