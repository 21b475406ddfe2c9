// DemoTimeline: what happened in the demo, as values that the terminal view, the plain lines and the chart are drawn
// from: which host had the address when, what was done to it, each request of the client and what became of it.

import Lab
import QureCore

/// What the demo does to the host that holds the address.
enum DemoFault: CaseIterable {
    case death, suspension, cable
    /// It is asked to leave: for those who can hand over.
    case goodbye

    /// What happens to the host.
    var happening: String {
        switch self {
        case .death: "dies"
        case .suspension: "is suspended"
        case .cable: "is unplugged"
        case .goodbye: "is stopped"
        }
    }

    /// What that means.
    var meaning: String {
        switch self {
        case .death: "its processes are killed, its cable is dead"
        case .suspension: "nothing runs there, nothing reaches it"
        case .cable: "its cable is pulled"
        case .goodbye: "as by systemctl stop"
        }
    }

    /// What undoes it.
    var undoing: String {
        switch self {
        case .death: "is started again"
        case .suspension: "wakes up and goes on where it was"
        case .cable: "is plugged in again"
        case .goodbye: "is started again"
        }
    }

    /// A word for the time in between.
    var condition: String {
        switch self {
        case .death: "dead"
        case .suspension: "suspended"
        case .cable: "unplugged"
        case .goodbye: "stopped"
        }
    }

    /// The line of the summary.
    var title: String {
        switch self {
        case .death: "the machine dies"
        case .suspension: "the machine is suspended"
        case .cable: "the cable is pulled"
        case .goodbye: "it is stopped in order"
        }
    }
}

/// What happened in the demo.
struct DemoTimeline {
    /// What keeps the address on the hosts.
    var contestant = ""
    /// A time in which a host had the address on its interface.
    struct Hold {
        var host: Int
        var from: Instant
        /// nil: it has it still.
        var to: Instant?
    }

    /// One thing that was done to a host, and what came of it.
    struct Incident {
        var fault: DemoFault
        var host: Int
        var from: Instant
        /// When it was undone.
        var to: Instant?
        /// Who answered next, after which outage.
        var successor: Int?
        var outage: MeterTally.Outage?
        /// How many requests of those that were sent in the outage found no answer.
        var lost = 0
    }

    /// A request of the client.
    struct Request {
        var sent: Instant
        /// Who answered; nil: nobody.
        var by: Int?
    }

    /// A line of the story.
    struct Note {
        var at: Instant
        var text: String
    }

    let start: Instant
    let hostCount: Int
    var end: Instant?
    private(set) var holds: [Hold] = []
    var incidents: [Incident] = []
    private(set) var requests: [Request] = []
    private(set) var notes: [Note] = []
    /// How long two hosts had the address at once, as the witness found by asking.
    var together: Duration?

    init(start: Instant, hostCount: Int) {
        self.start = start
        self.hostCount = hostCount
    }

    mutating func note(_ text: String, at instant: Instant) { notes.append(Note(at: instant, text: text)) }

    mutating func add(_ request: Request) { requests.append(request) }

    /// The host has the address from now on, or no longer. False: that was known.
    @discardableResult
    mutating func set(_ host: Int, holds isHolding: Bool, at instant: Instant) -> Bool {
        let open = holds.lastIndex { $0.host == host && $0.to == nil }
        if isHolding == (open != nil) { return false }
        if let open { holds[open].to = instant } else { holds.append(Hold(host: host, from: instant)) }
        return true
    }

    /// What has been done to the host and not been undone, at that moment.
    func incident(of host: Int, at instant: Instant) -> Incident? {
        incidents.first { $0.host == host && $0.from <= instant && instant < $0.to ?? .init(nanoseconds: .max) }
    }

    /// Whether the host had the address then.
    func holds(_ host: Int, at instant: Instant) -> Bool {
        holds.contains { $0.host == host && $0.from <= instant && instant <= $0.to ?? .init(nanoseconds: .max) }
    }

    /// Closes what is open, and counts what each outage cost.
    mutating func finish(at instant: Instant) {
        end = instant
        for index in holds.indices where holds[index].to == nil { holds[index].to = instant }
        // Before somebody answered for the first time there was nothing to lose.
        requests.sort { $0.sent < $1.sent }
        requests.removeSubrange(..<(requests.firstIndex { $0.by != nil } ?? requests.endIndex))
        for index in incidents.indices {
            guard let outage = incidents[index].outage else { continue }
            incidents[index].lost =
                requests.filter { $0.by == nil && outage.from <= $0.sent && $0.sent <= outage.to }.count
        }
    }
}

extension Duration {
    /// `412 ms`
    var wholeMilliseconds: String { "\((microseconds + 500) / 1000) ms" }

    /// `12.4 s`
    var tenthSeconds: String {
        let tenths = (milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
