// SimulatedLink: a LAN in virtual time: what is sent arrives at the others after a delay, or not at all, or twice, or
// behind what was sent later; hosts can be cut off. Everything that happens follows from the generator's seed.

package import QureCore

/// One link and what is under way on it.
package struct SimulatedLink<Frame: Sendable>: Sendable {
    /// What the link does to frames.
    package struct Conduct: Sendable {
        /// The probability that a frame is lost on its way to one of its receivers.
        package var loss = 0.0
        /// The probability that it arrives there twice.
        package var copies = 0.0
        /// How long it is under way.
        package var delay: ClosedRange<Int64> = 50_000...500_000

        /// A link as it should be: half a millisecond at most, nothing lost.
        package init() {}
    }

    private struct Flight: Sendable {
        var arrival: Instant
        var order: Int
        var receiver: Int
        var frame: Frame
    }

    package var conduct = Conduct()
    /// Hosts in different groups do not hear each other; hosts not named are in group 0.
    package var groups: [Int: Int] = [:]
    private let hosts: Int
    private var flights: [Flight] = []
    private var sent = 0

    /// A link of this many hosts.
    package init(hosts: Int) { self.hosts = hosts }

    /// Sends a frame to one host, or to all others.
    package mutating func send(
        _ frame: Frame, from sender: Int, to receiver: Int? = nil, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) {
        for host in 0..<hosts where host != sender && (receiver == nil || receiver == host) {
            guard groups[host, default: 0] == groups[sender, default: 0] else { continue }
            if Double.random(in: 0..<1, using: &random) < conduct.loss { continue }
            for _ in 0..<(Double.random(in: 0..<1, using: &random) < conduct.copies ? 2 : 1) {
                sent += 1
                let delay = Duration.nanoseconds(Int64.random(in: conduct.delay, using: &random))
                flights.append(Flight(arrival: now + delay, order: sent, receiver: host, frame: frame))
            }
        }
    }

    /// When the next frame arrives.
    package var nextArrival: Instant? { flights.map(\.arrival).min() }

    /// Takes the frame that arrives first, if it does so until `now`.
    package mutating func arrival(until now: Instant) -> (receiver: Int, frame: Frame)? {
        let first = flights.indices.min {
            (flights[$0].arrival, flights[$0].order) < (flights[$1].arrival, flights[$1].order)
        }
        guard let first, flights[first].arrival <= now else { return nil }
        let flight = flights.remove(at: first)
        return (flight.receiver, flight.frame)
    }
}
