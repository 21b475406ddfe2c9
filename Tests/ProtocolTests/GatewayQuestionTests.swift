// The machine that asks a gateway: its table of states row by row, whom it believes, and the law of deadlines.

import QureCore
import Simulator
import Testing

struct GatewayQuestionTests {
    private static let gateway = IPAddress.v4(IPv4Address(rawValue: 0xc0a8_0101))
    private static let stranger = IPAddress.v4(IPv4Address(rawValue: 0xc0a8_0142))
    private static let client = IPAddress.v4(IPv4Address(rawValue: 0xc0a8_010a))

    /// A question under way, with what a gateway could answer.
    private struct Bench {
        var question: GatewayQuestion
        var random = SplitMix64(seed: 1)
        var now = ms(0)
        /// The nonce of the last request.
        var nonce: [UInt8] = []

        init(_ methods: [AddressSource.Method] = AddressSource.Method.allCases) {
            question = GatewayQuestion(gateway, client: client, by: methods, until: ms(5000))
        }

        /// What comes out, in a few words.
        mutating func step(_ input: GatewayQuestion.Input) -> String {
            let outputs = question.step(input, at: now, using: &random)
            if case .deadlinePassed = input, let next = question.nextDeadline { #expect(next > now) }
            return outputs.map { output in
                switch output {
                case .sendMapping(let octets):
                    if octets.count == 60 { nonce = Array(octets[24..<36]) }
                    return octets.count == 2 ? "natpmp" : octets[7] == 0 ? "pcp back" : "pcp"
                case .search: return "search"
                case .request(let octets, let url):
                    return "\(String(decoding: octets.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)) \(url)"
                case .finished(.address(let address, let method)): return "\(address) by \(method)"
                case .finished(.failed(let why)): return "failed \(why)"
                }
            }.joined(separator: "; ")
        }

        /// The next deadline comes.
        mutating func wait() -> String {
            guard let deadline = question.nextDeadline else { return "no deadline" }
            now = deadline
            return step(.deadlinePassed)
        }

        func pcp(result: UInt8 = 0, nonce: [UInt8]? = nil) -> GatewayQuestion.Input {
            let head: [UInt8] = [2, 0x81, 0, result, 0, 0, 0, 60, 0, 0, 0, 9] + Array(repeating: 0, count: 12)
            let mapping: [UInt8] = (nonce ?? self.nonce) + [17, 0, 0, 0, 0, 9, 1, 1]
            return .mapping(head + mapping + Array(repeating: 0, count: 10) + [0xff, 0xff, 84, 1, 2, 3])
        }
        func natPMP(result: UInt8 = 0) -> GatewayQuestion.Input {
            .mapping([0, 0x80, 0, result, 0, 0, 0, 9, 84, 1, 2, 4])
        }
        func found(at host: String = "192.168.1.1", from sender: IPAddress = gateway) -> GatewayQuestion.Input {
            let text =
                "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                + "LOCATION: http://\(host):5000/d.xml\r\n\r\n"
            return .found(Array(text.utf8), from: sender)
        }
        func response(_ status: Int, _ body: String) throws -> GatewayQuestion.Input {
            var reader = HTTPResponseReader()
            let text = "HTTP/1.1 \(status) x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            return .response(try #require(try reader.take(Array(text.utf8))))
        }
    }

    private static let description = ["PPP", "IP"].map {
        "<service><serviceType>urn:schemas-upnp-org:service:WAN\($0)Connection:1</serviceType>"
            + "<controlURL>/\($0)</controlURL></service>"
    }.joined()

    @Test func `PCP: a mapping, which is given back`() {
        var bench = Bench()
        #expect(bench.step(.start) == "pcp")
        #expect(bench.step(bench.pcp()) == "pcp back; 84.1.2.3 by pcp")
        #expect(bench.question.nextDeadline == nil)
        #expect(bench.step(bench.pcp()) == "")
    }

    @Test func `what is not the answer is passed over`() {
        var bench = Bench()
        _ = bench.step(.start)
        for octets in [[], [0], [2, 0x81], [2, 0x01] + bench.nonce, Array(repeating: 0xff, count: 60)] as [[UInt8]] {
            #expect(bench.step(.mapping(octets)) == "")
        }
        // Of NAT-PMP, which was not asked; for somebody else.
        #expect(bench.step(bench.natPMP()) == "")
        #expect(bench.step(bench.pcp(nonce: Array(repeating: 7, count: 12))) == "")
        #expect(bench.step(.deadlinePassed) == "")
        #expect(bench.step(bench.found()) == "")
        #expect(bench.step(bench.pcp()) == "pcp back; 84.1.2.3 by pcp")
    }

    @Test(arguments: [UInt8(1), 2, 5, 8, 11, 200])
    func `PCP refuses: NAT-PMP is asked`(_ result: UInt8) {
        var bench = Bench()
        _ = bench.step(.start)
        #expect(bench.step(bench.pcp(result: result)) == "natpmp")
        #expect(bench.step(bench.pcp()) == "")
        #expect(bench.step(bench.natPMP()) == "84.1.2.4 by nat-pmp")
    }

    @Test func `a gateway that knows NAT-PMP alone says so`() {
        var bench = Bench()
        _ = bench.step(.start)
        #expect(bench.step(bench.natPMP(result: 1)) == "natpmp")
        #expect(bench.step(bench.natPMP(result: 3)) == "search; search")
    }

    @Test func `silence is waited out, each method twice`() {
        var bench = Bench()
        _ = bench.step(.start)
        let outputs = (0..<6).map { _ in bench.wait() }
        let end = "failed pcp: no answer, nat-pmp: no answer, upnp: no answer"
        #expect(outputs == ["pcp", "natpmp", "natpmp", "search; search", "search; search", end])
        #expect(bench.now == ms(250 + 500 + 250 + 500 + 1100 + 1100))
        #expect(bench.question.nextDeadline == nil)
    }

    @Test func `a port that nobody listens on is not asked again`() {
        var bench = Bench()
        _ = bench.step(.start)
        #expect(bench.step(.closed("refused")) == "search; search")
        bench.now = ms(5000)
        #expect(bench.step(.deadlinePassed) == "failed pcp: refused, nat-pmp: refused, upnp: no answer in time")
        var alone = Bench([.pcp])
        _ = alone.step(.start)
        #expect(alone.step(.closed("refused")) == "failed pcp: refused")
    }

    @Test func `UPnP: the description, one connection, and the other`() throws {
        var bench = Bench([.upnp])
        #expect(bench.step(.start) == "search; search")
        #expect(bench.step(bench.found()) == "GET http://192.168.1.1:5000/d.xml")
        #expect(bench.step(bench.found()) == "")
        #expect(bench.step(try bench.response(200, Self.description)) == "POST http://192.168.1.1:5000/PPP")
        #expect(bench.step(try bench.response(500, "")) == "POST http://192.168.1.1:5000/IP")
        let answer = "<NewExternalIPAddress>84.1.2.5</NewExternalIPAddress>"
        #expect(bench.step(try bench.response(200, answer)) == "84.1.2.5 by upnp")
    }

    @Test func `UPnP: nobody but the gateway is believed`() throws {
        var bench = Bench([.upnp])
        _ = bench.step(.start)
        #expect(bench.step(bench.found(from: Self.stranger)) == "")
        #expect(bench.step(bench.found(at: "192.168.1.66")) == "")
        #expect(bench.step(.found([1, 2, 3], from: Self.gateway)) == "")
        #expect(bench.step(bench.found()) == "GET http://192.168.1.1:5000/d.xml")
        #expect(bench.step(try bench.response(200, "<a>")) == "failed upnp: no connection in its description")
    }

    @Test func `UPnP: what fails on the way is said`() throws {
        var bench = Bench([.upnp])
        _ = bench.step(.start)
        _ = bench.step(bench.found())
        #expect(bench.step(try bench.response(404, "")) == "failed upnp: status 404")
        bench = Bench([.upnp])
        _ = bench.step(.start)
        _ = bench.step(bench.found())
        #expect(bench.step(.failed("connection refused")) == "failed upnp: connection refused")
        bench = Bench([.upnp])
        _ = bench.step(.start)
        _ = bench.step(bench.found())
        _ = bench.step(try bench.response(200, Self.description))
        #expect(bench.step(.failed("reset")) == "POST http://192.168.1.1:5000/IP")
        #expect(bench.step(try bench.response(200, "")) == "failed upnp: status 200 and no address")
    }

    @Test func `the whole ends in time, wherever it is`() throws {
        var bench = Bench()
        _ = bench.step(.start)
        bench.now = ms(4900)
        _ = bench.step(bench.pcp(result: 2))
        #expect(bench.question.nextDeadline == ms(5000))
        #expect(bench.wait() == "failed pcp: not authorized, nat-pmp: no answer in time")
        bench = Bench([.upnp])
        _ = bench.step(.start)
        _ = bench.step(bench.found())
        #expect(bench.question.nextDeadline == ms(5000))
        #expect(bench.wait() == "failed upnp: no answer in time")
        #expect(bench.step(try bench.response(200, Self.description)) == "")
    }

    @Test(arguments: [
        "auto", "gateway", "pcp", "nat-pmp", "upnp", "interface:eth0", "interface:eth0,::1:2", "command:echo 1 : 2",
        "84.1.2.3", "2003::1", "dns", "dns:who.example.@192.0.2.1#53/TXT", "dns:who.example.@2001:db8::1#5353/AAAA",
    ])
    func `a source is written as it was read`(_ text: String) throws {
        #expect(try AddressSource(text).description == text)
    }

    @Test(arguments: [
        "", "foo", "auto:", "gateway:1", "interface", "interface:", "interface:a/b", "interface:0123456789abcdef",
        "interface:eth0,", "interface:eth0,1.2.3.4", "interface:eth0,::", "command", "command:", "84.1.2",
        "84.1.2.3/24", "dns:", "dns:x", "dns:x@", "dns:x@host", "dns:x@192.0.2.1/MX", "dns:x@192.0.2.1#0",
        "dns:a..b@192.0.2.1",
    ])
    func `what is no source is refused with a sentence`(_ text: String) {
        #expect(throws: AddressSourceError.self) { try AddressSource(text) }
    }
}
