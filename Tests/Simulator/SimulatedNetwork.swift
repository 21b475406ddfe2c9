// The link of a simulation: who reaches whom, what is lost, how long it takes. Each direction by itself.

struct SimulatedNetwork {
    private let count: Int
    /// Cut directions.
    private var cuts: Set<Int> = []
    /// Percent lost on every direction, and on single ones.
    var loss = 0
    private var directedLoss: [Int: Int] = [:]
    /// Percent lost in each direction of every host's cable.
    var cableLoss = 0
    var copies = 0
    /// The longest delay, in nanoseconds; most are far shorter.
    var maximumDelay: Int64 = 1_000_000
    private var gatewayCuts: Set<Int> = []
    /// Hosts whose cable is out; it is put in again for each by itself.
    private(set) var unplugged: Set<Int> = []
    var gatewayIsUp = true

    init(hosts: Int) { count = hosts }

    private func key(_ from: Int, _ to: Int) -> Int { from * count + to }

    /// Whether something passes both ways, perhaps with losses.
    func connects(_ one: Int, _ other: Int) -> Bool {
        !isCut(one, other) && !isCut(other, one)
    }

    private func isCut(_ from: Int, _ to: Int) -> Bool {
        cuts.contains(key(from, to)) || unplugged.contains(from) || unplugged.contains(to)
    }

    func reachesGateway(_ host: Int) -> Bool {
        gatewayIsUp && !gatewayCuts.contains(host) && !unplugged.contains(host)
    }

    /// The worst loss between two, in percent.
    func loss(_ one: Int, _ other: Int) -> Int {
        // Two cables, one after the other.
        let cables = 100 - (100 - cableLoss) * (100 - cableLoss) / 100
        return max(loss, cables, directedLoss[key(one, other)] ?? 0, directedLoss[key(other, one)] ?? 0)
    }

    var isCalm: Bool {
        cuts.isEmpty && unplugged.isEmpty && loss == 0 && cableLoss == 0 && directedLoss.isEmpty && gatewayIsUp
            && gatewayCuts.isEmpty && maximumDelay <= 1_000_000
    }

    mutating func cut(_ from: Int, _ to: Int) { cuts.insert(key(from, to)) }
    mutating func unplug(_ host: Int) { unplugged.insert(host) }
    mutating func plugIn(_ host: Int) { unplugged.remove(host) }
    mutating func cutGateway(_ host: Int) { gatewayCuts.insert(host) }
    mutating func lose(_ percent: Int, _ from: Int, _ to: Int) { directedLoss[key(from, to)] = percent }

    /// Splits the hosts into two sides.
    mutating func partition(_ side: Set<Int>) {
        for one in 0..<count {
            for other in 0..<count where side.contains(one) != side.contains(other) { cut(one, other) }
        }
    }

    /// Everything but the cables.
    mutating func heal() {
        cuts = []
        loss = 0
        cableLoss = 0
        directedLoss = [:]
        copies = 0
        maximumDelay = 1_000_000
        gatewayCuts = []
        gatewayIsUp = true
    }

    /// Whether a datagram is lost on its sender's cable, and so for everybody.
    func losesAtSender(_ random: inout SplitMix64) -> Bool { cableLoss > 0 && random.chance(cableLoss) }

    /// After how long a datagram arrives: not at all, once, or twice.
    func delays(_ from: Int, _ to: Int, _ random: inout SplitMix64) -> [Int64] {
        guard !isCut(from, to) else { return [] }
        guard !random.chance(max(loss, directedLoss[key(from, to)] ?? 0)) else { return [] }
        if cableLoss > 0, random.chance(cableLoss) { return [] }
        let one = delay(&random)
        return copies > 0 && random.chance(copies) ? [one, delay(&random)] : [one]
    }

    private func delay(_ random: inout SplitMix64) -> Int64 {
        let usual = Int64(random.next() % 300_000) + 50_000
        return random.chance(5) ? Int64(random.next() % UInt64(maximumDelay)) + usual : usual
    }
}
