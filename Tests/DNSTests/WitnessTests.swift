// An independent decoder judges messages, record data and signatures: dnspython, by witness.py. Random and hostile
// messages, from a seed, must be accepted by both or rejected by both, and mean the same to both; where the two differ
// on purpose, the table of differences says why.

import Lab
import QureCore
import Simulator
import Testing

/// Where dnspython rejects what we accept. We accept everything that it does, but for types that it does not look
/// into, TXT without a string (RFC 1035 section 3.3.14 wants one or more, and so does BIND), and a name with a label
/// that runs over the pointer that leads to it, after which dnspython has lost its place.
private struct Difference: Sendable {
    /// What dnspython raises, and words in its explanation.
    var exception: String
    var words: String
    /// Whether the message is of the kind that the difference is about.
    var applies: @Sendable (DNSMessage) -> Bool
    var reason: String

    static let all: [Difference] = [
        Difference(
            exception: "ValueError", words: "is not a valid Opcode", applies: { _ in true },
            reason: "unknown operations are for the server to answer with NOTIMP, and need a value for that"),
        Difference(
            exception: "FormError", words: "", applies: { $0.opcode == .update && $0.zone?.type != .soa },
            reason: "what an update's zone section must be is the server's rule (RFC 2136 section 3.1.1)"),
        Difference(
            exception: "FormError", words: "", applies: { $0.opcode == .update && $0.hasUpdateClass },
            reason: "so is which records of class ANY and NONE have data (RFC 2136 sections 3.2 and 3.4)"),
        Difference(
            exception: "FormError", words: "", applies: { $0.has { $0 == .loc } },
            reason: "a place beyond a pole, or of another version, has no text form but can be passed on (RFC 3597)"),
        Difference(
            exception: "FormError", words: "declared mandatory but not present", applies: { $0.hasService },
            reason: "service bindings that contradict themselves are for the client to ignore (RFC 9460 section 8)"),
        Difference(
            exception: "FormError", words: "alpn", applies: { $0.hasService },
            reason: "service bindings that contradict themselves are for the client to ignore (RFC 9460 section 7.1)"),
        Difference(
            exception: "FormError", words: "digest length",
            applies: { $0.has { ["DS", "CDS"].contains($0.description) } },
            reason: "how long a digest must be is known to who computes it"),
        Difference(
            exception: "FormError", words: "rcode must be",
            applies: { ($0.signature?.error.rawValue ?? 0) > 4095 },
            reason: "the error of a TSIG has sixteen bits (RFC 8945 section 4.2)"),
        Difference(
            exception: "FormError", words: "", applies: { $0.has { unknown.contains($0.description) } },
            reason: "types that are opaque here: nothing of them is read, so nothing in them is wrong"),
    ]

    /// Types that we look into and dnspython does not: MD, MF, MB, MG, MR, MINFO, SIG, KEY, PX, KX, ZONEMD, DSYNC,
    /// HHIT, BRID, TA.
    static func isOpaqueToThem(_ types: String) -> Bool {
        let known: Set<Substring> = [
            "3", "4", "7", "8", "9", "14", "24", "25", "26", "36", "63", "66", "67", "68", "32768",
        ]
        return !known.isDisjoint(with: types.split(separator: ","))
    }

    /// Types that dnspython looks into and we do not.
    private static let unknown = [
        "WKS", "ISDN", "NSAP", "NSAP-PTR", "GPOS", "APL", "IPSECKEY", "HIP", "NID", "L32", "L64", "LP", "TKEY", "NINFO",
        "AMTRELAY",
    ]
}

extension DNSMessage {
    /// Whether a record is of a type that `matches`.
    fileprivate func has(_ matches: (RecordType) -> Bool) -> Bool {
        (answers + authorities + additionals).contains { matches($0.type) }
    }

    fileprivate var hasService: Bool { has { $0 == .svcb || $0 == .https } }

    fileprivate var hasUpdateClass: Bool {
        (answers + authorities + additionals).contains { [RecordClass.any, RecordClass.none].contains($0.recordClass) }
    }
}

/// Lines for witness.py, and what it answers.
private func witness(_ lines: [String]) throws -> [String] {
    let path = String(must("mktemp").dropLast())
    defer { must("rm -f \(path)") }
    try TextFile.write(lines.map { $0 + "\n" }.joined(), to: path)
    let script = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/witness.py"
    let answers = shell("/usr/bin/python3 \(script) < \(path)").output.split(separator: "\n").map(String.init)
    try #require(answers.count == lines.count, "\(answers.suffix(3))")
    return answers
}

private func hexadecimal(_ octets: some Collection<UInt8>) -> String {
    String(decoding: BinaryText.hexadecimal.text(octets), as: UTF8.self)
}

/// The message as dnspython may give it back: it compresses without regard to case, and loses the time to live, which
/// says nothing, of records without data.
private func canonical(_ message: DNSMessage) -> DNSMessage {
    func records(_ records: [DNSRecord]) -> [DNSRecord] {
        records.map { DNSRecord($0.name, $0.recordClass, ttl: $0.data.octets.isEmpty ? 0 : $0.ttl, $0.data.canonical) }
    }
    var message = message
    message.answers = records(message.answers)
    message.authorities = records(message.authorities)
    message.additionals = records(message.additionals)
    return message
}

@Suite struct WitnessTests {
    @Test func `record data are written and read alike`() throws {
        var words = TextForm.all.map { ZoneText($0.text.utf8) }
        let data = try zip(TextForm.all, words.indices).map { form, index in
            try RecordData(try #require(RecordType(form.type)), from: &words[index], origin: name("example"))
        }
        // dnspython 2.3 does not know the key of RFC 9461, nor the youngest types.
        let younger = ["DSYNC", "HHIT", "BRID"]
        let known = data.filter { !$0.text().contains("dohpath") && !younger.contains($0.type.description) }
        let answers = try witness(
            known.map { "data\t\($0.type)\t\(hexadecimal($0.octets))\t\($0.text())" }
                + known.map { "text\t\($0.type)\t\(hexadecimal($0.octets))" })
        for (data, answer) in zip(known, answers) { #expect(answer == "same", "\(data.type) \(data.text())") }
        for (data, text) in zip(known, answers.dropFirst(known.count)) {
            #expect(RecordData(data.type, text) == data, "\(data.type) \(text)")
        }
    }

    @Test(arguments: 1...3)
    func `messages are judged alike`(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var lines: [String] = []
        var messages: [(octets: [UInt8], ours: Result<DNSMessage, any Error>)] = []
        for _ in 0..<1500 {
            var octets = try RandomMessage.message(&random).encoded()
            if Bool.random(using: &random) { RandomMessage.damage(&octets, &random) }
            let ours = Result { try DNSMessage(octets) }
            messages.append((octets, ours))
            lines.append("message\t\(hexadecimal(octets))")
            let again = (try? ours.get())?.encoded() ?? octets
            lines.append("same\t\(hexadecimal(octets))\t\(hexadecimal(again))")
        }
        let answers = try witness(lines)
        var accepted = 0
        for (index, message) in messages.enumerated() {
            let words = answers[2 * index].split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            let again = answers[2 * index + 1]
            switch (message.ours, words[0]) {
            case (.success(let ours), "accept"):
                accepted += 1
                #expect(again == "same", "\(hexadecimal(message.octets))")
                guard words[1] != "-" else { continue }
                let theirs = try DNSMessage(fromHexadecimal(words[1]))
                #expect(canonical(theirs) == canonical(ours), "\(hexadecimal(message.octets))")
            case (.failure, "reject"): break
            case (.success(let ours), _):
                let known = Difference.all.first {
                    $0.exception == words[1] && words[2].contains($0.words) && $0.applies(ours)
                }
                #expect(known != nil, "we accept, they \(words): \(hexadecimal(message.octets))")
            case (.failure(let error as WireError), _)
            where error == WireError(.truncated, field: "dns.rdata.string", offset: error.offset)
                || error.field.hasPrefix("dns.rdata") && Difference.isOpaqueToThem(words[2]):
                break
            case (.failure(let error), _):
                Issue.record("they accept, we: \(error): \(hexadecimal(message.octets))")
            }
        }
        // Neither all nor nothing.
        #expect((500..<1400).contains(accepted))
    }

    @Test func `signatures are checked alike`() throws {
        let time: UInt64 = 1_700_000_000
        let secret = hexadecimal([UInt8](1...32))
        var lines: [String] = []
        var clients: [TSIGSession] = []
        for algorithm in [
            "hmac-md5.sig-alg.reg.int", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512",
        ] {
            let key = key(algorithm)
            var client = TSIGSession(key)
            let request = client.sign(Sample.query, at: time)
            var server = TSIGSession(key)
            let heard = try server.verify(request, at: time)
            let code = hexadecimal(heard.signature?.code ?? [])
            let reply = server.sign(heard.response().encoded(), at: time)
            let common = "\(key.name)\t\(algorithm)\t\(secret)\t\(time)"
            lines.append("tsig\t\(hexadecimal(request))\t\(common)\t")
            lines.append("tsig\t\(hexadecimal(reply))\t\(common)\t\(code)")
            lines.append("sign\t\(hexadecimal(heard.response().encoded()))\t\(common)\t\(code)")
            clients.append(client)
        }
        let answers = try witness(lines)
        for (index, client) in clients.enumerated() {
            #expect(answers[3 * index] == "accept" && answers[3 * index + 1] == "accept")
            let stream = answers[3 * index + 2].split(separator: " ").map { fromHexadecimal(String($0)) }
            try #require(stream.count == 3, "\(answers[3 * index + 2])")
            var client = client
            for message in stream { _ = try client.verify(message, at: time) }
            #expect(client.isComplete)
        }
    }
}

private func fromHexadecimal(_ text: String) -> [UInt8] { BinaryText.hexadecimal.octets(text.utf8) ?? [] }
