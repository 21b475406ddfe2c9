// ClusterEvent: one line of the event stream that an elector prints and its followers read, as qure(7) describes it:
// a word that says what is so now, then `key=value` words. Words and keys that are not known survive and change
// nothing, so that the stream can grow; a line that is not of this form, or a known key with a value it cannot have,
// is an error.

/// One event of a cluster, as one node sees it.
package struct ClusterEvent: Equatable, Sendable, CustomStringConvertible {
    /// What is so now; unknown words survive.
    package struct State: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }
        package static let joining = State(rawValue: "joining")
        package static let standby = State(rawValue: "standby")
        package static let suspecting = State(rawValue: "suspecting")
        package static let claiming = State(rawValue: "claiming")
        /// This host holds the address from now on.
        package static let master = State(rawValue: "master")
        /// It still does: the renewal of the lease.
        package static let alive = State(rawValue: "alive")
        /// It still does, until its heir is there: no answers to ARP and neighbour questions any more.
        package static let transferring = State(rawValue: "transferring")
        package static let quarantined = State(rawValue: "quarantined")
        package static let maintenance = State(rawValue: "maintenance")
        package static let fault = State(rawValue: "fault")
        package static let goodbye = State(rawValue: "goodbye")

        /// The words that say "do not hold".
        fileprivate static let releasing: Set<State> = [
            .joining, .standby, .suspecting, .quarantined, .maintenance, .fault, .goodbye,
        ]
    }

    /// Why a line is not an event.
    package struct Malformation: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong, with the word that is.
        package var description: String
    }

    /// Longest line taken, in bytes: what a pipe passes on in one piece (pipe(7), PIPE_BUF).
    package static let maximumLength = 4096
    private static let keys: Set<String> = [
        "cluster", "term", "node", "name", "master", "address", "peers", "at", "lease", "reason", "members",
        "heartbeat",
    ]

    /// The first word.
    package var state: State
    /// The election's term.
    package var term: UInt64?
    /// The heartbeat that the lease counts from, in nanoseconds of CLOCK_BOOTTIME.
    package var at: Int64?
    /// How long the event holds.
    package var lease: Duration?
    /// What this host sends as a master, and by what the kernel can renew the lease.
    package var heartbeat: LeaseRenewal?
    /// The members' own hardware addresses.
    package var peers: [MACAddress]?
    /// Why; one word.
    package var reason: String?
    /// All `key=value` words as they stood, in order.
    package var words: [(key: String, value: String)]

    package static func == (one: ClusterEvent, other: ClusterEvent) -> Bool { one.description == other.description }

    /// Whether the address is to be held: true, false, or nil where the word changes nothing.
    package var holds: Bool? {
        switch state {
        case .master, .alive, .transferring: true
        case let state where State.releasing.contains(state): false
        default: nil
        }
    }

    /// What the reader does not know: the word, if it is new to it, and keys.
    package var unknown: [String] {
        let isKnown = holds != nil || state == .claiming
        var unknown = isKnown ? [] : [state.rawValue]
        for (key, _) in words where !Self.keys.contains(key) { unknown.append(key) }
        return unknown
    }

    /// Reads one line, without its line end.
    package init(_ line: [UInt8]) throws(Malformation) {
        guard line.count <= Self.maximumLength else {
            throw Malformation(description: "longer than \(Self.maximumLength) bytes")
        }
        guard line.allSatisfy({ $0 > 0x1f && $0 != 0x7f }), let text = String(validating: line, as: UTF8.self) else {
            throw Malformation(description: "control characters or no UTF-8")
        }
        // By bytes, as a shell does: a blank before a combining mark is a blank.
        var rest = text.utf8[...].drop(while: Self.isBlank)
        guard !rest.isEmpty else { throw Malformation(description: "empty") }
        let word = Self.cutWord(&rest)
        guard Self.isName(word) else { throw Malformation(description: "'\(word)' cannot be a state") }
        state = State(rawValue: String(word))
        words = []
        while !rest.isEmpty {
            let part = Self.cutWord(&rest)
            guard let sign = part.utf8.firstIndex(of: UInt8(ascii: "=")), Self.isName(part[..<sign]) else {
                throw Malformation(description: "'\(part)' is not of the form key=value")
            }
            let key = String(part[..<sign])
            let value = String(part[part.utf8.index(after: sign)...])
            guard !words.contains(where: { $0.key == key }) else {
                throw Malformation(description: "'\(key)' stands there twice")
            }
            words.append((key, value))
            guard take(key, value) else { throw Malformation(description: "'\(value)' cannot be a value of \(key)") }
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") }

    /// Takes the first word from `rest`, and the blanks behind it.
    private static func cutWord(_ rest: inout Substring.UTF8View) -> Substring {
        let end = rest.firstIndex(where: isBlank) ?? rest.endIndex
        defer { rest = rest[end...].drop(while: isBlank) }
        return Substring(rest[..<end])
    }

    private static func isName(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    }

    /// Digits only: the standard library's integers take signs, too.
    private static func isNumber(_ text: String) -> Bool { text.utf8.allSatisfy { (0x30...0x39).contains($0) } }

    /// Takes the value of a key that means something here; false if it cannot be one.
    private mutating func take(_ key: String, _ value: String) -> Bool {
        switch key {
        case "term":
            term = Self.isNumber(value) ? UInt64(value) : nil
            return term != nil
        case "at":
            at = Self.isNumber(value) ? Int64(value) : nil
            return at != nil
        case "lease":
            lease = Duration(text: value).flatMap { $0 > .zero ? $0 : nil }
            return lease != nil
        case "heartbeat":
            heartbeat = LeaseRenewal(value)
            return heartbeat != nil
        case "peers":
            let texts = value.isEmpty ? [] : value.split(separator: ",", omittingEmptySubsequences: false)
            let macs = texts.map { MACAddress(String($0)) }
            peers = macs.compactMap { $0 }
            return !macs.contains(nil)
        case "reason":
            reason = value
            return true
        default:
            return true
        }
    }

    package var description: String {
        ([state.rawValue] + words.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
    }
}
