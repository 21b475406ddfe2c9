// `qure-claim show`: the claims of this host, from the registry and from the kernel, which alone knows what is really
// there.

import ArgumentParser
import QureCore

/// `qure-claim show`
struct Show: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "show", of: "qure-claim",
        abstract: "Print the claims of this host. With addresses: 1 if one of them is not here.")

    @OptionGroup var options: ClaimOptions

    @Argument(help: "Only these addresses.", transform: ArgumentText.prefix)
    var address: [Prefix] = []

    /// What is known of one address.
    private struct Row {
        var prefix: Prefix
        var interface: String
        var state: String
        var entry: ClaimEntry?
        var lease: Duration?
    }

    func run() throws {
        _ = try options.begin()
        var netlink = try Netlink()
        var rows = try rows(&netlink)
        if let name = options.common.interface {
            guard let link = try netlink.link(named: name) else {
                throw Failure(.unreachable, "\(name): no such interface")
            }
            let ours = try VirtualInterface.all(over: link.index, &netlink).map(\.name)
            rows.removeAll { $0.interface != name && !ours.contains($0.interface) }
        }
        let wanted = Set(address.map(\.address))
        if !wanted.isEmpty { rows.removeAll { !wanted.contains($0.prefix.address) } }
        let output = RecordWriter(json: options.common.json)
        for row in rows.sorted(by: { $0.prefix.address < $1.prefix.address }) { try output.write(record(row)) }
        let here = Set(rows.filter { $0.state == "held" || $0.state == "added" }.map(\.prefix.address))
        if !wanted.isSubset(of: here) { throw Failure(.no, "") }
    }

    private func rows(_ netlink: inout Netlink) throws -> [Row] {
        let entries = options.registry.entries()
        let all = try netlink.addresses()
        let links = try netlink.links()
        func name(_ index: Int) -> String { links.first { $0.index == index }?.name ?? "\(index)" }
        var rows: [Row] = []
        for (entry, isHeld) in entries {
            let present = all.first { $0.prefix.address == entry.prefix.address }
            let state: String
            switch (isHeld, present != nil) {
            // What it has written is as old as its stop; its lease runs out, and nobody renews it.
            case (true, _) where entry.isHolding && ProcessState.isFrozen(entry.pid): state = "frozen"
            case (true, true): state = entry.isHolding ? "held" : "foreign"
            case (true, false): state = entry.isHolding ? "missing" : "standby"
            case (false, true): state = entry.mode == "add" ? "added" : "left"
            case (false, false): continue  // what a holder that died left in the registry
            }
            rows.append(
                Row(
                    prefix: present?.prefix ?? entry.prefix,
                    interface: present.map { name($0.interface) } ?? entry.interface,
                    state: state, entry: entry, lease: present?.validLifetime))
        }
        // Marked by the kernel, though the registry does not know of it.
        for present in all where present.origin == AddressOrigin.qure {
            guard !rows.contains(where: { $0.prefix.address == present.prefix.address }) else { continue }
            rows.append(
                Row(
                    prefix: present.prefix, interface: name(present.interface), state: "added", entry: nil,
                    lease: present.validLifetime))
        }
        return rows
    }

    /// What the verification says; of a holder that is frozen, that it says nothing any more.
    private func verification(_ row: Row) -> String? {
        guard row.state == "frozen" else { return row.entry?.verification }
        return "not verified: the process is stopped"
    }

    /// How long ago traffic was seen to arrive. That it does not is of now: it is asked again and again.
    private static func age(of verification: String?, _ entry: ClaimEntry?) -> Duration? {
        guard let verification, isGood(verification), let moment = entry?.verificationAt else { return nil }
        return Clock.now - moment
    }

    private static func isGood(_ verification: String) -> Bool { verification.hasPrefix("verified") }

    private func record(_ row: Row) -> Record {
        let verification = verification(row)
        let verifiedAgo = Self.age(of: verification, row.entry)
        let age = row.entry.map { Clock.now - $0.since }
        var words = ["\(row.prefix)", row.state, row.interface]
        if let entry = row.entry, let age {
            words.append("\(entry.mode)\(entry.pid == 0 ? "" : " pid \(entry.pid)") for \(age.components.seconds)s")
        }
        if let lease = row.lease { words.append("lease \(lease.text)") }
        if let entry = row.entry, entry.mode != "add" {
            words.append("announced \(entry.announcements) conflicts \(entry.conflicts)")
            // Who has nothing to speak for needs none.
            if entry.isFenced || row.state != "standby" { words.append(entry.isFenced ? "fenced" : "unfenced") }
            let ago = verifiedAgo.map { ", \($0.components.seconds)s ago" } ?? ""
            if let verification, !verification.isEmpty { words.append(verification + ago) }
        }
        let entry = row.entry
        return Record(
            words.joined(separator: " "),
            [
                ("address", .string("\(row.prefix)")), ("state", .string(row.state)),
                ("interface", .string(row.interface)),
                ("mode", entry.map { .string($0.mode) } ?? .null),
                ("pid", entry.flatMap { $0.pid == 0 ? nil : .integer(Int64($0.pid)) } ?? .null),
                ("age_ms", age.map { .integer($0.milliseconds) } ?? .null),
                ("lease_left_s", row.lease.map { .integer($0.components.seconds) } ?? .null),
                ("announcements", entry.map { .integer(Int64($0.announcements)) } ?? .null),
                ("conflicts", entry.map { .integer(Int64($0.conflicts)) } ?? .null),
                ("fenced", entry.map { .boolean($0.isFenced) } ?? .null),
                ("verified", verification.map { .boolean(Self.isGood($0)) } ?? .null),
                ("verification", verification.map { .string($0) } ?? .null),
                ("verified_ago_ms", verifiedAgo.map { .integer($0.milliseconds) } ?? .null),
            ])
    }
}
