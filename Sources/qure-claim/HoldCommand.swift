// `qure-claim hold`: takes an address, keeps it, defends it, and withdraws it at its end.

import ArgumentParser
import Glibc
import QureCore

/// The options of the commands that stay.
struct StayOptions: ParsableArguments {
    @Flag(help: "Do not test whether the gateway's traffic for the address arrives here.")
    var noVerify = false

    /// The lifetime unless `--lease` says otherwise.
    static let defaultLease = Duration.seconds(2)
}

/// `qure-claim hold`
struct Hold: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "hold", of: "qure-claim",
        abstract: "Take the address, keep and defend it until stopped, then withdraw it. 1: another host has it.")

    @OptionGroup var options: ClaimOptions
    @OptionGroup var placement: PlacementOptions
    @OptionGroup var virtual: VirtualOptions
    @OptionGroup var staying: StayOptions

    @Argument(help: "The address with its prefix length; several move as one.", transform: ArgumentText.prefix)
    var address: [Prefix]

    func run() throws {
        try checkClaimable(address)
        let diagnostics = try options.begin()
        let lease = placement.lease?.duration ?? StayOptions.defaultLease
        let mac = virtual.mac(for: address)
        let keeper = try AddressKeeper(address, options, placement, lease: lease)
        try keeper.requireLinkUp()
        let session = try ClaimSession.begin(
            keeper, .own, mac: mac, lease: lease, options: options, verifies: !staying.noVerify, diagnostics)
        defer { session.finish() }
        try session.take(probing: placement.unlessHeld)
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
