// The network that `qure-dnsupdate address` is tested in: a host and its home gateway, each in a network namespace of
// its own, made anew for every test. The gateway is gateway.py, which does what a test says, or nothing at all.

import Glibc
import Lab
import QureCore
import Synchronization
import Testing

/// A host with the address 192.168.1.10 behind a gateway with the address 192.168.1.1, which is its default gateway.
final class AddressNetwork {
    private static let count = Mutex(0)
    let host: String
    let router: String
    private var server: RunningTool?

    init() {
        #expect(throws: Never.self) { try PrivateNamespace.prepare() }
        let number = Self.count.withLock { number -> Int in
            number += 1
            return number
        }
        host = "address\(number)-host"
        router = "address\(number)-router"
        for namespace in [host, router] { must("ip netns add \(namespace)") }
        must("ip -n \(host) link add eth0 type veth peer name lan netns \(router)")
        for (namespace, interface, address) in [(host, "eth0", 10), (router, "lan", 1)] {
            must("ip -n \(namespace) link set lo up")
            must("ip -n \(namespace) addr add 192.168.1.\(address)/24 dev \(interface)")
            must("ip -n \(namespace) link set \(interface) up")
        }
        must("ip -n \(host) route add default via 192.168.1.1")
    }

    deinit {
        server = nil
        for namespace in [host, router] { run("ip netns del \(namespace)") }
    }

    /// Starts the gateway with this behaviour, in place of the one before: `pcp=84.1.2.3 upnp=silent`.
    func behave(_ behaviour: String) {
        _ = server?.end(with: SIGKILL)
        let script = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/gateway.py"
        let words = behaviour.split(separator: " ").map(String.init)
        let server = RunningTool(["/usr/bin/python3", script, "192.168.1.1"] + words, in: router)
        let parts = behaviour.contains("upnp=") && !behaviour.contains("upnp=silent") ? 2 : 1
        let isReady = eventually {
            server.output.split(separator: "\n").filter { $0.hasPrefix("ready") }.count == parts || !server.isRunning
        }
        #expect(isReady && server.isRunning, "the gateway does not start: \(server.errors)")
        self.server = server
    }

    /// What the gateway was asked, each kind of question once: `pcp, nat-pmp`.
    var asked: String {
        let lines = server?.output.split(separator: "\n").filter { !$0.hasPrefix("ready") } ?? []
        var kinds: [Substring] = []
        for kind in lines.map({ $0.prefix { $0 != " " } }) where kinds.last != kind { kinds.append(kind) }
        return kinds.joined(separator: ", ")
    }

    /// All that the gateway has said.
    var log: String { server?.output ?? "" }

    /// Starts `qure-dnsupdate address` on the host with these words behind it.
    func start(_ words: [String]) -> RunningTool {
        RunningTool([Executables.path("qure-dnsupdate"), "address"] + words, in: host)
    }

    /// Runs it to its end.
    func address(_ line: String) -> ToolResult { start(line.split(separator: " ").map(String.init)).finish() }

    /// Puts an address on the host's interface, which must work.
    func assign(_ address: String, _ options: String = "nodad") {
        must("ip -n \(host) addr add \(address) dev eth0 \(options)")
    }

    /// named on the gateway, with the zone z.test and a key that may change it.
    func startNameServer(_ folder: TemporaryFolder) throws -> RunningTool {
        let key = "key \"k\" { algorithm hmac-sha256; secret \"\(NameServer.secret("k"))\"; };\n"
        let configuration = """
            \(key)
            options {
                directory "\(folder.path)"; pid-file none; recursion no;
                listen-on port 5300 { 192.168.1.1; }; listen-on-v6 { none; };
            };
            controls { };
            zone "z.test" { type primary; file "z.db"; update-policy { grant k zonesub ANY; }; };

            """
        let zone = "$TTL 300\nz.test. SOA ns.z.test. h.z.test. 1 3600 600 86400 60\n@ NS ns\nns A 192.168.1.1\n"
        for (name, text) in [("key", key), ("named.conf", configuration), ("z.db", zone)] {
            try TextFile.replace("\(folder.path)/\(name)", with: Array(text.utf8))
            chmod("\(folder.path)/\(name)", 0o600)
        }
        let server = RunningTool(["named", "-g", "-n", "1", "-c", "\(folder.path)/named.conf"], in: router)
        #expect(server.complains("running"), "named does not start: \(server.errors)")
        return server
    }

    /// What that server says of a name.
    func registered(_ name: String) -> String {
        run("ip netns exec \(router) dig +short +time=1 +tries=1 @192.168.1.1 -p 5300 \(name) A").output
    }
}
