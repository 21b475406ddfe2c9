// Location: the data of LOC (RFC 1876), a place on the earth with the size of what is there, and their text form:
// `51 30 12.748 N 0 7 39.612 W 0.00m 1m 10000m 10m`.

/// The sixteen octets of LOC and what they mean.
struct Location: Equatable, Sendable {
    /// Diameter, and the precisions of the two others, as a power of ten (RFC 1876 section 2): digit and exponent.
    var size: UInt8 = 0x12
    var horizontalPrecision: UInt8 = 0x16
    var verticalPrecision: UInt8 = 0x13
    /// Thousandths of an arc second, north and east of 2^31.
    var latitude: UInt32
    var longitude: UInt32
    /// Centimetres above 100 km below the WGS 84 reference spheroid.
    var altitude: UInt32

    private static let middle: UInt32 = 1 << 31
    private static let groundLevel: Int64 = 10_000_000

    /// Nil for octets without a text form: another version than 0, or something out of its range.
    init?(_ octets: ArraySlice<UInt8>) {
        var input = WireReader(Array(octets))
        guard (try? input.read(UInt8.self, field: "")) == 0,
            let size = try? input.read(UInt8.self, field: ""),
            let horizontal = try? input.read(UInt8.self, field: ""),
            let vertical = try? input.read(UInt8.self, field: ""),
            let latitude = try? input.read(UInt32.self, field: ""),
            let longitude = try? input.read(UInt32.self, field: ""),
            let altitude = try? input.read(UInt32.self, field: ""), input.remaining == 0,
            [size, horizontal, vertical].allSatisfy(Self.isSize),
            Self.distance(latitude) <= 90 * 3_600_000, Self.distance(longitude) <= 180 * 3_600_000
        else { return nil }
        self.size = size
        horizontalPrecision = horizontal
        verticalPrecision = vertical
        self.latitude = latitude
        self.longitude = longitude
        self.altitude = altitude
    }

    /// A digit and an exponent; nothing has one form only.
    private static func isSize(_ code: UInt8) -> Bool {
        let (digit, exponent) = (code >> 4, code & 15)
        return digit <= 9 && exponent <= 9 && (digit > 0 || exponent == 0)
    }

    var octets: [UInt8] {
        var output = WireWriter()
        output.write([0, size, horizontalPrecision, verticalPrecision])
        for number in [latitude, longitude, altitude] { output.write(number) }
        return output.bytes
    }

    private static func distance(_ angle: UInt32) -> UInt32 { angle > middle ? angle - middle : middle - angle }

    /// The text form, as BIND writes it.
    var description: String {
        func angle(_ angle: UInt32, _ letters: (String, String)) -> String {
            let distance = Self.distance(angle)
            let seconds = "\(distance / 1000 % 60).\(Self.padded(distance % 1000, 3))"
            return "\(distance / 3_600_000) \(distance / 60_000 % 60) \(seconds) "
                + (angle < Self.middle ? letters.1 : letters.0)
        }
        let height = Int64(altitude) - Self.groundLevel
        let metres = "\(height.magnitude / 100).\(Self.padded(UInt32(height.magnitude % 100), 2))m"
        return "\(angle(latitude, ("N", "S"))) \(angle(longitude, ("E", "W"))) \(height < 0 ? "-" : "")\(metres)"
            + [size, horizontalPrecision, verticalPrecision].map { " " + Self.metres($0) }.joined()
    }

    private static func padded(_ number: UInt32, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// A size: whole metres, or centimetres below one.
    private static func metres(_ code: UInt8) -> String {
        var centimetres: UInt64 = UInt64(code >> 4)
        for _ in 0..<(code & 15) { centimetres *= 10 }
        if code & 15 >= 2 { return "\(centimetres / 100)m" }
        return "\(centimetres / 100).\(padded(UInt32(centimetres % 100), 2))m"
    }

    /// What the words say: degrees, minutes and seconds may be left out from the right, and so may the sizes.
    init?(_ words: [String]) {
        var rest = words[...]
        guard let latitude = Self.angle(&rest, ("N", "S"), 90), let longitude = Self.angle(&rest, ("E", "W"), 180),
            let word = rest.popFirst(), let height = Self.centimetres(word),
            let altitude = UInt32(exactly: height + Self.groundLevel), rest.count <= 3
        else { return nil }
        self.latitude = latitude
        self.longitude = longitude
        self.altitude = altitude
        let sizes = rest.map { Self.centimetres($0).flatMap(Self.code) }
        guard !sizes.contains(nil) else { return nil }
        if sizes.count > 0, let size = sizes[0] { self.size = size }
        if sizes.count > 1, let precision = sizes[1] { horizontalPrecision = precision }
        if sizes.count > 2, let precision = sizes[2] { verticalPrecision = precision }
    }

    private static func angle(_ words: inout ArraySlice<String>, _ letters: (String, String), _ limit: Int) -> UInt32? {
        var parts: [Int64] = []
        while let word = words.popFirst() {
            let letter = word.uppercased()
            if letter == letters.0 || letter == letters.1 {
                guard !parts.isEmpty else { return nil }
                let distance = zip(parts, [3_600_000, 60_000, 1] as [Int64]).reduce(0) { $0 + $1.0 * $1.1 }
                guard distance <= Int64(limit) * 3_600_000 else { return nil }
                return letter == letters.0 ? middle + UInt32(distance) : middle - UInt32(distance)
            }
            // Degrees and minutes are whole; seconds have thousandths.
            guard parts.count < 3, let number = fixed(word, digits: parts.count == 2 ? 3 : 0),
                number < (parts.isEmpty ? 181 : parts.count == 1 ? 60 : 60_000)
            else { return nil }
            parts.append(number)
        }
        return nil
    }

    /// A number of metres, with or without its `m`, in centimetres.
    private static func centimetres(_ word: String) -> Int64? {
        let digits = word.hasSuffix("m") || word.hasSuffix("M") ? word.dropLast() : Substring(word)
        let magnitude = digits.hasPrefix("-") ? digits.dropFirst() : digits
        guard let number = fixed(String(magnitude), digits: 2) else { return nil }
        return digits.hasPrefix("-") ? -number : number
    }

    /// A number with up to that many decimals, as a multiple of its last one.
    private static func fixed(_ text: String, digits: Int) -> Int64? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? Array(parts[1]) : []
        guard (1...9).contains(parts[0].count), parts.count == 1 || (1...max(digits, 1)).contains(fraction.count),
            fraction.count <= digits, (Array(parts[0]) + fraction).allSatisfy({ $0.decimalValue != nil })
        else { return nil }
        let padding = [UInt8](repeating: UInt8(ascii: "0"), count: digits - fraction.count)
        return (Array(parts[0]) + fraction + padding).reduce(0) { $0 * 10 + Int64($1.decimalValue ?? 0) }
    }

    /// The code of a size: the highest digit, and how many follow. What follows is lost, as everywhere.
    private static func code(_ centimetres: Int64) -> UInt8? {
        guard (0...9_000_000_000).contains(centimetres) else { return nil }
        var digit = centimetres
        var exponent: UInt8 = 0
        while digit > 9 {
            digit /= 10
            exponent += 1
        }
        return UInt8(digit) << 4 | exponent
    }
}
