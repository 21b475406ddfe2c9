// Connections that are there to do harm: thousands that say nothing, some that say one octet a second, lengths that
// lie, a thousand questions at once, ends in the middle. Meanwhile clients that ask by datagrams notice nothing.

import Glibc
import Lab
import QureCore
import Synchronization
import Testing

/// Asks a proxy by datagrams, one after the other, for as long as a test goes on.
private final class SteadyClient: Sendable {
    private struct Tally {
        var times: [Duration] = []
        var lost = 0
        var isOver = false
    }

    private let tally = Mutex(Tally())
    /// How long an answer may take: much longer than one does, be the machine ever so busy.
    private static let patience = 1000

    init(port: Int) throws {
        try Thread.start { [self] in
            guard let client = try? RawClient(port: port, isStream: false), let name = DomainName("is.there") else {
                return
            }
            var id: UInt16 = 0
            while !tally.withLock({ $0.isOver }) {
                id &+= 1
                let query = DNSMessage(id: id, flags: .recursionDesired, questions: [DNSQuestion(name, .a)])
                let start = Clock.now
                client.send(query.encoded())
                var answer: DNSMessage?
                while answer?.id != id, client.hasInput(within: Self.patience) {
                    answer = (try? client.receive()).flatMap { $0 }.flatMap { try? DNSMessage($0) }
                }
                let time = Clock.now - start, isAnswered = answer?.answers.count == 1
                tally.withLock { isAnswered ? $0.times.append(time) : ($0.lost += 1) }
                usleep(500)  // two thousand questions a second at most
            }
        }
    }

    deinit { stop() }

    func stop() { tally.withLock { $0.isOver = true } }

    /// What has come of it since the last time: answers, those that were lost, and what 99 of 100 did not take longer
    /// than.
    func take() -> (answers: Int, lost: Int, most: Duration) {
        let (times, lost) = tally.withLock { tally in
            defer { (tally.times, tally.lost) = ([], 0) }
            return (tally.times.sorted(), tally.lost)
        }
        return (times.count, lost, times.isEmpty ? .zero : times[times.count * 99 / 100])
    }
}

/// One after the other, for it is the time of answers that they look at.
@Suite(.serialized)
struct DNSProxyAbuseTests {
    private static let question = DNSQuestion(DomainName("is.there") ?? .root, .a)

    private static func query(_ id: UInt16, _ question: DNSQuestion = question) -> [UInt8] {
        DNSMessage(id: id, flags: .recursionDesired, questions: [question]).encoded()
    }

    /// Does harm while a client asks by datagrams, which must get all its answers, and hardly later than before. The
    /// limit is far above what was seen on a quiet machine (some milliseconds), and below what anybody notices.
    private static func abuse(_ proxy: ProxyUnderTest, _ what: String, _ body: () throws -> Void) throws {
        let client = try SteadyClient(port: proxy.port)
        var quiet = client.take()
        #expect(
            eventually {
                usleep(200_000)  // answers, to compare with
                quiet = client.take()
                return quiet.answers > 20
            })
        try body()
        // Whatever came of it, there is something to look at.
        var busy = client.take()
        while busy.answers < 50 {
            usleep(50_000)  // more answers
            let more = client.take()
            busy = (busy.answers + more.answers, busy.lost + more.lost, max(busy.most, more.most))
            if more.answers == 0, more.lost > 0 { break }
        }
        client.stop()
        print("\(what): \(busy.answers) answers, \(busy.lost) lost, p99 \(quiet.most.text) -> \(busy.most.text)")
        let limit = max(.milliseconds(100), quiet.most * 5)
        #expect(busy.lost == 0 && busy.most < limit, "\(what): \(busy), before it \(quiet)")
        // And whoever comes by a connection is answered, too.
        let next = try RawClient(port: proxy.port, isStream: true)
        next.send(query(7))
        #expect(try DNSMessage(#require(try next.receive())).id == 7, "\(what)")
        #expect(proxy.process.isRunning && proxy.process.errors == "", "\(proxy.process.errors)")
    }

    /// Connections that this process may have.
    private static func raiseLimit(to wanted: Int) -> Int {
        FileDescriptor.raiseLimit()
        return min(wanted, sysconf(CInt(_SC_OPEN_MAX)) - 1000)
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `ten thousand connections that say nothing`() throws {
        let proxy = try ProxyUnderTest([])
        let count = Self.raiseLimit(to: 10_000)
        #expect(count > 500, "the limit of descriptors is too low for this test")
        try Self.abuse(proxy, "\(count) connections") {
            var idle: [RawClient] = []
            for _ in 0..<count { idle.append(try RawClient(port: proxy.port, isStream: true)) }
            // The oldest have made room for the latest.
            #expect(eventually { idle.count { $0.hasInput() } == count - 200 })
            #expect(proxy.number("tcp_connections") == 200)
            #expect(idle.prefix(count - 200).allSatisfy { $0.hasInput() })
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `an octet a second`() throws {
        let proxy = try ProxyUnderTest([])
        try Self.abuse(proxy, "an octet a second") {
            let start = Clock.now
            let slow = try (0..<50).map { _ in try RawClient(port: proxy.port, isStream: true) }
            let octets = StreamMessages.frame(Self.query(1))
            for octet in octets {
                if slow.allSatisfy({ $0.hasInput() }) { break }
                for client in slow where !client.hasInput() { client.write([octet]) }
                usleep(1_000_000)  // what this is about
            }
            // Ten seconds without anything whole, and no longer for all that was said.
            #expect(slow.allSatisfy { $0.hasInput() } && (.seconds(9)...(.seconds(13))).contains(Clock.now - start))
            for client in slow { #expect(try client.receive() == nil) }
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `lengths that lie`() throws {
        let proxy = try ProxyUnderTest([])
        try Self.abuse(proxy, "lengths that lie") {
            let start = Clock.now
            for _ in 0..<50 where Clock.now - start < .seconds(10) {
                let empty = try RawClient(port: proxy.port, isStream: true)
                empty.write([UInt8](repeating: 0, count: 2 * 500))
                empty.send(Self.query(5))
                #expect(try DNSMessage(#require(try empty.receive())).id == 5)
                // Nobody waits for answers that there are none of.
                empty.write([0, 0])
                empty.endSending()
                #expect(try empty.receive() == nil)
                let long = try RawClient(port: proxy.port, isStream: true)
                long.write([255, 255] + [UInt8](repeating: 0x2a, count: 40_000))
                let whole = try RawClient(port: proxy.port, isStream: true)
                whole.write([255, 255] + [UInt8](repeating: 0x2a, count: 65535) + StreamMessages.frame(Self.query(6)))
                #expect(try DNSMessage(#require(try whole.receive())).responseCode == .formatError)
                #expect(try DNSMessage(#require(try whole.receive())).id == 6)
            }
            #expect(Clock.now - start < .seconds(10), "somebody had to be silent for long enough")
            #expect(eventually { proxy.number("tcp_connections") ?? 999 < 100 })
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a thousand questions at once`() throws {
        let server = try NameServer(.named)
        let proxy = try ProxyUnderTest(["--upstream", "127.0.0.1:\(server.port)"])
        try Self.abuse(proxy, "a thousand questions at once") {
            for round in 0..<10 {
                let client = try RawClient(port: proxy.port, isStream: true)
                var octets: [UInt8] = []
                for id in 0..<1000 {
                    // Half of them are known, half must be asked for, and most of these are too many for one client.
                    let name = id % 2 == 0 ? "is.there" : "n\(round)-\(id).z.test"
                    octets += StreamMessages.frame(
                        Self.query(UInt16(id), DNSQuestion(try #require(DomainName(name)), .a)))
                }
                client.write(octets)
                client.endSending()
                var answers: [UInt16: DNSResponseCode] = [:]
                while let answer = try client.receive() {
                    let message = try DNSMessage(answer)
                    answers[message.id] = message.responseCode
                }
                #expect(answers.count == 1000)
                #expect(answers.allSatisfy { $0 % 2 == 1 || $1 == .noError })
                #expect(answers.values.count { $0 == .nameError } >= 64)
            }
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `ends in the middle`() throws {
        let zone =
            "$ORIGIN big.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n"
            + (1...250).map { "@ A 192.0.2.\($0)\n" }.joined()
        let proxy = try ProxyUnderTest(["--zone", "FOLDER/zone"], files: ["zone": zone])
        let large = DNSQuestion(try #require(DomainName("big.test")), .a)
        try Self.abuse(proxy, "ends in the middle") {
            for round in 0..<100 {
                // Half of a message, and no more.
                let half = try RawClient(port: proxy.port, isStream: true)
                half.write(Array(StreamMessages.frame(Self.query(1)).prefix(9)))
                half.endSending()
                #expect(try half.receive() == nil)
                // Two megabytes of answers that nobody reads: a reset on our part, or on theirs.
                let deaf = try RawClient(port: proxy.port, isStream: true)
                for id in 0..<50 { deaf.send(Self.query(UInt16(id), large)) }
                if round % 2 == 0 { _ = try deaf.receive() }
                deaf.reset()
            }
            let deaf = try RawClient(port: proxy.port, isStream: true)
            var octets: [UInt8] = []
            for id in 0..<900 { octets += StreamMessages.frame(Self.query(UInt16(id), large)) }
            for _ in 0..<4 where proxy.number("tcp_connections") != 0 { deaf.tryToWrite(octets) }
            #expect(eventually { proxy.number("tcp_connections") == 0 }, "\(proxy.tell("status").output)")
        }
    }

    /// Where no descriptor is left, the silent make room for the others.
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        .enabled(if: Toolbox.isInstalled("prlimit"), "needs prlimit"))
    func `more connections than descriptors`() throws {
        let proxy = try ProxyUnderTest([], by: ["prlimit", "--nofile=40"])
        try Self.abuse(proxy, "more connections than descriptors") {
            let idle = try (0..<150).map { _ in try RawClient(port: proxy.port, isStream: true) }
            #expect(eventually { idle.count { $0.hasInput() } > 100 })
        }
    }
}
