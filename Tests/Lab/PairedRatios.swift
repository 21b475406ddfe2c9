// PairedRatios: whether one of several contestants is slower than another one, told from turns that they took side by
// side. A machine that is slow for a while is so for both of a turn: their ratio says more than their figures do. How
// sure its middle is says the sign test, which takes nothing for granted about how the noise is distributed. What it
// does take for granted is that no turn knows of another: where something stays as it is from turn to turn, and makes
// one of two equals the slower one in all of them, the middle seems surer than it is.

/// The ratios of turns that were taken side by side.
package struct PairedRatios: Equatable, Sendable {
    /// The middle one.
    package let middle: Double
    /// Between these the true middle is, 19 times of 20; 0 and infinity where there are too few turns to tell.
    package let low: Double, high: Double

    /// The ratios of `own` to `peer`, turn by turn.
    package init(_ own: [Double], to peer: [Double]) {
        precondition(own.count == peer.count && !own.isEmpty, "turns without a pair")
        self.init(zip(own, peer).map { $0 / $1 })
    }

    /// The ratios of `own` to the best of `peers`. Who that is, is told for every other turn from the turns between:
    /// whoever has the least of several figures owes some of it to luck, and would be compared with by that luck. Nor
    /// may it be told for each turn from all others: of two that are alike, it would be the one that is slow in that
    /// turn, for it is the better one without it, and all turns would say the same.
    package init(_ own: [Double], toBestOf peers: [[Double]]) {
        precondition(own.count > 1 && !peers.isEmpty, "nobody to compare with")
        let best = (0..<2).map { half in
            peers.min { Self.middle($0, ofEveryOtherFrom: 1 - half) < Self.middle($1, ofEveryOtherFrom: 1 - half) }
        }
        self.init(own.indices.map { own[$0] / (best[$0 % 2] ?? own)[$0] })
    }

    private init(_ ratios: [Double]) {
        let sorted = ratios.sorted()
        middle = Self.middle(sorted)
        let rank = Self.rank(sorted.count)
        low = rank > 0 ? sorted[rank - 1] : 0
        high = rank > 0 ? sorted[sorted.count - rank] : .infinity
    }

    /// Whether it is sure which: the true middle is at most `limit`, or more than one; both may be.
    package func decides(_ limit: Double) -> Bool { high <= limit || low > 1 }

    /// After how many of at most so many turns to look whether it is decided, for whoever ends there. Who looks after
    /// every turn waits until luck decides; after these three, each end of the interval is beyond the true middle less
    /// than once in 20 times in all, instead of once in 40.
    package static func looks(of most: Int) -> [Int] { [most / 2, most * 3 / 4, most] }

    /// The middle one, or what is between the two middle ones.
    package static func middle(_ figures: [Double]) -> Double {
        let sorted = figures.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    private static func middle(_ figures: [Double], ofEveryOtherFrom first: Int) -> Double {
        middle(stride(from: first, to: figures.count, by: 2).map { figures[$0] })
    }

    /// The greatest rank for which the true middle is below the ratio of that rank one time of 40 at most. Each ratio
    /// is below the true middle as likely as above it: they are tosses of a coin.
    private static func rank(_ count: Int) -> Int {
        var rank = 0
        var probability = (0..<count).reduce(1.0) { product, _ in product / 2 }
        var sum = probability
        while sum <= 1.0 / 40 {
            probability *= Double(count - rank) / Double(rank + 1)
            sum += probability
            rank += 1
        }
        return rank
    }
}
