// GatewayQuestion: asks one gateway for its external address, in each of the ways that home gateways know until one of
// them yields an address: PCP (RFC 6887), NAT-PMP (RFC 6886), UPnP. Nobody but the gateway is listened to, wherever an
// answer says that more is to be learnt; what is malformed is passed over, and silence is waited out, but not for long:
// a gateway on the link answers in milliseconds, or does not know the question.
//
//   state      | input                    | becomes    | does
//   idle       | start                    | pcp        | sends the request for a mapping
//   pcp        | the mapping              | done       | gives it back, finished
//              | an error, another version| natPMP     | sends the question
//   natPMP     | the address              | done       | finished
//              | an error                 | searching  | sends the searches
//   searching  | a location               | describing | asks for the description
//   describing | services                 | asking     | asks the first one
//   asking     | an address               | done       | finished
//              | anything else            | asking     | asks the next one, if any; else done, finished
//   pcp, natPMP, searching | deadline     | the same   | sends again; too often: the next one
//   pcp, natPMP| closed                   | searching  | as if both had been silent: they share a port
//   any        | deadline of the whole    | done       | finished

/// One gateway that is asked.
package struct GatewayQuestion: Sendable {
    /// What happened.
    package enum Input: Equatable, Sendable {
        case start
        /// A datagram came from the gateway's port of PCP and NAT-PMP.
        case mapping([UInt8])
        /// Nobody listens on that port, or no way leads to it; in a few words.
        case closed(String)
        /// An answer to a search came, from this address.
        case found([UInt8], from: IPAddress)
        case response(HTTPResponse)
        /// The request that goes on failed; in a few words.
        case failed(String)
        case deadlinePassed
    }

    /// What to do.
    package enum Output: Equatable, Sendable {
        /// To the gateway's port of PCP and NAT-PMP.
        case sendMapping([UInt8])
        /// To the group of SSDP on the gateway's link, and to the gateway itself.
        case search([UInt8])
        /// Over a connection of its own, in place of the one before.
        case request([UInt8], to: HTTPURL)
        case finished(Outcome)
    }

    /// What was learnt.
    package enum Outcome: Equatable, Sendable {
        case address(IPAddress, by: AddressSource.Method)
        /// Nothing; a sentence for each way that was tried, without an end.
        case failed(String)
    }

    private enum State: String { case idle, pcp, natPMP, searching, describing, asking, done }

    /// The first wait for an answer, doubled each time (RFC 6886 section 3.1).
    static let firstWait = Duration.milliseconds(250)
    /// Times that a datagram is sent.
    static let tries = 2
    /// A search is answered within a second (MX), and may get lost.
    static let searchWait = Duration.milliseconds(1100)
    /// How long a mapping would stay if it could not be given back (RFC 6887 section 11.6), in seconds.
    static let lifetime: UInt32 = 60

    private let gateway: IPAddress
    private let client: IPAddress
    private var methods: ArraySlice<AddressSource.Method>
    private let limit: Instant
    private var state = State.idle
    private var request: PCPRequest?
    private var triesLeft = 0
    private var wait = firstWait
    /// Where the description was asked for.
    private var described: HTTPURL?
    private var services: ArraySlice<GatewayDevice.Service> = []
    private var failures: [(method: AddressSource.Method, why: String)] = []

    /// When `deadlinePassed` is due; nil before the start and after the end.
    package private(set) var nextDeadline: Instant?

    /// Asks `gateway` for `client`, our address on its link, by these methods in turn, until `limit`.
    package init(_ gateway: IPAddress, client: IPAddress, by methods: [AddressSource.Method], until limit: Instant) {
        self.gateway = gateway
        self.client = client
        self.methods = methods[...]
        self.limit = limit
    }

    /// Takes one input and says what to do.
    package mutating func step(
        _ input: Input, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if state != .done, state != .idle, now >= limit {
            if let method = methods.first { note(method, "no answer in time") }
            return finish()
        }
        switch (state, input) {
        case (.idle, .start): return begin(at: now, using: &random)
        case (.pcp, .mapping(let octets)): return hearPCP(octets, at: now, using: &random)
        case (.natPMP, .mapping(let octets)): return hearNATPMP(octets, at: now, using: &random)
        case (.pcp, .closed(let why)), (.natPMP, .closed(let why)):
            let others = methods.prefix { $0 != .upnp }
            for method in others { note(method, why) }
            methods = methods.dropFirst(others.count)
            return begin(at: now, using: &random)
        case (.searching, .found(let octets, let sender)): return hear(octets, from: sender, at: now)
        case (.describing, .response(let answer)):
            guard answer.status == 200 else { return next("status \(answer.status)", at: now, using: &random) }
            return describe(answer.body, at: now, using: &random)
        case (.asking, .response(let answer)):
            if let address = GatewayDevice.Service.external(in: answer) { return finish(address, by: .upnp) }
            return ask("status \(answer.status) and no address", at: now, using: &random)
        case (.describing, .failed(let why)): return next(why, at: now, using: &random)
        case (.asking, .failed(let why)): return ask(why, at: now, using: &random)
        case (.pcp, .deadlinePassed), (.natPMP, .deadlinePassed), (.searching, .deadlinePassed):
            guard let due = nextDeadline, now >= due else { return [] }
            guard triesLeft > 0 else { return next("no answer", at: now, using: &random) }
            return send(at: now)
        default: return []
        }
    }

    /// Begins with the next method, if there is one.
    private mutating func begin(at now: Instant, using random: inout some RandomNumberGenerator) -> [Output] {
        guard let method = methods.first else { return finish() }
        triesLeft = Self.tries
        wait = Self.firstWait
        switch method {
        case .pcp:
            state = .pcp
            let nonce = (0..<PCPMapping.nonceLength).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            request = PCPRequest(lifetime: Self.lifetime, client: client, mapping: PCPMapping(nonce: nonce))
        case .natPMP: state = .natPMP
        case .upnp:
            state = .searching
            wait = Self.searchWait
        }
        return send(at: now)
    }

    private mutating func send(at now: Instant) -> [Output] {
        triesLeft -= 1
        nextDeadline = min(now + wait, limit)
        if state != .searching { wait = wait * 2 }
        switch state {
        case .pcp: return request.map { [.sendMapping($0.octets)] } ?? []
        case .natPMP: return [.sendMapping(NATPMPResponse.question)]
        default: return SSDP.searches.map(Output.search)
        }
    }

    private mutating func note(_ method: AddressSource.Method, _ why: String) { failures.append((method, why)) }

    /// Gives the present method up for the next one.
    private mutating func next(
        _ why: String, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        if let method = methods.popFirst() { note(method, why) }
        return begin(at: now, using: &random)
    }

    private mutating func finish(_ address: IPAddress? = nil, by method: AddressSource.Method = .pcp) -> [Output] {
        state = .done
        nextDeadline = nil
        if let address { return [.finished(.address(address, by: method))] }
        let whys = failures.map { "\($0.method): \($0.why)" }
        return [.finished(.failed(whys.isEmpty ? "not asked" : whys.joined(separator: ", ")))]
    }
}

extension GatewayQuestion {
    private mutating func hearPCP(
        _ octets: [UInt8], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        // What knows only the older protocol says so in its form.
        if let older = try? NATPMPResponse(octets), older.result == .unsupportedVersion {
            return next("not known there", at: now, using: &random)
        }
        guard let response = try? PCPResponse(octets), var request else { return [] }
        if let mapping = response.mapping, mapping.nonce != request.mapping.nonce { return [] }
        guard let address = response.external else {
            return next("\(response.result)", at: now, using: &random)
        }
        request.lifetime = 0
        return [.sendMapping(request.octets)] + finish(address, by: .pcp)
    }

    private mutating func hearNATPMP(
        _ octets: [UInt8], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let response = try? NATPMPResponse(octets) else { return [] }
        guard let address = response.external else {
            return next("\(response.result)", at: now, using: &random)
        }
        return finish(.v4(address), by: .natPMP)
    }

    private mutating func hear(_ octets: [UInt8], from sender: IPAddress, at now: Instant) -> [Output] {
        guard sender == gateway, let url = SSDP.location(in: octets), url.host == gateway else { return [] }
        state = .describing
        described = url
        nextDeadline = limit
        return [.request(HTTPRequest.octets(url), to: url)]
    }

    private mutating func describe(
        _ description: [UInt8], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let url = described else { return [] }
        services = GatewayDevice(description, from: url).services[...]
        guard !services.isEmpty else { return next("no connection in its description", at: now, using: &random) }
        state = .asking
        return askFirst()
    }

    /// The present service has nothing to say: the next one, if any.
    private mutating func ask(
        _ why: String, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        services = services.dropFirst()
        return services.isEmpty ? next(why, at: now, using: &random) : askFirst()
    }

    private func askFirst() -> [Output] { services.first.map { [.request($0.question, to: $0.control)] } ?? [] }
}
