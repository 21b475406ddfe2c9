// AddressSearch: asks all sources of addresses at once, until each has answered or the time is over. What needs no
// waiting (an address that was given, an interface) is known when it begins. A caller that has more to wait for watches
// its descriptor and deadline; `finish` is for one that has not.

import QureCore

/// One source that takes its time.
protocol AddressAsker: AnyObject {
    /// What it has to say, once it is over.
    var readings: [AddressReading]? { get }
    /// When `deadlinePassed` is due.
    var nextDeadline: Instant? { get }
    /// Begins; what becomes ready is told under `token` and the numbers behind it.
    func start(_ poller: borrowing Poller, token: Int) throws
    /// The descriptor of `part`, counted from the first token, is ready.
    func ready(_ part: Int, _ poller: borrowing Poller)
    /// The deadline has come; the source must end when that of the search is over.
    func deadlinePassed(_ poller: borrowing Poller)
}

/// A search for this site's addresses.
struct AddressSearch: ~Copyable {
    /// Tokens of each asker.
    private static let stride = 4

    private var poller: Poller
    private let limit: Instant
    private var askers: [any AddressAsker] = []
    /// In the order of the sources: what is known.
    private var results: [[AddressReading]] = []
    /// Those that will know, and the places of what they will say.
    private var waiting: [(place: Int, asker: any AddressAsker)] = []

    /// Nothing is asked yet; what is asked must answer before `limit`.
    init(until limit: Instant) throws {
        poller = try Poller()
        self.limit = limit
    }

    /// Begins to ask `sources`, once, for addresses of these families; `interface` is where gateways are looked for,
    /// unless nil.
    mutating func ask(_ sources: [AddressSource], for families: [AddressFamily], interface: String?) throws {
        var host = try HostAddresses(interface: interface)
        results = Array(repeating: [], count: sources.count)
        for (place, source) in sources.enumerated() {
            switch source {
            case .literal(let address):
                results[place] = [AddressReading(source: "literal", address: address)]
            case .interface(let name): results[place] = try host.readings(of: name, source: source)
            case .suffix(let name, let suffix):
                results[place] = [try host.reading(of: name, suffix: suffix, source: source)]
            case .command(let command):
                begin(CommandAsker(command, source: source, until: limit), source, place)
            case .gateway(let methods):
                results[place] = try askGateway(methods, source, &host, place)
            case .whoami(let question):
                begin(WhoamiAsker(question, source: source, until: limit), source, place)
            case .auto:
                let own = try host.automaticReadings(source: source)
                results[place] = own
                guard families.contains(.ipv4), !own.contains(where: { $0.address?.bitWidth == 32 }) else { continue }
                results[place] += try askGateway(AddressSource.Method.allCases, source, &host, place)
            }
        }
    }

    private mutating func askGateway(
        _ methods: [AddressSource.Method], _ source: AddressSource, _ host: inout HostAddresses, _ place: Int
    ) throws -> [AddressReading] {
        guard let (gateway, client) = try host.gateway() else {
            return [AddressReading(source: source.description, failed: "there is no default gateway for IPv4")]
        }
        begin(GatewayAsker(gateway, client: client, by: methods, source: source, until: limit), source, place)
        return []
    }

    private mutating func begin(_ asker: some AddressAsker, _ source: AddressSource, _ place: Int) {
        do {
            try asker.start(poller, token: askers.count * Self.stride)
            waiting.append((place, asker))
        } catch {
            results[place].append(AddressReading(source: source.description, failed: "\(error)"))
        }
        // Also one that has failed: it may be watching something, and its tokens are not given away again.
        askers.append(asker)
    }

    /// Readable when `goOn` has something to do.
    var descriptor: CInt { poller.descriptor }

    /// When `goOn` has something to do though nothing has come; nil: it will not wait any more.
    var nextDeadline: Instant? { waiting.reduce(nil) { earlier($0, $1.asker.nextDeadline) } }

    /// The readings, if all are there.
    mutating func end() -> [AddressReading]? {
        for (place, asker) in waiting { results[place] += asker.readings ?? [] }
        waiting.removeAll { $0.asker.readings != nil }
        return waiting.isEmpty ? results.flatMap { $0 } : nil
    }

    /// Waits for something to happen; the readings once all are there.
    mutating func goOn() throws -> [AddressReading]? {
        if let readings = end() { return readings }
        for event in try poller.wait(until: nextDeadline) {
            switch event {
            case .ready(let token): askers[token / Self.stride].ready(token % Self.stride, poller)
            case .deadline:
                let now = Clock.now
                for (_, asker) in waiting where asker.nextDeadline.map({ $0 <= now }) == true {
                    asker.deadlinePassed(poller)
                }
            case .signal: break
            }
        }
        return end()
    }

    /// Waits until all readings are there.
    mutating func finish() throws -> [AddressReading] {
        while true {
            if let readings = try goOn() { return readings }
        }
    }
}
