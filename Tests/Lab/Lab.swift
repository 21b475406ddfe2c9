// Lab: a small site in network namespaces, as it stands behind a consumer gateway, and one client outside:
//
//     client 203.0.113.2 ── 203.0.113.1 gw 192.168.1.1 ── switch ─┬─ h1 192.168.1.21   shared address 192.168.1.11
//            fd00:2::2      fd00:2::1      fd00:1::1              ├─ h2 192.168.1.22                  fd00:1::11
//                                                                 ├─ …
//                                                                 └─ stranger, observer
//
// The gateway translates the LAN's addresses and forwards everything that comes to it from outside to 192.168.1.11
// ("DMZ host"); IPv6 is routed. On every host a responder says the host's name to whoever reaches it at the shared
// address. Everything is made in the private namespaces of the process that builds the lab, under names of its own,
// so two labs do not meet; when the Lab goes, or its process however it goes, so does everything that ran in it.

import Glibc
package import QureCore

/// A site of some hosts, a gateway, and a client outside.
package final class Lab {
    /// What is where. The same in every lab: they cannot see each other.
    package enum Plan {
        /// The address that the site is to keep.
        package static let address = IPAddress("192.168.1.11")!
        package static let address6 = IPAddress("fd00:1::11")!
        /// The same as `qure-claim` wants them.
        package static let shared = "192.168.1.11/24"
        package static let shared6 = "fd00:1::11/64"
        /// Where the client outside finds the site: the gateway's address there, and the shared IPv6 address itself.
        package static let site = IPAddress("203.0.113.1")!
        package static let site6 = address6
        /// The ports of the responders.
        package static let datagramPort: UInt16 = 4000
        package static let pagePort: UInt16 = 80

        /// A machine's hardware address; its last octet reads like the last part of its IPv4 address.
        package static func mac(_ node: Node) -> MACAddress {
            let last =
                switch node {
                case .host(let number): 20 + number
                case .gateway: 1
                case .stranger: 99
                case .observer: 98
                case .client: 2
                case .lan: 254
                }
            let readable = UInt64((last / 100) << 8 | (last % 100 / 10) << 4 | (last % 10))
            return MACAddress(rawValue: 0x5254_0000_0000 | readable)
        }

        /// The machine that has this hardware address.
        package static func node(_ mac: MACAddress, hosts: Int) -> Node? {
            ((1...max(hosts, 1)).map { Node.host($0) } + [.gateway, .stranger]).first { self.mac($0) == mac }
        }
    }

    /// How many hosts stand behind the gateway.
    package let hostCount: Int
    /// What the names of this lab's namespaces begin with.
    package let prefix: String
    private var keeper: Keeper?
    /// Kept so that they live as long as the lab does.
    private var responders: [Int: LabProcess] = [:]

    /// Builds a lab of `hosts` hosts. `named`: the namespaces' names are `h1`, `gw` …, for a person; otherwise they
    /// have a prefix that no other lab in these namespaces has. `responders`: whether each host runs one.
    package init(hosts: Int, named: Bool = false, responders: Bool = true) throws {
        precondition((1...70).contains(hosts), "a lab has 1 to 70 hosts")
        try PrivateNamespace.prepare()
        hostCount = hosts
        prefix = named ? "" : Self.freshPrefix()
        keeper = try Keeper(namespaces: nodes.map { prefix + $0.description })
        do {
            try build()
            if responders { try startResponders((1...hosts).map { $0 }) }
        } catch {
            close()
            throw error
        }
    }

    /// The lab that was built under plain names in the namespaces that this process is in: for `qure-lab`'s commands
    /// in the lab's shell. It outlives this value.
    package init(attachedTo directory: String = "/run/netns") throws {
        let hosts = TextFile.names(in: directory).compactMap { name -> Int? in
            guard case .host(let number) = Node(name) else { return nil }
            return number
        }
        guard let last = hosts.max() else { throw LabError("there is no lab here: start one with qure-lab shell") }
        hostCount = last
        prefix = ""
        keeper = nil
    }

    deinit { close() }

    /// Ends every process in the lab and removes it. The lab is of no use afterwards.
    package func close() {
        guard let keeper else { return }
        self.keeper = nil
        for node in nodes { machine(node).signalAll(SIGKILL) }
        responders = [:]
        keeper.dismiss()
        let removal = nodes.map { "netns del \(prefix)\($0)" }.joined(separator: "\n")
        _ = try? feed(removal, to: ["ip", "-force", "-batch", "-"])
    }

    /// All machines.
    package var nodes: [Node] { [.lan, .gateway, .client, .stranger, .observer] + (1...hostCount).map { .host($0) } }

    /// One machine.
    package func machine(_ node: Node) -> Machine { Machine(node: node, namespace: prefix + node.description) }
    /// A host behind the gateway, counted from 1.
    package func host(_ number: Int) -> Machine { machine(.host(number)) }
    /// All hosts behind the gateway, in order.
    package var hosts: [Machine] { (1...hostCount).map(host) }
    package var gateway: Machine { machine(.gateway) }
    package var client: Machine { machine(.client) }
    package var stranger: Machine { machine(.stranger) }
    package var observer: Machine { machine(.observer) }
    package var lan: Machine { machine(.lan) }

    /// The hosts that have the address on an interface now.
    package func holders(of address: IPAddress = Plan.address) throws -> [Int] {
        try (1...hostCount).filter { try host($0).has(address) }
    }

    /// Starts the responders of these hosts and waits until they answer.
    func startResponders(_ numbers: [Int]) throws {
        let tool = try Toolbox.path(of: "qure-lab")
        for number in numbers {
            responders[number] = try host(number).start(
                tool, "serve", "--name", "h\(number)", "--address", Plan.address.description,
                "--address", Plan.address6.description)
        }
        for number in numbers {
            guard let responder = responders[number] else { continue }
            let isReady = eventually(within: .seconds(10)) { !responder.lines.isEmpty || !responder.isRunning }
            guard isReady, responder.isRunning else {
                throw LabError("h\(number): the responder does not start: \(responder.errors)")
            }
            // A lab that is only attached to goes on without us.
            if keeper == nil { responder.leaveAlone() }
        }
    }

    private static func freshPrefix() -> String {
        var random = SystemRandomNumberGenerator()
        while true {
            let prefix = "q" + String(random.next() & 0xfffff, radix: 36) + "-"
            if access("/run/netns/\(prefix)switch", F_OK) != 0 { return prefix }
        }
    }
}

/// What removes a lab whose process is gone, however it went: a shell that waits for the end of a pipe whose other end
/// only that process has.
private final class Keeper {
    private let shell: LabProcess
    private let pipe: FileDescriptor

    init(namespaces: [String]) throws {
        let ends = try Pipe()
        let script = """
            trap '' INT TERM HUP
            read -r word && exit 0
            for n in "$@"; do for p in $(ip netns pids "$n"); do kill -KILL "$p"; done; done
            for n in "$@"; do ip netns del "$n"; done
            """
        shell = try LabProcess(["sh", "-c", script, "lab-keeper"] + namespaces, input: ends.reading.number)
        pipe = ends.writing
    }

    /// The lab is being removed in the ordinary way.
    func dismiss() {
        _ = OutputStream.writeNow(Array("done\n".utf8), to: pipe.number)
        _ = shell.wait()
    }
}
