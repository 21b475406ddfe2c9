// Hooks: the user's commands for when this member becomes master, stands by, or is at fault. One runs at a time; of
// those that become due meanwhile only the newest runs, so that the last one to run always tells what is so. The habits
// are those of keepalived's notify scripts.

import QureCore

/// Runs the hooks of one member.
struct Hooks: ~Copyable {
    /// What a hook is for.
    enum Occasion: String { case master, standby, fault }

    private let commands: [Occasion: String]
    private var command: LimitedCommand
    /// What the hooks have been told, or are about to be.
    private var told: Occasion?
    private var running = Occasion.standby
    private var waiting: (occasion: Occasion, variables: [(name: String, value: String)])?

    init(_ options: MemberOptions) {
        let given = [
            (Occasion.master, options.onMaster), (.standby, options.onStandby), (.fault, options.onFault),
        ]
        commands = Dictionary(uniqueKeysWithValues: given.compactMap { one in one.1.map { (one.0, $0) } })
        command = LimitedCommand(token: ElectSession.Token.hook, limit: options.hookLimit.duration)
    }

    /// Whether a hook runs or waits.
    var isBusy: Bool { command.isBusy || waiting != nil }
    /// When `proceed` is due, at the latest.
    var nextDeadline: Instant? { command.deadline }

    /// Takes note of an event; `variables` tells the hook about it.
    mutating func note(_ event: Election.Event, _ variables: @autoclosure () -> [(name: String, value: String)]) {
        guard let occasion = occasion(event.state), occasion != told else { return }
        let old = (name: "QURE_OLD_ROLE", value: told?.rawValue ?? "")
        told = occasion
        waiting = commands[occasion] == nil ? nil : (occasion, variables() + [old])
    }

    /// The rest of the states is on the way from one of these to another.
    private func occasion(_ state: ClusterEvent.State) -> Occasion? {
        switch state {
        case .master: .master
        case .fault: .fault
        case .standby, .maintenance, .quarantined: .standby
        case .goodbye: told == .master ? .standby : nil
        default: nil
        }
    }

    /// Looks what became of the hook that runs, and starts the one that waits. Returns what went wrong.
    mutating func proceed(_ poller: borrowing Poller, at now: Instant) -> [String] {
        var troubles: [String] = []
        func note(_ outcome: LimitedCommand.Outcome?) {
            guard let outcome, !outcome.isSuccess else { return }
            troubles.append("--on-\(running.rawValue): the command \(outcome)")
        }
        note(command.outcome(at: now))
        guard !command.isBusy, let next = waiting else { return troubles }
        waiting = nil
        running = next.occasion
        note(command.start(commands[running] ?? "", next.variables, poller, at: now))
        return troubles
    }

    /// Forgets what waits and kills what runs.
    mutating func abandon() {
        waiting = nil
        command.abandon()
    }
}

extension ElectSession {
    /// What a command of the user's is told about the moment that it is run for.
    func variables(
        _ role: String, term: UInt64, master: NodeID?, reason: String? = nil
    ) -> [(name: String, value: String)] {
        [
            ("QURE_CLUSTER", options.place.cluster), ("QURE_NAME", election.configuration.name),
            ("QURE_NODE", "\(election.configuration.node)"), ("QURE_INTERFACE", link.name),
            ("QURE_ADDRESS", options.address.map(\.description).joined(separator: " ")),
            ("QURE_ROLE", role), ("QURE_TERM", "\(term)"), ("QURE_MASTER", master.map(name) ?? ""),
            ("QURE_REASON", reason ?? ""),
        ]
    }
}
