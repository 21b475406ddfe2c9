// Telling: what an elector says in the journal, for whoever looks there at night: since when, and why, this member has
// the address or has not, and what is wrong with the others.

import QureCore

/// What was told already.
struct Told {
    /// The one-way paths.
    var reported: [Election.Way] = []
    /// Since when nobody is master; nil once that was told of.
    var suspectingSince: Instant?
    /// Of the last event that had one.
    var lastReason = ""
    /// Why this member is what it is now, where the event that told of it had a reason.
    var reason: String?
    /// Who was asked to take over, the last time.
    var heir: NodeID?
    /// By what right the master has it that this member was said to stand by for.
    var master: Election.Standing?
    /// When somebody with another key was last told of.
    var otherKey: Instant?
    /// The members that are there for other addresses.
    var otherAddresses: Set<NodeID> = []
    /// Whether this host's own address is not there; and another one that could not be spoken from.
    var isOwnAddressMissing = false
    var refusedAddress: IPAddress?

    mutating func note(_ event: Election.Event) {
        if let reason = event.reason { lastReason = reason }
        if event.state != .alive { reason = event.reason }
    }
}

extension ElectSession {
    /// Why this member does not count for now: whoever looks later finds it in the journal.
    func tellTrouble(_ event: Election.Event) {
        guard event.state == .fault || event.state == .quarantined, let reason = event.reason else { return }
        diagnostics.say(.warning, "\(event.state.rawValue): \(reason)")
    }

    /// Once for each time that nobody is master for a second: what everybody waits for is told where it is looked for.
    func tellOfMissingGateway() {
        guard election.role == .suspecting, let since = told.suspectingSince, Clock.now - since > .seconds(1) else {
            return
        }
        told.suspectingSince = nil
        let names = linkWatch.gateways.map(\.description).joined(separator: ", ")
        diagnostics.say(
            .warning, "nobody is master, and the gateway \(names) does not answer: whoever hears it will claim")
    }

    /// The journal says since when, and why, this member has the address or has not.
    func tellChange(from before: Election.Role) {
        let term = knownTerm
        told.suspectingSince = election.role == .suspecting ? Clock.now : nil
        diagnostics.say(.information, "\(before.rawValue) -> \(election.role.rawValue)")
        service.notify("STATUS=\(election.role.rawValue), term \(term)")
        if let heir = election.heir { told.heir = heir }
        if before == .transferring {
            tellHandOver()
        } else if election.role == .master {
            diagnostics.say(.notice, "master of term \(term): \(Self.phrase(election.lastTakeOver?.reason))")
        } else if before == .master, election.role != .transferring {
            // Who has no reason of its own has one of the past.
            let reason = election.role == .maintenance ? election.role.rawValue : told.lastReason
            diagnostics.say(.notice, "no longer master: \(reason)")
        }
        if before == .fault { diagnostics.say(.notice, "no longer at fault: \(election.role.rawValue)") }
        if election.role != .standby && election.role != .suspecting { told.master = nil }
    }

    /// A standby says for whom, once for each master and term: not each time that a suspicion proves wrong.
    func tellMaster() {
        // Of a rank of its own: somebody's word that there is a higher term is no master yet.
        guard election.role == .standby, let master = election.master?.standing, master.rank != .max,
            master != told.master
        else { return }
        told.master = master
        diagnostics.say(.notice, "standby: \(name(master.node)) is master of term \(master.term)")
    }

    func tell(_ ways: [Election.Way]) {
        // Whose own address is gone knows why nobody hears it.
        let told = self.told.reported
        let known = ways.filter { !(self.told.isOwnAddressMissing && $0.speaker == election.configuration.node) }
        for way in known where !told.contains(way) {
            diagnostics.say(
                .warning,
                "\(name(way.hearer)) does not hear \(name(way.speaker)): nothing passes on that way")
        }
        // The rest is about members that are gone.
        for way in told where !ways.contains(way) && election.isHeard(way, at: Clock.now) {
            diagnostics.say(.notice, "\(name(way.hearer)) hears \(name(way.speaker)) again")
        }
        self.told.reported = ways.filter { known.contains($0) || told.contains($0) }
    }

    /// Once a minute: two machines with different keys each have a cluster of their own, and the one that comes second
    /// finds that a stranger has the address.
    func warnOfOtherKey(_ source: IPAddress) {
        guard told.otherKey.map({ Clock.now - $0 >= .seconds(60) }) ?? true else { return }
        told.otherKey = Clock.now
        diagnostics.say(
            .warning, "\(source): speaks for cluster '\(options.place.cluster)' with a key that is none of ours: "
                + "until all members have the same key file, those with another elect a master of their own, and two "
                + "machines may want the address")
    }

    /// Once for each member that has other addresses, until it has ours: whoever of the two is master holds its own,
    /// and nobody the other's.
    func warnOfOtherAddresses(_ message: ElectionMessage, _ source: IPAddress) {
        // What asks and answers for `check` is no member yet, or says nothing that its heartbeats do not.
        guard message.kind != .challenge, message.node != election.configuration.node else { return }
        if message.configuration == election.configuration.hash {
            told.otherAddresses.remove(message.node)
            return
        }
        guard told.otherAddresses.count < Election.maximumMembers, told.otherAddresses.insert(message.node).inserted
        else { return }
        diagnostics.say(
            .warning,
            "\(message.name ?? name(message.node)) \(source): is a member for other addresses: until --address is the"
                + " same everywhere, which of them are held depends on who is master")
    }

    private static func phrase(_ reason: String?) -> String {
        switch reason {
        case "silent": "the one before fell silent"
        case "gone": "the one before has left, or is dead"
        case "transfer": "the one before hands over"
        default: "there was none"
        }
    }
}
