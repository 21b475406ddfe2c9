// Names: text and wire form and back, case, order, and compression that a stranger made up.

import QureCore
import Simulator
import Testing

/// The name that `text` says.
func name(_ text: String) -> DomainName {
    guard let name = DomainName(text) else { preconditionFailure("no name: \(text)") }
    return name
}

/// The octets that hexadecimal digits say, blanks aside.
func octets(_ hexadecimal: String) -> [UInt8] {
    guard let octets = BinaryText.hexadecimal.octets(hexadecimal.utf8.filter { $0 != 0x20 && $0 != 0x0a }) else {
        preconditionFailure("not hexadecimal: \(hexadecimal)")
    }
    return octets
}

@Suite struct DomainNameTests {
    @Test(arguments: [
        (".", ".", "00"), ("example", "example.", "07 6578616d706c65 00"), ("a.b.", "a.b.", "0161 0162 00"),
        ("Ex.", "Ex.", "024578 00"), (#"a\.b.c"#, #"a\.b.c."#, "03612e62 0163 00"), (#"\065\066"#, "AB.", "024142 00"),
        (#"\000\255"#, #"\000\255."#, "0200ff 00"), (#"\"\(\)\;\@\$\\"#, #"\"\(\)\;\@\$\\."#, "0722 28293b40245c 00"),
        (#"a\ b"#, #"a\032b."#, "03612062 00"), ("*.x", "*.x.", "012a 0178 00"), ("@", ".", "00"),
    ])
    func `a name is read and written`(_ text: String, _ written: String, _ wire: String) throws {
        let name = try #require(DomainName(text))
        #expect(name.description == written)
        #expect(Array(name.octets) == octets(wire))
        #expect(DomainName(octets: octets(wire))?.isIdentical(to: name) == true)
        #expect(DomainName(name.description)?.isIdentical(to: name) == true)
    }

    @Test(arguments: [
        ("", DomainName.Malformation.emptyLabel), ("..", .emptyLabel), (".a", .emptyLabel), ("a..b", .emptyLabel),
        (#"a\"#, .badEscape), (#"\25"#, .badEscape), (#"\256"#, .badEscape), (#"\1x1"#, .badEscape),
        (String(repeating: "a", count: 64), .labelTooLong), (String(repeating: "a.", count: 128), .nameTooLong),
        (String(repeating: "a.", count: 127) + "b", .nameTooLong),
    ])
    func `what is no name is told why`(_ text: String, _ why: DomainName.Malformation) {
        #expect(throws: why) { _ = try DomainName(text: Array(text.utf8)) }
        #expect(DomainName(text) == nil)
    }

    @Test func `the longest name is one, and has no longer one below it`() throws {
        let longest = try #require(DomainName(String(repeating: "a.", count: 127)))
        #expect(longest.octets.count == 255 && longest.labelCount == 127)
        #expect(longest.prepending([0x61]) == nil)
        #expect(DomainName(String(repeating: "b", count: 63) + ".x")?.octets.count == 67)
        #expect(DomainName(labels: [Array("x".utf8), []]) == nil)
        #expect(DomainName(labels: [Array("x".utf8), Array("y".utf8)]) == name("x.y"))
    }

    @Test func `relative names end with the origin`() throws {
        let origin = name("example.com")
        #expect(try DomainName(text: Array("www".utf8), origin: origin) == name("www.example.com"))
        #expect(try DomainName(text: Array("www.".utf8), origin: origin) == name("www"))
        #expect(try DomainName(text: Array("@".utf8), origin: origin) == origin)
        #expect(try DomainName(text: Array(#"\@"#.utf8), origin: origin) == name(#"\@.example.com"#))
        let long = Array(String(repeating: "a.", count: 122).utf8.dropLast())
        #expect(throws: DomainName.Malformation.nameTooLong) { _ = try DomainName(text: long, origin: origin) }
    }

    @Test func `case does not count, and is kept`() {
        #expect(name("WWW.Example") == name("www.eXample"))
        #expect(name("WWW.Example").hashValue == name("www.eXample").hashValue)
        #expect(!name("WWW").isIdentical(to: name("www")))
        #expect(name("WWW.Example").description == "WWW.Example.")
        #expect(name("WWW.Example").canonical.description == "www.example.")
        // Only letters of ASCII have a case: `[` and `{`, `@` and the accent differ as these do.
        #expect(name("[") != name("{") && name(#"\@"#) != name("`") && name(#"\192"#) != name(#"\224"#))
    }

    @Test func `parents and what is within`() {
        #expect(name("a.b.c").parent == name("b.c") && name("c").parent == .root && DomainName.root.parent == nil)
        #expect(name("A.b.c").isWithin(name("B.c")) && name("b.c").isWithin(name("b.c")) && name("b").isWithin(.root))
        #expect(!name("ab.c").isWithin(name("b.c")) && !name("c").isWithin(name("b.c")))
        // The octets of a label may look like the end of another name.
        #expect(!name(#"x\001b\001c"#).isWithin(name("b.c")))
        #expect(name("x.b.c").replacing(name("b.c"), with: name("d")) == name("x.d"))
        #expect(name("x.y").replacing(name("b.c"), with: name("d")) == nil)
        #expect(name("b.c").prepending(Array("a".utf8)) == name("a.b.c"))
    }

    @Test func `the order is that of RFC 4034`() {
        let sorted = [
            "example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example",
            #"\001.z.example"#, "*.z.example", #"\200.z.example"#,
        ].map(name)
        #expect(sorted.reversed().sorted() == sorted)
        #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0 < $1 && !($1 < $0) })
    }

    @Test(arguments: [
        // message, where the name begins, the name (nil: it is none), where the next thing begins
        ("0161 00", 0, "a.", 3), ("0162 00 0161 c000", 3, "a.b.", 7), ("00 c000", 1, ".", 3),
        ("0162 00 c000 c003 0161 c005", 7, "a.b.", 11),
        // Itself, forwards, in a circle, into the middle of itself.
        ("c000", 0, nil, 0), ("c002 00", 0, nil, 0), ("c002 c000", 2, nil, 0), ("0161 c000", 0, nil, 0),
        ("0162 0161 c000", 0, nil, 0), ("0162 c004 0161 c000", 4, nil, 0),
        // Over itself: a label that the pointer is in.
        ("05 0161 c000 00 00", 1, nil, 0),
        // Reserved kinds of labels, and ends that come too early.
        ("40 00", 0, nil, 0), ("80 00", 0, nil, 0), ("0261", 0, nil, 0), ("0161", 0, nil, 0), ("c0", 0, nil, 0),
        ("", 0, nil, 0),
    ] as [(String, Int, String?, Int)])
    func `compression is followed backwards only`(_ wire: String, _ start: Int, _ text: String?, _ end: Int) throws {
        var input = WireReader(octets(wire))
        try input.skip(count: start, field: "start")
        guard let text else {
            #expect(throws: WireError.self) { _ = try input.readName() }
            return
        }
        #expect(try input.readName() == name(text))
        #expect(input.offset == end)
    }

    @Test func `chains of pointers have an end, and so have names`() throws {
        for (count, isName) in [(127, true), (128, false)] {
            var bytes: [UInt8] = [0]
            for index in 0..<count { bytes += [0xc0, UInt8(index == 0 ? 0 : index * 2 - 1)] }
            var input = WireReader(bytes)
            try input.skip(count: bytes.count - 2, field: "start")
            #expect(((try? input.readName()) != nil) == isName)
        }
        // Three labels of 63 octets and a fourth one: 255 octets are a name, 256 are none.
        for (length, isName) in [(61, true), (62, false)] {
            let label = [UInt8(63)] + [UInt8](repeating: 0x61, count: 63)
            let bytes = label + label + label + [UInt8(length)] + [UInt8](repeating: 0x61, count: length) + [0]
            var input = WireReader(bytes)
            #expect(((try? input.readName()) != nil) == isName)
            #expect((DomainName(octets: bytes) != nil) == isName)
        }
    }

    @Test func `any octets become the same name again`() throws {
        var random = SplitMix64(seed: 1035)
        for _ in 0..<2000 {
            let labels = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                (0..<Int.random(in: 1...20, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            let name = try #require(DomainName(labels: labels))
            #expect(DomainName(name.description)?.isIdentical(to: name) == true)
            #expect(DomainName(octets: name.octets)?.isIdentical(to: name) == true)
            #expect(name.labels.map(Array.init) == labels)
            #expect(name.canonical == name && name.canonical.hashValue == name.hashValue)
        }
    }
}
