// DomainName: a name of the DNS (RFC 1035 section 3.1), as the octets of its wire form without compression. The case
// of letters is kept and never matters: `Example.com` equals `example.COM` (RFC 4343). The octets may be a slice of a
// whole message's, so that names cost no memory of their own when a message is read; `DomainNameText.swift` has the
// text form. A name is valid by construction: labels of 1 to 63 octets, 255 octets in all.

/// An absolute name of the DNS.
package struct DomainName: Sendable {
    /// The wire form: labels with their lengths, and the root's zero.
    package let octets: ArraySlice<UInt8>

    /// Octets in all, the root's zero included (RFC 1035 section 2.3.4).
    package static let maximumLength = 255
    /// Octets of a label (RFC 1035 section 2.3.4).
    package static let maximumLabelLength = 63
    /// Pointers that are followed within one name. Real names have one; one in front of each label is the most that
    /// any sane encoder could write. It bounds what a hostile message costs (RFC 9267 section 2).
    package static let maximumPointers = 127

    /// The root, `.`.
    package static let root = DomainName(unchecked: [0])

    /// For those who have made sure that it is a name.
    init(unchecked octets: ArraySlice<UInt8>) { self.octets = octets }

    /// A name of wire form alone, without compression and with nothing behind it; otherwise nil.
    package init?(octets: some Collection<UInt8>) {
        let octets = Array(octets)
        var reader = WireReader(octets)
        var copy: [UInt8] = []
        guard (try? reader.readName(into: &copy)) != nil, reader.remaining == 0, copy == octets else { return nil }
        self.octets = octets[...]
    }

    /// A name of these labels, the one next to the root last; nil where one of them, or the whole, is too long.
    package init?(labels: some Sequence<some Collection<UInt8>>) {
        var octets: [UInt8] = []
        for label in labels {
            guard (1...Self.maximumLabelLength).contains(label.count) else { return nil }
            octets.append(UInt8(label.count))
            octets += label
        }
        octets.append(0)
        guard octets.count <= Self.maximumLength else { return nil }
        self.octets = octets[...]
    }

    /// Whether it is the root.
    package var isRoot: Bool { octets.count == 1 }

    /// The labels, the leftmost first, the root's left out.
    package var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = []
        var rest = octets
        while let length = rest.first, length > 0 {
            labels.append(rest.dropFirst().prefix(Int(length)))
            rest = rest.dropFirst(1 + Int(length))
        }
        return labels
    }

    /// How many labels there are, the root's left out.
    package var labelCount: Int {
        var count = 0
        var index = octets.startIndex
        while octets[index] > 0 {
            index += 1 + Int(octets[index])
            count += 1
        }
        return count
    }

    /// Whether it stands for the names below one (RFC 4592 section 2.1.1).
    package var isWildcard: Bool { octets.starts(with: [1, UInt8(ascii: "*")]) }

    /// The name without its leftmost label; nil for the root.
    package var parent: DomainName? {
        guard let length = octets.first, length > 0 else { return nil }
        return DomainName(unchecked: octets.dropFirst(1 + Int(length)))
    }

    /// Whether it is `other` or a name below it.
    package func isWithin(_ other: DomainName) -> Bool {
        var rest = self
        while rest.octets.count > other.octets.count {
            guard let parent = rest.parent else { return false }
            rest = parent
        }
        return rest == other
    }

    /// The name with `label` in front; nil where either is too long.
    package func prepending(_ label: some Collection<UInt8>) -> DomainName? {
        guard (1...Self.maximumLabelLength).contains(label.count) else { return nil }
        return appended(to: [UInt8(label.count)] + label)
    }

    /// The name with the end `old` replaced by `new`, as a DNAME does (RFC 6672 section 2.2); nil where it is not below
    /// `old`, or the new one were too long.
    package func replacing(_ old: DomainName, with new: DomainName) -> DomainName? {
        guard isWithin(old) else { return nil }
        return new.appended(to: Array(octets.dropLast(old.octets.count)))
    }

    private func appended(to labels: [UInt8]) -> DomainName? {
        guard labels.count + octets.count <= Self.maximumLength else { return nil }
        return DomainName(unchecked: (labels + octets)[...])
    }

    /// The same name in lower case, with octets of its own: what RFC 4034 section 6.2 and RFC 8945 section 4.3.3 want.
    package var canonical: DomainName { DomainName(unchecked: octets.map(\.asciiLowercased)[...]) }

    /// The same name with octets of its own, so that no message is kept in memory for it.
    package var detached: DomainName { DomainName(unchecked: Array(octets)[...]) }
}

extension DomainName: Hashable, Comparable {
    // Lengths are below 64 and so below the letters: they need no care.
    package static func == (one: DomainName, other: DomainName) -> Bool {
        guard one.octets.count == other.octets.count else { return false }
        var index = other.octets.startIndex
        for octet in one.octets {
            guard octet == other.octets[index] || octet.asciiLowercased == other.octets[index].asciiLowercased else {
                return false
            }
            index += 1
        }
        return true
    }

    /// Whether the other one has the same letters in the same case.
    package func isIdentical(to other: DomainName) -> Bool { octets == other.octets }

    /// Case does not count.
    package func hash(into hasher: inout Hasher) {
        var word: UInt64 = 0
        var count = 0
        for octet in octets {
            word = word << 8 | UInt64(octet.asciiLowercased)
            count += 1
            if count % 8 == 0 { hasher.combine(word) }
        }
        hasher.combine(word)
        hasher.combine(count)
    }

    /// The canonical order of RFC 4034 section 6.1: by labels from the root's end, case-blind.
    package static func < (one: DomainName, other: DomainName) -> Bool {
        for (label, against) in zip(one.labels.reversed(), other.labels.reversed()) {
            let label = label.map(\.asciiLowercased)
            let against = against.map(\.asciiLowercased)
            if label != against { return label.lexicographicallyPrecedes(against) }
        }
        return one.labelCount < other.labelCount
    }
}

extension UInt8 {
    /// An ASCII letter in lower case; anything else as it is.
    var asciiLowercased: UInt8 { self &- UInt8(ascii: "A") < 26 ? self | 0x20 : self }
}

extension WireReader {
    /// Reads a name and appends its octets to `arena`, following compression (RFC 1035 section 4.1.4). A pointer leads
    /// to before everything that was read so far of this name, and what is there ends before it, too: so a name ends,
    /// whatever is in the message.
    package mutating func readName(into arena: inout [UInt8], field: String = "dns.name") throws(WireError) {
        let base = arena.count
        var position = offset
        var lowest = offset
        var limit = offset + remaining
        var pointers = 0
        var end: Int?
        while true {
            let length = Int(try byte(at: position, field: field))
            switch length >> 6 {
            case 0:
                guard position + 1 + length <= limit else {
                    throw WireError(end == nil ? .truncated : .unexpected, field: field, offset: position)
                }
                // Room for the root's zero behind every other label.
                guard arena.count - base + 1 + length + (length > 0 ? 1 : 0) <= DomainName.maximumLength else {
                    throw WireError(.unexpected, field: field, offset: position)
                }
                try copy(position..<(position + 1 + length), into: &arena, field: field)
                position += 1 + length
                guard length > 0 else {
                    try skip(count: (end ?? position) - offset, field: field)
                    return
                }
            case 3:
                let target = (length & 0x3f) << 8 | Int(try byte(at: position + 1, field: field))
                pointers += 1
                guard target < lowest, position + 2 <= limit, pointers <= DomainName.maximumPointers else {
                    throw WireError(.unexpected, field: field, offset: position)
                }
                end = end ?? position + 2
                limit = lowest
                lowest = target
                position = target
            default:
                throw WireError(.unexpected, field: field, offset: position)
            }
        }
    }

    /// Steps over a name without following it anywhere.
    package mutating func skipName(field: String = "dns.name") throws(WireError) {
        while true {
            let length = Int(try byte(at: offset, field: field))
            guard length >> 6 == 0 || length >> 6 == 3 else {
                throw WireError(.unexpected, field: field, offset: offset)
            }
            try skip(count: length >> 6 == 3 ? 2 : 1 + length, field: field)
            if length == 0 || length >> 6 == 3 { return }
        }
    }

    /// The next name, with octets of its own.
    package mutating func readName(field: String = "dns.name") throws(WireError) -> DomainName {
        var octets: [UInt8] = []
        try readName(into: &octets, field: field)
        return DomainName(unchecked: octets[...])
    }
}
