// What a relay gives when nobody can be asked, or nobody has answered for long: what was known before (RFC 8767).

extension Relay {
    /// When those who wait since then get what is old: at once where all who are asked are known to be silent. The
    /// question goes on, so that it is noticed when they speak again. Nil: not at all.
    func staleDue(since: Instant, _ servers: [DNSEndpoint]) -> Instant? {
        guard configuration.staleLimit > .zero else { return nil }
        return servers.allSatisfy(silence.isSilent) ? since : since + AliasTable.stalePatience
    }

    /// What was known before, if that is allowed, else SERVFAIL.
    mutating func failOrStale(_ waiter: Waiter, _ reason: ExtendedError, at now: Instant) -> [Output] {
        stale(waiter, at: now) ?? fail(waiter, reason)
    }

    /// What was known before; nil: nothing, or that is not allowed.
    mutating func stale(_ waiter: Waiter, at now: Instant) -> [Output]? {
        guard configuration.staleLimit > .zero else { return nil }
        let known = cache.stale(
            waiter.octets, audience: waiter.audience, within: configuration.staleLimit, ttl: AliasTable.staleTTL,
            at: now)
        guard let known, var response = try? DNSMessage(known) else { return nil }
        let isName = response.responseCode != .nameError
        explain(&response, waiter.request, isName ? .staleAnswer : .staleNameError)
        let outputs = answer(response, to: waiter, ttl: 0)
        // Who has been given it before, and is only there for the cache, is not counted again.
        if !outputs.isEmpty { counters.stale += 1 }
        return outputs
    }

    /// Those who have waited for long get what was known before. The question goes on, for the cache.
    mutating func giveStale(_ number: Int, at now: Instant) -> [Output] {
        guard let work = works[number], let due = work.staleDue, now >= due else { return [] }
        works[number]?.staleDue = nil
        var outputs: [Output] = []
        for (index, waiter) in work.waiters.enumerated() {
            guard let given = stale(waiter, at: now) else { continue }
            outputs += given
            count(waiter, -1)
            works[number]?.waiters[index].client = nil
        }
        return outputs
    }
}
