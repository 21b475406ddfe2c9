// LoginWatch against a bus of messages: how it gets on the bus, what it does on logind's word, whose word counts, and
// what becomes of it where the bus is not there, talks nonsense, or goes.

import QureCore
import Testing

/// A watch, and what the bus would say to it.
private struct Talk {
    var watch = LoginWatch(user: 1000, program: "qure-elect", at: Talk.start)
    var now = Talk.start
    private var serial: UInt32 = 0
    static let start = Instant(nanoseconds: 1_000_000_000)

    mutating func step(_ input: LoginWatch.Input) -> [LoginWatch.Output] {
        let outputs = watch.step(input, at: now)
        return outputs
    }

    /// Lets time go by until the watch wants something.
    mutating func due() throws -> [LoginWatch.Output] {
        now = try #require(watch.nextDeadline)
        let outputs = step(.deadlinePassed)
        #expect(watch.nextDeadline.map { $0 > now } ?? true, "the law of deadlines")
        return outputs
    }

    mutating func says(_ message: DBusMessage) -> [LoginWatch.Output] { step(.received(message.bytes)) }

    mutating func message(_ kind: DBusMessage.Kind, from sender: String) -> DBusMessage {
        serial += 1
        var message = DBusMessage(kind, serial: serial)
        message.sender = sender
        return message
    }

    mutating func reply(to call: UInt32, from sender: String, _ arguments: [DBusValue]) -> [LoginWatch.Output] {
        var reply = message(.reply, from: sender)
        reply.replyTo = call
        reply.arguments = arguments
        return says(reply)
    }

    mutating func signal(
        _ member: String, from sender: String = ":1.5", of interface: String = "org.freedesktop.login1.Manager",
        _ arguments: [DBusValue]
    ) -> [LoginWatch.Output] {
        var signal = message(.signal, from: sender)
        signal.member = member
        signal.interface = interface
        signal.path = "/org/freedesktop/login1"
        signal.arguments = arguments
        return says(signal)
    }

    mutating func ownerIs(_ owner: String) -> [LoginWatch.Output] {
        signal(
            "NameOwnerChanged", from: Self.bus, of: Self.bus,
            [.string("org.freedesktop.login1"), .string(""), .string(owner)])
    }

    static let bus = "org.freedesktop.DBus"

    /// Up to the hello; the serials of the calls that were made then.
    mutating func greet() throws -> [String: UInt32] {
        #expect(try due() == [.connect])
        #expect(step(.connected) == [.send([0] + Array("AUTH EXTERNAL 31303030\r\n".utf8))])
        #expect(step(.received(Array("OK 1234\r".utf8))) == [])
        #expect(step(.received([10])) == [.send(Array("NEGOTIATE_UNIX_FD\r\n".utf8))])
        let outputs = step(.received(Array("AGREE_UNIX_FD\r\n".utf8)))
        guard case .send(let bytes)? = outputs.first, outputs.count == 1 else {
            Issue.record("\(outputs)")
            return [:]
        }
        #expect(bytes.starts(with: Array("BEGIN\r\n".utf8)))
        var calls: [String: UInt32] = [:]
        var rest = bytes.dropFirst(7)
        while let length = try DBusMessage.length(of: rest) {
            let call = try DBusMessage(parsing: Array(rest.prefix(length)))
            #expect(call.destination == Self.bus && call.interface == Self.bus && call.kind == .call)
            calls[call.member ?? ""] = call.serial
            rest = rest.dropFirst(length)
        }
        #expect(rest.isEmpty && Set(calls.keys) == ["Hello", "AddMatch", "GetNameOwner"])
        return calls
    }

    /// Up to the inhibitor in hand.
    mutating func watchLogind() throws {
        let calls = try greet()
        #expect(reply(to: try #require(calls["Hello"]), from: Self.bus, [.string(":1.7")]) == [])
        let outputs = reply(to: try #require(calls["GetNameOwner"]), from: Self.bus, [.string(":1.5")])
        try grant(outputs)
        #expect(watch.state == .watching && watch.hearsLogind && watch.nextDeadline == nil)
    }

    /// The outputs end with a call of Inhibit; logind gives what it asks for.
    mutating func grant(_ outputs: [LoginWatch.Output], descriptors: UInt32 = 1) throws {
        guard case .send(let bytes)? = outputs.last else {
            Issue.record("no call of Inhibit in \(outputs)")
            return
        }
        let call = try DBusMessage(parsing: bytes)
        #expect(call.member == "Inhibit" && call.destination == ":1.5" && call.flags == DBusMessage.noAutoStart)
        #expect(call.arguments.map(\.text).first == "shutdown:sleep" && call.arguments.last == .string("delay"))
        var answer = message(.reply, from: ":1.5")
        answer.replyTo = call.serial
        answer.arguments = [.number(0, .descriptor)]
        answer.descriptors = descriptors
        let kept = says(answer)
        #expect(kept.contains(.keepDescriptor))
        #expect(kept.contains(.dropDescriptors(Int(descriptors) - 1)) == (descriptors > 1))
    }
}

@Suite struct LoginWatchTests {
    @Test func `shutdown: the notice at once, the inhibitor until the address has moved`() throws {
        var talk = Talk()
        try talk.watchLogind()
        #expect(talk.signal("PrepareForShutdown", [.boolean(true)]) == [.notice(.shutdown)])
        #expect(talk.watch.isPreparing)
        #expect(talk.step(.departed) == [.release])
        #expect(talk.step(.departed) == [] && talk.watch.nextDeadline == nil)
    }

    @Test func `logind is not made to wait for longer than a second`() throws {
        var talk = Talk()
        try talk.watchLogind()
        #expect(talk.signal("PrepareForShutdown", [.boolean(true)]) == [.notice(.shutdown)])
        let before = talk.now
        #expect(try talk.due() == [.release])
        #expect(talk.now - before == .seconds(1) && !talk.watch.isPreparing)
    }

    @Test func `sleep, and after it an inhibitor for the next one`() throws {
        var talk = Talk()
        try talk.watchLogind()
        #expect(talk.signal("PrepareForSleep", [.boolean(true)]) == [.notice(.sleep)])
        #expect(talk.step(.departed) == [.release])
        let outputs = talk.signal("PrepareForSleep", [.boolean(false)])
        #expect(outputs.prefix(2) == [.release, .notice(.awake)])
        try talk.grant(outputs, descriptors: 3)
        #expect(talk.signal("PrepareForSleep", [.boolean(true)]) == [.notice(.sleep)])
    }

    @Test func `only logind's own word counts`() throws {
        var talk = Talk()
        try talk.watchLogind()
        #expect(talk.signal("PrepareForShutdown", from: ":1.66", [.boolean(true)]) == [])
        #expect(talk.signal("PrepareForShutdown", of: "org.example", [.boolean(true)]) == [])
        #expect(talk.signal("PrepareForShutdown", [.number(1, .uint32)]) == [])
        #expect(talk.signal("PrepareForShutdown", []) == [])
        let names: [DBusValue] = ["org.freedesktop.login1", ":1.5", ":1.66"].map { .string($0) }
        #expect(talk.signal("NameOwnerChanged", from: ":1.66", of: Talk.bus, names) == [])
        // Nobody has asked for these descriptors, nor for these answers.
        var gift = talk.message(.signal, from: ":1.66")
        gift.descriptors = 5
        #expect(talk.says(gift) == [.dropDescriptors(5)])
        for serial in 1...9 as ClosedRange<UInt32> {
            #expect(talk.reply(to: serial, from: ":1.66", [.string(":1.66")]) == [])
        }
        #expect(talk.signal("PrepareForShutdown", [.boolean(true)]) == [.notice(.shutdown)])
    }

    @Test func `a bus without logind waits for it to come, and lives through its going`() throws {
        var talk = Talk()
        let calls = try talk.greet()
        #expect(talk.reply(to: try #require(calls["Hello"]), from: Talk.bus, [.string(":1.7")]) == [])
        var refusal = talk.message(.error, from: Talk.bus)
        refusal.replyTo = calls["GetNameOwner"]
        refusal.error = "org.freedesktop.DBus.Error.NameHasNoOwner"
        guard case .say? = talk.says(refusal).first else { return #expect(Bool(false), "it is not said") }
        #expect(talk.watch.nextDeadline == nil && !talk.watch.hearsLogind)
        try talk.grant(talk.ownerIs(":1.5"))
        #expect(talk.signal("PrepareForSleep", [.boolean(true)]) == [.notice(.sleep)])
        // It goes while this machine is to sleep: nobody would say when that is over.
        let gone = talk.ownerIs("")
        #expect(gone.contains(.release) && gone.contains(.notice(.awake)) && !talk.watch.hearsLogind)
        try talk.grant(talk.ownerIs(":1.5"))
    }

    @Test func `no bus: said once, and tried again less and less often`() throws {
        var talk = Talk()
        var waits: [Duration] = []
        var said = 0
        for _ in 0..<10 {
            let before = talk.now
            #expect(try talk.due() == [.connect])
            waits.append(talk.now - before)
            let outputs = talk.step(.refused("no such file"))
            said += outputs.filter { if case .say = $0 { true } else { false } }.count
            #expect(outputs.contains(.disconnect))
        }
        #expect(said == 1 && waits.first == .zero && waits.last == .seconds(60))
        #expect(zip(waits.dropFirst(), waits.dropFirst(2)).allSatisfy { $1 == min($0 * 2, .seconds(60)) })
    }

    @Test func `the bus goes and comes back`() throws {
        var talk = Talk()
        try talk.watchLogind()
        let outputs = talk.step(.closed)
        #expect(outputs.contains(.release) && outputs.contains(.disconnect) && !talk.watch.hearsLogind)
        #expect(talk.step(.closed) == [])
        try talk.watchLogind()
    }

    @Test(arguments: [
        "REJECTED EXTERNAL\r\n", "\r\n", String(repeating: "x", count: 2000),
        "OK 1\r\nAGREE_UNIX_FD\r\nnonsense nonsense",
    ])
    func `nonsense ends the connection, not the program`(_ text: String) throws {
        var talk = Talk()
        _ = try talk.due()
        _ = talk.step(.connected)
        #expect(talk.step(.received(Array(text.utf8))).contains(.disconnect))
        #expect(talk.watch.state == .away && talk.watch.nextDeadline != nil)
    }

    @Test func `a bus that does not answer is left`() throws {
        var talk = Talk()
        _ = try talk.due()
        _ = talk.step(.connected)
        #expect(try talk.due().contains(.disconnect))
        #expect(talk.watch.state == .away)
    }

    @Test func `messages in pieces of every size`() throws {
        for size in [1, 3, 16, 64] {
            var talk = Talk()
            try talk.watchLogind()
            var signal = talk.message(.signal, from: ":1.5")
            signal.member = "PrepareForSleep"
            signal.interface = "org.freedesktop.login1.Manager"
            signal.arguments = [.boolean(true)]
            let bytes = signal.bytes + signal.bytes
            var notices = 0
            for start in stride(from: 0, to: bytes.count, by: size) {
                notices += talk.step(.received(Array(bytes[start..<min(start + size, bytes.count)])))
                    .filter { $0 == .notice(.sleep) }.count
            }
            #expect(notices == 2)
        }
    }
}
