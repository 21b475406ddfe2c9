// ElectionMessage: what the members of a cluster say to each other (qure-election(7)): one message in one datagram, a
// fixed big-endian header, then options, each with its type and length, so that a version can add some and older ones
// skip them. The authentication code stands behind all of it (KeyRing) and is not seen here. Used by the Election
// machine, by qure-elect and by the simulator.

/// One message of a member.
package struct ElectionMessage: Equatable, Sendable {
    /// What it says; unknown codes survive.
    package struct Kind: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The master lives; each interval.
        package static let heartbeat = Kind(rawValue: 1)
        /// A member that is not master is here.
        package static let hello = Kind(rawValue: 2)
        /// Has anybody heard the master (`subject`)? With a nonce.
        package static let suspect = Kind(rawValue: 3)
        /// I have: `subject`, how long ago and which sequence (`heard`); `echo` is the question's nonce.
        package static let alive = Kind(rawValue: 4)
        /// I am master from now on, by the term and rank in the header.
        package static let claim = Kind(rawValue: 5)
        /// The master asks `subject` to take over.
        package static let transfer = Kind(rawValue: 6)
        /// The heir has the address: the old master (`subject`) may go.
        package static let acknowledgement = Kind(rawValue: 7)
        /// The old master has withdrawn the address.
        package static let released = Kind(rawValue: 8)
        /// I leave.
        package static let goodbye = Kind(rawValue: 9)
        /// Prove that you are not a recording: answer with my nonce.
        package static let challenge = Kind(rawValue: 10)
        package static let response = Kind(rawValue: 11)
        /// `subject` is dead, says one who must know (its VM host).
        package static let down = Kind(rawValue: 12)

        private static let names = [
            "heartbeat", "hello", "suspect", "alive", "claim", "transfer", "ack", "released", "goodbye", "challenge",
            "response", "down",
        ]
        /// The word for it.
        package var name: String {
            let index = Int(rawValue) - 1
            return Self.names.indices.contains(index) ? Self.names[index] : "kind-\(rawValue)"
        }
    }

    /// Where the sender stands.
    package struct Role: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let joining = Role(rawValue: 0)
        package static let standby = Role(rawValue: 1)
        package static let suspecting = Role(rawValue: 2)
        package static let claiming = Role(rawValue: 3)
        package static let master = Role(rawValue: 4)
        package static let transferring = Role(rawValue: 5)
        package static let quarantined = Role(rawValue: 6)
        package static let maintenance = Role(rawValue: 7)
        package static let fault = Role(rawValue: 8)
        package static let leaving = Role(rawValue: 9)

        /// The names, as events and status have them.
        package static let names = [
            "joining", "standby", "suspecting", "claiming", "master", "transferring", "quarantined", "maintenance",
            "fault",
            "goodbye",
        ]
        /// The word for it.
        package var name: String { Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "role-\(rawValue)" }
    }

    /// What else is true of the sender.
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let maintenance = Flags(rawValue: 1)
        package static let healthy = Flags(rawValue: 2)
        /// Traffic from the gateway really arrives there.
        package static let verified = Flags(rawValue: 4)
        /// It has noticed that it was suspended.
        package static let justResumed = Flags(rawValue: 8)
    }

    /// What the sender last heard of another member.
    package struct Digest: Equatable, Sendable {
        /// The number of the node.
        package var node: NodeID
        /// The session that it is of.
        package var session: UInt64
        /// Its sequence.
        package var sequence: UInt64
        /// What was last heard of `node`.
        package init(node: NodeID, session: UInt64, sequence: UInt64) {
            self.node = node
            self.session = session
            self.sequence = sequence
        }
    }

    /// What was heard of the master, and how long before this message was sent.
    package struct Heard: Equatable, Sendable {
        /// Its sequence.
        package var sequence: UInt64
        /// To the microsecond.
        package var age: Duration
        /// A heartbeat and how long ago it was heard.
        package init(sequence: UInt64, age: Duration) {
            self.sequence = sequence
            self.age = age
        }
    }

    /// What stands between the header and the options of every datagram: 72 bytes.
    package static let headerLength = 72
    /// The longest datagram, authentication code included: never fragmented on any link.
    package static let maximumLength = 512
    /// Room for the authentication code.
    package static let codeLength = 16
    /// The most entries of a list.
    package static let maximumEntries = 8
    /// The longest text, in bytes.
    package static let maximumText = 48
    private static let magic: UInt32 = 0x5155_5245  // "QURE"
    /// The version of the format that this code speaks. A receiver takes every version from 1 on: options only are
    /// added.
    package static let version: UInt8 = 1

    /// What it says.
    package var kind: Kind
    /// Where the sender stands.
    package var role: Role
    /// What else is true of it.
    package var flags: Flags = [.healthy]
    /// The number of the cluster's name.
    package var cluster: UInt64
    /// The number of the node.
    package var node: NodeID
    /// Random at each start.
    package var session: UInt64
    /// Rises with every message of a session.
    package var sequence: UInt64
    /// The term that it follows or leads; what a claim claims.
    package var term: UInt64
    /// The rank that the sender's claim of this term stated; what a duel is settled by.
    package var rank: UInt16 = .max
    /// The lower, the sooner it succeeds.
    package var priority: UInt8 = 100
    /// Which key the code was made with.
    package var key: UInt8 = 0
    /// The sender's heartbeat interval and tolerance, to the microsecond; neither is zero.
    package var interval: Duration
    /// How long a silence it forgives.
    package var tolerance: Duration
    /// Of addresses and settings that must agree.
    package var configuration: UInt32 = 0
    /// Since the gateway last answered the sender, to the millisecond; nil: never, or it is not asked.
    package var gatewayAge: Duration?
    /// Rises when the order of succession changes.
    package var tableVersion: UInt32 = 0

    /// The members that succeed, the next one first.
    package var successors: [NodeID] = []
    /// What the sender last heard of others, some at a time.
    package var digests: [Digest] = []
    /// To be answered with.
    package var nonce: UInt64?
    /// The nonce of the question that is answered.
    package var echo: UInt64?
    /// Whom the message is about or for.
    package var subject: NodeID?
    /// What was heard of the master.
    package var heard: Heard?
    /// The sender's own hardware address on the link.
    package var mac: MACAddress?
    /// The sender's name for people.
    package var name: String?
    /// Why; printable.
    package var reason: String?

    /// A message with the parts that every one has.
    package init(
        _ kind: Kind, role: Role, cluster: UInt64, node: NodeID, session: UInt64, sequence: UInt64, term: UInt64,
        interval: Duration, tolerance: Duration
    ) {
        self.kind = kind
        self.role = role
        self.cluster = cluster
        self.node = node
        self.session = session
        self.sequence = sequence
        self.term = term
        self.interval = interval
        self.tolerance = tolerance
    }
}

// MARK: Bytes

extension ElectionMessage {
    /// The types of the options.
    private enum Option {
        static let successors: UInt8 = 1, digests: UInt8 = 2, nonce: UInt8 = 3, echo: UInt8 = 4, subject: UInt8 = 5
        static let heard: UInt8 = 6, mac: UInt8 = 7, name: UInt8 = 8, reason: UInt8 = 9
    }

    /// The number of the key that a datagram says it was authenticated with, before anything else of it is believed;
    /// nil where it is no message of ours at all.
    package static func key(of datagram: [UInt8]) -> UInt8? {
        var input = WireReader(datagram)
        guard datagram.count <= maximumLength, datagram.count >= headerLength + codeLength,
            (try? input.read(UInt32.self, field: "magic")) == magic
        else { return nil }
        return datagram[Self.keyOffset]
    }

    /// The cluster that a datagram is for, before anything of it is believed.
    package static func cluster(of datagram: [UInt8]) -> UInt64? {
        var input = WireReader(datagram)
        guard (try? input.skip(count: 8, field: "header")) != nil else { return nil }
        return try? input.read(UInt64.self, field: "cluster")
    }

    private static let keyOffset = 51

    /// What this heartbeat and all that follow it have in common, if `user` sends them to `port`: magic, version, kind
    /// and role; cluster; session.
    package func renewal(of lease: Duration, from user: UInt32, to port: UInt16) -> LeaseRenewal {
        var output = WireWriter()
        write(to: &output)
        let fields = [0..<7, 8..<16, 24..<32]
        return LeaseRenewal(
            user: user, port: port, lease: lease,
            parts: fields.map { .init(offset: $0.lowerBound, octets: Array(output.bytes[$0])) })
    }

    /// Reads a datagram from which the authentication code has been taken off.
    package init(parsing input: inout WireReader) throws(WireError) {
        try input.expect(Self.magic, field: "election.magic")
        guard try input.read(UInt8.self, field: "election.version") >= 1 else {
            throw WireError(.unexpected, field: "election.version", offset: 4)
        }
        kind = Kind(rawValue: try input.read(field: "election.kind"))
        role = Role(rawValue: try input.read(field: "election.role"))
        flags = Flags(rawValue: try input.read(field: "election.flags"))
        cluster = try input.read(field: "election.cluster")
        node = NodeID(rawValue: try input.read(field: "election.node"))
        session = try input.read(field: "election.session")
        sequence = try input.read(field: "election.sequence")
        term = try input.read(field: "election.term")
        rank = try input.read(field: "election.rank")
        priority = try input.read(field: "election.priority")
        key = try input.read(field: "election.key")
        interval = try Self.positive(&input, "election.interval")
        tolerance = try Self.positive(&input, "election.tolerance")
        configuration = try input.read(field: "election.configuration")
        let age = try input.read(UInt32.self, field: "election.gateway-age")
        gatewayAge = age == .max ? nil : .milliseconds(Int64(age))
        tableVersion = try input.read(field: "election.table-version")
        while input.remaining > 0 { try readOption(&input) }
    }

    private static func positive(_ input: inout WireReader, _ field: String) throws(WireError) -> Duration {
        let start = input.offset
        let microseconds = try input.read(UInt32.self, field: field)
        guard microseconds > 0 else { throw WireError(.unexpected, field: field, offset: start) }
        return .microseconds(Int64(microseconds))
    }

    private mutating func readOption(_ input: inout WireReader) throws(WireError) {
        let start = input.offset
        let type = try input.read(UInt8.self, field: "election.option")
        let length = Int(try input.read(UInt8.self, field: "election.option.length"))
        var body = try input.slice(count: length, field: "election.option.body")
        func malformed() -> WireError { WireError(.unexpected, field: "election.option.\(type)", offset: start) }
        switch type {
        case Option.successors:
            guard length % 8 == 0, length / 8 <= Self.maximumEntries else { throw malformed() }
            successors = []
            while body.remaining > 0 {
                successors.append(NodeID(rawValue: try body.read(field: "election.successor")))
            }
        case Option.digests:
            guard length % 24 == 0, length / 24 <= Self.maximumEntries else { throw malformed() }
            digests = []
            while body.remaining > 0 {
                digests.append(
                    Digest(
                        node: NodeID(rawValue: try body.read(field: "election.digest.node")),
                        session: try body.read(field: "election.digest.session"),
                        sequence: try body.read(field: "election.digest.sequence")))
            }
        case Option.nonce: nonce = try body.read(field: "election.nonce")
        case Option.echo: echo = try body.read(field: "election.echo")
        case Option.subject: subject = NodeID(rawValue: try body.read(field: "election.subject"))
        case Option.heard:
            heard = Heard(
                sequence: try body.read(field: "election.heard.sequence"),
                age: .microseconds(Int64(try body.read(UInt32.self, field: "election.heard.age"))))
        case Option.mac: mac = try body.readMAC(field: "election.mac")
        case Option.name: name = try Self.text(&body, malformed)
        case Option.reason: reason = try Self.text(&body, malformed)
        default: return
        }
        guard body.remaining == 0 || type == Option.name || type == Option.reason else { throw malformed() }
    }

    /// Text that may be printed anywhere: no blanks, no control characters.
    private static func text(_ body: inout WireReader, _ malformed: () -> WireError) throws(WireError) -> String {
        let bytes = body.rest
        guard bytes.count <= maximumText, isPrintable(bytes), let text = String(validating: bytes, as: UTF8.self) else {
            throw malformed()
        }
        return text
    }

    private static func isPrintable(_ bytes: [UInt8]) -> Bool { bytes.allSatisfy { $0 > 0x20 && $0 != 0x7f } }

    /// Appends the message, without an authentication code. Lists and texts that are too long are cut, and characters
    /// that a text may not have become dots.
    package func write(to output: inout WireWriter) {
        output.reserve(Self.maximumLength)
        output.write(Self.magic)
        output.write(Self.version)
        output.write(kind.rawValue)
        output.write(role.rawValue)
        output.write(flags.rawValue)
        output.write(cluster)
        output.write(node.rawValue)
        output.write(session)
        output.write(sequence)
        output.write(term)
        output.write(rank)
        output.write(priority)
        output.write(key)
        output.write(Self.microseconds(interval))
        output.write(Self.microseconds(tolerance))
        output.write(configuration)
        output.write(Self.onWire(gatewayAge))
        output.write(tableVersion)
        func option(_ type: UInt8, _ body: (inout WireWriter) -> Void) {
            output.write(type)
            output.write(UInt8(0))
            let start = output.bytes.count
            body(&output)
            output.patch(octet: UInt8(output.bytes.count - start), at: start - 1)
        }
        if !successors.isEmpty {
            option(Option.successors) { for node in successors.prefix(Self.maximumEntries) { $0.write(node.rawValue) } }
        }
        if !digests.isEmpty {
            option(Option.digests) {
                for digest in digests.prefix(Self.maximumEntries) {
                    $0.write(digest.node.rawValue)
                    $0.write(digest.session)
                    $0.write(digest.sequence)
                }
            }
        }
        if let nonce { option(Option.nonce) { $0.write(nonce) } }
        if let echo { option(Option.echo) { $0.write(echo) } }
        if let subject { option(Option.subject) { $0.write(subject.rawValue) } }
        if let heard {
            option(Option.heard) {
                $0.write(heard.sequence)
                $0.write(UInt32(clamping: heard.age.microseconds))
            }
        }
        if let mac { option(Option.mac) { $0.write(mac) } }
        if let name { option(Option.name) { $0.write(Self.printable(name)) } }
        if let reason { option(Option.reason) { $0.write(Self.printable(reason)) } }
    }

    private static func microseconds(_ duration: Duration) -> UInt32 { UInt32(clamping: max(duration.microseconds, 1)) }

    private static func printable(_ text: String) -> [UInt8] {
        let utf8 = Array(text.utf8)
        if utf8.count <= maximumText && isPrintable(utf8) { return utf8 }
        var bytes: [UInt8] = []
        for character in text.unicodeScalars {
            let next = Array(String(character.value > 0x20 && character.value != 0x7f ? character : ".").utf8)
            if bytes.count + next.count > maximumText { break }
            bytes += next
        }
        return bytes
    }
}

extension ElectionMessage: CustomStringConvertible {
    package var description: String {
        var words = ["\(kind.name) \(name ?? node.description) \(role.name) term \(term) seq \(sequence)"]
        if kind == .claim || kind == .heartbeat { words.append("rank \(rank)") }
        if let subject { words.append("about \(subject)") }
        if let heard { words.append("heard seq \(heard.sequence) \(heard.age.text) ago") }
        if let reason { words.append("reason \(reason)") }
        return words.joined(separator: " ")
    }
}
