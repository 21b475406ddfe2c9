// `qure-elect check`: names what would spoil an election before it goes live. It takes the options of `run` and takes
// no part: it looks at this host (CheckHost.swift), sends some questions and listens for a few seconds
// (CheckListening.swift), and says what it makes of that (CheckJudgement.swift).

import ArgumentParser
import QureCore

/// `qure-elect check`
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration.subcommand(
        "check", of: "qure-elect",
        abstract: "Say what would spoil an election with the options of run, before it goes live.")

    @OptionGroup var member: MemberOptions

    @Option(help: "How long to listen.", transform: ArgumentText.duration)
    var seconds = DurationArgument(.seconds(5))

    mutating func validate() throws {
        guard seconds.duration >= .seconds(1), seconds.duration <= .seconds(60) else {
            throw ValidationError("--seconds takes 1 to 60")
        }
    }

    func run() throws {
        if member.common.checkConfig { throw Failure(.yes, "") }
        var report = CheckReport(json: member.common.json)
        var netlink = try Netlink()
        let keys = try readKeys(&report)
        var host = CheckHost(member)
        if let place = try host.look(&netlink, &report) {
            let gateways = try ElectSession.gateways(member, place.link, &netlink)
            let listening = try CheckListening(member, keys, place, gateways)
            try listening.run(for: seconds.duration)
            let judgement = CheckJudgement(
                options: member, place: place, gateways: gateways, listened: seconds.duration,
                evidence: listening.evidence)
            for finding in judgement.findings { try report.say(finding) }
        }
        if report.hasProblem { throw Failure(.no, "") }
    }

    /// The keys; nil where they cannot be used, and then nobody is asked anything in their name.
    private func readKeys(_ report: inout CheckReport) throws -> KeyRing? {
        do {
            let keys = try member.readKeys()
            if let trouble = member.openKeyFile {
                try report.say(.warning, "key", trouble)
            } else if let file = member.keyFile {
                try report.say(.ok, "key", "\(file) can be used, and only its owner may read it")
            } else {
                try report.say(.warning, "key", "--insecure: anybody on the link can take the address")
            }
            return keys
        } catch let failure as Failure {
            try report.say(.problem, "key", failure.description)
            return nil
        }
    }
}
