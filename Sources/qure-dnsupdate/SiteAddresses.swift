// SiteAddresses: what the sources say about where the site is, as a registration takes it. A family that no source
// can say anything about now is not a family that the site has lost: a gateway that restarts says nothing, or nonsense,
// and the address that was there before stays. What an interface says of itself is believed also when it is nothing.

import QureCore

/// The sources, asked again and again.
final class SiteAddresses {
    /// Sources that a complaint names.
    private static let shownFailures = 3

    private let options: AddressOptions
    private let interface: String?
    private var judge: AddressJudge
    private var search: AddressSearch?
    /// When the sources are not waited for any longer, though they might be.
    var deadline: Instant?

    init(_ options: AddressOptions, interface: String?, hold: Duration) {
        self.options = options
        self.interface = interface
        judge = options.judge(hold: hold)
    }

    /// Begins to ask the sources, in place of a question that is under way; what they say, if that is known at once.
    func begin() throws -> Registration.Input? {
        abandon()
        do {
            var search = try options.search(interface: interface, by: deadline)
            if let readings = search.end() { return input(from: readings) }
            self.search = consume search
            return nil
        } catch {
            // An interface that is not there may come.
            guard let failure = error as? Failure, failure.status == .unreachable else { throw error }
            return .trouble(.noAddress(failure.description, .unreachable))
        }
    }

    /// Readable when `goOn` has something to do; nil: nobody is asked.
    var descriptor: CInt? { search?.descriptor }
    /// When `goOn` has something to do even so.
    var nextDeadline: Instant? { search?.nextDeadline }

    /// Waits for something to happen; what the sources say once each has answered.
    func goOn() throws -> Registration.Input? {
        guard let readings = try search?.goOn() else { return nil }
        abandon()
        return input(from: readings)
    }

    /// Nobody is waited for any longer.
    func abandon() { search = nil }

    /// Asks the sources; waits for them as long as they may take.
    func observe() throws -> Registration.Input {
        var search = try options.search(interface: interface, by: deadline)
        return input(from: try search.finish())
    }

    /// What it comes to.
    private func input(from all: [AddressReading]) -> Registration.Input {
        let readings = options.wanted(all)
        let verdicts = options.families.map { ($0, judge.judge(readings, $0, at: Clock.now)) }
        let addresses = verdicts.compactMap(\.1.address)
        // Where the sources contradict each other nothing changes, whatever the other family says.
        let isDoubtful = verdicts.contains { if case .held = $0.1 { false } else { $0.1.isContradiction } }
        guard !addresses.isEmpty, !isDoubtful else {
            return .trouble(.noAddress(Self.reason(verdicts, readings), Self.kind(verdicts.map(\.1))))
        }
        let hasFailed = readings.contains { $0.address == nil && $0.problem != nil }
        let keeping = verdicts.filter { family, verdict in
            switch verdict {
            case .unknown: hasFailed
            // IPv6 has no translator that could say such a thing of somebody else's.
            case .unusable: family == .ipv4
            default: false
            }
        }
        return .observed(addresses, keeping: Set(keeping.map(\.0)))
    }

    private static func reason(
        _ verdicts: [(AddressFamily, AddressJudge.Verdict)], _ readings: [AddressReading]
    ) -> String {
        let known = verdicts.filter { if case .unknown = $0.1 { false } else { $0.1.address == nil } }
        guard !known.isEmpty else {
            let failures = readings.compactMap { reading in
                reading.problem.map { Diagnostics.printable("\(reading.source) \($0)") }
            }
            let causes = failures.prefix(Self.shownFailures).joined(separator: ", ")
            return "no source names an address\(causes.isEmpty ? "" : ": \(causes)") (see 'qure-dnsupdate address')"
        }
        let isPermissible = known.contains { _, verdict in
            if case .unusable(let address, _) = verdict {
                AddressJudge.mayPublish(address, allowsPrivate: true)
            } else {
                false
            }
        }
        return known.map { "\($0): \($1.reason)" }.joined(separator: "; ")
            + (isPermissible ? "; --allow-private lets it be registered all the same" : "")
    }

    private static func kind(_ verdicts: [AddressJudge.Verdict]) -> RegistrationTrouble.Kind {
        switch AddressJudge.Verdict.status(of: verdicts) {
        case .no: .no
        case .unreachable: .unreachable
        default: .temporary
        }
    }
}

extension AddressJudge.Verdict {
    /// Whether the sources say too much, or too little, for any address to be believed.
    fileprivate var isContradiction: Bool { Self.status(of: [self]) == .temporary }
}
