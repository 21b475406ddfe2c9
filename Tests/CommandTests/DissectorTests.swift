// The Wireshark dissector (contrib/qure-election.lua) shows what the golden datagrams of the election say: tshark reads
// them from a capture that is made here.

import Glibc
import Lab
import Testing

@Suite(.enabled(if: Repository.has("tshark"), "no tshark: scripts/deps installs it"))
struct DissectorTests {
    private static let fixtures = "\(Repository.path)/Tests/WireTests/Fixtures/election"
    private static let kinds = [
        "heartbeat", "hello", "suspect", "alive", "claim", "transfer", "acknowledgement", "released", "goodbye",
        "challenge", "response", "down",
    ]

    /// The bytes of a golden datagram.
    private static func datagram(_ file: String) throws -> [UInt8] {
        let text = Repository.text("Tests/WireTests/Fixtures/election/\(file).hex")
        return try text.split(separator: "\n").flatMap { line in
            try line.prefix { $0 != "#" }.split(separator: " ").map { try #require(UInt8($0, radix: 16)) }
        }
    }

    /// A capture of raw IPv4 with one UDP datagram in each packet.
    private static func capture(_ datagrams: [[UInt8]]) -> [UInt8] {
        func big(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        // Magic, version 2.4, time zone, accuracy, longest packet, link type 101: raw IP.
        var bytes = big(0xa1b2_c3d4, 4) + big(2, 2) + big(4, 2) + big(0, 8) + big(65535, 4) + big(101, 4)
        for payload in datagrams {
            let udp = big(7784, 2) + big(7784, 2) + big(8 + payload.count, 2) + big(0, 2) + payload
            let packet =
                [0x45, 0] + big(20 + udp.count, 2) + big(0, 4) + [255, 17, 0, 0, 192, 0, 2, 7, 224, 0, 0, 123] + udp
            bytes += big(0, 8) + big(packet.count, 4) + big(packet.count, 4) + packet
        }
        return bytes
    }

    /// What tshark says of these datagrams.
    private static func tshark(_ datagrams: [[UInt8]], _ options: String) throws -> [Substring] {
        let folder = TemporaryFolder()
        let file = "\(folder.path)/golden.pcap"
        let stream = try #require(fopen(file, "w"))
        let bytes = capture(datagrams)
        try #require(fwrite(bytes, 1, bytes.count, stream) == bytes.count && fclose(stream) == 0)
        let script = "\(Repository.path)/contrib/qure-election.lua"
        let result = shell("tshark -n -X lua_script:'\(script)' -r '\(file)' \(options) 2> /dev/null")
        try #require(result.status == 0, "\(result.output)")
        return result.output.split(separator: "\n")
    }

    /// The fields of each datagram, by name; several of one name are separated by commas.
    private static func fields(_ datagrams: [[UInt8]], _ names: [String]) throws -> [[String: String]] {
        let options = names.map { "-e \($0)" }.joined(separator: " ")
        return try tshark(datagrams, "-T fields -E separator='|' \(options)").map { line in
            let values = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            return Dictionary(uniqueKeysWithValues: zip(names.map { String($0.dropFirst(5)) }, values))
        }
    }

    private static let names = [
        "version", "kind", "role", "flags", "flags.healthy", "flags.maintenance", "flags.resumed", "cluster", "node",
        "session", "sequence", "term", "rank", "priority", "key", "interval", "tolerance", "settings", "gateway_age",
        "table", "option", "successor", "digest.node", "digest.session", "digest.sequence", "nonce", "echo", "subject",
        "heard.sequence", "heard.age", "mac", "name", "reason", "option.unknown",
    ].map { "qure.\($0)" }

    @Test func `every field of every kind of message is shown`() throws {
        let shown = try Self.fields(try Self.kinds.map { try Self.datagram("v1/\($0)") }, Self.names)
        try #require(shown.count == Self.kinds.count)
        let nonce = "0xa1a2a3a4a5a6a7a8", other = "0x4142434445464748"
        let digest = ["digest.node": other, "digest.session": "0x6162636465666768", "digest.sequence": "9"]
        let own: [[String: String]] = [
            digest.merging(["role": "4", "option": "1,2,7,8", "successor": "\(other),0x5152535455565758"]) { $1 },
            digest.merging(["rank": "65535", "gateway_age": "4294967295", "option": "2,7,8"]) { $1 },
            ["role": "2", "option": "3,5,7,8", "nonce": nonce, "subject": other],
            ["option": "4,5,6,7,8", "echo": nonce, "subject": other, "heard.sequence": "11", "heard.age": "12345"],
            ["role": "3"], ["role": "5", "option": "5,7,8", "subject": other],
            ["role": "4", "option": "5,7,8", "subject": other], ["option": "5,7,8", "subject": other],
            ["role": "9", "option": "7,8,9", "reason": "stopped", "flags": "0x03", "flags.maintenance": "1"],
            ["role": "0", "option": "3,7,8", "nonce": nonce, "flags": "0x0a", "flags.resumed": "1"],
            ["option": "4,7,8", "echo": nonce], ["option": "5,7,8", "subject": other],
        ]
        for (index, kind) in Self.kinds.enumerated() {
            var wanted = [
                "version": "1", "kind": "\(index + 1)", "role": "1", "flags": "0x02", "flags.healthy": "1",
                "flags.maintenance": "0", "flags.resumed": "0", "cluster": "0x1112131415161718",
                "node": "0x2122232425262728", "session": "0x3132333435363738", "sequence": "\(256 + index)",
                "term": "7", "rank": "2", "priority": "100", "key": "1", "interval": "100000", "tolerance": "200000",
                "settings": "0xcafebabe", "gateway_age": "40", "table": "3", "option": "7,8",
                "mac": "52:54:00:12:34:56", "name": "h1",
            ]
            wanted.merge(own[index]) { $1 }
            for (name, value) in shown[index] where value != wanted[name, default: ""] {
                Issue.record("\(kind): \(name) is '\(value)', not '\(wanted[name, default: ""])'")
            }
        }
    }

    @Test func `the names are shown, and can be filtered by`() throws {
        let all = try Self.kinds.map { try Self.datagram("v1/\($0)") }
        let lines = try Self.tshark(all, "")
        for (kind, line) in zip(Self.kinds, lines) { #expect(line.contains("QURE") && line.contains(" \(kind) h1 ")) }
        #expect(try Self.tshark(all, "-Y 'qure.kind == 5 and qure.term > 6'").count == 1)
        #expect(try Self.tshark(all, "-Y 'qure.reason == \"stopped\" and qure.name == \"h1\"'").count == 1)
        let text = try Self.tshark(all, "-V -O qure").joined(separator: "\n")
        for word in ["Kind: claim (5)", "Role: transferring (5)", "Healthy: True", "Reason: stopped"] {
            #expect(text.contains(word))
        }
    }

    @Test func `options of later versions are shown as bytes, and what is cut or wrong as malformed`() throws {
        let later = try Self.datagram("later/heartbeat")
        let shown = try Self.fields([later], Self.names)
        #expect(shown.first?["version"] == "2" && shown.first?["option.unknown"] == "6c61746572")
        #expect(shown.first?["name"] == "h1")
        var beyond = try Self.datagram("v1/claim")
        beyond[73] = 200
        var wrong = try Self.datagram("v1/suspect")
        wrong[73] = 7
        let short = Array(try Self.datagram("v1/claim").prefix(87))
        let filter = "-Y 'qure.malformed'"
        #expect(try Self.tshark([later], filter).isEmpty)
        #expect(try Self.tshark([beyond, wrong], filter).count == 2)
        #expect(try Self.tshark([short], "-Y qure").isEmpty)
    }
}
