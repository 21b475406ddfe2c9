// The command line of qure-dnsupdate, held against nsupdate's where it has the same: complaints and statuses, and what
// is refused because it is not supported.

import Lab
import Testing

struct DNSUpdateOptionTests {
    private static func run(
        _ arguments: [String], by program: String = Executables.path("qure-dnsupdate")
    ) -> ToolResult {
        RunningTool([program] + arguments).finish()
    }

    /// Called by nsupdate's name.
    private static func runAsNsupdate(_ arguments: [String]) -> ToolResult {
        let folder = TemporaryFolder()
        must("ln -s \(Executables.path("qure-dnsupdate")) \(folder.path)/nsupdate")
        return run(arguments, by: "\(folder.path)/nsupdate")
    }

    @Test(
        .enabled(if: Repository.has("nsupdate"), "needs nsupdate: make deps"),
        arguments: [
            "-4 -6", "-k a -y b", "-p x", "-p 70000", "-t x", "-u -1", "-r x", "-L x", "-R x", "-Z", "-dZ", "-k",
            "-g -k a", "-h", "-y a", "-y a:", "nosuchfile",
            "-L 0 -t 5 -u 2 -r 0 -vp 5300", "-vp5300 -- /dev/null", "-y foo:a:b",
        ])
    func `complaints are nsupdate's`(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        let theirs = Self.run(words, by: "nsupdate")
        let ours = Self.runAsNsupdate(words)
        #expect(ours.status == theirs.status && ours.output == theirs.output)
        // Of the usage, that it is shown.
        let usage = "usage: nsupdate [-CdDi] [-L level] [-l] "
        #expect(theirs.errors.contains(usage) ? ours.errors.contains(usage) : ours.errors == theirs.errors)
    }

    @Test(.enabled(if: Repository.has("nsupdate"), "needs nsupdate: make deps"))
    func `the types are those that nsupdate knows and we do`() {
        let theirs = Self.run(["-T"], by: "nsupdate"), ours = Self.run(["-T"])
        #expect(ours.status == 0 && ours.errors == "")
        let strange = Set(ours.lines).symmetricDifference(theirs.lines)
        // Younger than the others, and without a text form of their own anywhere here.
        #expect(strange.isSubset(of: ["RESINFO", "WALLET", "DLV", "TA"]), "\(strange)")
        #expect(!ours.lines.contains("ANY") && !ours.lines.contains("OPT") && ours.lines.contains("AAAA"))
        #expect(Self.run(["-P"]) == ToolResult(0))
    }

    @Test func `what is not supported is said`() {
        for letter in ["A", "E", "H", "K", "O", "S"] {
            let words = "qure-dnsupdate: -\(letter): DNS over TLS is not supported"
            let result = Self.run(["-\(letter)", "x"])
            #expect(result.status == 1 && result.errors.hasPrefix(words), "\(result)")
        }
        let result = Self.run(["-g"])
        #expect(result.status == 1 && result.errors.hasPrefix("qure-dnsupdate: GSS-TSIG (-g, -o) is not supported"))
    }

    @Test func `options of two dashes are help, version and completions, unless it is called nsupdate`() {
        #expect(Self.run(["--help"]).output.contains("-k <file>"))
        #expect(Self.run(["--version"]) == ToolResult(0, "0.1.0\n"))
        #expect(Self.run(["--generate-completion-script", "bash"]).output.contains("-C"))
        #expect(Self.run(["--nonsense"]).status == 64)
        #expect(Self.run(["-V"]) == ToolResult(0, errors: "qure-dnsupdate (qure) 0.1.0\n"))
        let other = Self.runAsNsupdate(["--help"])
        #expect(other.status == 1 && other.errors.hasPrefix("nsupdate: illegal option -- -\n"))
    }

    @Test func `a command that is misspelt is no script, unless it is called nsupdate`() {
        let words = ["regster", "home.example.com"]
        let line = "could not open 'regster': file not found\n"
        let hint = "qure-dnsupdate: no command 'regster'; did you mean 'register'?\n"
        #expect(Self.run(words) == ToolResult(1, errors: line + hint))
        #expect(Self.runAsNsupdate(words) == ToolResult(1, errors: line))
    }

    @Test func `errors do not end a script with -i`() {
        let folder = TemporaryFolder()
        shell("printf 'exit\\nadd a 60 A 192.0.2.1\\nshow\\n' > \(folder.path)/script")
        let tool = [Executables.path("qure-dnsupdate")]
        let ended = RunningTool(tool, input: "\(folder.path)/script").finish()
        #expect(ended == ToolResult(1, errors: "incorrect section name: exit\nsyntax error\n"))
        for result in [
            RunningTool(tool + ["-i"], input: "\(folder.path)/script").finish(),
            RunningTool(tool + ["-i", "\(folder.path)/script"]).finish(),
        ] {
            #expect(result.status == 0 && result.errors == "incorrect section name: exit\n")
            #expect(result.output.contains("a.\t\t\t60\tIN\tA\t192.0.2.1\n"))
        }
        let closed = shell("echo show | \(tool[0]) >&-")
        #expect(closed.status == 1 && closed.output.contains("write standard output"), "\(closed)")
    }
}
