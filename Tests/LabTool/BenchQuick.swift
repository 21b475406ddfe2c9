// The figures of what takes milliseconds: start-up, one question, a scan, taking an address.

import Glibc
import Lab
import QureCore

extension Bench {
    /// How long a tool takes to read its command line and end, beside ip, which reads a table too.
    mutating func measureStart() throws {
        let lines = [
            "ip link show lo", "qure-probe --version", "qure-probe --check-config 192.0.2.1",
            "qure-claim add --check-config 192.0.2.1/24",
        ]
        let times = try race(lines, rounds: rounds)
        for index in lines.indices.dropFirst() {
            try add(
                lines[index], times[index], beside: ("ip link show", times[0]), target: "at most 1.5x",
                isMet: { $0 <= $1 * 1.5 })
        }
    }

    /// Two hosts on a cable of their own: on the lab's switch a question to all would have this process do the work of
    /// all the other hosts.
    mutating func measureProbe() throws {
        let lab = try Lab(hosts: 2, responders: false)
        let namespace = lab.host(2).namespace
        try lab.host(1).ip("link add cable type veth peer name cable netns \(namespace)")
        for (number, host) in lab.hosts.enumerated() {
            try host.ip("link set cable up")
            try host.ip("addr add 10.9.0.\(number + 1)/24 dev cable")
            try host.ip("addr add fd09::\(number + 1)/64 dev cable nodad")
        }
        let neighbour = "10.9.0.2", neighbour6 = "fd09::2"
        let isUp = eventually {
            [neighbour, neighbour6].allSatisfy { (try? lab.host(1).run("ping", "-c1", "-W1", $0).status) == 0 }
        }
        guard isUp else { throw LabError("the cable does not come up") }
        let lines = [
            "qure-probe \(neighbour)", "arping -f -c1 -I cable \(neighbour)", "ping -n -c1 \(neighbour)",
            "qure-probe \(neighbour6)", "ping -n -c1 \(neighbour6)",
        ]
        let times = try lab.host(1).inside { try race(lines, rounds: rounds) }
        try add(
            lines[0], times[0], beside: ("arping -f -c1", times[1]), target: "at most 2 ms more",
            isMet: { $0 <= $1 + .milliseconds(2) })
        try add(lines[0], times[0], beside: ("ping -c1", times[2]), target: "faster", isMet: { $0 < $1 })
        try add(lines[3], times[3], beside: ("ping -c1", times[4]), target: "faster", isMet: { $0 < $1 })
    }

    /// A /24 with twenty hosts that answer and five that drop ping.
    mutating func measureScan() throws {
        let lab = try Lab(hosts: 3, responders: false)
        for number in 101...119 { try lab.host(2).ip("addr add 192.168.1.\(number)/24 dev eth0") }
        for number in 201...204 { try lab.host(3).ip("addr add 192.168.1.\(number)/24 dev eth0") }
        try lab.host(3).must("nft add table ip shy")
        try lab.host(3).must("nft add chain ip shy in { type filter hook input priority 0 ; }")
        try lab.host(3).must("nft add rule ip shy in icmp type echo-request drop")
        let network = "192.168.1.0/24"
        // Each asks three times at 200 ms; fping pauses 10 ms between packets unless told otherwise, 1 ms at least.
        let fping = "fping -q -B1 -r2 -t200"
        let lines = [
            "qure-probe scan --count 3 --interval 200ms \(network)", "\(fping) -g \(network)",
            "\(fping) -i1 -g \(network)",
        ]
        let times = try lab.host(1).inside { try race(lines, rounds: fewRounds, endingWith: [0, 1]) }
        try add("qure-probe scan", times[0], beside: ("fping -g", times[1]), target: "no slower", isMet: { $0 <= $1 })
        try add(
            "qure-probe scan", times[0], beside: ("fping -i1 -g", times[2]), target: "no slower", isMet: { $0 <= $1 })
        let found = try lab.host(1).run("qure-probe", "scan", network).output.split(separator: "\n").count
        let pinged = try lab.host(1).run("fping", "-a", "-B1", "-r2", "-t200", "-i1", "-g", network).output
        // The gateway, three hosts, and their other addresses.
        let there = 4 + 19 + 4
        try add(
            BenchRow(
                what: "hosts found of \(there)", median: "\(found)",
                beside:
                    "fping \(pinged.split(separator: "\n").filter { $0.hasPrefix("192.") && !$0.contains(" ") }.count)",
                target: "all", isMet: found == there, fields: [("found", .integer(Int64(found)))]))
    }

    /// Taking an address and telling the link once.
    mutating func measureClaim() throws {
        let lab = try Lab(hosts: 1, responders: false)
        let shared = Lab.Plan.shared
        let own = try Stopwatch("qure-claim add --announce 1 -i eth0 --state-dir /run/bench \(shared)")
        let give = try Stopwatch("qure-claim del -i eth0 --state-dir /run/bench \(shared)")
        let add = try Stopwatch("ip addr add \(shared) dev eth0")
        let tell = try Stopwatch("arping -U -c1 -I eth0 \(Lab.Plan.address)")
        let remove = try Stopwatch("ip addr del \(shared) dev eth0")
        var times: [Duration] = [], others: [Duration] = [], parts: [Duration] = []
        try lab.host(1).inside {
            for _ in 0..<fewRounds * 2 {
                times.append(try own.run())
                _ = try give.run()
                let part = try add.run()
                others.append(part + (try tell.run()))
                parts.append(part)
                _ = try remove.run()
            }
        }
        try self.add(
            "qure-claim add --announce 1", times.sorted(), beside: ("ip addr add; arping -U -c1", others.sorted()),
            target: "faster", isMet: { $0 < $1 })
        try self.add("qure-claim add --announce 1", times.sorted(), beside: ("ip addr add alone", parts.sorted()))
    }
}
