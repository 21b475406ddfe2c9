// The network of the system tests: a private namespace, in it `left`, whose other end `right` is in the namespace
// `peer`. The runner makes the private namespace (`unshare -Urnm`) and says so in QURE_PRIVATE_NETNS; without that
// word nothing here runs, so that no test can ever touch the interfaces of the machine it is on.

import Glibc
import Lab
import QureCore
import Testing

/// Whether the runner vouches for the namespace.
let networkIsPrivate = PrivateNamespace.isVouchedFor

/// All tests that change the network; one after the other, because they share it.
@Suite(.serialized, .enabled(if: networkIsPrivate, "needs a private network namespace: scripts/test makes one"))
struct PrivateNetwork {
    /// Gives every test the same network anew: `left` (10.9.0.1/24, fd09::1/64) joined to `right` in `peer`
    /// (10.9.0.2/24, fd09::2/64), both up, nothing else.
    init() {
        _ = Self.prepared
        for name in ["left", "mv0", "other"] { run("ip link del \(name)") }
        run("ip netns del peer")
        run("nft flush ruleset")
        must("ip netns add peer")
        let peer = "right address 02:00:00:00:00:02 netns peer"
        must("ip link add left address 02:00:00:00:00:01 type veth peer name \(peer)")
        must("ip addr add 10.9.0.1/24 dev left")
        must("ip addr add fd09::1/64 dev left nodad")
        must("ip link set left up")
        must("ip -n peer addr add 10.9.0.2/24 dev right")
        must("ip -n peer addr add fd09::2/64 dev right nodad")
        must("ip -n peer link set right up")
        must("ip -n peer link set lo up")
        let ready = eventually { shell("cat /sys/class/net/left/operstate").output == "up\n" }
        #expect(ready, "the veth pair does not come up")
    }

    /// Once in the process: the named namespaces live under /run, sysfs shows this namespace.
    private static let prepared: Void = {
        do { try PrivateNamespace.prepare() } catch { preconditionFailure("\(error)") }
    }()

    /// The command line run in the peer's namespace.
    static func peer(_ line: String) -> String { "ip netns exec peer \(line)" }
}
