// RecordLayout: what the data of each type of record consists of, field by field. One table serves all that is done
// with record data: checking and decompressing what came from the wire, compressing it again (RecordData.swift),
// printing it (RecordDataText.swift) and reading its text form (RecordDataReading.swift). Types that are not in it are
// opaque octets, as RFC 3597 has them. To support a type is to add its line here.

/// A part of a record's data: its form on the wire, and its text form.
enum RecordField: UInt8, Sendable {
    /// A decimal number of 8, 16 or 32 bits.
    case octet, short, long
    /// A decimal number of 32 bits, read with units as well (`1h30m`).
    case seconds
    /// A moment in seconds since 1970, 32 bits, written `YYYYMMDDHHMMSS` (RFC 4034 section 3.2).
    case moment
    /// 16 bits that are a type of record, written as its name.
    case type
    /// An octet that is an algorithm of RFC 4034 appendix A.1; read by name, too, written as a number, or, in CERT, by
    /// its name.
    case algorithm, namedAlgorithm
    /// 16 bits that are a type of certificate, written by name where there is one (RFC 4398 section 2.1).
    case certificate
    /// An octet that is a scheme of DSYNC, written by name where there is one (RFC 9859 section 2.1).
    case scheme
    /// A name that is sent without compression. It is read with compression nevertheless, as RFC 3597 section 4 wants
    /// for some of the types that have one.
    case name
    /// A name in a type of RFC 1035, which may be compressed.
    case compressibleName
    /// Addresses.
    case ipv4, ipv6
    /// A character string: its length in an octet, then up to 255.
    case string
    /// One or more character strings, to the end.
    case strings
    /// The octets to the end, written as one quoted text (RFC 7553, RFC 8659).
    case text
    /// A property of CAA: its length in an octet, then letters and digits (RFC 8659 section 4.1).
    case tag
    /// Length in an octet, then octets; hexadecimal, `-` for none (RFC 5155 section 3.3).
    case salt
    /// Length in an octet, then octets; base32 with the extended hexadecimal alphabet (RFC 5155 section 3.3).
    case hash
    /// The octets to the end, hexadecimal or base64.
    case hexadecimal, base64
    /// Types of records, in windows (RFC 4034 section 4.1.2).
    case types
    /// Keys and values of a service binding (RFC 9460 section 2.2).
    case parameters
    /// A place on the earth: sixteen octets (RFC 1876 section 2).
    case location
    /// Six or eight octets, written `00-00-5e-00-53-2a` (RFC 7043).
    case eui48, eui64

    /// How many octets it has on the wire where that is always the same; 0: it tells.
    var length: Int {
        switch self {
        case .octet, .algorithm, .namedAlgorithm, .scheme: 1
        case .short, .type, .certificate: 2
        case .long, .seconds, .moment, .ipv4: 4
        case .ipv6, .location: 16
        case .eui48: 6
        case .eui64: 8
        default: 0
        }
    }
}

/// The fields of a type.
enum RecordLayout {
    /// The fields of a type in a class; nil where the data are opaque. Types that RFC 1035 and its successors define
    /// for the Internet alone have their fields there, and in the classes of updates (RFC 2136 section 2.4), only.
    static func fields(_ type: RecordType, _ recordClass: RecordClass) -> [RecordField]? {
        let number = Int(type.rawValue)
        let index = number < table.count ? number : number - 32768 + tableEnd
        guard table.indices.contains(index), !table[index].isEmpty else { return nil }
        if recordClass == .internet || recordClass == .none || recordClass == .any { return table[index] }
        return internetOnly.contains(type.rawValue) ? nil : table[index]
    }

    private static let internetOnly: Set<UInt16> = [1, 26, 28, 33, 35, 36, 49, 64, 65]

    /// The table ends with types 32768 and 32769, which stand behind `tableEnd`.
    private static let tableEnd = 259
    private static let table: [[RecordField]] = {
        var table = [[RecordField]](repeating: [], count: tableEnd + 2)
        for (number, fields) in definitions { table[number < tableEnd ? number : number - 32768 + tableEnd] = fields }
        return table
    }()

    private static let delegationSigner: [RecordField] = [.short, .algorithm, .octet, .hexadecimal]
    private static let key: [RecordField] = [.short, .octet, .algorithm, .base64]
    private static let signature: [RecordField] = [
        .type, .algorithm, .octet, .long, .moment, .moment, .short, .name, .base64,
    ]
    private static let association: [RecordField] = [.octet, .octet, .octet, .hexadecimal]

    private static let definitions: [Int: [RecordField]] = [
        1: [.ipv4],  // A
        2: [.compressibleName], 3: [.compressibleName], 4: [.compressibleName],  // NS MD MF
        5: [.compressibleName],  // CNAME
        6: [.compressibleName, .compressibleName, .long, .seconds, .seconds, .seconds, .seconds],  // SOA
        7: [.compressibleName], 8: [.compressibleName], 9: [.compressibleName],  // MB MG MR
        12: [.compressibleName],  // PTR
        13: [.string, .string],  // HINFO
        14: [.compressibleName, .compressibleName],  // MINFO
        15: [.short, .compressibleName],  // MX
        16: [.strings],  // TXT
        17: [.name, .name],  // RP, RFC 1183
        18: [.short, .name],  // AFSDB
        19: [.string],  // X25
        21: [.short, .name],  // RT
        24: signature, 25: key,  // SIG KEY, RFC 2535
        26: [.short, .name, .name],  // PX, RFC 2163
        28: [.ipv6],  // AAAA, RFC 3596
        29: [.location],  // LOC, RFC 1876
        33: [.short, .short, .short, .name],  // SRV, RFC 2782
        35: [.short, .short, .string, .string, .string, .name],  // NAPTR, RFC 3403
        36: [.short, .name],  // KX, RFC 2230
        37: [.certificate, .short, .namedAlgorithm, .base64],  // CERT, RFC 4398
        39: [.name],  // DNAME, RFC 6672
        43: delegationSigner,  // DS, RFC 4034
        44: [.octet, .octet, .hexadecimal],  // SSHFP, RFC 4255
        46: signature,  // RRSIG, RFC 4034
        47: [.name, .types],  // NSEC
        48: key,  // DNSKEY
        49: [.base64],  // DHCID, RFC 4701
        50: [.octet, .octet, .short, .salt, .hash, .types],  // NSEC3, RFC 5155
        51: [.octet, .octet, .short, .salt],  // NSEC3PARAM
        52: association, 53: association,  // TLSA SMIMEA, RFC 6698, RFC 8162
        59: delegationSigner, 60: key,  // CDS CDNSKEY, RFC 7344
        61: [.base64],  // OPENPGPKEY, RFC 7929
        62: [.long, .short, .types],  // CSYNC, RFC 7477
        63: [.long, .octet, .octet, .hexadecimal],  // ZONEMD, RFC 8976
        64: [.short, .name, .parameters], 65: [.short, .name, .parameters],  // SVCB HTTPS, RFC 9460
        66: [.type, .scheme, .short, .name],  // DSYNC, RFC 9859
        67: [.base64], 68: [.base64],  // HHIT BRID, RFC 9886
        99: [.strings],  // SPF, RFC 7208
        108: [.eui48], 109: [.eui64],  // EUI48 EUI64, RFC 7043
        256: [.short, .short, .text],  // URI, RFC 7553
        257: [.octet, .tag, .text],  // CAA, RFC 8659
        258: [.strings],  // AVC
        32768: delegationSigner, 32769: delegationSigner,  // TA DLV
    ]
}

extension RecordField {
    /// Reads one field from the data of a record, which `input` must not go beyond, and appends it to `arena` without
    /// compression. Throws where the octets are no such field.
    func transfer(from input: inout WireReader, into arena: inout [UInt8]) throws(WireError) {
        if length > 0 {
            try input.read(count: length, into: &arena, field: "dns.rdata")
            return
        }
        switch self {
        case .name, .compressibleName: try input.readName(into: &arena, field: "dns.rdata.name")
        case .string, .salt, .hash, .tag: try transferCounted(from: &input, into: &arena)
        case .strings:
            repeat { try transferCounted(from: &input, into: &arena) } while input.remaining > 0
        case .types: try Self.transferTypes(from: &input, into: &arena)
        case .parameters: try ServiceParameter.transfer(from: &input, into: &arena)
        default: try input.read(count: input.remaining, into: &arena, field: "dns.rdata")
        }
    }

    private func transferCounted(from input: inout WireReader, into arena: inout [UInt8]) throws(WireError) {
        let start = input.offset
        let count = Int(try input.byte(at: start, field: "dns.rdata.string"))
        try input.read(count: 1 + count, into: &arena, field: "dns.rdata.string")
        guard self == .tag else { return }
        // An empty tag, or one of other characters, has no text form.
        guard count > 0, arena.suffix(count).allSatisfy(\.isLetterOrDigit) else {
            throw WireError(.unexpected, field: "dns.rdata.tag", offset: start)
        }
    }

    private static func transferTypes(from input: inout WireReader, into arena: inout [UInt8]) throws(WireError) {
        var last = -1
        while input.remaining > 0 {
            let start = input.offset
            let window = Int(try input.byte(at: start, field: "dns.rdata.types"))
            let count = Int(try input.byte(at: start + 1, field: "dns.rdata.types"))
            guard window > last, (1...32).contains(count) else {
                throw WireError(.unexpected, field: "dns.rdata.types", offset: start)
            }
            last = window
            try input.read(count: 2 + count, into: &arena, field: "dns.rdata.types")
        }
    }
}

extension UInt8 {
    /// Whether it is one of A to Z, a to z, 0 to 9.
    var isLetterOrDigit: Bool {
        decimalValue != nil || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(asciiLowercased)
    }
}
