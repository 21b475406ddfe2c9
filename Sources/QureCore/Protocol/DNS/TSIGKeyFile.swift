// TSIGKeyFile: keys as files have them, in the three ways that people have them lying around: BIND's `key` statement
// (tsig-keygen, named.conf, session.key), Knot's (`hmac-sha256:name:secret`, or the `key:` section of knot.conf, as
// keymgr writes both), and the pairs of files that dnssec-keygen used to make, Kname.+163+12345.private and .key.

/// Reading the text of key files.
package enum TSIGKeyFile {
    /// Why a text is no key; never with anything of a secret in it.
    package struct Malformation: Error, Equatable, Sendable, CustomStringConvertible {
        package var description: String

        /// A reason.
        package init(_ description: String) { self.description = description }
    }

    /// The first key of a file in BIND's or in Knot's form.
    package static func key(_ text: [UInt8]) throws(Malformation) -> TSIGKey {
        var words = KeyWords(text)
        if let key = try words.statement() { return key }
        for line in text.split(separator: UInt8(ascii: "\n")) {
            var words = BlankWords(line)
            // One word with two colons; a file of Knot's may have a section in front of it and comments.
            guard let word = words.next(), word.first != UInt8(ascii: "#"), words.next() == nil else { continue }
            let parts = word.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            if parts.count == 3 { return try key(algorithm: parts[0], name: parts[1], secret: parts[2]) }
        }
        return try section(text)
    }

    /// The key of a pair: one file has the secret, the other one the name, in a KEY record.
    package static func key(private text: [UInt8], record: [UInt8]) throws(Malformation) -> TSIGKey {
        let fields = fields(text)
        guard let number = fields["algorithm"]?.split(separator: " ").first, fields["private-key-format"] != nil else {
            throw Malformation("no private key")
        }
        let algorithms: [Substring: MessageAuthenticator.Hash] = [
            "157": .md5, "161": .sha1, "162": .sha224, "163": .sha256, "164": .sha384, "165": .sha512,
        ]
        guard let hash = algorithms[number] else {
            throw Malformation("a key of SIG(0), which is not supported: use a key of TSIG")
        }
        guard let secret = fields["key"].flatMap({ BinaryText.base64.octets(Array($0.utf8)) }) else {
            throw Malformation("the secret is not base64")
        }
        guard let line = record.split(separator: UInt8(ascii: "\n")).first(where: { $0.first != UInt8(ascii: ";") }),
            let word = line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 }).first,
            let name = try? DomainName(text: word)
        else { throw Malformation("the .key file has no record") }
        let bits = fields["bits"].flatMap { BinaryText.base64.octets(Array($0.utf8)) } ?? []
        let count = bits.reduce(0) { $0 << 8 | Int($1) }
        guard let algorithm = count == 0 ? TSIGAlgorithm(hash) : TSIGAlgorithm(hash, bits: count) else {
            throw Malformation("codes of \(count) bits are too short, or no octets")
        }
        return TSIGKey(name: name, algorithm: algorithm, secret: secret)
    }

    /// Lines `Name: value`, names in lower case; the first one of a name counts.
    private static func fields(_ text: [UInt8]) -> [String: String] {
        var fields: [String: String] = [:]
        for line in text.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            var words = BlankWords(line[(colon + 1)...])
            var name = BlankWords(line[..<colon])
            guard var key = name.nextText()?.lowercased() else { continue }
            // `- id: k` begins an entry of a list.
            if key == "-" { key = name.nextText()?.lowercased() ?? "" }
            guard fields[key] == nil, !words.rest.isEmpty else { continue }
            let isQuoted = words.rest.first == UInt8(ascii: "\"")
            let value = isQuoted ? words.rest.dropFirst().prefix { $0 != UInt8(ascii: "\"") } : words.rest
            _ = words.next()
            fields[key] = String(decoding: value, as: UTF8.self)
        }
        return fields
    }

    /// The first entry of Knot's `key:` section.
    private static func section(_ text: [UInt8]) throws(Malformation) -> TSIGKey {
        let lines = text.split(separator: UInt8(ascii: "\n")).drop { !$0.starts(with: "key:".utf8) }.dropFirst()
        let body = lines.prefix { [0x20, 0x09, UInt8(ascii: "-"), UInt8(ascii: "#")].contains($0.first) }
        let fields = fields(Array(body.joined(separator: [UInt8(ascii: "\n")])))
        guard let name = fields["id"], let secret = fields["secret"] else {
            throw Malformation("no key in it, neither of BIND's form nor of Knot's")
        }
        func octets(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }
        let algorithm = fields["algorithm"] ?? "hmac-sha256"
        return try key(algorithm: octets(algorithm), name: octets(name), secret: octets(secret))
    }

    fileprivate static func key(
        algorithm: ArraySlice<UInt8>, name: ArraySlice<UInt8>, secret: ArraySlice<UInt8>
    ) throws(Malformation) -> TSIGKey {
        let word = String(decoding: algorithm, as: UTF8.self)
        guard let algorithm = TSIGAlgorithm(word) else { throw Malformation("unknown key type '\(word)'") }
        guard let name = try? DomainName(text: name) else { throw Malformation("the name is none") }
        guard let secret = BinaryText.base64.octets(secret) else {
            throw Malformation("the secret is not base64")
        }
        return TSIGKey(name: name, algorithm: algorithm, secret: secret)
    }
}

/// The words of named.conf, as far as a `key` statement needs them.
private struct KeyWords {
    private var text: ArraySlice<UInt8>

    init(_ text: [UInt8]) { self.text = text[...] }

    /// `key NAME { algorithm NAME; secret TEXT; };`; nil: there is none.
    mutating func statement() throws(TSIGKeyFile.Malformation) -> TSIGKey? {
        while let word = next() {
            guard word.elementsEqual("key".utf8), let name = next(), next()?.elementsEqual("{".utf8) == true else {
                continue
            }
            var values: [String: ArraySlice<UInt8>] = [:]
            while let word = next(), !word.elementsEqual("}".utf8) {
                guard !word.elementsEqual(";".utf8), let value = next() else { continue }
                values[String(decoding: word, as: UTF8.self)] = value
            }
            guard let algorithm = values["algorithm"], let secret = values["secret"] else {
                throw TSIGKeyFile.Malformation("key must have algorithm and secret")
            }
            return try TSIGKeyFile.key(algorithm: algorithm, name: name, secret: secret)
        }
        return nil
    }

    /// A word, what stands in quotes, or one of `{ } ;`.
    private mutating func next() -> ArraySlice<UInt8>? {
        skipBlanksAndComments()
        guard let first = text.first else { return nil }
        if first == UInt8(ascii: "\"") {
            let word = text.dropFirst().prefix { $0 != first }
            text = text.dropFirst(word.count + 2)
            return word
        }
        let marks = Array("{};".utf8)
        let word = marks.contains(first) ? text.prefix(1) : text.prefix { $0 > 0x20 && !marks.contains($0) }
        text = text.dropFirst(word.count)
        return word
    }

    private mutating func skipBlanksAndComments() {
        while let first = text.first {
            if first <= 0x20 {
                text = text.dropFirst()
            } else if first == UInt8(ascii: "#") || text.starts(with: "//".utf8) {
                text = text.drop { $0 != UInt8(ascii: "\n") }
            } else if text.starts(with: "/*".utf8) {
                text = text.dropFirst(2)
                while !text.isEmpty, !text.starts(with: "*/".utf8) { text = text.dropFirst() }
                text = text.dropFirst(2)
            } else {
                return
            }
        }
    }
}
