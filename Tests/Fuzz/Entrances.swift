// The entrances by which bytes from outside come in. Each is read as the tools read it. Nothing may trap; what was
// read must be a value like any other: written and read again it is the same.

@testable import QureCore

/// One way in.
enum Entrance: String, CaseIterable {
    case arp, ipv4, ipv6, configuration, text, netlink, event, registry, hopByHop, bus
    case datagram, conversation, keys, control
    case dnsMessage, dnsText, dnsSignature
    case updateScript, updateKey, dnsExchange, siteMarker, registration
    case mapping, http, description, gateway
    case dnsProxy, dnsProxySetting

    /// Takes one input.
    func take(_ bytes: [UInt8]) {
        switch self {
        case .arp: takeARP(bytes)
        case .ipv4: takeIPv4(bytes)
        case .ipv6: takeIPv6(bytes)
        case .configuration: takeConfiguration(bytes)
        case .text: takeText(bytes)
        case .netlink: takeNetlink(bytes)
        case .event: takeEvents(bytes)
        case .registry: takeEntry(bytes)
        case .hopByHop: takeHopByHop(bytes)
        case .datagram: takeDatagram(bytes)
        case .conversation: takeConversation(bytes)
        case .keys: takeKeys(bytes)
        case .control: takeControl(bytes)
        case .dnsMessage: takeDNSMessage(bytes)
        case .dnsText: takeDNSText(bytes)
        case .dnsSignature: takeDNSSignature(bytes)
        case .updateScript: takeUpdateScript(bytes)
        case .updateKey: takeUpdateKey(bytes)
        case .dnsExchange: takeDNSExchange(bytes)
        case .siteMarker: takeSiteMarker(bytes)
        case .registration: takeRegistration(bytes)
        case .dnsProxy: takeDNSProxy(bytes)
        case .dnsProxySetting: takeDNSProxySetting(bytes)
        case .bus: takeBus(bytes)
        case .mapping: takeMapping(bytes)
        case .http: takeHTTP(bytes)
        case .description: takeDescription(bytes)
        case .gateway: takeGateway(bytes)
        }
    }

    private func takeARP(_ bytes: [UInt8]) {
        var input = WireReader(bytes)
        guard let packet = try? ARPPacket(parsing: &input) else { return }
        var output = WireWriter()
        packet.write(to: &output)
        precondition(output.bytes == Array(bytes.prefix(28)), "written otherwise than read")
        _ = packet.description
        for sighting in Sighting.from(packet) { hear(sighting) }
    }

    /// A claim and a prober must take every sighting.
    private func hear(_ sighting: Sighting) {
        _ = sighting.description
        var random = Seeded(state: 1)
        let now = Instant(nanoseconds: 1_000_000_000)
        for probing in [false, true] {
            var claim = AddressClaim(
                .init(addresses: [sighting.address], identity: sighting.mac, authority: .own, lease: .seconds(1)))
            _ = claim.step(.take(probing: probing), at: now, using: &random)
            _ = claim.step(.heard(sighting), at: now, using: &random)
        }
    }

    private func takeIPv4(_ bytes: [UInt8]) {
        var input = WireReader(bytes)
        guard let packet = try? IPv4Packet(parsing: &input) else { return }
        var output = WireWriter()
        packet.write(to: &output)
        var again = WireReader(output.bytes)
        precondition((try? IPv4Packet(parsing: &again)) == packet, "read otherwise than written")
        precondition(again.remaining == 0, "more written than read")
        _ = try? GroupMembership(packet)
        var body = WireReader(packet.payload)
        _ = try? GroupMembership(igmp: &body)
        takeEcho(packet.payload, .v4)
        if let message = try? DHCPMessage(packet) {
            precondition((try? DHCPMessage(message.packet)) == message, "read otherwise than written")
            _ = message.description
        }
    }

    private func takeEcho(_ payload: [UInt8], _ family: ICMPEcho.Family) {
        var input = WireReader(payload)
        guard let echo = try? ICMPEcho(parsing: &input, family: family) else { return }
        var output = WireWriter()
        echo.write(to: &output, family: family)
        var again = WireReader(output.bytes)
        precondition((try? ICMPEcho(parsing: &again, family: family)) == echo, "read otherwise than written")
    }

    private func takeIPv6(_ bytes: [UInt8]) {
        // A checksum is hard to guess: the bytes are taken as they come, and again as a whole message in a packet.
        var input = WireReader(bytes)
        if let packet = try? IPv6Packet(parsing: &input) { take(packet) }
        guard bytes.count >= 40, let source = IPv6Address(octets: bytes[8..<24]),
            let destination = IPv6Address(octets: bytes[24..<40])
        else { return }
        var message = WireWriter()
        message.write(bytes[40...])
        guard message.bytes.count >= 4, message.bytes.count < 60_000 else { return }
        for (limit, options) in [(255, []), (1, IPv6Packet.routerAlert)] as [(UInt8, [UInt8])] {
            take(
                IPv6Packet(
                    source: source, destination: destination, hopLimit: limit, hopByHop: options, message: message))
        }
    }

    private func take(_ packet: IPv6Packet) {
        var output = WireWriter()
        packet.write(to: &output)
        var again = WireReader(output.bytes)
        // A packet made here may come from a group, which none that is read does.
        let isSame = (try? IPv6Packet(parsing: &again)) == packet
        precondition(isSame || packet.source.isMulticast, "read otherwise than written")
        if let message = try? NeighborMessage(packet) {
            _ = message.description
            let written = message.packet(from: packet.source, to: packet.destination)
            precondition((try? NeighborMessage(written)) == message, "read otherwise than written")
        }
        for sighting in (try? Sighting.from(packet, source: .broadcast)) ?? [] { hear(sighting) }
        _ = try? GroupMembership(packet)
        var body = WireReader(packet.payload)
        _ = try? GroupMembership(mld: &body)
        takeEcho(packet.payload, .v6)
    }

    private func takeHopByHop(_ options: [UInt8]) {
        guard options.count % 8 == 6, options.count < 2000 else { return }
        var message = WireWriter()
        message.write(UInt32(131) << 24)
        message.write(UInt32(0))
        message.write(IPv6Address.allNodes.octets)
        let packet = IPv6Packet(
            source: .unspecified, destination: .allNodes, hopLimit: 1, hopByHop: options, message: message)
        var output = WireWriter()
        packet.write(to: &output)
        var input = WireReader(output.bytes)
        guard let read = try? IPv6Packet(parsing: &input) else { return }
        precondition(read == packet, "read otherwise than written")
        take(read)
    }

    private func takeConfiguration(_ bytes: [UInt8]) {
        guard let file = try? ConfigurationFile(bytes, name: "fuzz") else { return }
        let text = file.lines.map { "\($0.option) \($0.value)\n" }.joined()
        let again = try? ConfigurationFile(Array(text.utf8), name: "fuzz")
        precondition(again?.lines.map(\.argument) == file.lines.map(\.argument), "read otherwise than written")
    }

    private func takeText(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        if let address = IPAddress(text) { precondition(IPAddress(address.description) == address, "\(address)") }
        if let prefix = Prefix(text) {
            precondition(Prefix(prefix.description) == prefix && prefix.contains(prefix.last), "\(prefix)")
        }
        if let mac = MACAddress(text) { precondition(MACAddress(mac.description) == mac, "\(mac)") }
        if let duration = Duration(text: text) {
            precondition(Duration(text: duration.text) == .microseconds(duration.microseconds), duration.text)
        }
        _ = try? ArgumentText.address(text)
        _ = JSONValue.string(text).text
    }

    private func takeNetlink(_ bytes: [UInt8]) {
        _ = ACPIEvent.events(in: bytes, of: 0x1c)
        for message in NetlinkMessage.messages(in: bytes) {
            _ = message.failure
            _ = Link(message)
            _ = InterfaceAddress(message)
            _ = Neighbour(message)
            _ = GenericFamily(message)
            var attributes = message.attributes(after: UInt32.self)
            while let attribute = attributes.next() { _ = NetlinkAttributes(attribute.value).text(1) }
        }
    }

    /// Lines as `qure-claim follow` takes them.
    private func takeEvents(_ bytes: [UInt8]) {
        var follower = LeaseFollower(defaultLease: .seconds(2))
        var now = Instant(nanoseconds: 1_000_000_000)
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            now += .milliseconds(100)
            do {
                let event = try ClusterEvent(line)
                precondition((try? ClusterEvent(Array(event.description.utf8))) == event, "\(event)")
                _ = event.unknown
                for output in follower.step(.event(event), at: now) {
                    if case .hold(let until, _) = output { precondition(until > now, "\(event)") }
                }
            } catch {
                _ = follower.step(.malformed(error.description), at: now)
            }
            _ = follower.step(.deadlinePassed, at: now)
            if let next = follower.nextDeadline { precondition(next > now, "the law of deadlines") }
        }
    }

    /// One message, and the same bytes as what a bus says to who listens for logind, in one piece and in two.
    private func takeBus(_ bytes: [UInt8]) {
        if let message = try? DBusMessage(parsing: bytes) {
            precondition((try? DBusMessage(parsing: message.bytes)) == message, "read otherwise than written")
            precondition((try? DBusMessage.length(of: message.bytes[...])) == message.bytes.count, "another length")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        _ = DBusAddress.places(text)
        _ = KernelLogRecord(bytes)?.tellsOfFork
        let half = bytes.count / 2
        for parts in [[bytes], [Array(bytes.prefix(half)), Array(bytes.dropFirst(half))]] {
            var now = Instant(nanoseconds: 1_000_000_000)
            var watch = LoginWatch(user: 0, program: "fuzz", at: now)
            _ = watch.step(.deadlinePassed, at: now)
            _ = watch.step(.connected, at: now)
            _ = watch.step(.received(Array("OK 1\r\nAGREE_UNIX_FD\r\n".utf8)), at: now)
            for part in parts { _ = watch.step(.received(part), at: now) }
            guard let due = watch.nextDeadline else { continue }
            now = max(now, due)
            _ = watch.step(.deadlinePassed, at: now)
            if let next = watch.nextDeadline { precondition(next > now, "the law of deadlines") }
        }
    }

    private func takeEntry(_ bytes: [UInt8]) {
        guard let entry = ClaimEntry(text: String(decoding: bytes, as: UTF8.self)) else { return }
        precondition(ClaimEntry(text: entry.text) == entry, entry.text)
    }
}

/// Any generator will do where none is asked.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state
    }
}
