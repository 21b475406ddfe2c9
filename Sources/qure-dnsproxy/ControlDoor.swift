// The control socket of a running proxy: one line asks, lines answer. The main thread serves it, which has nothing else
// to do that could not wait for a moment: one client after the other, each for a second at most.

import QureCore

/// The main thread's end of the control socket.
struct ControlDoor: ~Copyable {
    private let listener: UnixListener
    /// How long a client may take to ask.
    private static let patience = Duration.seconds(1)
    /// Octets of a request: a name of the DNS in its longest form, and some words.
    private static let longest = 2048

    init(_ path: String) throws {
        do { listener = try UnixListener(path, mode: 0o660) } catch {
            guard error.errno == .addressInUse else { throw Failure(error) }
            throw Failure(.no, "\(path): another qure-dnsproxy runs here already; give this one its own --state-dir")
        }
    }

    var descriptor: CInt { listener.descriptor }

    /// Answers all who ask now.
    func serve(_ answer: ([String]) -> [String]) {
        while let connection = try? listener.accept() {
            guard let line = Self.readLine(connection) else { continue }
            let lines = answer(line.split(separator: " ").map(String.init))
            _ = connection.writeNow(Array(lines.map { $0 + "\n" }.joined().utf8))
        }
    }

    private static func readLine(_ connection: borrowing UnixConnection) -> String? {
        var request: [UInt8] = []
        while request.count < longest, connection.awaitInput(within: patience) {
            guard let bytes = try? connection.read() else { return nil }
            request += bytes
            if let end = request.firstIndex(of: UInt8(ascii: "\n")) {
                return String(decoding: request[..<end], as: UTF8.self)
            }
        }
        return nil
    }
}
