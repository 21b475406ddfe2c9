// AddressReading: what one source says about where this site is. AddressJudge makes one address of each family of them.

/// One source's word.
package struct AddressReading: Equatable, Sendable {
    /// Whom we asked, as the user named it: `gateway`, `interface:eth0`.
    package var source: String
    /// How it was learnt, or who said so: `nat-pmp by 192.168.1.1`; may be empty.
    package var detail: String
    /// What it said; nil: nothing.
    package var address: IPAddress?
    /// Why it does not count; nil: it does.
    package var problem: String?

    /// What `source` said, or what became of it.
    package init(source: String, detail: String = "", address: IPAddress?, problem: String? = nil) {
        self.source = source
        self.detail = detail
        self.address = address
        self.problem = problem
    }

    /// A source that did not say an address.
    package init(source: String, detail: String = "", failed why: String) {
        self.init(source: source, detail: detail, address: nil, problem: why)
    }
}

/// The families of addresses.
package enum AddressFamily: String, Sendable, CaseIterable {
    case ipv4, ipv6

    /// The family of an address.
    package init(_ address: IPAddress) { self = address.bitWidth == 32 ? .ipv4 : .ipv6 }
}
