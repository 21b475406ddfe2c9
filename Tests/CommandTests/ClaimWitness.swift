// The independent witnesses of qure-claim's tests that go on while the test does: tcpdump for what is on the wire, and
// `ip monitor` for when the kernel takes an address off. Both with times to the microsecond.

import Glibc
import Lab
import QureCore
import Testing

/// What a witness saw: when, in seconds of the wall clock, and what.
struct Observation {
    var time: Double
    var text: String
}

/// The wall clock, in seconds.
var wallClock: Double { Double(Clock.realtimeNanoseconds) / 1e9 }

/// tcpdump on a host's interface.
final class Witness {
    private let tool: RunningTool

    /// Begins to watch; returns when it does.
    init(_ filter: String, on host: Int, of network: ClaimNetwork, interface: String = "eth0") {
        // As root of a user namespace with one user, tcpdump cannot become another and would end.
        let words = Refusal(call: .setgroups, error: 0).words
        tool = network.start(
            words + [
                "tcpdump", "-Z", "root", "-i", interface, "-nn", "-tt", "-e", "-v", "-l", "--immediate-mode", filter,
            ],
            on: host)
        #expect(tool.complains("listening on"), "tcpdump does not listen: \(tool.errors)")
    }

    deinit { _ = tool.end(with: SIGKILL) }

    /// The frames so far, one text each. What tcpdump has not finished to write is left out.
    var frames: [Observation] {
        var frames: [Observation] = []
        for line in tool.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            if line.first?.isNumber == true, let stamp = line.split(separator: " ").first, let time = Double(stamp) {
                frames.append(Observation(time: time, text: String(line.dropFirst(stamp.count + 1))))
            } else if let last = frames.indices.last {
                frames[last].text += " " + line.drop { $0 == " " || $0 == "\t" }
            }
        }
        return frames
    }

    /// The frames whose text contains all of these words.
    func frames(_ words: String...) -> [Observation] {
        frames.filter { frame in words.allSatisfy { frame.text.contains($0) } }
    }
}

/// `ip monitor` on a host: what happens to addresses.
final class AddressMonitor {
    private let tool: RunningTool

    /// Begins to listen; returns when it does.
    init(on host: Int, of network: ClaimNetwork) {
        tool = network.start(["sh", "-c", "TZ=UTC exec ip -ts -o monitor address"], on: host)
        // It says nothing until something happens; so something happens.
        let isListening = eventually {
            network.sh("ip addr add 192.0.2.1/32 dev lo; ip addr del 192.0.2.1/32 dev lo", on: host)
            return tool.output.contains("192.0.2.1")
        }
        #expect(isListening, "ip monitor does not listen")
    }

    deinit { _ = tool.end(with: SIGKILL) }

    /// When an address was removed or, with `removed: false`, put there, after `start`, in seconds of the wall clock;
    /// waits for it.
    func time(of address: String, removed: Bool = true, after start: Double, within limit: Duration = .seconds(10))
        -> Double?
    {
        var found: Double?
        _ = eventually(within: limit) {
            for line in tool.output.split(separator: "\n") where line.contains(" \(address)/") {
                guard line.contains("Deleted") == removed, let time = Self.time(of: line, near: start) else { continue }
                if time >= start {
                    found = time
                    return true
                }
            }
            return false
        }
        return found
    }

    /// The time of `[2030-01-31T12:34:56.123456]`, on the day that is nearest to `reference`.
    private static func time(of line: Substring, near reference: Double) -> Double? {
        guard let match = line.firstMatch(of: /T(\d\d):(\d\d):(\d\d\.\d+)\]/), let hours = Double(match.output.1),
            let minutes = Double(match.output.2), let seconds = Double(match.output.3)
        else { return nil }
        let day = 86400.0
        let time = (reference / day).rounded(.down) * day + hours * 3600 + minutes * 60 + seconds
        return time < reference - day / 2 ? time + day : time > reference + day / 2 ? time - day : time
    }
}

/// A stream of echoes from one host to an address of another, a hundred a second.
final class EchoStream {
    private let tool: RunningTool

    /// Begins, and waits for the first answer; meanwhile `vouching` is called over and over.
    init(to address: String, from host: Int, of network: ClaimNetwork, vouching: () -> Void = {}) {
        tool = network.start(["ping", "-D", "-n", "-i", "0.01", "-W", "1", address], on: host)
        let isAnswered = eventually {
            vouching()
            return tool.output.contains(" bytes from ")
        }
        #expect(isAnswered, "no echo from \(address)")
    }

    deinit { _ = tool.end(with: SIGKILL) }

    /// When the last answer came, in seconds of the wall clock.
    var last: Double {
        let line = tool.output.split(separator: "\n").last { $0.hasPrefix("[") && $0.contains(" bytes from ") }
        return line?.firstMatch(of: /\[(\d+\.\d+)\]/).flatMap { Double($0.output.1) } ?? 0
    }

    /// Waits until there has been no answer for so many seconds, and returns when the last one came.
    func silence(of seconds: Double) -> Double {
        #expect(eventually { wallClock - last > seconds }, "it goes on answering")
        return last
    }

    /// Whether it is answered from now on.
    var isAnswered: Bool {
        let start = wallClock
        return eventually { last > start }
    }
}

/// A figure for whoever reads the log: measured, not asserted.
func note(_ what: String, _ seconds: Double?) {
    print("figure: \(what): \(seconds.map { "\((($0) * 1e6).rounded() / 1000) ms" } ?? "nothing seen")")
}

/// A program's system call that is refused by the kernel (seccomp), to see what it does then: the words in front of the
/// program's own that make it so.
struct Refusal {
    /// The calls that tests refuse, by the numbers of both kinds of machine.
    enum Call {
        case setgroups
        /// A netlink socket of this protocol.
        case netlink(Int)
    }

    let words: [String]

    /// Makes `call` fail with `error`, or succeed without doing anything where that is 0.
    init(call: Call, error: CInt) {
        #if arch(arm64)
            let numbers = (prctl: 167, setgroups: 159, socket: 198)
        #else
            let numbers = (prctl: 157, setgroups: 116, socket: 41)
        #endif
        // Classic BPF over struct seccomp_data: the number of the call at 0, its arguments at 16, 24, 32.
        let instructions: String
        switch call {
        case .setgroups: instructions = "[0x20,0,0,0],[0x15,0,1,\(numbers.setgroups)]"
        case .netlink(let family):
            instructions =
                "[0x20,0,0,0],[0x15,0,5,\(numbers.socket)],[0x20,0,0,16],[0x15,0,3,16],"
                + "[0x20,0,0,32],[0x15,0,1,\(family)]"
        }
        let script = """
            my @p = (\(instructions),[6,0,0,\(0x50000 + error)],[6,0,0,0x7fff0000]);
            my $f = join '', map { pack 'SCCL', @$_ } @p;
            my $g = pack 'SxxxxxxP', scalar @p, $f;
            syscall(\(numbers.prctl), 38, 1, 0, 0, 0) == 0 or die $!;
            syscall(\(numbers.prctl), 22, 2, $g, 0, 0) == 0 or die $!;
            exec @ARGV or die $!;
            """
        words = ["perl", "-e", script, "--"]
    }
}

/// A pipe with a name: what a test writes into it is a program's standard input.
final class EventPipe {
    let path: String
    private var writing: CInt = -1
    private var holder: CInt

    /// A pipe in the test's folder.
    init(_ network: ClaimNetwork, _ name: String = "events") {
        path = "\(network.folder)/\(name)"
        // A reader that went away is to be told by the write.
        signal(SIGPIPE, SIG_IGN)
        precondition(mkfifo(path, 0o600) == 0)
        // So that the program that opens it does not wait for a writer.
        holder = open(path, O_RDWR | O_CLOEXEC)
    }

    deinit { close() }

    /// From here on the program is the only reader, and this the only writer.
    func begin() {
        writing = open(path, O_WRONLY | O_CLOEXEC)
        Glibc.close(holder)
        holder = -1
    }

    /// Writes bytes, and returns when in seconds of the wall clock.
    @discardableResult
    func write(_ text: String) -> Double {
        let time = wallClock
        #expect(accepts(text), "nobody reads the stream")
        return time
    }

    /// Writes bytes; false: nobody reads them any more.
    func accepts(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return Glibc.write(writing >= 0 ? writing : holder, bytes, bytes.count) == bytes.count
    }

    /// Writes a line.
    @discardableResult
    func say(_ line: String) -> Double { write(line + "\n") }

    /// Ends the stream, and returns when.
    @discardableResult
    func close() -> Double {
        let time = wallClock
        for descriptor in [writing, holder] where descriptor >= 0 { Glibc.close(descriptor) }
        writing = -1
        holder = -1
        return time
    }

    /// Fills the pipe until nothing goes in any more, so that whoever writes to it is blocked.
    func fill() {
        let flags = fcntl(holder, F_GETFL)
        _ = fcntl(holder, F_SETFL, flags | O_NONBLOCK)
        let bytes = [UInt8](repeating: UInt8(ascii: "\n"), count: 4096)
        while Glibc.write(holder, bytes, bytes.count) > 0 {}
        while Glibc.write(holder, bytes, 1) > 0 {}
    }
}
