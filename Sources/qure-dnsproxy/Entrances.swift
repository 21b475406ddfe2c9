// The sockets of a worker that queries come through, and the connections of its clients.

import QureCore

/// Where a worker listens.
final class Entrances: Sendable {
    /// A socket for datagrams.
    final class Datagrams: Sendable {
        let listener: DatagramListener
        init(_ listener: consuming DatagramListener) { self.listener = listener }
    }

    /// A socket for connections.
    final class Streams: Sendable {
        let listener: StreamListener
        init(_ listener: consuming StreamListener) { self.listener = listener }
    }

    let datagrams: [Datagrams]
    let streams: [Streams]

    /// Sockets of its own at these addresses.
    init(_ addresses: [DNSEndpoint], isShared: Bool) throws {
        datagrams = try addresses.map { Datagrams(try DatagramListener($0, isShared: isShared)) }
        streams = try addresses.map { Streams(try StreamListener($0, isShared: isShared)) }
    }

    /// Sockets that the service manager has opened; all workers have the same ones.
    init(adopting numbers: [CInt]) throws {
        var datagrams: [Datagrams] = []
        var streams: [Streams] = []
        for number in numbers {
            let name = "socket \(number) of the service manager"
            let original = FileDescriptor(owning: number)
            let socket = try original.duplicate()
            original.leaveOpen()
            if socket.isSocket(of: .datagram) {
                datagrams.append(Datagrams(try DatagramListener(adopting: socket, name: name)))
            } else if socket.isSocket(of: .stream) {
                streams.append(Streams(try StreamListener(adopting: socket, name: name)))
            } else {
                throw Failure(.usage, "\(name) is neither for datagrams nor for streams")
            }
        }
        self.datagrams = datagrams
        self.streams = streams
    }
}

/// What a worker's poller tells apart.
enum WorkerToken: Equatable {
    case orders
    case datagrams(Int)
    case listener(Int)
    case stream(Int)
    case server(Int)

    private static let shift = 48

    var number: Int {
        switch self {
        case .orders: 0
        case .datagrams(let index): 1 << Self.shift | index
        case .listener(let index): 2 << Self.shift | index
        case .stream(let index): 3 << Self.shift | index
        case .server(let index): 4 << Self.shift | index
        }
    }

    init(_ number: Int) {
        let index = number & (1 << Self.shift - 1)
        switch number >> Self.shift {
        case 1: self = .datagrams(index)
        case 2: self = .listener(index)
        case 3: self = .stream(index)
        case 4: self = .server(index)
        default: self = .orders
        }
    }
}

/// The connections of a worker's clients. Each may have many questions under way, which are answered as they come; one
/// that says nothing is closed, and so is one whose client does not read.
final class StreamClients {
    private final class Client {
        var connection: StreamConnection
        let address: IPAddress
        /// When the client last said something whole (RFC 7766 section 6.2.3): who sends an octet now and then is as
        /// silent as who sends none.
        var heard: Instant
        /// Questions that are not answered yet.
        var pending = 0
        /// The client sends no more.
        var hasEnded = false
        /// It waits for being written to, and not for being read.
        var isWriting = false

        init(_ connection: consuming StreamConnection, at now: Instant) {
            address = connection.source.address
            self.connection = connection
            heard = now
        }
    }

    /// Connections in all; of one stranger; questions of one that are under way; how long one may say nothing.
    private static let maximum = 200, maximumOfStranger = 20, maximumPending = 1000, idleLimit = Duration.seconds(10)

    private var clients: [Int: Client] = [:]
    private var next = 0
    private(set) var accepted: UInt64 = 0
    /// When it is to be looked whether somebody has been silent for too long.
    private(set) var nextDeadline: Instant?

    var count: Int { clients.count }

    /// Takes a new connection; one too many is closed, the one that has been silent for longest first.
    func add(_ connection: consuming StreamConnection, isLocal: Bool, _ poller: borrowing Poller, at now: Instant) {
        let address = connection.source.address
        if !isLocal, clients.values.count(where: { $0.address == address }) >= Self.maximumOfStranger { return }
        guard clients.count < Self.maximum || closeIdlest() else { return }
        next = next &+ 1 & 0xffff_ffff
        guard (try? poller.add(connection.descriptor, token: WorkerToken.stream(next).number)) != nil else { return }
        accepted += 1
        clients[next] = Client(connection, at: now)
        nextDeadline = nextDeadline ?? now + Self.idleLimit
    }

    /// Closes the connection that has been silent for longest; false: all wait for answers.
    func closeIdlest() -> Bool {
        var idlest: (key: Int, heard: Instant)?
        for (key, client) in clients where client.pending == 0 {
            if let idlest, idlest.heard <= client.heard { continue }
            idlest = (key, client.heard)
        }
        guard let idlest else { return false }
        clients[idlest.key] = nil
        return true
    }

    /// What a client has said, and who it is; none: nothing, or it is gone.
    func read(_ key: Int, _ poller: borrowing Poller, at now: Instant) -> (messages: [[UInt8]], source: SocketAddress)?
    {
        guard let client = clients[key] else { return nil }
        do {
            if client.isWriting {
                client.heard = now
                try flush(key, client, poller)
                return nil
            }
            guard let messages = try client.connection.receive() else {
                client.hasEnded = true
                try poller.remove(client.connection.descriptor)
                if client.pending == 0 { clients[key] = nil }
                return nil
            }
            if !messages.isEmpty { client.heard = now }
            client.pending += messages.count
            guard client.pending <= Self.maximumPending else {
                clients[key] = nil
                return nil
            }
            return (messages, client.connection.source)
        } catch {
            clients[key] = nil
            return nil
        }
    }

    /// Puts an answer behind the others; nothing: the question is not to be answered.
    func answer(_ key: Int, _ octets: (some Collection<UInt8>)?) {
        guard let client = clients[key] else { return }
        client.pending -= 1
        if let octets, !client.connection.enqueue(octets) { clients[key] = nil }
    }

    /// Sends what has been put there for a client.
    func flush(_ key: Int, _ poller: borrowing Poller) {
        guard let client = clients[key] else { return }
        do { try flush(key, client, poller) } catch { clients[key] = nil }
    }

    private func flush(_ key: Int, _ client: Client, _ poller: borrowing Poller) throws {
        try client.connection.flush()
        let wantsToWrite = client.connection.hasMore
        if wantsToWrite != client.isWriting {
            let descriptor = client.connection.descriptor
            if client.isWriting || !client.hasEnded { try poller.remove(descriptor) }
            let token = WorkerToken.stream(key).number
            if wantsToWrite {
                try poller.addForWriting(descriptor, token: token)
            } else if !client.hasEnded {
                try poller.add(descriptor, token: token)
            }
            client.isWriting = wantsToWrite
        }
        if client.hasEnded, client.pending == 0, !wantsToWrite { clients[key] = nil }
    }

    /// Closes those that have been silent for too long.
    func closeIdle(at now: Instant) {
        for (key, client) in clients where now >= client.heard + Self.idleLimit { clients[key] = nil }
        nextDeadline = clients.values.map { $0.heard + Self.idleLimit }.min()
    }
}
