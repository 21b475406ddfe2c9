// WhoamiAsker: an address by servers of the DNS that answer with the address of who asks. Whoever stands on the way to
// port 53 can answer in their place, and many a gateway does; so there are always two questions, of which one goes over
// TCP, and an address is believed that both were answered with. No resolver is asked: it would be told its own address.

import QureCore

/// Asks two servers, or one of them twice.
final class WhoamiAsker: AddressAsker {
    /// A question that is under way, or its answer.
    private final class Inquiry {
        let question: WhoamiQuestion
        let isStream: Bool
        var exchange: DNSExchange
        var talk: ServerTalk
        var outcome: Outcome?

        init(_ question: WhoamiQuestion, isStream: Bool, timing: DNSExchange.Timing) throws {
            self.question = question
            self.isStream = isStream
            let message = DNSMessage(id: 0, questions: [DNSQuestion(question.name, question.type)])
            exchange = DNSExchange(message, key: nil, servers: [question.server], timing: timing, usesStream: isStream)
            talk = try ServerTalk()
        }

        var place: String { "\(question.server) over \(isStream ? "TCP" : "UDP")" }
    }

    private enum Outcome {
        case address(IPAddress)
        case failed(String)
    }

    /// Servers that are well known for it and belong to two operators. They are asked only where `dns` is asked for.
    private static let wellKnown: [(text: String, isStream: Bool)] = [
        ("myip.opendns.com@208.67.222.222/A", false), ("o-o.myaddr.l.google.com@216.239.32.10/TXT", true),
    ]

    private let question: WhoamiQuestion?
    private let source: AddressSource
    private let limit: Instant
    private var inquiries: [Inquiry] = []
    private(set) var readings: [AddressReading]?

    init(_ question: WhoamiQuestion?, source: AddressSource, until limit: Instant) {
        self.question = question
        self.source = source
        self.limit = limit
    }

    var nextDeadline: Instant? {
        guard readings == nil else { return nil }
        return inquiries.filter { $0.outcome == nil }.reduce(limit) { earlier($0, $1.exchange.nextDeadline) ?? limit }
    }

    func start(_ poller: borrowing Poller, token: Int) throws {
        let questions =
            try question.map { [($0, false), ($0, true)] }
            ?? Self.wellKnown.map { (try WhoamiQuestion($0.text), $0.isStream) }
        var timing = DNSExchange.Timing()
        timing.total = limit - Clock.now
        timing.perTry = .seconds(1)
        for (index, (question, isStream)) in questions.enumerated() {
            let inquiry = try Inquiry(question, isStream: isStream, timing: timing)
            inquiries.append(inquiry)
            try poller.add(inquiry.talk.descriptor, token: token + index)
            take(try inquiry.talk.begin(&inquiry.exchange) { _, _ in }, for: inquiry, poller)
        }
    }

    func ready(_ part: Int, _ poller: borrowing Poller) { goOn(inquiries[part], poller) }

    func deadlinePassed(_ poller: borrowing Poller) {
        let now = Clock.now
        for inquiry in inquiries where inquiry.outcome == nil {
            if inquiry.exchange.nextDeadline.map({ $0 <= now }) == true { goOn(inquiry, poller) }
            if inquiry.outcome == nil, now >= limit { take(.exhausted, for: inquiry, poller) }
        }
    }

    private func goOn(_ inquiry: Inquiry, _ poller: borrowing Poller) {
        guard inquiry.outcome == nil else { return }
        do {
            take(try inquiry.talk.goOn(&inquiry.exchange) { _, _ in }, for: inquiry, poller)
        } catch {
            end(inquiry, .failed("\(error)"), poller)
        }
    }

    private func take(_ ending: ServerTalk.End?, for inquiry: Inquiry, _ poller: borrowing Poller) {
        if let ending { end(inquiry, Self.outcome(ending, of: inquiry), poller) }
    }

    private func end(_ inquiry: Inquiry, _ outcome: Outcome, _ poller: borrowing Poller) {
        inquiry.outcome = outcome
        // Its clock would go on waking us.
        try? poller.remove(inquiry.talk.descriptor)
        judge()
    }

    private static func outcome(_ end: ServerTalk.End, of inquiry: Inquiry) -> Outcome {
        guard case .answered(let answer) = end else { return .failed("\(inquiry.place) did not answer") }
        guard answer.message.responseCode == .noError else {
            return .failed("\(inquiry.place) says \(answer.message.responseCode)")
        }
        let records = answer.message.answers.filter { $0.data.type == inquiry.question.type }
        for record in records {
            if let address = record.data.address { return .address(address) }
            for string in record.data.strings ?? [] {
                if let address = IPAddress(String(decoding: string, as: UTF8.self)) { return .address(address) }
            }
        }
        return .failed("\(inquiry.place) names no address")
    }

    /// Says what both answers come to.
    private func judge() {
        guard inquiries.count == 2, inquiries.allSatisfy({ $0.outcome != nil }) else { return }
        var found: [(address: IPAddress, inquiry: Inquiry)] = []
        var failures: [String] = []
        for inquiry in inquiries {
            switch inquiry.outcome {
            case .address(let address)?: found.append((address, inquiry))
            case .failed(let why)?: failures.append(why)
            case nil: break
            }
        }
        let source = source.description
        guard let first = found.first else {
            readings = [AddressReading(source: source, failed: failures.joined(separator: ", "))]
            return
        }
        let isConfirmed = found.count == 2 && found[1].address == first.address
        let problem =
            found.count == 2
            ? "the two answers differ: something on the way may answer for port 53"
            : "the other question has no answer (\(failures.joined(separator: ", ")))"
        let shown = isConfirmed ? [first] : found
        readings = shown.map { address, inquiry in
            AddressReading(
                source: source, detail: isConfirmed ? "by \(inquiries.map(\.place).joined(separator: " and "))"
                    : "by \(inquiry.place)",
                address: address, problem: isConfirmed ? nil : problem)
        }
    }
}
