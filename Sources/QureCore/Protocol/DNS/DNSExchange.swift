// DNSExchange: one question or update, put to one server after the other until one of them answers: by datagrams that
// are sent again, by a stream where datagrams do not do (RFC 1035 section 4.2, RFC 7766 section 5). It signs what it
// sends and believes nothing that is not the answer (RFC 5452 section 9, RFC 8945 section 5.4): datagrams that are
// none are passed over, and one that looks like the answer and lacks the signature sends the same question over a
// stream, where nobody who is not on the path can answer.
//
//   state     | input               | becomes  | does
//   idle      | start               | asking   | sends to the first server
//   asking    | the answer          | done     | finished
//             | truncated, unsigned | stream   | opens a stream to the same server
//             | a wrong number      | stream   | the same, if it is to watch for forgers: somebody guesses
//             | BADCOOKIE           | asking   | sends with the cookie that came, once; then opens a stream
//             | a cookie missing    | stream   | opens a stream, if the server has given one before
//             | anything else       | asking   | nothing
//             | deadline, tries left| asking   | sends the same octets again
//             | deadline, others    | asking   | unheard; sends the same octets again, if it is to stay with the last
//             | have had their turn |          | server: what the first ones are answered is still taken then
//             | deadline, failed    | asking   | failed; sends to the next server, if any; else done, exhausted
//             | ruled out           | asking   | the same, and this server is not asked again
//   stream    | a message           | done     | closes, finished; what is no answer is a failure here
//             | deadline, failed,   | asking   | closes, as above; after an unsigned answer that is not to be passed
//             | ruled out           |          | over: done, finished with that

/// One message, and who is to answer it.
package struct DNSExchange: Sendable {
    /// How long to wait.
    package struct Timing: Equatable, Sendable {
        /// For all that is done with one server; nil: without end, over a stream.
        package var total: Duration? = .seconds(300)
        /// For one datagram.
        package var perTry = Duration.seconds(3)
        /// Datagrams to one server.
        package var tries = 4
        /// Whether the tries of servers that are named again, where all have been asked, go to the present one, if it
        /// is silent: the same octets, from the same socket. Who is slow would never be heard otherwise.
        package var staysWithLast = false

        /// nsupdate's own times.
        package init() {}
    }

    /// What happened.
    package enum Input: Equatable, Sendable {
        case start
        case datagram([UInt8])
        /// A whole message came over the stream.
        case message([UInt8])
        /// Sending or connecting failed, or the stream ended; in a few words.
        case failed(String)
        /// The server that is being asked is of no use for this question, now or later; in a few words.
        case ruledOut(String)
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        /// From a port that nobody can guess, where none was chosen; answers come to the same one.
        case sendDatagram([UInt8], to: DNSEndpoint)
        /// In place of datagrams; the message goes with its length in front.
        case openStream([UInt8], to: DNSEndpoint)
        /// Nothing more is expected of this server: close what is open to it.
        case close
        /// This server did not answer; for the user.
        case failed(DNSEndpoint, String)
        /// It has not answered a datagram in time, and gets the same one again in place of what would follow.
        case unheard(DNSEndpoint)
        /// In a place of its own: else each `close` would be as large.
        indirect case finished(Answer)
        /// None of them answered.
        case exhausted
    }

    /// An answer.
    package struct Answer: Equatable, Sendable {
        /// What it says.
        package var message: DNSMessage
        /// Who said it.
        package var server: DNSEndpoint
        /// Why its signature is not to be believed, where there should be one.
        package var rejection: TSIGSession.Rejection?
    }

    private enum State: String { case idle, asking, stream, done }

    /// The longest message that goes in a datagram (RFC 1035 section 4.2.1).
    static let longestDatagram = 512

    /// With the ID that it was last sent with.
    private var message: DNSMessage
    private let key: TSIGKey?
    private var servers: [DNSEndpoint]
    private let timing: Timing
    private let usesStream: Bool
    /// Answers that are as good as silence: the next server is asked.
    private let passesOver: Set<DNSResponseCode>
    /// Whether a datagram from the server's own address with another number than the question's is taken for a guess,
    /// of which more will come: one of them might be right, but none reaches a stream.
    private let watchesForForgers: Bool
    /// How who asked writes the name that is asked in other letters here.
    private let spelling: DomainName?

    private var state = State.idle
    private var position = 0
    private var triesLeft = 0
    private var serverLimit: Instant?
    private var sent: (octets: [UInt8], cookie: DNSCookie?, session: TSIGSession?)?
    private var unbelieved: Answer?

    /// Answers with a wrong number, which made it turn to a stream, and with a cookie that is not ours.
    package private(set) var guesses = 0
    /// The cookies for the servers, as they are to be sent next (RFC 7873); a server without one is asked without it.
    package private(set) var cookies: [DNSEndpoint: DNSCookie]
    private var hasSentCookieAgain = false
    private var hasForeignCookie = false, isCookieMissing = false
    /// When `deadlinePassed` is due; nil before the start, after the end, and where there is none.
    package private(set) var nextDeadline: Instant?

    /// A message that has no ID yet. It must fit (`fits`). `spelling`: the name of its question as the answer is to
    /// have it, where the question is written in a random case.
    package init(
        _ message: DNSMessage, key: TSIGKey?, servers: [DNSEndpoint], timing: Timing = Timing(),
        usesStream: Bool = false, passesOver: Set<DNSResponseCode> = [], watchesForForgers: Bool = false,
        cookies: [DNSEndpoint: DNSCookie] = [:], spelling: DomainName? = nil
    ) {
        precondition(timing.tries > 0 && timing.perTry > .zero, "an exchange without a try")
        self.message = message
        self.key = key
        self.servers = servers
        self.timing = timing
        self.usesStream = usesStream
        self.passesOver = passesOver
        self.watchesForForgers = watchesForForgers
        self.cookies = cookies
        self.spelling = spelling
    }

    /// The message with its signature as it is sent to the present server, for showing it.
    package var query: DNSMessage? { sent.flatMap { try? DNSMessage($0.octets) } }

    /// Who is being asked; nil: nobody any more, or not yet.
    package var server: DNSEndpoint? { state == .asking || state == .stream ? servers[position] : nil }

    /// Whether a message, with the signature of `key`, is short enough to be sent at all.
    package static func fits(_ message: DNSMessage, key: TSIGKey?) -> Bool {
        let octets = message.encoded(reserve: key.map { TSIGSession($0).reserve } ?? 0)
        return octets[2] & 0x02 == 0
    }

    /// Takes one input and says what to do. `time` is in seconds since 1970.
    package mutating func step(
        _ input: Input, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        switch (state, input) {
        case (.idle, .start): return ask(at: now, time: time, using: &random)
        case (.asking, .datagram(let octets)):
            return hear(octets, at: now, time: time, using: &random)
        case (.stream, .message(let octets)):
            return hear(octets, at: now, time: time, using: &random)
        case (.asking, .failed(let reason)), (.stream, .failed(let reason)):
            return fail(reason, at: now, time: time, using: &random)
        case (.asking, .ruledOut(let reason)), (.stream, .ruledOut(let reason)):
            let useless = servers[position]
            servers = servers.enumerated().filter { $0 <= position || $1 != useless }.map(\.element)
            return fail(reason, at: now, time: time, using: &random)
        case (.asking, .deadlinePassed), (.stream, .deadlinePassed):
            guard let due = nextDeadline, now >= due else { return [] }
            return pass(due, at: now, time: time, using: &random)
        default: return []
        }
    }

    /// Begins with the present server, if there is one.
    private mutating func ask(
        at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard position < servers.count else {
            state = .done
            nextDeadline = nil
            return [.exhausted]
        }
        unbelieved = nil
        (hasSentCookieAgain, hasForeignCookie, isCookieMissing) = (false, false, false)
        serverLimit = timing.total.map { now + $0 }
        let octets = prepare(time: time, using: &random)
        guard !usesStream, octets.count <= Self.longestDatagram else { return openStream(octets) }
        state = .asking
        triesLeft = timing.tries
        return [sendDatagram(octets, at: now)]
    }

    private mutating func sendDatagram(_ octets: [UInt8], at now: Instant) -> Output {
        triesLeft -= 1
        nextDeadline = earlier(now + timing.perTry, serverLimit)
        return .sendDatagram(octets, to: servers[position])
    }

    private mutating func openStream(_ octets: [UInt8]) -> [Output] {
        state = .stream
        nextDeadline = serverLimit
        return [.openStream(octets, to: servers[position])]
    }

    /// The octets to send, with an ID and a signature of their own.
    private mutating func prepare(time: UInt64, using random: inout some RandomNumberGenerator) -> [UInt8] {
        message.id = UInt16.random(in: .min ... .max, using: &random)
        var query = message
        if let cookie = cookies[servers[position]] { query.edns?.cookie = cookie }
        var session = key.map { TSIGSession($0) }
        var octets = query.encoded(reserve: session?.reserve ?? 0)
        if session != nil { octets = session?.sign(octets, at: time) ?? octets }
        sent = (octets, query.edns?.cookie, session)
        return octets
    }

    private mutating func pass(
        _ due: Instant, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let isOver = serverLimit.map { now >= $0 } ?? false
        if state == .asking, triesLeft > 0, !isOver, let octets = sent?.octets {
            return [sendDatagram(octets, at: now)]
        }
        guard takeNextTry(), let octets = sent?.octets else {
            return fail("timed out", at: now, time: time, using: &random)
        }
        serverLimit = serverLimit.map { $0 + timing.perTry }
        return [.unheard(servers[position]), sendDatagram(octets, at: now)]
    }

    /// Whether the present server gets the next one's try. Where another client's cookie came the next one is to be
    /// made without one.
    private mutating func takeNextTry() -> Bool {
        guard timing.staysWithLast, state == .asking, !hasForeignCookie, position + 1 < servers.count,
            servers[(position + 1)...].allSatisfy(servers[...position].contains)
        else { return false }
        servers.remove(at: position + 1)
        return true
    }

    private mutating func fail(
        _ reason: String, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        var reason = reason
        if let unbelieved {
            let code = unbelieved.message.responseCode
            guard passesOver.contains(code) else { return finish(unbelieved) }
            // As good as silence, whoever said it.
            reason = code.description
        }
        let server = servers[position]
        // A server, or a box before it, that gives one client's answers to another one, cookie and all: it cannot be
        // asked with cookies. Who forged one would have guessed all else.
        if hasForeignCookie { cookies[server] = nil }
        // Nor is it to be lost for good for having no cookies any more, and no streams.
        if isCookieMissing { cookies[server] = cookies[server].flatMap { DNSCookie(client: $0.client) } }
        position += 1
        return [.close, .failed(server, reason)] + ask(at: now, time: time, using: &random)
    }

    private mutating func finish(_ answer: Answer) -> [Output] {
        state = .done
        nextDeadline = nil
        return [.close, .finished(answer)]
    }
}

extension DNSExchange {
    /// What is to be done for the cookie of an answer (RFC 7873 section 5.3); nil: it is as it should be.
    private mutating func judgeCookie(
        _ answer: DNSMessage, at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output]? {
        guard let own = sent?.cookie else { return nil }
        let server = servers[position], isStream = state == .stream
        // Some old servers do not know what to do with options.
        if answer.responseCode == .formatError { cookies[server] = nil }
        guard let edns = answer.edns, edns.cookie != nil || edns.hasMalformedCookie else {
            guard !own.server.isEmpty, answer.responseCode != .formatError else { return nil }
            // It had cookies. Over a stream it may say that it has none now.
            guard !isStream else {
                cookies[server] = DNSCookie(client: own.client)
                return nil
            }
            isCookieMissing = true
            return [.close] + openStream(prepare(time: time, using: &random))
        }
        guard let cookie = edns.cookie, cookie.client == own.client else {
            guesses += 1
            hasForeignCookie = true
            return isStream ? fail("a cookie of another client's", at: now, time: time, using: &random) : []
        }
        if !cookie.server.isEmpty { cookies[server] = cookie }
        guard answer.responseCode == .badCookie else { return nil }
        if isStream { return fail(answer.responseCode.description, at: now, time: time, using: &random) }
        let octets = prepare(time: time, using: &random)
        guard !hasSentCookieAgain else { return [.close] + openStream(octets) }
        hasSentCookieAgain = true
        return [.close, sendDatagram(octets, at: now)]
    }

    private mutating func hear(
        _ octets: [UInt8], at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        let isStream = state == .stream
        guard let message = try? DNSMessage(octets), message.answers(self.message) else {
            // On a stream there is nobody but the server, and it has nothing more to say.
            if isStream { return fail("unexpected answer", at: now, time: time, using: &random) }
            guard watchesForForgers, Self.isGuess(octets, of: self.message.id) else { return [] }
            guesses += 1
            return [.close] + openStream(prepare(time: time, using: &random))
        }
        if let outputs = judgeCookie(message, at: now, time: time, using: &random) { return outputs }
        var answer = Answer(message: spelled(message, octets), server: servers[position])
        if var session = sent?.session {
            do { _ = try session.verify(octets, at: time) } catch { answer.rejection = error }
        } else if message.signature != nil {
            // Nobody asked for it, and nobody can check it.
            answer.message.signature = nil
        }
        if !isStream, message.flags.contains(.truncated) || isDoubtful(answer) {
            if answer.rejection != nil { unbelieved = answer }
            return [.close] + openStream(prepare(time: time, using: &random))
        }
        guard !passesOver.contains(message.responseCode) else {
            unbelieved = nil
            return fail(message.responseCode.description, at: now, time: time, using: &random)
        }
        return finish(answer)
    }

    /// The answer with the question's name as `spelling` has it: there, and wherever a pointer leads there. Its own
    /// name may be a pointer, too, to what the header happens to spell: it is shorter then than it seems.
    private func spelled(_ message: DNSMessage, _ octets: [UInt8]) -> DNSMessage {
        guard let spelling, let name = message.questions.first?.name, name == spelling,
            octets.dropFirst(DNSHeader.length).starts(with: name.octets)
        else { return message }
        var octets = octets
        octets.replaceSubrange(DNSHeader.length..<(DNSHeader.length + spelling.octets.count), with: spelling.octets)
        return (try? DNSMessage(octets)) ?? message
    }

    /// Whether it would be an answer if it had the number of the question.
    private static func isGuess(_ octets: [UInt8], of id: UInt16) -> Bool {
        var input = WireReader(octets)
        guard let header = try? DNSHeader(parsing: &input) else { return false }
        return header.flags.contains(.response) && header.id != id
    }

    /// Whether anybody can have sent it who guessed the ID. That the clocks differ is said with a signature.
    private func isDoubtful(_ answer: Answer) -> Bool {
        switch answer.rejection {
        case nil, .wrongTime: false
        default: true
        }
    }
}
