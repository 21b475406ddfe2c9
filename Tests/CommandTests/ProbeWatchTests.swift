// `qure-probe watch`: a line for every change, and nothing else, until it is stopped.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeWatch {
    let network = ProbeNetwork()

    @Test(arguments: [("10.1.0.2/24", "arp"), ("fd01::2/64", "ndp")])
    func `each change is a line`(_ prefix: String, _ method: String) {
        let address = String(prefix.prefix { $0 != "/" })
        let tool = network.startProbe("watch --interval 30ms \(address)")
        #expect(tool.says("\(address) alive 02:00:00:00:00:02"))
        network.on("there", "ip addr del \(prefix) dev eth0")
        #expect(tool.says("silent"))
        network.join("heir", 3, [prefix])
        #expect(tool.says("alive 02:00:00:00:00:03"))
        // A take-over without a silence between.
        network.assign("there", [prefix])
        #expect(tool.says("duplicate"))
        network.on("heir", "ip addr del \(prefix) dev eth0")
        #expect(
            eventually {
                tool.output.hasSuffix("alive 02:00:00:00:00:02 TIME \(method) eth0\n")
                    || tool.output.split(separator: "\n").count == 5
            })
        let result = tool.end().timeless
        #expect(result.status == 0 && result.errors == "")
        let lines = result.lines.map { $0.replacing(/silent [0-9]+ probes/, with: "silent N probes") }
        let twins = [
            "3 TIME \(method) eth0 duplicate 02:00:00:00:00:02", "2 TIME \(method) eth0 duplicate 02:00:00:00:00:03",
        ]
        #expect(
            lines.count == 5 && twins.map { "\(address) alive 02:00:00:00:00:0\($0)" }.contains(lines[3]), "\(lines)")
        #expect(
            lines.enumerated().filter { $0.offset != 3 }.map(\.element) == [
                "\(address) alive 02:00:00:00:00:02 TIME \(method) eth0",
                "\(address) silent N probes TIME \(method) eth0",
                "\(address) alive 02:00:00:00:00:03 TIME \(method) eth0",
                "\(address) alive 02:00:00:00:00:02 TIME \(method) eth0",
            ])
    }

    @Test func `each change is a JSON object`() {
        let tool = network.startProbe("watch --json --interval 30ms --rise 2 10.1.0.2")
        #expect(tool.says(#""state":"alive""#))
        network.on("there", "ip addr del 10.1.0.2/24 dev eth0")
        #expect(tool.says(#""state":"silent""#))
        let result = tool.end().timeless
        let lines = result.lines.map { $0.replacing(/"(probes|replies)":[0-9]+/) { "\"\($0.output.1)\":N" } }
        let common = #"{"address":"10.1.0.2","state":"#
        #expect(
            lines == [
                common
                    + #""alive","method":"arp","interface":"eth0","mac":"02:00:00:00:00:02","rtt_us":TIME,"probes":N,"#
                    + #""replies":N,"duplicate":false,"local":false,"macs":["02:00:00:00:00:02"]}"#,
                common
                    + #""silent","method":"arp","interface":"eth0","mac":null,"rtt_us":TIME,"probes":N,"#
                    + #""replies":N,"duplicate":false,"local":false,"macs":[]}"#,
            ])
        #expect(result.status == 0 && result.errors == "")
    }

    @Test func `several addresses are watched, each by itself`() {
        let tool = network.startProbe("watch --interval 30ms 10.1.0.2 fd01::2 10.1.0.7")
        for text in ["10.1.0.2 alive", "fd01::2 alive", "10.1.0.7 silent"] { #expect(tool.says(text)) }
        network.on("there", "ip addr del fd01::2/64 dev eth0")
        #expect(tool.says("fd01::2 silent"))
        #expect(tool.end().lines.count == 4)
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `it ends cleanly when it is told to`(_ signal: CInt) {
        let tool = network.startProbe("watch 10.1.0.2")
        #expect(tool.says("alive"))
        #expect(tool.end(with: signal).timeless == ToolResult(0, "10.1.0.2 alive 02:00:00:00:00:02 TIME arp eth0\n"))
    }

    @Test func `it can be told to while nobody reads what it says`() {
        // A pipe that is full from the start.
        let fifo = "/tmp/qure-test-fifo-\(getpid())"
        unlink(fifo)
        precondition(mkfifo(fifo, 0o600) == 0)
        defer { unlink(fifo) }
        let reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC),
            writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        let page = [UInt8](repeating: 0, count: 4096)
        while write(writer, page, page.count) > 0 {}
        let tool = RunningTool(
            [Executables.path("qure-probe"), "watch", "--interval", "30ms", "-v", "-v", "10.1.0.2"],
            in: network.namespace("here"), outputPath: fifo)
        #expect(tool.complains("alive"))
        #expect(tool.end().status == 0)
        close(reader)
        close(writer)
    }

    @Test(arguments: [("10.1.0.7/24", "arp"), ("fd01::7/64", "ndp")])
    func `an address that comes to this host and goes again`(_ prefix: String, _ method: String) {
        let address = String(prefix.prefix { $0 != "/" })
        let tool = network.startProbe("watch --interval 30ms \(address)")
        #expect(tool.says("\(address) silent 3 probes"))
        network.assign("here", [prefix])
        #expect(tool.says("\(address) alive 02:00:00:00:00:01 local \(method) eth0\n"))
        network.join("thief", 3, [prefix])
        #expect(tool.says("\(address) alive 02:00:00:00:00:01 local \(method) eth0 duplicate 02:00:00:00:00:03\n"))
        network.on("here", "ip addr del \(prefix) dev eth0")
        #expect(tool.says("\(address) alive 02:00:00:00:00:03"))
        network.on("thief", "ip addr del \(prefix) dev eth0")
        #expect(eventually { tool.output.split(separator: "\n").last?.contains("silent") == true })
        #expect(tool.end().lines.count == 5)
    }

    @Test func `a link that is lost is said once, and its addresses are unknown`() {
        let tool = network.startProbe("watch --interval 30ms 10.1.0.2 fd01::2")
        #expect(tool.says("10.1.0.2 alive") && tool.says("fd01::2 alive"))
        network.script("switch", "ip link set here-eth0 down")
        #expect(tool.says("10.1.0.2 unknown") && tool.says("fd01::2 unknown"))
        network.script("switch", "ip link set here-eth0 up")
        #expect(eventually { tool.output.split(separator: "\n").count == 6 })
        let result = tool.end()
        #expect(result.lines[4...].allSatisfy { $0.contains("alive 02:00:00:00:00:02") })
        #expect(
            result.errors.split(separator: "\n").map(String.init) == [
                "qure-probe: eth0: the interface has no carrier, waiting for that to change",
                "qure-probe: 10.1.0.2: asking again on eth0", "qure-probe: fd01::2: asking again on eth0",
            ])
    }

    @Test func `an output that nobody takes any more is an error`() {
        let probe = Executables.path("qure-probe")
        let script = "{ \(probe) watch --interval 20ms 10.1.0.2 10.1.0.7; echo status $? >&2; } | head -n 1"
        let reader = RunningTool(["sh", "-c", script], in: network.namespace("here"))
        #expect(reader.says("10.1.0.2 alive"))
        #expect(
            reader.complains("qure-probe: write standard output: Broken pipe\nstatus 71\n"), "\(reader.errors)")
        let full = RunningTool([probe, "watch", "10.1.0.2"], in: network.namespace("here"), outputPath: "/dev/full")
        #expect(full.finish() == ToolResult(71, errors: "qure-probe: write standard output: No space left on device\n"))
        let closed = RunningTool(["sh", "-c", "exec \(probe) watch 10.1.0.2 >&-"], in: network.namespace("here"))
        #expect(closed.finish() == ToolResult(71, errors: "qure-probe: write standard output: Bad file descriptor\n"))
    }
}
