// ResponseRate: how many answers by datagram a stranger gets who has not proved that he is where he says to be: so that
// nobody can be flooded with our answers by somebody who pretends to be him. Networks count, not addresses: who can
// forge one address can forge its neighbours. Every second answer beyond the rate is a short one that says "come by
// TCP", which whoever is really there will do.

/// Counts answers by the network that they go to. It does not allocate.
package struct ResponseRate: Sendable {
    /// What becomes of an answer.
    package enum Verdict: Equatable, Sendable {
        case answer, truncate, drop
    }

    private struct Bucket {
        var network: UInt64 = 0
        /// Answers that are left, in thousandths.
        var left: Int64 = 0
        var counted: Int64 = 0
        var slips = false
    }

    /// Networks that are counted apart. Those that meet in a bucket take turns with it.
    private static let size = 4096

    private let rate: Int64
    private let key: (UInt64, UInt64)
    private var buckets: [Bucket]

    /// So many answers a second for each network; 0: without a limit.
    package init(perSecond rate: Int, key: (UInt64, UInt64)) {
        self.rate = Int64(rate)
        self.key = key
        buckets = rate > 0 ? Array(repeating: Bucket(), count: Self.size) : []
    }

    /// The network of an address: /24 and /56.
    private static func network(_ address: IPAddress) -> UInt64 {
        switch address {
        case .v4(let address): UInt64(address.rawValue >> 8)
        case .v6(let address): UInt64(truncatingIfNeeded: address.rawValue >> 72) | 1 << 63
        }
    }

    /// Counts an answer to `address`.
    package mutating func judge(_ address: IPAddress, at now: Instant) -> Verdict {
        guard rate > 0 else { return .answer }
        let network = Self.network(address)
        var hash = SipHash(key: key)
        let index = Int(truncatingIfNeeded: hash.finish(network >> 8, count: 8) ^ network) & (Self.size - 1)
        var bucket = buckets[index]
        if bucket.network != network || bucket.counted == 0 {
            bucket = Bucket(network: network, left: rate * 1000, counted: now.nanoseconds)
        }
        let passed = min(max(0, now.nanoseconds - bucket.counted) / 1_000_000, 1000)
        if passed > 0 {
            bucket.left = min(rate * 1000, bucket.left + passed * rate)
            bucket.counted = now.nanoseconds
        }
        defer { buckets[index] = bucket }
        guard bucket.left < 1000 else {
            bucket.left -= 1000
            return .answer
        }
        bucket.slips.toggle()
        return bucket.slips ? .truncate : .drop
    }
}

extension PlainQuery {
    /// Writes the shortest answer to a query, which says "come by TCP"; its length.
    package func truncate(_ query: Span<UInt8>, into answer: inout MutableSpan<UInt8>) -> Int {
        guard questionEnd <= answer.count else { return 0 }
        for index in 0..<questionEnd { answer[index] = query[index] }
        answer[2] = query[2] | 0x82
        answer[3] = 0
        answer[10] = 0
        answer[11] = 0
        return questionEnd
    }
}
