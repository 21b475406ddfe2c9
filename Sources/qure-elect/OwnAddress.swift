// OwnAddress: the address that a member speaks from, beside the shared one. Where a DHCP server, or somebody, gives the
// host another one, the member goes on from there; while it has none it is as good as absent, which is told. Who began
// with IPv6 because the host had nothing else yet goes over to IPv4, where the others are, once it is alone.

import QureCore

extension ElectSession {
    /// The address that a member speaks from: its own, never a shared one.
    static func ownAddress(on link: Link, _ options: MemberOptions, _ netlink: inout Netlink) throws -> IPAddress {
        let own = ownAddresses(among: try netlink.addresses(on: link.index), options)
        if !wantsV6(options), let v4 = own.first(where: { $0.bitWidth == 32 }) { return v4 }
        guard let v6 = own.first(where: \.isLinkLocalV6) else {
            throw Failure(
                .unreachable,
                "\(link.name): has no address of its own to speak from; give it one beside the shared address")
        }
        return v6
    }

    private static func wantsV6(_ options: MemberOptions) -> Bool {
        (options.group ?? options.peer.first).map { $0.bitWidth == 128 } ?? false
    }

    /// Those of an interface that may be spoken from.
    private static func ownAddresses(among all: [InterfaceAddress], _ options: MemberOptions) -> [IPAddress] {
        let shared = Set(options.address.map(\.address))
        return all.filter {
            !shared.contains($0.prefix.address) && $0.origin != AddressOrigin.qure && !$0.isTentative
                && !$0.hasFailedDAD
        }.map(\.prefix.address).filter { $0.bitWidth == 32 || $0.isLinkLocalV6 }
    }

    /// `all`: what the kernel tells of addresses now. Told is once that the own one is gone, and once that it is back,
    /// or another: without it neither the cable nor the health of this host shows why nobody hears it.
    func heedOwnAddress(_ all: [InterfaceAddress]) {
        let here = all.filter { $0.interface == link.index }
        let own = Self.ownAddresses(among: here, options)
        let isMissing = !here.contains { $0.prefix.address == ownAddress }
        let isMakeshift = ownAddress.bitWidth == 128 && !Self.wantsV6(options)
        channel.betterPlace = isMakeshift ? own.first { $0.bitWidth == 32 } : nil
        if goOverToIPv4() { return }
        if isMissing, let other = own.first(where: isAlike), goOn(from: other) {
            told.isOwnAddressMissing = false
            return
        }
        guard isMissing != told.isOwnAddressMissing else { return }
        told.isOwnAddressMissing = isMissing
        if isMissing {
            diagnostics.say(
                .warning,
                "this host's own address \(ownAddress) is gone: this member "
                    + (channel.namesPeers ? "hears nobody and stands aside" : "is not heard, or not answered,")
                    + " until it is back, or another one is there")
        } else {
            diagnostics.say(.notice, "this host's own address \(ownAddress) is back")
        }
    }

    /// Goes over to where a member that is started now would be, if that has become another place and nobody is heard
    /// where this one is: those that are together stay together. Whether it did.
    @discardableResult
    func goOverToIPv4() -> Bool {
        guard let place = channel.betterPlace, election.members.isEmpty else { return false }
        channel.betterPlace = nil
        guard goOn(from: place) else { return false }
        told.isOwnAddressMissing = false
        return true
    }

    /// Whether the others, who are spoken to as before, can be spoken to from there.
    private func isAlike(_ address: IPAddress) -> Bool { address.bitWidth == ownAddress.bitWidth }

    private func move(to socket: consuming ClusterSocket) throws {
        for descriptor in socket.descriptors { try poller.add(descriptor, token: Token.cluster) }
        channel.move(to: socket)
    }

    /// Whether it could: an address that goes again at once is no place to speak from.
    private func goOn(from address: IPAddress) -> Bool {
        let before = ownAddress
        do {
            try move(
                to: ClusterSocket(
                    group: Self.group(options, address), port: options.port, own: address, interface: link.index,
                    name: link.name))
        } catch {
            // It is tried at every change of an address; told is once.
            if told.refusedAddress != address { diagnostics.say(.warning, "\(error): cannot speak from \(address)") }
            told.refusedAddress = address
            return false
        }
        diagnostics.say(
            .notice, "this host's own address is \(address) now, and no longer \(before): going on from there")
        if !options.peer.isEmpty {
            diagnostics.say(
                .warning, "members that name this one by --peer \(before) should name it by \(address): those that are "
                    + "started from now on do not find it else")
        }
        return true
    }
}
