// KnownAnswers: the way of nearly all queries: a batch of them is answered from the cache where it lies, and nothing is
// allocated on it. First all are looked at, then what is known of them is fetched from memory, then they are answered:
// in this order nothing is waited for 32 times over.

import QureCore

/// What becomes of the datagrams of a batch without the relay.
enum KnownAnswers {
    /// What became of one.
    enum Verdict {
        /// It has its answer. `aging`: the answer is nearly over, and it is time to ask again.
        case answered, aging
        /// A stranger has had enough answers.
        case restrained
        /// It is nobody's whom we could answer.
        case ignored
        /// The relay is to see it.
        case open
    }

    /// For each datagram of a batch (DatagramBatch.size).
    typealias Verdicts = InlineArray<32, Verdict>

    /// Answers `count` datagrams; the answers are sent with the batch.
    static func give(
        _ count: Int, _ batch: inout DatagramBatch, _ relay: inout Relay, _ rate: inout ResponseRate, at now: Instant,
        time: UInt32
    ) -> Verdicts {
        var verdicts = Verdicts(repeating: .open)
        var plains = InlineArray<32, PlainQuery?>(repeating: nil)
        var codes = InlineArray<32, UInt32>(repeating: 0)
        let audiences = relay.configuration.audiences, cookie = relay.configuration.cookie
        let coder = relay.cache.coder
        for index in 0..<count {
            guard let source = batch.source(index) else {
                verdicts[index] = .ignored
                continue
            }
            let audience = audiences.audience(of: source)
            plains[index] = batch.look(index) { query in
                guard let plain = PlainQuery(query, audience: audience) else { return nil }
                codes[index] = coder.code(query, plain)
                return plain
            }
            // Before anything is looked up: a stranger may have no answer at all, or less of one.
            guard !Audiences.isLocal(audience) else { continue }
            let isDealtWith = restrain(index, plains[index], source, &batch, &rate, cookie, at: now, time: time)
            if isDealtWith { verdicts[index] = .restrained }
        }
        relay.cache.touch(codes.span.extracting(0..<count))
        for index in 0..<count {
            guard case .open = verdicts[index], let plain = plains[index] else { continue }
            verdicts[index] = answer(index, plain, codes[index], &batch, &relay.cache, cookie, at: now, time: time)
        }
        return verdicts
    }

    private static func answer(
        _ index: Int, _ plain: PlainQuery, _ code: UInt32, _ batch: inout DatagramBatch, _ cache: inout AnswerCache,
        _ cookie: ServerCookie?, at now: Instant, time: UInt32
    ) -> Verdict {
        let source = plain.cookieLength > 0 ? batch.source(index) : nil
        var isAging = false
        let isAnswered = batch.answer(index) { query, answer in
            let limit = min(plain.limit, DatagramBatch.answerLength)
            let found = cache.find(query, plain, code: code, limit: limit, at: now, into: &answer)
            guard case .answer(let length, let aging) = found else { return 0 }
            isAging = aging
            guard let source, let cookie else { return length }
            return cookie.append(to: &answer, length: length, limit: limit, for: query, plain, source, at: time)
        }
        return !isAnswered ? .open : isAging ? .aging : .answered
    }

    /// Whether a stranger has had many answers: he gets none, or one that tells him to ask over a stream.
    private static func restrain(
        _ index: Int, _ plain: PlainQuery?, _ source: IPAddress, _ batch: inout DatagramBatch,
        _ rate: inout ResponseRate, _ cookie: ServerCookie?, at now: Instant, time: UInt32
    ) -> Bool {
        var isDealtWith = false
        _ = batch.answer(index) { query, answer in
            if let plain, let cookie, cookie.isValid(query, plain, source, at: time) { return 0 }
            let verdict = rate.judge(source, at: now)
            isDealtWith = verdict != .answer
            return verdict == .truncate ? plain?.truncate(query, into: &answer) ?? 0 : 0
        }
        return isDealtWith
    }
}
