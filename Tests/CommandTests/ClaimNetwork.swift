// The network that qure-claim's tests run in: a switch and some hosts on it, each in a network namespace, made anew for
// every test under names of its own, so that tests run side by side. Host number n has the MAC address
// 02:00:00:00:00:0n and the addresses 10.9.0.n/24 and fd09::n/64 on eth0; the tool runs on host 1 unless a test says
// otherwise, and the addresses that it claims end in 50 and more.

import Glibc
import Lab
import QureCore
import Synchronization
import Testing

/// A switch with hosts on it.
final class ClaimNetwork {
    /// Whether the runner vouches for the namespace, and all that the tests need is there; nil: yes.
    static let missing: String? =
        PrivateNamespace.missing
        ?? ["tcpdump", "arping", "ping", "perl"].first { !Repository.has($0) }.map { "needs \($0)" }

    private static let count = Mutex(0)
    private let number: Int
    private let hosts: Int
    /// A folder for the test's files.
    let folder: String

    /// A switch with this many hosts.
    init(hosts: Int = 2) {
        do { try PrivateNamespace.prepare() } catch { preconditionFailure("\(error)") }
        number = Self.count.withLock { count -> Int in
            count += 1
            return count
        }
        self.hosts = hosts
        folder = "/run/claim\(number)"
        must("mkdir -p \(folder)")
        build()
    }

    deinit {
        let names = (0...hosts).map { $0 == 0 ? lan : namespace($0) }
        shell(names.map { "ip netns del \($0)" }.joined(separator: "\n") + "\nrm -rf \(folder)")
    }

    /// The namespace of the switch.
    private var lan: String { "claim\(number)-lan" }
    /// The namespace of a host.
    func namespace(_ host: Int) -> String { "claim\(number)-h\(host)" }
    /// The hardware address of a host.
    static func mac(_ host: Int) -> String { "02:00:00:00:00:0\(host)" }

    private func build() {
        var lines = ["ip netns add \(lan)", "ip -n \(lan) link add br0 type bridge mcast_snooping 0"]
        lines.append("ip -n \(lan) link set br0 up")
        for host in 1...hosts {
            lines += [
                "ip netns add \(namespace(host))",
                "ip netns exec \(namespace(host)) sysctl -qw net.ipv6.conf.default.accept_dad=0",
                "ip -n \(lan) link add h\(host) type veth peer name eth0 address \(Self.mac(host)) "
                    + "netns \(namespace(host))",
                "ip -n \(lan) link set h\(host) master br0 up",
                """
                ip -n \(namespace(host)) -batch - <<END
                link set lo up
                addr add 10.9.0.\(host)/24 dev eth0
                addr add fd09::\(host)/64 dev eth0 nodad
                link set eth0 up
                END
                """,
                // From here on: detection is what some tests are about.
                "ip netns exec \(namespace(host)) sysctl -qw net.ipv6.conf.eth0.accept_dad=1",
                // Numbers of namespaces are used again, and a registry that an earlier one left is none of ours.
                "rm -rf /run/qure/claims/netns-$(ip netns exec \(namespace(host)) stat -L -c %i /proc/self/ns/net)",
            ]
        }
        script(lines.joined(separator: "\n"))
        for host in 1...hosts {
            let isUp = eventually {
                shell("ip -n \(namespace(host)) link show eth0 | grep -q 'state UP'").status == 0
                    && shell("bridge -n \(lan) link show dev h\(host) | grep -q forwarding").status == 0
            }
            #expect(isUp, "host \(host) does not come up")
        }
    }

    private func script(_ lines: String) {
        let result = RunningTool(["sh", "-ec", lines]).finish()
        #expect(result.status == 0, "\(lines): \(result.errors)")
    }

    // MARK: Doing something on a host

    /// Runs shell lines on a host; they must succeed. Returns what they said.
    @discardableResult
    func sh(_ lines: String, on host: Int = 1) -> String {
        let result = RunningTool(["sh", "-ec", lines], in: namespace(host)).finish()
        // Not a trap: it would take all other tests along.
        #expect(result.status == 0, "\(lines): \(result.output)\(result.errors)")
        return result.output
    }

    /// Whether shell lines succeed on a host.
    func succeeds(_ lines: String, on host: Int = 1) -> Bool {
        RunningTool(["sh", "-c", lines], in: namespace(host)).finish().status == 0
    }

    /// Runs shell lines on the switch.
    func onSwitch(_ lines: String) { script("ip netns exec \(lan) sh -ec '\(lines)'") }

    /// Pulls a host's cable, or plugs it in again.
    func cable(_ host: Int, _ isIn: Bool) { onSwitch("ip link set h\(host) \(isIn ? "up" : "down")") }

    /// Starts a program on a host, for instance through a shell.
    func start(_ words: [String], on host: Int = 1, input: String = "/dev/null") -> RunningTool {
        RunningTool(words, in: namespace(host), input: input)
    }

    /// Starts qure-claim with these words on a host.
    func startClaim(_ line: String, on host: Int = 1, input: String = "/dev/null") -> RunningTool {
        start([Executables.path("qure-claim")] + line.split(separator: " ").map(String.init), on: host, input: input)
    }

    /// Runs qure-claim on a host to its end.
    func claim(_ line: String, on host: Int = 1) -> ToolResult { startClaim(line, on: host).finish() }

    /// Starts `qure-claim hold` and waits until it says that it has taken `address`.
    func startHold(_ line: String, on host: Int = 1, taking address: String = "10.9.0.50") -> RunningTool {
        let tool = startClaim("hold \(line)", on: host)
        #expect(tool.says("\(address) taken "), "\(tool.errors)")
        return tool
    }

    /// Waits until an address has been held for so many milliseconds; then the announcements of the taking are over.
    func settle(_ address: String, on host: Int = 1, after milliseconds: Int64 = 3500) {
        let isOld = eventually(within: .seconds(20)) {
            JSONRecord(claim("show --json \(address)", on: host).output)?.number("age_ms") ?? 0 >= milliseconds
        }
        #expect(isOld, "\(address) is not held for so long")
    }

    // MARK: Looking at a host

    /// What `ip` says of an address on a host, on one line; nil: it is not there.
    func address(_ address: String, on host: Int = 1) -> String? {
        let lines = RunningTool(["ip", "-n", namespace(host), "-o", "address", "show"]).finish().output
        return lines.split(separator: "\n").first { $0.contains(" \(address)/") }.map(String.init)
    }

    /// Whether an address is on a host.
    func has(_ address: String, on host: Int = 1) -> Bool { self.address(address, on: host) != nil }

    /// Whether another host gets an answer to ARP or neighbour solicitation for an address, and which hardware address.
    func answers(_ address: String, to host: Int = 2) -> String? {
        let family = address.contains(":") ? "-6" : "-4"
        return RunningTool(
            [
                "sh", "-c",
                """
                if [ \(family) = -4 ]; then arping -c 2 -w 2 -f -I eth0 \(address)
                else
                    ip -6 neigh flush to \(address)
                    ping -6 -c 1 -w 3 -i 0.2 \(address) > /dev/null
                    ip -6 neigh show \(address)
                fi
                """,
            ], in: namespace(host)
        ).finish().output.matches(of: /[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}/).last.map { $0.output.0.lowercased() }
    }

    /// Whether an echo from another host is answered: one within three seconds, because a busy machine loses some.
    func pings(_ address: String, from host: Int = 2) -> Bool {
        RunningTool(["ping", "-c", "1", "-w", "3", "-i", "0.2", address], in: namespace(host)).finish().status == 0
    }

    /// The process ids of a process's children.
    static func children(of process: pid_t) -> [pid_t] {
        TextFile.names(in: "/proc").compactMap { pid_t($0) }.filter { child in
            guard let status = try? TextFile.read("/proc/\(child)/status") else { return false }
            return String(decoding: status, as: UTF8.self).contains("\nPPid:\t\(process)\n")
        }
    }

    /// The process id of a holder's guard, once it has one that has left everything else of its parent's behind.
    static func twin(of tool: RunningTool, otherThan former: pid_t = 0) -> pid_t? {
        var found: pid_t?
        let isReady = eventually {
            found = children(of: tool.process).first { $0 != former }
            return found.map { TextFile.names(in: "/proc/\($0)/fd") == ["0"] } ?? false
        }
        return isReady ? found : nil
    }
}
