// Asker: the two ways in which the meter asks: a datagram to the responders, or a page over a connection of its own.
// Asking never waits for anything; what comes back is collected when the meter's loop says that something may have.

import Glibc
package import QureCore

/// What came back.
package struct Answer: Equatable, Sendable {
    package var sequence: Int
    package var name: String
    package var received: Instant
}

/// A way to ask.
package protocol Asker: AnyObject {
    /// Puts a question on its way.
    func ask(_ sequence: Int, _ poller: inout Poller) throws
    /// What has come back; `ready` are the poller's tokens.
    func collect(_ ready: [Int], _ poller: inout Poller) throws -> [Answer]
    /// Gives up the questions before this one.
    func forget(before sequence: Int)
}

/// Asks by datagrams.
package final class DatagramAsker: Asker {
    private let socket: LabSocket
    private let site: SocketAddress
    private let run: UInt32

    /// Asks `site`.
    package init(_ site: SocketAddress, _ poller: inout Poller) throws {
        self.site = site
        run = UInt32.random(in: .min ... .max)
        socket = try LabSocket(site.address, .datagram)
        try socket.stampDatagrams()
        try poller.add(socket.number, token: 0)
    }

    package func ask(_ sequence: Int, _ poller: inout Poller) {
        socket.send(MeterMessage(run: run, sequence: UInt64(sequence)).bytes, to: site)
    }

    package func collect(_ ready: [Int], _ poller: inout Poller) throws -> [Answer] {
        var answers: [Answer] = []
        while let (message, _) = try socket.receive() {
            guard let answer = MeterMessage(message.bytes), answer.run == run, !answer.name.isEmpty,
                let sequence = Int(exactly: answer.sequence)
            else { continue }
            answers.append(Answer(sequence: sequence, name: answer.name, received: message.received))
        }
        return answers
    }

    package func forget(before sequence: Int) {}
}

/// Asks for a page by HTTP/1.0, each time over a new connection.
package final class PageAsker: Asker {
    private struct Request {
        let socket: LabSocket
        var isConnected = false
        var response: [UInt8] = []
    }

    private let site: SocketAddress
    /// By sequence number, which is the poller's token too.
    private var requests: [Int: Request] = [:]

    /// Asks `site`.
    package init(_ site: SocketAddress) { self.site = site }

    package func ask(_ sequence: Int, _ poller: inout Poller) throws {
        let socket = try LabSocket(site.address, .stream)
        guard socket.connect(to: site) else { return }
        try poller.addForWriting(socket.number, token: sequence)
        requests[sequence] = Request(socket: socket)
    }

    package func collect(_ ready: [Int], _ poller: inout Poller) throws -> [Answer] {
        var answers: [Answer] = []
        for sequence in ready {
            guard var request = requests[sequence] else { continue }
            if !request.isConnected {
                guard request.socket.write("GET / HTTP/1.0\r\n\r\n") else {
                    requests[sequence] = nil
                    continue
                }
                request.isConnected = true
                try poller.remove(request.socket.number)
                try poller.add(request.socket.number, token: sequence)
                requests[sequence] = request
                continue
            }
            switch request.socket.read() {
            case .nothing: break
            case .bytes(let more):
                request.response += more
                requests[sequence] = request
            case .end:
                requests[sequence] = nil
                guard let name = Self.name(in: request.response) else { continue }
                answers.append(Answer(sequence: sequence, name: name, received: Clock.now))
            }
        }
        return answers
    }

    package func forget(before sequence: Int) {
        for number in requests.keys where number < sequence { requests[number] = nil }
    }

    /// The page's first line, if it is whole.
    private static func name(in response: [UInt8]) -> String? {
        let text = String(decoding: response.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first?.contains(" 200 ") == true, let blank = lines.firstIndex(of: ""), blank + 1 < lines.count
        else {
            return nil
        }
        return lines[blank + 1].isEmpty ? nil : String(lines[blank + 1])
    }
}
