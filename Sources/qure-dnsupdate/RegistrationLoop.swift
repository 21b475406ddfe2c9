// RegistrationLoop: the loop of those that stay: `register --watch`, which registers from its start to its end, and
// `follow`, which registers while an elector says so. It waits for what the session waits for, for changes of this
// host's network, for the event stream, for signals and for time, all at once: nobody's silence keeps it from noticing
// the others. The service manager is told how things are.

import Glibc
import QureCore

/// A registration that stays.
final class RegistrationLoop {
    private enum Token { static let talk = 0, network = 1, input = 2, news = 3 }

    /// How long leaving may take once the process is to end: an address that cannot be taken off by then stays.
    static let leaving = Duration.seconds(5)

    private var poller: Poller
    private var network: NetworkWatch
    /// What the gateway announces, where it is asked.
    private var news: GatewayNews?
    private let service = ServiceManager()
    private var watchdog: Watchdog
    private var toldStatus = ""
    private var following: Following?
    private var diagnostics: Diagnostics
    private let begin: (String?) throws -> RegistrationSession
    private(set) var session: RegistrationSession?
    /// Whether SIGHUP is word of a terminal that is gone, and not of somebody who wants a look.
    private let isAtTerminal = isatty(1) != 0

    /// A loop that makes its session by `begin` when there is something to register; `following`: only while the stream
    /// says so, and with the name of its cluster.
    init(
        following: Following?, _ diagnostics: Diagnostics, _ news: consuming GatewayNews?,
        begin: @escaping (String?) throws -> RegistrationSession
    ) throws {
        let network = try NetworkWatch()
        poller = try Poller(signals: [SIGTERM, SIGINT, SIGHUP])
        try poller.add(network.descriptor, token: Token.network)
        if let descriptor = news?.descriptor { try poller.add(descriptor, token: Token.news) }
        self.network = network
        self.news = news
        self.following = following
        self.diagnostics = diagnostics
        self.begin = begin
        watchdog = Watchdog(service, at: Clock.now)
    }

    private func register(cluster: String?) throws {
        if session == nil {
            let new = try begin(cluster)
            try poller.add(new.descriptor, token: Token.talk)
            session = new
        }
        try session?.take(.register)
    }

    /// Registers until the process is asked to end; then leaves, unless the address is to be kept.
    func watch(keeps: Bool) throws {
        try register(cluster: nil)
        service.notify("READY=1")
        var isStopping = false
        while !isStopping {
            isStopping = isToEnd(try wait(until: nil))
        }
        service.notify("STOPPING=1")
        if !keeps { try leave() }
    }

    /// Registers while the stream says so.
    func follow() throws {
        guard var following else { return }
        let isPollable = try following.addTo(poller, token: Token.input)
        service.notify("READY=1")
        while following.end == nil {
            let deadline = isPollable ? following.nextDeadline : Clock.now
            let events = try wait(until: deadline)
            let isAsked = isToEnd(events)
            let isReadable = !isPollable || events.contains(.ready(Token.input))
            let wish = try following.turn(isAsked: isAsked, isReadable: isReadable, at: Clock.now, &diagnostics)
            switch wish {
            case .register: try register(cluster: following.cluster)
            case .withdraw: try session?.take(.withdraw)
            case nil: break
            }
        }
        service.notify("STOPPING=1")
        if session?.machine.isRegistering == true, let limit = following.lingersUntil {
            // An heir may be about to take the site over, and then the address had better stay.
            while Clock.now < limit { _ = try wait(until: limit) }
        }
        try leave()
        if let failure = following.failure { throw failure }
    }

    private func isToEnd(_ events: [Poller.Event]) -> Bool {
        let signals = [SIGTERM, SIGINT] + (isAtTerminal ? [SIGHUP] : [])
        return signals.contains { events.contains(.signal($0)) }
    }

    /// Takes the site's addresses off the name. Who asks a second time does not want to wait for that.
    private func leave() throws {
        guard let session else { return }
        let limit = Clock.now + Self.leaving
        var isHurried = false
        try session.take(.withdraw)
        while !session.machine.isGone {
            guard Clock.now < limit, !isHurried else {
                throw Failure(
                    .temporary, "\(session.status.isEmpty ? "no answer" : session.status); the address stays as it is")
            }
            isHurried = isToEnd(try wait(until: limit))
        }
    }

    private func lookAgain() throws {
        service.notify("RELOADING=1", "MONOTONIC_USEC=\(Clock.monotonicMicroseconds)")
        try session?.lookAgain()
        service.notify("READY=1")
    }

    /// Waits until something happens, and does what does not concern the caller.
    private func wait(until deadline: Instant?) throws -> [Poller.Event] {
        let due = earlier(earlier(deadline, session?.nextDeadline), watchdog.nextDeadline)
        let events = try poller.wait(until: due)
        if events.contains(.signal(SIGHUP)), !isAtTerminal { try lookAgain() }
        if events.contains(.ready(Token.network)), try network.hasChanged() { try session?.take(.recheck) }
        if events.contains(.ready(Token.news)), try news?.areNews(&diagnostics) ?? false {
            try session?.take(.recheck)
        }
        try session?.turn()
        watchdog.turn(at: Clock.now)
        if let status = session?.status, status != toldStatus {
            toldStatus = status
            service.notify("STATUS=\(status)")
        }
        return events
    }
}

/// The event stream as a registration follows it.
struct Following {
    /// What is to be done.
    enum Wish { case register, withdraw }

    private var follower: LeaseFollower
    private var stream = EventStream()
    /// How long the address stays when the stream no longer says that it is this site's: the name without an address,
    /// even for a moment, is remembered by resolvers for as long as the zone's SOA says.
    private let linger: Duration
    /// When the address goes; nil: it does not, or is gone.
    private(set) var lingersUntil: Instant?
    /// How the stream ended.
    private(set) var end: LeaseFollower.End?
    /// The cluster that the stream is about.
    private(set) var cluster: String?
    private var isHeld = false

    init(defaultLease: Duration, linger: Duration) {
        follower = LeaseFollower(defaultLease: defaultLease)
        self.linger = linger
    }

    /// When `turn` has something to do.
    var nextDeadline: Instant? { earlier(follower.nextDeadline, lingersUntil) }

    /// Watches standard input; false: it can always be read.
    func addTo(_ poller: borrowing Poller, token: Int) throws -> Bool { try stream.addTo(poller, token: token) }

    /// Takes what has happened.
    mutating func turn(
        isAsked: Bool, isReadable: Bool, at now: Instant, _ diagnostics: inout Diagnostics
    ) throws -> Wish? {
        let wasHeld = isHeld
        take(.deadlinePassed, at: now, &diagnostics)
        if isAsked { take(.stop, at: now, &diagnostics) }
        if isReadable {
            for item in try stream.read() {
                switch item {
                case .line(let line): takeLine(line, at: now, &diagnostics)
                case .tooLong:
                    take(.malformed("a line longer than \(ClusterEvent.maximumLength) bytes"), at: now, &diagnostics)
                case .cutOff: take(.malformed("the stream ended in the middle of a line"), at: now, &diagnostics)
                case .end: take(.endOfStream, at: now, &diagnostics)
                }
            }
        }
        if isHeld { return wasHeld ? nil : .register }
        guard let limit = lingersUntil, limit <= now else { return nil }
        lingersUntil = nil
        return .withdraw
    }

    private mutating func takeLine(_ line: [UInt8], at now: Instant, _ diagnostics: inout Diagnostics) {
        do {
            let event = try ClusterEvent(line)
            cluster = event.words.first { $0.key == "cluster" }?.value ?? cluster
            diagnostics.say(.debug, "< \(event)")
            for word in stream.newWords(of: event) {
                diagnostics.say(
                    .notice, "the stream says '\(word)', which this version does not know; ignoring it")
            }
            take(.event(event), at: now, &diagnostics)
        } catch {
            let text = String(decoding: line.prefix(80), as: UTF8.self)
            take(.malformed("\(error) in '\(text)'"), at: now, &diagnostics)
        }
    }

    private mutating func take(_ input: LeaseFollower.Input, at now: Instant, _ diagnostics: inout Diagnostics) {
        for output in follower.step(input, at: now) {
            switch output {
            case .hold:
                isHeld = true
                lingersUntil = nil
            case .announce: break
            case .release(let reason):
                isHeld = false
                lingersUntil = now + linger
                if case .expired = reason {
                    diagnostics.say(.warning, "no line has renewed the lease; the address goes in \(linger.text)")
                }
            case .ended(let how): end = how
            }
        }
    }

    /// What the end of the stream means for the exit status.
    var failure: Failure? {
        switch end {
        case .whileHolding?:
            Failure(.unreachable, "standard input ended while the site was registered: address withdrawn")
        case .malformed(let why)?: Failure(.usage, "standard input: \(why): address withdrawn")
        case .quietly?, .stopped?, nil: nil
        }
    }
}
