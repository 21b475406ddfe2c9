// What servers of a zone say beside the primary: serials as RFC 1982 counts them, and answers that are none.

import QureCore
import Testing

struct AuthorityLookTests {
    private static let zone = DomainName("z.test")!
    private static let name = DomainName("cloud.z.test")!

    /// The answers of a server that has this serial and this address.
    private static func answers(_ serial: UInt32, _ address: String?, ttl: UInt32 = 60) -> [DNSMessage] {
        var soa = DNSMessage(id: 1, questions: [DNSQuestion(zone, .soa)]).response()
        let start = StartOfAuthority(
            primary: zone, mailbox: zone, serial: serial, refresh: 1, retry: 1, expire: 1, minimum: 1)
        soa.answers = [DNSRecord(zone, ttl: 300, RecordData(start))]
        var addresses = DNSMessage(id: 2, questions: [DNSQuestion(name, .a)]).response(
            address == nil ? .nameError : .noError)
        addresses.answers = address.map { [DNSRecord(name, ttl: ttl, .address(IPAddress($0)!))] } ?? []
        return [soa, addresses].map { message in
            var message = message
            message.flags.insert(.authoritative)
            return message
        }
    }

    private static let serials: [(UInt32, AuthorityLook.State)] = [
        (7, .current), (6, .behind), (8, .ahead), (.max, .behind), (0x8000_0006, .ahead), (0x8000_0008, .behind),
    ]

    @Test(arguments: serials)
    func `a serial says how a server stands beside the primary`(_ serial: UInt32, _ state: AuthorityLook.State) {
        let primary = AuthorityLook(Self.answers(7, "192.0.2.7"))
        let look = AuthorityLook(Self.answers(serial, "192.0.2.8", ttl: 30))
        #expect(look.state(beside: primary) == state)
        #expect(look.serial == serial && look.addresses == [IPAddress("192.0.2.8")!: 30])
        #expect(primary.state(beside: nil) == .primary)
    }

    @Test func `what is no answer of an authority counts as none`() {
        let primary = AuthorityLook(Self.answers(7, "192.0.2.7"))
        #expect(AuthorityLook([nil, nil]).state(beside: primary) == .silent)
        // One answer that was lost says nothing about the addresses.
        #expect(AuthorityLook([Self.answers(7, nil)[0], nil]).state(beside: primary) == .silent)
        #expect(AuthorityLook(Self.answers(7, nil)).state(beside: primary) == .current)
        var answers = Self.answers(7, "192.0.2.7")
        answers[1].flags.remove(.authoritative)
        let lame = AuthorityLook(answers)
        #expect(lame.state(beside: primary) == .lame && lame.refusal == .noError && lame.addresses.isEmpty)
        let refused = answers.map { $0.response(.refused) }
        #expect(AuthorityLook(refused).refusal == .refused)
    }
}
