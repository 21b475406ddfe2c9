// ProxyClient: a client that asks one question after the other by datagram and reads what it is told; and an examiner
// made of it, which knows what the answers should be.

import Glibc
import Lab
import QureCore

/// A client of a server on this host.
final class ProxyClient {
    private var socket: DNSSocket
    private var nextID: UInt16 = 0

    init(port: Int) throws {
        let server = DNSEndpoint(.v4(IPv4Address(rawValue: INADDR_LOOPBACK)), port: UInt16(port))
        socket = try DNSSocket(to: server, from: nil, isStream: false)
    }

    /// The answer to a message, which gets another ID each time; nil: none came within the limit, or nobody is there.
    func ask(_ message: DNSMessage, within limit: Duration) -> DNSMessage? {
        var message = message
        nextID &+= 1
        message.id = nextID
        let deadline = Clock.now + limit
        guard (try? socket.send(message.encoded())) != nil else { return nil }
        while Clock.now < deadline {
            var request = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&request, 1, CInt(clamping: max((deadline - Clock.now).milliseconds, 1))) == 1 else { continue }
            guard let received = try? socket.receive() else { return nil }
            // Answers to what was given up come late.
            let answers = received.compactMap { try? DNSMessage($0) }
            if let answer = answers.first(where: { $0.id == nextID }) { return answer }
        }
        return nil
    }

    /// The addresses of a name; nil: there is no answer.
    func addresses(of name: DomainName, within limit: Duration) -> [IPAddress]? {
        let query = DNSMessage(id: 0, flags: .recursionDesired, questions: [DNSQuestion(name, .a)])
        return ask(query, within: limit)?.answers.compactMap(\.data.address)
    }
}

/// Reads the answers of a proxy under load, and tells it of changes as a primary does.
struct ProxyExaminer {
    /// The alias, which has the addresses of the second name of the zone.
    static let alias = "alias.test"
    /// Questions in a second.
    private static let pace = 100
    private static let patience = Duration.seconds(5)

    private let client: ProxyClient
    private let zone: DomainName, alias: DomainName
    /// Answers that were read; those that were wrong or did not come.
    private(set) var examined = 0, wrong = 0
    /// Notifications that were sent; those that were believed.
    private(set) var notified = 0, believed = 0

    init(port: Int) throws {
        client = try ProxyClient(port: port)
        zone = DomainName("c.test") ?? .root
        alias = DomainName(Self.alias) ?? .root
    }

    /// Asks for names, one of ten times for the alias, until a moment.
    mutating func examine(until end: Instant) throws {
        while Clock.now < end {
            let isAlias = examined % 10 == 0
            let number = isAlias ? 1 : Int.random(in: 0..<ProxySite.briefNames)
            guard let name = isAlias ? alias : DomainName("n\(number).c.test") else { continue }
            let addresses = client.addresses(of: name, within: Self.patience)
            examined += 1
            if addresses?.map(\.description) != [ProxySite.address(number)] { wrong += 1 }
            usleep(UInt32(1_000_000 / Self.pace))
        }
    }

    /// Says that the zone of the alias has changed.
    mutating func notify() {
        notified += 1
        let message = DNSMessage(id: 0, opcode: .notify, questions: [DNSQuestion(zone, .soa)])
        if client.ask(message, within: Self.patience)?.responseCode == .noError { believed += 1 }
    }
}
