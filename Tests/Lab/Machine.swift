// Machine: one machine of the lab: a network namespace with a name, and the processes in it. Programs are started there
// with `ip netns exec`, which replaces itself by the program. This process itself can look inside for the length of a
// closure (`inside`): a thread has a network namespace of its own, and sockets stay in the one they were made in.

import CLinux
import Glibc
package import QureCore

/// Which machine of the lab.
package enum Node: Hashable, Sendable, ExpressibleByIntegerLiteral, LosslessStringConvertible {
    /// One of the hosts behind the gateway, counted from 1.
    case host(Int)
    case gateway
    /// The one that asks from outside.
    case client
    /// A machine on the LAN that is none of ours, and silent until it is wanted.
    case stranger
    /// A machine on the LAN without an IPv4 address, from which the witness asks. Not the gateway: the kernel there
    /// would learn from the answers, and so the witness would change what it is to watch.
    case observer
    /// The switch that joins them.
    case lan

    /// The host of this number.
    package init(integerLiteral number: Int) { self = .host(number) }

    /// `h1`, `gw`, `client`, `stranger`, `observer`, `switch`
    package init?(_ text: String) {
        switch text {
        case "gw": self = .gateway
        case "client": self = .client
        case "stranger": self = .stranger
        case "observer": self = .observer
        case "switch": self = .lan
        default:
            guard text.first == "h", let number = Int(text.dropFirst()), number >= 1 else { return nil }
            self = .host(number)
        }
    }

    package var description: String {
        switch self {
        case .host(let number): "h\(number)"
        case .gateway: "gw"
        case .client: "client"
        case .stranger: "stranger"
        case .observer: "observer"
        case .lan: "switch"
        }
    }

    /// The name of its interface on the LAN.
    package var interface: String { self == .gateway ? "lan" : "eth0" }
}

/// One machine of a lab.
package struct Machine: Sendable {
    package let node: Node
    /// The name of its network namespace.
    package let namespace: String

    /// Starts a program here.
    package func start(_ arguments: String..., input: CInt? = nil) throws -> LabProcess {
        try start(arguments, input: input)
    }

    /// Starts a program here.
    package func start(_ arguments: [String], input: CInt? = nil, environment: [String: String] = [:]) throws
        -> LabProcess
    {
        try LabProcess(
            ["ip", "netns", "exec", namespace] + arguments, input: input,
            environment: environment.merging(["QURE_LAB_MACHINE": node.description]) { first, _ in first })
    }

    /// Runs a program here to its end; nil status within the limit is an error.
    package func run(_ arguments: String..., within limit: Duration = .seconds(20)) throws -> CommandResult {
        let process = try start(arguments)
        guard let status = process.wait(within: limit) else {
            throw LabError("\(process.command): did not end within \(limit)")
        }
        return CommandResult(status: status, output: process.output + process.errors)
    }

    /// Runs a program here that must succeed, as a step of the lab itself.
    @discardableResult
    package func must(_ line: String) throws -> String {
        let words = line.split(separator: " ").map(String.init)
        let process = try start(words)
        guard process.wait() == 0 else { throw LabError("\(node): \(line): \(process.output)\(process.errors)") }
        return process.output
    }

    /// Runs `body` with the calling thread in this machine's network namespace. Sockets made there stay there.
    package func inside<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
        let home = try Self.open("/proc/thread-self/ns/net")
        let there = try Self.open("/run/netns/\(namespace)")
        guard qure_enter_network(there.number) == 0 else { throw SystemError("setns", namespace, errno: .current) }
        defer { precondition(qure_enter_network(home.number) == 0, "a thread is lost in \(namespace)") }
        return try body()
    }

    private static func open(_ path: String) throws -> FileDescriptor {
        let number = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SystemError("open", path, errno: .current) }
        return FileDescriptor(owning: number)
    }

    /// The processes in this machine, this one excepted.
    package var processes: [CInt] {
        var status = stat()
        guard stat("/run/netns/\(namespace)", &status) == 0 else { return [] }
        let wanted = "net:[\(status.st_ino)]"
        return TextFile.names(in: "/proc").compactMap { name in
            guard let pid = CInt(name), pid != getpid() else { return nil }
            var target = [UInt8](repeating: 0, count: 64)
            let count = target.withUnsafeMutableBytes {
                readlink("/proc/\(name)/ns/net", $0.baseAddress!, $0.count)
            }
            guard count > 0, String(decoding: target.prefix(count), as: UTF8.self) == wanted else { return nil }
            return pid
        }
    }

    /// Those of this name, as the kernel has it.
    package func processes(named name: String) -> [CInt] {
        processes.filter { process in
            (try? TextFile.read("/proc/\(process)/comm")).map { String(decoding: $0, as: UTF8.self) } == name + "\n"
        }
    }

    /// Sends every process here a signal, again until those that came up meanwhile have had it too.
    package func signalAll(_ signal: CInt) {
        var reached: Set<CInt> = []
        while true {
            let fresh = processes.filter { !reached.contains($0) }
            if fresh.isEmpty { return }
            for pid in fresh { kill(pid, signal) }
            reached.formUnion(fresh)
        }
    }

    /// The addresses on its interfaces, loopback left out.
    package func addresses() throws -> [IPAddress] {
        try inside {
            var netlink = try Netlink()
            return try netlink.addresses().map(\.prefix.address).filter { !$0.isLoopback }
        }
    }

    /// Whether `address` is on one of its interfaces now.
    package func has(_ address: IPAddress) throws -> Bool { try addresses().contains(address) }
}
