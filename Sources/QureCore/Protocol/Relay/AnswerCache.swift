// AnswerCache: whole answers, found by the octets of a plain query and given again with another ID, the client's own
// letters, and times to live that have grown older. A forwarder needs no cache of records beneath: what two questions
// have in common is kept twice, and nothing is put together anew, so that nothing can be put together wrongly.
//
// All memory is made once: cells of one size for what is kept, and a table of buckets to find them by a keyed hash, so
// that strangers cannot choose names that meet. A full cache gives up what was not asked for since the hand came by
// last (CLOCK). Neither a hit nor a store allocates, but for the few answers that are longer than a cell.

/// Answers that are known.
package struct AnswerCache: Sendable {
    /// What is kept of an answer: the key, the answer, and where its times to live are.
    private struct Cell {
        /// The row that leads here; -1: free.
        var row: Int32 = -1
        var keyLength: UInt16 = 0
        var answerLength: UInt16 = 0
        var ttlCount: UInt16 = 0
        /// It was asked for since the hand came by.
        var isWarm = false
        /// Somebody has been told that it is time to ask again.
        var isBeingRefreshed = false
        var ttl: UInt32 = 0
        var stored = Instant(nanoseconds: 0)

        func age(at now: Instant) -> Int64 { (now.nanoseconds &- stored.nanoseconds) / 1_000_000_000 }
    }

    /// One place of a bucket.
    private struct Row {
        var hash: UInt32 = 0
        var cell: Int32 = -1
    }

    /// How a lookup went.
    package enum Finding: Equatable, Sendable {
        /// Nothing is known, or nothing that fits.
        case nothing
        /// The answer has this many octets. `isAging`: it is asked for and nearly over, and this is told once.
        case answer(length: Int, isAging: Bool)
    }

    /// The most octets of an answer that is kept.
    package static let maximumLength = 4096
    /// Octets of a cell: a name of usual length, and an answer with a few records.
    private static let cellLength = 384
    /// Rows of a bucket. With four times as many rows as cells, more names than this hardly ever meet.
    private static let bucketLength = 8

    private let key: (UInt64, UInt64)
    private let mask: Int
    private var rows: [Row]
    private var cells: [Cell]
    private var arena: [UInt8]
    private var long: [Int: [UInt8]] = [:]
    private var used = 0
    private var hand = 0

    /// A cache of `capacity` answers, which places them by `key`.
    package init(capacity: Int, key: (UInt64, UInt64)) {
        precondition(capacity > 0, "a cache without room")
        self.key = key
        var buckets = 1
        while buckets * Self.bucketLength < 4 * capacity { buckets *= 2 }
        mask = buckets - 1
        rows = Array(repeating: Row(), count: buckets * Self.bucketLength)
        cells = Array(repeating: Cell(), count: capacity)
        arena = Array(repeating: 0, count: capacity * Self.cellLength)
    }

    /// How many answers it holds, those that are over included.
    package var count: Int { used - cells.prefix(used).count { $0.row < 0 } }
    /// How many it can hold.
    package var capacity: Int { cells.count }

    /// Writes the answer to `query` into `output`, at most `limit` octets.
    package mutating func find(
        _ query: Span<UInt8>, _ plain: PlainQuery, limit: Int, at now: Instant, into output: inout MutableSpan<UInt8>
    ) -> Finding {
        guard let index = cell(of: query, plain, hash(query, plain)) else { return .nothing }
        let cell = cells[index]
        let length = Int(cell.answerLength)
        let age = cell.age(at: now)
        guard age < Int64(cell.ttl), age >= 0, length <= limit, length <= output.count else { return .nothing }
        give(index, cell, ageing: UInt32(truncatingIfNeeded: age), to: query, plain, into: &output)
        // The last tenth of a time that is worth the trouble.
        let isAging = cell.isWarm && !cell.isBeingRefreshed && cell.ttl >= 10 && age * 10 >= Int64(cell.ttl) * 9
        if isAging { cells[index].isBeingRefreshed = true }
        if !cell.isWarm { cells[index].isWarm = true }
        return .answer(length: length, isAging: isAging)
    }

    /// Keeps the answer to a query of that audience for `ttl` seconds. Those that are too long, that are over at once,
    /// that are not answers or whose query is not plain are not kept.
    package mutating func store(
        _ query: [UInt8], _ answer: [UInt8], audience: UInt8, ttl: UInt32, at now: Instant
    ) {
        guard let plain = PlainQuery(query.span, audience: audience), ttl > 0, answer.count <= Self.maximumLength,
            Self.repeats(query, plain, answer), let times = Self.timesToLive(answer)
        else { return }
        let keyLength = 2 + plain.questionEnd - DNSHeader.length
        let content = Self.key(query.span, plain) + answer + times.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
        let hash = hash(query.span, plain)
        let index = cell(of: query.span, plain, hash) ?? place(hash)
        long[index] = content.count > Self.cellLength ? content : nil
        if content.count <= Self.cellLength {
            let start = index * Self.cellLength
            arena.replaceSubrange(start..<(start + content.count), with: content)
        }
        cells[index].keyLength = UInt16(keyLength)
        cells[index].answerLength = UInt16(answer.count)
        cells[index].ttlCount = UInt16(times.count)
        cells[index].ttl = ttl
        cells[index].stored = now
        cells[index].isWarm = false
        cells[index].isBeingRefreshed = false
    }

    /// An answer that is over by `limit` at most, with `ttl` seconds in its records; nil where there is none.
    package func stale(
        _ query: [UInt8], audience: UInt8, within limit: Duration, ttl: UInt32, at now: Instant
    ) -> [UInt8]? {
        guard let plain = PlainQuery(query.span, audience: audience),
            let index = cell(of: query.span, plain, hash(query.span, plain))
        else { return nil }
        let cell = cells[index]
        guard now - cell.stored <= .seconds(Int64(cell.ttl)) + limit else { return nil }
        let content = content(index)
        let start = Int(cell.keyLength)
        var answer = Array(content[start..<(start + Int(cell.answerLength))])
        var output = WireWriter()
        output.write(ttl)
        for offset in offsets(content, cell) {
            answer.replaceSubrange(offset..<(offset + 4), with: output.bytes)
        }
        answer.replaceSubrange(0..<2, with: query[0..<2])
        answer.replaceSubrange(DNSHeader.length..<plain.nameEnd, with: query[DNSHeader.length..<plain.nameEnd])
        return answer
    }

    /// How old a known answer to a query is; nil: there is none that would be given.
    package func age(_ query: [UInt8], audience: UInt8, at now: Instant) -> Duration? {
        guard let plain = PlainQuery(query.span, audience: audience),
            let index = cell(of: query.span, plain, hash(query.span, plain))
        else { return nil }
        let age = cells[index].age(at: now)
        return age < Int64(cells[index].ttl) ? .seconds(age) : nil
    }

    /// Forgets what is known of a name, and of those below it if `andBelow`; how many answers that were.
    @discardableResult
    package mutating func remove(_ name: DomainName, andBelow: Bool = false) -> Int {
        var count = 0
        for index in 0..<used where cells[index].row >= 0 {
            let octets = content(index)[2..<(Int(cells[index].keyLength) - 4)]
            guard let known = DomainName(octets: octets) else { continue }
            guard andBelow ? known.isWithin(name) : known == name else { continue }
            free(index)
            count += 1
        }
        return count
    }

    /// Forgets everything.
    package mutating func removeAll() {
        for index in 0..<used where cells[index].row >= 0 { free(index) }
    }
}

extension AnswerCache {
    // MARK: Finding

    /// The letters of names count as lower case; the rest, as it is.
    @inline(__always)
    private static func octet(_ query: Span<UInt8>, _ index: Int, _ plain: PlainQuery) -> UInt8 {
        index < plain.nameEnd ? query[index].asciiLowercased : query[index]
    }

    private func hash(_ query: Span<UInt8>, _ plain: PlainQuery) -> UInt32 {
        var hash = SipHash(key: key)
        var word = UInt64(plain.kind) | UInt64(plain.audience) << 8
        var count = 2
        for index in DNSHeader.length..<plain.questionEnd {
            word |= UInt64(Self.octet(query, index, plain)) << UInt64(count % 8 * 8)
            count += 1
            guard count % 8 == 0 else { continue }
            hash.combine(word)
            word = 0
        }
        return UInt32(truncatingIfNeeded: hash.finish(word, count: count))
    }

    private static func key(_ query: Span<UInt8>, _ plain: PlainQuery) -> [UInt8] {
        [plain.kind, plain.audience] + (DNSHeader.length..<plain.questionEnd).map { octet(query, $0, plain) }
    }

    private func cell(of query: Span<UInt8>, _ plain: PlainQuery, _ hash: UInt32) -> Int? {
        let start = (Int(hash) & mask) * Self.bucketLength
        for row in start..<(start + Self.bucketLength) where rows[row].hash == hash && rows[row].cell >= 0 {
            let index = Int(rows[row].cell)
            if isKey(of: index, query, plain) { return index }
        }
        return nil
    }

    private func isKey(of index: Int, _ query: Span<UInt8>, _ plain: PlainQuery) -> Bool {
        let length = 2 + plain.questionEnd - DNSHeader.length
        guard Int(cells[index].keyLength) == length else { return false }
        if let content = long[index] { return Self.isKey(content.span, at: 0, query, plain) }
        return Self.isKey(arena.span, at: index * Self.cellLength, query, plain)
    }

    private static func isKey(_ known: Span<UInt8>, at start: Int, _ query: Span<UInt8>, _ plain: PlainQuery) -> Bool {
        guard known[start] == plain.kind, known[start + 1] == plain.audience else { return false }
        for index in DNSHeader.length..<plain.questionEnd
        where known[start + 2 + index - DNSHeader.length] != octet(query, index, plain) {
            return false
        }
        return true
    }

    // MARK: Giving

    private func give(
        _ index: Int, _ cell: Cell, ageing age: UInt32, to query: Span<UInt8>, _ plain: PlainQuery,
        into output: inout MutableSpan<UInt8>
    ) {
        if let content = long[index] {
            Self.give(content.span, at: 0, cell, age, query, plain, &output)
        } else {
            Self.give(arena.span, at: index * Self.cellLength, cell, age, query, plain, &output)
        }
    }

    private static func give(
        _ known: Span<UInt8>, at start: Int, _ cell: Cell, _ age: UInt32, _ query: Span<UInt8>, _ plain: PlainQuery,
        _ output: inout MutableSpan<UInt8>
    ) {
        let answer = start + Int(cell.keyLength)
        let length = Int(cell.answerLength)
        copy(known, from: answer, count: length, to: &output)
        output[0] = query[0]
        output[1] = query[1]
        for position in DNSHeader.length..<plain.nameEnd { output[position] = query[position] }
        guard age > 0 else { return }
        for number in 0..<Int(cell.ttlCount) {
            let place = answer + length + 2 * number
            let offset = Int(known[place]) << 8 | Int(known[place + 1])
            var ttl: UInt32 = 0
            for step in 0..<4 { ttl = ttl << 8 | UInt32(output[offset + step]) }
            // No record is to be over before the whole is.
            ttl = ttl > age ? ttl - age : 0
            for step in 0..<4 { output[offset + step] = UInt8(truncatingIfNeeded: ttl >> UInt32(24 - 8 * step)) }
        }
    }

    @inline(__always)
    private static func copy(
        _ source: Span<UInt8>, from start: Int, count: Int, to output: inout MutableSpan<UInt8>
    ) {
        precondition(start + count <= source.count && count <= output.count, "a copy beyond the end")
        let from = unsafe source.bytes
        var to = unsafe output.mutableBytes
        var done = 0
        while done + 8 <= count {
            let word = unsafe from.unsafeLoadUnaligned(fromByteOffset: start + done, as: UInt64.self)
            to.storeBytes(of: word, toByteOffset: done, as: UInt64.self)
            done += 8
        }
        while done < count {
            to.storeBytes(of: source[start + done], toByteOffset: done, as: UInt8.self)
            done += 1
        }
    }

    // MARK: Keeping

    private func content(_ index: Int) -> ArraySlice<UInt8> {
        let start = index * Self.cellLength
        return long[index].map { $0[...] } ?? Array(arena[start..<(start + Self.cellLength)])[...]
    }

    private func offsets(_ content: ArraySlice<UInt8>, _ cell: Cell) -> [Int] {
        let start = Int(cell.keyLength) + Int(cell.answerLength)
        return (0..<Int(cell.ttlCount)).map {
            Int(content[start + 2 * $0]) << 8 | Int(content[start + 2 * $0 + 1])
        }
    }

    /// Whether an answer has the question of a query, in whatever letters: those of others are written over it.
    private static func repeats(_ query: [UInt8], _ plain: PlainQuery, _ answer: [UInt8]) -> Bool {
        guard answer.count >= plain.questionEnd, answer[4] == 0, answer[5] == 1 else { return false }
        return (DNSHeader.length..<plain.questionEnd).allSatisfy { index in
            index < plain.nameEnd
                ? query[index].asciiLowercased == answer[index].asciiLowercased : query[index] == answer[index]
        }
    }

    /// Where the times to live are in an answer, that of an OPT left out; nil where it cannot be read.
    private static func timesToLive(_ answer: [UInt8]) -> [Int]? {
        var input = WireReader(answer)
        do {
            let header = try DNSHeader(parsing: &input)
            for _ in 0..<header.questionCount {
                try input.skipName()
                try input.skip(count: 4, field: "dns.question")
            }
            var places: [Int] = []
            for _ in 0..<(Int(header.answerCount) + Int(header.authorityCount) + Int(header.additionalCount)) {
                try input.skipName()
                let type: UInt16 = try input.read(field: "dns.record.type")
                try input.skip(count: 2, field: "dns.record.class")
                if type != RecordType.opt.rawValue { places.append(input.offset) }
                try input.skip(count: 4, field: "dns.record.ttl")
                let length: UInt16 = try input.read(field: "dns.record.length")
                try input.skip(count: Int(length), field: "dns.rdata")
            }
            return places
        } catch {
            return nil
        }
    }

    /// A cell for a new key, entered into its bucket. Where that is full, the oldest of it goes, or the oldest of those
    /// that nobody asks for.
    private mutating func place(_ hash: UInt32) -> Int {
        let start = (Int(hash) & mask) * Self.bucketLength
        let bucket = start..<(start + Self.bucketLength)
        if !bucket.contains(where: { rows[$0].cell < 0 }) {
            let oldest = bucket.map { Int(rows[$0].cell) }.min {
                (cells[$0].isWarm ? 1 : 0, cells[$0].stored) < (cells[$1].isWarm ? 1 : 0, cells[$1].stored)
            }
            if let oldest { free(oldest) }
        }
        let index = freeCell()
        let row = bucket.first { rows[$0].cell < 0 } ?? start
        rows[row] = Row(hash: hash, cell: Int32(index))
        cells[index].row = Int32(row)
        return index
    }

    private mutating func freeCell() -> Int {
        if used < cells.count {
            used += 1
            return used - 1
        }
        while cells[hand].row >= 0, cells[hand].isWarm {
            cells[hand].isWarm = false
            hand = (hand + 1) % cells.count
        }
        let index = hand
        hand = (hand + 1) % cells.count
        free(index)
        return index
    }

    private mutating func free(_ index: Int) {
        long[index] = nil
        guard cells[index].row >= 0 else { return }
        rows[Int(cells[index].row)].cell = -1
        cells[index] = Cell()
    }
}
