// QueryLog: a line on standard output for each query, for who asked for it. Nothing waits for whoever reads it: a line
// that cannot be written at once is lost, and how many were is said with the next one.

import QureCore

/// The log of queries.
struct QueryLog: Sendable {
    private let writer: RecordWriter
    private var lost = 0

    init(json: Bool) { writer = RecordWriter(json: json) }

    /// Writes what was asked, by whom, and whether the answer was known. What is no query is passed over.
    mutating func write(_ query: [UInt8], _ client: IPAddress, isStream: Bool, isKnown: Bool) {
        var input = WireReader(query)
        guard let header = try? DNSHeader(parsing: &input), header.opcode == .query,
            !header.flags.contains(.response), let name = try? input.readName(),
            let type = try? input.read(UInt16.self, field: "dns.question.type")
        else { return }
        let transport = isStream ? "tcp" : "udp", way = isKnown ? "known" : "asked"
        let kind = RecordType(rawValue: type)
        let record = Record(
            "query \(client) \(name) \(kind) \(transport) \(way)" + (lost > 0 ? " lost=\(lost)" : ""),
            [
                ("record", .string("query")), ("client", .string("\(client)")), ("name", .string("\(name)")),
                ("type", .string("\(kind)")), ("transport", .string(transport)), ("way", .string(way)),
                ("lost", .integer(Int64(lost))),
            ])
        if OutputStream.writeNow(writer.line(record), to: 1) { lost = 0 } else { lost += 1 }
    }
}
