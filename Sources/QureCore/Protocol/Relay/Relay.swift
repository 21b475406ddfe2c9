// Relay: what qure-dnsproxy does with a query that its cache does not answer: finds out what it is about (an alias, a
// name that is known here, a name that others know), asks whoever knows, and answers all who wait for the same. It is a
// machine like the others: requests, answers and the clock go in, what is to be sent comes out. Each question that is
// under way is a DNSExchange of its own, which sees to it that nothing is believed that is not the answer.
//
//   a query                        | is answered
//   for an alias, A or AAAA        | from the table of aliases, at once or when the addresses are known
//   for an alias, another type     | NODATA; ANY as RFC 8482 says
//   for a name that is known here  | from local data
//   of a stranger, or without RD   | REFUSED; in a public domain by its primary, which is asked without RD
//   that failed a moment ago       | SERVFAIL (RFC 9520)
//   that somebody else waits for   | when that one is
//   with a signature               | by the server of its domain, or NOTAUTH
//   any other                      | when the upstreams have been asked
//
// Relay.swift has the door, RelayWork.swift what is under way, RelayQueries.swift what is known at once,
// RelayForwarding.swift what is asked for, RelayFollowing.swift where aliases lead to other parts of this,
// RelayAuthority.swift what is public, RelayLoops.swift what comes back, RelayRoom.swift how much may be under way,
// RelayStale.swift what is given that is old, RelayChanges.swift what happens when a zone changes.

/// A client that waits for an answer: as much of it as the answer needs.
package struct RelayClient: Hashable, Sendable {
    /// Its address.
    package var address: IPAddress
    /// Its port.
    package var port: UInt16
    /// The interface of a link-local address.
    package var scope: UInt32 = 0
    /// Our address that it asked.
    package var local: IPAddress?
    /// The socket that it came through.
    package var entrance: Int
    /// Its connection; nil: it sent a datagram.
    package var stream: Int?

    /// A client.
    package init(
        _ address: IPAddress, port: UInt16, scope: UInt32 = 0, local: IPAddress? = nil, entrance: Int = 0,
        stream: Int? = nil
    ) {
        self.address = address
        self.port = port
        self.scope = scope
        self.local = local
        self.entrance = entrance
        self.stream = stream
    }
}

/// The machine.
package struct Relay: Sendable {
    /// What happens.
    package enum Input: Sendable {
        /// A client asks something that the cache did not answer.
        case request([UInt8], RelayClient)
        /// Something came of a question of ours.
        case exchange(Int, DNSExchange.Input)
        /// An answer that clients ask for is about to be over (AnswerCache.Finding).
        case refresh([UInt8], RelayClient)
        /// Another worker has heard that a zone has changed.
        case changed(DomainName)
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        case answer([UInt8], RelayClient)
        /// A message of this client, which has a connection, is not answered.
        case ignore(RelayClient)
        /// For the exchange of this number.
        case sendDatagram([UInt8], to: DNSEndpoint, exchange: Int)
        case openStream([UInt8], to: DNSEndpoint, exchange: Int)
        case close(exchange: Int)
        /// A line for the log.
        case report(Report)
    }

    /// What a user may want to know.
    package enum Report: Equatable, Sendable {
        case aliasChanged(DomainName, RecordType, [IPAddress])
        case aliasFailed(DomainName, RecordType)
        /// The target of an alias does not exist; it did, or nothing was known of it.
        case targetMissing(DomainName, DomainName)
        /// What is asked of a server comes back to us; nil: aliases lead to each other. This is said once a minute of
        /// a server at most.
        case loop(DNSQuestion, DNSEndpoint?)
        /// A notification was believed, or an update went through: the other workers are to look, too.
        case changed(DomainName, by: IPAddress)
        /// A notification was not believed. This is said once a minute at most.
        case disbelieved(DomainName, by: IPAddress, NotifyGate.Refusal)
        /// A server leaves questions unanswered; why, in a few words.
        case silent(DNSEndpoint, String)
        /// It has answered again, so long after.
        case heardAgain(DNSEndpoint, Duration)
        /// An update, or a signed question, was not passed on. This is said once a minute at most.
        case notPassedOn(DomainName, by: IPAddress, UpdateRule.Refusal)
        /// A client's question was refused for want of room. This is said once a minute at most.
        case overdrawn(by: IPAddress, Overdraft)
    }

    /// What has been counted.
    package struct Counters: Equatable, Sendable {
        /// Requests that did not come from the cache.
        package var requests: UInt64 = 0
        /// Of these: dropped; rejected for their form; refused; waiting for what another had asked for.
        package var dropped: UInt64 = 0, malformed: UInt64 = 0, refused: UInt64 = 0, joined: UInt64 = 0
        /// Questions that were put to others; those that nobody answered.
        package var asked: UInt64 = 0, unanswered: UInt64 = 0
        /// Of these: turned to a stream, for somebody guessed numbers.
        package var guessed: UInt64 = 0
        /// Answers that were old; SERVFAIL; questions of ours that came back.
        package var stale: UInt64 = 0, failed: UInt64 = 0, looped: UInt64 = 0
        /// Answers that came too late to be sent.
        package var late: UInt64 = 0
        /// Notifications that were believed; updates that were passed on.
        package var notified: UInt64 = 0, updates: UInt64 = 0
        /// Questions that there was no room for.
        package var overdrawn: UInt64 = 0

        /// Nothing yet.
        package init() {}

        /// Adds those of another relay.
        package static func += (one: inout Counters, other: Counters) {
            let all: [WritableKeyPath<Counters, UInt64>] = [
                \.requests, \.dropped, \.malformed, \.refused, \.joined, \.asked, \.unanswered, \.guessed, \.stale,
                \.failed, \.looped, \.late, \.notified, \.updates, \.overdrawn,
            ]
            for path in all { one[keyPath: path] += other[keyPath: path] }
        }
    }

    /// How long a client waits: less than a resolver's library does (5 s).
    static let patience = Duration.milliseconds(4500)
    /// How long an answer by datagram may take, to an address that may be forged. Who makes answers wait, from a server
    /// of his own, could have them come all at once to whoever has that address (DNSBomb, CVE-2024-33655). Who really
    /// asked asks again, and what has come meanwhile is known then. Those that say "no" are as short as the question.
    static let datagramPatience = Duration.milliseconds(1900)
    /// Servers that are asked for one answer, the same ones again where there are fewer; of these the last one gets
    /// what is left if it is silent.
    static let tries = 3
    /// Answers that are as good as none: the next server is asked.
    static let noAnswers: Set<DNSResponseCode> = [
        .serverFailure, .refused, .notImplemented, .formatError, .notAuthorized,
    ]
    /// Updates under way, at most, and as many signed questions; how long answers to updates are kept for datagrams
    /// that are sent again.
    static let maximumUpdates = 64, updateMemory = Duration.seconds(10)

    /// As configured.
    package private(set) var configuration: RelayConfiguration
    /// Answers that are known; whoever receives queries asks it first.
    package var cache: AnswerCache
    /// What is known of aliases.
    package internal(set) var aliases: AliasTable
    /// What has been counted.
    package internal(set) var counters = Counters()
    var failures = FailureCache()
    var ranking = ServerRanking()
    /// Which servers leave questions unanswered.
    package private(set) var silence = ServerSilence()
    var jar = CookieJar()
    /// The SOA records of public zones, as their primaries said last.
    var publicZones: [DomainName: DNSRecord] = [:]
    var works: [Int: Work] = [:]
    var numbers: [Purpose: Int] = [:]
    /// Who waits: how many of each client, and of all.
    var waiting: [IPAddress: Int] = [:], waitingInAll = 0
    /// From when on it may be said again that somebody has too much under way.
    var nextRoomComplaint: Instant?
    /// Who has said that something has changed.
    package internal(set) var notifyGate = NotifyGate()
    /// From when on it may be said again that a notification was not believed.
    var nextComplaint: Instant?
    /// As `nextComplaint`, for updates that are not passed on.
    var nextUpdateComplaint: Instant?
    /// From when on it may be said again of a server that questions to it come back.
    var nextLoopReports: [DNSEndpoint: Instant] = [:]
    var updates: [Int: UpdateForwarding] = [:]
    var recentUpdates: [(client: RelayClient, octets: [UInt8], answer: [UInt8], until: Instant)] = []
    var rounds: [Int: Round] = [:]
    private var nextNumber = 0
    /// Seconds since 1970 at the present step.
    private(set) var unixTime: UInt64 = 0
    private(set) var present: Instant
    private var earliest: Instant?

    /// A relay that knows nothing yet. `cacheKey` is to be drawn from a generator that nobody can guess.
    package init(_ configuration: RelayConfiguration, cacheKey: (UInt64, UInt64), at now: Instant) {
        self.configuration = configuration
        present = now
        cache = AnswerCache(capacity: configuration.cacheSize, key: cacheKey)
        aliases = AliasTable(configuration.aliases, at: now)
        nextDeadline = aliases.nextDeadline
    }

    /// When `deadlinePassed` is due, at the latest.
    package private(set) var nextDeadline: Instant?

    /// Takes another configuration: what waits goes on waiting, what is known of the same aliases stays.
    package mutating func configure(_ new: RelayConfiguration, cacheKey: (UInt64, UInt64), at now: Instant) {
        var table = AliasTable(new.aliases, at: now)
        table.adopt(aliases)
        aliases = table
        configuration = new
        cache = AnswerCache(capacity: new.cacheSize, key: cacheKey)
        failures = FailureCache()
        silence.keep(only: new.servers)
        numbers = [:]
        for (alias, round) in rounds {
            let question = works.first { _, work in
                if case .serial(alias, round.number, _) = work.purpose { true } else { false }
            }
            if let number = question?.key { works[number]?.waiters += round.waiters.values.joined() }
        }
        for (number, work) in works {
            // Names, views and servers may be others now; whoever waits begins anew when this one has come to its end.
            works[number]?.purpose = .forward(ForwardKey(abandoned: number))
            works[number]?.waiters = work.waiters.compactMap { $0.anew(new.audiences) }
        }
        rounds = [:]
        nextDeadline = earlier(earliest, aliases.nextDeadline)
    }

    /// Takes one input and says what to do. `time` is in seconds since 1970.
    package mutating func step(
        _ input: Input, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var outputs: [Output] = []
        unixTime = time
        present = now
        switch input {
        case .request(let octets, let client):
            outputs = take(octets, client, at: now, time: time, using: &random)
        case .refresh(let octets, let client):
            outputs = refresh(octets, client, at: now, time: time, using: &random)
        case .changed(let zone): hearChange(of: zone, at: now)
        case .exchange(let number, let input) where updates[number] != nil:
            outputs = advanceUpdate(number, input, at: now)
        case .exchange(let number, let input):
            outputs = advance(number, input, at: now, time: time, using: &random)
        case .deadlinePassed:
            for number in dueWorks(at: now) {
                outputs += advance(number, .deadlinePassed, at: now, time: time, using: &random)
                outputs += lookForLoop(number, at: now, time: time, using: &random)
                outputs += giveStale(number, at: now)
            }
            for number in updates.keys.sorted() { outputs += advanceUpdate(number, .deadlinePassed, at: now) }
            earliest = nextLook(at: now)
            earliest = earlier(earliest, updates.values.compactMap(\.nextDeadline).min())
        }
        let due = aliases.takeDue(at: now)
        if !due.isEmpty { outputs += askDue(due, at: now, time: time, using: &random) }
        nextDeadline = earlier(earliest, aliases.nextDeadline)
        return outputs
    }

    /// A number that no other exchange has.
    mutating func takeNumber() -> Int {
        nextNumber += 1
        return nextNumber
    }

    /// Something is due then.
    mutating func noteDeadline(_ deadline: Instant?) { earliest = earlier(earliest, deadline) }

    /// Begins to ask.
    mutating func begin(
        _ purpose: Purpose, _ message: DNSMessage, _ servers: [DNSEndpoint], tries: Int = tries, waiters: [Waiter],
        at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator, hops: Int = 0,
        ttl: UInt32 = .max, serial: UInt32? = nil
    ) -> [Output] {
        var timing = DNSExchange.Timing()
        timing.total = .seconds(2)
        timing.perTry = .milliseconds(1200)
        timing.tries = 1
        timing.staysWithLast = true
        let servers = ranking.order(servers, at: now)
        let tried = servers.isEmpty ? [] : (0..<tries).map { servers[$0 % servers.count] }
        let number = takeNumber()
        numbers[purpose] = number
        var staleDue: Instant?
        var spelling: DomainName?
        var since = now
        if case .forward(let key) = purpose {
            // Who was led here has waited for others already.
            since = waiters.map(\.since).min() ?? now
            staleDue = self.staleDue(since: since, servers)
            if configuration.randomizesCase { spelling = key.question.name }
        }
        works[number] = Work(
            purpose: purpose,
            exchange: DNSExchange(
                message, key: nil, servers: tried, timing: timing, passesOver: Self.noAnswers, watchesForForgers: true,
                cookies: jar.cookies(for: servers, at: now, using: &random), spelling: spelling),
            waiters: waiters, limit: since + Self.patience, hops: hops, ttl: ttl, serial: serial, staleDue: staleDue)
        for waiter in waiters { count(waiter, 1) }
        counters.asked += 1
        return advance(number, .start, at: now, time: time, using: &random) + giveStale(number, at: now)
    }

    mutating func advance(
        _ number: Int, _ input: DNSExchange.Input, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let index = works.index(forKey: number) else { return [] }
        var outputs: [Output] = []
        var verdict: DNSExchange.Answer??
        let progress = works.values[index].step(input, at: now, time: time, using: &random)
        counters.guessed += UInt64(progress.guesses)
        for output in progress.outputs {
            switch output {
            case .sendDatagram(let octets, let server):
                outputs.append(.sendDatagram(octets, to: server, exchange: number))
            case .openStream(let octets, let server):
                outputs.append(.openStream(octets, to: server, exchange: number))
            case .close: outputs.append(.close(exchange: number))
            case .failed(let server, let why):
                ranking.fail(server, at: now)
                outputs += note(server, silence: input.isSaidByServer ? nil : why, at: now)
                jar.keep(progress.cookies[server], for: server, at: now)
            case .unheard(let server):
                ranking.fail(server, at: now)
                outputs += note(server, silence: "timed out", at: now)
            case .finished(let answer):
                jar.keep(progress.cookies[answer.server], for: answer.server, at: now)
                ranking.succeed(answer.server, after: progress.sent.map { now - $0 } ?? .zero)
                outputs += note(answer.server, silence: nil, at: now)
                verdict = .some(answer)
            case .exhausted: verdict = .some(nil)
            }
        }
        if verdict == nil, progress.isOverdue {
            outputs.append(.close(exchange: number))
            verdict = .some(nil)
        }
        guard let verdict else {
            noteDeadline(progress.nextDeadline)
            return outputs
        }
        let work = works.remove(at: index).value
        if numbers[work.purpose] == number { numbers[work.purpose] = nil }
        for waiter in work.waiters { count(waiter, -1) }
        if verdict == nil { counters.unanswered += 1 }
        outputs += finish(work, verdict, at: now, time: time, using: &random)
        return outputs
    }

    /// A question is over: the server has said something, or it was given up.
    mutating func note(_ server: DNSEndpoint, silence why: String?, at now: Instant) -> [Output] {
        if let why { return silence.giveUp(server, at: now) ? [.report(.silent(server, why))] : [] }
        if silence.isSilent(server) { failures.restart(at: now) }
        return silence.hear(server, at: now).map { [.report(.heardAgain(server, $0))] } ?? []
    }

    private mutating func finish(
        _ work: Work, _ answer: DNSExchange.Answer?, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        switch work.purpose {
        case .forward(let key): finishForward(work, key, answer, at: now, time: time, using: &random)
        case .alias(let key): finishAlias(work, key, answer, at: now, time: time, using: &random)
        case .serial(let alias, let round, let server):
            finishSerial(alias, round, server, answer, at: now, time: time, using: &random)
        case .probe: []
        }
    }
}

extension DNSExchange.Input {
    /// Whether it is of the server's own doing that a question is over; a loop is no silence.
    fileprivate var isSaidByServer: Bool {
        switch self {
        case .datagram, .message, .ruledOut: true
        case .start, .failed, .deadlinePassed: false
        }
    }
}

extension Relay.ForwardKey {
    /// Whether the answer is of no use any more.
    var isAbandoned: Bool { question.type.rawValue == 0 }

    /// The key of a question whose answer is of no use any more; no other question has it.
    init(abandoned number: Int) {
        self.init(
            question: DNSQuestion(
                .root, RecordType(rawValue: 0), RecordClass(rawValue: UInt16(truncatingIfNeeded: number))),
            wantsRecursion: false, wantsSecurity: false, checkingDisabled: false, authenticated: false)
    }
}
