// AnswerTally: how long servers' answers took, told from the datagrams that passed: from the moment at which a query
// came to the one at which its answer went. A query's answer is the first one that comes from its server to its port
// with its ID and is no other's. Which servers there are is known beforehand, by their ports.

/// The bookkeeping of who was answered when.
package struct AnswerTally: Sendable {
    /// A query that a server was sent.
    package struct Query: Equatable, Sendable {
        /// When it came, in nanoseconds since 1970.
        package var time: Int64
        /// How long its answer took, in nanoseconds; nil: there was none.
        package var wait: Int64?

        /// A query from its parts.
        package init(time: Int64, wait: Int64? = nil) {
            self.time = time
            self.wait = wait
        }
    }

    /// Answers that nobody had asked for, or that came twice.
    package private(set) var unmatched = 0
    /// By the server's port, in the order in which they came.
    private var queries: [UInt16: [Query]] = [:]
    /// The places of those without an answer, by port and ID, the oldest first.
    private var waiting: [UInt64: [Int]] = [:]

    /// Nothing has passed yet. `servers`: their ports.
    package init(servers: [UInt16]) {
        for server in servers { queries[server] = [] }
    }

    /// Takes all that a file has.
    package mutating func take(_ file: consuming CaptureFile) throws {
        while let datagram = try file.next() { take(datagram) }
    }

    /// Takes what passed next; what is neither from nor to a server is nobody's.
    package mutating func take(_ datagram: CapturedDatagram) {
        if let place = queries[datagram.destination]?.count {
            queries[datagram.destination]?.append(Query(time: datagram.time))
            waiting[Self.key(datagram.destination, datagram.source, datagram.id), default: []].append(place)
        } else if queries[datagram.source] != nil {
            let key = Self.key(datagram.source, datagram.destination, datagram.id)
            guard var places = waiting.removeValue(forKey: key) else {
                unmatched += 1
                return
            }
            let place = places.removeFirst()
            if !places.isEmpty { waiting[key] = places }
            let time = queries[datagram.source]?[place].time
            queries[datagram.source]?[place].wait = time.map { datagram.time - $0 }
        }
    }

    private static func key(_ server: UInt16, _ client: UInt16, _ id: UInt16) -> UInt64 {
        UInt64(server) << 32 | UInt64(client) << 16 | UInt64(id)
    }

    /// The queries to a server, in the order in which they came.
    package func queries(to server: UInt16) -> [Query] { queries[server] ?? [] }
}
