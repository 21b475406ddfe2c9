// LeaseRenewal: the heartbeats of one master, as a packet filter can know them (who sends them, to which UDP port, and
// octets that stand in each), and for how long each of them renews the lease. An elector says it in its events, as
// `heartbeat=USER@PORT/LEASE/OFFSET:OCTETS/…` (qure(7)), and the fence of a follower has the kernel look for them
// (LeaseRules). Nothing about it is secret: whoever can send such a datagram from this host under that user's number
// could as well stop the processes.

/// What renews a lease by itself.
package struct LeaseRenewal: Equatable, Sendable, CustomStringConvertible {
    /// Octets that stand in every one of the datagrams.
    package struct Part: Equatable, Sendable {
        /// Where they stand, from the start of the UDP payload.
        package var offset: Int
        /// One to sixteen.
        package var octets: [UInt8]
        /// Those octets, there.
        package init(offset: Int, octets: [UInt8]) {
            self.offset = offset
            self.octets = octets
        }
    }

    /// The most parts.
    package static let maximumParts = 4
    private static let maximumOctets = 16
    private static let maximumOffset = 512

    /// The number of the user that sends them.
    package var user: UInt32
    /// The UDP port that they are sent to.
    package var port: UInt16
    /// How long the lease is from each of them on.
    package var lease: Duration
    /// What stands in them.
    package var parts: [Part]

    /// Datagrams that `user` sends to `port`, and in which all of the parts stand.
    package init(user: UInt32, port: UInt16, lease: Duration, parts: [Part]) {
        self.user = user
        self.port = port
        self.lease = lease
        self.parts = parts
    }

    /// Reads the form of the event stream; nil where it is not of that form.
    package init?(_ text: String) {
        let words = text.split(separator: "/", omittingEmptySubsequences: false)
        let sender = words[0].split(separator: "@", omittingEmptySubsequences: false)
        guard words.count > 2, sender.count == 2, let user = Self.number(sender[0], as: UInt32.self),
            let port = Self.number(sender[1], as: UInt16.self), port > 0, let lease = Duration(text: String(words[1])),
            lease > .zero
        else { return nil }
        let parts = words.dropFirst(2).map(Self.part)
        guard parts.count <= Self.maximumParts, !parts.contains(nil) else { return nil }
        self.init(user: user, port: port, lease: lease, parts: parts.compactMap { $0 })
    }

    private static func part(_ text: Substring) -> Part? {
        let halves = text.split(separator: ":", omittingEmptySubsequences: false)
        guard halves.count == 2, let offset = number(halves[0], as: Int.self), offset <= maximumOffset,
            let octets = [UInt8](hexadecimal: halves[1].utf8), (1...maximumOctets).contains(octets.count)
        else { return nil }
        return Part(offset: offset, octets: octets)
    }

    /// Digits only: the standard library's integers take signs, too.
    private static func number<Number: FixedWidthInteger>(_ text: Substring, as: Number.Type) -> Number? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Number(text) : nil
    }

    package var description: String {
        let parts = parts.map { "\($0.offset):\($0.octets.hexadecimal)" }
        return (["\(user)@\(port)", lease.text] + parts).joined(separator: "/")
    }
}
