// ClaimSession: what `hold` and `follow` have in common: joins the AddressClaim machine with the interface (AddressKeeper), the link
// (two neighbour sockets), the fence, the guard, the verification and the registry. The command around it waits on the session's poller,
// adds its own events, and calls `turn` once for each wake-up.

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
    private(set) var end: End?
    private(set) var output: ClaimOutput
    private var claim: AddressClaim
    private var random = SystemRandomNumberGenerator()
    private var changes: NetlinkMonitor
    /// Hears and asks in this host's own name; speaks in the addresses' name while they are here.
    private var ear: NeighborSocket
    private var mouth: NeighborSocket?
    private var fence: Fence?
    private var twin: Guard?
    private var verifiers: [Verifier] = []
    /// The widths of addresses that no gateway is known for.
    private var unverifiable: [Int] = []
    private var registration: Registration
    private var isLinkUp: Bool
    private let wantsVerification: Bool
    private let service = ServiceManager()
    private var nextWatchdog: Instant?
    /// Until when the fence is open, where the elector says so; nil: as long as the claim's own lease.
    private var grantedUntil: Instant?
    /// Until when the fence was last opened.
    private var openUntil = Instant(nanoseconds: 0)
    private var isHandingOver = false
    private var renewedAt = Instant(nanoseconds: 0)
    /// When the kernel removes the address, at the earliest.
    private var lifetimeEnd: Instant { renewedAt + (keeper.renewedLease ?? .zero) }
    private let lease: Duration

    /// A session about the keeper's addresses, which holds nothing yet; on an interface of their own if there is a `mac`.
    /// Fails with status 1 where another process of this host has to do with one of them, or somebody else has put it there.
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
                diagnostics.say(.warning, "\(trouble), so router advertisements may give \(keeper.carrier.name) addresses too")
            }
            try keeper.requireOneMAC()
            return try ClaimSession(
                keeper, authority, lease: lease, json: options.common.json, verifies: verifies, registration, diagnostics)
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
        wantsVerification = verifies
        output = ClaimOutput(json: json, interface: keeper.link.name)
        claim = AddressClaim(
            .init(addresses: keeper.addresses, identity: keeper.link.mac ?? .zero, authority: authority, lease: lease))
        self.diagnostics = diagnostics
        poller = try Poller(signals: [SIGTERM, SIGINT, SIGHUP])
        // Subscribed before anything is looked at, so that no change falls in between.
        changes = try NetlinkMonitor()
        ear = try keeper.openEar()
        isLinkUp = try keeper.isLinkUp()
        nextWatchdog = service.watchdogInterval.map { Clock.now + $0 }
        try poller.add(changes.descriptor, token: Token.changes)
        for descriptor in ear.descriptors { try poller.add(descriptor, token: Token.link) }
        makeFence()
        if !isLinkUp { try step(.linkLost) }
    }

    private func makeFence() {
        do { fence = try Fence(keeper.addresses) } catch {
            diagnostics.say(
                .warning, "\(error): no fence here, so a process that is frozen keeps the address until its lifetime is over")
        }
    }

    var isHolding: Bool { claim.state == .holding }
    var isIdle: Bool { claim.state == .idle }

    /// When the session has something to do by itself.
    var nextDeadline: Instant? {
        verifiers.reduce(earlier(claim.nextDeadline, nextWatchdog)) { earlier($0, $1.nextDeadline) }
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
        keeper.lease = max(lease, until - Clock.now)
        guard isHolding else { return try step(.take(probing: probing)) }
        try openFence()
        if Clock.now - renewedAt >= lease / 4 || until > lifetimeEnd { try renewLifetime() }
    }

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
        dropTwin()
        try? fence?.remove()
        keeper.removeVirtual()
        registration.remove()
        service.notify("STOPPING=1")
    }

    /// Tells the service manager that the session is up.
    func isReady() { service.notify("READY=1", "STATUS=\(status)") }

    // MARK: One wake-up

    /// Takes all that has happened: what the kernel and the link say first, then what time it is.
    func turn(_ events: [Poller.Event]) throws {
        // A process that has slept past its lease must not act on anything before it has noticed.
        if isHolding { try step(.deadlinePassed) }
        if events.contains(.ready(Token.twin)) { replaceTwin() }
        try readChanges()
        try hear()
        for verifier in verifiers { verify(verifier) { $0.turn($1, $2) } }
        try step(.deadlinePassed)
        // Our own changes are told to us as well; they must not wake us once more.
        try readChanges()
        if let due = nextWatchdog, Clock.now >= due {
            service.notify("WATCHDOG=1")
            nextWatchdog = service.watchdogInterval.map { Clock.now + $0 }
        }
        registration.write()
    }

    private func readChanges() throws {
        var isConcerned = false
        for change in try changes.read() {
            switch change {
            case .link(let link): isConcerned = isConcerned || link.index == keeper.link.index || link.index == keeper.carrier.index
            case .linkRemoved(let index): isConcerned = isConcerned || index == keeper.link.index || index == keeper.carrier.index
            case .address(let address):
                isConcerned = isConcerned || (address.hasFailedDAD && keeper.addresses.contains(address.prefix.address))
            case .addressRemoved(let address): isConcerned = isConcerned || keeper.addresses.contains(address.prefix.address)
            case .overrun: isConcerned = true
            default: break
            }
        }
        if isConcerned { try lookAtInterface() }
    }

    private func lookAtInterface() throws {
        let wasUp = isLinkUp
        isLinkUp = try keeper.isLinkUp()
        if wasUp && !isLinkUp {
            diagnostics.say(.warning, "\(keeper.link.name): the link is down")
            try step(.linkLost)
        } else if !wasUp && isLinkUp {
            diagnostics.say(.notice, "\(keeper.link.name): the link is up again")
            try step(.linkRestored)
        }
        if isHolding, isLinkUp, try !keeper.isIntact() { try step(.vanished) }
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
        for verifier in verifiers where verifier.gateway == sighting.address && sighting.kind == .holds {
            verifier.heardGateway()
        }
        if keeper.addresses.contains(sighting.address) { try step(.heard(sighting)) }
    }

    // MARK: What the claim wants done

    private func step(_ input: AddressClaim.Input) throws {
        let before = claim.state
        let outputs = claim.step(input, at: Clock.now, using: &random)
        if claim.state != before { diagnostics.say(.debug, "\(before.rawValue) -> \(claim.state.rawValue) on \(input)") }
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

    private func openMouth() throws {
        let socket = try keeper.openMouth(hearing: keeper.gateways())
        for descriptor in socket.descriptors { try poller.add(descriptor, token: Token.link) }
        mouth = .some(socket)
    }

    private func announce() throws {
        for address in keeper.addresses {
            // The fence does not see our own frames; and this process may have been frozen a line above.
            guard Clock.now < openUntil else { return }
            do { try mouth?.announce(address) } catch { guard error.isLinkTrouble else { throw error } }
        }
        registration.update { $0.announcements += 1 }
        // Only now: the link had to hear of the address first, and until here the fence stands behind it.
        if twin == nil { makeTwin() }
    }

    private func openFence() throws {
        let now = Clock.now
        openUntil = grantedUntil ?? now + lease
        do { try fence?.open(for: max(openUntil - now, .zero), answering: !isHandingOver) } catch {
            diagnostics.say(.error, "\(error), going on without a fence")
            fence = nil
            registration.update { $0.isFenced = false }
        }
    }

    /// An interface that is gone is none of the renewal's business: the monitor tells of it, and what it was decides.
    private func renewLifetime() throws {
        renewedAt = Clock.now
        do { try keeper.renew() } catch let error as SystemError where error.errno == .noDevice {}
    }

    private func withdraw() throws {
        defer {
            try? fence?.close()
            dropTwin()
            for verifier in verifiers { verifier.close() }
            verifiers = []
            mouth = nil
        }
        try keeper.withdraw()
        for address in keeper.addresses { tell(address, "withdrawn") }
        registration.update { $0.verification = "" }
        service.notify("STATUS=\(status)")
    }

    // MARK: The guard

    /// Where no process can be made any more, that is no reason to give an address up: the next announcement tries again.
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

    // MARK: Verification

    private func beginVerification() throws {
        guard wantsVerification else { return }
        verifiers = []
        unverifiable = []
        let gateways = try keeper.gateways()
        for width in [32, 128] where keeper.addresses.contains(where: { $0.bitWidth == width }) {
            if let gateway = gateways.first(where: { $0.bitWidth == width }) {
                try verify(width, by: gateway)
            } else {
                unverifiable.append(width)
                tellVerification(of: width, "not verified: \(keeper.link.name) has no default gateway for it", time: nil)
            }
        }
    }

    /// A gateway often comes later than the address, from DHCP or a router's advertisement.
    private func lookForGateway() throws {
        guard isHolding, !unverifiable.isEmpty else { return }
        for gateway in try keeper.gateways() where unverifiable.contains(gateway.bitWidth) {
            unverifiable.removeAll { $0 == gateway.bitWidth }
            // The one that is open does not hear this gateway.
            mouth = nil
            try openMouth()
            try verify(gateway.bitWidth, by: gateway)
        }
    }

    private func verify(_ width: Int, by gateway: IPAddress) throws {
        guard let address = keeper.addresses.first(where: { $0.bitWidth == width }) else { return }
        let verifier = Verifier(address, by: gateway, keeper, token: Token.verification)
        verifiers.append(verifier)
        verify(verifier) { $0.begin($1, $2) }
    }

    private func verify(
        _ verifier: Verifier, _ action: (Verifier, borrowing NeighborSocket, borrowing Poller) -> Verifier.Result?
    ) {
        guard let result = withMouth({ action(verifier, $0, poller) }) ?? nil else { return }
        var time: Duration?
        if case .verified(let after) = result { time = after }
        tellVerification(of: verifier.address.bitWidth, result.text(verifier.gateway), time: time)
    }

    private func withMouth<Value>(_ body: (borrowing NeighborSocket) -> Value) -> Value? {
        guard mouth != nil else { return nil }
        return body(mouth!)
    }

    /// Addresses of one family share a gateway, and what is true of one is true of all.
    private func tellVerification(of width: Int, _ text: String, time: Duration?) {
        for address in keeper.addresses where address.bitWidth == width {
            if let time {
                tell(address, "verified", "after \(time.spoken)", time: time)
            } else {
                tell(address, "claimed,", text)
            }
        }
        registration.update { if $0.prefix.address.bitWidth == width { $0.verification = text } }
        service.notify("STATUS=\(status)")
    }

    // MARK: Reports

    private func tell(
        _ address: IPAddress, _ state: String, _ detail: String = "", mac: MACAddress? = nil, time: Duration? = nil
    ) {
        guard let error = output.tell(address, state, detail, mac: mac, time: time) else { return }
        diagnostics.say(.error, "\(error), going on without it")
    }

    private var status: String {
        let names = keeper.prefixes.map(\.description).joined(separator: ", ")
        guard isHolding else { return "not holding \(names)" }
        return "holding \(names) on \(keeper.link.name), \(registration.verification)"
    }

    private func report(_ report: AddressClaim.Report) throws {
        switch report {
        case .taken:
            registration.begin(isFenced: fence != nil)
            for address in keeper.addresses { tell(address, "taken") }
            service.notify("STATUS=\(status)")
            try beginVerification()
        case .reinstated:
            diagnostics.say(.warning, "\(keeper.prefixes[0]): was gone from \(keeper.carrier.name), put back")
            for address in keeper.addresses { tell(address, "reinstated") }
            try beginVerification()
        case .heldBy(let sighting), .rival(let sighting):
            end = .refused(sighting)
        case .conflict(let sighting, let defended):
            registration.update { $0.conflicts += 1 }
            tell(
                sighting.address, "conflict", "\(sighting.identity) \(defended ? "defended" : "left to the elector")",
                mac: sighting.identity)
            diagnostics.say(
                .warning, "\(sighting.address): \(sighting.identity) says that it has it too\(defended ? ", defended" : "")")
        case .lost(let sighting):
            end = .lost(sighting)
        case .asleep(let time):
            diagnostics.say(
                .warning, "\(keeper.prefixes[0]): this process did not run for \(time.spoken), longer than its lease; asking again")
        case .unplugged(let time):
            diagnostics.say(.warning, "\(keeper.prefixes[0]): the link was away for \(time.spoken); asking again")
        }
    }
}

extension NeighborSocket {
    /// What was heard. That an interface goes down is told here as an error, once; the monitor says the same.
    fileprivate mutating func receiveUnlessDown() throws(SystemError) -> [Heard] {
        do { return try receive() } catch where error.isLinkTrouble { return [] }
    }
}

extension SystemError {
    /// Whether the link is what failed, which the monitor tells too.
    var isLinkTrouble: Bool {
        [.networkDown, .noDevice, .noSuchDeviceOrAddress, .noBuffers].contains(errno)
    }
}
