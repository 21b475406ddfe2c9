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
            Glibc.exit(command.isEmpty ? 0 : CInt(status))  // what a person typed last is no failure of the lab
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

    /// What a program takes for its machine's own: where sockets and claims are, and what is remembered over a restart.
    private static let ownDirectories = ["/run/qure", "/var/lib/qure"]

    static func write(for lab: Lab) throws {
        try TextFile.makeDirectory(directory + "/bin")
        let made = shell(ownPlaces(lab))
        guard made.status == 0 else { throw LabError("directories for each machine: \(made.output)") }
        for node in lab.nodes {
            let mounts = ownDirectories.map { "mount --bind \(place(of: node))\($0) \($0)" }
            try script(
                "\(node)",
                """
                QURE_LAB_MACHINE=\(node); export QURE_LAB_MACHINE
                [ $# -gt 0 ] || set -- \(Toolbox.isInstalled("bash") ? "bash --rcfile \(directory)/rc -i" : "sh -i")
                # The mounts are in a namespace that ip has made for this command alone.
                exec ip netns exec \(node) unshare --uts sh -c '
                    \((mounts + ["hostname \(node)", #"exec "$@""#]).joined(separator: " && "))' \(node) "$@"
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

    /// Where a machine's own directories are outside of it.
    private static func place(of node: Node) -> String { "\(directory)/machines/\(node)" }

    /// Makes the directories that each machine has for itself, and where they are to be seen there. /var/lib becomes
    /// a list of links to what is in the real one: nothing of the lab is to be left there, and not everybody who may
    /// start a lab could make a directory in it.
    private static func ownPlaces(_ lab: Lab) -> String {
        let places = lab.nodes.flatMap { node in ownDirectories.map { place(of: node) + $0 } }
        return """
            set -e
            mkdir \(directory)/var-lib
            mount --rbind /var/lib \(directory)/var-lib
            mount -t tmpfs none /var/lib
            for entry in \(directory)/var-lib/*; do
                [ "${entry##*/}" = qure ] || ln -s "$entry" /var/lib/
            done
            mkdir -p \((ownDirectories + places).joined(separator: " "))
            """
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

          h1 COMMAND, gw COMMAND, client COMMAND    run it on that machine (without COMMAND: a shell there); each has
                                                    its own name, /run/qure and /var/lib/qure
          meter                                     the client asks the site 1000 times a second
          witness                                   a bystander asks who has the address, and whether two do
          lab cut h1, lab loss 30 h1, lab crash h1  faults;  lab  lists them all

        Try:  for h in h1 h2; do $h qure-standby 192.168.1.11/24 & done; meter --for 10s & sleep 5; lab crash h1

        An election, with one file for all (/run goes when the lab does):
          cd /run; (umask 077; qure-elect keygen > home.key)
          printf 'cluster home\\naddress 192.168.1.11/24\\n' > home.conf
          for h in h1 h2; do $h qure-member home.conf & done; sleep 3; h1 qure-elect members


        """
    }
}
