// The loop of `qure-probe ADDRESS`, `wait` and `watch`: joins one Prober per address with the sockets of the links they
// are on. One-shot questions end when the link cannot be asked; `wait` and `watch` ride that out and say so.

import Glibc
import QureCore

/// One address and what is asked about it.
struct ProbeTarget {
    let address: IPAddress
    var prober: Prober
    /// Where it is asked for; nil while that cannot be told.
    var way: Way?
}

/// How an address is reached.
struct Way: Equatable {
    var method: Method
    /// The link it is asked on; nil for echo requests that the kernel routes, and for this host's own loopback.
    var link: Link?
    /// Whether the address is on this host.
    var isLocal = false
}

/// The sockets of one link. A class, because an array cannot hold what may not be copied.
final class LinkSockets {
    var neighbors: NeighborSocket
    init(_ neighbors: consuming NeighborSocket) { self.neighbors = neighbors }
}

/// The echo socket of one family.
final class EchoSockets {
    let socket: EchoSocket
    init(_ socket: consuming EchoSocket) { self.socket = socket }
}

struct ProbeSession: ~Copyable {
    private var targets: [ProbeTarget]
    private let options: ProbeOptions
    private var diagnostics: Diagnostics
    private let output: RecordWriter
    private var poller: Poller
    private var netlink: Netlink
    private var monitor: NetlinkMonitor?
    private var links: [Int: LinkSockets] = [:]
    private var echoes: [Int: EchoSockets] = [:]
    private var complaints: [IPAddress: String] = [:]
    private var results: [Record?]
    private static let monitorToken = -1

    init(
        _ addresses: [IPAddress], _ mode: Prober.Configuration.Mode, _ options: ProbeOptions,
        _ diagnostics: Diagnostics, rides: Bool
    ) throws {
        self.options = options
        self.diagnostics = diagnostics
        output = RecordWriter(json: options.common.json)
        targets = addresses.map {
            ProbeTarget(address: $0, prober: Prober(.init(mode, interval: options.interval.duration)))
        }
        results = addresses.map { _ in nil }
        // `wait` may be ended by any signal as every program is; `watch` and the rest too, with nothing to clean up.
        poller = try Poller()
        netlink = try Netlink()
        if rides {
            monitor = try NetlinkMonitor()
        } else {
            monitor = nil
        }
        try watchMonitor()
    }
}
