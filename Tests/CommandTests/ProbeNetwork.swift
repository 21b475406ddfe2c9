// The network that qure-probe's tests run in: a switch and some hosts on it, each in a network namespace of its own,
// made anew for every test under names of its own, so that tests run side by side. `here` is where the tool runs.

import Glibc
import Lab
import QureCore
import Synchronization
import Testing

/// A switch with hosts on it.
final class ProbeNetwork {
    /// What the tests may rely on: the hosts of every network. Host number n has the MAC address 02:00:00:00:00:0n and
    /// the addresses 10.1.0.n/24 and fd01::n/64.
    static let mac = (1...9).map { "02:00:00:00:00:0\($0)" }

    private static let count = Mutex(0)
    let prefix: String
    private var namespaces: [String] = []

    /// A switch with the hosts `here` (1) and `there` (2).
    init() {
        #expect(throws: Never.self) { try PrivateNamespace.prepare() }
        let number = Self.count.withLock { number -> Int in
            number += 1
            return number
        }
        prefix = "probe\(number)"
        add("switch")
        script("switch", "ip link add br0 type bridge mcast_snooping 0", "ip link set br0 up")
        join("here", 1)
        join("there", 2)
    }

    deinit {
        for namespace in namespaces { run("ip netns del \(namespace)") }
        run("ip link del \(prefix)")
    }

    /// The namespace of a host.
    func namespace(_ host: String) -> String { "\(prefix)-\(host)" }

    /// Makes a namespace with nothing in it but a loopback interface.
    func add(_ host: String) {
        must("ip netns add \(namespace(host))")
        namespaces.append(namespace(host))
        // No duplicate address detection, which would make every test wait for it.
        script(host, "sysctl -qw net.ipv6.conf.default.accept_dad=0", "ip link set lo up")
    }

    /// Puts a new host on the switch, with the addresses of its number or with others.
    func join(_ host: String, _ number: Int, _ addresses: [String]? = nil) {
        add(host)
        plug(host, "eth0", number)
        assign(host, addresses ?? ["10.1.0.\(number)/24", "fd01::\(number)/64"])
        awaitLink(host)
    }

    /// Joins a new interface of a host to the switch, down.
    func plug(_ host: String, _ interface: String, _ number: Int) {
        script(
            "switch",
            "ip link add \(host)-\(interface) type veth peer name \(interface) address \(Self.mac[number - 1])"
                + " netns \(namespace(host))",
            "ip link set \(host)-\(interface) master br0 up")
    }

    /// Gives a host's eth0 more addresses, without detection.
    func assign(_ host: String, _ addresses: [String], sourceLocation: SourceLocation = #_sourceLocation) {
        for address in addresses {
            let nodad = address.contains(":") ? "nodad" : ""
            on(host, "ip addr add \(address) dev eth0 \(nodad)", sourceLocation: sourceLocation)
        }
    }

    /// Brings a host's interface up and waits until it can send.
    func awaitLink(_ host: String, _ interface: String = "eth0") {
        on(host, "ip link set \(interface) up")
        let isUp = eventually {
            run("ip -n \(namespace(host)) link show dev \(interface)").output.contains("state UP")
                && run("bridge -n \(namespace("switch")) link show dev \(host)-\(interface)").output.contains(
                    "forwarding")
        }
        #expect(isUp, "\(host) does not come up")
    }

    /// An interface of the test process itself on the switch, for frames of any kind.
    func rawLink() throws -> RawLink {
        must("ip link add \(prefix) type veth peer name raw netns \(namespace("switch"))")
        must("ip link set \(prefix) up")
        script("switch", "ip link set raw master br0 up")
        let isUp = eventually { run("ip link show dev \(prefix)").output.contains("state UP") }
        #expect(isUp, "the raw link does not come up")
        return try RawLink(interface: prefix)
    }

    /// Runs a command line in a host, which must succeed. Returns its output.
    @discardableResult
    func on(_ host: String, _ line: String, sourceLocation: SourceLocation = #_sourceLocation) -> String {
        let result = start(line, on: host).finish()
        #expect(result.status == 0, "\(host): \(line): \(result.errors)", sourceLocation: sourceLocation)
        return result.output
    }

    /// Runs command lines in a host; all must succeed.
    func script(_ host: String, _ lines: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        let result = RunningTool(["sh", "-ec", lines.joined(separator: "\n")], in: namespace(host)).finish()
        #expect(result.status == 0, "\(host): \(lines): \(result.errors)", sourceLocation: sourceLocation)
    }

    /// Starts a program in a host.
    func start(_ line: String, on host: String = "here") -> RunningTool {
        RunningTool(line.split(separator: " ").map(String.init), in: namespace(host))
    }

    /// Starts qure-probe in `here`, or behind other words there.
    func startProbe(_ line: String, behind words: String = "") -> RunningTool {
        start("\(words) \(Executables.path("qure-probe")) \(line)")
    }

    /// Runs qure-probe in `here` to its end.
    func probe(_ line: String, behind words: String = "") -> ToolResult { startProbe(line, behind: words).finish() }

    /// What tshark sees on the link of a host, listening already: a line for each frame with these fields of its, a
    /// blank between. (tcpdump wants to become another user, which does not exist in a private namespace.)
    func witness(_ filter: String, _ fields: String..., on host: String) -> RunningTool {
        let words = ["tshark", "-i", "eth0", "-nlf", filter, "-T", "fields", "-E", "separator= "]
        let tool = RunningTool(words + fields.flatMap { ["-e", $0] }, in: namespace(host))
        #expect(tool.complains("Capture started"), "tshark does not listen: \(tool.errors)")
        return tool
    }
}

extension ToolResult {
    /// The lines of standard output.
    var lines: [String] { output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init) }

    /// The same with every time on standard output, which no test can know, written as TIME.
    var timeless: ToolResult {
        var copy = self
        copy.output.replace(/\b[0-9]+(\.[0-9]+)?(ms|s)\b/, with: "TIME")
        copy.output.replace(/"(rtt_us|time_ms)":[0-9]+/) { "\"\($0.output.1)\":TIME" }
        return copy
    }
}
