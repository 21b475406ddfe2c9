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
        var nameLength: UInt16 = 0
        var answerLength: UInt16 = 0
        var ttlCount: UInt16 = 0
        /// It was asked for since the hand came by.
        var isWarm = false
        /// Somebody has been told that it is time to ask again.
        var isBeingRefreshed = false
        /// It is too long for its place.
        var isLong = false
        var ttl: UInt32 = 0
        var stored = Instant(nanoseconds: 0)

        func age(at now: Instant) -> Int64 { (now.nanoseconds &- stored.nanoseconds) / 1_000_000_000 }
        mutating func end(at now: Instant) { ttl = min(ttl, UInt32(clamping: age(at: now))) }
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
    private var used = 0, hand = 0
    /// What `touch` has read, so that it is read.
    private var touched: Int32 = 0

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

    /// What makes the codes that queries are looked up by. It is small: to ask the whole cache within a closure would
    /// copy it for each query.
    package struct Coder: Sendable {
        fileprivate let key: (UInt64, UInt64)

        /// The code of a query.
        package func code(_ query: Span<UInt8>, _ plain: PlainQuery) -> UInt32 { AnswerKey(query, plain).hash(key) }
    }

    /// What makes the codes of this cache.
    package var coder: Coder { Coder(key: key) }

    /// Touches all that will be looked up by these codes. Each lookup leads to three places that are in no near memory;
    /// one after the other they would be waited for, together they are on their way at the same time.
    package mutating func touch(_ codes: Span<UInt32>) {
        for index in codes.indices {
            let start = (Int(codes[index]) & mask) * Self.bucketLength
            touched &+= rows[start].cell &+ rows[start + Self.bucketLength - 1].cell
        }
        for index in codes.indices {
            let code = codes[index]
            let start = (Int(code) & mask) * Self.bucketLength
            for row in start..<(start + Self.bucketLength) where rows[row].hash == code && rows[row].cell >= 0 {
                let cell = Int(rows[row].cell)
                let place = cell * Self.cellLength
                touched &+= cells[cell].row &+ Int32(arena[place]) &+ Int32(arena[place + 64])
            }
        }
    }

    /// Writes the answer to `query` into `output`, at most `limit` octets. `code`: where it is known already.
    package mutating func find(
        _ query: Span<UInt8>, _ plain: PlainQuery, code: UInt32? = nil, limit: Int, at now: Instant,
        into output: inout MutableSpan<UInt8>
    ) -> Finding {
        let key = AnswerKey(query, plain)
        guard let index = cell(of: key, code ?? key.hash(self.key)) else { return .nothing }
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
        let key = AnswerKey(query.span, plain)
        let code = key.hash(self.key)
        var content = key.octets
        let keyLength = content.count
        content.reserveCapacity(keyLength + answer.count + 2 * times.count)
        content += answer
        for time in times { content += [UInt8(time >> 8), UInt8(time & 0xff)] }
        let index = cell(of: key, code) ?? place(code)
        let isLong = content.count > Self.cellLength
        if isLong {
            long[index] = content
        } else {
            if cells[index].isLong { long[index] = nil }
            let start = index * Self.cellLength
            arena.replaceSubrange(start..<(start + content.count), with: content)
        }
        cells[index].isLong = isLong
        cells[index].keyLength = UInt16(keyLength)
        cells[index].nameLength = UInt16(key.nameLength)
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
            let index = cell(of: query, plain)
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
            let index = cell(of: query, plain)
        else { return nil }
        let age = cells[index].age(at: now)
        return age < Int64(cells[index].ttl) ? .seconds(age) : nil
    }

    /// Forgets a name, and those below it if `andBelow`; how many answers that were. `oldAt`: they are old since then.
    @discardableResult
    package mutating func remove(_ name: DomainName, andBelow: Bool = false, oldAt: Instant? = nil) -> Int {
        let name = name.octets.map(\.asciiLowercased)
        var count = 0
        for index in 0..<used where cells[index].row >= 0 && isName(of: index, name, orBelow: andBelow) {
            if let oldAt { cells[index].end(at: oldAt) } else { free(index) }
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

    private func cell(of query: [UInt8], _ plain: PlainQuery) -> Int? {
        let key = AnswerKey(query.span, plain)
        return cell(of: key, key.hash(self.key))
    }

    @inline(__always)
    private func cell(of key: borrowing AnswerKey, _ hash: UInt32) -> Int? {
        let start = (Int(hash) & mask) * Self.bucketLength
        for row in start..<(start + Self.bucketLength) where rows[row].hash == hash && rows[row].cell >= 0 {
            let index = Int(rows[row].cell)
            if isKey(of: index, key) { return index }
        }
        return nil
    }

    @inline(__always)
    private func isKey(of index: Int, _ key: borrowing AnswerKey) -> Bool {
        guard Int(cells[index].keyLength) == 8 * key.count else { return false }
        if cells[index].isLong, let content = long[index] { return key.isEqual(to: content.span, at: 0) }
        return key.isEqual(to: arena.span, at: index * Self.cellLength)
    }

    /// Whether what a cell holds is about a name, which is in lower case, or about one below it.
    private func isName(of index: Int, _ name: [UInt8], orBelow: Bool) -> Bool {
        let length = Int(cells[index].nameLength)
        guard orBelow ? length >= name.count : length == name.count else { return false }
        if cells[index].isLong, let content = long[index] {
            return Self.ends(content.span, at: AnswerKey.nameStart, length, with: name)
        }
        return Self.ends(arena.span, at: index * Self.cellLength + AnswerKey.nameStart, length, with: name)
    }

    /// Whether a name ends with another one, as a whole.
    private static func ends(_ known: Span<UInt8>, at start: Int, _ length: Int, with name: [UInt8]) -> Bool {
        let rest = start + length - name.count
        for index in name.indices.reversed() where known[rest + index] != name[index] { return false }
        // It begins where a label does.
        var position = start
        while position < rest { position += 1 + Int(known[position]) }
        return position == rest
    }

    // MARK: Giving

    private func give(
        _ index: Int, _ cell: Cell, ageing age: UInt32, to query: Span<UInt8>, _ plain: PlainQuery,
        into output: inout MutableSpan<UInt8>
    ) {
        if cell.isLong, let content = long[index] {
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
        copy(known, from: answer, count: length, to: &output, at: 0)
        copy(query, from: 0, count: 2, to: &output, at: 0)
        // In the letters of whoever asks.
        copy(query, from: DNSHeader.length, count: plain.nameEnd - DNSHeader.length, to: &output, at: DNSHeader.length)
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
        _ source: Span<UInt8>, from start: Int, count: Int, to output: inout MutableSpan<UInt8>, at place: Int
    ) {
        precondition(start + count <= source.count && place + count <= output.count, "a copy beyond the end")
        let from = unsafe source.bytes
        var to = unsafe output.mutableBytes
        var done = 0
        while done + 8 <= count {
            let word = unsafe from.unsafeLoadUnaligned(fromByteOffset: start + done, as: UInt64.self)
            to.storeBytes(of: word, toByteOffset: place + done, as: UInt64.self)
            done += 8
        }
        while done < count {
            to.storeBytes(of: source[start + done], toByteOffset: place + done, as: UInt8.self)
            done += 1
        }
    }

    // MARK: Keeping

    private func content(_ index: Int) -> ArraySlice<UInt8> {
        let start = index * Self.cellLength
        if cells[index].isLong, let content = long[index] { return content[...] }
        return Array(arena[start..<(start + Self.cellLength)])[...]
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
        guard cells[index].row >= 0 else { return }
        if cells[index].isLong { long[index] = nil }
        rows[Int(cells[index].row)].cell = -1
        cells[index] = Cell()
    }
}
