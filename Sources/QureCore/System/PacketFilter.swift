// PacketFilter: a classic BPF program that lets the kernel throw away frames that are not for us, so that a link with
// fifty thousand unrelated broadcasts a second wakes nobody. It is a coarse sieve only: what it lets through is still
// decoded and checked in full. Offsets count from the network header, as packet sockets of type datagram deliver it.

import CLinux

/// Which frames a packet socket takes: those that match every test of at least one clause.
package struct PacketFilter: Sendable {
    /// The big-endian 32-bit word at `offset`, masked, must be `value`.
    package struct Test: Sendable {
        var offset: UInt32
        var mask: UInt32
        var value: UInt32

        /// A test of the whole word, or of the bits in `mask`.
        package init(at offset: Int, mask: UInt32 = .max, is value: UInt32) {
            self.offset = UInt32(offset)
            self.mask = mask
            self.value = value & mask
        }

        /// Instructions that it takes.
        var length: Int { mask == .max ? 2 : 3 }
    }

    /// The tests of the clauses, tried in order; each must read no further than the shortest packet it is meant for.
    package var clauses: [[Test]]

    /// A filter of these clauses. None at all lets nothing through.
    package init(anyOf clauses: [[Test]]) { self.clauses = clauses }

    /// Tests that the address at `offset` is in `network`.
    package static func address(at offset: Int, in network: Prefix) -> [Test] {
        let octets = network.network.address.octets
        return stride(from: 0, to: octets.count, by: 4).compactMap { start in
            let bits = min(max(network.length - start * 8, 0), 32)
            guard bits > 0 else { return nil }
            let word = octets[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return Test(at: offset + start, mask: UInt32.max << UInt32(32 - bits), is: word)
        }
    }

    /// ARP packets whose sender or target is in one of `networks`, or whose sender is one of the `holders`.
    package static func arp(about networks: [Prefix], by holders: [Prefix] = []) -> PacketFilter {
        PacketFilter(
            anyOf: networks.flatMap { [address(at: 14, in: $0), address(at: 24, in: $0)] }
                + holders.map { address(at: 14, in: $0) })
    }

    /// ARP requests that come from `sender`.
    package static func arpRequests(by sender: IPv4Address) -> PacketFilter {
        PacketFilter(anyOf: [[Test(at: 4, mask: 0xffff, is: 1), Test(at: 14, is: sender.rawValue)]])
    }

    /// Neighbour solicitations and advertisements whose target is in one of `networks`, and solicitations from there;
    /// of the `holders` only the advertisements, and their own solicitations.
    package static func neighborMessages(about networks: [Prefix], by holders: [Prefix] = []) -> PacketFilter {
        let icmp = Test(at: 4, mask: 0xff00, is: UInt32(IPv6Packet.icmp) << 8)
        func clauses(_ places: [(type: UInt32, offset: Int)], _ network: Prefix) -> [[Test]] {
            places.map { type, offset in
                [icmp, Test(at: 40, mask: 0xff00_0000, is: type << 24)] + address(at: offset, in: network)
            }
        }
        return PacketFilter(
            anyOf: networks.flatMap { clauses([(135, 48), (136, 48), (135, 8)], $0) }
                + holders.flatMap { clauses([(136, 48), (135, 8)], $0) })
    }

    /// IGMP messages, whichever options their header has.
    package static let igmp = PacketFilter(anyOf: [[Test(at: 8, mask: 0x00ff_0000, is: 2 << 16)]])
    /// MLD messages, which stand behind a hop-by-hop header.
    package static let mld = PacketFilter(anyOf: [[Test(at: 4, mask: 0xff00, is: 0)]])

    /// What DHCP servers say to clients, in packets without options in their header.
    package static let dhcpReplies = PacketFilter(
        anyOf: [
            [
                Test(at: 0, mask: 0xff00_0000, is: 0x45 << 24),
                Test(at: 8, mask: 0x00ff_0000, is: UInt32(DHCPMessage.udp) << 16),
                Test(at: 20, is: UInt32(DHCPMessage.serverPort) << 16 | UInt32(DHCPMessage.clientPort)),
            ]
        ])

    /// The program. Frames for other hosts, among them those of foreign VLANs, are dropped before all else.
    var program: [sock_filter] {
        let load = UInt16(BPF_LD | BPF_W | BPF_ABS)
        let jumpIfEqual = UInt16(BPF_JMP | BPF_JEQ | BPF_K)
        let finish = UInt16(BPF_RET | BPF_K)
        let packetType = UInt32(bitPattern: SKF_AD_OFF + SKF_AD_PKTTYPE)
        var program = [
            sock_filter(code: load, jt: 0, jf: 0, k: packetType),
            sock_filter(code: jumpIfEqual, jt: 0, jf: 1, k: UInt32(PACKET_OTHERHOST)),
            sock_filter(code: finish, jt: 0, jf: 0, k: 0),
        ]
        for clause in clauses {
            for (index, test) in clause.enumerated() {
                // Past the tests that follow, and the verdict.
                let pastClause = UInt8(clause[(index + 1)...].reduce(1) { $0 + $1.length })
                program.append(sock_filter(code: load, jt: 0, jf: 0, k: test.offset))
                if test.mask != .max {
                    program.append(sock_filter(code: UInt16(BPF_ALU | BPF_AND | BPF_K), jt: 0, jf: 0, k: test.mask))
                }
                program.append(sock_filter(code: jumpIfEqual, jt: 0, jf: pastClause, k: test.value))
            }
            program.append(sock_filter(code: finish, jt: 0, jf: 0, k: .max))
        }
        program.append(sock_filter(code: finish, jt: 0, jf: 0, k: 0))
        return program
    }
}
