// RegistrationPlan: the update that leads from what the authority holds to what is wanted: one message, all or nothing
// (RFC 2136 section 3.7), so that nobody ever sees the name without an address on the way. Of a name that several sites
// share it touches the site's own records alone, under the condition that the site's marker is still the one that was
// read, octet for octet, and that those who share an address are still the same: whatever came in between, or is
// played again, makes the update fail and not the zone wrong.

/// Conditions and changes, and what will be so afterwards.
package struct RegistrationPlan: Equatable, Sendable {
    /// What must be so (RFC 2136 section 2.4).
    package private(set) var prerequisites: [DNSRecord] = []
    /// What is done then, in order (RFC 2136 section 2.5).
    package private(set) var changes: [DNSRecord] = []
    /// The site's marker afterwards; nil: none.
    package private(set) var marker: SiteMarker?
    /// The site's addresses that are not there yet, or not as its own.
    package private(set) var added: [IPAddress] = []
    /// The site's addresses that go.
    package private(set) var removed: [IPAddress] = []

    /// Whether there is nothing to do.
    package var isEmpty: Bool { changes.isEmpty }

    /// The update of `zone`, which asks the server for a lease where there is one (RFC 9664).
    package func message(zone: DomainName, lease: Duration? = nil) -> DNSMessage {
        var message = DNSMessage.update(id: 0, zone: zone)
        message.prerequisites = prerequisites
        message.updates = changes
        if let lease {
            var edns = EDNS()
            edns.updateLease = UpdateLease(UInt32(clamping: lease.components.seconds))
            message.edns = edns
        }
        return message
    }

    private mutating func delete(_ name: DomainName, _ data: RecordData) {
        changes.append(DNSRecord(name, .none, ttl: 0, data))
    }

    private mutating func deleteAll(_ name: DomainName, _ type: RecordType) {
        changes.append(DNSRecord(name, .any, ttl: 0, .empty(type)))
    }

    private mutating func add(_ name: DomainName, _ ttl: UInt32, _ data: RecordData) {
        changes.append(DNSRecord(name, ttl: ttl, data))
    }

    /// The records of this name and type must be exactly these.
    private mutating func require(_ name: DomainName, exactly data: [RecordData]) {
        if data.isEmpty { prerequisites.append(DNSRecord(name, .none, ttl: 0, .empty(.txt))) }
        for data in data { prerequisites.append(DNSRecord(name, ttl: 0, data)) }
    }
}

extension RegistrationPlan {
    /// The addresses whose claims `replace` looks at: those that go, and those whose time to live is another one.
    package static func questionable(_ view: AuthorityView, _ wanted: [IPAddress], ttl: UInt32)
        -> [IPAddress]
    {
        let own = Set(view.marker?.addresses ?? [])
        return own.subtracting(wanted).sorted() + wanted.filter { (view.addresses[$0] ?? ttl) != ttl }
    }

    /// The site's addresses become those of `marker`, which takes the place of the one in `view`. The claims of all
    /// questionable addresses must be in the view. Where other sites have addresses of a family its time to live is
    /// theirs, since a set of records has but one (RFC 2181 section 5.2). A plan that `repeats` has all records of the
    /// site in it, also those that are there, if it has any: a server that grants leases renews what it is told again.
    package static func replace(
        _ view: AuthorityView, _ names: SiteNames, with marker: SiteMarker, ttl: UInt32, isForced: Bool,
        repeats: Bool = false
    ) -> RegistrationPlan {
        var plan = RegistrationPlan()
        plan.marker = marker
        let own = Set(view.marker?.addresses ?? [])
        let wanted = Set(marker.addresses)
        plan.removed = own.subtracting(wanted).sorted()
        plan.added = wanted.filter { view.addresses[$0] == nil || !own.contains($0) }.sorted()
        var additions: [IPAddress: UInt32] = [:]
        for isIPv4 in [true, false] {
            let family = wanted.filter { ($0.bitWidth == 32) == isIPv4 }
            let others = view.addresses.filter { address, _ in
                (address.bitWidth == 32) == isIPv4 && !own.contains(address) && !wanted.contains(address)
            }
            let ttl = others.first?.value ?? ttl
            let present = family.filter { view.addresses[$0] != nil }
            let isOurs = others.isEmpty && present.allSatisfy { view.isClaimed($0, by: names) }
            let isOfOtherTime = isOurs && present.contains { view.addresses[$0] != ttl }
            // A time to live that is too long cannot be shortened everywhere by adding the same record again.
            if isOfOtherTime {
                for address in present.sorted() { plan.delete(names.name, .address(address)) }
            }
            for address in family where isOfOtherTime || view.addresses[address] == nil {
                additions[address] = ttl
            }
        }
        let isChanged = own != wanted || !additions.isEmpty || isForced
        guard isChanged else { return RegistrationPlan() }
        plan.require(names.marker, exactly: view.markers)
        for address in wanted.sorted() where repeats || additions[address] != nil || !own.contains(address) {
            plan.add(names.name, additions[address] ?? view.addresses[address] ?? ttl, .address(address))
            plan.add(names.claim(address), ttl, names.claimData)
        }
        plan.release(plan.removed, view, names)
        plan.deleteAll(names.marker, .txt)
        plan.add(names.marker, ttl, marker.data)
        return plan
    }

    /// Takes addresses off the name that the site has no more, unless another site says that it has them, too.
    private mutating func release(_ addresses: [IPAddress], _ view: AuthorityView, _ names: SiteNames) {
        for address in addresses {
            let claims = view.claims[address] ?? []
            require(names.claim(address), exactly: claims)
            if claims.allSatisfy({ $0 == names.claimData }) { delete(names.name, .address(address)) }
            delete(names.claim(address), names.claimData)
        }
    }

    /// The site leaves. A marker without addresses stays in the place of its own, so that a late copy of an update
    /// cannot bring them back; nil: that is to go, too.
    package static func withdraw(
        _ view: AuthorityView, _ names: SiteNames, leaving tombstone: SiteMarker?, ttl: UInt32
    ) -> RegistrationPlan {
        var plan = RegistrationPlan()
        guard let marker = view.marker, !marker.addresses.isEmpty || tombstone == nil else {
            return plan
        }
        plan.marker = tombstone
        plan.removed = marker.addresses
        plan.require(names.marker, exactly: view.markers)
        plan.release(plan.removed, view, names)
        plan.deleteAll(names.marker, .txt)
        if let tombstone { plan.add(names.marker, ttl, tombstone.data) }
        return plan
    }

    /// The name belongs to this site alone: its addresses become `wanted`, whatever was there; nothing is marked.
    package static func replaceAll(
        _ view: AuthorityView, _ name: DomainName, with wanted: [IPAddress], ttl: UInt32
    ) -> RegistrationPlan {
        var plan = RegistrationPlan()
        for type in [RecordType.a, .aaaa] {
            let isOfType: (IPAddress) -> Bool = { ($0.bitWidth == 32) == (type == .a) }
            let present = view.addresses.filter { isOfType($0.key) }
            let family = Set(wanted.filter(isOfType))
            guard Set(present.keys) != family || present.contains(where: { $0.value != ttl }) else {
                continue
            }
            if !present.isEmpty { plan.deleteAll(name, type) }
            for address in family.sorted() { plan.add(name, ttl, .address(address)) }
            plan.added += family.subtracting(present.keys).sorted()
            plan.removed += Set(present.keys).subtracting(family).sorted()
        }
        return plan
    }
}
