// Registration: the entries of a session's addresses in the registry, for `qure-claim show`: locked while the session
// lives, written when something in them has changed. A registry that cannot be written is told once and stops
// nothing.

import Glibc
import QureCore

struct Registration {
    /// An entry as an element of an array, which cannot hold what may not be copied.
    private final class Held {
        var entry: HeldEntry?
        init(_ entry: consuming HeldEntry) { self.entry = .some(entry) }
    }

    private var held: [Held] = []
    private var entries: [ClaimEntry]
    private var hasChanged = true
    private var hasFailed = false

    /// Takes the entries of all the keeper's addresses. Fails with status 1 where another process holds one, or has
    /// `mac`, their hardware address, for another address.
    init(
        _ keeper: AddressKeeper, _ registry: ClaimRegistry, _ mode: String, mac: MACAddress?,
        _ diagnostics: inout Diagnostics
    ) throws {
        entries = keeper.prefixes.map {
            var entry = ClaimEntry(prefix: $0, interface: keeper.link.name, mode: mode, pid: getpid(), since: Clock.now)
            entry.mac = mac
            return entry
        }
        for address in keeper.addresses {
            do {
                held.append(Held(try HeldEntry(registry, address)))
            } catch  where error.errno == .wouldBlock {
                undo()
                let owner = registry.entry(of: address).map { "process \($0.entry.pid)" } ?? "another process"
                throw Failure(.no, "\(address): \(owner) of this host holds it already")
            } catch {
                diagnostics.say(.warning, "\(error), so 'qure-claim show' will not know of it")
                undo()
                return
            }
        }
        try requireAlone(keeper, registry, mac)
    }

    private mutating func requireAlone(_ keeper: AddressKeeper, _ registry: ClaimRegistry, _ mac: MACAddress?) throws {
        guard let mac else { return }
        // What stands in the entries that are held by this process now is what a dead one has left.
        let others = registry.entries().filter { $0.isHeld && !keeper.addresses.contains($0.entry.prefix.address) }
        guard let other = others.map(\.entry).first(where: { $0.mac == mac && $0.interface == keeper.link.name }) else {
            return
        }
        undo()
        throw Failure(
            .no,
            "\(mac): process \(other.pid) of this host has it for \(other.prefix.address); "
                + "addresses that share one must be held by one process")
    }

    /// Whether the addresses have been taken and not been withdrawn since.
    var isHolding: Bool { entries.contains(where: \.isHolding) }

    /// The addresses have been taken.
    mutating func begin(isFenced: Bool) {
        let now = Clock.now
        update {
            $0.since = now
            $0.isFenced = isFenced
            $0.isHolding = true
        }
    }

    /// Changes all entries.
    mutating func update(_ body: (inout ClaimEntry) -> Void) {
        for index in entries.indices { body(&entries[index]) }
        hasChanged = true
    }

    /// What the verifications say.
    var verification: String {
        let all = entries.map(\.verification).filter { !$0.isEmpty }
        return all.isEmpty ? "not verified yet" : Set(all).sorted().joined(separator: "; ")
    }

    /// Writes what has changed. Returns why that fails, the first time that it does: a full disk, mostly.
    mutating func write() -> SystemError? {
        guard hasChanged else { return nil }
        hasChanged = false
        var trouble: SystemError?
        for (file, entry) in zip(held, entries) {
            do { try file.entry?.update(entry) } catch { trouble = error }
        }
        defer { hasFailed = trouble != nil }
        return hasFailed ? nil : trouble
    }

    /// Leaves the registry as it was before: what `add` has put there stays known as qure's.
    mutating func undo() {
        for file in held { file.entry.take()?.restore() }
        held = []
    }

    /// Removes the entries.
    mutating func remove() {
        for file in held { file.entry.take()?.remove() }
        held = []
    }
}
