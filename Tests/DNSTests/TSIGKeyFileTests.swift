// Key files in all the forms that people have, and what is none. The texts are what tsig-keygen 9.18, keymgr 3.2 and
// dnssec-keygen 9.10 wrote, with a secret that is easy to see.

@testable import QureCore
import Testing

struct TSIGKeyFileTests {
    private static func isExpected(_ key: TSIGKey, _ algorithm: String = "hmac-sha256") -> Bool {
        let code = MessageAuthenticator(key: Array("secret".utf8), hash: key.algorithm.hash).code(of: [1])
        return key.name == DomainName("k.example") && key.algorithm == TSIGAlgorithm(algorithm)
            && key.authenticator.code(of: [1]) == code
    }

    @Test(arguments: [
        "key \"k.example\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};\n",
        "key k.example { secret c2VjcmV0; algorithm HMAC-SHA256; };",
        "key k.example.{algorithm \"hmac-sha256.\";secret c2VjcmV0;};",
        """
        /* key "no" { } */ // key no {
        # key no {
        options { directory "key"; };
        key "k.example" { algorithm hmac-sha256; secret "c2VjcmV0"; };
        key "other" { algorithm hmac-md5; secret "AAAA"; };
        """,
        "hmac-sha256:k.example:c2VjcmV0", "# hmac-sha256:other:AAAA\n\nhmac-sha256:k.example.:c2VjcmV0\r\n",
        """
        # hmac-sha256:k.example:c2VjcmV0
        key:
          - id: k.example
            algorithm: hmac-sha256
            secret: c2VjcmV0
        """,
        """
        server:
          listen: ::1
        key:
        - id: "k.example."
          secret: "c2VjcmV0"
        - id: other
          secret: AAAA
        acl:
        """,
    ])
    func `a key in one file`(_ text: String) throws {
        #expect(Self.isExpected(try TSIGKeyFile.key(Array(text.utf8))))
    }

    @Test(arguments: [
        ("157 (HMAC_MD5)", "hmac-md5", ""), ("161 (HMAC_SHA1)", "hmac-sha1", ""), ("162", "hmac-sha224", ""),
        ("163 (HMAC_SHA256)", "hmac-sha256", "Bits: AAA=\n"), ("164", "hmac-sha384", ""),
        ("165", "hmac-sha512", ""), ("163 (HMAC_SHA256)", "hmac-sha256-128", "Bits: AIA=\n"),
    ])
    func `a key in two files`(_ algorithm: String, _ name: String, _ bits: String) throws {
        let secret = "Private-key-format: v1.3\nAlgorithm: \(algorithm)\nKey: c2VjcmV0\n\(bits)Created: 20200101\n"
        let record = "; a comment\nk.example. IN KEY 512 3 163 c2VjcmV0\n"
        let key = try TSIGKeyFile.key(private: Array(secret.utf8), record: Array(record.utf8))
        #expect(Self.isExpected(key, name))
    }

    private static let none = "no key in it, neither of BIND's form nor of Knot's"

    @Test(arguments: [
        ("", none), ("/* key", none), ("key:\n  - id: k\n", none),
        ("key k { algorithm hmac-sha256; };", "key must have algorithm and secret"),
        ("key k { algorithm foo; secret AAAA; };", "unknown key type 'foo'"),
        ("key k { algorithm hmac-sha256; secret \"*\"; };", "the secret is not base64"),
        ("key a..b { algorithm hmac-sha256; secret AAAA; };", "the name is none"),
        ("key a..b { algorithm hmac-sha256; secret \"AAAA", "the name is none"),
        ("foo:k:AAAA", "unknown key type 'foo'"),
    ])
    func `no key, and why`(_ text: String, _ reason: String) {
        #expect(throws: TSIGKeyFile.Malformation(reason)) { try TSIGKeyFile.key(Array(text.utf8)) }
    }

    @Test func `keys of SIG(0) are refused by name`() {
        let secret = Array("Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: AAAA\n".utf8)
        #expect(throws: TSIGKeyFile.Malformation("a key of SIG(0), which is not supported: use a key of TSIG")) {
            try TSIGKeyFile.key(private: secret, record: Array("k. KEY 512 3 13 AAAA".utf8))
        }
    }
}
