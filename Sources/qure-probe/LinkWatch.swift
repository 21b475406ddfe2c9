// LinkWatch: notices when a link is lost while somebody is asked on it. A frame that is sent without a carrier is gone
// without a word, and the silence that follows must not be taken for an answer.

import QureCore

/// The state of one link from now on.
final class LinkWatch {
    private var monitor: NetlinkMonitor
    private let link: Link

    /// Watches the link; `check` is due when the poller says so, and before any silence is believed.
    init(_ link: Link, poller: borrowing Poller, token: Int) throws {
        self.link = link
        monitor = try NetlinkMonitor()
        try poller.add(monitor.descriptor, token: token)
        try look()
    }

    /// Throws if the link has been lost, even if only for a moment.
    func check() throws {
        for change in try monitor.read() {
            switch change {
            case .link(let now) where now.index == link.index: try now.checkState()
            case .linkRemoved(link.index): throw gone
            case .overrun: try look()
            default: break
            }
        }
    }

    private func look() throws {
        var netlink = try Netlink()
        guard let now = try netlink.link(index: link.index) else { throw gone }
        try now.checkState()
    }

    private var gone: Failure { Failure(.unreachable, "\(link.name): the interface is gone") }
}

extension Link {
    /// Whether it is Ethernet with others on it, to be asked by ARP or neighbour discovery.
    var hasNeighbors: Bool { mac != nil && supportsARP && !isLoopback }

    /// Why what is sent does not get out: nothing is silent that cannot be asked.
    var trouble: Failure? {
        if !isUp { return Failure(.unreachable, "\(name): the interface is down") }
        if !hasCarrier { return Failure(.unreachable, "\(name): the interface has no carrier") }
        return nil
    }

    /// Throws where what is sent does not get out.
    func checkState() throws { if let trouble { throw trouble } }
}
