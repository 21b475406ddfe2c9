// Health: the user's health check of `qure-elect run`: runs the command when HealthCheck says so, kills it when it
// takes too long, and puts its verdict together with the state of the link.

import QureCore

/// Whether this member could hold the address.
struct Health: ~Copyable {
    /// Something to say.
    struct Note {
        var level: Diagnostics.Level
        var text: String
        init(_ level: Diagnostics.Level, _ text: String) {
            self.level = level
            self.text = text
        }
    }

    private let text: String?
    private var check: HealthCheck
    private var command: LimitedCommand
    private var isFailing = false
    private var isOver = false
    /// Whether the interface is up and has a carrier.
    var isLinkUp = true
    /// Whether this host has the address that the others speak to, where they need one: without it, it hears nobody.
    var isAddressed = true
    /// Whether the follower, if there is one, reads what it is told.
    var isFollowed = true

    init(_ options: MemberOptions) {
        text = options.health
        check = HealthCheck(
            interval: options.healthInterval.duration, fall: options.healthFall, rise: options.healthRise)
        command = LimitedCommand(token: ElectSession.Token.health, limit: options.healthTimeout.duration)
    }

    /// Whether there is a check that goes on.
    var isAtWork: Bool { text != nil && !isOver }

    /// When `proceed` is due, at the latest.
    var nextDeadline: Instant? { isOver ? nil : earlier(check.nextDeadline, command.deadline) }

    /// The reason of a member whose interface is down, or has no carrier.
    static let linkReason = "link-down"
    /// The reason of a member whose own address is gone.
    static let addressReason = "own-address-gone"
    /// The reason of a member whose check fails, or has no result yet.
    static let checkReason = "health-check"

    /// What the election is told: the link comes first, for nothing else matters where it is down. Without a verdict
    /// yet, a member with a check is not healthy.
    var input: Election.Input {
        guard isLinkUp else { return .healthy(false, reason: Self.linkReason) }
        guard isAddressed else { return .healthy(false, reason: Self.addressReason) }
        guard isFollowed else { return .healthy(false, reason: "follower-stalled") }
        return .healthy(text == nil || check.isHealthy == true, reason: Self.checkReason)
    }

    /// Looks what became of the check that runs, and makes the next one when it is due. Returns what is worth saying.
    mutating func proceed(
        _ variables: @autoclosure () -> [(name: String, value: String)], _ poller: borrowing Poller, at now: Instant
    ) -> [Note] {
        var notes: [Note] = []
        if let outcome = command.outcome(at: now) { notes += take(outcome, at: now) }
        guard let text, !isOver else { return notes }
        for case .run in check.step(check.nextDeadline == nil ? .start : .deadlinePassed, at: now) {
            if command.isBusy {
                // The one before was killed and is not dead yet: it hangs where no signal reaches it.
                notes += take(.late(command.limit), at: now)
            } else if let outcome = command.start(text, variables(), poller, at: now) {
                notes += take(outcome, at: now)
            }
        }
        return notes
    }

    private mutating func take(_ outcome: LimitedCommand.Outcome, at now: Instant) -> [Note] {
        let outputs = check.step(.ended(passed: outcome.isSuccess), at: now)
        let isNews = isFailing == outcome.isSuccess
        isFailing = !outcome.isSuccess
        if outputs.contains(.verdict(healthy: false)) {
            return [Note(.warning, "--health: the command \(outcome): unhealthy until it passes")]
        }
        if outputs.contains(.verdict(healthy: true)) { return [Note(.notice, "--health: healthy")] }
        return isNews && isFailing ? [Note(.warning, "--health: the command \(outcome), asking again")] : []
    }

    /// No more checks; kills what runs.
    mutating func abandon() {
        isOver = true
        command.abandon()
    }
}
