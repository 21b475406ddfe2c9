// RecordData: what a record says, as the octets of its wire form without compression, checked against the layout of
// its type (RecordLayout.swift). The octets may be a slice of a whole message's, so that a record costs no memory of
// its own when a message is read. The accessors give what the tools ask for; everything else is reached by the text
// form.

/// The data of a record together with its type. Equal means equal octets: letters of names count with their case.
package struct RecordData: Hashable, Sendable {
    /// The type that says what the octets are.
    package let type: RecordType
    /// The wire form without compression.
    package let octets: ArraySlice<UInt8>

    /// For those who have checked them.
    init(unchecked type: RecordType, _ octets: ArraySlice<UInt8>) {
        self.type = type
        self.octets = octets
    }

    /// The data of these octets; nil where they are none of that type and class, or more than a record can hold.
    package init?(_ type: RecordType, octets: some Collection<UInt8>, in recordClass: RecordClass = .internet) {
        var arena: [UInt8] = []
        var input = WireReader(Array(octets))
        guard octets.count <= Int(UInt16.max),
            (try? Self.transfer(type, recordClass, from: &input, into: &arena)) != nil, arena.count == octets.count
        else { return nil }
        self.init(unchecked: type, arena[...])
    }

    /// No data at all: what an update says of a whole set, or of a name (RFC 2136 sections 2.4 and 2.5).
    package static func empty(_ type: RecordType) -> RecordData { RecordData(unchecked: type, []) }

    /// An A or AAAA record's.
    package static func address(_ address: IPAddress) -> RecordData {
        switch address {
        case .v4: RecordData(unchecked: .a, address.octets[...])
        case .v6: RecordData(unchecked: .aaaa, address.octets[...])
        }
    }

    /// Those of a type that is one name and nothing else, such as NS, CNAME, PTR and DNAME; nil for another type.
    package static func name(_ type: RecordType, _ name: DomainName) -> RecordData? {
        guard type.isOneName else { return nil }
        return RecordData(unchecked: type, name.octets)
    }

    /// A TXT record's, of at least one string, each of up to 255 octets, otherwise nil.
    package static func strings(_ strings: some Collection<[UInt8]>) -> RecordData? {
        guard !strings.isEmpty, strings.allSatisfy({ $0.count <= 255 }) else { return nil }
        return RecordData(.txt, octets: strings.flatMap { [UInt8($0.count)] + $0 })
    }

    /// Appends the data that `input` consists of to `arena`: decompressed, checked, to the end of `input`.
    static func transfer(
        _ type: RecordType, _ recordClass: RecordClass, from input: inout WireReader, into arena: inout [UInt8]
    ) throws(WireError) {
        guard let fields = RecordLayout.fields(type, recordClass) else {
            try input.read(count: input.remaining, into: &arena, field: "dns.rdata")
            return
        }
        for field in fields { try field.transfer(from: &input, into: &arena) }
        guard input.remaining == 0 else { throw WireError(.unexpected, field: "dns.rdata", offset: input.offset) }
    }
}

extension RecordType {
    /// Whether the data are one name.
    var isOneName: Bool {
        guard let fields = RecordLayout.fields(self, .internet), fields.count == 1 else { return false }
        return fields[0] == .name || fields[0] == .compressibleName
    }
}

/// What SOA says of a zone (RFC 1035 section 3.3.13).
package struct StartOfAuthority: Hashable, Sendable {
    /// MNAME: where updates go.
    package var primary: DomainName
    /// RNAME: the mailbox of who is responsible.
    package var mailbox: DomainName
    /// Compared as RFC 1982 says.
    package var serial: UInt32
    /// Seconds, as the secondaries want them.
    package var refresh, retry, expire: UInt32
    /// How long a "no" may be remembered, in seconds (RFC 2308 section 4).
    package var minimum: UInt32

    /// Puts one together.
    package init(
        primary: DomainName, mailbox: DomainName, serial: UInt32, refresh: UInt32, retry: UInt32, expire: UInt32,
        minimum: UInt32
    ) {
        self.primary = primary
        self.mailbox = mailbox
        self.serial = serial
        self.refresh = refresh
        self.retry = retry
        self.expire = expire
        self.minimum = minimum
    }

    /// Whether `serial` is newer than `other` (RFC 1982 section 3.2); of two that are half the range apart, neither is.
    package static func isNewer(_ serial: UInt32, than other: UInt32) -> Bool {
        (1..<0x8000_0000).contains(serial &- other)
    }
}

extension RecordData {
    /// The address of A or AAAA; nil for another type.
    package var address: IPAddress? {
        guard type == .a || type == .aaaa, octets.count == (type == .a ? 4 : 16) else { return nil }
        return IPAddress(octets: octets)
    }

    /// The name of a type that is one name: NS, CNAME, PTR, DNAME; nil for another type, and for no data.
    package var target: DomainName? {
        guard type.isOneName, !octets.isEmpty else { return nil }
        return DomainName(unchecked: octets)
    }

    /// The strings of TXT; nil for another type.
    package var strings: [ArraySlice<UInt8>]? {
        guard type == .txt else { return nil }
        var strings: [ArraySlice<UInt8>] = []
        var rest = octets
        while let count = rest.popFirst() {
            strings.append(rest.prefix(Int(count)))
            rest = rest.dropFirst(Int(count))
        }
        return strings
    }

    /// What SOA says; nil for another type, and for no data.
    package var startOfAuthority: StartOfAuthority? {
        var input = WireReader(Array(octets))
        guard type == .soa, let primary = try? input.readName(), let mailbox = try? input.readName(),
            let serial = try? input.read(UInt32.self, field: "soa"),
            let refresh = try? input.read(UInt32.self, field: "soa"),
            let retry = try? input.read(UInt32.self, field: "soa"),
            let expire = try? input.read(UInt32.self, field: "soa"),
            let minimum = try? input.read(UInt32.self, field: "soa")
        else { return nil }
        return StartOfAuthority(
            primary: primary, mailbox: mailbox, serial: serial, refresh: refresh, retry: retry, expire: expire,
            minimum: minimum)
    }

    /// The data of an SOA.
    package init(_ soa: StartOfAuthority) {
        var output = WireWriter()
        output.write(soa.primary.octets)
        output.write(soa.mailbox.octets)
        for number in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] { output.write(number) }
        self.init(unchecked: .soa, output.bytes[...])
    }

    /// The canonical form: names in lower case where RFC 4034 section 6.2 says so, for comparing what two servers say.
    package var canonical: RecordData {
        guard let fields = RecordLayout.fields(type, .internet), !octets.isEmpty else { return self }
        // As RFC 6840 section 5.1 corrects: not in NSEC; later types keep their case.
        let lowered: Set<UInt16> = [2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 17, 18, 21, 24, 26, 33, 35, 36, 39, 46]
        guard lowered.contains(type.rawValue) else { return self }
        var arena: [UInt8] = []
        var input = WireReader(Array(octets))
        for field in fields {
            let start = arena.count
            // Data of another class, which no name is known in, stay as they are.
            guard (try? field.transfer(from: &input, into: &arena)) != nil else { return self }
            guard field == .name || field == .compressibleName else { continue }
            for index in start..<arena.count { arena[index] = arena[index].asciiLowercased }
        }
        return RecordData(unchecked: type, arena[...])
    }
}
