// What clients are told of an alias while the primary of its target stands still, and after: old addresses for as long
// as is allowed and said to be old, and never an address of an older zone behind one of a newer. The primaries are
// named.

import Glibc
import Lab
import QureCore
import Testing

struct DNSProxyStaleTests {
    private static let line = "short 2 A 192.0.2.9"

    /// What a client was told.
    private struct Finding {
        var at: Instant
        var answer: ProxyUnderTest.Answer

        var addresses: [Substring] { answer.section("ANSWER").compactMap { $0.split(separator: " ").last } }
        var isOld: Bool { answer.text.contains("EDE: 3 (Stale Answer)") }
    }

    /// Asks some ten times a second until `isEnough`.
    private static func poll(
        _ proxy: ProxyUnderTest, until isEnough: ([Finding]) -> Bool
    ) -> [Finding] {
        var findings: [Finding] = []
        let reached = eventually(within: .seconds(30)) {
            // By a stream, since the first to ask has to wait until it is clear that nobody answers.
            findings.append(Finding(at: Clock.now, answer: proxy.ask("+tcp", "cloud.example.com", "A")))
            usleep(50_000)  // how often is asked
            return isEnough(findings)
        }
        #expect(reached, "\(findings.last?.answer.text ?? "")")
        return findings
    }

    private static func change(_ server: NameServer, to address: String) {
        let script = "ZONE / update del short.z.test A / update add short.z.test 2 A \(address) / send"
        #expect(server.run(script, ["-k", "k256"]).status == 0)
    }

    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"))
    func `while the primary stands still the old address is given, for the limit`() throws {
        let primary = try NameServer(.named, lines: Self.line)
        let alias = "cloud.example.com=short.z.test ask=127.0.0.1:\(primary.port) stale=5s"
        let proxy = try ProxyUnderTest(["--alias", alias])
        #expect(proxy.dig("cloud.example.com", "A") == ["192.0.2.9"])
        primary.pause()
        let stopped = Clock.now
        let findings = Self.poll(proxy) { $0.last?.answer.status == "SERVFAIL" }
        let old = findings.filter(\.isOld), last = try #require(findings.last)
        // Two seconds that it was good for, five more; what was being asked when it stopped may have come through.
        #expect((Duration.seconds(5)...(.seconds(10))).contains(last.at - stopped), "\((last.at - stopped).text)")
        #expect(old.count > 1 && old.allSatisfy { $0.addresses == ["192.0.2.9"] })
        #expect(old.allSatisfy { (1...30).contains($0.answer.ttl ?? 99) })
        #expect(findings.dropLast().allSatisfy { $0.answer.status == "NOERROR" && $0.addresses == ["192.0.2.9"] })
        #expect(findings.filter { !$0.isOld && $0.answer.status == "NOERROR" }.allSatisfy { $0.answer.ttl ?? 9 <= 2 })
        #expect(last.answer.text.contains("EDE: 22 (No Reachable Authority)"), "\(last.answer.text)")
        #expect(proxy.number("stale") ?? 0 >= old.count)
        primary.resume()
        let after = Self.poll(proxy) { $0.last?.answer.status == "NOERROR" }
        #expect(after.last?.addresses == ["192.0.2.9"] && after.last?.isOld == false)
    }

    /// One authority lags behind for ever; the other one stands still for a time, and goes on.
    @Test(.enabled(if: ProxyUnderTest.missing == nil, "\(ProxyUnderTest.missing ?? "")"), arguments: ["20s", "6s"])
    func `behind a newer address no older one is given`(_ limit: String) throws {
        let primary = try NameServer(.named, lines: Self.line), lagging = try NameServer(.named, lines: Self.line)
        let servers = "127.0.0.1:\(primary.port),127.0.0.1:\(lagging.port)"
        let proxy = try ProxyUnderTest(["--alias", "cloud.example.com=short.z.test ask=\(servers) stale=\(limit)"])
        Self.change(primary, to: "192.0.2.10")
        let changed = Self.poll(proxy) { $0.last?.addresses == ["192.0.2.10"] }
        #expect(changed.allSatisfy { $0.addresses == ["192.0.2.9"] || $0.addresses == ["192.0.2.10"] })
        primary.pause()
        let isPatient = limit == "20s"
        let still = Self.poll(proxy) { findings in
            isPatient ? findings.count(where: \.isOld) > 5 : findings.last?.addresses == ["192.0.2.9"]
        }
        // The one that lags behind is believed when the limit is over, and not before.
        let newer = isPatient ? still[...] : still.dropLast()
        #expect(
            newer.allSatisfy { $0.addresses == ["192.0.2.10"] || !isPatient && $0.answer.status == "SERVFAIL" },
            "\(newer.map(\.addresses))")
        #expect(newer.contains { $0.isOld })
        primary.resume()
        var after = Self.poll(proxy) { $0.last?.addresses == ["192.0.2.10"] && $0.last?.isOld == false }
        if isPatient { #expect(after.allSatisfy { $0.addresses == ["192.0.2.10"] }) }
        let resumed = Clock.now
        after = Self.poll(proxy) { _ in Clock.now - resumed > .seconds(3) }
        #expect(after.allSatisfy { $0.addresses == ["192.0.2.10"] && !$0.isOld }, "\(after.map(\.addresses))")
        Self.change(primary, to: "192.0.2.11")
        after = Self.poll(proxy) { $0.last?.addresses == ["192.0.2.11"] }
        #expect(after.allSatisfy { $0.addresses == ["192.0.2.10"] || $0.addresses == ["192.0.2.11"] })
        let serials = proxy.tell("status").output
        #expect(serials.contains("127.0.0.1#\(lagging.port) serial=1 "), "\(serials)")
    }
}
