// LeaseFollower: turns the event stream of an elector into "hold" and "do not hold". It grants nothing by itself: what
// holds an address is a line that says so, for as long as its lease says, counted from the heartbeat it tells of and
// not from the reading of the line, so that a process that was frozen does not grant itself a lease from old lines.
// The end of the stream, a lease that runs out, a line that is malformed: no longer held. Used by every follower of
// the stream.
//
//   state      input                         → state      outputs
//   released   a line that holds, lease left → held       hold(until, handing over or not)
//   released   a line that holds, lease over → released   nothing: an old line grants nothing
//   held       a line that holds             → held       hold(…), or as expired if its lease is over already
//   held       master, once more             → held       hold(…), announce
//   held       a line that does not hold     → released   release(state)
//   held       deadline                      → released   release(expired)
//   held       a line whose lease is over, within the patience → held  nothing: heartbeats have renewed it since
//   any        malformed, end                → ended      release if held; ended
//   held       stop                          → held       (goes on for STOP_WAIT, then as end)
//   released   stop                          → ended      ended
//   any        stop again                    → ended      release if held; ended

/// The reading end of an event stream.
package struct LeaseFollower: Sendable {
    /// What happened.
    package enum Input: Equatable, Sendable {
        case event(ClusterEvent)
        /// A line that is no event, with the reason.
        case malformed(String)
        /// The stream ended.
        case endOfStream
        /// The process is asked to end.
        case stop
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        /// Hold, at the latest until then; `handsOver`: without a word on the link any more, an heir is about to.
        case hold(until: Instant, handsOver: Bool)
        /// Tell the link once more: somebody else may have answered meanwhile.
        case announce
        /// Do not hold.
        case release(Reason)
        /// Nothing more will come.
        case ended(End)
    }

    /// Why the address is released.
    package enum Reason: Equatable, Sendable {
        /// The elector said so: its word, and its reason if it gave one.
        case told(String, reason: String?)
        /// No line renewed the lease in its time; how long that was over when it was noticed.
        case expired(Duration)
        /// See `End`.
        case ended
    }

    /// How the stream ended.
    package enum End: Equatable, Sendable {
        /// After it had said that this host does not hold.
        case quietly
        /// While this host was to hold: the elector died.
        case whileHolding
        case malformed(String)
        /// Because the process was asked to end.
        case stopped
    }

    /// How long a first stop waits for the stream to end by itself: the elector hands over first.
    static let stopWait = Duration.milliseconds(500)

    /// What a lease is worth that a line does not name.
    private let defaultLease: Duration
    /// How long after the lease of its last line the address is still held, where the elector's heartbeats renew the
    /// lease by themselves and its lines come from time to time only.
    package var patience = Duration.zero
    private var until: Instant?
    private var stopBy: Instant?
    private var hasEnded = false

    /// A follower of a stream whose lines hold for `defaultLease` from their arrival where they say nothing else.
    package init(defaultLease: Duration) { self.defaultLease = defaultLease }

    /// When `deadlinePassed` is due.
    package var nextDeadline: Instant? { hasEnded ? nil : earlier(until.map { $0 + patience }, stopBy) }

    /// Takes one input and says what to do.
    package mutating func step(_ input: Input, at now: Instant) -> [Output] {
        guard !hasEnded else { return [] }
        switch input {
        case .event(let event): return follow(event, at: now)
        case .malformed(let why): return end(.malformed(why))
        case .endOfStream: return end(stopBy != nil ? .stopped : until == nil ? .quietly : .whileHolding)
        case .stop:
            guard until != nil, stopBy == nil else { return end(.stopped) }
            stopBy = now + Self.stopWait
            return []
        case .deadlinePassed:
            if let stopBy, now >= stopBy { return end(.stopped) }
            return expire(at: now)
        }
    }

    /// What remains to be done of outputs that came at once, in order: all that take away or end, then the last that
    /// holds, unless it was taken back.
    package static func whatRemains(of outputs: [Output]) -> [Output] {
        func isGiving(_ output: Output) -> Bool {
            switch output {
            case .hold, .announce: true
            case .release, .ended: false
            }
        }
        let rest = outputs[((outputs.lastIndex { !isGiving($0) } ?? -1) + 1)...]
        let hold = rest.last { $0 != .announce }
        let announcement: [Output] = rest.contains(.announce) ? [.announce] : []
        return outputs.filter { !isGiving($0) } + (hold.map { [$0] } ?? []) + announcement
    }

    private mutating func follow(_ event: ClusterEvent, at now: Instant) -> [Output] {
        switch event.holds {
        case nil:
            return expire(at: now)
        case false?:
            guard until != nil else { return [] }
            until = nil
            let outputs: [Output] = [.release(.told(event.state.rawValue, reason: event.reason))]
            return stopBy == nil ? outputs : outputs + end(.stopped)
        case true?:
            // A heartbeat from the future would be a lease without end.
            let from = event.at.map { min(Instant(nanoseconds: $0), now) } ?? now
            let end = from + (event.lease ?? defaultLease)
            guard now < end else {
                guard until != nil else { return [] }
                until = end
                return expire(at: now)
            }
            let isSaidAgain = until != nil && event.state == .master
            until = end
            return [.hold(until: end, handsOver: event.state == .transferring)] + (isSaidAgain ? [.announce] : [])
        }
    }

    private mutating func expire(at now: Instant) -> [Output] {
        guard let due = until.map({ $0 + patience }), now >= due else { return [] }
        until = nil
        return [.release(.expired(now - due))]
    }

    private mutating func end(_ how: End) -> [Output] {
        hasEnded = true
        defer { until = nil }
        return (until == nil ? [] : [.release(.ended)]) + [.ended(how)]
    }
}
