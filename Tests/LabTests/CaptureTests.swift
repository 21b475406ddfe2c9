// What is read from tcpdump's files, and who was answered when, as pure values.

import Lab
import QureCore
import Testing

/// A file as tcpdump writes it, in either byte order.
private struct CaptureWriter {
    let isLittle: Bool
    var bytes: [UInt8] = []

    init(magic: UInt32 = 0xa1b2_3c4d, isLittle: Bool = true, linkType: UInt32 = 1) {
        self.isLittle = isLittle
        add(magic)  // and who reads it sees by that which order it is
        add(UInt16(2))  // the format's version
        add(UInt16(4))
        for value in [0, 0, 44, linkType] { add(value) }  // two that nobody uses, the snap length
    }

    mutating func add<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: isLittle ? value.littleEndian : value.bigEndian) { bytes += $0 }
    }

    mutating func add(seconds: UInt32, fraction: UInt32, frame: [UInt8]) {
        // What was captured, and the length that it had.
        for value in [seconds, fraction, UInt32(frame.count), 69] { add(value) }
        bytes += frame
    }
}

/// A frame on the loopback interface, as far as its ID.
private func frame(
    from source: UInt16, to destination: UInt16, id: UInt16, type: UInt16 = 0x0800, version: UInt8 = 0x45,
    fragment: UInt16 = 0x4000, protocolNumber: UInt8 = 17, options: Int = 0
) -> [UInt8] {
    var output = WireWriter()
    output.write([UInt8](repeating: 0, count: 12))  // hardware addresses
    output.write(type)
    output.write([version, 0, 0, 0x37, 0x12, 0x34])  // no service, the length, an identification
    output.write(fragment)
    output.write([64, protocolNumber, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1])  // time to live, checksum, addresses
    output.write([UInt8](repeating: 1, count: options))
    output.write(source)
    output.write(destination)
    output.write([0, 0x23, 0xfe, 0x36])  // length and checksum
    output.write(id)
    return output.bytes
}

private func datagrams(_ bytes: [UInt8]) throws -> [CapturedDatagram] {
    var file = try CaptureFile(bytes)
    var found: [CapturedDatagram] = []
    while let datagram = try file.next() { found.append(datagram) }
    return found
}

@Suite struct CaptureFileTests {
    private let query = frame(from: 40_000, to: 5301, id: 0xbeef)

    @Test(arguments: [true, false])
    func `stamps are read in both byte orders, of nanoseconds and of microseconds`(isLittle: Bool) throws {
        for (magic, nanoseconds) in [(0xa1b2_3c4d, 7), (0xa1b2_c3d4, 7000)] as [(UInt32, Int64)] {
            var file = CaptureWriter(magic: magic, isLittle: isLittle)
            file.add(seconds: 0xf000_0001, fraction: 7, frame: query)
            let expected = CapturedDatagram(
                time: 0xf000_0001 * 1_000_000_000 + nanoseconds, source: 40_000, destination: 5301, id: 0xbeef)
            #expect(try datagrams(file.bytes) == [expected])
        }
    }

    @Test func `what is no such file is refused`() {
        let head = CaptureWriter().bytes
        #expect(throws: WireError(.unexpected, field: "pcap.magic", offset: 0)) {
            try CaptureFile(CaptureWriter(magic: 0x0a0d_0d0a).bytes)  // the other format, pcapng
        }
        #expect(throws: WireError(.unexpected, field: "pcap.version", offset: 4)) {
            try CaptureFile(head.prefix(4) + [3, 0] + head.dropFirst(6))
        }
        #expect(throws: WireError(.unexpected, field: "pcap.link-type", offset: 20)) {
            try CaptureFile(CaptureWriter(linkType: 276).bytes)  // what tcpdump -i any writes
        }
        var late = CaptureWriter()
        late.add(seconds: 1, fraction: 1_000_000_000, frame: query)
        #expect(throws: WireError(.unexpected, field: "pcap.fraction", offset: 28)) { try datagrams(late.bytes) }
    }

    @Test func `a file that ends too soon is refused wherever it does`() throws {
        var file = CaptureWriter()
        let head = file.bytes.count
        file.add(seconds: 1, fraction: 2, frame: query)
        for length in file.bytes.indices where length != head {
            let error = #expect(throws: WireError.self) { try datagrams(Array(file.bytes.prefix(length))) }
            #expect(error?.reason == .truncated, "\(length) bytes")
        }
        #expect(try datagrams(Array(file.bytes.prefix(head))).isEmpty)
        file.bytes[head + 11] = 0xff  // a frame of four billion bytes
        #expect(throws: WireError(.truncated, field: "pcap.frame", offset: head + 16)) { try datagrams(file.bytes) }
    }

    @Test func `what is no datagram is left out`() throws {
        var file = CaptureWriter()
        let others = [
            frame(from: 1, to: 2, id: 3, type: 0x86dd), frame(from: 1, to: 2, id: 3, version: 0x65),
            frame(from: 1, to: 2, id: 3, protocolNumber: 6), frame(from: 1, to: 2, id: 3, fragment: 1),
            frame(from: 1, to: 2, id: 3, version: 0x46), query.dropLast(), [],
        ]
        for other in others { file.add(seconds: 1, fraction: 1, frame: Array(other)) }
        file.add(seconds: 1, fraction: 2, frame: frame(from: 4, to: 5, id: 6, version: 0x46, options: 4))
        #expect(try datagrams(file.bytes) == [CapturedDatagram(time: 1_000_000_002, source: 4, destination: 5, id: 6)])
    }
}

@Suite struct AnswerTallyTests {
    private var tally = AnswerTally(servers: [5301, 5302])

    private mutating func ask(_ server: UInt16, by client: UInt16 = 40_000, id: UInt16, at time: Int64) {
        tally.take(CapturedDatagram(time: time, source: client, destination: server, id: id))
    }

    private mutating func answer(_ server: UInt16, to client: UInt16 = 40_000, id: UInt16, at time: Int64) {
        tally.take(CapturedDatagram(time: time, source: server, destination: client, id: id))
    }

    @Test mutating func `an answer is that of its server, port and ID`() {
        ask(5301, id: 1, at: 10)
        ask(5302, id: 1, at: 11)
        ask(5301, by: 40_001, id: 1, at: 12)
        ask(5301, id: 2, at: 13)
        answer(5301, id: 2, at: 20)
        answer(5301, to: 40_001, id: 1, at: 30)
        answer(5302, id: 1, at: 40)
        answer(5301, id: 1, at: 50)
        #expect(
            tally.queries(to: 5301) == [
                .init(time: 10, wait: 40), .init(time: 12, wait: 18), .init(time: 13, wait: 7),
            ])
        #expect(tally.queries(to: 5302) == [.init(time: 11, wait: 29)])
        #expect(tally.unmatched == 0)
    }

    @Test mutating func `an ID that comes again is answered in the order of the queries`() {
        ask(5301, id: 1, at: 0)
        ask(5301, id: 1, at: 5)
        answer(5301, id: 1, at: 6)
        answer(5301, id: 1, at: 7)
        ask(5301, id: 1, at: 8)
        answer(5301, id: 1, at: 9)
        #expect(tally.queries(to: 5301).map(\.wait) == [6, 2, 1])
        #expect(tally.unmatched == 0)
    }

    @Test mutating func `what nobody has asked for, what comes twice and what is not answered is told`() {
        answer(5301, id: 1, at: 1)
        ask(5301, id: 1, at: 2)
        answer(5301, id: 1, at: 3)
        answer(5301, id: 1, at: 4)
        ask(5301, id: 2, at: 5)
        tally.take(CapturedDatagram(time: 6, source: 40_000, destination: 53, id: 2))
        #expect(tally.queries(to: 5301).map(\.wait) == [1, nil])
        #expect(tally.queries(to: 5302).isEmpty && tally.queries(to: 53).isEmpty)
        #expect(tally.unmatched == 2)
    }

    @Test mutating func `a file is taken whole`() throws {
        var file = CaptureWriter()
        file.add(seconds: 1, fraction: 100, frame: frame(from: 40_000, to: 5302, id: 9))
        file.add(seconds: 1, fraction: 350, frame: frame(from: 5302, to: 40_000, id: 9))
        try tally.take(CaptureFile(file.bytes))
        #expect(tally.queries(to: 5302) == [.init(time: 1_000_000_100, wait: 250)])
        file.bytes.removeLast()
        let cut = file.bytes
        #expect(throws: WireError.self) { try tally.take(CaptureFile(cut)) }
    }
}
