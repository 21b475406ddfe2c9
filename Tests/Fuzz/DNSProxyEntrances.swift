// The entrance of qure-dnsproxy: datagrams and messages of streams, from friends and strangers, before and after
// answers of servers; and settings.

@testable import QureCore

extension Entrance {
    /// The first octet says who asks and how; the rest is what he sends, and then what a server sends.
    func takeDNSProxy(_ bytes: [UInt8]) {
        guard let kind = bytes.first, let upstream = DNSEndpoint("192.0.2.53"), let target = DomainName("dyn.test"),
            let alias = DomainName("c.example"), let local = Prefix("10.0.0.0/8")
        else { return }
        var configuration = RelayConfiguration()
        configuration.upstreams = [upstream]
        configuration.aliases = [Alias(alias, target: target)]
        configuration.audiences = Audiences(recursion: [local])
        configuration.notify.sources = [local]
        configuration.cookie = ServerCookie(secret: (1, 2))
        configuration.cacheSize = 16
        configuration.staleLimit = .seconds(60)
        if let rule = try? UpdateRule(setting: "192.0.2.54 unsigned=yes") { configuration.updates = [rule] }
        var now = Instant(nanoseconds: 1_000_000_000)
        var relay = Relay(configuration, cacheKey: (1, 2), at: now)
        var random = Seeded(state: UInt64(kind))
        let address = IPv4Address(rawValue: kind & 1 == 0 ? 0x0a00_0001 : 0xc000_0201)
        let client = RelayClient(.v4(address), port: 4000, stream: kind & 2 == 0 ? nil : 1)
        let rest = Array(bytes.dropFirst())
        let half = kind & 4 == 0 ? rest.count : rest.count / 2
        let request = Array(rest[..<half]), answer = Array(rest[half...])
        var outputs = relay.step(.request(request, client), at: now, time: 1_700_000_000, using: &random)
        outputs += relay.step(.refresh(request, client), at: now, time: 1_700_000_000, using: &random)
        for number in relay.works.keys.sorted() + relay.updates.keys.sorted() {
            // The ID is what a forger would have to guess.
            var answer = answer
            if let id = relay.works[number]?.exchange.query?.id, answer.count > 2 {
                answer.replaceSubrange(0..<2, with: [UInt8(id >> 8), UInt8(id & 0xff)])
            }
            for input in [DNSExchange.Input.datagram(answer), .message(answer)] {
                outputs += relay.step(.exchange(number, input), at: now, time: 1_700_000_000, using: &random)
            }
        }
        for output in outputs {
            guard case .answer(let octets, let client) = output else { continue }
            precondition(client.stream != nil || octets.count <= 1232, "a datagram of \(octets.count) octets")
            precondition((try? DNSMessage(octets)) != nil || octets == answer, "an answer that cannot be read")
        }
        takePlainQuery(request, &relay, at: now)
        now += .seconds(70)
        _ = relay.step(.deadlinePassed, at: now, time: 1_700_000_070, using: &random)
    }

    /// What the cache makes of the same octets.
    private func takePlainQuery(_ request: [UInt8], _ relay: inout Relay, at now: Instant) {
        guard let plain = PlainQuery(request.span, audience: 1) else { return }
        precondition((try? DNSMessage(request)) != nil, "plain, and no message")
        var room = [UInt8](repeating: 0, count: 1232)
        var output = room.mutableSpan
        let found = relay.cache.find(request.span, plain, limit: 1232, at: now, into: &output)
        _ = plain.truncate(request.span, into: &output)
        guard case .answer(let length, _) = found, plain.cookieLength > 0 else { return }
        let address = IPAddress.v4(IPv4Address(rawValue: 1))
        _ = relay.configuration.cookie?.append(
            to: &output, length: length, limit: 1232, for: request.span, plain, address, at: 7)
    }

    func takeDNSProxySetting(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        _ = try? Alias(setting: text)
        _ = try? RelayConfiguration.Forward(setting: text)
        _ = try? UpdateRule(setting: text)
        _ = try? DelegatedZone(setting: text)
        _ = try? Audiences.View(setting: text)
        _ = try? DNSEndpoint(setting: text)
        var local = LocalData()
        _ = local.addHosts(bytes, ttl: 60)
        if let zone = try? ZoneFile(bytes, origin: .root) { _ = local.addZone(zone.records) }
        for name in local.zoneNames { _ = local.answer(DNSQuestion(name, .a)) }
    }
}
