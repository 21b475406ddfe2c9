// ZoneFile: the records of a zone's text form (RFC 1035 section 5, RFC 2308 section 4): entries with owner, time to
// live and class left out where they are those of the entry before, `$ORIGIN` and `$TTL`. It opens nothing: `$INCLUDE`
// is an error, and so is BIND's `$GENERATE`.

/// The records of a zone file.
package struct ZoneFile: Sendable {
    /// In their order.
    package private(set) var records: [DNSRecord] = []
    /// The line that each of them begins in.
    package private(set) var lines: [Int] = []

    private var origin: DomainName
    private var owner: DomainName?
    private var recordClass: RecordClass
    /// `$TTL`, or what the SOA says for want of it.
    private var defaultTTL: UInt32?
    private var lastTTL: UInt32?
    private var hasComment = false

    /// Reads a whole file; names without a dot at the end are relative to `origin` until the file says something else.
    package init(
        _ text: some Collection<UInt8>, origin: DomainName, recordClass: RecordClass = .internet
    ) throws(ZoneTextError) {
        self.origin = origin
        self.recordClass = recordClass
        var words = ZoneText(text)
        while let isIndented = try words.nextEntry() {
            let line = words.line
            if isIndented {
                try readRecord(&words, nil)
            } else {
                let word = try words.word()
                if !word.isQuoted, word.text.first == UInt8(ascii: "$") {
                    try readDirective(&words, word.keyword.uppercased())
                } else {
                    try readRecord(&words, word)
                }
            }
            if lines.count < records.count { lines.append(line) }
        }
        hasComment = words.hasComment
    }

    /// One record, as it stands in a line of a zone file: `www.example. 60 IN A 192.0.2.1`. Names are relative to
    /// `origin`; without a time to live it is `ttl`.
    package static func record(
        _ line: String, origin: DomainName = .root, ttl: UInt32? = nil
    ) throws(ZoneTextError) -> DNSRecord {
        let text = ttl.map { "$TTL \($0)\n" } ?? ""
        let file: ZoneFile
        do { file = try ZoneFile((text + line).utf8, origin: origin) } catch {
            throw ZoneTextError(line: 1, error.reason)
        }
        let records = file.records
        // Whoever writes TXT v=DKIM1; k=rsa means all of it.
        guard !file.hasComment else {
            throw ZoneTextError(line: 1, "what is behind ';' would be a comment: put the text in quotes")
        }
        guard records.count == 1, !line.utf8.contains(UInt8(ascii: "\n")) else {
            throw ZoneTextError(line: 1, "one record is wanted")
        }
        return records[0]
    }

    private mutating func readDirective(_ words: inout ZoneText, _ directive: String) throws(ZoneTextError) {
        switch directive {
        case "$ORIGIN": origin = try words.name(origin: origin)
        case "$TTL": defaultTTL = try Self.ttl(try words.word(), words)
        default: throw words.error("\(directive) is not understood here")
        }
        try words.expectEnd()
    }

    private static func ttl(_ word: ZoneText.Word, _ words: ZoneText) throws(ZoneTextError) -> UInt32 {
        guard !word.isQuoted, let ttl = UInt32(interval: word.text), ttl <= DNSRecord.maximumTTL else {
            throw words.error("not a time to live: '\(String(decoding: word.text, as: UTF8.self))'")
        }
        return ttl
    }

    private mutating func readRecord(_ words: inout ZoneText, _ first: ZoneText.Word?) throws(ZoneTextError) {
        if let first {
            do { owner = try DomainName(text: first.text, origin: origin) } catch {
                throw words.error("\(error): '\(String(decoding: first.text, as: UTF8.self))'")
            }
        }
        guard let owner else { throw words.error("no owner") }
        var ttl: UInt32?
        var hasClass = false
        var word = try words.word()
        // Time to live and class, in either order, each at most once.
        while true {
            if let number = RecordClass(word.keyword), !hasClass, number != .any, number != .none {
                guard number == recordClass else {
                    throw words.error("class \(number) in a zone of class \(recordClass)")
                }
                hasClass = true
            } else if ttl == nil, word.text.first?.decimalValue != nil {
                ttl = try Self.ttl(word, words)
            } else {
                break
            }
            word = try words.word()
        }
        guard let type = RecordType(word.keyword), !type.isMeta else {
            throw words.error("not a type: '\(String(decoding: word.text, as: UTF8.self))'")
        }
        let data = try RecordData(type, in: recordClass, from: &words, origin: origin)
        if defaultTTL == nil, lastTTL == nil, ttl == nil { defaultTTL = data.startOfAuthority?.minimum }
        guard let seconds = ttl ?? defaultTTL ?? lastTTL else { throw words.error("no time to live") }
        lastTTL = seconds
        records.append(DNSRecord(owner, recordClass, ttl: seconds, data))
    }
}
