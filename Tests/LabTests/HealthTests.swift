// The health check of `qure-elect run` and the state of the link, with real commands and cables: who fails yields, and
// comes back.

import Glibc
import Lab
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(2)))
    struct Health {
        private static let often = ["--health-interval", "100ms", "--health-fall", "2", "--health-rise", "2"]
        private static let hooks = ["--on-master", Elector.adds, "--on-standby", Elector.removes]

        private static func elector(_ lab: Lab, _ number: Int, _ options: String...) throws -> Elector {
            try Elector(lab.host(number), often + hooks + options)
        }

        /// Two electors, the first of which is master.
        private static func pair(_ lab: Lab, _ options: String...) throws -> (Elector, Elector) {
            let onFault = ["--on-fault", Elector.removes]
            let first = try Elector(lab.host(1), often + hooks + onFault + options)
            try #require(first.becomes("master"), "\(first.said)")
            let second = try Elector(lab.host(2), often + hooks + onFault + options)
            try #require(second.becomes("standby"), "\(second.said)")
            try #require(eventually { first.ask("members").output.contains("\nh2 192.168.1.22 standby ") })
            return (first, second)
        }

        @Test func `who fails its check is at fault, and comes back when it passes`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Self.elector(
                lab, 1, "--on-fault", "\(Elector.removes); echo $QURE_REASON $QURE_OLD_ROLE > FOLDER/fault",
                "--health", "echo $QURE_ROLE > FOLDER/role; ! test -e FOLDER/ill")
            #expect(elector.becomes("master"), "\(elector.said)")
            #expect(eventually { elector.text("role") == "master\n" })
            elector.touch("ill")
            #expect(elector.becomes("fault"), "\(elector.said)")
            #expect(eventually { elector.text("fault") == "health-check master\n" })
            elector.remove("ill")
            #expect(elector.becomes("master"), "\(elector.said)")
            let lines = elector.process.errors.split(separator: "\n")
            let prefix = "qure-elect: --health: "
            let said = lines.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
            #expect(
                said == [
                    "healthy", "the command ended with status 1, asking again",
                    "the command ended with status 1: unhealthy until it passes", "healthy",
                ])
            #expect(elector.process.stop() == 0)
        }

        @Test func `a master that fails hands over, and does not come back as master`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let (first, second) = try Self.pair(lab, "--health", "! test -e FOLDER/ill")
            first.touch("ill")
            #expect(second.becomes("master"), "\(first.said)\(second.said)")
            #expect(second.ask("status", "--json").output.contains("\"last_take_over\":{\"reason\":\"transfer\","))
            #expect(first.becomes("fault"))
            #expect(eventually { (try? lab.holders()) == [2] })
            first.remove("ill")
            #expect(first.becomes("standby") && second.becomes("master"))
        }

        @Test func `a check that hangs has failed, and nothing of it is left`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Self.elector(
                lab, 1, "--health", "sleep 1000 & wait", "--health-timeout", "150ms")
            #expect(elector.becomes("fault"), "\(elector.said)")
            let report = "--health: the command did not end within 150ms and was killed: unhealthy until it passes\n"
            #expect(elector.complaints == "qure-elect: \(report)qure-elect: fault: health-check\n")
            #expect(elector.ask("status").output.hasSuffix(" reason=health-check\n"))
            #expect(elector.process.stop() == 0)
            #expect(eventually { lab.host(1).processes(named: "sleep").isEmpty })
        }

        @Test func `a member that is not healthy from the start is not counted on`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let first = try Self.elector(lab, 1)
            #expect(first.becomes("master"), "\(first.said)")
            let second = try Self.elector(lab, 2, "--health", "exit 4")
            #expect(second.becomes("fault"), "\(second.said)")
            #expect(eventually { first.ask("members").output.contains("\nh2 192.168.1.22 fault ") })
            let answer = first.ask("resign")
            #expect(answer.status == 1 && answer.output == "qure-elect: no other member could take the address\n")
            #expect(first.becomes("master"))
        }

        @Test func `a master without a link yields, and comes back with it`() throws {
            let lab = try Lab(hosts: 2, responders: false)
            let (first, second) = try Self.pair(lab)
            try lab.cut(1)
            #expect(second.becomes("master"), "\(first.said)\(second.said)")
            #expect(first.becomes("fault"), "\(first.said)")
            #expect(eventually { (try? lab.holders()) == [2] })
            #expect(first.process.output.contains("\nfault ") && first.process.output.contains(" reason=link-down"))
            // The gateway is not asked there.
            let status = first.ask("status").output
            #expect(status.contains(" gateway_heard_ms=- ") && status.hasSuffix(" reason=link-down\n"), "\(status)")
            #expect(!second.ask("status").output.contains(" gateway_heard_ms=- "))
            try lab.heal(1)
            #expect(first.becomes("standby"), "\(first.said)")
            #expect(second.becomes("master"))
        }

        @Test func `a member at fault, too, leaves at once when nobody reads its events any more`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = Executables.path("qure-elect")
            let words = "run --cluster test --insecure --address \(Lab.Plan.shared) --health false --keep-dir /run/qure"
            let pipeline = try lab.host(1).start("sh", "-c", "{ \(elector) \(words); echo $? >&2; } | cat")
            #expect(eventually { pipeline.lines.last?.hasPrefix("fault ") == true }, "\(pipeline.errors)")
            for reader in lab.host(1).processes(named: "cat") { kill(reader, SIGKILL) }
            // The shell may have its own word on the reader's end between the two.
            let end = "qure-elect: standard output: whoever followed is gone; left the cluster\n"
            #expect(eventually { pipeline.errors.hasSuffix("69\n") }, "\(pipeline.errors)")
            #expect(pipeline.errors.contains(end), "\(pipeline.errors)")
        }
    }
}
