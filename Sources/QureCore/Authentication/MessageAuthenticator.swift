// MessageAuthenticator: HMAC-SHA256 (RFC 2104, FIPS 180-4) by nettle, cut to 128 bits (RFC 2104 section 5), over the
// whole of a message. One value for each key; the key schedule is done once.

import CNettle

/// Makes and checks the codes of one key.
package struct MessageAuthenticator: Sendable {
    private let prepared: hmac_sha256_ctx

    /// The octets that a code has on the wire.
    package static let codeLength = 16
    /// A key shorter than the hash is a weakness (RFC 2104 section 3).
    package static let minimumKeyLength = 32

    /// An authenticator for `key`, of any length.
    package init(key: [UInt8]) {
        var context = hmac_sha256_ctx()
        unsafe nettle_hmac_sha256_set_key(&context, key.count, key)
        prepared = context
    }

    /// The code of `message`, cut to `length` octets, 32 at most.
    package func code(of message: [UInt8], length: Int = codeLength) -> [UInt8] {
        var context = prepared
        unsafe nettle_hmac_sha256_update(&context, message.count, message)
        var digest = [UInt8](repeating: 0, count: length)
        unsafe nettle_hmac_sha256_digest(&context, length, &digest)
        return digest
    }

    /// Whether `code` is that of `message`. Takes the same time for every wrong code.
    package func verifies(_ code: [UInt8], of message: [UInt8]) -> Bool {
        guard code.count == Self.codeLength else { return false }
        let right = self.code(of: message)
        return unsafe nettle_memeql_sec(right, code, code.count) == 1
    }
}
