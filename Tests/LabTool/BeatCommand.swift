// `qure-lab beat`: what a master's processor time is measured against.

import ArgumentParser
import Echo
import QureCore

/// `qure-lab beat`
struct BeatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "beat",
        abstract: "Send a datagram to the election's group ten times a second: the least that a master can do.",
        discussion: "Nobody believes it. Members count it as malformed.")

    @Argument(help: "The interface.")
    var interface: String

    @Flag(help: "Put a code behind each, as members do.")
    var sealed = false

    @Option(help: "Also hear the others, and ask for the gateway with this address each second, as members do.")
    var gateway: String?

    func run() throws {
        _ = qure_beat(interface, "224.0.0.123", 7784, 100, sealed ? 1 : 0, gateway ?? "")
        throw SystemError("beat", interface, errno: .current)
    }
}
