// LoginWatch: hears from logind, over the system's message bus, that this machine is about to shut down or to sleep,
// and makes it wait for that until the address has moved (a "delay" inhibitor, org.freedesktop.login1(5)). The
// machine of one connection: bytes come in, what to do comes out. A bus that is not there, or not any more, is tried
// again, less and less often; logind itself may come and go. Any user of the machine may send a signal to anybody:
// only those of the name's owner, as the bus states it, count. qure-elect joins it with a BusSocket.
//
//   state        input                     → state        done
//   away         retry is due              → connecting   connect
//   connecting   connected / refused       → proving / away
//   proving      OK                        → agreeing     asks for the passing of descriptors
//   agreeing     any answer                → greeting     hello, what to tell, who is logind
//   greeting     the answer to hello       → watching     (there is logind: takes an inhibitor)
//   watching     logind comes              → watching     takes an inhibitor
//   watching     PrepareForShutdown true   → watching     notice; lets go when the address has moved, or after 1 s
//   watching     PrepareForSleep true      → watching     the same
//   watching     PrepareForSleep false     → watching     notice; takes an inhibitor anew
//   any          closed, nonsense, silence → away         lets go; tries again later

/// One client of the message bus that waits for logind's word.
package struct LoginWatch: Sendable {
    /// Where the connection stands.
    package enum State: String, Sendable { case away, connecting, proving, agreeing, greeting, watching }

    /// What happened.
    package enum Input: Equatable, Sendable {
        case connected
        /// There is no bus, or it does not take us; why.
        case refused(String)
        case received([UInt8])
        case closed
        /// This machine has no part in the address any more.
        case departed
        case deadlinePassed
    }

    /// What logind has said.
    package enum Notice: Equatable, Sendable { case shutdown, sleep, awake }

    /// What to do, in this order.
    package enum Output: Equatable, Sendable {
        case connect
        case disconnect
        case send([UInt8])
        /// The first descriptor that has come and has not been dealt with is the inhibitor.
        case keepDescriptor
        /// Close that many of those that have come.
        case dropDescriptors(Int)
        /// Close the inhibitor: logind waits no longer.
        case release
        case notice(Notice)
        case say(String)
    }

    /// Where the connection stands.
    package private(set) var state = State.away
    /// Whether logind waits for this machine to let go.
    package private(set) var isPreparing = false
    /// Whether logind is there, and this watch hears it.
    package var hearsLogind: Bool { owner != nil }
    private let user: UInt32
    private let program: String
    private var retryAt: Instant
    private var retryAfter = Self.firstRetry
    /// Until when the bus has to answer.
    private var answerDue: Instant?
    private var releaseAt: Instant?
    private var input: [UInt8] = []
    private var serial: UInt32 = 0
    private var helloSerial: UInt32 = 0
    private var ownerSerial: UInt32 = 0
    private var inhibitSerial: UInt32 = 0
    /// The unique name of logind's connection; nil: it is not there.
    private var owner: String?
    private var isAsleep = false
    private var lastSaid = ""

    /// From one try to the next, doubled each time.
    static let firstRetry = Duration.seconds(1)
    static let lastRetry = Duration.seconds(60)
    static let answerTime = Duration.seconds(10)
    /// How long logind is made to wait at most; its own limit is 5 s (InhibitDelayMaxSec).
    static let releaseTime = Duration.seconds(1)
    static let maximumLine = 1024

    /// A watch in the name of `program`, which runs as `user`; it connects at `now`.
    package init(user: UInt32, program: String, at now: Instant) {
        self.user = user
        self.program = program
        retryAt = now
    }

    /// When `deadlinePassed` is due.
    package var nextDeadline: Instant? {
        earlier(earlier(state == .away ? retryAt : nil, answerDue), releaseAt)
    }

    /// Takes one input and says what to do.
    package mutating func step(_ input: Input, at now: Instant) -> [Output] {
        switch input {
        case .connected:
            state = .proving
            answerDue = now + Self.answerTime
            let name = "\(user)".utf8.map { "3" + String($0 - UInt8(ascii: "0")) }.joined()
            return [.send([0] + Array("AUTH EXTERNAL \(name)\r\n".utf8))]
        case .refused(let why): return goAway(why, at: now)
        case .received(let bytes):
            self.input += bytes
            do { return try digest(at: now) } catch { return goAway("\(error)", at: now) }
        case .closed: return state == .away ? [] : goAway("the message bus has hung up", at: now)
        case .departed: return isPreparing ? release() : []
        case .deadlinePassed: return deadlinePassed(at: now)
        }
    }

    private mutating func deadlinePassed(at now: Instant) -> [Output] {
        var outputs: [Output] = []
        if let due = releaseAt, now >= due { outputs += release() }
        if let due = answerDue, now >= due { return outputs + goAway("the message bus does not answer", at: now) }
        if state == .away, now >= retryAt {
            state = .connecting
            outputs.append(.connect)
        }
        return outputs
    }

    private mutating func release() -> [Output] {
        releaseAt = nil
        isPreparing = false
        return [.release]
    }

    /// Without a connection nothing would be heard, so logind must not be made to wait.
    private mutating func goAway(_ why: String, at now: Instant) -> [Output] {
        let outputs = say("\(why): no notice of shutdown and sleep from logind, trying again now and then")
        let lost = loseOwner()
        state = .away
        input = []
        answerDue = nil
        retryAt = now + retryAfter
        retryAfter = min(retryAfter * 2, Self.lastRetry)
        return outputs + [.disconnect] + lost
    }

    /// Nobody will say that the sleep is over.
    private mutating func loseOwner() -> [Output] {
        owner = nil
        defer { isAsleep = false }
        return release() + (isAsleep ? [.notice(.awake)] : [])
    }

    /// Says what has changed; a bus that stays away is told of once.
    private mutating func say(_ text: String) -> [Output] {
        guard text != lastSaid else { return [] }
        lastSaid = text
        return [.say(text)]
    }

    // MARK: What has come

    /// Takes apart what has come so far.
    private mutating func digest(at now: Instant) throws(WireError) -> [Output] {
        var outputs: [Output] = []
        while state == .proving || state == .agreeing, let line = try takeLine() { outputs += answer(line, at: now) }
        while state == .greeting || state == .watching, let message = try takeMessage() {
            outputs += heard(message, at: now)
        }
        return outputs
    }

    private mutating func takeLine() throws(WireError) -> String? {
        guard let end = input.firstIndex(of: UInt8(ascii: "\n")) else {
            guard input.count <= Self.maximumLine else {
                throw WireError(.unexpected, field: "dbus.authentication", offset: Self.maximumLine)
            }
            return nil
        }
        defer { input.removeSubrange(...end) }
        return String(decoding: input[..<end].filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }

    private mutating func takeMessage() throws(WireError) -> DBusMessage? {
        guard let length = try DBusMessage.length(of: input[...]), length <= input.count else { return nil }
        defer { input.removeSubrange(..<length) }
        return try DBusMessage(parsing: Array(input.prefix(length)))
    }

    private mutating func answer(_ line: String, at now: Instant) -> [Output] {
        if state == .proving {
            guard line.hasPrefix("OK") else { return goAway("the message bus refuses this user", at: now) }
            state = .agreeing
            return [.send(Array("NEGOTIATE_UNIX_FD\r\n".utf8))]
        }
        // Where it does not pass descriptors there will be no inhibitor, but the notices come all the same.
        state = .greeting
        helloSerial = nextSerial()
        var bytes = Array("BEGIN\r\n".utf8)
        bytes += call("Hello", serial: helloSerial)
        for rule in Self.rules { bytes += call("AddMatch", serial: nextSerial(), [.string(rule)]) }
        ownerSerial = nextSerial()
        bytes += call("GetNameOwner", serial: ownerSerial, [.string(Self.login)])
        return [.send(bytes)]
    }

    private static let bus = "org.freedesktop.DBus"
    private static let login = "org.freedesktop.login1"
    private static let manager = "org.freedesktop.login1.Manager"
    private static let rules =
        ["PrepareForShutdown", "PrepareForSleep"].map {
            "type='signal',sender='\(login)',interface='\(manager)',member='\($0)'"
        } + ["type='signal',sender='\(bus)',interface='\(bus)',member='NameOwnerChanged',arg0='\(login)'"]

    private mutating func nextSerial() -> UInt32 {
        serial = serial == .max ? 1 : serial + 1
        return serial
    }

    private func call(_ member: String, serial: UInt32, _ arguments: [DBusValue] = []) -> [UInt8] {
        DBusMessage(
            call: member, of: Self.bus, at: "/org/freedesktop/DBus", on: Self.bus, serial: serial, arguments
        ).bytes
    }

    private mutating func heard(_ message: DBusMessage, at now: Instant) -> [Output] {
        let outputs = consider(message, at: now)
        // What nobody asked for must not stay open.
        let kept = outputs.contains(.keepDescriptor) ? 1 : 0
        let rest = Int(message.descriptors) - kept
        return rest > 0 ? outputs + [.dropDescriptors(rest)] : outputs
    }

    private mutating func consider(_ message: DBusMessage, at now: Instant) -> [Output] {
        guard let replyTo = message.replyTo else { return message.kind == .signal ? signalled(message, at: now) : [] }
        // Only who was asked answers: the bus itself, or logind (for which the bus may say that it is not there).
        guard message.sender == Self.bus || message.sender == owner else { return [] }
        switch replyTo {
        case helloSerial:
            guard message.kind == .reply else { return goAway("the message bus does not greet", at: now) }
            state = .watching
            answerDue = nil
            retryAfter = Self.firstRetry
            return []
        case ownerSerial:
            guard message.kind == .reply, let name = message.arguments.first?.text else {
                return say("no logind on the message bus: no notice of shutdown and sleep until it comes")
            }
            return ownerChanged(name)
        case inhibitSerial:
            guard message.kind == .reply, message.descriptors > 0 else {
                let why = message.arguments.first?.text ?? message.error ?? "no descriptor came"
                return say("logind does not wait for this program (\(why)): its notices may come too late")
            }
            return say("logind will tell of shutdown and sleep, and wait for the hand-over") + [.keepDescriptor]
        default: return []
        }
    }

    private mutating func signalled(_ message: DBusMessage, at now: Instant) -> [Output] {
        let isBus = message.sender == Self.bus && message.interface == Self.bus
        if isBus, message.member == "NameOwnerChanged", message.arguments.first?.text == Self.login {
            guard let name = message.arguments.last?.text, !name.isEmpty else {
                return say("logind is gone from the message bus: no notice of shutdown and sleep until it comes back")
                    + loseOwner()
            }
            return ownerChanged(name)
        }
        guard let owner, message.sender == owner, message.interface == Self.manager,
            case .boolean(let isBeginning)? = message.arguments.first
        else { return [] }
        switch message.member {
        case "PrepareForShutdown": return isBeginning ? prepare(.shutdown, at: now) : inhibit()
        case "PrepareForSleep":
            isAsleep = isBeginning
            return isBeginning ? prepare(.sleep, at: now) : release() + [.notice(.awake)] + inhibit()
        default: return []
        }
    }

    private mutating func ownerChanged(_ name: String) -> [Output] {
        guard name != owner else { return [] }
        let lost = owner == nil ? [] : loseOwner()
        owner = name
        return lost + inhibit()
    }

    private mutating func prepare(_ notice: Notice, at now: Instant) -> [Output] {
        isPreparing = true
        releaseAt = now + Self.releaseTime
        return [.notice(notice)]
    }

    private mutating func inhibit() -> [Output] {
        guard let owner else { return [] }
        inhibitSerial = nextSerial()
        var call = DBusMessage(
            call: "Inhibit", of: Self.manager, at: "/org/freedesktop/login1", on: owner, serial: inhibitSerial,
            ["shutdown:sleep", program, "Another machine takes the address over first", "delay"].map { .string($0) })
        call.flags = DBusMessage.noAutoStart
        return [.send(call.bytes)]
    }
}
