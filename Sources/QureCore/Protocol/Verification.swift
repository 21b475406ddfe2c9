// Verification: does the gateway's traffic for an address really arrive here? After a take-over the gateway may still
// send to the old holder: it may ignore gratuitous ARP, or have a permanent entry. So it is asked, in the address's
// name, who it is (a question that corrects its cache), and then for a packet: an echo, or whatever its TCP says to a
// connection attempt. Only an IP packet that it addresses by its own cache proves the point; its ARP answer alone
// does not.
//
//   state      input        → state      outputs
//   idle       begin        → asking     ask, echo
//   asking     deadline     → asking     ask, echo; from the third time on connect too
//   asking     patience over → asking    report(unverified), once; goes on each REPEAT
//   asking     arrived      → verified   report(verified)

/// The proof that traffic arrives, for one address and its gateway.
package struct Verification: Sendable {
    /// What happened.
    package enum Input: Equatable, Sendable {
        case begin
        /// The gateway answered the ARP or neighbour question.
        case gatewayAnswered
        /// A packet from the gateway for the address came here.
        case arrived
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        /// Ask who has the gateway's address, in the name of ours.
        case ask
        /// Send an echo request from our address to the gateway.
        case echo(Int)
        /// Try to connect from our address to the gateway.
        case connect
        case verified(after: Duration)
        case unverified(Reason)
    }

    /// What is missing.
    package enum Reason: Equatable, Sendable {
        /// The gateway does not even answer on the link.
        case gatewaySilent
        /// It answers on the link, but no packet of it arrives.
        case nothingArrives
    }

    /// The first questions come soon after each other: a healthy gateway answers in a millisecond.
    static let schedule: [Duration] = [.milliseconds(20), .milliseconds(80), .milliseconds(200), .milliseconds(700)]
    /// After this time it is said that nothing arrives; the questions go on.
    static let patience = Duration.seconds(2)
    /// From then on.
    static let repetition = Duration.seconds(3)

    private var began: Instant?
    private var attempts = 0
    private var hasHeardGateway = false
    private var hasComplained = false
    /// When `deadlinePassed` is due.
    package private(set) var nextDeadline: Instant?

    /// A verification that has not begun.
    package init() {}

    /// Takes one input and says what to do.
    package mutating func step(_ input: Input, at now: Instant) -> [Output] {
        switch input {
        case .begin:
            self = Verification()
            began = now
            return ask(at: now)
        case .gatewayAnswered:
            hasHeardGateway = true
            return []
        case .arrived:
            guard let began, nextDeadline != nil else { return [] }
            nextDeadline = nil
            return [.verified(after: now - began)]
        case .deadlinePassed:
            guard let due = nextDeadline, now >= due, let began else { return [] }
            var outputs: [Output] = []
            if now - began >= Self.patience && !hasComplained {
                hasComplained = true
                outputs.append(.unverified(hasHeardGateway ? .nothingArrives : .gatewaySilent))
            }
            return outputs + ask(at: now)
        }
    }

    private mutating func ask(at now: Instant) -> [Output] {
        let later = hasComplained ? Self.repetition : .seconds(1)
        let wait = attempts < Self.schedule.count ? Self.schedule[attempts] : later
        attempts += 1
        nextDeadline = now + wait
        return [.ask, .echo(attempts)] + (attempts >= 3 ? [.connect] : [])
    }
}
