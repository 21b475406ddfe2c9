// Which names may be those of hosts and mailboxes (RFC 952, RFC 1123 section 2.1, RFC 1035 section 8). Servers refuse
// others in some places and take them in most; nsupdate refuses them before it asks, unless it is told not to.

extension DomainName {
    /// Whether it can be a host's name: letters, digits and dashes, no dash at an end of a label. A `*` may stand in
    /// front of the owner of a record.
    package func isHostName(allowingWildcard: Bool = false) -> Bool {
        labels.dropFirst(allowingWildcard && isWildcard ? 1 : 0).allSatisfy { label in
            let isEnded = label.first?.isLetterOrDigit == true && label.last?.isLetterOrDigit == true
            return isEnded && label.allSatisfy { $0.isLetterOrDigit || $0 == UInt8(ascii: "-") }
        }
    }

    /// Whether it can be a mailbox: anything that is printed in front of a host's name. The root means none.
    package var isMailbox: Bool {
        guard let first = labels.first, let host = parent else { return true }
        return !host.isRoot && first.allSatisfy { (0x21...0x7e).contains($0) } && host.isHostName()
    }
}

extension DNSRecord {
    /// Whether its owner is one that a record of its type can have.
    package var hasAcceptableOwner: Bool {
        switch type {
        case .a, .aaaa: name.isHostName(allowingWildcard: true) || isOfGlobalCatalog
        case .mx: name.isHostName(allowingWildcard: true)
        default: true
        }
    }

    /// Active Directory has addresses at `gc._msdcs.` with the name of a forest.
    private var isOfGlobalCatalog: Bool {
        let labels = name.labels
        return labels.count > 2 && name.isWithin(DomainName(labels: [Array("gc".utf8), Array("_msdcs".utf8)]
            + labels.dropFirst(2).map { Array($0) }) ?? .root) && name.parent?.parent?.isHostName() == true
    }

    /// A name in its data that cannot be what its type says; nil where there is none.
    package var unacceptableName: DomainName? {
        if let soa = data.startOfAuthority {
            return soa.primary.isHostName() ? (soa.mailbox.isMailbox ? nil : soa.mailbox) : soa.primary
        }
        let target: DomainName?
        switch type {
        case .ns: target = data.target
        case .ptr: target = Self.reverseZones.contains { name.isWithin($0) } ? data.target : nil
        case .mx, .srv: target = DomainName(octets: data.octets.dropFirst(type == .mx ? 2 : 6))
        default: target = nil
        }
        return target.flatMap { $0.isHostName() ? nil : $0 }
    }

    private static let reverseZones = ["in-addr.arpa", "ip6.arpa", "ip6.int"].compactMap { DomainName($0) }
}
