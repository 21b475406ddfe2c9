// What an Election does on its machine's own notices: shutdown, sleep, the power button, a restored snapshot. Two or
// three members talk to each other without a network between them; their followers act at once.

import QureCore
import Simulator
import Testing

/// Some members, and time that goes from one deadline to the next.
private struct Party {
    var members: [Election] = []
    var events: [[Election.Event]] = []
    var now = Instant(nanoseconds: 1_000_000_000)
    private var random = SplitMix64(seed: 7)
    private var underWay: [(receiver: Int, message: ElectionMessage)] = []
    private var heartbeats: [Int: ElectionMessage] = [:]
    /// Whom nobody hears, and who hears nobody.
    var asleep: Set<Int> = []

    init(_ count: Int) {
        for number in 0..<count {
            let mac = MACAddress(rawValue: 0x0200_0000_0000 | UInt64(number))
            members.append(
                Election(
                    .init(
                        cluster: 1, node: NodeID(rawValue: UInt64(number) + 1), session: random.next(),
                        name: "h\(number)", mac: mac)))
            events.append([])
        }
        // Nobody is heard by one who has not begun.
        asleep = Set(0..<count)
        for number in 0..<count { step(number, .start) }
        asleep = []
        run(for: .seconds(4))
    }

    private var awake: [Int] { members.indices.filter { !asleep.contains($0) } }
    var master: Int? { members.firstIndex { $0.isMasterNow } }

    /// Gives a member an input, and everybody what follows from that.
    mutating func step(_ number: Int, _ input: Election.Input) {
        take(number, input)
        while !underWay.isEmpty {
            let (receiver, message) = underWay.removeFirst()
            take(receiver, .heard(message, received: now))
        }
    }

    private mutating func take(_ number: Int, _ input: Election.Input) {
        let outputs = members[number].step(input, at: now, using: &random)
        if case .deadlinePassed = input {
            // Before anybody answers, which here takes no time.
            #expect(members[number].nextDeadline.map { $0 > now } ?? true, "the law of deadlines")
        }
        var isPresent: Bool?
        for output in outputs {
            switch output {
            case .event(let event):
                events[number].append(event)
                switch event.state {
                case .master, .alive, .transferring: isPresent = true
                case .claiming: break
                default: isPresent = false
                }
            case .send(let message, _):
                guard !asleep.contains(number) else { continue }
                if message.kind == .heartbeat { heartbeats[number] = message }
                underWay += awake.filter { $0 != number }.map { ($0, message) }
            default: break
            }
        }
        if let isPresent { take(number, .addressPresent(isPresent)) }
    }

    mutating func run(for time: Duration) {
        let end = now + time
        var turns = 0
        while let next = awake.compactMap({ members[$0].nextDeadline }).min(), next <= end {
            turns += 1
            guard turns < 100_000 else {
                Issue.record("a busy loop")
                return
            }
            now = max(now, next)
            for number in awake {
                guard let due = members[number].nextDeadline, due <= now else { continue }
                step(number, .deadlinePassed)
            }
        }
        now = end
    }

    func lastHeartbeat(of number: Int) -> ElectionMessage? { heartbeats[number] }

    func said(_ number: Int) -> [String] {
        events[number].filter { $0.state != .alive }.map { "\($0.state.rawValue) \($0.reason ?? "")" }
    }
}

@Suite struct ElectionNoticeTests {
    @Test func `a master hands over before its machine sleeps, and listens once it is awake`() throws {
        var party = Party(3)
        let master = try #require(party.master)
        party.step(master, .sleep)
        party.run(for: .milliseconds(400))
        let heir = try #require(party.master, "nobody")
        #expect(heir != master && party.members[master].role == .quarantined)
        #expect(party.said(master).contains("transferring sleep") && party.said(master).last == "quarantined sleep")
        // However long it takes to fall asleep, it stays out.
        party.run(for: .seconds(30))
        #expect(party.members[master].role == .quarantined && party.master == heir)
        party.asleep = [master]
        party.run(for: .seconds(60))
        party.asleep = []
        party.step(master, .slept(.seconds(60)))
        party.step(master, .awake)
        party.run(for: .seconds(2))
        #expect(party.members[master].role == .standby && party.master == heir)
    }

    @Test func `a standby whose machine is to sleep is nobody's heir`() throws {
        var party = Party(2)
        let master = try #require(party.master)
        party.step(1 - master, .sleep)
        party.run(for: .seconds(1))
        #expect(party.members[1 - master].role == .quarantined)
        party.step(master, .resign)
        #expect(party.master == master && party.members[master].role == .master)
        // The sleep did not come about.
        party.step(1 - master, .awake)
        party.run(for: .seconds(2))
        #expect(party.members[1 - master].role == .standby)
        party.step(master, .resign)
        party.run(for: .seconds(1))
        #expect(party.master == 1 - master)
    }

    @Test func `alone, it lets go before the sleep, and takes the address again after it`() {
        var party = Party(1)
        #expect(party.master == 0)
        party.step(0, .sleep)
        #expect(party.members[0].role == .quarantined)
        party.run(for: .seconds(5))
        #expect(party.master == nil)
        party.step(0, .awake)
        party.run(for: .seconds(2))
        #expect(party.master == 0)
    }

    @Test func `awake while it still hands over: it does, and stays a member`() throws {
        var party = Party(2)
        let master = try #require(party.master)
        party.asleep = [1 - master]
        party.step(master, .sleep)
        #expect(party.members[master].role == .transferring)
        party.step(master, .awake)
        party.asleep = []
        party.run(for: .seconds(3))
        #expect([.master, .standby].contains(party.members[master].role) && party.master != nil)
    }

    @Test func `the power button: a master hands over and stays; alone it goes on serving`() throws {
        var party = Party(2)
        let master = try #require(party.master)
        party.step(1 - master, .powerButton)
        #expect(party.master == master)
        party.step(master, .powerButton)
        party.run(for: .seconds(1))
        #expect(party.master == 1 - master && party.members[master].role == .standby)
        #expect(party.said(master).last == "standby power-button")
        // logind says the same a moment later: harmless.
        party.step(master, .powerButton)
        party.step(master, .leave(reason: "shutdown"))
        #expect(party.members[master].role == .goodbye && party.master == 1 - master)
        party.step(1 - master, .powerButton)
        #expect(party.members[1 - master].role == .master)
    }

    @Test func `the power button: the machine has a moment left, and an heir on a busy host may need it`() throws {
        var party = Party(2)
        let master = try #require(party.master)
        party.asleep = [1 - master]
        party.step(master, .powerButton)
        party.run(for: .milliseconds(190))
        #expect(party.members[master].role == .transferring)
        party.run(for: .milliseconds(20))
        #expect(party.members[master].role == .master && party.said(master).last == "master not-acknowledged")
    }

    @Test func `shutdown during sleep's hand-over, and sleep during shutdown's: it leaves`() throws {
        for inputs in [[.sleep, .leave(reason: "shutdown")], [.leave(reason: "shutdown"), .sleep, .awake]]
            as [[Election.Input]]
        {
            var party = Party(2)
            let master = try #require(party.master)
            // Nothing is heard meanwhile, so that the one finds the other under way.
            party.asleep = [1 - master]
            for input in inputs { party.step(master, input) }
            party.asleep = []
            party.run(for: .seconds(2))
            #expect(party.members[master].role == .goodbye && party.master == 1 - master)
        }
    }

    @Test func `asked to leave, it does so although the machine slept meanwhile`() throws {
        var party = Party(2)
        let master = try #require(party.master)
        party.asleep = [1 - master]
        party.step(master, .leave(reason: "stopped"))
        #expect(party.members[master].role == .transferring)
        party.step(master, .slept(.seconds(9)))
        #expect(party.members[master].role == .goodbye && party.said(master).last == "goodbye stopped")
    }

    /// Its kernel has answered for the address until it knew, and with all that had waited for it meanwhile.
    @Test(arguments: [Duration.seconds(1), .seconds(8)])
    func `a master that was paused makes its successor tell the link again`(_ pause: Duration) throws {
        var party = Party(3)
        let master = try #require(party.master)
        party.asleep = [master]
        party.run(for: pause)
        let heir = try #require(party.members.firstIndex { $0.role == .master && $0.term > party.members[master].term })
        #expect(party.said(heir).last == "master ")
        party.asleep = []
        party.run(for: .milliseconds(1500))
        #expect(party.members[master].role == .standby && party.members[heir].role == .master)
        #expect(party.said(heir).last == "master again")
    }

    @Test func `and so does one that is brought back as it was when it was master`() throws {
        var party = Party(3)
        let master = try #require(party.master)
        let saved = party.members[master]
        party.step(master, .resign)
        party.run(for: .seconds(3))
        let heir = try #require(party.master)
        let before = party.events[heir].count { $0.reason == "again" }
        party.members[master] = saved
        party.run(for: .milliseconds(1500))
        #expect(party.members[master].role == .standby && party.members[heir].role == .master)
        let told = party.events[heir].filter { $0.reason == "again" }
        #expect(told.count > before)
        // It is no heartbeat: the lease is not longer for it.
        for event in told {
            #expect(event.lease == party.members[heir].lease && event.at.map { $0 <= party.now } == true)
        }
    }

    /// The others have given it up, and with it, were it not for its last word, the proof that it is a copy.
    @Test func `one that is brought back after its death was reported takes a new session`() throws {
        var party = Party(3)
        let master = try #require(party.master)
        let heir = (master + 1) % 3
        let node = party.members[master].configuration.node
        let saved = party.members[master]
        party.run(for: .seconds(5))
        let said = party.lastHeartbeat(of: master)
        party.asleep = [master]
        party.step(heir, .died(node))
        party.run(for: .seconds(1))
        #expect(party.members[heir].members[node] == nil)
        party.members[master] = saved
        party.asleep = []
        party.run(for: .milliseconds(1500))
        #expect(party.members[master].configuration.session != saved.configuration.session)
        #expect(party.members[master].role == .standby && party.members.allSatisfy { $0.unheard.isEmpty })
        let session = party.members[master].configuration.session
        #expect(party.members[heir].members[node]?.session == session)
        // What it had said after it was saved is a recording.
        let recording = try #require(said)
        #expect(recording.session == saved.configuration.session)
        party.step(heir, .heard(recording, received: party.now))
        #expect(party.members[heir].members[node]?.session == session && party.members[heir].role == .master)
    }

    @Test func `a restored machine is quarantined under a new session`() throws {
        var party = Party(2)
        let master = try #require(party.master)
        let session = party.members[master].configuration.session
        party.step(master, .restored)
        #expect(party.members[master].role == .quarantined && party.members[master].configuration.session != session)
        party.run(for: .seconds(3))
        #expect(party.members[master].role == .standby && party.master == 1 - master)
    }
}
