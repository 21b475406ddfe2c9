// KeyRing: the keys of a cluster, from a file: one to a line, `NUMBER HEXADECIMAL`, the number from 0 to 255, at least
// 32 octets; `#` comments. The first one makes the codes of what is sent, all of them are accepted: so a key is changed
// without a gap by adding the new one behind the old everywhere, then putting it first everywhere, then taking the old
// one away.

/// The keys that a member knows.
package struct KeyRing: Sendable {
    /// Why a key file cannot be used; never with anything of a key in it.
    package struct Malformation: Error, Equatable, Sendable, CustomStringConvertible {
        package var description: String

        /// A sentence without a key.
        package init(description: String) { self.description = description }
    }

    /// The number of the key that is used to send.
    package let sendingKey: UInt8
    private let authenticators: [UInt8: MessageAuthenticator]
    private let sealing: MessageAuthenticator
    /// Keys at most.
    private static let maximumKeys = 16

    /// Reads a key file.
    package init(_ text: [UInt8]) throws(Malformation) {
        var authenticators: [UInt8: MessageAuthenticator] = [:]
        var first: UInt8?
        for (index, line) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            func fail(_ why: String) -> Malformation { Malformation(description: "line \(index + 1): \(why)") }
            let words = line.prefix { $0 != UInt8(ascii: "#") }.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
            guard let word = words.first else { continue }
            guard words.count == 2, let number = UInt8(String(decoding: word, as: UTF8.self)) else {
                throw fail("a key's number (0 to 255), a blank and its hexadecimal digits are wanted")
            }
            guard let key = [UInt8](hexadecimal: words[1]) else {
                throw fail("the key is not an even number of hexadecimal digits")
            }
            guard key.count >= MessageAuthenticator.minimumKeyLength else {
                throw fail(
                    "a key needs at least \(MessageAuthenticator.minimumKeyLength) octets, this one has \(key.count)")
            }
            guard authenticators[number] == nil else { throw fail("key number \(number) stands there twice") }
            guard authenticators.count < Self.maximumKeys else { throw fail("more than \(Self.maximumKeys) keys") }
            authenticators[number] = MessageAuthenticator(key: key)
            first = first ?? number
        }
        guard let first, let sealing = authenticators[first] else {
            throw Malformation(description: "there is no key in it; make one with 'qure-elect keygen'")
        }
        self.authenticators = authenticators
        sendingKey = first
        self.sealing = sealing
    }

    /// A ring of a key that everybody knows, for who wants no authentication (`--insecure`).
    package static var insecure: KeyRing {
        guard let ring = try? KeyRing(Array("0 \(String(repeating: "00", count: 32))".utf8)) else {
            preconditionFailure()
        }
        return ring
    }

    /// `message` with its code behind it; it must name `sendingKey` as its key.
    package func seal(_ message: [UInt8]) -> [UInt8] {
        message + sealing.code(of: message)
    }

    /// A seal for a message after the other.
    func beginSeal() -> MessageAuthenticator.Computation { sealing.begin() }

    /// The message of a datagram that says it was sealed with key number `key`; nil if it was not, or the key is not
    /// known.
    package func open(_ datagram: [UInt8], key: UInt8) -> [UInt8]? {
        guard let authenticator = authenticators[key] else { return nil }
        var computation = authenticator.begin()
        guard computation.isSealed(datagram) else { return nil }
        return Array(datagram.dropLast(MessageAuthenticator.codeLength))
    }
}
