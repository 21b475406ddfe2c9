// EDNS: what the OPT pseudo-record of a message says (RFC 6891): how much fits, more bits of the response code, and
// options. Options are kept as the octets they came in and read when they are asked for: thousands of empty ones cost
// nothing. Those that the tools speak have accessors: cookies (RFC 7873), leases (RFC 9664), extended errors (RFC
// 8914).

/// The OPT of a message; the upper bits of the response code are the message's (`DNSMessage.responseCode`).
package struct EDNS: Hashable, Sendable {
    /// The number of an option.
    package struct OptionCode: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        package static let updateLease = OptionCode(rawValue: 2)
        package static let clientSubnet = OptionCode(rawValue: 8)
        package static let cookie = OptionCode(rawValue: 10)
        package static let tcpKeepalive = OptionCode(rawValue: 11)
        package static let padding = OptionCode(rawValue: 12)
        package static let extendedError = OptionCode(rawValue: 15)
    }

    /// One option.
    package struct Option: Hashable, Sendable {
        /// Which one.
        package var code: OptionCode
        /// What it says.
        package var data: ArraySlice<UInt8>

        /// An option of any kind.
        package init(_ code: OptionCode, _ data: some Collection<UInt8>) {
            self.code = code
            self.data = Array(data)[...]
        }
    }

    /// The most octets that a UDP datagram to this sender may have; fewer than 512 mean 512 (RFC 6891 section 6.2.3).
    package var payloadSize: UInt16
    /// 0 is the only one there is; another is answered with BADVERS (RFC 6891 section 6.1.3).
    package var version: UInt8
    /// DO, and fifteen bits without a meaning.
    package var flags: UInt16
    /// The options as they are on the wire.
    package private(set) var optionOctets: ArraySlice<UInt8>

    /// What fits through every path: the size that is offered unless there is a reason (DNS flag day 2020).
    package static let defaultPayloadSize: UInt16 = 1232

    /// Octets of options that are read at most: half of the longest message, so that an OPT always has room.
    package static let maximumLength = 32768

    /// An OPT without options.
    package init(payloadSize: UInt16 = defaultPayloadSize, version: UInt8 = 0, wantsSecurity: Bool = false) {
        self.payloadSize = payloadSize
        self.version = version
        flags = 0
        optionOctets = []
        self.wantsSecurity = wantsSecurity
    }

    /// From the fixed part of the record; nil where an option goes beyond the data (RFC 6891 section 6.1.2), or where
    /// there are more than anybody sends.
    init?(payloadSize: UInt16, version: UInt8, flags: UInt16, options: ArraySlice<UInt8>) {
        self.payloadSize = payloadSize
        self.version = version
        self.flags = flags
        optionOctets = options
        guard options.count <= Self.maximumLength else { return nil }
        var rest = options
        while !rest.isEmpty {
            guard Self.popOption(&rest) != nil else { return nil }
        }
    }

    /// DO: the sender wants signatures (RFC 3225).
    package var wantsSecurity: Bool {
        get { flags & 0x8000 != 0 }
        set { flags = flags & 0x7fff | (newValue ? 0x8000 : 0) }
    }

    /// How large a datagram to this sender may be.
    package var acceptedSize: Int { max(512, Int(payloadSize)) }

    private static func popOption(_ rest: inout ArraySlice<UInt8>) -> Option? {
        guard rest.count >= 4 else { return nil }
        let start = rest.startIndex
        let code = UInt16(rest[start]) << 8 | UInt16(rest[start + 1])
        let count = Int(rest[start + 2]) << 8 | Int(rest[start + 3])
        guard rest.count >= 4 + count else { return nil }
        var option = Option(OptionCode(rawValue: code), [])
        option.data = rest[(start + 4)..<(start + 4 + count)]
        rest = rest[(start + 4 + count)...]
        return option
    }

    /// All options in their order; a copy of the list is made. `maximum` of them at most.
    package func options(maximum: Int = 32) -> [Option] {
        var options: [Option] = []
        var rest = optionOctets
        while options.count < maximum, let option = Self.popOption(&rest) { options.append(option) }
        return options
    }

    /// The data of the first option of that kind.
    package func option(_ code: OptionCode) -> ArraySlice<UInt8>? {
        var rest = optionOctets
        while let option = Self.popOption(&rest) {
            if option.code == code { return option.data }
        }
        return nil
    }

    /// Puts an option behind the others.
    package mutating func append(_ option: Option) {
        precondition(optionOctets.count + 4 + option.data.count <= Self.maximumLength, "options beyond an OPT's length")
        var output = WireWriter()
        output.reserve(optionOctets.count + 4 + option.data.count)
        output.write(optionOctets)
        output.write(option.code.rawValue)
        output.write(UInt16(option.data.count))
        output.write(option.data)
        optionOctets = output.bytes[...]
    }

    /// Takes all options of that kind away; one pass, however many there are.
    package mutating func remove(_ code: OptionCode) {
        guard option(code) != nil else { return }
        var kept = WireWriter()
        var rest = optionOctets
        var before = rest
        while let option = Self.popOption(&rest) {
            if option.code != code { kept.write(before.prefix(before.count - rest.count)) }
            before = rest
        }
        optionOctets = kept.bytes[...]
    }

    fileprivate mutating func replace(_ code: OptionCode, _ data: [UInt8]?) {
        remove(code)
        if let data { append(Option(code, data)) }
    }
}

/// How long an update shall stand (RFC 9664 section 4): seconds.
package struct UpdateLease: Hashable, Sendable {
    /// Of all records but KEY.
    package var lease: UInt32
    /// Of KEY records; nil: the same, and the option has four octets only.
    package var keyLease: UInt32?

    /// A lease.
    package init(_ lease: UInt32, keyLease: UInt32? = nil) {
        self.lease = lease
        self.keyLease = keyLease
    }
}

/// A cookie (RFC 7873 section 4): eight octets of the client, and eight to thirty-two of the server where it is known.
package struct DNSCookie: Hashable, Sendable {
    /// Exactly eight octets.
    package let client: [UInt8]
    /// None, or eight to thirty-two octets.
    package let server: [UInt8]

    /// Nil for lengths that no cookie has.
    package init?(client: some Collection<UInt8>, server: some Collection<UInt8> = []) {
        guard client.count == 8, server.isEmpty || (8...32).contains(server.count) else { return nil }
        self.client = Array(client)
        self.server = Array(server)
    }
}

/// Why an answer is what it is (RFC 8914).
package struct ExtendedError: Hashable, Sendable {
    /// A code of IANA's registry, such as 3: Stale Answer.
    package var code: UInt16
    /// A sentence for people; UTF-8 as it came, and possibly not even that.
    package var text: [UInt8]

    /// An error with an explanation.
    package init(_ code: UInt16, _ text: String = "") {
        self.code = code
        self.text = Array(text.utf8)
    }

    /// RFC 8914 section 4.4: old data, for there are no newer ones.
    package static let staleAnswer = ExtendedError(3)
    /// RFC 8914 section 4.14: it failed a moment ago, and is not tried again now.
    package static let cachedError = ExtendedError(13)
    /// RFC 8914 section 4.15: not now.
    package static let notReady = ExtendedError(14)
    /// RFC 8914 section 4.18: the client wants it not to be told.
    package static let filtered = ExtendedError(17)
    /// RFC 8914 section 4.19: this client may not ask it.
    package static let prohibited = ExtendedError(18)
    /// RFC 8914 section 4.20: old data, which say that there is no such name.
    package static let staleNameError = ExtendedError(19)
    /// RFC 8914 section 4.21: asked without RD about a name that is none of ours.
    package static let notAuthoritative = ExtendedError(20)
    /// RFC 8914 section 4.23: none of the servers that have the authority could be reached.
    package static let noReachableAuthority = ExtendedError(22)
    /// RFC 8914 section 4.24: another server, which finds what is asked, does not answer, or with a failure.
    package static let networkError = ExtendedError(23)
}

extension EDNS {
    /// The lease of an update; nil where there is none or its length is neither four nor eight.
    package var updateLease: UpdateLease? {
        get {
            guard let data = option(.updateLease), data.count == 4 || data.count == 8 else { return nil }
            var input = WireReader(Array(data))
            guard let lease = try? input.read(UInt32.self, field: "lease") else { return nil }
            return UpdateLease(lease, keyLease: try? input.read(UInt32.self, field: "lease.key"))
        }
        set {
            var output = WireWriter()
            if let newValue {
                output.write(newValue.lease)
                if let keyLease = newValue.keyLease { output.write(keyLease) }
            }
            replace(.updateLease, newValue == nil ? nil : output.bytes)
        }
    }

    /// The cookie; nil where there is none, or one that is to be answered with FORMERR (`hasMalformedCookie`).
    package var cookie: DNSCookie? {
        get { option(.cookie).flatMap { DNSCookie(client: $0.prefix(8), server: $0.dropFirst(8)) } }
        set { replace(.cookie, newValue.map { $0.client + $0.server }) }
    }

    /// A cookie of a length that none has (RFC 7873 section 5.2.2).
    package var hasMalformedCookie: Bool { option(.cookie) != nil && cookie == nil }

    /// The first explanation; nil where there is none, or it has no code.
    package var extendedError: ExtendedError? {
        get {
            guard let data = option(.extendedError), data.count >= 2 else { return nil }
            var error = ExtendedError(UInt16(data[data.startIndex]) << 8 | UInt16(data[data.startIndex + 1]))
            error.text = Array(data.dropFirst(2))
            return error
        }
        set {
            replace(
                .extendedError,
                newValue.map { [UInt8($0.code >> 8), UInt8(truncatingIfNeeded: $0.code)] + $0.text })
        }
    }
}
