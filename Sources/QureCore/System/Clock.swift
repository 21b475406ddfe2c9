// The clocks, asked for the present instant. Only the tools' loops and the sockets that stamp what they receive ask.

import CLinux
import Glibc

/// The machine's clocks.
package enum Clock {
    /// Now, on CLOCK_BOOTTIME: it goes on while the machine sleeps and is never set.
    package static var now: Instant { Instant(nanoseconds: read(CLOCK_BOOTTIME)) }

    /// Now on the wall clock, in nanoseconds since 1970: for kernel receive stamps and for timestamps that people read.
    package static var realtimeNanoseconds: Int64 { read(CLOCK_REALTIME) }

    private static func read(_ clock: CInt) -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The instant of a kernel receive stamp (SO_TIMESTAMPNS, wall clock). A stamp from the future, or older than a
    /// minute because the wall clock was set meanwhile, is taken for now.
    static func instant(ofRealtime stamp: timespec) -> Instant {
        let age = realtimeNanoseconds - (Int64(stamp.tv_sec) * 1_000_000_000 + Int64(stamp.tv_nsec))
        return now - ((0..<60_000_000_000).contains(age) ? .nanoseconds(age) : .zero)
    }
}
