// UpdateForwarding: an update on its way to a primary (RFC 2136 section 6), or a signed question: octets that nobody
// here changes but for the ID, so that a signature in them stays right. What a primary answers is given back as it is,
// whatever it says. Only where it says nothing, fails or does not know updates at all, the next one is asked.
//
// An update goes by a stream. A question goes as it came: a signed answer that is too long for a datagram must be cut
// by whoever signs it.
//
//   state   | input                  | becomes | does
//   idle    | start                  | asking  | asks the first primary
//   asking  | an answer              | done    | closes, finished
//           | SERVFAIL, NOTIMP       | asking  | closes, the next primary; the last one's answer is given back
//           | anything else          | asking  | nothing
//           | failed, deadline       | asking  | closes, the next primary; else done, exhausted

/// Where updates go.
package struct UpdateRule: Equatable, Sendable {
    /// The zones: those of this domain.
    package var domain = DomainName.root
    /// The primaries, the first one first.
    package var primaries: [DNSEndpoint]
    /// Who may send updates through us; nil: all who may ask for everything.
    package var sources: [Prefix]?
    /// Whether updates without a signature are passed on.
    package var takesUnsigned = false

    /// Why an update, or a signed question, is not passed on.
    package enum Refusal: String, Error {
        case rule = "no forward-updates-to says where updates of it go"
        case source = "its forward-updates-to does not let this address through: add from=NETWORK"
        case unsigned = "it is not signed, and its forward-updates-to does not say unsigned=yes"
    }

    /// `ADDR[,ADDR…] [zone=ZONE] [from=NETWORK,…] [unsigned=yes]`
    package init(setting text: String) throws(SettingError) {
        var words = try SettingWords(text)
        primaries = try DNSEndpoint.list(setting: words.subject)
        if let zone = words.take("zone") { domain = try DomainName(setting: zone) }
        if let from = words.take("from") {
            var networks: [Prefix] = []
            for word in from.split(separator: ",", omittingEmptySubsequences: false) {
                networks.append(try Prefix(setting: word))
            }
            sources = networks
        }
        takesUnsigned = try words.takeAnswer("unsigned")
        try words.expectEnd(known: "zone, from and unsigned")
    }
}

/// One update, or one signed question, that is passed on.
struct UpdateForwarding: Sendable {
    enum Output: Equatable, Sendable {
        case sendDatagram([UInt8], to: DNSEndpoint)
        case openStream([UInt8], to: DNSEndpoint)
        case close
        /// This primary has said something, or is silent; why, in a few words.
        case over(DNSEndpoint, silence: String?)
        /// The answer, with the client's ID.
        case finished([UInt8])
        case exhausted
    }

    /// How long a primary may take; for a datagram, which is sent twice because it may be lost.
    static let patience = Duration.seconds(3), datagramPatience = Duration.milliseconds(1200)

    let octets: [UInt8]
    let zone: DomainName
    let client: RelayClient
    /// Whether it is a question.
    let isQuery: Bool
    private let primaries: [DNSEndpoint]
    private let isStream: Bool
    private let id: UInt16
    private var position = 0
    private var last: [UInt8]?
    private(set) var nextDeadline: Instant?

    init(_ octets: [UInt8], _ zone: DomainName, _ client: RelayClient, _ primaries: [DNSEndpoint], id: UInt16) {
        self.octets = octets
        self.zone = zone
        self.client = client
        isQuery = octets[2] >> 3 & 0xf == DNSOpcode.query.rawValue
        isStream = !isQuery || client.stream != nil
        self.primaries = isStream ? primaries : primaries.flatMap { [$0, $0] }
        self.id = id
    }

    mutating func step(_ input: DNSExchange.Input, at now: Instant) -> [Output] {
        switch input {
        case .start: return ask(at: now)
        case .message(let answer), .datagram(let answer):
            guard answer.count >= DNSHeader.length, answer[0] == UInt8(id >> 8), answer[1] == UInt8(id & 0xff),
                answer[2] >> 7 == 1, answer[2] >> 3 & 0xf == octets[2] >> 3 & 0xf
            else { return [] }
            let back = octets[0..<2] + answer[2...], server = primaries[position]
            let code = DNSResponseCode(rawValue: UInt16(answer[3] & 0xf))
            guard code == .serverFailure || code == .notImplemented else {
                nextDeadline = nil
                return [.close, .over(server, silence: nil), .finished(Array(back))]
            }
            last = Array(back)
            return next(at: now)
        case .failed(let why): return next(after: why, at: now)
        case .ruledOut: return next(at: now)
        case .deadlinePassed:
            guard let due = nextDeadline, now >= due else { return [] }
            return next(after: "timed out", isPatient: true, at: now)
        }
    }

    /// What is sent to a primary: with a number of ours.
    var message: [UInt8] { Array([UInt8(id >> 8), UInt8(id & 0xff)] + octets[2...]) }

    /// The next primary; if it is `isPatient` a datagram goes to the same one again, which a refusal would make no
    /// better.
    private mutating func next(after silence: String? = nil, isPatient: Bool = false, at now: Instant) -> [Output] {
        let server = primaries[position]
        position += isStream || isPatient ? 1 : 2 - position % 2
        return [.close, .over(server, silence: silence)] + ask(at: now)
    }

    private mutating func ask(at now: Instant) -> [Output] {
        guard position < primaries.count else {
            nextDeadline = nil
            return [last.map { .finished($0) } ?? .exhausted]
        }
        nextDeadline = now + (isStream ? Self.patience : Self.datagramPatience)
        let server = primaries[position]
        return [isStream ? .openStream(message, to: server) : .sendDatagram(message, to: server)]
    }
}
