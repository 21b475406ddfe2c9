// `qure-dnsupdate register --watch` and `follow`: registrations that stay, at real primaries: what an address that
// changes, a primary that is down, a signal and the event stream make of them.

import Glibc
import Lab
import QureCore
import Testing

struct RegisterWatchTests {
    private static let missing = RegisteredName.missing

    /// The address in a file, for `--address command:`.
    private static func source(_ server: NameServer, _ file: String) -> [String] {
        ["--address", "command:cat \(server.path(file))", "--allow-private"]
    }

    private static func watch(_ name: RegisteredName, _ site: String, _ more: [String]) -> RunningTool {
        RunningTool(name.words("register", ["--watch", "--site", site, "--hold", "1ms"] + more))
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.every)
    func `a watch follows the address, repairs the record, and leaves when it is stopped`(
        _ kind: NameServer.Kind
    ) throws {
        let name = RegisteredName(try NameServer(kind), "cloud")
        name.server.write("address", "192.0.2.7\n")
        let source = Self.source(name.server, "address")
        let tool = Self.watch(name, "box", source + ["--interval", "200ms", "--verify", "500ms"])
        #expect(name.becomes("192.0.2.7"), "\(tool.errors)")
        name.server.write("address", "192.0.2.8\n")
        #expect(name.becomes("192.0.2.8"), "\(tool.errors)")
        // Somebody else deletes it.
        #expect(name.server.run("ZONE / update delete cloud.z.test A / send", ["-k", "k256"]).status == 0)
        #expect(name.becomes("192.0.2.8"), "\(tool.errors)")
        // A source that says nothing, or nonsense, changes nothing.
        name.server.write("address", "10.0.0.300\n")
        #expect(tool.complains("trying again"))
        #expect(name.addresses == ["192.0.2.8"])
        name.server.write("address", "192.0.2.9\n")
        #expect(name.becomes("192.0.2.9"), "\(tool.errors)")
        let result = tool.end()
        #expect(result.status == 0)
        #expect(name.addresses == [])
        let words = result.output.split(separator: "\n").compactMap { $0.split(separator: " ").first }
        #expect(words.first == "registered" && words.last == "withdrawn", "\(result)")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `an address that comes to an interface is registered at once`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        must("ip link add dnssite0 type veth peer name dnssite1")
        must("ip link set dnssite1 up")
        defer { must("ip link del dnssite0") }
        must("ip link set dnssite0 up")
        let arguments = ["--address", "interface:dnssite0", "--allow-private", "--interval", "1h"]
        let tool = Self.watch(name, "box", arguments)
        #expect(tool.complains("trying again"))
        must("ip address add 192.0.2.77/24 dev dnssite0")
        #expect(name.becomes("192.0.2.77"), "\(tool.errors)")
        must("ip address add 2001:db8::77/64 dev dnssite0 nodad")
        #expect(name.becomes("192.0.2.77", "2001:db8::77"), "\(tool.errors)")
        // A preferred lifetime that has ended.
        must("ip address change 2001:db8::77/64 dev dnssite0 preferred_lft 0 valid_lft forever")
        #expect(name.becomes("192.0.2.77"), "\(tool.errors)")
        #expect(tool.end().status == 0)
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a primary that is down is waited for, and one that stays down does not hold up the end`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        name.server.stop()
        let arguments = ["--address", "192.0.2.7", "--allow-private"]
        let tool = Self.watch(name, "box", arguments)
        #expect(tool.complains("connection refused; trying again"))
        try name.server.start()
        #expect(name.becomes("192.0.2.7", within: .seconds(20)), "\(tool.errors)")
        name.server.stop()
        let began = Clock.now
        let result = tool.end()
        #expect(result.status == 75 && result.errors.contains("the address stays as it is"), "\(result)")
        #expect(Clock.now - began < .seconds(8))
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `an address that goes back and forth is not published`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        name.server.write("address", "192.0.2.7\n")
        let source = Self.source(name.server, "address")
        let tool = RunningTool(name.words("register", ["--watch", "--site", "box", "--interval", "100ms"] + source))
        #expect(name.becomes("192.0.2.7"), "\(tool.errors)")
        let serial = name.server.query("z.test", "SOA")
        var turn = 8
        let isSaid = eventually {
            turn = turn == 8 ? 7 : 8
            name.server.write("address", "192.0.2.\(turn)\n")
            return tool.complains("it goes back and forth", within: .milliseconds(300))
        }
        #expect(isSaid, "\(tool.errors)")
        #expect(name.server.query("z.test", "SOA") == serial)
        #expect(tool.end().status == 0)
    }

    /// The deadline of the last answer is long over, and wakes nobody.
    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a watch sleeps between its looks`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let tool = Self.watch(name, "box", ["--address", "192.0.2.7", "--allow-private", "--interval", "1h"])
        #expect(tool.says("registered"), "\(tool.errors)")
        let start = wallClock
        let time = ClaimIdle.processorTime(of: tool.process)
        while wallClock - start < 4 { usleep(100_000) }  // longer than any answer is waited for: what is measured
        let used = ClaimIdle.processorTime(of: tool.process) - time
        #expect(used < 0.2, "\(used) s in 4 s")
        #expect(tool.end().status == 0)
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a watch that is to keep the address does`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let tool = Self.watch(name, "box", ["--address", "192.0.2.7", "--allow-private", "--keep"])
        #expect(name.becomes("192.0.2.7"), "\(tool.errors)")
        #expect(tool.says("registered"))
        #expect(tool.end(with: SIGINT).status == 0)
        #expect(name.addresses == ["192.0.2.7"])
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a site whose sources fail renews its lease, and another one does not sweep it`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        name.server.write("address", "192.0.2.7\n")
        let lease = ["--lease", "30s", "--interval", "500ms", "--verify", "2s"]
        let tool = Self.watch(name, "box", Self.source(name.server, "address") + lease)
        let other = Self.watch(name, "other", ["--address", "192.0.2.9", "--allow-private"] + lease)
        #expect(name.becomes("192.0.2.7", "192.0.2.9"), "\(tool.errors)")
        name.server.write("address", "")
        #expect(tool.complains("printed nothing"), "\(tool.errors)")
        // Twice takes longer than the lease.
        for _ in 0..<2 {
            let marker = name.server.query("box._qure.cloud.z.test", "TXT")
            let isRenewed = eventually(within: .seconds(30)) {
                name.server.query("box._qure.cloud.z.test", "TXT") != marker
            }
            #expect(isRenewed, "\(tool.errors)")
            #expect(name.addresses == ["192.0.2.7", "192.0.2.9"])
        }
        #expect(tool.complains("its lease for 192.0.2.7 is renewed"), "\(tool.errors)")
        let result = other.end()
        #expect(result.status == 0 && !result.output.contains("swept"), "\(result)")
        #expect(tool.end().status == 0)
    }
}

/// Standard input of a tool, which a test writes line by line.
final class TypedInput {
    let path: String
    private let folder = TemporaryFolder()
    private var descriptor: CInt

    init() {
        path = "\(folder.path)/pipe"
        precondition(mkfifo(path, 0o600) == 0)
        // Open for both, so that neither end waits for the other.
        descriptor = open(path, O_RDWR | O_CLOEXEC)
    }

    func say(_ line: String) {
        let octets = Array((line + "\n").utf8)
        #expect(write(descriptor, octets, octets.count) == octets.count)
    }

    /// The reader sees the end.
    func end() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    deinit { end() }
}

struct RegisterFollowTests {
    private static let missing = RegisteredName.missing

    private static func follow(_ name: RegisteredName, _ machine: String, _ input: TypedInput) -> RunningTool {
        name.start(
            "follow", "--address", "192.0.2.7", "--allow-private", "--machine-id", machine, "--linger", "300ms",
            input: input.path)
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `the master is registered, under the name of its cluster, and leaves with its mastery`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let input = TypedInput()
        let tool = Self.follow(name, "one", input)
        input.say("standby cluster=home term=1")
        input.say("master cluster=home term=2 lease=1h")
        #expect(tool.says(name.line("registered", "192.0.2.7", site: "home")), "\(tool.errors)")
        input.say("alive cluster=home term=2 lease=1h")
        input.say("standby cluster=home term=3")
        #expect(tool.says(name.line("withdrawn", "192.0.2.7", site: "home")), "\(tool.errors)")
        #expect(name.addresses == [])
        input.say("master cluster=home term=4 lease=1h")
        #expect(name.becomes("192.0.2.7"), "\(tool.errors)")
        input.say("goodbye cluster=home")
        input.end()
        #expect(tool.finish().status == 0)
        #expect(name.addresses == [])
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `who takes over has the site, and who lost it takes nothing away`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let inputs = [TypedInput(), TypedInput()]
        let one = Self.follow(name, "one", inputs[0]), two = Self.follow(name, "two", inputs[1])
        inputs[0].say("master cluster=home lease=1h")
        #expect(one.says("registered"), "\(one.errors)")
        let marker = name.server.query("home._qure.cloud.z.test", "TXT")
        inputs[0].say("standby cluster=home")
        inputs[1].say("master cluster=home lease=1h")
        #expect(one.says("elsewhere cloud.z.test"), "\(one.errors)")
        #expect(name.addresses == ["192.0.2.7"])
        #expect(name.server.query("home._qure.cloud.z.test", "TXT") != marker)
        for input in inputs { input.end() }
        #expect(one.finish().status == 0)
        // Its elector died: nobody vouches for the site any more.
        let result = two.finish()
        #expect(result.status == 69 && result.errors.contains("standard input ended"), "\(result)")
        #expect(name.addresses == [])
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `a lease that nobody renews, and a line that is none, end a registration`() throws {
        let name = RegisteredName(try NameServer(.named), "cloud")
        let input = TypedInput()
        let tool = Self.follow(name, "one", input)
        input.say("master cluster=home lease=2s")
        #expect(tool.says("registered"), "\(tool.errors)")
        #expect(tool.says("withdrawn"), "\(tool.errors)")
        #expect(tool.errors.contains("no line has renewed the lease"))
        input.say("master cluster=home lease=1h new=word")
        #expect(name.becomes("192.0.2.7"))
        #expect(tool.complains("the stream says 'new'"))
        input.say("what is this?")
        let result = tool.finish()
        #expect(result.status == 64 && result.errors.contains("standard input:"), "\(result)")
        #expect(name.addresses == [])
    }
}
