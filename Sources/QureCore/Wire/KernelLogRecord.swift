// KernelLogRecord: a record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg): `priority,sequence,time,flags;text`.
// Read for one line only: the kernel's word that this machine is a copy of another, or an earlier self of it
// (vmgenid).

/// A line of the kernel's log.
package struct KernelLogRecord: Equatable, Sendable {
    /// Syslog's facility: 0 where the kernel itself speaks; programs that write there get another one.
    package var facility: Int
    /// What it says.
    package var text: String

    /// Reads one record; nil where it is none.
    package init?(_ record: [UInt8]) {
        let line = record.prefix { $0 != UInt8(ascii: "\n") }
        guard let end = line.firstIndex(of: UInt8(ascii: ";")),
            let priority = Int(String(decoding: line[..<end].prefix { $0 != UInt8(ascii: ",") }, as: UTF8.self)),
            priority >= 0
        else { return nil }
        facility = priority >> 3
        text = String(decoding: line[(end + 1)...], as: UTF8.self)
    }

    /// Whether the virtual machine goes on from a snapshot, or as a copy (drivers/char/random.c).
    package var tellsOfFork: Bool { facility == 0 && text.contains("crng reseeded due to virtual machine fork") }
}
