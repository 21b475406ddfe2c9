// How much a relay may have under way. An open question costs a socket, some kilobytes and a look at it when its time
// is over; so there is a limit for all of them. Most clients have a few open at once, but one may be a gateway that
// asks for a whole network from one address (dnsmasq has 150 open, unbound lets each client have 1000): one client may
// have a good part of the room. It cannot have all, nor can a few of them together: when most of the room is taken,
// whoever has many questions open gets no more, and what is left is for those who have few.
//
//   open in all            | one client may have
//   less than 3/4          | a quarter of the room
//   3/4 and more           | 64
//   all                    | none
//
// The room of strangers, whose addresses may be forged, is half of that of the others.

extension Relay {
    /// Open questions, at most, of all together.
    static let maximumWork = 4096
    /// Of one client who may ask for everything, at most; and of any when most of the room is taken.
    static let maximumOfClient = maximumWork / 4, maximumOfClientInNeed = 64
    /// How often it is looked whose time is over, where many questions are open: to look at them all for each one would
    /// cost more with their number squared.
    static let lookPause = Duration.milliseconds(5), many = 256

    /// Why there is no room for a question.
    package enum Overdraft: Equatable, Sendable {
        /// Its client has so many.
        case client(Int)
        /// There are so many of all; the client may be a stranger, who leaves room for the others.
        case all(Int, isStranger: Bool)
    }

    /// Whoever waits counts against what one client may have under way, and all may.
    mutating func count(_ waiter: Waiter, _ step: Int) {
        guard let address = waiter.client?.address else { return }
        let before = waiting[address] ?? 0, count = max(before + step, 0)
        waiting[address] = count > 0 ? count : nil
        waitingInAll += count - before
    }

    /// Why there is no room for one more; nil: there is.
    func overdraft(_ waiter: Waiter) -> Overdraft? {
        let isLocal = Audiences.isLocal(waiter.audience)
        let room = isLocal ? Self.maximumWork : Self.maximumWork / 2
        let taken = max(works.count, waitingInAll)
        guard taken < room else { return .all(taken, isStranger: !isLocal) }
        guard let client = waiter.client else { return nil }
        let own = waiting[client.address] ?? 0
        return own < (taken < room / 4 * 3 ? room / 4 : Self.maximumOfClientInNeed) ? nil : .client(own)
    }

    /// SERVFAIL for want of room.
    mutating func fail(_ waiter: Waiter, _ overdraft: Overdraft, at now: Instant) -> [Output] {
        counters.overdrawn += 1
        let outputs = fail(waiter, .overdrawn)
        guard let client = waiter.client, now >= nextRoomComplaint ?? now else { return outputs }
        nextRoomComplaint = now + NotifyGate.complaintInterval
        return outputs + [.report(.overdrawn(by: client.address, overdraft))]
    }

    /// Questions for which something is due.
    func dueWorks(at now: Instant) -> [Int] {
        works.compactMap { number, work in
            work.nextDeadline.map { now >= $0 } == true ? number : nil
        }.sorted()
    }

    /// When something is due next for any of them.
    func nextLook(at now: Instant) -> Instant? {
        guard let next = works.values.lazy.compactMap(\.nextDeadline).min() else { return nil }
        return works.count < Self.many ? next : max(next, now + Self.lookPause)
    }
}

extension Relay.Overdraft: CustomStringConvertible {
    /// What there is too much of, and what to do.
    package var description: String {
        switch self {
        case .client(let count):
            "it has \(count) questions open, which is all that one client may have now; if it asks for many others, "
                + "let these ask here themselves"
        case .all(let count, let isStranger):
            "\(count) questions are open, which is all that \(isStranger ? "strangers may have" : "there may be"); "
                + "see whether the servers that are asked answer, by 'qure-dnsproxy status'"
        }
    }
}
