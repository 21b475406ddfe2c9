// DNSQuestion and DNSRecord: the two things that the sections of a message consist of (RFC 1035 sections 4.1.2 and
// 4.1.3). Their text is that of a zone file, as dig prints it.

/// What is asked for; in an update, the zone (RFC 2136 section 2.3).
package struct DNSQuestion: Hashable, Sendable, CustomStringConvertible {
    /// The name that is asked about.
    package var name: DomainName
    /// The type that is asked for.
    package var type: RecordType
    /// Its class.
    package var recordClass: RecordClass

    /// A question, of the Internet's class if nothing else is said.
    package init(_ name: DomainName, _ type: RecordType, _ recordClass: RecordClass = .internet) {
        self.name = name
        self.type = type
        self.recordClass = recordClass
    }

    package var description: String { "\(name) \(recordClass) \(type)" }

    /// The line that dig prints, without the semicolon in front: columns like those of a record, and no TTL.
    package var text: String {
        var text = TabbedText(name.description)
        text.append(recordClass.description, column: 32)
        text.append(type.description, column: 40)
        return text.text
    }
}

/// A record.
package struct DNSRecord: Hashable, Sendable, CustomStringConvertible {
    /// The owner.
    package var name: DomainName
    /// IN; in an update also ANY and NONE (RFC 2136 section 2.5).
    package var recordClass: RecordClass
    /// Seconds, 2^31 - 1 at most (RFC 2181 section 8).
    package var ttl: UInt32
    /// What it says.
    package var data: RecordData

    /// The type, which the data know.
    package var type: RecordType { data.type }

    /// The longest time to live (RFC 2181 section 8).
    package static let maximumTTL: UInt32 = 0x7fff_ffff

    /// A record, of the Internet's class if nothing else is said.
    package init(_ name: DomainName, _ recordClass: RecordClass = .internet, ttl: UInt32, _ data: RecordData) {
        self.name = name
        self.recordClass = recordClass
        self.ttl = ttl
        self.data = data
    }

    /// Name, TTL, class, type and data with blanks between them: a line of a zone file.
    package var description: String {
        let data = data.text(in: recordClass)
        return "\(name) \(ttl) \(recordClass) \(type)" + (data.isEmpty ? "" : " " + data)
    }

    /// The line that dig prints: in columns, and binary data divided as dig does; a tab at the end without data.
    package var text: String {
        var text = TabbedText(name.description)
        text.append(String(ttl), column: 24)
        text.append(recordClass.description, column: 32)
        text.append(type.description, column: 40)
        text.append(data.text(in: recordClass, division: .dig), column: 48)
        return text.text
    }
}

/// A line with tab stops every eight columns, as BIND's tools lay out theirs.
struct TabbedText {
    private(set) var text: String
    private var column: Int

    init(_ text: String) {
        self.text = text
        column = text.utf8.count
    }

    /// Appends `word` at `column`, or one blank further where the line is that long already.
    mutating func append(_ word: String, column target: Int) {
        let target = max(target, column + 1)
        let tabs = target / 8 - column / 8
        text += String(repeating: "\t", count: tabs)
        text += String(repeating: " ", count: tabs > 0 ? target % 8 : target - column)
        text += word
        column = target + word.utf8.count
    }
}
