// The entrances of the election: a datagram before it is known who sent it, a conversation behind the authentication
// (the key is known here, so that damage gets past the code), the key file, and the control socket.

@testable import QureCore

extension Entrance {
    /// A datagram from anybody.
    func takeDatagram(_ bytes: [UInt8]) {
        _ = ElectionMessage.cluster(of: bytes)
        if let key = ElectionMessage.key(of: bytes) {
            precondition(KeyRing.insecure.open(bytes, key: key &+ 1) == nil, "opened with a key that is not there")
            _ = KeyRing.insecure.open(bytes, key: key)
        }
        var input = WireReader(bytes)
        guard let message = try? ElectionMessage(parsing: &input) else { return }
        _ = message.description
        _ = check(message)
    }

    /// A message written, sealed, opened and read is the same.
    private func check(_ message: ElectionMessage) -> ElectionMessage? {
        var sealed = message
        sealed.key = KeyRing.insecure.sendingKey
        var output = WireWriter()
        sealed.write(to: &output)
        let datagram = KeyRing.insecure.seal(output.bytes)
        precondition(ElectionMessage.key(of: datagram) == sealed.key, "longer than a datagram may be")
        guard let bytes = KeyRing.insecure.open(datagram, key: sealed.key) else { preconditionFailure("not opened") }
        var input = WireReader(bytes)
        let read = try? ElectionMessage(parsing: &input)
        precondition(read == sealed, "read otherwise than written")
        return read
    }

    /// What one who has the key says to a member: the time until then in milliseconds, the length, and the message, and
    /// so on. The header's fixed parts are made right, and its nonces are answered; the rest is as it comes.
    func takeConversation(_ bytes: [UInt8]) {
        var random = Seeded(state: 1)
        var now = Instant(nanoseconds: 1_000_000_000)
        var configuration = Election.Configuration(
            cluster: 1, node: NodeID(rawValue: 0x4142_4344_4546_4748), session: 7, name: "me",
            mac: MACAddress(rawValue: 2))
        configuration.requiresGateway = bytes.first.map { $0 & 1 == 1 } ?? false
        var election = Election(configuration)
        var nonces: [UInt64] = []
        take(election.step(.start, at: now, using: &random), &nonces)
        var rest = bytes[...]
        while let wait = rest.popFirst(), let length = rest.popFirst() {
            now += .milliseconds(Int64(wait) * 4)
            var message = Array(rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
            if let next = election.nextDeadline, next <= now {
                take(election.step(.deadlinePassed, at: now, using: &random), &nonces)
                precondition(election.nextDeadline.map { $0 > now } ?? true, "the law of deadlines")
            }
            guard message.count >= 72 else { continue }
            message.replaceSubrange(0..<5, with: [0x51, 0x55, 0x52, 0x45, 1])
            message.replaceSubrange(8..<16, with: [0, 0, 0, 0, 0, 0, 0, 1])
            var input = WireReader(message)
            guard var heard = try? ElectionMessage(parsing: &input) else { continue }
            if heard.echo != nil, let nonce = nonces.last { heard.echo = nonce }
            guard let opened = check(heard) else { return }
            take(election.step(.heard(opened, received: now), at: now, using: &random), &nonces)
            precondition(election.members.count <= Election.maximumMembers, "more members than there may be")
        }
    }

    /// What a member says must be sayable.
    private func take(_ outputs: [Election.Output], _ nonces: inout [UInt64]) {
        for case .send(let message, _) in outputs {
            _ = check(message)
            if message.kind == .challenge, let nonce = message.nonce { nonces.append(nonce) }
        }
    }

    func takeKeys(_ bytes: [UInt8]) {
        guard let ring = try? KeyRing(bytes) else { return }
        let message = [UInt8](repeating: 1, count: 80)
        let sealed = ring.seal(message)
        precondition(ring.open(sealed, key: ring.sendingKey) == message, "a ring that does not open its own")
        precondition(KeyRing.insecure.open(sealed, key: 0) == nil || isInsecure(ring), "opened by another key")
    }

    /// What a client of the control socket sends: all at once, and octet by octet as far as the daemon listens.
    func takeControl(_ bytes: [UInt8]) {
        let whole = ControlRequest.read(bytes)
        var heard: [UInt8] = []
        var piecewise = ControlRequest.Reading.unfinished
        for byte in bytes where piecewise == .unfinished {
            heard.append(byte)
            piecewise = ControlRequest.read(heard)
        }
        precondition(piecewise == whole, "read otherwise in pieces")
        precondition(heard.count <= ControlRequest.maximumLength + 1, "more is kept than a line")
        switch whole {
        case .request(let request): precondition(heard == Array("\(request)\n".utf8), "\(request)")
        case .unknown(let line): precondition(!line.contains("\n"), "an answer of two lines")
        case .unfinished, .tooLong: break
        }
    }

    private func isInsecure(_ ring: KeyRing) -> Bool { ring.seal([1]) == KeyRing.insecure.seal([1]) }
}
