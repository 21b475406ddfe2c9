// What is asked about addresses, whichever command asks it and however its command line was read: by the parser
// (ProbeCommand.swift) or, if it is plain, without it (PlainQuestions.swift).

import QureCore

/// How to ask.
enum Method: String, CaseIterable { case auto, arp, ndp, icmp }

/// How addresses are asked for, and on which link.
struct Questions: Equatable {
    var interface: String?
    var method = Method.auto
    var source: IPAddress?
    /// From one probe to the next.
    var interval = Duration.milliseconds(200)

    /// The shortest interval.
    static let shortestInterval = Duration.milliseconds(1)
    /// How many probes can make up a question or a state.
    static let counts = 1...1000

    /// Refuses what cannot be asked about an address: addresses that name no single host, methods and sources of
    /// the other family.
    func check(_ addresses: [IPAddress], isNetwork: Bool = false) throws {
        for address in addresses {
            guard isNetwork || address.isUnicast else {
                throw Failure(.usage, "\(address): names no single host; give a host's own address")
            }
            let isV6 = address.bitWidth == 128
            if method == .arp && isV6 {
                throw Failure(.usage, "\(address): ARP knows IPv4 only; use --method ndp or icmp")
            }
            if method == .ndp && !isV6 {
                throw Failure(.usage, "\(address): NDP knows IPv6 only; use --method arp or icmp")
            }
        }
        if let source, let other = addresses.first(where: { $0.bitWidth != source.bitWidth }) {
            throw Failure(.usage, "--source \(source): not of the same family as \(other)")
        }
    }
}

/// The question whether addresses are alive.
struct AddressQuestion: Equatable {
    var addresses: [IPAddress] = []
    var questions = Questions()
    /// How often to ask.
    var count = 3
    /// The time for the whole question.
    var timeout = Duration.seconds(1)
    /// Whether to wait out the time for all who answer.
    var all = false
    var json = false

    /// Asks; prints a record for each address. Throws status 1 if one is silent.
    func run(_ diagnostics: Diagnostics) throws {
        try questions.check(addresses)
        let mode = Prober.Configuration.Mode.once(count: count, timeout: timeout, listensToEnd: all)
        let session = try ProbeSession(addresses, mode, questions, json: json, diagnostics, ridesOut: false)
        try session.runOnce()
    }
}

/// What `wait` waits for.
enum Awaited: String, CaseIterable { case silent, alive }

/// The wait until an address is silent, or alive.
struct WaitQuestion: Equatable {
    var address = IPAddress.v4(.unspecified)
    var awaited = Awaited.silent
    var questions = Questions()
    /// Unanswered probes in a row that make an address silent.
    var fall = 3
    /// Answered probes in a row that make it alive.
    var rise = 1
    var json = false

    /// Blocks until it is so, and prints the record that says so.
    func run(_ diagnostics: Diagnostics) throws {
        try questions.check([address])
        let session = try ProbeSession(
            [address], .monitor(fall: fall, rise: rise), questions, json: json, diagnostics, ridesOut: true)
        try session.runUntil(awaited == .silent ? .silent : .alive)
    }
}
