// How much a relay may have under way: a client that asks for a whole network has room enough, and whatever a few do,
// others are served.

@testable import QureCore
import Testing

struct RelayRoomTests {
    private static func client(_ number: UInt32) -> RelayClient {
        RelayClient(.v4(IPv4Address(rawValue: 0x0a00_0100 + number)), port: 4000)
    }

    private static func stranger(_ number: UInt32) -> RelayClient {
        RelayClient(.v4(IPv4Address(rawValue: 0xc633_6400 + number)), port: 4000)
    }

    /// Asks for that many names; how many of them are asked of others.
    private static func ask(_ bench: inout RelayBench, _ count: Int, as name: String, by client: RelayClient) -> Int {
        (0..<count).count { !RelayBench.asked(bench.ask("\(name)\($0).test", by: client)).isEmpty }
    }

    private static func isRefused(_ outputs: [Relay.Output]) -> Bool {
        RelayBench.told(outputs).first?.responseCode == .serverFailure
    }

    private static func complaints(_ outputs: [Relay.Output]) -> [Relay.Report] {
        outputs.compactMap { if case .report(let report) = $0, case .overdrawn = report { report } else { nil } }
    }

    /// As a gateway does, which forwards for everybody from one address and has 150 questions open itself.
    @Test func `a client that asks for many has a quarter of the room, and no more`() throws {
        var bench = RelayBench()
        #expect(Self.ask(&bench, 2000, as: "n", by: RelayBench.client) == 1024)
        #expect(Self.isRefused(bench.ask("more.test")))
        #expect(Self.ask(&bench, 1, as: "other", by: Self.client(1)) == 1)
        while !bench.relay.works.isEmpty { _ = try bench.pass() }
        #expect(bench.relay.waiting.isEmpty && bench.relay.waitingInAll == 0)
        #expect(Self.ask(&bench, 1, as: "again", by: RelayBench.client) == 1)
    }

    @Test func `what is left when a few have taken most is for those who have few`() throws {
        var bench = RelayBench()
        for number: UInt32 in 1...3 {
            #expect(Self.ask(&bench, 1100, as: "c\(number)-", by: Self.client(number)) == 1024)
        }
        #expect(Self.ask(&bench, 1100, as: "d", by: Self.client(4)) == 64)
        for number: UInt32 in 5..<19 {
            #expect(Self.ask(&bench, 65, as: "e\(number)-", by: Self.client(number)) == 64)
        }
        // All is all.
        #expect(Self.ask(&bench, 65, as: "f", by: Self.client(20)) == 64)
        #expect(bench.relay.works.count == 4096 && Self.isRefused(bench.ask("more.test", by: Self.client(21))))
    }

    @Test func `strangers have half of the room, and one of them a quarter of that`() throws {
        let forward = try RelayConfiguration.Forward(setting: "test=192.0.2.54 public=yes")
        var bench = RelayBench { $0.forwards = [forward] }
        for number: UInt32 in 1...3 {
            #expect(Self.ask(&bench, 600, as: "s\(number)-", by: Self.stranger(number)) == 512)
        }
        #expect(Self.ask(&bench, 600, as: "s", by: Self.stranger(4)) == 64)
        #expect(Self.ask(&bench, 1100, as: "c", by: RelayBench.client) == 1024)
        let refused = bench.ask("more.test", by: Self.stranger(5))
        #expect(Self.isRefused(refused) && RelayBench.asked(bench.ask("more.test", by: Self.client(1))).count == 1)
    }

    /// They cost no socket, but their memory.
    @Test func `who waits for what another has asked counts, too`() throws {
        var bench = RelayBench()
        let first = bench.ask("a.test", by: Self.client(1))
        for _ in 0..<1024 { #expect(bench.ask("a.test").isEmpty) }
        #expect(Self.isRefused(bench.ask("a.test")))
        #expect(RelayBench.told(try bench.answer(first, ["a.test. 60 A 192.0.2.1"])).count == 1025)
        #expect(bench.relay.waiting.isEmpty && bench.relay.waitingInAll == 0)
    }

    @Test func `who is refused for want of room is named, once a minute, and counted`() throws {
        var bench = RelayBench()
        _ = Self.ask(&bench, 1024, as: "n", by: RelayBench.client)
        let report = Relay.Report.overdrawn(by: RelayBench.client.address, .client(1024))
        #expect(Self.complaints(bench.ask("x.test")) == [report] && Self.complaints(bench.ask("y.test")).isEmpty)
        #expect(bench.relay.counters.overdrawn == 2)
        while !bench.relay.works.isEmpty { _ = try bench.pass() }
        bench.now += .seconds(60)
        _ = Self.ask(&bench, 1024, as: "m", by: RelayBench.client)
        #expect(Self.complaints(bench.ask("x.test")) == [report])
        let text = Relay.Overdraft.client(1024).description
        #expect(text.contains("1024 questions open") && text.contains("let these ask here"))
    }
}
