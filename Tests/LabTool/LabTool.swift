// qure-lab: the lab as a program: a shell in it, the demo, and the instruments that run in it. The commands that need
// a lab start themselves anew in private namespaces (Namespaces.swift); those that act on one are for the shell in
// it. Not installed: it belongs to the source tree.

import ArgumentParser
import QureCore

@main
struct LabTool: Tool {
    static let name = "qure-lab"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract:
            "A small site in network namespaces: a gateway, hosts behind it, a client outside, and faults by name.",
        discussion: """
            Needs no root where unprivileged user namespaces are allowed. Everything happens in namespaces of its own \
            and is gone when the command ends.
            """,
        version: Version.text,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(name: "To begin with:", subcommands: [DemoCommand.self, ShellCommand.self]),
            CommandGroup(
                name: "Instruments:",
                subcommands: [
                    MeterCommand.self, WitnessCommand.self, ServeCommand.self, BenchCommand.self, FiguresCommand.self,
                    EchoCommand.self, BeatCommand.self,
                ]),
            CommandGroup(name: "In the lab's shell:", subcommands: [FaultCommand.self]),
        ])

    static func main() { runMain() }
}
