// Every fault of the lab, done to the master of a cluster of real members, with two to eight hosts, over IPv4 and over
// IPv6; and a link on which somebody replays, forges and shouts. How long it takes is measured elsewhere; here it must
// come right again: one holder, and the client has its answers.

import Glibc
import Lab
import QureCore
import Testing

/// What happens to the master's machine, or to its link.
private enum Fault: String, CaseIterable, CustomTestStringConvertible {
    case dies, freezes, sleeps, cableIsPulled, cableIsDead, cannotBeHeard, hearsNothing, linkFlaps, addressIsFlushed
    case gatewayIsDeaf, lossyCable, partition

    var testDescription: String { rawValue }

    /// Whether another host must answer while it lasts; what is repaired in place may stay or move.
    var movesAddress: Bool {
        switch self {
        case .linkFlaps, .addressIsFlushed, .lossyCable: false
        default: true
        }
    }

    func strike(_ lab: Lab, master: Int, others: [Int], _ address: IPAddress) throws {
        let node = Node.host(master)
        switch self {
        case .dies: try lab.crash(node)
        case .freezes: lab.freeze(node)
        case .sleeps: try lab.suspend(node)
        case .cableIsPulled: try lab.cut(node)
        case .cableIsDead: try lab.isolate(node)
        case .cannotBeHeard: try lab.lose(100, node, .out)
        case .hearsNothing: try lab.lose(100, node, .in)
        case .linkFlaps: try lab.flap(master)
        case .addressIsFlushed: try lab.flush(master, address)
        case .gatewayIsDeaf:
            try lab.gatewayIsDeaf(to: address)
            lab.kill(node)
        case .lossyCable: try lab.lose(30, node)
        case .partition: try lab.partition([node], [.gateway, .observer] + others.map(Node.host))
        }
    }

    func mend(_ lab: Lab, master: Int) throws {
        let node = Node.host(master)
        switch self {
        case .dies, .linkFlaps, .addressIsFlushed: break
        case .freezes: lab.thaw(node)
        case .sleeps: try lab.resume(node)
        case .cableIsPulled, .cableIsDead, .cannotBeHeard, .hearsNothing, .lossyCable: try lab.heal(node)
        case .gatewayIsDeaf: try lab.gatewayHears()
        case .partition: try lab.mend()
        }
    }

    /// Whether the host's member goes on afterwards.
    var leavesMember: Bool { self != .dies && self != .gatewayIsDeaf }
}

private struct Setting: CustomTestStringConvertible {
    var hosts: Int
    var isIPv6: Bool
    var testDescription: String { "\(hosts) hosts, IPv\(isIPv6 ? 6 : 4)" }
}

extension InTheLab {
    @Suite(.timeLimit(.minutes(10)))
    struct ElectionFaults {
        private static let settings = [
            Setting(hosts: 2, isIPv6: false), Setting(hosts: 3, isIPv6: true), Setting(hosts: 8, isIPv6: false),
        ]

        @Test(arguments: Fault.allCases, settings)
        private func `whatever happens to the master, it comes right again`(_ fault: Fault, _ setting: Setting) throws
        {
            let site = try ElectedSite(hosts: setting.hosts, ipv6: setting.isIPv6)
            let master = try #require(site.onlyHolder(), "\(site.said)")
            let others = (1...setting.hosts).filter { $0 != master }
            // Whoever has not been heard of yet would not be missed, and could not follow.
            #expect(eventually { site.cluster.members(knownTo: master) == setting.hosts }, "\(site.said)")
            try fault.strike(site.lab, master: master, others: others, site.address)
            if fault.movesAddress {
                _ = try #require(site.meter.waitForAnswer(byOtherThan: master), "nobody follows: \(site.said)")
            }
            try fault.mend(site.lab, master: master)
            let last = try #require(site.onlyHolder(), "more than one, or none: \(site.said)")
            #expect(site.meter.waitForAnswer(by: last), "\(site.said)")
            let alive = fault.leavesMember ? others + [master] : others
            #expect(
                alive.allSatisfy { number in
                    eventually { site.ask(number, "status").output.contains("master=h\(last) ") }
                }, "\(site.said)")
        }

        @Test func `garbage, forged and replayed messages, fifty thousand a second, change no role`() throws {
            // Programs that are built for debugging need several times as long for each.
            let tool = try Toolbox.released("qure-elect", builtFrom: ["Sources/qure-elect", "Sources/QureCore"])
            let site = try ElectedSite(hosts: 2) { _ in ["PATH": Toolbox.searchPath(besides: tool)] }
            let master = try #require(site.onlyHolder(), "\(site.said)")
            #expect(eventually { site.cluster.members(knownTo: master) == 2 })
            let link = try site.lab.stranger.inside { try RawLink(interface: "eth0") }
            let frames = try Self.recording(link)
            let moves = { site.isMaster(master) && (try? site.lab.holders()) == [master] }
            let noise = frames + frames.map(Self.damaged) + frames.map(Self.moved) + Self.garbage(like: frames[0])
            let flood = Flood(link, noise, perSecond: 50_000)
            #expect(!eventually(within: .seconds(5)) { !moves() }, "\(site.said)")
            // Where a recording comes from, nobody is looked for.
            let members = site.ask(master, "members").output
            #expect(members.contains(" 192.168.1.2\(3 - master) ") && !members.contains("192.168.1.99"), "\(members)")
            let sent = flood.stop()
            #expect(sent.frames > 20_000, "no flood: \(sent)")
            #expect(site.meter.waitForAnswer(by: master), "\(site.said)")
            let report = try site.witness.stop()
            #expect(report.moves == 0 && report.together == .zero, "\(site.said)")
            let metrics = site.ask(master, "status --metrics").output
            #expect(!metrics.contains("reason=\"unauthenticated\"} 0"), "\(metrics)")
        }

        /// What the members say in a while, as the stranger hears it.
        private static func recording(_ link: RawLink) throws -> [[UInt8]] {
            var frames: [[UInt8]] = []
            let isEnough = eventually {
                while let frame = link.receive() {
                    // An Ethernet and an IPv4 header without options, and a UDP header: then what an elector says.
                    if frame.count > 46, frame[42..<46].elementsEqual("QURE".utf8) { frames.append(frame) }
                }
                return frames.count >= 20
            }
            try #require(isEnough, "only \(frames.count) messages are heard")
            return frames
        }

        /// The same with one wrong byte, behind the UDP header, and no checksum that would give it away.
        private static func damaged(_ frame: [UInt8]) -> [UInt8] {
            var frame = frame
            frame[40] = 0
            frame[41] = 0
            frame[42 + frame.count % (frame.count - 42)] ^= 0x40
            return frame
        }

        /// The same from another address.
        private static func moved(_ frame: [UInt8]) -> [UInt8] {
            var frame = frame
            frame.replaceSubrange(26..<30, with: [192, 168, 1, 99])
            // The checksums: UDP's may be left out, IP's may not.
            frame.replaceSubrange(40..<42, with: [0, 0])
            frame.replaceSubrange(24..<26, with: [0, 0])
            var sum = InternetChecksum()
            sum.add(frame[14..<34])
            frame.replaceSubrange(24..<26, with: [UInt8(sum.value >> 8), UInt8(sum.value & 0xff)])
            return frame
        }

        /// Datagrams to the same port with anything in them.
        private static func garbage(like frame: [UInt8]) -> [[UInt8]] {
            (0..<40).map { number in
                var frame = frame
                frame[40] = 0
                frame[41] = 0
                for index in 42..<frame.count { frame[index] = UInt8(truncatingIfNeeded: index &* 31 &+ number &* 97) }
                if number % 2 == 0 { frame.replaceSubrange(42..<46, with: Array("QURE".utf8)) }
                return frame
            }
        }
    }
}
