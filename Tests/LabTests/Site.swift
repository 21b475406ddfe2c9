// Site: a lab whose hosts keep the address by qure-standby, with the client asking and the witness watching: where most
// stories of this folder begin.

import Glibc
import Lab
import QureCore
import Testing

/// A lab that keeps an address.
final class Site {
    let lab: Lab
    let meter: Meter
    let witness: Witness
    /// The standby loop of each host, by its number.
    private(set) var standbys: [Int: LabProcess] = [:]

    /// Starts everything and waits until a host answers; fails the test if none does.
    init(hosts: Int = 2, ipv6: Bool = false, options: [String] = []) throws {
        lab = try Lab(hosts: hosts)
        meter = try lab.startMeter(ipv6: ipv6)
        witness = try lab.startWitness(of: ipv6 ? Lab.Plan.address6 : Lab.Plan.address)
        for number in 1...hosts { try startStandby(number, ipv6: ipv6, options) }
        try #require(meter.waitForAnswer(byOtherThan: 0) != nil, "no host takes the address: \(saidByAll)")
        try #require(isSettled(), "the hosts do not settle: \(saidByAll)")
    }

    /// Waits until one host holds and all others have been standing by for a while. Loops that were started together
    /// try to take the address together too, and a fault that comes into that is another story.
    private func isSettled() -> Bool {
        func isQuiet() -> Bool {
            lab.hosts.count { !$0.processes(named: "qure-claim").isEmpty } == 1
        }
        return eventually(within: .seconds(10)) {
            eventually(isQuiet) && !eventually(within: .milliseconds(300)) { !isQuiet() }
        }
    }

    /// Starts the loop on a host.
    func startStandby(_ number: Int, ipv6: Bool = false, _ options: [String] = []) throws {
        let words = [try Toolbox.path(of: "qure-standby"), "--interval", "100ms", "--fall", "3"] + options
        standbys[number] = try lab.host(number).start(
            words + (ipv6 ? [Lab.Plan.shared6, Lab.Plan.shared] : [Lab.Plan.shared]))
    }

    /// The host that answers now; fails the test if none does.
    func holder() throws -> Int {
        try #require(meter.waitForAnswer(byOtherThan: 0), "nobody answers: \(saidByAll)")
    }

    /// Waits until exactly one host has the address and it is this one.
    func isHeldOnly(by number: Int, within limit: Duration = .seconds(10)) -> Bool {
        eventually(within: limit) { (try? lab.holders()) == [number] && witness.holders == [.host(number)] }
    }

    /// Waits until exactly one host has the address, whichever, and names it.
    func onlyHolder(within limit: Duration = .seconds(10)) -> Int? {
        var found: Int?
        _ = eventually(within: limit) {
            guard let holders = try? lab.holders(), holders.count == 1, witness.holders == [.host(holders[0])] else {
                return false
            }
            found = holders[0]
            return true
        }
        return found
    }

    /// What the loops have said, for the message of a failed expectation.
    var saidByAll: String {
        standbys.sorted { $0.key < $1.key }.map { "h\($0): \($1.output)\($1.errors)" }.joined()
    }
}

extension Lab {
    /// Starts `qure-claim hold` on a host and waits until it has taken the address.
    func startHold(_ host: Int, _ options: String..., addresses: [String] = [Plan.shared]) throws -> LabProcess {
        let process = try self.host(host).start([try Toolbox.path(of: "qure-claim"), "hold"] + options + addresses)
        try #require(
            eventually { process.output.contains(" taken ") || !process.isRunning } && process.isRunning,
            "hold does not take the address: \(process.output)\(process.errors)")
        return process
    }
}
