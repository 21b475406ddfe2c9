// `qure-probe discover`: learn the address that the gateway forwards to without being told. Background traffic from the
// internet makes the gateway ask the link, again and again, for an address that nobody has. An address that the
// default gateway keeps asking for, and that is silent to our own probe too, is the one.
// For IPv4 the question is a broadcast; for IPv6 it goes to a multicast group, which reaches us only where the switch
// floods it, and the output says so.

import ArgumentParser
import QureCore

/// `qure-probe discover`
struct Discover: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "discover", of: "qure-probe",
        abstract: "Learn the address that the gateway forwards to: it keeps asking for it, and nobody answers.")

    @OptionGroup var common: CommonOptions

    @Option(
        name: [.customShort("w"), .long], help: "How long to listen. (default: \(Self.timeout))",
        transform: ArgumentText.duration)
    var timeout = Self.timeout

    @Option(
        help: ArgumentHelp("The gateway.  [default: the default gateways of the interface]", valueName: "address"),
        transform: ArgumentText.address)
    var gateway: [IPAddress] = []

    @Option(help: "Questions for an address before it is looked at.")
    var asked = 2

    @Flag(help: "Listen for the whole time and print every such address.")
    var all = false

    private static let timeout = DurationArgument(.seconds(60))

    mutating func validate() throws {
        guard (1...1000).contains(asked) else { throw ValidationError("--asked takes 1 to 1000, not \(asked)") }
    }

    func run() throws {
        var diagnostics = try common.begin()
        var finder = try WayFinder(Questions(interface: common.interface))
        let way = try finder.onlyLink()
        guard let link = way.link else { throw Failure(.unreachable, "no interface to listen on") }
        let gateways = gateway.isEmpty ? try finder.gateways(on: link) : gateway
        guard !gateways.isEmpty else {
            throw Failure(.usage, "\(link.name): has no default gateway to listen to: name it with --gateway")
        }
        diagnostics.say(
            .notice,
            "listening on \(link.name) for questions of \(gateways.map(\.description).joined(separator: ", "))"
                + " for up to \(timeout.duration.text)")
        let listener = try GatewayListener(way, gateways, own: try finder.ownAddresses(), asked: asked)
        let output = RecordWriter(json: common.json)
        let hasFound = try listener.run(for: timeout.duration, all: all) { try output.write($0) }
        guard hasFound else {
            throw Failure(
                .no,
                "the gateway asked for no silent address in \(timeout.duration.text);"
                    + " let somebody outside connect to the"
                    + " site meanwhile, or listen longer with --timeout")
        }
    }
}

/// Counts the gateway's questions and tests the addresses that it keeps asking for.
final class GatewayListener {
    private struct Wanted {
        var count = 0
        var first: Instant
        /// Tested, and either found alive or reported.
        var isSettled = false
    }

    private let way: Way
    private let link: Link
    private let gateways: Set<IPAddress>
    /// A router asks from any of its addresses, so its hardware address counts as well.
    private var gatewayMACs: Set<MACAddress> = []
    private let own: Set<IPAddress>
    private let asked: Int
    private var poller: Poller
    private var socket: NeighborSocket
    private let watch: LinkWatch
    private var wanted: [IPAddress: Wanted] = [:]
    /// Addresses counted at most; a gateway that scans its own network asks for every one of it.
    private static let maximumAddresses = 4096

    /// A listener on the link of `way` for questions of `gateways`, asked at least so many times.
    init(_ way: Way, _ gateways: [IPAddress], own: Set<IPAddress>, asked: Int) throws {
        guard let link = way.link else { preconditionFailure("a listener needs a link") }
        self.way = way
        self.link = link
        self.gateways = Set(gateways)
        self.own = own
        self.asked = asked
        poller = try Poller()
        let everything = [Prefix("0.0.0.0/0"), Prefix("::/0")].compactMap { $0 }
        socket = try NeighborSocket(
            interface: link.index, name: link.name, mac: link.mac ?? .zero, linkLocal: way.linkLocal,
            networks: everything)
        try socket.hearAllGroups()
        for descriptor in socket.descriptors { try poller.add(descriptor, token: 0) }
        watch = try LinkWatch(link, poller: poller, token: 1)
    }

    /// Listens; reports each address found. Returns whether there was one.
    func run(for limit: Duration, all: Bool, report: (Record) throws -> Void) throws -> Bool {
        let end = Clock.now + limit
        var hasFound = false
        for gateway in gateways { try socket.probe(gateway) }
        while Clock.now < end {
            _ = try poller.wait(until: end)
            try watch.check()
            while true {
                let heard = try socket.receive()
                if heard.isEmpty { break }
                for one in heard { note(one) }
            }
            for (address, entry) in wanted where entry.count >= asked && !entry.isSettled {
                wanted[address]?.isSettled = true
                guard try isSilent(address) else { continue }
                try report(record(address, entry))
                hasFound = true
                if !all { return true }
            }
        }
        return hasFound
    }

    private func note(_ heard: NeighborSocket.Heard) {
        let sighting = heard.sighting
        switch sighting.kind {
        case .holds where gateways.contains(sighting.address):
            gatewayMACs.insert(sighting.mac)
        case .holds:
            // Somebody has it after all.
            wanted[sighting.address] = nil
        case .asks(let asker) where gateways.contains(asker) || gatewayMACs.contains(sighting.mac):
            count(sighting.address, at: heard.received)
        default:
            break
        }
    }

    private func count(_ address: IPAddress, at now: Instant) {
        guard address.isUnicast, !own.contains(address), !gateways.contains(address) else { return }
        guard wanted[address] != nil || wanted.count < Self.maximumAddresses else { return }
        wanted[address, default: Wanted(first: now)].count += 1
    }

    private func isSilent(_ address: IPAddress) throws -> Bool {
        guard let single = Prefix(address, length: address.bitWidth) else { return false }
        return try NetworkScan(single, Questions(interface: link.name)).run([address]).isEmpty
    }

    private func record(_ address: IPAddress, _ entry: Wanted) -> Record {
        let time = Clock.now - entry.first
        let isV6 = address.bitWidth == 128
        let note = isV6 ? " (heard only as far as the switch floods multicast)" : ""
        return Record(
            "\(address) wanted asked \(entry.count) times in \(time.wholeMilliseconds) and silent, \(link.name)\(note)",
            [
                ("address", .string("\(address)")), ("state", .string("wanted")),
                ("questions", .integer(Int64(entry.count))), ("time_ms", .integer(time.milliseconds)),
                ("interface", .string(link.name)), ("method", .string(isV6 ? "ndp" : "arp")),
            ])
    }
}
