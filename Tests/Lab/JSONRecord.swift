// JSONRecord: one line of JSON Lines as tests read it: an object whose values are looked up by name. It knows as much
// JSON as our tools write; a line that is not that is no record.

package import QureCore

/// One JSON object.
package struct JSONRecord: Sendable {
    /// The members, in order.
    package let members: [(name: String, value: JSONValue)]

    /// Reads one line; nil: it is not one JSON object and nothing else.
    package init?(_ line: some StringProtocol) {
        var parser = Parser(bytes: Array(line.utf8))
        guard case .object(let members)? = parser.value(), parser.isAtEnd else { return nil }
        self.members = members.map { (name: $0.0, value: $0.1) }
    }

    /// The value of this name.
    package subscript(name: String) -> JSONValue? { members.first { $0.name == name }?.value }
    /// The text of this name; nil: there is none, or it is no text.
    package func text(_ name: String) -> String? { if case .string(let text)? = self[name] { text } else { nil } }
    /// The number of this name.
    package func number(_ name: String) -> Int64? { if case .integer(let value)? = self[name] { value } else { nil } }
    /// The names, in order.
    package var names: [String] { members.map(\.name) }

    private struct Parser {
        let bytes: [UInt8]
        var place = 0

        var isAtEnd: Bool { bytes[place...].allSatisfy { $0 == 0x20 || $0 == 0x0a || $0 == 0x0d } }

        private mutating func take(_ text: StaticString) -> Bool {
            let wanted = "\(text)".utf8
            guard bytes[place...].starts(with: wanted) else { return false }
            place += wanted.count
            return true
        }

        mutating func value() -> JSONValue? {
            if take("null") { return .null }
            if take("true") { return .boolean(true) }
            if take("false") { return .boolean(false) }
            guard place < bytes.count else { return nil }
            switch bytes[place] {
            case UInt8(ascii: "\""): return string().map { .string($0) }
            case UInt8(ascii: "["): return list("[", "]") { $0.value() }.map { .array($0) }
            case UInt8(ascii: "{"): return list("{", "}") { $0.member() }.map { .object($0) }
            default: return integer()
            }
        }

        private mutating func list<Element>(
            _ opening: StaticString, _ closing: StaticString, _ element: (inout Parser) -> Element?
        ) -> [Element]? {
            guard take(opening) else { return nil }
            var elements: [Element] = []
            if take(closing) { return elements }
            repeat {
                guard let next = element(&self) else { return nil }
                elements.append(next)
            } while take(",")
            return take(closing) ? elements : nil
        }

        private mutating func member() -> (String, JSONValue)? {
            guard let name = string(), take(":"), let value = value() else { return nil }
            return (name, value)
        }

        private mutating func integer() -> JSONValue? {
            let digits = bytes[place...].prefix { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }
            place += digits.count
            return Int64(String(decoding: digits, as: UTF8.self)).map { .integer($0) }
        }

        private mutating func string() -> String? {
            guard take("\"") else { return nil }
            var text: [UInt8] = []
            while place < bytes.count {
                let byte = bytes[place]
                place += 1
                switch byte {
                case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = escape() else { return nil }
                    text += Array(String(escaped).utf8)
                case 0..<0x20: return nil
                default: text.append(byte)
                }
            }
            return nil
        }

        private mutating func escape() -> Character? {
            guard place < bytes.count else { return nil }
            defer { place += 1 }
            switch bytes[place] {
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "u"):
                let digits = bytes[(place + 1)...].prefix(4)
                guard let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
                    let scalar = Unicode.Scalar(code)
                else { return nil }
                place += 4
                return Character(scalar)
            case let other: return Character(Unicode.Scalar(other))
            }
        }
    }
}
