// ServerTalk: does what an exchange says: one socket at a time, waiting until the exchange's deadline or for something
// to come. What happens on the way can be watched, for -d and -D.

import Glibc
import QureCore

/// The way to servers.
struct ServerTalk: ~Copyable {
    /// What happens while an exchange goes on.
    enum Event {
        /// A message goes to a server for the first time.
        case sending(DNSEndpoint)
        case failed(DNSEndpoint, String)
        /// A line for -D.
        case trace(String)
    }

    /// A socket in a place that may be empty.
    private final class Line {
        var socket: DNSSocket

        init(_ socket: consuming DNSSocket) { self.socket = socket }
    }

    /// The address that all is sent from.
    var local: DNSEndpoint?
    /// What a server has proved that this host's clock is behind by, in seconds.
    var clockOffset: Int64 = 0
    /// The server that is waited for; nil: none is.
    var current: DNSEndpoint? { line == nil ? nil : latest }
    /// When nobody is waited for any longer, whatever the exchanges allow; nil: they decide.
    var deadline: Instant?
    private var poller: Poller
    private var random = SystemRandomNumberGenerator()
    private var line: Line?
    /// The server that the exchange sends to now.
    private var latest: DNSEndpoint?
    /// Tells the events of the present socket from those of one that was closed.
    private var token = 0

    init() throws { poller = try Poller() }

    /// The time for signatures, in seconds since 1970.
    var time: UInt64 { UInt64(max(0, Clock.realtimeNanoseconds / 1_000_000_000 + clockOffset)) }

    /// How an exchange ended.
    enum End {
        case answered(DNSExchange.Answer)
        /// Nobody answered.
        case exhausted
    }

    /// Readable when `goOn` has something to do; the deadline is the exchange's.
    var descriptor: CInt { poller.descriptor }

    /// Runs an exchange to its end; nil: nobody answered.
    mutating func run(
        _ exchange: inout DNSExchange, _ watch: (Event, DNSExchange) throws -> Void
    ) throws -> DNSExchange.Answer? {
        defer { line = nil }
        var end = try begin(&exchange, watch)
        while true {
            switch end {
            case .answered(let answer): return answer
            case .exhausted: return nil
            case nil:
                if let deadline, deadline <= Clock.now {
                    if let latest { try watch(.failed(latest, "no answer in the time that there is"), exchange) }
                    return nil
                }
                end = try goOn(&exchange, watch)
            }
        }
    }

    /// The same for who wants to know of the failures alone: which server, and why.
    mutating func run(_ exchange: inout DNSExchange, failures: inout [String]) throws -> DNSExchange.Answer? {
        try run(&exchange) { event, _ in
            if case .failed(let server, let reason) = event { failures.append("\(server): \(reason)") }
        }
    }

    /// Begins an exchange, without waiting for anything.
    mutating func begin(
        _ exchange: inout DNSExchange, _ watch: (Event, DNSExchange) throws -> Void
    ) throws -> End? {
        latest = nil
        return try perform(exchange.step(.start, at: Clock.now, time: time, using: &random), &exchange, watch)
    }

    /// Nothing more is wanted of the exchange that was begun, if one was: neither answers nor its deadline.
    mutating func abandon() throws {
        line = nil
        try poller.disarm()
    }

    /// Waits until something happens or the exchange's deadline comes, and goes on.
    mutating func goOn(
        _ exchange: inout DNSExchange, _ watch: (Event, DNSExchange) throws -> Void
    ) throws -> End? {
        for input in try wait(until: earlier(exchange.nextDeadline, deadline)) {
            if case .datagram(let octets) = input { try watch(.trace("<- udp \(octets.count) octets"), exchange) }
            if case .message(let octets) = input { try watch(.trace("<- tcp \(octets.count) octets"), exchange) }
            let outputs = exchange.step(input, at: Clock.now, time: time, using: &random)
            // What came over a socket is for the exchange that it was opened for.
            guard outputs.isEmpty else { return try perform(outputs, &exchange, watch) }
        }
        return nil
    }

    private mutating func perform(
        _ outputs: [DNSExchange.Output], _ exchange: inout DNSExchange,
        _ watch: (Event, DNSExchange) throws -> Void
    ) throws -> End? {
        var outputs = outputs[...]
        while let output = outputs.popFirst() {
            switch output {
            case .finished(let answer): return .answered(answer)
            case .exhausted: return .exhausted
            case .close: line = nil
            case .unheard: break
            case .failed(let server, let reason): try watch(.failed(server, reason), exchange)
            case .sendDatagram(let octets, let server), .openStream(let octets, let server):
                if latest != server { try watch(.sending(server), exchange) }
                latest = server
                var isStream = false
                if case .openStream = output { isStream = true }
                try watch(.trace("-> \(server) \(isStream ? "tcp" : "udp") \(octets.count) octets"), exchange)
                guard let reason = send(octets, to: server, isStream: isStream) else { continue }
                outputs += exchange.step(.failed(reason), at: Clock.now, time: time, using: &random)
            }
        }
        return nil
    }

    /// Sends, by the present socket if it is of that kind; what failed, if anything did.
    private mutating func send(_ octets: [UInt8], to server: DNSEndpoint, isStream: Bool) -> String? {
        do {
            if line == nil || isStream {
                token += 1
                let socket = try DNSSocket(to: server, from: local, isStream: isStream)
                if isStream {
                    try poller.addForWriting(socket.descriptor, token: token)
                } else {
                    try poller.add(socket.descriptor, token: token)
                }
                line = Line(socket)
            }
            try line?.socket.send(octets)
            return nil
        } catch {
            return Self.reason(error)
        }
    }

    private mutating func wait(until deadline: Instant?) throws -> [DNSExchange.Input] {
        var inputs: [DNSExchange.Input] = []
        for event in try poller.wait(until: deadline) {
            switch event {
            case .deadline: inputs.append(.deadlinePassed)
            case .ready(let ready) where ready == token: inputs += read()
            default: break
            }
        }
        return inputs
    }

    private mutating func read() -> [DNSExchange.Input] {
        guard let line else { return [] }
        do {
            if line.socket.hasMore {
                try line.socket.goOn()
                guard !line.socket.hasMore else { return [] }
                try poller.remove(line.socket.descriptor)
                try poller.add(line.socket.descriptor, token: token)
                return []
            }
            guard let messages = try line.socket.receive() else { return [.failed("end of file")] }
            return messages.map { line.socket.isStream ? .message($0) : .datagram($0) }
        } catch {
            return [.failed(Self.reason(error))]
        }
    }

    /// In the words of BIND's tools, where they have some.
    private static func reason(_ error: any Error) -> String {
        guard let error = error as? SystemError else { return "\(error)" }
        switch error.errno.rawValue {
        case ECONNREFUSED: return "connection refused"
        case ECONNRESET, EPIPE: return "connection reset"
        case ETIMEDOUT: return "timed out"
        case EHOSTUNREACH: return "host unreachable"
        case ENETUNREACH: return "network unreachable"
        case EADDRNOTAVAIL: return "address not available"
        case EADDRINUSE: return "address in use"
        case EAFNOSUPPORT: return "the local address \(error.object) is of another family"
        default: return error.description
        }
    }

    /// Whether there is a route to an address.
    static func reaches(_ server: DNSEndpoint, from local: DNSEndpoint?) -> Bool {
        (try? DNSSocket(to: server, from: local, isStream: false)) != nil
    }
}
