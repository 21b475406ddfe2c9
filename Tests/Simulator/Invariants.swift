// What must hold at every step of a simulation, and what must hold once nothing disturbs it any more.

import QureCore

extension Simulation {
    /// I2: on a link that connects them, two hosts answer for the address no longer than the bound.
    mutating func judge() {
        var holders: [Int] = []
        var first: Int?
        // Nearly always there is one at most, and no list needs to be made; and a call that is not inlined copies the
        // whole host.
        for index in hosts.indices where hosts[index].isPresent && hosts[index].answers(now) {
            if let one = first {
                holders.isEmpty ? holders = [one, index] : holders.append(index)
            } else {
                first = index
            }
        }
        judgeService(isHeld: first != nil)
        guard !holders.isEmpty, areConnected(holders), case let limit = bound(holders), limit < .max else {
            twoHoldersSince = nil
            return
        }
        let since = twoHoldersSince ?? now
        twoHoldersSince = since
        let time = now - since
        statistics.longestTwoHolders = max(statistics.longestTwoHolders, time)
        if time > limit {
            violate(
                "I2",
                "\(holders.map(name)) hold the address together for \(time / 1000) us,"
                    + " terms \(holders.map { hosts[$0].heldTerm })"
            )
        }
    }

    private func areConnected(_ holders: [Int]) -> Bool {
        holders.allSatisfy { one in holders.allSatisfy { one == $0 || network.connects(one, $0) } }
    }

    /// A heartbeat interval and a round trip, as often as losses can make them necessary, and a new session's proof.
    private func bound(_ holders: [Int]) -> Int64 {
        var worst = 0
        for one in holders { for other in holders where other != one { worst = max(worst, network.loss(one, other)) } }
        guard worst < 95 else { return .max }
        // How many heartbeats until one in a million is the chance that all were lost: either way, and its answer.
        var chance = 1.0
        var beats: Int64 = 0
        let lost = 1 - (1 - Double(worst) / 100) * (1 - Double(worst) / 100)
        repeat {
            chance *= lost
            beats += 1
        } while chance > 1e-6 && beats < 400
        let frozen = holders.contains { hosts[$0].state == .frozen } ? settings.tolerance.nanoseconds : 0
        let trip = 6 * network.maximumDelay + 20 * Self.millisecond
        return (beats + 1) * (settings.interval.nanoseconds + trip) + frozen
    }

    /// I1 and I3: one master, whom all follow, and who holds the address. I8: nobody says of anybody that he is deaf.
    mutating func judgeCalm() {
        guard violations.isEmpty else { return }
        let masters = hosts.indices.filter { hosts[$0].election.role == .master }
        let roles = hosts.map { "\($0.election.configuration.name)=\($0.election.role.rawValue)/\($0.election.term)" }
        guard masters.count == 1, let master = masters.first else {
            return violate("I3", "\(masters.count) masters when all is calm: \(roles.joined(separator: " "))")
        }
        guard hosts[master].answers(now) else {
            return violate("I3", "\(name(master)) is master without the address: \(roles.joined(separator: " "))")
        }
        let node = hosts[master].election.configuration.node
        for index in hosts.indices where index != master {
            let view = hosts[index].election
            if view.master?.standing.node != node || view.role != .standby {
                return violate("I1", "\(name(index)) does not follow \(name(master)): \(roles.joined(separator: " "))")
            }
        }
        for index in hosts.indices where !hosts[index].election.unheard.isEmpty {
            return violate("I8", "\(name(index)) says that ways are closed: \(hosts[index].election.unheard)")
        }
        let holders = hosts.indices.filter { hosts[$0].answers(now) }
        if holders.count != 1 { violate("I2", "\(holders.map(name)) hold the address when all is calm") }
    }
}
