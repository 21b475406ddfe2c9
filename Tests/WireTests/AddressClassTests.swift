// The classes of addresses: the edges of every block of the IANA's registries of special-purpose addresses, and what
// lies beside them.

import QureCore
import Testing

struct AddressClassTests {
    private static let rows: [(AddressClass, String)] = [
        (.global, "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0"),
        (.global, "169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255"),
        (.global, "192.169.0.0 192.255.255.255"),
        (.global, "198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255"),
        (.unspecified, "0.0.0.0 ::"), (.reserved, "0.0.0.1 0.255.255.255 240.0.0.0 255.255.255.254"),
        (.private, "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255"),
        (.shared, "100.64.0.0 100.127.255.255"), (.loopback, "127.0.0.0 127.255.255.255 ::1"),
        (.linkLocal, "169.254.0.0 169.254.255.255 fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (.documentation, "192.0.2.0 192.0.2.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255"),
        (.documentation, "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 3fff:: 3fff:fff:ffff::"),
        (.assigned, "192.0.0.0 192.0.0.255 192.31.196.0 192.52.193.255 192.175.48.1 100:: 100:0:0:1:: 5f00::1"),
        (.assigned, "2001:10:: 2001:20::1 2001:1ff:ffff:: 2620:4f:8000::1"),
        (.transition, "192.88.99.1 ::ffff:8.8.8.8 64:ff9b::808:808 64:ff9b:1::1 2002:808:808::1 2001::1"),
        (.benchmarking, "198.18.0.0 198.19.255.255 2001:2::1"),
        (.multicast, "224.0.0.0 239.255.255.255 ff00:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (.broadcast, "255.255.255.255"), (.uniqueLocal, "fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (.global, "2000:: 2001:200:: 2001:db7:ffff:: 2001:db9:: 2003::1 2620:4f:7fff:: 2620:4f:8001:: 3ffe::"),
        (.global, "3fff:1000::"),
        (.reserved, "::2 1:: 1fff:ffff:: 4000:: fbff:: fe00:: fec0:: feff:: 100:0:0:2::"),
    ]

    @Test(arguments: rows.map { ($0.0, $0.1) })
    func `every block ends where the registries say`(_ expected: AddressClass, _ texts: String) throws {
        for text in texts.split(separator: " ") {
            let address = try #require(IPAddress(String(text)))
            #expect(AddressClass(address) == expected, "\(text)")
        }
    }

    @Test func `every class is in the table`() {
        #expect(Set(Self.rows.map(\.0)) == Set(AddressClass.allCases))
    }

    @Test func `an address by its network and its host part`() throws {
        func address(_ network: String, _ part: String) throws -> String? {
            try #require(Prefix(network)).address(withHostPart: #require(IPv6Address(part)))?.description
        }
        #expect(try address("2001:db8:1:2:3:4:5:6/64", "::1:2") == "2001:db8:1:2::1:2")
        #expect(try address("2001:db8:1:2::/64", "::8000:0:0:1") == "2001:db8:1:2:8000::1")
        #expect(try address("2001:db8:1:2::/64", "1::1") == nil)
        #expect(try address("2001:db8:1:2::/65", "::8000:0:0:1") == nil)
        #expect(try address("192.0.2.0/24", "::1") == nil)
        #expect(try address("2001:db8::1/128", "::1") == nil)
    }
}
