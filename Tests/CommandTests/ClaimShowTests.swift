// `qure-claim show`: every state that a claim can be in, as text and as JSON, and the exit status that a script asks
// for.

import Glibc
import Lab
import QureCore
import Testing

/// Each test in a network of its own.
@Suite(.enabled(if: ClaimNetwork.missing == nil, "\(ClaimNetwork.missing ?? "")"))
struct ClaimShow {
    let network = ClaimNetwork()

    /// The output with what no test can know written as N: times, process ids, and how many announcements
    /// there were by then.
    private func show(_ arguments: String = "") -> ToolResult {
        var result = network.claim("show \(arguments)")
        result.output.replace(/pid \d+ for \d+s/, with: "pid N for Ns")
        result.output.replace(/announced [1-9]\d*/, with: "announced N")
        result.output.replace(/"(pid|age_ms)":\d+/) { "\"\($0.output.1)\":N" }
        return result
    }

    @Test func `nothing is claimed`() {
        #expect(show() == ToolResult(0))
        #expect(show("10.9.0.50") == ToolResult(1))
        #expect(show("fd09::50") == ToolResult(1))
        #expect(show("-i eth7") == ToolResult(69, errors: "qure-claim: eth7: no such interface\n"))
    }

    @Test func `added`() {
        #expect(network.claim("add --announce 0 10.9.0.50/24").status == 0)
        #expect(network.claim("add --announce 0 --lease 60s fd09::50/64").status == 0)
        let v4 = "10.9.0.50/24 added eth0 add for 0s\n"
        let v6 = "fd09::50/64 added eth0 add for 0s lease 60s\n"
        func once(_ result: ToolResult) -> ToolResult {
            var copy = result
            copy.output.replace(/for \d+s/, with: "for 0s")
            copy.output.replace(/lease 5\ds/, with: "lease 60s")
            return copy
        }
        #expect(once(show()) == ToolResult(0, v4 + v6))
        #expect(once(show("fd09::50")) == ToolResult(0, v6))
        #expect(once(show("10.9.0.50/24")) == ToolResult(0, v4))
        #expect(once(show("10.9.0.50 10.9.0.51")) == ToolResult(1, v4))
        #expect(once(show("-i eth0 10.9.0.50")) == ToolResult(0, v4))
        #expect(show("-i lo 10.9.0.50") == ToolResult(1))
        #expect(
            show("--json 10.9.0.50")
                == ToolResult(
                    0,
                    #"{"address":"10.9.0.50/24","state":"added","interface":"eth0","mode":"add","pid":null,"age_ms":N,"#
                        + #""lease_left_s":null,"announcements":0,"conflicts":0,"fenced":false,"verified":false,"#
                        + #""verification":"","verified_ago_ms":null}"# + "\n"))
        // The kernel's mark is enough.
        network.sh("rm -r /run/qure/claims/netns-$(stat -L -c %i /proc/self/ns/net)")
        #expect(show("10.9.0.50") == ToolResult(0, "10.9.0.50/24 added eth0\n"))
        #expect(
            show("--json 10.9.0.50")
                == ToolResult(
                    0,
                    #"{"address":"10.9.0.50/24","state":"added","interface":"eth0","mode":null,"pid":null,"#
                        + #""age_ms":null,"lease_left_s":null,"announcements":null,"conflicts":null,"fenced":null,"#
                        + #""verified":null,"verification":null,"verified_ago_ms":null}"# + "\n"))
    }

    @Test func `held, and nothing once it is withdrawn`() {
        let holder = network.startHold("10.9.0.50/24 fd09::50/64", taking: "fd09::50")
        var shown = show()
        #expect(
            eventually {
                shown = show()
                return shown.output.components(of: "announced N conflicts 0 fenced not verified") == 2
            })
        let reason = "not verified: there is no default gateway"
        #expect(
            shown
                == ToolResult(
                    0,
                    """
                    10.9.0.50/24 held eth0 hold pid N for Ns lease 2s announced N conflicts 0 fenced \(reason)
                    fd09::50/64 held eth0 hold pid N for Ns lease 2s announced N conflicts 0 fenced \(reason)

                    """))
        #expect(show("10.9.0.50 fd09::50").status == 0)
        let record = JSONRecord(network.claim("show --json fd09::50").output)
        #expect(record?.number("pid") == Int64(holder.process))
        #expect(record?.text("state") == "held" && record?.text("mode") == "hold" && record?["fenced"]?.text == "true")
        #expect(record?.text("verification") == reason && record?["verified"]?.text == "false")
        #expect(holder.end().status == 0)
        #expect(show() == ToolResult(0))
        #expect(show("10.9.0.50").status == 1)
    }

    @Test func `standing by, and somebody else's meanwhile`() {
        let events = EventPipe(network)
        let follower = network.startClaim("follow 10.9.0.50/24", input: events.path)
        events.begin()
        events.say("standby")
        #expect(eventually { network.claim("show").output.contains("standby") })
        #expect(
            show("10.9.0.50")
                == ToolResult(1, "10.9.0.50/24 standby eth0 follow pid N for Ns announced 0 conflicts 0\n"))
        // The same after it was held.
        events.say("master lease=60s")
        #expect(follower.says("taken"))
        #expect(eventually { show("10.9.0.50").output.contains(" held eth0 follow ") })
        events.say("standby")
        #expect(eventually { show("10.9.0.50").output.contains(" standby eth0 follow ") })
        network.sh("ip addr add 10.9.0.50/24 dev eth0")
        #expect(show("10.9.0.50").output.hasPrefix("10.9.0.50/24 foreign eth0 follow pid N"))
        #expect(show("10.9.0.50").status == 1)
        #expect(follower.isRunning)
    }

    @Test func `missing while the link cannot carry it`() {
        let holder = network.startHold("--no-verify fd09::50/64", taking: "fd09::50")
        network.sh("ip link set eth0 down")
        #expect(eventually { show("fd09::50").output.hasPrefix("fd09::50/64 missing eth0 hold pid N") })
        #expect(show("fd09::50").status == 1)
        #expect(holder.isRunning)
    }

    @Test func `frozen while the process is stopped, whatever it had written`() {
        let holder = network.startHold("--no-verify --lease 60s 10.9.0.50/24", taking: "10.9.0.50")
        #expect(eventually { show("10.9.0.50").output.hasPrefix("10.9.0.50/24 held eth0 hold pid N") })
        kill(holder.process, SIGSTOP)
        #expect(eventually { show("10.9.0.50").output.hasPrefix("10.9.0.50/24 frozen eth0 hold pid N for Ns lease ") })
        let frozen = show("10.9.0.50")
        #expect(frozen.status == 1 && frozen.output.hasSuffix(" fenced not verified: the process is stopped\n"))
        let record = JSONRecord(network.claim("show --json 10.9.0.50").output)
        #expect(record?.text("state") == "frozen" && record?["verified"]?.text == "false")
        kill(holder.process, SIGCONT)
        #expect(eventually { show("10.9.0.50").output.hasPrefix("10.9.0.50/24 held eth0 hold pid N") })
        // With its control group, as a service manager does it: what the kernel would say of that is put in its place.
        func showInGroup(frozen: Int) -> String {
            let script = """
                mount -t tmpfs none /sys/fs/cgroup; mkdir -p /sys/fs/cgroup/a/b
                echo 0::/a/b > /sys/fs/cgroup/group; mount --bind /sys/fs/cgroup/group /proc/\(holder.process)/cgroup
                printf 'populated 1\\nfrozen \(frozen)\\n' > /sys/fs/cgroup/a/b/cgroup.events
                \(Executables.path("qure-claim")) show 10.9.0.50 || :
                """
            return network.start(["unshare", "-m", "sh", "-ec", script]).finish().output
        }
        #expect(showInGroup(frozen: 1).hasPrefix("10.9.0.50/24 frozen eth0 hold pid "))
        #expect(showInGroup(frozen: 0).hasPrefix("10.9.0.50/24 held eth0 hold pid "))
        #expect(holder.end().status == 0)
    }

    @Test func `left behind by a holder that was killed with its guard`() throws {
        let holder = network.startHold("--no-verify --lease 5s 10.9.0.50/24")
        let twin = try #require(ClaimNetwork.twin(of: holder))
        kill(holder.process, SIGSTOP)
        kill(twin, SIGKILL)
        #expect(holder.end(with: SIGKILL).status == 137)
        #expect(eventually { show("10.9.0.50").output.hasPrefix("10.9.0.50/24 left eth0 hold pid N") })
        #expect(show("10.9.0.50").status == 1)
    }

    @Test func `a registry on a full disk is told, once, and is no reason to give an address up`() {
        network.sh("mkdir \(network.folder)/small")
        let tool = Executables.path("qure-claim")
        let holder = network.start([
            "unshare", "-m", "sh", "-c",
            """
            mount -t tmpfs -o size=64k none \(network.folder)/small
            cp /bin/sh \(network.folder)/small/full 2> /dev/null
            exec \(tool) hold --no-verify --state-dir \(network.folder)/small 10.9.0.50/24
            """,
        ])
        #expect(holder.complains("No space left on device"), "\(holder.errors)")
        #expect(holder.says("taken"))
        network.sh("ip addr del 10.9.0.50/24 dev eth0")
        #expect(holder.says("reinstated"))
        #expect(network.pings("10.9.0.50"))
        let end = holder.end()
        #expect(end.status == 0)
        #expect(end.errors.components(of: "No space left on device") == 1, "\(end.errors)")
    }

    @Test func `a standard output that cannot be written is an error`() {
        #expect(network.claim("add --announce 0 10.9.0.50/24").status == 0)
        let tool = network.start(["sh", "-c", "\(Executables.path("qure-claim")) show > /dev/full"]).finish()
        #expect(tool == ToolResult(71, errors: "qure-claim: write standard output: No space left on device\n"))
        let closed = network.start(["sh", "-c", "\(Executables.path("qure-claim")) show >&-"]).finish()
        #expect(closed.status == 71 && closed.errors.hasPrefix("qure-claim: write standard output: "))
    }
}
