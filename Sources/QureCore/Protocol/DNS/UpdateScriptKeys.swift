// Keys as nsupdate is given them in words: `key [HMAC:]NAME SECRET...` in a script, `[HMAC:]NAME:SECRET` behind -y.

extension UpdateScript {
    /// The key of a `key` line.
    static func key(_ words: inout BlankWords) throws(UpdateScriptError) -> TSIGKey {
        guard let word = words.next() else { throw UpdateScriptError("could not read key name") }
        let colon = word.firstIndex(of: UInt8(ascii: ":"))
        let algorithm = try algorithm(colon.map { word[..<$0] })
        let text = colon.map { word[($0 + 1)...] } ?? word
        guard let name = try? DomainName(text: text) else { throw UpdateScriptError("could not parse key name") }
        let secret = words.rest
        guard !secret.isEmpty else { throw UpdateScriptError("could not read key secret") }
        let digits = secret.filter { $0 != 0x20 && $0 != 0x09 }
        guard let octets = BinaryText.base64.octets(digits) else {
            throw UpdateScriptError("could not create key from the secret of '\(name)': bad base64 encoding")
        }
        return TSIGKey(name: name, algorithm: algorithm, secret: octets)
    }

    /// The algorithm of that name; nsupdate's default is MD5.
    static func algorithm(_ text: ArraySlice<UInt8>?) throws(UpdateScriptError) -> TSIGAlgorithm {
        guard let text else { return TSIGAlgorithm(.md5) }
        let name = String(decoding: text, as: UTF8.self)
        guard let algorithm = TSIGAlgorithm(name) else { throw UpdateScriptError("unknown key type '\(name)'") }
        return algorithm
    }

    /// What `-y` was given; nil where the secret is not base64, which nsupdate says and goes on without a key.
    package static func key(argument: String) throws(UpdateScriptError) -> TSIGKey? {
        let parts = argument.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw UpdateScriptError("key option must specify [hmac:]keyname:secret")
        }
        let algorithm = try algorithm(parts.count == 3 ? Array(parts[0])[...] : nil)
        guard let name = try? DomainName(text: Array(parts[parts.count - 2])) else {
            throw UpdateScriptError("could not parse key name")
        }
        guard let secret = BinaryText.base64.octets(Array(parts[parts.count - 1])) else { return nil }
        return TSIGKey(name: name, algorithm: algorithm, secret: secret)
    }
}
