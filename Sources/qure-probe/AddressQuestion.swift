// What is asked about addresses, whichever command asks it and however its command line was read; and the plain
// question, `qure-probe ADDRESS...`, read without the parser: that takes a millisecond, which is more than all else a
// question to a live neighbour takes.

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

    /// How often can be asked.
    static let counts = 1...1000

    /// Asks; prints a record for each address. Throws status 1 if one is silent.
    func run(_ diagnostics: Diagnostics) throws {
        try questions.check(addresses)
        let mode = Prober.Configuration.Mode.once(count: count, timeout: timeout, listensToEnd: all)
        let session = try ProbeSession(addresses, mode, questions, json: json, diagnostics, ridesOut: false)
        try session.runOnce()
    }
}

extension AddressQuestion {
    /// The question of a plain command line: addresses and the most common options, each word by itself. nil: it is not
    /// so plain, or not right, and the parser has the word.
    init?(plain words: [String]) {
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--all": all = true
            case "--json": json = true
            case "-i", "--interface":
                guard let name = rest.popFirst(), CommonOptions.isInterfaceName(name) else { return nil }
                questions.interface = name
            case "-c", "--count":
                guard let number = rest.popFirst().flatMap({ Int($0) }), Self.counts.contains(number) else {
                    return nil
                }
                count = number
            case "--interval":
                guard let duration = Self.duration(rest.popFirst()) else { return nil }
                questions.interval = duration
            case "-w", "--timeout":
                guard let duration = Self.duration(rest.popFirst()) else { return nil }
                timeout = duration
            default:
                guard let address = IPAddress(word) else { return nil }
                addresses.append(address)
            }
        }
        if addresses.isEmpty { return nil }
    }

    private static func duration(_ text: String?) -> Duration? {
        text.flatMap { Duration(text: $0) }.flatMap { $0 >= Questions.shortestInterval ? $0 : nil }
    }
}
