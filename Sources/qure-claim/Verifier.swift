// Verifier: joins the Verification machine (does the gateway's traffic for an address arrive here?) with the sockets it
// needs: the claim's own for the question, an echo socket and a connection attempt that both speak from the address
// itself.

import QureCore

/// The proof for one address and one gateway.
final class Verifier {
    /// What was found out.
    enum Result { case verified(after: Duration), unverified(Verification.Reason) }

    let address: IPAddress
    let gateway: IPAddress
    private var machine = Verification()
    private var echo: EchoSocket?
    private var connection: ConnectionProbe?
    /// The interface that the questions leave by; nil: the routes tell.
    private let interface: String?
    private let scope: UInt32
    private let token: Int
    /// Any port will do: a refusal is an answer. This is the one that a gateway's own pages are most likely on.
    private static let port: UInt16 = 80

    /// A verifier whose sockets are polled under `token`.
    init(_ address: IPAddress, by gateway: IPAddress, _ keeper: AddressKeeper, token: Int) {
        self.address = address
        self.gateway = gateway
        self.token = token
        interface = keeper.virtual == nil ? keeper.link.name : nil
        scope = UInt32(keeper.link.index)
    }

    var nextDeadline: Instant? { machine.nextDeadline }

    /// Begins anew.
    func begin(_ mouth: borrowing NeighborSocket, _ poller: borrowing Poller) -> Result? {
        close()
        return perform(machine.step(.begin, at: Clock.now), mouth, poller)
    }

    /// Ends the questions.
    func close() {
        machine = Verification()
        echo = nil
        connection = nil
    }

    /// The gateway was heard to answer on the link.
    func heardGateway() { _ = machine.step(.gatewayAnswered, at: Clock.now) }

    /// Takes what has arrived, and the deadline if it has come.
    func turn(_ mouth: borrowing NeighborSocket, _ poller: borrowing Poller) -> Result? {
        guard machine.nextDeadline != nil else { return nil }
        if let arrived = arrival() {
            let result = perform(machine.step(.arrived, at: arrived), mouth, poller)
            echo = nil
            connection = nil
            return result
        }
        return perform(machine.step(.deadlinePassed, at: Clock.now), mouth, poller)
    }

    private func arrival() -> Instant? {
        if let replies = try? echo?.receive(), let reply = replies.first(where: { $0.from == gateway }) {
            return reply.received
        }
        switch connection?.state {
        case .answered?: return Clock.now
        case .failed?: connection = nil
        case .pending?, nil: break
        }
        return nil
    }

    /// What cannot be sent now (the link is down, the address was deleted a moment ago) is asked again in time.
    private func perform(
        _ outputs: [Verification.Output], _ mouth: borrowing NeighborSocket, _ poller: borrowing Poller
    ) -> Result? {
        var result: Result?
        for output in outputs {
            switch output {
            case .ask:
                try? mouth.ask(for: gateway, tell: address)
                // An advertisement answers to the address, by what the gateway knows of it. That it is there at all
                // has to be asked without one.
                if gateway.bitWidth == 128 { try? mouth.probe(gateway) }
            case .echo(let sequence): try? sendEcho(UInt16(truncatingIfNeeded: sequence), poller)
            case .connect: try? connect(poller)
            case .verified(let time): result = .verified(after: time)
            case .unverified(let reason): result = .unverified(reason)
            }
        }
        return result
    }

    private func sendEcho(_ sequence: UInt16, _ poller: borrowing Poller) throws(SystemError) {
        if echo == nil {
            let socket = try EchoSocket(for: address, source: address, interface: interface)
            try poller.add(socket.descriptor, token: token)
            echo = .some(socket)
        }
        try echo?.send(to: SocketAddress(gateway, scope: gateway.isLinkLocalV6 ? scope : 0), sequence: sequence)
    }

    private func connect(_ poller: borrowing Poller) throws(SystemError) {
        connection = nil
        let probe = try ConnectionProbe(
            from: SocketAddress(address),
            to: SocketAddress(gateway, port: Self.port, scope: gateway.isLinkLocalV6 ? scope : 0), interface: interface)
        try poller.addForWriting(probe.descriptor, token: token)
        connection = .some(probe)
    }
}

/// All the proofs of one session: one for each family of its addresses, because addresses of one family share a
/// gateway, and what is true of one is true of all.
final class Verifications {
    /// What is to be told about the addresses of one width.
    struct Finding {
        var width: Int
        var text: String
        /// How long it took, where the traffic does arrive.
        var time: Duration?
    }

    private let keeper: AddressKeeper
    private let token: Int
    private var verifiers: [Verifier] = []
    /// The widths of addresses that no gateway is known for.
    private var missing: [Int] = []

    /// Nothing that has begun; sockets will be polled under `token`.
    init(_ keeper: AddressKeeper, token: Int) {
        self.keeper = keeper
        self.token = token
    }

    var nextDeadline: Instant? { verifiers.reduce(nil) { earlier($0, $1.nextDeadline) } }

    /// Begins anew; `onlyMissing`: for those addresses that had no gateway.
    func begin(
        _ mouth: borrowing NeighborSocket, _ poller: borrowing Poller, onlyMissing: Bool = false
    ) throws -> [Finding] {
        let widths = onlyMissing ? missing : [32, 128]
        if !onlyMissing { close() }
        var findings: [Finding] = []
        let gateways = try keeper.gateways()
        for width in widths {
            guard let address = keeper.addresses.first(where: { $0.bitWidth == width }) else { continue }
            missing.removeAll { $0 == width }
            if let gateway = gateways.first(where: { $0.bitWidth == width }) {
                let verifier = Verifier(address, by: gateway, keeper, token: token)
                verifiers.append(verifier)
                if let result = verifier.begin(mouth, poller) { findings.append(Finding(verifier, result)) }
            } else {
                missing.append(width)
                let text = "not verified: there is no default gateway"
                if !onlyMissing { findings.append(Finding(width: width, text: text)) }
            }
        }
        return findings
    }

    /// Whether a gateway is known now for addresses that had none.
    func hasGatewayCome() throws -> Bool {
        guard !missing.isEmpty else { return false }
        return try keeper.gateways().contains { missing.contains($0.bitWidth) }
    }

    /// Takes what has arrived, and deadlines that have come.
    func turn(_ mouth: borrowing NeighborSocket, _ poller: borrowing Poller) -> [Finding] {
        var findings: [Finding] = []
        for verifier in verifiers {
            if let result = verifier.turn(mouth, poller) { findings.append(Finding(verifier, result)) }
        }
        return findings
    }

    /// Something was heard on the link; that a gateway is there is of interest.
    func heard(_ sighting: Sighting) {
        guard sighting.kind == .holds else { return }
        for verifier in verifiers where verifier.gateway == sighting.address { verifier.heardGateway() }
    }

    /// Ends all questions.
    func close() {
        for verifier in verifiers { verifier.close() }
        verifiers = []
        missing = []
    }
}

extension Verifications.Finding {
    fileprivate init(_ verifier: Verifier, _ result: Verifier.Result) {
        var time: Duration?
        if case .verified(let after) = result { time = after }
        self.init(width: verifier.address.bitWidth, text: result.text(verifier.gateway), time: time)
    }
}

extension ClaimSession {
    /// Does something about the verification and tells what it has found; nothing where none is wanted.
    func verify(
        _ action: (Verifications, borrowing NeighborSocket, borrowing Poller) throws -> [Verifications.Finding]
    ) throws {
        guard mouth != nil, let verifications else { return }
        for finding in try action(verifications, mouth!, poller) { tell(finding) }
    }

    /// A gateway often comes later than the address, from DHCP or a router's advertisement.
    func lookForGateway() throws {
        guard isHolding, try verifications?.hasGatewayCome() == true else { return }
        // The one that is open does not hear this gateway.
        mouth = nil
        try openMouth()
        try verify { try $0.begin($1, $2, onlyMissing: true) }
    }
}
