// The text form of durations on command lines, in configuration files and on the event stream: `250ms`, `2s`, `1m`,
// `1h`, `1d`, a bare number is seconds. Decimals are allowed (`1.5s`); signs, spaces and exponents are not.

extension Duration {
    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("us", 1_000), ("ns", 1), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
        ("d", 24 * 3_600_000_000_000), ("s", 1_000_000_000), ("", 1_000_000_000),
    ]

    private static let longest: Int64 = 100 * 24 * 3_600_000_000_000

    /// The duration that `text` says, otherwise nil. The longest is a hundred days; nanoseconds are the grain.
    package init?(text: String) {
        guard let unit = Self.units.first(where: { text.hasSuffix($0.suffix) }) else { return nil }
        let number = text.utf8.dropLast(unit.suffix.utf8.count)
        let parts = number.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        let isDigit: (UInt8) -> Bool = { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard parts.allSatisfy({ !$0.isEmpty && $0.count <= 12 && $0.allSatisfy(isDigit) }) else { return nil }
        func value(_ digits: some Collection<UInt8>) -> Int64 {
            digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        }
        let (whole, overflow) = value(parts[0]).multipliedReportingOverflow(by: unit.nanoseconds)
        // Checked before the fraction is added, so that the sum cannot overflow.
        guard !overflow, whole <= Self.longest else { return nil }
        var total = whole
        if parts.count == 2 {
            var scale = unit.nanoseconds
            for digit in parts[1].prefix(9) {
                scale /= 10
                total += Int64(digit - UInt8(ascii: "0")) * scale
            }
        }
        guard total <= Self.longest else { return nil }
        self = .nanoseconds(total)
    }

    /// The shortest exact form to the microsecond: `300ms`, `2s`, `0.212ms`; a minus in front of negative ones.
    package var text: String {
        let microseconds = self.microseconds.magnitude
        return (self.microseconds < 0 ? "-" : "") + Self.text(microseconds: microseconds)
    }

    private static func text(microseconds: UInt64) -> String {
        if microseconds % 1_000_000 == 0 { return "\(microseconds / 1_000_000)s" }
        let fraction = microseconds % 1000
        guard fraction != 0 else { return "\(microseconds / 1000)ms" }
        let digits = String(fraction)
        return "\(microseconds / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits + "ms"
    }

    /// Whole nanoseconds, rounded towards zero; for times of up to 292 years.
    package var nanoseconds: Int64 { Int64(truncatingIfNeeded: attoseconds / 1_000_000_000) }
    /// Whole microseconds, rounded towards zero.
    package var microseconds: Int64 { nanoseconds / 1000 }
    /// Whole milliseconds, rounded towards zero.
    package var milliseconds: Int64 { nanoseconds / 1_000_000 }

    /// The standard library's own work with any integer, in 128 bits and without being specialised: a machine that
    /// follows from its settings when it is due does much of this.
    package static func / (duration: Duration, divisor: Int) -> Duration {
        .nanoseconds(duration.nanoseconds / Int64(divisor))
    }

    /// The same for a multiple.
    package static func * (duration: Duration, factor: Int) -> Duration {
        .nanoseconds(duration.nanoseconds &* Int64(factor))
    }
}
