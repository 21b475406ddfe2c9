// The entrances of qure-dnsupdate: scripts, key files, the configuration of the resolver, and answers of servers.

@testable import QureCore

extension Entrance {
    func takeUpdateScript(_ bytes: [UInt8]) {
        var script = UpdateScript()
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            if let request = try? script.take(line), request == .send { script.reset() }
            let message = script.message(id: 7)
            // What a script has put together is shown, and read again where it fits into a message.
            _ = message.updateText(isSent: false)
            guard DNSExchange.fits(message, key: script.key) else {
                script.reset()
                continue
            }
            let octets = message.encoded()
            precondition((try? DNSMessage(octets)) == message, "read otherwise than written")
        }
        _ = script.firstName
        _ = try? UpdateScript.key(argument: String(decoding: bytes, as: UTF8.self))
    }

    func takeUpdateKey(_ bytes: [UInt8]) {
        _ = try? TSIGKeyFile.key(bytes)
        let half = bytes.count / 2
        _ = try? TSIGKeyFile.key(private: Array(bytes[..<half]), record: Array(bytes[half...]))
        let configuration = ResolverConfiguration(bytes)
        precondition(!configuration.servers.isEmpty, "no server")
        for name in configuration.candidates(String(decoding: bytes.prefix(80), as: UTF8.self)) {
            _ = HostsFile.addresses(of: name.description, in: bytes)
        }
    }

    /// Datagrams, or messages of a stream, each with its length in front; the first octet says which, and whether the
    /// request was signed.
    func takeDNSExchange(_ bytes: [UInt8]) {
        guard let kind = bytes.first, let name = DomainName("z.test"), let server = DNSEndpoint("192.0.2.1") else {
            return
        }
        let key = TSIGKey(name: name, algorithm: TSIGAlgorithm(.sha256), secret: [1])
        var exchange = DNSExchange(
            DNSMessage.update(id: 0, zone: name), key: kind & 1 == 0 ? nil : key, servers: [server, server],
            usesStream: kind & 2 != 0)
        var random = Seeded(state: 1)
        var now = Instant(nanoseconds: 1)
        var outputs = exchange.step(.start, at: now, time: 1, using: &random)
        var stream = StreamMessages()
        var search = ZoneSearch(name, .internet, isNamed: false)
        for var octets in stream.take(bytes.dropFirst()) {
            // The number of the request, which the fuzzer cannot know.
            if case .sendDatagram(let sent, _)? = outputs.last, octets.count > 2 { octets[0...1] = sent[0...1] }
            if case .openStream(let sent, _)? = outputs.last, octets.count > 2 { octets[0...1] = sent[0...1] }
            if let message = try? DNSMessage(octets) {
                _ = search.take(message)
                _ = message.answeredAddresses
            }
            for input in [DNSExchange.Input.datagram(octets), .message(octets), .deadlinePassed] {
                let more = exchange.step(input, at: now, time: 1, using: &random)
                if !more.isEmpty { outputs = more }
                if input == .deadlinePassed, let due = exchange.nextDeadline {
                    precondition(due > now, "a deadline that has passed")
                }
            }
            now = exchange.nextDeadline ?? now
        }
    }

    /// The data of a TXT record.
    func takeSiteMarker(_ bytes: [UInt8]) {
        guard let data = RecordData(.txt, octets: bytes) else { return }
        if let marker = SiteMarker(data) {
            precondition(SiteMarker(marker.data) == marker, "read otherwise than written")
            _ = marker.isOver(at: 1)
        }
        guard let site = SiteNames.site(data), let name = DomainName("cloud.z.test"),
            let names = SiteNames(name, site: site)
        else { return }
        precondition(names.marker.isWithin(name) && SiteNames.site(names.claimData) == site, "another site")
    }

    /// What an authority answers to a site that stays, each message with its length in front.
    func takeRegistration(_ bytes: [UInt8]) {
        guard let kind = bytes.first, let zone = DomainName("z.test"), let name = DomainName("cloud.z.test"),
            let names = SiteNames(name, site: "box"), let address = IPAddress("192.0.2.7")
        else { return }
        var configuration = Registration.Configuration(names, machine: NodeID(rawValue: 1))
        configuration.stays = true
        configuration.isSole = kind & 1 != 0
        configuration.adopts = kind & 2 != 0
        configuration.lease = kind & 4 != 0 ? .seconds(60) : nil
        var machine = Registration(configuration)
        var random = Seeded(state: 1)
        var now = Instant(nanoseconds: 1)
        var stream = StreamMessages()
        _ = machine.step(kind & 8 == 0 ? .register : .withdraw, at: now, using: &random)
        for octets in stream.take(bytes.dropFirst()) {
            for input in [Registration.Input.deadlinePassed, .observed([address], keeping: []), .found(zone: zone)] {
                _ = machine.step(input, at: now, using: &random)
                if let next = machine.nextDeadline, case .deadlinePassed = input { now = max(now, next) }
            }
            guard let message = try? DNSMessage(octets) else { continue }
            for output in machine.step(.answer(message), at: now, using: &random) {
                if case .exchange(let sent) = output {
                    precondition((try? DNSMessage(sent.encoded())) == sent, "read otherwise than written")
                }
            }
        }
        _ = machine.step(.deadlinePassed, at: now, using: &random)
        if let next = machine.nextDeadline { precondition(next > now, "the law of deadlines") }
    }
}
