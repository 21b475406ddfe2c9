// The manual says what the tools do: every option and command of a tool is on its page and every one of the page is the
// tool's, the exit statuses and the words of the event stream are the code's, and mandoc has nothing to complain about.

import Lab
import QureCore
import Testing

struct ManualTests {
    /// The programs that have a page, and how each is called here.
    static let programs: [(name: String, path: String)] =
        Repository.names("Sources/qure-*").map { ($0, Executables.path($0)) }
        + Repository.names("scripts/qure-*").map { ($0, "\(Repository.path)/scripts/\($0)") }

    private static func help(_ path: String, _ command: String? = nil) -> Help {
        let result = RunningTool([path] + (command.map { [$0] } ?? []) + ["--help"]).finish()
        #expect(result.status == 0)
        #expect(result.errors == "")
        return Help(result.output)
    }

    @Test(arguments: programs.map(\.name))
    func `every program has a page`(_ name: String) {
        #expect(Repository.names("man/*").contains("\(name).8"))
    }

    @Test(arguments: programs)
    func `the page and the tool know the same options`(_ name: String, _ path: String) {
        let top = Self.help(path)
        let commands = top.commands.map { Self.help(path, $0) }
        let real = commands.reduce(top.options) { $0.union($1.options) }
        #expect(real.contains("--help"))
        let described = ManualPage("\(name).8").options
        #expect(real.subtracting(described) == [], "options that the page does not know")
        #expect(described.subtracting(real) == [], "options that the tool does not know")
    }

    @Test(arguments: programs)
    func `the page and the tool know the same commands, each with the same options`(_ name: String, _ path: String) {
        let page = ManualPage("\(name).8")
        #expect(Set(page.commands.keys) == Self.help(path).commands)
        let single = page.paragraphs.filter(\.isOfSingleCommands).map(\.names)
        for (command, options) in page.commands {
            let real = Self.help(path, command).options
            for names in single {
                #expect(
                    names.isDisjoint(with: real) == names.isDisjoint(with: options),
                    "\(command): the SYNOPSIS and the tool differ about \(names)")
            }
        }
    }

    /// Pages of others that ours refer to.
    static let foreignPages = [
        "arp 7", "arping 8", "awk 1", "capabilities 7", "clock_gettime 2", "ip 8", "ip-address 8", "journalctl 1",
        "network_namespaces 7", "nft 8", "nsupdate 1", "ping 8", "rtnetlink 7", "setcap 8", "sh 1",
        "systemctl 1", "systemd.exec 5", "systemd.service 5", "systemd.unit 5", "tsig-keygen 8",
    ]

    /// Whether the foreign pages are installed, and whether somebody has made an index of them, is not our business.
    private static func lint(_ command: String) -> [Substring] {
        let output = shell("cd '\(Repository.path)/man' && \(command) 2>&1").output
        return output.split(separator: "\n").filter { line in
            !line.contains("outdated mandoc.db") && !foreignPages.contains { line.contains("not found: Xr \($0)") }
        }
    }

    @Test(.enabled(if: Repository.has("mandoc"), "needs mandoc: make deps"))
    func `mandoc has nothing to say`() {
        #expect(Self.lint("mandoc -T lint *.[78]") == [])
        // The check itself: what it says of a page that refers to nothing.
        let complaints = Self.lint("sed 's/Xr qure 7/Xr nosuch 7/' qure-probe.8 | mandoc -T lint")
        #expect(complaints.contains { $0.contains("Xr nosuch 7") })
    }

    /// groff 1.22, which shows manuals on Debian 12, swallows the rest of a page behind a title that is not quoted.
    @Test func `the titles of references are quoted`() {
        let titles = Repository.names("man/*.[78]").flatMap { ManualPage($0).lines.filter { $0.hasPrefix(".%T ") } }
        #expect(titles.count > 10)
        #expect(titles.allSatisfy { $0.hasPrefix(".%T \"") && $0.hasSuffix("\"") })
    }

    @Test func `the table of exit statuses is the code's`() {
        let rows = ManualPage("qure.7").section("EXIT STATUS").filter { $0.hasPrefix(".It ") }
        let documented = rows.compactMap { $0.split(separator: " ").dropFirst().first.flatMap { Int32($0) } }
        #expect(documented == (0...255).filter { ExitStatus(rawValue: $0) != nil })
    }

    @Test func `each page of a tool has the exit statuses that it can end with`() {
        for name in Self.programs.map(\.name) {
            let rows = ManualPage("\(name).8").section("EXIT STATUS").filter { $0.hasPrefix(".It ") }
            let documented = rows.compactMap { Int32($0.dropFirst(4)) }
            #expect(documented == documented.sorted() && documented.first == 0, "\(name)")
            // In the place of nsupdate the statuses are nsupdate's.
            let foreign: Set<Int32> = name == "qure-dnsupdate" ? [2] : []
            #expect(documented.allSatisfy { ExitStatus(rawValue: $0) != nil || foreign.contains($0) }, "\(name)")
        }
    }

    /// What the list of words (with its meaning behind ` Ta `) and the list of keys of qure(7) begin with.
    private static var streamItems: [String] {
        let items = ManualPage("qure.7").section("EVENT STREAM").filter { $0.hasPrefix(".It Cm ") }
        return items.map { String($0.dropFirst(".It Cm ".count)) }
    }

    @Test func `the words of the event stream mean what qure(7) says`() throws {
        let rows = Self.streamItems.filter { $0.contains(" Ta ") }
        #expect(rows.count == 5)
        var words = 0
        for row in rows {
            let halves = row.split(separator: " Ta ")
            for word in halves[0].split(whereSeparator: { $0 == " " || $0 == "," }) {
                words += 1
                let event = try ClusterEvent(Array(word.utf8))
                #expect(event.unknown == [], "\(word)")
                let meaning = halves[1].hasPrefix("hold") ? true : halves[1].hasPrefix("do not") ? false : nil
                #expect(event.holds == meaning, "\(word)")
            }
        }
        #expect(words == 11)
    }

    @Test func `the keys of the event stream are the code's`() throws {
        let values = [
            "at": "1", "lease": "300ms", "term": "7", "peers": "52:54:00:00:00:21,52:54:00:00:00:22",
            "heartbeat": "0@7784/180ms/0:51555245",
        ]
        let keys = Self.streamItems.filter { !$0.contains(" Ta ") }
        #expect(keys.count == 12 && keys == keys.sorted())
        for key in keys {
            #expect(try ClusterEvent(Array("master \(key)=\(values[key] ?? "x")".utf8)).unknown == [], "\(key)")
        }
    }

    @Test func `the example of the event stream is one`() throws {
        let lines = ManualPage("qure.7").section("EVENT STREAM")
        let example = lines.drop { !$0.hasPrefix(".Bd -literal") }.dropFirst().prefix { $0 != ".Ed" }
        #expect(example.count == 5)
        for line in example { #expect(try ClusterEvent(Array(line.utf8)).unknown == [], "\(line)") }
    }

    @Test func `the fields of a record are those of the page`() {
        let result = RunningTool([Executables.path("qure-probe"), "--json", "127.0.0.1"]).finish()
        #expect(result.status == 0)
        // What stands in quotes before a colon.
        let fields = result.output.split(separator: "\"").filter { result.output.contains("\"\($0)\":") }
        #expect(fields.count == 11)
        let items = ManualPage("qure-probe.8").section("OUTPUT").filter { $0.hasPrefix(".It Li ") }
        let described = items.flatMap { $0.dropFirst(".It Li ".count).split { $0 == " " || $0 == "," } }
        #expect(Set(fields).subtracting(described) == [])
    }
}
