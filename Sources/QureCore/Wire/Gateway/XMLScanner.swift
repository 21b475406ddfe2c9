// XMLScanner: the tags and the text of an XML document, one after the other, as far as descriptions of devices and
// answers of SOAP need it. It builds nothing and follows nothing: no entities but the five of the standard and numbers,
// no document types, no nesting of its own. What is not well-formed is read as far as it makes sense.

/// Goes through a document.
package struct XMLScanner: Sendable {
    /// A part of a document.
    package enum Part: Equatable, Sendable {
        /// A tag by its name without a namespace's prefix.
        case open(String)
        case close(String)
        /// What stands between tags, without the blanks around it; never empty.
        case text(String)
    }

    /// Octets of a name or a text that are taken; what is longer is none that we look for.
    static let maximumText = 2048

    private let octets: [UInt8]
    private var place = 0
    /// The end of an element that has none of its own: `<a/>`.
    private var closing: String?

    /// A scanner at the start of a document.
    package init(_ octets: [UInt8]) { self.octets = octets }

    /// The next part; nil at the end, or where nothing that is left makes sense.
    package mutating func next() -> Part? {
        if let closing {
            self.closing = nil
            return .close(closing)
        }
        while place < octets.count {
            if octets[place] == UInt8(ascii: "<") {
                if starts("<!--") {
                    guard skip(behind: "-->") else { return nil }
                } else if starts("<![CDATA[") {
                    let start = place + "<![CDATA[".utf8.count
                    guard skip(behind: "]]>") else { return nil }
                    if let text = Self.text(octets[start..<(place - 3)], isPlain: true) { return .text(text) }
                } else if starts("<?") || starts("<!") {
                    guard skip(behind: ">") else { return nil }
                } else {
                    return tag()
                }
            } else {
                let start = place
                while place < octets.count, octets[place] != UInt8(ascii: "<") { place += 1 }
                if let text = Self.text(octets[start..<place], isPlain: false) { return .text(text) }
            }
        }
        return nil
    }

    private func starts(_ text: StaticString) -> Bool { octets[place...].starts(with: text.description.utf8) }

    /// Steps behind the next `end`; false: there is none.
    private mutating func skip(behind end: StaticString) -> Bool {
        let end = Array(end.description.utf8)
        while place + end.count <= octets.count {
            if octets[place] == end[0], octets[place..<(place + end.count)].elementsEqual(end) {
                place += end.count
                return true
            }
            place += 1
        }
        place = octets.count
        return false
    }

    private mutating func tag() -> Part? {
        let start = place + 1
        guard skip(behind: ">") else { return nil }
        var inside = octets[start..<(place - 1)]
        let isClosing = inside.first == UInt8(ascii: "/")
        if isClosing { inside = inside.dropFirst() }
        let isWhole = !isClosing && inside.last == UInt8(ascii: "/")
        let name = inside.prefix { $0 > 0x20 && $0 != UInt8(ascii: "/") }
        let local = name.split(separator: UInt8(ascii: ":")).last ?? []
        let text = String(decoding: local.prefix(Self.maximumText), as: UTF8.self)
        if isClosing { return .close(text) }
        if isWhole { closing = text }
        return .open(text)
    }

    private static func text(_ octets: ArraySlice<UInt8>, isPlain: Bool) -> String? {
        let isBlank: (UInt8) -> Bool = { $0 <= 0x20 }
        let inner = octets.drop(while: isBlank)
        guard let last = inner.lastIndex(where: { !isBlank($0) }) else { return nil }
        guard last - inner.startIndex < maximumText else { return nil }
        let text = String(decoding: inner[...last], as: UTF8.self)
        return isPlain || !text.contains("&") ? text : decoded(text)
    }

    private static let entities: [Substring: Unicode.Scalar] = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'",
    ]

    private static func decoded(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var rest = text[...]
        while let next = rest.unicodeScalars.first {
            let name = next == "&" ? rest.dropFirst().prefix { $0 != ";" && $0 != "&" }.prefix(8) : ""
            let end = rest.dropFirst(1 + name.count)
            if next == "&", end.first == ";", let scalar = scalar(name) {
                result.append(scalar)
                rest = end.dropFirst()
            } else {
                result.append(next)
                rest.unicodeScalars.removeFirst()
            }
        }
        return String(result)
    }

    private static func scalar(_ name: Substring) -> Unicode.Scalar? {
        if let scalar = entities[name] { return scalar }
        guard name.hasPrefix("#") else { return nil }
        let isHexadecimal = name.dropFirst().first == "x"
        let digits = name.dropFirst(isHexadecimal ? 2 : 1)
        return UInt32(digits, radix: isHexadecimal ? 16 : 10).flatMap(Unicode.Scalar.init)
    }
}
