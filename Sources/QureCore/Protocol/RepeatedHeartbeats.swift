// RepeatedHeartbeats: the datagrams of a master of whom there is nothing new, sealed some at a time. Nearly all that a
// heartbeat costs comes from its program having been asleep: nothing that it needs is in the processor's caches. What
// one code needs is fetched for it alone; nine cost little more. So those of a second, or sixteen, are sealed with the
// first of them; what comes about otherwise than was foreseen is sealed when it is due.

/// Heartbeats that repeat one, as they are sent.
package struct RepeatedHeartbeats: Sendable {
    private var template: SealedDatagram
    private let interval: Duration
    /// How many are sealed at a time.
    private let count: Int
    /// They stand here one behind the other; the next one to be said begins at `offset`.
    private var octets: [UInt8] = []
    private var offset = 0
    /// What that one says; nil: all have been said.
    private var next: Election.Repetition?

    /// Those that repeat `heartbeat`, which `keys` have sealed, one each `interval`.
    package init(of heartbeat: [UInt8], sealedWith keys: KeyRing, each interval: Duration) {
        template = SealedDatagram(heartbeat, keys)
        self.interval = interval
        // Nothing stays as it was for more than a second: the gateway is asked, and members say that they are here. One
        // heartbeat of each second is put together anew, then. The limit keeps it small where they are frequent.
        count = Int(min(max(Duration.seconds(1).nanoseconds / max(interval.nanoseconds, 1) - 1, 1), 16))
    }

    /// The datagram of a heartbeat that is due.
    package mutating func datagram(of repetition: Election.Repetition) -> ArraySlice<UInt8> {
        if next.map(repetition.isSaid) != true { seal(from: repetition) }
        let start = offset
        offset += template.octets.count
        next = offset < octets.count ? next?.next(after: interval) : nil
        return octets[start..<offset]
    }

    private mutating func seal(from first: Election.Repetition) {
        var repetition = first
        octets.removeAll(keepingCapacity: true)
        for _ in 0..<count {
            template.change {
                ElectionMessage.rewrite(&$0, sequence: repetition.sequence, gatewayAge: repetition.gatewayAge)
            }
            octets += template.octets
            repetition = repetition.next(after: interval)
        }
        offset = 0
        next = first
    }
}
