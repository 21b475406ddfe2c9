// ClaimRegistry: what this host's claims say of themselves, for `qure-claim show`, and which addresses qure has put on
// interfaces, for kernels that cannot mark them (IFA_PROTO, Linux 5.18). One small file for each address, in a folder
// for each network namespace, because /run is often shared by several. A holder keeps its file locked: a file without
// a lock is what a dead one left behind.

import CLinux
import Glibc

/// What is known of one claim.
package struct ClaimEntry: Equatable, Sendable {
    /// The address that is claimed.
    package var prefix: Prefix
    /// The interface that it was put on.
    package var interface: String
    /// `add`, `hold` or `follow`.
    package var mode: String
    /// The process that claims it; 0 where none stays.
    package var pid: Int32
    /// When the address was put there.
    package var since: Instant
    /// How often it has been announced.
    package var announcements = 0
    /// How often another host said that it has it.
    package var conflicts = 0
    /// `verified after 12 ms`, or why not.
    package var verification = ""
    /// When it came to say so.
    package var verificationAt: Instant?
    /// Whether the kernel silences the address when the holder no longer renews it.
    package var isFenced = false
    /// Whether the address is to be on this host now; a follower's is not while it stands by.
    package var isHolding = false
    /// The hardware address of its own that it has.
    package var mac: MACAddress?

    /// An entry of a claim that has just begun.
    package init(prefix: Prefix, interface: String, mode: String, pid: Int32, since: Instant) {
        self.prefix = prefix
        self.interface = interface
        self.mode = mode
        self.pid = pid
        self.since = since
    }

    /// One `key value` line for each field.
    package var text: String {
        """
        prefix \(prefix)
        interface \(interface)
        mode \(mode)
        pid \(pid)
        since \(since.nanoseconds)
        announcements \(announcements)
        conflicts \(conflicts)
        fenced \(isFenced)
        holding \(isHolding)
        mac \(mac.map { "\($0)" } ?? "")
        verification \(verification)
        verification-at \(verificationAt.map { "\($0.nanoseconds)" } ?? "")

        """
    }

    /// Reads what `text` wrote; nil where a field is missing or makes no sense.
    package init?(text: String) {
        var fields: [Substring: String] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            if let key = words.first { fields[key] = words.count == 2 ? String(words[1]) : "" }
        }
        guard let prefix = fields["prefix"].flatMap({ Prefix($0) }), let interface = fields["interface"],
            let mode = fields["mode"], let pid = fields["pid"].flatMap({ Int32($0) }),
            let since = fields["since"].flatMap({ Int64($0) })
        else { return nil }
        self.init(
            prefix: prefix, interface: interface, mode: mode, pid: pid, since: Instant(nanoseconds: since))
        announcements = fields["announcements"].flatMap { Int($0) } ?? 0
        conflicts = fields["conflicts"].flatMap { Int($0) } ?? 0
        verification = fields["verification"] ?? ""
        verificationAt = fields["verification-at"].flatMap { Int64($0) }.map { Instant(nanoseconds: $0) }
        isFenced = fields["fenced"] == "true"
        isHolding = fields["holding"] == "true"
        mac = fields["mac"].flatMap { MACAddress($0) }
    }
}

/// The folder of claims of this network namespace.
package struct ClaimRegistry: Sendable {
    /// The folder; it need not exist.
    package let folder: String

    /// The registry below `directory` (`/run/qure` unless the user says otherwise).
    package init(directory: String) {
        var status = stat()
        let found = unsafe stat("/proc/self/ns/net", &status) == 0
        folder = "\(directory)/claims/\(found ? "netns-\(status.st_ino)" : "netns")"
    }

    /// The file of one address.
    package func path(_ address: IPAddress) -> String { "\(folder)/\(address)" }

    /// All entries, with whether their writer still holds them.
    package func entries() -> [(entry: ClaimEntry, isHeld: Bool)] {
        TextFile.names(in: folder).compactMap { name in
            guard let address = IPAddress(name) else { return nil }
            return entry(of: address)
        }
    }

    /// The entry of one address, if there is one.
    package func entry(of address: IPAddress) -> (entry: ClaimEntry, isHeld: Bool)? {
        guard let bytes = try? TextFile.read(path(address)),
            let entry = ClaimEntry(text: String(decoding: bytes, as: UTF8.self))
        else { return nil }
        return (entry, isLocked(path(address)))
    }

    private func isLocked(_ path: String) -> Bool {
        guard let file = try? FileDescriptor(owning: check("open", path) { unsafe open(path, O_RDONLY | O_CLOEXEC) })
        else { return false }
        return flock(file.number, LOCK_SH | LOCK_NB) != 0
    }

    /// Writes an entry that nobody holds: the mark of an address that `add` has put there.
    package func write(_ entry: ClaimEntry) throws(SystemError) {
        try TextFile.makeDirectory(folder)
        try TextFile.replace(path(entry.prefix.address), with: Array(entry.text.utf8))
    }

    /// Removes the entry of an address.
    package func remove(_ address: IPAddress) throws(SystemError) { try TextFile.remove(path(address)) }
}

/// An entry that this process holds, and updates in place: it is locked as long as this value lives.
package struct HeldEntry: ~Copyable {
    private let file: FileDescriptor
    private let path: String
    /// What stood there before.
    private let former: [UInt8]
    /// Entries are padded to this size, so that an update is one write.
    private static let size = 1024

    /// Takes the entry of `address`. Throws EAGAIN where another process holds it.
    package init(_ registry: ClaimRegistry, _ address: IPAddress) throws(SystemError) {
        try TextFile.makeDirectory(registry.folder)
        let path = registry.path(address)
        // Between the opening and the locking the file's holder may have removed it, and then the lock is worth
        // nothing.
        while true {
            let file = FileDescriptor(
                owning: try check("open", path) { unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) })
            let number = file.number
            try check("flock", path) { flock(number, LOCK_EX | LOCK_NB) }
            guard Self.isNamed(path, number) else { continue }
            self.file = file
            self.path = path
            former = (try? TextFile.read(path)) ?? []
            return
        }
    }

    /// Whether the open file is the one that has this name now.
    private static func isNamed(_ path: String, _ number: CInt) -> Bool {
        var open = stat()
        var named = stat()
        guard unsafe fstat(number, &open) == 0, unsafe stat(path, &named) == 0 else { return false }
        return open.st_ino == named.st_ino && open.st_dev == named.st_dev
    }

    /// Writes the entry. Errors: ENOSPC, and whatever else a file system may have.
    package func update(_ entry: ClaimEntry) throws(SystemError) {
        var bytes = Array(entry.text.utf8.prefix(Self.size - 1))
        bytes += [UInt8](repeating: UInt8(ascii: "\n"), count: Self.size - bytes.count)
        try check("write", path) { unsafe pwrite(file.number, bytes, bytes.count, 0) }
    }

    /// Leaves the entry as it was before it was taken.
    package consuming func restore() {
        guard !former.isEmpty else { return remove() }
        _ = ftruncate(file.number, 0)
        _ = unsafe pwrite(file.number, former, former.count, 0)
    }

    /// Removes the entry.
    package consuming func remove() { _ = unsafe unlink(path) }
}
