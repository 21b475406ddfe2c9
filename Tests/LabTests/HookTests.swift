// The user's commands of `qure-elect run`, with real ones: what they are told, in which order they run, that a hung one
// holds up nothing, and what they do not inherit.

import Glibc
import Lab
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(2)))
    struct Hooks {
        private static func elector(_ lab: Lab, _ options: String...) throws -> Elector {
            try Elector(lab.host(1), options)
        }

        @Test func `hooks are told what is so, and the last one has its time at the end`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Self.elector(
                lab, "--on-fault", "env > FOLDER/fault",
                "--on-standby", "\(Elector.removes); sleep 0.3; env > FOLDER/standby", "--on-master",
                "\(Elector.adds); echo said by a hook; env > FOLDER/new; mv FOLDER/new FOLDER/master")
            #expect(eventually { elector.text("master") != "" }, "\(elector.said)")
            #expect(elector.becomes("master"))
            let told = Set(elector.text("master").split(separator: "\n").filter { $0.hasPrefix("QURE_") })
            for line in [
                "QURE_CLUSTER=test", "QURE_NAME=h1", "QURE_INTERFACE=eth0", "QURE_ADDRESS=192.168.1.11/24",
                "QURE_ROLE=master", "QURE_OLD_ROLE=", "QURE_TERM=1", "QURE_MASTER=h1", "QURE_REASON=",
            ] { #expect(told.contains(line[...]), "\(line) of \(told)") }
            #expect(elector.process.stop() == 0)
            let last = elector.text("standby")
            #expect(last.contains("QURE_ROLE=goodbye\n") && last.contains("QURE_OLD_ROLE=master\n"), "\(last)")
            #expect(last.contains("QURE_REASON=stopped\n") && elector.text("fault") == "")
            // The stream is for followers: what hooks say goes to standard error.
            #expect(!elector.process.output.contains("said") && elector.complaints == "said by a hook\n")
            #expect(elector.process.lines.last?.hasPrefix("goodbye ") == true)
        }

        @Test func `a hook that hangs is killed with all that it started, and holds up no heartbeat`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Self.elector(
                lab, "--on-master", "\(Elector.adds); sleep 1000 & wait", "--hook-limit", "700ms")
            #expect(eventually { !lab.host(1).processes(named: "sleep").isEmpty }, "\(elector.said)")
            let before = elector.process.lines.count
            #expect(eventually { elector.process.lines.count >= before + 4 })
            #expect(!elector.process.errors.contains("--on-master"))
            #expect(
                eventually {
                    elector.complaints
                        == "qure-elect: --on-master: the command did not end within 700ms and was killed, going on\n"
                }, "\(elector.process.errors)")
            #expect(eventually { lab.host(1).processes(named: "sleep").isEmpty })
            #expect(elector.becomes("master"))
            #expect(elector.process.stop() == 0)
        }

        @Test func `a hook that fails is reported, and nothing else comes of it`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Self.elector(lab, "--on-master", "\(Elector.adds); exit 3")
            let report = "qure-elect: --on-master: the command ended with status 3, going on\n"
            #expect(eventually { elector.complaints == report }, "\(elector.process.errors)")
            #expect(elector.becomes("master"))
        }

        @Test func `one hook runs at a time, and of those that wait the newest`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let story = "echo $QURE_ROLE $QURE_OLD_ROLE >> FOLDER/story"
            let elector = try Self.elector(
                lab, "--hook-limit", "1m", "--on-standby", story,
                "--on-master",
                "\(Elector.adds) 2> FOLDER/ip; \(story); until [ -e FOLDER/go ]; do sleep 0.01; done")
            #expect(eventually { elector.text("story") == "master\n" }, "\(elector.said)")
            #expect(elector.ask("maintenance", "on").status == 0)
            #expect(elector.becomes("maintenance"))
            #expect(elector.ask("maintenance", "off").status == 0)
            #expect(elector.becomes("master"))
            #expect(elector.text("story") == "master\n")
            elector.touch("go")
            #expect(eventually { elector.text("story") == "master\nmaster standby\n" }, "\(elector.text("story"))")
            #expect(elector.ask("maintenance", "on").status == 0)
            #expect(eventually { elector.text("story").hasSuffix("\nmaintenance master\n") })
        }

        @Test func `asked twice to stop, it does not wait for its hook`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let elector = try Self.elector(
                lab, "--on-master", Elector.adds, "--on-standby", "echo there > FOLDER/standby; sleep 1000",
                "--hook-limit", "1m")
            #expect(elector.becomes("master"), "\(elector.said)")
            elector.process.send(SIGTERM)
            #expect(eventually { elector.text("standby") == "there\n" })
            #expect(elector.process.isRunning && elector.ask("status").output.hasPrefix("goodbye "))
            #expect(elector.process.stop() == 0)
            #expect(eventually { lab.host(1).processes(named: "sleep").isEmpty })
        }

        @Test func `a hook has none of the elector's descriptors, signals or words to the service manager`() throws {
            let lab = try Lab(hosts: 1, responders: false)
            let looks = """
                ls /proc/self/fd > FOLDER/fd; readlink /proc/self/fd/0 > FOLDER/in; env > FOLDER/env
                grep ^Sig[BI] /proc/self/status > FOLDER/signals; echo x > FOLDER/done
                """
            let elector = try Self.elector(lab, "--on-master", "\(Elector.adds)\n\(looks)")
            #expect(eventually { elector.text("done") != "" }, "\(elector.said)")
            // The fourth is the folder that ls reads.
            #expect(elector.text("fd") == "0\n1\n2\n3\n")
            #expect(elector.text("in") == "/dev/null\n")
            let signals = elector.text("signals").split(separator: "\n").compactMap { line in
                line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
            }
            // 32 and 33 are the C library's own, and nobody's to set.
            #expect(signals.map { $0 & ~(3 << 31) } == [0, 0])
            #expect(!elector.text("env").contains("NOTIFY_SOCKET"))
        }
    }
}
