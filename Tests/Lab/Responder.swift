// Responder: what a host of the lab does for the world: it says its own name to whoever asks, by UDP for the meter
// and as a page by HTTP/1.0 for people. It is bound to the shared address whether the host has that or not
// (IP_FREEBIND), so that answers leave from the very address that was asked. One thread, one loop.

import Glibc
package import QureCore

/// Answers questions with this host's name.
package final class Responder {
    private enum Endpoint {
        case datagrams(LabSocket)
        case listener(LabSocket)
        /// A connection whose request has not come whole yet.
        case caller(LabSocket, [UInt8])
    }

    private let name: String
    private var poller: Poller
    private var endpoints: [Int: Endpoint] = [:]
    /// The callers' tokens, oldest first.
    private var callers: [Int] = []
    private var nextToken = 0
    /// More callers than this do not wait at a time; the oldest must go.
    private static let callerLimit = 256

    /// A responder called `name` at each of the addresses. It answers from now on, once `run` is called.
    package init(name: String, addresses: [IPAddress], datagramPort: UInt16, pagePort: UInt16) throws {
        self.name = name
        poller = try Poller(signals: [SIGTERM, SIGINT])
        for address in addresses {
            let datagrams = try LabSocket(address, .datagram)
            try datagrams.bindFreely(to: SocketAddress(address, port: datagramPort))
            try add(.datagrams(datagrams), datagrams)
            let listener = try LabSocket(address, .stream)
            try listener.bindFreely(to: SocketAddress(address, port: pagePort))
            try check("listen") { listen(listener.number, 512) }
            try add(.listener(listener), listener)
        }
    }

    @discardableResult
    private func add(_ endpoint: Endpoint, _ socket: LabSocket) throws -> Int {
        let token = nextToken
        nextToken += 1
        endpoints[token] = endpoint
        try poller.add(socket.number, token: token)
        return token
    }

    /// Answers until SIGTERM or SIGINT.
    package func run() throws {
        while true {
            for event in try poller.wait(until: nil) {
                switch event {
                case .signal: return
                case .ready(let token): try serve(token)
                case .deadline: break
                }
            }
        }
    }

    private func serve(_ token: Int) throws {
        switch endpoints[token] {
        case .datagrams(let socket): try answerDatagrams(socket)
        case .listener(let socket):
            while let caller = socket.accept() { callers.append(try add(.caller(caller, []), caller)) }
            while callers.count > Self.callerLimit { endpoints[callers.removeFirst()] = nil }
        case .caller(let socket, let request): answerCaller(token, socket, request)
        case nil: break
        }
    }

    private func answerDatagrams(_ socket: LabSocket) throws {
        while let (message, source) = try socket.receive() {
            guard var answer = MeterMessage(message.bytes), answer.name.isEmpty else { continue }
            answer.name = name
            socket.send(answer.bytes, to: source)
        }
    }

    private func answerCaller(_ token: Int, _ socket: LabSocket, _ request: [UInt8]) {
        switch socket.read() {
        case .nothing: return
        case .bytes(let more):
            let whole = request + more
            guard whole.suffix(4) == Array("\r\n\r\n".utf8) || whole.suffix(2) == Array("\n\n".utf8) else {
                endpoints[token] = whole.count > 8192 ? nil : .caller(socket, whole)
                return
            }
            _ = socket.write(page)
        case .end: break
        }
        endpoints[token] = nil
        callers.removeAll { $0 == token }
    }

    private var page: String {
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(name.utf8.count + 1)\r\n\r\n\(name)\n"
    }
}
