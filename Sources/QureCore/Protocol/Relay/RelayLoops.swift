// How a relay finds out that its questions come back to it: a server that it asks asks it in turn, itself or by others.
// There the question meets itself: it waits for the one that is under way, which waits for it, and all clients wait
// until their time is over.
//
// What tells our question from a client's that is the same? An option in it does not, for most forwarders (dnsmasq and
// unbound are two) write messages of their own. The address that it comes from does not, for programs on one host share
// it, and a server may have several. What every forwarder passes on is the name. So when a question that somebody else
// asks, too, is not answered soon, the same server is asked for a name below it that nobody could know. If that name
// is ever asked of us, then what we ask of that server comes back: this is no guess. (CoreDNS's plugin "loop" asks for
// such a name once, when it starts; loops that come to be later, or are for some names only, it does not find.) A
// server that answers for all names below by itself, without asking anybody, hides a loop; that ends by time.

extension Relay {
    /// How long a question that is asked by several may take before it is looked into. Most answers are there by then,
    /// and those who wait in a loop have not waited long.
    static let suspicionPause = Duration.milliseconds(300)
    /// Looks at the same time, at most: where all is slow, this is not to make it slower.
    static let maximumProbes = 16

    /// Somebody else has asked the same.
    mutating func suspect(_ index: Dictionary<Int, Work>.Index, at now: Instant) {
        guard case .forward = works.values[index].purpose, !works.values[index].isJoined else { return }
        let suspicion = (works.values[index].sent ?? now) + Self.suspicionPause
        works.values[index].isJoined = true
        works.values[index].suspicion = suspicion
        noteDeadline(suspicion)
    }

    /// Asks for a name that nobody else knows, if it is time for that.
    mutating func lookForLoop(
        _ number: Int, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let work = works[number], let due = work.suspicion, now >= due else { return [] }
        works[number]?.suspicion = nil
        let probes = numbers.keys.count { if case .probe = $0 { true } else { false } }
        guard probes < Self.maximumProbes, works.count < Self.maximumWork, let server = work.exchange.server,
            let question = work.exchange.query?.question,
            let name = question.name.prepending(Array("loop-\(String(random.next() as UInt64, radix: 36))".utf8))
        else { return [] }
        let message = DNSMessage(
            id: 0, flags: .recursionDesired, questions: [DNSQuestion(name, question.type)], edns: EDNS())
        return begin(
            .probe(name), message, [server], tries: 1, waiters: [], at: now, time: time, using: &random)
    }

    /// The name that nobody else knows is asked of us: all questions about the name above it that the same server is
    /// being asked come back.
    mutating func hearProbe(
        _ probe: Int, _ waiter: Waiter, at now: Instant, time: UInt64, using random: inout some RandomNumberGenerator
    ) -> [Output] {
        guard let server = works[probe]?.exchange.server, let name = waiter.question.name.parent else { return [] }
        let numbers = works.filter { $1.exchange.server == server && $1.exchange.query?.question?.name == name }.keys
        return endLoop(of: waiter, through: [probe] + numbers.sorted(), at: now, time: time, using: &random)
    }

    /// Refuses what has come back, so that whoever asks it tries somebody else at once, and does not ask the server of
    /// these questions again, from which it has come.
    mutating func endLoop(
        of waiter: Waiter, through numbers: [Int], at now: Instant, time: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> [Output] {
        counters.looped += 1
        var outputs: [Output] = []
        let last = numbers.last.flatMap { works[$0]?.exchange }
        if let server = last?.server, let question = last?.query?.question, now >= nextLoopReports[server] ?? now {
            nextLoopReports[server] = now + NotifyGate.complaintInterval
            outputs.append(.report(.loop(question, server)))
        }
        if let client = waiter.client { outputs.append(.answer(waiter.request.response(.refused).encoded(), client)) }
        for number in numbers {
            works[number]?.isLoop = true
            outputs += advance(number, .ruledOut("a loop"), at: now, time: time, using: &random)
        }
        return outputs
    }
}
