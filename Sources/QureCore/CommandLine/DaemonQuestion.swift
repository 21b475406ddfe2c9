// DaemonQuestion: what a command asks a running daemon of ours over its control socket: one line, answered by lines
// until the daemon hangs up.

/// A daemon that can be asked.
package struct DaemonQuestion {
    /// What it is called in complaints, such as `qure-elect of cluster 'home'`.
    private let daemon: String
    /// Its control socket.
    private let path: String

    /// How long a daemon may take to answer. One that lives answers at once.
    private static let patience = Duration.seconds(3)

    /// The daemon that is called so and has its control socket there.
    package init(_ daemon: String, at path: String) {
        self.daemon = daemon
        self.path = path
    }

    /// Whether somebody listens at a control socket, or may not be asked.
    package static func isThere(_ path: String) -> Bool {
        do { _ = try UnixConnection(path) } catch { return error.isPermission }
        return true
    }

    /// Gives each line of the answer to `body`, as it comes. `forEver`: whatever comes, until the daemon ends.
    /// Fails with status 69 where no daemon runs or none answers, and 77 where it may not be asked.
    package func ask(_ request: String, forEver: Bool = false, _ body: (String) throws -> Void) throws {
        let connection: UnixConnection
        do { connection = try UnixConnection(path) } catch {
            if error.isPermission { throw Failure(.permission, "\(error) (the socket's owner and group may ask)") }
            throw Failure(.unreachable, "no \(daemon) runs here: \(error)")
        }
        try connection.write(Array("\(request)\n".utf8))
        var rest: [UInt8] = []
        while true {
            guard connection.awaitInput(within: forEver ? nil : Self.patience) else {
                throw Failure(.unreachable, "the \(daemon) does not answer: it is stopped or hangs")
            }
            guard let bytes = try connection.read() else { return }
            rest += bytes
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                try body(String(decoding: rest[..<end], as: UTF8.self))
                rest.removeSubrange(...end)
            }
        }
    }
}
