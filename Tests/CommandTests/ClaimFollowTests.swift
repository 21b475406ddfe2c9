// `qure-claim follow`: what each word of the event stream does to the addresses, and how its ends are told.

import Glibc
import Lab
import QureCore
import Testing

/// A network, and in it a follower with the stream that it reads.
final class ClaimFollowing {
    let network: ClaimNetwork
    let events: EventPipe
    let follower: RunningTool

    /// Starts `qure-claim follow` with these words and two addresses, or those given.
    init(_ options: String = "--no-verify", _ prefixes: String = "10.9.0.50/24 fd09::50/64", hosts: Int = 2) {
        network = ClaimNetwork(hosts: hosts)
        events = EventPipe(network)
        follower = network.startClaim("follow \(options) \(prefixes)", input: events.path)
        events.begin()
    }

    /// Whether both addresses are here; nil: one without the other.
    var holds: Bool? {
        let there = ["10.9.0.50", "fd09::50"].filter { network.has($0) }
        return there.count == 1 ? nil : !there.isEmpty
    }

    /// Makes it hold for a long time.
    func hold() {
        events.say("master term=1 lease=60s")
        #expect(follower.says("fd09::50 taken eth0\n"), "\(follower.errors)")
    }

    /// Waits until a word has been read: a word that nobody knows, told once.
    func sync(_ word: String = "sync") {
        events.say(word)
        #expect(follower.complains("'\(word)'"))
    }
}

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimFollow {
    @Test func `what was given and taken back while it hung is not taken, not even for a moment`() {
        let following = ClaimFollowing()
        let witness = Witness("arp[14:4] = 0x0a090032 or (icmp6 and ip6[40] = 136)", on: 2, of: following.network)
        following.sync("ready")
        following.follower.signal(SIGSTOP)
        for line in ["master term=1 lease=60s", "alive term=1 lease=60s", "standby term=2", "after"] {
            following.events.say(line)
        }
        following.follower.signal(SIGCONT)
        #expect(following.follower.complains("'after'"))
        following.hold()
        // The first that anybody hears of it is of the second time.
        #expect(eventually { witness.frames("10.9.0.50").count > 0 })
        #expect(following.follower.output == "10.9.0.50 taken eth0\nfd09::50 taken eth0\n")
        #expect(!following.follower.errors.contains("withdrawn"), "\(following.follower.errors)")
    }

    @Test(arguments: [
        ("joining", false), ("standby term=2 master=other", false), ("suspecting", false), ("claiming term=2", true),
        ("master term=2 lease=60s", true), ("alive term=2 lease=60s", true), ("transferring term=2 lease=60s", true),
        ("quarantined", false), ("maintenance", false), ("fault reason=disk", false), ("goodbye", false),
        ("sleeping term=2", true),
        ("alive lease=60s cluster=home node=7 name=a address=10.9.0.50 members=3 peers= reason=", true),
    ])
    func `what each word means to a holder`(_ line: String, _ holds: Bool) {
        let following = ClaimFollowing()
        following.hold()
        #expect(following.holds == true)
        following.events.say(line)
        following.sync()
        #expect(following.holds == holds)
        #expect(following.follower.output.hasSuffix("fd09::50 withdrawn eth0\n") == !holds)
        let word = line.prefix { $0 != " " }
        if !holds {
            let reason = line.contains("reason=disk") ? ", disk" : ""
            #expect(following.follower.complains("qure-claim: address withdrawn: \(word)\(reason)\n"))
            following.events.say("master lease=60s")
            #expect(eventually { following.holds == true })
        }
        #expect(following.follower.isRunning)
    }

    @Test(arguments: [
        "joining", "standby", "suspecting", "claiming", "quarantined", "maintenance", "fault", "goodbye", "sleeping",
        "transferring lease=60s",
    ])
    func `what grants nothing to one that stands by`(_ line: String) {
        let following = ClaimFollowing()
        following.events.say(line)
        following.sync()
        #expect(following.holds == false && following.follower.output == "")
        following.events.say("alive lease=60s")
        #expect(eventually { following.holds == true })
    }

    @Test func `unknown words and keys are told once and change nothing`() {
        let following = ClaimFollowing()
        following.hold()
        for _ in 0..<3 { following.events.say("alive lease=60s colour=blue") }
        for _ in 0..<3 { following.events.say("dancing shoes=red") }
        following.sync()
        #expect(
            following.follower.errors.split(separator: "\n").filter { $0.contains("does not know") }.map(String.init)
                == ["colour", "dancing", "shoes", "sync"].map {
                    "qure-claim: the stream says '\($0)', which this version does not know; ignoring it"
                })
        #expect(following.holds == true)
    }

    // MARK: Ends

    /// What ends a stream that holds, and what is said then.
    static let ends: [(what: String, bytes: String, status: Int, message: String)] = [
        ("the end of the stream", "", 69, "standard input ended while the address was held: address withdrawn"),
        (
            "a malformed line", "master lease\n", 64,
            "standard input: 'lease' is not of the form key=value in 'master lease': address withdrawn"
        ),
        (
            "a value that cannot be", "alive lease=-1s\n", 64,
            "standard input: '-1s' cannot be a value of lease in 'alive lease=-1s': address withdrawn"
        ),
        (
            "a key twice", "alive term=1 term=2\n", 64,
            "standard input: 'term' stands there twice in 'alive term=1 term=2': address withdrawn"
        ),
        ("an empty line", "\n", 64, "standard input: empty in '': address withdrawn"),
        (
            "a line in capitals", "ALIVE lease=60s\n", 64,
            "standard input: 'ALIVE' cannot be a state in 'ALIVE lease=60s': address withdrawn"
        ),
        ("a control character", "alive\tlease=60s\n", 64, "standard input: control characters or no UTF-8 in "),
        ("a carriage return", "alive lease=60s\r\n", 64, "standard input: control characters or no UTF-8 in "),
        (
            "a line that is too long", "alive reason=" + String(repeating: "x", count: 4100) + "\n", 64,
            "standard input: longer than 4096 bytes in"
        ),
        (
            "a line without an end", String(repeating: "alive ", count: 800), 64,
            "standard input: a line longer than 4096 bytes: address withdrawn"
        ),
        (
            "a line that is cut off", "alive lease=60s", 64,
            "standard input: the stream ended in the middle of a line: address withdrawn"
        ),
    ]

    @Test(arguments: ends)
    func `whatever ends the stream of a holder, the address is gone at once`(
        _ what: String, _ bytes: String, _ status: Int, _ message: String
    ) throws {
        let following = ClaimFollowing()
        let monitor = AddressMonitor(on: 1, of: following.network)
        following.hold()
        var start = wallClock
        if !bytes.isEmpty { start = following.events.write(bytes) }
        if bytes.isEmpty || !(bytes.hasSuffix("\n") || bytes.utf8.count > 4096) { start = following.events.close() }
        for address in ["10.9.0.50", "fd09::50"] {
            let gone = try #require(monitor.time(of: address, after: start))
            note("\(address) removed after \(what)", gone - start)
            #expect(gone - start < 1)
        }
        let end = following.follower.finish()
        #expect(end.status == status)
        #expect(end.errors.hasPrefix("qure-claim: \(message)"), "\(end.errors)")
        #expect(end.errors.components(of: "\n") == 1, "one line, whatever the stream said")
        #expect(following.network.sh("nft list tables") == "")
    }

    @Test func `a lease that runs out`() throws {
        let following = ClaimFollowing()
        let monitor = AddressMonitor(on: 1, of: following.network)
        following.hold()
        let start = following.events.say("alive lease=300ms")
        let gone = try #require(monitor.time(of: "10.9.0.50", after: start))
        note("10.9.0.50 removed after the end of its lease", gone - start - 0.3)
        #expect(gone - start >= 0.299 && gone - start < 1.3)
        #expect(following.follower.complains("qure-claim: the lease ran out "))
        #expect(following.follower.complains("and no line has renewed it: address withdrawn\n"))
        // Noticed when it was due, it has run out, and not nothing ago.
        #expect(!following.follower.errors.contains(" 0."), "\(following.follower.errors)")
        #expect(eventually { following.holds == false })
        // Not its end: the elector may come back to itself.
        following.events.say("alive lease=60s")
        #expect(eventually { following.holds == true })
    }

    @Test(arguments: [
        ("standby\n", 0, ""), ("", 0, ""),
        ("nonsense =\n", 64, "standard input: '=' is not of the form key=value in 'nonsense =': address withdrawn"),
    ])
    func `the end of a stream that does not hold is quiet`(_ bytes: String, _ status: Int, _ message: String) {
        let following = ClaimFollowing()
        if !bytes.isEmpty { following.events.write(bytes) }
        following.events.close()
        let errors = message.isEmpty ? "" : "qure-claim: \(message)\n"
        #expect(following.follower.finish() == ToolResult(status, errors: errors))
    }

    @Test(arguments: [
        ("/dev/null", "", 0), ("file", "standby\n", 0), ("file", "master lease=60s\nalive lease=60s\nstandby\n", 0),
        ("file", "master lease=60s\n", 69), ("file", "", 0),
    ])
    func `a file as standard input`(_ path: String, _ text: String, _ status: Int) {
        let network = ClaimNetwork()
        let file = path == "file" ? "\(network.folder)/events.txt" : path
        if path == "file" { network.sh("printf '\(text)' > \(file)") }
        let end = network.startClaim("follow --no-verify 10.9.0.50/24", input: file).finish()
        #expect(end.status == status, "\(end.errors)")
        #expect(!network.has("10.9.0.50"))
    }

    @Test func `no standard input at all`() {
        let network = ClaimNetwork()
        let tool = network.start([
            "sh", "-c", "exec \(Executables.path("qure-claim")) follow --no-verify 10.9.0.50/24 <&-",
        ])
        #expect(tool.finish() == ToolResult(0))
    }

    // MARK: Asked to end

    @Test(arguments: [SIGTERM, SIGINT])
    func `while it stands by it ends at once`(_ signal: CInt) {
        let following = ClaimFollowing()
        following.events.say("standby")
        following.sync()
        #expect(following.follower.end(with: signal).status == 0)
    }

    @Test func `while it holds it waits for the stream, for half a second`() {
        let following = ClaimFollowing()
        following.hold()
        let start = wallClock
        following.follower.signal(SIGTERM)
        // The stream goes on meanwhile, and is heard.
        following.events.say("transferring lease=60s")
        following.sync()
        #expect(following.holds == true || wallClock - start > 0.4)
        let end = following.follower.finish()
        note("end after SIGTERM without a word from the stream", wallClock - start)
        #expect(wallClock - start >= 0.499 && wallClock - start < 3)
        #expect(end.status == 0)
        #expect(following.holds == false)
    }

    @Test(arguments: ["goodbye", "standby", ""])
    func `the stream's own end is the end`(_ word: String) {
        let following = ClaimFollowing()
        following.hold()
        following.follower.signal(SIGTERM)
        if word.isEmpty { following.events.close() } else { following.events.say(word) }
        let end = following.follower.finish()
        #expect(end.status == 0, "\(end.errors)")
        #expect(following.holds == false)
        #expect(end.output.hasSuffix("fd09::50 withdrawn eth0\n"))
    }

    @Test func `a second signal ends it at once`() {
        let following = ClaimFollowing()
        following.hold()
        following.follower.signal(SIGTERM)
        // Signals of one kind that wait to be taken are one; so the first has to be taken.
        following.sync()
        let start = wallClock
        following.follower.signal(SIGINT)
        #expect(following.follower.finish().status == 0)
        note("end after a second signal", wallClock - start)
        #expect(following.holds == false)
    }
}
