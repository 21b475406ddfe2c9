// What a relay has under way: questions that are put to others, why, and who waits for the answers.

extension Relay {
    /// Who waits for an answer.
    struct Waiter: Sendable {
        var octets: [UInt8]
        var request: DNSMessage
        var question: DNSQuestion
        var client: RelayClient?
        var audience: UInt8
        /// Since when it waits.
        var since: Instant
        /// The aliases that have led to `question` from the one that the client has put.
        var path: [DNSRecord] = []
        /// Seconds that the answer is kept at most, for the sake of the way to it.
        var memory = UInt32.max
        /// Whether an upstream, which may be anybody's word, has led to it.
        var isLedByUpstream = false
        /// Whether the primary of the public domain that `question` is in has delegated it to others.
        var isDelegated = false

        /// Whether the other one is the same message, sent again.
        func isSame(as other: Waiter) -> Bool { request.id == other.request.id && client == other.client }
    }

    /// Questions that are one for the upstreams.
    struct ForwardKey: Hashable, Sendable {
        var question: DNSQuestion
        var wantsRecursion, wantsSecurity, checkingDisabled, authenticated: Bool
        /// Whether upstreams are asked, for the primary of its domain names others.
        var isDelegated = false
    }

    /// Why something is asked.
    enum Purpose: Hashable, Sendable {
        case forward(ForwardKey)
        case alias(AliasTable.Key)
        /// The serial of an alias's target at one of its authorities.
        case serial(alias: Int, round: Int, DNSEndpoint)
        /// Whether a question comes back to us: a name that nobody else knows.
        case probe(DomainName)
    }

    /// A question that is under way.
    struct Work: Sendable {
        var purpose: Purpose
        var exchange: DNSExchange
        var waiters: [Waiter]
        /// When those who wait are told that it failed.
        var limit: Instant
        /// Aliases that the addresses were followed through, and the shortest time to live on the way.
        var hops = 0
        var ttl = UInt32.max
        /// The serial of the zone that is asked about.
        var serial: UInt32?
        /// When the present server was asked.
        var sent: Instant?
        /// Whether somebody else has asked the same since; and when that is to be looked into.
        var isJoined = false
        var suspicion: Instant?
        /// Whether it has come back to us.
        var isLoop = false

        /// When those who wait get what was known before, if there is anything.
        var staleDue: Instant?

        var nextDeadline: Instant? {
            earlier(earlier(exchange.nextDeadline, limit), earlier(suspicion, staleDue))
        }

        /// What one step came to. A work is large, and stays where it is meanwhile: to look at one thing of it after
        /// the other would copy it each time.
        struct Progress {
            var outputs: [DNSExchange.Output]
            var guesses: Int
            var cookies: [DNSEndpoint: DNSCookie]
            /// When the server was asked that answered now, or failed.
            var sent: Instant?
            var isOverdue: Bool
            var nextDeadline: Instant?
        }

        mutating func step(
            _ input: DNSExchange.Input, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
        ) -> Progress {
            let guesses = exchange.guesses, before = sent
            let outputs = exchange.step(input, at: now, time: time, using: &random)
            // What is sent again may be the answer to what was sent first.
            let isAgain = outputs.contains { if case .unheard = $0 { true } else { false } }
            for case .sendDatagram in outputs {
                if !isAgain { sent = now }
                if isJoined { suspicion = now + Relay.suspicionPause }
            }
            return Progress(
                outputs: outputs, guesses: exchange.guesses - guesses, cookies: exchange.cookies, sent: before,
                isOverdue: now >= limit, nextDeadline: nextDeadline)
        }
    }
}
