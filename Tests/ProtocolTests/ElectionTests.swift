// What a member of a cluster does in single situations; all that can happen to a cluster is the simulator's.

import QureCore
import Testing

@Suite struct ElectionTests {
    /// A cluster in which h1 is master and the others stand by.
    static func settled(
        _ count: Int, _ change: (Int, inout Election.Configuration) -> Void = { _, _ in }
    ) throws -> SmallCluster {
        var cluster = SmallCluster(count, change)
        cluster.gateways = Set(1...count)
        cluster.step(1, .start)
        cluster.run(1000)
        if count > 1 { for number in 2...count { cluster.step(number, .start) } }
        cluster.run(count * 125 + 9500)
        try #require(cluster.master == 1)
        for number in 1...count where number > 1 { try #require(cluster[number].role == .standby) }
        return cluster
    }

    static func gatewayIsRequired(_ number: Int, _ configuration: inout Election.Configuration) {
        configuration.requiresGateway = true
    }

    // MARK: Health

    @Test func `an ill master hands over, and stands by when it is well again`() throws {
        var cluster = try Self.settled(2)
        cluster.step(1, .healthy(false, reason: "check"))
        #expect(cluster[1].role == .transferring)
        cluster.run(60)
        #expect(cluster.master == 2 && cluster[1].role == .fault)
        #expect(cluster[2].lastTakeOver?.reason == "transfer")
        cluster.step(1, .healthy(true, reason: ""))
        cluster.run(1000)
        #expect(cluster.master == 2 && cluster[1].role == .standby)
    }

    @Test(arguments: [Election.Input.healthy(false, reason: "check"), .maintenance(true)])
    func `a master that falls ill while it hands over does not stay without an heir`(_ input: Election.Input) throws {
        var cluster = try Self.settled(2)
        cluster.cuts = [[1, 2]]
        cluster.step(1, .resign)
        cluster.step(1, input)
        cluster.run(60)
        #expect(cluster[1].role == (input == .maintenance(true) ? .maintenance : .fault))
    }

    @Test func `a master that is well again before the heir is there comes back as if it had just started`() throws {
        var cluster = try Self.settled(2)
        cluster.step(1, .healthy(false, reason: "check"))
        cluster.step(1, .healthy(true, reason: ""))
        cluster.run(60)
        #expect(cluster.master == 2 && cluster[1].role == .joining)
        cluster.run(1000)
        #expect(cluster.master == 2 && cluster[1].role == .standby)
    }

    @Test func `an ill master that hears its heir's heartbeat before the acknowledgement is at fault, too`() throws {
        var cluster = try Self.settled(2) { _, configuration in
            configuration.interval = .milliseconds(20)
            configuration.tolerance = .milliseconds(60)
        }
        cluster.cuts = [[2, 1]]
        cluster.step(1, .healthy(false, reason: "check"))
        cluster.run(8)
        cluster.cuts = []
        cluster.run(30)
        #expect(cluster.master == 2 && cluster[1].role == .fault)
    }

    @Test func `an ill member is no successor and does not claim`() throws {
        var cluster = try Self.settled(3)
        cluster.step(2, .healthy(false, reason: "check"))
        cluster.run(10)
        #expect(cluster[2].role == .fault)
        cluster.step(1, .resign)
        cluster.run(100)
        #expect(cluster.master == 3)
    }

    // MARK: Beginning and end

    @Test func `a master that falls silent while others still listen is followed all the same`() {
        var cluster = SmallCluster(2)
        cluster.step(1, .start)
        cluster.run(1000)
        cluster.step(2, .start)
        cluster.run(150)
        #expect(cluster[2].role == .joining && cluster[2].master?.standing.node == SmallCluster.node(1))
        cluster.cuts = [[1, 2], [2, 1]]
        cluster.run(600)
        #expect(cluster[2].role == .master)
    }

    @Test func `a stranger that went while this machine slept is not waited for`() {
        var cluster = SmallCluster(1)
        cluster.step(1, .start)
        cluster.step(1, .addressAnswered(by: mac(99)))
        cluster.run(1000)
        #expect(cluster[1].role == .fault)
        cluster.step(1, .sleep)
        cluster.run(5000)
        cluster.step(1, .awake)
        cluster.run(1000)
        #expect(cluster[1].role == .master)
    }

    /// A master, its successor, and, not started, a machine with the master's number and another session.
    private static func withDouble(session: UInt64) throws -> SmallCluster {
        var cluster = SmallCluster(3) { number, configuration in
            configuration.tolerance = .seconds(1)
            guard number == 3 else { return }
            configuration.node = SmallCluster.node(1)
            configuration.session = session
        }
        cluster.step(1, .start)
        cluster.run(3000)
        cluster.step(2, .start)
        cluster.run(10_000)
        try #require(cluster[1].role == .master && cluster[2].role == .standby)
        return cluster
    }

    @Test func `a copy of the master's machine does not depose it`() throws {
        var cluster = try Self.withDouble(session: 1)
        cluster.step(3, .start)
        cluster.run(3000)
        #expect(cluster.master == 1 && cluster[2].role == .standby && cluster[3].role == .standby)
        #expect(cluster.said(2, .claim) == 0 && cluster[3].configuration.node != SmallCluster.node(1))
    }

    @Test func `a master that has restarted is followed as soon as its heartbeat is late`() throws {
        var cluster = try Self.withDouble(session: 1)
        cluster.cuts = [[1, 2], [2, 1], [1, 3], [3, 1]]
        cluster.step(3, .start)
        cluster.run(150)
        #expect(cluster[2].role == .master && cluster[2].lastTakeOver?.reason == "gone")
    }

    @Test(arguments: [Election.Input.slept(.seconds(1)), .addressPresent(false), .healthy(false, reason: "check")])
    func `a master that was asked to go goes, whatever comes between`(_ input: Election.Input) throws {
        var cluster = try Self.settled(2)
        // No heir can answer.
        cluster.cuts = [[2, 1]]
        if input == .addressPresent(false) {
            cluster.deadFollowers = [1]
            cluster.step(1, input)
            cluster.run(190)
        }
        cluster.step(1, .leave(reason: "stopped"))
        #expect(cluster[1].role == .transferring)
        if input != .addressPresent(false) { cluster.step(1, input) }
        cluster.run(210)
        #expect(cluster[1].role == .goodbye)
        #expect(cluster.outputs[0].contains(.ended))
    }

    // MARK: The last take-over

    @Test func `the times of a take-over are those between its parts`() throws {
        var cluster = try Self.settled(2)
        let silent = cluster.now
        cluster.cuts = [[1, 2], [2, 1]]
        cluster.run(500)
        let last = try #require(cluster[2].lastTakeOver)
        #expect(last.reason == "silent" && last.since <= silent && silent - last.since <= .milliseconds(101))
        #expect(last.detected >= .milliseconds(110) && last.detected < .milliseconds(125))
        #expect(last.confirmed >= .milliseconds(200) && last.confirmed < .milliseconds(210))
        // The claims are said first, and here the follower is quick.
        #expect(try #require(last.claimed) - last.confirmed == .milliseconds(6))
    }

    @Test func `who claims names the term that is claimed, to the link and in the events`() throws {
        var cluster = try Self.settled(2)
        cluster.cuts = [[1, 2], [2, 1]]
        cluster.run(500)
        let said = cluster.outputs[1].compactMap { output -> UInt64? in
            if case .event(let event) = output, event.state == .claiming { event.term } else { nil }
        }
        #expect(said == [2] && cluster.said(2, .claim) > 0 && cluster[2].term == 2)
    }

    @Test func `a master whose address is there already is not asked for it again`() throws {
        var cluster = SmallCluster(1)
        cluster.step(1, .addressPresent(true))
        cluster.step(1, .start)
        cluster.run(2000)
        #expect(cluster.master == 1 && cluster[1].term == 1 && cluster[1].lastTakeOver?.claimed != nil)
    }

    // MARK: The gateway

    @Test func `a master without the gateway hands over to whoever heard it last, whatever its priority`() throws {
        var cluster = try Self.settled(3) { number, configuration in
            Self.gatewayIsRequired(number, &configuration)
            configuration.priority = number == 2 ? 200 : 100
        }
        cluster.gateways = [1, 3]
        cluster.run(1500)
        // h2, the first successor, has not heard it for longer than h3 has, but its last word is fresh enough.
        cluster.gateways = [3]
        cluster.run(4500)
        #expect(cluster.master == 3)
        #expect(cluster[3].lastTakeOver?.reason == "transfer")
    }

    @Test func `of two that hear the gateway, the one with the fresher evidence is the heir`() throws {
        var cluster = try Self.settled(3) { number, configuration in
            Self.gatewayIsRequired(number, &configuration)
            configuration.priority = number == 2 ? 200 : 100
        }
        cluster.gateways = []
        cluster.run(2900)
        // Both have it again, h3 a moment later, before the master looks: by the order of succession it would be h2.
        cluster.step(2, .gatewayAnswered)
        cluster.run(2)
        cluster.step(3, .gatewayAnswered)
        cluster.run(600)
        #expect(cluster.master == 3)
    }

    @Test func `whoever hears the gateway says so at once to a master that does not, twice a second at most`() throws {
        var cluster = try Self.settled(2, Self.gatewayIsRequired)
        cluster.gateways = []
        cluster.run(2500)
        let before = cluster.said(2, .hello)
        for _ in 0..<10 {
            cluster.step(2, .gatewayAnswered)
            cluster.run(5)
        }
        #expect(cluster.said(2, .hello) == before + 1)
        var calm = try Self.settled(2, Self.gatewayIsRequired)
        let hellos = calm.said(2, .hello)
        calm.run(10_000)
        #expect(calm.said(2, .hello) - hellos <= 10)
    }

    @Test func `if nobody hears the gateway, everybody keeps what he has`() throws {
        var cluster = try Self.settled(3, Self.gatewayIsRequired)
        cluster.gateways = []
        cluster.run(20_000)
        #expect(cluster.master == 1 && cluster[1].term == 1)
    }

    // MARK: Who hears whom

    @Test func `a way that is open in one direction only is named by all, and no longer when it is open`() throws {
        var cluster = try Self.settled(3)
        #expect(cluster.machines.allSatisfy { $0.unheard.isEmpty })
        cluster.cuts = [[3, 2]]
        cluster.run(12_000)
        let way = Election.Way(from: SmallCluster.node(3), to: SmallCluster.node(2))
        for number in 1...3 { #expect(cluster[number].unheard == [way], "h\(number)") }
        #expect(cluster.outputs[0].contains(.unheard([way])))
        // h2 has forgotten h3 by now, and still knows its name.
        #expect(cluster[2].names[SmallCluster.node(3)] == "h3")
        cluster.cuts = []
        cluster.run(3000)
        for number in 1...3 { #expect(cluster[number].unheard == [], "h\(number)") }
        #expect(cluster.outputs[0].contains(.unheard([])))
    }

    @Test func `a master that one member does not hear is told so`() throws {
        var cluster = try Self.settled(3)
        cluster.cuts = [[1, 3]]
        cluster.run(12_000)
        #expect(cluster.master == 1)
        #expect(cluster[1].unheard == [Election.Way(from: SmallCluster.node(1), to: SmallCluster.node(3))])
    }

    @Test(arguments: [1000, 3000, 4900, 7000])
    func `a link that was cut in both directions for a while is no one-way path`(_ time: Int) throws {
        var cluster = try Self.settled(4)
        cluster.cuts = [[2, 3], [3, 2], [2, 4], [4, 2], [1, 3], [3, 1], [1, 4], [4, 1]]
        cluster.run(time)
        cluster.cuts = []
        cluster.run(12_000)
        for number in 1...4 {
            let said = cluster.outputs[number - 1].filter { if case .unheard = $0 { true } else { false } }
            #expect(said == [], "h\(number)")
        }
    }

    @Test func `a member that is gone is deaf to nobody, and nobody to it`() throws {
        var cluster = try Self.settled(4)
        cluster.cuts = Set((1...3).flatMap { [[4, $0], [$0, 4]] })
        for _ in 0..<60 {
            cluster.run(250)
            for number in 1...3 { #expect(cluster[number].unheard == [], "h\(number) at \(cluster.now)") }
        }
    }

    @Test(arguments: [1, 3])
    func `a member that has left is deaf to nobody, and nobody to it`(_ number: Int) throws {
        var cluster = try Self.settled(3)
        cluster.run(15_000)
        cluster.step(number, .leave(reason: "stopped"))
        cluster.run(15_000)
        for other in 1...3 where other != number {
            let said = cluster.outputs[other - 1].filter { if case .unheard = $0 { true } else { false } }
            #expect(said == [], "h\(other)")
        }
    }

    @Test func `with more members than fit into a message, the digests go round`() throws {
        var cluster = try Self.settled(12)
        cluster.run(25_000)
        #expect(cluster.machines.allSatisfy { $0.unheard.isEmpty })
        cluster.cuts = [[9, 11]]
        cluster.run(25_000)
        let way = Election.Way(from: SmallCluster.node(9), to: SmallCluster.node(11))
        #expect(cluster.machines.allSatisfy { $0.unheard == [way] })
    }

    @Test func `32 members need few messages, each in one datagram`() throws {
        var cluster = try Self.settled(32)
        func messages() -> [ElectionMessage] {
            cluster.outputs.joined().compactMap { if case .send(let message, _) = $0 { message } else { nil } }
        }
        #expect(cluster.master == 1 && cluster[1].members.count == 31)
        let before = messages().count
        cluster.run(10_000)
        #expect(messages().count - before <= 22 * 10)
        let longest = messages().reduce(0) { longest, message in
            var writer = WireWriter()
            message.write(to: &writer)
            return max(longest, writer.bytes.count + ElectionMessage.codeLength)
        }
        #expect(longest <= ElectionMessage.maximumLength && longest > 300)
    }
}
