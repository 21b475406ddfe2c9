// The clocks, asked for the present instant. Only the tools' loops and the sockets that stamp what they receive ask.

import CLinux
import Glibc

/// The machine's clocks.
package enum Clock {
    /// Now, on CLOCK_BOOTTIME: it goes on while the machine sleeps and is never set.
    package static var now: Instant { Instant(nanoseconds: qure_clock_nanoseconds(CLOCK_BOOTTIME)) }

    /// How long the machine has been asleep since it was started.
    package static var asleep: Duration {
        .nanoseconds(qure_clock_nanoseconds(CLOCK_BOOTTIME) - qure_clock_nanoseconds(CLOCK_MONOTONIC))
    }

    /// Now on CLOCK_MONOTONIC, in microseconds: what the service manager compares with (sd_notify(3)).
    package static var monotonicMicroseconds: Int64 { qure_clock_nanoseconds(CLOCK_MONOTONIC) / 1000 }

    /// Now on the wall clock, in nanoseconds since 1970: for kernel receive stamps and for timestamps that people read.
    package static var realtimeNanoseconds: Int64 { qure_clock_nanoseconds(CLOCK_REALTIME) }

    /// The instant of a kernel receive stamp (SO_TIMESTAMPNS, wall clock, in nanoseconds). A stamp from the future,
    /// or older than a minute because the wall clock was set meanwhile, is taken for now.
    static func instant(ofRealtime stamp: Int64) -> Instant {
        let age = realtimeNanoseconds - stamp
        return now - ((0..<60_000_000_000).contains(age) ? .nanoseconds(age) : .zero)
    }
}
