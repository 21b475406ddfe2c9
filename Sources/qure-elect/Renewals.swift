// Renewals: which renewals of its lease a master writes to those that follow it. Where the kernel renews the lease by
// the heartbeats themselves (LeaseRules), it is enough to say so from time to time; a follower that is told ten times a
// second what the kernel knows already is half of what the election costs. Whether it does is not taken on trust: the
// kernel is asked.

import Glibc
import QureCore

struct Renewals: ~Copyable {
    /// How long nothing is written while the heartbeats do it: for less than a follower believes the last line, by more
    /// than a busy machine stalls.
    static let pause = Fence.patience - .seconds(1)

    /// The kernel counts in steps of up to ten milliseconds.
    private static let minimumSlack = Duration.milliseconds(10)

    /// nil: this process may not ask, so every renewal is written and none left to the kernel.
    private var kernel: KernelLease?
    /// What followers were told about the heartbeats, and of which session they are.
    private var told: (session: UInt64, text: String)?
    private let port: UInt16
    /// How much longer than the interval a heartbeat may keep the next waiting.
    private let slack: Duration
    /// From one heartbeat to the next, with the slack; and what is left of the lease a moment after one, at least.
    private let longestWait, leastRest: Duration
    /// When a heartbeat last left, and whether one has in this step.
    private var lastBeat: Instant?
    private var hasLeft = false
    /// Whether heartbeats renewed the lease when the kernel was last asked, and when that is to be done again.
    private var isKept = false
    private var nextLook = Instant(nanoseconds: 0)

    /// Renewals of the lease of these addresses by heartbeats that leave the interface for `port` at this `interval`
    /// and each give this `lease`.
    init(_ addresses: [IPAddress], on interface: Int, port: UInt16, lease: Duration, interval: Duration) {
        self.port = port
        // A lease that may have run out between two of them is not renewed by the next, but by a line.
        slack = (lease - interval) / 2
        longestWait = interval + slack
        leastRest = lease - interval / 2
        kernel = addresses.isEmpty ? nil : try? KernelLease(addresses, on: interface)
    }

    /// What followers are told about the heartbeats of this member; nil: they are told of each renewal.
    mutating func word(_ election: () -> Election) -> String? {
        guard kernel != nil else { return nil }
        if let told { return told.text }
        let election = election()
        let text = election.renewal(from: geteuid(), to: port).description
        told = (election.configuration.session, text)
        return text
    }

    /// A master's heartbeat has left.
    mutating func noteHeartbeat() { hasLeft = true }

    /// Whether a renewal has to be written, for heartbeats of `session`.
    mutating func mustWrite(_ session: UInt64, at now: Instant) -> Bool {
        defer {
            lastBeat = hasLeft ? now : nil
            hasLeft = false
        }
        if told?.session != session { told = nil }
        guard told != nil, hasLeft, slack >= Self.minimumSlack, let lastBeat, now - lastBeat <= longestWait
        else {
            isKept = false
            nextLook = now
            return true
        }
        guard now >= nextLook else { return !isKept }
        nextLook = now + Self.pause
        // What the last line has given is used up in part; what a heartbeat gives is not, a moment after it.
        let rest = (try? kernel?.remainder()) ?? nil
        isKept = rest.map { $0 > leastRest } ?? false
        return true
    }

    /// Silences the addresses, whatever the follower does.
    func revoke() { kernel?.revoke() }
}
