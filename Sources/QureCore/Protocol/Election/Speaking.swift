// Speaking: what a member of an Election says of itself, how often, and the times that follow from its settings.

extension Election {
    /// A message of this moment.
    mutating func message(_ kind: ElectionMessage.Kind, at now: Instant) -> ElectionMessage {
        sequence += 1
        var message = ElectionMessage(
            kind, role: (isQuietHeir ? .claiming : role).onWire, cluster: configuration.cluster,
            node: configuration.node, session: configuration.session, sequence: sequence, term: saidTerm,
            interval: configuration.interval, tolerance: configuration.tolerance)
        message.flags = isHealthy ? .healthy : []
        if wantsMaintenance { message.flags.insert(.maintenance) }
        if role == .quarantined { message.flags.insert(.justResumed) }
        message.rank = isQuietHeir ? .max : standing?.rank ?? .max
        message.priority = configuration.priority
        message.configuration = configuration.hash
        message.gatewayAge = gatewayAge(at: now)
        message.mac = configuration.mac
        message.name = configuration.name
        message.digests = nextDigests()
        return message
    }

    func gatewayAge(at now: Instant) -> Duration? { gatewayHeard.map { max(now - $0, .zero) } }

    /// What the heartbeats have in common that this member sends as a master, for a kernel that is to renew the lease
    /// by them; while it hands over, its role is another. `user` sends them to `port`.
    package func renewal(from user: UInt32, to port: UInt16) -> LeaseRenewal {
        ElectionMessage(
            .heartbeat, role: .master, cluster: configuration.cluster, node: configuration.node,
            session: configuration.session, sequence: 0, term: 0, interval: configuration.interval,
            tolerance: configuration.tolerance
        ).renewal(of: lease, from: user, to: port)
    }

    /// All members together stay under ten packets a second, however many they are; and at once when something changes.
    mutating func hello(at now: Instant) -> [Output] {
        guard !isMaster, role != .claiming else { return [] }
        timers[.hello] = now + helloInterval
        return [.send(message(.hello, at: now), to: .group)]
    }

    var helloInterval: Duration { max(.seconds(1), .milliseconds(150) * (members.count + 1)) }

    // MARK: Times that follow from the settings

    /// What one rank waits for the one before it.
    var confirmation: Duration { min(max(configuration.tolerance / 8, .milliseconds(8)), .milliseconds(40)) }
    /// From a master's heartbeat to the moment at which its followers must have withdrawn without another: before the
    /// first successor can have answered, and with time to act.
    package var lease: Duration { configuration.tolerance - max(configuration.tolerance / 10, .milliseconds(6)) }

    /// How often the state of the whole is looked over.
    static let reviewInterval = Duration.milliseconds(500)
    static let strangerInterval = Duration.seconds(1)
}
