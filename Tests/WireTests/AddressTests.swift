// Addresses and prefixes as text and back: the forms of RFC 4291 and RFC 5952, a thousand texts judged by an
// independent witness (Fixtures/addresses.py), and where this project means something of its own.

import QureCore
import Simulator
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        "0.0.0.0", "255.255.255.255", "192.168.1.11", "10.0.0.1", "1.2.3.4", "100.99.9.90",
    ])
    func `an IPv4 address reads and prints the same`(_ text: String) {
        #expect(IPv4Address(text)?.description == text)
    }

    @Test(arguments: [
        "", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.4.", ".1.2.3.4", "1..2.3", "256.1.1.1", "1.1.1.256", "01.1.1.1",
        "1.1.1.00",
        "010.0.0.1", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.+4", "1.2.3.-4", "1.2.3.4/24", "1.2.3.४", "1.2.3.４",
        "1.2.3.4\0", "1,2,3,4", "3232235787", "1.2.3.1000000000000000000000",
    ])
    func `what inet_aton or a reader might take is no IPv4 address`(_ text: String) {
        #expect(IPv4Address(text) == nil)
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: [
        // RFC 4291 section 2.2
        ("2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"), ("FF01:0:0:0:0:0:0:101", "ff01::101"),
        ("0:0:0:0:0:0:0:1", "::1"), ("0:0:0:0:0:0:0:0", "::"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
        ("0:0:0:0:0:0:13.1.68.3", "::d01:4403"), ("::FFFF:129.144.52.38", "::ffff:129.144.52.38"),
        ("::13.1.68.3", "::d01:4403"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("1:2:3:4:5:6:255.254.253.252", "1:2:3:4:5:6:fffe:fdfc"), ("1:2:3:4:5::1.2.3.4", "1:2:3:4:5:0:102:304"),
        // RFC 5952: leading zeros (4.1), a single zero group (4.2.2), the longest run, of equals the first (4.2.3),
        // lower case
        ("2001:0db8::0001", "2001:db8::1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:DB8::AbCd", "2001:db8::abcd"),
        ("0:0:1:0:0:0:0:0", "0:0:1::"), ("::1:0:0:0", "::1:0:0:0"), ("0:0:0:1:0:0:0:0", "0:0:0:1::"),
        // RFC 5952 section 5: mapped addresses; neighbours of their prefix are written like any other.
        ("0:0:0:0:0:ffff:c000:201", "::ffff:192.0.2.1"), ("::ffff:0:0", "::ffff:0.0.0.0"),
        ("::fffe:c000:201", "::fffe:c000:201"),
        ("::1:ffff:c000:201", "::1:ffff:c000:201"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ])
    func `an IPv6 address is read in every form and written in one`(_ text: String, _ canonical: String) throws {
        let address = try #require(IPv6Address(text))
        #expect(address.description == canonical)
        #expect(IPv6Address(canonical) == address)
        #expect(IPv6Address(octets: address.octets) == address)
    }

    @Test(arguments: [
        "", ":", ":::", "::::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1::2::3", "1:::2", ":::1", "::1:", "12345::",
        "g::", "::-1", "::+1", ":: 1",
        "::1 ", " ::1", "fe80::1%eth0", "[::1]", "::1/64", "::1.2.3", "::1.2.3.4.5", "::256.1.1.1", "::1.2.3.04",
        "1.2.3.4::", "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6::7:1.2.3.4", "1.2.3.4", "::٣", "::ａ",
        "0000000000000000000000000000000000000000000001::",
    ])
    func `what only looks like an IPv6 address is none`(_ text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test func `an independent witness judges a thousand texts alike`() throws {
        let lines = try Fixture.text("addresses.txt").split(separator: "\n")
        #expect(lines.count >= 1000)
        var valid = 0
        for line in lines {
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            let text = String(columns[0])
            let expected = columns[1] == "-" ? nil : String(columns[1])
            let printed = text.contains("/") ? Prefix(text)?.description : IPAddress(text)?.description
            #expect(printed == expected, "\(text)")
            if expected != nil { valid += 1 }
        }
        #expect(valid > 300 && valid < lines.count - 300)
    }

    @Test func `whatever the number, text and octets lead back to it`() {
        var random = SplitMix64(seed: 5952)
        for _ in 0..<2000 {
            // Whole groups of zeros and ones, for the shortened forms.
            let mask = (0..<8).reduce(UInt128(0)) { mask, _ in mask << 16 | (Bool.random(using: &random) ? 0xffff : 0) }
            let number = UInt128.random(in: 0...UInt128.max, using: &random) & mask
            let low = UInt32(truncatingIfNeeded: number)
            for address in [IPAddress.v6(.init(rawValue: number)), .v4(.init(rawValue: low))] {
                #expect(IPAddress(address.description) == address)
                #expect(IPAddress(octets: address.octets) == address)
                #expect(address.sameFamily(address.number) == address)
            }
        }
    }

    @Test func `octets of any other length are no address`() {
        for count in 0..<40 {
            let octets = [UInt8](repeating: 1, count: count)
            #expect((IPAddress(octets: octets) != nil) == (count == 4 || count == 16))
            #expect((IPv6Address(octets: octets) != nil) == (count == 16))
            #expect((MACAddress(octets: octets) != nil) == (count == 6))
        }
    }

    @Test(arguments: [
        // address, unicast, multicast, loopback
        ("0.0.0.0", false, false, false), ("255.255.255.255", false, false, false),
        ("192.168.1.11", true, false, false),
        ("127.0.0.1", true, false, true), ("127.255.255.255", true, false, true), ("128.0.0.0", true, false, false),
        ("223.255.255.255", true, false, false), ("224.0.0.0", false, true, false),
        ("239.255.255.255", false, true, false),
        ("240.0.0.0", true, false, false), ("::", false, false, false), ("::1", true, false, true),
        ("::2", true, false, false),
        ("feff::1", true, false, false), ("ff00::", false, true, false), ("ff02::1", false, true, false),
        ("fe80::1", true, false, false),
    ])
    func `kinds of addresses`(_ text: String, _ isUnicast: Bool, _ isMulticast: Bool, _ isLoopback: Bool) {
        let address = ip(text)
        #expect(address.isUnicast == isUnicast)
        #expect(address.isMulticast == isMulticast && address.isLoopback == isLoopback)
    }

    @Test(arguments: [
        ("fe7f:ffff::", false), ("fe80::", true), ("febf:ffff::1", true), ("fec0::", false), ("::", false),
    ])
    func `link-local addresses`(_ text: String, _ isLinkLocal: Bool) {
        #expect(v6(text).isLinkLocal == isLinkLocal)
    }

    @Test func `the solicited-node group of an address`() {
        // The example of RFC 4291 section 2.7.1.
        #expect(v6("4037::01:800:200E:8C6C").solicitedNode == v6("ff02::1:ff0e:8c6c"))
        #expect(v6("ff02::1:ff0e:8c6c").isSolicitedNode)
        for other in ["ff02::1", "ff02::2:ff0e:8c6c", "ff02::1:fe0e:8c6c", "ff05::1:ff0e:8c6c", "::1:ff0e:8c6c"] {
            #expect(!v6(other).isSolicitedNode)
        }
    }

    @Test func `addresses are ordered by family, then by number`() {
        let ordered = ["0.0.0.0", "9.0.0.1", "10.0.0.1", "255.0.0.0", "::", "::1", "1::", "ffff::"].map(ip)
        #expect(ordered.reversed().sorted() == ordered)
    }
}

@Suite struct PrefixTests {
    @Test(arguments: [
        (["::/0"], true), (["192.0.2.0/24", "10.1.2.3/0"], true), (["128.0.0.0/1", "0.0.0.0/1"], true),
        (["8000::/1", "10.0.0.0/8", "::/1", "::1"], true), (["128.0.0.0/1", "1.0.0.0/8", "0.0.0.0/1"], true),
        ([], false), (["0.0.0.0/1", "8000::/1"], false), (["0.0.0.0/1", "128.0.0.0/2", "193.0.0.0/8"], false),
        (["128.0.0.0/1", "0.0.0.0/2"], false), (["::1/128", "8000::/1"], false), (["128.0.0.0/1"], false),
    ])
    func `networks that are everything together are told`(_ networks: [String], _ areEverything: Bool) {
        #expect(Prefix.areEverything(networks.compactMap { Prefix($0) }) == areEverything)
    }

    @Test(arguments: [
        // text, network, last address
        ("192.168.1.11/24", "192.168.1.0/24", "192.168.1.255"), ("192.168.1.11", "192.168.1.11/32", "192.168.1.11"),
        ("192.168.1.11/0", "0.0.0.0/0", "255.255.255.255"), ("10.1.2.3/9", "10.0.0.0/9", "10.127.255.255"),
        ("10.1.2.3/31", "10.1.2.2/31", "10.1.2.3"), ("10.1.2.3/32", "10.1.2.3/32", "10.1.2.3"),
        ("2001:db8::11/64", "2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff"), ("::1", "::1/128", "::1"),
        ("2001:db8::11/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::11/127", "2001:db8::10/127", "2001:db8::11"),
        ("ffff:ffff::/1", "8000::/1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ])
    func `a prefix knows its network`(_ text: String, _ network: String, _ last: String) throws {
        let prefix = try #require(Prefix(text))
        #expect(prefix.network.description == network)
        #expect(prefix.last == ip(last))
        for inside in [prefix.address, prefix.last, prefix.network.address] { #expect(prefix.contains(inside)) }
        #expect(Prefix(prefix.description) == prefix)
        if prefix.last.number < prefix.last.sameFamily(.max).number {
            #expect(!prefix.contains(prefix.last.sameFamily(prefix.last.number + 1)))
        }
        if prefix.network.address.number > 0 {
            #expect(!prefix.contains(prefix.last.sameFamily(prefix.network.address.number - 1)))
        }
    }

    @Test(arguments: [
        "", "/", "/24", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/+1", "1.2.3.4/024", "1.2.3.4/00",
        "1.2.3.4/ 24", "1.2.3.4/24 ",
        "1.2.3.4/24/24", "1.2.3.4/255.255.255.0", "1.2.3/24", "::/129", "::/1000000000000", "fe80::1%eth0/64",
        "::1/64/", "1.2.3.4//24",
    ])
    func `what is no prefix`(_ text: String) {
        #expect(Prefix(text) == nil)
    }

    @Test func `a network contains no address of the other family`() {
        #expect(Prefix("0.0.0.0/0")?.contains(ip("::")) == false)
        #expect(Prefix("::/0")?.contains(ip("0.0.0.0")) == false)
        #expect(Prefix(ip("::1"), length: 129) == nil && Prefix(ip("1.2.3.4"), length: 33) == nil)
        #expect(Prefix(ip("1.2.3.4"), length: -1) == nil)
    }
}

@Suite struct MACAddressTests {
    @Test(arguments: [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"), ("52-54-00-AB-CD-EF", "52:54:00:ab:cd:ef"),
        ("00:00:00:00:00:00", "00:00:00:00:00:00"),
        ("ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff"), ("0A:0b:0C:0d:0E:0f", "0a:0b:0c:0d:0e:0f"),
    ])
    func `a hardware address reads and prints`(_ text: String, _ canonical: String) throws {
        let address = try #require(MACAddress(text))
        #expect(address.description == canonical)
        #expect(MACAddress(canonical) == address && MACAddress(octets: address.octets) == address)
    }

    @Test(arguments: [
        "", ":::::", "52:54:00:12:34", "52:54:00:12:34:56:78", "525400123456", "52:54:0:12:34:56",
        "52:54:000:12:34:56", "52:54:00:12:34:5g",
        "52:54:00:12:34:+5", "52:54:00:12:34:56 ", "5254.0012.3456", ":52:54:00:12:34:56", "52::54:00:12:34:56",
        "52:54:00:12:34:５6",
    ])
    func `what is no hardware address`(_ text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test func `the two bits of the first octet`() {
        #expect(MACAddress.broadcast.isMulticast && MACAddress.broadcast.isLocallyAdministered)
        #expect(MACAddress("01:00:5e:00:00:01")?.isMulticast == true)
        #expect(!host.isMulticast && host.isLocallyAdministered && !MACAddress.zero.isLocallyAdministered)
        #expect(MACAddress("00:16:3e:00:00:01")?.isLocallyAdministered == false)
    }

    @Test func `groups have hardware addresses`() {
        #expect(MACAddress.multicast(v4("224.0.0.123")).description == "01:00:5e:00:00:7b")
        #expect(MACAddress.multicast(v4("239.255.255.255")).description == "01:00:5e:7f:ff:ff")  // 23 bits only
        #expect(MACAddress.multicast(v6("ff02::1:ff00:11")).description == "33:33:ff:00:00:11")
        #expect(MACAddress.multicast(.allNodes).description == "33:33:00:00:00:01")
    }

    @Test func `they are ordered by number and have 48 bits`() {
        #expect(MACAddress("02:00:00:00:00:ff")! < MACAddress("02:00:00:00:01:00")!)
        #expect(MACAddress(rawValue: .max) == .broadcast)
    }
}
