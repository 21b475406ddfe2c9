// ServerLines: the sockets of a worker to the servers that it asks. Each question has one to itself, at a port that the
// kernel draws for it by chance (RFC 5452 section 9.2). So nobody who has learnt the port of one question knows the
// port of another, and no two wait for their answers at one port, where a forged datagram would be a guess at both.
// But to make and to close a socket costs more than all that is said through it. So the socket of a question that is
// over stays: it gives its port back, nothing can reach it, and for the next question it is connected anew, from
// another port. One in which something was left is closed: it might be taken for an answer to the next question.

import QureCore

/// Sockets to servers, each with the question that it was opened for.
final class ServerLines {
    /// One socket.
    final class Line {
        var socket: DNSSocket
        /// What the poller knows it by.
        fileprivate let number: Int
        /// The exchange that it is for.
        fileprivate(set) var exchange: Int?

        fileprivate init(_ socket: consuming DNSSocket, number: Int) {
            self.number = number
            self.socket = socket
        }
    }

    /// Sockets without a question that are kept of each family, at most: more than a gateway has that asks
    /// for a whole network.
    private static let maximumIdle = 256

    private var lines: [Int: Line] = [:]
    private var exchanges: [Int: Line] = [:]
    private var idle: [Int: [Line]] = [:]
    private var next = 0

    /// The socket that the poller knows by this number, if it has a question.
    subscript(number: Int) -> (line: Line, exchange: Int)? {
        guard let line = lines[number], let exchange = line.exchange else { return nil }
        return (line, exchange)
    }

    /// The socket of an exchange. What is sent again goes through the same one, to which both answers may come.
    func open(
        to server: DNSEndpoint, for exchange: Int, isStream: Bool, _ poller: borrowing Poller
    ) throws -> Line {
        if let line = exchanges[exchange], !isStream, !line.socket.isStream { return line }
        let line = try takeIdle(server, isStream: isStream) ?? makeLine(server, isStream: isStream, poller)
        line.exchange = exchange
        exchanges[exchange] = line
        return line
    }

    /// Whether this is the socket of an exchange.
    func isOpen(_ line: Line, for exchange: Int) -> Bool { exchanges[exchange] === line }

    /// The exchange does not need its socket any more.
    func close(_ exchange: Int) {
        guard let line = exchanges.removeValue(forKey: exchange) else { return }
        line.exchange = nil
        let family = line.socket.server.address.bitWidth
        guard !line.socket.isStream, idle[family, default: []].count < Self.maximumIdle,
            (try? line.socket.disconnect()) != nil
        else {
            lines[line.number] = nil
            return
        }
        idle[family, default: []].append(line)
    }

    private func makeLine(_ server: DNSEndpoint, isStream: Bool, _ poller: borrowing Poller) throws -> Line {
        next = next &+ 1 & 0xffff_ffff
        let line = Line(try DNSSocket(to: server, from: nil, isStream: isStream), number: next)
        let token = WorkerToken.server(next).number
        if isStream {
            try poller.addForWriting(line.socket.descriptor, token: token)
        } else {
            try poller.add(line.socket.descriptor, token: token)
        }
        lines[next] = line
        return line
    }

    private func takeIdle(_ server: DNSEndpoint, isStream: Bool) -> Line? {
        guard !isStream else { return nil }
        while let line = idle[server.address.bitWidth]?.popLast() {
            if (try? line.socket.connect(to: server)) == true { return line }
            lines[line.number] = nil
        }
        return nil
    }

    /// A connection has been made: from now on it is to be read.
    func watchForReading(_ line: Line, _ poller: borrowing Poller) throws {
        try poller.remove(line.socket.descriptor)
        try poller.add(line.socket.descriptor, token: WorkerToken.server(line.number).number)
    }
}
