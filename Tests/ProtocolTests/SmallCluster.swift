// SmallCluster: some Election machines on a perfect link in made-up time, with a hand on every wire: for the tests of
// what one member does in a situation that the random stories of the simulator reach only now and then.

import QureCore
import Simulator

/// Members h1, h2, …, and their followers, who do at once what they are told.
struct SmallCluster {
    private(set) var machines: [Election] = []
    private(set) var outputs: [[Election.Output]]
    private(set) var now = ms(0)
    /// What `from` says does not reach `to`.
    var cuts: Set<[Int]> = []
    /// Whose follower does nothing any more.
    var deadFollowers: Set<Int> = []
    /// How long a follower needs to put the address there; at once, if it is not named.
    var slowFollowers: [Int: Duration] = [:]
    /// Who reaches the gateway; after how long it answers.
    var gateways: Set<Int> = []
    /// Who has the address.
    private var present: Set<Int> = []
    private var random = SplitMix64(seed: 1)
    private var arrivals: [(at: Instant, member: Int)] = []
    private var gatewayAnswers: [(at: Instant, member: Int)] = []
    private var flights: [(at: Instant, message: ElectionMessage, from: Int, to: Int)] = []
    private static let delay = Duration.microseconds(100)

    /// The members, not started; `change` sets up each one, counted from 1.
    init(_ count: Int, _ change: (Int, inout Election.Configuration) -> Void = { _, _ in }) {
        outputs = Array(repeating: [], count: count)
        for number in 1...count {
            var configuration = Election.Configuration(
                cluster: 7, node: Self.node(number), session: UInt64(100 + number), name: "h\(number)",
                mac: mac(UInt64(number)))
            change(number, &configuration)
            machines.append(Election(configuration))
        }
    }

    static func node(_ number: Int) -> NodeID { NodeID(rawValue: UInt64(number)) }

    /// A member, counted from 1.
    subscript(number: Int) -> Election { machines[number - 1] }

    /// The member that is master, if it is one alone.
    var master: Int? {
        let masters = machines.indices.filter { machines[$0].role == .master }
        return masters.count == 1 ? masters[0] + 1 : nil
    }

    /// What a member has said since the start, in messages of this kind.
    func said(_ number: Int, _ kind: ElectionMessage.Kind) -> Int {
        outputs[number - 1].count { if case .send(let message, _) = $0 { message.kind == kind } else { false } }
    }

    mutating func step(_ number: Int, _ input: Election.Input, answering: Int? = nil) {
        if case .addressPresent(let isHere) = input {
            present = present.subtracting([number]).union(isHere ? [number] : [])
        }
        let made = machines[number - 1].step(input, at: now, using: &random)
        outputs[number - 1] += made
        for output in made { perform(output, number, answering) }
    }

    private mutating func perform(_ output: Election.Output, _ number: Int, _ answering: Int?) {
        switch output {
        case .send(let message, let destination):
            for to in 1...machines.count where to != number && !cuts.contains([number, to]) {
                switch destination {
                case .sender where to != answering: continue
                case .member(let node) where node != Self.node(to): continue
                default: flights.append((now + Self.delay, message, number, to))
                }
            }
        case .event(let event):
            let holds: Bool? = event.state == .claiming || event.state == .alive
                ? nil : [.master, .transferring].contains(event.state)
            // As the kernel: only what is new.
            if let holds { follow(number, holds) }
        case .probeGateway where gateways.contains(number):
            gatewayAnswers.append((now + Self.delay * 2, number))
        default: break
        }
    }

    /// The follower does as it is told, and the kernel says what is new.
    private mutating func follow(_ number: Int, _ holds: Bool) {
        guard !deadFollowers.contains(number) else { return }
        if !holds { arrivals.removeAll { $0.member == number } }
        guard holds != present.contains(number) else { return }
        if holds, let time = slowFollowers[number] {
            if !arrivals.contains(where: { $0.member == number }) { arrivals.append((now + time, number)) }
        } else {
            step(number, .addressPresent(holds))
        }
    }

    /// Whether a host has the address.
    func has(_ number: Int) -> Bool { present.contains(number) }

    /// What the followers of a member were told, but that all is as it was.
    func events(_ number: Int) -> [Election.Event] {
        outputs[number - 1].compactMap { output in
            if case .event(let event) = output, event.state != .alive { event } else { nil }
        }
    }

    /// Lets so many milliseconds go by.
    mutating func run(_ milliseconds: Int) {
        let end = now + .milliseconds(milliseconds)
        while true {
            let timers = machines.compactMap(\.nextDeadline)
            let next = (timers + flights.map(\.at) + gatewayAnswers.map(\.at) + arrivals.map(\.at)).min() ?? end
            guard next < end else { break }
            now = max(now, next)
            let arrived = flights.filter { $0.at <= now }
            flights.removeAll { $0.at <= now }
            for one in arrived where machines[one.to - 1].nextDeadline != nil {
                step(one.to, .heard(one.message, received: now), answering: one.from)
            }
            let put = arrivals.filter { $0.at <= now }
            arrivals.removeAll { $0.at <= now }
            for one in put { step(one.member, .addressPresent(true)) }
            let answered = gatewayAnswers.filter { $0.at <= now }
            gatewayAnswers.removeAll { $0.at <= now }
            for one in answered { step(one.member, .gatewayAnswered) }
            for number in 1...machines.count {
                if let due = machines[number - 1].nextDeadline, due <= now { step(number, .deadlinePassed) }
            }
        }
        now = end
    }
}
