// `qure-lab fault`: what can go wrong, by name, for the lab that this process is in. In the lab's shell it is called
// `lab`.

import ArgumentParser
import Lab
import QureCore

/// `qure-lab fault`
struct FaultCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fault", abstract: "Do a fault by name to the lab around, or undo it; without a name: list them."
    )

    @Argument(help: "The fault and what it is done to.")
    var words: [String] = []

    func run() throws {
        guard let name = words.first, name != "help" else {
            try OutputStream.writeAll(Array(FaultTable.help.utf8), to: 1)
            return
        }
        guard let row = FaultTable.rows.first(where: { $0.name == name }) else {
            throw Failure(.usage, "'\(name)' is no fault; without a name they are listed")
        }
        let lab: Lab
        do { lab = try Lab(attachedTo: "/run/netns") } catch { throw Failure(.unreachable, "\(error)") }
        do {
            try row.action(lab, Array(words.dropFirst()))
        } catch let error as FaultTable.Misuse {
            throw Failure(.usage, "\(row.name) \(row.arguments): \(error.reason)")
        } catch let error as LabError {
            throw Failure(.system, error.description)
        }
    }
}

/// The faults of the lab's shell.
enum FaultTable {
    /// One of them.
    struct Row: Sendable {
        var name: String
        var arguments: String
        var help: String
        var action: @Sendable (Lab, [String]) throws -> Void
    }

    /// It was called with the wrong words.
    struct Misuse: Error { var reason: String }

    static let rows: [Row] = [
        onMachine("kill", "kill every process of the machine; its kernel still answers") { $0.kill($1) },
        onMachine("crash", "the machine dies: processes killed, cable dead; undone by boot") { try $0.crash($1) },
        onHost("boot", "start the host afresh, with its own addresses only") { try $0.boot($1) },
        onMachine("freeze", "stop every process of the machine; its kernel still answers") { $0.freeze($1) },
        onMachine("thaw", "let them go on") { $0.thaw($1) },
        onMachine("suspend", "freeze it, and nothing reaches it or leaves it; the carrier stays") {
            try $0.suspend($1)
        },
        onMachine("resume", "it goes on where it was") { try $0.resume($1) },
        onMachine("cut", "pull its cable") { try $0.cut($1) },
        onMachine("isolate", "let nothing pass through its cable; the carrier stays") { try $0.isolate($1) },
        onMachine("heal", "undo cut, isolate and loss") { try $0.heal($1) },
        Row(name: "loss", arguments: "PERCENT MACHINE [both|in|out]", help: "its cable loses frames") { lab, words in
            guard (2...3).contains(words.count), let percent = Int(words[0]), (0...100).contains(percent) else {
                throw Misuse(reason: "a percentage and a machine are wanted")
            }
            let way = words.count == 3 ? words[2] : "both"
            guard let direction = Lab.Direction(rawValue: way) else {
                throw Misuse(reason: "'\(way)' is no direction")
            }
            try lab.lose(percent, machine(words[1], in: lab), direction)
        },
        Row(
            name: "partition", arguments: "MACHINE,MACHINE... MACHINE...",
            help: "let nothing pass between these groups; who is in none reaches all"
        ) { lab, words in
            guard words.count >= 2 else { throw Misuse(reason: "at least two groups are wanted") }
            try lab.partition(words.map { try $0.split(separator: ",").map { try machine(String($0), in: lab) } })
        },
        plain("mend", "undo partition") { try $0.mend() },
        onHost("flush", "remove the shared addresses from the host") { lab, host in
            for address in [Lab.Plan.address, Lab.Plan.address6] { try lab.flush(host, address) }
        },
        onHost("flap", "take its interface down and up; only its own addresses come back") { try $0.flap($1) },
        plain("stranger", "a stranger on the LAN takes the shared address") { try $0.strangerTakes() },
        plain("stranger-leaves", "undo stranger") { try $0.strangerLeaves() },
        plain("deaf", "the gateway ignores announcements") { try $0.gatewayIsDeaf() },
        plain("hears", "undo deaf") { try $0.gatewayHears() },
        onMachine("permanent", "the gateway has a permanent entry: the address is at this machine") {
            try $0.gatewayInsists(isAt: $1)
        },
        plain("learns", "undo permanent") { try $0.gatewayLearns() },
        plain("reboot", "the gateway goes down and forgets everybody; undone by back") { try $0.gatewayReboots() },
        plain("back", "undo reboot") { try $0.gatewayIsBack() },
        plain("status", "who has which address") { lab in
            for machine in lab.hosts {
                let addresses = try machine.addresses().map(\.description).joined(separator: " ")
                try RecordWriter(json: false).write(
                    Record("\(machine.node) \(machine.processes.count) processes, \(addresses)", []))
            }
        },
    ]

    static var help: String {
        rows.map { row in
            let call = "  lab \(row.name) \(row.arguments)"
            return call + String(repeating: " ", count: max(44 - call.count, 2)) + row.help + "\n"
        }.joined()
    }

    private static func machine(_ word: String, in lab: Lab) throws -> Node {
        guard let node = Node(word), lab.nodes.contains(node) else {
            throw Misuse(
                reason:
                    "'\(word)' is no machine of this lab (\(lab.nodes.map(\.description).joined(separator: ", ")))")
        }
        return node
    }

    private static func onMachine(
        _ name: String, _ help: String, _ action: @escaping @Sendable (Lab, Node) throws -> Void
    ) -> Row {
        Row(name: name, arguments: "MACHINE...", help: help) { lab, words in
            guard !words.isEmpty else { throw Misuse(reason: "which machine?") }
            for word in words { try action(lab, machine(word, in: lab)) }
        }
    }

    private static func onHost(
        _ name: String, _ help: String, _ action: @escaping @Sendable (Lab, Int) throws -> Void
    ) -> Row {
        Row(name: name, arguments: "HOST...", help: help) { lab, words in
            guard !words.isEmpty else { throw Misuse(reason: "which host?") }
            for word in words {
                guard case .host(let number) = try machine(word, in: lab) else {
                    throw Misuse(reason: "'\(word)' is not one of the hosts")
                }
                try action(lab, number)
            }
        }
    }

    private static func plain(_ name: String, _ help: String, _ action: @escaping @Sendable (Lab) throws -> Void)
        -> Row
    {
        Row(name: name, arguments: "", help: help) { lab, words in
            guard words.isEmpty else { throw Misuse(reason: "takes no more words") }
            try action(lab)
        }
    }
}
