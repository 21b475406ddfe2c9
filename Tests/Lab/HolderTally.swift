// HolderTally: who had the address when, as somebody on the link found by asking: a pure value. Each answer says that its
// sender has the address then; a holder whose answers stay away for longer than is forgiven has lost it with its last one.
// Two holders at once are two spans that overlap.

package import QureCore

/// What a witness on the link saw.
package struct HolderTally: Sendable {
    /// A time in which one hardware address answered.
    package struct Span: Equatable, Sendable {
        package var mac: MACAddress
        package var from: Instant
        package var to: Instant
    }

    /// A time in which two hardware addresses answered.
    package struct Overlap: Equatable, Sendable {
        package var macs: [MACAddress]
        package var from: Instant
        package var to: Instant
        package var duration: Duration { to - from }
    }

    /// What is worth telling as it happens.
    package enum Event: Equatable, Sendable {
        case taken(MACAddress, at: Instant)
        /// It answers no more; it did last at the span's end.
        case left(Span)
        case together(Overlap)
    }

    private let forgiven: Duration
    private var open: [Span] = []
    /// The times of single holders, in the order of their ends.
    package private(set) var spans: [Span] = []
    /// The times of two holders at once.
    package private(set) var overlaps: [Overlap] = []

    /// Nothing seen yet. `forgiven`: how long an answer may stay away.
    package init(forgiven: Duration) { self.forgiven = forgiven }

    /// Who has the address now.
    package var holders: [MACAddress] { open.map(\.mac) }
    /// How long two had it, all in all.
    package var together: Duration { overlaps.reduce(.zero) { $0 + $1.duration } }

    /// `mac` says that it has the address.
    package mutating func hear(_ mac: MACAddress, at instant: Instant) -> [Event] {
        let events = advance(to: instant)
        if let index = open.firstIndex(where: { $0.mac == mac }) {
            open[index].to = max(open[index].to, instant)
            return events
        }
        open.append(Span(mac: mac, from: instant, to: instant))
        return events + [.taken(mac, at: instant)]
    }

    /// Time has passed.
    package mutating func advance(to now: Instant) -> [Event] {
        let limit = now - forgiven
        return close { $0.to < limit }
    }

    /// The witness stops.
    package mutating func finish() -> [Event] { close { _ in true } }

    private mutating func close(_ isOver: (Span) -> Bool) -> [Event] {
        var events: [Event] = []
        while let index = open.firstIndex(where: isOver) {
            let span = open.remove(at: index)
            for other in open {
                let overlap = Overlap(
                    macs: [span.mac, other.mac].sorted(), from: max(span.from, other.from),
                    to: min(span.to, other.to))
                guard overlap.duration > .zero else { continue }
                overlaps.append(overlap)
                events.append(.together(overlap))
            }
            spans.append(span)
            events.append(.left(span))
        }
        return events
    }
}
