// Scanner: asks many addresses in rounds, paced so that a small switch can follow, and collects who answers. An address
// that has answered is not asked again. Used by `qure-probe scan` and `free`, and by `discover` to test its candidates.

/// The questions about many addresses.
package struct Scanner: Sendable {
    /// What happened.
    package enum Input: Equatable, Sendable {
        case start
        case answered(IPAddress, by: MACAddress)
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        case probe(IPAddress)
        /// Every round has been asked and waited for.
        case finished
    }

    /// An address that answered.
    package struct Found: Equatable, Sendable {
        /// Who answered, in the order of their first answers.
        package var macs: [MACAddress]
        /// From the last question about the address to its first answer.
        package var roundTrip: Duration
    }

    /// Questions that go out together, and the pause after them: four thousand a second.
    static let burst = 16
    static let pause = Duration.milliseconds(4)

    /// Who answered so far.
    package private(set) var found: [IPAddress: Found] = [:]
    /// When `deadlinePassed` is due; nil before the start and after the end.
    package private(set) var nextDeadline: Instant?

    private let addresses: [IPAddress]
    private let rounds: Int
    private let interval: Duration
    private var round = 0
    private var position = 0
    private var roundStart = Instant(nanoseconds: 0)
    private var asked: [IPAddress: Instant] = [:]

    /// A scan that asks each silent one of `addresses` `rounds` times, each round `interval` after the one before (or
    /// after as long as it takes to ask them all), and waits for `interval` after the last question.
    package init(_ addresses: [IPAddress], rounds: Int, interval: Duration) {
        precondition(rounds > 0 && interval > .zero, "a scan needs a round and an interval")
        self.addresses = addresses
        self.rounds = rounds
        self.interval = interval
    }

    /// Takes one input and says what to do.
    package mutating func step(_ input: Input, at now: Instant) -> [Output] {
        switch input {
        case .start:
            guard nextDeadline == nil, round == 0 else { return [] }
            roundStart = now
            return ask(at: now)
        case .answered(let address, let mac):
            note(address, mac, at: now)
            return []
        case .deadlinePassed:
            guard let due = nextDeadline, now >= due else { return [] }
            if position < addresses.count { return ask(at: now) }
            round += 1
            guard round < rounds, found.count < addresses.count else {
                nextDeadline = nil
                return [.finished]
            }
            position = 0
            roundStart = now
            return ask(at: now)
        }
    }

    private mutating func ask(at now: Instant) -> [Output] {
        var outputs: [Output] = []
        while position < addresses.count, outputs.count < Self.burst {
            let address = addresses[position]
            position += 1
            guard found[address] == nil else { continue }
            asked[address] = now
            outputs.append(.probe(address))
        }
        let isLastOfRound = position == addresses.count
        let isLast = isLastOfRound && round == rounds - 1
        let soon = now + Self.pause
        nextDeadline = isLast ? now + interval : isLastOfRound ? max(roundStart + interval, soon) : soon
        return outputs
    }

    private mutating func note(_ address: IPAddress, _ mac: MACAddress, at now: Instant) {
        guard let at = asked[address] else { return }
        var entry = found[address] ?? Found(macs: [], roundTrip: max(now - at, .zero))
        if !entry.macs.contains(mac), entry.macs.count < Prober.maximumHosts { entry.macs.append(mac) }
        found[address] = entry
    }
}
