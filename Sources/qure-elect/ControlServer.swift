// ControlServer: the daemon's end of the control socket: reads a request of each who connects, answers, and hangs up;
// who says `watch` stays and is told every event. Nobody can make the daemon wait: who does not read is hung up on.

import QureCore

final class ControlServer {
    private final class Client {
        let connection: UnixConnection
        var input: [UInt8] = []
        var watches = false
        /// What it asked for and is under way: the answer is what becomes of it.
        var awaited: ControlRequest?
        init(_ connection: consuming UnixConnection) { self.connection = connection }
    }

    private let listener: UnixListener
    private var clients: [Int: Client] = [:]
    private static let maximumClients = 32

    init(_ path: String) throws {
        do { listener = try UnixListener(path, mode: 0o660) } catch {
            guard error.errno.description == Errno(rawValue: 98).description else { throw Failure(error) }
            throw Failure(.no, "\(path): another qure-elect of this cluster runs here already")
        }
    }

    var descriptor: CInt { listener.descriptor }

    /// Takes whoever connects, or what a client says; `answer` makes the lines of the answer, or nil: `settle` will. To
    /// who watches they are what was before.
    func serve(_ token: Int, _ poller: borrowing Poller, _ answer: (ControlRequest) -> [String]?) {
        if token == ElectSession.Token.control { return acceptAll(poller) }
        let key = token - ElectSession.Token.connections
        guard let client = clients[key] else { return }
        guard let bytes = try? client.connection.read() else {
            clients[key] = nil
            return
        }
        guard client.awaited == nil else { return }
        client.input += bytes
        var lines: [String] = []
        switch ControlRequest.read(client.input) {
        case .unfinished: return
        case .request(.watch):
            client.watches = true
            client.input = []
            for line in answer(.watch) ?? [] { _ = client.connection.writeNow(Array((line + "\n").utf8)) }
            return
        case .request(let request):
            guard let answer = answer(request) else {
                client.awaited = request
                return
            }
            lines = answer
        case .unknown(let line): lines = ["error '\(line)' is not a request"]
        case .tooLong: break
        }
        _ = client.connection.writeNow(Array(lines.map { $0 + "\n" }.joined().utf8))
        clients[key] = nil
    }

    /// What was under way is over: answers those who wait for it.
    func settle(_ answer: (ControlRequest) -> [String]) {
        for (key, client) in clients {
            guard let request = client.awaited else { continue }
            _ = client.connection.writeNow(Array(answer(request).map { $0 + "\n" }.joined().utf8))
            clients[key] = nil
        }
    }

    private func acceptAll(_ poller: borrowing Poller) {
        while let connection = try? listener.accept() {
            let key = Int(connection.descriptor)
            guard clients.count < Self.maximumClients,
                (try? poller.add(connection.descriptor, token: ElectSession.Token.connections + key)) != nil
            else { continue }
            clients[key] = Client(connection)
        }
    }

    /// Tells an event to all who watch.
    func tell(_ line: String) {
        for (key, client) in clients where client.watches {
            if !client.connection.writeNow(Array((line + "\n").utf8)) { clients[key] = nil }
        }
    }
}
