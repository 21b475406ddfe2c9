// Twenty sites that share one name at a real primary, each a `register --watch` of its own, and each moves a hundred
// times: in the end exactly the living are there, nobody has lost anything to another one, and nothing of all that was
// sent does anything when it is sent again. RegistrationCrowdTests.swift has the same without servers and processes, on
// a network that loses and repeats.

import Glibc
import Lab
import QureCore
import Testing

struct RegisterCrowdTests {
    private static let missing = RegisteredName.missing ?? (Toolbox.isInstalled("tcpdump") ? nil : "needs tcpdump")
    private static let count = 20
    private static let patience = Duration.seconds(180)

    /// One site. It looks for its address when it is told to, and not by itself.
    private final class Site {
        let process: LabProcess
        private let number: Int
        private let name: RegisteredName
        private(set) var turn = 0
        private var isMoving = true

        init(_ number: Int, _ name: RegisteredName) throws {
            self.number = number
            self.name = name
            let file = "address\(number)"
            name.server.write(file, "10.0.0.\(number)\n")
            let options = [
                "--watch", "--site", "site\(number)", "--zone", "z.test", "--allow-private", "--hold", "1ms", "--lease",
                "30s", "--verify", "3s", "--interval", "1h", "--address",
                "command:read a < \(name.server.path(file)); echo $a",
            ]
            process = try LabProcess(name.words("register", options))
        }

        func address(_ turn: Int) -> String { "10.\(turn).0.\(number)" }
        var address: String { address(turn) }

        /// Moves to the next address.
        func move() {
            turn += 1
            isMoving = true
            name.server.write("address\(number)", address + "\n")
            process.send(SIGHUP)
        }

        /// Moves on as soon as it has said that it is there; whether it has come that far.
        func advance(to goal: Int) -> Bool {
            for line in process.takeLines() where line.hasPrefix("registered") && line.contains(" \(address) ") {
                isMoving = false
            }
            guard !isMoving else { return false }
            guard turn < goal else { return true }
            move()
            return false
        }
    }

    /// Lets all of them move on, each as fast as it can; false: one has ended, or it takes too long.
    private static func advance(_ sites: [Site], to goal: Int) -> Bool {
        let limit = Clock.now + patience
        while !sites.filter({ !$0.advance(to: goal) }).isEmpty {
            var waiting = sites.map { pollfd(fd: $0.process.descriptor, events: Int16(POLLIN), revents: 0) }
            poll(&waiting, nfds_t(waiting.count), 1000)
            let hasEnded = waiting.contains { $0.revents & Int16(POLLHUP) != 0 }
            if hasEnded || Clock.now > limit { return false }
        }
        return true
    }

    /// What the server says, which may be too busy to say it at once.
    private static func answer<Answer>(_ ask: () -> Answer, isGood: (Answer) -> Bool) -> Answer {
        var answer = ask()
        _ = eventually {
            if !isGood(answer) { answer = ask() }
            return isGood(answer)
        }
        return answer
    }

    private static func addresses(_ name: RegisteredName) -> [String] {
        answer({ name.addresses }, isGood: { !$0.contains { $0.hasPrefix(";;") } })
    }

    /// All updates on their way to a server.
    private final class Capture {
        private let folder = TemporaryFolder()
        private let tool: RunningTool

        init(of server: NameServer) {
            let filter = "udp dst port \(server.port) and udp[10] & 0x78 = 0x28"
            // As in ClaimWitness: tcpdump cannot become another user.
            let words = Refusal(call: .setgroups, error: 0).words + ["tcpdump", "-Z", "root", "-i", "lo", "-n", "-U"]
            tool = RunningTool(words + ["-w", "\(folder.path)/pcap", filter])
            #expect(tool.complains("listening on"), "\(tool.errors)")
        }

        /// Ends it; each update once.
        func finish() throws -> Set<[UInt8]> {
            _ = tool.end(with: SIGINT)
            var rest = try TextFile.read("\(folder.path)/pcap").dropFirst(24)
            var updates: Set<[UInt8]> = []
            while rest.count >= 16 {
                let head = Array(rest.prefix(16))
                let length = (8..<12).reversed().reduce(0) { $0 << 8 | Int(head[$1]) }
                // Behind the headers of Ethernet, IPv4 and UDP.
                updates.insert(Array(rest.dropFirst(16).prefix(length).dropFirst(14 + 20 + 8)))
                rest = rest.dropFirst(16 + length)
            }
            return updates
        }
    }

    @Test(
        .enabled(if: missing == nil, "\(missing ?? "")"),
        arguments: [(NameServer.Kind.named, 100), (.knotd, 20), (.pdns, 8)])
    func `twenty sites share a name and move all the time, and half of them die`(
        _ kind: NameServer.Kind, _ turns: Int
    ) throws {
        let name = RegisteredName(try NameServer(kind), "cloud")
        let capture = Capture(of: name.server)
        let began = Clock.now
        let sites = try (0..<Self.count).map { try Site($0, name) }
        for goal in stride(from: 0, to: turns, by: turns / 4) {
            try #require(Self.advance(sites, to: goal), "\(sites.map { "\($0.turn) \($0.process.errors)" })")
            #expect(Self.addresses(name) == sites.map(\.address).sorted(), "turn \(goal)")
        }
        try #require(Self.advance(sites, to: turns - 1))
        let dying = sites[..<(Self.count / 2)], living = Array(sites[(Self.count / 2)...])
        for site in sites { site.move() }
        for site in dying.shuffled() {
            usleep(.random(in: 0...4000))  // anywhere in the last move
            site.process.send(SIGKILL)
        }
        try #require(Self.advance(living, to: turns))
        print("figure: \(kind): \(Self.count) sites, \(turns) moves each: \(Clock.now - began)")
        // Of those who died each has one address, the last one or the one before.
        let found = Set(Self.addresses(name))
        #expect(found.count == Self.count && found.isSuperset(of: living.map(\.address)), "\(found.sorted())")
        for site in dying {
            #expect(found.contains(site.address) != found.contains(site.address(turns - 1)), "\(found.sorted())")
        }
        let left = living.map(\.address).sorted()
        #expect(eventually(within: .seconds(60)) { name.addresses == left }, "\(name.addresses)")
        try replay(capture, name, living, atLeast: Self.count * turns)
        for site in living { site.process.send(SIGTERM) }
        for site in living { #expect(site.process.wait(within: .seconds(20)) == 0, "\(site.process.errors)") }
        #expect(Self.addresses(name) == [])
        #expect(!name.server.records().contains { $0.contains("_at._qure") })
        print("figure: \(kind): the whole: \(Clock.now - began)")
    }

    /// Sends again all that was sent, while nobody else sends anything.
    private func replay(_ capture: Capture, _ name: RegisteredName, _ living: [Site], atLeast count: Int) throws {
        for site in living { site.process.send(SIGSTOP) }
        defer { for site in living { site.process.send(SIGCONT) } }
        let updates = try capture.finish()
        #expect(updates.count >= count, "\(updates.count)")
        func state() -> [String] {
            Self.answer({ [name.server.query("z.test", "SOA")] + name.server.records() }) { state in
                state.count > 20 && !state.contains { $0.hasPrefix(";;") }
            }
        }
        let before = state()
        let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        for update in updates.shuffled() {
            let answer = name.server.answer(to: update, by: descriptor)
            #expect(try DNSMessage(answer).responseCode != .noError)
        }
        #expect(state() == before)
    }
}
