// ZoneContent: a zone file as the zone that it is to be, with what makes it one (RFC 1034 section 4.2.1, RFC 1035
// section 5.2): one SOA, at the zone's own name; a CNAME with nothing beside it. What is wrong is told by its line,
// with the remedy, and where BIND goes on with a warning, so does this.
//
// Servers are told a zone's name beside its file (BIND, NSD, Knot), and their files rely on it: '@' is that name. Where
// it is not told, it is that of the SOA, for files that say $ORIGIN themselves; one that does not would be the root.

/// A zone and its records.
package struct ZoneContent: Equatable, Sendable {
    /// Its name.
    package let name: DomainName
    /// What is within it, in the order of the file.
    package let records: [DNSRecord]
    /// What is odd and left out.
    package let warnings: [ZoneTextError]

    /// Reads a zone file. `name`: the zone's, if it is told; it is what '@' means until the file says $ORIGIN.
    package init(_ text: [UInt8], name told: DomainName? = nil) throws(ZoneTextError) {
        let file = try ZoneFile(text, origin: told ?? .root)
        guard let first = file.records.firstIndex(where: { $0.type == .soa }) else {
            throw ZoneTextError(
                line: file.lines.first ?? 1,
                "there is no SOA record; a zone has one at its own name, as in "
                    + "'@ SOA ns1 hostmaster 1 3600 600 86400 60'")
        }
        let owner = file.records[first].name
        name = told ?? owner
        guard told != nil || !owner.isRoot else {
            throw ZoneTextError(
                line: file.lines[first],
                "the zone would be the root, for nothing says its name: write 'zone NAME FILE', "
                    + "or begin the file with '$ORIGIN NAME.'")
        }
        var kept: [DNSRecord] = []
        var beyond: [(line: Int, name: DomainName)] = []
        var rules = ZoneRules(zone: name)
        for (record, line) in zip(file.records, file.lines) {
            guard record.name.isWithin(name) else {
                guard record.type != .soa else { throw rules.misplacedSOA(record, line) }
                beyond.append((line, record.name))
                continue
            }
            try rules.take(record, line)
            kept.append(record)
        }
        guard rules.hasSOA else { throw rules.misplacedSOA(file.records[first], file.lines[first]) }
        records = kept
        let renamed = zip(file.records, file.lines).first { $0.0.type == .dname }.map { record, line in
            ZoneTextError(
                line: line,
                "'\(record.name)' has a DNAME, which is not followed: to the names below it, it means nothing here")
        }
        warnings = Self.warnings(beyond, name) + [renamed].compactMap { $0 }
    }

    private static func warnings(_ beyond: [(line: Int, name: DomainName)], _ zone: DomainName) -> [ZoneTextError] {
        guard let first = beyond.first else { return [] }
        let others = beyond.count > 1 ? ", and so are \(beyond.count - 1) more records" : ""
        return [
            ZoneTextError(
                line: first.line,
                "'\(first.name)' is not within the zone '\(zone)'\(others): leaving out what is not "
                    + "(a name with a dot at its end is complete; one without is below $ORIGIN)")
        ]
    }
}

extension RecordType {
    /// Whether it may stand beside a CNAME: signatures and what they need (RFC 4034 sections 3 and 4, RFC 3007).
    package var mayStandBesideAlias: Bool { [.rrsig, .nsec, RecordType(rawValue: 25)].contains(self) }
}

/// What the records of a zone must not do to each other.
private struct ZoneRules {
    let zone: DomainName
    private var soa: DNSRecord?
    /// The line of each name's first CNAME, and of its first record that is none.
    private var aliases: [DomainName: (line: Int, data: RecordData)] = [:]
    private var others: [DomainName: Int] = [:]

    init(zone: DomainName) { self.zone = zone }

    var hasSOA: Bool { soa != nil }

    func misplacedSOA(_ record: DNSRecord, _ line: Int) -> ZoneTextError {
        ZoneTextError(
            line: line,
            "the SOA record is that of '\(record.name)', and the zone is '\(zone)': its owner is to be '\(zone)'"
                + (zone.isRoot ? "" : ", with a dot at its end, or '@' where $ORIGIN says no other"))
    }

    mutating func take(_ record: DNSRecord, _ line: Int) throws(ZoneTextError) {
        if record.type == .soa {
            guard record.name == zone else { throw misplacedSOA(record, line) }
            // What dig prints of a transfer ends as it begins.
            guard soa == nil || soa?.data == record.data else {
                throw ZoneTextError(line: line, "a second SOA record, and a zone has one: remove either")
            }
            soa = record
        }
        if record.type == .cname {
            if let known = aliases[record.name], known.data != record.data {
                throw ZoneTextError(
                    line: line, "'\(record.name)' has a CNAME already, in line \(known.line), and can have one: "
                        + "remove either")
            }
            aliases[record.name] = aliases[record.name] ?? (line, record.data)
        } else if !record.type.mayStandBesideAlias {
            others[record.name] = others[record.name] ?? line
        }
        guard let alias = aliases[record.name]?.line, let other = others[record.name] else { return }
        throw ZoneTextError(
            line: line,
            "'\(record.name)' has a CNAME and other records, in line \(min(alias, other)), too; nothing may stand "
                + "beside a CNAME (RFC 1034 section 3.6.2): remove either"
                + (record.name == zone ? ", or have an 'alias' of this name" : ""))
    }
}
