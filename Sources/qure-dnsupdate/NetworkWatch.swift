// NetworkWatch: which changes in this host's network can mean that its public address is another one. Routers repeat
// themselves every few minutes, and the kernel tells of every repetition; what is only said again is no change.

import QureCore

/// The addresses and links that the kernel has told of.
struct NetworkWatch: ~Copyable {
    private struct Place: Hashable {
        var interface: Int
        var address: IPAddress
    }
    /// What decides whether an address is to be told to anybody.
    private struct Fitness: Equatable {
        var isTentative, hasFailed, isDeprecated, isTemporary: Bool
    }

    private var monitor: NetlinkMonitor
    private var addresses: [Place: Fitness] = [:]
    private var links: [Int: Bool] = [:]

    init() throws(SystemError) { monitor = try NetlinkMonitor(buffer: 1 << 20) }

    var descriptor: CInt { monitor.descriptor }

    /// Reads what has changed; whether any of it matters.
    mutating func hasChanged() throws(SystemError) -> Bool {
        var matters = false
        for change in try monitor.read() {
            switch change {
            case .address(let address):
                let place = Place(interface: address.interface, address: address.prefix.address)
                let fitness = Fitness(
                    isTentative: address.isTentative, hasFailed: address.hasFailedDAD,
                    isDeprecated: address.isDeprecated, isTemporary: address.isTemporary)
                if addresses.updateValue(fitness, forKey: place) != fitness { matters = true }
            case .addressRemoved(let address):
                addresses[Place(interface: address.interface, address: address.prefix.address)] = nil
                matters = true
            case .link(let link):
                let isRunning = link.isUp && link.hasCarrier
                if links.updateValue(isRunning, forKey: link.index) != isRunning { matters = true }
            case .linkRemoved(let index):
                links[index] = nil
                matters = true
            case .overrun: matters = true
            case .neighbour, .neighbourRemoved, .route: break
            }
        }
        return matters
    }
}
