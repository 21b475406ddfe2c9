// ElectSession: the loop of `qure-elect run`: joins the Election machine with the cluster's socket, the kernel's word
// on the address and the link, questions to the gateway and about the address, the event stream on standard output and
// the control socket. Before time is judged, everything that has arrived is taken; nothing here waits for anybody.

import Glibc
import QureCore

final class ElectSession {
    enum Token {
        static let cluster = 0, changes = 1, link = 2, control = 3, hook = 4, health = 5, output = 6
        static let connections = 100
    }

    let options: MemberOptions
    private(set) var election: Election
    /// When the election has something to do by itself, and when something else has.
    private var due: Instant?
    private var otherDue: Instant?
    /// A turn that is later than that may have something to hear which had come before.
    private static let punctual = Duration.milliseconds(1)
    let link: Link
    private(set) var poller: Poller
    /// What has ended the wait.
    private var arrived: [Poller.Event] = []
    var channel: ClusterChannel
    var changes: NetlinkMonitor
    var netlink: Netlink
    var linkWatch: LinkWatch
    private let kept: ElectorState
    private(set) var events: EventWriter
    private var renewals: Renewals
    let control: ControlServer
    private var hooks: Hooks
    private var health: Health
    var diagnostics: Diagnostics
    let notices: SystemNotices
    private var random = SystemRandomNumberGenerator()
    let addresses: Set<IPAddress>
    let service = ServiceManager()
    private var watchdog: Watchdog
    private var places: [NodeID: SocketAddress] = [:]
    var told = Told()
    private var hasEnded = false
    private var failure: Failure?
    /// The addresses that this host can use, as far as the kernel has told.
    private var present: Set<IPAddress> = []
    /// Whether it is qure-claim that has put one of those of the cluster here, and not another reader of the events,
    /// which may take its time.
    private var isClaimed = false
    /// Whether one of those of the cluster is among them.
    var isAddressHere: Bool { !addresses.isDisjoint(with: present) }
    /// How far CLOCK_BOOTTIME was ahead of CLOCK_MONOTONIC: it grows when the machine sleeps.
    private var sleepOffset = Clock.asleep
    private(set) var counters = Counters()

    init(_ options: MemberOptions, _ keys: KeyRing, _ diagnostics: Diagnostics) throws {
        var netlink = try Netlink()
        var diagnostics = diagnostics
        let link = try Self.link(options, &netlink)
        let own = try Self.ownAddress(on: link, options, &netlink)
        let group = Self.group(options, own)
        let gateways = try Self.gateways(options, link, &netlink)
        let name = options.name ?? HostName.current
        var random = SystemRandomNumberGenerator()
        kept = try ElectorState(
            "\(options.keepDir)/elect-\(options.place.cluster).state", fresh: NodeID(rawValue: random.next()))
        if let trouble = kept.trouble {
            diagnostics.say(.warning, "\(trouble): this member's number and term are not kept; going on")
        }
        let configuration = Self.configuration(
            options, kept, session: random.next(), name: name, mac: link.mac, gateways: gateways)
        election = Election(configuration)
        channel = ClusterChannel(
            try ClusterSocket(group: group, port: options.port, own: own, interface: link.index, name: link.name), keys,
            peers: options.peer, repeating: diagnostics.shows(.debug) ? nil : options.beat)
        changes = try NetlinkMonitor(routes: options.followsDefaultRoute)
        addresses = Set(options.address.map(\.address))
        linkWatch = try LinkWatch(link, options.address.map(\.address), gateways)
        control = try ControlServer(options.place.path)
        events = EventWriter(json: options.common.json, cluster: options.place.cluster, name: name, options.address)
        renewals = Renewals(
            options.address.map(\.address), on: link.index, port: options.port, lease: election.lease,
            interval: options.beat)
        hooks = Hooks(options)
        health = Health(options)
        poller = try Poller(signals: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
        watchdog = Watchdog(service, at: Clock.now)
        self.options = options
        self.link = link
        self.netlink = netlink
        self.diagnostics = diagnostics
        notices = try SystemNotices(poller, diagnostics)
        for descriptor in channel.descriptors { try poller.add(descriptor, token: Token.cluster) }
        for descriptor in linkWatch.descriptors { try poller.add(descriptor, token: Token.link) }
        try poller.add(changes.descriptor, token: Token.changes)
        try poller.add(control.descriptor, token: Token.control)
        _ = try poller.addForFailure(STDOUT_FILENO, token: Token.output)
    }

    /// Takes part until it is asked to leave, and its last hook has ended.
    func run() throws {
        try lookAtHost()
        step(.start)
        otherDue = nextOther
        service.notify("READY=1", "STATUS=joining")
        while !hasEnded || hooks.isBusy { try turn() }
        health.abandon()
        service.notify("STOPPING=1")
        if let failure { throw failure }
        try seeFollowerOff()
    }

    private func turn() throws {
        // Whether something is due is asked of the clock, below: this machine may stand still after the wait as well.
        _ = try poller.wait(until: earlier(due, otherDue), into: &arrived)
        let repeated = try repeatHeartbeat()
        if let repeated, !events.isPending, due.map({ repeated < $0 }) ?? true { return }
        noticeSleep()
        // What has come in is heard before anything is judged or said. Where the deadline alone has ended the wait,
        // nothing has, unless this machine did not run since.
        let hasArrived = !arrived.isEmpty
        if hasArrived { try take(arrived) }
        heedNotices(arrived)
        if hasArrived || lateness > Self.punctual { try hearCluster() }
        if linkWatch.isAnswerAwaited { try hearLink() }
        let late = lateness
        if due != nil, late >= .zero {
            if repeated == nil { counters.noteLateness(late) }
            step(.deadlinePassed)
        }
        // A loop that is later than the tolerance is of no use to anybody.
        watchdog.turn(at: Clock.now, isWell: late < election.configuration.tolerance)
        serveControl(arrived)
        flushEvents()
        watchFollower()
        proceedWithCommands()
        otherDue = nextOther
    }

    /// When something is to be done that the election does not know of; a follower that hung is looked at again.
    private var nextOther: Instant? {
        let look = health.isFollowed ? nil : Clock.now + election.configuration.interval
        return [hooks.nextDeadline, health.nextDeadline, notices.nextDeadline, watchdog.nextDeadline, look]
            .reduce(nil, earlier)
    }

    /// Says the heartbeat that is due, if nothing has happened and it only repeats the last one: nearly all that a
    /// master does. A machine that has slept is late, so that this is not for it. Returns when that was done.
    private func repeatHeartbeat() throws -> Instant? {
        guard arrived.isEmpty, let due, channel.canRepeat else { return nil }
        let now = Clock.now, late = now - due
        guard late <= Self.punctual, otherDue.map({ now < $0 }) ?? true, !events.isReaderStalled(for: .zero, at: now)
        else { return nil }
        if linkWatch.isAnswerAwaited { try hearLink() }
        guard let repetition = election.repeatHeartbeat(at: now) else { return nil }
        // A link that is down loses it: the lease is renewed by a line then.
        if (try? channel.sayAgain(repetition)) != nil { renewals.noteHeartbeat() }
        // This machine may have stood still since `now`.
        let end = Clock.now
        if renewals.mustWrite(election.configuration.session, at: end) { tell(election.renewal(at: now)) }
        counters.noteRepetition(late: late)
        self.due = repetition.nextDeadline
        return end
    }

    private func take(_ events: [Poller.Event]) throws {
        for event in events {
            switch event {
            case .signal(SIGTERM), .signal(SIGINT): stop()
            case .signal(SIGHUP): readKeysAgain()
            case .ready(Token.changes): if try changes.read().contains(where: isNews) { try lookAtHost() }
            case .ready(Token.link): try hearLink()
            case .ready(Token.output): loseFollower("standard output")
            case .signal, .ready, .deadline: break
            }
        }
    }

    /// How long the election's deadline is over.
    private var lateness: Duration { due.map { Clock.now - $0 } ?? .zero }

    private func proceedWithCommands() {
        if hasEnded { health.abandon() }
        guard health.isAtWork || hooks.isBusy else { return }
        let before = health.input
        let notes = health.proceed(
            variables(election.role.rawValue, term: knownTerm, master: masterNow), poller, at: Clock.now)
        for note in notes { diagnostics.say(note.level, note.text) }
        if health.input != before { step(health.input) }
        for trouble in hooks.proceed(poller, at: Clock.now) { diagnostics.say(.warning, "\(trouble), going on") }
    }

    /// Asked once, this member leaves in order; asked again, it does not wait for its last hook either.
    private func stop() {
        if hasEnded { hooks.abandon() }
        step(.leave(reason: "stopped"))
    }

    private func readKeysAgain() {
        do {
            channel.keys = try options.readKeys()
            diagnostics.say(.notice, "the keys are read anew")
        } catch {
            diagnostics.say(.warning, "\(error); the keys stay as they were")
        }
    }

    /// The address that this member speaks from.
    var ownAddress: IPAddress { channel.ownAddress }
    /// Datagrams that may have come from beyond the link.
    var strayed: Int { channel.strayed }
    /// Why this member could not hold the address; nil: it could.
    var illness: String? { if case .healthy(false, let reason) = health.input { reason } else { nil } }
    /// Where a member was last heard from.
    func place(of node: NodeID) -> IPAddress? { places[node]?.address }

    // MARK: Steps

    func step(_ input: Election.Input, from source: SocketAddress? = nil, at now: Instant = Clock.now) {
        let before = election.role
        let (outputs, next) = Self.advance(&election, by: input, at: now, &random)
        due = next
        if election.role != before {
            linkWatch.watch(as: election.role, election.configuration.interval, poller)
        }
        for output in outputs { perform(output, source) }
        goOverToIPv4()
        if election.role != before { tellChange(from: before) }
        tellMaster()
    }

    private func tell(_ event: Election.Event) {
        var event = event
        if event.term == 0 { event.term = knownTerm }
        counters.note(event, election.lastTakeOver)
        told.note(event)
        tellTrouble(event)
        events.add(event, election, heartbeat: renewals.word { election })
        control.tell(events.last)
        hooks.note(
            event, variables(event.state.rawValue, term: event.term, master: event.master, reason: event.reason))
    }

    /// In one access: what the session asks of an election otherwise costs a copy of it, and it is large.
    private static func advance(
        _ election: inout Election, by input: Election.Input, at now: Instant,
        _ random: inout SystemRandomNumberGenerator
    ) -> ([Election.Output], Instant?) {
        let outputs = election.step(input, at: now, using: &random)
        return (outputs, election.nextDeadline)
    }

    private func perform(_ output: Election.Output, _ source: SocketAddress?) {
        switch output {
        case .send(let message, let destination): send(message, to: destination, source)
        case .event(let event):
            if event.state == .alive, !renewals.mustWrite(election.configuration.session, at: Clock.now) { return }
            tell(event)
        case .probeAddress: linkWatch.askForAddresses()
        case .probeGateway:
            linkWatch.askGateways()
            tellOfMissingGateway()
        case .remember(let term): kept.remember(term)
        case .unheard(let ways): tell(ways)
        case .renamed(let node):
            diagnostics.say(.warning, "another machine has this member's number; taking a new one, \(node)")
        case .ended: hasEnded = true
        }
    }

    private func send(_ message: ElectionMessage, to destination: Election.Destination, _ source: SocketAddress?) {
        diagnostics.say(.debug, "> \(message)")
        counters.sent[message.kind, default: 0] += 1
        do {
            switch destination {
            case .group:
                if channel.namesPeers {
                    channel.tellAlso(at: places.filter { election.members[$0.key] != nil }.map(\.value))
                }
                try channel.say(message)
                if message.kind == .heartbeat, message.role == .master { renewals.noteHeartbeat() }
            case .member(let node): if let place = places[node] { try channel.say(message, to: place) }
            case .sender: if let source { try channel.say(message, to: source) }
            }
        } catch {
            // The link is down, or its queue is full: the network would have lost it as well.
            diagnostics.say(.debug, "\(error)")
        }
    }

    // MARK: What is heard

    private func hearCluster() throws {
        do {
            for datagram in try channel.receive() { hear(datagram) }
        } catch {
            guard error.errno == .networkDown else { throw error }
        }
    }

    /// Checks in the order of their cost; what fails is counted and forgotten.
    private func hear(_ datagram: ClusterSocket.Datagram) {
        counters.datagrams += 1
        guard let key = ElectionMessage.key(of: datagram.bytes) else { return counters.malformed += 1 }
        guard ElectionMessage.cluster(of: datagram.bytes) == election.configuration.cluster else {
            return counters.otherCluster += 1
        }
        guard let bytes = channel.keys.open(datagram.bytes, key: key) else {
            counters.unauthenticated += 1
            return warnOfOtherKey(datagram.source.address)
        }
        var input = WireReader(bytes)
        guard let message = try? ElectionMessage(parsing: &input) else { return counters.malformed += 1 }
        counters.received[message.kind, default: 0] += 1
        let before = (member: election.members[message.node], place: places[message.node])
        if message.node != election.configuration.node { places[message.node] = datagram.source }
        if places.count > Election.maximumMembers * 2 { places = places.filter { election.members[$0.key] != nil } }
        diagnostics.say(.debug, "< \(message)")
        warnOfOtherAddresses(message, datagram.source.address)
        step(.heard(message, received: datagram.received), from: datagram.source)
        // What is not believed, a recording for instance, leads nobody to another place.
        if election.members[message.node] == before.member { places[message.node] = before.place }
    }

    private func hearLink() throws {
        for (input, received) in try linkWatch.hear() { step(input, at: received) }
    }

    /// Whether a change is worth a look. That the addresses are still here, whose lifetimes were renewed, is not.
    private func isNews(_ change: Change) -> Bool {
        if case .route(let isDefault) = change { return isDefault }
        guard case .address(let address) = change else { return true }
        return address.isTentative || address.hasFailedDAD || !present.contains(address.prefix.address)
    }

    /// Whether the link is up and the addresses are here, and who the gateway is.
    private func lookAtHost() throws {
        guard let now = try netlink.link(index: link.index) else {
            failure = Failure(.unreachable, "\(link.name): the interface is gone")
            step(.leave(reason: "interface-gone"))
            return
        }
        let all = try netlink.addresses()
        heedOwnAddress(all)
        health.isLinkUp = now.isUp && now.hasCarrier
        health.isAddressed = !told.isOwnAddressMissing || !channel.namesPeers
        step(health.input)
        let usable = all.filter { !$0.hasFailedDAD && !$0.isTentative }
        present = Set(usable.map(\.prefix.address))
        isClaimed = usable.contains { $0.origin == AddressOrigin.qure && addresses.contains($0.prefix.address) }
        step(.addressPresent(addresses.isSubset(of: present)))
        try heedDefaultRoute()
    }

    private func noticeSleep() {
        let asleep = Clock.asleep
        if asleep - sleepOffset > election.configuration.tolerance / 2 { step(.slept(asleep - sleepOffset)) }
        sleepOffset = asleep
    }

    /// A follower that hangs lets the lease run out: a master of nothing, while the kernel still shows the address.
    private func watchFollower() {
        let now = Clock.now
        // Once it has hung, the addresses may be gone; that it reads is what shows that it is back.
        let isAwaited = isClaimed || !health.isFollowed
        let isFollowed = !isAwaited || !events.isReaderStalled(for: election.configuration.tolerance, at: now)
        guard isFollowed != health.isFollowed else { return }
        diagnostics.say(.warning, isFollowed ? "the follower reads again" : "the follower does not read the events")
        health.isFollowed = isFollowed
        // It will not take the addresses away, and heartbeats may have renewed their lease until now.
        if !isFollowed { renewals.revoke() }
        step(health.input)
    }

    // MARK: What is said

    private func flushEvents() {
        do { try events.flush() } catch { loseFollower("\(error)") }
        // Nothing follows: the readers must not wait for a hook.
        if hasEnded { OutputStream.endStandardOutput() }
    }

    /// Nobody reads the events any more.
    private func loseFollower(_ what: String) {
        try? poller.remove(STDOUT_FILENO)
        guard failure == nil, !hasEnded else { return }
        failure = Failure(.unreachable, "\(what): whoever followed is gone; left the cluster")
        step(.leave(reason: "follower-gone"))
    }

    private func serveControl(_ events: [Poller.Event]) {
        for event in events {
            guard case .ready(let token) = event, token == Token.control || token >= Token.connections else { continue }
            control.serve(token, poller) { [self] in answer($0) }
        }
    }
}
