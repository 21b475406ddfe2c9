// qure-dnsproxy: answers for a name that stays with the addresses of one that changes, serves other names, forwards and
// remembers the rest. The command line of the tool; without a command it runs the proxy.

import ArgumentParser
import Glibc
import QureCore

@main
struct ProxyCommand: Tool {
    static let name = "qure-dnsproxy"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Answer for a name with the addresses that another one has now; forward and remember the rest.",
        discussion:
            "Exit status: 0 done, 1 no, 64 usage, 69 unreachable, 71 system error, 77 not permitted."
            + " See qure-dnsproxy(8).",
        version: Version.text,
        subcommands: [Run.self],
        defaultSubcommand: Run.self)

    static func main() { runMain() }
}

/// `qure-dnsproxy`, `qure-dnsproxy run`
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "run", of: "qure-dnsproxy", abstract: "Run the proxy; this is what is done without a command.")

    @OptionGroup var options: ProxyOptions

    func run() throws {
        let relay = try options.relayConfiguration()
        if options.common.checkConfig { throw Failure(.yes, "") }
        try ProxyRun(options, relay).run()
    }
}
