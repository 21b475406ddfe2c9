// Golden packets: for each file in Fixtures/*.hex the door it comes in by, what it means, and how this project makes
// the same bytes where it sends such packets itself. The bytes come from independent encoders; `witness.sh` shows
// them to another.

import QureCore
import Testing

/// Files beside the tests.
enum Fixture {
    private static let folder = #filePath.dropLast("Golden.swift".count) + "Fixtures"

    /// The names of the golden packets, without `.hex`.
    static var goldens: [String] {
        TextFile.names(in: String(folder)).filter { $0.hasSuffix(".hex") }.map { String($0.dropLast(4)) }.sorted()
    }

    /// The names of the files in a folder of the fixtures.
    static func names(_ subfolder: String) -> [String] { TextFile.names(in: "\(folder)/\(subfolder)") }

    /// The text of one file.
    static func text(_ name: String) throws -> String {
        String(decoding: try TextFile.read("\(folder)/\(name)"), as: UTF8.self)
    }

    /// The bytes of a golden packet: hexadecimal pairs, a comment behind each field.
    static func bytes(_ golden: String) throws -> [UInt8] {
        try text("\(golden).hex").split(separator: "\n").flatMap { line in
            try line.prefix { $0 != "#" }.split(separator: " ").map { try #require(UInt8($0, radix: 16)) }
        }
    }
}

/// The way a packet comes in: which decoder reads it, behind which header.
enum Door: Sendable { case arp, icmp, igmp, icmpv6, neighbor, mld }

/// What a packet was read as.
enum Decoded: Equatable, Sendable {
    case arp(ARPPacket)
    case v4(IPv4Packet, Message)
    case v6(IPv6Packet, Message)

    /// Reads a packet that came in by `door`, as the receive loops do.
    init(_ door: Door, _ bytes: [UInt8]) throws(WireError) {
        var input = WireReader(bytes)
        switch door {
        case .arp: self = .arp(try ARPPacket(parsing: &input))
        case .icmp, .igmp:
            let packet = try IPv4Packet(parsing: &input)
            var body = WireReader(packet.payload)
            let isEcho = door == .icmp
            self = .v4(
                packet,
                isEcho ? .echo(try ICMPEcho(parsing: &body, family: .v4)) : .membership(try GroupMembership(packet)))
        case .icmpv6, .neighbor, .mld:
            let packet = try IPv6Packet(parsing: &input)
            var body = WireReader(packet.payload)
            switch door {
            case .icmpv6: self = .v6(packet, .echo(try ICMPEcho(parsing: &body, family: .v6)))
            case .mld: self = .v6(packet, .membership(try GroupMembership(packet)))
            default: self = .v6(packet, .neighbor(try NeighborMessage(packet)))
            }
        }
    }

    /// The packet written again.
    var bytes: [UInt8] {
        var output = WireWriter()
        switch self {
        case .arp(let packet): packet.write(to: &output)
        case .v4(let packet, _): packet.write(to: &output)
        case .v6(let packet, _): packet.write(to: &output)
        }
        return output.bytes
    }

    /// What of it a golden names.
    var meaning: Meaning {
        switch self {
        case .arp(let packet): .arp(packet)
        case .v4(let packet, let message):
            .ip(.v4(packet.source), .v4(packet.destination), packet.timeToLive, message)
        case .v6(let packet, let message):
            .ip(.v6(packet.source), .v6(packet.destination), packet.hopLimit, message)
        }
    }
}

/// The message inside an IP packet.
enum Message: Equatable, Sendable {
    case echo(ICMPEcho)
    case membership(GroupMembership)
    case neighbor(NeighborMessage)
}

/// What a packet says: source, destination and remaining hops, then the message.
enum Meaning: Equatable, Sendable {
    case arp(ARPPacket)
    case ip(IPAddress, IPAddress, UInt8, Message)
}

/// One golden packet.
struct Golden: Sendable, CustomTestStringConvertible {
    let name: String
    let door: Door
    let meaning: Meaning
    /// The same packet as this project makes it; nil for what it never sends.
    let made: [UInt8]?

    init(_ name: String, _ door: Door, _ meaning: Meaning, made: [UInt8]? = nil) {
        self.name = name
        self.door = door
        self.meaning = meaning
        self.made = made
    }

    init(_ name: String, _ packet: ARPPacket) {
        self.init(name, .arp, .arp(packet), made: Decoded.arp(packet).bytes)
    }

    /// A message of neighbour discovery, with the packet that this project makes of it, if it does.
    init(
        _ name: String, _ source: IPAddress, _ destination: IPAddress, _ message: NeighborMessage,
        made packet: IPv6Packet? = nil
    ) {
        self.init(
            name, .neighbor, .ip(source, destination, 255, .neighbor(message)),
            made: packet.map { Decoded.v6($0, .neighbor(message)).bytes })
    }

    var testDescription: String { name }

    /// The bytes of the file.
    var bytes: [UInt8] { get throws { try Fixture.bytes(name) } }

    /// The bytes in which every flipped bit must be noticed: what a checksum covers, and where there is none what must
    /// have one value. IPv6 has no checksum over its own header.
    func guarded(_ bytes: [UInt8]) -> [Int] {
        switch door {
        case .arp: Array(0..<6)
        case .icmp, .igmp: Array(bytes.indices)
        case .icmpv6: [4, 5, 6] + Array(8..<bytes.count)
        case .neighbor: Array(4..<bytes.count)
        case .mld: [4, 5, 6, 7] + Array(8..<41) + Array(42..<46) + Array(48..<bytes.count)
        }
    }
}
