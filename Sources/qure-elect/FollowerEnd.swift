// FollowerEnd: the last thing that an elector does: it waits, half a second at most, for its follower.

import QureCore

extension ElectSession {
    /// Waits until the follower has taken the addresses away, for it may be killed as soon as this process has ended;
    /// and until it has ended, too. A process that closes a socket of the packet filter, as this one then does, keeps
    /// everybody else from changing that until the kernel is rid of what was removed before: that takes milliseconds,
    /// and seconds on a machine that has much to do. The follower has its fence to take away, and while it waited so,
    /// the fences in all other network namespaces of the machine would wait with it.
    func seeFollowerOff() throws {
        let deadline = Clock.now + .milliseconds(500)
        let follower = ProcessWatch(followerProcess)
        // One of its own: what the members go on saying is heard by nobody, and would end every wait.
        var waiting = try Poller(signals: [])
        try waiting.add(changes.descriptor, token: Token.changes)
        if let descriptor = follower.descriptor {
            try waiting.add(descriptor, token: Token.output)
            while follower.isRunning, Clock.now < deadline {
                _ = try waiting.wait(until: deadline)
                _ = try changes.read()
            }
            try waiting.remove(descriptor)
        }
        while try areAddressesClaimed(), Clock.now < deadline {
            _ = try waiting.wait(until: deadline)
            _ = try changes.read()
        }
    }

    private func areAddressesClaimed() throws -> Bool {
        try netlink.addresses().contains {
            $0.origin == AddressOrigin.qure && addresses.contains($0.prefix.address)
        }
    }

    /// The process that follows, as it has said itself; 0: it has not, or is about to end.
    private var followerProcess: Int32 {
        let registry = ClaimRegistry(directory: options.place.stateDir)
        let entries = addresses.lazy.compactMap { registry.entry(of: $0) }
        return entries.first { $0.isHeld && $0.entry.mode == "follow" }?.entry.pid ?? 0
    }
}
