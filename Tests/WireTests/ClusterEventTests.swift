// Lines of the event stream: what each says, what is kept though it is not known, and what is no line.

import QureCore
import Testing

@Suite struct ClusterEventTests {
    private func event(_ text: String) throws -> ClusterEvent { try ClusterEvent(Array(text.utf8)) }

    @Test func `a line and all its values`() throws {
        let line = "alive cluster=home term=8 at=123456789 lease=300ms node=n1 name=alpha master=alpha "
            + "address=192.0.2.11/24 peers=52:54:00:12:34:56,52:54:00:ab:cd:ef members=3 reason=none"
        let event = try event(line)
        #expect(event.state == .alive && event.holds == true && event.term == 8 && event.at == 123_456_789)
        #expect(event.lease == .milliseconds(300) && event.peers == [host, neighbour] && event.reason == "none")
        #expect(event.unknown.isEmpty && event.words.count == 11)
        #expect(event.description == line)
    }

    @Test func `a line names the heartbeats that renew the lease`() throws {
        let event = try event("standby term=8 heartbeat=65534@7784/90ms/0:515552/24:00ffAB")
        let parts = [(0, [0x51, 0x55, 0x52]), (24, [0, 0xff, 0xab])].map { LeaseRenewal.Part(offset: $0, octets: $1) }
        #expect(event.heartbeat == LeaseRenewal(user: 65534, port: 7784, lease: .milliseconds(90), parts: parts))
        #expect(event.unknown.isEmpty)
    }

    @Test(arguments: [
        "", "0", "0@7784", "0@7784/90ms", "0@7784/90ms/", "0@0/90ms/0:51", "0@65536/90ms/0:51", "@7784/90ms/0:51",
        "-1@7784/90ms/0:51", "+0@7784/90ms/0:51", "0@7784/0ms/0:51", "0@7784/soon/0:51", "0@7784/90ms/0:5",
        "0@7784/90ms/0:", "0@7784/90ms/0:xy", "0@7784/90ms/51", "0@7784/90ms/513:51", "0@7784/90ms/0:51:52",
        "0@7784/90ms/0:0102030405060708090a0b0c0d0e0f1011", "0@7784/90ms/0:1/1:2/2:3/3:4/4:5",
        "0@7784/90ms/0:51/1:52/2:53/3:54/4:55", "4294967296@7784/90ms/0:51",
    ])
    func `what names no heartbeats`(_ value: String) {
        #expect(throws: ClusterEvent.Malformation.self) { try event("standby heartbeat=\(value)") }
    }

    @Test(arguments: [
        ("joining", false), ("standby", false), ("suspecting", false), ("claiming", nil), ("master", true),
        ("alive", true),
        ("transferring", true), ("quarantined", false), ("maintenance", false), ("fault", false), ("goodbye", false),
        ("news", nil),
    ])
    func `what a word says about holding`(_ word: String, _ holds: Bool?) throws {
        let event = try event("\(word) term=1")
        #expect(event.holds == holds)
        #expect(event.unknown == (word == "news" ? ["news"] : []))
    }

    @Test func `what is not known survives and is named`() throws {
        let event = try event("brooding mood=dark term=2 x-y_z=")
        #expect(event.unknown == ["brooding", "mood", "x-y_z"] && event.term == 2)
        #expect(event.description == "brooding mood=dark term=2 x-y_z=")
    }

    @Test func `blanks between words do not matter, equals signs in values neither`() throws {
        let event = try event("  fault   reason=a=b  ")
        #expect(event.reason == "a=b" && event.description == "fault reason=a=b")
        #expect(try self.event("fault reason=a=b") == event)
    }

    @Test(arguments: [
        ("", "empty"), ("   ", "empty"), ("Master", "'Master' cannot be a state"),
        ("term=1", "'term=1' cannot be a state"),
        ("master term", "'term' is not of the form key=value"), ("master =1", "'=1' is not of the form key=value"),
        ("master Term=1", "'Term=1' is not of the form key=value"),
        ("master term=1 term=1", "'term' stands there twice"),
        ("master term=", "'' cannot be a value of term"), ("master term=-1", "'-1' cannot be a value of term"),
        ("master term=+1", "'+1' cannot be a value of term"),
        ("master term=18446744073709551616", "'18446744073709551616' cannot be a value of term"),
        ("master at=-1", "'-1' cannot be a value of at"), ("master at=-0", "'-0' cannot be a value of at"),
        ("master at=9223372036854775808", "'9223372036854775808' cannot be a value of at"),
        ("master lease=0", "'0' cannot be a value of lease"), ("master lease=-1s", "'-1s' cannot be a value of lease"),
        ("master lease=2562047.99h", "'2562047.99h' cannot be a value of lease"),
        ("master peers=x", "'x' cannot be a value of peers"),
        ("master peers=52:54:00:12:34:56,", "'52:54:00:12:34:56,' cannot be a value of peers"),
        ("master\tterm=1", "control characters or no UTF-8"), ("master\r", "control characters or no UTF-8"),
        ("master \0", "control characters or no UTF-8"), ("master \u{7f}", "control characters or no UTF-8"),
    ])
    func `what is no line of the stream`(_ text: String, _ sentence: String) {
        let malformation = #expect(throws: ClusterEvent.Malformation.self) { try event(text) }
        #expect(malformation?.description == sentence)
    }

    @Test func `no peers are peers, too`() throws {
        #expect(try event("master peers=").peers == [])
        #expect(try event("master").peers == nil)
    }

    @Test func `a blank before a combining mark is a blank`() throws {
        #expect(try event("fault reason=a lease=1s").lease == .seconds(1))
        #expect(throws: ClusterEvent.Malformation.self) { try event("fault reason=a \u{301}lease=1s") }
        #expect(try event("fault reason=\u{301}").reason == "\u{301}")
    }

    @Test func `the limits of a line and of a name`() throws {
        let fits = "fault reason=" + String(repeating: "x", count: 4096 - 13)
        #expect(try event(fits).reason?.count == 4083)
        #expect(throws: ClusterEvent.Malformation.self) { try event(fits + "x") }
        #expect(try event(String(repeating: "a", count: 64)).holds == nil)
        #expect(throws: ClusterEvent.Malformation.self) { try event(String(repeating: "a", count: 65)) }
        #expect(throws: ClusterEvent.Malformation.self) { try ClusterEvent([0x6d, 0xff]) }
    }
}
