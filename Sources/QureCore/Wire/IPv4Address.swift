// IPv4Address: four octets, written in dotted decimals and in no other way.
// Octal, hexadecimal and shortened forms, which inet_aton takes, are refused: 010.0.0.1 means different hosts to
// different programs.

/// An IPv4 address.
package struct IPv4Address: Hashable, Comparable, Sendable, LosslessStringConvertible {
    /// The address as a number, first octet highest.
    package let rawValue: UInt32

    /// The address of this number.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// 0.0.0.0: no address; the sender of an RFC 5227 probe.
    package static let unspecified = IPv4Address(rawValue: 0)
    /// 255.255.255.255
    package static let broadcast = IPv4Address(rawValue: .max)

    /// 224.0.0.0/4, RFC 5771.
    package var isMulticast: Bool { rawValue >> 28 == 0xe }
    /// 127.0.0.0/8, RFC 1122 section 3.2.1.3.
    package var isLoopback: Bool { rawValue >> 24 == 127 }

    /// `192.168.1.11`: four decimal numbers without leading zeros.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let octet = decimal(part, atMost: 255) else { return nil }
            value = value << 8 | UInt32(octet)
        }
        rawValue = value
    }

    package var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 255).\(rawValue >> 8 & 255).\(rawValue & 255)"
    }

    package static func < (one: IPv4Address, other: IPv4Address) -> Bool { one.rawValue < other.rawValue }
}

/// A decimal number of ASCII digits without sign or leading zero, at most `limit`; otherwise nil.
func decimal(_ digits: Substring.UTF8View.SubSequence, atMost limit: Int) -> Int? {
    guard (1...9).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
    var value = 0
    for digit in digits {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
        value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value <= limit ? value : nil
}
