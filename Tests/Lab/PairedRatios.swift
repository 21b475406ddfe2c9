// PairedRatios: whether one of several contestants is slower than another one, told from turns that they took side by
// side. A machine that is slow for a while is so for both of a turn: their ratio says more than their figures do. How
// sure its middle is says the sign test, which takes nothing for granted about how the noise is distributed.

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

    /// The ratios of `own` to the best of `peers`. Who that is, is told for each turn from the other turns: whoever has
    /// the least of several figures owes some of it to luck, and would be compared with by that luck.
    package init(_ own: [Double], toBestOf peers: [[Double]]) {
        precondition(own.count > 1 && !peers.isEmpty, "nobody to compare with")
        self.init(
            own.indices.map { turn in
                let best = peers.min { Self.middle($0, without: turn) < Self.middle($1, without: turn) }
                return own[turn] / (best ?? own)[turn]
            })
    }

    private init(_ ratios: [Double]) {
        let sorted = ratios.sorted()
        middle = Self.middle(sorted)
        let rank = Self.rank(sorted.count)
        low = rank > 0 ? sorted[rank - 1] : 0
        high = rank > 0 ? sorted[sorted.count - rank] : .infinity
    }

    /// The middle one, or what is between the two middle ones.
    package static func middle(_ figures: [Double]) -> Double {
        let sorted = figures.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    private static func middle(_ figures: [Double], without turn: Int) -> Double {
        var others = figures
        others.remove(at: turn)
        return middle(others)
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
