// What gateways are asked and what they answer: PCP and NAT-PMP octet by octet as RFC 6887 and RFC 6886 draw them,
// SSDP, HTTP in pieces of every size, descriptions and answers of UPnP, and what else a device on the link may send.

import QureCore
import Testing

struct GatewayMessageTests {
    private static let nonce: [UInt8] = Array(1...12)

    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.filter { $0.isHexDigit }
        return stride(from: 0, to: digits.count, by: 2).map { offset in
            let start = digits.index(digits.startIndex, offsetBy: offset)
            return UInt8(digits[start...].prefix(2), radix: 16) ?? 0
        }
    }

    // MARK: PCP and NAT-PMP

    private static let granted = hex(
        """
        02 81 00 00  0000003c  000003e8  00000000 00000000 00000000
        01020304 05060708 090a0b0c  11 000000  0009 10e1  00000000 00000000 0000ffff 54010203
        """)

    @Test func `a request for a mapping, octet by octet`() throws {
        let client = try #require(IPAddress("192.168.1.10"))
        let request = PCPRequest(lifetime: 60, client: client, mapping: PCPMapping(nonce: Self.nonce))
        let expected = Self.hex(
            """
            02 01 0000  0000003c  00000000 00000000 0000ffff c0a8010a
            01020304 05060708 090a0b0c  11 000000  0009 0000  00000000 00000000 0000ffff 00000000
            """)
        #expect(request.octets == expected)
    }

    @Test func `a mapping that was granted, and every part of it missing`() throws {
        let response = try PCPResponse(Self.granted)
        #expect(response.external == IPAddress("84.1.2.3"))
        #expect(response.mapping?.nonce == Self.nonce && response.epoch == 1000 && response.lifetime == 60)
        for length in 0..<Self.granted.count {
            #expect(throws: WireError.self) { try PCPResponse(Array(Self.granted.prefix(length))) }
        }
        // Options that were not asked for change nothing.
        #expect(try PCPResponse(Self.granted + [1, 0, 0, 0]).external == IPAddress("84.1.2.3"))
        var version = Self.granted
        version[0] = 1
        #expect(throws: WireError(.unexpected, field: "pcp.version", offset: 0)) { try PCPResponse(version) }
        // Our own request, which a confused switch may send back.
        var request = Self.granted
        request[1] = 1
        #expect(throws: WireError(.unexpected, field: "pcp.opcode", offset: 1)) { try PCPResponse(request) }
    }

    @Test func `an error has no address, whatever is behind it`() throws {
        var refused = Self.granted
        refused[3] = 2
        let response = try PCPResponse(refused)
        #expect(response.external == nil && "\(response.result)" == "not authorized")
        #expect(try PCPResponse(Array(refused.prefix(24))).mapping == nil)
        refused[3] = 99
        #expect(try "\(PCPResponse(refused).result)" == "result 99")
    }

    @Test func `an answer of NAT-PMP`() throws {
        let octets = Self.hex("00 80 0000 000003e8 54010203")
        #expect(try NATPMPResponse(octets).external == IPv4Address("84.1.2.3"))
        for length in 0..<octets.count {
            #expect(throws: WireError.self) { try NATPMPResponse(Array(octets.prefix(length))) }
        }
        #expect(try NATPMPResponse(Self.hex("00 80 0003 000003e8")).external == nil)
        // To a question of a later version.
        #expect(try NATPMPResponse(Self.hex("00 81 0001 000003e8")).result == .unsupportedVersion)
        // The answer to the request for a mapping, which we did not make.
        #expect(throws: WireError.self) { try NATPMPResponse(Self.hex("00 81 0000 000003e8 54010203")) }
    }

    @Test func `an announcement of either protocol, and what is none`() throws {
        let older = Self.hex("00 80 0000 00000007 54010203"), newer = Self.hex("02 80 0000 00000000 00000007") + zeros
        #expect(try GatewayAnnouncement(older).external == IPv4Address("84.1.2.3"))
        #expect(try "\(GatewayAnnouncement(older))" == "nat-pmp epoch=7 84.1.2.3")
        #expect(try "\(GatewayAnnouncement(newer))" == "pcp epoch=7")
        for octets in [older, newer] {
            for length in 0..<octets.count {
                #expect(throws: WireError.self) { try GatewayAnnouncement(Array(octets.prefix(length))) }
            }
        }
        // Requests, a mapping, word of another version, and a protocol of nobody's.
        for octets in [[0, 0], Self.granted, Self.hex("00 81 0001 000003e8"), [1, 0x80] + zeros + zeros] {
            #expect(throws: WireError.self) { try GatewayAnnouncement(octets) }
        }
    }

    private let zeros = [UInt8](repeating: 0, count: 12)

    // MARK: SSDP

    @Test func `a gateway says where its description is`() {
        let target = "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1"
        func location(_ lines: String...) -> String? {
            SSDP.location(in: Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))?.description
        }
        let url = "http://192.168.1.1:5000/root.xml"
        #expect(location("HTTP/1.1 200 OK", target, "Location:  \(url) ") == url)
        #expect(location("HTTP/1.1 200 OK", "location:\(url)", target.lowercased()) == nil)
        #expect(location("HTTP/1.1 404 No", target, "Location: \(url)") == nil)
        #expect(location("NOTIFY * HTTP/1.1", target, "Location: \(url)") == nil)
        #expect(location("HTTP/1.1 200 OK", "ST: upnp:rootdevice", "Location: \(url)") == nil)
        #expect(location("HTTP/1.1 200 OK", target) == nil)
        #expect(SSDP.searches.allSatisfy { String(decoding: $0, as: UTF8.self).hasSuffix("\r\n\r\n") })
    }

    @Test(arguments: [
        ("http://192.168.1.1/a?b#c", "http://192.168.1.1:80/a?b"), ("HTTP://10.0.0.1:49152", "http://10.0.0.1:49152/"),
        ("http://10.0.0.1?x", "http://10.0.0.1:80/?x"), ("https://10.0.0.1/", nil), ("http://router/", nil),
        ("http://10.0.0.1:0/", nil), ("http://10.0.0.1:65536/", nil), ("http://10.0.0.1:/", nil), ("http://", nil),
        ("http://user@10.0.0.1/", nil), ("http://10.0.0.1/a b", nil), ("http://10.0.0.1/\r\nHost: x", nil),
        ("http://010.0.0.1/", nil), ("http://10.0.0.1/" + String(repeating: "a", count: 1024), nil), ("", nil),
    ])
    func `URLs have an address and nothing that breaks a request`(_ text: String, _ expected: String?) {
        #expect(HTTPURL(text)?.description == expected)
    }

    @Test(arguments: [
        ("/ctl", "http://10.0.0.1:5000/ctl"), ("ctl", "http://10.0.0.1:5000/igd/ctl"),
        ("http://10.0.0.1/x", "http://10.0.0.1:80/x"), ("http://10.0.0.9/x", "http://10.0.0.9:80/x"), ("", nil),
        ("/a b", nil),
    ])
    func `references stand in a description`(_ reference: String, _ expected: String?) throws {
        let url = try #require(HTTPURL("http://10.0.0.1:5000/igd/root.xml?a=/b"))
        #expect(url.resolving(reference)?.description == expected)
    }

    // MARK: HTTP

    private static let wholes: [(String, String)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", "200 hello"),
        ("HTTP/1.0 200\r\nContent-Length: 0\r\n\r\n", "200 "),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 None\nContent-Length: 2\n\nno", "404 no"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "200 hello"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n5\r\nhello\r\n0\r\n", "200 hello"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "200 hello"),
    ]

    @Test(arguments: wholes)
    func `a response in pieces of every size`(_ text: String, _ expected: String) throws {
        let octets = Array(text.utf8)
        for size in 1...octets.count {
            var reader = HTTPResponseReader()
            var response: HTTPResponse?
            var rest = octets[...]
            while response == nil, !rest.isEmpty {
                response = try reader.take(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            let whole = try #require(response)
            #expect("\(whole.status) \(String(decoding: whole.body, as: UTF8.self))" == expected)
        }
    }

    @Test func `a response without a length ends with the stream, others do not`() throws {
        var open = HTTPResponseReader()
        #expect(try open.take(Array("HTTP/1.1 200 OK\r\n\r\nhel".utf8)) == nil)
        #expect(try open.take(Array("lo".utf8)) == nil)
        #expect(try open.end().body == Array("hello".utf8))
        for cut in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"] {
            var reader = HTTPResponseReader()
            _ = try reader.take(Array(cut.utf8))
            #expect(throws: WireError.self) { try reader.end() }
        }
    }

    @Test(arguments: [
        "SSH-2.0-x\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n", "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 262145\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\n" + String(repeating: "a: b\r\n", count: 100) + "\r\n",
        "HTTP/1.1 200 OK\r\n" + String(repeating: "a", count: 16_400),
        "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "a", count: 262_145),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + String(repeating: "8000\r\n" + String(repeating: "a", count: 0x8000) + "\r\n", count: 9),
    ])
    func `what no device may send`(_ text: String) {
        var reader = HTTPResponseReader()
        #expect(throws: WireError.self) { try reader.take(Array(text.utf8)) }
    }

    // MARK: Descriptions

    @Test func `tags, text, and what is neither`() {
        let head = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x \"y\">]>"
        let text = "<a:b c='d'> one &amp;&#65;&x;&lt</a:b><!-- <n> -->"
        var scanner = XMLScanner(Array((head + text + "<e/><f><![CDATA[<g>&amp;]]></f>").utf8))
        var parts: [String] = []
        while let part = scanner.next() {
            switch part {
            case .open(let name): parts.append("<\(name)")
            case .close(let name): parts.append(">\(name)")
            case .text(let text): parts.append(text)
            }
        }
        // The end of a document type with entities is not understood, and looks like text.
        #expect(parts == ["]>", "<b", "one &A&x;&lt", ">b", "<e", ">e", "<f", "<g>&amp;", ">f"])
        for broken in ["<", "<a", "<!--", "<![CDATA[x", "</", "<>", "&", "<?", "<a<b>"] {
            var scanner = XMLScanner(Array(broken.utf8))
            for _ in 0..<10 where scanner.next() == nil { break }
        }
    }

    private static func service(_ type: String, _ control: String) -> String {
        "<service><serviceType>\(type)</serviceType><controlURL>\(control)</controlURL></service>"
    }
    private static let connection = "urn:schemas-upnp-org:service:WANIPConnection:1"

    @Test func `the connections of a description`() throws {
        let url = try #require(HTTPURL("http://192.168.1.1:5000/root.xml"))
        func controls(_ services: String...) -> [String] {
            let device = GatewayDevice(Array("<root>\(services.joined())</root>".utf8), from: url)
            return device.services.map(\.control.description)
        }
        let other = "urn:schemas-upnp-org:service:Layer3Forwarding:1"
        let one = controls(Self.service(other, "/l3"), Self.service(Self.connection, "/ip"))
        #expect(one == ["http://192.168.1.1:5000/ip"])
        #expect(controls("<URLBase>http://192.168.1.1:99</URLBase>", Self.service(Self.connection, "x")) == [
            "http://192.168.1.1:99/x"
        ])
        // Another host, and what would break the header of the question.
        #expect(controls(Self.service(Self.connection, "http://192.168.1.66/ip")) == [])
        #expect(controls("<URLBase>http://192.168.1.66/</URLBase>", Self.service(Self.connection, "/ip")) == [])
        #expect(controls(Self.service(Self.connection + "\r\nX: y", "/ip")) == [])
        #expect(controls(Self.service(Self.connection, "")) == [])
        #expect(controls(String(repeating: Self.service(Self.connection, "/ip"), count: 100)).count == 4)
    }

    @Test(arguments: [
        ("<s:Body><NewExternalIPAddress> 84.1.2.3 </NewExternalIPAddress>", 200, "84.1.2.3"),
        ("<NewExternalIPAddress>0.0.0.0</NewExternalIPAddress>", 200, "0.0.0.0"),
        ("<NewExternalIPAddress></NewExternalIPAddress>84.1.2.3", 200, nil),
        ("<NewExternalIPAddress>84.1.2.3</NewExternalIPAddress>", 500, nil),
        ("<NewExternalIPAddress>2001:db8::1</NewExternalIPAddress>", 200, nil),
        ("<NewExternalIPAddress>84.1.2.3.4</NewExternalIPAddress>", 200, nil), ("84.1.2.3", 200, nil), ("", 200, nil),
    ])
    func `the address in an answer`(_ body: String, _ status: Int, _ expected: String?) throws {
        let length = body.utf8.count
        var reader = HTTPResponseReader()
        let answer = try #require(
            try reader.take(Array("HTTP/1.1 \(status) x\r\nContent-Length: \(length)\r\n\r\n\(body)".utf8)))
        #expect(GatewayDevice.Service.external(in: answer)?.description == expected)
    }

    @Test func `the question for the address says its length`() throws {
        let url = try #require(HTTPURL("http://192.168.1.1:5000/root.xml"))
        let text = "<root>\(Self.service(Self.connection, "/ip?a&amp;b"))</root>"
        let service = try #require(GatewayDevice(Array(text.utf8), from: url).services.first)
        let question = String(decoding: service.question, as: UTF8.self)
        let parts = question.components(behind: "\r\n\r\n")
        #expect(question.hasPrefix("POST /ip?a&b HTTP/1.1\r\nHost: 192.168.1.1:5000\r\n"))
        #expect(question.contains("\r\nSOAPAction: \"\(Self.connection)#GetExternalIPAddress\"\r\n"))
        #expect(question.contains("\r\nContent-Length: \(parts.utf8.count)\r\n"))
    }
}

extension String {
    /// What stands behind the first of `mark`.
    fileprivate func components(behind mark: String) -> String {
        ranges(of: mark).first.map { String(self[$0.upperBound...]) } ?? ""
    }
}
