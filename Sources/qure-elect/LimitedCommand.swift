// LimitedCommand: one command of the user's at a time, which is killed when it takes too long. The loop that started it
// never waits for it.

import QureCore

/// Runs commands, one at a time.
struct LimitedCommand: ~Copyable {
    /// What became of a command.
    enum Outcome: Equatable, CustomStringConvertible {
        case ended(ChildProcess.Ending)
        /// It took too long and was killed.
        case late(Duration)
        case notStarted(SystemError)

        var isSuccess: Bool { self == .ended(.status(0)) }

        var description: String {
            switch self {
            case .ended(.status(let status)): "ended with status \(status)"
            case .ended(.signal(let signal)): "was ended by signal \(signal)"
            case .late(let limit): "did not end within \(limit.text) and was killed"
            case .notStarted(let error): "cannot be started: \(error)"
            }
        }
    }

    private let token: Int
    /// How long a command may take.
    let limit: Duration
    private var child: ChildProcess?
    /// When a command that runs will have taken too long.
    private(set) var deadline: Instant?

    /// For commands that may take as long as `limit`; their end wakes the poller under `token`.
    init(token: Int, limit: Duration) {
        self.token = token
        self.limit = limit
    }

    /// Whether a command runs, or one that was killed is not dead yet.
    var isBusy: Bool { child != nil }

    /// Starts a command; not while another one runs. An outcome at once: it could not be started.
    mutating func start(
        _ command: String, _ variables: [(name: String, value: String)], _ poller: borrowing Poller, at now: Instant
    ) -> Outcome? {
        precondition(child == nil, "one command at a time")
        do throws(SystemError) {
            let child = try ChildProcess(command, variables: variables)
            try poller.add(child.descriptor, token: token)
            self.child = consume child
            deadline = now + limit
            return nil
        } catch {
            return .notStarted(error)
        }
    }

    /// What became of the command, once. One that has taken too long is killed, and that is its outcome; until it is
    /// dead no other can be started.
    mutating func outcome(at now: Instant) -> Outcome? {
        if let ending = child?.ending() {
            child = nil
            defer { deadline = nil }
            return deadline == nil ? nil : .ended(ending)
        }
        guard let deadline, now >= deadline else { return nil }
        self.deadline = nil
        child?.end()
        return .late(limit)
    }

    /// Kills what runs.
    mutating func abandon() {
        child?.end()
        deadline = nil
    }
}
