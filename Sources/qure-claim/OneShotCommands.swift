// The commands of qure-claim that do one thing and end: `add`, `del`, `announce`.

import ArgumentParser
import QureCore

/// `qure-claim add`
struct Add: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "add", of: "qure-claim",
        abstract:
            "Put the address on the interface, announce it, exit. 0: it is on this host now; "
            + "1 (--unless-held): another has it."
    )

    @OptionGroup var options: ClaimOptions
    @OptionGroup var placement: PlacementOptions
    @OptionGroup var virtual: VirtualOptions
    @OptionGroup var announcing: AnnounceOptions

    @Argument(help: "The address with its prefix length.", transform: ArgumentText.prefix)
    var address: [Prefix]

    func run() throws {
        try checkClaimable(address)
        var diagnostics = try options.begin()
        let mac = virtual.mac(for: address)
        let keeper = try AddressKeeper(address, options, placement, lease: placement.lease?.duration)
        try keeper.requireLinkUp()
        try keeper.requirePermission()
        if try isHeld(keeper, &diagnostics) { return }
        if let mac { try keeper.makeVirtual(mac, keepsExisting: true) } else { try keeper.findVirtual() }
        do {
            let present = try keeper.present()
            if present.count == address.count && !present.contains(where: keeper.isRenewable) {
                diagnostics.say(.information, "\(address[0]): is there already, and not by qure; left as it is")
                return
            }
            try keeper.requireOneMAC()
            if placement.unlessHeld && present.count < address.count {
                var talk = try OneShotTalk(keeper.openEar())
                try talk.requireFree(keeper)
            }
            try installAndAnnounce(keeper, &diagnostics)
        } catch {
            if keeper.virtual?.isNew == true { keeper.removeVirtual() }
            throw error
        }
    }

    private func installAndAnnounce(_ keeper: AddressKeeper, _ diagnostics: inout Diagnostics) throws {
        // Before anything is done: without the privilege for it nothing is.
        try keeper.raiseVirtual()
        var talk = try OneShotTalk(keeper.openMouth())
        try keeper.install(leavingOthers: true)
        for prefix in address {
            let entry = ClaimEntry(
                prefix: prefix, interface: keeper.link.name, mode: "add", pid: 0, since: Clock.now)
            do { try options.registry.write(entry) } catch {
                diagnostics.say(.information, "\(error), not registered; the address itself is marked")
            }
        }
        try talk.announce(announcing.count, keeper.addresses)
    }

    /// Whether processes of this host hold all the addresses. They keep them better than a command that ends could;
    /// that one of them is to hold what is not here now is no answer to this command.
    private func isHeld(_ keeper: AddressKeeper, _ diagnostics: inout Diagnostics) throws -> Bool {
        let here = try keeper.presentAnywhere()
        let held = address.compactMap { prefix in
            options.registry.entry(of: prefix.address).flatMap { $0.isHeld ? (prefix.address, $0.entry.pid) : nil }
        }
        guard let (first, pid) = held.first else { return false }
        guard held.count == address.count, held.allSatisfy({ here.contains($0.0) }) else {
            throw Failure(.no, "\(first): process \(pid) of this host decides when it is here")
        }
        diagnostics.say(.information, "\(first): process \(pid) holds it already; left as it is")
        return true
    }
}

/// How often to announce.
struct AnnounceOptions: ParsableArguments {
    @Option(name: .customLong("announce"), help: "Announcements before the end: at 0, 10, 50, 200 ms, 1.1 s, 3 s.")
    var count = 3

    mutating func validate() throws {
        guard (0...6).contains(count) else { throw ValidationError("--announce takes 0 to 6, not \(count)") }
    }
}

/// `qure-claim del`
struct Del: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "del", of: "qure-claim",
        abstract: "Take the address off. 0: it is not on this host now; 1: not put there by qure, or held here.")

    @OptionGroup var options: ClaimOptions

    @Argument(help: "The address, with or without its prefix length.", transform: ArgumentText.prefix)
    var address: [Prefix]

    func run() throws {
        _ = try options.begin()
        var netlink = try Netlink()
        for prefix in address {
            let registered = options.registry.entry(of: prefix.address)
            var found = try netlink.addresses().filter { $0.prefix.address == prefix.address }
            if let name = options.common.interface {
                guard let link = try netlink.link(named: name) else {
                    throw Failure(.unreachable, "\(name): no such interface")
                }
                let ours = try VirtualInterface.all(over: link.index, &netlink).map(\.index)
                found.removeAll { $0.interface != link.index && !ours.contains($0.interface) }
            }
            if let foreign = found.first(where: { !AddressMark.isOurs($0, registered?.entry) }), !options.adopt {
                throw Failure(
                    .no, "\(foreign.prefix): was not put there by qure; use --adopt to remove it all the same")
            }
            if let registered, registered.isHeld, !found.isEmpty {
                throw Failure(
                    .no,
                    "\(prefix.address): process \(registered.entry.pid) holds it and would put it back:"
                        + " stop that instead"
                )
            }
            for entry in found {
                _ = try netlink.removeKeepingOthers(entry)
                try removeVirtual(entry.interface, &netlink)
            }
            if registered?.isHeld == false { try? options.registry.remove(prefix.address) }
        }
    }

    /// Removes a macvlan that `add --virtual-mac` has made, once its last address is gone.
    private func removeVirtual(_ index: Int, _ netlink: inout Netlink) throws {
        guard let link = try netlink.link(index: index), VirtualInterface.isOurs(link) else { return }
        let isUsed = try netlink.addresses(on: index).contains {
            AddressMark.isOurs($0, options.registry.entry(of: $0.prefix.address)?.entry)
        }
        guard !isUsed else { return }
        try VirtualInterface.remove(link, &netlink)
    }
}

/// `qure-claim announce`
struct Announce: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "announce", of: "qure-claim",
        abstract: "Tell the link that the address is here: gratuitous ARP or unsolicited neighbour advertisement.")

    @OptionGroup var options: ClaimOptions
    @OptionGroup var announcing: AnnounceOptions

    @Argument(help: "The address.", transform: ArgumentText.prefix)
    var address: [Prefix]

    func run() throws {
        for prefix in address where !prefix.address.isUnicast || prefix.address.isLoopback {
            throw Failure(.usage, "\(prefix.address): no host's address")
        }
        var diagnostics = try options.begin()
        let keeper = try AddressKeeper(address, options, PlacementOptions.none, lease: nil)
        try keeper.requireLinkUp()
        try keeper.findVirtual()
        var talk = try OneShotTalk(keeper.openMouth())
        let present = try keeper.presentAnywhere()
        for prefix in address where !present.contains(prefix.address) {
            diagnostics.say(.warning, "\(prefix.address): is not on this host; announced all the same")
        }
        try talk.announce(announcing.count, keeper.addresses)
    }
}
