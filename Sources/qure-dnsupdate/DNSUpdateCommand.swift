// qure-dnsupdate: changes records at a primary server of the DNS (RFC 2136). Without a command it is nsupdate: the same
// options, the same script language, the same texts and exit statuses. The parser of our other tools knows nothing of
// options such as `-y hmac-sha256:name:secret` and `-dv`, so that NsupdateOptions.swift reads the command line; what is
// declared here is what the help and the shells' completions tell. The script's name is not: the parser would take the
// name of a command for it.

import ArgumentParser
import Glibc
import QureCore

@main
struct DNSUpdateCommand: Tool {
    static let name = "qure-dnsupdate"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Make the DNS say where this site is; or change records as nsupdate does.",
        usage: """
            qure-dnsupdate [-46dDilv] [-C FILE] [-k FILE | -y [HMAC:]NAME:SECRET] [-p PORT] [-t SECONDS] \
            [-u SECONDS] [-r COUNT] [FILE]
            qure-dnsupdate -h | -P | -T | -V
            qure-dnsupdate register | deregister | check | follow NAME [OPTIONS]
            qure-dnsupdate address [OPTIONS]
            """,
        discussion:
            "FILE is the script; '-' or none: standard input. Exit status: 0 done, 1 usage or syntax error, 2 an "
            + "update failed; with a command those of qure(7). See qure-dnsupdate(8).",
        version: Version.text,
        subcommands: [Register.self, Deregister.self, Check.self, Address.self, Follow.self])

    @OptionGroup var options: NsupdateHelp

    static func main() { runMain() }

    static func plain(_ arguments: [String]) -> ((Diagnostics) throws -> Void)? {
        // Options of two dashes are the parser's; nsupdate has none, and takes `--` alone for the end of its own.
        let isNsupdate = invokedName == "nsupdate"
        if !isNsupdate, let first = arguments.first {
            if first.hasPrefix("--"), first != "--" { return nil }
            // A script of such a name can be given as ./address.
            if commandNames.contains(first) { return nil }
        }
        return { _ in Glibc.exit(ScriptRun.run(arguments, calledAs: invokedName)) }
    }

    /// What comes first of those that are not nsupdate's.
    static var commandNames: [String] { configuration.subcommands.map { $0._commandName } }

    /// The name that the user knows us by.
    private static var invokedName: String {
        CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? name
    }

    /// Whatever the parser takes is for it alone: an option of two dashes in front of others.
    mutating func run() throws {
        throw Failure(.usage, "options of two dashes stand alone (see 'qure-dnsupdate --help')")
    }
}

/// nsupdate's options, for the help.
struct NsupdateHelp: ParsableArguments {
    @Flag(name: .customShort("4"), help: "Use IPv4 only.") var ipv4 = false
    @Flag(name: .customShort("6"), help: "Use IPv6 only.") var ipv6 = false
    @Option(
        name: .customShort("C"),
        help: ArgumentHelp("Find servers in this file, not in /etc/resolv.conf.", valueName: "file"))
    var resolver: String?
    @Flag(name: .customShort("d"), help: "Show what is sent and received.") var debug = false
    @Flag(name: .customShort("D"), help: "Show every message on its way, too.") var trace = false
    @Flag(name: .customShort("g"), help: "Refused: GSS-TSIG is not supported.") var gss = false
    @Flag(name: .customShort("o"), help: "Refused, as -g.") var oldGSS = false
    @Flag(name: .customShort("i"), help: "Go on after errors, as at a terminal.") var interactive = false
    @Option(
        name: .customShort("k"),
        help: ArgumentHelp("Sign with the key in this file, of BIND's form or Knot's.", valueName: "file"))
    var keyFile: String?
    @Flag(name: .customShort("l"), help: "Update this host's own server with its session key.") var local = false
    @Option(name: .customShort("L"), help: ArgumentHelp("Taken and ignored.", valueName: "level"))
    var level: String?
    @Flag(name: .customShort("M"), help: "As -D.") var memory = false
    @Option(name: .customShort("p"), help: ArgumentHelp("The servers' port.  [default: 53]", valueName: "port"))
    var port: String?
    @Flag(name: .customShort("P"), help: "Print the names of private types, and exit.") var privateTypes = false
    @Option(
        name: .customShort("r"),
        help: ArgumentHelp("Repetitions of a datagram without an answer.  [default: 3]", valueName: "count"))
    var retries: String?
    @Option(name: .customShort("R"), help: ArgumentHelp("Refused: there is no use for it.", valueName: "source"))
    var random: String?
    @Option(
        name: .customShort("t"),
        help: ArgumentHelp("The time for one server; 0: without end.  [default: 300]", valueName: "seconds"))
    var timeout: String?
    @Flag(name: .customShort("T"), help: "Print the names of types, and exit.") var types = false
    @Option(
        name: .customShort("u"),
        help: ArgumentHelp("The time for one datagram; 0: -t divided.  [default: 3]", valueName: "seconds"))
    var datagramTimeout: String?
    @Flag(name: .customShort("v"), help: "Use TCP.") var stream = false
    @Flag(name: .customShort("V"), help: "Print the version, and exit.") var version = false
    @Option(
        name: .customShort("y"),
        help: ArgumentHelp("Sign with this key, which others can see: better use -k.", valueName: "key"))
    var key: String?
}
