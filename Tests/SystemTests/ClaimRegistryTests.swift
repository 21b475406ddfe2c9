// The registry of claims, the mark on addresses that qure-claim puts there, and the connection attempt of the
// verification.

import Glibc
import Lab
import QureCore
import Testing

/// A registry in a folder of its own.
struct ClaimRegistryTests {
    private let folder: String
    private let registry: ClaimRegistry
    private let address: IPAddress

    init() throws {
        var name = Array("/tmp/qure-registry-XXXXXX".utf8CString)
        try #require(mkdtemp(&name) != nil)
        folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        registry = ClaimRegistry(directory: folder)
        address = try #require(IPAddress("192.0.2.11"))
    }

    private func entry(_ mode: String, pid: Int32 = getpid()) throws -> ClaimEntry {
        ClaimEntry(
            prefix: try #require(Prefix("192.0.2.11/24")), interface: "eth0", mode: mode, pid: pid,
            since: Instant(nanoseconds: 12_345))
    }

    private func removeFolder() { run("rm -r \(folder)") }

    @Test func `what is written is read, and nothing else is an entry`() throws {
        defer { removeFolder() }
        var entry = try entry("follow")
        entry.announcements = 7
        entry.conflicts = 2
        entry.verification = "verified after 12 ms"
        entry.verificationAt = Instant(nanoseconds: 67_890)
        entry.isFenced = true
        entry.isHolding = true
        entry.mac = MACAddress("02:51:00:00:00:01")
        #expect(ClaimEntry(text: entry.text) == entry)
        for text in ["", "prefix 192.0.2.11/24\n", "prefix x\ninterface eth0\nmode add\npid 1\nsince 1\n"] {
            #expect(ClaimEntry(text: text) == nil)
        }
        #expect(registry.entries().isEmpty && registry.entry(of: address) == nil)
        try registry.write(entry)
        run("touch \(registry.folder)/nonsense \(registry.folder)/192.0.2.12")
        #expect(registry.entries().map(\.entry) == [entry])
        #expect(registry.entry(of: address)?.isHeld == false)
        try registry.remove(address)
        #expect(registry.entry(of: address) == nil)
    }

    @Test func `one holder at a time, and no lock on a file that was removed`() throws {
        defer { removeFolder() }
        let holder = try HeldEntry(registry, address)
        try holder.update(entry("hold"))
        #expect(registry.entry(of: address)?.isHeld == true)
        #expect(throws: SystemError.self) { _ = try HeldEntry(registry, address) }
        holder.remove()
        #expect(registry.entry(of: address) == nil)
        let next = try HeldEntry(registry, address)
        try next.update(entry("hold"))
        #expect(registry.entry(of: address)?.isHeld == true)
        next.remove()
    }

    @Test func `a claim that comes to nothing leaves what was there before`() throws {
        defer { removeFolder() }
        let added = try entry("add", pid: 0)
        try registry.write(added)
        let holder = try HeldEntry(registry, address)
        try holder.update(entry("hold"))
        #expect(registry.entry(of: address)?.entry.mode == "hold")
        holder.restore()
        #expect(registry.entry(of: address)?.entry == added)
        try registry.remove(address)
        try HeldEntry(registry, address).restore()
        #expect(TextFile.names(in: registry.folder).isEmpty)
    }
}

extension PrivateNetwork {
    @Test(.enabled(if: Netlink.knowsOrigins, "this kernel keeps no mark on addresses"))
    func `qure-claim marks its addresses in the kernel, and nobody else's`() throws {
        run("ip addr add 10.9.0.12/24 dev left")
        let tool = Executables.path("qure-claim")
        must("\(tool) add --announce 0 10.9.0.11/24 fd09::11/64")
        var netlink = try Netlink()
        func origin(_ text: String) throws -> UInt8? {
            try netlink.addresses().first { $0.prefix.address == IPAddress(text) }?.origin
        }
        #expect(try origin("10.9.0.11") == 0x51 && origin("fd09::11") == 0x51)
        #expect(try origin("10.9.0.12") != 0x51 && origin("10.9.0.1") != 0x51)
        must("\(tool) add --announce 0 --adopt 10.9.0.12/24")
        #expect(try origin("10.9.0.12") == 0x51)
        must("\(tool) del 10.9.0.11 fd09::11 10.9.0.12")
    }

    @Test(arguments: ["10.9.0.1 10.9.0.2", "fd09::1 fd09::2"])
    func `a connection attempt is answered by acceptance and by refusal, and fails by silence`(_ ends: String) throws {
        let addresses = ends.split(separator: " ").compactMap { IPAddress(String($0)) }
        func probe() throws -> ConnectionProbe {
            try ConnectionProbe(
                from: SocketAddress(addresses[0]), to: SocketAddress(addresses[1], port: 80), interface: "left")
        }
        let refused = try probe()
        #expect(eventually { refused.state == .answered })
        let listener = start([
            "ip", "netns", "exec", "peer", "perl", "-MIO::Socket::IP", "-e",
            "my $s = IO::Socket::IP->new(Listen => 1, LocalHost => '\(addresses[1])', LocalPort => 80); sleep 60",
        ])
        #expect(
            eventually {
                shell("ip netns exec peer cat /proc/net/tcp /proc/net/tcp6 | grep -q ':0050 .* 0A '").status == 0
            })
        let accepted = try probe()
        #expect(eventually { accepted.state == .answered })
        kill(listener.process, SIGKILL)
        _ = listener.finish()
        must("ip netns exec peer nft add table inet t")
        must("ip netns exec peer nft add chain inet t in { type filter hook input priority 0; policy drop; }")
        let silent = try probe()
        #expect(silent.state == .pending)
        must("ip link set left down")
        must("ip addr flush dev left")
        #expect(silent.state != .answered)
    }
}
