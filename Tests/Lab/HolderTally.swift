// HolderTally: who had the address when, as somebody on the link found by asking: a pure value. Each answer says that
// its sender has the address then; a holder that leaves more questions in a row unanswered than are forgiven has lost
// it with its last answer. Questions are counted, not time, so that a witness that stalls accuses nobody. Two holders
// at once are two spans that overlap.

package import QureCore

/// What a witness on the link saw.
package struct HolderTally: Sendable {
    /// A time in which one hardware address answered.
    package struct Span: Equatable, Sendable {
        package var mac: MACAddress
        package var from: Instant
        package var to: Instant

        /// A span from its parts.
        package init(mac: MACAddress, from: Instant, to: Instant) {
            self.mac = mac
            self.from = from
            self.to = to
        }
    }

    /// A time in which two hardware addresses answered.
    package struct Overlap: Equatable, Sendable {
        package var macs: [MACAddress]
        package var from: Instant
        package var to: Instant
        package var duration: Duration { to - from }

        /// An overlap from its parts.
        package init(macs: [MACAddress], from: Instant, to: Instant) {
            self.macs = macs
            self.from = from
            self.to = to
        }
    }

    /// What is worth telling as it happens.
    package enum Event: Equatable, Sendable {
        case taken(MACAddress, at: Instant)
        /// It answers no more; it did last at the span's end.
        case left(Span)
        case together(Overlap)
    }

    private let forgiven: Int
    /// The holders of now, each with the number of questions since its last answer.
    private var open: [(span: Span, missed: Int)] = []
    /// The times of single holders, in the order of their ends.
    package private(set) var spans: [Span] = []
    /// The times of two holders at once.
    package private(set) var overlaps: [Overlap] = []

    /// Nothing seen yet. `forgiven`: how many questions in a row may stay unanswered.
    package init(forgiven: Int) { self.forgiven = forgiven }

    /// Who has the address now.
    package var holders: [MACAddress] { open.map(\.span.mac) }
    /// How long two had it, all in all.
    package var together: Duration { overlaps.reduce(.zero) { $0 + $1.duration } }

    /// `mac` says that it has the address.
    package mutating func hear(_ mac: MACAddress, at instant: Instant) -> [Event] {
        if let index = open.firstIndex(where: { $0.span.mac == mac }) {
            open[index].span.to = max(open[index].span.to, instant)
            open[index].missed = 0
            return []
        }
        open.append((Span(mac: mac, from: instant, to: instant), 0))
        return [.taken(mac, at: instant)]
    }

    /// A question is about to be asked.
    package mutating func ask() -> [Event] {
        let limit = forgiven
        let events = close { $0.missed >= limit }
        for index in open.indices { open[index].missed += 1 }
        return events
    }

    /// The witness stops.
    package mutating func finish() -> [Event] { close { _ in true } }

    private mutating func close(_ isOver: ((span: Span, missed: Int)) -> Bool) -> [Event] {
        var events: [Event] = []
        while let index = open.firstIndex(where: isOver) {
            let span = open.remove(at: index).span
            for other in open.map(\.span) {
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
