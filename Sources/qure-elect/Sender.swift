// Sender: what a member says to its cluster, sealed: to the group or to the peers that are told in its place, or to one
// member. A master says nearly the same ten times a second: of a heartbeat that only repeats the last one, what differs
// is changed in that.

import QureCore

struct Sender: ~Copyable {
    /// The socket, which hears as well.
    var cluster: ClusterSocket
    /// What is said from now on is sealed with the first of them.
    var keys: KeyRing { didSet { lastHeartbeat = nil } }
    /// Who is told by name what the group would be told; empty: the group is.
    private let peers: [SocketAddress]
    private let repeats: Bool
    private var lastHeartbeat: SealedDatagram?

    /// `repeats`: whether heartbeats may be repeated, which are shown nowhere.
    init(_ cluster: consuming ClusterSocket, _ keys: KeyRing, peers: [IPAddress], repeats: Bool) {
        let own = cluster.own
        self.cluster = cluster
        self.keys = keys
        self.peers = peers.map { own.with($0) }
        self.repeats = repeats
    }

    /// Whether there is a heartbeat to repeat.
    var canRepeat: Bool { lastHeartbeat != nil }

    /// Says it to `place`; nil: to all. Errors: the link is down, or its queue is full: the network would have lost it.
    mutating func say(_ message: ElectionMessage, to place: SocketAddress? = nil) throws(SystemError) {
        var message = message
        message.key = keys.sendingKey
        var output = WireWriter()
        message.write(to: &output)
        let datagram = keys.seal(output.bytes)
        if let place { return try cluster.send(datagram, to: place) }
        if message.kind == .heartbeat, repeats { lastHeartbeat = SealedDatagram(datagram, keys) }
        try sendToAll(datagram)
    }

    /// Says the last heartbeat again, to all. Errors: as above.
    mutating func sayAgain(_ repetition: Election.Repetition) throws(SystemError) {
        lastHeartbeat?.change {
            ElectionMessage.rewrite(&$0, sequence: repetition.sequence, gatewayAge: repetition.gatewayAge)
        }
        if let datagram = lastHeartbeat?.octets { try sendToAll(datagram) }
    }

    private func sendToAll(_ datagram: [UInt8]) throws(SystemError) {
        if peers.isEmpty { return try cluster.send(datagram) }
        for peer in peers { try cluster.send(datagram, to: peer) }
    }
}
