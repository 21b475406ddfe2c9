// PrivateNamespace: what the lab needs of the place it runs in, and what it makes of it once: named network namespaces
// live under /run, so that becomes a file system of our own, and /sys one that shows this network namespace.
// Nothing of it is done, and no lab is built, unless whoever started this process vouches for its namespaces
// (QURE_PRIVATE_NETNS=1), so that no test ever touches the network of the machine that it runs on.

import Glibc

/// The private namespaces that a lab is built in.
package enum PrivateNamespace {
    /// Whether whoever started this process vouches for its network and mount namespaces.
    package static let isVouchedFor = getenv("QURE_PRIVATE_NETNS").map { String(cString: $0) } == "1"

    /// What is missing for a lab, as one sentence; nil: nothing.
    package static let missing: String? = {
        if !isVouchedFor { return "needs a private network namespace (QURE_PRIVATE_NETNS): make check, or qure-lab" }
        for (program, package) in [("ip", "iproute2"), ("nft", "nftables")] where !Toolbox.isInstalled(program) {
            return "needs \(program) (Debian package \(package))"
        }
        return nil
    }()

    /// Makes /run and /sys this process's own, once, and brings up the loopback interface.
    package static func prepare() throws {
        if let missing { throw LabError(missing) }
        if case .failure(let error) = prepared { throw error }
    }

    private static let prepared: Result<Void, LabError> = {
        for line in ["mount -t tmpfs none /run", "mount -t sysfs none /sys", "ip link set lo up"] {
            let result = run(line)
            guard result.status == 0 else { return .failure(LabError("\(line): \(result.output)")) }
        }
        return .success(())
    }()
}
