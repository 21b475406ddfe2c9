// `qure-probe discover`: learn the address that the gateway forwards to without being told. Background traffic from the
// internet makes the gateway ask the link, again and again, for an address that nobody has. An address that the
// default gateway keeps asking for, and that is silent to our own probe too, is the one.
// For IPv4 the question is a broadcast; for IPv6 it goes to a multicast group, which reaches us only where the switch
// floods it, and the output says so.

import ArgumentParser
import QureCore

/// `qure-probe discover`
struct Discover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Learn the address that the gateway forwards to: it keeps asking for it, and nobody answers.")

    @OptionGroup var options: ProbeOptions

    @Option(name: .shortAndLong, help: "How long to listen.")
    var timeout = DurationArgument(.seconds(60))

    @Option(
        help: "The gateway.  [default: the default gateways of the interface]", transform: ArgumentText.address)
    var gateway: [IPAddress] = []

    @Option(help: "Questions for an address before it is looked at.")
    var asked = 2

    @Flag(help: "Listen for the whole time and print every such address.")
    var all = false

    mutating func validate() throws {
        guard (1...1000).contains(asked) else { throw ValidationError("--asked takes 1 to 1000, not \(asked)") }
    }

    func run() throws {
        var diagnostics = try options.begin()
        var finder = try WayFinder(interface: options.common.interface, method: .auto)
        let way = try finder.link(covering: nil)
        guard let link = way.link else { throw Failure(.unreachable, "no interface to listen on") }
        let gateways = gateway.isEmpty ? try finder.gateways(on: link) : gateway
        guard !gateways.isEmpty else {
            throw Failure(.usage, "\(link.name): has no default gateway to listen to: name it with --gateway")
        }
        diagnostics.say(
            .notice,
            "listening on \(link.name) for questions of \(gateways.map(\.description).joined(separator: ", "))"
                + " for up to \(timeout.duration.text)")
        let own = Set(try finder.ownAddresses().map(\.prefix.address))
        let listener = try GatewayListener(way, gateways, own: own, asked: asked, options)
        guard try listener.run(for: timeout.duration, all: all) else {
            throw Failure(
                .no, "the gateway asked for no silent address in \(timeout.duration.text); let somebody outside connect to the"
                    + " site meanwhile, or listen longer with --timeout")
        }
    }
}

/// Counts the gateway's questions and tests the addresses that it keeps asking for.
final class GatewayListener {
    private struct Questions {
        var count = 0
        var first: Instant
        /// Tested, and either found alive or reported.
        var isSettled = false
    }

    private let way: Way
    private let link: Link
    private let gateways: Set<IPAddress>
    private let own: Set<IPAddress>
    private let asked: Int
    private let options: ProbeOptions
    private var poller: Poller
    private var socket: NeighborSocket
    private var questions: [IPAddress: Questions] = [:]
    /// Addresses counted at most; a gateway that scans its own network asks for every one of it.
    private static let maximumAddresses = 4096

    init(_ way: Way, _ gateways: [IPAddress], own: Set<IPAddress>, asked: Int, _ options: ProbeOptions) throws {
        guard let link = way.link else { preconditionFailure("a listener needs a link") }
        self.way = way
        self.link = link
        self.gateways = Set(gateways)
        self.own = own
        self.asked = asked
        self.options = options
        poller = try Poller()
        let everything = [Prefix("0.0.0.0/0"), Prefix("::/0")].compactMap { $0 }
        let wanted = everything.filter { all in gateways.contains { $0.bitWidth == all.address.bitWidth } }
        socket = try NeighborSocket(
            interface: link.index, name: link.name, mac: link.mac ?? .zero, linkLocal: way.linkLocal, networks: wanted)
        if gateways.contains(where: { $0.bitWidth == 128 }) { try socket.hearAllGroups() }
        for descriptor in socket.descriptors { try poller.add(descriptor, token: 0) }
    }

    /// Listens; prints each address found. Returns whether there was one.
    func run(for limit: Duration, all: Bool) throws -> Bool {
        let end = Clock.now + limit
        var hasFound = false
        while Clock.now < end {
            _ = try poller.wait(until: end)
            while true {
                let heard = try socket.receive()
                if heard.isEmpty { break }
                for one in heard { note(one) }
            }
            for (address, entry) in questions where entry.count >= asked && !entry.isSettled {
                questions[address]?.isSettled = true
                guard try isSilent(address) else { continue }
                try report(address, entry)
                hasFound = true
                if !all { return true }
            }
        }
        return hasFound
    }

    private func note(_ heard: NeighborSocket.Heard) {
        let address = heard.sighting.address
        switch heard.sighting.kind {
        case .asks(let asker) where gateways.contains(asker) && !own.contains(address) && !gateways.contains(address):
            guard questions[address] != nil || questions.count < Self.maximumAddresses else { return }
            questions[address, default: Questions(first: heard.received)].count += 1
        case .holds:
            // Somebody has it after all.
            questions[address] = nil
        default:
            break
        }
    }

    private func isSilent(_ address: IPAddress) throws -> Bool {
        guard let single = Prefix(address, length: address.bitWidth) else { return false }
        var asking = options
        asking.common.interface = link.name
        return try NetworkScan(single, asking).run([address]).isEmpty
    }

    private func report(_ address: IPAddress, _ entry: Questions) throws {
        let time = (Clock.now - entry.first).wholeMilliseconds
        let isV6 = address.bitWidth == 128
        let note = isV6 ? " (heard only as far as the switch floods multicast)" : ""
        try RecordWriter(json: options.common.json).write(
            Record(
                "\(address) wanted asked \(entry.count) times in \(time) and silent, \(link.name)\(note)",
                [
                    ("address", .string("\(address)")), ("state", .string("wanted")),
                    ("questions", .integer(Int64(entry.count))),
                    ("time_ms", .integer((Clock.now - entry.first).milliseconds)),
                    ("interface", .string(link.name)), ("method", .string(isV6 ? "ndp" : "arp")),
                ]))
    }
}
