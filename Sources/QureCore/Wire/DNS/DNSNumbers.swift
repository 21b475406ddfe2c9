// The numbers of the DNS and their names (the DNS parameters registry of IANA, RFC 6895): types, classes, operations,
// response codes, and what the security types count. Names are those that BIND reads and prints. Numbers without a name
// are written as RFC 3597 section 5 says (`TYPE731`, `CLASS32`), and every number survives being read and written.

/// The type of a record, or of a question.
package struct RecordType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let a = RecordType(rawValue: 1)
    package static let ns = RecordType(rawValue: 2)
    package static let cname = RecordType(rawValue: 5)
    package static let soa = RecordType(rawValue: 6)
    package static let ptr = RecordType(rawValue: 12)
    package static let hinfo = RecordType(rawValue: 13)
    package static let mx = RecordType(rawValue: 15)
    package static let txt = RecordType(rawValue: 16)
    package static let aaaa = RecordType(rawValue: 28)
    package static let loc = RecordType(rawValue: 29)
    package static let srv = RecordType(rawValue: 33)
    package static let naptr = RecordType(rawValue: 35)
    package static let dname = RecordType(rawValue: 39)
    package static let opt = RecordType(rawValue: 41)
    package static let ds = RecordType(rawValue: 43)
    package static let rrsig = RecordType(rawValue: 46)
    package static let nsec = RecordType(rawValue: 47)
    package static let dnskey = RecordType(rawValue: 48)
    package static let nsec3 = RecordType(rawValue: 50)
    package static let nsec3param = RecordType(rawValue: 51)
    package static let svcb = RecordType(rawValue: 64)
    package static let https = RecordType(rawValue: 65)
    package static let tkey = RecordType(rawValue: 249)
    package static let tsig = RecordType(rawValue: 250)
    package static let ixfr = RecordType(rawValue: 251)
    package static let axfr = RecordType(rawValue: 252)
    package static let any = RecordType(rawValue: 255)
    package static let caa = RecordType(rawValue: 257)

    /// Types that ask or speak about a message and are never data of a zone (RFC 6895 section 3.1): 128 to 255, and
    /// OPT.
    package var isMeta: Bool { (128...255).contains(rawValue) || self == .opt }
}

extension RecordType: LosslessStringConvertible {
    private static let names = NumberNames<UInt16>([
        1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS",
        12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN",
        21: "RT", 22: "NSAP", 23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC",
        30: "NXT", 31: "EID", 32: "NIMLOC", 33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6",
        39: "DNAME", 40: "SINK", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC",
        48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO",
        57: "RKEY", 58: "TALINK", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB",
        65: "HTTPS", 66: "DSYNC", 67: "HHIT", 68: "BRID", 99: "SPF", 100: "UINFO", 101: "UID", 102: "GID",
        103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP", 108: "EUI48", 109: "EUI64", 249: "TKEY",
        250: "TSIG", 251: "IXFR", 252: "AXFR",
        253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 258: "AVC", 259: "DOA", 260: "AMTRELAY",
        261: "RESINFO", 262: "WALLET", 32768: "TA", 32769: "DLV",
    ])

    /// A name in any case, `*` (every type), or `TYPEnnn`.
    package init?(_ description: String) {
        let name = description.uppercased()
        guard let number = Self.names.number(name) ?? (name == "*" ? 255 : numbered(name, "TYPE")) else { return nil }
        rawValue = number
    }

    package var description: String { Self.names.name(rawValue) ?? "TYPE\(rawValue)" }
}

/// The class of a record or of a question: IN, but for what the protocol itself uses others for.
package struct RecordClass: RawRepresentable, Hashable, Sendable, LosslessStringConvertible {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let internet = RecordClass(rawValue: 1)
    package static let chaos = RecordClass(rawValue: 3)
    package static let hesiod = RecordClass(rawValue: 4)
    package static let none = RecordClass(rawValue: 254)
    package static let any = RecordClass(rawValue: 255)

    private static let names = NumberNames<UInt16>([1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"])

    /// A name in any case, also those of RFC 1035 in full (`CHAOS`), or `CLASSnnn`.
    package init?(_ description: String) {
        let name = description.uppercased()
        let long: [String: UInt16] = ["CHAOS": 3, "HESIOD": 4]
        guard let number = Self.names.number(name) ?? long[name] ?? numbered(name, "CLASS") else { return nil }
        rawValue = number
    }

    package var description: String { Self.names.name(rawValue) ?? "CLASS\(rawValue)" }
}

/// What a message asks for (RFC 1035 section 4.1.1): four bits.
package struct DNSOpcode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue & 0xf }

    package static let query = DNSOpcode(rawValue: 0)
    package static let status = DNSOpcode(rawValue: 2)
    package static let notify = DNSOpcode(rawValue: 4)
    package static let update = DNSOpcode(rawValue: 5)
    package static let stateful = DNSOpcode(rawValue: 6)

    /// As dig prints it; numbers without a meaning as `RESERVED7`.
    package var description: String {
        let names: [UInt8: String] = [0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"]
        return names[rawValue] ?? "RESERVED\(rawValue)"
    }
}

/// How a message was answered: four bits in the header, twelve with EDNS (RFC 6891 section 6.1.3), sixteen in a TSIG.
package struct DNSResponseCode: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let noError = DNSResponseCode(rawValue: 0)
    package static let formatError = DNSResponseCode(rawValue: 1)
    package static let serverFailure = DNSResponseCode(rawValue: 2)
    package static let nameError = DNSResponseCode(rawValue: 3)
    package static let notImplemented = DNSResponseCode(rawValue: 4)
    package static let refused = DNSResponseCode(rawValue: 5)
    package static let nameExists = DNSResponseCode(rawValue: 6)
    package static let setExists = DNSResponseCode(rawValue: 7)
    package static let setMissing = DNSResponseCode(rawValue: 8)
    package static let notAuthorized = DNSResponseCode(rawValue: 9)
    package static let notInZone = DNSResponseCode(rawValue: 10)
    package static let typeNotImplemented = DNSResponseCode(rawValue: 11)
    package static let badVersion = DNSResponseCode(rawValue: 16)
    package static let badSignature = DNSResponseCode(rawValue: 16)
    package static let badKey = DNSResponseCode(rawValue: 17)
    package static let badTime = DNSResponseCode(rawValue: 18)
    package static let badTruncation = DNSResponseCode(rawValue: 22)
    package static let badCookie = DNSResponseCode(rawValue: 23)
}

extension DNSResponseCode: LosslessStringConvertible {
    private static let names = NumberNames<UInt16>([
        0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN",
        7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 12: "RESERVED12", 13: "RESERVED13",
        14: "RESERVED14", 15: "RESERVED15", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE", 20: "BADNAME",
        21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
    ])

    /// A name as `description` has it, in any case.
    package init?(_ description: String) {
        let name = description.uppercased()
        guard let number = name == "BADSIG" ? 16 : Self.names.number(name) ?? UInt16(name) else { return nil }
        rawValue = number
    }

    /// As dig prints it, for the code of a message: 16 is `BADVERS` there.
    package var description: String { Self.names.name(rawValue) ?? "\(rawValue)" }

    /// As dig prints the error of a TSIG, where 16 is `BADSIG` (RFC 8945 section 3).
    package var signatureDescription: String { rawValue == 16 ? "BADSIG" : description }
}

/// The algorithms of DNSKEY, RRSIG and DS by the names that zone files may have (RFC 4034 appendix A.1).
enum SecurityAlgorithm {
    static let names = NumberNames<UInt8>([
        1: "RSAMD5", 2: "DH", 3: "DSA", 5: "RSASHA1", 6: "NSEC3DSA", 7: "NSEC3RSASHA1", 8: "RSASHA256", 10: "RSASHA512",
        12: "ECCGOST", 13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384", 15: "ED25519", 16: "ED448", 252: "INDIRECT",
        253: "PRIVATEDNS", 254: "PRIVATEOID",
    ])
}

/// The types of certificates by their names (RFC 4398 section 2.1).
enum CertificateType {
    static let names = NumberNames<UInt16>([
        1: "PKIX", 2: "SPKI", 3: "PGP", 4: "IPKIX", 5: "ISPKI", 6: "IPGP", 7: "ACPKIX", 8: "IACPKIX", 253: "URI",
        254: "OID",
    ])
}

/// How a child zone tells of changes, in DSYNC (RFC 9859 section 2.1).
enum SynchronizationScheme {
    static let names = NumberNames<UInt8>([1: "NOTIFY"])
}

/// Names of numbers, looked up either way.
struct NumberNames<Number: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    private let names: [Number: String]
    private let numbers: [String: Number]

    init(_ names: [Number: String]) {
        self.names = names
        numbers = Dictionary(uniqueKeysWithValues: names.map { ($1, $0) })
    }

    func name(_ number: Number) -> String? { names[number] }
    /// `name` in upper case.
    func number(_ name: String) -> Number? { numbers[name] }
}

/// The number behind `prefix` in a name such as `TYPE731`; no sign, and nothing else around it.
private func numbered(_ name: String, _ prefix: String) -> UInt16? {
    let digits = name.utf8.dropFirst(prefix.utf8.count)
    guard name.hasPrefix(prefix), (1...5).contains(digits.count), digits.allSatisfy({ $0.decimalValue != nil }) else {
        return nil
    }
    return UInt16(String(Substring(digits)))
}
