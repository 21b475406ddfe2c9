// What qure-dnsproxy sends to its upstreams, and what it believes of what comes back: real datagrams, with an upstream
// that the test plays. And what nobody may notice: that the configuration is read anew while clients ask.

import Glibc
import Lab
import QureCore
import Testing

struct DNSProxyHygieneTests {
    /// Every question has a port and a number that nobody can foresee (Kaminsky; CVE-2025-40780).
    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `questions come from ports and have numbers that differ`() throws {
        let upstream = try ScriptedServer()
        let proxy = try ProxyUnderTest(["--upstream", "127.0.0.1:\(upstream.port)"])
        let client = try RawClient(port: proxy.port, isStream: false)
        var ports: Set<UInt16> = [], numbers: Set<UInt16> = [], cookies: Set<[UInt8]> = []
        var bits = [Int](repeating: 0, count: 16)
        let count = 600
        for number in 0..<count {
            let name = try #require(DomainName("n\(number).test"))
            client.send(
                DNSMessage(id: 1, flags: .recursionDesired, questions: [DNSQuestion(name, .a)]).encoded())
            let query = try DNSMessage(upstream.receive())
            ports.insert(upstream.clientPort)
            numbers.insert(query.id)
            for bit in 0..<16 { bits[bit] += Int(query.id >> UInt16(bit) & 1) }
            let cookie = try #require(query.edns?.cookie)
            cookies.insert(cookie.client)
            #expect(cookie.server.isEmpty && query.edns?.options().count == 1 && query.flags == .recursionDesired)
            var response = query.response()
            response.answers = [DNSRecord(name, ttl: 60, .address(.v4(IPv4Address(rawValue: 1))))]
            upstream.send(response.encoded())
            #expect(try DNSMessage(#require(try client.receive())).answers.count == 1)
        }
        #expect(ports.count > count * 9 / 10, "\(ports.count) ports")
        #expect(cookies.count == 1, "one for each server")
        #expect(numbers.count > count * 98 / 100, "\(numbers.count) numbers")
        #expect(bits.allSatisfy { (count * 2 / 5...count * 3 / 5).contains($0) }, "\(bits)")
    }

    /// A server whose answer to the first datagram comes after the second one.
    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `a server that takes long is asked again from the same port, and its late answer is taken`() throws {
        let upstream = try ScriptedServer()
        let proxy = try ProxyUnderTest(["--upstream", "127.0.0.1:\(upstream.port)"])
        let client = try RawClient(port: proxy.port, isStream: true)
        let name = try #require(DomainName("slow.test"))
        client.send(DNSMessage(id: 1, flags: .recursionDesired, questions: [DNSQuestion(name, .a)]).encoded())
        let first = try upstream.receive(), port = upstream.clientPort
        #expect(try upstream.receive() == first && upstream.clientPort == port)
        var response = try DNSMessage(first).response()
        response.answers = [DNSRecord(name, ttl: 60, .address(.v4(IPv4Address(rawValue: 1))))]
        upstream.send(response.encoded(), toPort: port)
        #expect(try DNSMessage(#require(try client.receive())).answers == response.answers)
        #expect(proxy.number("unanswered") == 0)
    }

    /// Thousands of wrong answers, and then the right one: the client gets the right one.
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [1, 10, 2000])
    func `forged answers are passed over`(_ count: Int) throws {
        let upstream = try ScriptedServer()
        upstream.listen()
        let proxy = try ProxyUnderTest(["--upstream", "127.0.0.1:\(upstream.port)"])
        let client = try RawClient(port: proxy.port, isStream: false)
        let name = try #require(DomainName("a.test")), other = try #require(DomainName("b.test"))
        let question = DNSMessage(id: 1, flags: .recursionDesired, questions: [DNSQuestion(name, .a)]).encoded()
        func response(_ query: DNSMessage, _ name: DomainName, _ address: UInt32) -> DNSMessage {
            var response = query.response()
            response.questions[0].name = name
            response.answers = [DNSRecord(name, ttl: 60, .address(.v4(IPv4Address(rawValue: address))))]
            return response
        }
        func answer() throws -> DNSMessage { try DNSMessage(#require(try client.receive())) }
        client.send(question)
        let query = try DNSMessage(upstream.receive())
        // Made before the first is sent: the question is given up in the end, and a busy machine is slow.
        let wrong = response(query, name, 0x0a00_0001).encoded()
        let elsewhere = response(query, other, 0x0a00_0001).encoded()
        // From another port and another address, the number being right; another question; half of an answer.
        let strangers = try [ScriptedServer(), ScriptedServer(at: "127.0.0.9")]
        for number in 0..<count {
            strangers[number % 2].send(wrong, toPort: upstream.clientPort)
            upstream.send(elsewhere)
            if number % 100 == 99 { #expect(eventually { upstream.hasBeenRead }) }
        }
        upstream.send(Array(wrong.dropLast(2)))
        upstream.send(query.encoded())
        upstream.send([])
        upstream.send(response(query, name, 0xc000_0201).encoded())
        let right = try answer()
        #expect(right.answers.map(\.data.address) == [IPAddress("192.0.2.1")])
        #expect(proxy.number("upstream_forgeries") == 0)
        // It is what is remembered, too.
        client.send(question)
        #expect(try answer() == right)
        #expect(!upstream.hasDatagram)
        // Somebody guesses numbers: the question goes over a stream, and no datagram is believed any more.
        client.send(DNSMessage(id: 2, flags: .recursionDesired, questions: [DNSQuestion(other, .a)]).encoded())
        let guessed = try DNSMessage(upstream.receive())
        var guess = response(guessed, other, 0x0a00_0001).encoded()
        for step in 1...count {
            let id = guessed.id &+ UInt16(step)
            (guess[0], guess[1]) = (UInt8(id >> 8), UInt8(truncatingIfNeeded: id))
            upstream.send(guess)
        }
        let connection = try upstream.accept()
        let again = try DNSMessage(connection.receive())
        upstream.send(response(guessed, other, 0x0a00_0001).encoded(), isLate: true)
        connection.send(StreamMessages.frame(response(again, other, 0xc000_0202).encoded()))
        #expect(try answer().answers.map(\.data.address) == [IPAddress("192.0.2.2")])
        #expect(proxy.number("upstream_forgeries") == 1)
        #expect(proxy.tell("status", "--metrics").output.contains("\nqure_dnsproxy_upstream_forgeries_total 1"))
        #expect(!upstream.hasDatagram)
    }

    /// named answers nobody by datagram who does not show its cookie, or has none at all.
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: ["require-server-cookie yes;", "answer-cookie no;"])
    func `servers that want cookies get them`(_ option: String) throws {
        let server = try NameServer(.named, options: option)
        let proxy = try ProxyUnderTest([
            "--upstream", "127.0.0.1:\(server.port)", "--alias", "c.example=alias.z.test",
        ])
        for name in ["www.z.test", "alias.z.test", "c.example"] {
            #expect(proxy.dig(name, "A").prefix(2) == ["192.0.2.1", "192.0.2.2"])
            #expect(proxy.ask(name, "MX").status == "NOERROR")
        }
        #expect(proxy.number("upstream_forgeries") == 0 && proxy.number("upstream_failures") == 0)
    }

    /// NSD answers those as often as they like who show its cookie; others once or twice a second, and then it is
    /// silent, or says that they are to come by TCP (`rrl-slip`).
    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        arguments: [(hasCookies: true, slip: 0), (hasCookies: false, slip: 1)])
    func `servers that limit how often they answer have no reason to, or are asked by TCP`(
        hasCookies: Bool, slip: Int
    ) throws {
        let limit = "verbosity: 2\n    rrl-ratelimit: 1\n    rrl-whitelist-ratelimit: 0\n    rrl-slip: \(slip)"
        let server = try NameServer(.nsd, options: "answer-cookie: \(hasCookies ? "yes" : "no")\n    \(limit)")
        let proxy = try ProxyUnderTest(["--upstream", "127.0.0.1:\(server.port)"])
        let client = try RawClient(port: proxy.port, isStream: false)
        for number in 0..<100 {
            let name = try #require(DomainName("n\(number).z.test"))
            client.send(DNSMessage(id: 1, flags: .recursionDesired, questions: [DNSQuestion(name, .a)]).encoded())
            #expect(try DNSMessage(#require(try client.receive())).responseCode == .nameError, "\(number)")
        }
        #expect(server.log.contains("ratelimit block") != hasCookies, "\(server.log)")
        #expect(proxy.number("upstream_forgeries") == 0 && proxy.number("upstream_failures") == 0)
    }

    @Test(
        .enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"),
        .enabled(if: Toolbox.isInstalled("dnsperf"), "needs dnsperf: make deps"))
    func `no query is lost while the configuration is read anew`() throws {
        let good = "alias c.test=d.test ask=127.0.0.1:1\nrecord one.test 60 A 192.0.2.1\n"
        let proxy = try ProxyUnderTest(
            ["--config", "FOLDER/conf", "--workers", "2"], files: ["conf": good, "q": "one.test A\nis.there A\n"])
        let file = "\(proxy.folder.path)/conf"
        let load = try LabProcess([
            "dnsperf", "-s", "127.0.0.1", "-p", "\(proxy.port)", "-d", "\(proxy.folder.path)/q", "-l", "4", "-Q",
            "4000",
        ])
        var rounds = 0
        while load.isRunning {
            rounds += 1
            let isBroken = rounds % 2 == 0
            let text = isBroken ? "alias x\n" : good + "record r\(rounds).test 60 A 192.0.2.2\n"
            try TextFile.replace(file, with: Array(text.utf8))
            kill(proxy.process.pid, SIGHUP)
            let sign = isBroken ? "stays as it was" : "anew"
            let wanted = (rounds + 1) / 2
            let isRead = eventually(within: .seconds(5)) {
                proxy.process.errors.split(separator: "\n").count { $0.contains(sign) } >= wanted
            }
            #expect(isRead, "round \(rounds)")
        }
        #expect(rounds > 4)
        #expect(load.output.contains("Queries lost:         0 (0.00%)"), "\(load.output)")
        #expect(load.output.contains("NOERROR") && !load.output.contains("SERVFAIL"), "\(load.output)")
    }
}
