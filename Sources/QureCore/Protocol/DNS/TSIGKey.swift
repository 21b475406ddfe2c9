// TSIGKey: a secret that two ends of the DNS share, with its name and how it is used (RFC 8945 sections 4.2 and 6). The
// names of algorithms are read as BIND's tools take them: `hmac-sha256`, `hmac-sha256-128` for codes cut to 128 bits,
// and MD5 by its long name as well.

/// How the codes of a key are made.
package struct TSIGAlgorithm: Hashable, Sendable {
    /// The hash.
    package let hash: MessageAuthenticator.Hash
    /// Octets of a code as it is sent.
    package let codeLength: Int

    /// The whole code of a hash.
    package init(_ hash: MessageAuthenticator.Hash) {
        self.hash = hash
        codeLength = hash.codeLength
    }

    /// A code cut to `bits`; nil where they are no octets, more than there are, or fewer than RFC 8945 section 5.2.2.1
    /// lets anybody send: ten octets, and half of the hash.
    package init?(_ hash: MessageAuthenticator.Hash, bits: Int) {
        guard bits % 8 == 0, bits / 8 <= hash.codeLength, bits / 8 >= Self.shortestCode(hash) else { return nil }
        self.hash = hash
        codeLength = bits / 8
    }

    /// The shortest code that is taken (RFC 8945 section 5.2.2.1).
    static func shortestCode(_ hash: MessageAuthenticator.Hash) -> Int { max(10, hash.codeLength / 2) }

    private static let names: [(name: String, hash: MessageAuthenticator.Hash)] = [
        ("hmac-md5", .md5), ("hmac-md5.sig-alg.reg.int", .md5), ("hmac-sha1", .sha1), ("hmac-sha224", .sha224),
        ("hmac-sha256", .sha256), ("hmac-sha384", .sha384), ("hmac-sha512", .sha512),
    ]

    /// `hmac-sha256`, `hmac-sha256-128`, in any case, with or without a dot at the end; otherwise nil.
    package init?(_ text: String) {
        let name = text.lowercased()
        let plain = name.hasSuffix(".") ? String(name.dropLast()) : name
        if let known = Self.names.first(where: { $0.name == plain }) {
            self.init(known.hash)
            return
        }
        guard let dash = plain.utf8.lastIndex(of: UInt8(ascii: "-")),
            let known = Self.names.first(where: { $0.name == plain[..<dash] }),
            let bits = UInt16(decimalDigits: plain.utf8[plain.utf8.index(after: dash)...])
        else { return nil }
        self.init(known.hash, bits: Int(bits))
    }

    /// The name that goes on the wire (RFC 8945 section 6), where truncation is not seen.
    package var wireName: DomainName {
        switch hash {
        case .md5: Self.md5Name
        case .sha1: Self.sha1Name
        case .sha224: Self.sha224Name
        case .sha256: Self.sha256Name
        case .sha384: Self.sha384Name
        case .sha512: Self.sha512Name
        }
    }

    private static func wire(_ text: String) -> DomainName {
        guard let name = DomainName(text) else { preconditionFailure("no name: \(text)") }
        return name
    }
    private static let md5Name = wire("hmac-md5.sig-alg.reg.int")
    private static let sha1Name = wire("hmac-sha1")
    private static let sha224Name = wire("hmac-sha224")
    private static let sha256Name = wire("hmac-sha256")
    private static let sha384Name = wire("hmac-sha384")
    private static let sha512Name = wire("hmac-sha512")
}

/// A key of TSIG.
package struct TSIGKey: Sendable {
    /// The name under which both ends have it.
    package let name: DomainName
    /// How codes are made.
    package let algorithm: TSIGAlgorithm
    let authenticator: MessageAuthenticator

    /// A key; the secret is of any length, as others may have chosen it.
    package init(name: DomainName, algorithm: TSIGAlgorithm, secret: [UInt8]) {
        self.name = name.detached
        self.algorithm = algorithm
        authenticator = MessageAuthenticator(key: secret, hash: algorithm.hash)
    }
}
