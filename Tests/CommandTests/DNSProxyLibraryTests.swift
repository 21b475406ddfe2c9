// Aliases, and names that lead to others, as programs look them up: with glibc and with musl, which asks for both types
// at once, by datagrams alone, and takes a failure of one for a failure of both. The resolver's files are those of a
// mount namespace of each lookup.

import Glibc
import Lab
import QureCore
import Testing

struct DNSProxyLibraryTests {
    private static let missing: String? =
        ProxyUnderTest.missing
        ?? ["cc", "musl-gcc", "getent"].first { !Toolbox.isInstalled($0) }.map { "needs \($0): make deps" }

    /// Port 53 is the only one that libraries ask.
    private static let address = "127.0.0.53"

    /// Programs that look names up: the same one with either library, and getent.
    private static func programs(_ folder: TemporaryFolder) -> [[String]] {
        let source = "\(Repository.path)/Tests/CommandTests/lookup.c"
        let own = ["cc", "musl-gcc"].map { compiler -> [String] in
            let program = "\(folder.path)/\(compiler)-lookup"
            let result = RunningTool([compiler, "-Wall", "-Wextra", "-Werror", "-o", program, source]).finish()
            #expect(result.status == 0, "\(result.errors)")
            return [program]
        }
        return own + [["getent", "ahosts"]]
    }

    /// The addresses that a program finds, or what it says.
    private static func lookUp(_ program: [String], _ name: String, _ folder: TemporaryFolder) -> Set<Substring> {
        let mounts = "mount --bind \(folder.path)/resolv.conf /etc/resolv.conf && "
            + "mount --bind \(folder.path)/nsswitch.conf /etc/nsswitch.conf"
        let words = ["unshare", "-m", "sh", "-c", "\(mounts) && exec \"$@\"", "sh"] + program + [name]
        let result = RunningTool(words).finish()
        let lines = result.output.split(separator: "\n").compactMap { $0.split(separator: " ").first }
        return Set(result.status == 0 ? lines : ["status \(result.status)"] + lines)
    }

    private static func prepare(_ folder: TemporaryFolder) throws {
        for (name, text) in [("resolv.conf", "nameserver \(address)\n"), ("nsswitch.conf", "hosts: dns\n")] {
            try TextFile.replace("\(folder.path)/\(name)", with: Array(text.utf8))
        }
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), .timeLimit(.minutes(2)))
    func `programs find an alias, also where nobody can say whether it has addresses of the other type`() throws {
        let server = try NameServer(.named, lines: "both A 192.0.2.3\nboth AAAA 2001:db8::3\nsix AAAA 2001:db8::4\n")
        let folder = TemporaryFolder()
        try Self.prepare(folder)
        // getent looks for addresses of the types only that this host has beside the loopback ones, and other tests may
        // have given it some of one type (AI_ADDRCONFIG).
        let own = ["198.51.100.253/32", "2001:db8:53::1/128"]
        for address in own { must("ip addr add \(address) dev lo") }
        defer { for address in own { shell("ip addr del \(address) dev lo") } }
        let upstream = try ScriptedServer()
        let aliases = ["www", "both", "six", "no"].flatMap {
            ["--alias", "\($0).example.com=\($0).z.test ask=127.0.0.1:\(server.port)"]
        }
        let proxy = try ProxyUnderTest(
            aliases + [
                "--listen", "\(Self.address):53", "--alias", "half.example.com=half.test", "--upstream",
                "127.0.0.1:\(upstream.port)", "--forward", "z.test=127.0.0.1:\(server.port)", "--record",
                "blog.example.com CNAME www.z.test", "--record", "to.example.com CNAME www.example.com",
            ])
        // It is asked for both types: for one of them it has an answer, about the other one it fails, and fails again.
        for _ in 0..<4 {
            let query = try DNSMessage(upstream.receive())
            let isV4 = query.question?.type == .a
            var response = query.response(isV4 ? .noError : .serverFailure)
            if isV4 { response.answers = [try ZoneFile.record("half.test 3600 A 192.0.2.7", ttl: 0)] }
            upstream.send(response.encoded())
        }
        let expected: [String: Set<Substring>] = [
            "www": ["192.0.2.1", "192.0.2.2"], "both": ["192.0.2.3", "2001:db8::3"], "six": ["2001:db8::4"],
            "half": ["192.0.2.7"], "blog": ["192.0.2.1", "192.0.2.2"], "to": ["192.0.2.1", "192.0.2.2"],
        ]
        for program in Self.programs(folder) {
            for (name, addresses) in expected.sorted(by: { $0.key < $1.key }) {
                let found = Self.lookUp(program, "\(name).example.com", folder)
                #expect(found == addresses, "\(program): \(name)")
            }
            // An alias exists, whatever its target does; it has no address then.
            let none = Self.lookUp(program, "no.example.com", folder)
            #expect(none.contains { $0.hasPrefix("status ") }, "\(none)")
        }
        #expect(proxy.ask("half.example.com", "AAAA").text.contains("EDE: 23 (Network Error)"))
    }
}
