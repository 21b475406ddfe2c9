// Binary data as text: hexadecimal, base64 and base32 with the extended hexadecimal alphabet (RFC 4648 sections 8, 4
// and 7), as record data and key files have them. One coder for all three: they differ in bits per digit and alphabet.

/// A way to write octets with letters and digits.
package struct BinaryText: Sendable {
    private let bits: Int
    private let alphabet: [UInt8]
    /// The value of each ASCII character; 255: none.
    private let values: [UInt8]
    /// Digits to a group where groups are filled up with `=`.
    private let group: Int?

    /// Two digits an octet, upper case; read in either case.
    package static let hexadecimal = BinaryText(bits: 4, "0123456789ABCDEF", ignoringCase: true, group: nil)
    /// RFC 4648 section 4, filled up with `=`.
    package static let base64 = BinaryText(
        bits: 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", ignoringCase: false, group: 4)
    /// RFC 4648 section 7 without filling, upper case; read in either case (RFC 5155 section 3.3).
    package static let base32 = BinaryText(
        bits: 5, "0123456789ABCDEFGHIJKLMNOPQRSTUV", ignoringCase: true, group: nil)

    private init(bits: Int, _ alphabet: String, ignoringCase: Bool, group: Int?) {
        self.bits = bits
        self.alphabet = Array(alphabet.utf8)
        self.group = group
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in self.alphabet.enumerated() {
            values[Int(digit)] = UInt8(value)
            if ignoringCase { values[Int(digit.asciiLowercased)] = UInt8(value) }
        }
        self.values = values
    }

    /// The text of `octets`.
    package func text(_ octets: some Collection<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(octets.count * 8 / bits + 4)
        var held = 0
        var count = 0
        for octet in octets {
            held = (held << 8 | Int(octet)) & 0xffff
            count += 8
            while count >= bits {
                count -= bits
                text.append(alphabet[held >> count & (1 << bits - 1)])
            }
        }
        if count > 0 { text.append(alphabet[held << (bits - count) & (1 << bits - 1)]) }
        if let group { while text.count % group != 0 { text.append(UInt8(ascii: "=")) } }
        return text
    }

    /// The octets that `text` writes; nil where it is not this way of writing, or bits are left over that are not zero.
    package func octets(_ text: some Collection<UInt8>) -> [UInt8]? {
        var digits = Array(text)[...]
        if let group {
            guard text.count % group == 0 else { return nil }
            for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits = digits.dropLast() }
        }
        var octets: [UInt8] = []
        octets.reserveCapacity(digits.count * bits / 8)
        var held = 0
        var count = 0
        for digit in digits {
            let value = values[Int(digit)]
            guard value != 255 else { return nil }
            held = (held << bits | Int(value)) & 0xffff
            count += bits
            if count >= 8 {
                count -= 8
                octets.append(UInt8(truncatingIfNeeded: held >> count))
            }
        }
        guard count < bits, held & (1 << count - 1) == 0 else { return nil }
        return octets
    }
}
