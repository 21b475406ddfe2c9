// Inquiries: exchanges that go on side by side, each over a socket of its own, so that a server that is silent holds up
// nobody else's answer. For a look at many servers at once; what is done one after the other is ServerTalk's.

import QureCore

/// One exchange under way.
private final class Inquiry {
    private(set) var exchange: DNSExchange
    private var talk: ServerTalk
    private(set) var end: ServerTalk.End?

    init(_ exchange: DNSExchange, like other: borrowing ServerTalk) throws {
        self.exchange = exchange
        talk = try ServerTalk()
        talk.clockOffset = other.clockOffset
        talk.deadline = other.deadline
    }

    var descriptor: CInt { talk.descriptor }

    func begin() throws { try take(try talk.begin(&exchange) { _, _ in }) }
    func goOn() throws { try take(try talk.goOn(&exchange) { _, _ in }) }

    private func take(_ end: ServerTalk.End?) throws {
        self.end = end
        // Its clock would go on waking us.
        if end != nil { try talk.abandon() }
    }

    var answer: DNSExchange.Answer? {
        guard case .answered(let answer)? = end else { return nil }
        return answer
    }
}

extension ServerTalk {
    /// Runs exchanges side by side to their ends, and not beyond the deadline; nil: nobody has answered.
    borrowing func runAll(_ exchanges: [DNSExchange]) throws -> [DNSExchange.Answer?] {
        var poller = try Poller()
        var inquiries: [Inquiry] = []
        for exchange in exchanges {
            let inquiry = try Inquiry(exchange, like: self)
            try poller.add(inquiry.descriptor, token: inquiries.count)
            try inquiry.begin()
            inquiries.append(inquiry)
        }
        while inquiries.contains(where: { $0.end == nil }), deadline.map({ Clock.now < $0 }) ?? true {
            let waiting = inquiries.filter { $0.end == nil }
            let events = try poller.wait(until: waiting.reduce(deadline) { earlier($0, $1.exchange.nextDeadline) })
            let now = Clock.now
            for (token, inquiry) in inquiries.enumerated() where inquiry.end == nil {
                let isDue = inquiry.exchange.nextDeadline.map { $0 <= now } ?? false
                if isDue || events.contains(.ready(token)) { try inquiry.goOn() }
            }
        }
        return inquiries.map(\.answer)
    }
}
