// `qure-probe members`: who listens to a multicast group: a group-specific IGMPv3 or MLDv2 query, and the reports that
// come back. Never a general query: that would turn on pruning in switches that snoop. A diagnostic: hosts that fell
// back to IGMPv2 suppress each other's reports, so the number is a lower bound.

import ArgumentParser
import QureCore

/// `qure-probe members`
struct Members: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "members", of: "qure-probe",
        abstract: "Print who is in a multicast group, by a group-specific IGMPv3 or MLDv2 query.")

    @OptionGroup var common: CommonOptions

    @Option(
        name: [.customShort("w"), .long], help: "How long hosts may take to report. (default: \(Self.timeout))",
        transform: ArgumentText.duration)
    var timeout = Self.timeout

    @Argument(help: "The group. (default: \(Self.group))", transform: ArgumentText.address)
    var group = Self.group

    /// The group that qure's own machines use.
    private static let group = IPAddress.v4(IPv4Address(rawValue: 0xe000_007b))
    private static let timeout = DurationArgument(.seconds(1))

    func run() throws {
        _ = try common.begin()
        guard group.isMulticast else { throw Failure(.usage, "\(group): not a multicast group") }
        guard timeout.duration <= .seconds(12) else { throw Failure(.usage, "--timeout takes at most 12s here") }
        var finder = try WayFinder(Questions(interface: common.interface))
        let way = try finder.onlyLink()
        guard let link = way.link else { throw Failure(.unreachable, "no interface to ask on") }
        let own = try finder.ownAddresses(on: link.index).sorted()
        let query = try MembershipQuery(group, link, linkLocal: way.linkLocal, own: own)
        let members = try query.run(for: timeout.duration)
        let output = RecordWriter(json: common.json)
        for member in members {
            try output.write(
                Record(
                    "\(member.address) member \(member.mac) \(group) \(link.name)\(member.isLocal ? " local" : "")",
                    [
                        ("address", .string("\(member.address)")), ("mac", .string("\(member.mac)")),
                        ("group", .string("\(group)")), ("interface", .string(link.name)),
                        ("local", .boolean(member.isLocal)),
                    ]))
        }
        if members.isEmpty { throw Failure(.no, "\(group): nobody on \(link.name) reported within \(timeout)") }
    }
}

/// One query and its reports.
final class MembershipQuery {
    /// A host that reported.
    struct Member {
        var address: IPAddress
        var mac: MACAddress
        var isLocal = false
    }

    private let group: IPAddress
    private let link: Link
    private let source: IPAddress
    private let socket: PacketSocket
    private var poller: Poller
    private let watch: LinkWatch
    private var members: [MACAddress: Member] = [:]
    private static let maximumMembers = 4096

    init(_ group: IPAddress, _ link: Link, linkLocal: IPv6Address?, own: [IPAddress]) throws {
        self.group = group
        self.link = link
        switch group {
        case .v4:
            source = own.first { $0.bitWidth == 32 } ?? .v4(.unspecified)
            socket = try PacketSocket(.ipv4, interface: link.index, name: link.name, filter: .igmp)
            try socket.join(.multicast(GroupMembership.allIGMPv3Routers))
            if case .v4(let group) = group { try socket.join(.multicast(group)) }
        case .v6:
            guard let linkLocal else {
                throw Failure(
                    .unreachable, "\(link.name): has no link-local address, which an MLD query must come from")
            }
            source = .v6(linkLocal)
            socket = try PacketSocket(.ipv6, interface: link.index, name: link.name, filter: .mld)
            try socket.join(.multicast(IPv6Address.allMLDv2Routers))
            if case .v6(let group) = group { try socket.join(.multicast(group)) }
        }
        poller = try Poller()
        try poller.add(socket.descriptor, token: 0)
        watch = try LinkWatch(link, poller: poller, token: 1)
        // Our own kernel does not hear our query.
        if let mac = link.mac, LocalGroups.contains(group, on: link.name, index: link.index) {
            members[mac] = Member(address: source, mac: mac, isLocal: true)
        }
    }

    /// Asks, asks again half-way, and returns who reported by address.
    func run(for time: Duration) throws -> [Member] {
        let end = Clock.now + time
        for halfway in [Clock.now + time / 2, end] {
            try ask(within: time / 2)
            while Clock.now < halfway {
                _ = try poller.wait(until: halfway)
                try watch.check()
                while true {
                    let frames = try socket.receive()
                    if frames.isEmpty { break }
                    for frame in frames { note(frame) }
                }
            }
        }
        return members.values.sorted { ($0.address, $0.mac) < ($1.address, $1.mac) }
    }

    private func ask(within time: Duration) throws {
        var output = WireWriter()
        switch (group, source) {
        case (.v4(let group), .v4(let source)):
            GroupMembership.igmpQuery(group: group, from: source, maximumResponse: time).write(to: &output)
            try socket.send(output.bytes, to: .multicast(group))
        case (.v6(let group), .v6(let source)):
            GroupMembership.mldQuery(group: group, from: source, maximumResponse: time).write(to: &output)
            try socket.send(output.bytes, to: .multicast(group))
        default:
            preconditionFailure("a query for \(group) from \(source)")
        }
    }

    private func note(_ frame: PacketSocket.Frame) {
        guard members.count < Self.maximumMembers, let report = try? decode(frame.bytes) else { return }
        guard case .report(let groups) = report.message, groups.contains(group) else { return }
        members[frame.source] = Member(address: report.from, mac: frame.source)
    }

    private func decode(_ bytes: [UInt8]) throws(WireError) -> (from: IPAddress, message: GroupMembership) {
        var input = WireReader(bytes)
        switch group {
        case .v4:
            let packet = try IPv4Packet(parsing: &input)
            return (.v4(packet.source), try GroupMembership(packet))
        case .v6:
            let packet = try IPv6Packet(parsing: &input)
            return (.v6(packet.source), try GroupMembership(packet))
        }
    }
}
