// Record: one line of results on standard output, as text for eyes, awk and read, or as a JSON object (JSON Lines).
// The fields are a promise of the man pages: new ones come last, none is renamed.

/// One result.
package struct Record: Sendable {
    /// The readable line; its first word is the subject or the state.
    package var text: String
    /// The same for programs, in order; names are in snake_case.
    package var fields: [(name: String, value: JSONValue)]

    /// A record from both of its forms.
    package init(_ text: String, _ fields: [(name: String, value: JSONValue)]) {
        self.text = text
        self.fields = fields
    }
}

/// Writes records to standard output, each as it comes.
package struct RecordWriter: Sendable {
    private let json: Bool

    /// A writer of text, or of JSON Lines.
    package init(json: Bool) { self.json = json }

    /// The bytes of a record's line.
    package func line(_ record: Record) -> [UInt8] {
        let text = json ? JSONValue.object(record.fields.map { ($0.name, $0.value) }).text : record.text
        return Array((text + "\n").utf8)
    }

    /// Writes the record, waiting for a slow reader. A standard output that is closed, full or without a reader is an
    /// error.
    package func write(_ record: Record) throws(SystemError) {
        try OutputStream.writeAll(line(record), to: 1)
    }

    /// Writes the record if that is possible at once: for daemons, which must not wait for whoever reads them.
    /// A standard output that is blocked loses the record; one that is broken is an error.
    package func writeNow(_ record: Record) throws(SystemError) {
        try OutputStream.writeUnlessBlocked(line(record), to: 1)
    }
}
