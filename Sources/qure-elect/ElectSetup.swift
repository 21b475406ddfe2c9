// What a member works out from its options and the host before it begins.

import QureCore

extension ElectSession {
    static func link(_ options: MemberOptions, _ netlink: inout Netlink) throws -> Link {
        var index: Int?
        if let name = options.common.interface {
            guard let link = try netlink.link(named: name) else {
                throw Failure(.unreachable, "\(name): no such interface")
            }
            index = link.index
        } else {
            index = try netlink.onLinkInterface(for: options.address[0].address)
        }
        guard let index, let link = try netlink.link(index: index) else {
            throw Failure(
                .usage,
                "\(options.address[0].address): no interface's on-link route covers it: name one with --interface")
        }
        guard link.mac != nil, !link.isLoopback else {
            throw Failure(.usage, "\(link.name): not an Ethernet interface")
        }
        return link
    }

    static func configuration(
        _ options: MemberOptions, _ kept: ElectorState, session: UInt64, name: String, mac: MACAddress?,
        gateways: [IPAddress]
    ) -> Election.Configuration {
        var configuration = Election.Configuration(
            cluster: number(of: options.place.cluster), node: kept.node, session: session, name: name,
            mac: mac ?? .zero)
        configuration.priority = options.priority
        configuration.interval = options.beat
        configuration.tolerance = options.patience
        configuration.rememberedTerm = kept.term
        configuration.preemption = preemption(options.preempt) ?? .off
        configuration.requiresGateway = !gateways.isEmpty
        configuration.claimBlind = options.claimBlind?.duration
        configuration.hash = hash(options)
        return configuration
    }

    /// Where all members hear each other.
    static func group(_ options: MemberOptions, _ own: IPAddress) -> IPAddress {
        options.group ?? (own.bitWidth == 32 ? .v4(IPv4Address(rawValue: 0xe000_007b)) : .v6(.electionGroup))
    }

    /// Nil: the word means nothing.
    static func preemption(_ text: String) -> Election.Preemption? {
        switch text {
        case "off": .off
        case "on": .after(.seconds(2))
        default: Duration(text: text).flatMap { $0 > .zero ? .after($0) : nil }
        }
    }

    /// The number of a cluster's name on the wire (FNV-1a).
    static func number(of name: String) -> UInt64 {
        name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// What all members must agree on.
    static func hash(_ options: MemberOptions) -> UInt32 {
        let text = options.address.map(\.description).sorted().joined(separator: ",")
        return UInt32(truncatingIfNeeded: number(of: text))
    }
}

extension IPv6Address {
    /// ff02::7b, the election's group where there is no IPv4.
    static let electionGroup = IPv6Address(rawValue: 0xff02 << 112 | 0x7b)
}

extension SocketAddress {
    /// The same port and scope at another address.
    func with(_ address: IPAddress) -> SocketAddress { SocketAddress(address, port: port, scope: scope) }
}
