// What a ClaimSession tells: records on standard output, sentences on standard error, the registry's entries, and the
// service manager's status line. What each report of the AddressClaim machine means to people is here, in one place.

import QureCore

extension ClaimSession {
    func tell(
        _ address: IPAddress, _ state: String, _ detail: String = "", mac: MACAddress? = nil, time: Duration? = nil
    ) {
        guard let error = output.tell(address, state, detail, mac: mac, time: time) else { return }
        diagnostics.say(.error, "\(error), going on without it")
    }

    var status: String {
        let names = keeper.prefixes.map(\.description).joined(separator: ", ")
        guard isHolding else { return "not holding \(names)" }
        return "holding \(names) on \(keeper.link.name), \(registration.verification)"
    }

    func report(_ report: AddressClaim.Report) throws {
        switch report {
        case .taken:
            registration.begin(isFenced: isFenced)
            for address in keeper.addresses { tell(address, "taken") }
            service.notify("STATUS=\(status)")
            try verify { try $0.begin($1, $2) }
        case .reinstated:
            let what =
                keeper.stoodInFront
                ? "stood before the host's own address on \(keeper.carrier.name), put behind it"
                : "was gone from \(keeper.carrier.name), put back"
            diagnostics.say(.warning, "\(keeper.prefixes[0]): \(what)")
            for address in keeper.addresses { tell(address, "reinstated") }
            try verify { try $0.begin($1, $2) }
        case .heldBy(let sighting), .rival(let sighting):
            end = .refused(sighting)
        case .conflict(let sighting, let defended):
            registration.update { $0.conflicts += 1 }
            tell(
                sighting.address, "conflict", "\(sighting.identity) \(defended ? "defended" : "left to the elector")",
                mac: sighting.identity)
            diagnostics.say(
                .warning,
                "\(sighting.address): \(sighting.identity) says that it has it too\(defended ? ", defended" : "")")
        case .lost(let sighting):
            end = .lost(sighting)
        case .asleep(let time):
            diagnostics.say(
                .warning,
                "\(keeper.prefixes[0]): this process did not run for \(time.spoken), longer than its lease; "
                    + "asking again"
            )
        case .unplugged(let time):
            diagnostics.say(
                .warning, "\(keeper.prefixes[0]): no link for \(time.spoken): withdrawn, to be asked for again")
        }
    }

    func tell(_ finding: Verifications.Finding) {
        for address in keeper.addresses where address.bitWidth == finding.width {
            if let time = finding.time {
                tell(address, "verified", "after \(time.spoken)", time: time)
            } else {
                tell(address, "claimed,", finding.text)
            }
        }
        let now = Clock.now
        registration.update {
            guard $0.prefix.address.bitWidth == finding.width else { return }
            $0.verification = finding.text
            $0.verificationAt = now
        }
        service.notify("STATUS=\(status)")
    }
}
