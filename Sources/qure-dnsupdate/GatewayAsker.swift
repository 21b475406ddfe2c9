// GatewayAsker: does what a GatewayQuestion says: up to three sockets, all of them to the gateway or on its link.

import QureCore

/// Asks a gateway.
final class GatewayAsker: AddressAsker {
    private enum Part { static let mapping = 0, search = 1, stream = 2 }

    private let source: AddressSource
    private let gateway: IPAddress
    private let client: IPAddress
    private var question: GatewayQuestion
    private var random = SystemRandomNumberGenerator()
    private var token = 0
    private var mapping: DatagramSocket?
    private var search: DatagramSocket?
    private var stream: StreamSocket?
    private var response = HTTPResponseReader()
    private(set) var readings: [AddressReading]?

    /// Asks `gateway` from `client`, our address on its link.
    init(
        _ gateway: IPAddress, client: IPAddress, by methods: [AddressSource.Method], source: AddressSource,
        until limit: Instant
    ) {
        self.source = source
        self.gateway = gateway
        self.client = client
        question = GatewayQuestion(gateway, client: client, by: methods, until: limit)
    }

    var nextDeadline: Instant? { question.nextDeadline }

    func start(_ poller: borrowing Poller, token: Int) throws {
        self.token = token
        take(.start, poller)
    }

    func deadlinePassed(_ poller: borrowing Poller) { take(.deadlinePassed, poller) }

    private func take(_ input: GatewayQuestion.Input, _ poller: borrowing Poller) {
        var inputs = [input][...]
        while let input = inputs.popFirst() {
            for output in question.step(input, at: Clock.now, using: &random) {
                if let next = perform(output, poller) { inputs.append(next) }
            }
        }
    }

    /// Does it; what came of it at once, if anything did.
    private func perform(_ output: GatewayQuestion.Output, _ poller: borrowing Poller) -> GatewayQuestion.Input? {
        switch output {
        case .sendMapping(let octets):
            do { try sendMapping(octets, poller) } catch { return .closed(Self.reason(error)) }
        case .search(let octets):
            // That there is no way to the group is found out by nobody answering.
            try? sendSearch(octets, poller)
        case .request(let octets, let url):
            do { try request(octets, url, poller) } catch { return .failed(Self.reason(error)) }
        case .finished(.address(let address, let method)):
            end([AddressReading(source: source.description, detail: "\(method) by \(gateway)", address: address)])
        case .finished(.failed(let why)):
            end([AddressReading(source: source.description, detail: "\(gateway)", failed: why)])
        }
        return nil
    }

    /// The rest of the sentence is the gateway's.
    private static func reason(_ error: any Error) -> String {
        (error as? SystemError)?.errno.description ?? "\(error)"
    }

    private func end(_ readings: [AddressReading]) {
        self.readings = readings
        mapping = nil
        search = nil
        stream = nil
    }

    private func sendMapping(_ octets: [UInt8], _ poller: borrowing Poller) throws {
        let peer = SocketAddress(gateway, port: NATPMPResponse.port)
        if mapping == nil {
            let socket = try DatagramSocket(from: client, to: peer)
            try poller.add(socket.descriptor, token: token + Part.mapping)
            mapping = consume socket
        }
        try mapping?.send(octets, to: peer)
    }

    private func sendSearch(_ octets: [UInt8], _ poller: borrowing Poller) throws {
        if search == nil {
            let socket = try DatagramSocket(from: client)
            try poller.add(socket.descriptor, token: token + Part.search)
            search = consume socket
        }
        for destination in [SSDP.group, gateway] {
            try search?.send(octets, to: SocketAddress(destination, port: SSDP.port))
        }
    }

    private func request(_ octets: [UInt8], _ url: HTTPURL, _ poller: borrowing Poller) throws {
        response = HTTPResponseReader()
        stream = nil
        let socket = try StreamSocket(from: client, to: SocketAddress(url.host, port: url.port), sending: octets)
        try poller.addForWriting(socket.descriptor, token: token + Part.stream)
        stream = consume socket
    }

    func ready(_ part: Int, _ poller: borrowing Poller) {
        switch part {
        case Part.mapping:
            do {
                for datagram in try mapping?.receive() ?? [] { take(.mapping(datagram.bytes), poller) }
            } catch {
                take(.closed(Self.reason(error)), poller)
            }
        case Part.search:
            // What failed was one of many datagrams.
            for datagram in (try? search?.receive()) ?? [] { take(.found(datagram.bytes, from: datagram.from), poller) }
        default:
            do {
                if let whole = try receive(poller) { take(.response(whole), poller) }
            } catch {
                stream = nil
                take(.failed(Self.reason(error)), poller)
            }
        }
    }

    /// Goes on with the stream; the response once it is whole.
    private func receive(_ poller: borrowing Poller) throws -> HTTPResponse? {
        guard let descriptor = stream?.descriptor else { return nil }
        if stream?.hasMore == true {
            try stream?.goOn()
            guard stream?.hasMore == false else { return nil }
            try poller.remove(descriptor)
            try poller.add(descriptor, token: token + Part.stream)
            return nil
        }
        guard let octets = try stream?.receive() else { return try response.end() }
        return try response.take(octets)
    }
}
