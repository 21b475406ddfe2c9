// What an Election takes and gives: its settings, inputs and outputs, and what it knows of the master.

extension Election {
    /// Whether, and after what time, a member of higher priority is handed the address.
    package enum Preemption: Equatable, Sendable {
        case off
        case after(Duration)
    }

    /// What a member knows of itself from the start.
    package struct Configuration: Equatable, Sendable {
        /// The number of the cluster's name.
        package var cluster: UInt64
        /// The number of the node.
        package var node: NodeID
        /// Random at each start.
        package var session: UInt64
        /// For people.
        package var name: String
        /// Its own hardware address on the link.
        package var mac: MACAddress
        /// The higher, the sooner it succeeds.
        package var priority: UInt8 = 100
        /// From one heartbeat to the next.
        package var interval = Duration.milliseconds(100)
        /// How long a silence of the master is forgiven; at least two intervals.
        package var tolerance = Duration.milliseconds(200)
        /// Of the addresses and settings that must agree in the cluster.
        package var hash: UInt32 = 0
        /// Whether it hands over to a member of higher priority.
        package var preemption = Preemption.off
        /// Whether only who hears the gateway may claim.
        package var requiresGateway = false
        /// After how long a member claims without gateway evidence; nil: never.
        package var claimBlind: Duration?
        /// The highest term that was remembered from earlier runs.
        package var rememberedTerm: UInt64 = 0

        /// A member with the default settings.
        package init(cluster: UInt64, node: NodeID, session: UInt64, name: String, mac: MACAddress) {
            self.cluster = cluster
            self.node = node
            self.session = session
            self.name = name
            self.mac = mac
        }
    }

    /// Where a member stands.
    package enum Role: String, Equatable, Sendable, CaseIterable {
        case joining, standby, suspecting, claiming, master, transferring, quarantined, maintenance, fault
        /// It has left.
        case goodbye

        /// The same in messages.
        package var onWire: ElectionMessage.Role {
            .init(rawValue: UInt8(Role.allCases.firstIndex(of: self) ?? 0))
        }
    }

    /// What happened.
    package enum Input: Equatable, Sendable {
        case start
        /// An authenticated message of the cluster, and when the kernel received it: a machine that was busy reads
        /// late.
        case heard(ElectionMessage, received: Instant)
        case deadlinePassed
        /// Somebody answered for the address by ARP or neighbour discovery.
        case addressAnswered(by: MACAddress)
        case gatewayAnswered
        /// There is a gateway now, or another one than before: from here on, its sign of life counts.
        case gatewayNamed
        /// The kernel has the address on this host, or not.
        case addressPresent(Bool)
        /// The health check's verdict; the link counts as well.
        case healthy(Bool, reason: String)
        case maintenance(Bool)
        /// Hand over, and stay.
        case resign
        /// The machine's power button was pressed: hand over, and stay.
        case powerButton
        /// The machine is about to sleep: hand over.
        case sleep
        /// It is awake again, or stays so.
        case awake
        /// Hand over, and go.
        case leave(reason: String)
        /// A request went unanswered: ask at once whether the master is there.
        case suspect
        /// A member is dead, says one who must know: the VM host that it ran on.
        case died(NodeID)
        /// This machine goes on from a snapshot, or is a copy, says who must know.
        case restored
        /// This machine did not run for that long.
        case slept(Duration)
    }

    /// Where a message goes.
    package enum Destination: Equatable, Sendable {
        case group
        case member(NodeID)
        /// Back to where the message that is being answered came from.
        case sender
    }

    /// What followers are told.
    package struct Event: Equatable, Sendable {
        /// What is so now.
        package var state: ClusterEvent.State
        /// The term of it.
        package var term: UInt64
        /// The master, if one is known.
        package var master: NodeID?
        /// The lease counts from here.
        package var at: Instant?
        /// How long the event holds.
        package var lease: Duration?
        /// Why; one word.
        package var reason: String?
    }

    /// What to do, in this order.
    package enum Output: Equatable, Sendable {
        case send(ElectionMessage, to: Destination)
        case event(Event)
        /// Ask the link who has the address.
        case probeAddress
        /// Ask the gateway for a sign of life.
        case probeGateway
        /// Keep the term for the next start.
        case remember(term: UInt64)
        /// From now on nothing passes on these ways, and on no others.
        case unheard([Way])
        /// The node has a new number (the old one belongs to a cloned machine).
        case renamed(NodeID)
        /// Nothing follows.
        case ended
    }

    /// What a duel is settled by; the smaller one wins.
    package struct Standing: Comparable, Sendable {
        /// The term of it.
        package var term: UInt64
        /// The rank that the claim stated.
        package var rank: UInt16
        /// The number of the node.
        package var node: NodeID

        package static func < (one: Standing, other: Standing) -> Bool {
            (other.term, one.rank, one.node) < (one.term, other.rank, other.node)
        }
    }

    /// What is known of the master.
    package struct Master: Equatable, Sendable {
        /// By what right it is master.
        package var standing: Standing
        /// When it was last known to live: heard, or vouched for by somebody who heard it.
        package var livedAt: Instant
        /// When it was last heard by this member itself.
        package var heardAt: Instant
        /// The sequence that was last heard.
        package var sequence: UInt64
        /// Its heartbeat interval.
        package var interval: Duration
        /// How long a silence of it is forgiven.
        package var tolerance: Duration
        /// Who succeeds it, in order, as it said.
        package var successors: [NodeID]
        /// Whether it had the gateway's sign of life.
        package var hasGateway: Bool
        /// It said goodbye, or its death was reported: nothing to wait for.
        package var isGone = false
        /// Its session, where another one of its node has proven itself since: a restart, or a copy of the machine.
        var replacedSession: UInt64?
    }

    /// The last take-over by this member. What became of it on the link is not known here: who puts the address there
    /// sees it.
    package struct TakeOver: Equatable, Sendable {
        /// The last sign of life of the master before; without one, when that was clear.
        package var since: Instant
        /// From then to the first suspicion.
        package var detected: Duration
        /// From then to the claim.
        package var confirmed: Duration
        /// From then until the kernel said that the address is here; nil: it has not.
        package var claimed: Duration?
        /// Why, in a word.
        package var reason: String
    }

    /// What can be due; fired in this order.
    enum Timer: Int, CaseIterable, Sendable {
        case join, heartbeat, hello, suspicion, question, claim, claimRepeat, transferRepeat, transferEnd, presence
        case lasting, quietEnd, gateway, address, review

        /// All of them, put together once.
        static let all = allCases

        /// Whether it can wait for the next heartbeat where one is to come: looks at how things are, and what is said
        /// once a second, which cost a wake-up of their own otherwise, here and with those who hear it.
        var isPatient: Bool { self == .hello || self == .gateway || self == .review }
        /// Those that can.
        static let patient = all.filter(\.isPatient)
    }

    /// When what is due. A list by the timers' numbers: it is looked at with every message and heartbeat.
    struct Timers: Sendable, ExpressibleByDictionaryLiteral {
        private var due: [Instant?]

        init(dictionaryLiteral elements: (Timer, Instant)...) {
            due = Array(repeating: nil, count: Timer.all.count)
            for (timer, instant) in elements { self[timer] = instant }
        }

        subscript(timer: Timer) -> Instant? {
            get { due[timer.rawValue] }
            set { due[timer.rawValue] = newValue }
        }

        var isEmpty: Bool { due.allSatisfy { $0 == nil } }

        /// The first that is due of those that are looked for.
        func first(where isWanted: (Timer) -> Bool) -> Instant? {
            Timer.all.reduce(nil) { first, timer in isWanted(timer) ? earlier(first, self[timer]) : first }
        }

        /// The first that is due, where those that can wait do so for `patience`.
        func first(patience: Duration) -> Instant? {
            Timer.all.reduce(nil) { first, timer in
                earlier(first, self[timer].map { timer.isPatient ? $0 + patience : $0 })
            }
        }
    }
}
