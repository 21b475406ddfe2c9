// qure-lab as a person runs it, from outside of any lab: it finds its own way into private namespaces, passes on exit
// statuses, and leaves nothing behind however it ends.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(3)))
    struct Tool {
        private let tool: String

        init() throws { tool = try Toolbox.path(of: "qure-lab") }

        private func run(_ arguments: String..., within limit: Duration = .seconds(30)) throws -> (
            status: Int?, process: LabProcess
        ) {
            let process = try LabProcess([tool] + arguments)
            return (process.wait(within: limit), process)
        }

        @Test func `a command in the lab's shell: the machines and faults are there by name, and its status is ours`()
            throws
        {
            let (status, process) = try run(
                "shell", "--hosts", "2", "--", "sh", "-c",
                "h1 ip -4 -o addr show eth0; lab cut h2; h2 ip link show eth0; lab heal h2; "
                    + "lab nonsense; echo $?; exit 7"
            )
            #expect(status == 7, "\(process.errors)")
            #expect(process.output.contains("192.168.1.21/24"))
            #expect(process.output.contains("NO-CARRIER"))
            #expect(process.output.hasSuffix("64\n"))
        }

        @Test func `the meter and the witness at the prompt`() throws {
            let (status, process) = try run(
                "shell", "--hosts", "1", "--", "sh", "-c",
                "h1 ip addr add \(Lab.Plan.shared) dev eth0; meter --for 300ms; "
                    + "meter --pages --json --for 300ms; witness --for 300ms"
            )
            #expect(status == 0, "\(process.errors)")
            let lines = process.lines
            #expect(lines.contains { $0.hasPrefix("answered by h1 from ") }, "\(process.output)")
            #expect(
                lines.contains { $0.hasPrefix("summary requests 3") && $0.contains(" lost 0 ") }, "\(process.output)")
            #expect(
                lines.compactMap { JSONRecord($0) }.contains {
                    $0.text("event") == "summary" && $0.number("lost") == 0
                })
            #expect(lines.contains { $0.hasPrefix("taken by \(Lab.Plan.mac(1))") }, "\(process.output)")
        }

        @Test func `a host that is crashed and booted at the prompt answers again`() throws {
            let (status, process) = try run(
                "shell", "--hosts", "1", "--", "sh", "-c",
                "lab crash h1; lab boot h1; h1 ip addr add \(Lab.Plan.shared) dev eth0; meter --for 300ms")
            #expect(status == 0, "\(process.output)\(process.errors)")
            #expect(process.output.contains("answered by h1"), "\(process.output)")
        }

        @Test func `each host is a machine of its own: one file makes members of all, and none is left outside`()
            throws
        {
            let cluster = "lab-test-\(getpid())"
            let (status, process) = try run(
                "shell", "--hosts", "2", "--", "sh", "-c",
                """
                cd /run; printf 'cluster \(cluster)\\naddress \(Lab.Plan.shared)\\ninsecure\\n' > home.conf
                for h in h1 h2; do $h qure-member home.conf 2> $h.errors & done
                until h1 qure-elect members 2> /dev/null | grep -q '^h2 '; do sleep 0.1; done
                until h2 qure-elect members 2> /dev/null | grep -q '^h1 '; do sleep 0.1; done
                cat *.errors; h1 qure-elect members; h2 hostname; h2 ls /var/lib/qure; ls -A /var/lib/qure /run/qure
                """)
            #expect(status == 0, "\(process.output)\(process.errors)")
            let lines = process.lines
            #expect(lines.contains { $0.hasPrefix("h1 192.168.1.21 ") }, "\(process.output)")
            #expect(lines.contains { $0.hasPrefix("h2 192.168.1.22 ") })
            let end = ["h2", "elect-\(cluster).state", "/run/qure:", "", "/var/lib/qure:"]
            #expect(lines.suffix(end.count).map(String.init) == end, "\(process.output)")
            #expect(access("/var/lib/qure/elect-\(cluster).state", F_OK) != 0)
        }

        @Test func `two labs at once have the same names and do not meet`() throws {
            let script = "h1 ip addr add \(Lab.Plan.shared) dev eth0; echo ready; read -r word; lab status"
            func start() throws -> LabProcess {
                try LabProcess([
                    tool, "shell", "--hosts", "1", "--", "sh", "-c",
                    "mkfifo /run/wait; (sleep 1000 > /run/wait) & exec < /run/wait; \(script)",
                ])
            }
            let one = try start()
            let other = try start()
            #expect(
                eventually { one.output.contains("ready") && other.output.contains("ready") },
                "\(one.errors)\(other.errors)")
            one.stop()
            #expect(other.isRunning)
        }

        @Test(arguments: [SIGTERM, SIGHUP, SIGKILL])
        func `however the command outside ends, nothing of the lab is left`(_ signal: CInt) throws {
            // A word that only this lab's processes have in their command line.
            let mark = "lab-mark-\(getpid())-\(signal)"
            let process = try LabProcess(
                [
                    tool, "shell", "--hosts", "2", "--", "sh", "-c",
                    "h1 sh -c 'while :; do sleep 1; done' \(mark) & echo up; wait",
                ])
            #expect(
                eventually { process.output.contains("up") && Self.processes(with: mark).count >= 2 },
                "\(process.errors)")
            process.send(signal)
            #expect(process.wait() != nil)
            #expect(eventually { Self.processes(with: mark).isEmpty }, "\(Self.processes(with: mark))")
        }

        @Test(arguments: ["bench failover", "figures --directory FOLDER/docs"], [SIGTERM, SIGINT, SIGKILL])
        func `a measurement ends when it is told to, and nothing of it is left`(
            _ command: String, _ signal: CInt
        ) throws {
            let folder = shell("mktemp -d").output.filter { $0 != "\n" }
            defer { shell("rm -r \(folder)") }
            let words = command.replacing("FOLDER", with: folder).split(separator: " ").map(String.init)
            let process = try LabProcess([tool] + words, environment: ["TMPDIR": folder])
            // It is in the midst of it when its first elector runs.
            var place: String?
            let isBusy = eventually(within: .seconds(30)) {
                let mine = Self.processes(with: "/qure-elect").filter { Self.isOf(process.pid, $0) }
                place = mine.first.flatMap(Self.processNamespace)
                return place != nil
            }
            #expect(isBusy, "\(process.output)\(process.errors)")
            process.send(signal)
            #expect(process.wait() == 128 + Int(signal), "\(process.output)\(process.errors)")
            let isGone = eventually { place.map(shell("readlink /proc/[0-9]*/ns/pid").output.contains) == false }
            #expect(isGone, "\(place ?? "")")
            #expect(TextFile.names(in: folder) == [], "the files of the contestants")
        }

        /// Whether a process descends from another one.
        private static func isOf(_ ancestor: CInt, _ process: String) -> Bool {
            var process = process
            while process != "0", process != "\(ancestor)" {
                let text = String(decoding: (try? TextFile.read("/proc/\(process)/status")) ?? [], as: UTF8.self)
                let line = text.split(separator: "\n").first { $0.hasPrefix("PPid:") }
                process = line?.filter(\.isNumber) ?? "0"
            }
            return process != "0"
        }

        private static func processNamespace(_ process: String) -> String? {
            let name = shell("readlink /proc/\(process)/ns/pid").output
            return name.isEmpty ? nil : name
        }

        private static func processes(with mark: String) -> [String] {
            TextFile.names(in: "/proc").filter { name in
                guard let pid = CInt(name), pid != getpid() else { return false }
                let bytes = (try? TextFile.read("/proc/\(name)/cmdline")) ?? []
                return String(decoding: bytes, as: UTF8.self).contains(mark)
            }
        }

        @Test func `the demo tells its story in plain lines, draws it, and ends well`() throws {
            let picture = "/tmp/qure-demo-test-\(getpid()).svg"
            defer { unlink(picture) }
            let (status, process) = try run("demo", "--svg", picture, within: .seconds(90))
            #expect(status == 0, "\(process.output)\(process.errors)")
            #expect(!process.output.contains("\u{1b}"), "colours where there is no terminal")
            for words in ["dies", "is suspended", "is unplugged", "without an answer", "requests were answered"] {
                #expect(process.output.contains(words), "\(words): \(process.output)")
            }
            let drawing = String(decoding: try TextFile.read(picture), as: UTF8.self)
            #expect(drawing.hasPrefix("<svg ") && drawing.hasSuffix("</svg>\n"))
            #expect(drawing.contains("dead") && drawing.contains("suspended") && drawing.contains("unplugged"))
        }

        @Test func `a fault where there is no lab is refused with status 69`() throws {
            let process = try LabProcess([tool, "fault", "cut", "h1"])
            #expect(process.wait() == 69)
            #expect(process.errors.contains("no lab here"), "\(process.errors)")
        }

        @Test func `wrong words are refused in one line with status 64`() throws {
            for words in [
                ["shell", "--hosts", "0"], ["demo", "--hosts", "1"], ["fault", "nonsense"], ["meter", "--rate", "0"],
                ["x"],
            ] {
                let process = try LabProcess([tool] + words)
                #expect(process.wait() == 64, "\(words)")
                #expect(process.errors.split(separator: "\n").count == 1, "\(words): \(process.errors)")
                #expect(process.output.isEmpty)
            }
        }
    }
}
