// The transition table of LeaseFollower, row by row, and its law of deadlines.

import QureCore
import Simulator
import Testing

extension LeaseFollower: Machine {
    static var deadlinePassed: Input { .deadlinePassed }

    mutating func run(_ input: Input, at now: Instant) -> String {
        step(input, at: now).map { output in
            switch output {
            case .hold(let until, let handsOver):
                "hold \((until - ms(0)).milliseconds)\(handsOver ? " handing over" : "")"
            case .announce: "announce"
            case .release(.told(let word, let reason)): "release \(word)\(reason.map { " \($0)" } ?? "")"
            case .release(.expired(let late)): "release expired \(late.text)"
            case .release(.ended): "release"
            case .ended(.quietly): "ended"
            case .ended(.whileHolding): "ended while holding"
            case .ended(.malformed(let why)): "ended malformed \(why)"
            case .ended(.stopped): "ended stopped"
            }
        }.joined(separator: "; ")
    }
}

/// A line of the stream; `@5` in it stands for 5 ms as nanoseconds of the kernel's clock.
private func line(_ text: String) -> LeaseFollower.Input {
    let words = text.split(separator: " ").map { word in
        word.hasPrefix("@") ? "at=\(ms(Int(word.dropFirst())!).nanoseconds)" : String(word)
    }
    do { return .event(try ClusterEvent(Array(words.joined(separator: " ").utf8))) } catch {
        return .malformed("\(error)")
    }
}

private typealias FollowerRow = Row<LeaseFollower.Input>

@Suite struct LeaseFollowerTests {
    @Test(arguments: [
        FollowerRow(
            "a master holds for its lease, and each line renews it",
            [
                .init(0, line("standby"), ""), .init(10, line("master term=1 @8 lease=300ms"), "hold 308"),
                .init(110, line("alive term=1 @110 lease=300ms"), "hold 410"),
                .init(200, line("alive lease=200ms"), "hold 400"),
                .init(210, line("alive"), "hold 2210"),
            ], deadline: 2210),
        FollowerRow(
            "no line in time",
            [
                .init(0, line("master lease=300ms"), "hold 300"), .init(300, "release expired 0s"),
                .init(301, .deadlinePassed),
            ]),
        FollowerRow(
            "noticed late, by whatever comes first",
            [
                .init(0, line("master lease=300ms"), "hold 300"), .init(450, line("claiming"), "release expired 150ms"),
                .init(451, line("alive lease=300ms"), "hold 751"), .init(900, line("news"), "release expired 149ms"),
            ]),
        FollowerRow(
            "a line that says so releases, with its reason",
            [
                .init(0, line("master lease=300ms"), "hold 300"), .init(9, line("standby master=b"), "release standby"),
                .init(10, line("standby"), ""), .init(20, line("alive lease=300ms"), "hold 320"),
                .init(30, line("fault reason=no-carrier"), "release fault no-carrier"),
            ]),
        FollowerRow(
            "old lines, read after a sleep, grant nothing",
            [
                .init(0, line("master @0 lease=300ms"), "hold 300"),
                .init(5000, line("alive @100 lease=300ms"), "release expired 4600ms"),
                .init(5000, line("alive @200 lease=300ms"), ""), .init(5000, line("alive @4700 lease=300ms"), ""),
                .init(5000, line("alive @4999 lease=300ms"), "hold 5299"),
            ], deadline: 5299),
        FollowerRow(
            "a heartbeat from the future is one from now",
            [.init(0, line("master @90000 lease=300ms"), "hold 300")], deadline: 300),
        FollowerRow(
            "a hand-over goes on holding",
            [
                .init(0, line("master lease=300ms"), "hold 300"),
                .init(10, line("transferring lease=300ms"), "hold 310 handing over"),
                .init(20, line("alive lease=300ms"), "hold 320"),
                .init(30, line("transferring lease=300ms"), "hold 330 handing over"),
                .init(40, line("goodbye"), "release goodbye"), .init(50, .endOfStream, "ended"),
            ]),
        FollowerRow(
            "said once more, the link is to be told once more",
            [
                .init(0, line("master lease=300ms"), "hold 300"),
                .init(10, line("master @5 lease=300ms reason=again"), "hold 305; announce"),
                .init(20, line("transferring lease=300ms"), "hold 320 handing over"),
                .init(30, line("master lease=300ms reason=not-acknowledged"), "hold 330; announce"),
                .init(40, line("standby"), "release standby"), .init(50, line("master lease=300ms"), "hold 350"),
                .init(900, line("master @60 lease=300ms"), "release expired 540ms"),
            ]),
        FollowerRow(
            "the end of the stream while holding",
            [
                .init(0, line("master lease=300ms"), "hold 300"),
                .init(9, .endOfStream, "release; ended while holding"), .init(10, .stop),
            ]),
        FollowerRow("the end of the stream otherwise", [.init(0, line("standby")), .init(9, .endOfStream, "ended")]),
        FollowerRow("the end of an empty stream", [.init(9, .endOfStream, "ended"), .init(10, line("master"), "")]),
        FollowerRow(
            "a malformed line while holding",
            [
                .init(0, line("master lease=300ms"), "hold 300"),
                .init(9, .malformed("why"), "release; ended malformed why"),
                .init(10, line("alive lease=300ms"), ""),
            ]),
        FollowerRow("a malformed line otherwise", [.init(9, .malformed("why"), "ended malformed why")]),
        FollowerRow("a stop while nothing is held", [.init(0, line("standby")), .init(9, .stop, "ended stopped")]),
        FollowerRow(
            "a stop while holding waits for the goodbye",
            [
                .init(0, line("master lease=300ms"), "hold 300"), .init(9, .stop),
                .init(100, line("alive lease=300ms"), "hold 400"),
                .init(150, line("transferring lease=300ms"), "hold 450 handing over"),
                .init(200, line("goodbye"), "release goodbye; ended stopped"), .init(201, .endOfStream),
            ]),
        FollowerRow(
            "or for the end of the stream",
            [
                .init(0, line("master lease=300ms"), "hold 300"), .init(9, .stop),
                .init(20, .endOfStream, "release; ended stopped"),
            ]),
        FollowerRow(
            "but 500 ms at most",
            [
                .init(0, line("master lease=9s"), "hold 9000"), .init(9, .stop),
                .init(300, line("alive lease=9s"), "hold 9300"),
                .init(509, "release; ended stopped"),
            ]),
        FollowerRow(
            "a second stop waits for nothing",
            [
                .init(0, line("master lease=9s"), "hold 9000"), .init(9, .stop),
                .init(10, .stop, "release; ended stopped"),
            ]),
        FollowerRow(
            "a lease that runs out while stopping",
            [
                .init(0, line("master lease=100ms"), "hold 100"), .init(9, .stop), .init(100, "release expired 0s"),
                .init(509, "ended stopped"),
            ]),
    ])
    func `the table`(_ row: Row<LeaseFollower.Input>) { row.check(LeaseFollower(defaultLease: .seconds(2))) }

    @Test func `of what comes at once, what was given and taken back is not done`() {
        let give = LeaseFollower.Output.hold(until: ms(9), handsOver: false)
        let later = LeaseFollower.Output.hold(until: ms(10), handsOver: true)
        let take = LeaseFollower.Output.release(.told("standby", reason: nil))
        let cases: [(came: [LeaseFollower.Output], remains: [LeaseFollower.Output])] = [
            ([], []), ([give], [give]), ([give, later], [later]), ([give, take], [take]), ([take, give], [take, give]),
            ([give, .announce, later], [later, .announce]), ([give, .announce, take], [take]),
            ([take, give, take, later], [take, take, later]),
            ([give, take, .ended(.quietly)], [take, .ended(.quietly)]),
        ]
        for (came, remains) in cases { #expect(LeaseFollower.whatRemains(of: came) == remains) }
    }

    /// A line of any kind, with a heartbeat and a lease of any time.
    private static func anyInput(_ random: inout SplitMix64) -> LeaseFollower.Input {
        let words = ["master", "alive", "transferring", "standby", "claiming", "goodbye", "fault", "news"]
        guard Int.random(in: 0..<100, using: &random) > 0 else { return .stop }
        let word = words.randomElement(using: &random)!
        let heartbeat = Int.random(in: 0..<100_000, using: &random)
        return line("\(word) @\(heartbeat) lease=\(Int.random(in: 1..<50_000, using: &random))ms")
    }

    @Test func `where heartbeats renew the lease, lines may be rare`() {
        var follower = LeaseFollower(defaultLease: .seconds(2))
        follower.patience = .milliseconds(1000)
        #expect(follower.run(line("master @0 lease=300ms"), at: ms(0)) == "hold 300")
        #expect(follower.nextDeadline == ms(1300))
        #expect(follower.run(.deadlinePassed, at: ms(1299)) == "")
        // Read too late to say how long, but not that it is so.
        #expect(follower.run(line("alive @1000 lease=300ms"), at: ms(1299)) == "hold 1300")
        #expect(follower.run(line("alive @1100 lease=300ms"), at: ms(1500)) == "")
        #expect(follower.nextDeadline == ms(2400))
        #expect(follower.run(.deadlinePassed, at: ms(2400)) == "release expired 0s")
        // What is not held, a line of the past does not give.
        #expect(follower.run(line("alive @2000 lease=300ms"), at: ms(2400)) == "")
        #expect(follower.nextDeadline == nil)
    }

    @Test func `the law of deadlines`() {
        checkDeadlineLaw { _ in LeaseFollower(defaultLease: .milliseconds(300)) } input: { Self.anyInput(&$0) }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `nothing is held beyond its lease, whatever comes`(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var follower = LeaseFollower(defaultLease: .milliseconds(300))
        var heldUntil: Instant?
        var now = ms(0)
        for _ in 0..<300 {
            now += .milliseconds(Int.random(in: 0..<1000, using: &random))
            let input = Bool.random(using: &random) ? Self.anyInput(&random) : .deadlinePassed
            for output in follower.step(input, at: now) {
                switch output {
                case .hold(let until, _):
                    #expect(until > now && until <= now + .seconds(50))
                    heldUntil = until
                case .announce: #expect(heldUntil != nil)
                case .release: heldUntil = nil
                case .ended: #expect(heldUntil == nil)
                }
            }
            // After any input but a first stop the follower has noticed that a lease is over.
            if input != .stop, let heldUntil { #expect(now < heldUntil) }
        }
    }
}
