// WitnessRun: somebody on the link who asks again and again who has the address, by ARP or neighbour solicitation in
// packets of its own making, and keeps book of the answers. What it asks changes nobody's caches but those of the
// machine it runs on, whose kernel hears the answers too; in the lab that is one which has nothing to do with the
// address.

import Glibc
package import QureCore

/// Watches who has an address.
package final class WitnessRun {
    private var socket: NeighborSocket
    private var poller: Poller
    private let address: IPAddress
    private let interval: Duration
    private let end: Instant?
    package private(set) var tally: HolderTally
    package let start: Instant

    /// A witness on the named interface that asks every `interval`, for `length` or until it is told to stop.
    package init(_ address: IPAddress, interface name: String, interval: Duration, length: Duration?) throws {
        var netlink = try Netlink()
        guard let link = try netlink.link(named: name), let mac = link.mac else {
            throw LabError("\(name): no such interface, or not an Ethernet one")
        }
        let linkLocal = try netlink.addresses(on: link.index).lazy.compactMap { entry -> IPv6Address? in
            guard case .v6(let address) = entry.prefix.address, address.isLinkLocal, !entry.isTentative else {
                return nil
            }
            return address
        }.first
        let single = Prefix(address, length: address.bitWidth)
        let socket = try NeighborSocket(
            interface: link.index, name: name, mac: mac, linkLocal: linkLocal, networks: single.map { [$0] } ?? [])
        let poller = try Poller(signals: [SIGTERM, SIGINT])
        for descriptor in socket.descriptors { try poller.add(descriptor, token: 0) }
        self.socket = socket
        self.poller = poller
        self.address = address
        self.interval = interval
        start = Clock.now
        end = length.map { [start] in start + $0 }
        tally = HolderTally(forgiven: 10)
    }

    /// Asks until the time is over or a signal comes.
    package func run(_ tell: ([HolderTally.Event]) throws -> Void) throws {
        var due = start
        while true {
            let events = try poller.wait(until: earlier(due, end))
            var news: [HolderTally.Event] = []
            for heard in try socket.receive() where heard.sighting.kind == .holds {
                news += tally.hear(heard.sighting.mac, at: heard.received)
            }
            let now = Clock.now
            let isStopped = events.contains { if case .signal = $0 { true } else { false } }
            let isOver = isStopped || end.map { now >= $0 } ?? false
            if !isOver && now >= due {
                news += tally.ask()
                try ask()
                // Questions that fell due meanwhile are of no use any more.
                due = max(due + interval, now)
            }
            if isOver { news += tally.finish() }
            if !news.isEmpty { try tell(news) }
            if isOver { return }
        }
    }

    private func ask() throws(SystemError) {
        do {
            try socket.probe(address)
        } catch {
            // A link that is down for the moment has nobody on it.
            guard error.errno == .networkDown else { throw error }
        }
    }
}
