// A site and an authority as values, for tests of Registration: the site asks, the authority answers, and the test
// decides what gets lost on the way.

import Simulator
import Testing

@testable import QureCore

/// One site, with what it does not do by itself.
struct RegistrationBench {
    static let zone = DomainName("z.test")!
    static let name = DomainName("cloud.z.test")!

    static func names(_ site: String) -> SiteNames { SiteNames(name, site: site)! }
    static func address(_ text: String) -> IPAddress { IPAddress(text)! }

    var machine: Registration
    var now = Instant(nanoseconds: 1_000_000_000)
    var random: SplitMix64
    /// Where the site is; none: its sources do not know.
    var addresses: [IPAddress]
    /// What they know nothing about.
    var keeping: Set<AddressFamily> = []
    /// What waits for the authority.
    var message: DNSMessage?
    var reports: [Registration.Report] = []
    /// What it ended with; `.some(nil)`: well.
    var end: RegistrationTrouble??

    init(
        _ site: String = "box", _ addresses: String..., machine: UInt64 = 1, seed: UInt64 = 1,
        _ change: (inout Registration.Configuration) -> Void = { _ in }
    ) {
        var configuration = Registration.Configuration(
            Self.names(site), machine: NodeID(rawValue: machine))
        change(&configuration)
        self.machine = Registration(configuration)
        self.addresses = addresses.map(Self.address)
        random = SplitMix64(seed: seed)
    }

    /// Gives it an input, and does what needs nobody else.
    mutating func take(_ input: Registration.Input) {
        var outputs = machine.step(input, at: now, using: &random)[...]
        while let output = outputs.popFirst() {
            switch output {
            case .observe:
                let input: Registration.Input =
                    addresses.isEmpty
                    ? .trouble(.noAddress("they disagree", .temporary)) : .observed(addresses, keeping: keeping)
                outputs += machine.step(input, at: now, using: &random)
            case .find: outputs += machine.step(.found(zone: Self.zone), at: now, using: &random)
            case .exchange(let next): message = next
            case .setClock: break
            case .report(let report): reports.append(report)
            case .ended(let trouble): end = .some(trouble)
            }
        }
        // The law of deadlines.
        if case .deadlinePassed = input, let next = machine.nextDeadline { #expect(next > now) }
    }

    /// Exchanges messages until it rests. `update`: what is answered to an update, which then never reaches the
    /// authority.
    mutating func settle(
        with authority: inout SimulatedAuthority, answering update: ((DNSMessage) -> DNSMessage)? = nil
    ) {
        for _ in 0..<200 {
            guard let sent = message else { return }
            message = nil
            if sent.opcode == .update, let update {
                take(.answer(update(sent)))
            } else {
                take(.answer(authority.take(sent)))
            }
        }
        Issue.record("it does not come to rest")
    }

    /// Begins, and exchanges messages until it rests.
    mutating func run(_ input: Registration.Input, with authority: inout SimulatedAuthority) {
        take(input)
        settle(with: &authority)
    }

    /// Lets the time of the deadline come, and what follows from it.
    mutating func pass(with authority: inout SimulatedAuthority) throws {
        let due = max(now, try #require(machine.nextDeadline))
        authority.time += UInt64((due - now).components.seconds)
        now = due
        run(.deadlinePassed, with: &authority)
    }
}
