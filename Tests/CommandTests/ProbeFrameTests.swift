// What qure-probe takes for an answer, and what not: frames of every kind, sent to it on purpose, and a flood of them.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: PrivateNamespace.isVouchedFor, "needs a private network namespace: make check"))
struct ProbeFrames {
    let network = ProbeNetwork()
    private let stranger = MACAddress(rawValue: 0x02aa_0000_0001)
    private let own = MACAddress(rawValue: 0x0200_0000_0001)
    private let target = IPv4Address(rawValue: 0x0a01_0007)  // 10.1.0.7
    private let target6 = IPv6Address(rawValue: 0xfd01 << 112 | 7)

    private func arp(_ operation: ARPPacket.Operation, of ip: IPv4Address, at mac: MACAddress) -> [UInt8] {
        var output = WireWriter()
        ARPPacket(
            operation: operation, sender: .init(mac, ip), target: .init(.zero, IPv4Address(rawValue: 0x0a01_0001))
        )
        .write(to: &output)
        return output.bytes
    }

    private func advertisement(of address: IPv6Address, at mac: MACAddress, hopLimit: UInt8 = 255) -> [UInt8] {
        var packet = NeighborMessage.announcement(address, at: mac)
        packet.hopLimit = hopLimit
        var output = WireWriter()
        packet.write(to: &output)
        return output.bytes
    }

    private func frame(
        _ type: UInt16, _ payload: [UInt8], from source: MACAddress? = nil, vlan: UInt16? = nil
    ) -> [UInt8] {
        let group = MACAddress.multicast(IPv6Address.allNodes)
        return RawLink.frame(
            from: source ?? stranger, to: type == 0x86dd ? group : .broadcast, vlan: vlan, type: type, payload)
    }

    /// Frames that say nothing about the targets.
    private var junk: [[UInt8]] {
        let reply = arp(.reply, of: target, at: stranger)
        let answer = advertisement(of: target6, at: stranger)
        var probe = WireWriter()
        ARPPacket.probe(for: target, from: own).write(to: &probe)
        var forged = answer
        forged[answer.count - 1] ^= 1
        let cut = [1, 8, 20, 27].map { frame(0x0806, Array(reply.prefix($0))) }
        let cut6 = [1, 39, 40, 48, 63, 71].map { frame(0x86dd, Array(answer.prefix($0))) }
        var wrongHardware = reply, wrongProtocol = reply
        wrongHardware[1] = 6
        wrongProtocol[2] = 0x86
        return cut + cut6 + [
            // Of another VLAN.
            frame(0x0806, reply, vlan: 9), frame(0x86dd, answer, vlan: 9),
            // About other addresses.
            frame(0x0806, arp(.reply, of: IPv4Address(rawValue: 0x0a01_0008), at: stranger)),
            frame(0x86dd, advertisement(of: IPv6Address(rawValue: 0xfd01 << 112 | 8), at: stranger)),
            // Our own, reflected by a switch.
            frame(0x0806, probe.bytes, from: own), frame(0x0806, arp(.reply, of: target, at: own), from: own),
            frame(0x86dd, advertisement(of: target6, at: own), from: own),
            // Of another protocol, damaged, or from beyond a router.
            frame(0x8035, reply), frame(0x0800, reply), frame(0x0806, wrongHardware), frame(0x0806, wrongProtocol),
            frame(0x86dd, forged), frame(0x86dd, advertisement(of: target6, at: stranger, hopLimit: 254)),
        ]
    }

    @Test func `only an answer is an answer`() throws {
        let link = try network.rawLink()
        let tool = network.startProbe("watch --interval 30ms 10.1.0.7 fd01::7")
        #expect(tool.says("10.1.0.7 silent") && tool.says("fd01::7 silent"))
        let silent = tool.output
        for _ in 0..<20 {
            for frame in junk { #expect(link.send(frame)) }
            usleep(5000)  // the pace of the junk
        }
        #expect(tool.output == silent)
        // That the answers do come through: as they are, with a priority tag, padded. A host answers every probe; where
        // the tool was held up for long, its socket is still full of the junk when the first answer comes.
        let isAlive = eventually {
            link.send(frame(0x0806, arp(.reply, of: target, at: stranger) + [UInt8](repeating: 0xff, count: 18)))
            link.send(frame(0x86dd, advertisement(of: target6, at: stranger), vlan: 0))
            return ["10.1.0.7", "fd01::7"].allSatisfy { tool.output.contains("\($0) alive 02:aa:00:00:00:01") }
        }
        #expect(isAlive, "\(tool.output)\(tool.errors)")
        #expect(tool.end().status == 0)
    }

    /// Whether this kernel can make VLAN interfaces; they need no cable to be made.
    private static let hasVLANs: Bool = {
        let trial = "ip link add link vlantest name vlantest.7 type vlan id 7"
        return shell("unshare -n sh -c 'ip link add vlantest type veth peer name vlanpeer && \(trial)'").status == 0
    }()

    @Test(.enabled(if: hasVLANs, "this kernel has no VLAN interfaces (8021q)"))
    func `a VLAN is a link of its own`() {
        for (host, number) in [("here", 1), ("there", 2)] {
            network.script(
                host, "ip link add link eth0 name eth0.7 type vlan id 7", "ip link set eth0.7 up",
                "ip addr add 10.7.0.\(number)/24 dev eth0.7", "ip addr add fd07::\(number)/64 dev eth0.7 nodad")
        }
        #expect(eventually { run("ip -n \(network.namespace("there")) link show eth0.7").output.contains("state UP") })
        for (address, method) in [("10.7.0.2", "arp"), ("fd07::2", "ndp")] {
            #expect(
                network.probe(address).timeless
                    == ToolResult(0, "\(address) alive 02:00:00:00:00:02 TIME \(method) eth0.7\n"))
        }
        // The hosts of one are not those of the other.
        network.on("there", "sysctl -qw net.ipv4.conf.all.arp_ignore=1")
        #expect(network.probe("-i eth0 --count 1 10.7.0.2").status == 1)
        #expect(network.probe("-i eth0.7 --count 1 10.1.0.2").status == 1)
        #expect(network.probe("scan 10.7.0.0/28").lines.count == 2)
    }

    /// Sends frames of other hosts, fifty thousand a second, until `body` has come to its end.
    private func flooding(_ link: RawLink, while body: () throws -> Void) rethrows -> (frames: Int, time: Duration) {
        let others = (0..<64).flatMap { number -> [[UInt8]] in
            let ip = IPv4Address(rawValue: 0x0a01_0100 + UInt32(number)),
                mac = MACAddress(rawValue: 0x02bb_0000_0000 + UInt64(number))
            var question = WireWriter()
            ARPPacket(
                operation: .request, sender: .init(mac, ip),
                target: .init(.zero, IPv4Address(rawValue: ip.rawValue + 64))
            )
            .write(to: &question)
            return [
                frame(0x0806, question.bytes, from: mac), frame(0x0806, arp(.reply, of: ip, at: mac), from: mac),
                frame(
                    0x86dd, advertisement(of: IPv6Address(rawValue: 0xfd01 << 112 | UInt128(256 + number)), at: mac),
                    from: mac),
                frame(0x88b5, [UInt8](repeating: 7, count: 60), from: mac),
            ]
        }
        let flood = Flood(link, others, perSecond: 50_000)
        defer { flood.stop() }
        try body()
        return flood.stop()
    }

    @Test func `a flood of others' broadcasts wakes nobody and changes nothing`() throws {
        let link = try network.rawLink()
        let watch = network.startProbe("watch --interval 50ms 10.1.0.7 fd01::7 10.1.0.2")
        let wait = network.startProbe("wait --for silent --fall 4 --interval 50ms -v -v 10.1.0.2")
        #expect(watch.says("10.1.0.7 silent") && watch.says("fd01::7 silent") && wait.complains("10.1.0.2 alive"))
        let before = watch.output
        let switches = voluntarySwitches(wait.process)
        var seconds = Duration.zero
        let flood = flooding(link) {
            let start = Clock.now
            #expect(!eventually(within: .seconds(1)) { !wait.isRunning })
            seconds = Clock.now - start
            #expect(watch.output == before)
        }
        // Two for each question, its time and its answer; twice that is still far from fifty thousand.
        let allowed = Int(seconds / .milliseconds(50)) * 4 + 20
        #expect(voluntarySwitches(wait.process) - switches < allowed, "\(flood.frames) frames in \(flood.time)")
        #expect(flood.frames > 1000)
        _ = flooding(link) {
            network.on("there", "ip addr del 10.1.0.2/24 dev eth0")
            #expect(wait.finish().status == 0)
            #expect(watch.says("10.1.0.2 silent"))
        }
        #expect(watch.end().status == 0)
    }

    @Test func `waiting wakes up for its own questions only`() {
        let tool = network.startProbe("wait --for silent --interval 50ms 10.1.0.2 -v -v")
        #expect(tool.complains("alive"))
        let witness = network.witness("arp", "arp.opcode", "arp.src.proto_ipv4", on: "here")
        let switches = voluntarySwitches(tool.process)
        let questions = { witness.output.split(separator: "\n").filter { $0 == "1 0.0.0.0" }.count }
        let start = questions()
        #expect(eventually { questions() >= start + 20 })
        let count = questions() - start
        // Two each: its time and its answer. One question may have gone out between the counts.
        #expect(voluntarySwitches(tool.process) - switches <= 2 * (count + 2))
    }

    /// How often the process has gone to sleep so far.
    private func voluntarySwitches(_ process: pid_t) -> Int {
        let status = (try? TextFile.read("/proc/\(process)/status")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") } ?? ""
        return Int(line.split(whereSeparator: { $0 == ":" || $0 == "\t" }).last ?? "") ?? -1
    }
}
