// What `qure-claim hold` does on one host while somebody or something works against it: the address deleted, the link
// flapped, a stranger, a gateway that does not listen, a machine that cannot write.

import Glibc
import Lab
import QureCore
import Testing

extension InTheLab {
    @Suite(.timeLimit(.minutes(2)))
    struct Hold {
        @Test func `the gateway's traffic is seen to arrive`() throws {
            let lab = try Lab(hosts: 1)
            let hold = try lab.startHold(1)
            #expect(eventually { hold.output.contains("verified after") }, "\(hold.output)\(hold.errors)")
            #expect(hold.stop() == 0)
            #expect(try lab.holders().isEmpty)
        }

        @Test func `behind a gateway with a permanent entry for somebody else it says: claimed, not verified`() throws
        {
            let lab = try Lab(hosts: 2)
            try lab.gatewayInsists(isAt: 2)
            let hold = try lab.startHold(1)
            #expect(
                eventually(within: .seconds(15)) { hold.output.contains("claimed, not verified") },
                "\(hold.output)\(hold.errors)")
            #expect(hold.isRunning)
        }

        @Test(arguments: [false, true])
        func `an address that somebody deletes is put back, again and again`(_ isIPv6: Bool) throws {
            let lab = try Lab(hosts: 1)
            let address = isIPv6 ? Lab.Plan.address6 : Lab.Plan.address
            let hold = try lab.startHold(1, addresses: [isIPv6 ? Lab.Plan.shared6 : Lab.Plan.shared])
            let meter = try lab.startMeter(ipv6: isIPv6)
            #expect(meter.waitForAnswer(by: 1))
            for _ in 0..<3 {
                #expect(try lab.flush(1, address))
                #expect(eventually { (try? lab.host(1).has(address)) == true }, "\(hold.errors)")
            }
            #expect(meter.waitForAnswer(by: 1))
            #expect(try meter.stop().longestOutage < .seconds(2))
            #expect(hold.isRunning)
        }

        @Test func `ip addr flush takes every address of the interface, and the shared one is back`() throws {
            let lab = try Lab(hosts: 1)
            let hold = try lab.startHold(1)
            try lab.host(1).ip("addr flush dev eth0")
            #expect(eventually { (try? lab.host(1).has(Lab.Plan.address)) == true }, "\(hold.errors)")
        }

        @Test func `the link flaps: both addresses are there afterwards, and the client is answered`() throws {
            let lab = try Lab(hosts: 1)
            let hold = try lab.startHold(1, addresses: [Lab.Plan.shared, Lab.Plan.shared6])
            let meter = try lab.startMeter()
            let meter6 = try lab.startMeter(ipv6: true)
            #expect(meter.waitForAnswer(by: 1) && meter6.waitForAnswer(by: 1))
            for _ in 0..<2 {
                try lab.flap(1)
                #expect(
                    eventually { (try? lab.holders()) == [1] && (try? lab.holders(of: Lab.Plan.address6)) == [1] },
                    "\(hold.output)\(hold.errors)")
            }
            #expect(meter.waitForAnswer(by: 1) && meter6.waitForAnswer(by: 1), "\(hold.output)\(hold.errors)")
            #expect(hold.isRunning)
        }

        @Test(arguments: [Lab.Plan.shared, Lab.Plan.shared6])
        func `a stranger that does not give way gets the address, and hold ends with status 1`(_ prefix: String)
            throws
        {
            let lab = try Lab(hosts: 1)
            let hold = try lab.startHold(1, addresses: [prefix])
            try lab.strangerTakes(prefix)
            #expect(hold.wait(within: .seconds(20)) == 1, "\(hold.output)")
            #expect(hold.errors.contains("does not give way"), "\(hold.errors)")
            #expect(hold.errors.contains(Lab.Plan.mac(.stranger).description), "\(hold.errors)")
            #expect(try lab.holders().isEmpty && lab.holders(of: Lab.Plan.address6).isEmpty)
        }

        @Test(arguments: [Lab.Plan.shared, Lab.Plan.shared6])
        func `an address that a stranger has already is left alone`(_ prefix: String) throws {
            let lab = try Lab(hosts: 1)
            try lab.strangerTakes(prefix)
            let result = try lab.host(1).run(Toolbox.path(of: "qure-claim"), "hold", "--unless-held", prefix)
            #expect(result.status == 1, "\(result)")
            #expect(result.output.contains("held by \(Lab.Plan.mac(.stranger))"), "\(result)")
            #expect(try lab.holders().isEmpty && lab.holders(of: Lab.Plan.address6).isEmpty)
        }

        @Test func `a read-only /proc/sys is no reason not to hold`() throws {
            let lab = try Lab(hosts: 1)
            let script = """
                mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys || exit 99
                exec "$@"
                """
            let hold = try lab.host(1).start(
                "unshare", "-m", "sh", "-c", script, "sh", Toolbox.path(of: "qure-claim"), "hold", Lab.Plan.shared,
                Lab.Plan.shared6)
            let meter = try lab.startMeter()
            let meter6 = try lab.startMeter(ipv6: true)
            #expect(meter.waitForAnswer(by: 1), "\(hold.output)\(hold.errors)")
            #expect(meter6.waitForAnswer(by: 1), "\(hold.output)\(hold.errors)")
        }

        @Test func `a full disk for its registry is no reason not to hold`() throws {
            let lab = try Lab(hosts: 1)
            let script = """
                mount -t tmpfs -o size=4k none /mnt && dd if=/dev/zero of=/mnt/fill bs=4k count=9 2>/dev/null
                exec "$@"
                """
            let hold = try lab.host(1).start(
                "unshare", "-m", "sh", "-c", script, "sh", Toolbox.path(of: "qure-claim"), "hold", "--state-dir",
                "/mnt",
                Lab.Plan.shared)
            #expect(eventually { (try? lab.holders()) == [1] }, "\(hold.output)\(hold.errors)")
            #expect(eventually { hold.output.contains("taken") }, "\(hold.output)\(hold.errors)")
            #expect(hold.stop() == 0, "\(hold.errors)")
            #expect(try lab.holders().isEmpty)
        }

        @Test func `output that nobody reads, blocked: the address is held and withdrawn all the same`() throws {
            let lab = try Lab(hosts: 1)
            // The pipe is full to its last byte before the tool starts.
            let script = "{ head -c 65536 /dev/zero; exec \"$@\"; } 2>&1 | sleep 1000"
            let shell = try lab.host(1).start(
                "sh", "-c", script, "sh", Toolbox.path(of: "qure-claim"), "hold", "-vv", Lab.Plan.shared)
            #expect(eventually { (try? lab.holders()) == [1] }, "\(shell.errors)")
            let meter = try lab.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            // Longer than the lease: it is renewed.
            #expect(!eventually(within: .seconds(4)) { (try? lab.holders()) != [1] })
            for pid in lab.host(1).processes(named: "qure-claim") { kill(pid, SIGTERM) }
            #expect(eventually { (try? lab.holders()) == [] })
        }

        @Test func `a flood of frames about other addresses, and of garbage, does not shake it`() throws {
            let lab = try Lab(hosts: 1)
            let hold = try lab.startHold(1)
            let meter = try lab.startMeter()
            #expect(meter.waitForAnswer(by: 1))
            let link = try lab.stranger.inside { try RawLink(interface: "eth0") }
            let flood = Flood(link, Self.noise, perSecond: 50_000)
            // Longer than the lease: it is renewed in spite of it all.
            #expect(!eventually(within: .seconds(4)) { (try? lab.holders()) != [1] || !hold.isRunning })
            let sent = flood.stop()
            #expect(sent.frames > 20_000, "no flood: \(sent)")
            #expect(meter.waitForAnswer(by: 1), "\(hold.output)\(hold.errors)")
            #expect(!hold.errors.contains("says that it has it too"), "\(hold.errors)")
        }

        /// ARP packets about other addresses, whole, cut short, and with a wrong byte in their header.
        private static let noise: [[UInt8]] = (0..<200).map { number in
            let mac = Lab.Plan.mac(.stranger)
            let other = IPv4Address(rawValue: 0xc0a8_0100 | UInt32(30 + number))
            var packet = WireWriter()
            ARPPacket.announcement(other, at: mac, number % 2 == 0 ? .request : .reply).write(to: &packet)
            var bytes = packet.bytes
            if number % 3 == 1 { bytes.removeLast(1 + number % 20) }
            if number % 3 == 2 { bytes[number % 8] ^= UInt8(truncatingIfNeeded: number | 1) }
            return RawLink.frame(from: mac, type: 0x0806, bytes)
        }

        @Test func `two hosts told to take the same address: one goes first, the other says so with status 1`() throws
        {
            let lab = try Lab(hosts: 2)
            let words = [try Toolbox.path(of: "qure-claim"), "hold", "--unless-held", Lab.Plan.shared]
            let both = [try lab.host(1).start(words), try lab.host(2).start(words)]
            #expect(eventually { both.count { !$0.isRunning } == 1 }, "\(both.map(\.errors))")
            let loser = try #require(both.first { !$0.isRunning })
            #expect(loser.exitStatus == 1, "\(loser.errors)")
            #expect(eventually { (try? lab.holders().count) == 1 })
        }
    }
}
