// Faults: what can go wrong in the lab, by name, each with what undoes it. Everything on the wire is done at the
// switch, where the machine concerned sees nothing of it but its effects: a port is set down (the machine loses its
// carrier), or an nft table of its own drops frames (it does not). Tables are named after fault and machine, so that
// any process can undo what another one did: the commands in the lab's shell, for instance.

import Glibc
package import QureCore

extension Lab {
    // MARK: Processes

    /// Every process of the machine is killed. Its kernel goes on and answers for the addresses that it has.
    package func kill(_ node: Node) { machine(node).signalAll(SIGKILL) }

    /// The machine dies: its processes are gone and its cable is dead. Undone by `boot`.
    package func crash(_ node: Node) throws {
        try cut(node)
        kill(node)
    }

    /// The machine starts afresh: no process of before, its own addresses and no others, its cable plugged in, a
    /// responder.
    package func boot(_ host: Int) throws {
        let node = Node.host(host)
        kill(node)
        try feed("addr flush dev eth0\n" + Self.ownAddresses(node), to: ["ip", "-batch", "-"], in: machine(node))
        try heal(node)
        try startResponders([host])
    }

    /// Every process of the machine stops. Its kernel goes on and answers. Undone by `thaw`.
    package func freeze(_ node: Node) { machine(node).signalAll(SIGSTOP) }

    /// The processes go on.
    package func thaw(_ node: Node) { machine(node).signalAll(SIGCONT) }

    /// The machine is suspended, as a paused guest is: nothing runs, nothing reaches it or leaves it, and nothing
    /// tells it so (its carrier stays). What a lab cannot stop is its kernel's clock: an address with a lifetime goes
    /// when that is over. Undone by `resume`.
    package func suspend(_ node: Node) throws {
        try isolate(node)
        freeze(node)
    }

    /// It goes on where it was.
    package func resume(_ node: Node) throws {
        try removeTable(.isolate, node)
        thaw(node)
    }

    // MARK: Cables

    /// The cable is pulled: no carrier at either end. Undone by `heal`.
    package func cut(_ node: Node) throws { try lan.ip("link set \(node) down") }

    /// Nothing passes between the machine and the switch, but the carrier stays. Undone by `heal`.
    package func isolate(_ node: Node) throws {
        try setTable(.isolate, node, ["iifname \"\(node)\" drop", "oifname \"\(node)\" drop"])
    }

    /// The cable is plugged in and whole: undoes `cut`, `isolate` and `lose`.
    package func heal(_ node: Node) throws {
        try removeTable(.isolate, node)
        try removeTable(.loss, node)
        try lan.ip("link set \(node) up")
        try awaitPorts([node])
    }

    /// Which way a frame goes, seen from the machine.
    package enum Direction: String, CaseIterable, Sendable { case both, out, `in` }

    /// The cable loses that many percent of the frames. Undone by `heal`, or by losing nothing.
    package func lose(_ percent: Int, _ node: Node, _ direction: Direction = .both) throws {
        guard percent > 0 else { return try removeTable(.loss, node) }
        let sides = direction == .both ? ["iifname", "oifname"] : direction == .out ? ["iifname"] : ["oifname"]
        let chance = percent < 100 ? "numgen random mod 100 < \(percent) " : ""
        try setTable(.loss, node, sides.map { "\($0) \"\(node)\" \(chance)drop" })
    }

    /// The switch falls into parts: nothing passes between machines of different groups. One that is in no group
    /// reaches them all. Undone by `mend`.
    package func partition(_ groups: [Node]...) throws { try partition(groups) }

    /// As above.
    package func partition(_ groups: [[Node]]) throws {
        func set(_ group: [Node]) -> String { "{ " + group.map { "\"\($0)\"" }.joined(separator: ", ") + " }" }
        let parts = groups.filter { !$0.isEmpty }
        var rules: [String] = []
        for (index, group) in parts.enumerated() {
            for (otherIndex, other) in parts.enumerated() where otherIndex != index {
                rules.append("iifname \(set(group)) oifname \(set(other)) drop")
            }
        }
        try setTable(.partition, .lan, rules)
    }

    /// The switch is whole again.
    package func mend() throws { try removeTable(.partition, .lan) }

    // MARK: Addresses and interfaces of a host

    /// Somebody on the host removes the address, as a network manager would. False: it was not there.
    @discardableResult
    package func flush(_ host: Int, _ address: IPAddress = Plan.address) throws -> Bool {
        let machine = self.host(host)
        return try machine.inside {
            var netlink = try Netlink()
            var removed = false
            for entry in try netlink.addresses() where entry.prefix.address == address {
                removed = try netlink.removeAddress(entry.prefix, interface: entry.interface) || removed
            }
            return removed
        }
    }

    /// The host's interface goes down and up again; the kernel forgets its IPv6 addresses and routes over that, and its
    /// network manager puts back the host's own, not the shared one.
    package func flap(_ host: Int) throws {
        let lines = "link set eth0 down\nlink set eth0 up\n" + Self.ownAddresses(.host(host))
        try feed(lines, to: ["ip", "-batch", "-"], in: self.host(host))
    }

    /// A stranger on the LAN takes the address and says so. It knows nothing of RFC 5227 and does not give way.
    /// Undone by `strangerLeaves`.
    package func strangerTakes(_ prefix: String = Plan.shared) throws {
        // With arp_notify and ndisc_notify set, the kernel announces all addresses whenever the hardware address is
        // set.
        let lines = """
            addr replace \(prefix) dev eth0\(prefix.contains(":") ? " nodad" : "")
            link set eth0 address \(Plan.mac(.stranger))
            """
        try feed(lines, to: ["ip", "-batch", "-"], in: stranger)
    }

    /// The stranger is gone.
    package func strangerLeaves() throws {
        try stranger.ip("addr flush dev eth0")
    }

    // MARK: The gateway

    /// The gateway takes no notice of announcements (gratuitous ARP in either form, unsolicited advertisements to all).
    /// Undone by `gatewayHears`.
    package func gatewayIsDeaf(to address: IPAddress = Plan.address) throws {
        try feed(
            """
            table arp deaf {
                chain input {
                    type filter hook input priority 0
                    arp saddr ip \(address.bitWidth == 32 ? address : Plan.address) arp daddr ip \
            \(address.bitWidth == 32 ? address : Plan.address) drop
                }
            }
            table ip6 deaf {
                chain input {
                    type filter hook input priority 0
                    ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert drop
                }
            }
            """, to: ["nft", "-f", "-"], in: gateway)
    }

    /// The gateway heeds announcements again.
    package func gatewayHears() throws {
        try feed(
            "table arp deaf\ndelete table arp deaf\ntable ip6 deaf\ndelete table ip6 deaf", to: ["nft", "-f", "-"],
            in: gateway)
    }

    /// The gateway has a permanent entry: the address is at this machine, whatever anybody says. Undone by
    /// `gatewayLearns`.
    package func gatewayInsists(_ address: IPAddress = Plan.address, isAt node: Node) throws {
        try gateway.ip("neigh replace \(address) lladdr \(Plan.mac(node)) dev lan nud permanent")
    }

    /// The gateway's entry for the address is gone.
    package func gatewayLearns(_ address: IPAddress = Plan.address) throws {
        try gateway.ip("-force neigh del \(address) dev lan")
    }

    /// The gateway goes down: its cable is dead, and it will have forgotten everybody. Undone by `gatewayIsBack`.
    package func gatewayReboots() throws {
        try cut(.gateway)
        try gateway.ip("neigh flush all")
        try gateway.ip("-6 neigh flush all")
    }

    /// The gateway is up again.
    package func gatewayIsBack() throws { try heal(.gateway) }

    // MARK: Tables at the switch

    private enum Table: String { case isolate, loss, partition }

    private func setTable(_ table: Table, _ node: Node, _ rules: [String]) throws {
        let name = "\(table)-\(node)"
        try feed(
            """
            table bridge \(name)
            delete table bridge \(name)
            table bridge \(name) {
                chain forward {
                    type filter hook forward priority 0
                    \(rules.joined(separator: "\n"))
                }
            }
            """, to: ["nft", "-f", "-"], in: lan)
    }

    private func removeTable(_ table: Table, _ node: Node) throws {
        // Naming a table makes it where it is missing, so that there is always one to delete.
        let name = "\(table)-\(node)"
        try feed("table bridge \(name)\ndelete table bridge \(name)", to: ["nft", "-f", "-"], in: lan)
    }
}

extension Machine {
    /// Runs `ip` in this machine's network namespace; it must succeed.
    package func ip(_ line: String) throws {
        let process = try inside { try LabProcess(["ip"] + line.split(separator: " ").map(String.init)) }
        guard process.wait() == 0 else { throw LabError("\(node): ip \(line): \(process.errors)") }
    }
}
