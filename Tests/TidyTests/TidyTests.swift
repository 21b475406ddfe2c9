// The style as a test: every file of the tree against every rule, and every rule against a sample that breaks it and
// one that only seems to, so that no rule can sleep. The manual pages are held against mandoc in Tests/CommandTests.

import Testing

@Suite struct TidyTests {
    @Test(arguments: Rule.all.map(\.name))
    func `the tree obeys`(_ name: String) throws {
        let rule = try #require(Rule.all.first { $0.name == name })
        for complaint in SourceFile.all.flatMap(rule.complaints) { Issue.record("\(complaint)") }
    }

    @Test func `the tree is really read`() {
        let paths = Set(SourceFile.all.map(\.path))
        for path in [
            "Package.swift", "Makefile", "Sources/QureCore/Wire/ARPPacket.swift", "Sources/CLinux/include/CLinux.h",
            "Sources/qure-probe/ProbeCommand.swift", "Tests/TidyTests/TidyTests.swift", "scripts/test",
        ] { #expect(paths.contains(path)) }
        #expect(SourceFile.all.allSatisfy { $0.lines.count > 1 })
        for layer in ["Wire", "Protocol", "System", "CommandLine"] { #expect(Layers.declared[layer]?.isEmpty == false) }
        #expect(Layers.forbidden["Wire"]?.contains("Poller") == true)
        #expect(Layers.forbidden["Protocol"]?.contains("ARPPacket") == false)
    }

    /// The file that the sample pretends to be, what is in it, and how many complaints it must draw.
    struct Sample: Sendable, CustomTestStringConvertible {
        let rule: Rule
        let path: String
        let text: String
        let complaints: Int

        init(_ rule: Rule, _ path: String, _ text: String, _ complaints: Int) {
            self.rule = rule
            self.path = path
            self.text = text
            self.complaints = complaints
        }

        var testDescription: String { "\(rule.name): \(complaints) in \(text.prefix(60))" }
    }

    private static let wire = "Sources/QureCore/Wire/Sample.swift"
    private static let machine = "Sources/QureCore/Protocol/Sample.swift"
    private static let system = "Sources/QureCore/System/Sample.swift"
    private static let commandLine = "Sources/QureCore/CommandLine/Sample.swift"
    private static let tool = "Sources/qure-probe/Sample.swift"
    private static let test = "Tests/WireTests/Sample.swift"

    private static func lines(_ count: Int) -> String { String(repeating: "    x += 1\n", count: count) }

    private static let mark = "FIX" + "ME"

    @Test(arguments: [
        Sample(.lineLength, wire, String(repeating: "é", count: 120), 0),
        Sample(.lineLength, "scripts/x", String(repeating: "é", count: 121), 1),
        Sample(.functionLength, wire, "func f() {\n\(lines(58))}\n", 0),
        Sample(.functionLength, wire, "func f() {\n\(lines(59))}\n", 1),
        Sample(.functionLength, wire, "    package init?(_ x: Int) {\n\(lines(70))    }\n", 1),
        Sample(.functionLength, test, "    @Test func `a b`() {\n\(lines(70))    }\n", 1),
        Sample(.functionLength, wire, "func f() { 1 }\n\(lines(70))func g() { 2 }\n", 0),
        Sample(.functionLength, wire, "let text = \"func f() {\"\n\(lines(70))", 0),
        Sample(.fileLength, wire, lines(400), 0),
        Sample(.fileLength, wire, lines(401), 1),
        Sample(.fileLength, test, lines(600), 0),
        Sample(.fileLength, test, lines(601), 1),
        Sample(.opening, wire, "// A file.\n", 0),
        Sample(.opening, wire, "import Testing\n", 1),
        Sample(.opening, wire, "\n// Late.\n", 1),
        Sample(.opening, "scripts/x", "#!/bin/sh\n# A script.\n", 0),
        Sample(.opening, "scripts/x", "#!/bin/sh\nset -e\n", 1),
        Sample(.opening, "Sources/CLinux/x.h", "/* A header. */\n", 0),
        Sample(.leftovers, "scripts/x", "# \(mark): later\n", 1),
        Sample(.leftovers, wire, "// \(mark)\n", 1),
        Sample(.leftovers, wire, "let \(mark)s = 1\n", 0),
        Sample(.leftovers, wire, "public struct S {}\n", 1),
        Sample(.leftovers, wire, "// public\nlet text = \"public\"\n", 0),
        Sample(.leftovers, wire, "import Foundation\n", 1),
        Sample(.leftovers, test, "import XCTest\n", 1),
        Sample(.leftovers, wire, "open class C {}\n", 1),
        Sample(.leftovers, system, "_ = open(path, 0)\n", 0),
        Sample(.imports, wire, "import Glibc\n", 1),
        Sample(.imports, machine, "internal import CLinux\n", 1),
        Sample(.imports, system, "import Glibc\nimport CNetlink\n", 0),
        Sample(.imports, system, "import ArgumentParser\n", 1),
        Sample(.imports, commandLine, "package import ArgumentParser\n", 0),
        Sample(.imports, commandLine, "import CNetlink\n", 1),
        Sample(.imports, tool, "import QureCore\nimport ArgumentParser\n", 0),
        Sample(.imports, tool, "import CNetlink\n", 1),
        Sample(.imports, wire, "// import Glibc\n", 0),
        Sample(.imports, "Tests/Simulator/x.swift", "import Glibc\n", 1),
        Sample(.layers, wire, "let poller: Poller\n", 1),
        Sample(.layers, wire, "let claim: AddressClaim?\n", 1),
        Sample(.layers, machine, "let now = Clock.now\n", 1),
        Sample(.layers, machine, "let packet: ARPPacket\n", 0),
        Sample(.layers, system, "var prober: Prober\n", 1),
        Sample(.layers, system, "let now: Instant\n", 0),
        Sample(.layers, system, "throw Failure(.usage, text)\n", 1),
        Sample(.layers, commandLine, "let address: IPAddress, error: SystemError\n", 0),
        Sample(.layers, commandLine, "var claim: AddressClaim\n", 1),
        Sample(.layers, wire, "// as Poller does\n", 0),
        Sample(.layers, tool, "var poller: Poller, prober: Prober\n", 0),
        Sample(.sources, machine, "Int.random(in: 0...9)\n", 1),
        Sample(.sources, machine, "Int.random(in: 0...9, using: &random)\n", 0),
        Sample(.sources, wire, "ContinuousClock.now\n", 1),
        Sample(.sources, machine, "hosts.randomElement()\n", 1),
        Sample(.sources, tool, "SystemRandomNumberGenerator()\n", 0),
        Sample(.output, tool, "print(text)\n", 1),
        Sample(.output, wire, "fatalError()\n", 1),
        Sample(.output, system, "fatalError(\"out of memory\")\n", 0),
        Sample(.output, test, "print(text)\n", 0),
        Sample(.output, tool, "// print\nlet fingerprint = 1\n", 0),
        Sample(.documentation, wire, "package var x = 1\n", 1),
        Sample(.documentation, wire, "/// What.\npackage var x = 1\n", 0),
        Sample(.documentation, wire, "// What.\npackage func f()\n", 1),
        Sample(.documentation, wire, "/// What.\n@discardableResult\npackage func f()\n", 0),
        Sample(.documentation, wire, "@inlinable package func f()\n", 1),
        Sample(.documentation, wire, "package import Glibc\n", 0),
        Sample(.documentation, wire, "package var description: String { text }\n", 0),
        Sample(.documentation, wire, "package static let a = Errno(rawValue: 1)\n", 0),
        Sample(.documentation, commandLine, "@Option(help: \"What.\")\npackage var x = 1\n", 0),
        Sample(.documentation, tool, "@Option(\n    name: .short,\n    help: \"What.\")\npackage var x = 1\n", 0),
        Sample(.documentation, commandLine, "/// What.\npackage var y = 1\npackage var x = 1\n", 1),
        Sample(.documentation, test, "package func f()\n", 0),
        Sample(.waiting, test, "usleep(1000)\n", 1),
        Sample(.waiting, test, "usleep(1000)  // The pace of the flood.\n", 0),
        Sample(.waiting, test, "sleep(1)\n", 1),
        Sample(.waiting, test, "try await Task.sleep(for: .seconds(1))\n", 1),
        Sample(.waiting, test, "host.sleep(until: end)\nfunc sleep(until end: Instant) {}\n", 0),
        Sample(.waiting, test, "let text = \"sleep(1)\"  // sleep(1)\n", 0),
        Sample(.waiting, tool, "usleep(1)\n", 1),
        Sample(.waiting, "Tests/Lab/Commands.swift", "usleep(1)\n", 0),
    ])
    func `each rule knows what breaks it and what does not`(_ sample: Sample) {
        let complaints = sample.rule.complaints(about: SourceFile(sample.path, sample.text))
        #expect(complaints.count == sample.complaints, "\(complaints)")
    }

    @Test(arguments: [
        ("let a = 1 // b\n", "let a = 1 \n"), ("/* a\nb */ c", "\n c"), ("f(\"a\\\"b\", c)", "f(\"\", c)"),
        ("f(\"\\(g(\"x\"))\", c)", "f(\"\"\"\", c)"),
        ("\"\"\"\na \"b\"\n\"\"\" + c", "\"\n\n\" + c"), ("#\"a\\\"# + c", "\"\" + c"), ("\"//\" + c", "\"\" + c"),
        ("// \"\nc", "\nc"),
    ])
    func `comments and strings are told from code`(_ text: String, _ code: String) {
        #expect(SourceFile("x.swift", text).code.joined(separator: "\n") == code)
    }
}
