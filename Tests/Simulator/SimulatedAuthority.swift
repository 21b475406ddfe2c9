// SimulatedAuthority: a primary server as a value, for tests of whole crowds of sites: it answers questions and makes
// updates as RFC 2136 section 3 says, prerequisites first, all or nothing. It keeps what it is given and nothing else:
// no signatures, no policy, no zone cuts. If wanted it grants leases (RFC 9664), and forgets what is not renewed.

package import QureCore

/// The primary of one zone.
package struct SimulatedAuthority: Sendable {
    /// A set of records of one name and type.
    package struct Key: Hashable, Sendable {
        package var name: DomainName
        package var type: RecordType

        package init(_ name: DomainName, _ type: RecordType) {
            self.name = name
            self.type = type
        }
    }

    /// What a set consists of.
    package struct Content: Equatable, Sendable {
        package var ttl: UInt32
        package var data: [RecordData]
    }

    package let zone: DomainName
    package private(set) var records: [Key: Content] = [:]
    /// Its clock, in seconds since 1970.
    package var time: UInt64 = 1_764_000_000
    /// The lease that it grants to who asks for one, in seconds; nil: it does not know of such things.
    package var grants: UInt32?
    private var ends: [Lease: UInt64] = [:]
    /// Updates that changed something.
    package private(set) var serial = 0

    /// One record that goes by itself.
    private struct Lease: Hashable {
        var key: Key
        var data: RecordData
    }

    package init(zone: DomainName) { self.zone = zone }

    /// The data of a name and type.
    package func data(_ name: DomainName, _ type: RecordType) -> [RecordData] {
        records[Key(name, type)]?.data ?? []
    }
    package func ttl(_ name: DomainName, _ type: RecordType) -> UInt32? {
        records[Key(name, type)]?.ttl
    }
    /// The addresses of a name.
    package func addresses(_ name: DomainName) -> Set<IPAddress> {
        Set((data(name, .a) + data(name, .aaaa)).compactMap(\.address))
    }

    private func exists(_ name: DomainName) -> Bool {
        records[Key(name, .txt)] != nil || records.keys.contains { $0.name == name }
    }

    /// The answer to a message, and what it does.
    package mutating func take(_ message: DNSMessage) -> DNSMessage {
        expire()
        guard message.opcode == .update else { return answer(message) }
        var answer = message.response(update(message))
        if let grants, answer.responseCode == .noError, message.edns?.updateLease != nil {
            for change in message.updates where change.recordClass == .internet {
                ends[Lease(key: Key(change.name, change.type), data: change.data)] = time + UInt64(grants)
            }
            var edns = EDNS()
            edns.updateLease = UpdateLease(grants)
            answer.edns = edns
        }
        sign(&answer)
        return answer
    }

    /// Forgets what has not been renewed.
    private mutating func expire() {
        for (lease, end) in ends where end <= time {
            remove(lease.data, lease.key)
            ends[lease] = nil
        }
    }

    private mutating func remove(_ data: RecordData, _ key: Key) {
        records[key]?.data.removeAll { $0 == data }
        if records[key]?.data.isEmpty == true { records[key] = nil }
    }

    private func answer(_ query: DNSMessage) -> DNSMessage {
        var answer = query.response()
        answer.flags.insert(.authoritative)
        if let question = query.question {
            if let alias = records[Key(question.name, .cname)] {
                answer.answers = alias.data.map { DNSRecord(question.name, ttl: alias.ttl, $0) }
            } else if let set = records[Key(question.name, question.type)] {
                answer.answers = set.data.map { DNSRecord(question.name, ttl: set.ttl, $0) }
            } else if !exists(question.name) {
                answer.responseCode = .nameError
            }
        }
        sign(&answer)
        return answer
    }

    /// Its time, where a real one would have its signature, too.
    private func sign(_ answer: inout DNSMessage) {
        answer.signature = TSIGRecord(
            keyName: zone, algorithm: zone, timeSigned: time, fudge: 300, originalID: answer.id)
    }

    private mutating func update(_ message: DNSMessage) -> DNSResponseCode {
        let code = refusal(message)
        guard code == .noError else { return code }
        let before = records
        for change in message.updates { apply(change) }
        let isSame =
            before.count == records.count
            && before.allSatisfy { key, content in
                records[key].map { Set($0.data) == Set(content.data) } == true
            }
        if !isSame { serial += 1 }
        return .noError
    }

    /// RFC 2136 section 3.2.
    private func refusal(_ message: DNSMessage) -> DNSResponseCode {
        var exact: [Key: Set<RecordData>] = [:]
        for condition in message.prerequisites {
            guard condition.name.isWithin(zone) else { return .notInZone }
            let key = Key(condition.name, condition.type)
            switch condition.recordClass {
            case .any where condition.type == .any: if !exists(condition.name) { return .nameError }
            case .any: if records[key] == nil { return .setMissing }
            case .none where condition.type == .any: if exists(condition.name) { return .nameExists }
            case .none: if records[key] != nil { return .setExists }
            default: exact[key, default: []].insert(condition.data)
            }
        }
        let isHeld = exact.allSatisfy { Set(records[$0]?.data ?? []) == $1 }
        guard isHeld else { return .setMissing }
        return message.updates.allSatisfy { $0.name.isWithin(zone) } ? .noError : .notInZone
    }

    /// RFC 2136 section 3.4.2.
    private mutating func apply(_ change: DNSRecord) {
        let key = Key(change.name, change.type)
        switch change.recordClass {
        case .any where change.type == .any: records = records.filter { $0.key.name != change.name }
        case .any: records[key] = nil
        case .none: remove(change.data, key)
        default:
            // What stands beside an alias is passed over.
            guard records[Key(change.name, .cname)] == nil || change.type == .cname else { return }
            var set = records[key] ?? Content(ttl: change.ttl, data: [])
            set.ttl = change.ttl
            if !set.data.contains(change.data) { set.data.append(change.data) }
            records[key] = set
        }
    }
}
