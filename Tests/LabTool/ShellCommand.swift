// `qure-lab shell`: builds a lab and lands a person in it, at a prompt with a word for every machine and every fault;
// or runs one command there. This process stays behind the shell as the first one of the process namespace.

import ArgumentParser
import Glibc
import Lab
import QureCore

/// `qure-lab shell`
struct ShellCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Build a lab and land in it with a prompt, or run one command in it.")

    @Option(help: "How many hosts stand behind the gateway.")
    var hosts = 3

    @Argument(parsing: .postTerminator, help: "Behind --: a command to run in the lab instead of a shell.")
    var command: [String] = []

    mutating func validate() throws {
        guard (1...70).contains(hosts) else { throw ValidationError("--hosts takes 1 to 70, not \(hosts)") }
    }

    func run() throws {
        try Namespaces.run { lifeline in
            let lab = try Lab(hosts: hosts, named: true)
            try ShellFiles.write(for: lab)
            let environment = ["PATH": "\(ShellFiles.directory)/bin:\(Toolbox.searchPath)"]
            let isBash = Toolbox.isInstalled("bash")
            if command.isEmpty {
                try OutputStream.writeAll(Array(ShellFiles.welcome(lab).utf8), to: 1)
            }
            let words =
                !command.isEmpty
                ? command : isBash ? ["bash", "--rcfile", "\(ShellFiles.directory)/rc", "-i"] : ["sh", "-i"]
            let shell = try LabChild(words, environment: environment)
            let status = try watch(shell, lifeline)
            lab.close()
            Glibc.exit(CInt(status))
        }
    }

    /// Waits for the end of the shell, or of whoever started the lab. Orphans come to the first process and are let go.
    private func watch(_ shell: LabChild, _ lifeline: CInt) throws -> Int {
        var poller = try Poller(signals: [SIGCHLD, SIGTERM, SIGHUP, SIGINT])
        try poller.add(lifeline, token: 0)
        // The shell may have ended before its end could be told.
        kill(getpid(), SIGCHLD)
        while true {
            for event in try poller.wait(until: nil) {
                switch event {
                case .signal(SIGCHLD):
                    var raw: CInt = 0
                    while case let child = waitpid(-1, &raw, WNOHANG), child > 0 {
                        if child == shell.pid { return LabChild.status(raw) }
                    }
                case .signal(SIGINT): break
                case .signal, .ready: return 128 + Int(SIGTERM)
                case .deadline: break
                }
            }
        }
    }
}

/// The files that make the shell in the lab convenient: a command for each machine, `lab` for the faults, `meter`,
/// `witness`.
enum ShellFiles {
    static let directory = "/run/qure-lab"

    static func write(for lab: Lab) throws {
        try TextFile.makeDirectory(directory + "/bin")
        for node in lab.nodes {
            try script(
                "\(node)",
                """
                QURE_LAB_MACHINE=\(node); export QURE_LAB_MACHINE
                [ $# -gt 0 ] || set -- \(Toolbox.isInstalled("bash") ? "bash --rcfile \(directory)/rc -i" : "sh -i")
                exec ip netns exec \(node) "$@"
                """)
        }
        let tool = Toolbox.executable
        try script("lab", "exec \(tool) fault \"$@\"")
        try script("meter", "exec ip netns exec client \(tool) meter \"$@\"")
        try script("witness", "exec ip netns exec observer \(tool) witness \"$@\"")
        let words = FaultTable.rows.map(\.name).joined(separator: " ")
        let settings = """
            [ -r /etc/bash.bashrc ] && . /etc/bash.bashrc
            PS1='\\[\\e[1m\\]${QURE_LAB_MACHINE:-lab}\\[\\e[0m\\]:\\w\\$ '
            [ -n "${NO_COLOR-}" ] && PS1='${QURE_LAB_MACHINE:-lab}:\\w\\$ '
            HISTFILE=
            complete -W '\(words)' lab
            """
        try TextFile.replace(directory + "/rc", with: Array((settings + "\n").utf8))
    }

    private static func script(_ name: String, _ text: String) throws {
        let path = "\(directory)/bin/\(name)"
        try TextFile.replace(path, with: Array("#!/bin/sh\n\(text)\n".utf8))
        guard chmod(path, 0o755) == 0 else { throw SystemError("chmod", path, errno: .current) }
    }

    static func welcome(_ lab: Lab) -> String {
        """
        You are in a lab of \(lab.hostCount) hosts, a gateway and a client outside. It is gone when you leave.

            client 203.0.113.2 -- 203.0.113.1 gw 192.168.1.1 -- switch -- h1 192.168.1.21, h2 192.168.1.22 ...
        The gateway forwards everything to the shared address 192.168.1.11 (IPv6: fd00:1::11). Nobody has it yet.

          h1 COMMAND, gw COMMAND, client COMMAND    run it on that machine (without COMMAND: a shell there)
          meter                                     the client asks the site 1000 times a second
          witness                                   a bystander asks who has the address, and whether two do
          lab cut h1, lab loss 30 h1, lab crash h1  faults;  lab  lists them all

        Try:  for h in h1 h2; do $h qure-standby 192.168.1.11/24 & done; meter --for 10s & sleep 5; lab crash h1


        """
    }
}
