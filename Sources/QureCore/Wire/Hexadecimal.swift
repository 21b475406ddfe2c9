// Hexadecimal digits of octets, both ways.

extension UInt8 {
    /// The value of an ASCII hexadecimal digit, otherwise nil.
    package var hexValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Two lower-case hexadecimal digits.
    package var hexadecimal: String { (self < 16 ? "0" : "") + String(self, radix: 16) }
}

extension [UInt8] {
    /// The octets that an even number of ASCII hexadecimal digits stands for; nil where it is anything else.
    package init?(hexadecimal digits: some Sequence<UInt8>) {
        let values = digits.map(\.hexValue)
        guard values.count % 2 == 0, !values.contains(nil) else { return nil }
        self = stride(from: 0, to: values.count, by: 2).map { (values[$0] ?? 0) << 4 | (values[$0 + 1] ?? 0) }
    }

    /// Two lower-case hexadecimal digits for each octet.
    package var hexadecimal: String { map(\.hexadecimal).joined() }
}
