// ClaimSession: what `hold` and `follow` have in common: joins the AddressClaim machine with the interface
// (AddressKeeper), the link (two neighbour sockets), the fence, the guard, the verification and the registry. The
// command around it waits on the session's poller, adds its own events, and calls `turn` once for each wake-up.

import Glibc
import QureCore

final class ClaimSession {
    /// What the poller's events are about.
    enum Token { static let changes = 0, link = 1, twin = 2, verification = 3, input = 4 }

    /// Why a session ends.
    enum End: Equatable {
        case lost(Sighting)
        case refused(Sighting)
    }

    let keeper: AddressKeeper
    var poller: Poller
    var diagnostics: Diagnostics
    var end: End?
    var output: ClaimOutput
    private var claim: AddressClaim
    private var random = SystemRandomNumberGenerator()
    private var changes: NetlinkMonitor
    /// Hears and asks in this host's own name; speaks in the addresses' name while they are here.
    private var ear: NeighborSocket
    var mouth: NeighborSocket?
    private var fence: Fence?
    private var twin: Guard?
    /// nil: not wanted.
    let verifications: Verifications?
    var registration: Registration
    private var isLinkUp: Bool
    /// Whether this turn has put an address on an interface, renewed one, or taken one off.
    private var hasChangedHost = false
    /// Whether one has been put there since the last look at what the kernel tells of.
    private var hasInstalled = false
    let service = ServiceManager()
    private var watchdog: Watchdog
    /// Until when the fence is open, where the elector says so; nil: as long as the claim's own lease.
    private var grantedUntil: Instant?
    /// Until when the fence was last opened.
    private var openUntil = Instant(nanoseconds: 0)
    private var isHandingOver = false
    /// What was last to renew the lease beside the elector's lines.
    private var askedRenewal: LeaseRenewal?
    /// When this process last answered in the place of a macvlan.
    private var answeredAt = Instant(nanoseconds: 0)
    private var renewedAt = Instant(nanoseconds: 0)
    /// When the kernel removes the address, at the earliest.
    private var lifetimeEnd: Instant { renewedAt + (keeper.renewedLease ?? .zero) }
    private let lease: Duration

    /// A session about the keeper's addresses, which holds nothing yet; on an interface of their own if there is a
    /// `mac`. Fails with status 1 where another process of this host has to do with one of them, or somebody else has
    /// put it there.
    static func begin(
        _ keeper: AddressKeeper, _ authority: AddressClaim.Authority, mac: MACAddress?, lease: Duration,
        options: ClaimOptions, verifies: Bool, _ diagnostics: Diagnostics
    ) throws -> ClaimSession {
        var diagnostics = diagnostics
        try keeper.requirePermission()
        // Before all that would disturb another holder.
        var registration = try Registration(
            keeper, options.registry, authority == .own ? "hold" : "follow", mac: mac, &diagnostics)
        do {
            try keeper.requireOurs()
            if let mac { try keeper.makeVirtual(mac) }
            if let trouble = keeper.virtual?.trouble {
                diagnostics.say(
                    .warning, "\(trouble), so router advertisements may give \(keeper.carrier.name) addresses too")
            }
            try keeper.requireOneMAC()
            return try ClaimSession(
                keeper, authority, lease: lease, json: options.common.json, verifies: verifies, registration,
                diagnostics)
        } catch {
            keeper.removeVirtual()
            registration.undo()
            throw error
        }
    }

    private init(
        _ keeper: AddressKeeper, _ authority: AddressClaim.Authority, lease: Duration, json: Bool, verifies: Bool,
        _ registration: Registration, _ diagnostics: Diagnostics
    ) throws {
        self.keeper = keeper
        self.registration = registration
        self.lease = lease
        verifications = verifies ? Verifications(keeper, token: Token.verification) : nil
        output = ClaimOutput(json: json, interface: keeper.link.name)
        claim = AddressClaim(
            .init(addresses: keeper.addresses, identity: keeper.link.mac ?? .zero, authority: authority, lease: lease))
        self.diagnostics = diagnostics
        poller = try Poller(signals: [SIGTERM, SIGINT, SIGHUP])
        // Subscribed before anything is looked at, so that no change falls in between.
        changes = try NetlinkMonitor()
        ear = try keeper.openEar()
        isLinkUp = try keeper.isLinkUp()
        watchdog = Watchdog(service, at: Clock.now)
        try poller.add(changes.descriptor, token: Token.changes)
        for descriptor in ear.descriptors { try poller.add(descriptor, token: Token.link) }
        makeFence()
        if !isLinkUp { try step(.linkLost) }
    }

    private func makeFence() {
        do { fence = try Fence(keeper.addresses) } catch {
            diagnostics.say(
                .warning,
                "\(error): no fence here, so a process that is frozen keeps the address until its lifetime is over")
        }
    }

    var isHolding: Bool { claim.state == .holding }
    var isFenced: Bool { fence != nil }
    var isIdle: Bool { claim.state == .idle }

    /// How much longer than the lease of its last line the elector is trusted: its heartbeats renew the lease.
    var patience: Duration { fence?.renewal == nil ? .zero : Fence.patience }

    /// Lets the elector's heartbeats renew the lease, if the kernel can do that. Before it matters, if possible: making
    /// the rules takes a moment.
    func prepare(for renewal: LeaseRenewal?) {
        guard fence != nil, renewal != askedRenewal else { return }
        askedRenewal = renewal
        do { try fence?.renew(by: renewal, leaving: keeper.link) } catch {
            diagnostics.say(.information, "\(error): heartbeats do not renew the lease here, the elector's lines do")
        }
    }

    /// When the session has something to do by itself.
    var nextDeadline: Instant? {
        earlier(earlier(claim.nextDeadline, watchdog.nextDeadline), verifications?.nextDeadline)
    }

    // MARK: What the command says

    /// Takes the addresses, after asking for them if `probing`.
    func take(probing: Bool) throws { try step(.take(probing: probing)) }

    /// The elector vouches for the addresses until then. Takes them if they are not here.
    func grant(until: Instant, handsOver: Bool, probing: Bool, peers: [MACAddress]?) throws {
        grantedUntil = until
        // Answers with a shared hardware address do not say whose they are; only members of the cluster have it.
        if let peers { claim.peers = Set(peers + [keeper.virtual?.link.mac].compactMap { $0 }) }
        // An heir that is about to take the address is not to be forestalled.
        guard isHolding || !handsOver else { return }
        if handsOver != isHandingOver {
            isHandingOver = handsOver
            try step(.handOver(handsOver))
        }
        keeper.lease = max(lease, until + patience - Clock.now)
        guard isHolding else { return try step(.take(probing: probing)) }
        try openFence()
        if Clock.now - renewedAt >= lease / 2 || until > lifetimeEnd { try renewLifetime() }
    }

    /// Tells the link once more that the addresses are here.
    func announceAgain() throws { try step(.announceAgain) }

    /// Gives the addresses up; nothing happens where they are not held.
    func release() throws {
        grantedUntil = nil
        try step(.release)
    }

    /// Forgets that the addresses were refused, so that they can be asked for again.
    func clearEnd() { end = nil }

    /// Takes everything away that the session has put on this host, whatever fails.
    func finish() {
        do { try release() } catch { diagnostics.say(.error, "\(error)") }
        try? fence?.remove()
        keeper.removeVirtual()
        registration.remove()
        service.notify("STOPPING=1")
    }

    /// Tells the service manager that the session is up.
    func isReady() {
        writeRegistration()
        service.notify("READY=1", "STATUS=\(status)")
    }

    // MARK: One wake-up

    /// Takes all that has happened: what the kernel and the link say first, then what time it is.
    func turn(_ events: [Poller.Event]) throws {
        // A process that has slept past its lease must not act on anything before it has noticed.
        if isHolding { try step(.deadlinePassed) }
        if events.contains(.ready(Token.twin)) { replaceTwin() }
        if events.contains(.ready(Token.changes)) { try readChanges() }
        if events.contains(.ready(Token.link)) { try hear() }
        try verify { $0.turn($1, $2) }
        try step(.deadlinePassed)
        // Our own changes are told to us as well; they must not wake us once more.
        if hasChangedHost { try readChanges() }
        hasChangedHost = false
        watchdog.turn(at: Clock.now)
        writeRegistration()
    }

    private func writeRegistration() {
        guard let trouble = registration.write() else { return }
        diagnostics.say(.warning, "\(trouble), so 'qure-claim show' may say what is no longer so")
    }

    private func readChanges() throws {
        let news = try changes.read()
        for case .link(let link) in news { try take(link) }
        // A renewal may have put back what was taken off; an installation takes off what it puts there afresh.
        let isTaken = !hasInstalled && news.contains(where: keeper.isLoss)
        hasInstalled = false
        if news.contains(where: keeper.isConcerned) { try lookAtInterface(isTaken: isTaken) }
    }

    /// The interface has another name, or another hardware address: the link has to hear of it.
    private func take(_ link: Link) throws {
        guard link.index == keeper.link.index, link != keeper.link else { return }
        let former = keeper.link.mac
        keeper.link = link
        guard let mac = link.mac, mac != former else { return }
        diagnostics.say(.notice, "\(link.name): the hardware address is \(mac) now, announcing it")
        ear = try keeper.openEar()
        for descriptor in ear.descriptors { try poller.add(descriptor, token: Token.link) }
        mouth = nil
        try step(.linkLost)
        if isLinkUp { try step(.linkRestored) }
    }

    private func lookAtInterface(isTaken: Bool) throws {
        let wasUp = isLinkUp
        isLinkUp = try keeper.isLinkUp()
        if wasUp && !isLinkUp {
            diagnostics.say(.warning, "\(keeper.link.name): the link is down")
            try step(.linkLost)
        } else if !wasUp && isLinkUp {
            diagnostics.say(.notice, "\(keeper.link.name): the link is up again")
            try step(.linkRestored)
        }
        if isHolding, isLinkUp, try isTaken || !keeper.isIntact() { try step(.vanished) }
    }

    /// Evidence from the link, but not for ever: a flood must not keep the claim from renewing its lease.
    private func hear() throws {
        for _ in 0..<16 {
            let heard = try ear.receiveUnlessDown() + (mouth?.receiveUnlessDown() ?? [])
            if heard.isEmpty { return }
            for one in heard { try take(one.sighting) }
        }
    }

    private func take(_ sighting: Sighting) throws {
        verifications?.heard(sighting)
        guard keeper.addresses.contains(sighting.address) else { return }
        try step(.heard(sighting))
        if sighting.kind == .claims { try answerForVirtual(sighting.address) }
    }

    /// A macvlan hears broadcasts by way of a work queue, and on a busy machine its answer comes too late for a host
    /// that is about to take the address. This process has heard the question without that detour.
    private func answerForVirtual(_ address: IPAddress) throws {
        let now = Clock.now
        guard keeper.virtual != nil, isHolding, !isHandingOver, now < openUntil else { return }
        guard now - answeredAt > .milliseconds(10) else { return }
        answeredAt = now
        do { try mouth?.announce(address) } catch { guard error.isLinkTrouble else { throw error } }
    }

    // MARK: What the claim wants done

    private func step(_ input: AddressClaim.Input) throws {
        let before = claim.state
        let outputs = claim.step(input, at: Clock.now, using: &random)
        if claim.state != before {
            diagnostics.say(.debug, "\(before.rawValue) -> \(claim.state.rawValue) on \(input)")
        }
        for output in outputs { try perform(output) }
    }

    private func perform(_ output: AddressClaim.Output) throws {
        switch output {
        case .probe: try speak { socket, address in try socket.probeToClaim(address) }
        case .checkForOthers: try speak { socket, address in try socket.probe(address) }
        case .install: try install()
        case .announce:
            try announce()
            try lookForGateway()
        case .renew:
            try openFence()
            try renewLifetime()
        case .withdraw: try withdraw()
        case .report(let report): try self.report(report)
        }
    }

    /// Says something about each address in this host's own name; a link that is down loses it, as a cable would.
    private func speak(_ body: (borrowing NeighborSocket, IPAddress) throws -> Void) throws {
        for address in keeper.addresses {
            do { try body(ear, address) } catch let error as SystemError where error.isLinkTrouble {}
        }
    }

    private func install() throws {
        hasChangedHost = true
        hasInstalled = true
        try openFence()
        let former = keeper.carrier.index
        try keeper.install(leavingOthers: true)
        renewedAt = Clock.now
        // A macvlan that was removed and made again is another one, for the socket and for the guard.
        if keeper.carrier.index != former {
            mouth = nil
            dropTwin()
        }
        if mouth == nil { try openMouth() }
    }

    func openMouth() throws {
        let socket = try keeper.openMouth(hearing: keeper.gateways())
        for descriptor in socket.descriptors { try poller.add(descriptor, token: Token.link) }
        mouth = .some(socket)
    }

    private func announce() throws {
        guard !isHandingOver else { return }
        for address in keeper.addresses {
            // Not every fence sees our own frames; and this process may have been frozen a line above.
            guard Clock.now < openUntil else { return }
            do { try mouth?.announce(address) } catch { guard error.isLinkTrouble else { throw error } }
        }
        registration.update { $0.announcements += 1 }
        // Only now: the link had to hear of the address first, and until here the fence stands behind it.
        if twin == nil { makeTwin() }
    }

    private func openFence() throws {
        let now = Clock.now
        let end = grantedUntil ?? now + lease
        // Where heartbeats renew the lease, the fence sees our own frames as well.
        openUntil = end + patience
        do { try fence?.open(for: max(end - now, .zero), answering: !isHandingOver) } catch {
            diagnostics.say(.error, "\(error), going on without a fence")
            fence = nil
            registration.update { $0.isFenced = false }
        }
    }

    /// An interface that is gone is none of the renewal's business: the monitor tells of it, and what it was decides.
    private func renewLifetime() throws {
        hasChangedHost = true
        renewedAt = Clock.now
        do { try keeper.renew() } catch let error as SystemError where error.errno == .noDevice {}
    }

    private func withdraw() throws {
        hasChangedHost = true
        defer {
            try? fence?.close()
            verifications?.close()
            mouth = nil
        }
        // Where this fails the guard stays, and does it once this process is gone.
        try keeper.withdraw()
        dropTwin()
        // One that could not be put there was never said to be taken.
        if registration.isHolding { for address in keeper.addresses { tell(address, "withdrawn") } }
        registration.update {
            $0.verification = ""
            $0.isHolding = false
        }
        service.notify("STATUS=\(status)")
    }

    // MARK: The guard

    /// Where no process can be made any more, that is no reason to give an address up: the next announcement tries
    /// again.
    private func makeTwin() {
        do {
            let made = try Guard(route: keeper.removalMessages(), filter: fence?.removalBatch ?? [])
            try poller.add(made.descriptor, token: Token.twin)
            twin = .some(made)
        } catch {
            diagnostics.say(.warning, "\(error), going on without a guard for now")
        }
    }

    private func dropTwin() { twin.take()?.dismiss() }

    private func replaceTwin() {
        guard let dead = twin.take() else { return }
        dead.bury()
        diagnostics.say(.warning, "the guard process was killed, making another")
        if isHolding { makeTwin() }
    }
}
