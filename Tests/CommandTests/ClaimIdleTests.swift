// What qure-claim costs while nothing happens: it wakes up on its own schedule only.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimIdle {
    /// How often a process has waited, by the kernel's count.
    static func waits(of process: pid_t) -> Int {
        let status = (try? TextFile.read("/proc/\(process)/status")) ?? []
        let text = String(decoding: status, as: UTF8.self)
        return text.firstMatch(of: /\nvoluntary_ctxt_switches:\t(\d+)/).flatMap { Int($0.output.1) } ?? 0
    }

    /// The processor time that a process has used, in seconds.
    static func processorTime(of process: pid_t) -> Double {
        let text = String(decoding: (try? TextFile.read("/proc/\(process)/schedstat")) ?? [], as: UTF8.self)
        return text.split(separator: " ").first.flatMap { Double($0) }.map { $0 / 1e9 } ?? 0
    }

    /// Counts for three seconds.
    private func count(_ what: String, _ tool: RunningTool, during body: () -> Void = {}) -> Int {
        let start = wallClock
        let (waits, time) = (Self.waits(of: tool.process), Self.processorTime(of: tool.process))
        while wallClock - start < 3 {
            body()
            usleep(100_000)  // the pace of what happens meanwhile
        }
        let counted = Self.waits(of: tool.process) - waits
        let used = Self.processorTime(of: tool.process) - time
        print("figure: \(what): \(counted) waits and \(used) s of processor time in 3 s")
        return counted
    }

    @Test func `hold wakes for its lease, its question and its announcements`() {
        let network = ClaimNetwork()
        let holder = network.startHold("--no-verify 10.9.0.50/24 fd09::50/64")
        network.settle("10.9.0.50")
        // Two renewals and one question a second; each renewal is told to it by the kernel too.
        #expect(count("hold", holder) <= 24)
        // Nothing of what is none of its business wakes it.
        let busy = count("hold beside a busy link", holder) {
            network.sh(
                "ping -c 20 -i 0.002 -q 10.9.0.1 > /dev/null; arping -c 1 -w 1 -f -I eth0 10.9.0.1 > /dev/null", on: 2)
        }
        #expect(busy <= 40)
    }

    @Test func `follow wakes for its lines, and not at all while it stands by`() {
        let following = ClaimFollowing()
        following.sync()
        #expect(count("follow, standing by", following.follower) <= 3)
        following.hold()
        following.network.settle("10.9.0.50")
        let lines = count("follow, ten lines a second", following.follower) {
            following.events.say("alive lease=300ms")
        }
        #expect(lines <= 90)
    }
}
