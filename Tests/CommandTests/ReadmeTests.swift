// The way of the README from no key to a registered name, run as it stands there: its commands on a name server and on
// a host behind a gateway, and what it says that they say. Only places and addresses are others here.

import Glibc
import Lab
import QureCore
import Testing

struct ReadmeTests {
    private static let missing = DNSUpdateTests.missing

    /// A command of the section, where it is given, and what it says there.
    private struct Step {
        var isOnServer: Bool
        var command: String
        var output = ""
    }

    /// The indented lines of a section: commands behind a prompt, what they say, and what is to be in named.conf.
    private static func read(_ section: String) -> (steps: [Step], configuration: [String]) {
        let lines = Repository.text("README.md").split(separator: "\n", omittingEmptySubsequences: false)
        let body = lines.drop { $0 != "## \(section)" }.dropFirst().prefix { !$0.hasPrefix("## ") }
        var steps: [Step] = [], configuration: [String] = []
        for line in body where line.hasPrefix("        ") {
            let text = line.drop { $0 == " " }
            if let end = text.firstRange(of: "# "), ["", "ns1"].contains(text[..<end.lowerBound]) {
                let isOnServer = end.lowerBound != text.startIndex
                steps.append(Step(isOnServer: isOnServer, command: String(text[end.upperBound...])))
            } else if text.hasSuffix(";") {
                configuration.append(String(text))
            } else if !steps.isEmpty {
                steps[steps.count - 1].output += text + "\n"
            }
        }
        return (steps, configuration)
    }

    /// The primary server, on the gateway's other side, and what stands in for programs that need more than a test has.
    private final class Server {
        let folder = TemporaryFolder(inMemory: true)
        private let network: AddressNetwork
        private var named: RunningTool?

        init(_ network: AddressNetwork) throws {
            self.network = network
            must("ip -n \(network.router) addr add 198.51.100.53/32 dev lo")
            for name in ["bind", "qure", "bin"] { must("mkdir \(folder.path)/\(name)") }
            try write("bind/z.db", "$TTL 300\n@ SOA ns1 h 1 3600 600 86400 60\n@ NS ns1\nns1 A 198.51.100.53\n")
            try write("resolv.conf", "nameserver 198.51.100.53\n")
            try write("bin/ssh", "#!/bin/sh\nshift\nexec \"$@\"\n")
            try write("bin/chgrp", "#!/bin/sh\n")
            try write("bin/rndc", "#!/bin/sh\n[ \"$1\" = reconfig ] && exec kill -HUP $(cat \(folder.path)/pid)\n")
            must("chmod 755 \(folder.path)/bin/ssh \(folder.path)/bin/chgrp \(folder.path)/bin/rndc")
            must("ln -s \(Executables.path("qure-dnsupdate")) \(folder.path)/bin/qure-dnsupdate")
            try configure([])
            named = RunningTool(
                ["named", "-f", "-n", "1", "-L", "\(folder.path)/log", "-c", "\(folder.path)/bind/named.conf"],
                in: network.router)
            let isThere = eventually {
                let words = ["dig", "@198.51.100.53", "+short", "+time=1", "+tries=1", "example.com", "SOA"]
                return RunningTool(words, in: network.router).finish().output.contains("ns1")
            }
            #expect(isThere)
        }

        private func write(_ name: String, _ text: String) throws {
            try TextFile.replace("\(folder.path)/\(name)", with: Array(text.utf8))
        }

        /// Writes named.conf: with these lines, the first outside the zone's statement and the others in it.
        func configure(_ lines: [String]) throws {
            let places = lines.map(place)
            try write(
                "bind/named.conf",
                """
                options {
                    directory "\(folder.path)/bind"; pid-file "\(folder.path)/pid"; recursion no; notify no;
                    session-keyfile none; listen-on { 198.51.100.53; }; listen-on-v6 { none; };
                };
                controls { };
                \(places.first ?? "")
                zone "example.com" { type primary; file "z.db"; \(places.dropFirst().joined(separator: " ")) };

                """)
        }

        /// A text of the README with the folders of this test.
        func place(_ text: String) -> String {
            text.replacing("/etc/bind", with: "\(folder.path)/bind").replacing("/etc/qure", with: "\(folder.path)/qure")
        }

        /// Waits until named has read its configuration again.
        var hasReloaded: Bool {
            eventually { shell("grep -q 'reloading configuration succeeded' \(folder.path)/log").status == 0 }
        }

        func run(_ step: Step) -> ToolResult {
            let script = """
                mount --bind \(folder.path)/resolv.conf /etc/resolv.conf
                PATH=\(folder.path)/bin:$PATH
                \(place(step.command))
                """
            return RunningTool(
                ["unshare", "-m", "sh", "-ec", script], in: step.isOnServer ? network.router : network.host
            ).finish()
        }
    }

    /// Without what is another one on each machine, or at each time.
    private static func comparable(_ text: String) -> String {
        var text = text.replacing("84.1.2.3", with: "203.0.113.7")
        let site = HostName.current.lowercased()
        text = text.replacing("site=\(site)", with: "site=h1").replacing("site \(site)", with: "site h1")
        return text.replacing(/ttl=[0-9]+/, with: "ttl=N").replacing("192.168.1.1#53", with: "198.51.100.53#53")
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `from no key to a registered name`() throws {
        let (steps, configuration) = Self.read("A name in the DNS")
        #expect(configuration.count == 2 && steps.count == 6)
        let network = AddressNetwork()
        network.behave("nat-pmp=84.1.2.3")
        let server = try Server(network)
        for step in steps {
            if step.command.hasPrefix("rndc") { try server.configure(configuration) }
            let result = server.run(step)
            #expect(result.status == 0 && result.errors == "", "\(step.command): \(result)")
            #expect(Self.comparable(result.output) == Self.comparable(step.output), "\(step.command)")
            if step.command.hasPrefix("rndc") { #expect(server.hasReloaded) }
        }
    }
}
