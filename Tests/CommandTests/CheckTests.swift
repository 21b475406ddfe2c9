// `qure-dnsupdate check` where a zone has several servers: one of two makes that has copied the zone and then lags
// behind, one that is silent, one that cannot be reached, and one that has no address.

import Glibc
import Lab
import QureCore
import Testing

struct CheckTests {
    private static let missing = RegisteredName.missing

    /// Servers of the zone beside the primary; nothing is at the last two.
    private static let lines = """
        @ NS two
        @ NS three
        @ NS four.elsewhere.test.
        two A 127.0.0.2
        three A 127.0.0.3
        three AAAA 2001:db8:53::3
        """

    /// A server that has copied the zone once and is told of no change.
    private final class Secondary {
        private let folder = TemporaryFolder(inMemory: true)
        private let process: LabProcess

        init(of primary: NameServer, _ kind: NameServer.Kind) throws {
            // named listens on addresses of interfaces only.
            run("ip addr add 127.0.0.2/32 dev lo")
            let text = kind == .knotd ? Self.knot(primary, folder.path) : Self.named(primary, folder.path)
            try TextFile.replace("\(folder.path)/conf", with: Array(text.utf8))
            let words = kind == .knotd ? ["knotd", "-c"] : ["named", "-f", "-n", "1", "-L", "\(folder.path)/log", "-c"]
            process = try LabProcess(words + ["\(folder.path)/conf"])
            let isThere = eventually {
                run("dig @127.0.0.2 -p \(primary.port) +short +time=1 +tries=1 z.test SOA").output.contains("h.z.test")
            }
            #expect(isThere, "\(kind) does not copy the zone: \(process.errors)")
        }

        private static func named(_ primary: NameServer, _ folder: String) -> String {
            """
            options {
                directory "\(folder)"; pid-file none; session-keyfile none; recursion no; notify no;
                listen-on port \(primary.port) { 127.0.0.2; }; listen-on-v6 { none; };
            };
            controls { };
            zone "z.test" { type secondary; primaries port \(primary.port) { 127.0.0.1; }; file "copy"; };

            """
        }

        private static func knot(_ primary: NameServer, _ folder: String) -> String {
            """
            server:
                listen: 127.0.0.2@\(primary.port)
                rundir: \(folder)
            database:
                storage: \(folder)
            remote:
              - id: primary
                address: 127.0.0.1@\(primary.port)
            zone:
              - domain: z.test
                storage: \(folder)
                master: primary

            """
        }
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"), arguments: NameServer.Kind.allCases)
    func `each authority is shown, and whether it lags`(_ kind: NameServer.Kind) throws {
        let name = RegisteredName(try NameServer(.named, lines: Self.lines), "cloud")
        let port = name.server.port
        func run(_ command: String, _ address: String, _ more: String...) -> ToolResult {
            let site = ["--site", "box", "--allow-private", "--address", address, "-p", "\(port)"]
            return RunningTool(name.words(command, site + more)).finish()
        }
        #expect(run("register", "192.0.2.7").status == 0)
        let secondary = try Secondary(of: name.server, kind)
        func lines(_ address: String, _ serial: Int, _ other: String) -> String {
            """
            authority 127.0.0.1#\(port) \(address) ttl=60 primary serial=\(serial) ns=ns.z.test gives=\(address)
            authority - no-address ns=four.elsewhere.test
            authority 127.0.0.3#\(port) silent ns=three.z.test
            authority 2001:db8:53::3#\(port) unreachable ns=three.z.test
            authority 127.0.0.2#\(port) 192.0.2.7 ttl=60 \(other)
            site box \(address) ttl=60
            public 127.0.0.1#\(port) \(address) ttl=60
            here - \(address) ttl=60
            current cloud.z.test

            """
        }
        let same = lines("192.0.2.7", 2, "current serial=2 ns=two.z.test gives=192.0.2.7")
        #expect(run("check", "192.0.2.7") == ToolResult(0, same))
        #expect(run("register", "192.0.2.8").status == 0)
        let behind = lines("192.0.2.8", 3, "behind serial=2 ns=two.z.test gives=- stale=192.0.2.7")
        #expect(run("check", "192.0.2.8") == ToolResult(0, behind))
        let json = run("check", "192.0.2.8", "--json").output.split(separator: "\n")
        let primary = """
            {"record":"authority","who":"127.0.0.1#\(port)","addresses":["192.0.2.8"],"ttl":60,\
            "name_server":"ns.z.test","state":"primary","serial":3,"gives":["192.0.2.8"],"lacks":[],"stale":[],\
            "answer":null}
            """
        let silent = """
            {"record":"authority","who":"127.0.0.3#\(port)","addresses":null,"ttl":null,"name_server":"three.z.test",\
            "state":"silent","serial":null,"gives":null,"lacks":null,"stale":null,"answer":null}
            """
        let lagging = """
            {"record":"authority","who":"127.0.0.2#\(port)","addresses":["192.0.2.7"],"ttl":60,\
            "name_server":"two.z.test","state":"behind","serial":2,"gives":[],"lacks":["192.0.2.8"],\
            "stale":["192.0.2.7"],"answer":null}
            """
        try #require(json.count == 9)
        #expect(json[0] == primary)
        #expect(json[2] == silent)
        #expect(json[3].contains(",\"state\":\"unreachable\","))
        #expect(json[4] == lagging)
        withExtendedLifetime(secondary) {}
    }

    @Test(.enabled(if: missing == nil, "\(missing ?? "")"))
    func `many servers that are silent cost the time of one`() throws {
        let silent = (2...9).map { "@ NS s\($0)\ns\($0) A 127.0.0.\($0)\n" }.joined()
        let name = RegisteredName(try NameServer(.named, lines: silent), "cloud")
        // Somebody who takes the questions and says nothing.
        let holders = try (2...9).map { number -> CInt in
            let socket = try FileDescriptor(socket: AF_INET, type: .datagram)
            try socket.bind(to: SocketAddress(IPAddress("127.0.0.\(number)")!, port: UInt16(name.server.port)))
            let descriptor = socket.number
            socket.leaveOpen()
            return descriptor
        }
        defer { for holder in holders { close(holder) } }
        let began = Clock.now
        let result = name.run(
            "check", "--site", "box", "--allow-private", "--address", "192.0.2.7", "-p", "\(name.server.port)")
        let time = Clock.now - began
        #expect(result.status == 1 && result.output.split(separator: "\n").count { $0.contains(" silent ") } == 8)
        #expect(time > .seconds(3) && time < .seconds(8), "\(time)")
    }
}
