// MessageAuthenticator: HMAC (RFC 2104) by nettle, over the whole of a message or over parts as they come. With
// SHA-256 and cut to 128 bits it seals what the members of a cluster say; with the other hashes it signs messages of
// the DNS. One value for each key; the key schedule is done once.

import CNettle

/// Makes and checks the codes of one key.
package struct MessageAuthenticator: Sendable {
    /// The hash under the code. MD5 and SHA-1 are for those whom nobody has given another key yet.
    package enum Hash: Sendable, CaseIterable {
        case md5, sha1, sha224, sha256, sha384, sha512

        /// Octets of a whole code.
        package var codeLength: Int { Int(unsafe description.digest_size) }

        fileprivate var description: nettle_hash {
            switch self {
            case .md5: unsafe nettle_md5
            case .sha1: unsafe nettle_sha1
            case .sha224: unsafe nettle_sha224
            case .sha256: unsafe nettle_sha256
            case .sha384: unsafe nettle_sha384
            case .sha512: unsafe nettle_sha512
            }
        }
    }

    /// A code in the making.
    package struct Computation: Sendable {
        private let authenticator: MessageAuthenticator
        private var state: [UInt64]

        fileprivate init(_ authenticator: MessageAuthenticator) {
            self.authenticator = authenticator
            state = authenticator.inner
        }

        /// Takes the next part of the message.
        package mutating func update(_ part: [UInt8]) {
            var hash = unsafe authenticator.hash.description
            unsafe nettle_hmac_update(&state, &hash, part.count, part)
        }

        /// Puts the code of all that stands before it over the last `codeLength` octets. Ready for the next one then.
        mutating func seal(_ datagram: inout [UInt8]) {
            var hash = unsafe authenticator.hash.description
            let length = datagram.count - MessageAuthenticator.codeLength
            unsafe datagram.withUnsafeMutableBufferPointer { octets in
                guard let start = octets.baseAddress else { return }
                unsafe nettle_hmac_update(&state, &hash, length, start)
                // nettle begins anew with the state by itself.
                unsafe nettle_hmac_digest(
                    authenticator.outer, authenticator.inner, &state, &hash, MessageAuthenticator.codeLength,
                    start + length)
            }
        }

        /// Whether the last `codeLength` octets are the code of all that stands before them. Takes the same time for
        /// every wrong code. Ready for the next one then.
        package mutating func isSealed(_ datagram: [UInt8]) -> Bool {
            let length = datagram.count - MessageAuthenticator.codeLength
            guard length > 0 else { return false }
            var hash = unsafe authenticator.hash.description
            // As many octets as `codeLength` says.
            var code = InlineArray<16, UInt8>(repeating: 0)
            return unsafe datagram.withUnsafeBufferPointer { octets in
                guard let start = octets.baseAddress else { return false }
                unsafe nettle_hmac_update(&state, &hash, length, start)
                return unsafe withUnsafeMutableBytes(of: &code) { code in
                    unsafe nettle_hmac_digest(
                        authenticator.outer, authenticator.inner, &state, &hash, code.count,
                        code.assumingMemoryBound(to: UInt8.self).baseAddress)
                    return unsafe nettle_memeql_sec(code.baseAddress, start + length, code.count) == 1
                }
            }
        }

        /// The code of all parts, cut to `length` octets.
        package consuming func code(length: Int) -> [UInt8] {
            precondition((1...authenticator.hash.codeLength).contains(length), "a code of \(length) octets")
            var hash = unsafe authenticator.hash.description
            var code = [UInt8](repeating: 0, count: length)
            unsafe nettle_hmac_digest(authenticator.outer, authenticator.inner, &state, &hash, length, &code)
            return code
        }

        /// Whether `code` is that of all parts, cut to its length. Takes the same time for every wrong code.
        package consuming func verifies(_ code: [UInt8]) -> Bool {
            guard (1...authenticator.hash.codeLength).contains(code.count) else { return false }
            let right = self.code(length: code.count)
            return unsafe nettle_memeql_sec(right, code, code.count) == 1
        }
    }

    /// The hash that was chosen.
    package let hash: Hash
    /// The two hashes' states with the key in them; of words, for their alignment.
    private let outer, inner: [UInt64]

    /// The octets that a code has on the wire of a cluster (RFC 2104 section 5).
    package static let codeLength = 16
    /// A key shorter than the hash is a weakness (RFC 2104 section 3).
    package static let minimumKeyLength = 32

    /// An authenticator for `key`, of any length.
    package init(key: [UInt8], hash: Hash = .sha256) {
        self.hash = hash
        var description = unsafe hash.description
        let words = (Int(unsafe description.context_size) + 7) / 8
        var outer = [UInt64](repeating: 0, count: words)
        var inner = outer
        var state = outer
        unsafe nettle_hmac_set_key(&outer, &inner, &state, &description, key.count, key)
        self.outer = outer
        self.inner = inner
    }

    /// A code that is made of parts.
    package func begin() -> Computation { Computation(self) }

    /// The code of `message`, cut to `length` octets.
    package func code(of message: [UInt8], length: Int = codeLength) -> [UInt8] {
        var computation = begin()
        computation.update(message)
        return computation.code(length: length)
    }
}
