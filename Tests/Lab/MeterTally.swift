// MeterTally: the meter's bookkeeping, a pure value: requests go in with the instant they were sent, answers with the
// instant they came; out come who answers, silences, outages, and the sums at the end.
// An outage lasts from the moment the first request was sent that found nobody to answer it until the next answer
// came, whichever request that was for: a request that waited in the gateway's queue and is answered late does not make
// the outage shorter. Time in which the meter itself asked nothing is no outage.

package import QureCore

/// What a meter saw.
package struct MeterTally: Sendable {
    /// How requests are judged.
    package struct Configuration: Sendable {
        /// A request without an answer for so long is lost, and an answer after that is no answer.
        package var timeout: Duration
        /// A silence as long as this is worth telling at once.
        package var quiet: Duration

        /// Judges by these.
        package init(timeout: Duration, quiet: Duration) {
            self.timeout = timeout
            self.quiet = quiet
        }
    }

    /// A time in which nobody answered.
    package struct Outage: Equatable, Sendable {
        package var from: Instant
        /// When the next answer came, or when the meter stopped.
        package var to: Instant
        /// Who answered last before.
        package var before: String
        /// Who answered next; nil: nobody did.
        package var after: String?
        /// The requests sent meanwhile.
        package var requests: Int
        package var duration: Duration { to - from }

        /// An outage from its parts.
        package init(from: Instant, to: Instant, before: String, after: String?, requests: Int) {
            self.from = from
            self.to = to
            self.before = before
            self.after = after
            self.requests = requests
        }
    }

    /// A time in which one host answered.
    package struct Span: Equatable, Sendable {
        package var name: String
        package var from: Instant
        package var to: Instant
        package var answers: Int
    }

    /// What is worth telling as it happens.
    package enum Event: Equatable, Sendable {
        /// Another host than before answers, or the first one does.
        case answered(by: String, at: Instant)
        /// Nobody answers.
        case silent(since: Instant)
        /// Somebody answers again.
        case outage(Outage)
        /// The fate of a single request; nil: lost.
        case request(Int, sent: Instant, by: String?)
    }

    private enum Fate: Equatable { case waiting, lost, answered(Int) }

    private let configuration: Configuration
    private var sent: [Instant] = []
    private var fates: [Fate] = []
    private var names: [String] = []
    /// The latest request that was answered.
    private var latest = -1
    /// No request before this one is waiting.
    private var oldest = 0
    private var silentSince: Instant?

    /// Who answered when, in order.
    package private(set) var spans: [Span] = []
    /// The outages of at least `quiet`, in order.
    package private(set) var outages: [Outage] = []
    /// The longest of all outages, the short ones included.
    package private(set) var longest: Outage?
    package private(set) var answered = 0
    package private(set) var lost = 0
    /// Answers that came after the timeout.
    package private(set) var late = 0
    /// Answers to requests that another answer had come to already.
    package private(set) var duplicates = 0

    /// Nothing seen yet.
    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// The oldest request that can still be answered.
    package var firstWaiting: Int { oldest }
    /// How many requests there were.
    package var requests: Int { sent.count }

    /// The next request was sent; requests are counted from 0.
    package mutating func ask(at instant: Instant) {
        sent.append(instant)
        fates.append(.waiting)
    }

    /// An answer to the request of this number came.
    package mutating func answer(to number: Int, by name: String, at instant: Instant) -> [Event] {
        guard fates.indices.contains(number) else { return [] }
        switch fates[number] {
        case .answered:
            duplicates += 1
            return []
        case .waiting where instant - sent[number] <= configuration.timeout: break
        case .waiting, .lost:
            late += 1
            return []
        }
        answered += 1
        let index = names.firstIndex(of: name) ?? names.count
        if index == names.count { names.append(name) }
        fates[number] = .answered(index)
        var events: [Event] = [.request(number, sent: sent[number], by: name)]
        // One that was asked before the latest answered one waited somewhere; it does not tell who answers now.
        guard number > latest else { return events }
        if let last = spans.last {
            let from = max(sent[latest + 1], last.to)
            events += note(
                Outage(
                    from: from, to: max(instant, from), before: last.name, after: name,
                    requests: sent.count - latest - 1))
        }
        latest = number
        silentSince = nil
        if spans.last?.name == name {
            spans[spans.count - 1].to = instant
            spans[spans.count - 1].answers += 1
        } else {
            spans.append(Span(name: name, from: instant, to: instant, answers: 1))
            events.append(.answered(by: name, at: instant))
        }
        return events
    }

    private mutating func note(_ outage: Outage) -> [Event] {
        if longest.map({ $0.duration < outage.duration }) ?? true { longest = outage }
        guard outage.duration >= configuration.quiet else { return [] }
        outages.append(outage)
        return [.outage(outage)]
    }

    /// Time has passed: requests are given up, a silence becomes known.
    package mutating func advance(to now: Instant) -> [Event] {
        var events: [Event] = []
        while oldest < sent.count {
            if fates[oldest] == .waiting {
                guard now - sent[oldest] > configuration.timeout else { break }
                fates[oldest] = .lost
                lost += 1
                events.append(.request(oldest, sent: sent[oldest], by: nil))
            }
            oldest += 1
        }
        let first = latest + 1
        if silentSince == nil, first < sent.count {
            let since = max(sent[first], spans.last?.to ?? sent[first])
            if now - since >= configuration.quiet {
                silentSince = since
                events.append(.silent(since: since))
            }
        }
        return events
    }

    /// The meter stops: what is still waiting is lost, a silence that goes on is an outage without an end.
    package mutating func finish(at now: Instant) -> [Event] {
        var events: [Event] = []
        if let silentSince, let last = spans.last {
            events += note(
                Outage(from: silentSince, to: now, before: last.name, after: nil, requests: sent.count - latest - 1))
        }
        for number in oldest..<sent.count where fates[number] == .waiting {
            fates[number] = .lost
            lost += 1
            events.append(.request(number, sent: sent[number], by: nil))
        }
        oldest = sent.count
        return events
    }
}
