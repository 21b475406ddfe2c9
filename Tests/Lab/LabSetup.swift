// LabSetup: builds the lab's network. One `ip -batch` makes namespaces and cables, then one in each namespace, all at
// the same time, gives addresses and routes; some tens of milliseconds in all. Nothing here waits for the network:
// the bridge forwards at once (no spanning tree), and the machines' own IPv6 addresses skip duplicate address
// detection, while the interfaces keep the kernel's defaults for every address that comes later.

import Glibc
import QureCore

extension Lab {
    /// Makes everything, in the calling process's namespaces.
    func build() throws {
        try feed(cabling, to: ["ip", "-batch", "-"])
        try setSwitches()
        let steps = try nodes.map { node in (node, try begin(configuration(of: node), in: machine(node))) }
        for (node, step) in steps { try finish(step, "setting up \(node)") }
        try awaitPorts(nodes.filter { $0 != .lan && $0 != .client })
        try feed(Self.gatewayRules, to: ["nft", "-f", "-"], in: gateway)
    }

    /// Namespaces, and a cable from each machine to the switch or from the client to the gateway.
    private var cabling: String {
        func name(_ node: Node) -> String { prefix + node.description }
        var lines = nodes.map { "netns add \(name($0))" }
        lines.append(
            "link add name lan netns \(name(.lan)) address \(Plan.mac(.lan)) type bridge stp_state 0 forward_delay 0")
        for node in nodes where node != .lan && node != .client {
            lines.append(
                "link add name \(node) netns \(name(.lan)) type veth "
                    + "peer name \(node.interface) address \(Plan.mac(node)) netns \(name(node))")
        }
        lines.append(
            "link add name wan netns \(name(.gateway)) type veth "
                + "peer name eth0 address \(Plan.mac(.client)) netns \(name(.client))")
        return lines.joined(separator: "\n")
    }

    /// Waits until the switch forwards through these machines' ports: until then it drops what they say.
    func awaitPorts(_ nodes: [Node]) throws {
        let isReady = try lan.inside {
            let socket = try FileDescriptor(socket: AF_INET, type: .datagram)
            return eventually(within: .seconds(10)) { nodes.allSatisfy { isRunning("\($0)", socket.number) } }
        }
        guard isReady else { throw LabError("the switch does not forward: no carrier at one of its ports") }
    }

    /// Whether the kernel calls the interface operational (IFF_RUNNING); the bridge enables the port at that same
    /// moment.
    private func isRunning(_ interface: String, _ socket: CInt) -> Bool {
        var request = ifreq()
        withUnsafeMutableBytes(of: &request.ifr_ifrn) { $0.copyBytes(from: interface.utf8.prefix(15)) }
        guard ioctl(socket, UInt(SIOCGIFFLAGS), &request) == 0 else { return false }
        return CInt(request.ifr_ifru.ifru_flags) & CInt(IFF_RUNNING) != 0
    }

    /// The settings behind /proc/sys: the gateway forwards, the switch has no voice of its own.
    private func setSwitches() throws {
        try gateway.inside {
            try Sysctl.write("net/ipv4/ip_forward", "1")
            try Sysctl.write("net/ipv6/conf/all/forwarding", "1")
        }
        try lan.inside {
            try Sysctl.write("net/ipv6/conf/all/disable_ipv6", "1")
            try Sysctl.write("net/ipv6/conf/default/disable_ipv6", "1")
            // Where bridged frames pass through the IP filters too, they must not here.
            for family in ["ip", "ip6", "arp"] {
                try? Sysctl.write("net/bridge/bridge-nf-call-\(family)tables", "0")
            }
        }
        // A stranger that takes an address tells the link when its interface comes up.
        try stranger.inside {
            try Sysctl.write("net/ipv4/conf/eth0/arp_notify", "1")
            try Sysctl.write("net/ipv6/conf/eth0/ndisc_notify", "1")
        }
    }

    /// The lines for `ip -batch` in the machine's namespace.
    private func configuration(of node: Node) -> String {
        switch node {
        case .lan:
            let ports = nodes.filter { $0 != .lan && $0 != .client }
            return
                (["link set lan up"]
                + ports.map { "link set \($0) master lan up" }).joined(separator: "\n")
        case .gateway:
            return """
                link set lo up
                link set lan addrgenmode none
                link set lan up
                link set wan up
                addr add 192.168.1.1/24 dev lan
                addr add fe80::1/64 dev lan nodad
                addr add fd00:1::1/64 dev lan nodad
                addr add 203.0.113.1/24 dev wan
                addr add fd00:2::1/64 dev wan nodad
                """
        case .client:
            return """
                link set lo up
                link set eth0 up
                addr add 203.0.113.2/24 dev eth0
                addr add fd00:2::2/64 dev eth0 nodad
                route add default via 203.0.113.1
                route add ::/0 via fd00:2::1
                """
        case .observer:
            return """
                link set lo up
                link set eth0 addrgenmode none
                link set eth0 up
                addr add fe80::98/64 dev eth0 nodad
                """
        case .stranger: return "link set lo up\nlink set eth0 addrgenmode none\nlink set eth0 up"
        case .host:
            return "link set lo up\nlink set eth0 addrgenmode none\nlink set eth0 up\n" + Self.ownAddresses(node)
        }
    }

    /// A host's own addresses and routes; what its network manager puts back after the link was down.
    static func ownAddresses(_ node: Node) -> String {
        guard case .host(let number) = node else { return "" }
        let last = 20 + number
        return """
            addr replace 192.168.1.\(last)/24 dev eth0
            addr replace fe80::\(last)/64 dev eth0 nodad
            addr replace fd00:1::\(last)/64 dev eth0 nodad
            route replace default via 192.168.1.1
            route replace ::/0 via fd00:1::1
            """
    }

    private static let gatewayRules = """
        table ip site {
            chain incoming {
                type nat hook prerouting priority dstnat
                iifname "wan" ip daddr \(Plan.site) dnat to \(Plan.address)
            }
            chain outgoing {
                type nat hook postrouting priority srcnat
                oifname "wan" masquerade
            }
        }
        """

    // MARK: Programs that read their orders from standard input

    /// Runs a program of the system to its end with `text` as its input, in the machine's network namespace if given.
    package func feed(_ text: String, to command: [String], in machine: Machine? = nil) throws {
        let step = try begin(text, command, in: machine)
        try finish(step, command.joined(separator: " "))
    }

    private func begin(_ text: String, in machine: Machine) throws -> LabProcess {
        try begin(text, ["ip", "-batch", "-"], in: machine)
    }

    private func begin(_ text: String, _ command: [String], in machine: Machine?) throws -> LabProcess {
        let pipe = try Pipe()
        setPipeSize(pipe.writing.number, text.utf8.count + 4096)
        try OutputStream.writeAll(Array((text + "\n").utf8), to: pipe.writing.number)
        guard let machine else { return try LabProcess(command, input: pipe.reading.number) }
        return try machine.inside { try LabProcess(command, input: pipe.reading.number) }
    }

    private func finish(_ step: LabProcess, _ what: String) throws {
        guard let status = step.wait(within: .seconds(20)) else { throw LabError("\(what): does not end") }
        guard status == 0 else { throw LabError("\(what): \(step.errors)\(step.output)") }
    }
}
