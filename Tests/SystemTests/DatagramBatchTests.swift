// Datagrams by the batch: whom they are from, where they came to, what goes back; and that a query whose answer is
// known costs no allocation on its way from the socket and back.

import Allocations
import Glibc
import Lab
@testable import QureCore
import Testing

struct DatagramBatchTests {
    private static let available = PrivateNamespace.missing == nil

    /// A socket connected to `port` of an address of this host.
    private static func client(_ address: String, _ port: Int) throws -> CInt {
        let destination = try #require(IPAddress(address))
        let family = destination.bitWidth == 32 ? AF_INET : AF_INET6
        let number = socket(family, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        let server = SocketAddress(destination, port: UInt16(port))
        try #require(server.withSockaddr { connect(number, $0, $1) } == 0)
        return number
    }

    private static func send(_ number: CInt, _ octets: [UInt8]) {
        #expect(write(number, octets, octets.count) == octets.count)
    }

    private static func receive(_ number: CInt) throws -> [UInt8] {
        var request = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        try #require(poll(&request, 1, 10_000) == 1)
        var buffer = [UInt8](repeating: 0, count: 9000)
        let count = read(number, &buffer, buffer.count)
        return Array(buffer.prefix(max(0, count)))
    }

    private static let name = DomainName("www.example.com") ?? .root
    private static let query = DNSMessage(
        id: 7, flags: .recursionDesired, questions: [DNSQuestion(name, .a)], edns: EDNS()
    ).encoded()

    @Test(.enabled(if: available), arguments: [("0.0.0.0", "127.0.0.5", 5391), ("::", "::1", 5392)])
    func `an answer comes from the address that was asked`(_ any: String, _ asked: String, _ port: Int) throws {
        try PrivateNamespace.prepare()
        let endpoint = DNSEndpoint(try #require(IPAddress(any)), port: UInt16(port))
        let listener = try DatagramListener(endpoint, isShared: true)
        // A second one at the same place, as each worker has one, takes nothing away.
        let number = try Self.client(asked, port)
        defer { close(number) }
        Self.send(number, [1, 2, 3])
        Self.send(number, [UInt8](repeating: 9, count: 5000))
        var batch = DatagramBatch()
        var count = 0
        let hasCome = try eventually {
            count += try batch.receive(from: listener)
            return count > 0
        }
        try #require(hasCome)
        let first = batch.query(0), found = batch.origin(0), source = batch.source(0)
        #expect(first == [1, 2, 3])
        let origin = try #require(found)
        #expect(origin.local == IPAddress(asked) && origin.source.address == source)
        let isAnswered = batch.answer(0) { query, answer in
            for index in 0..<query.count { answer[index] = query[index] + 1 }
            return query.count
        }
        let lost = batch.send(through: listener)
        #expect(isAnswered && lost == 0)
        // The client is connected: what comes from another address is not for it.
        #expect(try Self.receive(number) == [2, 3, 4])
        listener.send([7, 7], to: origin)
        #expect(try Self.receive(number) == [7, 7])
        // What is too long to be a query is as good as empty.
        let isAlone = count == 1
        if isAlone {
            let hasFollowed = try eventually { try batch.receive(from: listener) == 1 }
            #expect(hasFollowed)
        }
        let long = batch.query(isAlone ? 0 : 1)
        #expect(long == [])
    }

    /// A place of the batch that was used before has the length of an address of another family, and an answer.
    @Test(.enabled(if: available)) func `of the batch before nothing is left`() throws {
        try PrivateNamespace.prepare()
        var batch = DatagramBatch()
        let short = try DatagramListener(DNSEndpoint(try #require(IPAddress("127.0.0.1")), port: 5394), isShared: false)
        let long = try DatagramListener(DNSEndpoint(try #require(IPAddress("::1")), port: 5394), isShared: false)
        let clients = [try Self.client("127.0.0.1", 5394), try Self.client("::1", 5394)]
        defer { for number in clients { close(number) } }
        /// Takes `count` datagrams, in one batch unless they are slow to come, and answers those that begin with 1.
        func serve(_ count: Int, _ listener: borrowing DatagramListener, from address: String) throws {
            var rest = count
            let haveCome = try eventually {
                let taken = try batch.receive(from: listener)
                for index in 0..<taken {
                    let source = batch.source(index), octets = batch.query(index)
                    #expect(source == IPAddress(address) && octets.count == 2)
                    guard octets.first == 1 else { continue }
                    _ = batch.answer(index) { query, answer in
                        answer[0] = query[1]
                        return 1
                    }
                }
                let lost = batch.send(through: listener)
                #expect(lost == 0)
                rest -= taken
                return rest <= 0
            }
            #expect(haveCome && rest == 0)
        }
        for number in UInt8(0)..<3 { Self.send(clients[0], [1, number]) }
        try serve(3, short, from: "127.0.0.1")
        Self.send(clients[1], [0, 9])
        try serve(1, long, from: "::1")
        try serve(0, short, from: "127.0.0.1")
        for number in UInt8(3)..<8 { Self.send(clients[1], [number == 4 ? 0 : 1, number]) }
        try serve(5, long, from: "::1")
        Self.send(clients[0], [1, 8])
        try serve(1, short, from: "127.0.0.1")
        for number in [0, 1, 2, 8] { #expect(try Self.receive(clients[0]) == [UInt8(number)]) }
        for number in [3, 5, 6, 7] { #expect(try Self.receive(clients[1]) == [UInt8(number)]) }
        for number in clients {
            var request = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            #expect(poll(&request, 1, 0) == 0)
        }
    }

    @Test(.enabled(if: available), .enabled(if: qure_allocations() >= 0, "nothing is counted in this build"))
    func `a query whose answer is known costs no allocation`() throws {
        try PrivateNamespace.prepare()
        let endpoint = DNSEndpoint(try #require(IPAddress("127.0.0.1")), port: 5393)
        let listener = try DatagramListener(endpoint, isShared: false)
        let number = try Self.client("127.0.0.1", 5393)
        defer { close(number) }
        let audiences = Audiences(recursion: ["10.0.0.0/8", "127.0.0.0/8"].compactMap { Prefix($0) })
        var cache = AnswerCache(capacity: 100, key: (1, 2))
        let now = Instant(nanoseconds: 1_000_000_000)
        var answer = DNSMessage(id: 7, flags: .response, questions: [DNSQuestion(Self.name, .a)], edns: EDNS())
        answer.answers = (1...4).map { DNSRecord(Self.name, ttl: 60, .address(.v4(IPv4Address(rawValue: $0)))) }
        cache.store(Self.query, answer.encoded(), audience: Audiences.local, ttl: 60, at: now)
        var batch = DatagramBatch()
        let coder = cache.coder
        var answered = 0
        var allocated = 0
        for round in 0..<10 {
            for _ in 0..<20 { Self.send(number, Self.query) }
            let before = qure_allocations()
            while answered < (round + 1) * 20 {
                let count = try batch.receive(from: listener)
                var codes = InlineArray<32, UInt32>(repeating: 0)
                for index in 0..<count {
                    codes[index] = batch.look(index) { query in
                        PlainQuery(query, audience: Audiences.local).map { coder.code(query, $0) } ?? 0
                    }
                }
                cache.touch(codes.span.extracting(0..<count))
                for index in 0..<count {
                    guard let source = batch.source(index) else { continue }
                    let audience = audiences.audience(of: source)
                    let isAnswered = batch.answer(index) { query, output in
                        guard let plain = PlainQuery(query, audience: audience),
                            case .answer(let length, _) = cache.find(
                                query, plain, code: codes[index], limit: 1232, at: now + .seconds(5), into: &output)
                        else { return 0 }
                        return length
                    }
                    if isAnswered { answered += 1 }
                }
                if batch.send(through: listener) > 0 { break }
            }
            // The first round is for what is made once.
            if round > 0 { allocated += qure_allocations() - before }
            for _ in 0..<20 { #expect(try DNSMessage(Self.receive(number)).answers.map(\.ttl) == [55, 55, 55, 55]) }
        }
        #expect(answered == 200)
        #expect(allocated == 0)
        // The counter itself.
        let before = qure_allocations()
        let array = [UInt8](repeating: 1, count: answered)
        #expect(qure_allocations() > before && array.count == 200)
    }
}
