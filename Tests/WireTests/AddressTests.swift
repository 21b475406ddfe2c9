import QureCore
import Testing

@Test func `an address reads and prints`() {
    #expect(IPv6Address("2001:DB8:0:0:1:0:0:1")?.description == "2001:db8::1:0:0:1")
}
