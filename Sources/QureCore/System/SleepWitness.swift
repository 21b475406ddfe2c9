// SleepWitness: the two who know of a pause that this machine's own clocks do not show: the hardware's clock, and the
// kernel where it has a virtual machine's generation number (vmgenid). Either may be missing.
// The clock is read through sysfs: /dev/rtc0 can be open only once, and whoever kept it open, or opened it at the wrong
// moment, would keep hwclock(8) out.

import CLinux
import Glibc

/// The hardware's clock.
package struct HardwareClock: ~Copyable {
    private let file: FileDescriptor

    /// The one that the kernel started from; nil where there is none.
    package init?(_ path: String = "/sys/class/rtc/rtc0/since_epoch") {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        file = FileDescriptor(owning: number)
    }

    /// Seconds since 1970, by this clock; nil where it does not tell.
    package func read() -> Int64? {
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = unsafe pread(file.number, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        return Int64(String(decoding: buffer.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}

/// The kernel's log, from now on.
package struct KernelLog: ~Copyable {
    private let file: FileDescriptor

    /// Opens the log behind what is in it; nil where this process may not (CAP_SYSLOG), or there is none.
    package init?(_ path: String = "/dev/kmsg") {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { return nil }
        _ = lseek(number, 0, SEEK_END)
        file = FileDescriptor(owning: number)
    }

    /// For the poller.
    package var descriptor: CInt { file.number }

    /// What has been said since the last time, a few hundred lines at most. Each read brings one record; one that was
    /// overwritten before it was read (EPIPE) is passed over.
    package func read() -> [KernelLogRecord] {
        var records: [KernelLogRecord] = []
        var buffer = [UInt8](repeating: 0, count: 8192)
        for _ in 0..<256 {
            let count = unsafe Glibc.read(file.number, &buffer, buffer.count)
            if count > 0, let record = KernelLogRecord(Array(buffer.prefix(count))) { records.append(record) }
            if count == 0 || (count < 0 && Errno.current != Errno(rawValue: EPIPE)) { break }
        }
        return records
    }
}
