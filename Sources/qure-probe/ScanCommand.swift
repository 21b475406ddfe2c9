// `qure-probe scan` and `free`: who is on an on-link network, and which of its addresses nobody has.

import ArgumentParser
import QureCore

/// `qure-probe scan`
struct Scan: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "scan", of: "qure-probe",
        abstract: "Print every live address of an on-link network, with its hardware address.")

    @OptionGroup var options: ProbeOptions
    @OptionGroup var counts: CountOptions

    @Argument(help: "The network, such as 192.168.1.0/24.", transform: ArgumentText.prefix)
    var network: Prefix

    func run() throws {
        try options.questions.check([network.address], isNetwork: true)
        _ = try options.common.begin()
        let hosts = try hosts(of: network)
        let scan = try NetworkScan(network, options.questions, rounds: counts.count)
        let found = try scan.run(hosts)
        let output = RecordWriter(json: options.common.json)
        for address in hosts where found[address] != nil || scan.isLocal(address) {
            try output.write(scan.record(address, found[address]))
        }
        if found.isEmpty && !hosts.contains(where: scan.isLocal) { throw Failure(.no, "\(network): nobody answered") }
    }
}

/// `qure-probe free`
struct Free: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "free", of: "qure-probe",
        abstract: "Print an address of an on-link network that nobody has: the highest one that stays silent.")

    @OptionGroup var options: ProbeOptions
    @OptionGroup var counts: CountOptions

    @Argument(help: "The network or the part of it to choose from.", transform: ArgumentText.prefix)
    var network: Prefix

    /// Addresses asked for together. DHCP servers hand out the low and middle ones first, so the search begins at the
    /// top.
    private static let batch = 16

    func run() throws {
        try options.questions.check([network.address], isNetwork: true)
        _ = try options.common.begin()
        var rest = try hosts(of: network)[...]
        let scan = try NetworkScan(network, options.questions, rounds: counts.count)
        while !rest.isEmpty {
            let candidates = rest.suffix(Self.batch).filter { !scan.isLocal($0) }
            rest = rest.dropLast(Self.batch)
            let found = try scan.run(Array(candidates))
            guard let free = candidates.last(where: { found[$0] == nil }) else { continue }
            let fields: [(name: String, value: JSONValue)] = [
                ("address", .string("\(free)")), ("state", .string("silent")),
                ("method", .string(scan.way.method.rawValue)),
                ("interface", .string(scan.way.link?.name ?? "")),
            ]
            return try RecordWriter(json: options.common.json).write(Record("\(free)", fields))
        }
        throw Failure(.no, "\(network): every address is taken")
    }
}

/// The most addresses that are asked for one by one.
private let maximumHosts = 65536

/// The addresses of hosts in a network, lowest first: without the network's own and its broadcast address.
private func hosts(of network: Prefix) throws -> [IPAddress] {
    let bits = network.address.bitWidth - network.length
    guard bits <= 16 else {
        throw Failure(
            .usage,
            "\(network): more than \(maximumHosts) addresses; give a /\(network.address.bitWidth - 16) or longer")
    }
    let first = network.network.address.number
    let all = (0..<UInt128(1) << UInt128(bits)).map { network.address.sameFamily(first + $0) }
    guard network.address.bitWidth == 32, bits >= 2 else { return all.filter(\.isUnicast) }
    return all.dropFirst().dropLast().filter(\.isUnicast)
}

/// One link, asked for many addresses.
final class NetworkScan {
    let way: Way
    private let own: Set<IPAddress>
    private let questions: Questions
    private let rounds: Int
    private var poller: Poller
    private let sockets: ProbeSockets
    private let watch: LinkWatch

    /// A scan on the link that covers `network`, asking so many times for what stays silent.
    init(_ network: Prefix, _ questions: Questions, rounds: Int = 3) throws {
        guard questions.method != .icmp else {
            throw Failure(
                .usage, "scan and free ask by ARP or neighbour discovery, which hosts cannot drop; not by icmp")
        }
        self.questions = questions
        self.rounds = rounds
        var finder = try WayFinder(questions)
        way = try finder.link(covering: network)
        own = try finder.ownAddresses()
        poller = try Poller()
        sockets = ProbeSockets(questions, networks: [network.network])
        try sockets.open(way, to: network.address, poller: poller)
        guard let link = way.link else { preconditionFailure("a scan without a link") }
        watch = try LinkWatch(link, poller: poller, token: 0)
    }

    /// Whether the address is this host's own.
    func isLocal(_ address: IPAddress) -> Bool { own.contains(address) }

    /// Asks for all the addresses and returns who answered.
    func run(_ addresses: [IPAddress]) throws -> [IPAddress: Scanner.Found] {
        var scanner = Scanner(addresses, rounds: rounds, interval: questions.interval)
        var outputs = scanner.step(.start, at: Clock.now)
        while true {
            for case .probe(let address) in outputs { try sockets.probe(address, 0, way) }
            if outputs.contains(.finished) { return scanner.found }
            _ = try poller.wait(until: scanner.nextDeadline)
            try watch.check()
            for answer in try sockets.receive() {
                guard let mac = answer.mac else { continue }
                _ = scanner.step(.answered(answer.address, by: mac), at: answer.received)
            }
            outputs = scanner.step(.deadlinePassed, at: Clock.now)
        }
    }

    /// The record of an address that is this host's own or that somebody answered for.
    func record(_ address: IPAddress, _ found: Scanner.Found?) -> Record {
        let report = Prober.Report(
            verdict: .alive, macs: found?.macs ?? [], roundTrip: found?.roundTrip, probes: 1,
            replies: found?.macs.count ?? 0, elapsed: .zero, isLocal: isLocal(address))
        return .verdict(address, report, method: way.method, link: way.link)
    }
}
