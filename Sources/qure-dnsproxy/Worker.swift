// Worker: one thread that answers queries: it has sockets, a cache and a relay of its own and shares nothing with the
// others. What the cache knows is answered where it lies, by the batch; everything else goes through the relay.

import Glibc
import QureCore

final class Worker {
    private var relay: Relay
    private let number: Int
    private let entrances: Entrances
    private let orders: Mailbox<WorkerOrder>
    private let notices: Mailbox<WorkerNotice>
    private var report = WorkerReport()
    private var rate: ResponseRate
    private var log: QueryLog?
    private var diagnostics: Diagnostics
    private var poller: Poller
    private var batch = DatagramBatch()
    private let streams = StreamClients()
    private let lines = ServerLines()
    private var random = PooledRandom()
    /// Where answers to streams are written.
    private var room = [UInt8](repeating: 0, count: AnswerCache.maximumLength)
    /// Where what servers say is read.
    private var received = DNSSocket.room

    /// Batches that are taken from one socket before the others get their turn.
    private static let batches = 8
    /// Connections that are taken in one go.
    private static let acceptBatch = 8
    /// How long connections wait in the kernel when there is no room for more.
    private static let acceptPause = Duration.seconds(1)
    /// Entrances that wait for room, and until when.
    private var waitingForRoom: Set<Int> = []
    private var roomDeadline: Instant?

    /// One that knows nothing: its configuration is the first order.
    init(
        _ number: Int, _ entrances: Entrances, _ orders: Mailbox<WorkerOrder>, _ notices: Mailbox<WorkerNotice>,
        _ diagnostics: Diagnostics, log: QueryLog?
    ) throws {
        self.log = log
        self.number = number
        self.notices = notices
        var nothing = RelayConfiguration()
        nothing.cacheSize = 1
        relay = Relay(nothing, cacheKey: (0, 0), at: Clock.now)
        rate = ResponseRate(perSecond: nothing.strangerRate, key: (0, 0))
        self.entrances = entrances
        self.orders = orders
        self.diagnostics = diagnostics
        poller = try Poller()
        try poller.add(orders.descriptor, token: WorkerToken.orders.number)
        for (index, entrance) in entrances.datagrams.enumerated() {
            try poller.add(entrance.listener.descriptor, token: WorkerToken.datagrams(index).number)
        }
        for (index, entrance) in entrances.streams.enumerated() {
            try poller.add(entrance.listener.descriptor, token: WorkerToken.listener(index).number)
        }
    }

    /// Answers until the process ends.
    func run() throws {
        for order in orders.take() { obey(order) }
        var events: [Poller.Event] = []
        while true {
            let deadline = earlier(relay.nextDeadline, streams.nextDeadline)
            let isDue = try poller.wait(until: earlier(deadline, roomDeadline), into: &events)
            for case .ready(let token) in events { try serve(WorkerToken(token)) }
            guard isDue else { continue }
            step(.deadlinePassed)
            streams.closeIdle(at: Clock.now)
            try acceptAgain()
        }
    }

    private func serve(_ token: WorkerToken) throws {
        switch token {
        case .orders: for order in orders.take() { obey(order) }
        case .datagrams(let index): try serveDatagrams(index)
        case .listener(let index): try acceptStreams(index)
        case .stream(let key): serveStream(key)
        case .server(let number): hear(number)
        }
    }

    private func obey(_ order: WorkerOrder) {
        switch order {
        case .configure(let new):
            relay.configure(new, cacheKey: (random.next(), random.next()), at: Clock.now)
            rate = ResponseRate(perSecond: new.strangerRate, key: (random.next(), random.next()))
            step(.deadlinePassed)
        case .changed(let zone): step(.changed(zone))
        case .report(let box): box.post(makeReport())
        case .explain(let question, let client, let box):
            box.post(relay.explain(question, for: client, at: Clock.now, using: &random))
        case .flush(let name, let box): box.post(relay.forget(name))
        }
    }

    private func makeReport() -> WorkerReport {
        let now = Clock.now
        report.connections = streams.count
        report.cached = relay.cache.count
        report.capacity = relay.cache.capacity
        report.counters = relay.counters
        report.servers = relay.configuration.servers.sorted { "\($0)" < "\($1)" }.map { server in
            let row = relay.silence[server]
            return WorkerReport.ServerReport(server: server, unanswered: row?.questions ?? 0, since: row?.since)
        }
        report.aliases = relay.aliases.aliases.enumerated().flatMap { index, alias in
            let authorities = (relay.aliases.authorities[index] ?? [:]).map { (server: $0.key, authority: $0.value) }
                .sorted { "\($0.server)" < "\($1.server)" }
            return [RecordType.a, .aaaa].map { type in
                let key = AliasTable.Key(alias: index, type: type)
                return WorkerReport.AliasReport(
                    alias: alias, type: type, set: relay.aliases[key], finding: relay.aliases.find(key, at: now),
                    authorities: authorities, notified: relay.notifyGate.lastHeard(above: alias.target))
            }
        }
        return report
    }

    // MARK: Clients

    private func serveDatagrams(_ number: Int) throws {
        for _ in 0..<Self.batches {
            let now = Clock.now
            let entrance = entrances.datagrams[number]
            let count: Int
            do { count = try batch.receive(from: entrance.listener) } catch {
                // The error of a datagram that was sent before, such as a port that was closed: the socket is well.
                return
            }
            report.datagrams += UInt64(count)
            let time = UInt32(truncatingIfNeeded: Clock.realtimeNanoseconds / 1_000_000_000)
            let verdicts = KnownAnswers.give(count, &batch, &relay, &rate, at: now, time: time)
            for index in 0..<count { follow(verdicts[index], index, number) }
            report.lost += UInt64(batch.send(through: entrance.listener))
            if count < DatagramBatch.size { return }
        }
    }

    /// What is still to be done for a datagram that has had its verdict.
    private func follow(_ verdict: KnownAnswers.Verdict, _ index: Int, _ entrance: Int) {
        switch verdict {
        case .open: askRelay(index, entrance)
        case .ignored: break
        case .restrained: report.restrained += 1
        case .answered, .aging:
            report.hits += 1
            guard verdict == .aging || log != nil, let source = batch.source(index) else { return }
            if verdict == .aging { step(.refresh(batch.query(index), RelayClient(source, port: 0))) }
            log?.write(batch.query(index), source, isStream: false, isKnown: true)
        }
    }

    private func askRelay(_ index: Int, _ entrance: Int) {
        let query = batch.query(index)
        guard !query.isEmpty, let origin = batch.origin(index) else { return }
        let client = RelayClient(
            origin.source.address, port: origin.source.port, scope: origin.source.scope, local: origin.local,
            entrance: entrance)
        askRelay(query, client)
    }

    private func askRelay(_ query: [UInt8], _ client: RelayClient) {
        let outputs = step(.request(query, client))
        let isKnown = outputs.contains { if case .answer(_, client) = $0 { true } else { false } }
        log?.write(query, client.address, isStream: client.stream != nil, isKnown: isKnown)
    }

    private func acceptStreams(_ entrance: Int) throws {
        for _ in 0..<Self.acceptBatch {
            do {
                guard let connection = try entrances.streams[entrance].listener.accept() else { return }
                let audience = relay.configuration.audiences.audience(of: connection.source.address)
                streams.add(connection, isLocal: Audiences.isLocal(audience), poller, at: Clock.now)
            } catch {
                // No descriptor is left, or no memory. Somebody silent makes room, or time does.
                if streams.closeIdlest() { continue }
                diagnostics.say(.warning, "\(error); connections wait for a second")
                try poller.remove(entrances.streams[entrance].listener.descriptor)
                waitingForRoom.insert(entrance)
                roomDeadline = Clock.now + Self.acceptPause
                return
            }
        }
    }

    private func acceptAgain() throws {
        guard let due = roomDeadline, Clock.now >= due else { return }
        roomDeadline = nil
        for entrance in waitingForRoom {
            let descriptor = entrances.streams[entrance].listener.descriptor
            try poller.add(descriptor, token: WorkerToken.listener(entrance).number)
        }
        waitingForRoom = []
    }

    private func serveStream(_ key: Int) {
        let now = Clock.now
        guard let (messages, source) = streams.read(key, poller, at: now) else { return }
        let audience = relay.configuration.audiences.audience(of: source.address)
        report.messages += UInt64(messages.count)
        for message in messages {
            if answerFromCache(message, audience, to: key, at: now) {
                log?.write(message, source.address, isStream: true, isKnown: true)
            } else {
                askRelay(message, RelayClient(source.address, port: source.port, scope: source.scope, stream: key))
            }
        }
        streams.flush(key, poller)
    }

    private func answerFromCache(_ query: [UInt8], _ audience: UInt8, to key: Int, at now: Instant) -> Bool {
        guard let plain = PlainQuery(query.span, audience: audience) else { return false }
        var output = room.mutableSpan
        guard case .answer(let length, _) = relay.cache.find(query.span, plain, limit: .max, at: now, into: &output)
        else { return false }
        report.hits += 1
        streams.answer(key, room[..<length])
        return true
    }

    // MARK: The relay

    /// Has it taken, and does what is to be done.
    @discardableResult
    private func step(_ input: Relay.Input) -> [Relay.Output] {
        let time = UInt64(max(0, Clock.realtimeNanoseconds)) / 1_000_000_000
        let outputs = relay.step(input, at: Clock.now, time: time, using: &random)
        for output in outputs { perform(output) }
        return outputs
    }

    private func perform(_ output: Relay.Output) {
        switch output {
        case .answer(let octets, let client): send(octets, to: client)
        case .ignore(let client): passOver(client)
        case .sendDatagram(let octets, let server, let number): ask(octets, server, number, isStream: false)
        case .openStream(let octets, let server, let number): ask(octets, server, number, isStream: true)
        case .close(let number): lines.close(number)
        case .report(let report): say(report)
        }
    }

    private func send(_ octets: [UInt8], to client: RelayClient) {
        if let stream = client.stream {
            streams.answer(stream, octets)
            return streams.flush(stream, poller)
        }
        let source = SocketAddress(client.address, port: client.port, scope: client.scope)
        entrances.datagrams[client.entrance].listener.send(octets, to: DatagramOrigin(source, local: client.local))
    }

    /// A connection waits for no answer any more.
    private func passOver(_ client: RelayClient) {
        guard let stream = client.stream else { return }
        streams.answer(stream, [UInt8]?.none)
        streams.flush(stream, poller)
    }

    private func say(_ report: Relay.Report) {
        switch report {
        case .aliasChanged(let name, let type, let addresses):
            let list = addresses.isEmpty ? "none" : addresses.map(\.description).joined(separator: " ")
            diagnostics.say(.information, "\(name) \(type): \(list)")
        case .aliasFailed(let name, let type):
            diagnostics.say(.warning, "\(name) \(type): nobody who was asked knows the addresses; retrying")
        case .targetMissing(let name, let target):
            diagnostics.say(.warning, "\(name): its target \(target) does not exist; clients are told of no addresses")
        case .changed(let zone, let client):
            diagnostics.say(.information, "\(client): \(zone) has changed")
            notices.post(.changed(zone, by: number))
        case .disbelieved(let zone, let client, let why):
            let what = "\(client): says that \(zone) has changed, but \(why.rawValue)"
            diagnostics.say(.notice, "\(what); ignoring, for a minute silently")
        case .notPassedOn(let name, let client, let why):
            let what = "\(client): an update, or a signed question, of \(name) is not passed on: \(why.rawValue)"
            diagnostics.say(.notice, "\(what); refusing, for a minute silently")
        case .overdrawn(let client, let why):
            diagnostics.say(.warning, "\(client): refused, for \(why); for a minute silently")
        case .silent(let server, let why):
            diagnostics.say(.warning, "\(server) does not answer: \(why)")
        case .heardAgain(let server, let time):
            let seconds = Duration.seconds(time.milliseconds / 1000)
            diagnostics.say(.notice, "\(server) answers again, after \(seconds.text)")
        case .loop(let question, nil):
            diagnostics.say(.warning, "\(question.name): a loop: aliases lead to each other, or updates to us")
        case .loop(let question, let server?):
            let what = "what is asked of \(server) comes back to us, from it or from others that it asks"
            diagnostics.say(.warning, "\(question.name): a loop: \(what); passing it over, for a minute silently")
        }
    }

    // MARK: Servers

    private func ask(_ octets: [UInt8], _ server: DNSEndpoint, _ exchange: Int, isStream: Bool) {
        do {
            try lines.open(to: server, for: exchange, isStream: isStream, poller).socket.send(octets)
        } catch {
            step(.exchange(exchange, .failed("\(error)")))
        }
    }

    private func hear(_ number: Int) {
        guard let (line, exchange) = lines[number] else { return }
        do {
            if line.socket.hasMore {
                try line.socket.goOn()
                guard !line.socket.hasMore else { return }
                return try lines.watchForReading(line, poller)
            }
            guard let messages = try line.socket.receive(by: &received) else {
                step(.exchange(exchange, .failed("end of file")))
                return
            }
            // What came over this socket is for the question that it was opened for.
            for message in messages where lines.isOpen(line, for: exchange) {
                step(.exchange(exchange, line.socket.isStream ? .message(message) : .datagram(message)))
            }
        } catch {
            step(.exchange(exchange, .failed("\(error)")))
        }
    }
}
