// Messages of the bus: three as other programs wrote them (recorded with dbus-monitor --pcap), read as what they mean,
// and the laws of all packets: written as read, refused when cut, never a trap whatever is in them.

import QureCore
import Simulator
import Testing

@Suite struct DBusMessageTests {
    /// busctl's call of Inhibit, through dbus-daemon.
    private static let call = bytes(
        "6c01040136000000020000009500000001016f00170000002f6f72672f667265656465736b746f702f6c6f67696e3100"
            + "0301730007000000496e686962697400020173001e0000006f72672e667265656465736b746f702e6c6f67696e312e4d"
            + "616e61676572000006017300160000006f72672e667265656465736b746f702e6c6f67696e3100000801670004737373"
            + "730000000000000007017300040000003a312e32000000000e00000073687574646f776e3a736c65657000000a000000"
            + "717572652d656c656374000003000000776879000500000064656c617900")

    /// busctl's signal.
    private static let signal = bytes(
        "6c04010104000000020000007d00000001016f00170000002f6f72672f667265656465736b746f702f6c6f67696e3100"
            + "020173001e0000006f72672e667265656465736b746f702e6c6f67696e312e4d616e6167657200000301730012000000"
            + "50726570617265466f7253687574646f776e000000000000080167000162000007017300040000003a312e3300000000"
            + "01000000")

    /// dbus-daemon's own refusal.
    private static let refusal = bytes(
        "6c03010147000000030000007500000006017300040000003a312e310000000004017300290000006f72672e66726565"
            + "6465736b746f702e444275732e4572726f722e4e616d654861734e6f4f776e6572000000000000000501750002000000"
            + "080167000173000007017300140000006f72672e667265656465736b746f702e444275730000000042000000436f756c"
            + "64206e6f7420676574206f776e6572206f66206e616d6520276f72672e667265656465736b746f702e6c6f67696e3127"
            + "3a206e6f2073756368206e616d6500")

    private static func bytes(_ text: String) -> [UInt8] {
        stride(from: 0, to: text.utf8.count, by: 2).compactMap { UInt8(text.dropFirst($0).prefix(2), radix: 16) }
    }

    private static let recorded = [call, signal, refusal]

    @Test func `a recorded call`() throws {
        var meaning = DBusMessage(
            call: "Inhibit", of: "org.freedesktop.login1.Manager", at: "/org/freedesktop/login1",
            on: "org.freedesktop.login1", serial: 2,
            ["shutdown:sleep", "qure-elect", "why", "delay"].map { .string($0) })
        meaning.flags = 4
        meaning.sender = ":1.2"
        #expect(try DBusMessage(parsing: Self.call) == meaning)
    }

    @Test func `a recorded signal`() throws {
        let message = try DBusMessage(parsing: Self.signal)
        #expect(message.kind == .signal && message.member == "PrepareForShutdown" && message.sender == ":1.3")
        #expect(message.interface == "org.freedesktop.login1.Manager" && message.arguments == [.boolean(true)])
    }

    @Test func `a recorded refusal`() throws {
        let message = try DBusMessage(parsing: Self.refusal)
        #expect(message.kind == .error && message.replyTo == 2 && message.sender == "org.freedesktop.DBus")
        #expect(message.error == "org.freedesktop.DBus.Error.NameHasNoOwner" && message.destination == ":1.1")
        #expect(message.arguments.first?.text?.hasSuffix("no such name") == true)
    }

    @Test func `what is written is read again as it was, and tells its length`() throws {
        var message = DBusMessage(call: "M", of: "a.b", at: "/", on: ":1.9", serial: 77)
        message.descriptors = 3
        message.replyTo = 5
        message.arguments = [
            .number(7, .byte), .boolean(true), .number(0xfffe, .int16), .number(0xffff_ffff, .uint32),
            .number(.max, .uint64), .string("ä"), .text("/x", .objectPath), .text("a{sv}", .signature),
            .number(0, .descriptor), .boolean(false),
        ]
        for message in [message] + (try Self.recorded.map { try DBusMessage(parsing: $0) }) {
            let bytes = message.bytes
            #expect(try DBusMessage(parsing: bytes) == message)
            #expect(try DBusMessage.length(of: bytes[...]) == bytes.count)
        }
        for bytes in Self.recorded { #expect(try DBusMessage.length(of: (bytes + [1, 2, 3])[...]) == bytes.count) }
    }

    @Test func `the other byte order`() throws {
        // The signal's fields that matter, big-endian.
        let bytes: [UInt8] =
            [UInt8(ascii: "B"), 4, 1, 1, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 21]
            + [3, 1, 115, 0, 0, 0, 0, 3, 65, 98, 99, 0, 0, 0, 0, 0, 8, 1, 103, 0, 0]
        var whole = bytes
        whole[whole.count - 1] = 1
        whole += [98, 0]
        whole[15] = 23
        whole += [UInt8](repeating: 0, count: 1) + [0, 0, 0, 1]
        let message = try DBusMessage(parsing: whole)
        #expect(message.member == "Abc" && message.serial == 9 && message.arguments == [.boolean(true)])
    }

    @Test(arguments: [
        // Unknown fields of every kind: a variant in a variant, arrays of structures and of dictionaries, a structure.
        (signature: "v", value: [1, 118, 0, 1, 115, 0, 0, 0, 1, 0, 0, 0, 120, 0]),
        (signature: "a(su)", value: [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (signature: "aaa{sv}", value: [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]),
        (signature: "(y(yy)u)", value: [1, 0, 0, 0, 0, 0, 0, 0, 2, 3]),
    ] as [(signature: String, value: [UInt8])])
    func `unknown fields end in an error or are passed over, never in a trap`(
        _ signature: String, _ value: [UInt8]
    ) {
        for padding in 0..<16 {
            for cut in 0...value.count {
                let field = [200, UInt8(signature.utf8.count)] + Array(signature.utf8) + [0]
                let filler = [UInt8](repeating: 0, count: padding)
                let fields = field + filler + value.prefix(cut)
                let header: [UInt8] = [UInt8(ascii: "l"), 4, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, UInt8(fields.count), 0, 0, 0]
                let end = [UInt8](repeating: 0, count: (8 - fields.count % 8) % 8)
                _ = try? DBusMessage(parsing: header + fields + end)
            }
        }
    }

    @Test func `an unknown field is passed over, and the next one read`() throws {
        // A dictionary of texts to variants, as later versions of the bus might add.
        let unknown: [UInt8] = [200, 5] + Array("a{sv}".utf8) + [0, 16, 0, 0, 0] + [0, 0, 0, 0]
        let entry: [UInt8] = [1, 0, 0, 0, 107, 0, 1, 117, 0, 0, 0, 0, 9, 0, 0, 0]
        let member: [UInt8] = [3, 1, 115, 0, 1, 0, 0, 0, 77, 0]
        let fields = unknown + entry + member
        let header: [UInt8] = [UInt8(ascii: "l"), 4, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, UInt8(fields.count), 0, 0, 0]
        let message = try DBusMessage(parsing: header + fields + [UInt8](repeating: 0, count: 8 - fields.count % 8))
        #expect(message.member == "M")
    }

    @Test func `no strict prefix is a message`() {
        for bytes in Self.recorded {
            for length in 0..<bytes.count {
                #expect(throws: WireError.self) { try DBusMessage(parsing: Array(bytes.prefix(length))) }
            }
        }
    }

    @Test func `damage and noise never trap, and a length beyond the limit is refused`() throws {
        var random = SplitMix64(seed: 20_26)
        for bytes in Self.recorded {
            for index in bytes.indices {
                for value in [0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &random)] {
                    var damaged = bytes
                    damaged[index] = value
                    _ = try? DBusMessage.length(of: damaged[...])
                    guard let message = try? DBusMessage(parsing: damaged) else { continue }
                    _ = message.description
                    #expect(try DBusMessage(parsing: message.bytes) == message)
                }
            }
        }
        for _ in 0..<2000 {
            let noise = (0..<Int.random(in: 0...96, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = try? DBusMessage(parsing: [UInt8(ascii: "l"), 4, 0, 1] + noise)
        }
        var long = Self.signal
        long[6] = 1
        #expect(throws: WireError.self) { try DBusMessage.length(of: long[...]) }
        long[7] = 255
        #expect(throws: WireError.self) { try DBusMessage.length(of: long[...]) }
        #expect(throws: WireError.self) { try DBusMessage.length(of: [UInt8](repeating: 65, count: 16)[...]) }
        #expect(try DBusMessage.length(of: Self.signal.prefix(15)) == nil)
    }

    @Test(arguments: [
        ("unix:path=/run/bus", ["/run/bus"]), ("unix:abstract=/tmp/x,guid=1", ["@/tmp/x"]),
        ("tcp:host=h,port=1;unix:guid=2,path=/a%20b;unix:path=/c", ["/a b", "/c"]), ("unix:path=%zz", []),
        ("unix:path=%4", []), ("", []), ("unix:", []), ("unix:dir=/tmp", []),
    ])
    func `where a bus listens`(_ text: String, _ places: [String]) {
        #expect(DBusAddress.places(text) == places)
    }
}
