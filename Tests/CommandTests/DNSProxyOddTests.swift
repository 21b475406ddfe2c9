// Messages that no good client sends, by datagram and by stream, at a running qure-dnsproxy. The table is that of what
// named, knotd, NSD, unbound, dnsmasq and dnsdist were seen to answer: where the good ones agree, we agree with them.

import Lab
import QureCore
import Testing

struct DNSProxyOddTests {
    /// A message and what it is answered with: a response code; nil: nothing.
    struct Row: CustomTestStringConvertible, Sendable {
        var what: String
        var octets: [UInt8]
        var code: UInt16?
        /// Whether the answer is a header alone.
        var isBare = true
        var stream: UInt16?

        var testDescription: String { what }
    }

    private static let name: [UInt8] = [2, 105, 115, 5, 116, 104, 101, 114, 101, 0]
    private static let question = name + [0, 1, 0, 1]

    private static func message(
        opcode: UInt8 = 0, flags: UInt8 = 0, counts: [UInt8] = [1, 0, 0, 0], _ body: [UInt8] = question
    ) -> [UInt8] {
        [0x12, 0x34, opcode << 3 | flags | 1, 0] + counts.flatMap { [0, $0] } + body
    }

    private static func options(version: UInt8 = 0, _ data: [UInt8] = [], length: Int? = nil) -> [UInt8] {
        [0, 0, 41, 4, 208, 0, version, 0, 0, 0, UInt8(length ?? data.count)] + data
    }

    private static let record = name + [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]

    static let rows = [
        Row(what: "opcode 15", octets: message(opcode: 15), code: 4),
        Row(what: "opcode 1", octets: message(opcode: 1), code: 4),
        Row(what: "no question", octets: message(counts: [0, 0, 0, 0], []), code: 1),
        Row(what: "two questions", octets: message(counts: [2, 0, 0, 0], question + question), code: 1),
        Row(what: "answers in a query", octets: message(counts: [1, 1, 0, 0], question + record), code: 1),
        Row(what: "two OPT", octets: message(counts: [1, 0, 0, 2], question + options() + options()), code: 1),
        Row(
            what: "OPT of a name", octets: message(counts: [1, 0, 0, 1], question + [1, 97] + options()), code: 1),
        Row(
            what: "EDNS version 1", octets: message(counts: [1, 0, 0, 1], question + options(version: 1)), code: 16,
            isBare: false),
        Row(
            what: "an option beyond the OPT",
            octets: message(counts: [1, 0, 0, 1], question + options([0, 10, 0, 40, 1, 2])), code: 1),
        Row(
            what: "a cookie of three octets",
            octets: message(counts: [1, 0, 0, 1], question + options([0, 10, 0, 3, 1, 2, 3])), code: 1, isBare: false),
        Row(what: "octets behind the end", octets: message(question + [1, 2, 3]), code: 0, isBare: false),
        Row(what: "an answer", octets: message(flags: 0x80), code: nil),
        Row(what: "eleven octets", octets: Array(message().prefix(11)), code: nil),
        Row(what: "nothing", octets: [], code: nil),
        Row(what: "a name that points at itself", octets: message([0xc0, 12, 0, 1, 0, 1]), code: nil),
        Row(what: "a name without an end", octets: message([3, 97, 98, 99]), code: nil),
        Row(
            what: "a record without an end", octets: message(counts: [1, 0, 0, 1], question + record.dropLast()),
            code: 1),
        Row(what: "class CH", octets: message(name + [0, 16, 0, 3]), code: 5, isBare: false),
        Row(what: "class ANY", octets: message(name + [0, 1, 0, 255]), code: 1, isBare: false),
        Row(what: "an update of class ANY", octets: message(opcode: 5, name + [0, 6, 0, 255]), code: 1, isBare: false),
        Row(what: "AXFR", octets: message(name + [0, 252, 0, 1]), code: 1, isBare: false, stream: 5),
        Row(what: "type OPT", octets: message(name + [0, 41, 0, 1]), code: 1, isBare: false),
    ]

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"), arguments: [false, true])
    func `odd messages are answered as the good servers answer them`(isStream: Bool) throws {
        let proxy = try ProxyUnderTest([])
        let marker = DNSMessage(
            id: 0x7777, flags: .recursionDesired, questions: [DNSQuestion(try #require(DomainName("is.there")), .a)])
        for row in Self.rows {
            let client = try RawClient(port: proxy.port, isStream: isStream)
            client.send(row.octets)
            // What comes behind it is answered in any case: so it shows whether anything came before.
            client.send(marker.encoded())
            let octets = try #require(try client.receive(), "\(row.what)")
            let answer = try DNSMessage(octets)
            guard let code = isStream ? row.stream ?? row.code : row.code else {
                #expect(answer.id == 0x7777, "\(row.what) was answered: \(answer)")
                continue
            }
            #expect(answer.id == 0x1234, "\(row.what)")
            #expect(answer.responseCode.rawValue == code, "\(row.what)")
            #expect(answer.flags.contains(.response) && answer.opcode.rawValue == row.octets[2] >> 3 & 15)
            if row.isBare { #expect(octets.count == 12, "\(row.what)") }
            #expect(try DNSMessage(#require(try client.receive())).id == 0x7777)
        }
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a stream answers as it is asked, to its end`() throws {
        let proxy = try ProxyUnderTest([])
        let client = try RawClient(port: proxy.port, isStream: true)
        let name = try #require(DomainName("is.there"))
        // A thousand questions in one go, the last one in pieces, and then no more.
        var octets: [UInt8] = []
        for id in 0..<900 {
            octets += StreamMessages.frame(
                DNSMessage(id: UInt16(id), flags: .recursionDesired, questions: [DNSQuestion(name, .a)]).encoded())
        }
        client.write(Array(octets.dropLast(5)))
        client.write(Array(octets.suffix(5)))
        client.endSending()
        var ids: Set<UInt16> = []
        while let answer = try client.receive() { ids.insert(try DNSMessage(answer).id) }
        #expect(ids == Set(0..<900))
    }
}
