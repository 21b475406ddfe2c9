// What is said of turns that were taken side by side, as pure values.

import Lab
import Simulator
import Testing

@Suite struct PairedRatiosTests {
    /// The ranks are those of the tables of the sign test, at one in 20 for both sides.
    @Test(arguments: [(count: 6, rank: 1), (8, 1), (9, 2), (12, 3), (20, 6), (24, 7), (40, 14)])
    func `the middle is as sure as the sign test says`(count: Int, rank: Int) {
        let ratios = PairedRatios((1...count).map(Double.init).shuffled(), to: Array(repeating: 1, count: count))
        #expect(ratios.low == Double(rank))
        #expect(ratios.high == Double(count + 1 - rank))
        #expect(ratios.middle == Double(count + 1) / 2)
    }

    @Test func `five turns say nothing`() {
        let ratios = PairedRatios([1, 1, 1, 1, 1], to: [2, 2, 2, 2, 2])
        #expect(ratios.middle == 0.5 && ratios.low == 0 && ratios.high == .infinity)
    }

    @Test func `a turn that is slow for both says nothing`() {
        let slowness = [1.0, 1, 9, 1, 5, 1, 1, 30, 1, 1]
        let ratios = PairedRatios(slowness.map { $0 * 2 }, to: slowness)
        #expect(ratios == PairedRatios(slowness.map { _ in 2 }, to: slowness.map { _ in 1 }))
    }

    @Test func `the best is whoever has the least middle, not the least figure`() {
        let steady = Array(repeating: 4.0, count: 12)
        let lucky = [1.0] + Array(repeating: 5.0, count: 11)
        let ratios = PairedRatios(steady, toBestOf: [lucky, steady])
        #expect(ratios.middle == 1 && ratios.low == 1 && ratios.high == 1)
    }

    /// Against the least of their own medians, each would seem slower than the best.
    @Test func `among equals nobody is slower for that the best is chosen by luck`() {
        var random = SplitMix64(seed: 7)
        var below = 0, chosen = 0
        let rounds = 400
        for _ in 0..<rounds {
            let all = (0..<5).map { _ in (0..<20).map { _ in Double.random(in: 1...2, using: &random) } }
            let peers = Array(all.dropFirst())
            if PairedRatios(all[0], toBestOf: peers).middle <= 1 { below += 1 }
            let least = peers.map { PairedRatios.middle($0) }.min() ?? 0
            if PairedRatios.middle(all[0]) <= least { chosen += 1 }
        }
        #expect((rounds * 2 / 5...rounds * 3 / 5).contains(below), "\(below)")
        #expect(chosen < rounds * 3 / 10, "\(chosen)")
    }

    /// Told for each turn from all others, they would seem to differ twice as often.
    @Test(arguments: [33, 66]) func `among equals it is hardly ever sure that somebody is slower`(turns: Int) {
        var random = SplitMix64(seed: 5)
        var wrong = 0
        let rounds = 600
        for _ in 0..<rounds {
            let all = (0..<5).map { _ in (0..<turns).map { _ in Double.random(in: 1...2, using: &random) } }
            let ratios = PairedRatios(all[0], toBestOf: Array(all.dropFirst()))
            if ratios.low > 1 || ratios.high < 1 { wrong += 1 }
        }
        #expect(wrong <= rounds / 12, "\(wrong)")
    }

    @Test func `it is decided where it is surely no more than a limit, or surely more than one`() {
        func decides(_ ratios: [Double]) -> Bool { PairedRatios(ratios, to: ratios.map { _ in 1 }).decides(1.1) }
        #expect(decides([0.9, 0.9, 1, 1, 1.1, 1.1]))
        #expect(!decides([0.9, 0.9, 1, 1, 1.1, 1.2]))
        #expect(!decides([1, 1, 1.1, 1.1, 1.2, 1.2]))
        #expect(decides([1.01, 1.1, 1.1, 1.2, 1.2, 1.2]))
        #expect(!decides([1, 1, 1, 1, 1]))
    }

    /// The exact chance that a fair coin tells, at one of the looks, that it is not fair to one side.
    @Test(arguments: Array(8...128)) func `who looks before the end is not wrong more often for it`(most: Int) {
        let looks = PairedRatios.looks(of: most)
        #expect(looks.last == most)
        // How likely so many of the ratios are below the true middle, where nothing has been told yet.
        var chances = [1.0]
        var wrong = 0.0
        for count in 1...most {
            chances = (0...count).map { below in
                ((below > 0 ? chances[below - 1] : 0) + (below < count ? chances[below] : 0)) / 2
            }
            guard looks.contains(count) else { continue }
            // The interval is above the middle where fewer are below it than its rank.
            let low = PairedRatios((1...count).map(Double.init), to: Array(repeating: 1, count: count)).low
            for below in 0..<Int(low) {
                wrong += chances[below]
                chances[below] = 0
            }
        }
        #expect(wrong <= 1.0 / 20, "\(wrong)")
    }
}
