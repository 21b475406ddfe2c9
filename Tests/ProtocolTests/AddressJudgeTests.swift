// The judge of addresses: what readings come to at once, row by row, and what they come to over time.

import QureCore
import Simulator
import Testing

struct AddressJudgeTests {
    private static let a = "84.1.2.3", b = "84.1.2.4"

    /// `gateway=84.1.2.3 dns=84.1.2.4! interface`: an exclamation mark says that it does not count, no address that it
    /// failed.
    private static func readings(_ text: String) -> [AddressReading] {
        text.split(separator: " ").map { word in
            let parts = word.split(separator: "=").map(String.init)
            guard parts.count == 2 else { return AddressReading(source: parts[0], failed: "no answer") }
            let isOut = parts[1].hasSuffix("!")
            return AddressReading(
                source: parts[0], address: IPAddress(isOut ? String(parts[1].dropLast()) : parts[1]),
                problem: isOut ? "not so" : nil)
        }
    }

    /// A verdict in a few words.
    private static func text(_ verdict: AddressJudge.Verdict) -> String {
        switch verdict {
        case .agreed(let address, let votes): "agreed \(address) \(votes)"
        case .held(let address, let candidate, let until): "held \(address) \(candidate) \((until - ms(0)).text)"
        case .unsteady(let addresses): "unsteady " + addresses.map(\.description).joined(separator: " ")
        case .disagree(let addresses): "disagree " + addresses.map(\.description).joined(separator: " ")
        case .tooFew(let address, let votes, let needed): "tooFew \(address) \(votes)/\(needed)"
        case .unusable(let address, let kind): "unusable \(address) \(kind.rawValue)"
        case .unknown: "unknown"
        }
    }

    @Test(arguments: [
        ("", 1, "unknown"), ("gateway", 1, "unknown"), ("gateway=\(a)", 1, "agreed \(a) 1"),
        ("gateway=\(a) dns=\(a)", 1, "agreed \(a) 2"), ("gateway=\(a) dns=\(a)", 2, "agreed \(a) 2"),
        ("gateway=\(a) dns", 2, "tooFew \(a) 1/2"), ("gateway=\(a) gateway=\(a)", 2, "tooFew \(a) 1/2"),
        ("gateway=\(a) dns=\(b)", 1, "disagree \(a) \(b)"), ("gateway=\(a) dns=\(b)", 2, "disagree \(a) \(b)"),
        ("gateway=\(a) dns=\(b) command=\(b)", 2, "agreed \(b) 2"),
        ("gateway=\(a) dns=\(b) command=\(b)", 1, "disagree \(a) \(b)"),
        ("gateway=\(a) dns=\(b)!", 1, "agreed \(a) 1"), ("gateway=\(a)!", 1, "unknown"),
        ("gateway=10.0.0.1", 1, "unusable 10.0.0.1 private"), ("gateway=0.0.0.0", 1, "unusable 0.0.0.0 unspecified"),
        ("gateway=100.64.1.1", 1, "unusable 100.64.1.1 shared"),
        ("gateway=192.0.2.1", 1, "unusable 192.0.2.1 documentation"),
        ("gateway=10.0.0.1 dns=\(a)", 1, "agreed \(a) 1"), ("gateway=10.0.0.1 dns=\(a)", 2, "tooFew \(a) 1/2"),
        ("interface=2003::1", 1, "unknown"),
    ])
    func `what readings come to`(_ text: String, _ agree: Int, _ expected: String) {
        var configuration = AddressJudge.Configuration()
        configuration.agree = agree
        var judge = AddressJudge(configuration)
        #expect(Self.text(judge.judge(Self.readings(text), .ipv4, at: ms(0))) == expected)
        #expect(judge.nextDeadline == nil)
    }

    @Test func `each family has a verdict of its own`() {
        var judge = AddressJudge()
        let readings = Self.readings("auto=2003::1 auto=fd00::1 auto=\(Self.a) auto=fe80::1")
        #expect(Self.text(judge.judge(readings, .ipv6, at: ms(0))) == "agreed 2003::1 1")
        #expect(Self.text(judge.judge(readings, .ipv4, at: ms(0))) == "agreed \(Self.a) 1")
        let later = judge.judge(Self.readings("auto=fd00::1"), .ipv6, at: ms(1))
        #expect(Self.text(later) == "unusable fd00::1 unique-local")
    }

    @Test(arguments: [
        "10.0.0.1", "100.64.0.1", "192.0.2.1", "198.18.0.1", "fd00::1", "2001:db8::1",
    ])
    func `a lab may have its own addresses published`(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(AddressJudge.mayPublish(address, allowsPrivate: true))
        #expect(!AddressJudge.mayPublish(address, allowsPrivate: false))
        var configuration = AddressJudge.Configuration()
        configuration.allowsPrivate = true
        var judge = AddressJudge(configuration)
        let verdict = judge.judge(Self.readings("x=\(text)"), AddressFamily(address), at: ms(0))
        #expect(Self.text(verdict) == "agreed \(text) 1")
    }

    @Test(arguments: [
        "0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1",
        "fe80::1", "ff02::1", "2002::1", "64:ff9b::1", "192.88.99.1", "4000::1",
    ])
    func `nobody publishes what is no host's address`(_ text: String) throws {
        #expect(!AddressJudge.mayPublish(try #require(IPAddress(text)), allowsPrivate: true))
    }

    /// One after the other: the second, what the gateway says, and what that comes to.
    private static let stories: [(String, [(Int, String, String)])] = [
        (
            "a change after a long time is taken at once, the next one after the hold-down",
            [
                (0, "A", "agreed A 1"), (100, "B", "agreed B 1"), (110, "B", "agreed B 1"),
                (130, "C", "unsteady B C"), (150, "C", "unsteady B C"), (160, "C", "agreed C 1"),
            ]
        ),
        (
            "a change soon after the start waits for the hold-down",
            [(0, "A", "agreed A 1"), (10, "B", "held A B 60s"), (59, "B", "held A B 60s"), (60, "B", "agreed B 1")]
        ),
        (
            "there and back is no change",
            [
                (0, "A", "agreed A 1"), (10, "B", "held A B 60s"), (20, "A", "unsteady B A"),
                (69, "A", "unsteady B A"), (70, "A", "agreed A 1"), (80, "A", "agreed A 1"),
            ]
        ),
        (
            "a gateway that alternates for ever moves nothing",
            [(0, "A", "agreed A 1"), (10, "B", "held A B 60s")]
                + (2...20).map { ($0 * 10, $0 % 2 == 0 ? "A" : "B", $0 % 2 == 0 ? "unsteady B A" : "unsteady A B") }
        ),
        (
            "silence and nonsense between are not a change",
            [
                (0, "A", "agreed A 1"), (100, "", "unknown"), (110, "10.0.0.1", "unusable 10.0.0.1 private"),
                (120, "A", "agreed A 1"), (130, "B", "agreed B 1"),
            ]
        ),
    ]

    @Test(arguments: stories.indices)
    func `over time`(_ index: Int) {
        let (name, steps) = Self.stories[index]
        let names = ["A": "84.1.2.1", "B": "84.1.2.2", "C": "84.1.2.3"]
        var judge = AddressJudge()
        for (second, said, expected) in steps {
            let reading = said.isEmpty ? "gateway" : "gateway=\(names[said] ?? said)"
            let verdict = judge.judge(Self.readings(reading), .ipv4, at: ms(second * 1000))
            var text = Self.text(verdict)
            for (letter, address) in names { text = text.replacing(address, with: letter) }
            // Those that it goes back and forth between have no order.
            let isSame = text.split(separator: " ").sorted() == expected.split(separator: " ").sorted()
            #expect(isSame, "\(name), second \(second): \(text), not \(expected)")
            // A verdict that waits says until when.
            if text.hasPrefix("held") || text.hasPrefix("unsteady") {
                let deadline = judge.nextDeadline
                #expect(deadline.map { $0 > ms(second * 1000) } == true, "\(name), second \(second)")
            } else {
                #expect(judge.nextDeadline == nil, "\(name), second \(second)")
            }
        }
    }

    @Test func `whatever is said, an address changes once in a hold-down, and a steady one is agreed on`() {
        var random = SplitMix64(seed: 1)
        let words = ["", "=84.1.2.1", "=84.1.2.2", "=84.1.2.3", "=10.0.0.1"].map { "gateway\($0)" }
        for _ in 0..<300 {
            var judge = AddressJudge()
            var now = ms(0)
            var latest: (address: IPAddress, since: Instant)?
            func say(_ text: String) -> AddressJudge.Verdict {
                let verdict = judge.judge(Self.readings(text), .ipv4, at: now)
                #expect(judge.nextDeadline.map { $0 > now } ?? true, "the law of deadlines")
                if case .agreed(let address, _) = verdict, latest?.address != address {
                    if let latest { #expect(now - latest.since >= .seconds(60)) }
                    latest = (address, now)
                }
                return verdict
            }
            for _ in 0..<40 {
                now += .milliseconds(Int.random(in: 0...40_000, using: &random))
                _ = say(words[Int.random(in: words.indices, using: &random)])
            }
            _ = say(words[1])
            // Nothing but the deadlines that it asks for is needed.
            while let deadline = judge.nextDeadline {
                now = deadline
                _ = say(words[1])
            }
            #expect(Self.text(say(words[1])) == "agreed 84.1.2.1 1")
        }
    }
}
