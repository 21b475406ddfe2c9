// `qure-lab echo`: what the DNS proxy is measured against.

import ArgumentParser
import Echo
import QureCore

/// `qure-lab echo`
struct EchoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo", abstract: "Send every datagram back as an answer: the least that a server can do.")

    @Argument(help: "The port of the loopback address.")
    var port: UInt16

    func run() throws {
        _ = qure_echo(port)
        throw SystemError("bind", "127.0.0.1#\(port)", errno: .current)
    }
}
