// What reading and writing a message of the DNS costs: a query, a typical answer, an answer of thirty records, a
// signature. Processor time of one thread in nanoseconds, the middle one of many batches.

import Lab
import QureCore

extension Bench {
    /// Messages as a proxy sees them.
    mutating func measureMessages() throws {
        guard let name = DomainName("www.example.com"), let alias = DomainName("site.example.net"),
            let target = RecordData.name(.cname, alias), let algorithm = TSIGAlgorithm("hmac-sha256")
        else { throw LabError("no names to measure with") }
        var query = DNSMessage(id: 1, flags: .recursionDesired, questions: [DNSQuestion(name, .a)], edns: EDNS())
        query.edns?.cookie = DNSCookie(client: 1...8)
        var answer = query.response()
        answer.edns = EDNS()
        answer.answers = [DNSRecord(name, ttl: 60, target)]
        for host: UInt32 in 1...30 {
            let address = RecordData.address(.v4(IPv4Address(rawValue: 0xc000_0200 + host)))
            answer.answers.append(DNSRecord(alias, ttl: 60, address))
        }
        let long = answer
        answer.answers.removeLast(28)
        for (what, message) in [("a query", query), ("an answer of 3 records", answer), ("one of 31", long)] {
            let octets = message.encoded()
            try add("read \(what)") { (try? DNSMessage(octets))?.id == 1 }
            try add("write \(what)") { message.encoded().count == octets.count }
        }
        let octets = query.encoded()
        let key = TSIGKey(name: name, algorithm: algorithm, secret: [UInt8](1...32))
        var session = TSIGSession(key)
        let signed = session.sign(octets, at: 1)
        try add("sign a query (hmac-sha256)") {
            var session = TSIGSession(key)
            return session.sign(octets, at: 1).count == signed.count
        }
        try add("check it") {
            var session = TSIGSession(key)
            return (try? session.verify(signed, at: 1)) != nil
        }
    }

    private mutating func add(_ what: String, _ work: () -> Bool) throws {
        let batch = 1000
        var times: [Duration] = []
        for _ in 0..<rounds {
            let start = Clock.now
            var isRight = true
            for _ in 0..<batch { isRight = work() && isRight }
            times.append(Clock.now - start)
            guard isRight else { throw LabError("\(what): not what was to be measured") }
        }
        times.sort()
        let nanoseconds = times.median.nanoseconds / Int64(batch)
        var row = BenchRow(what: what, median: "\(nanoseconds) ns")
        row.fields = [("median_ns", .integer(nanoseconds)), ("rounds", .integer(Int64(times.count)))]
        try add(row)
    }
}
