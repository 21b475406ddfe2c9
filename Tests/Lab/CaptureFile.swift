// CaptureFile: the datagrams of a file that tcpdump has written (pcap-savefile(5)), each with the kernel's stamp. The
// frames are Ethernet's, on the loopback interface too. Of a datagram only that is read which tells whose answer it is:
// its ports, and the first two bytes of what it carries, the ID of a DNS message; a capture need not keep more of it.
// Who counts how long answers take is AnswerTally.

package import QureCore

/// A UDP datagram that passed.
package struct CapturedDatagram: Equatable, Sendable {
    /// The kernel's stamp, in nanoseconds since 1970.
    package var time: Int64
    /// The ports.
    package var source: UInt16, destination: UInt16
    /// The first two bytes.
    package var id: UInt16

    /// A datagram from its parts.
    package init(time: Int64, source: UInt16, destination: UInt16, id: UInt16) {
        self.time = time
        self.source = source
        self.destination = destination
        self.id = id
    }
}

/// A cursor over the datagrams of a file.
package struct CaptureFile {
    /// How many bytes of a frame are looked at, where its IPv4 header has no options: Ethernet's header, that one,
    /// UDP's, and the ID.
    package static let frameLength = 14 + 20 + 8 + 2

    private var input: WireReader
    /// Whether who wrote it has the other byte order than the network has.
    private let isSwapped: Bool
    /// Nanoseconds in a unit of a stamp's fraction.
    private let unit: Int64

    /// A cursor at the first datagram; reads the file's head.
    package init(_ bytes: [UInt8]) throws(WireError) {
        input = WireReader(bytes)
        switch try input.read(UInt32.self, field: "pcap.magic") {
        case 0xa1b2_c3d4: (isSwapped, unit) = (false, 1000)
        case 0xa1b2_3c4d: (isSwapped, unit) = (false, 1)
        case 0xd4c3_b2a1: (isSwapped, unit) = (true, 1000)
        case 0x4d3c_b2a1: (isSwapped, unit) = (true, 1)
        default: throw WireError(.unexpected, field: "pcap.magic", offset: 0)
        }
        let major = try input.read(UInt16.self, field: "pcap.version")
        guard (isSwapped ? major.byteSwapped : major) == 2 else {
            throw WireError(.unexpected, field: "pcap.version", offset: 4)
        }
        try input.skip(count: 14, field: "pcap.snap-length")
        guard try number(field: "pcap.link-type") == 1 else {
            throw WireError(.unexpected, field: "pcap.link-type", offset: 20)
        }
    }

    private mutating func number(field: String) throws(WireError) -> UInt32 {
        let value = try input.read(UInt32.self, field: field)
        return isSwapped ? value.byteSwapped : value
    }

    /// The next datagram; nil: there is none any more. Frames that are none, or too short to have an ID, are left out.
    package mutating func next() throws(WireError) -> CapturedDatagram? {
        while input.remaining > 0 {
            let seconds = try number(field: "pcap.seconds")
            let start = input.offset
            let fraction = Int64(try number(field: "pcap.fraction"))
            guard fraction * unit < 1_000_000_000 else {
                throw WireError(.unexpected, field: "pcap.fraction", offset: start)
            }
            let length = Int(try number(field: "pcap.captured-length"))
            try input.skip(count: 4, field: "pcap.length")
            let frame = input.offset
            try input.skip(count: length, field: "pcap.frame")
            let time = Int64(seconds) * 1_000_000_000 + fraction * unit
            if let found = try datagram(at: frame, length: length, time: time) { return found }
        }
        return nil
    }

    /// What a frame carries; nil: no UDP over IPv4, a fragment that is not the first, or too little of it.
    private func datagram(at frame: Int, length: Int, time: Int64) throws(WireError) -> CapturedDatagram? {
        func pair(_ place: Int) throws(WireError) -> UInt16 {
            let high = try input.byte(at: frame + place, field: "pcap.frame")
            return UInt16(high) << 8 | UInt16(try input.byte(at: frame + place + 1, field: "pcap.frame"))
        }
        guard length >= Self.frameLength, try pair(12) == 0x0800, try pair(20) & 0x1fff == 0 else { return nil }
        let version = try input.byte(at: frame + 14, field: "pcap.frame")
        let udp = 14 + Int(version & 15) * 4
        guard version >> 4 == 4, try input.byte(at: frame + 23, field: "pcap.frame") == 17, length >= udp + 10 else {
            return nil
        }
        let source = try pair(udp), destination = try pair(udp + 2)
        return CapturedDatagram(time: time, source: source, destination: destination, id: try pair(udp + 8))
    }
}
