// `qure-claim hold`: takes an address, keeps it, defends it, and withdraws it at its end.

import ArgumentParser
import Glibc
import QureCore

/// The arguments of the commands that stay.
struct StayArguments: ParsableArguments {
    @OptionGroup var options: ClaimOptions
    @OptionGroup var placement: PlacementOptions
    @OptionGroup var virtual: VirtualOptions

    @Flag(help: "Do not test whether the gateway's traffic for the address arrives here.")
    var noVerify = false

    @Argument(help: "The address with its prefix length; several move as one.", transform: ArgumentText.prefix)
    var address: [Prefix]

    /// How long the kernel keeps the addresses without being told again.
    var lease: Duration { placement.lease?.duration ?? .seconds(2) }

    /// A session that holds nothing yet. By its own authority it needs a link from the start.
    func begin(_ authority: AddressClaim.Authority) throws -> ClaimSession {
        try checkClaimable(address)
        let diagnostics = try options.begin()
        let mac = virtual.mac(for: address)
        let keeper = try AddressKeeper(address, options, placement, lease: lease)
        if authority == .own { try keeper.requireLinkUp() }
        return try ClaimSession.begin(
            keeper, authority, mac: mac, lease: lease, options: options, verifies: !noVerify, diagnostics)
    }
}

/// `qure-claim hold`
struct Hold: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "hold", of: "qure-claim",
        abstract: "Take the address, keep and defend it until stopped, then withdraw it. 1: another host has it.")

    @OptionGroup var arguments: StayArguments

    func run() throws {
        let session = try arguments.begin(.own)
        defer { session.finish() }
        try session.take(probing: arguments.placement.unlessHeld)
        session.isReady()
        while true {
            let events = try session.poller.wait(until: session.nextDeadline)
            if events.contains(where: { $0 == .signal(SIGTERM) || $0 == .signal(SIGINT) }) { break }
            try session.turn(events)
            if let end = session.end { throw end.failure }
        }
        if session.output.hasFailed { throw Failure(.system, "") }
    }
}

extension ClaimSession.End {
    /// What is said, with status 1.
    var failure: Failure {
        switch self {
        case .refused(let sighting): .held(sighting)
        case .lost(let sighting):
            Failure(.no, "\(sighting.address): given up to \(sighting.identity), which does not give way")
        }
    }
}
