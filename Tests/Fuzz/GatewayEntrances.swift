// The entrances of the search for an address: what a gateway, or whoever pretends to be one, answers by PCP, NAT-PMP
// and SSDP, in HTTP and in XML, and a conversation with the machine that asks it.

@testable import QureCore

extension Entrance {
    func takeMapping(_ bytes: [UInt8]) {
        if let announcement = try? GatewayAnnouncement(bytes) {
            var judge = AnnouncementJudge()
            let now = Instant(nanoseconds: 1_000_000_000)
            precondition(judge.take(announcement, at: now) && !judge.take(announcement, at: now), "old news")
        }
        if let response = try? PCPResponse(bytes) {
            if let external = response.external {
                _ = (AddressClass(external), AddressJudge.mayPublish(external, allowsPrivate: true))
            }
            precondition(response.mapping.map { $0.nonce.count == 12 } ?? (response.result != .success))
            _ = response.result.description
        }
        if let response = try? NATPMPResponse(bytes) {
            precondition(response.external == nil || response.result == .success, "an address and an error")
            _ = response.result.description
        }
    }

    /// The first octet says in pieces of which size the stream comes.
    func takeHTTP(_ bytes: [UInt8]) {
        _ = SSDP.location(in: bytes)
        guard let size = bytes.first.map({ Int($0) + 1 }) else { return }
        var whole = HTTPResponseReader(), pieces = HTTPResponseReader()
        let stream = bytes.dropFirst()
        let expected = Self.read(&whole, stream, by: max(1, stream.count))
        let read = Self.read(&pieces, stream, by: size)
        precondition(expected == read, "pieces make a difference")
        guard let read else { return }
        precondition(read.body.count <= HTTPResponseReader.maximumBody && (200...599).contains(read.status))
        takeDescription(read.body)
        _ = GatewayDevice.Service.external(in: read)
    }

    private static func read(
        _ reader: inout HTTPResponseReader, _ stream: ArraySlice<UInt8>, by size: Int
    ) -> HTTPResponse? {
        var rest = stream
        do {
            while !rest.isEmpty {
                if let response = try reader.take(rest.prefix(size)) { return response }
                rest = rest.dropFirst(size)
            }
            return try reader.end()
        } catch {
            return nil
        }
    }

    func takeDescription(_ bytes: [UInt8]) {
        var scanner = XMLScanner(bytes)
        var count = 0
        while let part = scanner.next() {
            count += 1
            if case .text(let text) = part { precondition(!text.isEmpty || bytes.contains(0x26), "an empty text") }
        }
        precondition(count <= bytes.count, "more parts than octets")
        guard let url = HTTPURL("http://192.168.1.1:5000/a/root.xml") else { return }
        for service in GatewayDevice(bytes, from: url).services {
            precondition(service.control.host == url.host, "another host")
            let question = service.question
            let lines = question.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            precondition(lines.count == 11 && question.allSatisfy { $0 < 0x7f }, "a header of somebody else's")
            precondition(HTTPURL(service.control.description) == service.control, "\(service.control)")
        }
        _ = try? AddressSource(String(decoding: bytes, as: UTF8.self))
    }

    /// The kind of an input, its length in two octets, and the input, and so on. The nonce of the request, which the
    /// fuzzer cannot know, is put in.
    func takeGateway(_ bytes: [UInt8]) {
        let gateway = IPAddress.v4(IPv4Address(rawValue: 0xc0a8_0101))
        var now = Instant(nanoseconds: 1_000_000_000)
        var random = Seeded(state: 1)
        var question = GatewayQuestion(
            gateway, client: .v4(IPv4Address(rawValue: 0xc0a8_010a)), by: AddressSource.Method.allCases,
            until: now + .seconds(5))
        var nonce: [UInt8] = []
        var isOver = false
        func take(_ input: GatewayQuestion.Input) {
            for output in question.step(input, at: now, using: &random) {
                precondition(!isOver, "it goes on after its end")
                switch output {
                case .sendMapping(let octets): if octets.count == 60 { nonce = Array(octets[24..<36]) }
                case .request(_, let url): precondition(url.host == gateway, "somebody else is asked")
                case .search: break
                case .finished: isOver = true
                }
            }
            if let next = question.nextDeadline {
                precondition(!isOver && next <= Instant(nanoseconds: 6_000_000_000), "later than it may")
            }
        }
        take(.start)
        var rest = bytes[...]
        while let kind = rest.popFirst(), let high = rest.popFirst(), let low = rest.popFirst() {
            let length = Int(high) << 8 | Int(low)
            var octets = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
            switch kind % 6 {
            case 0:
                if octets.count >= 36 { octets.replaceSubrange(24..<36, with: nonce) }
                take(.mapping(octets))
            case 1: take(.found(octets, from: gateway))
            case 2: take(.response(HTTPResponse(status: 200, body: octets)))
            case 3: take(.closed("so"))
            case 4: take(.failed("so"))
            default:
                now = question.nextDeadline ?? now
                take(.deadlinePassed)
                if let next = question.nextDeadline { precondition(next > now, "the law of deadlines") }
            }
        }
    }
}
