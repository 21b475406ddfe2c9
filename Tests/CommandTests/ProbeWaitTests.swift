// `qure-probe wait`: it ends when the address is silent or alive, and with no other excuse: a link that is lost,
// missing or renamed, or a process that was frozen, is no silence. Its exit status 0 lets a shell loop take the
// address.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeWait {
    let network = ProbeNetwork()

    /// Whether the tool goes on for as long as many of its intervals (there is no fact to wait for but that).
    private func goesOn(_ tool: RunningTool) -> Bool { !eventually(within: .milliseconds(500)) { !tool.isRunning } }

    /// A `wait --for silent` that has seen the address alive.
    private func waiting(_ options: String = "", for address: String = "10.1.0.2") -> RunningTool {
        let tool = network.startProbe("wait --for silent --interval 30ms -v -v \(options) \(address)")
        #expect(tool.complains("\(address) alive"), "\(tool.errors)")
        return tool
    }

    /// What such a tool ends with.
    private func isSilent(_ result: ToolResult, _ address: String = "10.1.0.2", on interface: String = "eth0") -> Bool {
        let method = address.contains(":") ? "ndp" : "arp"
        let pattern = try? Regex("\(address) silent [0-9]+ probes [0-9]+ms \(method) \(interface)\n")
        return result.status == 0 && pattern.flatMap { try? $0.wholeMatch(in: result.output) } != nil
    }

    @Test(arguments: ["10.1.0.2/24", "fd01::2/64"])
    func `it ends when the address falls silent`(_ prefix: String) {
        let address = String(prefix.prefix { $0 != "/" })
        let tool = waiting(for: address)
        #expect(goesOn(tool))
        network.on("there", "ip addr del \(prefix) dev eth0")
        let result = tool.finish()
        #expect(isSilent(result, address), "\(result)")
    }

    @Test(arguments: [("10.1.0.7/24", "arp"), ("fd01::7/64", "ndp")])
    func `it ends when the address comes alive`(_ prefix: String, _ method: String) {
        let address = String(prefix.prefix { $0 != "/" })
        let tool = network.startProbe("wait --for alive --interval 30ms \(address)")
        #expect(goesOn(tool))
        network.assign("there", [prefix])
        #expect(
            tool.finish().timeless == ToolResult(0, "\(address) alive 02:00:00:00:00:02 TIME \(method) eth0\n"))
    }

    @Test func `it takes as many probes in a row as asked for`() {
        let silent = network.probe("wait --for silent --fall 5 --interval 30ms 10.1.0.7").timeless
        #expect(silent == ToolResult(0, "10.1.0.7 silent 5 probes TIME arp eth0\n"))
        let alive = network.probe("wait --for alive --rise 4 --interval 30ms --json 10.1.0.2")
        #expect(alive.status == 0 && alive.output.contains(#""probes":4,"replies":4"#), "\(alive)")
        // The defaults: three to fall, one to rise.
        #expect(network.probe("wait --for silent --interval 30ms 10.1.0.7").output.contains("silent 3 probes"))
        #expect(network.probe("wait --for alive --json 10.1.0.2").output.contains(#""probes":1,"#))
    }

    /// A plain wait is read without the parser. It must mean the same, and so must what only looks like one.
    @Test(arguments: [
        "--for alive 10.1.0.2", "10.1.0.2 --for alive --rise 3 --interval 20ms --json", "--for alive -i eth0 fd01::2",
        "--for silent --fall 2 --interval 20ms 10.1.0.7", "--for silent --fall 0 10.1.0.7", "--for sleep 10.1.0.7",
        "--for alive", "10.1.0.2", "--for alive 10.1.0.2 10.1.0.2", "--for alive --interface lo 10.1.0.7",
        "--for alive -i a/b 10.1.0.2", "--for alive ff02::1", "--for alive --rise", "--for=alive 10.1.0.2",
    ])
    func `a plain wait means what the parser makes of it`(_ line: String) {
        let parsed = network.probe("wait --method auto \(line)")
        #expect(network.probe("wait \(line)").timeless == parsed.timeless)
    }

    @Test func `a link without carrier is no silence`() {
        let tool = waiting()
        network.script("switch", "ip link set here-eth0 down")
        #expect(tool.complains("eth0: the interface has no carrier, waiting for that to change"))
        #expect(goesOn(tool))
        network.script("switch", "ip link set here-eth0 up")
        #expect(tool.complains("10.1.0.2: asking again on eth0"))
        #expect(goesOn(tool))
        network.on("there", "ip addr del 10.1.0.2/24 dev eth0")
        let result = tool.finish()
        #expect(isSilent(result), "\(result)")
    }

    @Test(arguments: ["10.1.0.2", "fd01::2"])
    func `an interface that is down is no silence`(_ address: String) {
        let tool = waiting("-i eth0", for: address)
        network.on("here", "ip link set eth0 down")
        #expect(tool.complains("eth0: the interface is down, waiting for that to change"))
        network.on("there", "ip addr flush dev eth0 scope global")
        #expect(goesOn(tool))
        network.on("here", "ip link set eth0 up")
        let result = tool.finish()
        #expect(isSilent(result, address), "\(result)")
    }

    @Test func `an interface that is missing is waited for`() {
        let tool = network.startProbe("wait --for silent -i eth5 --interval 30ms 10.1.0.7")
        #expect(tool.complains("qure-probe: eth5: no such interface, waiting for that to change\n"))
        #expect(goesOn(tool))
        network.plug("here", "eth5", 5)
        #expect(tool.complains("eth5: the interface is down, waiting"))
        network.awaitLink("here", "eth5")
        let result = tool.finish()
        #expect(isSilent(result, "10.1.0.7", on: "eth5"), "\(result)")
    }

    @Test func `no route is waited for`() {
        network.on("here", "ip addr flush dev eth0")
        let tool = network.startProbe("wait --for alive --interval 30ms 10.1.0.2")
        #expect(tool.complains("qure-probe: 10.1.0.2: no route leads to it, waiting for that to change\n"))
        #expect(goesOn(tool))
        network.on("here", "ip route add 10.1.0.0/24 dev eth0")
        #expect(tool.finish().status == 0)
    }

    @Test(arguments: ["", "-i eth0"])
    func `an interface is the same under another name`(_ options: String) {
        let tool = waiting(options)
        network.script("here", "ip link set eth0 down", "ip link set eth0 name lan0", "ip link set lan0 up")
        #expect(tool.complains("10.1.0.2: asking again on lan0"))
        // Another one that now has the old name is not meant.
        network.script(
            "here", "ip link add eth0 type veth peer name end", "ip link set end up", "ip link set eth0 up",
            "ip addr add 10.1.0.3/24 dev eth0")
        #expect(goesOn(tool))
        network.on("there", "ip addr del 10.1.0.2/24 dev eth0")
        let result = tool.finish()
        #expect(isSilent(result, on: "lan0"), "\(result)")
    }

    @Test func `an interface that went away and came back under its number is asked again`() {
        network.add("limbo")
        let index = network.on("here", "cat /sys/class/net/eth0/ifindex")
        let tool = waiting("-i eth0")
        // The tool finds all as it was: it does not see that its sockets are dead.
        tool.signal(SIGSTOP)
        network.on("here", "ip link set eth0 netns \(network.namespace("limbo"))")
        network.on("limbo", "ip link set eth0 netns \(network.namespace("here"))")
        network.awaitLink("here")
        #expect(network.on("here", "cat /sys/class/net/eth0/ifindex") == index)
        tool.signal(SIGCONT)
        #expect(goesOn(tool))
        network.on("there", "ip addr del 10.1.0.2/24 dev eth0")
        #expect(isSilent(tool.finish()))
    }

    @Test(arguments: [("10.1.0.7/24", "arp"), ("fd01::7/64", "ndp")])
    func `an address that becomes this host's own is alive`(_ prefix: String, _ method: String) {
        let address = String(prefix.prefix { $0 != "/" })
        let alive = network.startProbe("wait --for alive --interval 30ms \(address)")
        #expect(goesOn(alive))
        network.assign("here", [prefix])
        #expect(alive.finish().timeless == ToolResult(0, "\(address) alive 02:00:00:00:00:01 local \(method) eth0\n"))
        let silent = waiting(for: address)
        #expect(goesOn(silent))
        network.on("here", "ip addr del \(prefix) dev eth0")
        let result = silent.finish()
        #expect(isSilent(result, address), "\(result)")
    }

    @Test func `time that this process did not have is no silence`() {
        let tool = waiting()
        for _ in 0..<3 {
            tool.signal(SIGSTOP)
            #expect(goesOn(tool))
            tool.signal(SIGCONT)
            #expect(goesOn(tool))
        }
        #expect(tool.end().status == 128 + Int(SIGTERM))
    }

    @Test func `a question that cannot be sent is no silence`() {
        let router = network.startProbe("wait --for silent --method icmp --interval 30ms 10.1.0.2 -v -v")
        #expect(router.complains("10.1.0.2 alive"))
        network.on("here", "ip route add unreachable 10.1.0.2/32")
        #expect(goesOn(router))
        #expect(router.end().status == 128 + Int(SIGTERM))
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `being stopped is not the answer`(_ signal: CInt) {
        #expect(waiting().end(with: signal).status == 128 + Int(signal))
    }

    @Test func `it ends with an error where waiting does not help`() {
        #expect(
            network.probe("wait --for silent 10.1.0.7", behind: ProbeEcho.unprivileged).errors.contains(
                /^qure-probe: socket: Operation not permitted \(needs CAP_NET_RAW: .*\)\n$/))
        #expect(network.probe("wait --for silent 10.1.0.7", behind: ProbeEcho.unprivileged).status == 77)
        #expect(
            network.probe("wait --for silent -i lo 10.1.0.7")
                == ToolResult(64, errors: "qure-probe: lo: the loopback interface leads to no other host\n"))
        let full = RunningTool(
            [Executables.path("qure-probe"), "wait", "--for", "alive", "10.1.0.2"], in: network.namespace("here"),
            outputPath: "/dev/full")
        #expect(full.finish() == ToolResult(71, errors: "qure-probe: write standard output: No space left on device\n"))
    }
}
