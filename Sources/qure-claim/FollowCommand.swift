// `qure-claim follow`: holds addresses for as long as the event stream on standard input says so, and not a moment
// longer.

import ArgumentParser
import Glibc
import QureCore

/// `qure-claim follow`
struct Follow: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "follow", of: "qure-claim",
        abstract:
            "Hold the addresses while the event stream on standard input says so "
            + "(qure-elect run | qure-claim follow …)."
    )

    @OptionGroup var arguments: StayArguments

    func run() throws {
        let session = try arguments.begin(.elector)
        defer { session.finish() }
        let follower = StreamFollowing(
            session, defaultLease: arguments.lease, probing: arguments.placement.unlessHeld)
        try follower.run()
        if session.output.hasFailed { throw Failure(.system, "") }
    }
}

/// Joins the LeaseFollower machine with standard input and a session.
final class StreamFollowing {
    private let session: ClaimSession
    private var follower: LeaseFollower
    private var stream = EventStream()
    private let probing: Bool
    private var peers: [MACAddress]?
    private var end: LeaseFollower.End?
    /// Words of the stream that are not known and were not told of yet.
    private var newWords: [String] = []

    init(_ session: ClaimSession, defaultLease: Duration, probing: Bool) {
        self.session = session
        self.probing = probing
        follower = LeaseFollower(defaultLease: defaultLease)
    }

    /// Follows until the stream ends or the process is asked to.
    func run() throws {
        let isPollable = try stream.addTo(session.poller, token: ClaimSession.Token.input)
        session.isReady()
        while end == nil {
            let deadline = earlier(session.nextDeadline, follower.nextDeadline)
            let events = isPollable ? try session.poller.wait(until: deadline) : [.ready(ClaimSession.Token.input)]
            // First of all: a lease that has run out while this process was not looking.
            try take(.deadlinePassed)
            // Before the stream: Ctrl-C goes to the elector too, and what ends the stream then is no failure.
            if events.contains(where: { $0 == .signal(SIGTERM) || $0 == .signal(SIGINT) }) { try take(.stop) }
            if events.contains(.ready(ClaimSession.Token.input)) { try readStream() }
            guard end == nil else { break }
            try session.turn(events)
            // Somebody else has the address: the next line asks for it again.
            if case .refused(let sighting)? = session.end {
                session.diagnostics.say(.warning, "\(sighting.address): held by \(sighting.mac), not taken")
                session.clearEnd()
            }
        }
        try finish()
    }

    /// After a stall many lines come at once, and only the last counts: an address that one of them gives and the next
    /// takes away again must not be announced in between.
    private func readStream() throws {
        let outputs = try stream.read().flatMap { follower.step(input($0), at: Clock.now) }
        for output in LeaseFollower.whatRemains(of: outputs) { try perform(output) }
        // The address comes first.
        for word in newWords {
            session.diagnostics.say(.notice, "the stream says '\(word)', which this version does not know; ignoring it")
        }
        newWords = []
    }

    private func input(_ item: EventStream.Item) -> LeaseFollower.Input {
        switch item {
        case .line(let line):
            do {
                let event = try ClusterEvent(line)
                note(event)
                return .event(event)
            } catch {
                return .malformed("\(error) in '\(String(decoding: line.prefix(80), as: UTF8.self))'")
            }
        case .tooLong: return .malformed("a line longer than \(ClusterEvent.maximumLength) bytes")
        case .cutOff: return .malformed("the stream ended in the middle of a line")
        case .end: return .endOfStream
        }
    }

    private func note(_ event: ClusterEvent) {
        if let named = event.peers { peers = named }
        if event.heartbeat != nil || event.lease != nil { session.prepare(for: event.heartbeat) }
        follower.patience = session.patience
        session.diagnostics.say(.debug, "< \(event)")
        newWords += stream.newWords(of: event)
    }

    private func take(_ input: LeaseFollower.Input) throws {
        for output in follower.step(input, at: Clock.now) { try perform(output) }
    }

    private func perform(_ output: LeaseFollower.Output) throws {
        switch output {
        case .hold(let until, let handsOver):
            try session.grant(until: until, handsOver: handsOver, probing: probing, peers: peers)
        case .announce: try session.announceAgain()
        case .release(let reason):
            let isNothingNew = session.isIdle
            try session.release()
            if isNothingNew { return }
            if case .expired(let late) = reason {
                // Noticed when it was due, it is not worth a number.
                let when = late < .milliseconds(1) ? "" : " \(late.spoken) ago"
                session.diagnostics.say(
                    .error, "the lease ran out\(when) and no line has renewed it: address withdrawn")
            } else if case .told(let word, let why) = reason {
                session.diagnostics.say(.notice, "address withdrawn: \(word)\(why.map { ", \($0)" } ?? "")")
            }
        case .ended(let how): end = how
        }
    }

    /// What the end of the stream means for the exit status.
    private func finish() throws {
        switch end {
        case .whileHolding?:
            throw Failure(.unreachable, "standard input ended while the address was held: address withdrawn")
        case .malformed(let why)?: throw Failure(.usage, "standard input: \(why): address withdrawn")
        case .quietly?, .stopped?, nil: return
        }
    }
}
